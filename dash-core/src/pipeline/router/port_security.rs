//! Whose addresses a port may use: its own MAC and IP addresses, and its allowed pairs.
//!
//! A port without IP addresses and pairs is held to its MAC address alone. The unspecified address
//! is allowed for DHCP (UDP 68 to 67) and for duplicate address detection. An address of link scope
//! is allowed where the port has it in its list.

use smoltcp::wire::{EthernetAddress, IpAddress};

use super::{
    DropReason,
    frame::{Carried, Frame},
    policy::{Image, PortFlags, PortRecord},
};
use crate::wire::{arp::ArpPacket, protocol::ip};

/// Neighbour solicitation and advertisement, and router solicitation (RFC 4861).
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const ROUTER_SOLICITATION: u8 = 133;
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
    let any = !port.has(PortFlags::ADDRESSED);
    let allows = |mac, address: IpAddress| any || image.allows(index, mac, address);
    let by_name = |mac: EthernetAddress| mac == port.mac() || image.has_pair_of(index, mac);
    if !by_name(frame.source) {
        return Err(DropReason::SecurityL2);
    }
    match &frame.carried {
        Carried::Arp => {
            let fair = frame.arp().is_none_or(|arp: &ArpPacket| {
                // A probe has no sender address (RFC 5227). What is too short speaks of nobody.
                let (mac, sender) = (arp.sender_mac(), arp.sender_ip());
                by_name(mac) && (sender.is_unspecified() || allows(mac, sender.into()))
            });
            if fair { Ok(()) } else { Err(DropReason::SecurityNd) }
        }
        Carried::Ip(header) => {
            let source = |address| allows(frame.source, address);
            if let Some(kind) = frame.nd() {
                let fair = is_fair_nd(kind, frame, header.source, source);
                return if fair { Ok(()) } else { Err(DropReason::SecurityNd) };
            }
            let ports = frame.upper().first_chunk::<4>();
            let dhcp = header.source.is_unspecified()
                && header.protocol == ip::UDP
                && ports == Some(&[0, 68, 0, 67]);
            if dhcp || source(header.source) { Ok(()) } else { Err(DropReason::SecurityIp) }
        }
        Carried::BadIp | Carried::Other => Ok(()),
    }
}

fn is_fair_nd(
    kind: u8,
    frame: &Frame<'_>,
    source: IpAddress,
    allows: impl Fn(IpAddress) -> bool,
) -> bool {
    let target = frame.upper().get(TARGET..).and_then(<[u8]>::first_chunk::<16>);
    let target = || target.is_some_and(|target| allows(IpAddress::Ipv6((*target).into())));
    match kind {
        SOLICITATION if source.is_unspecified() => target(),
        ROUTER_SOLICITATION if source.is_unspecified() => true,
        ADVERTISEMENT => allows(source) && target(),
        _ => allows(source),
    }
}
