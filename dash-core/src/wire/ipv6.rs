//! IPv6 header and the extension headers that are walked (RFC 8200).
//!
//! Walked: hop-by-hop options, routing, destination options, fragment. Their order is not
//! checked. Others (AH, ESP, unassigned) end the walk as an upper-layer protocol would.
use smoltcp::wire::Ipv6Address;
use zerocopy::byteorder::{BigEndian, U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{Header, LayerFlags, ParseError, protocol::ip};

/// Most extension headers of one packet that are walked. RFC 8200 section 4.1 allows 7 in the
/// order it recommends; the bound keeps the work for one frame constant.
pub const MAX_EXTENSION_HEADERS: usize = 8;

const FLOW_LABEL: u32 = 0x000f_ffff;
const TRAFFIC_CLASS: u32 = 0x0ff0_0000;

/// The fixed header: 40 bytes.
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
pub struct Ipv6Header {
    version_class_label: U32<BigEndian>,
    payload_len: U16<BigEndian>,
    next_header: u8,
    hop_limit: u8,
    source: [u8; 16],
    destination: [u8; 16],
}

impl Header for Ipv6Header {}

impl Ipv6Header {
    /// IP version; 6 when valid.
    #[must_use]
    pub fn version(&self) -> u8 {
        (self.version_class_label.get() >> 28) as u8
    }
    /// Traffic class: DSCP and ECN.
    #[must_use]
    pub fn traffic_class(&self) -> u8 {
        (self.version_class_label.get() >> 20) as u8
    }
    /// Differentiated services code point, 0 to 63.
    #[must_use]
    pub fn dscp(&self) -> u8 {
        self.traffic_class() >> 2
    }
    /// Flow label, 20 bits.
    #[must_use]
    pub fn flow_label(&self) -> u32 {
        self.version_class_label.get() & FLOW_LABEL
    }
    /// Bytes behind this header, extension headers included.
    #[must_use]
    pub fn payload_len(&self) -> u16 {
        self.payload_len.get()
    }
    /// First extension header or upper-layer protocol; see [`ip`].
    #[must_use]
    pub fn next_header(&self) -> u8 {
        self.next_header
    }
    /// Hop limit.
    #[must_use]
    pub fn hop_limit(&self) -> u8 {
        self.hop_limit
    }
    /// Source address.
    #[must_use]
    pub fn source(&self) -> Ipv6Address {
        Ipv6Address::from(self.source)
    }
    /// Destination address.
    #[must_use]
    pub fn destination(&self) -> Ipv6Address {
        Ipv6Address::from(self.destination)
    }

    /// Sets the IP version; its low 4 bits count.
    pub fn set_version(&mut self, value: u8) {
        let rest = self.version_class_label.get() & 0x0fff_ffff;
        self.version_class_label.set(rest | u32::from(value) << 28);
    }
    /// Sets the traffic class.
    pub fn set_traffic_class(&mut self, value: u8) {
        let rest = self.version_class_label.get() & !TRAFFIC_CLASS;
        self.version_class_label.set(rest | u32::from(value) << 20);
    }
    /// Sets the DSCP; its low 6 bits count, ECN is kept.
    pub fn set_dscp(&mut self, value: u8) {
        self.set_traffic_class(self.traffic_class() & 0x03 | value << 2);
    }
    /// Sets the flow label; its low 20 bits count.
    pub fn set_flow_label(&mut self, value: u32) {
        let rest = self.version_class_label.get() & !FLOW_LABEL;
        self.version_class_label.set(rest | value & FLOW_LABEL);
    }
    /// Sets the number of bytes behind this header.
    pub fn set_payload_len(&mut self, value: u16) {
        self.payload_len.set(value);
    }
    /// Sets what follows.
    pub fn set_next_header(&mut self, value: u8) {
        self.next_header = value;
    }
    /// Sets the hop limit.
    pub fn set_hop_limit(&mut self, value: u8) {
        self.hop_limit = value;
    }
    /// Sets the source address.
    pub fn set_source(&mut self, value: Ipv6Address) {
        self.source = value.octets();
    }
    /// Sets the destination address.
    pub fn set_destination(&mut self, value: Ipv6Address) {
        self.destination = value.octets();
    }
}

/// The first 8 bytes of hop-by-hop options, destination options or a routing header.
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
pub struct ExtensionHeader {
    next_header: u8,
    units: u8,
    data: [u8; 6],
}

impl Header for ExtensionHeader {}

impl ExtensionHeader {
    /// What follows; see [`ip`].
    #[must_use]
    pub fn next_header(&self) -> u8 {
        self.next_header
    }
    /// Size of the whole extension header in bytes: a multiple of 8 from 8 to 2048.
    #[must_use]
    pub fn header_len(&self) -> u16 {
        (u16::from(self.units) + 1) << 3
    }

    /// Sets what follows.
    pub fn set_next_header(&mut self, value: u8) {
        self.next_header = value;
    }
    /// Sets the size of the whole extension header: a multiple of 8 from 8 to 2048 bytes.
    pub fn set_header_len(&mut self, value: u16) {
        self.units = (value >> 3).wrapping_sub(1) as u8;
    }
}

/// Fragment header: 8 bytes.
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
pub struct FragmentHeader {
    next_header: u8,
    reserved: u8,
    offset_flags: U16<BigEndian>,
    ident: U32<BigEndian>,
}

impl Header for FragmentHeader {}

impl FragmentHeader {
    /// First header of the fragmented part; see [`ip`].
    #[must_use]
    pub fn next_header(&self) -> u8 {
        self.next_header
    }
    /// Fragment offset, in units of 8 bytes.
    #[must_use]
    pub fn fragment_offset(&self) -> u16 {
        self.offset_flags.get() >> 3
    }
    /// M flag.
    #[must_use]
    pub fn more_fragments(&self) -> bool {
        self.offset_flags.get() & 1 != 0
    }
    /// Identification.
    #[must_use]
    pub fn ident(&self) -> u32 {
        self.ident.get()
    }

    /// Sets what follows.
    pub fn set_next_header(&mut self, value: u8) {
        self.next_header = value;
    }
    /// Sets the fragment offset in units of 8 bytes; its low 13 bits count.
    pub fn set_fragment_offset(&mut self, value: u16) {
        self.offset_flags.set(self.offset_flags.get() & 0x0007 | value << 3);
    }
    /// Sets the M flag.
    pub fn set_more_fragments(&mut self, value: bool) {
        self.offset_flags.set(self.offset_flags.get() & 0xfffe | u16::from(value));
    }
    /// Sets the identification.
    pub fn set_ident(&mut self, value: u32) {
        self.ident.set(value);
    }
}

/// Where a walk ended.
pub(super) struct Walk {
    /// Upper-layer protocol.
    pub(super) protocol: u8,
    /// Its offset.
    pub(super) offset: usize,
    /// `EXTENSIONS`, `FRAGMENT` and `LATER_FRAGMENT`.
    pub(super) flags: LayerFlags,
}

/// Walks the extension headers of a packet that ends where `packet` does; `first` names the
/// header at `offset`. Behind the header of a later fragment there is payload: the walk ends.
#[inline]
pub(super) fn walk(packet: &[u8], first: u8, offset: usize) -> Result<Walk, ParseError> {
    let mut walk = Walk { protocol: first, offset, flags: LayerFlags::empty() };
    for _ in 0..MAX_EXTENSION_HEADERS {
        let len = match walk.protocol {
            ip::HOP_BY_HOP | ip::ROUTING | ip::DESTINATION_OPTIONS => {
                let header = ExtensionHeader::at(packet, walk.offset)
                    .ok_or(ParseError::Ipv6ExtensionTruncated)?;
                walk.protocol = header.next_header;
                usize::from(header.header_len())
            }
            ip::FRAGMENT => {
                let header = FragmentHeader::at(packet, walk.offset)
                    .ok_or(ParseError::Ipv6ExtensionTruncated)?;
                walk.protocol = header.next_header;
                if header.fragment_offset() != 0 {
                    walk.flags |= LayerFlags::FRAGMENT | LayerFlags::LATER_FRAGMENT;
                } else if header.more_fragments() {
                    walk.flags |= LayerFlags::FRAGMENT;
                }
                FragmentHeader::LEN
            }
            _ => return Ok(walk),
        };
        walk.offset += len;
        walk.flags |= LayerFlags::EXTENSIONS;
        if walk.offset > packet.len() {
            return Err(ParseError::Ipv6ExtensionTruncated);
        }
        if walk.flags.contains(LayerFlags::LATER_FRAGMENT) {
            return Ok(walk);
        }
    }
    match walk.protocol {
        ip::HOP_BY_HOP | ip::ROUTING | ip::DESTINATION_OPTIONS | ip::FRAGMENT => {
            Err(ParseError::Ipv6ExtensionCount)
        }
        _ => Ok(walk),
    }
}

/// The header that makes a fragment of `packet`, whose fixed header names `first`; an atomic one
/// makes none.
pub(super) fn find_fragment(packet: &[u8], first: u8) -> Option<&FragmentHeader> {
    let (mut number, mut offset) = (first, Ipv6Header::LEN);
    for _ in 0..MAX_EXTENSION_HEADERS {
        match number {
            ip::HOP_BY_HOP | ip::ROUTING | ip::DESTINATION_OPTIONS => {
                let header = ExtensionHeader::at(packet, offset)?;
                number = header.next_header;
                offset += usize::from(header.header_len());
            }
            ip::FRAGMENT => {
                let header = FragmentHeader::at(packet, offset)?;
                if header.fragment_offset() != 0 || header.more_fragments() {
                    return Some(header);
                }
                number = header.next_header;
                offset += FragmentHeader::LEN;
            }
            _ => return None,
        }
    }
    None
}
