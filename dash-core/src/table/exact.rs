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
use super::atomic::{
    AtomicU32, Ordering,
    Ordering::{Acquire, Relaxed, Release},
};
use super::{
    Demand, TableError,
    pool::{Nodes, Pool},
    quiescence::Readers,
};
use compare::equal;
use core::{hint, marker::PhantomData};
use dash_hal::{HASH_KEY_WORDS, HashKey, Hints, SoftwareHints};
use zerocopy::{FromBytes, Immutable, IntoBytes};

mod compare;

/// Entries that can be replaced before the readers have left the old ones, also in a small table.
pub const REPLACED_AT_ONCE: usize = 64;

/// Slots of a bucket.
pub const WAYS: usize = 8;

/// Entries for each bucket, on average, at capacity: 0.625 of its slots.
const MEAN: usize = 5;

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

/// The only writer.
#[derive(Debug)]
pub struct ExactWriter<'a, K, V> {
    entries: Entries<'a>,
    entry: PhantomData<fn() -> (K, V)>,
}

/// Slots and nodes, whatever the key and the value are.
#[derive(Clone, Copy, Debug)]
struct Index<'a> {
    /// Buckets, and the stash behind them.
    slots: &'a [AtomicU32],
    /// How many of `slots` are in buckets.
    in_buckets: usize,
    /// How many slots of the stash were ever in use.
    stashed: &'a AtomicU32,
    nodes: Nodes<'a>,
    /// Bits of a slot that are the index of a node plus 1, or 0.
    node_bits: u32,
    hash: HashKey,
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

/// A key that is looked for. Only here its type is known, so here it is hashed: a loop over words
/// of an unknown number would pass them through memory.
#[derive(Clone, Copy)]
struct Wanted<'k> {
    hash: u64,
    key: &'k [u8],
}

/// Where a key may be.
struct Choices<'a> {
    buckets: [&'a [AtomicU32; WAYS]; 2],
    /// What the slot has above the index.
    tag: u32,
}

impl Choices<'_> {
    /// What both buckets hold. They are read at once: where a branch stood between them, half of
    /// the look-ups would wait for the first to know that they need the second.
    #[inline(always)]
    fn words(&self) -> Both {
        self.buckets.map(|bucket| bucket.each_ref().map(|slot| slot.load(Relaxed)))
    }
}

/// The words of two buckets.
type Both = [[u32; WAYS]; 2];

/// An entry, and the slot that leads to it.
#[derive(Clone, Copy)]
struct Found<'a> {
    slot: &'a AtomicU32,
    index: u32,
    key: &'a [AtomicU32],
    value: &'a [AtomicU32],
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
    /// [`Readers`], nothing is inserted before.
    pub fn iter(&self) -> impl Iterator<Item = (K, V)> + 'a {
        let index = self.index;
        index
            .slots
            .iter()
            .filter_map(move |slot| index.entry(slot, slot.load(Acquire), size_of::<K>() / 4))
            .map(|found| (read(found.key), read(found.value)))
    }
}

impl<'a> Index<'a> {
    #[inline(always)]
    fn wanted<'k, K: Words>(&self, key: &'k K) -> Wanted<'k> {
        let key = key.as_bytes();
        let mut words = [0; HASH_KEY_WORDS];
        for (word, pair) in words.iter_mut().zip(key.chunks(8)) {
            *word = words_of(pair).fold(0, |word, half| word << 32 | u64::from(half));
        }
        let words = words.get(..key.len().div_ceil(8)).unwrap_or_default();
        Wanted { hash: SoftwareHints.keyed_hash(&self.hash, words), key }
    }

    /// The buckets of a key of this hash, which are one at times. `None`: there is no bucket.
    #[inline(always)]
    fn choices(&self, hash: u64) -> Option<Choices<'a>> {
        let (buckets, _) = self.slots.get(..self.in_buckets)?.as_chunks();
        let bucket = |half: u64| {
            // A half of the hash, scaled to the number of buckets without a division.
            buckets.get(((half * buckets.len() as u64) >> 32) as usize)
        };
        let low = hash & u64::from(u32::MAX);
        let tag = (hash as u32) << self.node_bits;
        Some(Choices { buckets: [bucket(hash >> 32)?, bucket(low)?], tag })
    }

    /// The entry of `key`. One function for all tables with such keys.
    #[inline(never)]
    fn entry_at<K: Words>(&self, key: &K) -> Option<Found<'a>> {
        self.get(self.wanted(key))
    }

    #[inline(always)]
    fn get(&self, wanted: Wanted<'_>) -> Option<Found<'a>> {
        let choices = self.choices(wanted.hash)?;
        self.find(&choices, &choices.words(), wanted.key)
    }

    #[inline(always)]
    fn find(&self, choices: &Choices<'a>, words: &Both, key: &[u8]) -> Option<Found<'a>> {
        let mask = u32::MAX << self.node_bits;
        let [low, high] = words.map(|words| equal(words, mask, choices.tag));
        let mut agree = low | high << WAYS;
        while agree != 0 {
            let at = agree.trailing_zeros() as usize;
            let found = self.entry_of(key, choices.buckets.get(at / WAYS)?.get(at % WAYS)?);
            if found.is_some() {
                return found;
            }
            agree &= agree - 1;
        }
        match self.stashed.load(Relaxed) {
            0 => None,
            stashed => self.find_stashed(stashed as usize, choices.tag, key),
        }
    }

    /// The node of `key`, if it is in the stash. Keys are rarely there: one function for all keys.
    #[cold]
    #[inline(never)]
    fn find_stashed(&self, stashed: usize, tag: u32, key: &[u8]) -> Option<Found<'a>> {
        let mask = u32::MAX << self.node_bits;
        let stash = self.slots.get(self.in_buckets..)?.iter();
        stash.take(stashed).find_map(|slot| {
            let agrees = slot.load(Relaxed) & mask == tag;
            agrees.then(|| self.entry_of(key, slot)).flatten()
        })
    }

    /// The node that `slot` leads to, if it is that of `key`. Once more the slot's word is read: it
    /// may lead to another node by now, which is as good.
    #[inline(always)]
    fn entry_of(&self, key: &[u8], slot: &'a AtomicU32) -> Option<Found<'a>> {
        // Acquire: pairs with the store that published the node.
        let found = self.entry(slot, slot.load(Acquire), key.len() / 4)?;
        let mut words = found.key.iter().zip(words_of(key));
        words.all(|(word, wanted)| word.load(Relaxed) == wanted).then_some(found)
    }

    /// The node that `word` in `slot` leads to, if any.
    #[inline]
    fn entry(&self, slot: &'a AtomicU32, word: u32, key_words: usize) -> Option<Found<'a>> {
        let index = (word & !(u32::MAX << self.node_bits)).wrapping_sub(1);
        let (key, value) = self.nodes.get(index)?.split_at_checked(key_words)?;
        Some(Found { slot, index, key, value })
    }

    /// An empty slot for a key: in the bucket that holds less, or in the stash.
    fn vacancy(&self, choices: &Choices<'a>, words: &Both) -> Option<&'a AtomicU32> {
        let [of_first, of_second] = words.map(|words| equal(words, u32::MAX, 0));
        let [first, second] = choices.buckets;
        // Which it is cannot be foretold: a branch would be wrong half of the time.
        let (bucket, empty) = hint::select_unpredictable(
            of_second.count_ones() > of_first.count_ones(),
            (second, of_second),
            (first, of_first),
        );
        if let Some(slot) = bucket.get(empty.trailing_zeros() as usize) {
            return Some(slot);
        }
        let mut stash = self.slots.get(self.in_buckets..)?.iter().zip(1..);
        let (slot, number) = stash.find(|(slot, _)| slot.load(Relaxed) == 0)?;
        // Before the entry: a reader that could find the entry looks at its slot.
        let used = self.stashed.load(Relaxed).max(number);
        self.stashed.store(used, Release);
        Some(slot)
    }
}

fn words_of(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.as_chunks().0.iter().map(|bytes| u32::from_ne_bytes(*bytes))
}

/// The data in the first of `words`.
#[inline]
fn read<T: Words>(words: &[AtomicU32]) -> T {
    let mut data = T::new_zeroed();
    let (to, _) = data.as_mut_bytes().as_chunks_mut();
    // Acquire: pairs with the store that replaced a value of one word.
    let order = if to.len() == 1 { Acquire } else { Relaxed };
    // As many as are needed, which is known: no loop.
    if let Some(words) = words.get(..to.len()) {
        for (to, word) in to.iter_mut().zip(words) {
            *to = word.load(order).to_ne_bytes();
        }
    }
    data
}

/// Writes `data` to the first of `words`.
#[inline]
fn write<T: Words>(data: &T, words: &[AtomicU32], order: Ordering) {
    let (from, _) = data.as_bytes().as_chunks();
    if let Some(words) = words.get(..from.len()) {
        for (from, word) in from.iter().zip(words) {
            word.store(u32::from_ne_bytes(*from), order);
        }
    }
}
