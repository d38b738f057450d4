//! Exact match, shared: one control core writes while all cores read.
//!
//! A bucketised hash table with two choices (Azar, Broder, Karlin and Upfal, "Balanced
//! Allocations", STOC 1994): a key has two buckets of [`WAYS`] slots, and a new entry goes to the
//! one that holds less. A slot is one 32-bit word: the index of a node, and bits of the hash. A node
//! holds key and value.
//!
//! Unlike in the [flow table](super::cuckoo), no entry ever moves: slots are a tenth of the memory,
//! and five for each eight leave so much room that none has to. So the protocol is short. A node is
//! written aside and published by one store into its slot; a replacement is one store of another
//! index into the same slot; a value of one word is replaced by one store in its node; a removal
//! clears the slot. What a slot once led to is not written again until every reader has passed a
//! quiescent point. A reader that probes both buckets, once, finds each key that stays, and sees of
//! each entry the old or the new. `tests/protocols` shows that under all interleavings.
//!
//! Memory, in 32-bit words: 1.6 slots for each entry, nodes of key and value, one link for each
//! node. There is a node for each entry and spare ones, which let entries be replaced before the
//! readers have left the old ones; once they are used up too, an update answers `Busy`. There are
//! `capacity / 8 + 1` spare nodes, and where a replacement takes a node, enough to replace
//! [`REPLACED_AT_ONCE`] entries or all.
//!
//! Time: a look-up reads two buckets of 32 bytes, and nodes whose hash agrees in the slot's other
//! bits. Both buckets of a key are full, at capacity, with odds far below 10⁻⁹ (of 24 million
//! entries none at a load of 0.65, one in 3 million at 0.7). Such an entry goes to a stash of
//! [`STASH`] slots, which a look-up reads up to the last that was ever used; with that full too an
//! insert answers `Full`. Tables of at most [`STASH`] entries take every entry. Keys that share
//! buckets cannot be chosen without the secret of the hash (almost universal,
//! `dash_hal::Hints::keyed_hash`). It is computed in software: keys are short, and the writer's core
//! need not have the hardware of its readers'.
#![allow(
    clippy::inline_always,
    reason = "a look-up is small where the lengths of key and value are known, and only there"
)]
use core::{hint, marker::PhantomData};

use super::atomic::Ordering::{Acquire, Relaxed};
use zerocopy::{FromBytes, Immutable, IntoBytes};

mod compare;
mod index;
mod writer;

use index::{Index, read};
pub use writer::ExactWriter;

/// Entries that can be replaced before the readers have left the old ones, also in a small table.
pub const REPLACED_AT_ONCE: usize = 64;

/// Slots of a bucket.
pub const WAYS: usize = 8;

/// Slots of the stash, or as many as the capacity.
pub const STASH: usize = 64;

/// What keys and values are made of: plain data of a whole number of 32-bit words.
pub trait Words: Copy + FromBytes + IntoBytes + Immutable {}
impl<T: Copy + FromBytes + IntoBytes + Immutable> Words for T {}

/// The readers' view; as many copies as there are cores.
#[derive(Clone, Copy, Debug)]
pub struct Exact<'a, K, V> {
    index: Index<'a>,
    entry: PhantomData<fn() -> (K, V)>,
}

impl<'a, K: Words + Eq + 'a, V: Words + 'a> Exact<'a, K, V> {
    /// The value of `key`. Keys are equal when their bytes are.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<V> {
        self.index.entry_at(key).map(|found| read(found.value))
    }

    /// Where the entry of `key` lies for as long as it is there, whatever its value: for entries of
    /// other tables that name it. Only a value of one word is replaced in its place.
    #[must_use]
    pub fn index_of(&self, key: &K) -> Option<u32> {
        const { assert!(size_of::<V>() == 4, "a longer value is replaced with its entry") };
        self.index.entry_at(key).map(|found| found.index)
    }

    /// The key of the entry at `index`. Who found `index` in another table's entry gets the key
    /// that it named up to its next quiescent point, if the entry that names goes before the one
    /// that is named.
    #[must_use]
    pub fn key_at(&self, index: u32) -> Option<K> {
        self.index.nodes.get(index)?.get(..size_of::<K>() / 4).map(read)
    }

    /// Loads what a look-up or an insert of `key` reads first. Where many keys are at hand, some are
    /// touched one after the other before they are used: then their latencies overlap, as the core
    /// that calls goes on before the words are there.
    #[inline]
    pub fn touch(&self, key: &K) {
        if let Some(choices) = self.index.choices(self.index.wanted(key).hash) {
            for [first, ..] in choices.buckets {
                hint::black_box(first.load(Relaxed));
            }
        }
    }

    /// All entries, in no order. A table that changes meanwhile gives each entry that stays
    /// exactly once.
    ///
    /// The reader passes no quiescent point before it has dropped the iterator; with an empty
    /// [`Readers`](super::quiescence::Readers), nothing is inserted before.
    pub fn iter(&self) -> impl Iterator<Item = (K, V)> + 'a {
        let index = self.index;
        index
            .slots
            .iter()
            .filter_map(move |slot| index.entry(slot, slot.load(Acquire), size_of::<K>() / 4))
            .map(|found| (read(found.key), read(found.value)))
    }
}
