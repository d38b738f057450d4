//! Stage: may the frame go to the VM, and whose is it? ENI, VNI, underlay source and customer
//! protocol, first match. DASH HLD, inbound routing.

use smoltcp::wire::IpAddress;

use super::{
    DropReason, Event, Vnet,
    policy::{EniId, InboundAction, Policy, VnetId},
};
use crate::pipeline::Trace;

/// Answers the VNET that the underlay source must belong to, if it is to be validated; that of the
/// ENI is `vnet`.
pub(super) fn find<'a>(
    policy: &Policy<'a>,
    (eni, vnet): (EniId, VnetId),
    vni: u32,
    source: IpAddress,
    protocol: u8,
    trace: &mut impl Trace<Vnet<'a>>,
) -> Result<Option<VnetId>, DropReason> {
    let entry = policy.inbound_rule(eni, vni, source, protocol);
    trace.stage(|| Event::InboundRule { eni, vni, source, protocol, entry });
    match entry {
        None => Err(DropReason::InboundRoutingEntryMiss),
        Some((_, InboundAction::Drop)) => Err(DropReason::InboundRouting),
        Some((_, InboundAction::Decap { pa_validation: false, .. })) => Ok(None),
        Some((_, InboundAction::Decap { vnet: source_vnet, .. })) => {
            Ok(Some(source_vnet.unwrap_or(vnet)))
        }
    }
}
