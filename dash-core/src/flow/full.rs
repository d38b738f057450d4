//! What becomes of a new flow when the table is full.
//!
//! | [`WhenFull`] | the new flow | its frame | flows that are there |
//! |---|---|---|---|
//! | `Forward` | is not remembered | is forwarded; the next one asks policy again | stay |
//! | `Drop` | is not remembered | is dropped | stay |
//! | `Evict` | takes the place of a lesser one, if there is one | is forwarded | an open TCP conversation stays |
//! | `EvictOldest`, `EvictLeastUsed`, `EvictShortest` | takes the place of a neighbour, if it has one | is forwarded | others stay |
//!
//! In each case flows that have timed out make room first; for a [next hop](crate::rewrite::NextHops)
//! that has no place only one of them, and no other flow, as it may have another next hop. `Evict` looks at [`CANDIDATES`] entries
//! from all over the table, others at each call, and takes the least of them: closed TCP before half-open, closing, and
//! what is not TCP; of several the one that had no frame for the longest time. So a flood of SYNs
//! takes its own places, and costs no open conversation. A neighbour is a flow in one of the two
//! buckets of the new one, in a table that would fit in two buckets any flow; of several the one goes whose last frame is the oldest, that had the
//! fewest frames, or whose time-out comes first; of these the one that was created first, then the first in the table.

use dash_hal::Hints;

use super::{Flow, FlowSettings, FlowTable, Outside, Removal, State, tcp::Tcp};
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
const _: () = assert!(CANDIDATES == NEIGHBOURS);

/// How much a flow is worth, the least first; `None`: it stays.
const fn worth(tcp: Tcp) -> Option<u64> {
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
        for turn in 0..NEIGHBOURS + RECLAIM.min(self.capacity()) {
            let handle = if turn < NEIGHBOURS {
                self.neighbour(place, turn)
            } else {
                let index = self.advance();
                self.flows.at(index)
            };
            let Some(handle) = handle.filter(|handle| Some(*handle) != keep) else { continue };
            if let Some(why) = self.over(handle, now, outside) {
                self.remove(handle, why, now, hints, outside);
                return true;
            }
        }
        false
    }

    /// The flow at `turn` of the two buckets of `place`; of a table that would fit in two, of it.
    fn neighbour(&self, place: &Place, turn: usize) -> Option<Handle> {
        if self.capacity() <= NEIGHBOURS {
            self.flows.at(turn)
        } else {
            self.flows.resident(place, turn)
        }
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
            _ => self.least(place, goes),
        };
        let Some(handle) = least else { return false };
        self.remove(handle, Removal::Evicted, now, hints, outside);
        true
    }

    /// Of the candidates that the settings name the one that has the least of what they look at.
    fn least(&mut self, place: &Place, goes: impl Fn(&Flow<S>, Handle) -> bool) -> Option<Handle> {
        let FlowSettings { when_full, tcp, .. } = self.settings;
        let capacity = self.capacity();
        let (start, step) = (self.advance(), (capacity / CANDIDATES).max(1));
        let mut least = None;
        for turn in 0..CANDIDATES {
            let handle = if when_full == WhenFull::Evict {
                // In a table of fewer entries some are looked at twice.
                self.flows.at((start + turn * step).checked_rem(capacity)?)
            } else {
                self.neighbour(place, turn)
            };
            let Some(handle) = handle else { continue };
            let Some((_, flow)) = self.flows.get(handle) else { continue };
            if !goes(flow, handle) {
                continue;
            }
            let rank = match when_full {
                WhenFull::EvictLeastUsed => (flow.packets, flow.created),
                WhenFull::EvictShortest => (flow.due(flow.used, &tcp), flow.created),
                WhenFull::EvictOldest => (flow.used, flow.created),
                _ => match worth(flow.tcp) {
                    Some(worth) => (worth, flow.used),
                    None => continue,
                },
            };
            if least.is_none_or(|least| (rank, handle) < least) {
                least = Some((rank, handle));
            }
        }
        least.map(|(_, handle)| handle)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{vec, vec::Vec};

    use dash_hal::{HashKey, SoftwareHints};

    use super::{super::*, *};
    use crate::{
        rewrite::{NextHop, Rewrite},
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
            let mut next_hops = [NextHop::FREE];
            let mut table =
                FlowTable::new(&mut buckets, &mut slots, &mut next_hops, [1, 2]).unwrap();
            table.set(FlowSettings { when_full, ..FlowSettings::default() });
            for name in 0..FLOWS as u64 {
                assert!(arrive(&mut table, name, 0));
            }
            // Few different values, so that there are equal ones.
            let mut random = 1_u64;
            for handle in (0..FLOWS).filter_map(|index| table.at(index)).collect::<Vec<_>>() {
                let mut flow = table.get_mut(handle).unwrap();
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
                let residents: Vec<_> =
                    (0..NEIGHBOURS).filter_map(|turn| table.neighbour(&place, turn)).collect();
                let right = *residents.iter().min_by_key(|handle| of(handle)).unwrap();
                let (evicted, hard) = (table.counters().evicted, table.counters().hard);
                let dead = name % 5 == 0;
                if dead {
                    // The one that would be the last to go.
                    let last = *residents.iter().max_by_key(|handle| of(handle)).unwrap();
                    let mut flow = table.get_mut(last).unwrap();
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
