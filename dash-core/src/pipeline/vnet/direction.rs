//! Stage: does the frame come from the VM or go to it? VNI, exact; a miss is inbound. DASH HLD,
//! direction look-up.

use smoltcp::wire::EthernetAddress;

use super::{
    Event, Memory, Vnet,
    policy::{Direction, DirectionEntry, MacOverride, Policy},
};
use crate::{pipeline::Trace, wire::ethernet::EthernetHeader};

/// The direction, and the customer frame's MAC address that names the ENI.
#[inline]
pub(super) fn find<'a>(
    policy: &Policy<'a>,
    memory: &mut Memory,
    vni: u32,
    customer: &EthernetHeader,
    trace: &mut impl Trace<Vnet<'a>>,
) -> (Direction, EthernetAddress) {
    let entry = match memory.direction {
        Some((last, entry)) if last == vni => entry,
        _ => policy.direction(vni),
    };
    memory.direction = Some((vni, entry));
    trace.stage(|| Event::Direction { vni, entry });
    let DirectionEntry { direction, mac } = entry.unwrap_or(DirectionEntry::MISS);
    let by_source = match mac {
        MacOverride::None => direction == Direction::Outbound,
        MacOverride::Source => true,
        MacOverride::Destination => false,
    };
    (direction, if by_source { customer.source() } else { customer.destination() })
}
