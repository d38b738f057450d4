//! Slots and the nodes that they lead to, as readers and the writer find them.
use core::hint;

use dash_hal::{HASH_KEY_WORDS, HashKey, Hints, SoftwareHints};

use super::super::atomic::{
    AtomicU32, Ordering,
    Ordering::{Acquire, Relaxed, Release},
};
use super::super::pool::Nodes;
use super::compare::equal;
use super::{WAYS, Words};

/// Slots and nodes, whatever the key and the value are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Index<'a> {
    /// Buckets, and the stash behind them.
    pub(super) slots: &'a [AtomicU32],
    /// How many of `slots` are in buckets.
    pub(super) in_buckets: usize,
    /// How many slots of the stash were ever in use.
    pub(super) stashed: &'a AtomicU32,
    pub(super) nodes: Nodes<'a>,
    /// Bits of a slot that are the index of a node plus 1, or 0.
    pub(super) node_bits: u32,
    pub(super) hash: HashKey,
}

/// A key that is looked for. Only here its type is known, so here it is hashed: a loop over words
/// of an unknown number would pass them through memory.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'k> {
    pub(super) hash: u64,
    pub(super) key: &'k [u8],
}

/// Where a key may be.
pub(super) struct Choices<'a> {
    pub(super) buckets: [&'a [AtomicU32; WAYS]; 2],
    /// What the slot has above the index.
    pub(super) tag: u32,
}

impl Choices<'_> {
    /// What both buckets hold. They are read at once: where a branch stood between them, half of
    /// the look-ups would wait for the first to know that they need the second.
    #[inline(always)]
    pub(super) fn words(&self) -> Both {
        self.buckets.map(|bucket| bucket.each_ref().map(|slot| slot.load(Relaxed)))
    }
}

/// The words of two buckets.
pub(super) type Both = [[u32; WAYS]; 2];

/// An entry, and the slot that leads to it.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) slot: &'a AtomicU32,
    pub(super) index: u32,
    pub(super) key: &'a [AtomicU32],
    pub(super) value: &'a [AtomicU32],
}

impl<'a> Index<'a> {
    #[inline(always)]
    pub(super) fn wanted<'k, K: Words>(&self, key: &'k K) -> Wanted<'k> {
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
    pub(super) fn choices(&self, hash: u64) -> Option<Choices<'a>> {
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
    pub(super) fn entry_at<K: Words>(&self, key: &K) -> Option<Found<'a>> {
        self.get(self.wanted(key))
    }

    #[inline(always)]
    pub(super) fn get(&self, wanted: Wanted<'_>) -> Option<Found<'a>> {
        let choices = self.choices(wanted.hash)?;
        self.find(&choices, &choices.words(), wanted.key)
    }

    #[inline(always)]
    pub(super) fn find(
        &self,
        choices: &Choices<'a>,
        words: &Both,
        key: &[u8],
    ) -> Option<Found<'a>> {
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
    pub(super) fn entry(
        &self,
        slot: &'a AtomicU32,
        word: u32,
        key_words: usize,
    ) -> Option<Found<'a>> {
        let index = (word & !(u32::MAX << self.node_bits)).wrapping_sub(1);
        let (key, value) = self.nodes.get(index)?.split_at_checked(key_words)?;
        Some(Found { slot, index, key, value })
    }

    /// An empty slot for a key: in the bucket that holds less, or in the stash.
    pub(super) fn vacancy(&self, choices: &Choices<'a>, words: &Both) -> Option<&'a AtomicU32> {
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
pub(super) fn read<T: Words>(words: &[AtomicU32]) -> T {
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
pub(super) fn write<T: Words>(data: &T, words: &[AtomicU32], order: Ordering) {
    let (from, _) = data.as_bytes().as_chunks();
    if let Some(words) = words.get(..from.len()) {
        for (from, word) in from.iter().zip(words) {
            word.store(u32::from_ne_bytes(*from), order);
        }
    }
}
