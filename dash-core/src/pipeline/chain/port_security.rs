//! Ingress stages 0 to 2, `ls_in_port_sec_l2`, `_ip`, `_nd`: whose addresses a port may use.
//!
//! A port without IP addresses is held to its MAC addresses alone, as in OVN. What ARP and neighbour
//! discovery say of addresses is stage 2's, the source address of neighbour discovery too.

use smoltcp::wire::IpAddress;

use super::{
    DropReason, Frame,
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
    let owns = |mac| image.port_of_mac(port.switch, mac) == Some(index);
    if !owns(frame.source) {
        return Err(DropReason::SecurityL2);
    }
    let any = !port.has(PortFlags::ADDRESSED);
    let allows = |address: IpAddress| any || image.allows(index, address);
    let or = |fair: bool, reason| if fair { Ok(()) } else { Err(reason) };
    if frame.is_arp() {
        let arp = frame.layer.as_ref().and_then(|layer| layer.arp(frame.bytes));
        let fair = arp.is_some_and(|arp| is_fair_arp(arp, owns, |_, address| allows(address)));
        return or(fair, DropReason::SecurityNd);
    }
    let Some(headers) = &frame.headers else {
        // Nobody can say whose address an IP header that cannot be read has.
        return or(any || !frame.claims_ip(), DropReason::SecurityIp);
    };
    if frame.nd().is_some() {
        let message = frame.layer.as_ref().and_then(|layer| layer.upper(frame.bytes));
        let fair = is_fair_nd(message.unwrap_or_default(), headers.source, allows);
        return or(fair, DropReason::SecurityNd);
    }
    or(is_fair_ip(headers, allows), DropReason::SecurityIp)
}
