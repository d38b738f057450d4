//! Where a frame leaves: egress stage 0, `ls_out_chain`; ports of this host; Geneve to others.
//!
//! A flood leaves by the ports of the switch on this host in ascending order of their keys, but for
//! that which it came from and those of network functions; then one copy goes to each other host
//! that has such a port, and is delivered there alone. A localnet port has one key on every host, so
//! that what came in at one leaves by none. A flood looks at each port of its switch once.

use dash_hal::PortId;

use super::{
    DropReason, FLOOD, frame,
    in_chain::Taps,
    policy::{Image, PortFlags, PortRecord},
};
use crate::{
    flow::Egress,
    rewrite::{Encapsulation, Endpoints, Flags, OptionWord, Rewrite, Tunnel},
};

/// TTL of the outer header.
const TTL: u8 = 64;

/// A frame that is ready to leave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaving {
    /// Its switch.
    pub(super) switch: u16,
    /// Key of the port that it came in at, or seems to.
    pub(super) inport: u16,
    /// It came by a tunnel, and goes to ports of this host alone.
    pub(super) tunnelled: bool,
    /// Outer source port, should it leave by a tunnel.
    pub(super) source_port: u16,
    /// The underlay's port.
    pub(super) underlay: PortId,
}

/// What becomes of a frame for one port.
#[derive(Debug)]
pub(super) enum Way {
    /// It leaves.
    Out(Rewrite, Egress),
    /// It enters again at ingress stage 11, from this port of the device.
    Again(Rewrite, PortId),
}

impl Leaving {
    /// To the port `port`.
    pub(super) fn to(&self, image: &Image<'_>, port: &PortRecord) -> Result<Way, DropReason> {
        if !image.is_local(port) {
            if self.tunnelled {
                return Err(DropReason::NotLocal);
            }
            let (rewrite, egress) =
                self.tunnel(image, port.host, port.key).ok_or(DropReason::NotLocal)?;
            return Ok(Way::Out(rewrite, egress));
        }
        if port.key == self.inport {
            return if port.has(PortFlags::OUT_CHAIN) {
                Ok(Way::Again(self.uncovered(), PortId(port.id)))
            } else {
                Err(DropReason::Loopback)
            };
        }
        let (rewrite, egress) = self.deliver(port).ok_or(DropReason::NotLocal)?;
        Ok(Way::Out(rewrite, egress))
    }

    /// The frame as the logical switch sees it.
    fn uncovered(&self) -> Rewrite {
        let flags = if self.tunnelled { Flags::POP_OUTER } else { Flags::empty() };
        Rewrite { flags, ..Rewrite::NONE }
    }

    fn deliver(&self, port: &PortRecord) -> Option<(Rewrite, Egress)> {
        Some((self.uncovered(), Egress::to(PortId(port.id))?))
    }

    /// To another host, for its port of this key.
    fn tunnel(&self, image: &Image<'_>, host: u16, outport: u16) -> Option<(Rewrite, Egress)> {
        let [own, other] = image.hosts.ends(host)?;
        let option = OptionWord {
            class: frame::OVN_CLASS,
            kind: frame::OVN_PORTS,
            data: u32::from(self.inport) << 16 | u32::from(outport),
        };
        let tunnel = Tunnel {
            endpoints: Endpoints::V4 { source: own.ip, destination: other.ip },
            source_mac: own.mac,
            destination_mac: other.mac,
            vni: image.switch(self.switch)?.tunnel_key,
            source_port: self.source_port,
            ttl: TTL,
            dont_fragment: true,
            geneve: Some(option),
            ..Tunnel::NONE
        };
        let tunnel = Encapsulation::new(&tunnel);
        let rewrite = Rewrite { flags: Flags::PUSH_OUTER, tunnel, ..Rewrite::NONE };
        Some((rewrite, Egress::to(self.underlay)?))
    }
}

/// Ports that a frame leaves by, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    leaving: Leaving,
    /// Only ports marked `unknown`.
    unknown: bool,
    /// Number of the next port, and of that behind the switch's last.
    next: u32,
    end: u32,
    /// Number of the next host.
    host: u16,
}

impl Spread {
    /// Over the switch, or its ports marked `unknown`.
    pub(super) fn new(image: &Image<'_>, leaving: Leaving, unknown: bool) -> Option<Self> {
        let switch = image.switch(leaving.switch)?;
        let (next, end) = (switch.first_port, switch.first_port.saturating_add(switch.ports));
        Some(Self { leaving, unknown, next, end, host: 0 })
    }

    pub(super) fn next(&mut self, image: &Image<'_>) -> Option<(Rewrite, Egress)> {
        while self.next < self.end {
            let port = image.port(self.next)?;
            self.next += 1;
            if port.key == self.leaving.inport || port.has(PortFlags::PAIR) {
                continue;
            }
            if self.unknown {
                if !port.has(PortFlags::UNKNOWN) {
                    continue;
                }
                if !image.is_local(&port) {
                    return self.leaving.tunnel(image, port.host, port.key);
                }
            }
            let returns = port.is_localnet() && self.leaving.tunnelled;
            if image.is_local(&port) && !returns {
                return self.leaving.deliver(&port);
            }
        }
        if self.unknown || self.leaving.tunnelled {
            return None;
        }
        let concerns = |host| image.is_site(self.leaving.switch, host);
        let host = image.hosts.next_other(&mut self.host, concerns)?;
        self.leaving.tunnel(image, host, FLOOD)
    }
}

/// The copies of the frame that was decided on last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Copies {
    pub(super) spread: Option<Spread>,
    /// With the frame as it came in.
    pub(super) taps: Option<(Taps, Leaving)>,
}

impl Copies {
    /// Whether there may be any.
    pub(super) const fn are_left(&self) -> bool {
        self.spread.is_some() || self.taps.is_some()
    }

    pub(super) fn next(&mut self, image: &Image<'_>) -> Option<(Rewrite, Egress)> {
        if let Some(spread) = &mut self.spread
            && let Some(next) = spread.next(image)
        {
            return Some(next);
        }
        self.spread = None;
        let (taps, leaving) = self.taps.as_mut()?;
        let port = image.port(taps.next(image)?)?;
        match leaving.to(image, &port).ok()? {
            Way::Out(rewrite, egress) => Some((rewrite, egress)),
            Way::Again(..) => None,
        }
    }
}
