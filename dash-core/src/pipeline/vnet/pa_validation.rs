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
    let mapped = policy.is_mapping_underlay(vnet, source);
    let valid = mapped || vni.is_some_and(|vni| policy.is_pa(vni, source));
    trace.stage(|| {
        let length = || policy.pa_length(vni?, source);
        let by = if mapped { Some(ValidBy::Mapping) } else { length().map(ValidBy::Prefix) };
        Event::PaValidation { vnet, vni, source, by }
    });
    if valid { Ok(()) } else { Err(DropReason::PaValidationMiss) }
}
