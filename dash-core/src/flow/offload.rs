//! Flows that a port's hardware forwards: when they are offered, counted and taken back.
//!
//! The table keeps every flow; two bits of its flags say whether the hardware has it too, and the
//! port knows it by the position of its entry. Nothing here is on the way of a hit. The
//! [sweep](FlowTable::sweep) does the work, for each flow that it looks at anyway: one call for its
//! hits, and one to offer it or to take it back; before a flow is held to have timed out, hits of
//! both halves of its pair are fetched, and both are taken back if it is over. The packet path
//! calls the hardware only where a flow seems to have timed out or leaves the table. Without
//! hardware (`()`) no code is left.
//!
//! | what happens to a flow that the hardware has | when the hardware stops |
//! |---|---|
//! | it ends, is removed, replaced, or denied by a new evaluation | at once, in the same call |
//! | its TCP conversation begins to end; its policy's epoch moves; [`Outside::takes`] says no; [`FlowFlags::MODIFIED`] | when the sweep comes by: within one whole sweep, which is one call with a budget of the table's capacity |
//! | no frame for its idle time-out, or its hard time-out passes | when the sweep comes by, sooner where the hardware keeps time itself |
//!
//! The port is shown the flow as [`Offered`]: `rewrite` and `egress` are what it does with a frame;
//! `timeouts` with `used` (its last frame so far) and `created` let it keep time. The MTU of each
//! port it knows itself.
//!
//! Both halves of a pair with an old epoch are taken back, though only a frame of the direction that
//! created it is evaluated again; after that they are offered anew. Flow and pipeline counters are
//! up to date as of the last sweep.

use core::ops::Deref;

use dash_hal::{FlowId, Hits};

use super::{Flow, FlowFlags, FlowTable, Outside, Removal, State};
use crate::{
    rewrite::Rewrite,
    table::cuckoo::{Handle, Key},
};

/// The position of an entry, which names its flow for the hardware; a table has fewer than 2³².
const fn id(handle: Handle) -> FlowId {
    FlowId(handle.index() as u32)
}

/// A flow as hardware is shown it, with its whole header change.
#[derive(Clone, Copy, Debug)]
pub struct Offered<S> {
    /// What is done with its frames.
    pub rewrite: Rewrite,
    /// All else; its [`change`](Flow::change) means nothing outside of its table.
    pub flow: Flow<S>,
}

impl<S> Deref for Offered<S> {
    type Target = Flow<S>;

    fn deref(&self) -> &Flow<S> {
        &self.flow
    }
}

impl<S> Flow<S> {
    /// Whether a port's hardware has the flow.
    #[must_use]
    pub const fn is_offloaded(&self) -> bool {
        self.flags.contains(FlowFlags::OFFLOADED)
    }

    fn add(&mut self, hits: &Hits) {
        if hits.packets > 0 {
            self.packets += hits.packets;
            self.bytes += hits.received;
            self.used = self.used.max(hits.last);
        }
    }
}

impl<K: Key, S: State> FlowTable<'_, K, S> {
    /// [`timed_out`](Self::timed_out), with the hits of the hardware counted before a flow is held
    /// to be idle.
    #[inline]
    pub(crate) fn over<W: Outside<K, S>>(
        &mut self,
        handle: Handle,
        now: u64,
        outside: &mut W,
    ) -> Option<Removal> {
        let why = self.timed_out(handle, now)?;
        if !W::HARDWARE {
            return Some(why);
        }
        self.fetch(handle, outside);
        if let Some(peer) = self.get(handle).and_then(|(_, flow)| flow.peer()) {
            self.fetch(peer, outside);
        }
        self.timed_out(handle, now)
    }

    /// One flow at the sweep; `current` says whether it is of the newest policy.
    pub(super) fn tend<W: Outside<K, S>>(
        &mut self,
        handle: Handle,
        current: bool,
        outside: &mut W,
    ) {
        if !W::HARDWARE {
            return;
        }
        let Some((key, flow)) = self.get(handle).filter(|(_, flow)| !flow.is_of_fragments()) else {
            return;
        };
        // Software must see the beginning and the end of a TCP conversation.
        let takes = current && !flow.tcp.is_unsettled() && outside.takes(key, flow);
        if takes && !flow.flags.contains(FlowFlags::MODIFIED) {
            self.fetch(handle, outside);
        } else {
            self.withdraw(handle, outside);
        }
        if takes {
            self.offer(handle, outside);
        }
    }

    /// Counts what the hardware forwarded of a flow, if it has it.
    fn fetch<W: Outside<K, S>>(&mut self, handle: Handle, outside: &mut W) {
        let Some((key, flow)) = self.flows.entry_mut(handle) else { return };
        if flow.is_offloaded() {
            let hits = outside.hits(id(handle), key, &flow.state);
            flow.add(&hits);
        }
    }

    /// Takes a flow back from the hardware, if it has it.
    pub(super) fn withdraw<W: Outside<K, S>>(&mut self, handle: Handle, outside: &mut W) {
        if !W::HARDWARE {
            return;
        }
        let Some((key, flow)) = self.flows.entry_mut(handle) else { return };
        if flow.is_offloaded() {
            let hits = outside.withdraw(id(handle), key, &flow.state);
            flow.add(&hits);
            flow.flags.remove(FlowFlags::OFFLOADED);
            self.counters.withdrawn += 1;
        }
    }

    fn offer<W: Outside<K, S>>(&mut self, handle: Handle, outside: &mut W) {
        let Some((key, flow)) = self.flows.entry_mut(handle) else { return };
        if flow.is_offloaded() || flow.packets < W::OFFER_AFTER {
            return;
        }
        flow.flags.remove(FlowFlags::MODIFIED);
        let offered = Offered { rewrite: self.next_hops.rewrite(&flow.change), flow: *flow };
        if outside.offer(id(handle), key, &offered) {
            flow.flags.insert(FlowFlags::OFFLOADED);
            self.counters.offloaded += 1;
        } else {
            self.counters.refused += 1;
        }
    }
}
