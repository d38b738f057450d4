//! What the flow table hears and is told of: the port's hardware table, the sink of events, and the
//! pipeline that counts what hardware forwards.

use dash_hal::{EventSink, EventsLost, FlowId, FlowOffload, Hits};

use crate::{
    flow::{Flow, FlowRemoved, Offered, Outside},
    pipeline::Pipeline,
};

/// All three, for the length of one call of the flow table.
pub(super) struct Surroundings<'s, P, O, E> {
    pub(super) pipeline: &'s mut P,
    pub(super) offload: &'s mut O,
    pub(super) events: &'s mut E,
}

impl<P, O, E> Outside<P::Key, P::State> for Surroundings<'_, P, O, E>
where
    P: Pipeline,
    O: FlowOffload<P::Key, Offered<P::State>>,
    E: EventSink<FlowRemoved<P::Key, P::State>>,
{
    const HARDWARE: bool = O::PRESENT;
    const OFFER_AFTER: u64 = O::OFFER_AFTER;

    fn takes(&self, key: &P::Key, flow: &Flow<P::State>) -> bool {
        self.offload.is_there() && self.pipeline.offloads(key, flow)
    }

    fn offer(&mut self, id: FlowId, key: &P::Key, flow: &Offered<P::State>) -> bool {
        self.offload.offer(id, key, flow).is_ok()
    }

    fn hits(&mut self, id: FlowId, key: &P::Key, state: &P::State) -> Hits {
        let hits = self.offload.hits(id);
        self.count(key, state, &hits);
        hits
    }

    fn withdraw(&mut self, id: FlowId, key: &P::Key, state: &P::State) -> Hits {
        let hits = self.offload.withdraw(id);
        self.count(key, state, &hits);
        hits
    }

    fn entered(&mut self, state: &P::State) {
        self.pipeline.flow_entered(state);
    }

    fn left(&mut self, state: &P::State) {
        self.pipeline.flow_left(state);
    }

    fn removed(&mut self, flow: FlowRemoved<P::Key, P::State>) -> Result<(), EventsLost> {
        if self.pipeline.tells(&flow.state) { self.events.emit(flow) } else { Ok(()) }
    }
}

impl<P: Pipeline, O, E> Surroundings<'_, P, O, E> {
    fn count(&mut self, key: &P::Key, state: &P::State, hits: &Hits) {
        if hits.packets > 0 {
            self.pipeline.count_offloaded(key, state, hits);
        }
    }
}
