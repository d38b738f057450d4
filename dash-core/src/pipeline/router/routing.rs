//! Table 52: between subnets, by the longest prefix of the router and the neighbours of the next
//! network; and what a controller elsewhere is asked for.

use dash_hal::{Hints, PortId};
use smoltcp::wire::{EthernetAddress, IpAddress};

use super::{
    Action, Controller, Decided, DropReason, Event, FlowKey, FlowState, Ingress, NorthSouth,
    PuntReason, Router,
    answer::Problem,
    frame::Carried,
    normal::tell_output,
    output::Leaving,
    policy::{Image, InterfaceRecord, NetworkRecord, PortFlags, PortRecord},
    tell,
};
use crate::{
    flow::{Egress, Install, NewFlow, Timeouts},
    pipeline::{Cause, Trace},
    rewrite::{Flags, Rewrite},
};

/// Where a frame goes next.
#[derive(Clone, Copy)]
struct Hop {
    /// The interface that it leaves the router by.
    interface: InterfaceRecord,
    /// The next hop, and the number of its port.
    ip: IpAddress,
    index: u32,
    port: PortRecord,
}

impl Hop {
    /// To `destination`, from a network.
    fn find(
        image: &Image<'_>,
        network: &NetworkRecord,
        destination: IpAddress,
    ) -> Result<Self, DropReason> {
        let route = network.router().and_then(|router| image.route(router, destination));
        let (interface, ip) = route.ok_or(DropReason::NoRoute)?;
        let interface = image.interface(interface).ok_or(DropReason::NoRoute)?;
        let index = image.neighbour(interface.network, ip).ok_or(DropReason::NoHost)?;
        let port = image.port(index).ok_or(DropReason::NoHost)?;
        Ok(Self { interface, ip, index, port })
    }

    /// How a frame goes there.
    fn way(&self, image: &Image<'_>, leaving: &Leaving) -> Option<(Rewrite, Egress)> {
        let flags = Flags::SOURCE_MAC | Flags::DESTINATION_MAC | Flags::TTL;
        let rewrite = Rewrite {
            flags: leaving.rewrite.flags | flags,
            source_mac: self.interface.mac().into(),
            destination_mac: self.port.mac().into(),
            ..leaving.rewrite
        };
        Leaving { rewrite, ..*leaving }.to(image, &self.port)
    }
}

/// Whether an address names one host, and not of the same link alone.
fn is_routable(address: IpAddress) -> bool {
    address.is_unicast()
        && match address {
            IpAddress::Ipv4(address) => !address.is_loopback(),
            IpAddress::Ipv6(address) => !address.is_loopback(),
        }
}

/// Whether an address is of the link that it is used on.
fn is_of_link(address: IpAddress) -> bool {
    matches!(address, IpAddress::Ipv6(address) if address.is_unicast_link_local())
}

impl Router<'_> {
    /// Table 52, of a frame that has no flow; its datagram has so many bytes.
    pub(super) fn layer3<H: Hints, T: Trace<Self>>(
        &mut self,
        ingress: &Ingress<'_>,
        datagram: u16,
        cause: Cause<'_, FlowKey>,
        (hints, trace): (&H, &mut T),
    ) -> Result<Decided, DropReason> {
        let Ingress { image, frame, port, network, leaving, now, .. } = ingress;
        let ip = match &frame.carried {
            Carried::Ip(ip) => ip,
            Carried::BadIp { .. } => return Err(DropReason::BadIp),
            Carried::Arp | Carried::Other => return self.beyond(trace),
        };
        let destination = ip.destination;
        if network.router().is_some_and(|router| image.is_own(router, destination)) {
            tell(trace, 52, 60, || Action::Reply);
            return self.local(ingress, ip, hints);
        }
        if image.is_near(port.network, destination) || is_of_link(destination) {
            tell(trace, 52, 30, || Action::Normal);
            return self.normal(ingress, (hints, trace));
        }
        let router = network.router().filter(|_| is_routable(destination));
        if router.and_then(|router| image.route(router, destination)).is_none() {
            return self.beyond(trace);
        }
        let remote = self.settings.controller == Controller::Remote;
        tell(trace, 52, 20, || Action::Controller { remote });
        if ip.ttl <= 1 {
            return self.problem(ingress, ip, Problem::TimeExceeded);
        }
        if datagram > self.settings.mtu {
            return Err(DropReason::Mtu);
        }
        if remote {
            if self.absents.knows(network.id, destination, *now) {
                return Err(DropReason::NoHost);
            }
            return Ok(Decided::Punt(PuntReason::NoFlow));
        }
        let hop = Hop::find(image, network, destination)?;
        trace.stage(|| {
            let network = image.network(hop.port.network).map_or(0, |network| network.id);
            Event::Host { ip: hop.ip, network, port: hop.port.key }
        });
        tell_output(image, &hop.port, trace);
        let (rewrite, egress) = hop.way(image, leaving).ok_or(DropReason::NotLocal)?;
        // Who has no address may send DHCP alone.
        let at = (*now, !ip.source.is_unspecified());
        let install = match cause {
            Cause::NoFlow => Install::None,
            Cause::Again(key) => Install::One(self.flow(*key, (rewrite, egress), 0, at)),
            Cause::Miss(key) => {
                let answers = self.answers(image, &hop, [ip.source, destination]);
                let count = 1 + u64::from(answers.is_some());
                // That of the answers is installed first, and has the lower cookie.
                let first = self.cookies.wrapping_add(1);
                self.cookies = self.cookies.wrapping_add(count);
                self.taken = count;
                let forward = self.flow(*key, (rewrite, egress), self.cookies, at);
                match answers {
                    None => Install::One(forward),
                    Some((key, way)) => {
                        Install::Two(forward, self.flow(key, way, first, (*now, true)))
                    }
                }
            }
        };
        Ok(Decided::Install(rewrite, egress, install))
    }

    /// Table 53.
    fn beyond<T: Trace<Self>>(&self, trace: &mut T) -> Result<Decided, DropReason> {
        tell(trace, 52, 1, || Action::Goto(53));
        match self.settings.north_south {
            NorthSouth::Drop => {
                tell(trace, 53, 1, || Action::Drop(DropReason::NoRoute));
                Err(DropReason::NoRoute)
            }
            NorthSouth::Punt => {
                tell(trace, 53, 1, || Action::Controller { remote: true });
                Ok(Decided::Punt(PuntReason::NorthSouth))
            }
        }
    }

    /// A flow of the slow path's, made in more than one place.
    #[inline(never)]
    fn flow(
        &self,
        key: FlowKey,
        (rewrite, egress): (Rewrite, Egress),
        number: u64,
        (now, fair): (u64, bool),
    ) -> NewFlow<FlowKey, FlowState> {
        let Self { settings, .. } = self;
        let state = FlowState {
            cookie: settings.cookie_base.wrapping_add(number),
            born: now,
            told: settings.send_removed,
            local: true,
            fair,
        };
        let timeouts = Timeouts { idle: settings.idle_timeout, hard: settings.hard_timeout };
        NewFlow { key, rewrite, egress, state, timeouts }
    }

    /// The flow of the answers to a frame that goes to `hop`: what the slow path would say of one.
    fn answers(
        &self,
        image: &Image<'_>,
        hop: &Hop,
        [source, destination]: [IpAddress; 2],
    ) -> Option<(FlowKey, (Rewrite, Egress))> {
        let port = &hop.port;
        let network = image.network(port.network)?;
        let fair = !port.has(PortFlags::SECURED)
            || !port.has(PortFlags::ADDRESSED)
            || image.allows(hop.index, port.mac(), destination);
        let own = network.router().is_some_and(|router| image.is_own(router, source));
        let near = image.is_near(port.network, source) || is_of_link(source);
        if !image.is_local(port) || !fair || own || near || !is_routable(source) {
            return None;
        }
        let back = Hop::find(image, &network, source).ok()?;
        let vlan = network.vlan().filter(|_| port.has(PortFlags::PROVIDER));
        let flags = if vlan.is_some() { Flags::POP_VLAN } else { Flags::empty() };
        let rewrite = Rewrite { flags, ..Rewrite::NONE };
        // The outer port is each frame's own.
        let leaving = Leaving { rewrite, source_port: 0, underlay: self.settings.underlay };
        let macs: [EthernetAddress; 2] = [port.mac(), hop.interface.mac()];
        let key = FlowKey::new(PortId(port.id), vlan, macs, [destination, source])?;
        Some((key, back.way(image, &leaving)?))
    }
}
