//! Frames as tests describe them, and their bytes. Built on vectors and the header tables of the
//! specification; nothing of the library is used.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::parse::parse;

pub(crate) type Mac = [u8; 6];

pub(crate) const UDP: u8 = 17;
pub(crate) const TCP: u8 = 6;
pub(crate) const VXLAN_PORT: u16 = 4789;
pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const ACK: u8 = 0x10;
/// IPv4 flag "more fragments" as it stands in front of the fragment offset.
pub(crate) const MORE_FRAGMENTS: u16 = 0x2000;

/// What stands above IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upper {
    Udp(u16, u16),
    Tcp(u16, u16, u8),
    /// ICMP of the packet's family.
    Icmp,
    Other(u8),
}

/// An IP packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub source: IpAddr,
    pub destination: IpAddr,
    /// TOS or traffic class.
    pub tos: u8,
    pub ttl: u8,
    /// IPv4: identification.
    pub id: u16,
    /// IPv4: 32-bit words of options.
    pub options: u8,
    /// IPv4: flags and fragment offset.
    pub fragment: u16,
    /// IPv6: extension headers, by number; 44 is an atomic fragment.
    pub extensions: Vec<u8>,
    /// IPv6: adds a fragment header with this offset and these flags.
    pub fragment_v6: Option<u16>,
    pub upper: Upper,
    /// Bytes above the transport header.
    pub payload: Vec<u8>,
    /// Added to the IP length field, which then lies.
    pub length_error: i16,
    /// Added to the UDP length field, which then lies.
    pub udp_length_error: i16,
}

impl Packet {
    pub(crate) fn new(
        source: impl Into<IpAddr>,
        destination: impl Into<IpAddr>,
        upper: Upper,
    ) -> Self {
        Self {
            source: source.into(),
            destination: destination.into(),
            tos: 0,
            ttl: 64,
            id: 1,
            options: 0,
            fragment: 0,
            extensions: Vec::new(),
            fragment_v6: None,
            upper,
            payload: (0..16).collect(),
            length_error: 0,
            udp_length_error: 0,
        }
    }

    pub(crate) fn ethertype(&self) -> u16 {
        if self.source.is_ipv6() { 0x86dd } else { 0x0800 }
    }

    pub(crate) fn protocol(&self) -> u8 {
        match self.upper {
            Upper::Udp(..) => UDP,
            Upper::Tcp(..) => TCP,
            Upper::Icmp if self.source.is_ipv6() => 58,
            Upper::Icmp => 1,
            Upper::Other(number) => number,
        }
    }

    fn upper_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.upper {
            Upper::Udp(source, destination) => {
                bytes.extend(source.to_be_bytes());
                bytes.extend(destination.to_be_bytes());
                bytes.extend(length_field(8 + self.payload.len(), self.udp_length_error));
                bytes.extend([0, 0]);
            }
            Upper::Tcp(source, destination, flags) => {
                bytes.extend(source.to_be_bytes());
                bytes.extend(destination.to_be_bytes());
                bytes.extend([0, 0, 0, 1, 0, 0, 0, 2, 5 << 4, flags, 0x20, 0, 0, 0, 0, 0]);
            }
            Upper::Icmp => bytes.extend([8, 0, 0, 0, 0, 1, 0, 2]),
            Upper::Other(_) => {}
        }
        bytes.extend(&self.payload);
        bytes
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => self.ipv4(source, destination),
            (IpAddr::V6(source), IpAddr::V6(destination)) => self.ipv6(source, destination),
            _ => panic!("a packet has one family"),
        }
    }

    fn ipv4(&self, source: Ipv4Addr, destination: Ipv4Addr) -> Vec<u8> {
        let upper = self.upper_bytes();
        let header = 20 + 4 * usize::from(self.options);
        let mut bytes = vec![0x45 + self.options, self.tos];
        bytes.extend(length_field(header + upper.len(), self.length_error));
        bytes.extend(self.id.to_be_bytes());
        bytes.extend(self.fragment.to_be_bytes());
        bytes.extend([self.ttl, self.protocol(), 0, 0]);
        bytes.extend(source.octets());
        bytes.extend(destination.octets());
        // Option 1: no operation.
        bytes.resize(header, 1);
        let checksum = internet_checksum(&bytes);
        bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
        bytes.extend(upper);
        bytes
    }

    fn ipv6(&self, source: Ipv6Addr, destination: Ipv6Addr) -> Vec<u8> {
        // Behind the fixed header: (number, bytes without the next-header field).
        let mut chain: Vec<(u8, Vec<u8>)> = Vec::new();
        for extension in &self.extensions {
            chain.push((*extension, vec![0, 0, 0, 0, 0, 0, 0]));
        }
        if let Some(fragment) = self.fragment_v6 {
            let [high, low] = fragment.to_be_bytes();
            chain.push((44, vec![0, high, low, 0, 0, 0, 9]));
        }
        let mut numbers: Vec<u8> = chain.iter().map(|(number, _)| *number).collect();
        numbers.push(self.protocol());
        let upper = self.upper_bytes();
        let mut bytes = vec![0x60 | self.tos >> 4, self.tos << 4, 0, 0];
        bytes.extend(length_field(8 * chain.len() + upper.len(), self.length_error));
        bytes.extend([numbers[0], self.ttl]);
        bytes.extend(source.octets());
        bytes.extend(destination.octets());
        for (index, (_, rest)) in chain.iter().enumerate() {
            bytes.push(numbers[index + 1]);
            bytes.extend(rest);
        }
        bytes.extend(upper);
        bytes
    }
}

/// A length, or a lie about it.
fn length_field(length: usize, error: i16) -> [u8; 2] {
    (length as u16).wrapping_add_signed(error).to_be_bytes()
}

/// What a VM sends or receives, and the packet that carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tunnelled {
    /// Tags of the outer Ethernet header.
    pub tags: Vec<u16>,
    /// Outer packet; its payload is what follows here.
    pub outer: Packet,
    pub vxlan_flags: u8,
    pub vni: u32,
    pub customer: Customer,
    /// Bytes behind the outer packet.
    pub trailer: usize,
}

/// An Ethernet frame of a VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Customer {
    pub destination: Mac,
    pub source: Mac,
    pub tag: Option<u16>,
    /// Instead of the one of the packet.
    pub ethertype: Option<u16>,
    pub packet: Packet,
    /// Bytes behind the packet, inside the tunnel.
    pub padding: usize,
}

impl Customer {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.destination);
        bytes.extend(self.source);
        if let Some(tag) = self.tag {
            bytes.extend([0x81, 0]);
            bytes.extend(tag.to_be_bytes());
        }
        bytes.extend(self.ethertype.unwrap_or_else(|| self.packet.ethertype()).to_be_bytes());
        bytes.extend(self.packet.bytes());
        bytes.resize(bytes.len() + self.padding, 0xee);
        bytes
    }
}

impl Tunnelled {
    pub(crate) fn new(
        source: impl Into<IpAddr>,
        destination: impl Into<IpAddr>,
        vni: u32,
        customer: Customer,
    ) -> Self {
        Self {
            tags: Vec::new(),
            outer: Packet::new(source, destination, Upper::Udp(5555, VXLAN_PORT)),
            vxlan_flags: 0x08,
            vni,
            customer,
            trailer: 0,
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut outer = self.outer.clone();
        outer.payload = vec![self.vxlan_flags, 0, 0, 0];
        outer.payload.extend((self.vni << 8).to_be_bytes());
        outer.payload.extend(self.customer.bytes());
        let mut bytes = vec![0x0a, 0, 0, 0, 0, 1, 0x0a, 0, 0, 0, 0, 2];
        for tag in &self.tags {
            bytes.extend([0x81, 0]);
            bytes.extend(tag.to_be_bytes());
        }
        bytes.extend(outer.ethertype().to_be_bytes());
        bytes.extend(outer.bytes());
        bytes.resize(bytes.len() + self.trailer, 0xdd);
        bytes
    }
}

/// What the port says besides the bytes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub port: u16,
    pub bytes: Vec<u8>,
    pub headroom: usize,
    pub bad_l3: bool,
    pub bad_l4: bool,
    pub stripped_vlan: Option<u16>,
    pub truncated: bool,
}

/// What a reader of a failure wants: addresses and numbers if the frame has them, and the bytes.
impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n  port {} ", self.port)?;
        if let Ok(parsed) = parse(self) {
            write!(f, "outer {:?} tos {:#x} ", parsed.outer.addresses, parsed.outer.tos)?;
            if let Some(inner) = parsed.tunnel {
                write!(
                    f,
                    "vni {} {:x?} <- {:x?} ",
                    inner.vni, inner.destination_mac, inner.source_mac
                )?;
                if let Some(ip) = inner.ip {
                    let (addresses, ports) = (ip.addresses, ip.ports);
                    write!(f, "{addresses:?} {} {ports:?} {:#x} ", ip.protocol, ip.tcp_flags)?;
                }
            }
        }
        let Self { headroom, bad_l3, bad_l4, stripped_vlan, truncated, .. } = self;
        write!(f, "{headroom} {bad_l3} {bad_l4} {stripped_vlan:?} {truncated} ")?;
        self.bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Arrival {
    pub(crate) fn new(port: u16, bytes: Vec<u8>) -> Self {
        let (bad_l3, bad_l4, stripped_vlan, truncated) = (false, false, None, false);
        Self { port, bytes, headroom: 128, bad_l3, bad_l4, stripped_vlan, truncated }
    }
}

/// RFC 1071, byte pair by byte pair.
pub(crate) fn internet_checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        if sum > 0xffff {
            sum -= 0xffff;
        }
    }
    !(sum as u16)
}

/// What is written around a customer frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tunnel {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub vni: u32,
    pub own_mac: Mac,
    pub neighbor_mac: Mac,
}

/// Section 1.6 and, for IPv6, section 0.3, with the TOS of the mode *preserve*.
pub(crate) fn encapsulate(customer: &[u8], tunnel: &Tunnel, received_tos: u8) -> Vec<u8> {
    let inner_ip_bytes = customer.len() - 14;
    let tos = received_tos & 0xfc;
    let mut bytes = Vec::new();
    bytes.extend(tunnel.neighbor_mac);
    bytes.extend(tunnel.own_mac);
    match (tunnel.source, tunnel.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            bytes.extend([0x08, 0x00]);
            let mut header = vec![0x45, tos];
            header.extend(((inner_ip_bytes + 50) as u16).to_be_bytes());
            header.extend([0, 1, 0, 0, 64, UDP, 0, 0]);
            header.extend(source.octets());
            header.extend(destination.octets());
            let checksum = internet_checksum(&header);
            header[10..12].copy_from_slice(&checksum.to_be_bytes());
            bytes.extend(header);
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            bytes.extend([0x86, 0xdd]);
            bytes.extend([0x60 | tos >> 4, tos << 4, 0, 0]);
            bytes.extend(((inner_ip_bytes + 30) as u16).to_be_bytes());
            bytes.extend([UDP, 64]);
            bytes.extend(source.octets());
            bytes.extend(destination.octets());
        }
        _ => panic!("a tunnel has one family"),
    }
    bytes.extend(0_u16.to_be_bytes());
    bytes.extend(VXLAN_PORT.to_be_bytes());
    bytes.extend(((inner_ip_bytes + 30) as u16).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend([0x08, 0, 0, 0]);
    bytes.extend((tunnel.vni << 8).to_be_bytes());
    bytes.extend(customer);
    bytes
}
