//! Exact match, shared: one control core writes while all cores read.
//!
//! A hash map with chains. Chain heads and links are 32-bit words; a node is written aside and
//! published by one store; a value of one word is replaced by one store in its node. A replaced or
//! removed node keeps its link until every reader has passed a quiescent point, so a reader that
//! stands on it still reaches the rest of its chain, and no node ever changes its place in a
//! chain: a key that stays is always found.
//!
//! Memory, in 32-bit words: `capacity` heads, and nodes of two links, key and value: one for each
//! entry and spare ones, which let entries be replaced before the readers have left the old ones.
//! Once they are used up too, an update answers `Busy`. There are `capacity / 8 + 1` spare nodes,
//! and where a replacement takes a node, enough to replace [`REPLACED_AT_ONCE`] entries or all.
//!
//! Time: one chain, 1.5 nodes on average for a hit at full load (as many heads as entries). The
//! worst case is a walk over all nodes; keys that make it cannot be chosen without the secret of
//! the hash (almost universal, `dash_hal::Hints::keyed_hash`). It is computed in software: keys are
//! short, and the writer's core need not have the hardware of its readers'.
use super::{
    Demand, TableError,
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
use dash_hal::{HASH_KEY_WORDS, HashKey, Hints, SoftwareHints};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Entries that can be replaced before the readers have left the old ones, also in a small table.
pub const REPLACED_AT_ONCE: usize = 64;

/// What keys and values are made of: plain data of a whole number of 32-bit words.
pub trait Words: Copy + FromBytes + IntoBytes + Immutable {}
impl<T: Copy + FromBytes + IntoBytes + Immutable> Words for T {}

/// The readers' view; as many copies as there are cores.
#[derive(Clone, Copy, Debug)]
pub struct Exact<'a, K, V> {
    chains: Chains<'a>,
    entry: PhantomData<fn() -> (K, V)>,
}

/// The only writer.
#[derive(Debug)]
pub struct ExactWriter<'a, K, V> {
    entries: Entries<'a>,
    entry: PhantomData<fn() -> (K, V)>,
}

/// Heads and nodes, whatever the key and the value are.
#[derive(Clone, Copy, Debug)]
struct Chains<'a> {
    heads: &'a [AtomicU32],
    nodes: Nodes<'a>,
    hash: HashKey,
}

/// What writes them. It takes bytes, so that all tables share its code.
#[derive(Debug)]
struct Entries<'a> {
    chains: Chains<'a>,
    pool: Pool<'a>,
    len: usize,
    /// Whether a replacement is one store and takes no node.
    in_place: bool,
}

/// What the types of key and value say of the nodes.
#[derive(Clone, Copy)]
struct Shape {
    nodes: usize,
    /// Words of a node: link, key, value.
    stride: usize,
    in_place: bool,
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
    const fn shape(capacity: usize) -> Shape {
        const {
            assert!(size_of::<K>().is_multiple_of(4) && size_of::<V>().is_multiple_of(4));
            assert!(size_of::<K>() <= 8 * HASH_KEY_WORDS, "the hash reads no more of a key");
        }
        let in_place = size_of::<V>() == 4;
        let eighth = capacity / 8;
        let spare = if in_place || eighth > REPLACED_AT_ONCE {
            eighth
        } else if capacity < REPLACED_AT_ONCE {
            capacity
        } else {
            REPLACED_AT_ONCE
        };
        let stride = 1 + (size_of::<K>() + size_of::<V>()) / 4;
        Shape { nodes: capacity.saturating_add(spare + 1), stride, in_place }
    }

    /// 32-bit words of storage that `capacity` entries take.
    #[must_use]
    pub const fn words_for(capacity: usize) -> usize {
        let Shape { nodes, stride, .. } = Self::shape(capacity);
        Pool::words_for(nodes, stride).saturating_add(capacity)
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
        let entries = Entries::new(heads, words, Self::shape(capacity), hash, readers)?;
        Ok(Self { entries, entry: PhantomData })
    }

    /// The view for readers.
    #[must_use]
    pub fn table(&self) -> Exact<'a, K, V> {
        Exact { chains: self.entries.chains, entry: PhantomData }
    }

    /// Inserts or replaces; returns the value that was there. A replacement is never refused as
    /// `Full`, and one of a value of one word is never refused.
    /// # Errors
    /// `Full`, `Busy`.
    pub fn insert(&mut self, key: &K, value: &V) -> Result<Option<V>, TableError> {
        let mut old = V::new_zeroed();
        let was_there =
            self.entries.insert(key.as_bytes(), value.as_bytes(), old.as_mut_bytes())?;
        Ok(was_there.then_some(old))
    }

    /// Removes; returns the value that was there. Never refused: it takes no node.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let mut old = V::new_zeroed();
        self.entries.remove(key.as_bytes(), old.as_mut_bytes()).then_some(old)
    }

    /// Counts an insert of `key` in `demand`. When this is not refused, neither is any of the
    /// inserts counted so far, made together with the removals in the order of the count.
    /// # Errors
    /// `Full`: not in one transaction; `Busy`: not before the readers have passed.
    pub fn admit(&mut self, key: &K, demand: &mut Demand) -> Result<(), TableError> {
        self.entries.admit(key.as_bytes(), demand)
    }

    /// As [`Self::admit`], for a key that many changes insert: when this is not refused, no insert
    /// of the keys counted so far is refused as `Busy`. Whether there is room for each key once
    /// shows only when it is inserted.
    /// # Errors
    /// `Busy`.
    pub fn admit_shared(&mut self, key: &K, demand: &mut Demand) -> Result<(), TableError> {
        self.entries.admit_shared(key.as_bytes(), demand)
    }

    /// Entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Entries that can still be inserted now, i.e. without waiting for readers.
    #[must_use]
    pub fn room(&self) -> usize {
        self.entries.places().min(self.entries.pool.room())
    }
}

impl<'a> Entries<'a> {
    #[inline(never)]
    fn new(
        heads: &'a [AtomicU32],
        words: &'a [AtomicU32],
        shape: Shape,
        hash: HashKey,
        readers: Readers<'a>,
    ) -> Result<Self, TableError> {
        let (pool, nodes) = Pool::new(words, shape.nodes, shape.stride, readers)?;
        for head in heads {
            head.store(NIL, Relaxed);
        }
        let chains = Chains { heads, nodes, hash };
        Ok(Self { chains, pool, len: 0, in_place: shape.in_place })
    }

    /// Answers whether the key was there; then `old` is its value.
    fn insert(&mut self, key: &[u8], value: &[u8], old: &mut [u8]) -> Result<bool, TableError> {
        let found = self.chains.find(key);
        if let Some(found) = &found {
            copy(found.value, old);
            if self.in_place {
                for (to, from) in found.value.iter().zip(words_of(value)) {
                    // Release: who reads this value sees what was written before it.
                    to.store(from, Release);
                }
                return Ok(true);
            }
        } else if self.places() == 0 {
            return Err(TableError::Full);
        }
        let link = match &found {
            Some(found) => found.link,
            None => self.chains.head(key).ok_or(TableError::Full)?,
        };
        self.pool.reserve(1)?;
        let index = self.pool.take()?;
        let node = self.chains.nodes.get(index).ok_or(TableError::Full)?;
        let next = found.as_ref().map_or(link, |found| found.next).load(Relaxed);
        let words = iter::once(next).chain(words_of(key)).chain(words_of(value));
        for (to, from) in node.iter().zip(words) {
            to.store(from, Relaxed);
        }
        // Release: who follows this link finds the node written.
        link.store(index, Release);
        match &found {
            Some(old) => self.pool.retire(iter::once(old.index)),
            None => self.len += 1,
        }
        Ok(found.is_some())
    }

    /// Answers whether the key was there; then `old` is its value.
    fn remove(&mut self, key: &[u8], old: &mut [u8]) -> bool {
        let Some(found) = self.chains.find(key) else { return false };
        copy(found.value, old);
        found.link.store(found.next.load(Relaxed), Release);
        self.pool.retire(iter::once(found.index));
        self.len -= 1;
        true
    }

    fn admit(&mut self, key: &[u8], demand: &mut Demand) -> Result<(), TableError> {
        demand.insert(self.chains.find(key).is_some());
        if demand.new > self.places() {
            return Err(TableError::Full);
        }
        if self.pool.recycles_at_once() {
            return Ok(());
        }
        let again = if self.in_place { demand.brought_back() } else { demand.replaced };
        self.pool.reserve(demand.new.saturating_add(again))
    }

    fn admit_shared(&mut self, key: &[u8], demand: &mut Demand) -> Result<(), TableError> {
        demand.insert(self.chains.find(key).is_some());
        // Each key is inserted once, so the count may be far too high. With all nodes free that
        // are not in use, it does not matter: then only `Full` is left.
        match self.pool.reserve(demand.new) {
            Err(_) if !self.pool.is_settled() => Err(TableError::Busy),
            _ => Ok(()),
        }
    }

    /// Entries that are not there yet.
    const fn places(&self) -> usize {
        self.chains.heads.len().saturating_sub(self.len)
    }
}

impl<'a, K: Words + Eq + 'a, V: Words + 'a> Exact<'a, K, V> {
    /// The value of `key`. Keys are equal when their bytes are.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<V> {
        self.chains.find(key.as_bytes()).map(|found| read(found.value))
    }

    /// All entries, in no order. A table that changes meanwhile gives each entry that stays
    /// exactly once.
    ///
    /// The reader passes no quiescent point before it has dropped the iterator; with an empty
    /// [`Readers`], nothing is inserted before.
    pub fn iter(&self) -> impl Iterator<Item = (K, V)> + 'a {
        let chains = self.chains;
        chains
            .heads
            .iter()
            .flat_map(move |head| chains.chain(head, size_of::<K>() / 4))
            .map(|found| (read(found.key), read(found.value)))
    }
}

impl<'a> Chains<'a> {
    /// The head of the chain that `key` belongs to.
    #[inline]
    fn head(&self, key: &[u8]) -> Option<&'a AtomicU32> {
        let mut words = [0; HASH_KEY_WORDS];
        for (word, pair) in words.iter_mut().zip(key.chunks(8)) {
            *word = words_of(pair).fold(0, |word, half| word << 32 | u64::from(half));
        }
        let hash = SoftwareHints.keyed_hash(&self.hash, words.get(..key.len().div_ceil(8))?);
        // The high half of the hash, scaled to the number of heads without a division.
        let index = ((hash >> 32) * self.heads.len() as u64) >> 32;
        self.heads.get(index as usize)
    }

    // Inlined where a reader calls it, who knows the length of the key.
    #[inline]
    fn find(&self, key: &[u8]) -> Option<Found<'a>> {
        self.chain(self.head(key)?, key.len() / 4).find(|found| {
            found.key.iter().zip(words_of(key)).all(|(word, wanted)| word.load(Relaxed) == wanted)
        })
    }

    /// The nodes of one chain. Bounded: between two quiescent points a reader meets no node twice.
    #[inline]
    fn chain(
        &self,
        head: &'a AtomicU32,
        key_words: usize,
    ) -> impl Iterator<Item = Found<'a>> + use<'a> {
        let nodes = self.nodes;
        let mut link = head;
        iter::from_fn(move || {
            // Acquire: pairs with the store that published the node.
            let index = link.load(Acquire);
            let (next, entry) = nodes.get(index)?.split_first()?;
            let (key, value) = entry.split_at_checked(key_words)?;
            let found = Found { link, index, next, key, value };
            link = next;
            Some(found)
        })
        .take(nodes.count())
    }
}

fn words_of(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.as_chunks().0.iter().map(|bytes| u32::from_ne_bytes(*bytes))
}

fn read<T: Words>(words: &[AtomicU32]) -> T {
    let mut data = T::new_zeroed();
    copy(words, data.as_mut_bytes());
    data
}

#[inline]
fn copy(words: &[AtomicU32], bytes: &mut [u8]) {
    // Acquire: pairs with the store that replaced a value of one word.
    let order = if bytes.len() == 4 { Acquire } else { Relaxed };
    for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
        *bytes = word.load(order).to_ne_bytes();
    }
}
