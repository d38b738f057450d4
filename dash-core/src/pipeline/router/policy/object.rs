//! The objects of an image as words, and the keys that find them.

use smoltcp::wire::{EthernetAddress, IpAddress};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::pipeline::image::{octets, share_bits};

/// `NetworkRecord::router` without one.
pub(super) const NO_ROUTER: u16 = u16::MAX;

bitflags::bitflags! {
    /// Facts about a port.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(in super::super) struct PortFlags: u16 {
        /// It leads to the physical network.
        const PROVIDER = 1;
        /// Port security.
        const SECURED = 2;
        /// It has IP addresses, or allowed pairs.
        const ADDRESSED = 4;
    }
}

/// A port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(in super::super) struct PortRecord {
    pub(in super::super) network: u16,
    pub(in super::super) key: u16,
    pub(in super::super) id: u16,
    pub(in super::super) host: u16,
    pub(super) flags: u16,
    pub(super) mac: [u8; 6],
}

impl PortRecord {
    pub(in super::super) const fn has(&self, flags: PortFlags) -> bool {
        PortFlags::from_bits_retain(self.flags).contains(flags)
    }

    pub(in super::super) const fn mac(&self) -> EthernetAddress {
        EthernetAddress(self.mac)
    }
}

/// A network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(in super::super) struct NetworkRecord {
    pub(in super::super) id: u32,
    /// Its ports follow each other.
    pub(in super::super) first_port: u32,
    pub(in super::super) ports: u32,
    /// So do its interfaces.
    pub(super) first_interface: u32,
    pub(super) interfaces: u16,
    /// Its router, or [`NO_ROUTER`].
    pub(super) router: u16,
    /// 0: none.
    pub(super) vlan: u16,
    pub(super) zero: u16,
}

impl NetworkRecord {
    pub(in super::super) fn router(&self) -> Option<u16> {
        (self.router != NO_ROUTER).then_some(self.router)
    }

    pub(in super::super) fn vlan(&self) -> Option<u16> {
        (self.vlan != 0).then_some(self.vlan)
    }
}

/// A port of a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(in super::super) struct InterfaceRecord {
    octets: [u8; 16],
    mac: [u8; 6],
    pub(in super::super) network: u16,
    version: u8,
    /// Length of its subnet's prefix.
    length: u8,
    zero: u16,
}

impl InterfaceRecord {
    pub(super) fn new(interface: &super::Interface, network: u16, length: u8) -> Self {
        let (version, octets) = octets(interface.ip);
        Self { octets, mac: interface.mac.0, network, version, length, zero: 0 }
    }

    pub(in super::super) fn ip(&self) -> IpAddress {
        address(self.version.into(), &self.octets)
    }

    pub(in super::super) const fn mac(&self) -> EthernetAddress {
        EthernetAddress(self.mac)
    }

    /// Whether an address is of its subnet.
    pub(super) fn covers(&self, address: IpAddress) -> bool {
        let (version, octets) = octets(address);
        version == self.version && share_bits(&self.octets, &octets, self.length)
    }
}

/// Where a static route leads.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct RouteRecord {
    octets: [u8; 16],
    version: u32,
    interface: u32,
}

impl RouteRecord {
    pub(super) fn new(via: IpAddress, interface: u32) -> Self {
        let (version, octets) = octets(via);
        Self { octets, version: version.into(), interface }
    }

    /// Number of the interface, and the next hop.
    pub(super) fn hop(&self) -> (u32, IpAddress) {
        (self.interface, address(self.version, &self.octets))
    }
}

/// The address of this IP version, left-aligned in `octets`.
fn address(version: u32, octets: &[u8; 16]) -> IpAddress {
    match (version, octets.first_chunk::<4>()) {
        (4, Some(octets)) => IpAddress::Ipv4((*octets).into()),
        _ => IpAddress::Ipv6((*octets).into()),
    }
}

/// What an IP address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The gateway of a network.
    Gateway(u16),
    /// A router's own.
    Own(u16),
    /// Behind a port of a network.
    Neighbour(u16),
}

/// An address, or two that a port may use together, of some scope. One type for all, so that all
/// tables share the code that searches them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct AddressKey {
    octets: [u8; 16],
    mac: [u8; 6],
    /// Number of the network, the router or the port.
    scope: u16,
    /// IP version; 0 without an IP address.
    version: u16,
    role: u16,
}

impl AddressKey {
    /// A MAC address of a network, or of a port together with some IP address.
    pub(super) const fn mac(scope: u16, mac: EthernetAddress) -> Self {
        Self { octets: [0; 16], mac: mac.0, scope, version: 0, role: 0 }
    }

    /// An IP address in a role.
    pub(super) fn ip(role: Role, address: IpAddress) -> Self {
        let (version, octets) = octets(address);
        let (role, scope) = match role {
            Role::Gateway(network) => (0, network),
            Role::Own(router) => (1, router),
            Role::Neighbour(network) => (2, network),
        };
        Self { octets, mac: [0; 6], scope, version: version.into(), role }
    }

    /// Addresses that a port may use together.
    pub(super) fn pair(port: u32, mac: EthernetAddress, address: IpAddress) -> Self {
        let (version, octets) = octets(address);
        Self { octets, mac: mac.0, scope: port as u16, version: version.into(), role: 0 }
    }
}
