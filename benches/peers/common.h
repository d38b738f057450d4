/* What all peer programs share: the clock, the generator, the turns, and the lines they print.
 *
 * A program prepares its work, prints an empty line, and then waits. For each line that it reads (a
 * phase, such as "fill") it does one round: a JSON line for each work of that phase, then an empty
 * line. So the harness can let peer and our own program do their rounds by turns. The same protocol
 * is in ../src/bin/peers/turns.rs. */
#ifndef PEERS_COMMON_H
#define PEERS_COMMON_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifndef PEER_CFLAGS
#define PEER_CFLAGS "unknown"
#endif

static void __attribute__((unused, noreturn)) die(const char *what)
{
	fprintf(stderr, "FAILED: %s\n", what);
	exit(1);
}

/* CPU time of this thread, ns: being scheduled out does not count. */
static inline uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* splitmix64 (Steele and others, OOPSLA 2014): the same seed gives the same work everywhere. */
static inline uint64_t mix64(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
	return z ^ (z >> 31);
}
static inline uint64_t rnd(uint64_t *s) { return mix64(*s += 0x9E3779B97F4A7C15ull); }
/* 0..n-1 */
static inline uint64_t rnd_below(uint64_t *s, uint64_t n)
{
	return (uint64_t)(((unsigned __int128)rnd(s) * n) >> 64);
}

static const char *lib_version = "";        /* set by eal_start */

/* One JSON line: NS for OPS operations. QUERIES is the number of questions in one pass, SUM the sum
 * of all its answers modulo 2^64 (0 = not found; for writes the number that worked): a program with
 * the same work must get the same two. MORE: "" or ",\"k\":v". */
static void __attribute__((unused))
emit(const char *program, const char *work, uint64_t entries, uint64_t bytes, uint64_t ns, uint64_t ops,
     uint64_t queries, uint64_t sum, const char *more)
{
	const char *pages = getenv("PEERS_PAGES");
	printf("{\"program\":\"%s\",\"work\":\"%s\",\"entries\":%" PRIu64 ",\"bytes\":%" PRIu64
	       ",\"ns_per_op\":%.3f,\"ops\":%" PRIu64 ",\"queries\":%" PRIu64 ",\"sum\":%" PRIu64
	       ",\"pages\":\"%s\",\"flags\":\"%s\",\"lib\":\"%s\"%s}\n",
	       program, work, entries, bytes, (double)ns / (double)ops, ops, queries, sum, pages ? pages : "4k",
	       PEER_CFLAGS, lib_version, more);
	fflush(stdout);
}

/* Passes of QUERIES operations that make a round long enough for the clock. */
#define ROUND_OPS (1u << 20)
static inline uint64_t passes(uint64_t queries)
{
	return queries < ROUND_OPS ? ROUND_OPS / queries : 1;
}

/* Time BODY, which does QUERIES operations and adds every answer to acc: once to warm up, then as
 * often as passes() says. Each pass must give the same sum unless the work goes on where the last
 * pass stopped (same_sum = 0). */
static int same_sum = 1;
#define MEASURE(program, work, entries, bytes, QUERIES, BODY)                                      \
	do {                                                                                       \
		uint64_t n_ = passes(QUERIES), spent_ = 0, first_ = 0;                             \
		for (uint64_t p_ = 0; p_ <= n_; p_++) {                                            \
			uint64_t acc = 0, t_ = now_ns();                                           \
			BODY;                                                                      \
			t_ = now_ns() - t_;                                                        \
			__asm__ volatile("" : "+r"(acc));                                          \
			if (p_) spent_ += t_;                                                      \
			else first_ = acc;                                                         \
			if (same_sum && acc != first_) die("answers changed from pass to pass");   \
		}                                                                                  \
		emit(program, work, entries, bytes, spent_, n_ * (QUERIES), QUERIES, first_, "");  \
	} while (0)

/* Ends a round, or the preparation. */
static void __attribute__((unused)) turn_over(void)
{
	putchar('\n');
	fflush(stdout);
}
/* Waits for the next round; its phase, or NULL when there is none. */
static const char __attribute__((unused)) *turn(void)
{
	static char line[64];
	if (!fgets(line, sizeof line, stdin)) return NULL;
	line[strcspn(line, "\n")] = 0;
	return line;
}
#endif
