//! UDP header (RFC 768).
use zerocopy::byteorder::{BigEndian, U16};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::Header;

/// Ports, length, checksum: 8 bytes.
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
pub struct UdpHeader {
    source_port: U16<BigEndian>,
    destination_port: U16<BigEndian>,
    length: U16<BigEndian>,
    checksum: U16<BigEndian>,
}

impl Header for UdpHeader {}

impl UdpHeader {
    /// Source port.
    #[must_use]
    pub fn source_port(&self) -> u16 {
        self.source_port.get()
    }
    /// Destination port.
    #[must_use]
    pub fn destination_port(&self) -> u16 {
        self.destination_port.get()
    }
    /// Header and payload, bytes.
    #[must_use]
    pub fn length(&self) -> u16 {
        self.length.get()
    }
    /// Checksum; 0: none was computed.
    #[must_use]
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }

    /// Sets the source port.
    pub fn set_source_port(&mut self, value: u16) {
        self.source_port.set(value);
    }
    /// Sets the destination port.
    pub fn set_destination_port(&mut self, value: u16) {
        self.destination_port.set(value);
    }
    /// Sets the length of header and payload, bytes.
    pub fn set_length(&mut self, value: u16) {
        self.length.set(value);
    }
    /// Sets the checksum. A computed 0 is sent as 0xffff: [`udp_checksum`](super::checksum::udp_checksum).
    pub fn set_checksum(&mut self, value: u16) {
        self.checksum.set(value);
    }
}
