//! The port's hardware table beside the flow table, and the pipeline that counts what it forwards.

use dash_hal::{FlowId, FlowOffload, Hits};

use crate::{
    flow::{Flow, Hardware},
    pipeline::Pipeline,
};

/// Both, for the length of one call of the flow table.
pub(super) struct Offloading<'s, P, O> {
    pub(super) pipeline: &'s mut P,
    pub(super) offload: &'s mut O,
}

impl<P, O> Hardware<P::Key, P::State> for Offloading<'_, P, O>
where
    P: Pipeline,
    O: FlowOffload<P::Key, Flow<P::State>>,
{
    const PRESENT: bool = O::PRESENT;
    const OFFER_AFTER: u64 = O::OFFER_AFTER;

    fn takes(&self, key: &P::Key, flow: &Flow<P::State>) -> bool {
        self.pipeline.offloads(key, flow)
    }

    fn offer(&mut self, id: FlowId, key: &P::Key, flow: &Flow<P::State>) -> bool {
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
}

impl<P: Pipeline, O> Offloading<'_, P, O> {
    fn count(&mut self, key: &P::Key, state: &P::State, hits: &Hits) {
        if hits.packets > 0 {
            self.pipeline.count_offloaded(key, state, hits);
        }
    }
}
