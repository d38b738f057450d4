//! Fragments of one datagram: only the first has ports, so the later ones go by a temporary flow.
//!
//! The first fragment is looked up, and judged by policy, as a whole frame would be; the flow that
//! lets it pass is the parent of a temporary one. That has a name of its own (in DASH: ENI,
//! direction, IP identification, addresses, protocol), and header change, egress and state of the
//! parent at that time. Nothing is reassembled.
//!
//! | the temporary flow | when |
//! |---|---|
//! | begins, or begins anew | a first fragment passes |
//! | ends | the last fragment passed; its time is over, counted from the first; its parent left the table (found at the next fragment, or by its time-out) |
//!
//! Later fragments without a temporary flow are the pipeline's to drop: those that come before the
//! first or behind the last, and all where the table has no place. Frames and bytes of a temporary
//! flow are added to its parent when it ends; it is told of by no event, given to no hardware, and
//! read by nobody. It is evaluated by policy no second time: its time is short.
//!
//! Memory: one entry of the table. Time: two look-ups more for the first fragment. Source: DASH,
//! handling of fragmented packets.

use dash_hal::Hints;

use super::{Arrival, Flow, FlowFlags, FlowTable, NewFlow, Outside, Removal, State, Timeouts};
use crate::table::cuckoo::{Handle, Key};

/// What a fragment is to its datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<K> {
    /// The first.
    First {
        /// The name that the later ones have.
        later: K,
        /// Milliseconds that their temporary flow lives.
        timeout: u32,
    },
    /// Another one, and more follow.
    Middle,
    /// The last.
    Last,
}

impl<K: Key, S: State> FlowTable<'_, K, S> {
    /// Begins the temporary flow `later` of the flow `parent`, whose frame is the first fragment; if
    /// the table has no place, none begins, and that counts.
    pub(crate) fn begin_fragments<H: Hints, W: Outside<K, S>>(
        &mut self,
        parent: Handle,
        (later, timeout): (K, u32),
        frame: &Arrival,
        hints: &H,
        outside: &mut W,
    ) {
        let Some((_, flow)) = self.flows.get(parent) else { return };
        let (rewrite, &Flow { egress, state, .. }) = (self.rewrite(flow), flow);
        let timeouts = Timeouts { idle: 0, hard: timeout };
        let new = NewFlow { key: later, rewrite, egress, state, timeouts };
        let place = self.flows.home(&later, hints);
        let Ok(handle) = self.put((&new, &place), frame, (false, Some(parent)), hints, outside)
        else {
            return;
        };
        if let Some(flow) = self.flows.get_mut(handle) {
            flow.flags = FlowFlags::FRAGMENTS;
            flow.related = Some(parent);
        }
        self.reschedule(handle);
    }

    /// A parent that is over ends the temporary flow.
    pub(super) fn lost_its_parent(&self, flow: &Flow<S>, now: u64) -> Option<Removal> {
        let parent = self.flows.get(flow.parent()?);
        let lives = parent.is_some_and(|(_, parent)| self.past_its_time(parent, now).is_none());
        (!lives).then_some(Removal::Orphaned)
    }

    /// Adds what was counted on a temporary flow to its parent.
    pub(super) fn add_to_parent(&mut self, handle: Handle) {
        let Some((_, flow)) = self.flows.get(handle) else { return };
        let (packets, bytes) = (flow.packets, flow.bytes);
        if let Some(parent) = flow.parent().and_then(|parent| self.flows.get_mut(parent)) {
            parent.packets += packets;
            parent.bytes += bytes;
        }
    }
}
