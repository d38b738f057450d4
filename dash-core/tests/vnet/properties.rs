//! What holds for random policies and random traffic.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
};

use proptest::{
    array::uniform32,
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::{
    bench::{Bench, Storage},
    frame::Arrival,
    model::{Key, Model, Outcome, SECOND, Settings},
    traffic::{Contents, Script, Step, StepBytes, script},
};

/// Enough for every flow of a script.
const BIG: usize = 512;
const SETTINGS: Settings =
    Settings { tcp_strict: false, idle_timeout: 30 * SECOND, mtu: 700, flows: true };

type TestResult = Result<(), TestCaseError>;

/// What all cases of a property came to; printed, so that a reader sees what was compared.
#[derive(Default)]
struct Totals {
    frames_in: u64,
    frames_out: u64,
    hits: u64,
    evaluated_again: u64,
    drops: BTreeMap<String, u64>,
}

impl Totals {
    fn add(&mut self, model: &Model) {
        self.frames_in += model.frames_in;
        self.frames_out += model.frames_out;
        self.hits += model.hits;
        self.evaluated_again += model.evaluated_again;
        for (reason, count) in &model.drops {
            *self.drops.entry(reason.clone()).or_default() += count;
        }
    }

    fn print(&self, property: &str) {
        let Self { frames_in, frames_out, hits, evaluated_again, drops } = self;
        println!(
            "{property}: {frames_in} frames ({hits} hits, {evaluated_again} evaluated again), \
             {frames_out} left, dropped: {drops:?}"
        );
    }
}

/// Runs `test` on random bytes of a policy and of steps. `cases` is for the normal run;
/// `PROPTEST_CASES` overrides it.
fn for_scripts(cases: u32, steps: usize, test: impl Fn(&[u8], &[StepBytes]) -> TestResult) {
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

fn same_counters(bench: &Bench<'_>, model: &Model, now: u64) -> TestResult {
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
