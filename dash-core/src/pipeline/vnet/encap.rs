//! Compiles the header changes of both directions. DASH HLD, VXLAN encapsulation; RFC 7348.
//!
//! Outer header: TTL 64, identification 1, UDP source port 0, checksum 0, DSCP of each received
//! frame with ECN 0. Its source is the VIP of the ENI's own appliance; where that has none of the
//! destination's IP version (an answer over IPv6 without `sip_v6`, or an appliance that does not
//! exist), it is the VIP that the frame was sent to, if that fits.

use smoltcp::wire::{EthernetAddress, IpAddress, Ipv4Address, Ipv6Address};

use super::{
    frame::Received,
    mapping::Destination,
    policy::{Appliance, EniRecord},
};
use crate::{
    rewrite::{Encapsulation, Endpoints, Flags, Rewrite, Tunnel},
    wire::Mac,
};

const TTL: u8 = 64;
const IDENTIFICATION: u16 = 1;

/// Takes the received encapsulation off, and what lies behind the customer's IP datagram.
const DECAP: Rewrite = Rewrite { flags: Flags::POP_OUTER.union(Flags::TRIM), ..Rewrite::NONE };

/// Who we are in the underlay, for the frames of one ENI.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender {
    v4: Option<Ipv4Address>,
    v6: Option<Ipv6Address>,
    own_mac: EthernetAddress,
    neighbor_mac: EthernetAddress,
}

impl Sender {
    pub(super) fn new(appliance: Option<&Appliance>, vip: IpAddress) -> Self {
        let zero = EthernetAddress([0; 6]);
        let (vip_v4, vip_v6) = match vip {
            IpAddress::Ipv4(vip) => (Some(vip), None),
            IpAddress::Ipv6(vip) => (None, Some(vip)),
        };
        Self {
            v4: appliance.map(|appliance| appliance.sip).or(vip_v4),
            v6: appliance.and_then(|appliance| appliance.sip_v6).or(vip_v6),
            own_mac: appliance.map_or(zero, |appliance| appliance.own_mac),
            neighbor_mac: appliance.map_or(zero, |appliance| appliance.neighbor_mac),
        }
    }

    /// What all its tunnels share.
    pub(super) const fn tunnel(&self) -> Tunnel {
        Tunnel {
            source_mac: self.own_mac,
            destination_mac: self.neighbor_mac,
            identification: IDENTIFICATION,
            ttl: TTL,
            ..Tunnel::NONE
        }
    }

    /// With `mac` as the customer's destination MAC, if there is one; writes it where it is kept, for
    /// it is long. `None`, and nothing written, when no VIP is of the destination's IP version.
    #[inline(never)]
    fn encap(
        &self,
        (destination, vni): (IpAddress, u32),
        mac: Option<EthernetAddress>,
        place: &mut Rewrite,
    ) -> Option<()> {
        let endpoints = match destination {
            IpAddress::Ipv4(destination) => Endpoints::V4 { source: self.v4?, destination },
            IpAddress::Ipv6(destination) => Endpoints::V6 { source: self.v6?, destination },
        };
        let new_mac = if mac.is_some() { Flags::DESTINATION_MAC } else { Flags::empty() };
        *place = Rewrite {
            flags: DECAP.flags | Flags::PUSH_OUTER | Flags::COPY_DSCP | new_mac,
            tunnel: Encapsulation::new(&Tunnel { endpoints, vni, ..self.tunnel() }),
            destination_mac: mac.map_or(DECAP.destination_mac, Mac::from),
            ..DECAP
        };
        Some(())
    }

    /// To the place of a mapping; the customer's destination MAC becomes the mapping's.
    pub(super) fn for_mapping(&self, destination: &Destination, place: &mut Rewrite) -> Option<()> {
        self.encap((destination.underlay, destination.vni), Some(destination.mac), place)
    }

    /// To the VM; the customer frame stays as it is.
    pub(super) fn for_vm(&self, eni: &EniRecord, vm_vni: u32, place: &mut Rewrite) -> Option<()> {
        self.encap((eni.underlay_ip(), vm_vni), None, place)
    }

    /// Back to where a frame came from; the customer's destination MAC becomes its source.
    pub(super) fn back(&self, received: &Received, place: &mut Rewrite) -> Option<()> {
        self.encap((received.source, received.vni), Some(received.customer_mac), place)
    }
}

/// The customer frame as it is.
pub(super) const fn direct() -> Rewrite {
    DECAP
}
