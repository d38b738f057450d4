//! Whose addresses a port may use: what service chains and the router ask alike of ARP, of
//! neighbour discovery and of IP.
//!
//! The unspecified address is nobody's. It is allowed for DHCP (UDP 68 to 67) and for duplicate
//! address detection: probes of ARP (RFC 5227), neighbour solicitations (RFC 4862).

use smoltcp::wire::{ArpOperation, EthernetAddress, IpAddress};

use crate::{
    table::acl::Headers,
    wire::{arp::ArpPacket, icmpv6::nd, protocol::ip},
};

/// Ports of DHCP, from client to server.
const DHCP: (u16, u16) = (68, 67);

/// Whether a port that has some addresses may send this packet of ARP.
pub(super) fn is_fair_arp(
    arp: &ArpPacket,
    owns: impl Fn(EthernetAddress) -> bool,
    allows: impl Fn(EthernetAddress, IpAddress) -> bool,
) -> bool {
    let (mac, sender) = (arp.sender_mac(), arp.sender_ip());
    let probes = sender.is_unspecified() && arp.operation() == ArpOperation::Request;
    owns(mac) && (probes || allows(mac, sender.into()))
}

/// Whether it may send this `message` of neighbour discovery from `source`.
pub(super) fn is_fair_nd(
    message: &[u8],
    source: IpAddress,
    allows: impl Fn(IpAddress) -> bool,
) -> bool {
    let target = message.get(nd::TARGET..).and_then(<[u8]>::first_chunk::<16>);
    let target = || target.is_some_and(|target| allows(IpAddress::Ipv6((*target).into())));
    match message.first() {
        Some(&nd::SOLICITATION) if source.is_unspecified() => target(),
        Some(&nd::ADVERTISEMENT) => allows(source) && target(),
        _ => allows(source),
    }
}

/// Whether it may send another datagram of IP.
pub(super) fn is_fair_ip(headers: &Headers, allows: impl Fn(IpAddress) -> bool) -> bool {
    let is_dhcp =
        headers.protocol == ip::UDP && (headers.source_port, headers.destination_port) == DHCP;
    (headers.source.is_unspecified() && is_dhcp) || allows(headers.source)
}
