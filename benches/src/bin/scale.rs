//! Many connections in one table: memory, filling, random look-ups, ageing to zero. See the README.
//!
//! `scale [CONNECTIONS [ENTRIES]]`: default 32,000,000 connections (two flows each) in 2^26 entries,
//! 13.5 GB.
#![allow(clippy::cast_precision_loss, reason = "numbers of flows are below 2⁵²")]

use std::time::{Duration, Instant};

use dash_benches::{CpuTime, Prefetch, Random, Shape, World};

/// Frames of the look-up.
const FRAMES: u64 = 1 << 22;
/// Flows that one tick looks at.
const BUDGET: usize = 4096;
/// Longer than the idle time-out and a turn of the wheel, ns.
const LATER: u64 = 100_000_000_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| arguments.next().map_or(Some(default), |text| text.parse().ok());
    let (Some(connections @ 1..), Some(entries)) = (number(32_000_000), number(1 << 26)) else {
        eprintln!("usage: scale [CONNECTIONS [ENTRIES]]");
        std::process::exit(2);
    };
    let (wall, mut clock) = (Instant::now(), CpuTime::default());
    clock.start();
    let mut world = World::new(Shape { rules: 10, routes: 10 }, entries as usize, Prefetch);
    clock.stop();
    println!(
        "memory: first touch of {entries} entries took {:.1} s, {}",
        seconds(clock.total()),
        resident()
    );

    let flows = 2 * connections;
    let time = world.install(connections);
    println!(
        "fill: {connections} connections ({:.1} % of the entries), {:.0} ns each, {:.2} M/s; {}",
        100.0 * flows as f64 / entries as f64,
        per(time, connections),
        connections as f64 / seconds(time) / 1e6,
        resident()
    );

    let mut random = Random::new(5);
    let time = world.measure(FRAMES, || random.below(connections));
    assert_eq!(world.flows().len() as u64, flows, "every frame hit");
    println!("look-up: {FRAMES} frames of random connections, {:.0} ns each", per(time, FRAMES));

    world.pass(LATER);
    let (mut total, mut worst, mut ticks) = (Duration::ZERO, Duration::ZERO, 0_u64);
    while !world.flows().is_empty() {
        let mut clock = CpuTime::default();
        clock.start();
        world.tick(0, BUDGET);
        clock.stop();
        total += clock.total();
        worst = worst.max(clock.total());
        ticks += 1;
    }
    println!(
        "expiry: {flows} flows in {ticks} ticks of {BUDGET}, {:.0} ns a flow; a tick {:.0} us, worst {:.0} us",
        per(total, flows),
        per(total, ticks) / 1e3,
        1e6 * seconds(worst)
    );
    println!("all: {:.0} s; {}", seconds(wall.elapsed()), pages());
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

fn per(time: Duration, count: u64) -> f64 {
    1e9 * seconds(time) / count as f64
}

/// A line of a file of the kernel's that begins with `name`.
fn line(file: &str, name: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn resident() -> String {
    format!("resident {}", line("/proc/self/status", "VmRSS"))
}

fn pages() -> String {
    format!("huge pages {}", line("/proc/self/smaps_rollup", "AnonHugePages"))
}
