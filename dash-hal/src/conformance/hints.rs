//! Hints against the software's answers.

use core::sync::atomic::AtomicU32;

use super::{Bench, Fault, Suite, Verdict};
use crate::{HASH_KEY_WORDS, HashKey, Hints, Platform, SoftwareHints};

/// Most bytes that sums are made over.
const BYTES: usize = 600;
/// Every length up to here is tried, and every 13th beyond.
const EACH: usize = 160;
/// Places in an aligned word that the bytes start at.
const ALIGNMENTS: usize = 8;

/// Bytes that sums find hard: carries everywhere, none, and a mix.
#[derive(Clone, Copy)]
enum Content {
    Zeros,
    Ones,
    Mixed(u64),
}

const CONTENTS: [Content; 5] =
    [Content::Zeros, Content::Ones, Content::Mixed(1), Content::Mixed(2), Content::Mixed(3)];

impl Content {
    /// A linear congruential generator (Knuth, `MMIX`), its high byte.
    fn fill(self, bytes: &mut [u8]) {
        let mut state = if let Self::Mixed(seed) = self { seed } else { 0 };
        for byte in bytes {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *byte = match self {
                Self::Zeros => 0,
                Self::Ones => 0xff,
                Self::Mixed(_) => (state >> 56) as u8,
            };
        }
    }

    /// More words than are hashed of a key.
    fn words(self) -> [u64; HASH_KEY_WORDS + 2] {
        let mut bytes = [[0; 8]; HASH_KEY_WORDS + 2];
        self.fill(bytes.as_flattened_mut());
        bytes.map(u64::from_ne_bytes)
    }
}

/// Bytes on a boundary of 64, so that an alignment is what it says.
#[repr(align(64))]
struct Aligned([u8; ALIGNMENTS + BYTES]);

impl Aligned {
    fn new(content: Content) -> Self {
        let mut bytes = [0; ALIGNMENTS + BYTES];
        content.fill(&mut bytes);
        Self(bytes)
    }

    /// Slices of every alignment and of lengths up to `longest`.
    fn slices(&self, longest: usize) -> impl Iterator<Item = &[u8]> {
        let lengths = move || (0..=longest).filter(|length| *length <= EACH || length % 13 == 0);
        (0..ALIGNMENTS)
            .flat_map(move |start| lengths().map(move |length| start..start + length))
            .filter_map(|range| self.0.get(range))
    }
}

impl<B: Bench> Suite<'_, B> {
    pub(super) fn hash(&mut self) -> Verdict {
        let hints = self.bench.platform().hints();
        for seed in [[0, 0], [1, 2], [u64::MAX, u64::MAX], [0x0123_4567_89ab_cdef, 3]] {
            let key = HashKey::new(seed);
            for content in CONTENTS {
                let words = content.words();
                // Words past the longest key are not read.
                for data in (0..=words.len()).filter_map(|length| words.get(..length)) {
                    if hints.keyed_hash(&key, data) != SoftwareHints.keyed_hash(&key, data) {
                        return Err(Fault::Hash(data.len()).into());
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn checksum(&mut self) -> Verdict {
        let hints = self.bench.platform().hints();
        for content in CONTENTS {
            let bytes = Aligned::new(content);
            for data in bytes.slices(BYTES) {
                if hints.checksum(data) != SoftwareHints.checksum(data) {
                    return Err(Fault::Checksum(data.len()).into());
                }
            }
        }
        Ok(())
    }

    /// Objects of no bytes, at odd addresses, of many lines, and a slice.
    pub(super) fn prefetch(&mut self) -> Verdict {
        let hints = self.bench.platform().hints();
        let key = HashKey::new([5, 6]);
        let bytes = Aligned::new(Content::Mixed(4));
        let words = Content::Mixed(5).words();
        let before = SoftwareHints.keyed_hash(&key, &words);
        let sum = SoftwareHints.checksum(&bytes.0);
        hints.prefetch(&());
        hints.prefetch::<[u64]>(&[]);
        hints.prefetch("");
        hints.prefetch(&bytes);
        hints.prefetch(&key);
        for start in 0..ALIGNMENTS {
            if let Some(slice) = bytes.0.get(start..) {
                hints.prefetch(slice);
            }
            if let Some(byte) = bytes.0.get(start) {
                hints.prefetch(byte);
            }
        }
        let same = SoftwareHints.checksum(&bytes.0) == sum
            && hints.checksum(&bytes.0) == sum
            && hints.keyed_hash(&key, &words) == before;
        if same { Ok(()) } else { Err(Fault::Prefetch.into()) }
    }

    /// From every word of some cache lines.
    pub(super) fn load(&mut self) -> Verdict {
        let hints = self.bench.platform().hints();
        let words: [AtomicU32; 40] =
            core::array::from_fn(|place| AtomicU32::new((place as u32).wrapping_mul(0x9e37_79b9)));
        for (place, words) in words.array_windows().enumerate() {
            if hints.load(words) != SoftwareHints.load(words) {
                return Err(Fault::Load(place).into());
            }
        }
        Ok(())
    }
}
