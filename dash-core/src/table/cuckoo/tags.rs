//! Eight fingerprints of 16 bits, compared all at once: by vector instructions where the processor
//! always has them, else four to a word.

use compare::{equal, place, position};

/// Fingerprints of a bucket.
pub(super) const PLACES: usize = 8;

/// The fingerprint of place `p` lies where [`position`] says.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(super) struct Tags([u64; 2]);

impl Tags {
    /// All 0.
    pub(super) const EMPTY: Self = Self([0; 2]);

    /// The fingerprint at `place`.
    #[inline]
    pub(super) fn get(&self, place: usize) -> u16 {
        let (word, lane) = position(place);
        (self.0[word % 2] >> lane) as u16
    }

    /// Changes the fingerprint at `place`.
    #[inline]
    pub(super) fn set(&mut self, place: usize, tag: u16) {
        let (word, lane) = position(place);
        let word = &mut self.0[word % 2];
        *word = *word & !(0xffff << lane) | u64::from(tag) << lane;
    }

    /// The places whose fingerprint is `tag`. The first is exact; of the others, some may have
    /// fingerprints that differ from `tag` in the lowest bit alone.
    #[inline]
    pub(super) fn matching(&self, tag: u16) -> Places {
        Places(equal(self.0, tag))
    }
}

/// Places of a bucket.
#[derive(Clone, Debug)]
pub(super) struct Places(u64);

impl Iterator for Places {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let lowest = self.0 & self.0.wrapping_neg();
        self.0 ^= lowest;
        (lowest != 0).then_some(place(lowest))
    }
}

/// Vectors: bit `p` for place `p`.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod compare {
    use wide::u16x8;

    #[inline]
    pub(super) fn equal(tags: [u64; 2], tag: u16) -> u64 {
        let tags = u16x8::new(zerocopy::transmute!(tags));
        tags.simd_eq(u16x8::splat(tag)).to_bitmask().into()
    }

    #[inline]
    pub(super) const fn place(bit: u64) -> usize {
        bit.trailing_zeros() as usize
    }

    /// Word of `place`, and bit position of its lane there.
    #[inline]
    pub(super) const fn position(place: usize) -> (usize, u8) {
        (place / 4, place as u8 % 4 * 16)
    }
}

/// Words: bit `16 * lane + word` for a place.
#[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
mod compare {
    use super::PLACES;

    /// One in each lane.
    const ONES: u64 = 0x0001_0001_0001_0001;
    /// All bits of each lane but the highest.
    const LOW: u64 = ONES * 0x7fff;

    #[inline]
    pub(super) const fn equal([first, second]: [u64; 2], tag: u16) -> u64 {
        lanes(first, tag) >> 15 | lanes(second, tag) >> 14
    }

    /// The highest bit of each lane of `word` that is `tag`. The lowest of them is exact; above it,
    /// a lane that differs from `tag` in its lowest bit alone may be among them.
    #[inline]
    const fn lanes(word: u64, tag: u16) -> u64 {
        let difference = word ^ (tag as u64 * ONES);
        difference.wrapping_sub(ONES) & !difference & !LOW
    }

    /// The three bits at position `16 * lane + word` of this number, counted from the top, are the
    /// place of that lane of that word: a perfect hash of one set bit, as de Bruijn sequences are
    /// used (Leiserson, Prokop and Randall, MIT 1998), without a table and a count of zeros.
    const PLACE_OF: u64 = 0x1000_5000_7000_c000;

    /// The place of a set bit at position `16 * lane + word`.
    #[inline]
    pub(super) const fn place(bit: u64) -> usize {
        (bit.wrapping_mul(PLACE_OF) >> 61) as usize
    }

    /// `16 * lane + word` of each place.
    const LANE_OF: [u8; PLACES] = {
        let mut positions = [0; PLACES];
        let mut index = 0;
        while index < PLACES {
            let position = 16 * (index / 2) + index % 2;
            positions[place(1 << position)] = position as u8;
            index += 1;
        }
        positions
    };

    /// Word of `place`, and bit position of its lane there.
    #[inline]
    pub(super) fn position(place: usize) -> (usize, u8) {
        let position = LANE_OF[place % PLACES];
        (usize::from(position % 2), position & !1)
    }
}
