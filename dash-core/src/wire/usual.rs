//! The frame that nearly all traffic of an overlay consists of: Ethernet, IPv4, UDP, VXLAN, and in
//! it Ethernet, IPv4, TCP or UDP; no tags, no options, no fragments.
//!
//! All its headers are at fixed offsets, so one length and a dozen fields are compared instead of
//! a [walk](super::parse()) from header to header. Whatever differs takes the walk; of a usual frame
//! both find the same edges. Sources: RFC 791, RFC 768, RFC 9293, RFC 7348.
use smoltcp::wire::EthernetAddress;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::ethernet::EthernetHeader;
use super::ipv4::Ipv4Header;
use super::protocol::{ethertype, ip, port};
use super::tcp::TcpHeader;
use super::udp::UdpHeader;
use super::vxlan::VxlanHeader;
use super::{Edge, Edges, Header, MAX_FRAME, Network};

/// A 16-bit field in network order, at an even address.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Word(u16);

impl Word {
    pub(crate) const ZERO: Self = Self(0);

    /// The field that holds `value`.
    #[inline]
    pub(crate) const fn new(value: u16) -> Self {
        Self(value.to_be())
    }

    /// What a pair of bytes is.
    #[inline]
    pub(crate) const fn of(bytes: [u8; 2]) -> Self {
        Self(u16::from_ne_bytes(bytes))
    }

    /// The ones' complement sum of a few words; it is the same in either byte order (RFC 1071,
    /// section 2).
    #[inline(always)]
    pub(crate) fn sum<const N: usize>(words: [Self; N]) -> Self {
        let sum: u32 = words.iter().map(|word| u32::from(word.0)).sum();
        let sum = (sum & 0xffff) + (sum >> 16);
        Self((sum + (sum >> 16)) as u16)
    }

    /// The checksum of a header with the ones' complement sums `parts`.
    #[inline(always)]
    pub(crate) fn checksum<const N: usize>(parts: [Self; N]) -> Self {
        Self(!Self::sum(parts).0)
    }

    #[inline]
    pub(crate) const fn is(self, value: u16) -> bool {
        self.0 == value.to_be()
    }

    #[inline]
    pub(crate) fn get(self) -> usize {
        usize::from(u16::from_be(self.0))
    }

    /// Words as they lie in a frame, the first lowest.
    #[inline]
    pub(crate) fn joined<const N: usize>(words: [Self; N]) -> u64 {
        let number = |word: &Self| u64::from(u16::from_le_bytes(word.bytes()));
        words.iter().rev().fold(0, |joined, word| joined << 16 | number(word))
    }

    /// As it lies in memory.
    #[inline]
    pub(crate) const fn bytes(self) -> [u8; 2] {
        self.0.to_ne_bytes()
    }
}

/// A MAC address as it lies in a frame, kept so that it is written with three stores.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, PartialEq, Eq)]
#[repr(transparent)]
pub struct Mac([u16; 3]);

impl Mac {
    /// All zero.
    pub const NONE: Self = Self([0; 3]);

    /// Writes it over the first bytes of `frame`.
    #[inline(always)]
    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "by value its words would be put together and taken apart again"
    )]
    pub(crate) fn write(&self, frame: &mut [u8]) -> Option<()> {
        match Self::mut_from_prefix(frame) {
            Ok((Self([first, second, third]), _)) => {
                // A loop becomes a call that copies where code is built for size.
                [*first, *second, *third] = self.0;
            }
            // At an odd address.
            Err(_) => *frame.first_chunk_mut()? = EthernetAddress::from(*self).0,
        }
        Some(())
    }
}

impl From<EthernetAddress> for Mac {
    fn from(mac: EthernetAddress) -> Self {
        Self(zerocopy::transmute!(mac.0))
    }
}

impl From<Mac> for EthernetAddress {
    fn from(mac: Mac) -> Self {
        Self(zerocopy::transmute!(mac.0))
    }
}

/// An IPv4 header without options.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Ipv4 {
    pub(crate) version_tos: Word,
    pub(crate) length: Word,
    pub(crate) identification: Word,
    pub(crate) fragment: Word,
    pub(crate) ttl_protocol: Word,
    pub(crate) checksum: Word,
    /// Source, then destination.
    pub(crate) addresses: [Word; 4],
}

/// The headers of an encapsulation in VXLAN over IPv4: 50 bytes in wire order, at an even address.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct VxlanOverIpv4 {
    /// Destination, then source.
    pub(crate) macs: [Word; 6],
    pub(crate) ethertype: Word,
    pub(crate) ip: Ipv4,
    pub(crate) source_port: Word,
    pub(crate) destination_port: Word,
    pub(crate) udp_length: Word,
    pub(crate) udp_checksum: Word,
    /// Flags and 24 reserved bits; VNI and 8 reserved bits.
    pub(crate) vxlan: [Word; 4],
}

/// The headers of a usual frame, up to the ports: 92 bytes in wire order, at an even address.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Headers {
    outer: VxlanOverIpv4,
    destination_mac: [Word; 3],
    source_mac: [Word; 3],
    ethertype: Word,
    inner: Ipv4,
    source_port: Word,
    destination_port: Word,
    /// Of UDP its length, of TCP a part of the sequence number.
    udp_length: Word,
    rest: Word,
}

const ETHERNET: usize = EthernetHeader::LEN;
const UDP: usize = ETHERNET + Ipv4Header::LEN;
const INNER: usize = UDP + UdpHeader::LEN + VxlanHeader::LEN;
const INNER_IP: usize = INNER + ETHERNET;
const INNER_UPPER: usize = INNER + UDP;

const _: () = assert!(size_of::<Headers>() == INNER_UPPER + UdpHeader::LEN);

/// A usual frame.
#[derive(Clone, Copy, Debug)]
pub struct UsualFrame<'a>(&'a Headers);

/// The VNI is valid.
const I_FLAG: u8 = 0x08;
/// More fragments, and the fragment offset.
const FRAGMENT: u16 = 0x3fff;

impl Ipv4 {
    /// Whether its checksum is right.
    #[inline]
    pub(crate) fn is_sound(&self) -> bool {
        let words: [Word; 10] = zerocopy::transmute!(*self);
        let sum: u32 = words.iter().map(|word| u32::from(word.0)).sum();
        // Ones' complement sums are the same in either byte order.
        (sum & 0xffff) + (sum >> 16) == 0xffff
    }

    /// Whether it is version 4, without options, and no fragment.
    #[inline]
    pub(crate) const fn is_plain(&self) -> bool {
        self.version_tos.bytes()[0] == 0x45 && self.fragment.0 & FRAGMENT.to_be() == 0
    }

    #[inline]
    const fn source(&self) -> u32 {
        joined([self.addresses[0], self.addresses[1]])
    }

    #[inline]
    const fn destination(&self) -> u32 {
        joined([self.addresses[2], self.addresses[3]])
    }
}

/// Two fields as they lie in the frame.
#[inline]
const fn joined([first, second]: [Word; 2]) -> u32 {
    if cfg!(target_endian = "little") {
        first.0 as u32 | (second.0 as u32) << 16
    } else {
        (first.0 as u32) << 16 | second.0 as u32
    }
}

impl Headers {
    #[inline]
    const fn protocol(&self) -> u8 {
        self.inner.ttl_protocol.bytes()[1]
    }

    /// Offsets one past the outer IP datagram, the outer UDP datagram and the inner IP datagram.
    #[inline]
    fn ends(&self) -> (usize, usize, usize) {
        (
            ETHERNET + self.outer.ip.length.get(),
            UDP + self.outer.udp_length.get(),
            INNER_IP + self.inner.length.get(),
        )
    }

    /// Whether the customer's UDP datagram, or its TCP header, ends before `end`.
    #[inline]
    fn upper_fits(&self, frame: &[u8], end: usize) -> bool {
        let (length, least) = match self.protocol() {
            ip::UDP => (self.udp_length.get(), UdpHeader::LEN),
            ip::TCP => {
                let header = TcpHeader::at(frame, INNER_UPPER).map_or(0, TcpHeader::header_len);
                (usize::from(header), TcpHeader::LEN)
            }
            _ => return false,
        };
        length >= least && INNER_UPPER + length <= end
    }
}

impl<'a> UsualFrame<'a> {
    /// The headers of `frame`, if it is a usual one.
    ///
    /// A frame at an odd address is not looked at: a processor without unaligned loads would take
    /// two for each field, and ports have no reason for odd addresses.
    #[inline(always)]
    #[must_use]
    pub fn of(frame: &'a [u8]) -> Option<Self> {
        let (headers, _) = Headers::ref_from_prefix(frame).ok()?;
        let plain = headers.outer.ethertype.is(ethertype::IPV4)
            && headers.outer.ip.is_plain()
            && headers.outer.ip.ttl_protocol.bytes()[1] == ip::UDP
            && headers.outer.destination_port.is(port::VXLAN)
            && headers.outer.vxlan[0].bytes()[0] & I_FLAG != 0
            && headers.ethertype.is(ethertype::IPV4)
            && headers.inner.is_plain();
        // Each ends within the one before.
        let (outer_end, udp_end, inner_end) = headers.ends();
        let fits = inner_end <= udp_end
            && udp_end <= outer_end
            && outer_end <= frame.len()
            && frame.len() <= MAX_FRAME;
        (plain && fits && headers.upper_fits(frame, inner_end)).then_some(Self(headers))
    }

    /// The edges of `frame`, which these are the headers of.
    #[inline(always)]
    #[must_use]
    pub fn edges(self, frame: &[u8]) -> Edges {
        let (outer_end, udp_end, inner_end) = self.0.ends();
        Edges {
            outermost: edge(0, outer_end),
            inner: edge(INNER as u16, inner_end),
            payload_end: udp_end as u16,
            length: frame.len() as u16,
            dscp: self.0.outer.ip.version_tos.bytes()[1] >> 2,
        }
    }

    /// Outer destination, as it lies in the frame.
    #[inline]
    #[must_use]
    pub const fn outer_destination(self) -> u32 {
        self.0.outer.ip.destination()
    }

    /// VNI, 24 bits.
    #[must_use]
    pub const fn vni(self) -> u32 {
        u32::from_be(self.vni_word()) >> 8
    }

    /// VNI and 8 reserved bits, as they lie in the frame.
    #[inline]
    #[must_use]
    pub const fn vni_word(self) -> u32 {
        joined([self.0.outer.vxlan[2], self.0.outer.vxlan[3]])
    }

    /// Source MAC of the customer frame, in words as they lie in the frame.
    #[inline]
    #[must_use]
    pub const fn source_mac(self) -> [u16; 3] {
        let [a, b, c] = self.0.source_mac;
        [a.0, b.0, c.0]
    }

    /// Destination MAC of the customer frame, in words as they lie in the frame.
    #[inline]
    #[must_use]
    pub const fn destination_mac(self) -> [u16; 3] {
        let [a, b, c] = self.0.destination_mac;
        [a.0, b.0, c.0]
    }

    /// Source and destination of the customer frame, as they lie in it.
    #[inline]
    #[must_use]
    pub const fn addresses(self) -> [u32; 2] {
        [self.0.inner.source(), self.0.inner.destination()]
    }

    /// Upper-layer protocol of the customer frame: TCP or UDP.
    #[inline]
    #[must_use]
    pub const fn protocol(self) -> u8 {
        self.0.protocol()
    }

    /// Source and destination port of the customer frame, as they lie in it.
    #[inline]
    #[must_use]
    pub const fn ports(self) -> u32 {
        joined([self.0.source_port, self.0.destination_port])
    }
}

#[inline]
const fn edge(ethernet: u16, end: usize) -> Edge {
    let network = ethernet + ETHERNET as u16;
    Edge { ethernet, network, end: end as u16, kind: Network::Ipv4, tags: 0 }
}
