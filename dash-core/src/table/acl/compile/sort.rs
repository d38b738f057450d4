//! A heap sort of records of words, in place and in steps.

use super::space::Space;
use crate::table::atomic::Ordering::Relaxed;

/// Records that find their place in one step.
const STEP: usize = 128;

/// Records of `stride` words, compared word by word.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sort {
    at: usize,
    /// Whether the records go down from there.
    down: bool,
    stride: usize,
    /// Records that are still to become part of the heap, the greatest of which is the first.
    loose: usize,
    /// Records that are not yet behind it, in their order.
    count: usize,
}

impl Sort {
    /// Sorts `count` records at `at`.
    pub(super) const fn new(at: usize, count: usize, stride: usize) -> Self {
        Self { at, down: false, stride, loose: count / 2, count }
    }

    /// Sorts `count` records, the first of which ends at `end`, the next below it.
    pub(super) const fn down(end: usize, count: usize, stride: usize) -> Self {
        Self { at: end, down: true, stride, loose: count / 2, count }
    }

    /// Where a record is.
    const fn place(&self, record: usize) -> usize {
        if self.down {
            self.at - (record + 1) * self.stride
        } else {
            self.at + record * self.stride
        }
    }

    /// Does the next piece; whether all are sorted.
    pub(super) fn step(&mut self, space: &Space<'_>) -> bool {
        for _ in 0..STEP {
            if let Some(root) = self.loose.checked_sub(1) {
                self.loose = root;
                self.sink(space, root);
            } else if self.count > 1 {
                self.count -= 1;
                self.swap(space, 0, self.count);
                self.sink(space, 0);
            } else {
                return true;
            }
        }
        false
    }

    /// Moves a record down until none below it is greater.
    fn sink(&self, space: &Space<'_>, mut record: usize) {
        loop {
            let mut child = 2 * record + 1;
            if child >= self.count {
                return;
            }
            if child + 1 < self.count && self.less(space, child, child + 1) {
                child += 1;
            }
            if !self.less(space, record, child) {
                return;
            }
            self.swap(space, record, child);
            record = child;
        }
    }

    fn less(&self, space: &Space<'_>, one: usize, other: usize) -> bool {
        let words = |record| space.words(self.place(record)).iter().take(self.stride);
        let words = words(one).zip(words(other));
        let mut words = words.map(|(one, other)| (one.load(Relaxed), other.load(Relaxed)));
        words.find(|(one, other)| one != other).is_some_and(|(one, other)| one < other)
    }

    fn swap(&self, space: &Space<'_>, one: usize, other: usize) {
        for word in 0..self.stride {
            let [one, other] = [one, other].map(|record| self.place(record) + word);
            let (before, after) = (space.get(one), space.get(other));
            space.set(one, after);
            space.set(other, before);
        }
    }
}
