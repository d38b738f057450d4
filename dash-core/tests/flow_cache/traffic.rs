//! Random traffic against the naive model, and the order of frames.

use std::collections::{BTreeMap, HashMap, VecDeque};

use dash_core::{
    flow::WhenFull,
    pipeline::flow_cache::{Note, Order, Settings},
};
use dash_hal::PortId;
use proptest::{prelude::*, strategy::ValueTree};
use smoltcp::wire::IpAddress;

use crate::{
    bench::{Bench, DC, MS, OTR, SETTINGS, SRV, vtep},
    frames::{from_router, from_server, tenant},
    model::{Model, Name},
};

#[derive(Clone, Copy, Debug)]
enum Event {
    Server(Name),
    Router(Name, u32),
    /// So many nanoseconds go by.
    Pass(u64),
}

fn name(flows: u32) -> impl Strategy<Value = Name> {
    (prop_oneof![Just(10_u8), Just(20)], 0..flows, any::<bool>()).prop_map(|(vlan, number, v6)| {
        let address = if v6 {
            IpAddress::Ipv6((0x2001_0db8_u128 << 96 | u128::from(number)).into())
        } else {
            tenant(number)
        };
        (vlan, address)
    })
}

fn event(flows: u32) -> impl Strategy<Value = Event> {
    let steps = [0, 1, MS, 50 * MS, 100 * MS, 100 * MS + 1, 900 * MS, 30_000 * MS, 30_001 * MS];
    prop_oneof![
        5 => name(flows).prop_map(Event::Server),
        4 => (name(flows), 100..102_u32).prop_map(|(name, vni)| Event::Router(name, vni)),
        3 => prop::sample::select(steps[..6].to_vec()).prop_map(Event::Pass),
        1 => prop::sample::select(steps.to_vec()).prop_map(Event::Pass),
    ]
}

fn settings() -> impl Strategy<Value = Settings> {
    let order = prop_oneof![
        1 => Just(None),
        2 => Just(Some(Order { guard: 100, force_after: 0 })),
        2 => Just(Some(Order { guard: 100, force_after: 1_000 })),
        1 => Just(Some(Order { guard: 0, force_after: 50 })),
    ];
    (order, any::<bool>()).prop_map(|(order, relearn)| Settings { order, relearn, ..SETTINGS })
}

/// Bytes, and counters and state of flows, are those of the model; frames of one time come in as
/// bursts.
fn agree(settings: Settings, events: &[Event], capacity: usize) -> Result<(), TestCaseError> {
    let mut bench = Bench::with(settings, &[vtep()], capacity, WhenFull::Forward);
    let mut model = Model::new(settings);
    let (mut burst, mut right) = (vec![], vec![]);
    let last = [Event::Pass(0)];
    for (number, event) in (0_u32..).zip(events.iter().chain(&last)) {
        let payload = number.to_be_bytes();
        match *event {
            Event::Server(name) => {
                burst.push((SRV, from_server(name.0.into(), name.1, &payload)));
                right.push(model.server(name, &payload, bench.now));
            }
            Event::Router(name, vni) => {
                burst.push((OTR, from_router(name.0, vni, name.1, &payload)));
                right.push(model.router(name, vni, &payload, bench.now));
            }
            Event::Pass(time) => {
                for (frames, right) in burst.chunks(32).zip(right.chunks(32)) {
                    let ports = |port| right.iter().filter(move |sent| sent.0 == port).cloned();
                    // Order holds for each port.
                    let right: Vec<_> = ports(DC).chain(ports(OTR)).collect();
                    let mut sent = bench.send_all(frames);
                    sent.sort_by_key(|(port, _)| *port);
                    prop_assert_eq!(sent, right);
                }
                burst.clear();
                right.clear();
                bench.now += time;
            }
        }
    }
    prop_assert_eq!(bench.noted(Note::OrderForced), model.forced);
    let now = bench.now;
    let live = bench.engine.flows().live(now);
    let flows: HashMap<_, _> =
        live.map(|(key, flow)| ((key.vlan() as u8, key.remote()), flow)).collect();
    for (name, entry) in model.flows.iter().filter(|(_, entry)| now - entry.used <= 30_000 * MS) {
        let flow = flows.get(name).copied();
        let flow = flow.ok_or_else(|| TestCaseError::fail(format!("{name:?} is not there")))?;
        prop_assert_eq!((flow.packets, flow.bytes), (entry.frames, entry.bytes));
        prop_assert_eq!(flow.state.inflight(), entry.inflight);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn frames_are_those_of_the_model(
        settings in settings(),
        events in prop::collection::vec(event(4), 0..150),
    ) {
        agree(settings, &events, 64)?;
    }
}

#[test]
fn flow_cache_s32() {
    let events = prop::collection::vec(event(10_000), 30_000);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let events = events.new_tree(&mut runner).unwrap().current();
    agree(SETTINGS, &events, 32_768).unwrap();
}

/// What a server does, and the router with this frame: it answers within 100 ms, or never.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// Nanoseconds since the last step.
    wait: u64,
    flow: u8,
    lost: bool,
    delay: u64,
}

fn step(waits: &'static [u64]) -> impl Strategy<Value = Step> {
    (prop::sample::select(waits), 0..2_u8, prop::bool::weighted(0.1), 0..=100_u64)
        .prop_map(|(wait, flow, lost, delay)| Step { wait, flow, lost, delay: delay * MS })
}

/// What happened to the frames of servers.
#[derive(Default)]
struct Conversation {
    /// Those that arrived at the data centre, by their numbers, in order.
    arrived: Vec<(Name, u32)>,
    /// When each came from its server, and where it left.
    left: Vec<(Name, u64, PortId)>,
    /// When the way was learnt.
    learnt: BTreeMap<Name, u64>,
}

fn converse(settings: Settings, steps: &[Step]) -> Conversation {
    let mut bench = Bench::with(settings, &[vtep()], 64, WhenFull::Forward);
    // The router's answers: when, and to which frame.
    let mut answers: VecDeque<(u64, Name, Vec<u8>)> = VecDeque::new();
    let mut told = Conversation::default();
    let number = |frame: &[u8]| u32::from_be_bytes(*frame.last_chunk().unwrap());
    let mut time = 0;
    for (sequence, step) in (0_u32..).zip(steps) {
        time += step.wait;
        while answers.front().is_some_and(|(at, ..)| *at <= time) {
            let (at, name, payload) = answers.pop_front().unwrap();
            bench.now = at;
            told.learnt.entry(name).or_insert(at);
            for (port, frame) in bench.send(OTR, &from_router(name.0, 100, name.1, &payload)) {
                assert_eq!(port, DC);
                told.arrived.push((name, number(&frame)));
            }
        }
        bench.now = time;
        let (name, payload) = ((10, tenant(step.flow.into())), sequence.to_be_bytes());
        for (port, frame) in bench.send(SRV, &from_server(10, name.1, &payload)) {
            told.left.push((name, time, port));
            if port == DC {
                told.arrived.push((name, number(&frame)));
            } else if !step.lost {
                let before = answers.back().map_or(0, |(at, ..)| *at);
                let at = before.max(time + step.delay);
                answers.push_back((at, name, payload.to_vec()));
            }
        }
    }
    told
}

const SLOW: &[u64] = &[0, 1, MS, 30 * MS, 99 * MS, 100 * MS, 101 * MS, 1_000 * MS, 31_000 * MS];
const STEADY: &[u64] = &[0, MS, 20 * MS, 40 * MS];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn frames_of_a_flow_arrive_in_order(steps in prop::collection::vec(step(SLOW), 0..120)) {
        let order = Some(Order { guard: 100, force_after: 0 });
        let told = converse(Settings { order, ..SETTINGS }, &steps);
        let mut last = BTreeMap::new();
        for (name, number) in told.arrived {
            let before = last.insert(name, number);
            prop_assert!(before.is_none_or(|before| before < number), "{before:?} {number}");
        }
    }

    /// However many frames the router loses.
    #[test]
    fn a_steady_flow_is_direct_after_a_time(steps in prop::collection::vec(step(STEADY), 100..300)) {
        let told = converse(SETTINGS, &steps);
        for (name, time, port) in told.left {
            if told.learnt.get(&name).is_some_and(|learnt| time > learnt + 1_000 * MS) {
                prop_assert_eq!(port, DC);
            }
        }
    }
}
