//! Stage: by which port does the frame leave? Longest prefix of the destination that is written,
//! which for a `direct` route is the customer's. An extension of ours to DASH.
//!
//! The answer stays in the flow with the version of the underlay routes; a hit with another
//! version looks the route up again. A miss is 'the ingress port', kept as such.

use smoltcp::wire::IpAddress;

use super::{
    DropReason, Event, Vnet,
    policy::{Policy, UnderlayAction},
};
use crate::{
    flow::{Egress, Flow, State},
    pipeline::Trace,
    rewrite::{Endpoints, Flags, Rewrite},
};

/// What a flow remembers of the underlay routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowState {
    generation: u32,
    dropped: bool,
}

impl State for FlowState {
    const EMPTY: Self = Self::UNKNOWN;
}

impl FlowState {
    /// Not looked up yet: 0 is no generation.
    pub(super) const UNKNOWN: Self = Self { generation: 0, dropped: false };
}

/// Where a frame with `rewrite` goes: the outer destination, or without encapsulation `customer`.
pub(super) const fn destination(rewrite: &Rewrite, customer: IpAddress) -> IpAddress {
    if !rewrite.flags.contains(Flags::PUSH_OUTER) {
        return customer;
    }
    match rewrite.tunnel.endpoints {
        Endpoints::V4 { destination, .. } => IpAddress::Ipv4(destination),
        Endpoints::V6 { destination, .. } => IpAddress::Ipv6(destination),
    }
}

/// The egress towards `destination`.
pub(super) fn find<'a>(
    policy: &Policy<'a>,
    destination: IpAddress,
    trace: &mut impl Trace<Vnet<'a>>,
) -> Result<(Egress, FlowState), DropReason> {
    // Before the look-up: an answer of older routes must not bear the newer version.
    let generation = policy.underlay_generation();
    let entry = policy.underlay_route(destination);
    trace.stage(|| Event::Underlay { destination, entry });
    let egress = match entry {
        None => Egress::Ingress,
        Some((_, UnderlayAction::Forward(port))) => Egress::Port(port),
        Some((_, UnderlayAction::Drop)) => return Err(DropReason::Underlay),
    };
    Ok((egress, FlowState { generation, dropped: false }))
}

/// Brings a flow up to date with the underlay routes; `customer` is the frame's destination.
#[inline]
pub(super) fn refresh<'a>(
    policy: &Policy<'a>,
    flow: &mut Flow<FlowState>,
    customer: impl FnOnce() -> Option<IpAddress>,
    trace: &mut impl Trace<Vnet<'a>>,
) -> Result<(), DropReason> {
    let generation = policy.underlay_generation();
    if flow.state.generation != generation {
        let customer = customer().ok_or(DropReason::Underlay)?;
        match find(policy, destination(&flow.rewrite, customer), trace) {
            Ok((egress, state)) => {
                flow.egress = egress;
                flow.state = state;
            }
            Err(_) => flow.state = FlowState { generation, dropped: true },
        }
    }
    if flow.state.dropped { Err(DropReason::Underlay) } else { Ok(()) }
}
