//! Instructions of a hot frame, to be counted by callgrind: see the README.
//!
//! `hot [FRAMES [PAIRS]]` sends FRAMES frames (default 81,920) of PAIRS flows in turn (default 1).

use dash_benches::{Prefetch, Shape, World, entries_at_90_percent};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| arguments.next().map_or(Some(default), |text| text.parse().ok());
    let (Some(frames), Some(pairs @ 1..)) = (number(81_920_u32), number(1_u32)) else {
        eprintln!("usage: hot [FRAMES [PAIRS]]");
        std::process::exit(2);
    };
    let shape = Shape { rules: 10, routes: 10 };
    let mut world = World::new(shape, entries_at_90_percent(pairs as usize), Prefetch);
    world.install(pairs.into());
    let mut next = 0;
    let time = world.measure(frames.into(), || {
        next = (next + 1) % pairs;
        next.into()
    });
    println!("{frames} frames, {:.1} ns each", 1e9 * time.as_secs_f64() / f64::from(frames.max(1)));
}
