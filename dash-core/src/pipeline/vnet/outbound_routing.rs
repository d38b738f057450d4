//! Stage: where does the VM's frame go? The ENI's route group, longest prefix of the customer
//! destination. DASH HLD, outbound routing.

use smoltcp::wire::IpAddress;

use super::{
    DropReason, Event, Vnet,
    policy::{Policy, Route, RouteGroupId, VnetId},
};
use crate::pipeline::Trace;

/// What a route that does not drop says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The customer frame leaves as it is.
    Direct,
    /// The mapping of `address` in `vnet` says where it goes.
    Mapped {
        /// The VNET.
        vnet: VnetId,
        /// The customer destination, or the route's overlay IP.
        address: IpAddress,
    },
}

pub(super) fn find<'a>(
    policy: &Policy<'a>,
    group: Option<RouteGroupId>,
    destination: IpAddress,
    trace: &mut impl Trace<Vnet<'a>>,
) -> Result<Target, DropReason> {
    let entry = group.and_then(|group| policy.route_group(group));
    trace.stage(|| Event::RouteGroup { group, entry });
    let (Some(group), Some(attributes)) = (group, entry) else {
        return Err(DropReason::OutboundRoutingGroupMiss);
    };
    if attributes.disabled {
        return Err(DropReason::OutboundRoutingGroupDisabled);
    }
    let entry = policy.route(group, destination);
    trace.stage(|| {
        let entry = policy.route_length(group, destination).zip(entry);
        Event::Route { group, destination, entry }
    });
    match entry {
        None => Err(DropReason::OutboundRoutingEntryMiss),
        Some(Route::Drop) => Err(DropReason::OutboundRouting),
        Some(Route::Direct) => Ok(Target::Direct),
        Some(Route::Vnet(vnet)) => Ok(Target::Mapped { vnet, address: destination }),
        Some(Route::VnetDirect { vnet, overlay_ip }) => {
            Ok(Target::Mapped { vnet, address: overlay_ip.unwrap_or(destination) })
        }
    }
}
