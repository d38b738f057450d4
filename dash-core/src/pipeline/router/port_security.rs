//! Whose addresses a port may use: its own MAC and IP addresses, and its allowed pairs.
//!
//! A port without IP addresses and pairs is held to its MAC address alone. An address of link scope
//! is allowed where the port has it in its list. A bad IP header is held to the source address that
//! it claims; what is too short for one speaks of nobody.

use smoltcp::wire::{EthernetAddress, IpAddress};

use super::{
    DropReason,
    frame::{Carried, Frame},
    policy::{Image, PortFlags, PortRecord},
};
use crate::pipeline::port_security::{is_fair_arp, is_fair_ip, is_fair_nd};

/// Refuses a frame that uses addresses of others.
pub(super) fn check(
    image: &Image<'_>,
    (index, port): (u32, &PortRecord),
    frame: &Frame<'_>,
) -> Result<(), DropReason> {
    if !port.has(PortFlags::SECURED) {
        return Ok(());
    }
    let owns = |mac: EthernetAddress| mac == port.mac() || image.has_pair_of(index, mac);
    if !owns(frame.source) {
        return Err(DropReason::SecurityL2);
    }
    let any = !port.has(PortFlags::ADDRESSED);
    let allows = |mac, address: IpAddress| any || image.allows(index, mac, address);
    let uses = |address| allows(frame.source, address);
    let or = |fair: bool, reason| if fair { Ok(()) } else { Err(reason) };
    match &frame.carried {
        Carried::Arp => {
            let fair = frame.arp().is_none_or(|arp| is_fair_arp(arp, owns, allows));
            or(fair, DropReason::SecurityNd)
        }
        Carried::Ip(ip) if frame.nd().is_some() => {
            or(is_fair_nd(frame.upper(), ip.source, uses), DropReason::SecurityNd)
        }
        Carried::Ip(_) => {
            let fair = frame.headers().is_some_and(|headers| is_fair_ip(&headers, uses));
            or(fair, DropReason::SecurityIp)
        }
        Carried::BadIp { source } => or(source.is_none_or(uses), DropReason::SecurityIp),
        Carried::Other => Ok(()),
    }
}
