/* DPDK's hash functions over a 48-byte key, cache-hot: throughput, and latency where each key depends
 * on the last hash. Phase: "hash". */
#include "eal.h"
#include <rte_hash_crc.h>
#include <rte_jhash.h>
#include <rte_thash.h>

int main(int argc, char **argv)
{
	(void)argc;
	eal_start(argv[0]);
	enum { KEYS = 1024, KEY = 48, OPS = 1 << 20 };
	uint8_t *k = aligned_alloc(64, KEYS * KEY), secret[KEY + 16];
	uint64_t s = 9;
	if (!k) die("memory");
	for (size_t i = 0; i < KEYS * KEY; i++) k[i] = (uint8_t)rnd(&s);
	for (size_t i = 0; i < sizeof secret; i++) secret[i] = (uint8_t)rnd(&s);
	if (rte_hash_crc(k, KEY, 7) == rte_hash_crc(k + KEY, KEY, 7)) die("crc");
	turn_over();
#define HASH(name, EXPR) MEASURE(name, "hash of 48 bytes", KEYS, KEYS * KEY, OPS, for (uint32_t i = 0; i < OPS; i++) { const uint8_t *p = k + (i & (KEYS - 1)) * KEY; acc += (EXPR); })
	while (turn()) {
		HASH("rte_hash_crc", rte_hash_crc(p, KEY, 0));
		HASH("rte_jhash", rte_jhash(p, KEY, 0));
		HASH("rte_softrss", rte_softrss((uint32_t *)(uintptr_t)p, KEY / 4, secret));
		MEASURE("rte_hash_crc", "hash of 48 bytes, chained", KEYS, KEYS * KEY, OPS, uint32_t c = 0; for (uint32_t i = 0; i < OPS; i++) c = rte_hash_crc(k + ((i & 511) + (c & 1)) * KEY, KEY, c); acc += c);
		turn_over();
	}
	return 0;
}
