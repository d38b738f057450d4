//! Ingress stages 0 to 2, `ls_in_port_sec_l2`, `_ip`, `_nd`: whose addresses a port may use.
//!
//! A port without IP addresses is held to its MAC addresses alone, as in OVN. What ARP and neighbour
//! discovery say of addresses is stage 2's, the source address of neighbour discovery too.
//! The unspecified address is allowed for DHCP (UDP 68 to 67) and for duplicate address detection.

use smoltcp::wire::IpAddress;

use super::{
    DropReason, Frame,
    policy::{Image, PortFlags, PortRecord},
};
use crate::wire::{arp::ArpPacket, protocol::ip};

/// Neighbour solicitation and advertisement (RFC 4861).
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// Offset of the target behind the ICMPv6 header.
const TARGET: usize = 8;

/// Refuses a frame that uses addresses of others.
pub(super) fn check(
    image: &Image<'_>,
    (index, port): (u32, &PortRecord),
    frame: &Frame<'_>,
) -> Result<(), DropReason> {
    if !port.has(PortFlags::SECURED) {
        return Ok(());
    }
    let owns = |mac| image.port_of_mac(port.switch, mac) == Some(index);
    if !owns(frame.source) {
        return Err(DropReason::SecurityL2);
    }
    let any = !port.has(PortFlags::ADDRESSED);
    let allows = |address: IpAddress| any || image.allows(index, address);
    if frame.is_arp() {
        let arp = frame.layer.as_ref().and_then(|layer| layer.arp(frame.bytes));
        let fair = arp.is_some_and(|arp: &ArpPacket| {
            // A probe has no sender address (RFC 5227).
            let sender = arp.sender_ip();
            owns(arp.sender_mac()) && (sender.is_unspecified() || allows(sender.into()))
        });
        return if fair { Ok(()) } else { Err(DropReason::SecurityNd) };
    }
    let Some(headers) = &frame.headers else {
        // Nobody can say whose address an IP header that cannot be read has.
        return if any || !frame.claims_ip() { Ok(()) } else { Err(DropReason::SecurityIp) };
    };
    if let Some(kind) = frame.nd() {
        let fair = is_fair_nd(kind, frame, headers.source, allows);
        return if fair { Ok(()) } else { Err(DropReason::SecurityNd) };
    }
    let dhcp = headers.source.is_unspecified()
        && (headers.protocol, headers.source_port, headers.destination_port) == (ip::UDP, 68, 67);
    if dhcp || allows(headers.source) { Ok(()) } else { Err(DropReason::SecurityIp) }
}

fn is_fair_nd(
    kind: u8,
    frame: &Frame<'_>,
    source: IpAddress,
    allows: impl Fn(IpAddress) -> bool,
) -> bool {
    let upper = frame.layer.as_ref().and_then(|layer| layer.upper(frame.bytes));
    let target = upper.and_then(|upper| upper.get(TARGET..)?.first_chunk::<16>());
    let target = || target.is_some_and(|target| allows(IpAddress::Ipv6((*target).into())));
    match kind {
        SOLICITATION if source.is_unspecified() => target(),
        ADVERTISEMENT => allows(source) && target(),
        _ => allows(source),
    }
}
