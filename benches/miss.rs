//! A frame of a new flow: look-up, policy, installation of a pair, rewrite. See the README.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use dash_benches::{Prefetch, RING, Shape, World};

/// Sizes of rules and of routes; the other of the two is the first of these.
const SIZES: [usize; 3] = [10, 1_000, 100_000];
/// So few entries that a table never fills before it is emptied between batches.
const ENTRIES: usize = 8 * RING;

fn row(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, shape: Shape) {
    for (kind, entries) in [("install", ENTRIES), ("no_table", 0)] {
        let mut world = None;
        let mut next = 0;
        group.bench_function(format!("{kind}/{name}"), |bencher| {
            let world = world.get_or_insert_with(|| World::new(shape, entries, Prefetch));
            bencher.iter_custom(|frames| {
                let mut total = std::time::Duration::ZERO;
                let mut left = frames;
                while left > 0 {
                    let count = left.min(RING as u64);
                    total += world.measure(count, || {
                        next += 1;
                        next
                    });
                    let installed = if entries == 0 { 0 } else { 2 * count as usize };
                    assert_eq!(world.flows().len(), installed, "every frame missed");
                    world.forget(&Prefetch);
                    left -= count;
                }
                total
            });
        });
    }
}

fn miss(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("miss");
    group.throughput(Throughput::Elements(1)).sample_size(20);
    for size in SIZES {
        row(&mut group, &format!("rules/{size}"), Shape { rules: size, routes: SIZES[0] });
    }
    for size in SIZES {
        row(&mut group, &format!("routes/{size}"), Shape { rules: SIZES[0], routes: size });
    }
    group.finish();
}

criterion_group!(benches, miss);
criterion_main!(benches);
