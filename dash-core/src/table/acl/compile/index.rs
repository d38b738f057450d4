//! The index of a side: from the first bits of a number to the place where its search begins.
//!
//! The first byte of a number, or of the digest of a long one, leads to buckets of its own, more
//! where there are more intervals, and the bits after it to one of them. A search looks at as many
//! keys as the fullest bucket has.
//!
//! Memory: 256 words, and a word for each one to three intervals, up to four for each where they are
//! few; behind the keys as many again as a search looks at. Cost: two passes over the intervals.

use super::{space::Space, sweep::Sweep};
use crate::table::{
    TableError,
    acl::{
        image::{
            BUCKET_BITS, BUCKET_KEYS, FEW_INTERVALS, FEWEST_INTERVALS, FIRST_BYTES, MAX_BUCKETS,
            MORE_BUCKET_BITS, NARROW_WINDOW, bucket, first_byte, header, side,
        },
        key::Digest,
    },
};

/// While keys are counted: the keys of a first byte, and above them the bits that its buckets need.
const KEY_BITS: u32 = 27;
const MAX_KEYS: u32 = (1 << KEY_BITS) - 1;

/// An index on its way.
#[derive(Debug)]
pub(super) struct Index {
    /// What numbers of more than 32 bits go through.
    digest: Option<Digest>,
    /// The words of the first bytes, and the buckets when there are any.
    first_bytes: usize,
    buckets: Option<usize>,
    bucket_count: usize,
    next: usize,
    /// Buckets that are filled, keys of the last one, and those of the fullest.
    filled: usize,
    keys: usize,
    fullest: usize,
}

impl Index {
    /// Fewest words of the index of a side and of the keys behind its own.
    pub(super) const fn least_words(key_words: u32) -> usize {
        2 * FIRST_BYTES + NARROW_WINDOW * key_words as usize
    }

    pub(super) fn new(space: &mut Space<'_>, digest: Option<Digest>) -> Result<Self, TableError> {
        let first_bytes = space.grow(FIRST_BYTES)?;
        space.fill(first_bytes, FIRST_BYTES, 0);
        Ok(Self {
            digest,
            first_bytes,
            buckets: None,
            bucket_count: 0,
            next: 0,
            filled: 0,
            keys: 0,
            fullest: 0,
        })
    }

    /// Takes the next interval of a sweep; whether all have been taken.
    pub(super) fn step(
        &mut self,
        space: &mut Space<'_>,
        sweep: &Sweep,
        key_words: u32,
    ) -> Result<bool, TableError> {
        let index = self.next;
        self.next += 1;
        let first = self.first(space, sweep, key_words, index);
        match self.buckets {
            None if index < sweep.count => {
                let place = self.first_bytes + (first >> 24) as usize;
                let word = space.get(place);
                let bits = self.apart(space, sweep, key_words, index).max(word >> KEY_BITS);
                space.set(place, ((word & MAX_KEYS) + 1) | bits << KEY_BITS);
            }
            None => {
                self.divide(space, sweep.count)?;
                self.next = 0;
            }
            Some(_) if index < sweep.count => {
                let first_bytes = space.words(self.first_bytes).first_chunk();
                let bucket = first_bytes.map_or(0, |first_bytes| bucket(first_bytes, first));
                self.fill(space, bucket, index);
            }
            Some(_) => self.fill(space, self.bucket_count, sweep.count),
        }
        Ok(self.buckets.is_some() && index >= sweep.count && self.next > 0)
    }

    /// What leads to the bucket of the first number of an interval.
    fn first(&self, space: &Space<'_>, sweep: &Sweep, key_words: u32, index: usize) -> u32 {
        let number = sweep.first(space, index) << (128 - 32 * key_words);
        self.digest
            .as_ref()
            .map_or((number >> 96) as u32, |digest| digest.of((number >> 64) as u64))
    }

    /// The bits behind the first byte that keep an interval out of the bucket of the one before it
    /// by as many as the shortest search looks at; 0 if the byte does.
    fn apart(&self, space: &Space<'_>, sweep: &Sweep, key_words: u32, index: usize) -> u32 {
        let Some(before) = index.checked_sub(NARROW_WINDOW - 1) else { return 0 };
        let [before, first] =
            [before, index].map(|index| self.first(space, sweep, key_words, index));
        (before ^ first).leading_zeros().saturating_sub(7).min(BUCKET_BITS)
    }

    /// Gives each first byte its buckets.
    fn divide(&mut self, space: &mut Space<'_>, count: usize) -> Result<(), TableError> {
        let (each, more) = if count <= FEWEST_INTERVALS {
            (1, MORE_BUCKET_BITS - 1)
        } else if count <= FEW_INTERVALS {
            (BUCKET_KEYS, MORE_BUCKET_BITS)
        } else {
            (BUCKET_KEYS, 0)
        };
        for byte in 0..FIRST_BYTES {
            let place = self.first_bytes + byte;
            let (keys, apart) = (space.get(place) & MAX_KEYS, space.get(place) >> KEY_BITS);
            let buckets = (keys as usize).div_ceil(each).max(1).next_power_of_two();
            let bits = buckets.trailing_zeros();
            let bits = if apart <= bits + more { bits.max(apart) } else { bits };
            let bits = bits.min(BUCKET_BITS);
            if self.bucket_count >= MAX_BUCKETS {
                return Err(TableError::Full);
            }
            space.set(place, first_byte(self.bucket_count, byte, bits));
            self.bucket_count += 1 << bits;
        }
        self.buckets = Some(space.grow(self.bucket_count)?);
        Ok(())
    }

    /// Interval `index` begins in `bucket`: the search in all buckets since the last one, and in
    /// this one, begins at the interval before.
    fn fill(&mut self, space: &Space<'_>, bucket: usize, index: usize) {
        let Some(buckets) = self.buckets else { return };
        let end = (bucket + 1).min(self.bucket_count);
        if end > self.filled {
            self.keys = 0;
            let count = end - self.filled;
            space.fill(buckets + self.filled, count, index.saturating_sub(1) as u32);
            self.filled = end;
        }
        self.keys += 1;
        self.fullest = self.fullest.max(self.keys);
    }

    /// Notes the index in the header; keys that a search looks at.
    pub(super) fn finish(&self, space: &Space<'_>, of: usize) -> usize {
        // The interval before the bucket, and those that begin in it.
        let window = (self.fullest + 1).next_power_of_two().max(NARROW_WINDOW);
        let at = header::side(of);
        space.set(at + side::FIRST_BYTES, self.first_bytes as u32);
        space.set(at + side::BUCKETS, self.buckets.unwrap_or_default() as u32);
        space.set(at + side::WINDOW_BITS, window.trailing_zeros());
        window
    }
}
