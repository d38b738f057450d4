//! Stage: where in the underlay does a customer address live? VNET and address, exact. DASH HLD,
//! CA-PA mapping.

use smoltcp::wire::{EthernetAddress, IpAddress};

use super::{
    DropReason, Event, Vnet,
    event::VniOrigin,
    policy::{Mapping, Policy, VnetId},
};
use crate::pipeline::Trace;

/// What an encapsulation is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Destination {
    /// Outer destination.
    pub(super) underlay: IpAddress,
    /// VNI.
    pub(super) vni: u32,
    /// Destination MAC of the customer frame.
    pub(super) mac: EthernetAddress,
}

/// What the VNI depends on besides the mapping.
#[derive(Clone, Copy, Debug)]
pub(super) struct EniVni {
    /// VNET of the ENI.
    pub(super) vnet: VnetId,
    /// VNI of the tunnel to its VM.
    pub(super) vm_vni: u32,
}

/// `v6`: whether the outer header was received over IPv6.
pub(super) fn find<'a>(
    policy: &Policy<'a>,
    (vnet, address): (VnetId, IpAddress),
    eni: EniVni,
    v6: bool,
    trace: &mut impl Trace<Vnet<'a>>,
) -> Result<Destination, DropReason> {
    let entry = policy.mapping(vnet, address);
    trace.stage(|| Event::Mapping { vnet, address, entry });
    let mapping = entry.ok_or(DropReason::OutboundCaPaEntryMiss)?;
    let (vni, from) = vni(policy, &mapping, vnet, eni);
    trace.stage(|| Event::Vni { vni, from });
    Ok(Destination { underlay: mapping.underlay.choose(v6), vni, mac: mapping.mac })
}

/// The mapping's own, else its routing type's, else that of a VNET, else the ENI's.
fn vni(policy: &Policy<'_>, mapping: &Mapping, vnet: VnetId, eni: EniVni) -> (u32, VniOrigin) {
    if let Some(vni) = mapping.vni {
        return (vni, VniOrigin::Mapping);
    }
    if let Some(vni) = policy.routing_type_vni(mapping.routing_type) {
        return (vni, VniOrigin::RoutingType);
    }
    let vnet = if mapping.use_dst_vni { vnet } else { eni.vnet };
    match policy.vnet_vni(vnet) {
        Some(vni) => (vni, VniOrigin::Vnet(vnet)),
        None => (eni.vm_vni, VniOrigin::Eni),
    }
}
