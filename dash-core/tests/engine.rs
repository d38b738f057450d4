//! The engine with a small pipeline whose frames say what is to be done with them.
#![allow(missing_docs)]

use std::collections::{BTreeMap, HashMap};

use dash_core::{
    engine::{Engine, REENTRIES},
    flow::{Egress, Flow, FlowMut, FlowTable, Install, NewFlow, Timeouts},
    packet::{Entering, Packet},
    pipeline::{self, Cause, Decision, End, Lookup, Pipeline, Refusal, Step, Trace, Verdict},
    rewrite::{Flags, NextHop, Rewrite},
    table::{
        cuckoo::{Bucket, Key, Slot},
        quiescence::Readers,
    },
    wire::{self, Profile},
};
use dash_hal::{
    Burst, Hints, PacketBuffer, PortId, ReceiveMetadata, SoftwareHints,
    software::{ArrayBuffer, SoftwarePlatform},
};
use proptest::prelude::*;
use smoltcp::wire::EthernetAddress;

type Buffer = ArrayBuffer<512>;
type Port = SoftwarePlatform<4, 512>;

/// A flow's name: its number and its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Name([u64; 1]);

impl Name {
    fn new(number: u8, reverse: u8) -> Self {
        Self([u64::from_le_bytes([number, reverse, 0, 0, 0, 0, 0, 0])])
    }
    fn other(self) -> Self {
        Self([self.0[0] ^ 0x100])
    }
}

impl Key for Name {
    const EMPTY: Self = Self([0]);
    fn hash<H: Hints>(&self, secret: &dash_hal::HashKey, hints: &H) -> u64 {
        hints.keyed_hash(secret, &self.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    Engine(u8),
    Policy,
    Parse,
}

impl From<Refusal> for Why {
    fn from(refusal: Refusal) -> Self {
        Self::Engine(refusal as u8)
    }
}

/// What a frame asks for: the first byte behind its Ethernet header.
mod ask {
    pub(crate) const PAIR: u8 = 0;
    pub(crate) const ONE: u8 = 1;
    pub(crate) const TWO: u8 = 2;
    pub(crate) const UNCACHED: u8 = 3;
    pub(crate) const REPLY: u8 = 4;
    pub(crate) const PUNT: u8 = 5;
    pub(crate) const DROP: u8 = 6;
    pub(crate) const NO_FLOW: u8 = 7;
    pub(crate) const AGAIN: u8 = 8;
    pub(crate) const FOR_EVER: u8 = 9;
    pub(crate) const ALL: u8 = 10;
}

/// The pipeline: policy is `denied` and `epoch`; the rest is counters.
#[derive(Debug, Default)]
struct Asked {
    denied: Vec<u8>,
    epoch: u32,
    timeouts: Timeouts,
    step: Option<Step<Why>>,
    keys: usize,
    slows: usize,
    ends: BTreeMap<String, usize>,
    received: usize,
    uncached: usize,
}

impl Pipeline for Asked {
    type Key = Name;
    type State = ();
    type Context = u8;
    type Reason = Why;
    type Event = ();
    const PUNTS: bool = true;

    fn key<T: Trace<Self>>(
        &mut self,
        frame: Entering<'_>,
        name: &mut pipeline::Name<Self>,
        _now: u64,
        _trace: &mut T,
    ) {
        self.keys += 1;
        let bytes = frame.bytes;
        let Ok(layout) = wire::parse(bytes, &Profile::PLAIN) else {
            name.lookup = Some(Lookup::Drop { context: None, reason: Why::Parse });
            return;
        };
        name.edges = layout.edges(bytes);
        name.lookup = Some(match bytes[14] {
            ask::NO_FLOW | ask::PUNT => Lookup::NoFlow { context: bytes[14] },
            ask::AGAIN if frame.entry == 0 => Lookup::NoFlow { context: ask::AGAIN },
            ask::FOR_EVER => Lookup::NoFlow { context: ask::FOR_EVER },
            what => {
                name.key = Name::new(bytes[15], bytes[16]);
                Lookup::Flow { context: what, epoch: self.epoch }
            }
        });
    }

    fn slow<B: PacketBuffer, H: Hints, T: Trace<Self>>(
        &mut self,
        packet: &mut Packet<'_, B>,
        context: &u8,
        cause: Cause<'_, Name>,
        _now: u64,
        _hints: &H,
        _trace: &mut T,
    ) -> Decision<Self> {
        self.slows += 1;
        let number = packet.buffer.bytes()[15];
        if self.denied.contains(&number) || *context == ask::DROP {
            return Decision::drop(Why::Policy);
        }
        let mut rewrite = Rewrite::NONE;
        rewrite.flags = Flags::SOURCE_MAC;
        rewrite.source_mac = EthernetAddress([0, 0, 0, 0, 0, number]).into();
        let egress = Egress::to(PortId(u16::from(number % 3))).unwrap();
        let flow = |key| NewFlow { key, rewrite, egress, state: (), timeouts: self.timeouts };
        let install = match (*context, cause.key()) {
            (ask::PAIR, Some(key)) => Install::Pair(flow(*key), flow(key.other())),
            (ask::ONE, Some(key)) => Install::One(flow(*key)),
            (ask::TWO, Some(key)) => Install::Two(flow(*key), flow(key.other())),
            _ => Install::None,
        };
        let verdict = match *context {
            ask::REPLY => Verdict::Reply { egress: Egress::INGRESS },
            ask::PUNT => Verdict::Punt { reason: 7 },
            ask::AGAIN if packet.entry == 0 => {
                Verdict::Recirculate { rewrite, ingress: PortId(2), entry: 1 }
            }
            ask::FOR_EVER => Verdict::Recirculate {
                rewrite: Rewrite::NONE,
                ingress: packet.ingress,
                entry: packet.entry + 1,
            },
            _ => Verdict::Forward { rewrite, egress },
        };
        Decision { verdict, install, copies: false }
    }

    fn step<B: PacketBuffer, T: Trace<Self>>(
        &mut self,
        _packet: &mut Packet<'_, B>,
        _context: &u8,
        _flow: &mut FlowMut<'_, ()>,
        _now: u64,
        _trace: &mut T,
    ) -> Step<Why> {
        self.step.unwrap_or(Step::Apply)
    }

    fn epoch(&self, key: &Name) -> Option<u32> {
        (!self.denied.contains(&(key.0[0] as u8))).then_some(self.epoch)
    }

    fn count(&mut self, _context: Option<&u8>, received: usize, end: End<Why>) {
        self.received += received;
        *self.ends.entry(format!("{end:?}")).or_default() += 1;
    }

    fn count_uncached(&mut self, _context: &u8, _why: pipeline::Uncached) {
        self.uncached += 1;
    }
}

fn frame(what: u8, number: u8, reverse: u8) -> Vec<u8> {
    let mut frame = vec![0; 60];
    frame[12] = 0x12;
    frame[14..17].copy_from_slice(&[what, number, reverse]);
    frame
}

fn buffer(bytes: &[u8]) -> Buffer {
    let metadata = ReceiveMetadata { port: PortId(1), ..Default::default() };
    Buffer::new(bytes, metadata).unwrap()
}

/// An engine over storage that lives as long as the test.
struct Bench {
    engine: Engine<'static, Asked, Buffer, 64, 2>,
    port: Port,
}

impl Bench {
    fn new(capacity: usize) -> Self {
        let buckets = vec![Bucket::EMPTY; FlowTable::<Name, ()>::buckets_for(capacity)].leak();
        let slots = vec![Slot::empty(Flow::EMPTY); capacity].leak();
        let next_hops = vec![NextHop::FREE; 64].leak();
        let flows = FlowTable::new(buckets, slots, next_hops, [1, 2]).unwrap();
        let pipeline =
            Asked { timeouts: Timeouts { idle: 30_000, hard: 0 }, epoch: 1, ..Default::default() };
        Self { engine: Engine::new(pipeline, flows, Readers::new(&[]), 0), port: Port::new() }
    }

    /// Sets policy; the pipeline is the engine's own.
    fn policy(&mut self, change: impl FnOnce(&mut Asked)) {
        change(self.engine.pipeline_mut());
    }

    fn send(&mut self, now: u64, frames: &[Vec<u8>]) -> Vec<(u16, Vec<u8>)> {
        let mut burst = Burst::new();
        for frame in frames {
            burst.push(buffer(frame)).unwrap();
        }
        self.engine.process(&mut burst, now, &mut self.port, &mut ());
        assert!(burst.is_empty());
        self.engine.flush(&mut self.port);
        let mut out = Vec::new();
        for port in 0..4 {
            while let Some(buffer) = self.port.leave(PortId(port)) {
                out.push((port, buffer.bytes().to_vec()));
            }
        }
        out
    }

    fn live(&self, now: u64) -> BTreeMap<Name, (u64, u64, Egress)> {
        self.engine
            .flows()
            .live(now)
            .map(|(key, flow)| (*key, (flow.packets, flow.bytes, flow.egress)))
            .collect()
    }

    fn ended(&self, end: &str) -> usize {
        self.engine.pipeline().ends.get(end).copied().unwrap_or(0)
    }
}

const SECOND: u64 = 1_000_000_000;

#[test]
fn a_pair_answers_in_both_directions_without_policy() {
    let mut bench = Bench::new(8);
    assert_eq!(bench.send(0, &[frame(ask::PAIR, 4, 0)]).len(), 1);
    bench.policy(|policy| policy.denied.push(4));
    let out = bench.send(1, &[frame(ask::PAIR, 4, 1), frame(ask::PAIR, 4, 0)]);
    assert_eq!(out.len(), 2);
    assert_eq!((out[0].0, out[0].1[11]), (1, 4), "port 4 mod 3, source MAC ends in 4");
    assert_eq!(bench.engine.pipeline().slows, 1);
    assert_eq!(bench.live(1)[&Name::new(4, 0)], (2, 120, Egress::to(PortId(1)).unwrap()));
    assert_eq!(bench.live(1)[&Name::new(4, 1)].0, 1);
}

#[test]
fn frames_of_one_new_flow_in_one_burst_ask_policy_once() {
    let mut bench = Bench::new(8);
    let out = bench.send(0, &vec![frame(ask::PAIR, 1, 0); 5]);
    assert_eq!(out.len(), 5);
    assert_eq!(bench.engine.pipeline().slows, 1);
    assert_eq!(bench.live(0)[&Name::new(1, 0)].0, 5);
}

#[test]
fn a_frame_enters_again_four_times_and_no_more() {
    let mut bench = Bench::new(8);
    assert_eq!(bench.send(0, &[frame(ask::FOR_EVER, 1, 0)]), []);
    assert_eq!(bench.engine.pipeline().keys, 1 + REENTRIES);
    assert_eq!(bench.ended(&format!("Dropped(Engine({}))", Refusal::LoopBudget as u8)), 1);
    assert_eq!(bench.port.recycled, 1);
}

#[test]
fn a_hit_enters_again_four_times_and_no_more() {
    let mut bench = Bench::new(8);
    assert_eq!(bench.send(0, &[frame(ask::PAIR, 1, 0)]).len(), 1);
    bench.policy(|policy| policy.step = Some(Step::Enter { ingress: PortId(2), entry: 1 }));
    let (keys, slows) = (bench.engine.pipeline().keys, bench.engine.pipeline().slows);
    assert_eq!(bench.send(0, &[frame(ask::PAIR, 1, 0)]), []);
    assert_eq!(bench.engine.pipeline().keys, keys + 1 + REENTRIES);
    assert_eq!(bench.engine.pipeline().slows, slows);
    assert_eq!(bench.ended(&format!("Dropped(Engine({}))", Refusal::LoopBudget as u8)), 1);
    assert_eq!(bench.live(0)[&Name::new(1, 0)].0, 2 + REENTRIES as u64);
}

#[test]
fn a_reentry_names_its_port_and_stage() {
    let mut bench = Bench::new(8);
    let out = bench.send(0, &[frame(ask::AGAIN, 5, 0)]);
    assert_eq!((out.len(), out[0].0, out[0].1[11]), (1, 2, 5));
    assert_eq!(bench.engine.pipeline().keys, 2);
}

#[test]
fn a_reply_leaves_where_it_came_in() {
    let mut bench = Bench::new(8);
    assert_eq!(bench.send(0, &[frame(ask::REPLY, 5, 0)])[0].0, 1);
}

#[test]
fn a_punt_waits_and_comes_back_by_submit() {
    let mut bench = Bench::new(8);
    assert_eq!(bench.send(0, &vec![frame(ask::PUNT, 5, 0); 3]), []);
    assert_eq!(bench.ended("Punted { reason: 7 }"), 2);
    assert_eq!(bench.ended(&format!("Dropped(Engine({}))", Refusal::PuntFull as u8)), 1);
    let punt = bench.engine.take_punt().unwrap();
    assert_eq!((punt.reason, punt.ingress), (7, PortId(1)));
    let mut buffer = punt.buffer;
    buffer.bytes_mut()[14] = ask::PAIR;
    bench.engine.submit(buffer, PortId(3), 0, 0, &mut bench.port, &mut ());
    assert_eq!(bench.send(0, &[])[0].0, 2);
    assert_eq!(bench.live(0).len(), 2);
}

#[test]
fn a_submitted_frame_that_finds_the_queue_full_is_dropped() {
    let mut bench = Bench::new(8);
    for _ in 0..65 {
        let bytes = frame(ask::UNCACHED, 0, 0);
        bench.engine.submit(buffer(&bytes), PortId(0), 0, 0, &mut bench.port, &mut ());
    }
    assert_eq!(bench.engine.waiting(), 64);
    assert_eq!(bench.ended(&format!("Dropped(Engine({}))", Refusal::TxFull as u8)), 1);
}

#[test]
fn a_flow_lives_exactly_as_long_as_its_idle_time_out() {
    for (late, slows) in [(0, 1), (1, 2)] {
        let mut bench = Bench::new(8);
        bench.send(0, &[frame(ask::PAIR, 1, 0)]);
        bench.send(30 * SECOND + late, &[frame(ask::PAIR, 1, 0)]);
        assert_eq!(bench.engine.pipeline().slows, slows, "{late} ns late");
    }
}

#[test]
fn a_hit_of_one_half_keeps_both_alive() {
    let mut bench = Bench::new(8);
    bench.send(0, &[frame(ask::PAIR, 1, 0)]);
    for turn in 1..5 {
        bench.send(turn * 29 * SECOND, &[frame(ask::PAIR, 1, 1)]);
    }
    assert_eq!(bench.live(5 * 29 * SECOND).len(), 2);
    bench.send(5 * 29 * SECOND, &[frame(ask::PAIR, 1, 0)]);
    assert_eq!(bench.engine.pipeline().slows, 1);
}

#[test]
fn flows_that_live_apart_end_apart() {
    let mut bench = Bench::new(8);
    bench.send(0, &[frame(ask::TWO, 1, 0)]);
    bench.send(29 * SECOND, &[frame(ask::TWO, 1, 1)]);
    assert_eq!(bench.live(31 * SECOND).keys().copied().collect::<Vec<_>>(), [Name::new(1, 1)]);
    // The one that is gone asks again; the other is refreshed and keeps its counters.
    bench.send(31 * SECOND, &[frame(ask::TWO, 1, 0)]);
    assert_eq!(bench.engine.pipeline().slows, 2);
    assert_eq!(bench.live(31 * SECOND)[&Name::new(1, 1)].0, 1);
}

#[test]
fn a_hard_time_out_ends_a_busy_flow() {
    let mut bench = Bench::new(8);
    bench.policy(|policy| policy.timeouts = Timeouts { idle: 0, hard: 10_000 });
    for second in 0..=10 {
        bench.send(second * SECOND, &[frame(ask::ONE, 1, 0)]);
    }
    assert_eq!(bench.engine.pipeline().slows, 1);
    bench.send(10 * SECOND + 1, &[frame(ask::ONE, 1, 0)]);
    assert_eq!(bench.engine.pipeline().slows, 2);
    assert_eq!(bench.engine.flows().counters().hard, 1);
}

#[test]
fn only_the_direction_that_created_a_pair_is_evaluated_again() {
    let mut bench = Bench::new(8);
    bench.send(0, &[frame(ask::PAIR, 1, 0)]);
    bench.policy(|policy| {
        policy.epoch = 2;
        policy.denied.push(1);
    });
    // The answer never meets the new policy.
    assert_eq!(bench.send(1, &[frame(ask::PAIR, 1, 1)]).len(), 1);
    assert_eq!(bench.engine.pipeline().slows, 1);
    // The request does, and takes both halves with it.
    assert_eq!(bench.send(2, &[frame(ask::PAIR, 1, 0)]).len(), 0);
    assert_eq!(bench.live(2).len(), 0);
    assert_eq!(bench.ended("Dropped(Policy)"), 1);
}

#[test]
fn an_evaluation_that_permits_replaces_both_halves_and_keeps_counters() {
    let mut bench = Bench::new(8);
    bench.send(0, &[frame(ask::PAIR, 1, 0), frame(ask::PAIR, 1, 1)]);
    bench.policy(|policy| policy.epoch = 2);
    bench.send(1, &[frame(ask::PAIR, 1, 0)]);
    assert_eq!(bench.engine.pipeline().slows, 2);
    bench.send(2, &[frame(ask::PAIR, 1, 0), frame(ask::PAIR, 1, 1)]);
    assert_eq!(bench.engine.pipeline().slows, 2);
    assert_eq!(bench.live(2)[&Name::new(1, 0)].0, 3);
    assert_eq!(bench.live(2)[&Name::new(1, 1)].0, 2);
    assert_eq!(bench.engine.flows().counters().replaced, 2);
}

#[test]
fn a_full_table_never_stops_forwarding() {
    let mut bench = Bench::new(3);
    for number in 0..3 {
        assert_eq!(bench.send(0, &[frame(ask::PAIR, number, 0)]).len(), 1);
    }
    assert_eq!(bench.live(0).len(), 2, "a pair is installed whole or not at all");
    assert_eq!(bench.engine.pipeline().uncached, 2);
    // Those that are over make room.
    bench.send(31 * SECOND, &[frame(ask::PAIR, 1, 0)]);
    assert_eq!(bench.engine.pipeline().uncached, 2);
    assert!(bench.live(31 * SECOND).contains_key(&Name::new(1, 0)));
}

#[test]
fn a_sweep_removes_what_is_over_and_what_lost_its_policy() {
    let mut bench = Bench::new(16);
    bench.send(0, &[frame(ask::PAIR, 1, 0), frame(ask::PAIR, 2, 0), frame(ask::PAIR, 3, 0)]);
    bench.policy(|policy| policy.denied.push(2));
    bench.engine.tick(1, 16, &SoftwareHints);
    assert_eq!(bench.engine.flows().len(), 4);
    bench.policy(|policy| policy.epoch = policy.epoch.wrapping_add(u32::MAX / 2));
    bench.engine.tick(1, 16, &SoftwareHints);
    assert_eq!(bench.engine.flows().len(), 4, "half the range behind is still in reach");
    bench.policy(|policy| policy.epoch = policy.epoch.wrapping_add(1));
    bench.engine.tick(1, 8, &SoftwareHints);
    bench.engine.tick(1, 8, &SoftwareHints);
    assert_eq!(bench.engine.flows().len(), 0);
    bench.send(5, &[frame(ask::PAIR, 1, 0)]);
    bench.engine.tick(30 * SECOND + 6, 16, &SoftwareHints);
    assert_eq!(bench.engine.flows().counters().idle, 2);
}

#[test]
fn a_step_may_pass_drop_or_ask() {
    let mut bench = Bench::new(8);
    bench.send(0, &[frame(ask::PAIR, 1, 0)]);
    bench.policy(|policy| policy.step = Some(Step::Pass(PortId(3))));
    let out = bench.send(0, &[frame(ask::PAIR, 1, 0)]);
    assert_eq!((out[0].0, out[0].1[11]), (3, 0), "unchanged");
    bench.policy(|policy| policy.step = Some(Step::Drop(Why::Policy)));
    assert_eq!(bench.send(0, &[frame(ask::PAIR, 1, 0)]), []);
    bench.policy(|policy| policy.step = Some(Step::Slow));
    assert_eq!(bench.send(0, &[frame(ask::PAIR, 1, 0)]).len(), 1);
    assert_eq!(bench.engine.pipeline().slows, 2);
    assert_eq!(bench.live(0)[&Name::new(1, 0)].0, 4);
}

#[test]
fn what_a_port_refuses_waits_in_order_while_others_go_on() {
    let mut bench = Bench::new(0);
    bench.port.accept = [1, usize::MAX, 0, 0];
    let frames: Vec<_> = (0..9).map(|number| frame(ask::UNCACHED, number, 0)).collect();
    let out = bench.send(0, &frames);
    assert_eq!(
        out.iter().map(|(port, bytes)| (*port, bytes[11])).collect::<Vec<_>>(),
        [(0, 0), (1, 1), (1, 4), (1, 7)]
    );
    assert_eq!(bench.engine.waiting(), 5);
    bench.port.accept = [usize::MAX; 4];
    let out = bench.send(0, &[frame(ask::UNCACHED, 9, 0)]);
    assert_eq!(
        out.iter().map(|(port, bytes)| (*port, bytes[11])).collect::<Vec<_>>(),
        [(0, 3), (0, 6), (0, 9), (2, 2), (2, 5), (2, 8)]
    );
}

#[test]
fn a_port_that_takes_one_frame_a_call_keeps_their_order() {
    let mut bench = Bench::new(0);
    bench.port.accept_each_call = 1;
    let numbers = [0, 3, 1, 6, 4, 9];
    let mut out = bench.send(0, &numbers.map(|number| frame(ask::UNCACHED, number, 0)));
    while bench.engine.waiting() > 0 {
        out.extend(bench.send(0, &[]));
    }
    let of = |port| out.iter().filter(|out| out.0 == port).map(|out| out.1[11]).collect::<Vec<_>>();
    assert_eq!((of(0), of(1)), (vec![0, 3, 6, 9], vec![1, 4]));
}

#[test]
fn receive_takes_no_more_than_the_queue_has_places() {
    let mut bench = Bench::new(0);
    bench.port.accept = [0; 4];
    let mut received = Vec::new();
    for _ in 0..4 {
        for number in 0..20 {
            bench.port.arrive(PortId(1), &frame(ask::UNCACHED, number, 0)).ok();
        }
        received.push(bench.engine.poll(PortId(1), &mut bench.port, &mut ()));
    }
    assert_eq!(received, [20, 20, 20, 4]);
    assert_eq!(bench.engine.waiting(), 64);
}

#[test]
fn frames_for_a_port_that_is_not_there_do_not_stop_the_others() {
    let mut bench = Bench::new(8);
    bench.send(0, &[frame(ask::PAIR, 1, 0)]);
    bench.policy(|policy| policy.step = Some(Step::Pass(PortId(9))));
    for _ in 0..3 {
        bench.send(0, &vec![frame(ask::PAIR, 1, 0); 32]);
    }
    assert_eq!((bench.engine.waiting(), bench.port.recycled), (0, 96));
    assert_eq!(bench.send(0, &[frame(ask::PAIR, 2, 0)]).len(), 1);
}

#[test]
fn a_frame_over_the_mtu_is_dropped_by_name() {
    let mut bench = Bench::new(8);
    bench.port.mtu = 45;
    assert_eq!(bench.send(0, &[frame(ask::PAIR, 1, 0)]), []);
    assert_eq!(bench.ended(&format!("Dropped(Engine({}))", Refusal::TooBig as u8)), 1);
}

/// An independent account of what the pipeline above means.
#[derive(Default)]
struct Model {
    /// Number and direction to last hit of the conversation, frames.
    flows: HashMap<(u8, u8), (u64, u64)>,
    denied: Vec<u8>,
}

impl Model {
    fn frame(&mut self, now: u64, what: u8, number: u8, reverse: u8) -> Option<u16> {
        let key = (number, reverse);
        let port = u16::from(number % 3);
        match what {
            ask::NO_FLOW => return (!self.denied.contains(&number)).then_some(port),
            ask::PUNT | ask::FOR_EVER => return None,
            ask::AGAIN if self.denied.contains(&number) => return None,
            _ => {}
        }
        if self.flows.get(&key).is_some_and(|(used, _)| now - used > 30 * SECOND) {
            self.flows.remove(&key);
            self.flows.remove(&(number, 1 - reverse));
        }
        if self.flows.contains_key(&key) {
            for half in [0, 1] {
                if let Some(flow) = self.flows.get_mut(&(number, half)) {
                    flow.0 = now;
                    flow.1 += u64::from(half == reverse);
                }
            }
            return Some(port);
        }
        if self.denied.contains(&number) || what == ask::DROP {
            return None;
        }
        if what == ask::PAIR {
            self.flows.insert(key, (now, 1));
            self.flows.insert((number, 1 - reverse), (now, 0));
        }
        Some(if what == ask::REPLY { 1 } else { port })
    }
}

fn traffic() -> impl Strategy<Value = Vec<(u8, u8, u8, u64)>> {
    // Two kinds of installation under one name would not be pairs only; the model knows pairs.
    let what = (0..ask::ALL).prop_map(|what| match what {
        ask::ONE | ask::TWO => ask::PAIR,
        what => what,
    });
    let step = prop_oneof![8 => Just(0_u64), 2 => 0..SECOND, 1 => Just(31 * SECOND)];
    prop::collection::vec((what, 0_u8..12, 0_u8..2, step), 0..150)
}

proptest! {
    /// A burst is only a way to go faster.
    #[test]
    fn bursts_equal_single_frames(traffic in traffic(), sizes in prop::collection::vec(1_usize..=32, 1..8), capacity in prop_oneof![Just(0), 1_usize..40]) {
        let mut alone = Bench::new(capacity);
        let mut together = Bench::new(capacity);
        let (mut first, mut second) = (BTreeMap::<u16, Vec<_>>::new(), BTreeMap::<u16, Vec<_>>::new());
        let mut sizes = sizes.into_iter().cycle();
        let (mut now, mut rest) = (0, &traffic[..]);
        while !rest.is_empty() {
            // Frames of one burst share one time.
            now += rest[0].3;
            let (burst, after) = rest.split_at(sizes.next().unwrap().min(rest.len()));
            rest = after;
            let frames: Vec<_> = burst.iter().map(|(what, number, reverse, _)| frame(*what, *number, *reverse)).collect();
            for frame in &frames {
                for (port, bytes) in alone.send(now, std::slice::from_ref(frame)) {
                    first.entry(port).or_default().push(bytes);
                }
            }
            for (port, bytes) in together.send(now, &frames) {
                second.entry(port).or_default().push(bytes);
            }
        }
        prop_assert_eq!(first, second);
        prop_assert_eq!(&alone.engine.pipeline().ends, &together.engine.pipeline().ends);
        // Every frame ends once, and one that waited too long once more; its bytes are counted as
        // received.
        let late = alone.ended(&format!("Dropped(Engine({}))", Refusal::PuntTimeout as u8));
        prop_assert_eq!(alone.engine.pipeline().received, 60 * (traffic.len() + late));
        prop_assert_eq!(together.engine.pipeline().received, 60 * (traffic.len() + late));
        prop_assert_eq!(alone.engine.pipeline().slows, together.engine.pipeline().slows);
        prop_assert_eq!(alone.engine.pipeline().uncached, together.engine.pipeline().uncached);
        prop_assert_eq!(alone.live(now), together.live(now));
        prop_assert_eq!(alone.engine.flows().counters(), together.engine.flows().counters());
    }

    /// The engine does what an independent account says, replies and time-outs included.
    #[test]
    fn engine_equals_the_model(traffic in traffic(), denied in 0_u8..12) {
        let mut bench = Bench::new(64);
        let mut model = Model::default();
        let mut now = 0;
        for (index, (what, number, reverse, step)) in traffic.into_iter().enumerate() {
            now += step;
            if index == 70 {
                bench.policy(|policy| policy.denied.push(denied));
                model.denied.push(denied);
            }
            let out = bench.send(now, &[frame(what, number, reverse)]);
            let expected = model.frame(now, what, number, reverse);
            prop_assert_eq!(out.first().map(|(port, _)| *port), expected);
            while bench.engine.take_punt().is_some() {}
        }
        let expected: BTreeMap<_, _> = model.flows.iter()
            .filter(|(_, (used, _))| now - used <= 30 * SECOND)
            .map(|((number, reverse), (_, packets))| (Name::new(*number, *reverse), *packets))
            .collect();
        let live: BTreeMap<_, _> = bench.live(now).into_iter().map(|(key, flow)| (key, flow.0)).collect();
        prop_assert_eq!(live, expected);
    }

    /// The cache answers what the slow path would answer.
    #[test]
    fn a_table_changes_no_answer(traffic in traffic()) {
        let mut cached = Bench::new(64);
        let mut uncached = Bench::new(0);
        for (what, number, _, _) in traffic {
            // No replies to earlier frames, no time-out; what depends on an earlier frame is out.
            if matches!(what, ask::DROP | ask::REPLY | ask::PUNT) {
                continue;
            }
            let frames = [frame(what, number, 0)];
            prop_assert_eq!(cached.send(0, &frames), uncached.send(0, &frames));
        }
    }
}
