//! Exact match, shared: one control core writes while all cores read.
//!
//! A hash map with chains. Chain heads and links are 32-bit words; a node is written aside and
//! published by one store. A replaced or removed node keeps its link until every reader has
//! passed a quiescent point, so a reader that stands on it still reaches the rest of its chain,
//! and no node ever changes its place in a chain: a key that stays is always found.
//!
//! Memory, in 32-bit words: `capacity` heads, and `capacity + capacity / 8 + 1` nodes of two links,
//! key and value. The nodes beyond the capacity let entries be replaced before the readers have
//! left the old ones; once they are used up too, an update answers `Busy`.
//!
//! Time: one chain, 1.5 nodes on average for a hit at full load (as many heads as entries). The
//! worst case is a walk over all nodes; keys that make it cannot be chosen without the secret of
//! the hash (almost universal, `dash_hal::Hints::keyed_hash`).
use super::{
    TableError,
    pool::{NIL, Nodes, Pool},
    quiescence::Readers,
};
use core::{
    iter,
    marker::PhantomData,
    sync::atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, Release},
    },
};
use dash_hal::{HASH_KEY_BYTES, HashKey, Hints, SoftwareHints};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// What keys and values are made of: plain data of a whole number of 32-bit words.
pub trait Words: Copy + FromBytes + IntoBytes + Immutable {}
impl<T: Copy + FromBytes + IntoBytes + Immutable> Words for T {}

/// The readers' view; as many copies as there are cores.
#[derive(Clone, Copy, Debug)]
pub struct Exact<'a, K, V> {
    heads: &'a [AtomicU32],
    nodes: Nodes<'a>,
    hash: HashKey,
    entry: PhantomData<fn() -> (K, V)>,
}

/// The only writer.
#[derive(Debug)]
pub struct ExactWriter<'a, K, V> {
    table: Exact<'a, K, V>,
    pool: Pool<'a>,
    capacity: usize,
    len: usize,
}

/// A node, and the link that led to it.
struct Found<'a> {
    link: &'a AtomicU32,
    index: u32,
    next: &'a AtomicU32,
    key: &'a [AtomicU32],
    value: &'a [AtomicU32],
}

impl<'a, K: Words + Eq, V: Words> ExactWriter<'a, K, V> {
    /// Words of a node: link, key, value.
    const STRIDE: usize = const {
        assert!(size_of::<K>().is_multiple_of(4) && size_of::<V>().is_multiple_of(4));
        assert!(size_of::<K>() <= HASH_KEY_BYTES, "the hash reads no more of a key");
        1 + (size_of::<K>() + size_of::<V>()) / 4
    };

    const fn nodes_for(capacity: usize) -> usize {
        capacity.saturating_add(capacity / 8 + 1)
    }

    /// 32-bit words of storage that `capacity` entries take.
    #[must_use]
    pub const fn words_for(capacity: usize) -> usize {
        Pool::words_for(Self::nodes_for(capacity), Self::STRIDE).saturating_add(capacity)
    }

    /// An empty table over `words`, whose content is overwritten.
    /// # Errors
    /// `StorageTooSmall`, `CapacityTooLarge`.
    pub fn new(
        words: &'a [AtomicU32],
        capacity: usize,
        hash: HashKey,
        readers: Readers<'a>,
    ) -> Result<Self, TableError> {
        let (heads, words) = words.split_at_checked(capacity).ok_or(TableError::StorageTooSmall)?;
        let (pool, nodes) = Pool::new(words, Self::nodes_for(capacity), Self::STRIDE, readers)?;
        for head in heads {
            head.store(NIL, Relaxed);
        }
        let table = Exact { heads, nodes, hash, entry: PhantomData };
        Ok(Self { table, pool, capacity, len: 0 })
    }

    /// The view for readers.
    #[must_use]
    pub fn table(&self) -> Exact<'a, K, V> {
        self.table
    }

    /// Inserts or replaces; returns the value that was there. A replacement is never refused as
    /// `Full`.
    /// # Errors
    /// `Full`, `Busy`.
    pub fn insert(&mut self, key: &K, value: &V) -> Result<Option<V>, TableError> {
        let found = self.table.find(key);
        if found.is_none() && self.len >= self.capacity {
            return Err(TableError::Full);
        }
        let link = match &found {
            Some(found) => found.link,
            None => self.table.head(key).ok_or(TableError::Full)?,
        };
        self.pool.reserve(1)?;
        let index = self.pool.take()?;
        let node = self.table.nodes.get(index).ok_or(TableError::Full)?;
        let next = found.as_ref().map_or(link, |found| found.next).load(Relaxed);
        let words = iter::once(next).chain(words_of(key)).chain(words_of(value));
        for (to, from) in node.iter().zip(words) {
            to.store(from, Relaxed);
        }
        let old = found.map(|found| (found.index, read(found.value)));
        // Release: who follows this link finds the node written.
        link.store(index, Release);
        match old {
            Some((old, _)) => self.pool.retire(iter::once(old)),
            None => self.len += 1,
        }
        Ok(old.map(|(_, value)| value))
    }

    /// Removes; returns the value that was there. Never refused here: nothing is allocated.
    /// # Errors
    /// `Busy`.
    pub fn remove(&mut self, key: &K) -> Result<Option<V>, TableError> {
        let Some(found) = self.table.find(key) else { return Ok(None) };
        let value = read(found.value);
        found.link.store(found.next.load(Relaxed), Release);
        self.pool.retire(iter::once(found.index));
        self.len -= 1;
        Ok(Some(value))
    }

    /// Entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Entries that can still be inserted now, i.e. without waiting for readers.
    #[must_use]
    pub fn room(&self) -> usize {
        self.capacity.saturating_sub(self.len).min(self.pool.room())
    }
}

impl<'a, K: Words + Eq + 'a, V: Words + 'a> Exact<'a, K, V> {
    /// The value of `key`. Keys are equal when their bytes are.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<V> {
        self.find(key).map(|found| read(found.value))
    }

    /// All entries, in no order. A table that changes meanwhile gives each entry that stays
    /// exactly once.
    ///
    /// The reader passes no quiescent point before it has dropped the iterator; with an empty
    /// [`Readers`], nothing is inserted before.
    pub fn iter(&self) -> impl Iterator<Item = (K, V)> + 'a {
        let nodes = self.nodes;
        self.heads
            .iter()
            .flat_map(move |head| Self::chain(nodes, head))
            .map(|found| (read(found.key), read(found.value)))
    }

    /// The head of the chain that `key` belongs to.
    fn head(&self, key: &K) -> Option<&'a AtomicU32> {
        let hash = SoftwareHints.keyed_hash(&self.hash, key.as_bytes());
        // The high half of the hash, scaled to the number of heads without a division.
        let index = ((hash >> 32) * self.heads.len() as u64) >> 32;
        self.heads.get(index as usize)
    }

    fn find(&self, key: &K) -> Option<Found<'a>> {
        Self::chain(self.nodes, self.head(key)?).find(|found| {
            found.key.iter().zip(words_of(key)).all(|(word, wanted)| word.load(Relaxed) == wanted)
        })
    }

    /// The nodes of one chain. Bounded: between two quiescent points a reader meets no node twice.
    fn chain(nodes: Nodes<'a>, head: &'a AtomicU32) -> impl Iterator<Item = Found<'a>> {
        let mut link = head;
        iter::from_fn(move || {
            // Acquire: pairs with the store that published the node.
            let index = link.load(Acquire);
            let (next, entry) = nodes.get(index)?.split_first()?;
            let (key, value) = entry.split_at_checked(size_of::<K>() / 4)?;
            let found = Found { link, index, next, key, value };
            link = next;
            Some(found)
        })
        .take(nodes.count())
    }
}

fn words_of<T: Words>(data: &T) -> impl Iterator<Item = u32> {
    data.as_bytes().as_chunks().0.iter().map(|bytes| u32::from_ne_bytes(*bytes))
}

fn read<T: Words>(words: &[AtomicU32]) -> T {
    let mut data = T::new_zeroed();
    for (bytes, word) in data.as_mut_bytes().as_chunks_mut().0.iter_mut().zip(words) {
        *bytes = word.load(Relaxed).to_ne_bytes();
    }
    data
}
