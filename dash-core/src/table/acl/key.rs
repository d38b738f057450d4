//! Addresses as numbers of one, two or four words.
//!
//! The prefixes of a group often share their first words, and few are longer than /64. A side
//! therefore compares only the words in between: its window. An address that differs from the
//! prefixes before the window is outside: nothing but "any" matches it.

use super::{
    super::atomic::AtomicU32,
    image::{address_ranges, record_words, word},
    vector,
};
use core::hint::select_unpredictable;
use dash_hal::{Hints, VECTOR_WORDS};
use smoltcp::wire::{IpAddress, Ipv4Address, Ipv6Address};

/// Bits of an address, the first one highest, for both families.
pub(super) fn bits(address: &IpAddress) -> u128 {
    match address {
        IpAddress::Ipv4(address) => u128::from(address.to_bits()) << 96,
        IpAddress::Ipv6(address) => address.to_bits(),
    }
}

/// The part of the addresses of a side that is compared.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    /// Words before it.
    pub(super) skip: u32,
    /// Its words: 1, 2 or 4.
    pub(super) words: u32,
    /// The words before it, the first one highest.
    pub(super) common: u128,
}

impl Window {
    /// The number of an address of IPv6, and whether it is inside.
    #[inline]
    pub(super) fn number<K: BurstKey>(&self, address: &IpAddress) -> (K, bool) {
        let IpAddress::Ipv6(address) = address else { return (K::default(), false) };
        let before = !u128::MAX.checked_shr(32 * self.skip).unwrap_or(0);
        let bits = address.to_bits();
        (K::of_v6(bits, self.skip), (bits ^ self.common) & before == 0)
    }

    /// First and last number of a prefix that lies in the window.
    pub(super) fn range(&self, bits: u128, length: u8) -> (u128, u128) {
        let shift = 32 * self.skip;
        let low = 128 - 32 * self.words;
        let last = bits | u128::MAX.checked_shr(length.into()).unwrap_or(0);
        ((bits << shift) >> low, (last << shift) >> low)
    }
}

/// A number of a window, as an image holds it.
pub(super) trait Key: Copy + Ord {
    /// Words of a key in an image whose keys have `width`.
    fn words(width: u32) -> usize;

    /// Key `index` of those of `width` words that start at `at`.
    fn load(words: &[AtomicU32], width: usize, at: usize, index: usize) -> Self;
}

/// A number of a known width, for many packets.
pub(super) trait BurstKey: Key + Default {
    /// Whether there are more than 32 bits.
    const WIDE: bool = true;
    /// Words of a key.
    const WORDS: usize;
    /// A record of an image with keys of this width.
    type Record: AsRef<[AtomicU32]>;

    /// The records from the first one on.
    fn records(words: &[AtomicU32]) -> &[Self::Record];

    /// The number behind the first `skip` words of an address of IPv6; a shift by a variable would
    /// take longer.
    fn of_v6(address: u128, skip: u32) -> Self;

    /// The number of an address of IPv4, all of which are inside; and whether it is one.
    fn of_v4(_: &IpAddress) -> (Self, bool) {
        (Self::default(), false)
    }

    /// The first 64 bits.
    fn top(self) -> u64;

    /// The last of [`VECTOR_WORDS`] sorted keys that is below `number`, or the first.
    #[inline]
    fn last_below<H: Hints>(keys: &[AtomicU32], number: Self, _: &H) -> usize {
        last_below(keys, number)
    }

    /// Whether a number is in one of the sorted ranges of a record: first their starts, then their
    /// ends.
    #[inline]
    fn within<H: Hints>(ranges: &[AtomicU32], number: Self, _: &H) -> bool {
        within(ranges, number)
    }
}

#[inline]
fn last_below<K: BurstKey>(keys: &[AtomicU32], number: K) -> usize {
    let mut place = 0;
    let mut step = VECTOR_WORDS / 2;
    while step > 0 {
        // A product, as this choice would be compiled to a branch.
        place |= usize::from(K::load(keys, K::WORDS, 0, place | step) < number) * step;
        step /= 2;
    }
    place
}

#[inline]
fn within<K: BurstKey>(ranges: &[AtomicU32], number: K) -> bool {
    let count = address_ranges(K::WORDS);
    let key = |place| K::load(ranges, K::WORDS, 0, place);
    let range = last_start(count, |place| key(place) <= number);
    (key(range) <= number) & (number <= key(count + range))
}

/// The last of `count` sorted places, a power of two, at which `starts`, or the first.
#[inline]
pub(super) fn last_start(count: usize, starts: impl Fn(usize) -> bool) -> usize {
    let mut place = 0;
    let mut step = count / 2;
    while step > 0 {
        let next = place | step;
        place = select_unpredictable(starts(next), next, place);
        step /= 2;
    }
    place
}

impl Key for u32 {
    #[inline]
    fn words(_: u32) -> usize {
        1
    }

    #[inline]
    fn load(words: &[AtomicU32], _: usize, at: usize, index: usize) -> Self {
        word(words, at + index)
    }
}

impl BurstKey for u32 {
    const WORDS: usize = 1;
    type Record = [AtomicU32; record_words(Self::WORDS)];

    #[inline]
    fn records(words: &[AtomicU32]) -> &[Self::Record] {
        words.as_chunks().0
    }

    const WIDE: bool = false;

    #[inline]
    fn of_v6(address: u128, skip: u32) -> Self {
        match skip {
            0 => (address >> 96) as u32,
            1 => (address >> 64) as u32,
            2 => (address >> 32) as u32,
            _ => address as u32,
        }
    }

    #[inline]
    fn of_v4(address: &IpAddress) -> (Self, bool) {
        match address {
            IpAddress::Ipv4(address) => (address.to_bits(), true),
            IpAddress::Ipv6(_) => (0, false),
        }
    }

    #[inline]
    fn top(self) -> u64 {
        u64::from(self) << 32
    }

    #[inline]
    fn last_below<H: Hints>(keys: &[AtomicU32], number: Self, hints: &H) -> usize {
        if H::LOADS_VECTORS {
            vector::last_below(keys, number, hints)
        } else {
            last_below(keys, number)
        }
    }

    #[inline]
    fn within<H: Hints>(ranges: &[AtomicU32], number: Self, hints: &H) -> bool {
        if H::LOADS_VECTORS {
            vector::within(ranges, number, hints)
        } else {
            within(ranges, number)
        }
    }
}

impl Key for u64 {
    #[inline]
    fn words(_: u32) -> usize {
        2
    }

    #[inline]
    fn load(words: &[AtomicU32], _: usize, at: usize, index: usize) -> Self {
        let at = at + 2 * index;
        u64::from(word(words, at)) << 32 | u64::from(word(words, at + 1))
    }
}

impl BurstKey for u64 {
    const WORDS: usize = 2;
    type Record = [AtomicU32; record_words(Self::WORDS)];

    #[inline]
    fn records(words: &[AtomicU32]) -> &[Self::Record] {
        words.as_chunks().0
    }

    #[inline]
    fn of_v6(address: u128, skip: u32) -> Self {
        match skip {
            0 => (address >> 64) as u64,
            1 => (address >> 32) as u64,
            _ => address as u64,
        }
    }

    #[inline]
    fn top(self) -> u64 {
        self
    }

    #[inline]
    fn last_below<H: Hints>(keys: &[AtomicU32], number: Self, hints: &H) -> usize {
        if H::LOADS_VECTORS {
            vector::last_below_wide(keys, number, hints)
        } else {
            last_below(keys, number)
        }
    }

    #[inline]
    fn within<H: Hints>(ranges: &[AtomicU32], number: Self, hints: &H) -> bool {
        if H::LOADS_VECTORS {
            vector::within_wide(ranges, number, hints)
        } else {
            within(ranges, number)
        }
    }
}

impl Key for u128 {
    #[inline]
    fn words(_: u32) -> usize {
        4
    }

    #[inline]
    fn load(words: &[AtomicU32], _: usize, at: usize, index: usize) -> Self {
        let at = at + 4 * index;
        (0..4).fold(0, |key, word_of| key << 32 | u128::from(word(words, at + word_of)))
    }
}

impl BurstKey for u128 {
    const WORDS: usize = 4;
    type Record = [AtomicU32; record_words(Self::WORDS)];

    #[inline]
    fn records(words: &[AtomicU32]) -> &[Self::Record] {
        words.as_chunks().0
    }

    #[inline]
    fn of_v6(address: u128, _: u32) -> Self {
        address
    }

    #[inline]
    fn top(self) -> u64 {
        (self >> 64) as u64
    }
}

/// A number of any width, for one packet: its words, the first one first, and zeros behind them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wide([u32; 4]);

impl Key for Wide {
    fn words(width: u32) -> usize {
        width as usize
    }

    #[inline(never)]
    fn load(words: &[AtomicU32], width: usize, at: usize, index: usize) -> Self {
        let mut key = [0; 4];
        for (place, at) in key.iter_mut().zip(at + width * index..).take(width) {
            *place = word(words, at);
        }
        Self(key)
    }
}

impl Wide {
    /// The number of an address of IPv4.
    #[inline]
    pub(super) const fn of_v4(address: Ipv4Address) -> Self {
        Self([address.to_bits(), 0, 0, 0])
    }

    /// The number of an address of IPv6, and whether it is inside; `skip` and `width` as in
    /// [`Window`], and the words before it.
    #[inline(never)]
    pub(super) fn of_v6(
        address: Ipv6Address,
        skip: usize,
        width: usize,
        common: impl Iterator<Item = u32>,
    ) -> (Self, bool) {
        let bits = address.to_bits();
        let all = [(bits >> 96) as u32, (bits >> 64) as u32, (bits >> 32) as u32, bits as u32];
        let inside = all.iter().take(skip).copied().eq(common);
        let mut number = [0; 4];
        for (place, word) in number.iter_mut().zip(all.iter().skip(skip)).take(width) {
            *place = *word;
        }
        (Self(number), inside)
    }

    /// The first word.
    pub(super) const fn first(&self) -> u32 {
        let Self([first, ..]) = *self;
        first
    }
}

/// A monotone map of 64 bits to 32, for an index: those bits that the prefixes of a side differ in,
/// side by side. Where the bits between them are not those of the prefixes, the number is before or
/// behind all that have its bits up to there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digest {
    chosen: u64,
    /// The bits between, and what they are in the prefixes.
    between: u64,
    pattern: u64,
    /// Bits that move right by 1, 2, 4 and so on: "compress" of Warren, "Hacker's Delight", 7-4.
    moves: [u64; 6],
    /// Left of 32.
    shift: u32,
}

impl Digest {
    /// Of at most 32 `chosen` bits, not none, where `pattern` is one of the numbers.
    pub(super) fn new(chosen: u64, pattern: u64) -> Self {
        let lowest = chosen & chosen.wrapping_neg();
        let between = !chosen & lowest.wrapping_neg();
        let mut moves = [0; 6];
        let mut bits = chosen;
        // To the right of each bit so many places are free, of which one power of two is looked at.
        let mut free = !chosen << 1;
        for (step, place) in moves.iter_mut().enumerate() {
            let mut odd = free;
            for power in 0..6 {
                odd ^= odd << (1 << power);
            }
            *place = odd & bits;
            bits = bits ^ *place | *place >> (1 << step);
            free &= !odd;
        }
        let shift = 32_u32.saturating_sub(chosen.count_ones());
        Self { chosen, between, pattern: pattern & between, moves, shift }
    }

    #[inline]
    pub(super) fn of(&self, number: u64) -> u32 {
        let between = number & self.between;
        let other = between ^ self.pattern;
        // The first bit that differs and all behind it; a count of zeros is no vector instruction.
        let mut below = other;
        for power in 0..6 {
            below |= below >> (1 << power);
        }
        let number = number & !below | if between > self.pattern { below } else { 0 };
        let mut bits = number & self.chosen;
        for (step, moved) in self.moves.iter().enumerate() {
            let moved = bits & moved;
            bits = bits ^ moved | moved >> (1 << step);
        }
        (bits << self.shift) as u32
    }
}
