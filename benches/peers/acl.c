/* rte_acl over ClassBench or DASH-style rules with a trace.
 * usage: acl [--v6 pre|spread] FOLDER NAME LABEL=TRACE.gz...
 * reads FOLDER/NAME.rules.gz and the traces. 5-tuple only (the ClassBench flags column is not matched); the first
 * rule wins. DASH-style rules are expanded to their cross product, as an rte_acl user must. --v6 maps prefixes and
 * headers to IPv6 (acl_work.h says how); rte_acl then has 4 fields of 32 bits an address.
 * phases: compile, classify. */
#include "eal.h"
#include "acl_work.h"
#include <rte_acl.h>

enum { MAXF = 11 };
RTE_ACL_RULE_DEF(acl_rule, MAXF);
static int how, words = 1;       /* 32-bit words an address */
static struct rte_acl_config cfg = { .num_categories = 1 };

/* a header for rte_acl: proto, 3 bytes, src, dst, ports; network order */
static size_t stride(void) { return 8 + 8 * (size_t)words; }
static void put_hdr(const struct hdr *p, uint8_t *o)
{
	memset(o, 0, stride());
	o[0] = p->proto;
	for (int d = 0; d < 2; d++) {
		uint32_t w[4] = { d ? p->dst : p->src };
		if (how != V4) {
			map6(how, ntohl(w[0]), w);
			for (int i = 0; i < 4; i++) w[i] = htonl(w[i]);
		}
		memcpy(o + 4 + 4 * d * words, w, 4 * (size_t)words);
	}
	memcpy(o + 4 + 8 * words, &p->sp, 2);
	memcpy(o + 6 + 8 * words, &p->dp, 2);
}
static void make_defs(void)
{
	uint32_t n = 0, at = 4;
	cfg.defs[n] = (struct rte_acl_field_def){ .type = RTE_ACL_FIELD_TYPE_BITMASK, .size = 1, .field_index = 0, .input_index = 0 };
	for (n = 1; n <= 2u * (uint32_t)words; n++, at += 4)
		cfg.defs[n] = (struct rte_acl_field_def){ .type = RTE_ACL_FIELD_TYPE_MASK, .size = 4, .field_index = (uint8_t)n, .input_index = (uint8_t)n, .offset = at };
	for (uint32_t k = 0; k < 2; k++)         /* the two ports are read as one word */
		cfg.defs[n + k] = (struct rte_acl_field_def){ .type = RTE_ACL_FIELD_TYPE_RANGE, .size = 2, .field_index = (uint8_t)(n + k), .input_index = (uint8_t)n, .offset = at + 2 * k };
	cfg.num_fields = n + 2;
}
static void put_prefix(struct rte_acl_field *f, uint32_t a, uint32_t m)
{
	uint32_t w[4] = { a };
	int l = __builtin_popcount(m);
	if (how != V4) { map6(how, a, w); l = map6_len(how, l); }
	for (int i = 0; i < words; i++) {
		int k = l - 32 * i < 0 ? 0 : l - 32 * i > 32 ? 32 : l - 32 * i;
		f[i] = (struct rte_acl_field){ .value.u32 = w[i] & pmask(k), .mask_range.u32 = (uint32_t)k };
	}
}

struct trace { const char *label; size_t count; uint8_t *bytes; const uint8_t **headers; };
static const struct { enum rte_acl_classify_alg how; const char *name; } ways[] = {
	{ RTE_ACL_CLASSIFY_SCALAR, "rte_acl_scalar_bulk32" }, { RTE_ACL_CLASSIFY_AVX2, "rte_acl_avx2_bulk32" },
	{ RTE_ACL_CLASSIFY_AVX512X32, "rte_acl_avx512x32_bulk32" } };

static struct rte_acl_ctx *build(void)
{
	struct rte_acl_param p = { .name = "a", .socket_id = 0, .rule_size = RTE_ACL_RULE_SZ(cfg.num_fields), .max_rule_num = (uint32_t)nr };
	struct rte_acl_ctx *c = rte_acl_create(&p);
	if (!c) die("rte_acl_create");
	for (size_t i = 0; i < nr; i++) {
		struct rule *x = &r[i];
		struct acl_rule a = { .data = { .userdata = x->id, .category_mask = 1, .priority = RTE_ACL_MAX_PRIORITY - (int32_t)x->id } };
		struct rte_acl_field *f = a.field;
		*f++ = (struct rte_acl_field){ .value.u8 = x->pr, .mask_range.u8 = x->pm };
		put_prefix(f, x->src, x->sm); f += words;
		put_prefix(f, x->dst, x->dm); f += words;
		*f++ = (struct rte_acl_field){ .value.u16 = x->s0, .mask_range.u16 = x->s1 };
		*f = (struct rte_acl_field){ .value.u16 = x->d0, .mask_range.u16 = x->d1 };
		if (rte_acl_add_rules(c, (struct rte_acl_rule *)&a, 1)) die("rte_acl_add_rules");
	}
	if (rte_acl_build(c, &cfg)) die("rte_acl_build");
	return c;
}

int main(int argc, char **argv)
{
	int at = 1;
	if (argc > 2 && !strcmp(argv[1], "--v6")) {
		how = !strcmp(argv[2], "pre") ? V6PRE : !strcmp(argv[2], "spread") ? V6SPREAD : V4;
		if (how == V4) die("--v6 pre|spread");
		words = 4;
		at = 3;
	}
	if (argc < at + 3) die("usage: acl [--v6 pre|spread] FOLDER NAME LABEL=TRACE.gz...");
	const char *name = argv[at + 1], *family = how == V6PRE ? " v6pre" : how == V6SPREAD ? " v6spread" : "";
	static char file[4096], work[128];
	snprintf(file, sizeof file, "%s/%s.rules.gz", argv[at], name);
	eal_start(argv[0]);
	load_rules(file);
	make_defs();
	int ntraces = argc - at - 2;
	struct trace *traces = calloc((size_t)ntraces, sizeof *traces);
	for (int t = 0; t < ntraces; t++) {
		char *equals = strchr(argv[at + 2 + t], '=');
		if (!equals) die("LABEL=TRACE.gz");
		*equals = 0;
		load_trace(equals + 1);
		if (!nh) die("empty trace");
		traces[t] = (struct trace){ argv[at + 2 + t], nh, malloc(nh * stride()), malloc(sizeof(uint8_t *) * nh) };
		for (size_t i = 0; i < nh; i++) {
			traces[t].headers[i] = traces[t].bytes + i * stride();
			put_hdr(&h[i], traces[t].bytes + i * stride());
		}
	}
	size_t h0 = heap_used();
	struct rte_acl_ctx *c = build();
	size_t bytes = heap_used() - h0;
	turn_over();
	for (const char *phase; (phase = turn()); turn_over()) {
		if (!strcmp(phase, "compile")) {
			rte_acl_free(c);
			uint64_t t = now_ns();
			c = build();
			snprintf(work, sizeof work, "%s%s compile", name, family);
			emit("rte_acl", work, nsrc_rules, bytes, now_ns() - t, 1, 1, nsrc_rules, "");
			continue;
		}
		if (strcmp(phase, "classify")) die("phase: compile, classify");
		for (int t = 0; t < ntraces; t++) {
			snprintf(work, sizeof work, "%s%s %s", name, family, traces[t].label);
			for (unsigned w = 0; w < RTE_DIM(ways); w++) {
				if (rte_acl_set_ctx_classify(c, ways[w].how)) continue;
				uint32_t o[BULK];
				MEASURE(ways[w].name, work, nsrc_rules, bytes, traces[t].count, {
					for (size_t i = 0; i < traces[t].count; i += BULK) {
						rte_acl_classify(c, traces[t].headers + i, o, BULK, 1);
						for (int j = 0; j < BULK; j++) acc += o[j];
					}
				});
			}
		}
	}
	return 0;
}
