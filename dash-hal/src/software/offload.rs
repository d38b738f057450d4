//! A hardware flow table over a plain array, for tests and as a model for a port's author.
//!
//! It keeps what was offered, and sees no frames itself: who plays the hardware finds the flow of
//! each frame, makes the header change, and adds to its hits. A search walks all places.

use crate::{FlowId, FlowOffload, Hits, Refused};

/// A flow that the hardware has.
#[derive(Clone, Copy, Debug)]
pub struct Offloaded<K, F> {
    id: FlowId,
    key: K,
    /// What the engine said of it.
    pub flow: F,
    /// What was forwarded since the engine asked; `last` is never taken back.
    pub hits: Hits,
}

impl<K, F> Offloaded<K, F> {
    fn take_hits(&mut self) -> Hits {
        let hits = self.hits;
        self.hits = Hits { last: hits.last, ..Hits::default() };
        hits
    }
}

/// A table of `N` places; when they are taken it refuses. Flows are offered after `AFTER` frames.
#[derive(Debug)]
pub struct ArrayOffload<K, F, const N: usize, const AFTER: u64 = 16> {
    places: [Option<Offloaded<K, F>>; N],
}

impl<K, F, const N: usize, const AFTER: u64> ArrayOffload<K, F, N, AFTER> {
    /// An empty table.
    #[must_use]
    pub const fn new() -> Self {
        Self { places: [const { None }; N] }
    }

    /// Flows in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.iter().flatten().count()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: PartialEq, F, const N: usize, const AFTER: u64> ArrayOffload<K, F, N, AFTER> {
    /// The flow named `key`.
    pub fn find(&mut self, key: &K) -> Option<&mut Offloaded<K, F>> {
        self.places.iter_mut().flatten().find(|flow| flow.key == *key)
    }
}

impl<K, F, const N: usize, const AFTER: u64> Default for ArrayOffload<K, F, N, AFTER> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Clone, F: Clone, const N: usize, const AFTER: u64> FlowOffload<K, F>
    for ArrayOffload<K, F, N, AFTER>
{
    const OFFER_AFTER: u64 = AFTER;

    fn offer(&mut self, id: FlowId, key: &K, flow: &F) -> Result<(), Refused> {
        let place = self.places.iter_mut().find(|place| place.is_none()).ok_or(Refused)?;
        let (key, flow) = (key.clone(), flow.clone());
        *place = Some(Offloaded { id, key, flow, hits: Hits::default() });
        Ok(())
    }

    fn hits(&mut self, id: FlowId) -> Hits {
        let flow = self.places.iter_mut().flatten().find(|flow| flow.id == id);
        flow.map(Offloaded::take_hits).unwrap_or_default()
    }

    fn withdraw(&mut self, id: FlowId) -> Hits {
        let has_id = |place: &&mut Option<_>| {
            place.as_ref().is_some_and(|flow: &Offloaded<K, F>| flow.id == id)
        };
        let flow = self.places.iter_mut().find(has_id).and_then(Option::take);
        flow.map(|flow| flow.hits).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Table = ArrayOffload<u8, char, 2>;

    #[test]
    fn keeps_what_it_took_until_it_is_withdrawn() {
        let mut table = Table::new();
        assert_eq!(table.offer(FlowId(7), &1, &'a'), Ok(()));
        assert_eq!(table.offer(FlowId(8), &2, &'b'), Ok(()));
        assert_eq!(table.offer(FlowId(9), &3, &'c'), Err(Refused));
        assert_eq!(table.find(&2).unwrap().flow, 'b');
        assert!(table.find(&3).is_none());
        table.withdraw(FlowId(7));
        assert!(table.find(&1).is_none());
        assert_eq!(table.offer(FlowId(9), &3, &'c'), Ok(()));
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn answers_each_hit_once() {
        let mut table = Table::new();
        table.offer(FlowId(7), &1, &'a').unwrap();
        let hits = Hits { packets: 2, received: 100, sent: 120, last: 5 };
        table.find(&1).unwrap().hits = hits;
        assert_eq!(table.hits(FlowId(7)), hits);
        assert_eq!(table.hits(FlowId(7)).packets, 0);
        assert_eq!(table.find(&1).unwrap().hits.last, 5);
        table.find(&1).unwrap().hits.packets += 1;
        assert_eq!(table.withdraw(FlowId(7)).packets, 1);
        assert_eq!(table.withdraw(FlowId(7)), Hits::default());
    }
}
