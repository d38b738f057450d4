//! Addresses as the tables keep them: 128 bits, IPv4 right-aligned behind zeros, family apart.

use smoltcp::wire::{IpAddress, IpCidr, Ipv4Address, Ipv6Address};
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

/// The prefix of `length` bits that covers `address`: its first address.
pub(super) const fn network(address: IpAddress, length: u8) -> IpAddress {
    match address {
        IpAddress::Ipv4(address) => {
            let mask = match 32_u32.checked_sub(length as u32) {
                Some(32) => 0,
                Some(host) => u32::MAX << host,
                None => u32::MAX,
            };
            IpAddress::Ipv4(Ipv4Address::from_bits(address.to_bits() & mask))
        }
        IpAddress::Ipv6(address) => {
            let mask = match 128_u32.checked_sub(length as u32) {
                Some(128) => 0,
                Some(host) => u128::MAX << host,
                None => u128::MAX,
            };
            IpAddress::Ipv6(Ipv6Address::from_bits(address.to_bits() & mask))
        }
    }
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
}

/// A prefix within a route group as a key; host bits are cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct PrefixKey {
    octets: [u8; 16],
    group: u16,
    length: u8,
    v6: u8,
}

impl PrefixKey {
    pub(super) const fn new(group: super::RouteGroupId, address: IpAddress, length: u8) -> Self {
        Self {
            octets: octets(network(address, length)),
            group: group.0,
            length,
            v6: is_v6(address) as u8,
        }
    }

    pub(super) fn of(group: super::RouteGroupId, prefix: IpCidr) -> Self {
        Self::new(group, prefix.address(), prefix.prefix_len())
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

    #[test]
    fn network_clears_host_bits_for_every_length() {
        let v4 = IpAddress::v4(255, 255, 255, 255);
        assert_eq!(network(v4, 0), IpAddress::v4(0, 0, 0, 0));
        assert_eq!(network(v4, 20), IpAddress::v4(255, 255, 240, 0));
        assert_eq!(network(v4, 32), v4);
        assert_eq!(network(v4, 200), v4);
        let v6 = IpAddress::v6(0xffff, 0xffff, 0, 0, 0, 0, 0, 1);
        assert_eq!(network(v6, 0), IpAddress::v6(0, 0, 0, 0, 0, 0, 0, 0));
        assert_eq!(network(v6, 17), IpAddress::v6(0xffff, 0x8000, 0, 0, 0, 0, 0, 0));
        assert_eq!(network(v6, 128), v6);
    }
}
