//! Stage: may this VNI reach the slow path? The appliances' ranges, then the ENI's. DASH HLD,
//! trusted VNI.

use super::{
    DropReason, Event, Vnet,
    event::TrustedBy,
    policy::{EniId, Policy},
};
use crate::pipeline::Trace;

pub(super) fn check<'a>(
    policy: &Policy<'a>,
    eni: EniId,
    vni: u32,
    trace: &mut impl Trace<Vnet<'a>>,
) -> Result<(), DropReason> {
    let by = if policy.is_trusted(vni) {
        Some(TrustedBy::Appliance)
    } else {
        policy.is_trusted_by(eni, vni).then_some(TrustedBy::Eni)
    };
    trace.stage(|| Event::TrustedVni { vni, by });
    by.map(|_| ()).ok_or(DropReason::TrustedVniMiss)
}
