//! The flow table alone: halves of pairs, hardware that has some of the flows, and whoever hears which
//! flows ended, keep step under any sequence of changes.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};

use dash_core::{
    flow::{
        Arrival, Egress, Flow, FlowCounters, FlowFlags, FlowRemoved, FlowTable, Install, NewFlow,
        Offered, Outside, Removal, Timeouts,
    },
    rewrite::{Encapsulation, Flags, NextHop, Rewrite, Tunnel},
    table::cuckoo::{Bucket, Handle, Slot},
};
use dash_hal::{EventsLost, FlowId, Hits, PortId, SoftwareHints};
use proptest::prelude::*;
use smoltcp::wire::EthernetAddress;

use crate::name::Name;

const NAMES: u8 = 10;
const MILLISECOND: u64 = 1_000_000;

fn name(number: u8) -> Name {
    Name([u64::from(number) | 1 << 24, 0])
}

/// Ports lead to so many next hops.
const NEXT_HOPS: u16 = 4;

/// To the next hop of `port`.
fn rewrite(number: u8, port: u16) -> Rewrite {
    let mac = (port % NEXT_HOPS) as u8;
    let source_mac = EthernetAddress([0, 0, 0, 0, 0, mac]);
    let tunnel = Tunnel { source_mac, vni: number.into(), ..Tunnel::NONE };
    let tunnel = Encapsulation::new(&tunnel);
    Rewrite { tunnel, flags: Flags::PUSH_OUTER, ..Rewrite::NONE }
}

fn flow(number: u8, idle: u32, port: u16) -> NewFlow<Name, ()> {
    NewFlow {
        key: name(number),
        rewrite: rewrite(number, port),
        egress: Egress::to(PortId(port)).unwrap(),
        state: (),
        timeouts: Timeouts { idle, hard: 0 },
    }
}

fn table(capacity: usize) -> FlowTable<'static, Name, ()> {
    table_of(capacity, NEXT_HOPS.into())
}

fn table_of(capacity: usize, next_hops: usize) -> FlowTable<'static, Name, ()> {
    let buckets = vec![Bucket::EMPTY; FlowTable::<Name, ()>::buckets_for(capacity)].leak();
    let slots = vec![Slot::empty(Flow::EMPTY); capacity].leak();
    let next_hops = vec![NextHop::FREE; next_hops].leak();
    FlowTable::new(buckets, slots, next_hops, [1, 2]).unwrap()
}

/// Hardware that insists on the order of the calls; it writes down which flows ended.
#[derive(Default)]
struct Strict {
    flows: BTreeMap<FlowId, (Name, Egress)>,
    takes: bool,
    /// When it last forwarded a frame of each of its flows.
    forwarded: u64,
    /// Frames that it said it forwarded.
    frames: u64,
    ended: Vec<FlowRemoved<Name, ()>>,
    /// Whether it has no place to write to.
    full: bool,
}

impl Outside<Name, ()> for Strict {
    const HARDWARE: bool = true;
    const OFFER_AFTER: u64 = 1;

    fn takes(&self, key: &Name, _flow: &Flow<()>) -> bool {
        self.takes || (key.0[0] as u8).is_multiple_of(3)
    }

    fn offer(&mut self, id: FlowId, key: &Name, flow: &Offered<()>) -> bool {
        assert!(!self.flows.contains_key(&id) && !flow.is_offloaded(), "offered twice");
        let room = self.flows.len() < 4;
        if room {
            self.flows.insert(id, (*key, flow.egress));
        }
        room
    }

    fn hits(&mut self, id: FlowId, key: &Name, (): &()) -> Hits {
        assert_eq!(
            self.flows.get(&id).map(|flow| flow.0),
            Some(*key),
            "asked about a flow that is not there"
        );
        self.frames += 1;
        Hits { packets: 1, received: 60, sent: 60, last: self.forwarded }
    }

    fn withdraw(&mut self, id: FlowId, key: &Name, (): &()) -> Hits {
        assert_eq!(
            self.flows.remove(&id).map(|flow| flow.0),
            Some(*key),
            "withdrew a flow that is not there"
        );
        self.frames += 1;
        Hits { packets: 1, received: 60, sent: 60, last: self.forwarded }
    }

    fn removed(&mut self, flow: FlowRemoved<Name, ()>) -> Result<(), EventsLost> {
        if self.full {
            return Err(EventsLost);
        }
        self.ended.push(flow);
        Ok(())
    }
}

/// The hardware has exactly the flows that the table says it has, as they are.
fn hardware_keeps_step(
    table: &FlowTable<'static, Name, ()>,
    hardware: &Strict,
) -> Result<(), TestCaseError> {
    let mut expected = BTreeMap::new();
    for number in 0..NAMES {
        let Some(handle) = table.find(&name(number), &SoftwareHints) else { continue };
        let (key, flow) = table.get(handle).unwrap();
        if flow.is_offloaded() {
            let id = FlowId(u32::try_from(handle.index()).unwrap());
            expected.insert(id, (*key, flow.egress));
        }
    }
    prop_assert_eq!(&hardware.flows, &expected);
    let counters = table.counters();
    prop_assert_eq!(counters.offloaded - counters.withdrawn, expected.len() as u64);
    Ok(())
}

fn install(
    table: &mut FlowTable<'static, Name, ()>,
    install: &Install<Name, ()>,
    now: u64,
    hardware: &mut Strict,
) -> Option<Handle> {
    let frame = Arrival { epoch: 1, now, bytes: 60, tcp: None };
    table.install(install, &frame, &SoftwareHints, hardware).ok().flatten()
}

/// Each half that has a peer is that one's peer, and both live.
fn halves_keep_step(table: &FlowTable<'static, Name, ()>) -> Result<(), TestCaseError> {
    for number in 0..NAMES {
        let Some(handle) = table.find(&name(number), &SoftwareHints) else { continue };
        let (key, flow) = table.get(handle).unwrap();
        prop_assert_eq!(*key, name(number));
        if let Some(peer) = flow.peer() {
            prop_assert_ne!(peer, handle);
            let (_, other) = table.get(peer).expect("the other half");
            prop_assert_eq!(other.peer(), Some(handle));
        }
    }
    Ok(())
}

/// Each flow has the header change that it was made or modified with, and no next hop is held for
/// nobody.
fn next_hops_keep_step(table: &FlowTable<'static, Name, ()>) -> Result<(), TestCaseError> {
    let mut next_hops = BTreeSet::new();
    for handle in (0..table.capacity()).filter_map(|index| table.at(index)) {
        let (key, flow) = table.get(handle).unwrap();
        let port = flow.egress.fixed().unwrap().0;
        prop_assert_eq!(table.rewrite(flow), rewrite(key.0[0] as u8, port));
        next_hops.insert(port % NEXT_HOPS);
    }
    prop_assert_eq!(table.next_hops(), next_hops.len());
    Ok(())
}

/// The flows that are there: name, time of installation, frames.
fn present(table: &FlowTable<'static, Name, ()>) -> BTreeMap<u64, (u64, u64)> {
    let flows = (0..table.capacity()).filter_map(|index| table.get(table.at(index)?));
    flows.map(|(key, flow)| (key.0[0], (flow.created, flow.packets))).collect()
}

/// What is gone since `before` was told, with all that was counted on it, or was not told because
/// there was no place: every flow and every frame is somewhere.
fn ends_are_told(
    table: &FlowTable<'static, Name, ()>,
    outside: &Strict,
    before: &BTreeMap<u64, (u64, u64)>,
    (told, frames, now): (usize, u64, u64),
) -> Result<(), TestCaseError> {
    let after = present(table);
    let new = &outside.ended[told..];
    for event in new {
        let (created, packets) =
            before.get(&event.key.0[0]).copied().expect("a flow that was there");
        prop_assert_eq!((event.created, event.removed), (created, now));
        prop_assert!(event.packets >= packets && event.used <= now);
        prop_assert_eq!(event.duration(), now - created);
    }
    let counters = table.counters();
    let FlowCounters { idle, hard, denied, orphaned, superseded, deleted, .. } = *counters;
    let removed = idle + hard + denied + orphaned + superseded + deleted;
    prop_assert_eq!(removed, outside.ended.len() as u64 + counters.untold);
    prop_assert_eq!(counters.created, table.len() as u64 + removed);
    if counters.untold == 0 {
        let present: u64 = after.values().map(|(_, packets)| packets).sum();
        let ended: u64 = outside.ended.iter().map(|event| event.packets).sum();
        prop_assert_eq!(present + ended, frames + outside.frames);
    }
    Ok(())
}

/// Kind of change, two names, idle time-out, pause, all in small numbers.
type Change = (u8, u8, u8, u32, u64);

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]
    #[test]
    fn halves_of_a_pair_and_flows_of_the_hardware_keep_step(
        changes in prop::collection::vec((0_u8..6, 0..NAMES, 0..NAMES, 0_u32..4, 0_u64..3), 1..300),
        capacity in 0_usize..12,
        next_hops in 1_usize..6,
    ) {
        let changes: Vec<Change> = changes;
        let mut table = table_of(capacity, next_hops);
        let mut hardware = Strict::default();
        let (mut now, mut frames) = (0, 0);
        for (port, (kind, one, other, idle, pause)) in (0..).zip(changes) {
            now += pause * MILLISECOND;
            hardware.takes = idle != 0;
            if one > other {
                hardware.forwarded = now;
            }
            hardware.full = capacity == 11 && pause == 2;
            let (before, told) = (present(&table), hardware.ended.len());
            let asked = match kind {
                0 => Install::One(flow(one, idle, port)),
                1 => Install::Two(flow(one, idle, port), flow(other, idle, port)),
                2 | 3 => Install::Pair(flow(one, idle, port), flow(other, idle, port)),
                _ => Install::None,
            };
            let found = table.find(&name(one), &SoftwareHints);
            let frame = Arrival { epoch: 1, now, bytes: 60, tcp: None };
            let done = match (kind, found) {
                (4, Some(handle)) => {
                    table.remove(handle, Removal::Deleted, now, &SoftwareHints, &mut hardware);
                    None
                }
                (5, _) => {
                    table.sweep(now, usize::from(other), (None, |_, _| Some(1)), &SoftwareHints, &mut hardware);
                    None
                }
                // A hit is evaluated again.
                (3, Some(handle)) => {
                    table.replace(handle, &asked, &frame, &SoftwareHints, &mut hardware).ok().flatten()
                }
                _ => install(&mut table, &asked, now, &mut hardware),
            };
            frames += u64::from(done.is_some());
            ends_are_told(&table, &hardware, &before, (told, frames, now))?;
            if let Some(handle) = done {
                let (key, flow) = table.get(handle).expect("the flow of the frame");
                prop_assert_eq!(*key, name(one));
                let peer = flow.peer().and_then(|peer| table.get(peer));
                let creator = |flow: &Flow<()>| flow.flags.contains(FlowFlags::CREATOR);
                prop_assert!(creator(flow) || peer.is_some_and(|(_, peer)| creator(peer)));
                prop_assert!(flow.packets > 0);
                if kind == 1 || kind == 2 || kind == 3 {
                    prop_assert!(table.find(&name(other), &SoftwareHints).is_some());
                }
            }
            halves_keep_step(&table)?;
            next_hops_keep_step(&table)?;
            hardware_keeps_step(&table, &hardware)?;
            prop_assert!(table.len() <= capacity);
        }
    }
}

/// A flow that software believes idle, and a slow path that asks for another under its key.
#[test]
fn a_flow_that_hardware_keeps_alive_is_modified_and_goes_on_counting() {
    let (mut table, mut hardware) = (table(4), Strict { takes: true, ..Strict::default() });
    install(&mut table, &Install::One(flow(1, 1, 0)), 0, &mut hardware);
    table.sweep(0, 4, (None, |_, _| Some(1)), &SoftwareHints, &mut hardware);
    assert_eq!(hardware.flows.len(), 1);
    let now = 5 * MILLISECOND;
    hardware.forwarded = now;
    install(&mut table, &Install::Two(flow(2, 1, 1), flow(1, 1, 1)), now, &mut hardware);
    let handle = table.find(&name(1), &SoftwareHints).unwrap();
    let (_, flow) = table.get(handle).unwrap();
    assert_eq!((flow.created, flow.egress), (0, Egress::to(PortId(1)).unwrap()));
    // The frame that made it, one that was fetched, one when it was withdrawn.
    assert_eq!((flow.packets, flow.is_offloaded(), hardware.flows.len()), (3, false, 0));
}

/// Without hardware, nothing is to be found under a version of policy that every entry was seen under.
#[test]
fn a_sweep_rests_until_policy_changes() {
    let mut table = table(8);
    let frame = Arrival { epoch: 1, now: 0, bytes: 60, tcp: None };
    for number in 1..=6 {
        let asked = Install::One(flow(number, 0, 0));
        table.install(&asked, &frame, &SoftwareHints, &mut ()).unwrap();
    }
    let mut sweep = |budget, version, policy| {
        let seen = Cell::new(0);
        let epoch = |(): &(), _: &Name| {
            seen.set(seen.get() + 1);
            policy
        };
        table.sweep(0, budget, (Some(version), epoch), &SoftwareHints, &mut ());
        (seen.get(), table.len())
    };
    assert_eq!(sweep(8, 1, Some(1)), (6, 6));
    assert_eq!(sweep(8, 1, Some(1)), (0, 6));
    // A change amid a sweep: it goes on from there, and round.
    assert_eq!(sweep(3, 2, Some(1)), (3, 6));
    assert_eq!(sweep(5, 3, None), (3, 3));
    assert_eq!(sweep(5, 3, None), (3, 0));
}

/// The next hop of a last flow makes room for the new one of that flow.
#[test]
fn a_flow_is_evaluated_again_while_all_next_hops_are_taken() {
    let mut table = table_of(64, 1);
    let arrival = Arrival { epoch: 0, now: 0, bytes: 60, tcp: None };
    let handle = table.install(&Install::One(flow(1, 0, 1)), &arrival, &SoftwareHints, &mut ());
    let handle = handle.unwrap().unwrap();
    let new = Install::One(flow(1, 0, 2));
    assert_eq!(table.replace(handle, &new, &arrival, &SoftwareHints, &mut ()), Ok(Some(handle)));
    assert_eq!(table.rewrite(table.get(handle).unwrap().1), rewrite(1, 2));
    assert_eq!(table.next_hops(), 1);
}

/// A flow that has timed out makes room for the next hop of a new one.
#[test]
fn a_next_hop_of_flows_that_timed_out_makes_room() {
    let mut table = table_of(64, 1);
    let arrival = |now| Arrival { epoch: 0, now, bytes: 60, tcp: None };
    let mut install = |new, now| {
        table.install(&Install::One(new), &arrival(now), &SoftwareHints, &mut ()).is_ok()
    };
    assert!(install(flow(1, 1_000, 1), 0));
    assert!(!install(flow(2, 1_000, 2), MILLISECOND));
    assert!(install(flow(2, 1_000, 2), 2_000 * MILLISECOND));
}
