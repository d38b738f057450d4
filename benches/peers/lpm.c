/* rte_lpm and rte_fib (IPv4), rte_fib6 (IPv6) over the BGP tables.
 * usage: lpm DATADIR lpm4|fib4|fib6       Phases: "build", "look-up", "update", "default"; lpm4 only "look-up":
 * rte_lpm_add scans all rules of the same depth and takes minutes, so its two lookup tables are filled by hand, to
 * the same content. All answers are checked before the first round and after the updates. */
#include "eal.h"
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_lpm.h>
#include "lpm_work.h"
#define BULK 32

static struct table T;
static struct ref R;
static struct work W[W_N];
static int v6;
static const char *fam;
static size_t bytes;
static char workname[64];
#define WORK(what) (snprintf(workname, sizeof workname, "%s %s", fam, what), workname)
#define A4(p) ((uint32_t)((p)->addr >> 96))

/* look[i..i+BULK) up in work w, answers as 0..255: for checks, not for the clock */
typedef void look(int w, size_t i, uint8_t *o);
/* every address of the first nw works against the oracle; dflt is what an address without a route must get */
static void check_all(const char *program, look *f, int nw, uint8_t dflt)
{
	uint8_t o[BULK];
	for (int w = 0; w < nw; w++)
		for (size_t i = 0; i < NADDR; i += BULK) {
			f(w, i, o);
			for (size_t j = 0; j < BULK; j++) {
				uint8_t want = W[w].want[i + j] ? W[w].want[i + j] : dflt;
				if (o[j] == want) continue;
				fprintf(stderr, "%s %s #%zu: got %u want %u\n", program, wname[v6][w], i + j, o[j], want);
				exit(1);
			}
		}
}

/* "update": remove and insert again random routes, ns of a pair. */
#define UPDATES 20000
#define UPDATE(program, f, DEL, ADD) do {                                              \
	static struct lat l_; static uint64_t s_ = 77; uint64_t t_;                     \
	memset(&l_, 0, sizeof l_);                                                      \
	l_.nsw = lat_switches();                                                        \
	t_ = now_ns();                                                                  \
	for (int k_ = 0; k_ < UPDATES; k_++) {                                          \
		struct pfx *p = &T.p[rnd_below(&s_, T.n)];                              \
		uint64_t a_ = rte_rdtsc();                                              \
		if ((DEL) < 0 || (ADD) < 0) die(program " update");                     \
		lat_add(&l_, rte_rdtsc() - a_);                                         \
	}                                                                               \
	t_ = now_ns() - t_;                                                             \
	check_all(program, f, W_N, 0);                                                  \
	emit(program, WORK("update"), T.n, bytes, t_, UPDATES, UPDATES, UPDATES, lat_json(&l_)); \
	} while (0)
/* "default": a new next hop for the default route, inserted before and removed after, outside the clock. */
#define DEFAULT(program, f, SET, UNSET) do {                                           \
	uint8_t nh = 1;                                                                 \
	if ((SET) < 0) die(program " default");                                         \
	nh = 200;                                                                       \
	uint64_t t_ = now_ns();                                                         \
	if ((SET) < 0) die(program " default");                                         \
	t_ = now_ns() - t_;                                                             \
	check_all(program, f, W_UNIFORM + 1, nh);                                       \
	if ((UNSET) < 0) die(program " default");                                       \
	emit(program, WORK("default route change"), T.n, bytes, t_, 1, 1, 1, "");       \
	} while (0)

static struct rte_lpm *lpm;
static void look_lpm4(int w, size_t i, uint8_t *o)
{
	uint32_t nh;
	for (size_t j = 0; j < BULK; j++) o[j] = rte_lpm_lookup(lpm, W[w].a4[i + j], &nh) ? 0 : (uint8_t)nh;
}
/* What rte_lpm_add leaves in the tables. T is sorted by address and length, so a prefix comes after all that
 * cover it and may simply overwrite. */
static void fill_by_hand(void)
{
	uint32_t groups = 0;
	for (size_t i = 0; i < T.n; i++) {
		const struct pfx *p = &T.p[i];
		uint32_t a = A4(p);
		struct rte_lpm_tbl_entry e = { .next_hop = p->nh, .valid = 1, .depth = p->len }, *t = &lpm->tbl24[a >> 8];
		if (p->len <= 24) {
			for (uint32_t k = 0; k < 1u << (24 - p->len); k++) t[k] = e;
			continue;
		}
		if (!t->valid_group) {
			struct rte_lpm_tbl_entry in = *t;
			in.valid_group = 1;
			for (int k = 0; k < 256; k++) lpm->tbl8[groups * 256 + k] = in;
			*t = (struct rte_lpm_tbl_entry){ .next_hop = groups++, .valid = 1, .valid_group = 1 };
		}
		e.valid_group = 1;
		for (uint32_t k = 0; k < 1u << (32 - p->len); k++) lpm->tbl8[t->next_hop * 256 + (a & 255) + k] = e;
	}
}
static void lpm4(void)
{
	uint32_t t8 = heads_longer_than(&T, 24) + 64, o[BULK];
	size_t h0 = heap_used();
	struct rte_lpm_config lc = { .max_rules = (uint32_t)T.n + 1024, .number_tbl8s = t8 };
	lpm = rte_lpm_create("l", 0, &lc);
	if (!lpm) die("rte_lpm_create");
	bytes = heap_used() - h0;
	fill_by_hand();
	check_all("rte_lpm", look_lpm4, W_N, 0);
	turn_over();
	for (const char *phase; (phase = turn()); turn_over()) {
		if (strcmp(phase, "look-up")) continue;
		for (int w = 0; w < W_N; w++) {
			const uint32_t *a = W[w].a4;
			uint32_t nh;
			MEASURE("rte_lpm_single", wname[0][w], T.n, bytes, NADDR, {
				for (size_t i = 0; i < NADDR; i++) { if (!rte_lpm_lookup(lpm, a[i], &nh)) acc += nh; } });
#define HIT(x) ((x) & RTE_LPM_LOOKUP_SUCCESS ? (x) & 0xffffff : 0)
			MEASURE("rte_lpm_bulk32", wname[0][w], T.n, bytes, NADDR, {
				for (size_t i = 0; i < NADDR; i += BULK) {
					rte_lpm_lookup_bulk(lpm, a + i, o, BULK);
					for (int j = 0; j < BULK; j++) acc += HIT(o[j]);
				} });
		}
	}
}

static struct rte_fib *fib;
static void look_fib4(int w, size_t i, uint8_t *o)
{
	uint64_t v[BULK];
	rte_fib_lookup_bulk(fib, W[w].a4 + i, v, BULK);
	for (int j = 0; j < BULK; j++) o[j] = (uint8_t)v[j];
}
static uint64_t build_fib4(void)
{
	if (fib) rte_fib_free(fib);
	size_t h0 = heap_used();
	uint64_t t = now_ns();
	struct rte_fib_conf fc = { .type = RTE_FIB_DIR24_8, .default_nh = 0, .max_routes = (int)T.n + 1024,
		.dir24_8 = { .nh_sz = RTE_FIB_DIR24_8_2B, .num_tbl8 = heads_longer_than(&T, 24) + 64 } };
	fib = rte_fib_create("f", 0, &fc);
	if (!fib) die("rte_fib_create");
	for (size_t i = 0; i < T.n; i++)
		if (rte_fib_add(fib, A4(&T.p[i]), T.p[i].len, T.p[i].nh) < 0) die("rte_fib_add");
	t = now_ns() - t;
	bytes = heap_used() - h0;
	return t;
}
static void fib4(void)
{
	static const struct { enum rte_fib_lookup_type t; const char *n; } LT[] = {
		{ RTE_FIB_LOOKUP_DIR24_8_SCALAR_MACRO, "rte_fib_scalar_bulk32" },
		{ RTE_FIB_LOOKUP_DIR24_8_VECTOR_AVX512, "rte_fib_avx512_bulk32" } };
	build_fib4();
	check_all("rte_fib", look_fib4, W_N, 0);
	turn_over();
	for (const char *phase; (phase = turn()); turn_over()) {
		if (!strcmp(phase, "build")) {
			uint64_t t = build_fib4();
			emit("rte_fib", WORK("build"), T.n, bytes, t, T.n, T.n, T.n, "");
		} else if (!strcmp(phase, "look-up")) {
			for (int q = 0; q < 2; q++) {
				if (rte_fib_select_lookup(fib, LT[q].t)) continue;
				for (int w = 0; w < W_N; w++) {
					uint64_t o[BULK];
					MEASURE(LT[q].n, wname[0][w], T.n, bytes, NADDR, {
						for (size_t i = 0; i < NADDR; i += BULK) {
							rte_fib_lookup_bulk(fib, W[w].a4 + i, o, BULK);
							for (int j = 0; j < BULK; j++) acc += o[j];
						} });
				}
			}
		} else if (!strcmp(phase, "update")) {
			UPDATE("rte_fib", look_fib4, rte_fib_delete(fib, A4(p), p->len), rte_fib_add(fib, A4(p), p->len, p->nh));
		} else if (!strcmp(phase, "default")) {
			DEFAULT("rte_fib", look_fib4, rte_fib_add(fib, 0, 0, nh), rte_fib_delete(fib, 0, 0));
		}
	}
}

static const uint8_t any6[16];
static struct rte_fib6 *fib6t;
static void look_fib6(int w, size_t i, uint8_t *o)
{
	uint64_t v[BULK];
	rte_fib6_lookup_bulk(fib6t, W[w].a6 + i, v, BULK);
	for (int j = 0; j < BULK; j++) o[j] = (uint8_t)v[j];
}
static uint64_t build_fib6(void)
{
	uint8_t ip[16];
	if (fib6t) rte_fib6_free(fib6t);
	/* the trie reserves every 8-bit level of a prefix below its table parent
	 * without sharing, so it wants far more tbl8 groups than it then uses;
	 * 2-byte entries can address 32767 groups only: 4-byte entries */
	uint32_t t8 = 1024;
	for (size_t i = 0; i < T.n; i++) t8 += T.p[i].len > 24 ? (T.p[i].len - 24 + 7u) / 8 : 0;
	size_t h0 = heap_used();
	uint64_t t = now_ns();
	struct rte_fib6_conf fc = { .type = RTE_FIB6_TRIE, .default_nh = 0, .max_routes = (int)T.n + 1024,
		.trie = { .nh_sz = RTE_FIB6_TRIE_4B, .num_tbl8 = t8 } };
	fib6t = rte_fib6_create("f6", 0, &fc);
	if (!fib6t) die("rte_fib6_create");
	for (size_t i = 0; i < T.n; i++) {
		put128(T.p[i].addr, ip);
		if (rte_fib6_add(fib6t, ip, T.p[i].len, T.p[i].nh) < 0) die("rte_fib6_add");
	}
	t = now_ns() - t;
	bytes = heap_used() - h0;
	return t;
}
static void fib6(void)
{
	static const struct { enum rte_fib6_lookup_type t; const char *n; } LT[] = {
		{ RTE_FIB6_LOOKUP_TRIE_SCALAR, "rte_fib6_scalar_bulk32" },
		{ RTE_FIB6_LOOKUP_TRIE_VECTOR_AVX512, "rte_fib6_avx512_bulk32" } };
	uint8_t ip[16];
	build_fib6();
	check_all("rte_fib6", look_fib6, W_N, 0);
	turn_over();
	for (const char *phase; (phase = turn()); turn_over()) {
		if (!strcmp(phase, "build")) {
			uint64_t t = build_fib6();
			emit("rte_fib6", WORK("build"), T.n, bytes, t, T.n, T.n, T.n, "");
		} else if (!strcmp(phase, "look-up")) {
			for (int q = 0; q < 2; q++) {
				if (rte_fib6_select_lookup(fib6t, LT[q].t)) continue;
				for (int w = 0; w < W_N; w++) {
					uint64_t o[BULK];
					MEASURE(LT[q].n, wname[1][w], T.n, bytes, NADDR, {
						for (size_t i = 0; i < NADDR; i += BULK) {
							rte_fib6_lookup_bulk(fib6t, W[w].a6 + i, o, BULK);
							for (int j = 0; j < BULK; j++) acc += o[j];
						} });
				}
			}
		} else if (!strcmp(phase, "update")) {
			UPDATE("rte_fib6", look_fib6, (put128(p->addr, ip), rte_fib6_delete(fib6t, ip, p->len)), rte_fib6_add(fib6t, ip, p->len, p->nh));
		} else if (!strcmp(phase, "default")) {
			DEFAULT("rte_fib6", look_fib6, rte_fib6_add(fib6t, any6, 0, nh), rte_fib6_delete(fib6t, any6, 0));
		}
	}
}

int main(int argc, char **argv)
{
	if (argc != 3) die("usage: lpm DATADIR lpm4|fib4|fib6");
	v6 = !strcmp(argv[2], "fib6");
	fam = v6 ? "bgp6" : "bgp4";
	eal_start(argv[0]);
	T = load_table(argv[1], v6);
	for (size_t i = 0; i < T.n; i++) ref_add(&R, T.p[i].addr, T.p[i].len, T.p[i].nh);
	for (int w = 0; w < W_N; w++) W[w] = make_work(&T, &R, w);
	if (!strcmp(argv[2], "lpm4")) lpm4();
	else if (!strcmp(argv[2], "fib4")) fib4();
	else if (!strcmp(argv[2], "fib6")) fib6();
	else die("part: lpm4, fib4, fib6");
	return 0;
}
