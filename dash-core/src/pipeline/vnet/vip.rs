//! Stage: is the frame for us? Outer destination, exact. DASH HLD, VIP look-up.

use smoltcp::wire::IpAddress;

use super::{DropReason, policy::Policy};

/// The VIP that the frame is sent to. A tagged frame is none of ours, whether the tag is in the
/// frame or the NIC took it off: it has no `destination`.
pub(super) fn check(
    policy: &Policy<'_>,
    destination: Option<IpAddress>,
) -> Result<IpAddress, DropReason> {
    destination.filter(|destination| policy.is_vip(*destination)).ok_or(DropReason::VipMiss)
}
