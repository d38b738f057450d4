//! Which headers a frame has, and where: what [`super::parse()`] finds.
//!
//! The views take the frame that was parsed. From another they answer `None` or other headers.
use smoltcp::wire::IpAddress;

use super::Header;
use super::arp::ArpPacket;
use super::ethernet::EthernetHeader;
use super::geneve::{GeneveHeader, GeneveOptions};
use super::gre::NvgreHeader;
use super::icmpv4::Icmpv4Header;
use super::icmpv6::Icmpv6Header;
use super::ipv4::Ipv4Header;
use super::ipv6::{self, Ipv6Header};
use super::protocol::{ip, port};
use super::tcp::{TcpFlags, TcpHeader};
use super::udp::UdpHeader;
use super::vlan::VlanTag;
use super::vxlan::VxlanHeader;

/// Most encapsulations that are taken off.
pub const MAX_TUNNELS: usize = 2;

/// Which encapsulations a pipeline looks into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// UDP destination port of VXLAN; `None`: not looked into.
    pub vxlan: Option<u16>,
    /// UDP destination port of Geneve; `None`: not looked into.
    pub geneve: Option<u16>,
    /// Whether GRE with protocol 0x6558 (NVGRE) is looked into.
    pub nvgre: bool,
    /// Most encapsulations taken off, 0 to 2.
    pub tunnels: u8,
}

impl Profile {
    /// Plain frames.
    pub const PLAIN: Self = Self { vxlan: None, geneve: None, nvgre: false, tunnels: 0 };
    /// One VXLAN encapsulation on the IANA port.
    pub const VXLAN: Self =
        Self { vxlan: Some(port::VXLAN), geneve: None, nvgre: false, tunnels: 1 };
}

/// Which network header a layer has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// None that is parsed here.
    #[default]
    Other,
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// ARP.
    Arp,
}

bitflags::bitflags! {
    /// Facts about one layer.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct LayerFlags: u8 {
        /// The IPv4 header has options.
        const OPTIONS = 1;
        /// The IPv6 header is followed by extension headers (an atomic fragment header included).
        const EXTENSIONS = 2;
        /// A fragment: more fragments follow, or the offset is not 0.
        const FRAGMENT = 4;
        /// A fragment whose offset is not 0; it has no upper-layer header.
        const LATER_FRAGMENT = 8;
    }
}

/// Ethernet to transport: one layer of a frame. Offsets are bytes from the start of the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Layer {
    /// Offset of the Ethernet header.
    pub ethernet: u16,
    /// Ethertype behind the tags, host order.
    pub ethertype: u16,
    /// Offset of what follows the Ethernet header and its tags.
    pub network: u16,
    /// Offset of the upper-layer header; equals `end` when there is none.
    pub transport: u16,
    /// Offset one past the datagram (IP), or one past the layer (other).
    pub end: u16,
    /// VLAN tags in front of the ethertype, 0 to 2.
    pub tags: u8,
    /// Upper-layer protocol of IP; else 0.
    pub protocol: u8,
    /// Which network header.
    pub kind: Network,
    /// Facts.
    pub flags: LayerFlags,
}

impl Layer {
    pub(super) const NONE: Self = Self {
        ethernet: 0,
        ethertype: 0,
        network: 0,
        transport: 0,
        end: 0,
        tags: 0,
        protocol: 0,
        kind: Network::Other,
        flags: LayerFlags::empty(),
    };

    const fn edge(&self) -> Edge {
        let Self { ethernet, network, end, kind, tags, .. } = *self;
        Edge { ethernet, network, kind, tags, end }
    }

    /// The bytes from the network header to the end of the layer: the datagram, without padding.
    #[must_use]
    pub fn datagram<'a>(&self, frame: &'a [u8]) -> Option<&'a [u8]> {
        frame.get(self.network.into()..self.end.into())
    }
    /// The bytes from the upper-layer header to the end of the layer; empty when there is none.
    #[must_use]
    pub fn upper<'a>(&self, frame: &'a [u8]) -> Option<&'a [u8]> {
        frame.get(self.transport.into()..self.end.into())
    }

    /// The Ethernet header.
    #[must_use]
    pub fn ethernet<'a>(&self, frame: &'a [u8]) -> Option<&'a EthernetHeader> {
        EthernetHeader::at(frame, self.ethernet)
    }
    /// VLAN tag `index`, counted from the outside.
    #[must_use]
    pub fn vlan<'a>(&self, frame: &'a [u8], index: u8) -> Option<&'a VlanTag> {
        if index >= self.tags {
            return None;
        }
        let first = usize::from(self.ethernet) + EthernetHeader::LEN;
        VlanTag::at(frame, first + usize::from(index) * VlanTag::LEN)
    }
    /// The ARP packet, when its 28 bytes are there; what it is about is not checked.
    #[must_use]
    pub fn arp<'a>(&self, frame: &'a [u8]) -> Option<&'a ArpPacket> {
        self.network_header(frame, Network::Arp)
    }
    /// The IPv4 header.
    #[must_use]
    pub fn ipv4<'a>(&self, frame: &'a [u8]) -> Option<&'a Ipv4Header> {
        self.network_header(frame, Network::Ipv4)
    }
    /// The IPv4 options; empty when there are none.
    #[must_use]
    pub fn ipv4_options<'a>(&self, frame: &'a [u8]) -> Option<&'a [u8]> {
        let len = usize::from(self.ipv4(frame)?.header_len());
        self.datagram(frame)?.get(Ipv4Header::LEN..len)
    }
    /// The IPv6 header.
    #[must_use]
    pub fn ipv6<'a>(&self, frame: &'a [u8]) -> Option<&'a Ipv6Header> {
        self.network_header(frame, Network::Ipv6)
    }
    /// Source and destination address of IP.
    #[must_use]
    pub fn addresses(&self, frame: &[u8]) -> Option<(IpAddress, IpAddress)> {
        match self.kind {
            Network::Ipv4 => {
                self.ipv4(frame).map(|ip| (ip.source().into(), ip.destination().into()))
            }
            Network::Ipv6 => {
                self.ipv6(frame).map(|ip| (ip.source().into(), ip.destination().into()))
            }
            Network::Arp | Network::Other => None,
        }
    }
    /// Differentiated services code point of IP, 0 to 63.
    #[inline]
    #[must_use]
    pub fn dscp(&self, frame: &[u8]) -> Option<u8> {
        match self.kind {
            Network::Ipv4 => frame.get(usize::from(self.network) + 1).map(|tos| tos >> 2),
            Network::Ipv6 => self.ipv6(frame).map(Ipv6Header::dscp),
            Network::Arp | Network::Other => None,
        }
    }
    /// The UDP header.
    #[must_use]
    pub fn udp<'a>(&self, frame: &'a [u8]) -> Option<&'a UdpHeader> {
        self.upper_header(frame, ip::UDP)
    }
    /// The TCP header.
    #[must_use]
    pub fn tcp<'a>(&self, frame: &'a [u8]) -> Option<&'a TcpHeader> {
        self.upper_header(frame, ip::TCP)
    }
    /// Source and destination port of TCP or UDP, host order; 0 of others.
    #[must_use]
    pub fn ports(&self, frame: &[u8]) -> (u16, u16) {
        if let Some(udp) = self.udp(frame) {
            (udp.source_port(), udp.destination_port())
        } else if let Some(tcp) = self.tcp(frame) {
            (tcp.source_port(), tcp.destination_port())
        } else {
            (0, 0)
        }
    }
    /// The header of ICMP over IPv4.
    #[must_use]
    pub fn icmpv4<'a>(&self, frame: &'a [u8]) -> Option<&'a Icmpv4Header> {
        match self.kind {
            Network::Ipv4 => self.upper_header(frame, ip::ICMPV4),
            _ => None,
        }
    }
    /// The header of ICMP over IPv6.
    #[must_use]
    pub fn icmpv6<'a>(&self, frame: &'a [u8]) -> Option<&'a Icmpv6Header> {
        match self.kind {
            Network::Ipv6 => self.upper_header(frame, ip::ICMPV6),
            _ => None,
        }
    }

    fn network_header<'a, H: Header>(&self, frame: &'a [u8], kind: Network) -> Option<&'a H> {
        (self.kind == kind).then(|| H::at(self.datagram(frame)?, 0_usize)).flatten()
    }
    // Without IP `transport` equals `end`, so protocol 0 finds nothing.
    fn upper_header<'a, H: Header>(&self, frame: &'a [u8], protocol: u8) -> Option<&'a H> {
        (self.protocol == protocol).then(|| H::at(self.upper(frame)?, 0_usize)).flatten()
    }
}

/// Which encapsulation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TunnelKind {
    /// VXLAN, RFC 7348.
    #[default]
    Vxlan,
    /// Geneve, RFC 8926.
    Geneve,
    /// NVGRE, RFC 7637.
    Nvgre,
}

/// One encapsulation header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tunnel {
    /// Which.
    pub kind: TunnelKind,
    /// Offset of its header.
    pub offset: u16,
    /// VNI or VSID, 24 bits.
    pub vni: u32,
}

impl Tunnel {
    pub(super) const NONE: Self = Self { kind: TunnelKind::Vxlan, offset: 0, vni: 0 };

    /// The VXLAN header.
    #[must_use]
    pub fn vxlan<'a>(&self, frame: &'a [u8]) -> Option<&'a VxlanHeader> {
        (self.kind == TunnelKind::Vxlan).then(|| Header::at(frame, self.offset)).flatten()
    }
    /// The Geneve header and its options.
    #[must_use]
    pub fn geneve<'a>(&self, frame: &'a [u8]) -> Option<(&'a GeneveHeader, GeneveOptions<'a>)> {
        if self.kind != TunnelKind::Geneve {
            return None;
        }
        let header = GeneveHeader::at(frame, self.offset)?;
        let options = frame.get(usize::from(self.offset) + GeneveHeader::LEN..)?;
        Some((header, GeneveOptions::new(options.get(..header.options_len().into())?)))
    }
    /// The NVGRE header.
    #[must_use]
    pub fn nvgre<'a>(&self, frame: &'a [u8]) -> Option<&'a NvgreHeader> {
        (self.kind == TunnelKind::Nvgre).then(|| Header::at(frame, self.offset)).flatten()
    }
}

/// Where one layer begins and ends: what a header change needs of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct Edge {
    /// Offset of the Ethernet header.
    pub(crate) ethernet: u16,
    /// Offset of what follows the Ethernet header and its tags.
    pub(crate) network: u16,
    /// Which network header.
    pub(crate) kind: Network,
    /// VLAN tags in front of the ethertype, 0 to 2.
    pub(crate) tags: u8,
    /// Offset one past the datagram (IP), or one past the layer (other).
    pub(crate) end: u16,
}

/// The outer edges of a frame, all that a [rewrite](crate::rewrite) needs of a [`Layout`].
///
/// Always in order: each layer ends within what carries it, and the outermost within `length`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edges {
    /// The outermost layer.
    pub(crate) outermost: Edge,
    /// The layer that its encapsulation carries; without encapsulation its `network` is 0.
    pub(crate) inner: Edge,
    /// Offset one past what the outermost encapsulation carries.
    pub(crate) payload_end: u16,
    /// Bytes of the frame.
    pub(crate) length: u16,
    /// DSCP of the outermost IP header; 0 when it is not IP.
    pub(crate) dscp: u8,
}

impl Edges {
    /// Of no frame.
    pub const NONE: Self =
        Self { outermost: Edge::NONE, inner: Edge::NONE, payload_end: 0, length: 0, dscp: 0 };

    /// Of a frame of `length` bytes whose Ethernet header is all that is known.
    #[must_use]
    pub fn of_ethernet(length: u16) -> Self {
        let network = EthernetHeader::LEN as u16;
        let outermost = Edge { network, end: length.max(network), ..Edge::NONE };
        Self { outermost, payload_end: outermost.end, length, ..Self::NONE }
    }

    /// Of a frame of `length` bytes without encapsulation, whose one layer this is.
    pub(crate) const fn of_layer(outermost: Edge, length: u16) -> Self {
        Self { outermost, payload_end: outermost.end, length, ..Self::NONE }
    }

    /// Of a frame of `length` bytes whose Ethernet header and one tag are all that is known.
    #[must_use]
    pub fn of_tagged(length: u16) -> Self {
        let network = (EthernetHeader::LEN + VlanTag::LEN) as u16;
        Self::of_layer(Edge { network, tags: 1, end: length.max(network), ..Edge::NONE }, length)
    }

    /// The same frame, known to carry another from `start` to `end`, of which no more is looked at
    /// than that it has an Ethernet header. `None` when these are not in order.
    #[must_use]
    pub fn carrying(self, start: u16, end: u16) -> Option<Self> {
        let network = start.checked_add(EthernetHeader::LEN as u16)?;
        if start < self.outermost.network || network > end || end > self.outermost.end {
            return None;
        }
        let inner = Edge { ethernet: start, network, end, ..Edge::NONE };
        Some(Self { inner, payload_end: end, ..self })
    }

    /// The TCP flags of `frame`: of what the outermost encapsulation carries, or of a frame
    /// without encapsulation its own.
    pub(crate) fn tcp_flags(&self, frame: &[u8]) -> Option<TcpFlags> {
        let edge = if self.inner.network == 0 { self.outermost } else { self.inner };
        let packet = frame.get(edge.network.into()..edge.end.into())?;
        let (protocol, offset) = match edge.kind {
            Network::Ipv4 => {
                let header = Ipv4Header::at(packet, 0_u16)?;
                (header.protocol(), usize::from(header.header_len()))
            }
            Network::Ipv6 => {
                let first = Ipv6Header::at(packet, 0_u16)?.next_header();
                let walk = ipv6::walk(packet, first, Ipv6Header::LEN).ok()?;
                (walk.protocol, walk.offset)
            }
            Network::Other | Network::Arp => return None,
        };
        let header = TcpHeader::at(packet, offset).filter(|_| protocol == ip::TCP);
        header.map(TcpHeader::flags)
    }
}

impl Edge {
    const NONE: Self = Self { ethernet: 0, network: 0, end: 0, kind: Network::Other, tags: 0 };
}

/// Where the headers of one frame are: `tunnels + 1` layers, outermost first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct Layout {
    pub(super) layers: [Layer; MAX_TUNNELS + 1],
    pub(super) tunnels: [Tunnel; MAX_TUNNELS],
    pub(super) depth: u8,
}

impl Layout {
    /// Of no frame.
    pub const NONE: Self = Self {
        layers: [Layer::NONE; MAX_TUNNELS + 1],
        tunnels: [Tunnel::NONE; MAX_TUNNELS],
        depth: 0,
    };

    /// The edges of `frame`, which this is the layout of. Of another frame they are in order too.
    #[must_use]
    pub fn edges(&self, frame: &[u8]) -> Edges {
        let outermost = self.outer();
        let inner = self.layer(1).map_or(Edge::NONE, Layer::edge);
        // UDP may be shorter than the IP datagram.
        let payload_end = match outermost.udp(frame) {
            Some(udp) => outermost.end.min(outermost.transport.saturating_add(udp.length())),
            None => outermost.end,
        };
        let payload_end = payload_end.max(inner.end);
        let length = outermost.end.max(frame.len() as u16);
        let dscp = outermost.dscp(frame).unwrap_or(0);
        Edges { outermost: outermost.edge(), inner, payload_end, length, dscp }
    }

    /// Encapsulations found, 0 to 2.
    #[must_use]
    pub fn depth(&self) -> usize {
        usize::from(self.depth)
    }
    /// The outermost layer.
    #[must_use]
    pub fn outer(&self) -> &Layer {
        &self.layers[0]
    }
    /// The innermost layer: the customer frame, or the only layer.
    #[must_use]
    pub fn inner(&self) -> &Layer {
        match self.depth {
            0 => &self.layers[0],
            1 => &self.layers[1],
            _ => &self.layers[2],
        }
    }
    /// Layer `index`, counted from the outside.
    #[must_use]
    pub fn layer(&self, index: usize) -> Option<&Layer> {
        (index <= self.depth()).then(|| self.layers.get(index)).flatten()
    }
    /// Encapsulation `index`, counted from the outside: it separates layers `index` and `index + 1`.
    #[must_use]
    pub fn tunnel(&self, index: usize) -> Option<&Tunnel> {
        (index < self.depth()).then(|| self.tunnels.get(index)).flatten()
    }
}
