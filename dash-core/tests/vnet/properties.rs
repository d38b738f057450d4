//! What holds for random policies and random traffic.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
};

use proptest::{
    array::uniform32,
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};

use dash_core::{flow::FlowCounters, pipeline::vnet::EniCounters};

use crate::{
    bench::{Bench, ENIS, Storage},
    engines::{Calls, Engines},
    frame::Arrival,
    hardware::Device,
    model::{Key, Model, Outcome, SECOND, Settings},
    traffic::{Contents, Script, Step, StepBytes, script},
};

/// Enough for every flow of a script.
pub(crate) const BIG: usize = 512;
pub(crate) const SETTINGS: Settings =
    Settings { tcp_strict: false, idle_timeout: 30 * SECOND, mtu: 700, flows: true };

pub(crate) type TestResult = Result<(), TestCaseError>;

/// What all cases of a property came to; printed, so that a reader sees what was compared.
#[derive(Default)]
pub(crate) struct Totals {
    frames_in: u64,
    frames_out: u64,
    hits: u64,
    evaluated_again: u64,
    later_fragments: u64,
    drops: BTreeMap<String, u64>,
}

impl Totals {
    pub(crate) fn add(&mut self, model: &Model) {
        self.frames_in += model.frames_in;
        self.frames_out += model.frames_out;
        self.hits += model.hits;
        self.evaluated_again += model.evaluated_again;
        self.later_fragments += model.later_fragments;
        for (reason, count) in &model.drops {
            *self.drops.entry(reason.clone()).or_default() += count;
        }
    }

    pub(crate) fn print(&self, property: &str) {
        let Self { frames_in, frames_out, hits, evaluated_again, later_fragments, drops } = self;
        println!(
            "{property}: {frames_in} frames ({hits} hits, {evaluated_again} evaluated again, \
             {later_fragments} later fragments), \
             {frames_out} left, dropped: {drops:?}"
        );
    }
}

/// Runs `test` on random bytes of a policy and of steps. `cases` is for the normal run;
/// `PROPTEST_CASES` overrides it.
pub(crate) fn for_scripts(
    cases: u32,
    steps: usize,
    test: impl Fn(&[u8], &[StepBytes]) -> TestResult,
) {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let cases = if asked { Config::default().cases } else { cases };
    let config =
        Config { cases, max_shrink_iters: 50_000, failure_persistence: None, ..Config::default() };
    let bytes = (vec(any::<u8>(), 0..700), vec(uniform32(any::<u8>()), 1..steps));
    let done = TestRunner::new(config).run(&bytes, |(policy, steps)| test(&policy, &steps));
    if let Err(error) = done {
        panic!("{error}");
    }
}

pub(crate) fn same_counters(bench: &Bench<'_>, model: &Model, now: u64) -> TestResult {
    prop_assert_eq!(bench.drops(), model.drops.clone());
    prop_assert_eq!(bench.enis(), model.enis.clone());
    prop_assert_eq!(bench.live(now), model.live(now));
    let dropped: u64 = model.drops.values().sum();
    prop_assert_eq!(model.frames_in, model.frames_out + dropped);
    Ok(())
}

/// Each frame's bytes, port or drop, and in the end all counters and flows, with replies, pauses
/// and changes of policy.
#[test]
fn engine_does_what_the_model_does() {
    let totals = RefCell::new(Totals::default());
    for_scripts(1000, 240, |policy, steps| {
        let Script { policy, steps: script } =
            script(policy, steps, Contents { changes: true, pauses: true });
        // What no policy says: settings of the pipeline.
        let settings = match steps[0][31] % 8 {
            0 => Settings { tcp_strict: true, ..SETTINGS },
            1 => Settings { flows: false, ..SETTINGS },
            _ => SETTINGS,
        };
        let mut storage = Storage::new(if settings.flows { BIG } else { 0 });
        let mut bench = Bench::new(&mut storage, &settings);
        let mut model = Model::new(settings);
        bench.change(&policy);
        model.change(&policy);
        let mut now = 0;
        for (index, step) in script.iter().enumerate() {
            match step {
                Step::Change(changes) => {
                    bench.change(changes);
                    model.change(changes);
                }
                Step::Frame(pause, arrival) => {
                    now += pause;
                    let expected = model.frame(now, arrival);
                    let got = bench.frame(now, arrival);
                    prop_assert_eq!(got, expected, "step {} of {:?}", index, &script);
                }
            }
        }
        totals.borrow_mut().add(&model);
        same_counters(&bench, &model, now)
    });
    totals.borrow().print("engine and model");
}

/// Invariant 2: bytes and order for each port, counters and flows do not depend on how the frames
/// are cut into bursts.
#[test]
fn a_burst_is_only_a_way_to_go_faster() {
    let totals = RefCell::new(Totals::default());
    for_scripts(300, 240, |policy, steps| {
        let Script { policy, steps: script } =
            script(policy, steps, Contents { changes: true, pauses: true });
        let settings =
            if steps[0][31] % 8 == 1 { Settings { flows: false, ..SETTINGS } } else { SETTINGS };
        let mut storage = Storage::new(if settings.flows { BIG } else { 0 });
        let mut bench = Bench::new(&mut storage, &settings);
        let mut model = Model::new(settings);
        bench.change(&policy);
        model.change(&policy);
        let (mut now, mut index) = (0, 0);
        let mut sizes = steps.iter().map(|bytes| 1 + usize::from(bytes[30] % 32)).cycle();
        while index < script.len() {
            if let Step::Change(changes) = &script[index] {
                bench.change(changes);
                model.change(changes);
                index += 1;
                continue;
            }
            // The frames of a burst have one time: that of the first.
            let mut burst: Vec<Arrival> = Vec::new();
            let size = sizes.next().unwrap();
            while burst.len() < size
                && let Some(Step::Frame(pause, arrival)) = script.get(index)
            {
                now += if burst.is_empty() { *pause } else { 0 };
                burst.push(arrival.clone());
                index += 1;
            }
            let mut expected = BTreeMap::<u16, Vec<Vec<u8>>>::new();
            for arrival in &burst {
                if let Outcome::Frame(port, bytes) = model.frame(now, arrival) {
                    expected.entry(port).or_default().push(bytes);
                }
            }
            let mut got = BTreeMap::<u16, Vec<Vec<u8>>>::new();
            for (port, bytes) in bench.burst(now, &burst) {
                got.entry(port).or_default().push(bytes);
            }
            prop_assert_eq!(got, expected, "burst {:?} of {:?}", burst, &script);
        }
        totals.borrow_mut().add(&model);
        same_counters(&bench, &model, now)
    });
    totals.borrow().print("bursts and single frames");
}

/// What a flow's frames have in common when nothing that the key does not name varies in them.
type Unnamed = (std::net::IpAddr, u32);

/// Invariant 1: an engine without flows and one with a big table emit the same bytes, for traffic
/// without replies, pauses and changes. The slice takes a hit from another outer source or VNI for
/// a hit (0.4), so within a flow they stay.
#[test]
fn the_cache_answers_what_the_slow_path_would_answer() {
    let totals = RefCell::new(Totals::default());
    for_scripts(300, 240, |policy, steps| {
        let script = script(policy, steps, Contents { changes: false, pauses: false });
        let mut storages = [Storage::new(0), Storage::new(BIG)];
        let [none, big] = &mut storages;
        let (mut none, mut big) = (Bench::new(none, &SETTINGS), Bench::new(big, &SETTINGS));
        let mut model = Model::new(SETTINGS);
        for bench in [&mut none, &mut big] {
            bench.change(&script.policy);
        }
        model.change(&script.policy);
        let mut seen = HashMap::<Key, Unnamed>::new();
        for step in &script.steps {
            let Step::Frame(_, arrival) = step else { continue };
            if model.is_fragment(arrival) {
                continue;
            }
            if let Some((key, parsed)) = model.key(arrival) {
                let unnamed = (parsed.outer.addresses.unwrap().0, parsed.tunnel.unwrap().vni);
                if seen.contains_key(&key.reverse())
                    || *seen.entry(key).or_insert(unnamed) != unnamed
                {
                    continue;
                }
            }
            model.frame(0, arrival);
            let (cached, uncached) = (big.frame(0, arrival), none.frame(0, arrival));
            prop_assert_eq!(cached, uncached, "{:?} of {:?}", arrival, &script);
        }
        prop_assert_eq!(big.drops(), none.drops());
        totals.borrow_mut().add(&model);
        same_counters(&big, &model, 0)
    });
    totals.borrow().print("with and without flows");
}

/// What hardware forwards, software would have forwarded: each frame's end, and after a last sweep
/// all counters and flows, of an engine with a hardware table and of one without. A whole sweep
/// follows each change of policy; others come at random, and in most scripts the hardware has
/// fewer places than there are flows.
#[test]
fn a_hardware_table_changes_no_answer() {
    let totals = RefCell::new(Totals::default());
    let (forwarded, withdrawn) = (Cell::new(0), Cell::new(0));
    for_scripts(300, 240, |policy, steps| {
        let Script { policy, steps: script } =
            script(policy, steps, Contents { changes: true, pauses: true });
        let settings = Settings { tcp_strict: steps[0][31] % 8 == 0, ..SETTINGS };
        // With few places flows that are over must make room.
        let capacity = if steps[0][29] % 4 == 0 { 8 } else { BIG };
        let mut storages = [Storage::new(capacity), Storage::new(capacity)];
        let [with, without] = &mut storages;
        let mut enis = vec![EniCounters::ZERO; ENIS];
        let mut device = Device::new(with, &mut enis, &settings);
        let mut software = Bench::new(without, &settings);
        let mut model = Model::new(settings);
        software.change(&policy);
        software.tick(0, capacity);
        device.change(0, &policy);
        model.change(&policy);
        let mut now = 0;
        let mut choices = steps.iter().flatten().map(|byte| usize::from(*byte)).cycle();
        for (index, step) in script.iter().enumerate() {
            match step {
                Step::Change(changes) => {
                    software.change(changes);
                    software.tick(now, capacity);
                    device.change(now, changes);
                    model.change(changes);
                }
                Step::Frame(pause, arrival) => {
                    now += pause;
                    // Flows are established by frames that come again.
                    for _ in 0..choices.next().unwrap() % 6 {
                        let budget = [0, 0, 3, capacity][choices.next().unwrap() % 4];
                        software.tick(now, budget);
                        device.bench.tick(now, budget);
                        let expected = software.frame(now, arrival);
                        let got = device.frame(now, arrival);
                        prop_assert_eq!(got, expected, "step {} of {:?}", index, &script);
                        model.frame(now, arrival);
                    }
                }
            }
        }
        software.tick(now, capacity);
        device.sweep(now);
        prop_assert_eq!(device.bench.live(now), software.live(now));
        let counters = device.bench.engine.flows().counters();
        let present = counters.offloaded - counters.withdrawn;
        prop_assert_eq!(device.offloaded() as u64, present);
        // The sweep for hardware removes flows before the wheel does; a turn later all are over.
        now += 100 * SECOND;
        software.tick(now, capacity);
        device.sweep(now);
        prop_assert_eq!(device.bench.drops(), software.drops());
        prop_assert_eq!(device.bench.enis(), software.enis());
        let counters = *device.bench.engine.flows().counters();
        let of_hardware = FlowCounters { offloaded: 0, refused: 0, withdrawn: 0, ..counters };
        prop_assert_eq!(&of_hardware, software.engine.flows().counters());
        forwarded.set(forwarded.get() + device.forwarded);
        withdrawn.set(withdrawn.get() + counters.withdrawn);
        totals.borrow_mut().add(&model);
        Ok(())
    });
    totals.borrow().print("with and without hardware");
    println!(
        "hardware forwarded {} frames; {} flows were withdrawn",
        forwarded.get(),
        withdrawn.get()
    );
}

/// A port's own hash, checksum and prefetch are used, and change nothing: each frame's end, and in
/// the end all counters and flows.
#[test]
fn engines_of_a_port_change_no_answer() {
    let calls = Calls::default();
    for_scripts(100, 240, |policy, steps| {
        let Script { policy, steps: script } =
            script(policy, steps, Contents { changes: true, pauses: true });
        let mut storages = [Storage::new(BIG), Storage::new(BIG)];
        let [with, without] = &mut storages;
        let mut with = Bench::with(with, &SETTINGS, (), Engines(&calls), ());
        let mut without = Bench::new(without, &SETTINGS);
        with.change(&policy);
        without.change(&policy);
        let mut now = 0;
        for step in &script {
            match step {
                Step::Change(changes) => {
                    with.change(changes);
                    without.change(changes);
                }
                Step::Frame(pause, arrival) => {
                    now += pause;
                    prop_assert_eq!(with.frame(now, arrival), without.frame(now, arrival));
                    with.tick(now, 2);
                    without.tick(now, 2);
                }
            }
        }
        prop_assert_eq!(with.drops(), without.drops());
        prop_assert_eq!(with.enis(), without.enis());
        prop_assert_eq!(with.live(now), without.live(now));
        prop_assert_eq!(with.engine.flows().counters(), without.engine.flows().counters());
        Ok(())
    });
    println!("engines of a port: {calls:?}");
}
