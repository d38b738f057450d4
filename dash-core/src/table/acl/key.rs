//! Addresses as numbers of one, two or four words.
//!
//! The prefixes of a group often share their first words, and few are longer than /64. A side
//! therefore compares only the words in between: its window. An address that differs from the
//! prefixes before the window is outside: nothing but "any" matches it.

use super::{super::atomic::AtomicU32, image::word};
use smoltcp::wire::{IpAddress, IpVersion};

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
    /// The words before it, right-aligned.
    pub(super) common: u128,
    /// Whether its addresses are of IPv6.
    pub(super) v6: bool,
}

impl Window {
    /// The number of an address, or `None` if it is outside or of the other family.
    pub(super) fn number(&self, address: &IpAddress) -> Option<u128> {
        if (address.version() == IpVersion::Ipv6) != self.v6 {
            return None;
        }
        let bits = bits(address);
        let shift = 32 * self.skip;
        let before = bits.checked_shr(128 - shift).unwrap_or(0);
        (before == self.common).then(|| (bits << shift) >> (128 - 32 * self.words))
    }

    /// First and last number of a prefix that lies in the window.
    pub(super) fn range(&self, bits: u128, length: u8) -> (u128, u128) {
        let shift = 32 * self.skip;
        let low = 128 - 32 * self.words;
        let last = bits | u128::MAX.checked_shr(length.into()).unwrap_or(0);
        ((bits << shift) >> low, (last << shift) >> low)
    }
}

/// A number of a window.
pub(super) trait Key: Copy + Ord + Default {
    /// Words of a key in an image whose keys have `width`.
    fn words(width: u32) -> usize;

    /// Key `index` of those of `width` words that start at `at`.
    fn load(words: &[AtomicU32], width: usize, at: usize, index: usize) -> Self;

    /// The number of an address, and whether it is inside and of the family.
    fn of(address: &IpAddress, window: &Window) -> (Self, bool);

    /// Whether there are many packets, for which more code is worth it.
    const MANY: bool = true;
    /// Whether there is a short way to the numbers of a group of IPv4.
    const V4: bool = false;

    /// That way, for groups of which every address of the family is inside.
    fn of_v4(_: &IpAddress) -> (Self, bool) {
        (Self::default(), false)
    }

    /// The first word, which leads to the bucket.
    fn first(self, width: usize) -> u32;
}

/// A number, or any that is outside, and which.
#[inline]
fn known<K: Copy + Default>(number: Option<K>) -> (K, bool) {
    (number.unwrap_or_default(), number.is_some())
}

impl Key for u32 {
    const V4: bool = true;

    #[inline]
    fn words(_: u32) -> usize {
        1
    }

    #[inline]
    fn load(words: &[AtomicU32], _: usize, at: usize, index: usize) -> Self {
        word(words, at + index)
    }

    #[inline]
    fn of(address: &IpAddress, window: &Window) -> (Self, bool) {
        known(window.number(address).map(|number| number as u32))
    }

    #[inline]
    fn of_v4(address: &IpAddress) -> (Self, bool) {
        match address {
            IpAddress::Ipv4(address) => (address.to_bits(), true),
            IpAddress::Ipv6(_) => (0, false),
        }
    }

    #[inline]
    fn first(self, _: usize) -> u32 {
        self
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

    #[inline]
    fn of(address: &IpAddress, window: &Window) -> (Self, bool) {
        known(window.number(address).map(|number| number as u64))
    }

    #[inline]
    fn first(self, _: usize) -> u32 {
        (self >> 32) as u32
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

    #[inline]
    fn of(address: &IpAddress, window: &Window) -> (Self, bool) {
        known(window.number(address))
    }

    #[inline]
    fn first(self, _: usize) -> u32 {
        (self >> 96) as u32
    }
}

/// A key of any width.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wide(u128);

impl Key for Wide {
    const MANY: bool = false;

    fn words(width: u32) -> usize {
        width as usize
    }

    #[inline(never)]
    fn load(words: &[AtomicU32], width: usize, at: usize, index: usize) -> Self {
        let at = at + width * index;
        Self((at..at + width).fold(0, |key, at| key << 32 | u128::from(word(words, at))))
    }

    #[inline(never)]
    fn of(address: &IpAddress, window: &Window) -> (Self, bool) {
        known(window.number(address).map(Self))
    }

    fn first(self, width: usize) -> u32 {
        let Self(number) = self;
        match width {
            1 => number as u32,
            2 => (number >> 32) as u32,
            _ => (number >> 96) as u32,
        }
    }
}

impl Wide {
    pub(super) const fn new(number: u128) -> Self {
        Self(number)
    }
}
