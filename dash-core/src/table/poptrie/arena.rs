//! Blocks of words of any size, from one region that never moves.
//!
//! Best fit by exact size classes, with neighbours merged at once by boundary tags (Knuth, vol. 1,
//! 2.5). What look-ups read is taken from the low end of the region and what they do not read from
//! the high end, so that the two do not share cache lines; the gap between them serves both.
//!
//! Memory: one bit in 32 for the boundaries, and [`BINS`] list heads for each end. Cost: O(1), but
//! for a block of more than [`BINS`] granules, which walks the list of such blocks.
use super::{
    atomic::{AtomicU32, Ordering::Relaxed},
    edge::MAX_GRANULES,
};

/// Words of a granule: blocks start and end at multiples of it, and a free one keeps its links in
/// the first.
pub(super) const GRANULE: usize = 2;
/// Free blocks of fewer granules have a list for each size; the larger ones share list 0.
pub(super) const BINS: usize = 96;
/// Words behind the last block: so many can be read from the start of any block, so that one check is
/// enough for all words of the largest one that is read without more.
pub(super) const PADDING: usize = 80;
/// The first granule of a block. See `edge.rs` about the one before.
const FIRST: usize = 1;
const NIL: u32 = u32::MAX;

/// The end of the region that a block is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// What look-ups read.
    Low,
    /// What they do not.
    High,
}

#[derive(Debug)]
pub(super) struct Arena<'a> {
    words: &'a [AtomicU32],
    /// For each granule, whether a free block starts with it.
    heads: &'a [AtomicU32],
    /// For each granule, whether a free block ends with it.
    tails: &'a [AtomicU32],
    /// First free block of each size, for the low and for the high end.
    bins: &'a [AtomicU32],
    /// Which bins are not empty.
    filled: [u128; 2],
    /// The granules from `low` to `high` are free and in no list.
    low: u32,
    high: u32,
    free: usize,
}

impl<'a> Arena<'a> {
    /// Words beside the blocks that `words` words of blocks take.
    pub(super) const fn overhead(words: usize) -> usize {
        FIRST * GRANULE + 2 * BINS + PADDING + 2 * words.div_ceil(GRANULE).div_ceil(32)
    }

    /// All of `words`, free.
    pub(super) fn new(words: &'a [AtomicU32]) -> Self {
        // 33 words hold 16 granules and their two bits.
        let room = words.len().saturating_sub(2 * BINS + 2 + PADDING);
        let granules = (room / 33 * 16 + room % 33 / 3).min(MAX_GRANULES);
        let (bins, words) = words.split_at(words.len().min(2 * BINS));
        let bits = granules.div_ceil(32);
        let (heads, words) = words.split_at(bits.min(words.len()));
        let (tails, words) = words.split_at(bits.min(words.len()));
        for bin in bins {
            bin.store(NIL, Relaxed);
        }
        for word in heads.iter().chain(tails) {
            word.store(0, Relaxed);
        }
        let (low, high) = (granules.min(FIRST), granules);
        let free = high - low;
        let (low, high) = (low as u32, high as u32);
        Self { words, heads, tails, bins, filled: [0; 2], low, high, free }
    }

    /// The words of all blocks.
    pub(super) fn words(&self) -> &'a [AtomicU32] {
        self.words
    }

    /// All words.
    pub(super) fn total(&self) -> usize {
        self.words.len() + self.heads.len() + self.tails.len() + self.bins.len()
    }

    /// Free granules.
    pub(super) fn free(&self) -> usize {
        self.free
    }

    /// A block of `size` granules.
    pub(super) fn take(&mut self, size: usize, end: End) -> Option<u32> {
        let start = self
            .listed(size, end)
            .or_else(|| self.in_gap(size, end))
            // The other end's leftovers, before the answer is no.
            .or_else(|| self.listed(size, if end == End::Low { End::High } else { End::Low }))?;
        self.free -= size;
        Some(start)
    }

    /// Takes a block back.
    pub(super) fn give(&mut self, start: u32, size: usize) {
        self.free += size;
        self.merge(start, size);
    }

    /// A block out of the lists of one end, the smallest that is large enough.
    fn listed(&mut self, size: usize, end: End) -> Option<u32> {
        let side = end as usize;
        let filled = self.filled.get(side)?;
        let fitting = if size < BINS { filled >> size << size } else { 0 };
        let (start, found) = if fitting != 0 {
            let bin = fitting.trailing_zeros() as usize;
            (self.bin(side, bin)?.load(Relaxed), bin)
        } else {
            self.large(side, size)?
        };
        self.unlink(start, found);
        let rest = found - size;
        if rest > 0 {
            self.link(start + size as u32, rest);
        }
        Some(start)
    }

    /// The first block of the list of large ones that is large enough. No list is longer than the
    /// region has such blocks.
    fn large(&self, side: usize, size: usize) -> Option<(u32, usize)> {
        let mut start = self.bin(side, 0)?.load(Relaxed);
        for _ in 0..=self.words.len() / GRANULE / BINS {
            let found = self.word(start, 2)?.load(Relaxed) as usize;
            if found >= size {
                return Some((start, found));
            }
            start = self.word(start, 0)?.load(Relaxed);
        }
        None
    }

    fn in_gap(&mut self, size: usize, end: End) -> Option<u32> {
        if ((self.high - self.low) as usize) < size {
            return None;
        }
        Some(match end {
            End::Low => {
                let start = self.low;
                self.low += size as u32;
                start
            }
            End::High => {
                self.high -= size as u32;
                self.high
            }
        })
    }

    /// Frees a block together with its free neighbours.
    fn merge(&mut self, mut start: u32, mut size: usize) {
        if let Some(last) = start.checked_sub(1)
            && bit(self.tails, last)
        {
            let before = match self.word(last, 1) {
                Some(word) if !bit(self.heads, last) => word.load(Relaxed) as usize,
                _ => 1,
            };
            start -= before as u32;
            self.unlink(start, before);
            size += before;
        }
        let next = start + size as u32;
        if bit(self.heads, next) {
            let after = match self.word(next, 2) {
                Some(word) if !bit(self.tails, next) => word.load(Relaxed) as usize,
                _ => 1,
            };
            self.unlink(next, after);
            size += after;
        }
        if start + size as u32 == self.low {
            self.low = start;
        } else if start == self.high {
            self.high = start + size as u32;
        } else {
            self.link(start, size);
        }
    }

    fn link(&mut self, start: u32, size: usize) {
        let (side, bin) = self.place(start, size);
        let Some(first) = self.bin(side, bin) else { return };
        let next = first.load(Relaxed);
        first.store(start, Relaxed);
        if let Some(filled) = self.filled.get_mut(side) {
            *filled |= 1 << bin;
        }
        let last = start + size as u32 - 1;
        self.set(start, 0, next);
        self.set(start, 1, NIL);
        self.set(next, 1, start);
        if size > 1 {
            self.set(start, 2, size as u32);
            self.set(last, 1, size as u32);
        }
        flip(self.heads, start);
        flip(self.tails, last);
    }

    fn unlink(&mut self, start: u32, size: usize) {
        let (side, bin) = self.place(start, size);
        let (Some(next), Some(before)) = (self.word(start, 0), self.word(start, 1)) else { return };
        let (next, before) = (next.load(Relaxed), before.load(Relaxed));
        self.set(next, 1, before);
        if before != NIL {
            self.set(before, 0, next);
        } else if let (Some(first), Some(filled)) = (self.bin(side, bin), self.filled.get_mut(side))
        {
            first.store(next, Relaxed);
            if next == NIL {
                *filled &= !(1 << bin);
            }
        }
        flip(self.heads, start);
        flip(self.tails, start + size as u32 - 1);
    }

    /// The end and the list that a free block belongs to.
    const fn place(&self, start: u32, size: usize) -> (usize, usize) {
        (if start < self.low { 0 } else { 1 }, if size < BINS { size } else { 0 })
    }

    fn bin(&self, side: usize, bin: usize) -> Option<&'a AtomicU32> {
        self.bins.get(side * BINS + bin)
    }

    fn word(&self, granule: u32, word: usize) -> Option<&'a AtomicU32> {
        self.words.get((granule as usize).checked_mul(GRANULE)?.checked_add(word)?)
    }

    fn set(&self, granule: u32, word: usize, value: u32) {
        if let Some(word) = self.word(granule, word) {
            word.store(value, Relaxed);
        }
    }
}

fn bit(bits: &[AtomicU32], number: u32) -> bool {
    bits.get(number as usize / 32).is_some_and(|word| word.load(Relaxed) >> (number % 32) & 1 != 0)
}

fn flip(bits: &[AtomicU32], number: u32) {
    if let Some(word) = bits.get(number as usize / 32) {
        word.store(word.load(Relaxed) ^ 1 << (number % 32), Relaxed);
    }
}
