//! A frame of a known flow, from receive to transmit-ready. See the README for what is measured.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dash_benches::{Prefetch, Random, Shape, World, entries_at_90_percent};
use dash_hal::{Hints, SoftwareHints};

/// Misses happen before the clock runs; policy is small.
const SHAPE: Shape = Shape { rules: 10, routes: 10 };

fn row<H: Hints + Copy>(
    criterion: &mut Criterion,
    (name, pairs): (&str, usize),
    hints: H,
    mut flow: impl FnMut() -> u64,
) {
    let mut group = criterion.benchmark_group("whole_packet");
    group.throughput(Throughput::Elements(1));
    let mut world = None;
    group.bench_function(name, |bencher| {
        let world = world.get_or_insert_with(|| {
            let mut world = World::new(SHAPE, entries_at_90_percent(pairs), hints);
            world.install(pairs as u64);
            world
        });
        bencher.iter_custom(|frames| world.measure(frames, &mut flow));
        assert_eq!(world.flows().len(), 2 * pairs, "every frame hit");
    });
    group.finish();
}

fn whole_packet(criterion: &mut Criterion) {
    row(criterion, ("hot_flow", 1), Prefetch, || 0);
    let mut next = 0;
    row(criterion, ("32_flows_in_turn", 32), Prefetch, move || {
        next = (next + 1) % 32;
        next
    });
    for (name, software, pairs) in [
        ("64k_flows", "64k_flows_no_prefetch", 1 << 16),
        ("1M_flows", "1M_flows_no_prefetch", 1 << 20),
    ] {
        let mut random = Random::new(5);
        row(criterion, (name, pairs), Prefetch, || random.below(pairs as u64));
        row(criterion, (software, pairs), SoftwareHints, || random.below(pairs as u64));
    }
}

criterion_group!(benches, whole_packet);
criterion_main!(benches);
