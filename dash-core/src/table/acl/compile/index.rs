//! The index of a side: from the first bits of a number to the place where its search begins.
//!
//! The first byte of a number leads to buckets of its own, more where there are more intervals, and
//! the bits after it to one of them. A search looks at as many keys as the fullest bucket has.
//!
//! Memory: 256 words, and a word for each one to three intervals. Cost: two passes over the intervals.

use super::{space::Space, sweep::Sweep};
use crate::table::{
    TableError,
    acl::{
        image::{
            BUCKET_BITS, BUCKET_KEYS, FIRST_BYTES, MAX_BUCKETS, WIDE_WINDOW, WINDOW, bucket,
            first_byte, header, side,
        },
        key::{Key, Wide},
    },
};

/// An index on its way.
#[derive(Debug)]
pub(super) struct Index {
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
    pub(super) fn new(space: &mut Space<'_>) -> Result<Self, TableError> {
        let first_bytes = space.grow(FIRST_BYTES)?;
        space.fill(first_bytes, FIRST_BYTES, 0);
        Ok(Self {
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
        let from = sweep.intervals + index * Sweep::interval_words(key_words);
        let number = Wide::new(space.number(from, key_words));
        let first = number.first(key_words as usize);
        match self.buckets {
            None if index < sweep.count => {
                let place = self.first_bytes + (first >> 24) as usize;
                space.set(place, space.get(place) + 1);
            }
            None => {
                self.divide(space)?;
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

    /// Gives each first byte its buckets.
    fn divide(&mut self, space: &mut Space<'_>) -> Result<(), TableError> {
        for byte in 0..FIRST_BYTES {
            let place = self.first_bytes + byte;
            let keys = space.get(place) as usize;
            let buckets = keys.div_ceil(BUCKET_KEYS).max(1).next_power_of_two();
            let bits = buckets.trailing_zeros().min(BUCKET_BITS);
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
        let least = if self.fullest < WINDOW { WINDOW } else { WIDE_WINDOW };
        let window = (self.fullest + 1).next_power_of_two().max(least);
        let at = header::side(of);
        space.set(at + side::FIRST_BYTES, self.first_bytes as u32);
        space.set(at + side::BUCKETS, self.buckets.unwrap_or_default() as u32);
        space.set(at + side::WINDOW_BITS, window.trailing_zeros());
        window
    }
}
