//! Buckets: at most [`ENTRIES`] prefixes that no other one is near, the longest first.
//!
//! Where look-ups read them and all have at most 15 further bits, a key of 16 bits holds those of
//! one, left aligned, and a 1 behind them; 0 is no entry. The second half is there in the form for
//! more than two:
//!
//! ```text
//! inherited edge · value 0 · keys 0 and 1 · value 1     · value 2 · keys 2 and 3 · value 3
//! ```
//!
//! Else the bits are left aligned in 1, 2 or 4 words, with a byte for each length. Where there are
//! no look-ups, [`Covering`](super::Covering) so finds one form in IPv4, and predicts it:
//!
//! ```text
//! inherited edge · lengths (NO_ENTRY at the end) · (value · bits) …
//! ```
use super::{
    address::Bits,
    atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed},
    },
    edge::NONE,
    slots::{STRIDE, number},
};
use core::hint::select_unpredictable;
use heapless::Vec;

/// Most prefixes of a bucket.
pub(super) const ENTRIES: usize = 4;
/// The length of no entry.
const NO_ENTRY: u32 = 0xff;
/// Bits of a prefix that go into a key.
const KEY_BITS: u32 = 15;

/// Forms: keys for two, keys for four, and 1, 2 or 4 words of bits.
const TWO: u32 = 0;
const FOUR: u32 = 1;
pub(super) const WIDE: u32 = 2;
/// Words of the largest bucket with keys.
const KEYS_WORDS: usize = 7;
/// Words of the largest bucket with bits of one word.
pub(super) const WIDE_WORDS: usize = 2 + ENTRIES * 2;
/// Words of the largest bucket.
const MOST: usize = 2 + ENTRIES * 5;

/// Entries of a bucket that has one too many.
pub(super) type Entries = Vec<Entry, { ENTRIES + 1 }>;

/// A prefix as a bucket has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Left aligned; the bits behind the prefix are 0.
    pub(super) bits: u128,
    pub(super) length: u32,
    pub(super) value: u32,
}

impl Entry {
    /// The number of a prefix of at most [`STRIDE`] bits in its node.
    pub(super) fn number(&self) -> u32 {
        let behind = STRIDE.saturating_sub(self.length);
        number(self.bits.slot() >> behind, STRIDE - behind)
    }

    pub(super) fn behind_slot(self) -> Self {
        Self { bits: self.bits.behind_slot(), length: self.length - STRIDE, ..self }
    }

    pub(super) fn before_slot(self, slot: u32) -> Self {
        let bits = self.bits >> STRIDE | u128::from(slot) << (u128::BITS - STRIDE);
        Self { bits, length: self.length + STRIDE, ..self }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket<'a> {
    pub(super) start: u32,
    form: u32,
    words: &'a [AtomicU32],
}

/// An entry as it stands in its bucket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) length: u32,
    /// Left aligned.
    pub(super) bits: u128,
    pub(super) value: &'a AtomicU32,
}

impl<'a> Bucket<'a> {
    #[inline]
    pub(super) const fn new(start: u32, form: u32, words: &'a [AtomicU32]) -> Self {
        Self { start, form, words }
    }

    pub(super) fn words(self) -> usize {
        words_for(self.form, self.len())
    }

    pub(super) fn len(self) -> usize {
        self.entries().count()
    }

    /// What the addresses get that no entry covers.
    pub(super) fn inherited(self) -> Option<&'a AtomicU32> {
        self.words.first()
    }

    pub(super) fn entries(self) -> impl Iterator<Item = Found<'a>> {
        (0..ENTRIES).map_while(move |number| self.entry(number))
    }

    fn entry(self, number: usize) -> Option<Found<'a>> {
        let word = |at: usize| self.words.get(at);
        if self.form >= WIDE {
            let length = word(1)?.load(Relaxed) >> (8 * number % 32) & NO_ENTRY;
            let at = words_for(self.form, number);
            let add = |bits, word: &AtomicU32| bits << 32 | u128::from(word.load(Relaxed));
            let width = width(self.form);
            let bits = self.words.get(at + 1..)?.get(..width)?.iter().fold(0, add);
            let bits = bits << ((128 - 32 * width as u32) % 128);
            return (length != NO_ENTRY).then_some(Found { length, bits, value: word(at)? });
        }
        if self.form == TWO && number >= 2 {
            return None;
        }
        let [value, keys] = place(number);
        let key = word(keys)?.load(Relaxed) >> (16 * number % 32) & 0xffff;
        if key == 0 {
            return None;
        }
        let length = KEY_BITS - key.trailing_zeros();
        Some(Found { length, bits: u128::from(key & (key - 1)) << 112, value: word(value)? })
    }

    /// Tells the value of each entry, and whether it covers the address whose next bits are `bits`.
    pub(super) fn covering(self, bits: u128, mut tell: impl FnMut(u32, bool)) {
        for entry in self.entries() {
            let covers = (entry.bits ^ bits).leading_zeros() >= entry.length;
            tell(entry.value.load(Acquire), covers);
        }
    }

    /// Length and value of the longest entry that covers the address whose next bits are `bits`.
    pub(super) fn cover(self, bits: u128) -> Option<(u32, u32)> {
        self.entries().find_map(|entry| {
            if (entry.bits ^ bits).leading_zeros() < entry.length {
                return None;
            }
            let value = entry.value.load(Acquire);
            (value != NONE).then_some((entry.length, value))
        })
    }

    /// The value of the longest entry that covers these bits, or what is inherited. Without
    /// branches, where there are keys: which entry it is cannot be foreseen.
    #[inline]
    pub(super) fn answer<B: Bits>(self, bits: B) -> u32 {
        let Some(words) = self.words.first_chunk() else { return NONE };
        let mut answer = words[0].load(Acquire);
        if self.form >= WIDE {
            return self.cover(bits.wide()).map_or(answer, |(_, value)| value);
        }
        let bits = bits.head(16) as u32;
        for (key, value) in self.keys(words).into_iter().rev() {
            let value = value.load(Acquire);
            let covers = u32::from(matches(key, bits)) & u32::from(value != NONE) != 0;
            answer = select_unpredictable(covers, value, answer);
        }
        answer
    }

    /// The key, or 0, and the value of each place.
    #[inline]
    fn keys(self, words: &[AtomicU32; KEYS_WORDS]) -> [(u32, &AtomicU32); ENTRIES] {
        let [_, value0, keys, value1, value2, more, value3] = words;
        let keys = keys.load(Relaxed);
        let more = select_unpredictable(self.form == FOUR, more.load(Relaxed), 0);
        [
            (keys & 0xffff, value0),
            (keys >> 16, value1),
            (more & 0xffff, value2),
            (more >> 16, value3),
        ]
    }
}

/// As [`Bucket::covering`], of the words of a bucket in the form [`WIDE`]. Two at a time, since how
/// many entries there are could not be predicted.
#[inline]
pub(super) fn wide_covering(
    words: &[AtomicU32; WIDE_WORDS],
    bits: u32,
    mut tell: impl FnMut(u32, bool),
) {
    let [_, lengths, entries @ ..] = words;
    let mut lengths = lengths.load(Relaxed);
    for [value, prefix, next_value, next_prefix] in entries.as_chunks().0 {
        for (value, prefix) in [(value, prefix), (next_value, next_prefix)] {
            // No address has as many bits as the length of no entry.
            let covers = (prefix.load(Relaxed) ^ bits).leading_zeros() >= lengths & NO_ENTRY;
            tell(value.load(Acquire), covers);
            lengths >>= 8;
        }
        if lengths & NO_ENTRY == NO_ENTRY {
            return;
        }
    }
}

/// Whether a key is there and its prefix covers an address with these 16 bits.
#[inline]
fn matches(key: u32, bits: u32) -> bool {
    // The bits above the last 1, which is behind those of the prefix.
    let mask = !(key ^ key.wrapping_sub(1));
    u32::from(key != 0) & u32::from((key ^ bits) & mask == 0) != 0
}

/// Words of the bits of an entry.
const fn width(form: u32) -> usize {
    1 << ((form - WIDE) % 4)
}

/// The words of the value and of the key of an entry.
const fn place(number: usize) -> [usize; 2] {
    match number {
        0 => [1, 2],
        1 => [3, 2],
        2 => [4, 5],
        _ => [6, 5],
    }
}

fn words_for(form: u32, entries: usize) -> usize {
    if form >= WIDE {
        return 2 + entries * (1 + width(form));
    }
    let [value, keys] = place(entries.saturating_sub(1));
    1 + value.max(keys)
}

/// Form and words of a bucket of at most [`ENTRIES`] entries, the longest first; with `keys` those,
/// where they fit.
pub(super) fn words_of(inherited: u32, entries: &[Entry], keys: bool) -> (u32, Vec<u32, MOST>) {
    let form = match entries.first().map_or(0, |entry| entry.length) {
        0..=KEY_BITS if keys && entries.len() <= 2 => TWO,
        0..=KEY_BITS if keys => FOUR,
        0..=32 => WIDE,
        33..=64 => WIDE + 1,
        _ => WIDE + 2,
    };
    let mut words = Vec::new();
    // No bucket has more than fit.
    let _ = words.resize(words_for(form, entries.len()), 0);
    let mut set = |at: usize, word: u32| {
        if let Some(to) = words.get_mut(at) {
            *to = word;
        }
    };
    set(0, inherited);
    if form >= WIDE {
        let mut lengths = u32::MAX;
        for (number, entry) in entries.iter().enumerate().rev() {
            lengths = lengths << 8 | entry.length;
            let at = words_for(form, number);
            set(at, entry.value);
            for word in 0..width(form) {
                set(at + 1 + word, (entry.bits >> (96 - 32 * word as u32)) as u32);
            }
        }
        set(1, lengths);
    } else {
        let mut keys = 0;
        for (number, entry) in entries.iter().enumerate() {
            let [value, at] = place(number);
            let key = (entry.bits >> 112) as u32 | 1 << KEY_BITS.saturating_sub(entry.length);
            keys = if number % 2 == 0 { key } else { keys | key << 16 };
            set(value, entry.value);
            set(at, keys);
        }
    }
    (form, words)
}
