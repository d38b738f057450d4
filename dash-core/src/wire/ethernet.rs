//! Ethernet II header (IEEE 802.3, without preamble and FCS).
use smoltcp::wire::EthernetAddress;
use zerocopy::byteorder::{BigEndian, U16};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::Header;

/// Destination, source, ethertype: 14 bytes.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(C)]
pub struct EthernetHeader {
    destination: [u8; 6],
    source: [u8; 6],
    ethertype: U16<BigEndian>,
}

impl Header for EthernetHeader {}

impl EthernetHeader {
    /// Destination MAC.
    #[must_use]
    pub fn destination(&self) -> EthernetAddress {
        EthernetAddress(self.destination)
    }
    /// Source MAC.
    #[must_use]
    pub fn source(&self) -> EthernetAddress {
        EthernetAddress(self.source)
    }
    /// Ethertype, or TPID of a VLAN tag; see [`ethertype`](super::protocol::ethertype).
    #[must_use]
    pub fn ethertype(&self) -> u16 {
        self.ethertype.get()
    }

    /// Sets the destination MAC.
    pub fn set_destination(&mut self, value: EthernetAddress) {
        self.destination = value.0;
    }
    /// Sets the source MAC.
    pub fn set_source(&mut self, value: EthernetAddress) {
        self.source = value.0;
    }
    /// Sets ethertype or TPID.
    pub fn set_ethertype(&mut self, value: u16) {
        self.ethertype.set(value);
    }
}
