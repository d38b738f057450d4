//! Where a key is: the steps of a look-up, one key or bursts whose loads overlap.
use core::{hint, mem};

use super::bucket::Bucket;
use super::tags::PLACES;
use super::{Cuckoo, Handle, Key, VERSION_BITS, Value};
use dash_hal::{BURST, Hints};
use heapless::Vec;

/// Keys of a burst that are loaded ahead of the one that is hashed. Loading all at once delays the
/// first buckets.
const KEYS_AHEAD: usize = 16;

/// Buckets of a search for room that [`Cuckoo::prefetch_room`] starts to load. More are seldom visited.
const ROOM_AHEAD: usize = 6;

/// Where a key may live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) primary: u32,
    pub(super) tag: u16,
}

impl Home {
    /// Nowhere: tag 0 marks a place without a key.
    const NONE: Self = Self { primary: 0, tag: 0 };
}

/// A look-up on its way: where its key may live, and the entry that is likely its own.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub(super) home: Home,
    pub(super) candidate: Option<Handle>,
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

/// `hash` as a number below `count`: multiply-shift, for any count.
#[inline]
fn below(hash: u32, count: u32) -> u32 {
    ((u64::from(hash) * u64::from(count)) >> 32) as u32
}

impl<K: Key, V: Value> Cuckoo<'_, K, V> {
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

    /// The last step: the entry of `key`. The table may have changed since the steps before. For one
    /// key by itself it may follow the first: nothing else is there to overlap with its loads.
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

    #[inline(always)]
    pub(super) fn hashed<H: Hints>(&self, key: &K, hints: &H) -> Home {
        let hash = key.hash(&self.hash, hints);
        let tag = (hash as u16).max(1);
        Home { primary: below((hash >> 32) as u32, self.count), tag }
    }

    /// The other bucket of an entry with `tag` that lives in `bucket`; rarely the same.
    #[inline]
    pub(super) fn alternate(&self, tag: u16, bucket: u32) -> u32 {
        // Fibonacci hashing (Knuth, vol. 3, 6.4) spreads the tags evenly over the buckets.
        let sum = below(u32::from(tag).wrapping_mul(0x9e37_79b9), self.count);
        let other = sum.wrapping_sub(bucket);
        if sum < bucket { other.wrapping_add(self.count) } else { other }
    }

    #[inline]
    pub(super) fn bucket(&self, index: u32) -> Option<&Bucket> {
        #[cfg(test)]
        self.work.read();
        self.buckets.get(index as usize)
    }

    #[inline]
    pub(super) fn prefetch_bucket<H: Hints>(&self, index: u32, hints: &H) {
        if let Some(bucket) = self.buckets.get(index as usize) {
            hints.prefetch(bucket);
        }
    }

    /// The entry at `turn` of the places in the two buckets of a key.
    pub(crate) fn resident(&self, &Place { home, .. }: &Place, turn: usize) -> Option<Handle> {
        let primary = turn < PLACES;
        let bucket = if primary { home.primary } else { self.alternate(home.tag, home.primary) };
        Some(self.bucket(bucket)?.tenant(turn % PLACES)?.handle)
    }

    /// The handle at `place`, whose key will be compared soon.
    #[inline]
    fn candidate<H: Hints>(&self, bucket: &Bucket, place: usize, hints: &H) -> Option<Handle> {
        let handle = bucket.handle(place)?;
        if let Some(slot) = self.slots.get(handle.index()) {
            slot.prefetch(hints);
        }
        Some(handle)
    }

    /// The first entry with the tag in the other bucket or the stash.
    #[inline]
    fn candidate_elsewhere<H: Hints>(&self, home: Home, hints: &H) -> Option<Handle> {
        let candidate = |bucket: &Bucket| {
            let place = bucket.matching(home.tag).next()?;
            self.candidate(bucket, place, hints)
        };
        match self.bucket(self.alternate(home.tag, home.primary)).and_then(candidate) {
            None if self.stashed > 0 => self.stash.iter().find_map(candidate),
            found => found,
        }
    }

    #[inline]
    fn is_key(&self, handle: Handle, key: &K) -> bool {
        self.slots
            .get(handle.index())
            .is_some_and(|slot| slot.state == handle.0.get() && slot.key == *key)
    }

    fn find_in(&self, bucket: &Bucket, tag: u16, key: &K) -> Option<Handle> {
        let mut handles = bucket.matching(tag).filter_map(|place| bucket.handle(place));
        handles.find(|handle| self.is_key(*handle, key))
    }

    /// Whether the primary bucket alone says that no entry has the key.
    #[inline(always)]
    pub(super) fn is_surely_absent(&self, home: Home) -> bool {
        self.bucket(home.primary).is_some_and(|primary| {
            primary.matching(home.tag).next().is_none() && !primary.may_be_away(home.tag)
        })
    }

    #[inline(never)]
    pub(super) fn look_up(&self, home: Home, key: &K) -> Option<Handle> {
        let primary = self.bucket(home.primary)?;
        let found = self.find_in(primary, home.tag, key);
        if found.is_some() || !primary.may_be_away(home.tag) {
            return found;
        }
        let alternate = self.bucket(self.alternate(home.tag, home.primary))?;
        let found = self.find_in(alternate, home.tag, key);
        if found.is_some() || self.stashed == 0 {
            return found;
        }
        self.stash.iter().find_map(|bucket| self.find_in(bucket, home.tag, key))
    }
}
