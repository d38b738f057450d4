/* The ACL works: loaders for ClassBench and DASH-style rules and traces, and the mapping of IPv4 works to
 * IPv6. DASH-style rules are expanded to their cross product. */
#ifndef PEER_ACL_WORK_H
#define PEER_ACL_WORK_H
#include <arpa/inet.h>
#include <zlib.h>
#include "common.h"
#define BULK 32
#define LIST_MAX 256             /* elements in one list of a rule */
#define EXPANDED_MAX 4000000u    /* rules after the cross product; rte_acl is far beyond sense there */

struct rule { uint32_t src, sm, dst, dm; uint16_t s0, s1, d0, d1; uint8_t pr, pm; uint32_t id; };
struct hdr { uint8_t proto, pad[3]; uint32_t src, dst; uint16_t sp, dp; };   /* network order */
static struct rule *r; static size_t nr, cap;
static struct hdr *h; static size_t nh;
static uint32_t nsrc_rules;

static uint32_t pmask(int l) { return l ? 0xFFFFFFFFu << (32 - l) : 0; }
static void push(struct rule x)
{
	if (nr == EXPANDED_MAX) die("more than 4000000 rules after the cross product");
	if (nr == cap) r = realloc(r, (cap = cap ? cap * 2 : 1024) * sizeof *r);
	r[nr++] = x;
}
struct elt { uint32_t a, b; };
static int list(char *s, struct elt *e, int kind)   /* kind 0 proto, 1 prefix, 2 ports */
{
	int n = 0;
	if (*s == '*') { e[0] = kind == 2 ? (struct elt){ 0, 65535 } : (struct elt){ 0, 0 }; return 1; }
	for (char *sv, *p = strtok_r(s, ",", &sv); p; p = strtok_r(NULL, ",", &sv)) {
		unsigned a, b, c, d, l;
		if (n == LIST_MAX) die("list too long");
		if (kind == 0) e[n++] = (struct elt){ (uint32_t)atoi(p), 0xff };
		else if (kind == 1) { if (sscanf(p, "%u.%u.%u.%u/%u", &a, &b, &c, &d, &l) != 5) die("prefix"); e[n++] = (struct elt){ a << 24 | b << 16 | c << 8 | d, pmask((int)l) }; }
		else { if (sscanf(p, "%u-%u", &a, &b) != 2) die("ports"); e[n++] = (struct elt){ a, b }; }
	}
	return n;
}
static void load_rules(const char *fn)
{
	static char line[16384];
	gzFile f = gzopen(fn, "rb");
	if (!f) die(fn);
	while (gzgets(f, line, sizeof line)) {
		if (line[0] == '@') {
			unsigned a[10], p[4], pr, pm;
			if (sscanf(line, "@%u.%u.%u.%u/%u %u.%u.%u.%u/%u %u : %u %u : %u %x/%x", a, a + 1, a + 2, a + 3, a + 4,
				   a + 5, a + 6, a + 7, a + 8, a + 9, p, p + 1, p + 2, p + 3, &pr, &pm) != 16) die(line);
			uint32_t sm = pmask((int)a[4]), dm = pmask((int)a[9]);
			push((struct rule){ (a[0] << 24 | a[1] << 16 | a[2] << 8 | a[3]) & sm, sm, (a[5] << 24 | a[6] << 16 | a[7] << 8 | a[8]) & dm, dm,
				(uint16_t)p[0], (uint16_t)p[1], (uint16_t)p[2], (uint16_t)p[3], (uint8_t)(pr & pm), (uint8_t)pm, ++nsrc_rules });
		} else {
			static struct elt e[5][LIST_MAX];
			char *sv, *w[7]; int n[5];           /* prio action protos srcs dsts sports dports */
			for (int i = 0; i < 7; i++) if (!(w[i] = strtok_r(i ? NULL : line, " \n", &sv))) die("a rule of less than 7 columns");
			nsrc_rules++;
			for (int i = 0; i < 5; i++) n[i] = list(w[2 + i], e[i], i == 0 ? 0 : i < 3 ? 1 : 2);
			for (int i = 0; i < n[0]; i++) for (int j = 0; j < n[1]; j++) for (int k = 0; k < n[2]; k++)
				for (int l = 0; l < n[3]; l++) for (int m = 0; m < n[4]; m++)
					push((struct rule){ e[1][j].a & e[1][j].b, e[1][j].b, e[2][k].a & e[2][k].b, e[2][k].b,
						(uint16_t)e[3][l].a, (uint16_t)e[3][l].b, (uint16_t)e[4][m].a, (uint16_t)e[4][m].b,
						(uint8_t)e[0][i].a, (uint8_t)e[0][i].b, nsrc_rules });
		}
	}
	gzclose(f);
}
static void load_trace(const char *fn)
{
	char line[256];
	static size_t c;
	gzFile f = gzopen(fn, "rb");
	if (!f) die(fn);
	nh = 0;
	while (gzgets(f, line, sizeof line)) {
		unsigned s, d, sp, dp, p;
		if (sscanf(line, "%u %u %u %u %u", &s, &d, &sp, &dp, &p) != 5) die(line);
		if (nh == c) h = realloc(h, (c = c ? c * 2 : 1024) * sizeof *h);
		h[nh++] = (struct hdr){ (uint8_t)p, { 0 }, htonl(s), htonl(d), htons((uint16_t)sp), htons((uint16_t)dp) };
	}
	gzclose(f);
	nh &= ~(size_t)(BULK - 1);
}

/* IPv6 works: a one-to-one map of addresses under which a mapped address lies in a mapped prefix exactly when the
 * IPv4 address lay in the IPv4 prefix, so every answer stays the same.
 *   pre:    a -> 2001:db8::a (96 bits before it); a/l -> /(96 + l), but /0 -> ::/0
 *   spread: bit i of a (0 = the first) -> bit 2i of the first 64, the others 0; a/l -> /2l. A header's last 64 bits
 *           are mix64(a), a prefix's 0 */
enum { V4, V6PRE, V6SPREAD };
static void map6(int how, uint32_t a, uint32_t w[4])    /* w: host order, first word first */
{
	if (how == V6PRE) { w[0] = 0x20010db8; w[1] = w[2] = 0; w[3] = a; return; }
	uint64_t x = a, m = mix64(a);
	x = (x | x << 16) & 0x0000ffff0000ffffull;
	x = (x | x << 8) & 0x00ff00ff00ff00ffull;
	x = (x | x << 4) & 0x0f0f0f0f0f0f0f0full;
	x = (x | x << 2) & 0x3333333333333333ull;
	x = (x | x << 1) & 0x5555555555555555ull;
	x <<= 1;                                         /* bit 2i counted from the top */
	w[0] = (uint32_t)(x >> 32); w[1] = (uint32_t)x; w[2] = (uint32_t)(m >> 32); w[3] = (uint32_t)m;
}
static int map6_len(int how, int l) { return how == V6SPREAD ? 2 * l : l ? 96 + l : 0; }
#endif
