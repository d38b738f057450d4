//! Addresses as the tries see them: a row of bits, the first one highest.
use super::slots::STRIDE;
use smoltcp::wire::{IpAddress, IpCidr, IpVersion, Ipv4Address, Ipv6Address};

/// The bits of an address that are still to be looked at, left aligned.
pub trait Bits: Copy {
    /// The first bits, as the slot of a node.
    fn slot(self) -> u32;
    /// The slot behind the first `depth` bits.
    fn slot_at(self, depth: u32) -> u32;
    /// The 64 bits behind the first `depth`, or those that there are.
    fn window(self, depth: u32) -> u64;
    /// The bits behind those of [`Self::slot`].
    fn behind_slot(self) -> Self;
    /// The first `width` bits.
    fn head(self, width: u32) -> usize;
    /// The bits behind the first `width`, fewer than all.
    fn behind(self, width: u32) -> Self;
    /// As an IPv6 address has them.
    fn wide(self) -> u128;
}

impl Bits for u32 {
    #[inline]
    fn slot(self) -> u32 {
        self >> (u32::BITS - STRIDE)
    }

    #[inline]
    fn slot_at(self, depth: u32) -> u32 {
        (self << (depth % u32::BITS)).slot()
    }

    #[inline]
    fn window(self, depth: u32) -> u64 {
        u64::from(self) << 32 << (depth % u64::BITS)
    }

    #[inline]
    fn behind_slot(self) -> Self {
        self << STRIDE
    }

    #[inline]
    fn head(self, width: u32) -> usize {
        (u64::from(self) >> (u32::BITS - width % u32::BITS)) as usize
    }

    #[inline]
    fn behind(self, width: u32) -> Self {
        self << (width % u32::BITS)
    }

    #[inline]
    fn wide(self) -> u128 {
        u128::from(self) << 96
    }
}

impl Bits for u128 {
    #[inline]
    fn slot(self) -> u32 {
        (self >> (u128::BITS - STRIDE)) as u32
    }

    #[inline]
    fn slot_at(self, depth: u32) -> u32 {
        // Most ways end within the first half.
        if depth <= u64::BITS - STRIDE {
            let high = (self >> 64) as u64;
            (high << depth >> (u64::BITS - STRIDE)) as u32
        } else {
            (self << (depth % u128::BITS)).slot()
        }
    }

    #[inline]
    fn window(self, depth: u32) -> u64 {
        (self << (depth % u128::BITS) >> 64) as u64
    }

    #[inline]
    fn behind_slot(self) -> Self {
        self << STRIDE
    }

    #[inline]
    fn head(self, width: u32) -> usize {
        ((self >> 64) as u64).checked_shr(u64::BITS - width).unwrap_or(0) as usize
    }

    #[inline]
    fn behind(self, width: u32) -> Self {
        self << (width % u128::BITS)
    }

    #[inline]
    fn wide(self) -> u128 {
        self
    }
}

/// The address in the high bits.
pub(in super::super) const fn aligned(address: &IpAddress) -> u128 {
    match address {
        IpAddress::Ipv4(address) => (address.to_bits() as u128) << 96,
        IpAddress::Ipv6(address) => address.to_bits(),
    }
}

/// The `length` high bits.
pub(in super::super) const fn mask(length: u8) -> u128 {
    match 128_u32.checked_sub(length as u32) {
        Some(low) => match u128::MAX.checked_shl(low) {
            Some(mask) => mask,
            None => 0,
        },
        None => u128::MAX,
    }
}

/// A prefix without its family, ordered by address and then by length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Prefix {
    /// Left aligned; the bits behind the prefix are 0.
    pub(super) address: u128,
    pub(super) length: u32,
}

impl Prefix {
    /// Host bits are cleared.
    pub(super) fn of(prefix: IpCidr) -> Self {
        let address = aligned(&prefix.address()) & mask(prefix.prefix_len());
        Self { address, length: prefix.prefix_len().into() }
    }

    pub(super) fn cidr(self, version: IpVersion) -> IpCidr {
        let address = match version {
            IpVersion::Ipv4 => Ipv4Address::from_bits((self.address >> 96) as u32).into(),
            IpVersion::Ipv6 => Ipv6Address::from_bits(self.address).into(),
        };
        IpCidr::new(address, self.length as u8)
    }
}

/// An address of one family.
pub trait Address: sealed::Bits {}
impl Address for Ipv4Address {}
impl Address for Ipv6Address {}

pub(super) mod sealed {
    use super::{IpVersion, Ipv4Address, Ipv6Address};

    pub trait Bits: Copy {
        const VERSION: IpVersion;
        /// Bursts of fewer addresses are as slow as one look-up after the other, as measured.
        const FEW: usize;
        type Bits: super::Bits + Default;
        fn bits(self) -> Self::Bits;
    }

    impl Bits for Ipv4Address {
        const VERSION: IpVersion = IpVersion::Ipv4;
        const FEW: usize = 8;
        type Bits = u32;
        fn bits(self) -> u32 {
            self.to_bits()
        }
    }

    impl Bits for Ipv6Address {
        const VERSION: IpVersion = IpVersion::Ipv6;
        const FEW: usize = 12;
        type Bits = u128;
        fn bits(self) -> u128 {
            self.to_bits()
        }
    }
}
