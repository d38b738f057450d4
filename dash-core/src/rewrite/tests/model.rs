//! A naive model: frames as lists of fields, built from scratch before and after the change.
//! It shares no code with what it checks.

extern crate std;

use std::vec::Vec;

use crate::rewrite::{Endpoints, Flags, Outcome, Rewrite, Tunnel};
use crate::wire::{Edge, Edges, Network};
use smoltcp::wire::EthernetAddress;

/// RFC 1071, word by word.
pub(super) fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
        if sum > 0xffff {
            sum -= 0xffff;
        }
    }
    !(sum as u16)
}

/// The network header of a frame, and what follows it.
#[derive(Clone, Debug)]
pub(super) enum Body {
    V4 { tos: u8, id: u16, ttl: u8, options: u8, addresses: [u8; 8], payload: Vec<u8> },
    V6 { class: u8, hops: u8, addresses: [u8; 32], payload: Vec<u8> },
    Other { payload: Vec<u8> },
}

/// One Ethernet frame. `padding` lies behind the IP datagram, if there is one.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub macs: [u8; 12],
    pub tags: Vec<[u8; 4]>,
    pub body: Body,
    pub padding: Vec<u8>,
}

/// What surrounds a frame in a tunnel as received.
#[derive(Clone, Debug)]
pub(super) struct Wrapping {
    pub v6: bool,
    pub tos: u8,
    pub options: u8,
    /// Bytes of the IP datagram behind the UDP datagram.
    pub slack: Vec<u8>,
    /// Bytes behind the IP datagram.
    pub trailer: Vec<u8>,
}

pub(super) fn ipv4(tos: u8, id: u16, ttl: u8, protocol: u8, rest: (u8, &[u8], &[u8])) -> Vec<u8> {
    let (options, addresses, payload) = rest;
    let header = 20 + 4 * usize::from(options);
    let mut bytes = std::vec![0x45 + options, tos];
    bytes.extend(((header + payload.len()) as u16).to_be_bytes());
    bytes.extend(id.to_be_bytes());
    bytes.extend([0, 0, ttl, protocol, 0, 0]);
    bytes.extend(addresses);
    bytes.resize(header, 1);
    let sum = checksum(&bytes);
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    bytes.extend(payload);
    bytes
}

pub(super) fn ipv6(class: u8, hops: u8, next: u8, (addresses, payload): (&[u8], &[u8])) -> Vec<u8> {
    let mut bytes = std::vec![0x60 | class >> 4, class << 4, 0, 0];
    bytes.extend((payload.len() as u16).to_be_bytes());
    bytes.extend([next, hops]);
    bytes.extend(addresses);
    bytes.extend(payload);
    bytes
}

pub(super) fn udp_vxlan(source_port: u16, vni: u32, frame: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [source_port, 4789, 16 + frame.len() as u16, 0, 0x0800, 0] {
        bytes.extend(word.to_be_bytes());
    }
    bytes.extend(&vni.to_be_bytes()[1..]);
    bytes.push(0);
    bytes.extend(frame);
    bytes
}

impl Body {
    pub(super) fn is_ip(&self) -> bool {
        !matches!(self, Self::Other { .. })
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::V4 { tos, id, ttl, options, addresses, payload } => {
                ipv4(*tos, *id, *ttl, 253, (*options, addresses, payload))
            }
            Self::V6 { class, hops, addresses, payload } => {
                ipv6(*class, *hops, 253, (addresses, payload))
            }
            Self::Other { payload } => payload.clone(),
        }
    }

    fn tos(&self) -> u8 {
        match self {
            Self::V4 { tos, .. } | Self::V6 { class: tos, .. } => *tos,
            Self::Other { .. } => 0,
        }
    }

    fn kind(&self) -> (Network, u16) {
        match self {
            Self::V4 { .. } => (Network::Ipv4, 0x0800),
            Self::V6 { .. } => (Network::Ipv6, 0x86dd),
            Self::Other { .. } => (Network::Other, 0x88b5),
        }
    }
}

impl Frame {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.macs.to_vec();
        bytes.extend(self.tags.as_flattened());
        bytes.extend(self.body.kind().1.to_be_bytes());
        bytes.extend(self.body.bytes());
        bytes.extend(&self.padding);
        bytes
    }

    /// Where this frame begins and ends at offset `at`.
    pub(super) fn edge(&self, at: usize) -> Edge {
        let network = at + 14 + 4 * self.tags.len();
        let padding = if self.body.is_ip() { 0 } else { self.padding.len() };
        let end = network + self.body.bytes().len() + padding;
        Edge {
            ethernet: at as u16,
            network: network as u16,
            end: end as u16,
            kind: self.body.kind().0,
            tags: self.tags.len() as u8,
        }
    }

    /// The edges of this frame alone.
    pub(super) fn edges(&self) -> Edges {
        let outermost = self.edge(0);
        let length = self.bytes().len() as u16;
        Edges {
            outermost,
            payload_end: outermost.end,
            length,
            dscp: self.body.tos() / 4,
            ..Edges::default()
        }
    }
}

impl Wrapping {
    /// The received frame and the offset of the frame inside.
    pub(super) fn wrap(&self, inner: &[u8]) -> (Vec<u8>, usize) {
        let mut payload = udp_vxlan(0x1234, 77, inner);
        payload.extend(&self.slack);
        let mut bytes = std::vec![0xaa; 12];
        if self.v6 {
            bytes.extend([0x86, 0xdd]);
            bytes.extend(ipv6(self.tos, 9, 17, (&[3; 32], &payload)));
        } else {
            bytes.extend([8, 0]);
            bytes.extend(ipv4(self.tos, 5, 9, 17, (self.options, &[3; 8], &payload)));
        }
        bytes.extend(&self.trailer);
        (bytes, 14 + self.ip_header() + 16)
    }

    fn ip_header(&self) -> usize {
        if self.v6 { 40 } else { 20 + 4 * usize::from(self.options) }
    }

    /// The edges of the received frame, with `frame` in it.
    pub(super) fn edges(&self, frame: &Frame) -> Edges {
        let (bytes, at) = self.wrap(&frame.bytes());
        let kind = if self.v6 { Network::Ipv6 } else { Network::Ipv4 };
        let end = (bytes.len() - self.trailer.len()) as u16;
        Edges {
            outermost: Edge { ethernet: 0, network: 14, end, kind, tags: 0 },
            inner: frame.edge(at),
            payload_end: end - self.slack.len() as u16,
            length: bytes.len() as u16,
            dscp: self.tos / 4,
        }
    }
}

/// What `rewrite` makes of `frame`, wrapped as in `wrapping` (or not), with `headroom` in front:
/// the frame and its headroom, or why not.
pub(super) fn expected(
    rewrite: &Rewrite,
    wrapping: Option<&Wrapping>,
    frame: &Frame,
    headroom: usize,
    mtu: u16,
) -> Result<(Vec<u8>, usize), Outcome> {
    let has = |flag| rewrite.flags.contains(flag);
    if let (Some(wrapping), false) = (wrapping, has(Flags::POP_OUTER)) {
        // The wrapped frame is a frame without tags whose body is opaque but for its TTL.
        let payload = [udp_vxlan(0x1234, 77, &frame.bytes()), wrapping.slack.clone()].concat();
        let body = wrapping.body(payload);
        let whole =
            Frame { macs: [0xaa; 12], tags: Vec::new(), body, padding: wrapping.trailer.clone() };
        return change(rewrite, &whole, wrapping.tos, 17, headroom, mtu);
    }
    let tos = wrapping.map_or(frame.body.tos(), |wrapping| wrapping.tos);
    let freed = wrapping.map_or(0, |wrapping| wrapping.wrap(&[]).1);
    change(rewrite, frame, tos, 253, headroom + freed, mtu)
}

impl Wrapping {
    fn body(&self, payload: Vec<u8>) -> Body {
        if self.v6 {
            Body::V6 { class: self.tos, hops: 9, addresses: [3; 32], payload }
        } else {
            let (tos, options) = (self.tos, self.options);
            Body::V4 { tos, id: 5, ttl: 9, options, addresses: [3; 8], payload }
        }
    }
}

/// As [`expected`], for the frame that is left. `tos` is that of the outermost header as received.
fn change(
    rewrite: &Rewrite,
    frame: &Frame,
    tos: u8,
    protocol: u8,
    room: usize,
    mtu: u16,
) -> Result<(Vec<u8>, usize), Outcome> {
    let has = |flag| rewrite.flags.contains(flag);
    let before = frame.bytes().len() - frame.padding.len();
    let mut frame = frame.clone();
    if has(Flags::TRIM) && frame.body.is_ip() {
        frame.padding.clear();
    }
    if has(Flags::POP_VLAN) && !frame.tags.is_empty() {
        frame.tags.remove(0);
    }
    if has(Flags::PUSH_VLAN) {
        let tci = rewrite.vlan.to_be_bytes();
        frame.tags.insert(0, [0x81, 0, tci[0], tci[1]]);
    }
    if has(Flags::SOURCE_MAC) {
        frame.macs[6..].copy_from_slice(&EthernetAddress::from(rewrite.source_mac).0);
    }
    if has(Flags::DESTINATION_MAC) {
        frame.macs[..6].copy_from_slice(&EthernetAddress::from(rewrite.destination_mac).0);
    }
    if has(Flags::TTL)
        && let Body::V4 { ttl, .. } | Body::V6 { hops: ttl, .. } = &mut frame.body
    {
        if *ttl < 2 {
            return Err(Outcome::Ttl);
        }
        *ttl -= 1;
    }
    let grown = frame.bytes().len() - frame.padding.len();
    let mut bytes = frame.bytes();
    with_protocol(&mut bytes, &frame, protocol);
    let mut payload = bytes.len() - 14 - 4 * frame.tags.len();
    let mut outer = 0;
    if has(Flags::PUSH_OUTER) {
        let tunnel = &rewrite.tunnel.tunnel();
        let tos = if has(Flags::COPY_DSCP) { tos / 4 * 4 } else { tunnel.tos };
        outer = if matches!(tunnel.endpoints, Endpoints::V4 { .. }) { 50 } else { 70 };
        outer += if tunnel.geneve.is_some() { 8 } else { 0 };
        payload = outer - 14 + bytes.len();
        if payload <= 0xffff {
            bytes = encapsulate(tunnel, tos, &bytes);
        }
    }
    if payload > usize::from(mtu) {
        return Err(Outcome::TooBig);
    }
    let left = (room + before).checked_sub(grown + outer).ok_or(Outcome::NoRoom)?;
    Ok((bytes, left))
}

/// Bodies are built with protocol 253; a wrapped frame's is UDP.
fn with_protocol(bytes: &mut [u8], frame: &Frame, protocol: u8) {
    let network = 14 + 4 * frame.tags.len();
    match &frame.body {
        Body::V4 { options, .. } => {
            bytes[network + 9] = protocol;
            bytes[network + 10..network + 12].fill(0);
            let sum = checksum(&bytes[network..network + 20 + 4 * usize::from(*options)]);
            bytes[network + 10..network + 12].copy_from_slice(&sum.to_be_bytes());
        }
        Body::V6 { .. } => bytes[network + 6] = protocol,
        Body::Other { .. } => {}
    }
}

/// `frame` in `tunnel`, from scratch.
pub(super) fn encapsulate(tunnel: &Tunnel, tos: u8, frame: &[u8]) -> Vec<u8> {
    let mut bytes = [tunnel.destination_mac.0, tunnel.source_mac.0].concat();
    let mut payload = udp_vxlan(tunnel.source_port, tunnel.vni, frame);
    if let Some(option) = tunnel.geneve {
        let length = (payload.len() as u16 + 8).to_be_bytes();
        payload[2..4].copy_from_slice(&6081_u16.to_be_bytes());
        payload[4..6].copy_from_slice(&length);
        payload[8..12].copy_from_slice(&[2, option.kind >> 7 << 6, 0x65, 0x58]);
        let class = option.class.to_be_bytes();
        let words = [[class[0], class[1], option.kind, 1], option.data.to_be_bytes()];
        payload.splice(16..16, words.concat());
    }
    match tunnel.endpoints {
        Endpoints::V4 { source, destination } => {
            let addresses = [source.octets(), destination.octets()].concat();
            bytes.extend([0x08, 0x00]);
            let rest = (0, &addresses[..], &payload[..]);
            let mut packet = ipv4(tos, tunnel.identification, tunnel.ttl, 17, rest);
            if tunnel.dont_fragment {
                packet[6] = 0x40;
                packet[10..12].fill(0);
                let sum = checksum(&packet[..20]);
                packet[10..12].copy_from_slice(&sum.to_be_bytes());
            }
            bytes.extend(packet);
        }
        Endpoints::V6 { source, destination } => {
            let addresses = [source.octets(), destination.octets()].concat();
            bytes.extend([0x86, 0xdd]);
            bytes.extend(ipv6(tos, tunnel.ttl, 17, (&addresses, &payload)));
        }
    }
    bytes
}
