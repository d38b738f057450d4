//! Stage: by which port does the frame leave? Longest prefix of the destination that is written,
//! which for a `direct` route is the customer's. An extension of ours to DASH.
//!
//! The answer stays in the flow with the version of the underlay routes; a hit with another
//! version looks the route up again. A miss is 'the ingress port', kept as such.

use smoltcp::wire::IpAddress;

use super::{
    DropReason, Event, Vnet,
    policy::{EniId, Policy, UnderlayAction},
};
use crate::{
    flow::{Egress, Flow, FlowFlags, FlowMut, State},
    pipeline::Trace,
    rewrite::{Flags, NextHops, Rewrite},
};

/// Whose a flow is, and what it remembers of the underlay routes: their version, and whether they
/// drop its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowState {
    version: u32,
    eni: EniId,
}

impl State for FlowState {
    const EMPTY: Self = Self { version: 0, eni: EniId(0) };
}

/// Set in the state of a flow whose frames are dropped; versions are below.
const DROPPED: u32 = 1 << 31;

impl FlowState {
    /// Of a flow of `eni` whose egress is not looked up yet: 0 is no version.
    pub(super) const fn of(eni: EniId) -> Self {
        Self { version: 0, eni }
    }

    /// Of the other half of a pair, whose egress is not looked up yet.
    pub(super) const fn of_other_half(self) -> Self {
        Self::of(self.eni)
    }

    /// The ENI that the flow was made for.
    #[must_use]
    pub const fn eni(self) -> EniId {
        self.eni
    }

    /// Whether the flow's egress is that of the underlay routes as they are.
    pub(super) fn is_current(self, policy: &Policy<'_>) -> bool {
        self.version == policy.underlay_generation()
    }
}

/// Where a frame with `rewrite` goes: the outer destination; `None`: where the customer says.
pub(super) fn destination(rewrite: &Rewrite) -> Option<IpAddress> {
    rewrite.flags.contains(Flags::PUSH_OUTER).then(|| rewrite.tunnel.destination())
}

/// The egress towards `destination`, for a flow of `eni`.
pub(super) fn find<'a>(
    policy: &Policy<'a>,
    eni: EniId,
    destination: IpAddress,
    trace: &mut impl Trace<Vnet<'a>>,
) -> Result<(Egress, FlowState), DropReason> {
    // Before the look-up: an answer of older routes must not bear the newer version.
    let generation = policy.underlay_generation();
    let entry = policy.underlay_route(destination);
    trace.stage(|| {
        let entry = policy.underlay_route_length(destination).zip(entry);
        Event::Underlay { destination, entry }
    });
    let egress = match entry {
        None => Egress::INGRESS,
        Some(UnderlayAction::Forward(port)) => Egress::to(port).ok_or(DropReason::Underlay)?,
        Some(UnderlayAction::Drop) => return Err(DropReason::Underlay),
    };
    Ok((egress, FlowState { version: generation, eni }))
}

/// Brings a flow up to date with the underlay routes, which are of version `generation`; `customer`
/// is the frame's destination.
#[inline(always)]
pub(super) fn refresh<'a>(
    policy: &Policy<'a>,
    generation: u32,
    flow: &mut FlowMut<'_, FlowState>,
    customer: impl FnOnce() -> Option<IpAddress>,
    trace: &mut impl Trace<Vnet<'a>>,
) -> Result<(), DropReason> {
    if flow.state.version == generation {
        Ok(())
    } else {
        // Apart, so that neither has to lie in memory for all others.
        ask(policy, generation, flow.parts(), customer, trace)
    }
}

#[cold]
fn ask<'a>(
    policy: &Policy<'a>,
    generation: u32,
    (flow, next_hops): (&mut Flow<FlowState>, NextHops<'_>),
    customer: impl FnOnce() -> Option<IpAddress>,
    trace: &mut impl Trace<Vnet<'a>>,
) -> Result<(), DropReason> {
    if flow.state.version == generation | DROPPED {
        return Err(DropReason::Underlay);
    }
    // Only the customer's is worth a look at the headers.
    let destination = next_hops.destination(&flow.change);
    let destination = destination.or_else(customer).ok_or(DropReason::Underlay)?;
    flow.flags.insert(FlowFlags::MODIFIED);
    let eni = flow.state.eni;
    match find(policy, eni, destination, trace) {
        Ok((egress, state)) => {
            flow.egress = egress;
            flow.state = state;
            Ok(())
        }
        Err(reason) => {
            flow.state.version = generation | DROPPED;
            Err(reason)
        }
    }
}
