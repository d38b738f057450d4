//! A host as images keep it.

use smoltcp::wire::{EthernetAddress, Ipv4Address};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// The end of tunnels that a host is.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(in crate::pipeline) struct HostRecord {
    ip: [u8; 4],
    mac: [u8; 6],
    zero: [u8; 2],
}

impl HostRecord {
    pub(in crate::pipeline) const fn new(ip: Ipv4Address, mac: EthernetAddress) -> Self {
        Self { ip: ip.octets(), mac: mac.0, zero: [0; 2] }
    }

    pub(in crate::pipeline) fn ip(&self) -> Ipv4Address {
        self.ip.into()
    }

    pub(in crate::pipeline) const fn mac(&self) -> EthernetAddress {
        EthernetAddress(self.mac)
    }
}
