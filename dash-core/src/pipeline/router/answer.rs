//! What gateways answer, built in place of the frame that asks: ARP (RFC 826), neighbour
//! advertisements (RFC 4861), ICMP (RFC 792, RFC 1812, RFC 4443).
//!
//! An answer of ARP or to an echo keeps the length of its question, and what lies behind the
//! packet. A VLAN tag stays.

use dash_hal::{Hints, PacketBuffer};
use smoltcp::wire::{
    ArpOperation, EthernetAddress, Icmpv4Message, Icmpv6Message, IpAddress, Ipv4Address,
    Ipv6Address,
};

use super::frame::{Frame, Ip};
use crate::wire::{
    Header,
    arp::ArpPacket,
    checksum::{Checksum, Difference},
    ethernet::EthernetHeader,
    icmpv4::Icmpv4Header,
    icmpv6::Icmpv6Header,
    ipv4::Ipv4Header,
    ipv6::Ipv6Header,
    protocol::ip,
    vlan::VlanTag,
};

/// TTL and hop limit of what gateways send.
const TTL: u8 = 64;
/// Hop limit of neighbour discovery (RFC 4861).
const ND_HOPS: u8 = 255;
/// TOS of errors: internetwork control (RFC 1812, section 4.3.2.5).
const CONTROL: u8 = 0xc0;
/// Bytes of a datagram that an error quotes, so that it has no more than 576 (RFC 1812).
const QUOTE: usize = 548;
/// The same of IPv6, for 1,280 (RFC 4443).
const QUOTE_V6: usize = 1232;
/// Longest Ethernet header: with one tag.
const LINK: usize = EthernetHeader::LEN + VlanTag::LEN;
/// Header of a message of ICMP, with the 4 bytes whose meaning depends on the type.
const ICMP: usize = 8;
/// Flags of a neighbour advertisement: router, solicited, override.
const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;
/// Option: target link-layer address; one unit of 8 bytes.
const TARGET_LINK_LAYER: [u8; 2] = [2, 1];
/// All nodes of a link.
const ALL_NODES: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: EthernetAddress = EthernetAddress([0x33, 0x33, 0, 0, 0, 1]);

/// An error that a gateway tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    TimeExceeded,
    PortUnreachable,
}

/// What is answered.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Arp { ip: Ipv4Address },
    Echo,
    EchoV6,
    Error { problem: Problem, from: Ipv4Address, to: Ipv4Address },
    ErrorV6 { problem: Problem, from: Ipv6Address, to: Ipv6Address },
    Advertisement { target: Ipv6Address, to: Ipv6Address },
}

/// An answer to a frame, of a gateway with the MAC address `mac`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    kind: Kind,
    mac: EthernetAddress,
    /// Offsets in the frame that asks: of what follows Ethernet, of what follows IP, and one past
    /// the datagram.
    network: usize,
    transport: usize,
    end: usize,
}

impl Answer {
    /// `ip` is at `mac`.
    pub(super) const fn arp(frame: &Frame<'_>, mac: EthernetAddress, ip: Ipv4Address) -> Self {
        Self { kind: Kind::Arp { ip }, mac, network: frame.network, transport: 0, end: 0 }
    }

    /// To an echo request.
    pub(super) const fn echo(frame: &Frame<'_>, asked: &Ip, mac: EthernetAddress) -> Self {
        let kind = match asked.source {
            IpAddress::Ipv4(_) => Kind::Echo,
            IpAddress::Ipv6(_) => Kind::EchoV6,
        };
        Self { kind, mac, network: frame.network, transport: asked.transport, end: asked.end }
    }

    /// An error about a datagram, told by `from`; `None`: that is of another IP version.
    pub(super) const fn error(
        frame: &Frame<'_>,
        about: &Ip,
        problem: Problem,
        (mac, from): (EthernetAddress, IpAddress),
    ) -> Option<Self> {
        let kind = match (from, about.source) {
            (IpAddress::Ipv4(from), IpAddress::Ipv4(to)) => Kind::Error { problem, from, to },
            (IpAddress::Ipv6(from), IpAddress::Ipv6(to)) => Kind::ErrorV6 { problem, from, to },
            _ => return None,
        };
        let (network, transport, end) = (frame.network, about.transport, about.end);
        Some(Self { kind, mac, network, transport, end })
    }

    /// `target` is at `mac`; `to` asked.
    pub(super) const fn advertisement(
        frame: &Frame<'_>,
        mac: EthernetAddress,
        target: Ipv6Address,
        to: Ipv6Address,
    ) -> Self {
        let kind = Kind::Advertisement { target, to };
        Self { kind, mac, network: frame.network, transport: 0, end: 0 }
    }

    /// Writes it over the frame. `None`: there is too little room in front.
    pub(super) fn write<B: PacketBuffer, H: Hints>(&self, buffer: &mut B, hints: &H) -> Option<()> {
        let asker = EthernetHeader::at(buffer.bytes(), 0_usize)?.source();
        let mut to = asker;
        match self.kind {
            Kind::Arp { ip } => self.write_arp(buffer, ip)?,
            Kind::Echo => self.write_echo(buffer, hints)?,
            Kind::EchoV6 => self.write_echo_v6(buffer)?,
            Kind::Error { problem, from, to } => {
                self.write_error(buffer, problem, [from, to], hints)?;
            }
            Kind::ErrorV6 { problem, from, to } => {
                self.write_error_v6(buffer, problem, [from, to], hints)?;
            }
            Kind::Advertisement { target, to: ip } => {
                if ip.is_unspecified() {
                    to = ALL_NODES_MAC;
                }
                self.write_advertisement(buffer, target, ip, hints)?;
            }
        }
        let ethernet = EthernetHeader::at_mut(buffer.bytes_mut(), 0_usize)?;
        ethernet.set_destination(to);
        ethernet.set_source(self.mac);
        Some(())
    }

    fn write_arp<B: PacketBuffer>(&self, buffer: &mut B, ip: Ipv4Address) -> Option<()> {
        let arp = ArpPacket::at_mut(buffer.bytes_mut(), self.network)?;
        arp.set_operation(ArpOperation::Reply);
        arp.set_target_mac(arp.sender_mac());
        arp.set_target_ip(arp.sender_ip());
        arp.set_sender_mac(self.mac);
        arp.set_sender_ip(ip);
        Some(())
    }

    fn write_echo<B: PacketBuffer, H: Hints>(&self, buffer: &mut B, hints: &H) -> Option<()> {
        let bytes = buffer.bytes_mut();
        let icmp = Icmpv4Header::at_mut(bytes, self.transport)?;
        let difference = Difference::new().u16(
            u16::from_be_bytes([Icmpv4Message::EchoRequest.into(), 0]),
            u16::from_be_bytes([Icmpv4Message::EchoReply.into(), 0]),
        );
        icmp.set_message(Icmpv4Message::EchoReply);
        icmp.set_checksum(difference.apply(icmp.checksum()));
        let ip = Ipv4Header::at_mut(bytes, self.network)?;
        let (source, destination) = (ip.source(), ip.destination());
        ip.set_source(destination);
        ip.set_destination(source);
        ip.set_ttl(TTL);
        ip.set_checksum(0);
        let sum = hints.checksum(bytes.get(self.network..self.transport)?);
        let ip = Ipv4Header::at_mut(bytes, self.network)?;
        ip.set_checksum(Checksum::new().u16(sum).finish());
        Some(())
    }

    fn write_echo_v6<B: PacketBuffer>(&self, buffer: &mut B) -> Option<()> {
        let bytes = buffer.bytes_mut();
        let icmp = Icmpv6Header::at_mut(bytes, self.transport)?;
        // The addresses that the pseudo header sums change places.
        let difference = Difference::new().u16(
            u16::from_be_bytes([Icmpv6Message::EchoRequest.into(), 0]),
            u16::from_be_bytes([Icmpv6Message::EchoReply.into(), 0]),
        );
        icmp.set_message(Icmpv6Message::EchoReply);
        icmp.set_checksum(difference.apply(icmp.checksum()));
        let ip = Ipv6Header::at_mut(bytes, self.network)?;
        let (source, destination) = (ip.source(), ip.destination());
        ip.set_source(destination);
        ip.set_destination(source);
        ip.set_hop_limit(TTL);
        Some(())
    }

    /// Puts `headers` bytes between the Ethernet header and the first `most` bytes of the datagram,
    /// and cuts the rest; answers how many bytes of the datagram stay.
    fn insert<B: PacketBuffer>(
        &self,
        buffer: &mut B,
        headers: usize,
        most: usize,
    ) -> Option<usize> {
        let quote = self.end.checked_sub(self.network)?.min(most);
        let mut link = [0; LINK];
        for (to, from) in link.iter_mut().zip(buffer.bytes().get(..self.network)?) {
            *to = *from;
        }
        buffer.push_front(headers).ok()?;
        buffer.truncate(self.network + headers + quote);
        for (to, from) in buffer.bytes_mut().get_mut(..self.network)?.iter_mut().zip(link) {
            *to = from;
        }
        Some(quote)
    }

    fn write_error<B: PacketBuffer, H: Hints>(
        &self,
        buffer: &mut B,
        problem: Problem,
        [from, to]: [Ipv4Address; 2],
        hints: &H,
    ) -> Option<()> {
        let quote = self.insert(buffer, Ipv4Header::LEN + ICMP, QUOTE)?;
        let bytes = buffer.bytes_mut();
        let upper = self.network + Ipv4Header::LEN;
        let mut icmp = Icmpv4Header::default();
        let (message, code) = match problem {
            Problem::TimeExceeded => (Icmpv4Message::TimeExceeded, 0),
            Problem::PortUnreachable => (Icmpv4Message::DstUnreachable, 3),
        };
        icmp.set_message(message);
        icmp.set_code(code);
        *Icmpv4Header::at_mut(bytes, upper)? = icmp;
        *bytes.get_mut(upper + Icmpv4Header::LEN..)?.first_chunk_mut::<4>()? = [0; 4];
        let sum = hints.checksum(bytes.get(upper..)?);
        Icmpv4Header::at_mut(bytes, upper)?.set_checksum(Checksum::new().u16(sum).finish());
        let mut ip = Ipv4Header::default();
        ip.set_version(4);
        ip.set_header_len(Ipv4Header::LEN as u8);
        ip.set_tos(CONTROL);
        ip.set_total_len((Ipv4Header::LEN + ICMP + quote) as u16);
        ip.set_dont_fragment(true);
        ip.set_ttl(TTL);
        ip.set_protocol(self::ip::ICMPV4);
        ip.set_source(from);
        ip.set_destination(to);
        let sum = hints.checksum(zerocopy::IntoBytes::as_bytes(&ip));
        ip.set_checksum(Checksum::new().u16(sum).finish());
        *Ipv4Header::at_mut(bytes, self.network)? = ip;
        Some(())
    }

    fn write_error_v6<B: PacketBuffer, H: Hints>(
        &self,
        buffer: &mut B,
        problem: Problem,
        [from, to]: [Ipv6Address; 2],
        hints: &H,
    ) -> Option<()> {
        let quote = self.insert(buffer, Ipv6Header::LEN + ICMP, QUOTE_V6)?;
        let upper = self.network + Ipv6Header::LEN;
        let mut icmp = Icmpv6Header::default();
        let (message, code) = match problem {
            Problem::TimeExceeded => (Icmpv6Message::TimeExceeded, 0),
            Problem::PortUnreachable => (Icmpv6Message::DstUnreachable, 4),
        };
        icmp.set_message(message);
        icmp.set_code(code);
        let bytes = buffer.bytes_mut();
        *Icmpv6Header::at_mut(bytes, upper)? = icmp;
        *bytes.get_mut(upper + Icmpv6Header::LEN..)?.first_chunk_mut::<4>()? = [0; 4];
        self.write_ipv6(buffer, (from, to), TTL, ICMP + quote, hints)
    }

    fn write_advertisement<B: PacketBuffer, H: Hints>(
        &self,
        buffer: &mut B,
        target: Ipv6Address,
        asker: Ipv6Address,
        hints: &H,
    ) -> Option<()> {
        // Flags, target, and one option.
        let length = ICMP + 16 + 8;
        let whole = self.network + Ipv6Header::LEN + length;
        if let Some(more) = whole.checked_sub(buffer.bytes().len()) {
            let mut link = [0; LINK];
            for (to, from) in link.iter_mut().zip(buffer.bytes().get(..self.network)?) {
                *to = *from;
            }
            buffer.push_front(more).ok()?;
            for (to, from) in buffer.bytes_mut().get_mut(..self.network)?.iter_mut().zip(link) {
                *to = from;
            }
        }
        buffer.truncate(whole);
        let upper = self.network + Ipv6Header::LEN;
        let bytes = buffer.bytes_mut();
        let mut icmp = Icmpv6Header::default();
        icmp.set_message(Icmpv6Message::NeighborAdvert);
        *Icmpv6Header::at_mut(bytes, upper)? = icmp;
        let (flags, to) = if asker.is_unspecified() {
            (ROUTER | OVERRIDE, ALL_NODES)
        } else {
            (ROUTER | SOLICITED | OVERRIDE, asker)
        };
        let body: &mut [u8; 28] = bytes.get_mut(upper + Icmpv6Header::LEN..)?.first_chunk_mut()?;
        let option = [&TARGET_LINK_LAYER[..], &self.mac.0];
        let target = target.octets();
        let flags = [flags, 0, 0, 0];
        let parts = [&flags[..], &target].into_iter().chain(option).flatten();
        for (to, from) in body.iter_mut().zip(parts) {
            *to = *from;
        }
        self.write_ipv6(buffer, (Ipv6Address::from(target), to), ND_HOPS, length, hints)
    }

    /// Writes an IPv6 header, and the checksum of the message of ICMP behind it, which has `length`
    /// bytes.
    fn write_ipv6<B: PacketBuffer, H: Hints>(
        &self,
        buffer: &mut B,
        (from, to): (Ipv6Address, Ipv6Address),
        hops: u8,
        length: usize,
        hints: &H,
    ) -> Option<()> {
        let bytes = buffer.bytes_mut();
        let upper = self.network + Ipv6Header::LEN;
        let sum = hints.checksum(bytes.get(upper..upper + length)?);
        let pseudo = Checksum::new().pseudo_ipv6(from, to, ip::ICMPV6, length as u32);
        Icmpv6Header::at_mut(bytes, upper)?.set_checksum(pseudo.u16(sum).finish());
        let mut header = Ipv6Header::default();
        header.set_version(6);
        header.set_payload_len(length as u16);
        header.set_next_header(ip::ICMPV6);
        header.set_hop_limit(hops);
        header.set_source(from);
        header.set_destination(to);
        *Ipv6Header::at_mut(bytes, self.network)? = header;
        Some(())
    }
}
