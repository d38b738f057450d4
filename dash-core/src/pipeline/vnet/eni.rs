//! Stage: whose frame is it? MAC address, exact. DASH HLD, ENI look-up.

use super::{
    DropReason, Event, Vnet,
    key::Mac,
    memory::{Admitted, Memory},
    policy::{EniEntry, Policy},
};
use crate::pipeline::Trace;

/// The ENI, up or not.
#[inline]
pub(super) fn find<'a, 'm>(
    policy: &Policy<'a>,
    memory: &'m mut Memory,
    mac: Mac,
    trace: &mut impl Trace<Vnet<'a>>,
) -> Result<&'m Admitted, DropReason> {
    let admitted = memory.eni(policy, mac);
    trace.stage(|| Event::Eni { mac: mac.into(), entry: admitted.map(|admitted| admitted.eni) });
    admitted.ok_or(DropReason::EniMiss)
}

/// An ENI passes frames only when its `admin_state` is enabled.
#[inline]
pub(super) const fn check_admin_state(eni: EniEntry) -> Result<(), DropReason> {
    if eni.enabled { Ok(()) } else { Err(DropReason::EniAdminDown) }
}
