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
    /// Its words.
    const WORDS: usize;

    /// Number `index` of those that start at `at`.
    fn load(words: &[AtomicU32], at: usize, index: usize) -> Self;

    /// The number of an address, or `None` if it is outside or of the other family.
    fn of(address: &IpAddress, window: &Window) -> Option<Self>;
}

impl Key for u32 {
    const WORDS: usize = 1;

    #[inline]
    fn load(words: &[AtomicU32], at: usize, index: usize) -> Self {
        word(words, at + index)
    }

    #[inline]
    fn of(address: &IpAddress, window: &Window) -> Option<Self> {
        match address {
            // All of an IPv4 address is in the window.
            IpAddress::Ipv4(address) if !window.v6 => Some(address.to_bits()),
            _ => window.number(address).map(|number| number as u32),
        }
    }
}

impl Key for u64 {
    const WORDS: usize = 2;

    #[inline]
    fn load(words: &[AtomicU32], at: usize, index: usize) -> Self {
        let at = at + 2 * index;
        u64::from(word(words, at)) << 32 | u64::from(word(words, at + 1))
    }

    #[inline]
    fn of(address: &IpAddress, window: &Window) -> Option<Self> {
        window.number(address).map(|number| number as u64)
    }
}

impl Key for u128 {
    const WORDS: usize = 4;

    #[inline]
    fn load(words: &[AtomicU32], at: usize, index: usize) -> Self {
        let at = at + 4 * index;
        (0..4).fold(0, |key, word_of| key << 32 | u128::from(word(words, at + word_of)))
    }

    #[inline]
    fn of(address: &IpAddress, window: &Window) -> Option<Self> {
        window.number(address)
    }
}
