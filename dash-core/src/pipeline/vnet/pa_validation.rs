//! Stage: does the underlay source belong to the VNET? An underlay address of its mappings, or a
//! prefix of its VNI. DASH HLD, PA validation.

use smoltcp::wire::IpAddress;

use super::{
    DropReason, Event, Vnet,
    event::ValidBy,
    policy::{Policy, VnetId},
};
use crate::pipeline::Trace;

pub(super) fn check<'a>(
    policy: &Policy<'a>,
    vnet: VnetId,
    source: IpAddress,
    trace: &mut impl Trace<Vnet<'a>>,
) -> Result<(), DropReason> {
    let vni = policy.vnet_vni(vnet);
    let by = if policy.is_mapping_underlay(vnet, source) {
        Some(ValidBy::Mapping)
    } else {
        vni.and_then(|vni| policy.pa_prefix(vni, source)).map(ValidBy::Prefix)
    };
    trace.stage(|| Event::PaValidation { vnet, vni, source, by });
    by.map(|_| ()).ok_or(DropReason::PaValidationMiss)
}
