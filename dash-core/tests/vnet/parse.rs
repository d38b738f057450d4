//! A naive parser: sections 0.2 and 1.2, one header after the other, on slices.
//!
//! Of several faults in one frame the specification does not say which one counts. Here: first
//! what makes a header unreadable, in reading order; then what this slice refuses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::frame::{Arrival, Mac, TCP, UDP, VXLAN_PORT};

/// The library's own bound on IPv6 extension headers.
const EXTENSION_HEADERS: usize = 8;

#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts of a header, each by itself")]
pub(crate) struct Ip {
    pub addresses: Option<(IpAddr, IpAddr)>,
    pub tos: u8,
    pub protocol: u8,
    pub ports: (u16, u16),
    pub tcp_flags: u8,
    pub fragment: bool,
    /// A fragment that does not begin with the transport header.
    pub later_fragment: bool,
    /// Whether others follow.
    pub more_fragments: bool,
    /// Of a fragment: identification, and the protocol that all of the datagram name.
    pub datagram: (u32, u8),
    /// Of a fragment: where it begins, in units of 8 bytes.
    pub fragment_offset: u16,
    /// Whether there is a whole header of TCP or UDP.
    pub has_ports: bool,
    pub options: bool,
    pub extensions: bool,
    /// Header and payload, without what lies behind.
    pub length: usize,
    /// Payload of UDP.
    udp_payload: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Parsed {
    /// VLAN tags, in the bytes or taken off by the NIC.
    pub tagged: bool,
    pub outer: Ip,
    pub tunnel: Option<Inner>,
}

#[derive(Clone, Debug)]
pub(crate) struct Inner {
    pub vni: u32,
    pub destination_mac: Mac,
    pub source_mac: Mac,
    /// `None`: neither IPv4 nor IPv6.
    pub ip: Option<Ip>,
    /// The customer frame; cut behind its IP packet.
    pub frame: Vec<u8>,
    /// Bytes in front of the customer frame.
    pub offset: usize,
}

type Fault = &'static str;

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn mac(bytes: &[u8], at: usize) -> Mac {
    bytes[at..at + 6].try_into().unwrap()
}

pub(crate) fn parse(arrival: &Arrival) -> Result<Parsed, Fault> {
    if arrival.truncated {
        return Err("parse.truncated_capture");
    }
    let bytes = &arrival.bytes[..];
    if bytes.len() > 65_535 {
        return Err("parse.frame_too_long");
    }
    if bytes.len() < 14 {
        return Err("parse.ethernet_truncated");
    }
    let (mut ethertype, mut at, mut tags) = (word(bytes, 12), 14, 0);
    while matches!(ethertype, 0x8100 | 0x88a8) && tags < 2 {
        if bytes.len() < at + 4 {
            return Err("parse.vlan_truncated");
        }
        ethertype = word(bytes, at + 2);
        at += 4;
        tags += 1;
    }
    let outer = ip(ethertype, &bytes[at..])?.unwrap_or_default();
    let mut tunnel = None;
    if outer.ports.1 == VXLAN_PORT
        && let Some(payload) = &outer.udp_payload
    {
        tunnel = Some(vxlan(payload, bytes, at)?);
    }
    if ethertype == 0x876d {
        return Err("parse.dash_metadata");
    }
    if outer.fragment {
        return Err("parse.outer_fragment");
    }
    if outer.extensions {
        return Err("parse.outer_extension");
    }
    if tunnel.as_ref().is_some_and(|inner| inner.ip.as_ref().is_some_and(|ip| ip.options)) {
        return Err("parse.inner_options");
    }
    Ok(Parsed { tagged: tags > 0 || arrival.stripped_vlan.is_some(), outer, tunnel })
}

fn vxlan(payload: &[u8], frame: &[u8], network: usize) -> Result<Inner, Fault> {
    if payload.len() < 8 {
        return Err("parse.vxlan_truncated");
    }
    if payload[0] & 0x08 == 0 {
        return Err("parse.vxlan_flags");
    }
    let vni = u32::from(payload[4]) << 16 | u32::from(payload[5]) << 8 | u32::from(payload[6]);
    let inner = &payload[8..];
    if inner.len() < 14 {
        return Err("parse.inner_ethernet_truncated");
    }
    let ip = ip(word(inner, 12), &inner[14..])?;
    let length = ip.as_ref().map_or(inner.len(), |ip| 14 + ip.length);
    let header = if frame[network] >> 4 == 6 { 40 } else { 4 * usize::from(frame[network] & 15) };
    Ok(Inner {
        vni,
        destination_mac: mac(inner, 0),
        source_mac: mac(inner, 6),
        ip,
        frame: inner[..length].to_vec(),
        offset: network + header + 16,
    })
}

fn ip(ethertype: u16, bytes: &[u8]) -> Result<Option<Ip>, Fault> {
    match ethertype {
        0x0800 => ipv4(bytes).map(Some),
        0x86dd => ipv6(bytes).map(Some),
        _ => Ok(None),
    }
}

fn ipv4(bytes: &[u8]) -> Result<Ip, Fault> {
    if bytes.len() < 20 {
        return Err("parse.ipv4_truncated");
    }
    if bytes[0] >> 4 != 4 {
        return Err("parse.ipv4_version");
    }
    let header = 4 * usize::from(bytes[0] & 15);
    if header < 20 {
        return Err("parse.ipv4_header_length");
    }
    if header > bytes.len() {
        return Err("parse.ipv4_options_truncated");
    }
    let length = usize::from(word(bytes, 2));
    if length < header {
        return Err("parse.ipv4_total_length_short");
    }
    if length > bytes.len() {
        return Err("parse.ipv4_total_length");
    }
    let address =
        |at: usize| IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(&bytes[at..at + 4]).unwrap()));
    let mut ip = Ip {
        addresses: Some((address(12), address(16))),
        tos: bytes[1],
        protocol: bytes[9],
        fragment: word(bytes, 6) & 0x3fff != 0,
        later_fragment: word(bytes, 6) & 0x1fff != 0,
        more_fragments: word(bytes, 6) & 0x2000 != 0,
        datagram: (word(bytes, 4).into(), bytes[9]),
        fragment_offset: word(bytes, 6) & 0x1fff,
        options: header > 20,
        length,
        ..Ip::default()
    };
    upper(&mut ip, &bytes[header..length], false)?;
    Ok(ip)
}

fn ipv6(bytes: &[u8]) -> Result<Ip, Fault> {
    if bytes.len() < 40 {
        return Err("parse.ipv6_truncated");
    }
    if bytes[0] >> 4 != 6 {
        return Err("parse.ipv6_version");
    }
    let length = 40 + usize::from(word(bytes, 4));
    if length > bytes.len() {
        return Err("parse.ipv6_payload_length");
    }
    let address =
        |at: usize| IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[at..at + 16]).unwrap()));
    let mut ip = Ip {
        addresses: Some((address(8), address(24))),
        tos: bytes[0] << 4 | bytes[1] >> 4,
        protocol: bytes[6],
        length,
        ..Ip::default()
    };
    let (mut at, mut count) = (40, 0);
    while matches!(ip.protocol, 0 | 43 | 44 | 60) && !ip.later_fragment {
        if count == EXTENSION_HEADERS {
            return Err("parse.ipv6_extension_count");
        }
        count += 1;
        ip.extensions = true;
        if length < at + 8 {
            return Err("parse.ipv6_extension_truncated");
        }
        let size = if ip.protocol == 44 {
            let field = word(bytes, at + 2);
            ip.fragment |= field & 0xfff9 != 0;
            ip.later_fragment = field & 0xfff8 != 0;
            if field & 0xfff9 != 0 && ip.datagram == (0, 0) {
                let id = u32::from(word(bytes, at + 4)) << 16 | u32::from(word(bytes, at + 6));
                ip.datagram = (id, bytes[at]);
                ip.fragment_offset = field >> 3;
                ip.more_fragments = field & 1 != 0;
            }
            8
        } else {
            8 * (usize::from(bytes[at + 1]) + 1)
        };
        if length < at + size {
            return Err("parse.ipv6_extension_truncated");
        }
        ip.protocol = bytes[at];
        at += size;
    }
    upper(&mut ip, &bytes[at..length], true)?;
    Ok(ip)
}

/// The transport header. That of a first fragment, when it is whole, must make sense by itself; its
/// lengths are those of the whole datagram.
fn upper(ip: &mut Ip, bytes: &[u8], v6: bool) -> Result<(), Fault> {
    let fragment = ip.fragment;
    let cut = |fault: Fault| if fragment { Ok(()) } else { Err(fault) };
    if ip.later_fragment {
        return Ok(());
    }
    match ip.protocol {
        UDP => {
            if bytes.len() < 8 {
                return cut("parse.udp_truncated");
            }
            let length = usize::from(word(bytes, 4));
            if length < 8 {
                return Err("parse.udp_length_short");
            }
            if length > bytes.len() && !fragment {
                return Err("parse.udp_length");
            }
            ip.ports = (word(bytes, 0), word(bytes, 2));
            ip.has_ports = true;
            // A tunnel is not looked for in a fragment.
            ip.udp_payload = (!fragment).then(|| bytes[8..length].to_vec());
        }
        TCP => {
            if bytes.len() < 20 {
                return cut("parse.tcp_truncated");
            }
            let header = 4 * usize::from(bytes[12] >> 4);
            if header < 20 {
                return Err("parse.tcp_data_offset");
            }
            if header > bytes.len() && !fragment {
                return Err("parse.tcp_options_truncated");
            }
            ip.ports = (word(bytes, 0), word(bytes, 2));
            ip.has_ports = true;
            ip.tcp_flags = bytes[13];
        }
        1 if !v6 && bytes.len() < 4 => return cut("parse.icmpv4_truncated"),
        58 if v6 && bytes.len() < 4 => return cut("parse.icmpv6_truncated"),
        _ => {}
    }
    Ok(())
}
