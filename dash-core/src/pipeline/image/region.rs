//! Words, while they are handed out.

use core::sync::atomic::AtomicU32;

use dash_hal::HashKey;

use crate::{
    pipeline::image::Records,
    table::{
        TableError,
        exact::{Exact, ExactWriter, Words},
        quiescence::Readers,
    },
};

/// What is left of them.
pub(in crate::pipeline) struct Region<'a>(pub(in crate::pipeline) &'a [AtomicU32]);

impl<'a> Region<'a> {
    pub(in crate::pipeline) fn take(
        &mut self,
        count: usize,
    ) -> Result<&'a [AtomicU32], TableError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(TableError::StorageTooSmall)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(in crate::pipeline) fn word(&mut self) -> Result<&'a AtomicU32, TableError> {
        self.take(1)?.first().ok_or(TableError::StorageTooSmall)
    }

    /// Words of a table, and its view.
    pub(in crate::pipeline) fn exact<K: Words + Eq, V: Words>(
        &mut self,
        capacity: usize,
        hash: HashKey,
    ) -> Result<(&'a [AtomicU32], Exact<'a, K, V>), TableError> {
        let words = self.take(ExactWriter::<K, V>::words_for(capacity))?;
        // Nobody reads a draft.
        let writer = ExactWriter::new(words, capacity, hash, Readers::new(&[]))?;
        Ok((words, writer.table()))
    }

    pub(in crate::pipeline) fn records<T: Words>(
        &mut self,
        count: usize,
    ) -> Result<Records<'a, T>, TableError> {
        Ok(Records::new(self.take(Records::<T>::words_for(count))?))
    }
}
