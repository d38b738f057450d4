/* The LPM works: table loader, address arrays, and a binary-trie reference. */
#ifndef PEERS_LPM_WORK_H
#define PEERS_LPM_WORK_H
#include <arpa/inet.h>
#include <zlib.h>
#include "common.h"

typedef unsigned __int128 u128;
struct pfx { u128 addr; uint8_t len; uint8_t nh; };   /* addr left-aligned in 128 bits */
struct table { struct pfx *p; size_t n; int bits; };

static u128 be128(const uint8_t *b) { u128 v = 0; for (int i = 0; i < 16; i++) v = v << 8 | b[i]; return v; }
static void put128(u128 v, uint8_t *b) { for (int i = 15; i >= 0; i--, v >>= 8) b[i] = (uint8_t)v; }

static struct table load_table(const char *dir, int v6)
{
	char fn[4096], line[256];
	snprintf(fn, sizeof fn, "%s/bgp%d.txt.gz", dir, v6 ? 6 : 4);
	gzFile f = gzopen(fn, "rb");
	if (!f) die(fn);
	struct table t = { NULL, 0, v6 ? 128 : 32 };
	size_t cap = 0;
	while (gzgets(f, line, sizeof line)) {
		char *sl = strchr(line, '/');
		if (!sl) continue;
		*sl = 0;
		int len, nh;
		uint8_t b[16] = { 0 };
		if (sscanf(sl + 1, "%d %d", &len, &nh) != 2 || inet_pton(v6 ? AF_INET6 : AF_INET, line, b) != 1)
			die("bad line in the table");
		if (t.n == cap) t.p = realloc(t.p, (cap = cap ? cap * 2 : 1 << 16) * sizeof *t.p);
		t.p[t.n++] = (struct pfx){ be128(b), (uint8_t)len, (uint8_t)nh };
	}
	gzclose(f);
	return t;
}

/* reference: plain binary trie */
struct bt { uint32_t c[2]; uint16_t nh; };
struct ref { struct bt *v; uint32_t n, cap; };
static void ref_add(struct ref *r, u128 a, int len, uint8_t nh)
{
	uint32_t k = 0;
	if (!r->n) { r->v = calloc(r->cap = 1 << 20, sizeof *r->v); r->n = 1; }
	for (int i = 0; i < len; i++) {
		int b = (int)(a >> (127 - i)) & 1;
		if (!r->v[k].c[b]) {
			if (r->n == r->cap) {
				r->v = realloc(r->v, (size_t)r->cap * 2 * sizeof *r->v);
				memset(r->v + r->cap, 0, (size_t)r->cap * sizeof *r->v);
				r->cap *= 2;
			}
			r->v[k].c[b] = r->n++;
		}
		k = r->v[k].c[b];
	}
	r->v[k].nh = nh;
}
static uint8_t ref_get(const struct ref *r, u128 a)
{
	uint32_t k = 0;
	uint8_t best = (uint8_t)r->v[0].nh;
	for (int i = 0; i < 128; i++) {
		k = r->v[k].c[(int)(a >> (127 - i)) & 1];
		if (!k) break;
		if (r->v[k].nh) best = (uint8_t)r->v[k].nh;
	}
	return best;
}

enum { W_UNIFORM, W_INPREFIX, W_HOT, W_N };
static const char *const wname[2][W_N] = {
	{ "bgp4 uniform", "bgp4 in-prefix", "bgp4 hot1k" },
	{ "bgp6 uniform", "bgp6 in-prefix", "bgp6 hot1k" },
};
#define NADDR (1u << 22)
struct work { uint32_t *a4; uint8_t (*a6)[16]; uint8_t *want; size_t n; };

/* uniform: any IPv4 address / any address of 2000::/3.  in-prefix: a uniformly
 * chosen table prefix, then uniform host bits.  hot1k: 1024 in-prefix addresses
 * over and over.  4 Mi addresses each. */
static struct work make_work(const struct table *t, const struct ref *r, int w)
{
	struct work k = { .n = NADDR };
	uint64_t s = 0x5EED0000u + (uint64_t)w + (t->bits == 128 ? 16 : 0);
	if (t->bits == 32) k.a4 = malloc(sizeof *k.a4 * k.n); else k.a6 = malloc(16 * k.n);
	k.want = malloc(k.n);
	for (size_t i = 0; i < k.n; i++) {
		u128 a;
		if (w == W_HOT && i >= 1024) {
			if (k.a4) k.a4[i] = k.a4[i & 1023]; else memcpy(k.a6[i], k.a6[i & 1023], 16);
			k.want[i] = k.want[i & 1023];
			continue;
		}
		u128 x = (u128)rnd(&s) << 64; x |= rnd(&s);
		if (w == W_UNIFORM) {
			a = x;
			if (k.a6) a = (a >> 3) | (u128)1 << 125;
		} else {
			const struct pfx *p = &t->p[rnd_below(&s, t->n)];
			a = p->len ? p->addr | (p->len < 128 ? x >> p->len : 0) : x;
		}
		if (k.a4) { k.a4[i] = (uint32_t)(a >> 96); a = (u128)k.a4[i] << 96; }
		else put128(a, k.a6[i]);
		k.want[i] = ref_get(r, a);
	}
	return k;
}
static void free_work(struct work *k) { free(k->a4); free(k->a6); free(k->want); }
/* number of distinct d-bit heads that have a prefix longer than d */
static uint32_t heads_longer_than(const struct table *t, int d)
{
	uint32_t c = 0; int have = 0; u128 last = 0;
	for (size_t i = 0; i < t->n; i++)
		if (t->p[i].len > d) {
			u128 h = t->p[i].addr >> (128 - d);
			if (!have || h != last) { c++; last = h; have = 1; }
		}
	return c;
}
#endif
