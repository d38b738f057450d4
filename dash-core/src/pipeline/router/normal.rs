//! NORMAL: the learning switch of each network.
//!
//! Frames to an address that nobody knows, and to many, go to all ports of the network. A MAC
//! address that moves to another port stays there for a second at least.

use dash_hal::{Hints, PortId};
use smoltcp::wire::EthernetAddress;

use super::{
    Decided, DropReason, Event, Ingress, Router,
    output::Spread,
    policy::{Image, MacOwner},
};
use crate::pipeline::Trace;

/// How long an address that moved is held to stay, ns.
const STAYS: u64 = 1_000_000_000;

impl Router<'_> {
    pub(super) fn normal<H: Hints, T: Trace<Self>>(
        &mut self,
        ingress: &Ingress<'_>,
        (hints, trace): (&H, &mut T),
    ) -> Result<Decided, DropReason> {
        let Ingress { image, frame, index, port, network, leaving, now } = ingress;
        let (source, mac) = (frame.source, frame.destination);
        if !source.is_multicast() && image.owner_of_mac(port.network, source).is_none() {
            self.learned.learn((network.id, source), port.key, (*now, STAYS), hints);
        }
        let configured = image.owner_of_mac(port.network, mac);
        let to = match configured {
            _ if mac.is_multicast() => None,
            Some(MacOwner::Gateway) => return Err(DropReason::GatewayL2),
            Some(MacOwner::Port(to)) => Some(to),
            None => self.learned_port(image, port.network, mac, *now, hints),
        };
        let out = to.and_then(|to| image.port(to));
        trace.stage(|| {
            let learned = out.is_some() && configured.is_none();
            Event::Lookup { mac, port: out.map(|out| out.key), learned }
        });
        let Some(out) = out else {
            let spread = Spread::new(image, *leaving, port.network, Some(port.key));
            return spread.map(Decided::Spread).ok_or(DropReason::L2Unknown);
        };
        if to == Some(*index) {
            return Err(DropReason::Loopback);
        }
        tell_output(image, &out, trace);
        let (rewrite, egress) = leaving.to(image, &out).ok_or(DropReason::NotLocal)?;
        Ok(Decided::Forward(rewrite, egress))
    }

    /// The port behind which an address was seen, if it is still there.
    pub(super) fn learned_port<H: Hints>(
        &self,
        image: &Image<'_>,
        network: u16,
        mac: EthernetAddress,
        now: u64,
        hints: &H,
    ) -> Option<u32> {
        let id = image.network(network)?.id;
        image.port_of_key(network, self.learned.port(id, mac, now, hints)?)
    }
}

/// Tells a trace by which port a frame leaves.
pub(super) fn tell_output<'a, T: Trace<Router<'a>>>(
    image: &Image<'_>,
    out: &super::PortRecord,
    trace: &mut T,
) {
    trace.stage(|| {
        if image.is_local(out) {
            Event::Deliver { port: out.key, id: PortId(out.id) }
        } else {
            Event::Remote { host: out.host, port: out.key }
        }
    });
}
