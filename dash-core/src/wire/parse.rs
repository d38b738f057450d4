//! One bounded pass over a frame: at most three layers, two tags, and in each layer
//! [`MAX_EXTENSION_HEADERS`](super::ipv6::MAX_EXTENSION_HEADERS) extension headers.
use super::ethernet::EthernetHeader;
use super::geneve::{GeneveHeader, GeneveOptions};
use super::gre::{GreHeader, NvgreHeader};
use super::icmpv4::Icmpv4Header;
use super::icmpv6::Icmpv6Header;
use super::ipv4::Ipv4Header;
use super::ipv6::{self, Ipv6Header};
use super::protocol::{ethertype, ip};
use super::tcp::TcpHeader;
use super::udp::UdpHeader;
use super::vlan::{MAX_TAGS, VlanTag};
use super::vxlan::VxlanHeader;
use super::{Header, Layer, LayerFlags, Layout, Network, ParseError, Profile, Tunnel, TunnelKind};

/// Longest frame in bytes: offsets have 16 bits.
pub const MAX_FRAME: usize = 65_535;

/// Finds the headers of `frame`.
///
/// # Errors
/// One [`ParseError`] for each way in which the frame is malformed.
// The layers are values until the layout is written, once: to fill a layout in place costs wide
// loads of fields just stored, a quarter of the pass.
pub fn parse(frame: &[u8], profile: &Profile) -> Result<Layout, ParseError> {
    if frame.len() > MAX_FRAME {
        return Err(ParseError::FrameTooLong);
    }
    let outer = parse_outer(frame)?;
    let Some((first, bytes, start)) = find_tunnel(frame, &outer, profile, 0)? else {
        let layers = [outer, Layer::NONE, Layer::NONE];
        return Ok(Layout { layers, tunnels: [Tunnel::NONE; 2], depth: 0 });
    };
    let middle = parse_inner(bytes, start)?;
    let Some((second, bytes, start)) = find_tunnel(bytes, &middle, profile, 1)? else {
        let layers = [outer, middle, Layer::NONE];
        return Ok(Layout { layers, tunnels: [first, Tunnel::NONE], depth: 1 });
    };
    let inner = parse_inner(bytes, start)?;
    Ok(Layout { layers: [outer, middle, inner], tunnels: [first, second], depth: 2 })
}

/// The outermost layer: Ethernet and its tags.
#[inline]
fn parse_outer(bytes: &[u8]) -> Result<Layer, ParseError> {
    let ethernet = EthernetHeader::at(bytes, 0_usize).ok_or(ParseError::EthernetTruncated)?;
    let mut ethertype = ethernet.ethertype();
    let mut network = EthernetHeader::LEN;
    let mut tags = 0;
    while VlanTag::is_tpid(ethertype) && tags < MAX_TAGS {
        let tag = VlanTag::at(bytes, network).ok_or(ParseError::VlanTruncated)?;
        ethertype = tag.ethertype();
        network += VlanTag::LEN;
        tags += 1;
    }
    let layer = parse_network(bytes, network, ethertype)?;
    Ok(Layer { tags, ..layer })
}

/// The layer behind an encapsulation, `start` bytes into the frame; tags are not walked.
#[inline(always)]
fn parse_inner(bytes: &[u8], start: usize) -> Result<Layer, ParseError> {
    let ethernet = EthernetHeader::at(bytes, start).ok_or(ParseError::InnerEthernetTruncated)?;
    let layer = parse_network(bytes, start + EthernetHeader::LEN, ethernet.ethertype())?;
    Ok(Layer { ethernet: start as u16, ..layer })
}

/// The layer from its network header on, `network` bytes into the frame.
#[inline(always)]
fn parse_network(bytes: &[u8], network: usize, ethertype: u16) -> Result<Layer, ParseError> {
    let ip = match ethertype {
        ethertype::IPV4 => parse_ipv4(bytes, network)?,
        ethertype::IPV6 => parse_ipv6(bytes, network)?,
        _ => {
            let end = bytes.len() as u16;
            let kind = if ethertype == ethertype::ARP { Network::Arp } else { Network::Other };
            let network = network as u16;
            return Ok(Layer { ethertype, network, transport: end, end, kind, ..Layer::default() });
        }
    };
    let upper = parse_upper(bytes.get(..ip.end).unwrap_or(bytes), &ip)?;
    Ok(Layer {
        ethernet: 0,
        ethertype,
        network: network as u16,
        transport: upper as u16,
        end: ip.end as u16,
        tags: 0,
        protocol: ip.protocol,
        kind: ip.kind,
        flags: ip.flags,
    })
}

/// What an IP header and its extension headers say.
pub(crate) struct Ip {
    pub(crate) kind: Network,
    pub(crate) flags: LayerFlags,
    pub(crate) protocol: u8,
    /// Offset of the upper-layer header.
    pub(crate) payload: usize,
    /// Offset one past the datagram, which is within the bytes.
    pub(crate) end: usize,
}

/// The IPv4 header `network` bytes into `bytes`, and its options.
#[inline(always)]
pub(crate) fn parse_ipv4(bytes: &[u8], network: usize) -> Result<Ip, ParseError> {
    let header = Ipv4Header::at(bytes, network).ok_or(ParseError::Ipv4Truncated)?;
    if header.version() != 4 {
        return Err(ParseError::Ipv4Version);
    }
    let header_len = usize::from(header.header_len());
    if header_len < Ipv4Header::LEN {
        return Err(ParseError::Ipv4HeaderLength);
    }
    let payload = network + header_len;
    if payload > bytes.len() {
        return Err(ParseError::Ipv4OptionsTruncated);
    }
    let total_len = usize::from(header.total_len());
    if total_len < header_len {
        return Err(ParseError::Ipv4TotalLengthShort);
    }
    let end = network + total_len;
    if end > bytes.len() {
        return Err(ParseError::Ipv4TotalLength);
    }
    let mut flags = LayerFlags::empty();
    if header_len > Ipv4Header::LEN {
        flags |= LayerFlags::OPTIONS;
    }
    if header.fragment_offset() != 0 {
        flags |= LayerFlags::FRAGMENT | LayerFlags::LATER_FRAGMENT;
    } else if header.more_fragments() {
        flags |= LayerFlags::FRAGMENT;
    }
    Ok(Ip { kind: Network::Ipv4, flags, protocol: header.protocol(), payload, end })
}

/// The IPv6 header `network` bytes into `bytes`, and its extension headers.
pub(crate) fn parse_ipv6(bytes: &[u8], network: usize) -> Result<Ip, ParseError> {
    let header = Ipv6Header::at(bytes, network).ok_or(ParseError::Ipv6Truncated)?;
    if header.version() != 6 {
        return Err(ParseError::Ipv6Version);
    }
    let payload = network + Ipv6Header::LEN;
    let end = payload + usize::from(header.payload_len());
    let packet = bytes.get(..end).ok_or(ParseError::Ipv6PayloadLength)?;
    let ipv6::Walk { protocol, offset, flags } = ipv6::walk(packet, header.next_header(), payload)?;
    Ok(Ip { kind: Network::Ipv6, flags, protocol, payload: offset, end })
}

/// The offset of the upper-layer header in `datagram`; where the datagram ends when it has none.
#[inline(always)]
pub(crate) fn parse_upper(datagram: &[u8], ip: &Ip) -> Result<usize, ParseError> {
    let here = ip.payload;
    let found = match (ip.protocol, ip.kind) {
        _ if ip.flags.contains(LayerFlags::LATER_FRAGMENT) => None,
        (ip::UDP, _) => parse_udp(datagram, ip)?,
        (ip::TCP, _) => parse_tcp(datagram, ip)?,
        (ip::ICMPV4, Network::Ipv4) => {
            whole::<Icmpv4Header>(datagram, ip, ParseError::Icmpv4Truncated)?.map(|_| here)
        }
        (ip::ICMPV6, Network::Ipv6) => {
            whole::<Icmpv6Header>(datagram, ip, ParseError::Icmpv6Truncated)?.map(|_| here)
        }
        (ip::NO_NEXT_HEADER, Network::Ipv6) => None,
        _ => Some(here),
    };
    Ok(found.unwrap_or(datagram.len()))
}

/// The upper-layer header; in a first fragment it may go on in the next: `None`.
#[inline]
fn whole<'a, H: Header>(
    datagram: &'a [u8],
    ip: &Ip,
    error: ParseError,
) -> Result<Option<&'a H>, ParseError> {
    let header = H::at(datagram, ip.payload);
    if header.is_none() && !ip.flags.contains(LayerFlags::FRAGMENT) {
        return Err(error);
    }
    Ok(header)
}

#[inline(always)]
fn parse_udp(datagram: &[u8], ip: &Ip) -> Result<Option<usize>, ParseError> {
    let Some(header) = whole::<UdpHeader>(datagram, ip, ParseError::UdpTruncated)? else {
        return Ok(None);
    };
    let length = usize::from(header.length());
    if length < UdpHeader::LEN {
        return Err(ParseError::UdpLengthShort);
    }
    // A first fragment carries the length of the whole datagram.
    if ip.payload + length > datagram.len() && !ip.flags.contains(LayerFlags::FRAGMENT) {
        return Err(ParseError::UdpLength);
    }
    Ok(Some(ip.payload))
}

fn parse_tcp(datagram: &[u8], ip: &Ip) -> Result<Option<usize>, ParseError> {
    let Some(header) = whole::<TcpHeader>(datagram, ip, ParseError::TcpTruncated)? else {
        return Ok(None);
    };
    let header_len = usize::from(header.header_len());
    if header_len < TcpHeader::LEN {
        return Err(ParseError::TcpDataOffset);
    }
    if ip.payload + header_len > datagram.len() && !ip.flags.contains(LayerFlags::FRAGMENT) {
        return Err(ParseError::TcpOptionsTruncated);
    }
    Ok(Some(ip.payload))
}

/// An encapsulation header, the bytes up to the end of the frame inside, and where that begins.
type Found<'a> = (Tunnel, &'a [u8], usize);

/// The encapsulation behind `layer`, number `index` from the outside, if the profile looks into it.
#[inline(always)]
fn find_tunnel<'a>(
    bytes: &'a [u8],
    layer: &Layer,
    profile: &Profile,
    index: u8,
) -> Result<Option<Found<'a>>, ParseError> {
    if index >= profile.tunnels || layer.flags.contains(LayerFlags::FRAGMENT) {
        return Ok(None);
    }
    let transport = usize::from(layer.transport);
    match layer.protocol {
        ip::UDP => {
            let udp = UdpHeader::at(bytes, transport).ok_or(ParseError::UdpTruncated)?;
            let port = Some(udp.destination_port());
            if port != profile.vxlan && port != profile.geneve {
                return Ok(None);
            }
            let end = transport + usize::from(udp.length());
            let bytes = bytes.get(..end).ok_or(ParseError::UdpLength)?;
            let offset = transport + UdpHeader::LEN;
            if port == profile.vxlan {
                find_vxlan(bytes, offset).map(Some)
            } else {
                find_geneve(bytes, offset).map(Some)
            }
        }
        ip::GRE if profile.nvgre => {
            let bytes = bytes.get(..layer.end.into()).unwrap_or(bytes);
            find_nvgre(bytes, transport)
        }
        _ => Ok(None),
    }
}

#[inline(always)]
fn find_vxlan(bytes: &[u8], offset: usize) -> Result<Found<'_>, ParseError> {
    let header = VxlanHeader::at(bytes, offset).ok_or(ParseError::VxlanTruncated)?;
    if !header.has_vni() {
        return Err(ParseError::VxlanFlags);
    }
    let tunnel = Tunnel { kind: TunnelKind::Vxlan, offset: offset as u16, vni: header.vni() };
    Ok((tunnel, bytes, offset + VxlanHeader::LEN))
}

fn find_geneve(bytes: &[u8], offset: usize) -> Result<Found<'_>, ParseError> {
    let header = GeneveHeader::at(bytes, offset).ok_or(ParseError::GeneveTruncated)?;
    if header.version() != 0 {
        return Err(ParseError::GeneveVersion);
    }
    if header.protocol() != ethertype::BRIDGED {
        return Err(ParseError::GeneveProtocol);
    }
    let start = offset + GeneveHeader::LEN;
    let end = start + usize::from(header.options_len());
    let options = bytes.get(start..end).ok_or(ParseError::GeneveOptionsTruncated)?;
    for option in GeneveOptions::new(options) {
        option?;
    }
    let tunnel = Tunnel { kind: TunnelKind::Geneve, offset: offset as u16, vni: header.vni() };
    Ok((tunnel, bytes, end))
}

fn find_nvgre(bytes: &[u8], offset: usize) -> Result<Option<Found<'_>>, ParseError> {
    let gre = GreHeader::at(bytes, offset).ok_or(ParseError::GreTruncated)?;
    if gre.protocol() != ethertype::BRIDGED {
        return Ok(None);
    }
    if gre.version() != 0 {
        return Err(ParseError::NvgreVersion);
    }
    if !gre.has_key() || gre.has_checksum() || gre.has_sequence() {
        return Err(ParseError::NvgreFlags);
    }
    let header = NvgreHeader::at(bytes, offset).ok_or(ParseError::NvgreTruncated)?;
    let tunnel = Tunnel { kind: TunnelKind::Nvgre, offset: offset as u16, vni: header.vsid() };
    Ok(Some((tunnel, bytes, offset + NvgreHeader::LEN)))
}
