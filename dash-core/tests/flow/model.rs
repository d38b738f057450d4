//! The flow table against a list: insert, look up, remove, tick, clock jumps, full.
//!
//! The list knows only flows that live, and is walked whole; what the table keeps of others must
//! not show. `PROPTEST_CASES=6000` makes it 10^7 operations.

use std::{cell::Cell, collections::BTreeMap};

use dash_core::{
    flow::{Arrival, Egress, Flow, FlowTable, Install, NewFlow, Removal, Timeouts},
    rewrite::{NextHop, Rewrite},
    table::cuckoo::{Bucket, Slot},
};
use dash_hal::{PortId, SoftwareHints as HINTS};
use proptest::{collection::vec, prelude::*, test_runner::TestRunner};

use crate::name::Name;

const NAMES: u8 = 40;
const MILLISECOND: u64 = 1_000_000;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// One, two that live apart, or a pair; with time-outs and the port that tells them from others.
    Install {
        kind: u8,
        one: u8,
        other: u8,
        timeouts: Timeouts,
        port: u16,
    },
    Hit(u8),
    Remove(u8),
    Tick(usize),
    Pass(u64),
}

/// A step of random bits: a strategy for each would take longer than the table.
fn step(bits: u64) -> Step {
    let [what, kind, one, other, idle, hard, port, edge] = bits.to_le_bytes();
    let limit = |byte: u8| match byte % 3 {
        0 => 0,
        1 => 1 + u32::from(byte) % 3,
        _ => 100 * (1 + u32::from(byte) * 2),
    };
    match what % 23 {
        0..8 => {
            let kind = kind % 3;
            // Halves of pairs keep the time-outs that both have: either ends both.
            let first = if kind == 2 { NAMES / 2 } else { 0 };
            let [one, other] = [one, other].map(|name| first + name % (NAMES / 2));
            let timeouts = Timeouts { idle: limit(idle), hard: limit(hard) };
            Step::Install { kind, one, other, timeouts, port: u16::from(port) }
        }
        8..16 => Step::Hit(one % NAMES),
        16..18 => Step::Remove(one % NAMES),
        18..20 => Step::Tick([0, 1, 2, 3, 1_000][usize::from(kind) % 5]),
        // To the edge of a time-out and one beside it, over turns of the wheel, and far.
        _ => Step::Pass(match kind % 8 {
            0..6 => u64::from(one % 5) * MILLISECOND + u64::from(edge % 2),
            6 => u64::from(one) << 28,
            _ => 1 << (one % 46),
        }),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    created: u64,
    used: u64,
    timeouts: Timeouts,
    port: u16,
    packets: u64,
    peer: Option<u8>,
}

#[derive(Debug)]
struct List {
    flows: BTreeMap<u8, Known>,
    capacity: usize,
}

impl List {
    fn lives(&self, flow: &Known, now: u64) -> bool {
        let other = flow.peer.map_or(0, |peer| self.flows[&peer].used);
        let within =
            |since: u64, limit: u32| limit == 0 || now - since <= u64::from(limit) * MILLISECOND;
        within(flow.created, flow.timeouts.hard) && within(flow.used.max(other), flow.timeouts.idle)
    }

    fn forget_the_dead(&mut self, now: u64) {
        let dead: Vec<u8> = self
            .flows
            .iter()
            .filter(|(_, flow)| !self.lives(flow, now))
            .map(|(name, _)| *name)
            .collect();
        for name in &dead {
            self.remove(*name);
        }
    }

    fn remove(&mut self, name: u8) {
        if let Some(peer) = self.flows.remove(&name).and_then(|flow| flow.peer) {
            self.flows.remove(&peer);
        }
    }

    /// Whether the flow has its place, and whether it is new.
    fn put(&mut self, name: u8, apart: bool, new: Known) -> Option<bool> {
        if apart && let Some(flow) = self.flows.get_mut(&name) {
            (flow.timeouts, flow.port) = (new.timeouts, new.port);
            if new.timeouts.hard != 0 {
                flow.created = new.created;
            }
            return Some(false);
        }
        self.remove(name);
        let room = self.flows.len() < self.capacity;
        room.then(|| self.flows.insert(name, new)).map(|_| true)
    }

    fn install(&mut self, (kind, one, other): (u8, u8, u8), new: Known) -> bool {
        let apart = kind != 2;
        let Some(fresh) = self.put(one, apart, new) else { return false };
        let first = self.flows.get_mut(&one).unwrap();
        first.used = new.created;
        if kind != 0 && one != other {
            if self.put(other, apart, new).is_none() {
                if fresh {
                    self.flows.remove(&one);
                }
                return false;
            }
            if !apart {
                self.flows.get_mut(&one).unwrap().peer = Some(other);
                self.flows.get_mut(&other).unwrap().peer = Some(one);
            }
        }
        self.flows.get_mut(&one).unwrap().packets += 1;
        true
    }
}

type Table = FlowTable<'static, Name, ()>;

fn name(number: u8) -> Name {
    Name([u64::from(number) << 16 | 5, 0])
}

fn number(name: Name) -> u8 {
    (name.0[0] >> 16) as u8
}

fn port(flow: &Flow<()>) -> u16 {
    flow.egress.fixed().unwrap().0
}

/// The flows that live, as the list has them.
fn seen(table: &Table, now: u64) -> BTreeMap<u8, Known> {
    let known = |flow: &Flow<()>| Known {
        created: flow.created,
        used: flow.used,
        timeouts: flow.timeouts,
        port: port(flow),
        packets: flow.packets,
        peer: flow.peer().and_then(|peer| table.get(peer)).map(|(name, _)| number(*name)),
    };
    table.live(now).map(|(name, flow)| (number(*name), known(flow))).collect()
}

fn take(table: &mut Table, list: &mut List, now: u64, step: Step) -> Result<(), TestCaseError> {
    list.forget_the_dead(now);
    match step {
        Step::Install { kind, one, other, timeouts, port } => {
            let flow = |number| NewFlow {
                key: name(number),
                rewrite: Rewrite::NONE,
                egress: Egress::to(PortId(port)).unwrap(),
                state: (),
                timeouts,
            };
            let install = match kind {
                0 => Install::One(flow(one)),
                1 => Install::Two(flow(one), flow(other)),
                _ => Install::Pair(flow(one), flow(other)),
            };
            let arrival = Arrival { epoch: 1, now, bytes: 60, tcp: None };
            let done = table.install(&install, &arrival, &HINTS, &mut ()).is_ok();
            let new = Known { created: now, used: now, timeouts, port, packets: 0, peer: None };
            prop_assert_eq!(done, list.install((kind, one, other), new));
        }
        Step::Hit(number) => {
            let live = |handle: &_| table.timed_out(*handle, now).is_none();
            let found = table.find(&name(number), &HINTS).filter(live);
            let known = list.flows.get_mut(&number);
            prop_assert_eq!(found.is_some(), known.is_some());
            if let (Some(handle), Some(known)) = (found, known) {
                let mut flow = table.get_mut(handle).unwrap();
                prop_assert_eq!((port(&flow), flow.packets), (known.port, known.packets));
                (flow.used, flow.packets) = (now, flow.packets + 1);
                (known.used, known.packets) = (now, known.packets + 1);
            }
        }
        Step::Remove(number) => {
            if let Some(handle) = table.find(&name(number), &HINTS) {
                table.remove(handle, Removal::Deleted, now, &HINTS, &mut ());
            }
            list.remove(number);
        }
        Step::Tick(budget) => {
            table.expire(now, budget, |(), _| Some(1), &HINTS, &mut ());
            table.sweep(now, budget, (None, |(), _| Some(1)), &HINTS, &mut ());
            if budget >= table.capacity() {
                prop_assert_eq!(table.len(), list.flows.len());
            }
        }
        Step::Pass(_) => {}
    }
    prop_assert!(table.len() >= list.flows.len() && table.len() <= list.capacity);
    Ok(())
}

#[test]
fn the_table_does_what_a_list_does() {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let cases = if asked { ProptestConfig::default().cases } else { 640 };
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let operations = Cell::new(0_u64);
    let refused = Cell::new(0_u64);
    let strategy = (vec(any::<u64>(), 1..3_400), 0_usize..48);
    let done = TestRunner::new(config).run(&strategy, |(bits, capacity)| {
        let buckets = vec![Bucket::EMPTY; Table::buckets_for(capacity)].leak();
        let slots = vec![Slot::empty(Flow::EMPTY); capacity].leak();
        let next_hops = vec![NextHop::FREE; 64].leak();
        let mut table = Table::new(buckets, slots, next_hops, [1, 2]).unwrap();
        let mut list = List { flows: BTreeMap::new(), capacity };
        let mut now = 0_u64;
        for (count, step) in (1..).zip(bits.into_iter().map(step)) {
            if let Step::Pass(time) = step {
                now += time;
            }
            take(&mut table, &mut list, now, step)?;
            operations.set(operations.get() + 1);
            if count % 16 == 0 {
                list.forget_the_dead(now);
                prop_assert_eq!(seen(&table, now), list.flows.clone());
            }
        }
        refused.set(refused.get() + table.counters().full);
        Ok(())
    });
    println!(
        "flow table and list: {} operations compared, {} flows found it full",
        operations.get(),
        refused.get()
    );
    done.unwrap();
    assert!(asked || operations.get() >= 1_000_000);
}
