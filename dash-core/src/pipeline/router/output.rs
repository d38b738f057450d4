//! Where a frame leaves: ports of this host; VXLAN to others; all ports of a network.
//!
//! A flood leaves by the ports of the network on this host in the order of their keys, but for that
//! which it came in at; then one copy goes to each other host that has a port of the network, and
//! is delivered there alone.

use dash_hal::PortId;

use super::policy::{Image, NetworkRecord, PortFlags, PortRecord};
use crate::{
    flow::Egress,
    rewrite::{Encapsulation, Endpoints, Flags, Rewrite, Tunnel},
};

/// TTL of the outer header.
const TTL: u8 = 64;

/// A frame that is ready to leave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaving {
    /// What is changed wherever it leaves.
    pub(super) rewrite: Rewrite,
    /// Outer source port, should it leave by a tunnel.
    pub(super) source_port: u16,
    /// The underlay's port.
    pub(super) underlay: PortId,
}

impl Leaving {
    /// To a port; `None`: there is no way to it.
    pub(super) fn to(&self, image: &Image<'_>, port: &PortRecord) -> Option<(Rewrite, Egress)> {
        if image.is_local(port) {
            self.deliver(image, port)
        } else {
            self.tunnel(image, port.network, port.host)
        }
    }

    /// To a port of this host.
    pub(super) fn deliver(
        &self,
        image: &Image<'_>,
        port: &PortRecord,
    ) -> Option<(Rewrite, Egress)> {
        let mut rewrite = self.rewrite;
        let tag = image.network(port.network).as_ref().and_then(NetworkRecord::vlan);
        if let Some(vlan) = tag.filter(|_| port.has(PortFlags::PROVIDER)) {
            rewrite.flags |= Flags::PUSH_VLAN;
            rewrite.vlan = vlan;
        }
        Some((rewrite, Egress::to(PortId(port.id))?))
    }

    /// To another host, for its ports of a network.
    fn tunnel(&self, image: &Image<'_>, network: u16, host: u16) -> Option<(Rewrite, Egress)> {
        let [own, other] = image.hosts.ends(host)?;
        // Network 0 has no id.
        let vni = Some(image.network(network)?.id).filter(|id| *id != 0)?;
        let tunnel = Tunnel {
            endpoints: Endpoints::V4 { source: own.ip, destination: other.ip },
            source_mac: own.mac,
            destination_mac: other.mac,
            vni,
            source_port: self.source_port,
            ttl: TTL,
            dont_fragment: true,
            ..Tunnel::NONE
        };
        let tunnel = Encapsulation::new(&tunnel);
        let flags = self.rewrite.flags | Flags::PUSH_OUTER;
        Some((Rewrite { tunnel, flags, ..self.rewrite }, Egress::to(self.underlay)?))
    }
}

/// Ports that a frame leaves by, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    leaving: Leaving,
    network: u16,
    /// Key of the port that it came in at.
    inport: Option<u16>,
    /// Number of the next port, and of that behind the network's last.
    next: u32,
    end: u32,
    /// Number of the next host.
    host: u16,
}

impl Spread {
    /// Over a network. Without `inport` it came by a tunnel, and goes to no other host.
    pub(super) fn new(
        image: &Image<'_>,
        leaving: Leaving,
        network: u16,
        inport: Option<u16>,
    ) -> Option<Self> {
        let record = image.network(network)?;
        let (next, end) = (record.first_port, record.first_port.saturating_add(record.ports));
        let host = if inport.is_some() { 0 } else { image.hosts.count() };
        Some(Self { leaving, network, inport, next, end, host })
    }

    pub(super) fn next(&mut self, image: &Image<'_>) -> Option<(Rewrite, Egress)> {
        while self.next < self.end {
            let port = image.port(self.next)?;
            self.next += 1;
            if Some(port.key) != self.inport && image.is_local(&port) {
                return self.leaving.deliver(image, &port);
            }
        }
        let concerns = |host| has_ports(image, self.network, host);
        let host = image.hosts.next_other(&mut self.host, concerns)?;
        self.leaving.tunnel(image, self.network, host)
    }
}

/// Whether a flood of the network concerns a host.
fn has_ports(image: &Image<'_>, network: u16, host: u16) -> bool {
    let Some(record) = image.network(network) else { return false };
    let mut ports = record.first_port..record.first_port.saturating_add(record.ports);
    ports.any(|port| image.port(port).is_some_and(|port| port.host == host))
}
