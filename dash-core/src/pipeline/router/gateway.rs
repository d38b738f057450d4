//! Gateways: ARP (table 51), neighbour discovery (45), and ICMP to a router's own addresses
//! (52, priority 60).

use dash_hal::Hints;
use smoltcp::wire::{ArpOperation, IpAddress, Ipv6Address};

use super::{
    Action, Decided, DropReason, Ingress, Router,
    answer::{Answer, Problem},
    frame::{Frame, Ip},
    tell,
};
use crate::{
    pipeline::Trace,
    wire::{checksum::Checksum, icmpv6::nd, protocol::ip},
};

/// ICMP: echo request.
const ECHO: u8 = 8;
/// ICMP: destination unreachable, source quench, redirect, time exceeded, parameter problem.
const ERRORS: [u8; 5] = [3, 4, 5, 11, 12];
/// ICMPv6: echo request; types below 128 are errors.
const ECHO_V6: u8 = 128;
/// Neighbour solicitation: its hop limit, and its length without options.
const ND_HOPS: u8 = 255;
const SOLICITATION_LENGTH: usize = 24;
/// Options of neighbour discovery are measured in 8 bytes; a frame has no more than this many.
const UNIT: usize = 8;
const OPTIONS: usize = 16;

impl Router<'_> {
    /// Table 51.
    pub(super) fn arp<H: Hints, T: Trace<Self>>(
        &mut self,
        ingress: &Ingress<'_>,
        (hints, trace): (&H, &mut T),
    ) -> Result<Decided, DropReason> {
        let Ingress { image, frame, port, .. } = ingress;
        let arp = frame.arp().ok_or(DropReason::BadArp)?;
        let target = arp.target_ip();
        let gateway = image
            .gateway(port.network, target.into())
            .filter(|_| arp.operation() == ArpOperation::Request)
            .and_then(|gateway| image.interface(gateway));
        let Some(gateway) = gateway else {
            tell(trace, 51, 1, || Action::Normal);
            return self.normal(ingress, (hints, trace));
        };
        if !arp.is_ethernet_ipv4() {
            return Err(DropReason::BadArp);
        }
        if arp.sender_ip() == target {
            tell(trace, 51, 110, || Action::Drop(DropReason::ArpConflict));
            return Err(DropReason::ArpConflict);
        }
        tell(trace, 51, 100, || Action::Reply);
        Ok(Decided::Answer(Answer::arp(frame, gateway.mac(), target)))
    }

    /// Table 45.
    pub(super) fn nd<H: Hints, T: Trace<Self>>(
        &mut self,
        ingress: &Ingress<'_>,
        (hints, trace): (&H, &mut T),
    ) -> Result<Decided, DropReason> {
        let Ingress { image, frame, port, .. } = ingress;
        let ip = frame.ip().ok_or(DropReason::BadNd)?;
        if frame.nd() == Some(nd::SOLICITATION) {
            let upper = frame.upper();
            let body = upper.first_chunk::<SOLICITATION_LENGTH>().ok_or(DropReason::BadNd)?;
            let target = body.last_chunk::<{ SOLICITATION_LENGTH - nd::TARGET }>();
            let target = Ipv6Address::from(*target.ok_or(DropReason::BadNd)?);
            let gateway = image.gateway(port.network, target.into());
            if let Some(gateway) = gateway.and_then(|gateway| image.interface(gateway)) {
                let sound = ip.ttl == ND_HOPS
                    && body.get(1) == Some(&0)
                    && are_options(upper.get(SOLICITATION_LENGTH..).unwrap_or_default())
                    && is_icmp_sound(frame, ip, hints);
                let IpAddress::Ipv6(asker) = ip.source else { return Err(DropReason::BadNd) };
                if !sound || asker.is_multicast() {
                    return Err(DropReason::BadNd);
                }
                tell(trace, 45, 100, || Action::Reply);
                let answer = Answer::advertisement(frame, gateway.mac(), target, asker);
                return Ok(Decided::Answer(answer));
            }
        }
        tell(trace, 45, 1, || Action::Normal);
        self.normal(ingress, (hints, trace))
    }

    /// Table 52, priority 60: a frame to an address of the router's own.
    pub(super) fn local<H: Hints>(
        &mut self,
        ingress: &Ingress<'_>,
        ip: &Ip,
        hints: &H,
    ) -> Result<Decided, DropReason> {
        let Ingress { image, frame, port, .. } = ingress;
        let gateway = image.interface_for(port.network, ip.source);
        let (_, gateway) = gateway.ok_or(DropReason::GatewayProtocol)?;
        let v6 = matches!(ip.source, IpAddress::Ipv6(_));
        let echo = if v6 { (ip::ICMPV6, ECHO_V6) } else { (ip::ICMPV4, ECHO) };
        let message = frame.upper();
        match (ip.protocol, message) {
            (ip::TCP | ip::UDP, _) => self.problem(ingress, ip, Problem::PortUnreachable),
            (protocol, [kind, 0, _, _, _, _, _, _, ..])
                if (protocol, *kind) == echo && !ip.fragment =>
            {
                if !is_icmp_sound(frame, ip, hints) {
                    return Err(DropReason::BadChecksum);
                }
                Ok(Decided::Answer(Answer::echo(frame, ip, gateway.mac())))
            }
            _ => Err(DropReason::GatewayProtocol),
        }
    }

    /// Tells the sender of a problem, if that may be.
    pub(super) fn problem(
        &mut self,
        ingress: &Ingress<'_>,
        ip: &Ip,
        problem: Problem,
    ) -> Result<Decided, DropReason> {
        let Ingress { image, frame, port, now, .. } = ingress;
        let gateway = image.interface_for(port.network, ip.source);
        let (index, gateway) = gateway.ok_or(DropReason::NoRoute)?;
        let from = match problem {
            Problem::TimeExceeded => gateway.ip(),
            Problem::PortUnreachable => ip.destination,
        };
        let answer = Answer::error(frame, ip, problem, (gateway.mac(), from))
            .filter(|_| may_be_told(frame, ip) && self.errors.admit(index, problem, *now));
        answer.map(Decided::Answer).ok_or(DropReason::IcmpLimited)
    }
}

/// Whether an error about a datagram may be sent (RFC 1812, section 4.3.2.7; RFC 4443, section 2.4).
fn may_be_told(frame: &Frame<'_>, ip: &Ip) -> bool {
    let kind = frame.upper().first().copied();
    let is_error = match ip.protocol {
        ip::ICMPV4 => kind.is_none_or(|kind| ERRORS.contains(&kind)),
        ip::ICMPV6 => kind.is_none_or(|kind| kind < ECHO_V6),
        _ => false,
    };
    !is_error && !ip.later && ip.source.is_unicast() && !frame.source.is_multicast()
}

/// Whether the checksum of a message of ICMP is right.
fn is_icmp_sound<H: Hints>(frame: &Frame<'_>, ip: &Ip, hints: &H) -> bool {
    let message = frame.upper();
    let sum = Checksum::new().u16(hints.checksum(message));
    match (ip.source, ip.destination) {
        (IpAddress::Ipv6(source), IpAddress::Ipv6(destination)) => {
            let length = message.len() as u32;
            sum.pseudo_ipv6(source, destination, ip::ICMPV6, length).is_valid()
        }
        _ => sum.is_valid(),
    }
}

/// Whether the options of a message of neighbour discovery are whole.
fn are_options(mut options: &[u8]) -> bool {
    for _ in 0..OPTIONS {
        let [_, units, ..] = options else { return options.is_empty() };
        let length = usize::from(*units) * UNIT;
        match options.get(length..) {
            Some(rest) if length > 0 => options = rest,
            _ => return false,
        }
    }
    false
}
