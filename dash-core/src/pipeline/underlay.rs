//! The outer headers of a frame that came through a tunnel over UDP and IPv4, checked in the order
//! of their bytes: the first check that fails counts.
//!
//! A total length beyond the frame is therefore found before what is missing behind the IPv4 header:
//! only a frame cut within a header that nothing earlier is wrong with is [`Fault::Truncated`].

use smoltcp::wire::Ipv4Address;

use crate::wire::{
    Header, LayerFlags, ParseError,
    checksum::Checksum,
    ethernet::EthernetHeader,
    ipv4::Ipv4Header,
    parse_ipv4,
    protocol::{ethertype, ip},
    udp::UdpHeader,
    vlan::VlanTag,
};

/// Why a frame brings no datagram of the tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It ends before a header does.
    Truncated,
    /// Not UDP over IPv4, a fragment, or another destination port.
    Other,
    /// The IPv4 header is impossible, or its checksum wrong.
    Ip,
    /// The UDP length is impossible.
    Udp,
    /// The UDP checksum is wrong.
    Checksum,
}

impl From<ParseError> for Fault {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::Ipv4Truncated | ParseError::Ipv4OptionsTruncated => Self::Truncated,
            _ => Self::Ip,
        }
    }
}

/// The ethertype of a frame with one tag at most, and where what follows begins. `None`: it ends
/// before.
pub(super) fn ethertype(bytes: &[u8]) -> Option<(u16, usize)> {
    let ethertype = EthernetHeader::at(bytes, 0_usize)?.ethertype();
    if !VlanTag::is_tpid(ethertype) {
        return Some((ethertype, EthernetHeader::LEN));
    }
    let tag = VlanTag::at(bytes, EthernetHeader::LEN)?;
    Some((tag.ethertype(), EthernetHeader::LEN + VlanTag::LEN))
}

/// A datagram of the tunnel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Datagram<'f> {
    pub(super) source: Ipv4Address,
    pub(super) destination: Ipv4Address,
    pub(super) udp: &'f UdpHeader,
    /// Where its UDP header begins.
    pub(super) start: usize,
    /// Bytes up to its end. What lies behind, and behind the IP datagram, is no part of it.
    pub(super) bytes: &'f [u8],
}

impl<'f> Datagram<'f> {
    /// The datagram to `port`, of `least` bytes at least, in the frame `bytes` whose ethertype and
    /// what follows are `kind` and `network`.
    pub(super) fn new(
        bytes: &'f [u8],
        (kind, network): (u16, usize),
        port: u16,
        least: usize,
    ) -> Result<Self, Fault> {
        if kind != ethertype::IPV4 {
            return Err(Fault::Other);
        }
        let outer = parse_ipv4(bytes, network)?;
        let header = bytes.get(network..outer.payload).ok_or(Fault::Truncated)?;
        let addresses = Ipv4Header::at(header, 0_usize).ok_or(Fault::Truncated)?;
        let (source, destination) = (addresses.source(), addresses.destination());
        if !Checksum::new().bytes(header).is_valid() {
            return Err(Fault::Ip);
        }
        if outer.protocol != ip::UDP || outer.flags.contains(LayerFlags::FRAGMENT) {
            return Err(Fault::Other);
        }
        let payload = bytes.get(outer.payload..outer.end).ok_or(Fault::Ip)?;
        let udp = UdpHeader::at(payload, 0_usize).ok_or(Fault::Truncated)?;
        if udp.destination_port() != port {
            return Err(Fault::Other);
        }
        let length = udp.length();
        let datagram = payload.get(..length.into()).filter(|datagram| datagram.len() >= least);
        let datagram = datagram.ok_or(Fault::Udp)?;
        let pseudo = Checksum::new().pseudo_ipv4(source, destination, ip::UDP, length);
        if udp.checksum() != 0 && !pseudo.bytes(datagram).is_valid() {
            return Err(Fault::Checksum);
        }
        let end = outer.payload + datagram.len();
        let bytes = bytes.get(..end).ok_or(Fault::Udp)?;
        Ok(Self { source, destination, udp, start: outer.payload, bytes })
    }
}
