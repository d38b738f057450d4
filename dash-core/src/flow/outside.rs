//! What lies outside of the flow table and hears of its flows.
//!
//! One mechanism for three of them: the port's hardware table, the pipeline that counts what
//! hardware forwarded, and whoever wants to know which flows ended. A hit tells nobody. With `()`
//! no code is left of any call.

use dash_hal::{EventsLost, FlowId, Hits};

use super::{Flow, FlowRemoved, Offered};

/// Hears of flows, and forwards some of them in hardware.
pub trait Outside<K, S> {
    /// Whether there may be a hardware table.
    const HARDWARE: bool;
    /// Frames of a flow before it is offered to the hardware.
    const OFFER_AFTER: u64;

    /// Whether the hardware may forward the frames of this flow without software.
    fn takes(&self, key: &K, flow: &Flow<S>) -> bool;
    /// Offers the flow; answers whether the hardware has it now.
    fn offer(&mut self, id: FlowId, key: &K, flow: &Offered<S>) -> bool;
    /// What was forwarded of the flow since it was asked last.
    fn hits(&mut self, id: FlowId, key: &K, state: &S) -> Hits;
    /// Takes the flow back; answers the last hits.
    fn withdraw(&mut self, id: FlowId, key: &K, state: &S) -> Hits;
    /// A flow takes a place of the table, or its state becomes this one.
    fn entered(&mut self, state: &S) {
        let _ = state;
    }
    /// A flow of this state gave its place back, or its state becomes another one.
    fn left(&mut self, state: &S) {
        let _ = state;
    }
    /// Tells that a flow left the table, for whatever reason.
    ///
    /// # Errors
    /// [`EventsLost`]: it was not taken down.
    fn removed(&mut self, flow: FlowRemoved<K, S>) -> Result<(), EventsLost>;
}

/// Nobody.
impl<K, S> Outside<K, S> for () {
    const HARDWARE: bool = false;
    const OFFER_AFTER: u64 = u64::MAX;

    fn takes(&self, _key: &K, _flow: &Flow<S>) -> bool {
        false
    }

    fn offer(&mut self, _id: FlowId, _key: &K, _flow: &Offered<S>) -> bool {
        false
    }

    fn hits(&mut self, _id: FlowId, _key: &K, _state: &S) -> Hits {
        Hits::default()
    }

    fn withdraw(&mut self, _id: FlowId, _key: &K, _state: &S) -> Hits {
        Hits::default()
    }

    fn removed(&mut self, _flow: FlowRemoved<K, S>) -> Result<(), EventsLost> {
        Ok(())
    }
}
