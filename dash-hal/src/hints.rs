//! What hardware may do faster than software: prefetch, hash, checksum.
//!
//! The defaults are complete software versions, so a port without an engine writes nothing. A
//! port that overrides one must give the same answers bit for bit.
#![allow(
    clippy::inline_always,
    reason = "on the packet path what is known of a frame stays in registers"
)]

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// 64-bit words of the longest key that [`Hints::keyed_hash`] takes.
pub const HASH_KEY_WORDS: usize = 16;

const WORDS: usize = 2 * HASH_KEY_WORDS;

/// A secret of the table, expanded once when the table is built.
#[derive(Clone, Copy)]
pub struct HashKey {
    words: [u32; WORDS],
    twist: u64,
}

impl core::fmt::Debug for HashKey {
    /// Names the type and keeps the secret.
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("HashKey(..)")
    }
}

impl HashKey {
    /// Expands `seed` (splitmix64, Steele and others, OOPSLA 2014).
    #[must_use]
    pub const fn new(seed: [u64; 2]) -> Self {
        let mut state = seed[0];
        let mut words = [0; WORDS];
        let mut index = 0;
        while index < WORDS {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let value = mix(state ^ seed[1]);
            words[index] = value as u32;
            words[index + 1] = (value >> 32) as u32;
            index += 2;
        }
        Self { words, twist: mix(state ^ seed[1].rotate_left(32)) }
    }

    /// The 32-bit words of the secret, for a port whose hardware computes the hash.
    #[must_use]
    pub const fn words(&self) -> &[u32; WORDS] {
        &self.words
    }

    /// The value that the sum starts from.
    #[must_use]
    pub const fn twist(&self) -> u64 {
        self.twist
    }
}

/// splitmix64's finaliser: a bijection that spreads every input bit over the word.
const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A bijection that brings every bit of a sum of products to both halves of the word; the sum has
/// its randomness from the secret, so one multiplication (Fibonacci hashing, Knuth, vol. 3, 6.4)
/// suffices.
#[inline]
const fn spread(sum: u64) -> u64 {
    let sum = (sum ^ (sum >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    sum ^ (sum >> 32)
}

/// Words that [`Hints::load`] loads.
pub const VECTOR_WORDS: usize = 8;

/// Help that a port's hardware may give.
pub trait Hints {
    /// Whether [`Self::load`] takes an instruction or two, so that it is quicker to compare all
    /// of the words than to search among them.
    const LOADS_VECTORS: bool = false;

    /// Words that lie side by side, each as a relaxed load would give it. The language has no such
    /// load of more than one word; a port with vector registers has an instruction.
    #[inline(always)]
    fn load(&self, words: &[AtomicU32; VECTOR_WORDS]) -> [u32; VECTOR_WORDS] {
        words.each_ref().map(|word| word.load(Relaxed))
    }

    /// Starts to load the cache lines of `at`, every one of them; may do nothing. A flow has three
    /// or four lines, and a hit reads them all. Called twice or more for each frame: it must not
    /// wait.
    #[inline]
    fn prefetch<T: ?Sized>(&self, at: &T) {
        let _ = at;
    }

    /// Hash of `data` (a fixed-length key of one table) under the secret `key`.
    ///
    /// NH (Black and others, UMAC, CRYPTO 1999) over the halves of its words, then a bijective mix:
    /// two different keys of one length collide with probability ≤ 2⁻³² over the secret. Words past
    /// [`HASH_KEY_WORDS`] are not read. With the low and high halves l and h of the words of
    /// `data`, the words k of [`HashKey::words`], and + and × modulo 2⁶⁴:
    ///
    /// ```text
    /// x = twist + Σ (l[i] + k[2i] mod 2³²) × (h[i] + k[2i+1] mod 2³²)
    /// x = (x ^ x >> 32) × 0x9e3779b97f4a7c15
    /// answer x ^ x >> 32
    /// ```
    ///
    /// Called once for each frame that has a flow key, and where flows are made and removed. A
    /// NIC's [RSS value](crate::ReceiveMetadata::rss) is no such hash: its key is no secret of the
    /// table's.
    #[inline(always)]
    fn keyed_hash(&self, key: &HashKey, data: &[u64]) -> u64 {
        let (secrets, _) = key.words.as_chunks::<2>();
        let mut sum = key.twist;
        for (word, secret) in data.iter().zip(secrets) {
            sum = sum.wrapping_add(nh(*word, *secret));
        }
        spread(sum)
    }

    /// One's complement sum (RFC 1071) of `data` as big-endian 16-bit words, folded to 16 bits and
    /// not inverted; an odd last byte counts as the high half of a word. It is 0 only when every
    /// byte is; the other zero is 0xffff.
    ///
    /// Called by slow paths for what they answer and check, such as messages of ICMP. Frames of flows
    /// need none: what their header change adds to a checksum was summed when it was compiled.
    #[inline]
    fn checksum(&self, data: &[u8]) -> u16 {
        // 2¹⁶ = 1 in this arithmetic, so wider words give the same sum (2³² of them fit), and so
        // does the other byte order, with its bytes swapped.
        let (words, rest) = data.as_chunks::<4>();
        let mut sum: u64 = words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum();
        let mut last = [0; 4];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        sum += u64::from(u32::from_ne_bytes(last));
        // Both halves added, and the carry to them, in the upper half.
        let sum = (sum.wrapping_add(sum.rotate_left(32)) >> 32) as u32;
        let sum = (sum.wrapping_add(sum.rotate_left(16)) >> 16) as u16;
        sum.to_be()
    }
}

#[inline]
fn nh(word: u64, secret: [u32; 2]) -> u64 {
    let low = (word as u32).wrapping_add(secret[0]);
    let high = ((word >> 32) as u32).wrapping_add(secret[1]);
    u64::from(low) * u64::from(high)
}

/// The software defaults.
#[derive(Clone, Copy, Debug, Default)]
pub struct SoftwareHints;

impl Hints for SoftwareHints {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_that_of_rfc_1071() {
        let data = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(SoftwareHints.checksum(&data), 0xddf2);
        assert_eq!(SoftwareHints.checksum(&[0xab]), 0xab00);
        assert_eq!(SoftwareHints.checksum(&[]), 0);
    }

    #[test]
    fn hash_depends_on_each_bit_and_on_the_seed() {
        let key = HashKey::new([1, 2]);
        let data = [0_u64; HASH_KEY_WORDS];
        let hash = SoftwareHints.keyed_hash(&key, &data);
        for bit in 0..64 * data.len() {
            let mut other = data;
            other[bit / 64] = 1 << (bit % 64);
            assert_ne!(SoftwareHints.keyed_hash(&key, &other), hash, "bit {bit}");
        }
        assert_ne!(SoftwareHints.keyed_hash(&HashKey::new([2, 2]), &data), hash);
        assert_ne!(SoftwareHints.keyed_hash(&HashKey::new([1, 3]), &data), hash);
    }

    #[test]
    fn hash_spreads_keys_that_differ_in_a_counter() {
        // As many sequential keys as places: about 1/e of the places stay empty.
        let key = HashKey::new([3, 4]);
        let mut used = [false; 16_384];
        for counter in 0..16_384_u64 {
            let data = [0, 0, counter << 32, 0, 0, 0];
            used[(SoftwareHints.keyed_hash(&key, &data) & 0x3fff) as usize] = true;
        }
        let empty = used.iter().filter(|used| !**used).count();
        assert!((5_700..6_350).contains(&empty), "{empty} places are empty");
    }
}
