//! A set of small numbers in the policy's region, touched by the writer alone.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Numbers below `32 * words`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bitmap<'a> {
    words: &'a [AtomicU32],
}

impl<'a> Bitmap<'a> {
    /// Words that numbers below `count` take.
    pub(super) const fn words_for(count: usize) -> usize {
        count.div_ceil(32)
    }

    /// The empty set over `words`.
    pub(super) fn new(words: &'a [AtomicU32]) -> Self {
        let set = Self { words };
        set.clear();
        set
    }

    /// Adds `number`; one that is out of range is ignored.
    pub(super) fn add(&self, number: usize) {
        if let Some(word) = self.words.get(number / 32) {
            word.fetch_or(1 << (number % 32), Relaxed);
        }
    }

    /// Takes `number` out.
    pub(super) fn remove(&self, number: usize) {
        if let Some(word) = self.words.get(number / 32) {
            word.fetch_and(!(1 << (number % 32)), Relaxed);
        }
    }

    /// Whether `number` is in the set.
    pub(super) fn contains(&self, number: usize) -> bool {
        self.words
            .get(number / 32)
            .is_some_and(|word| word.load(Relaxed) & (1 << (number % 32)) != 0)
    }

    /// The lowest number below `limit` that is not in the set.
    pub(super) fn lowest_absent(&self, limit: usize) -> Option<usize> {
        self.words
            .iter()
            .position(|word| word.load(Relaxed) != u32::MAX)
            .and_then(|index| {
                let word = self.words.get(index)?;
                Some(index * 32 + word.load(Relaxed).trailing_ones() as usize)
            })
            .filter(|number| *number < limit)
    }

    /// Takes all numbers out.
    pub(super) fn clear(&self) {
        for word in self.words {
            word.store(0, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_and_go() {
        let words = [const { AtomicU32::new(7) }; 2];
        let set = Bitmap::new(&words);
        assert_eq!(set.lowest_absent(40), Some(0));
        for number in 0..40 {
            set.add(number);
        }
        assert!(set.contains(39) && !set.contains(40) && !set.contains(400));
        assert_eq!(set.lowest_absent(40), None);
        set.remove(33);
        assert_eq!(set.lowest_absent(40), Some(33));
        set.clear();
        assert!(!set.contains(0));
    }
}
