//! What the tables look at: a frame from a port, and the VXLAN header that may carry one between
//! hosts (RFC 7348).
//!
//! Frames are routed by their IP headers alone: what is wrong above those is not this service's.
//! Ports of fragments count as 0, those of the first one too.

use smoltcp::wire::{EthernetAddress, IpAddress};

use super::DropReason;
use crate::{
    pipeline::underlay::Datagram,
    table::acl::Headers,
    wire::{
        Edge, Edges, Header, Ip as IpLayer, LayerFlags, Network,
        arp::ArpPacket,
        checksum::Checksum,
        ethernet::EthernetHeader,
        icmpv6::nd,
        ipv4::Ipv4Header,
        ipv6::Ipv6Header,
        parse_ipv4, parse_ipv6,
        protocol::{ethertype, ip, port},
        udp::UdpHeader,
        vlan::VlanTag,
        vxlan::VxlanHeader,
    },
};

/// The IP header of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ip {
    pub(super) source: IpAddress,
    pub(super) destination: IpAddress,
    pub(super) protocol: u8,
    /// TTL or hop limit.
    pub(super) ttl: u8,
    pub(super) fragment: bool,
    /// A fragment, and not the first.
    pub(super) later: bool,
    /// Offset of the header above, and one past the datagram.
    pub(super) transport: usize,
    pub(super) end: usize,
}

impl Ip {
    fn new((source, destination): (IpAddress, IpAddress), ttl: u8, found: &IpLayer) -> Self {
        Self {
            source,
            destination,
            protocol: found.protocol,
            ttl,
            fragment: found.flags.contains(LayerFlags::FRAGMENT),
            later: found.flags.contains(LayerFlags::LATER_FRAGMENT),
            transport: found.payload,
            end: found.end,
        }
    }
}

/// What a frame carries.
#[derive(Clone, Copy, Debug)]
pub(super) enum Carried {
    Ip(Ip),
    /// An impossible IP header, or a wrong checksum of one.
    BadIp {
        /// The source address that it claims, if it is so long.
        source: Option<IpAddress>,
    },
    Arp,
    Other,
}

/// A frame, without its tunnel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'f> {
    pub(super) bytes: &'f [u8],
    pub(super) destination: EthernetAddress,
    pub(super) source: EthernetAddress,
    /// Tag control information.
    pub(super) tag: Option<u16>,
    /// Behind the tag.
    pub(super) ethertype: u16,
    /// Offset of what follows the Ethernet header and its tag.
    pub(super) network: usize,
    pub(super) carried: Carried,
}

impl<'f> Frame<'f> {
    /// `None`: it ends before its Ethernet header or tag does.
    pub(super) fn new(bytes: &'f [u8]) -> Option<Self> {
        let ethernet = EthernetHeader::at(bytes, 0_usize)?;
        let (mut ethertype, mut network, mut tag) =
            (ethernet.ethertype(), EthernetHeader::LEN, None);
        if VlanTag::is_tpid(ethertype) {
            let header = VlanTag::at(bytes, network)?;
            tag = bytes.get(network..)?.first_chunk().map(|tci| u16::from_be_bytes(*tci));
            ethertype = header.ethertype();
            network += VlanTag::LEN;
        }
        let carried = match ethertype {
            ethertype::IPV4 => ipv4(bytes, network),
            ethertype::IPV6 => ipv6(bytes, network),
            ethertype::ARP => Carried::Arp,
            _ => Carried::Other,
        };
        let (destination, source) = (ethernet.destination(), ethernet.source());
        Some(Self { bytes, destination, source, tag, ethertype, network, carried })
    }

    pub(super) fn ip(&self) -> Option<&Ip> {
        match &self.carried {
            Carried::Ip(ip) => Some(ip),
            _ => None,
        }
    }

    /// Where its headers are. Its padding belongs to it.
    pub(super) fn edges(&self) -> Edges {
        let length = self.bytes.len() as u16;
        let (kind, end) = match &self.carried {
            Carried::Ip(Ip { source: IpAddress::Ipv4(_), end, .. }) => (Network::Ipv4, *end as u16),
            Carried::Ip(Ip { end, .. }) => (Network::Ipv6, *end as u16),
            _ => (Network::Other, length),
        };
        Edges::of_layer(
            Edge {
                ethernet: 0,
                network: self.network as u16,
                kind,
                tags: self.tag.is_some().into(),
                end,
            },
            length,
        )
    }

    /// The bytes above the IP header, without padding.
    pub(super) fn upper(&self) -> &'f [u8] {
        let upper = self.ip().and_then(|ip| self.bytes.get(ip.transport..ip.end));
        upper.unwrap_or_default()
    }

    /// The datagram, without padding.
    pub(super) fn datagram(&self) -> &'f [u8] {
        let datagram = self.ip().and_then(|ip| self.bytes.get(self.network..ip.end));
        datagram.unwrap_or_default()
    }

    pub(super) fn arp(&self) -> Option<&'f ArpPacket> {
        ArpPacket::at(self.bytes, self.network)
    }

    /// Type of a message of neighbour discovery.
    pub(super) fn nd(&self) -> Option<u8> {
        let ip = self.ip()?;
        let is_icmp = ip.protocol == ip::ICMPV6 && matches!(ip.source, IpAddress::Ipv6(_));
        let kind = self.upper().first().copied().filter(|kind| nd::TYPES.contains(kind));
        kind.filter(|_| is_icmp && !ip.fragment)
    }

    /// What names its conversation.
    pub(super) fn headers(&self) -> Option<Headers> {
        let Ip { source, destination, protocol, fragment, .. } = *self.ip()?;
        let has_ports = !fragment && [ip::TCP, ip::UDP].contains(&protocol);
        let ports = self.upper().first_chunk::<4>().filter(|_| has_ports);
        let (source_port, destination_port) = ports.map_or((0, 0), |[a, b, c, d]| {
            (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]))
        });
        Some(Headers { source, destination, protocol, source_port, destination_port })
    }
}

fn ipv4(bytes: &[u8], network: usize) -> Carried {
    let Some(header) = Ipv4Header::at(bytes, network) else {
        return Carried::BadIp { source: None };
    };
    let source = header.source().into();
    let found = parse_ipv4(bytes, network).ok().filter(|found| {
        let header = bytes.get(network..found.payload);
        header.is_some_and(|header| Checksum::new().bytes(header).is_valid())
    });
    let Some(found) = found else { return Carried::BadIp { source: Some(source) } };
    Carried::Ip(Ip::new((source, header.destination().into()), header.ttl(), &found))
}

fn ipv6(bytes: &[u8], network: usize) -> Carried {
    let Some(header) = Ipv6Header::at(bytes, network) else {
        return Carried::BadIp { source: None };
    };
    let source = header.source().into();
    let Ok(found) = parse_ipv6(bytes, network) else {
        return Carried::BadIp { source: Some(source) };
    };
    Carried::Ip(Ip::new((source, header.destination().into()), header.hop_limit(), &found))
}

/// What a tunnel says of the frame that it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The network's id.
    pub vni: u32,
    /// Where the frame begins.
    pub(super) start: u16,
    /// Where it ends.
    pub(super) end: u16,
}

impl Arrival {
    pub(super) fn carried(self, frame: &[u8]) -> Option<&[u8]> {
        frame.get(self.start.into()..self.end.into())
    }
}

/// Takes a frame from the underlay apart. Checks in wire order; what is behind the outer IP or UDP
/// datagram is cut.
pub(super) fn decapsulate(bytes: &[u8]) -> Result<(Arrival, Edges), DropReason> {
    let outer = EthernetHeader::at(bytes, 0_usize).ok_or(DropReason::Truncated)?;
    if VlanTag::is_tpid(outer.ethertype()) {
        return Err(DropReason::VlanPresent);
    }
    let network = (outer.ethertype(), EthernetHeader::LEN);
    let least = UdpHeader::LEN + VxlanHeader::LEN;
    let datagram = Datagram::new(bytes, network, port::VXLAN, least)?;
    let start = datagram.start + UdpHeader::LEN;
    let vxlan = VxlanHeader::at(datagram.bytes, start).ok_or(DropReason::BadUdp)?;
    if !vxlan.has_vni() {
        return Err(DropReason::BadVxlan);
    }
    let (start, end) = ((start + VxlanHeader::LEN) as u16, datagram.bytes.len() as u16);
    let edges = Edges::of_ethernet(bytes.len() as u16).carrying(start, end);
    Ok((Arrival { vni: vxlan.vni(), start, end }, edges.ok_or(DropReason::Truncated)?))
}
