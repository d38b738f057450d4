//! The state machine of a flow, and when its frames may leave the way through the tunnel router.
//!
//! | state | frame of the server | frame of the tunnel router |
//! |---|---|---|
//! | new | in flight + 1, to the router | in flight − 1, learnt; new where there is no place for the way |
//! | learnt, in flight > 0 and ordered | in flight + 1, to the router | in flight − 1 |
//! | learnt | direct | in flight − 1 |
//!
//! The count never falls below 0 nor rises above its range. It is given up, for the router may have
//! lost a frame, when the last frame was sent to the router longer ago than the guard time.

use super::Order;
use crate::flow::State;

/// In a millisecond.
const NANOSECONDS: u64 = 1_000_000;

/// Whether the way back to the tenant is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not yet.
    New,
    /// The tunnel router told.
    Learnt,
}

/// What the pipeline keeps in a flow. Its rewrite is the way that was learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowState {
    /// When a frame was sent to the tunnel router last, ns.
    sent: u64,
    /// When the way was learnt first, ns.
    learnt: u64,
    inflight: u32,
    phase: Phase,
}

impl State for FlowState {
    const EMPTY: Self = Self { sent: 0, learnt: 0, inflight: 0, phase: Phase::New };
}

/// Where a frame of the server goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the tunnel router.
    ToRouter,
    /// By the way that was learnt.
    Direct,
    /// Direct, though frames may be on the way through the router.
    Forced,
}

/// Whether more than `limit` milliseconds went by from `since` to `now`.
const fn over(since: u64, limit: u32, now: u64) -> bool {
    now.saturating_sub(since) > limit as u64 * NANOSECONDS
}

impl FlowState {
    /// Of a flow that a frame of a server makes.
    pub(super) const fn of_server_frame(now: u64) -> Self {
        Self { sent: now, learnt: 0, inflight: 1, phase: Phase::New }
    }

    /// Of a flow that a frame of the tunnel router makes.
    pub(super) const fn of_router_frame(now: u64) -> Self {
        Self { sent: 0, learnt: now, inflight: 0, phase: Phase::Learnt }
    }

    /// Whether the way back to the tenant is known.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Frames on the way through the tunnel router.
    #[must_use]
    pub const fn inflight(&self) -> u32 {
        self.inflight
    }

    /// A frame of the server came.
    pub(super) fn server_frame(&mut self, order: Option<&Order>, now: u64) -> Way {
        if self.phase == Phase::Learnt {
            let waits =
                order.filter(|order| self.inflight > 0 && !over(self.sent, order.guard, now));
            let Some(order) = waits else {
                self.inflight = 0;
                return Way::Direct;
            };
            if order.force_after != 0 && over(self.learnt, order.force_after, now) {
                self.inflight = 0;
                return Way::Forced;
            }
        }
        self.inflight = self.inflight.saturating_add(1);
        self.sent = now;
        Way::ToRouter
    }

    /// There is no place for the way.
    pub(super) const fn forget(&mut self) {
        self.phase = Phase::New;
    }

    /// A frame of the tunnel router came; answers whether it is the first one.
    pub(super) fn router_frame(&mut self, now: u64) -> bool {
        self.inflight = self.inflight.saturating_sub(1);
        let first = self.phase == Phase::New;
        if first {
            (self.phase, self.learnt) = (Phase::Learnt, now);
        }
        first
    }
}
