//! The flow table alone: halves of pairs keep step under any sequence of changes.
#![allow(missing_docs)]

use dash_core::{
    flow::{Arrival, Egress, Flow, FlowFlags, FlowTable, NewFlow, Removal, Timeouts},
    pipeline::Install,
    rewrite::Rewrite,
    table::cuckoo::{Bucket, Handle, Key, Slot},
};
use dash_hal::SoftwareHints;
use proptest::prelude::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Name([u8; 4]);

impl Key for Name {
    const EMPTY: Self = Self([0; 4]);
    fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

const NAMES: u8 = 10;
const MILLISECOND: u64 = 1_000_000;

fn name(number: u8) -> Name {
    Name([number, 0, 0, 1])
}

fn flow(number: u8, idle: u32) -> NewFlow<Name, ()> {
    NewFlow {
        key: name(number),
        rewrite: Rewrite::NONE,
        egress: Egress::Ingress,
        state: (),
        timeouts: Timeouts { idle, hard: 0 },
    }
}

fn table(capacity: usize) -> FlowTable<'static, Name, ()> {
    let buckets = vec![Bucket::EMPTY; FlowTable::<Name, ()>::buckets_for(capacity)].leak();
    let slots = vec![Slot::empty(Flow::EMPTY); capacity].leak();
    FlowTable::new(buckets, slots, [1, 2]).unwrap()
}

fn install(
    table: &mut FlowTable<'static, Name, ()>,
    install: &Install<Name, ()>,
    now: u64,
) -> Option<Handle> {
    let frame = Arrival { epoch: 1, now, bytes: 60 };
    table.install(install, &frame, &SoftwareHints).ok().flatten()
}

/// Each half that has a peer is that one's peer, and both live.
fn halves_keep_step(table: &FlowTable<'static, Name, ()>) -> Result<(), TestCaseError> {
    for number in 0..NAMES {
        let Some(handle) = table.find(&name(number), &SoftwareHints) else { continue };
        let (key, flow) = table.get(handle).unwrap();
        prop_assert_eq!(*key, name(number));
        if let Some(peer) = flow.peer {
            prop_assert_ne!(peer, handle);
            let (_, other) = table.get(peer).expect("the other half");
            prop_assert_eq!(other.peer, Some(handle));
        }
    }
    Ok(())
}

/// Kind of change, two names, idle time-out, pause, all in small numbers.
type Change = (u8, u8, u8, u32, u64);

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]
    #[test]
    fn halves_of_a_pair_come_and_go_together(
        changes in prop::collection::vec((0_u8..6, 0..NAMES, 0..NAMES, 0_u32..4, 0_u64..3), 1..300),
        capacity in 0_usize..12,
    ) {
        let changes: Vec<Change> = changes;
        let mut table = table(capacity);
        let mut now = 0;
        for (kind, one, other, idle, pause) in changes {
            now += pause * MILLISECOND;
            let asked = match kind {
                0 => Install::One(flow(one, idle)),
                1 => Install::Two(flow(one, idle), flow(other, idle)),
                2 | 3 => Install::Pair(flow(one, idle), flow(other, idle)),
                _ => Install::None,
            };
            let found = table.find(&name(one), &SoftwareHints);
            let frame = Arrival { epoch: 1, now, bytes: 60 };
            let done = match (kind, found) {
                (4, Some(handle)) => {
                    table.remove(handle, Removal::Deleted, &SoftwareHints);
                    None
                }
                (5, _) => {
                    table.sweep(now, usize::from(other), |_| Some(1), &SoftwareHints);
                    None
                }
                // A hit is evaluated again.
                (3, Some(handle)) => {
                    table.replace(handle, &asked, &frame, &SoftwareHints).ok().flatten()
                }
                _ => install(&mut table, &asked, now),
            };
            if let Some(handle) = done {
                let (key, flow) = table.get(handle).expect("the flow of the frame");
                prop_assert_eq!(*key, name(one));
                let peer = flow.peer.and_then(|peer| table.get(peer));
                let creator = |flow: &Flow<()>| flow.flags.contains(FlowFlags::CREATOR);
                prop_assert!(creator(flow) || peer.is_some_and(|(_, peer)| creator(peer)));
                prop_assert!(flow.packets > 0);
                if kind == 1 || kind == 2 || kind == 3 {
                    prop_assert!(table.find(&name(other), &SoftwareHints).is_some());
                }
            }
            halves_keep_step(&table)?;
            prop_assert!(table.len() <= capacity);
        }
    }
}
