//! Stage: is the frame for us? Outer destination, exact. DASH HLD, VIP look-up.

use smoltcp::wire::IpAddress;

use super::{DropReason, Event, Memory, Vnet, policy::Policy};
use crate::{pipeline::Trace, wire::Layer};

/// A tagged frame is none of ours, whether the tag is in the frame or the NIC took it off.
#[inline]
pub(super) fn check<'a>(
    policy: &Policy<'a>,
    memory: &mut Memory,
    bytes: &[u8],
    outer: &Layer,
    stripped_tag: bool,
    trace: &mut impl Trace<Vnet<'a>>,
) -> Result<(), DropReason> {
    let destination = destination(bytes, outer).filter(|_| !stripped_tag);
    let hit = destination
        .is_some_and(|destination| memory.vip == Some(destination) || policy.is_vip(destination));
    if hit {
        memory.vip = destination;
    }
    trace.stage(|| Event::Vip { destination, hit });
    if hit { Ok(()) } else { Err(DropReason::VipMiss) }
}

#[inline]
fn destination(bytes: &[u8], outer: &Layer) -> Option<IpAddress> {
    if outer.tags != 0 {
        return None;
    }
    outer.addresses(bytes).map(|(_, destination)| destination)
}
