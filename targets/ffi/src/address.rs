//! Addresses, as C writes them.

use smoltcp::wire::{
    EthernetAddress, IpAddress, IpCidr, IpVersion, Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr,
};

use crate::status::Status;

/// IPv4, where an IP version is asked for.
pub const DASH_IPV4: u8 = 4;
/// IPv6, where an IP version is asked for.
pub const DASH_IPV6: u8 = 6;

/// A MAC address, in the order of the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct dash_mac_t {
    /// The six octets.
    pub octets: [u8; 6],
}

/// An IP address, in the order of the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct dash_address_t {
    /// `DASH_IPV4` or `DASH_IPV6`.
    pub version: u8,
    /// The octets; of IPv4 the first four.
    pub octets: [u8; 16],
}

/// An IP prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct dash_prefix_t {
    /// Any address of the prefix: the bits behind it are ignored.
    pub address: dash_address_t,
    /// Its length in bits, at most 32 or 128.
    pub length: u8,
}

impl From<dash_mac_t> for EthernetAddress {
    fn from(mac: dash_mac_t) -> Self {
        Self(mac.octets)
    }
}

impl From<EthernetAddress> for dash_mac_t {
    fn from(mac: EthernetAddress) -> Self {
        Self { octets: mac.0 }
    }
}

impl TryFrom<dash_address_t> for IpAddress {
    type Error = Status;

    fn try_from(address: dash_address_t) -> Result<Self, Status> {
        let [a, b, c, d, ..] = address.octets;
        match address.version {
            DASH_IPV4 => Ok(Self::Ipv4(Ipv4Address::new(a, b, c, d))),
            DASH_IPV6 => Ok(Self::Ipv6(Ipv6Address::from_octets(address.octets))),
            _ => Err(Status::DASH_BAD_VALUE),
        }
    }
}

impl From<IpAddress> for dash_address_t {
    fn from(address: IpAddress) -> Self {
        match address {
            IpAddress::Ipv4(address) => {
                let [a, b, c, d] = address.octets();
                let octets = [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                Self { version: DASH_IPV4, octets }
            }
            IpAddress::Ipv6(address) => Self { version: DASH_IPV6, octets: address.octets() },
        }
    }
}

impl TryFrom<dash_prefix_t> for IpCidr {
    type Error = Status;

    fn try_from(prefix: dash_prefix_t) -> Result<Self, Status> {
        match prefix.address.try_into()? {
            IpAddress::Ipv4(address) if prefix.length <= 32 => {
                Ok(Self::Ipv4(Ipv4Cidr::new(address, prefix.length)))
            }
            IpAddress::Ipv6(address) if prefix.length <= 128 => {
                Ok(Self::Ipv6(Ipv6Cidr::new(address, prefix.length)))
            }
            _ => Err(Status::DASH_BAD_VALUE),
        }
    }
}

/// An IP version that C gave.
pub(crate) const fn version(version: u8) -> Result<IpVersion, Status> {
    match version {
        DASH_IPV4 => Ok(IpVersion::Ipv4),
        DASH_IPV6 => Ok(IpVersion::Ipv6),
        _ => Err(Status::DASH_BAD_VALUE),
    }
}

/// A yes or no that C gave.
pub(crate) const fn flag(flag: u8) -> Result<bool, Status> {
    match flag {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Status::DASH_BAD_VALUE),
    }
}

/// A member that counts if its flag is set.
pub(crate) fn optional<T>(present: u8, value: T) -> Result<Option<T>, Status> {
    Ok(flag(present)?.then_some(value))
}
