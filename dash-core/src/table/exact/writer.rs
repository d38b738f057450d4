//! The only writer: entries written aside, published, retired.
use core::marker::PhantomData;

use dash_hal::{HASH_KEY_WORDS, HashKey};

use super::super::atomic::{
    AtomicU32,
    Ordering::{Relaxed, Release},
};
use super::super::{Demand, TableError, pool::Pool, quiescence::Readers};
use super::index::{Found, Index, Wanted, read, write};
use super::{Exact, REPLACED_AT_ONCE, STASH, WAYS, Words};

/// Entries for each bucket, on average, at capacity: 0.625 of its slots.
const MEAN: usize = 5;

/// The only writer.
#[derive(Debug)]
pub struct ExactWriter<'a, K, V> {
    entries: Entries<'a>,
    entry: PhantomData<fn() -> (K, V)>,
}

/// What writes them, whatever the key and the value are, so that all tables share its code.
#[derive(Debug)]
struct Entries<'a> {
    index: Index<'a>,
    pool: Pool<'a>,
    capacity: usize,
    len: usize,
}

/// What the capacity and the types of key and value say of slots and nodes.
#[derive(Clone, Copy)]
struct Shape {
    capacity: usize,
    nodes: usize,
    /// Words of a node: key and value.
    stride: usize,
}

impl Shape {
    /// Slots in buckets.
    const fn in_buckets(self) -> usize {
        self.capacity.div_ceil(MEAN).saturating_mul(WAYS)
    }

    const fn stash(self) -> usize {
        if self.capacity < STASH { self.capacity } else { STASH }
    }

    /// Words in front of the pool: all slots, and how many of the stash are in use.
    const fn index_words(self) -> usize {
        1_usize.saturating_add(self.in_buckets()).saturating_add(self.stash())
    }
}

/// Where an entry goes.
struct Place<'a> {
    slot: &'a AtomicU32,
    tag: u32,
    /// What is there under its key.
    old: Option<Found<'a>>,
}

impl<'a, K: Words + Eq, V: Words> ExactWriter<'a, K, V> {
    /// Whether a replacement is one store and takes no node.
    const IN_PLACE: bool = size_of::<V>() == 4;

    const fn shape(capacity: usize) -> Shape {
        const {
            assert!(size_of::<K>().is_multiple_of(4) && size_of::<V>().is_multiple_of(4));
            assert!(size_of::<K>() <= 8 * HASH_KEY_WORDS, "the hash reads no more of a key");
        }
        let eighth = capacity / 8;
        let spare = if Self::IN_PLACE || eighth > REPLACED_AT_ONCE {
            eighth
        } else if capacity < REPLACED_AT_ONCE {
            capacity
        } else {
            REPLACED_AT_ONCE
        };
        let stride = (size_of::<K>() + size_of::<V>()) / 4;
        Shape { capacity, nodes: capacity.saturating_add(spare + 1), stride }
    }

    /// 32-bit words of storage that `capacity` entries take.
    #[must_use]
    pub const fn words_for(capacity: usize) -> usize {
        let shape = Self::shape(capacity);
        Pool::words_for(shape.nodes, shape.stride).saturating_add(shape.index_words())
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
        let entries = Entries::new(words, Self::shape(capacity), hash, readers)?;
        Ok(Self { entries, entry: PhantomData })
    }

    /// The view for readers.
    #[must_use]
    pub fn table(&self) -> Exact<'a, K, V> {
        Exact { index: self.entries.index, entry: PhantomData }
    }

    /// Inserts or replaces; returns the value that was there. A replacement is never refused as
    /// `Full`, and one of a value of one word is never refused.
    /// # Errors
    /// `Full`, `Busy`.
    pub fn insert(&mut self, key: &K, value: &V) -> Result<Option<V>, TableError> {
        let place = self.entries.place(self.entries.index.wanted(key))?;
        let old = place.old.map(|old| read(old.value));
        if let (true, Some(old)) = (Self::IN_PLACE, place.old) {
            // Release: who reads this value sees what was written before it.
            write(value, old.value, Release);
        } else {
            let (index, node) = self.entries.take()?;
            let parts = node.split_at_checked(size_of::<K>() / 4);
            let (to_key, to_value) = parts.ok_or(TableError::Full)?;
            write(key, to_key, Relaxed);
            write(value, to_value, Relaxed);
            self.entries.publish(&place, index);
        }
        Ok(old)
    }

    /// Removes; returns the value that was there. Never refused: it takes no node.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.entries.remove(self.entries.index.wanted(key)).map(read)
    }

    /// Counts an insert of `key` in `demand`. When this is not refused, neither is any of the
    /// inserts counted so far, made together with the removals in the order of the count.
    /// # Errors
    /// `Full`: not in one transaction; `Busy`: not before the readers have passed.
    pub fn admit(&mut self, key: &K, demand: &mut Demand) -> Result<(), TableError> {
        self.entries.admit(self.entries.index.wanted(key), demand, Self::IN_PLACE)
    }

    /// As [`Self::admit`], for a key that many changes insert: when this is not refused, no insert
    /// of the keys counted so far is refused as `Busy`. Whether there is room for each key once
    /// shows only when it is inserted.
    /// # Errors
    /// `Busy`.
    pub fn admit_shared(&mut self, key: &K, demand: &mut Demand) -> Result<(), TableError> {
        self.entries.admit_shared(self.entries.index.wanted(key), demand)
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
        words: &'a [AtomicU32],
        shape: Shape,
        hash: HashKey,
        readers: Readers<'a>,
    ) -> Result<Self, TableError> {
        let Shape { capacity, nodes, stride } = shape;
        let (index, words) =
            words.split_at_checked(shape.index_words()).ok_or(TableError::StorageTooSmall)?;
        let (pool, nodes) = Pool::new(words, nodes, stride, readers)?;
        for word in index {
            word.store(0, Relaxed);
        }
        // Buckets first: where the storage is aligned, none crosses a line.
        let (stashed, slots) = index.split_last().ok_or(TableError::StorageTooSmall)?;
        // Of the number of nodes, which is an index plus 1.
        let node_bits = u32::BITS - (nodes.count() as u32).leading_zeros();
        let in_buckets = shape.in_buckets();
        let index = Index { slots, in_buckets, stashed, nodes, node_bits, hash };
        Ok(Self { index, pool, capacity, len: 0 })
    }

    /// Where the entry of a key is, or would be.
    #[inline(never)]
    fn place(&self, wanted: Wanted<'_>) -> Result<Place<'a>, TableError> {
        let choices = self.index.choices(wanted.hash).ok_or(TableError::Full)?;
        let words = choices.words();
        let old = self.index.find(&choices, &words, wanted.key);
        let slot = match &old {
            Some(old) => old.slot,
            None if self.places() == 0 => return Err(TableError::Full),
            None => self.index.vacancy(&choices, &words).ok_or(TableError::Full)?,
        };
        Ok(Place { slot, tag: choices.tag, old })
    }

    /// A node to write an entry in.
    #[inline(never)]
    fn take(&mut self) -> Result<(u32, &'a [AtomicU32]), TableError> {
        self.pool.reserve(1)?;
        let index = self.pool.take()?;
        Ok((index, self.index.nodes.get(index).ok_or(TableError::Full)?))
    }

    /// Lets the slot lead to the node `index`, which is written.
    #[inline(never)]
    fn publish(&mut self, place: &Place<'a>, index: u32) {
        // Release: who follows this index finds the node written.
        place.slot.store(place.tag | index.wrapping_add(1), Release);
        match &place.old {
            Some(old) => self.pool.retire(old.index),
            None => self.len += 1,
        }
    }

    /// The value that was there; it stays readable until the next insert.
    #[inline(never)]
    fn remove(&mut self, wanted: Wanted<'_>) -> Option<&'a [AtomicU32]> {
        let found = self.index.get(wanted)?;
        found.slot.store(0, Release);
        self.pool.retire(found.index);
        self.len -= 1;
        Some(found.value)
    }

    fn admit(
        &mut self,
        wanted: Wanted<'_>,
        demand: &mut Demand,
        in_place: bool,
    ) -> Result<(), TableError> {
        demand.insert(self.index.get(wanted).is_some());
        if demand.new > self.places() {
            return Err(TableError::Full);
        }
        if self.pool.recycles_at_once() {
            return Ok(());
        }
        let again = if in_place { demand.brought_back() } else { demand.replaced };
        self.pool.reserve(demand.new.saturating_add(again))
    }

    fn admit_shared(&mut self, wanted: Wanted<'_>, demand: &mut Demand) -> Result<(), TableError> {
        demand.insert(self.index.get(wanted).is_some());
        // Each key is inserted once, so the count may be far too high. With all nodes free that
        // are not in use, it does not matter: then only `Full` is left.
        match self.pool.reserve(demand.new) {
            Err(_) if !self.pool.is_settled() => Err(TableError::Busy),
            _ => Ok(()),
        }
    }

    /// Entries that are not there yet.
    const fn places(&self) -> usize {
        self.capacity.saturating_sub(self.len)
    }
}
