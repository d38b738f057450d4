//! Records by number: plain data in a slice of 32-bit words, written before it is published.

use core::{
    marker::PhantomData,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use crate::table::exact::Words;

/// An array of `T`.
#[derive(Clone, Copy, Debug)]
pub(in crate::pipeline) struct Records<'a, T> {
    words: &'a [AtomicU32],
    record: PhantomData<fn() -> T>,
}

impl<'a, T: Words> Records<'a, T> {
    /// Words of one record.
    const STRIDE: usize = {
        assert!(size_of::<T>().is_multiple_of(4));
        size_of::<T>() / 4
    };

    /// Words of `count` records.
    pub(in crate::pipeline) const fn words_for(count: usize) -> usize {
        count * Self::STRIDE
    }

    pub(in crate::pipeline) const fn new(words: &'a [AtomicU32]) -> Self {
        Self { words, record: PhantomData }
    }

    fn at(&self, index: u32) -> Option<&'a [AtomicU32]> {
        let start = (index as usize).checked_mul(Self::STRIDE)?;
        self.words.get(start..)?.get(..Self::STRIDE)
    }

    /// The record of this number; what was never set is zero.
    pub(in crate::pipeline) fn get(&self, index: u32) -> Option<T> {
        let mut record = T::new_zeroed();
        let (chunks, _) = record.as_mut_bytes().as_chunks_mut::<4>();
        for (to, from) in chunks.iter_mut().zip(self.at(index)?) {
            *to = from.load(Relaxed).to_ne_bytes();
        }
        Some(record)
    }

    /// Sets a record; `None`: there are not so many.
    pub(in crate::pipeline) fn set(&self, index: u32, record: &T) -> Option<()> {
        let (chunks, _) = record.as_bytes().as_chunks::<4>();
        for (to, from) in self.at(index)?.iter().zip(chunks) {
            to.store(u32::from_ne_bytes(*from), Relaxed);
        }
        Some(())
    }
}
