/* The machine's own limits: dependent and independent reads of a line, copies of a packet, and what a
 * burst of 32 look-ups that hit must read: of each key its 48 bytes, one after the other; a random line
 * of the buckets (8 bytes an entry); a random line of the entries, whose place the bucket's line says.
 * Nothing is hashed or compared; prefetches are into the second cache level, as our port's.
 * usage: baseline         Memory is 4 KiB pages, or transparent huge ones with PEERS_PAGES=2m.
 * Phase: "limits". */
#include <sys/mman.h>
#include "common.h"

static uint8_t *region(size_t n)
{
	const char *pages = getenv("PEERS_PAGES");
	int huge = pages && !strcmp(pages, "2m");
	uint8_t *p = mmap(NULL, n + (2u << 20), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) die("mmap");
	p = (uint8_t *)(((uintptr_t)p + (2u << 20) - 1) & ~(uintptr_t)((2u << 20) - 1));
	madvise(p, n, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	memset(p, 1, n);
	return p;
}

/* The reads of `bursts` bursts, each of its steps for 32 keys before the next step. */
static uint64_t hits(const uint8_t *keys, const uint8_t *buckets, const uint8_t *entries, size_t size, size_t bursts)
{
	enum { BURST = 32, KEY = 48, LINE = 64 };
	uint64_t x = 1, sum = 0;
	for (size_t b = 0; b < bursts; b++) {
		const uint8_t *bucket[BURST], *entry[BURST];
		uint32_t at[BURST];
		for (int i = 0; i < BURST; i++) {
			const uint64_t *key = (const uint64_t *)(keys + (b * BURST + i) * KEY);
			x = x * 6364136223846793005ull + 1 + (key[0] ^ key[5]);
			at[i] = (uint32_t)(x >> 32);
			bucket[i] = buckets + ((uint64_t)at[i] * (size / 8) >> 32) * LINE;
			__builtin_prefetch(bucket[i], 0, 2);
		}
		for (int i = 0; i < BURST; i++) {
			uint32_t other = at[i] * 2654435761u ^ *(const volatile uint32_t *)bucket[i];
			entry[i] = entries + ((uint64_t)other * size >> 32) * LINE;
			__builtin_prefetch(entry[i], 0, 2);
		}
		for (int i = 0; i < BURST; i++) sum += *(const uint64_t *)entry[i];
	}
	return sum;
}

int main(void)
{
	enum { SIZES = 3, OPS = 1 << 20 };
	static const size_t mb[SIZES] = { 1, 32, 512 }, length[] = { 64, 1500 };
	uint64_t s = 3, at = 0, x = 1;
	uint8_t *memory[SIZES], *packets = region(1 << 20);
	for (int z = 0; z < SIZES; z++) {
		size_t lines = mb[z] << 14;
		memory[z] = region(mb[z] << 20);
		uint32_t *next = malloc(lines * 4);
		if (!next) die("memory");
		for (size_t i = 0; i < lines; i++) next[i] = (uint32_t)i;
		for (size_t i = lines - 1; i; i--) {              /* Sattolo: one cycle */
			size_t j = rnd_below(&s, i);
			uint32_t t = next[i];
			next[i] = next[j]; next[j] = t;
		}
		for (size_t i = 0; i < lines; i++) *(uint64_t *)(memory[z] + i * 64) = (uint64_t)next[i] * 64;
		free(next);
	}
	uint8_t *ring = memory[SIZES - 1];                    /* its words stay what they are */
	size_t slots = (mb[SIZES - 1] << 20) / 2048;
	static const size_t mentries[] = { 1, 8 };
	uint8_t *keys = region((size_t)OPS * 48), *buckets = region(64u << 20), *entries = region(512u << 20);
	same_sum = 0;                                         /* reads go on where the last pass stopped */
	turn_over();
	while (turn()) {
		char w[64];
		for (int z = 0; z < SIZES; z++) {
			uint8_t *p = memory[z];
			size_t n = mb[z] << 20, lines = n / 64;
			at = 0;
			snprintf(w, sizeof w, "dependent reads in %zu MiB", mb[z]);
			MEASURE("baseline", w, lines, n, OPS, for (uint32_t i = 0; i < OPS; i++) { at = *(uint64_t *)(p + at); acc += at; });
			snprintf(w, sizeof w, "independent reads in %zu MiB", mb[z]);
			MEASURE("baseline", w, lines, n, OPS, for (uint32_t i = 0; i < OPS; i++) { x = x * 6364136223846793005ull + 1; acc += *(uint64_t *)(p + ((x >> 32) * lines >> 32) * 64); });
		}
		for (int l = 0; l < 2; l++) {
			size_t n = length[l];
			snprintf(w, sizeof w, "copy of %zu bytes, hot", n);
			MEASURE("baseline", w, 16, n, OPS, for (uint32_t i = 0; i < OPS; i++) { uint8_t *d = packets + (i & 7) * 2048; memcpy(d, packets + 32768 + (i & 7) * 2048, n); __asm__ volatile("" : : "r"(d) : "memory"); });
			snprintf(w, sizeof w, "copy of %zu bytes, from a cold ring", n);
			MEASURE("baseline", w, slots, n, slots, for (size_t i = 0; i < slots; i++) { uint8_t *d = packets + (i & 7) * 2048; memcpy(d, ring + ((i * 40503) % slots) * 2048, n); __asm__ volatile("" : : "r"(d) : "memory"); });
		}
		for (int m = 0; m < 2; m++) {
			size_t n = mentries[m] << 20;
			snprintf(w, sizeof w, "reads of a hit, %zuM, bursts of 32", mentries[m]);
			MEASURE("baseline", w, n, n * 72, OPS, acc += hits(keys, buckets, entries, n, OPS / 32));
		}
		turn_over();
	}
	return 0;
}
