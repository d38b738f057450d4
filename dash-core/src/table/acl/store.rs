//! Runs of words of any length in one region, each for one image.
//!
//! Blocks lie side by side; a block begins with its length and state, so that neighbours that are
//! free become one when the region is next searched. A block that was given up is reused once the
//! readers have passed a quiescent point; like the nodes of the other tables, blocks that are given
//! up gather while those of an earlier time wait.
//!
//! Memory: 64 bytes a block, and images are rounded up to 64 bytes. Cost: every call walks all
//! blocks.

use super::super::{
    TableError,
    atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, Release},
    },
    quiescence::{Readers, Snapshot},
};
use super::image::word;
use core::iter;

/// A group's word when there is no group; the end of the writer's queue.
pub(super) const NO_GROUP: u32 = u32::MAX;
/// Set in the word of a group of IPv6; the rest is its block.
pub(super) const GROUP_V6: u32 = 1 << 31;

/// Words of a cache line; blocks and images begin at one.
const LINE: usize = 16;
/// Words of a block: its length, state, and the block behind it in the writer's queue.
const LENGTH: usize = 0;
const STATE: usize = 1;
const NEXT: usize = 2;

/// States of a block.
const FREE: u32 = 0;
const USED: u32 = 1;
/// Given up before `waiting_since`.
const WAITING: u32 = 2;
/// Given up before `retired_since`, which moves with each further block.
const RETIRED: u32 = 3;

/// The image of the block at line `line`, and whatever follows it.
pub(super) fn image(words: &[AtomicU32], line: u32) -> &[AtomicU32] {
    (line as usize).checked_mul(LINE).and_then(|at| words.get(at + LINE..)).unwrap_or_default()
}

/// The word of a group, to be read once for all that is asked of one version of it.
#[inline]
pub(super) fn published(group: &AtomicU32) -> u32 {
    // Acquire: pairs with the store that published the group.
    group.load(Acquire)
}

/// The blocks; belongs to the writer.
#[derive(Debug)]
pub(super) struct Store<'a> {
    words: &'a [AtomicU32],
    readers: Readers<'a>,
    waiting_since: Snapshot,
    retired_since: Snapshot,
}

impl<'a> Store<'a> {
    /// Words for images that take `words` words in all, in at most `blocks` blocks.
    pub(super) const fn words_for(words: usize, blocks: usize) -> usize {
        words.saturating_add(blocks.saturating_mul(2 * LINE)).saturating_add(LINE)
    }

    /// All free, over `words`.
    pub(super) fn new(words: &'a [AtomicU32], readers: Readers<'a>) -> Result<Self, TableError> {
        // Where the region begins must not decide how much fits in: a line less one word is set aside.
        let room = words.len().saturating_sub(LINE - 1) / LINE * LINE;
        let skip = words.as_ptr().align_offset(LINE * size_of::<AtomicU32>());
        let words = words.get(skip..).and_then(|words| words.get(..room)).unwrap_or_default();
        if words.len() > u32::MAX as usize / 2 {
            return Err(TableError::CapacityTooLarge);
        }
        let now = readers.snapshot();
        let store = Self { words, readers, waiting_since: now.clone(), retired_since: now };
        if !words.is_empty() {
            store.set(0, LENGTH, words.len() as u32);
            store.set(0, STATE, FREE);
        }
        Ok(store)
    }

    /// The region that blocks are named in.
    pub(super) fn words(&self) -> &'a [AtomicU32] {
        self.words
    }

    /// Words of the longest image for which there is room now.
    pub(super) fn room(&mut self) -> usize {
        self.poll();
        self.longest().map_or(0, |block| self.length(block) - LINE)
    }

    /// Whether blocks wait for readers.
    pub(super) fn waits(&self) -> bool {
        self.blocks().any(|block| matches!(self.get(block, STATE), WAITING | RETIRED))
    }

    /// Takes the longest free block; its line.
    pub(super) fn take(&mut self) -> Option<u32> {
        self.poll();
        let block = self.longest()?;
        self.set(block, STATE, USED);
        Some((block / LINE) as u32)
    }

    /// The words of a block for its image.
    pub(super) fn block(&self, line: u32) -> &'a [AtomicU32] {
        let length = self.length(line as usize * LINE).saturating_sub(LINE);
        image(self.words, line).get(..length).unwrap_or_default()
    }

    /// Gives back what a block has beyond an image of `words` words.
    pub(super) fn shorten(&self, line: u32, words: usize) {
        let block = line as usize * LINE;
        let length = LINE + words.next_multiple_of(LINE);
        let rest = self.length(block).saturating_sub(length);
        if rest > 0 {
            self.set(block + length, LENGTH, rest as u32);
            self.set(block + length, STATE, FREE);
            self.set(block, LENGTH, length as u32);
        }
    }

    /// Frees a block that was never published.
    pub(super) fn free(&self, line: u32) {
        self.set(line as usize * LINE, STATE, FREE);
    }

    /// Changes a group's word, and gives up the block that it named.
    pub(super) fn publish(&mut self, group: &AtomicU32, word: u32) {
        let old = group.load(Relaxed);
        // Release: who reads this word finds the image written.
        group.store(word, Release);
        if old != NO_GROUP {
            self.retire(old & !GROUP_V6);
        }
    }

    /// Gives up a block that nothing leads to any more.
    fn retire(&mut self, line: u32) {
        // What is free already must not wait with the block that comes now.
        self.poll();
        self.set(line as usize * LINE, STATE, RETIRED);
        self.retired_since = self.readers.snapshot();
        self.poll();
    }

    /// The block behind `line` in the writer's queue.
    pub(super) fn next(&self, line: u32) -> u32 {
        self.get(line as usize * LINE, NEXT)
    }

    pub(super) fn set_next(&self, line: u32, next: u32) {
        self.set(line as usize * LINE, NEXT, next);
    }

    /// Frees what all readers have left behind, and makes free neighbours one.
    fn poll(&mut self) {
        if self.any(WAITING) && self.readers.passed(&self.waiting_since) {
            self.change(WAITING, FREE);
        }
        if !self.any(WAITING) && self.any(RETIRED) {
            if self.readers.passed(&self.retired_since) {
                self.change(RETIRED, FREE);
            } else {
                self.change(RETIRED, WAITING);
                self.waiting_since = self.retired_since.clone();
            }
        }
        let mut before: Option<usize> = None;
        for block in self.blocks() {
            let free = self.get(block, STATE) == FREE;
            match before {
                Some(first) if free => {
                    let length = self.length(first) + self.length(block);
                    self.set(first, LENGTH, length as u32);
                }
                _ => before = free.then_some(block),
            }
        }
    }

    fn any(&self, state: u32) -> bool {
        self.blocks().any(|block| self.get(block, STATE) == state)
    }

    fn change(&self, from: u32, to: u32) {
        for block in self.blocks().filter(|block| self.get(*block, STATE) == from) {
            self.set(block, STATE, to);
        }
    }

    fn longest(&self) -> Option<usize> {
        let free = self.blocks().filter(|block| self.get(*block, STATE) == FREE);
        free.max_by_key(|block| self.length(*block))
    }

    /// Where the blocks begin. Bounded: each is a line or longer.
    fn blocks(&self) -> impl Iterator<Item = usize> {
        let mut next = 0;
        iter::from_fn(move || {
            let block = next;
            // The next one is found before this one may be joined to it.
            next += self.length(block).max(LINE);
            (block < self.words.len()).then_some(block)
        })
    }

    fn length(&self, block: usize) -> usize {
        self.get(block, LENGTH) as usize
    }

    fn get(&self, block: usize, field: usize) -> u32 {
        word(self.words, block + field)
    }

    fn set(&self, block: usize, field: usize, value: u32) {
        if let Some(word) = self.words.get(block + field) {
            word.store(value, Relaxed);
        }
    }
}
