//! A merge sort of records of words, in steps.

use super::space::Space;

/// Records moved in one step.
const STEP: usize = 1024;

/// Records of `stride` words, compared word by word but for the last one, which is carried along.
/// Records that compare equal keep their order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sort {
    /// Where the records are now, and where the next pass writes them.
    from: usize,
    to: usize,
    count: usize,
    stride: usize,
    /// Length of sorted runs.
    width: usize,
    /// The two runs that are being merged: their first record, what is left of them.
    start: usize,
    left: usize,
    right: usize,
}

impl Sort {
    /// Sorts `count` records at `from`, with as many words at `to` to help.
    pub(super) fn new(from: usize, to: usize, count: usize, stride: usize) -> Self {
        Self { from, to, count, stride, width: 1, start: 0, left: 0, right: 1 }
    }

    /// Where the sorted records are, once there is nothing left to do.
    pub(super) fn step(&mut self, space: &Space<'_>) -> Option<usize> {
        for _ in 0..STEP {
            if self.width >= self.count {
                return Some(self.from);
            }
            let middle = (self.start + self.width).min(self.count);
            let end = (self.start + 2 * self.width).min(self.count);
            let from_left = if self.left >= middle {
                false
            } else if self.right >= end {
                true
            } else {
                !self.less(space, self.right, self.left)
            };
            let place = self.left + self.right - middle;
            let record = if from_left { self.left } else { self.right };
            for word in 0..self.stride {
                let value = space.get(self.from + record * self.stride + word);
                space.set(self.to + place * self.stride + word, value);
            }
            if from_left {
                self.left += 1;
            } else {
                self.right += 1;
            }
            if self.left >= middle && self.right >= end {
                self.start = end;
                if self.start >= self.count {
                    core::mem::swap(&mut self.from, &mut self.to);
                    self.width *= 2;
                    self.start = 0;
                }
                self.left = self.start;
                self.right = (self.start + self.width).min(self.count);
            }
        }
        None
    }

    fn less(&self, space: &Space<'_>, one: usize, other: usize) -> bool {
        for word in 0..self.stride - 1 {
            let one = space.get(self.from + one * self.stride + word);
            let other = space.get(self.from + other * self.stride + word);
            if one != other {
                return one < other;
            }
        }
        false
    }
}
