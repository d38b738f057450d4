//! Which of two images counts, and when the other one may be written.
//!
//! One word, the epoch, is all that readers and writer share of it: a reader loads it once for a
//! burst, and its lowest bit names the image. `tests/protocols` tries all interleavings.

use crate::table::{
    TableError,
    atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, Release},
    },
    quiescence::{Readers, Snapshot},
};

/// Which of two images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    First,
    Second,
}

impl Side {
    /// The one that counts at `epoch`.
    pub(crate) const fn at(epoch: u32) -> Self {
        if epoch & 1 == 0 { Self::First } else { Self::Second }
    }

    /// That one of two.
    #[inline]
    pub(crate) fn of<T>(self, [first, second]: [T; 2]) -> T {
        match self {
            Self::First => first,
            Self::Second => second,
        }
    }
}

/// The readers' part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Epoch<'a>(&'a AtomicU32);

impl Epoch<'_> {
    /// The newest epoch. It moves with every change.
    pub(crate) fn now(self) -> u32 {
        self.0.load(Acquire)
    }
}

/// The writer's part.
#[derive(Debug)]
pub(crate) struct Publication<'a> {
    word: &'a AtomicU32,
    readers: Readers<'a>,
    /// When the image that does not count stopped to count; `None`: it never did.
    retired: Option<Snapshot>,
}

impl<'a> Publication<'a> {
    /// The first image counts.
    pub(crate) fn new(word: &'a AtomicU32, readers: Readers<'a>) -> Self {
        word.store(0, Release);
        Self { word, readers, retired: None }
    }

    pub(crate) const fn epoch(&self) -> Epoch<'a> {
        Epoch(self.word)
    }

    /// The image that counts.
    pub(crate) fn newest(&self) -> Side {
        Side::at(self.word.load(Relaxed))
    }

    /// The image that may be written.
    ///
    /// # Errors
    /// `Busy` as long as a reader may still look at it.
    pub(crate) fn spare(&self) -> Result<Side, TableError> {
        if self.retired.as_ref().is_some_and(|retired| !self.readers.passed(retired)) {
            return Err(TableError::Busy);
        }
        Ok(self.newest().of([Side::Second, Side::First]))
    }

    /// The spare image counts from now on.
    pub(crate) fn publish(&mut self) {
        // Release: who sees this epoch finds its image written.
        self.word.store(self.word.load(Relaxed).wrapping_add(1), Release);
        self.retired = Some(self.readers.snapshot());
    }

    /// The image that counts was changed in place.
    pub(crate) fn touch(&self) {
        // Release: who sees this epoch sees the change.
        self.word.store(self.word.load(Relaxed).wrapping_add(2), Release);
    }
}
