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
use core::{hint, mem, num::NonZeroU32};

use super::TableError;
use dash_hal::{BURST, HashKey, Hints};
use heapless::Vec;

mod bucket;
mod placement;
mod tags;
#[cfg(test)]
mod tests;

pub use bucket::Bucket;
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

/// Keys of a burst that are loaded ahead of the one that is hashed. Loading all at once delays the
/// first buckets.
const KEYS_AHEAD: usize = 16;

/// Buckets of a search for room that [`Cuckoo::prefetch_room`] starts to load. More are seldom visited.
const ROOM_AHEAD: usize = 6;

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

/// Where a key may live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Home {
    primary: u32,
    tag: u16,
}

impl Home {
    /// Nowhere: tag 0 marks a place without a key.
    const NONE: Self = Self { primary: 0, tag: 0 };
}

/// A look-up on its way: where its key may live, and the entry that is likely its own.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    home: Home,
    candidate: Option<Handle>,
}

impl Place {
    /// Nowhere: no key has it.
    pub const NONE: Self = Self { home: Home::NONE, candidate: None };
}

impl AsMut<Self> for Place {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
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

    /// The entry of `key`.
    #[must_use]
    pub fn find<H: Hints>(&self, key: &K, hints: &H) -> Option<Handle> {
        self.look_up(self.hashed(key, hints), key)
    }

    /// The entries of `keys`: the primary look-up; as many are looked up as both slices hold.
    ///
    /// Memory latencies of up to [`BURST`] keys overlap; of more keys, the buckets of each burst come
    /// while the entries of the one before it do.
    #[inline]
    pub fn find_burst<H: Hints>(&self, keys: &[K], found: &mut [Option<Handle>], hints: &H) {
        let (mut places, mut behind) = (&mut [Place::NONE; BURST], &mut [Place::NONE; BURST]);
        let mut bursts = keys.chunks(BURST).zip(found.chunks_mut(BURST));
        let mut burst = bursts.next();
        if let Some((keys, _)) = burst {
            self.homes(keys, places, hints);
        }
        while let Some((keys, found)) = burst {
            self.candidates(places.get_mut(..keys.len()).unwrap_or_default(), hints);
            burst = bursts.next();
            if let Some((keys, _)) = burst {
                self.homes(keys, behind, hints);
            }
            for ((place, key), found) in places.iter().zip(keys).zip(found) {
                *found = match place.candidate {
                    Some(candidate) if !self.is_key(candidate, key) => {
                        self.look_up(place.home, key)
                    }
                    found => found,
                };
            }
            mem::swap(&mut places, &mut behind);
        }
    }

    /// The [`home`](Self::home) of each key.
    #[inline(always)]
    fn homes<H: Hints>(&self, keys: &[K], places: &mut [Place; BURST], hints: &H) {
        let mut ahead = keys.iter().skip(KEYS_AHEAD);
        for (place, key) in places.iter_mut().zip(keys) {
            ahead.next().inspect(|key| hints.prefetch(*key));
            *place = self.home(key, hints);
        }
    }

    /// Where the table would have `key`, as a first step of many look-ups at a time: starts to
    /// load that bucket. The table may change between the steps. Who has bursts one behind the other
    /// takes the first step of the next between the second and the last of this one, as
    /// [`find_burst`](Self::find_burst) does.
    #[inline]
    pub fn home<H: Hints>(&self, key: &K, hints: &H) -> Place {
        let home = self.hashed(key, hints);
        self.prefetch_bucket(home.primary, hints);
        Place { home, candidate: None }
    }

    /// Starts to load the other bucket where `place` may be, for an insertion.
    #[inline]
    pub fn prefetch_alternate<H: Hints>(&self, &Place { home, .. }: &Place, hints: &H) {
        self.prefetch_bucket(self.alternate(home.tag, home.primary), hints);
    }

    /// Starts to load what an insertion looks at if the primary bucket of `place`, which is there by
    /// now, is full: the other bucket, and those that make room in the first.
    pub fn prefetch_room<H: Hints>(&self, place: &Place, hints: &H) {
        let primary = place.home.primary;
        let Some(bucket) = self.bucket(primary).filter(|bucket| bucket.vacancy().is_none()) else {
            return;
        };
        self.prefetch_alternate(place, hints);
        for tenant in 0..ROOM_AHEAD {
            self.prefetch_bucket(self.alternate(bucket.tag(tenant), primary), hints);
        }
    }

    /// Starts to load the entry at position `index`.
    #[inline]
    pub fn prefetch<H: Hints>(&self, index: usize, hints: &H) {
        if let Some(slot) = self.slots.get(index) {
            hints.prefetch(slot);
        }
    }

    /// Starts to load the entry that the insertion after the next one takes: the next one's is on
    /// its way since the last.
    #[inline]
    pub fn prefetch_second_free<H: Hints>(&self, hints: &H) {
        if let Some(next) = self.slots.get(self.free as usize) {
            self.prefetch((next.state >> VERSION_BITS) as usize, hints);
        }
    }

    /// The second step: the entries that are likely those of the keys. Starts to load them; their
    /// latencies overlap.
    #[inline]
    pub fn candidates<H: Hints>(&self, places: &mut [impl AsMut<Place>], hints: &H) {
        for places in places.chunks_mut(BURST) {
            let mut elsewhere = Vec::<u8, BURST>::new();
            for (place, at) in places.iter_mut().zip(0..) {
                let Place { home, candidate } = place.as_mut();
                let Some(bucket) = self.bucket(home.primary) else { continue };
                if home.tag == 0 {
                    continue;
                }
                if let Some(place) = bucket.matching(home.tag).next() {
                    *candidate = self.candidate(bucket, place, hints);
                } else if bucket.may_be_away(home.tag) {
                    self.prefetch_bucket(self.alternate(home.tag, home.primary), hints);
                    let _ = elsewhere.push(at);
                }
            }
            for at in &elsewhere {
                if let Some(place) = places.get_mut(usize::from(*at)) {
                    let Place { home, candidate } = place.as_mut();
                    *candidate = self.candidate_elsewhere(*home, hints);
                }
            }
        }
    }

    /// The last step: the entry of `key`. The table may have changed since the steps before.
    #[inline(always)]
    pub fn confirm(&mut self, place: &Place, key: &K) -> Option<(Handle, &mut V)> {
        // The first tag match is the entry but for 1 in 8,000.
        if let Some(candidate) = place.candidate
            && self.is_key(candidate, key)
        {
            return Some((candidate, &mut self.slots.get_mut(candidate.index())?.value));
        }
        hint::cold_path();
        let handle = self.look_up(place.home, key)?;
        Some((handle, &mut self.slots.get_mut(handle.index())?.value))
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
