//! Exact match, owned by one core: the flow table.
//!
//! A bucketised cuckoo hash table (Pagh and Rodler, ESA 2001) with partial-key displacement (Fan,
//! Andersen and Kaminsky, `MemC3`, NSDI 2013; Fan and others, Cuckoo Filter, `CoNEXT` 2014). A key
//! has a 16-bit fingerprint (tag) and lives in one of two buckets: the primary one `b`, or
//! `(f(tag) - b) mod n`. That map is its own inverse for any number `n` of buckets, so an entry is
//! displaced by what its bucket line says, without a look at its key, and entries never move: a
//! [`Handle`] stays good until its entry is removed.
//!
//! | | |
//! |---|---|
//! | memory | a slot for each entry (key, 4 bytes, value, rounded up to whole cache lines), and 64 bytes of bucket for 8 entries plus 1/24 and one bucket: about 8.3 bytes an entry |
//! | hit | primary bucket line, or both, then the slot; at full load about 5 of 6 entries live in their primary bucket |
//! | miss | primary bucket line; the alternate only if some entry of the primary lives elsewhere; a slot only on a false tag match (at most 1 in 4,000) |
//! | insert | both buckets, and a path when both are full (below) |
//! | remove | slot, then the bucket that holds it |
//!
//! Worst cases, for any keys and any hash:
//! - look-up: 2 bucket lines and the stash, at most 8 slots for each line;
//! - insert: [`INSERT_READS`] reads of bucket lines (a look-up, and a breadth-first search of
//!   [`PATH_BUCKETS`] lines), [`PATH_MOVES`] displacements, the stash, one slot written;
//! - remove: a look-up, and if the stash is not empty the keys in it are hashed.
//!
//! The stash is one bucket at the end of the storage, looked at only if it holds something and the
//! primary bucket misses an entry. Tables of at most [`SMALL`] entries have a stash of their whole
//! capacity: they take every entry, even if all keys hash to one value. Bigger tables have about
//! 4 % more places than slots, so that with a hash that spreads they too fill to capacity: under each
//! of 1,000 seeds at 2¹⁰, 2¹⁶ and 2²⁰ entries the first `Full` came at 100 % (an ignored test).
#![allow(
    clippy::inline_always,
    reason = "on the packet path what is known of a frame stays in registers"
)]
use core::{mem, num::NonZeroU32};

use super::TableError;
use dash_hal::{HashKey, Hints};

mod bucket;
mod look_up;
mod placement;
mod tags;
#[cfg(test)]
mod tests;

pub use bucket::Bucket;
use look_up::Home;
pub use look_up::Place;
use tags::PLACES;

/// Most entries of a table: a handle has 26 bits of position and 6 of version.
pub const MAX_CAPACITY: usize = 1 << (u32::BITS - VERSION_BITS);

/// Buckets that one insert looks at for an empty place before it gives up; it fills 1 KiB of
/// stack. Tables that fill to capacity were seen to need 6 on average and never more than 100.
pub const PATH_BUCKETS: usize = 256;

/// Reads of bucket lines that one insert makes at most: of each line of the search for the key or
/// an empty place, and once more for the fingerprints or the room there.
pub const INSERT_READS: usize = 2 * PATH_BUCKETS;

/// Entries that one insert displaces at most: levels of an 8-ary tree of [`PATH_BUCKETS`] nodes
/// below its two roots (2 + 16 + 128 < 256 ≤ 2 + 16 + 128 + 1024).
pub const PATH_MOVES: usize = 3;

/// Up to this capacity a table takes every entry, whatever the keys.
pub const SMALL: usize = 64;

/// A slot's version is odd while it is live, and goes up with each insertion and removal.
const VERSION_BITS: u32 = 6;
const VERSION: u32 = (1 << VERSION_BITS) - 1;
const LIVE: u32 = 1;

/// Most entries that live in the two buckets of a key.
pub const NEIGHBOURS: usize = 2 * PLACES;

/// A fixed-length key.
pub trait Key: Copy + Eq {
    /// A value to fill empty slots with.
    const EMPTY: Self;
    /// [`Hints::keyed_hash`] of the words that name it, at most 16, under `secret`. Keys of which
    /// different numbers of words are hashed differ in the words that both have.
    fn hash<H: Hints>(&self, secret: &HashKey, hints: &H) -> u64;
}

/// What a table keeps under a key.
pub trait Value: Copy {
    /// Starts to load what a hit reads of it, where it does not lie on its key's cache line; it lies
    /// `at` bytes behind the start of that.
    #[inline]
    fn prefetch<H: Hints>(&self, at: usize, hints: &H) {
        let _ = at;
        hints.prefetch(self);
    }
}

impl<const N: usize> Value for [u32; N] {}

/// Names an entry until it is removed; the entry never moves.
///
/// A handle that outlived its entry is known as such until its slot was reused 32 times; after
/// that it may name a newer entry. Handles order by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(NonZeroU32);

impl Handle {
    /// Position of the entry, below the capacity.
    #[inline]
    #[must_use]
    pub const fn index(self) -> usize {
        (self.0.get() >> VERSION_BITS) as usize
    }
}

/// One entry's place, on cache lines of its own: the key comes first, then the value.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Slot<K, V> {
    key: K,
    /// Of a live slot its handle; of a free one the next free position and its own version.
    state: u32,
    /// The owner's, for a list of live entries.
    link: u32,
    value: V,
}
impl<K: Key, V: Value> Slot<K, V> {
    /// A free place; `value` is never read.
    pub const fn empty(value: V) -> Self {
        Self { key: K::EMPTY, state: 0, link: 0, value }
    }

    /// Starts to load what a hit reads.
    #[inline]
    fn prefetch<H: Hints>(&self, hints: &H) {
        hints.prefetch(&self.key);
        if const { size_of::<Self>() > align_of::<Self>() } {
            self.value.prefetch(const { mem::offset_of!(Self, value) }, hints);
        }
    }
}

/// Why nothing was inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsertError {
    /// No slot is free, or no path to a free place in the key's buckets was found within the bound.
    Full,
    /// The key is there.
    Exists(Handle),
}

/// The table.
#[derive(Debug)]
pub struct Cuckoo<'a, K, V> {
    buckets: &'a mut [Bucket],
    stash: &'a mut [Bucket],
    slots: &'a mut [Slot<K, V>],
    hash: HashKey,
    /// `buckets.len()`.
    count: u32,
    /// Live entries; `capacity - len` slots are on the free list, so it needs no end mark.
    len: u32,
    /// Entries in the stash. Both buckets of each of them are full.
    stashed: u32,
    /// First free slot, if any is free.
    free: u32,
    /// What the tests count.
    #[cfg(test)]
    work: tests::Work,
}

impl<'a, K: Key, V: Value> Cuckoo<'a, K, V> {
    /// Buckets that a table of `capacity` entries takes, so that it is full at `capacity` entries or ≥ 95 % of it.
    #[must_use]
    pub const fn buckets_for(capacity: usize) -> usize {
        capacity.div_ceil(PLACES) + capacity.div_ceil(PLACES * 24) + stash_for(capacity)
    }

    /// An empty table over storage whose content is overwritten. Its capacity is `slots.len()`;
    /// buckets beyond [`Self::buckets_for`] are used too.
    /// # Errors
    /// `StorageTooSmall` (buckets), `CapacityTooLarge`.
    pub fn new(
        buckets: &'a mut [Bucket],
        slots: &'a mut [Slot<K, V>],
        seed: [u64; 2],
    ) -> Result<Self, TableError> {
        let main = Self::divide(buckets.len(), slots.len())?;
        let (buckets, rest) =
            buckets.split_at_mut_checked(main).ok_or(TableError::StorageTooSmall)?;
        let stash = rest.get_mut(..stash_for(slots.len())).ok_or(TableError::StorageTooSmall)?;
        let (hash, count) = (HashKey::new(seed), main as u32);
        let mut table = Self {
            buckets,
            stash,
            slots,
            hash,
            count,
            len: 0,
            stashed: 0,
            free: 0,
            #[cfg(test)]
            work: tests::Work::default(),
        };
        table.clear();
        Ok(table)
    }

    /// Empties the table. Handles from before are void.
    pub fn clear(&mut self) {
        self.buckets.fill(Bucket::EMPTY);
        self.stash.fill(Bucket::EMPTY);
        for (next, slot) in (1_u32..).zip(self.slots.iter_mut()) {
            slot.key = K::EMPTY;
            slot.state = next << VERSION_BITS;
        }
        (self.len, self.stashed, self.free) = (0, 0, 0);
    }

    /// How many of `buckets` are not stash. No more than [`MAX_CAPACITY`] are used.
    const fn divide(buckets: usize, capacity: usize) -> Result<usize, TableError> {
        if capacity > MAX_CAPACITY {
            return Err(TableError::CapacityTooLarge);
        }
        if buckets < Self::buckets_for(capacity) {
            return Err(TableError::StorageTooSmall);
        }
        let main = buckets - stash_for(capacity);
        Ok(if main > MAX_CAPACITY { MAX_CAPACITY } else { main })
    }

    /// Most entries.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Inserts.
    /// # Errors
    /// [`InsertError`]; the table is as it was.
    pub fn insert<H: Hints>(
        &mut self,
        key: &K,
        value: V,
        hints: &H,
    ) -> Result<Handle, InsertError> {
        let place = self.prepare(key, hints);
        self.insert_at(&place, key, value, hints)
    }

    /// The first step of an insert: starts to load all that it may change.
    #[inline]
    pub fn prepare<H: Hints>(&self, key: &K, hints: &H) -> Place {
        let place = self.home(key, hints);
        self.prefetch_alternate(&place, hints);
        self.prefetch(self.free as usize, hints);
        place
    }

    /// [`insert`](Self::insert), for a key of which this table has said by
    /// [`prepare`](Self::prepare) where it would be. The table may have changed since.
    /// # Errors
    /// [`InsertError`]; the table is as it was.
    pub fn insert_at<H: Hints>(
        &mut self,
        &Place { home, .. }: &Place,
        key: &K,
        value: V,
        hints: &H,
    ) -> Result<Handle, InsertError> {
        if !self.is_surely_absent(home)
            && let Some(there) = self.look_up(home, key)
        {
            return Err(InsertError::Exists(there));
        }
        if self.len() >= self.capacity() {
            return Err(InsertError::Full);
        }
        let index = self.free;
        let state = self.slots.get(index as usize).ok_or(InsertError::Full)?.state;
        let live = index << VERSION_BITS | state.wrapping_add(1) & VERSION;
        // A live version is odd.
        let handle = NonZeroU32::new(live).map(Handle).ok_or(InsertError::Full)?;
        if !self.settle(home, handle, hints) {
            return Err(InsertError::Full);
        }
        let slot = self.slots.get_mut(index as usize).ok_or(InsertError::Full)?;
        *slot = Slot { key: *key, state: live, link: 0, value };
        self.free = state >> VERSION_BITS;
        self.len += 1;
        // The next insertion's.
        self.prefetch(self.free as usize, hints);
        Ok(handle)
    }

    /// Removes the entry; returns it.
    pub fn remove<H: Hints>(&mut self, handle: Handle, hints: &H) -> Option<(K, V)> {
        let (&key, &value) = self.get(handle)?;
        self.remove_at(&Place { home: self.hashed(&key, hints), candidate: None }, handle, hints);
        Some((key, value))
    }

    /// Removes the entry of `key`; returns its value.
    pub fn remove_key<H: Hints>(&mut self, key: &K, hints: &H) -> Option<V> {
        let home = self.hashed(key, hints);
        let handle = self.look_up(home, key)?;
        let (_, &value) = self.get(handle)?;
        self.remove_at(&Place { home, candidate: None }, handle, hints);
        Some(value)
    }

    /// Removes a live entry whose key has its [`home`](Self::home) there, of this table.
    pub fn remove_at<H: Hints>(&mut self, &Place { home, .. }: &Place, handle: Handle, hints: &H) {
        let Some(slot) = self.slots.get_mut(handle.index()) else { return };
        if slot.state != handle.0.get() {
            return;
        }
        slot.state = self.free << VERSION_BITS | handle.0.get().wrapping_add(1) & VERSION;
        self.free = handle.index() as u32;
        self.len = self.len.saturating_sub(1);
        self.evict(home, handle, hints);
    }

    /// Key and value of a live entry.
    #[must_use]
    pub fn get(&self, handle: Handle) -> Option<(&K, &V)> {
        let slot = self.slots.get(handle.index()).filter(|slot| slot.state == handle.0.get())?;
        Some((&slot.key, &slot.value))
    }

    /// Value of a live entry.
    pub fn get_mut(&mut self, handle: Handle) -> Option<&mut V> {
        let slot =
            self.slots.get_mut(handle.index()).filter(|slot| slot.state == handle.0.get())?;
        Some(&mut slot.value)
    }

    /// Key and value of a live entry, the value to be changed.
    pub fn entry_mut(&mut self, handle: Handle) -> Option<(&K, &mut V)> {
        let slot =
            self.slots.get_mut(handle.index()).filter(|slot| slot.state == handle.0.get())?;
        Some((&slot.key, &mut slot.value))
    }

    /// The owner's word of the entry at `index`, to be changed: 0 in a new entry. It lies in the
    /// entry's first line.
    pub fn link_mut(&mut self, index: usize) -> Option<&mut u32> {
        self.slots.get_mut(index).map(|slot| &mut slot.link)
    }

    /// The same, to be read.
    #[must_use]
    pub fn link(&self, index: usize) -> u32 {
        self.slots.get(index).map_or(0, |slot| slot.link)
    }

    /// The live entry at position `index`, if any: for sweeps that go on where they stopped.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<Handle> {
        self.slots.get(index).and_then(Slot::handle)
    }

    /// All live entries by position.
    pub fn iter(&self) -> impl Iterator<Item = (Handle, &K, &V)> {
        self.slots.iter().filter_map(|slot| Some((slot.handle()?, &slot.key, &slot.value)))
    }
}

impl<K, V> Slot<K, V> {
    /// The handle, if the slot is live.
    fn handle(&self) -> Option<Handle> {
        if self.state & LIVE == 0 { None } else { NonZeroU32::new(self.state).map(Handle) }
    }
}

/// Buckets of the stash.
const fn stash_for(capacity: usize) -> usize {
    if capacity <= SMALL { capacity.div_ceil(PLACES) } else { 1 }
}
