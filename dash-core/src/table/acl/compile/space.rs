//! The words that a compilation works in: the image grows from the front, scratch from the back.

use crate::table::{
    TableError,
    acl::image::word,
    atomic::{AtomicU32, Ordering::Relaxed},
};

/// The image at the front, scratch at the back, free words between.
#[derive(Clone, Copy, Debug)]
pub(super) struct Space<'w> {
    words: &'w [AtomicU32],
    /// End of the image.
    front: usize,
    /// Start of the scratch.
    back: usize,
    /// Most words in use so far.
    peak: usize,
    /// Most words that may be in use.
    most: usize,
}

impl<'w> Space<'w> {
    pub(super) fn new(words: &'w [AtomicU32]) -> Self {
        Self { words, front: 0, back: words.len(), peak: 0, most: words.len() }
    }

    pub(super) fn get(&self, at: usize) -> u32 {
        word(self.words, at)
    }

    /// The words from `at` on.
    pub(super) fn words(&self, at: usize) -> &'w [AtomicU32] {
        self.words.get(at..).unwrap_or_default()
    }

    pub(super) fn set(&self, at: usize, value: u32) {
        if let Some(word) = self.words.get(at) {
            word.store(value, Relaxed);
        }
    }

    pub(super) fn set_half(&self, at: usize, value: u32) {
        let shift = at % 2 * 16;
        let other = self.get(at / 2) & !(0xffff << shift);
        self.set(at / 2, other | value << shift);
    }

    pub(super) fn fill(&self, at: usize, count: usize, value: u32) {
        for word in self.words.iter().skip(at).take(count) {
            word.store(value, Relaxed);
        }
    }

    /// Makes the image longer by `count` words of any value; where they start.
    pub(super) fn grow(&mut self, count: usize) -> Result<usize, TableError> {
        let at = self.front;
        if count > self.room() {
            return Err(TableError::Full);
        }
        self.front += count;
        self.note();
        Ok(at)
    }

    /// Adds a word to the image.
    pub(super) fn push(&mut self, value: u32) -> Result<usize, TableError> {
        let at = self.grow(1)?;
        self.set(at, value);
        Ok(at)
    }

    /// `count` words of scratch of any value; where they start.
    pub(super) fn scratch(&mut self, count: usize) -> Result<usize, TableError> {
        if count > self.room() {
            return Err(TableError::Full);
        }
        self.back -= count;
        self.note();
        Ok(self.back)
    }

    /// Scratch below `mark`, an earlier start of it, is no longer needed.
    pub(super) fn release(&mut self, mark: usize) {
        self.back = mark;
    }

    /// Shortens the image to `length`.
    pub(super) fn truncate(&mut self, length: usize) {
        self.front = length;
    }

    /// End of the image.
    pub(super) fn front(&self) -> usize {
        self.front
    }

    /// Start of the scratch.
    pub(super) fn back(&self) -> usize {
        self.back
    }

    /// Words of scratch in use.
    pub(super) fn in_scratch(&self) -> usize {
        self.words.len() - self.back
    }

    /// From here on at most `most` words are in use at one time.
    pub(super) fn limit(&mut self, most: usize) {
        self.most = most;
    }

    /// Counts `words` as in use at one time, which later steps may need.
    pub(super) fn hold(&mut self, words: usize) -> Result<(), TableError> {
        if words > self.most.min(self.words.len()) {
            return Err(TableError::Full);
        }
        self.peak = self.peak.max(words);
        Ok(())
    }

    /// Most words that may be in use.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Words that image and scratch may grow by.
    fn room(&self) -> usize {
        self.most.min(self.words.len()).saturating_sub(self.front + self.in_scratch())
    }

    /// Most words in use at one time.
    pub(super) fn peak(&self) -> usize {
        self.peak
    }

    fn note(&mut self) {
        self.peak = self.peak.max(self.front + self.in_scratch());
    }

    /// A number of `count` words.
    pub(super) fn number(&self, at: usize, count: u32) -> u128 {
        let mut number = 0;
        for index in 0..count as usize {
            number = number << 32 | u128::from(self.get(at + index));
        }
        number
    }

    pub(super) fn set_number(&self, at: usize, count: u32, number: u128) {
        for index in 0..count {
            self.set(at + index as usize, (number >> (32 * (count - 1 - index))) as u32);
        }
    }
}

/// Words that are moved in one step.
const STEP: usize = 1024;

/// Words on their way up or down to where others may have been.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    from: usize,
    to: usize,
    left: usize,
    /// Words that are already there.
    done: usize,
}

impl Move {
    pub(super) const fn new(from: usize, to: usize, count: usize) -> Self {
        Self { from, to, left: count, done: 0 }
    }

    /// Moves the next words; whether all are there.
    pub(super) fn step(&mut self, space: &Space<'_>) -> bool {
        for _ in 0..STEP.min(self.left) {
            self.left -= 1;
            // Upwards the last word first, downwards the first one.
            let at = if self.to > self.from { self.left } else { self.done };
            space.set(self.to + at, space.get(self.from + at));
            self.done += 1;
        }
        self.left == 0
    }
}
