//! What becomes of a new flow when the table is full.
//!
//! | [`WhenFull`] | the new flow | its frame | flows that are there |
//! |---|---|---|---|
//! | `Forward` | is not remembered | is forwarded; the next one asks policy again | stay |
//! | `Drop` | is not remembered | is dropped | stay |
//! | `Evict` | takes the place of a lesser one, if there is one | is forwarded | an open TCP conversation stays |
//! | `EvictOldest`, `EvictLeastUsed`, `EvictShortest` | takes the place of a neighbour, if it has one | is forwarded | others stay |
//!
//! In each case flows that have timed out make room first. `Evict` looks at [`CANDIDATES`] entries
//! from all over the table, others at each call, and takes the least of them: closed TCP before half-open, closing, and
//! what is not TCP; of several the one that had no frame for the longest time. So a flood of SYNs
//! takes its own places, and costs no open conversation. A neighbour is a flow in one of the two
//! buckets of the new one, in a table that would fit in two buckets any flow; of several the one goes whose last frame is the oldest, that had the
//! fewest frames, or whose time-out comes first; of these the one that was created first, then the first in the table.

use dash_hal::Hints;

use super::{Flow, FlowTable, Outside, Removal, State, tcp::Tcp};
use crate::table::cuckoo::{Handle, Key, NEIGHBOURS, Place};

/// Entries that an installation into a full table looks at, in search of one that has timed out.
pub const RECLAIM: usize = 64;

/// What becomes of a new flow when the table is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// Its frame is forwarded, and not remembered.
    #[default]
    Forward,
    /// Its frame is dropped.
    Drop,
    /// It takes the place of another one; if none can be had, as `Forward`.
    Evict,
    /// It takes the place of the neighbour that had no frame for the longest time; if it has none,
    /// as `Forward`.
    EvictOldest,
    /// It takes the place of the neighbour that had the fewest frames; if it has none, as `Forward`.
    EvictLeastUsed,
    /// It takes the place of the neighbour that would end first; if it has none, as `Forward`.
    EvictShortest,
}

/// Entries that are looked at in search of one that may be evicted. DASH asks for 16 at most.
pub const CANDIDATES: usize = 16;

/// How much a flow is worth, the least first; `None`: it stays.
const fn worth(tcp: Tcp) -> Option<u8> {
    if tcp.contains(Tcp::CLOSED) {
        Some(0)
    } else if tcp.contains(Tcp::OPENING) {
        Some(1)
    } else if tcp.contains(Tcp::CLOSING) {
        Some(2)
    } else if tcp.contains(Tcp::TRACKED) {
        None
    } else {
        Some(3)
    }
}

impl<K: Key, S: State> FlowTable<'_, K, S> {
    /// Removes a flow that has timed out, but not `keep`, of those in the two buckets of the new
    /// flow's `place` and the next [`RECLAIM`] entries; `false` when they hold none.
    pub(super) fn reclaim<H: Hints, W: Outside<K, S>>(
        &mut self,
        place: &Place,
        keep: Option<Handle>,
        now: u64,
        hints: &H,
        outside: &mut W,
    ) -> bool {
        let mut remove = |flows: &mut Self, handle| {
            let over = flows.over(handle, now, outside).filter(|_| Some(handle) != keep);
            over.inspect(|why| flows.remove(handle, *why, now, hints, outside)).is_some()
        };
        for handle in self.neighbours(place) {
            if remove(self, handle) {
                return true;
            }
        }
        for _ in 0..RECLAIM.min(self.capacity()) {
            let index = self.advance();
            let Some(handle) = self.flows.at(index) else { continue };
            if remove(self, handle) {
                return true;
            }
        }
        false
    }

    /// The flows in the two buckets of `place`; all of a table that would fit in two.
    fn neighbours(&self, place: &Place) -> impl Iterator<Item = Handle> + use<K, S> {
        let mut neighbours = [None; NEIGHBOURS];
        if self.capacity() <= NEIGHBOURS {
            for (index, neighbour) in neighbours.iter_mut().enumerate() {
                *neighbour = self.flows.at(index);
            }
        } else {
            for (neighbour, handle) in neighbours.iter_mut().zip(self.flows.residents(place)) {
                *neighbour = Some(handle);
            }
        }
        neighbours.into_iter().flatten()
    }

    /// Removes a flow, if that is allowed and one may go.
    pub(super) fn evict<H: Hints, W: Outside<K, S>>(
        &mut self,
        place: &Place,
        keep: Option<Handle>,
        now: u64,
        hints: &H,
        outside: &mut W,
    ) -> bool {
        let goes = |flow: &Flow<S>, handle| {
            keep.is_none_or(|keep| handle != keep && flow.peer() != Some(keep))
        };
        let least = match self.settings.when_full {
            WhenFull::Forward | WhenFull::Drop => None,
            WhenFull::Evict => self.least_of_all(goes),
            WhenFull::EvictOldest => self.least_of_neighbours(place, goes, |flow| flow.used),
            WhenFull::EvictLeastUsed => self.least_of_neighbours(place, goes, |flow| flow.packets),
            WhenFull::EvictShortest => {
                let tcp = self.settings.tcp;
                self.least_of_neighbours(place, goes, |flow| flow.due(flow.used, &tcp))
            }
        };
        let Some(handle) = least else { return false };
        self.remove(handle, Removal::Evicted, now, hints, outside);
        true
    }

    /// The flow in the two buckets of `place` that has the least of `what`.
    fn least_of_neighbours(
        &self,
        place: &Place,
        goes: impl Fn(&Flow<S>, Handle) -> bool,
        what: impl Fn(&Flow<S>) -> u64,
    ) -> Option<Handle> {
        let flows = self.neighbours(place).filter_map(|handle| {
            let (_, flow) = self.flows.get(handle)?;
            goes(flow, handle).then(|| (what(flow), flow.created, handle))
        });
        flows.min().map(|(_, _, handle)| handle)
    }

    /// The flow that is worth least of [`CANDIDATES`] entries.
    fn least_of_all(&mut self, goes: impl Fn(&Flow<S>, Handle) -> bool) -> Option<Handle> {
        let (start, step) = (self.advance(), (self.capacity() / CANDIDATES).max(1));
        let mut least = None;
        for candidate in 0..CANDIDATES.min(self.capacity()) {
            let Some(index) = (start + candidate * step).checked_rem(self.capacity()) else {
                break;
            };
            let Some(handle) = self.flows.at(index) else { continue };
            let Some((_, flow)) = self.flows.get(handle) else { continue };
            if !goes(flow, handle) {
                continue;
            }
            let Some(worth) = worth(flow.tcp) else { continue };
            let candidate = (worth, flow.used, handle);
            if least.is_none_or(|least| candidate < least) {
                least = Some(candidate);
            }
        }
        least.map(|(_, _, handle)| handle)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{vec, vec::Vec};

    use dash_hal::{HashKey, SoftwareHints};

    use super::{super::*, *};
    use crate::{
        rewrite::Rewrite,
        table::cuckoo::{Bucket, Slot},
    };

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Name(u64);

    impl Key for Name {
        const EMPTY: Self = Self(0);
        fn hash<H: Hints>(&self, secret: &HashKey, hints: &H) -> u64 {
            hints.keyed_hash(secret, &[self.0])
        }
    }

    const FLOWS: usize = 200;

    fn arrive(table: &mut FlowTable<'_, Name, ()>, name: u64, now: u64) -> bool {
        let flow = NewFlow {
            key: Name(name),
            rewrite: Rewrite::NONE,
            egress: Egress::INGRESS,
            state: (),
            timeouts: Timeouts { idle: 1_000, hard: 0 },
        };
        let arrival = Arrival { epoch: 0, now, bytes: 60, tcp: None };
        table.install(&Install::One(flow), &arrival, &SoftwareHints, &mut ()).is_ok()
    }

    /// Of the flows in the new one's two buckets the least goes; and one that has timed out before
    /// any that lives, wherever it is there.
    #[test]
    fn a_neighbour_makes_room() {
        for when_full in [WhenFull::EvictOldest, WhenFull::EvictLeastUsed] {
            let mut buckets = vec![Bucket::EMPTY; FlowTable::<Name, ()>::buckets_for(FLOWS)];
            let mut slots = vec![Slot::empty(Flow::EMPTY); FLOWS];
            let mut table = FlowTable::new(&mut buckets, &mut slots, [1, 2]).unwrap();
            table.set(FlowSettings { when_full, ..FlowSettings::default() });
            for name in 0..FLOWS as u64 {
                assert!(arrive(&mut table, name, 0));
            }
            // Few different values, so that there are equal ones.
            let mut random = 1_u64;
            for handle in (0..FLOWS).filter_map(|index| table.at(index)).collect::<Vec<_>>() {
                let flow = table.get_mut(handle).unwrap();
                random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                (flow.used, flow.packets) = (random >> 61, random >> 58 & 7);
                flow.created = random >> 55 & 1;
            }
            for name in 1_000..1_500 {
                let place = table.home(&Name(name), &SoftwareHints);
                let of = |handle: &Handle| {
                    let (_, flow) = table.get(*handle).unwrap();
                    let what =
                        if when_full == WhenFull::EvictOldest { flow.used } else { flow.packets };
                    (what, flow.created, handle.index())
                };
                let right = table.flows.residents(&place).min_by_key(of).unwrap();
                let (evicted, hard) = (table.counters().evicted, table.counters().hard);
                let dead = name % 5 == 0;
                if dead {
                    // The one that would be the last to go.
                    let last = table.flows.residents(&place).max_by_key(of).unwrap();
                    let flow = table.get_mut(last).unwrap();
                    (flow.timeouts.hard, flow.created) = (1, 0);
                }
                assert!(arrive(&mut table, name, if dead { 1_000_008 } else { 8 }));
                let counters = table.counters();
                let went = (counters.evicted - evicted, counters.hard - hard);
                assert_eq!(went, if dead { (0, 1) } else { (1, 0) });
                assert!(dead || table.get(right).is_none());
                assert_eq!(table.len(), FLOWS);
            }
        }
    }
}
