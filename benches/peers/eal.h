/* Starts DPDK from PEERS_EAL (a list of options), counts its heap, and keeps latencies. */
#ifndef PEERS_EAL_H
#define PEERS_EAL_H
#include "common.h"
#include <sys/resource.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_version.h>

static void eal_start(char *self)
{
	const char *o = getenv("PEERS_EAL");
	if (!o)
		o = "--no-huge -m 6144 --no-pci --no-shconf --no-telemetry -l 0"
		    " --log-level=4 --force-max-simd-bitwidth=512";
	char *copy = strdup(o), *argv[64] = { self };
	int argc = 1;
	for (char *p = strtok(copy, " "); p && argc < 63; p = strtok(NULL, " "))
		argv[argc++] = p;
	if (rte_eal_init(argc, argv) < 0)
		die("rte_eal_init");
	lib_version = rte_version();
}
static size_t __attribute__((unused)) heap_used(void)
{
	struct rte_malloc_socket_stats st;
	rte_malloc_get_socket_stats(0, &st);
	return st.heap_allocsz_bytes;
}

/* Latency of single operations. The thread's clock costs a system call, so these use the TSC. A
 * sample over 10 us during which the kernel switched this thread out is dropped and counted;
 * interrupts and a hypervisor's other guests stay in. Histogram in steps of 1/32. */
struct lat { uint64_t n, max, dropped, h[2048]; long nsw; };
static long lat_switches(void)
{
	struct rusage u;
	getrusage(RUSAGE_THREAD, &u);
	return u.ru_nivcsw + u.ru_nvcsw;
}
static inline void lat_add(struct lat *l, uint64_t cyc)
{
	if (cyc * 100000 > rte_get_tsc_hz()) {
		long k = lat_switches();
		if (k != l->nsw) { l->nsw = k; l->dropped++; return; }
	}
	int e = cyc < 64 ? 5 : 63 - __builtin_clzll(cyc);
	l->h[(e - 5) * 32 + (int)(cyc >> (e - 5))]++;
	l->n++;
	if (cyc > l->max) l->max = cyc;
}
/* Upper edge of the slot of that quantile, ns. */
static double __attribute__((unused)) lat_ns(const struct lat *l, double share)
{
	uint64_t want = (uint64_t)((double)l->n * share), c = 0;
	double per = 1e9 / (double)rte_get_tsc_hz();
	for (uint64_t s = 0; s < 2048; s++)
		if ((c += l->h[s]) > want) {
			uint64_t e = s < 64 ? 0 : s / 32 - 1, up = ((s - e * 32 + 1) << e) - 1;
			return per * (double)(up < l->max ? up : l->max);
		}
	return per * (double)l->max;
}
/* The JSON fields of a latency. */
static const char __attribute__((unused)) *lat_json(const struct lat *l)
{
	static char s[192];
	snprintf(s, sizeof s, ",\"p99_ns\":%.0f,\"p999_ns\":%.0f,\"worst_ns\":%.0f,\"samples\":%" PRIu64
		 ",\"dropped\":%" PRIu64, lat_ns(l, .99), lat_ns(l, .999), lat_ns(l, 1), l->n, l->dropped);
	return s;
}
#endif
