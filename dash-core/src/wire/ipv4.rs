//! IPv4 header (RFC 791; DSCP: RFC 2474; ECN: RFC 3168).
use smoltcp::wire::Ipv4Address;
use zerocopy::byteorder::{BigEndian, U16};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::Header;

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;

/// The header without options: 20 bytes.
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
pub struct Ipv4Header {
    version_ihl: u8,
    tos: u8,
    total_len: U16<BigEndian>,
    ident: U16<BigEndian>,
    flags_offset: U16<BigEndian>,
    ttl: u8,
    protocol: u8,
    checksum: U16<BigEndian>,
    source: [u8; 4],
    destination: [u8; 4],
}

impl Header for Ipv4Header {}

impl Ipv4Header {
    /// IP version; 4 when valid.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.version_ihl >> 4
    }
    /// Header length in bytes, options included: a multiple of 4 up to 60.
    #[must_use]
    pub fn header_len(&self) -> u8 {
        (self.version_ihl & 0x0f) << 2
    }
    /// Type of service: DSCP and ECN.
    #[must_use]
    pub fn tos(&self) -> u8 {
        self.tos
    }
    /// Differentiated services code point, 0 to 63.
    #[must_use]
    pub fn dscp(&self) -> u8 {
        self.tos >> 2
    }
    /// Header and payload, bytes.
    #[must_use]
    pub fn total_len(&self) -> u16 {
        self.total_len.get()
    }
    /// Identification.
    #[must_use]
    pub fn ident(&self) -> u16 {
        self.ident.get()
    }
    /// DF flag.
    #[must_use]
    pub fn dont_fragment(&self) -> bool {
        self.flags_offset.get() & DONT_FRAGMENT != 0
    }
    /// MF flag.
    #[must_use]
    pub fn more_fragments(&self) -> bool {
        self.flags_offset.get() & MORE_FRAGMENTS != 0
    }
    /// Fragment offset, in units of 8 bytes.
    #[must_use]
    pub fn fragment_offset(&self) -> u16 {
        self.flags_offset.get() & OFFSET
    }
    /// Time to live.
    #[must_use]
    pub fn ttl(&self) -> u8 {
        self.ttl
    }
    /// Upper-layer protocol; see [`ip`](super::protocol::ip).
    #[must_use]
    pub fn protocol(&self) -> u8 {
        self.protocol
    }
    /// Header checksum.
    #[must_use]
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }
    /// Source address.
    #[must_use]
    pub fn source(&self) -> Ipv4Address {
        Ipv4Address::from(self.source)
    }
    /// Destination address.
    #[must_use]
    pub fn destination(&self) -> Ipv4Address {
        Ipv4Address::from(self.destination)
    }

    /// Sets the IP version.
    pub fn set_version(&mut self, value: u8) {
        self.version_ihl = self.version_ihl & 0x0f | value << 4;
    }
    /// Sets the header length: a multiple of 4 from 20 to 60 bytes.
    pub fn set_header_len(&mut self, value: u8) {
        self.version_ihl = self.version_ihl & 0xf0 | value >> 2 & 0x0f;
    }
    /// Sets DSCP and ECN.
    pub fn set_tos(&mut self, value: u8) {
        self.tos = value;
    }
    /// Sets the DSCP; its low 6 bits count, ECN is kept.
    pub fn set_dscp(&mut self, value: u8) {
        self.tos = self.tos & 0x03 | value << 2;
    }
    /// Sets the length of header and payload, bytes.
    pub fn set_total_len(&mut self, value: u16) {
        self.total_len.set(value);
    }
    /// Sets the identification.
    pub fn set_ident(&mut self, value: u16) {
        self.ident.set(value);
    }
    /// Sets the DF flag.
    pub fn set_dont_fragment(&mut self, value: bool) {
        let rest = self.flags_offset.get() & !DONT_FRAGMENT;
        self.flags_offset.set(rest | u16::from(value) << 14);
    }
    /// Sets the MF flag.
    pub fn set_more_fragments(&mut self, value: bool) {
        let rest = self.flags_offset.get() & !MORE_FRAGMENTS;
        self.flags_offset.set(rest | u16::from(value) << 13);
    }
    /// Sets the fragment offset in units of 8 bytes; its low 13 bits count.
    pub fn set_fragment_offset(&mut self, value: u16) {
        self.flags_offset.set(self.flags_offset.get() & !OFFSET | value & OFFSET);
    }
    /// Sets the time to live.
    pub fn set_ttl(&mut self, value: u8) {
        self.ttl = value;
    }
    /// Sets the upper-layer protocol.
    pub fn set_protocol(&mut self, value: u8) {
        self.protocol = value;
    }
    /// Sets the header checksum.
    pub fn set_checksum(&mut self, value: u16) {
        self.checksum.set(value);
    }
    /// Sets the source address.
    pub fn set_source(&mut self, value: Ipv4Address) {
        self.source = value.octets();
    }
    /// Sets the destination address.
    pub fn set_destination(&mut self, value: Ipv4Address) {
        self.destination = value.octets();
    }
}
