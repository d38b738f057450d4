/* rte_hash (cuckoo) with a 48-byte key and a pointer as value.
 * usage: hash [--key 40|48] [--mapping] [--size LOG2] [--lf] [--churn TENTHS]
 *   --key   48 (default): DPDK compares keys of 16, 32, 48 ... bytes with vectors, so this is the peer to
 *           beat (a user pads the 40 bytes with zeros); 40 falls to memcmp
 *   --mapping keys of 32 bytes: a VNET and an address of it, of either family by turns
 *   --size  capacity 2^LOG2 (default 20)
 *   --lf    RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF
 *   --churn tenths of the capacity that one round of churn removes and inserts (default 12: nine rounds
 *           are 10.8 capacities)
 * Phases: "fill" (empties the table, fills it to 90 %), "replace" (puts each key again), "look-up" (hit, miss, one at a time and in bulk),
 * "connection" (2 deletes + 2 inserts + 6 bulk hits), "churn-90", "churn-95" (fills to 95 % first). */
#include "eal.h"
#include <rte_hash.h>
#include <rte_hash_crc.h>

struct key {                     /* 40 bytes: 5-tuple, IPv4 as ::ffff:a.b.c.d, plus ENI */
	uint8_t src[16], dst[16];
	uint16_t sport, dport;
	uint8_t proto, pad;
	uint16_t eni;
};
_Static_assert(sizeof(struct key) == 40, "key");

static size_t kl = 48;           /* bytes a key */
static int lf;
static struct rte_hash *h;
static uint32_t *live, nlive, next_id;   /* ids of the keys in the table; next_id was never used */
static uint64_t size, bytes, tenths = 12, rs;
static char work[64], program[64];
static const char *sz;
#define WORK(what) (snprintf(work, sizeof work, "%s %s%s", sz, kl == 32 ? "mapping " : "", what), work)
#define PROGRAM(way) (snprintf(program, sizeof program, "rte_hash%s%s%s", lf ? "_lf" : "", kl == 40 ? "_40" : "", way), program)

static void mk_mapping(uint64_t i, uint8_t *out)
{
	uint64_t m = mix64(i + 1);
	uint32_t a = (uint32_t)i * 2654435761u;
	memset(out, 0, kl);
	if (i & 1) {
		out[0] = 0xfd;
		memcpy(out + 8, &m, 8);
	} else
		memcpy(out + 12, &a, 4);
	out[16] = i >> 1 & 63;
	out[18] = i & 1;
	out[20] = (uint8_t)(i >> 40);           /* keys that are never inserted */
}
static void mk(uint64_t i, uint8_t *out)   /* i -> key, one to one: i is spread over the fields */
{
	if (kl == 32) {
		mk_mapping(i, out);
		return;
	}
	uint64_t m = mix64(i + 1);      /* mix64 is a bijection: m names i */
	struct key k;
	memset(&k, 0, sizeof k);
	k.src[10] = k.src[11] = k.dst[10] = k.dst[11] = 0xff;
	uint32_t s = 0x0A000000u | (uint32_t)(m & 0xffffff), d = 0x0A000000u | (uint32_t)(m >> 24 & 0xffffff);
	memcpy(k.src + 12, &s, 4);
	memcpy(k.dst + 12, &d, 4);
	k.sport = (uint16_t)(m >> 48);
	k.dport = 443;
	k.proto = 6;
	k.eni = (uint16_t)(i & 63);
	memset(out, 0, kl);
	memcpy(out, &k, sizeof k);
}
static inline void *val(uint64_t id) { return (void *)(uintptr_t)(id + 1); }
static inline int del(const void *k)
{
	int pos = rte_hash_del_key(h, k);
	if (lf && pos >= 0) rte_hash_free_key_with_position(h, pos);   /* else the slot is lost */
	return pos;
}
static uint8_t *keys(size_t n)
{
	uint8_t *p = malloc(n * kl);
	if (!p) die("memory");
	return p;
}

/* insert fresh keys until n are in; keys are made in chunks outside the clock. Returns ns spent */
static uint64_t fill(uint32_t n)
{
	uint64_t spent = 0;
	uint8_t *c = keys(65536);
	while (nlive < n) {
		uint32_t m = n - nlive < 65536 ? n - nlive : 65536;
		for (uint32_t j = 0; j < m; j++) mk(next_id + j, c + j * kl);
		uint64_t t = now_ns();
		for (uint32_t j = 0; j < m; j++)
			if (rte_hash_add_key_data(h, c + j * kl, val(next_id + j)) < 0) die("the table refuses a key while filling");
		spent += now_ns() - t;
		for (uint32_t j = 0; j < m; j++) live[nlive++] = next_id++;
	}
	free(c);
	return spent;
}
/* puts the same keys once more, in the order in which they came */
static uint64_t replace(void)
{
	uint64_t spent = 0;
	uint8_t *c = keys(65536);
	for (uint32_t i = 0, m; i < nlive; i += m) {
		m = nlive - i < 65536 ? nlive - i : 65536;
		for (uint32_t j = 0; j < m; j++) mk(live[i + j], c + j * kl);
		uint64_t t = now_ns();
		for (uint32_t j = 0; j < m; j++)
			if (rte_hash_add_key_data(h, c + j * kl, val(live[i + j])) < 0) die("replace");
		spent += now_ns() - t;
	}
	free(c);
	return spent;
}
/* the oracle is live[]: each of its keys is found with its own value, there are no others, and ids
 * that were never used are absent */
static void verify(const char *when, uint64_t missing)
{
	uint8_t *k = keys(32);
	const void *kp[32]; void *dv[32];
	uint64_t lost = 0, mask;
	for (uint32_t j = 0; j < 32; j++) kp[j] = k + j * kl;
	for (uint32_t i = 0, m; i < nlive; i += m) {
		m = nlive - i < 32 ? nlive - i : 32;
		for (uint32_t j = 0; j < m; j++) mk(live[i + j], k + j * kl);
		rte_hash_lookup_bulk_data(h, kp, m, &mask, dv);
		for (uint32_t j = 0; j < m; j++)
			if (!(mask >> j & 1)) lost++;
			else if (dv[j] != val(live[i + j])) die("wrong value");
	}
	for (uint64_t i = 0; i < 65536; i++) {
		mk((1ull << 40) + i, k);
		if (rte_hash_lookup(h, k) >= 0) die("found an absent key");
	}
	free(k);
	if (lost > missing || rte_hash_count(h) != (int32_t)(nlive - lost)) {
		fprintf(stderr, "%s: %" PRIu64 " of %u keys lost, table counts %d\n", when, lost, nlive, rte_hash_count(h));
		exit(1);
	}
}

/* Steady state: delete a random key, insert a fresh one. Chunks of 1024 pairs are prepared outside the
 * clock; even chunks give the mean (thread CPU time), odd ones the latency of each pair (TSC). */
static void churn(const char *what)
{
	enum { C = 1024 };
	uint8_t *dk = keys(C), *ik = keys(C);
	uint32_t id[C];
	uint64_t chunks = tenths * size / 10 / C & ~1ull, good = 0, failed = 0, spent = 0;
	static struct lat l;
	memset(&l, 0, sizeof l);
	for (uint64_t c = 0; c < chunks; c++) {
		for (int j = 0; j < C; j++) {
			uint32_t *v = &live[rnd_below(&rs, nlive)];
			mk(*v, dk + (size_t)j * kl);
			mk(id[j] = *v = next_id++, ik + (size_t)j * kl);
		}
		uint64_t ok = 0;
		l.nsw = lat_switches();
		uint64_t t = now_ns();
		for (int j = 0; j < C; j++) {
			uint64_t a = c & 1 ? rte_rdtsc() : 0;
			ok += del(dk + (size_t)j * kl) >= 0;
			ok += rte_hash_add_key_data(h, ik + (size_t)j * kl, val(id[j])) >= 0;
			if (c & 1) lat_add(&l, rte_rdtsc() - a);
		}
		if (!(c & 1)) spent += now_ns() - t;
		good += ok;
		failed += 2 * C - ok;
	}
	emit(PROGRAM(""), WORK(what), nlive, bytes, spent, chunks / 2 * C, chunks * C, good, lat_json(&l));
	verify(what, failed);
	free(dk); free(ik);
}

/* One connection: a random pair of keys goes (2 deletes), a fresh pair comes (2 inserts), and 6 packets
 * of random live flows hit, looked up in bulks of 32 after each 16 connections. */
static void connection(void)
{
	enum { C = 256, B = 16 };
	uint8_t *dk = keys(2 * C), *ik = keys(2 * C), *qk = keys(6 * C);
	uint32_t id[2 * C], chunks = (uint32_t)(size / 4 < 131072 ? size / 4 : 131072) / C;
	uint64_t spent = 0, sum = 0;
	for (uint32_t c = 0; c < chunks; c++) {
		uint64_t expect = 0, acc = 0, mask, bad = 0;
		for (uint32_t j = 0; j < C; j++) {
			uint32_t v = (uint32_t)rnd_below(&rs, nlive / 2) * 2;
			for (uint32_t s = 0; s < 2; s++) {
				mk(live[v + s], dk + (2 * j + s) * kl);
				mk(id[2 * j + s] = live[v + s] = next_id++, ik + (2 * j + s) * kl);
			}
			if (j % B == B - 1)
				for (uint32_t q = (j - B + 1) * 6; q < (j + 1) * 6; q++) {
					uint32_t w = live[rnd_below(&rs, nlive)];
					expect += w + 1ull;
					mk(w, qk + q * kl);
				}
		}
		const void *kp[32]; void *dv[32];
		uint64_t t = now_ns();
		for (uint32_t j = 0; j < C; j += B) {
			for (uint32_t s = 2 * j; s < 2 * (j + B); s += 2) {
				bad += del(dk + s * kl) < 0;
				bad += del(dk + (s + 1) * kl) < 0;
				bad += rte_hash_add_key_data(h, ik + s * kl, val(id[s])) < 0;
				bad += rte_hash_add_key_data(h, ik + (s + 1) * kl, val(id[s + 1])) < 0;
			}
			for (uint32_t q = j * 6; q < (j + B) * 6; q += 32) {
				for (uint32_t x = 0; x < 32; x++) kp[x] = qk + (q + x) * kl;
				rte_hash_lookup_bulk_data(h, kp, 32, &mask, dv);
				for (uint64_t b = mask; b; b &= b - 1) acc += (uintptr_t)dv[__builtin_ctzll(b)];
			}
		}
		spent += now_ns() - t;
		if (bad || acc != expect) die("connection: wrong answer or no room");
		sum += acc;
	}
	emit(PROGRAM("_bulk32"), WORK("connection"), nlive, bytes, spent, (uint64_t)chunks * C, (uint64_t)chunks * C * 6, sum, "");
	verify("connection", 0);
	free(dk); free(ik); free(qk);
}

/* Queries on random keys that are there, and on keys that are not. */
static uint32_t nq;
static uint8_t *q, *miss;
static void look_up(void)
{
	const void *kp[32]; void *dv[32]; uint64_t mask;
	for (int m = 0; m < 2; m++) {
		const uint8_t *k = m ? miss : q;
		WORK(m ? "miss" : "hit");
		MEASURE(PROGRAM("_single"), work, nlive, bytes, nq, {
			void *d;
			for (uint32_t i = 0; i < nq; i++)
				if (rte_hash_lookup_data(h, k + i * kl, &d) >= 0) acc += (uintptr_t)d;
		});
		MEASURE(PROGRAM("_bulk32"), work, nlive, bytes, nq, {
			for (uint32_t i = 0; i < nq; i += 32) {
				for (uint32_t j = 0; j < 32; j++) kp[j] = k + (i + j) * kl;
				rte_hash_lookup_bulk_data(h, kp, 32, &mask, dv);
				for (uint64_t b = mask; b; b &= b - 1) acc += (uintptr_t)dv[__builtin_ctzll(b)];
			}
		});
	}
}

int main(int argc, char **argv)
{
	uint64_t lg = 20;
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--lf")) lf = 1;
		else if (!strcmp(argv[i], "--mapping")) kl = 32;
		else if (!strcmp(argv[i], "--key") && i + 1 < argc) kl = strtoul(argv[++i], NULL, 10);
		else if (!strcmp(argv[i], "--size") && i + 1 < argc) lg = strtoul(argv[++i], NULL, 10);
		else if (!strcmp(argv[i], "--churn") && i + 1 < argc) tenths = strtoul(argv[++i], NULL, 10);
		else die("usage: hash [--key 40|48] [--mapping] [--size LOG2] [--lf] [--churn TENTHS]");
	}
	if ((kl != 32 && kl != 40 && kl != 48) || lg < 12 || lg > 26) die("key 40 or 48, size 12..26");
	size = 1ull << lg;
	uint32_t n = (uint32_t)(size * 9 / 10), n95 = (uint32_t)(size * 95 / 100);
	static char szb[16];
	snprintf(szb, sizeof szb, lg >= 20 ? "%" PRIu64 "M" : "%" PRIu64 "k", lg >= 20 ? size >> 20 : size >> 10);
	sz = szb;
	nq = (uint32_t)(size < 1u << 20 ? size : 1u << 20);
	eal_start(argv[0]);
	size_t h0 = heap_used();
	struct rte_hash_parameters p = { .name = "h", .entries = (uint32_t)size, .key_len = (uint32_t)kl,
		.hash_func = rte_hash_crc, .socket_id = 0,
		.extra_flag = lf ? RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF : 0 };
	h = rte_hash_create(&p);
	if (!h) die("rte_hash_create");
	bytes = heap_used() - h0;
	live = malloc(4 * (size_t)n95);
	q = keys(nq);
	miss = keys(nq);
	if (!live) die("memory");
	turn_over();
	for (const char *phase; (phase = turn()); turn_over()) {
		if (!strcmp(phase, "fill")) {
			rte_hash_reset(h);
			nlive = next_id = 0;
			uint64_t spent = fill(n);
			emit(PROGRAM(""), WORK("fill"), n, bytes, spent, n, n, n, "");
			rs = 1;
			for (uint32_t i = 0; i < nq; i++) {
				mk(rnd_below(&rs, n), q + i * kl);
				mk((1ull << 40) + rnd_below(&rs, 1ull << 30), miss + i * kl);
			}
			verify("fill", 0);
		} else if (!strcmp(phase, "replace")) {
			uint64_t spent = replace();
			emit(PROGRAM(""), WORK("replace"), nlive, bytes, spent, nlive, nlive, nlive, "");
		} else if (!strcmp(phase, "look-up")) {
			look_up();
		} else if (!strcmp(phase, "connection")) {
			connection();
		} else if (!strcmp(phase, "churn-90")) {
			churn("churn at 90 %");
		} else if (!strcmp(phase, "churn-95")) {
			fill(n95);
			churn("churn at 95 %");
		} else {
			die("phase: fill, replace, look-up, connection, churn-90, churn-95");
		}
	}
	return 0;
}
