//! Addresses as the tables keep them: 128 bits, IPv4 right-aligned behind zeros, family apart.

use smoltcp::wire::{IpAddress, Ipv4Address, Ipv6Address};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// IPv4 is right-aligned in the 16 bytes.
pub(super) const fn octets(address: IpAddress) -> [u8; 16] {
    match address {
        IpAddress::Ipv4(address) => (address.to_bits() as u128).to_be_bytes(),
        IpAddress::Ipv6(address) => address.octets(),
    }
}

/// The inverse of [`octets`].
pub(super) const fn address(octets: [u8; 16], v6: bool) -> IpAddress {
    if v6 {
        IpAddress::Ipv6(Ipv6Address::from_octets(octets))
    } else {
        IpAddress::Ipv4(Ipv4Address::from_bits(u128::from_be_bytes(octets) as u32))
    }
}

/// Whether `address` is IPv6.
pub(in crate::pipeline::vnet) const fn is_v6(address: IpAddress) -> bool {
    matches!(address, IpAddress::Ipv6(_))
}

/// An address of either family as a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct AddressKey {
    octets: [u8; 16],
    v6: u32,
}

impl AddressKey {
    pub(super) const fn new(address: IpAddress) -> Self {
        Self { octets: octets(address), v6: is_v6(address) as u32 }
    }
}

/// An address within a VNET as a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct VnetAddressKey {
    octets: [u8; 16],
    vnet: u16,
    v6: u16,
}

impl VnetAddressKey {
    pub(super) const fn new(vnet: super::VnetId, address: IpAddress) -> Self {
        Self { octets: octets(address), vnet: vnet.0, v6: is_v6(address) as u16 }
    }

    pub(super) const fn address(&self) -> IpAddress {
        address(self.octets, self.v6 != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_and_address_are_inverse() {
        let v4 = IpAddress::v4(10, 0, 0, 1);
        let v6 = IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, 1);
        assert_eq!(octets(v4)[..12], [0; 12]);
        assert_eq!(address(octets(v4), false), v4);
        assert_eq!(address(octets(v6), true), v6);
    }
}
