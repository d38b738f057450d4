//! Stage: whose frame is it? MAC address, exact. DASH HLD, ENI look-up.

use smoltcp::wire::EthernetAddress;

use super::{
    DropReason, Event, Memory, Vnet,
    policy::{EniEntry, Policy},
};
use crate::pipeline::Trace;

/// The ENI, up or not.
#[inline]
pub(super) fn find<'a>(
    policy: &Policy<'a>,
    memory: &mut Memory,
    mac: EthernetAddress,
    trace: &mut impl Trace<Vnet<'a>>,
) -> Result<EniEntry, DropReason> {
    let entry = match memory.eni {
        Some((last, entry)) if last == mac => Some(entry),
        _ => policy.eni_by_mac(mac),
    };
    memory.eni = entry.map(|entry| (mac, entry));
    trace.stage(|| Event::Eni { mac, entry });
    entry.ok_or(DropReason::EniMiss)
}

/// An ENI passes frames only when its `admin_state` is enabled.
#[inline]
pub(super) const fn check_admin_state(eni: EniEntry) -> Result<(), DropReason> {
    if eni.enabled { Ok(()) } else { Err(DropReason::EniAdminDown) }
}
