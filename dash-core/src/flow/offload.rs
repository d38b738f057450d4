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
//! | its policy's epoch moves; [`Hardware::takes`] says no; [`FlowFlags::MODIFIED`] | when the sweep comes by: within one whole sweep, which is one call with a budget of the table's capacity |
//! | no frame for its idle time-out, or its hard time-out passes | when the sweep comes by, sooner where the hardware keeps time itself |
//!
//! The port is shown the whole [`Flow`]: `rewrite` and `egress` are what it does with a frame;
//! `timeouts` with `used` (its last frame so far) and `modified` let it keep time. The MTU of each
//! port it knows itself.
//!
//! Both halves of a pair with an old epoch are taken back, though only a frame of the direction that
//! created it is evaluated again; after that they are offered anew. Flow and pipeline counters are
//! up to date as of the last sweep.

use dash_hal::{FlowId, Hits};

use super::{Flow, FlowFlags, FlowTable, Removal, State};
use crate::table::cuckoo::{Handle, Key};

/// A port's hardware table as the flow table meets it, and who else counts what it forwards.
pub trait Hardware<K, S> {
    /// Whether there is one.
    const PRESENT: bool;
    /// Frames of a flow before it is offered.
    const OFFER_AFTER: u64;

    /// Whether the hardware may forward the frames of this flow without software.
    fn takes(&self, key: &K, flow: &Flow<S>) -> bool;
    /// Offers the flow; answers whether the hardware has it now.
    fn offer(&mut self, id: FlowId, key: &K, flow: &Flow<S>) -> bool;
    /// What was forwarded of the flow since it was asked last.
    fn hits(&mut self, id: FlowId, key: &K, state: &S) -> Hits;
    /// Takes the flow back; answers the last hits.
    fn withdraw(&mut self, id: FlowId, key: &K, state: &S) -> Hits;
}

/// None.
impl<K, S> Hardware<K, S> for () {
    const PRESENT: bool = false;
    const OFFER_AFTER: u64 = u64::MAX;

    fn takes(&self, _key: &K, _flow: &Flow<S>) -> bool {
        false
    }

    fn offer(&mut self, _id: FlowId, _key: &K, _flow: &Flow<S>) -> bool {
        false
    }

    fn hits(&mut self, _id: FlowId, _key: &K, _state: &S) -> Hits {
        Hits::default()
    }

    fn withdraw(&mut self, _id: FlowId, _key: &K, _state: &S) -> Hits {
        Hits::default()
    }
}

/// The position of an entry, which names its flow for the hardware; a table has fewer than 2³².
const fn id(handle: Handle) -> FlowId {
    FlowId(handle.index() as u32)
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
    pub(crate) fn over<W: Hardware<K, S>>(
        &mut self,
        handle: Handle,
        now: u64,
        hardware: &mut W,
    ) -> Option<Removal> {
        let why = self.timed_out(handle, now)?;
        if !W::PRESENT {
            return Some(why);
        }
        self.fetch(handle, hardware);
        if let Some(peer) = self.get(handle).and_then(|(_, flow)| flow.peer) {
            self.fetch(peer, hardware);
        }
        self.timed_out(handle, now)
    }

    /// One flow at the sweep; `current` says whether it is of the newest policy.
    pub(super) fn tend<W: Hardware<K, S>>(
        &mut self,
        handle: Handle,
        current: bool,
        hardware: &mut W,
    ) {
        if !W::PRESENT {
            return;
        }
        let Some((key, flow)) = self.get(handle) else { return };
        let takes = current && hardware.takes(key, flow);
        if takes && !flow.flags.contains(FlowFlags::MODIFIED) {
            self.fetch(handle, hardware);
        } else {
            self.withdraw(handle, hardware);
        }
        if takes {
            self.offer(handle, hardware);
        }
    }

    /// Counts what the hardware forwarded of a flow, if it has it.
    fn fetch<W: Hardware<K, S>>(&mut self, handle: Handle, hardware: &mut W) {
        let Some((key, flow)) = self.flows.entry_mut(handle) else { return };
        if flow.is_offloaded() {
            let hits = hardware.hits(id(handle), key, &flow.state);
            flow.add(&hits);
        }
    }

    /// Takes a flow back from the hardware, if it has it.
    pub(super) fn withdraw<W: Hardware<K, S>>(&mut self, handle: Handle, hardware: &mut W) {
        if !W::PRESENT {
            return;
        }
        let Some((key, flow)) = self.flows.entry_mut(handle) else { return };
        if flow.is_offloaded() {
            let hits = hardware.withdraw(id(handle), key, &flow.state);
            flow.add(&hits);
            flow.flags.remove(FlowFlags::OFFLOADED);
            self.counters.withdrawn += 1;
        }
    }

    fn offer<W: Hardware<K, S>>(&mut self, handle: Handle, hardware: &mut W) {
        let Some((key, flow)) = self.flows.entry_mut(handle) else { return };
        if flow.is_offloaded() || flow.packets < W::OFFER_AFTER {
            return;
        }
        flow.flags.remove(FlowFlags::MODIFIED);
        if hardware.offer(id(handle), key, flow) {
            flow.flags.insert(FlowFlags::OFFLOADED);
            self.counters.offloaded += 1;
        } else {
            self.counters.refused += 1;
        }
    }
}
