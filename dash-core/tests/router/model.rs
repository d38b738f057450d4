//! Scenario 38: flows of a controller's against a naive list, under random additions, hits,
//! deletions and jumps of the clock.

use dash_core::{
    flow::{Removal, Timeouts},
    pipeline::router::{
        DropReason,
        control::{FlowSpec, Match},
    },
};
use dash_hal::SoftwareHints;
use proptest::prelude::*;

use crate::{
    frames::changed,
    scenarios::flow_a,
    world::{COOKIES, World, remote, seed},
};

/// Milliseconds.
const MS: u64 = 1_000_000;

#[derive(Clone, Debug)]
enum Step {
    Add { name: u8, idle: u32, hard: u32, cookie: u64, told: bool },
    Hit { name: u8 },
    Delete { name: u8 },
    DeleteByCookie { low: u64 },
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = || 0_u8..6;
    let time_out = || prop::sample::select(vec![0_u32, 1, 5, 100, 100_000]);
    let step = prop_oneof![
        3 => (name(), time_out(), time_out(), 0_u64..8, any::<bool>()).prop_map(
            |(name, idle, hard, cookie, told)| Step::Add { name, idle, hard, cookie, told }
        ),
        6 => name().prop_map(|name| Step::Hit { name }),
        1 => name().prop_map(|name| Step::Delete { name }),
        1 => (0_u64..2).prop_map(|low| Step::DeleteByCookie { low }),
        4 => prop::sample::select(vec![1, MS - 1, MS, MS + 1, 5 * MS, 100 * MS + 1, 100_000 * MS + 1])
            .prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..80)
}

#[derive(Clone, Debug)]
struct Entry {
    name: u8,
    idle: u32,
    hard: u32,
    cookie: u64,
    told: bool,
    born: u64,
    modified: u64,
    used: u64,
    packets: u64,
}

impl Entry {
    fn over(&self, now: u64) -> Option<Removal> {
        let over = |since: u64, limit: u32| limit != 0 && now - since > u64::from(limit) * MS;
        if over(self.modified, self.hard) {
            Some(Removal::Hard)
        } else {
            over(self.used, self.idle).then_some(Removal::Idle)
        }
    }
}

/// Cookie, reason, duration, packets.
type Ended = (u64, Removal, u64, u64);

#[derive(Default)]
struct List {
    entries: Vec<Entry>,
    ended: Vec<Ended>,
}

impl List {
    /// Removes entries for the reason that is given for them.
    fn remove(&mut self, now: u64, why: impl Fn(&Entry) -> Option<Removal>) {
        for entry in std::mem::take(&mut self.entries) {
            match why(&entry) {
                None => self.entries.push(entry),
                Some(why) if entry.told => {
                    self.ended.push((entry.cookie, why, now - entry.born, entry.packets));
                }
                Some(_) => {}
            }
        }
    }
}

proptest! {
    #[test]
    fn router_s38(steps in steps()) {
        let net = seed();
        let mut world = World::with(&net, 64, remote());
        world.node().engine.events_mut().room = usize::MAX;
        let mut list = List::default();
        let spec = |name: u8| {
            let flow = flow_a(&net);
            let ip_src = format!("10.2.0.{}", 100 + name).parse().unwrap();
            FlowSpec { matches: Match { ip_src, ..flow.matches }, ..flow }
        };
        for step in steps {
            let now = world.now;
            match step {
                Step::Wait(time) => world.now += time,
                Step::Add { name, idle, hard, cookie, told } => {
                    let flow = FlowSpec {
                        timeouts: Timeouts { idle, hard },
                        cookie: COOKIES + cookie,
                        send_removed: told,
                        ..spec(name)
                    };
                    world.node().engine.add_flow(&flow, now, &SoftwareHints).unwrap();
                    list.remove(now, |entry| entry.over(now).filter(|_| entry.name == name));
                    let new = Entry {
                        name, idle, hard, cookie, told, born: now, modified: now, used: now, packets: 0,
                    };
                    match list.entries.iter_mut().find(|entry| entry.name == name) {
                        None => list.entries.push(new),
                        Some(entry) => {
                            let Entry { born, used, packets, .. } = *entry;
                            *entry = Entry { born, used, packets, ..new };
                        }
                    }
                }
                Step::Hit { name } => {
                    let frame = changed("e1", &[(29, &[100 + name])]);
                    let out = world.delivers(12, &frame);
                    list.remove(now, |entry| entry.over(now).filter(|_| entry.name == name));
                    if let Some(entry) = list.entries.iter_mut().find(|entry| entry.name == name) {
                        entry.used = now;
                        entry.packets += 1;
                        prop_assert_eq!(out.len(), 1);
                    } else {
                        prop_assert_eq!(out.len(), 0);
                        let node = world.node();
                        let request = node.engine.next_request().unwrap().request;
                        let reason = DropReason::NoRoute;
                        node.engine.refuse(request, reason, now, &mut node.device, &mut ());
                    }
                }
                Step::Delete { name } => {
                    // One that is over was deleted all the same.
                    let matches = spec(name).matches;
                    let _ = world.node().engine.delete_flow(&matches, now, &SoftwareHints);
                    list.remove(now, |entry| (entry.name == name).then_some(Removal::Deleted));
                }
                Step::DeleteByCookie { low } => {
                    world.node().engine.delete_flows(COOKIES + low, 1, now, &SoftwareHints);
                    list.remove(now, |entry| (entry.cookie & 1 == low).then_some(Removal::Deleted));
                }
            }
            world.tick();
            let now = world.now;
            list.remove(now, |entry| entry.over(now));
            let mut ended: Vec<_> = world
                .ended()
                .into_iter()
                .map(|(cookie, why, duration, packets, bytes)| {
                    assert_eq!(bytes, packets * 98);
                    (cookie, format!("{why:?}"), duration, packets)
                })
                .collect();
            ended.sort();
            let mut expected: Vec<_> = list
                .ended
                .drain(..)
                .map(|(cookie, why, duration, packets)| (cookie, format!("{why:?}"), duration, packets))
                .collect();
            expected.sort();
            prop_assert_eq!(ended, expected);
            prop_assert_eq!(world.node().engine.flows().len(), list.entries.len());
        }
    }
}
