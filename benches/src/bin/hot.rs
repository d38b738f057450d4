//! Instructions of a hot frame, to be counted by callgrind: see the README.
//!
//! `hot [FRAMES [PAIRS [CONNECTIONS]]]` sends FRAMES frames (default 81,920) of PAIRS flows in turn
//! (default 1), then lets CONNECTIONS connections (default 0) of six packets come and go.
#![allow(clippy::cast_precision_loss, reason = "numbers of connections are below 2⁵²")]

use dash_benches::{Prefetch, Random, Shape, World, entries_at_90_percent};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| arguments.next().map_or(Some(default), |text| text.parse().ok());
    let (Some(frames), Some(pairs @ 1..), Some(connections)) =
        (number(81_920_u32), number(1_u32), number(0_u32))
    else {
        eprintln!("usage: hot [FRAMES [PAIRS [CONNECTIONS]]]");
        std::process::exit(2);
    };
    let shape = Shape { rules: 0, routes: 10 };
    // A connection that came leaves its place after 38 batches at most.
    let room = pairs.max(connections.min(1) * 600_000);
    let mut world = World::new(shape, entries_at_90_percent(room as usize), Prefetch);
    world.linger_shortly();
    world.install(pairs.into());
    let mut next = 0;
    let time = world.measure(frames.into(), || {
        next = (next + 1) % pairs;
        next.into()
    });
    println!("{frames} frames, {:.1} ns each", 1e9 * time.as_secs_f64() / f64::from(frames.max(1)));
    if connections > 0 {
        let mut random = Random::new(5);
        let (time, count) = world.connections(connections.into(), || random.below(1 << 28));
        println!("{count} connections, {:.1} ns each", 1e9 * time.as_secs_f64() / count as f64);
    }
}
