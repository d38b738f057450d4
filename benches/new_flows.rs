//! New flows a second: each frame installs a pair, from an empty table to one that is 90 % full.

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use dash_benches::{Prefetch, Shape, World};

const SHAPE: Shape = Shape { rules: 10, routes: 10 };
/// Entries of the table.
const ENTRIES: usize = 1 << 20;
/// Pairs that fill it to 90 %.
const PAIRS: usize = ENTRIES / 20 * 9;

fn new_flows(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("new_flows");
    group.throughput(Throughput::Elements(PAIRS as u64));
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    let mut world = None;
    group.bench_function("fill_to_90_percent", |bencher| {
        let world = world.get_or_insert_with(|| World::new(SHAPE, ENTRIES, Prefetch));
        bencher.iter_custom(|fills| {
            let mut total = std::time::Duration::ZERO;
            for _ in 0..fills {
                let mut next = 0;
                total += world.measure(PAIRS as u64, || {
                    next += 1;
                    next
                });
                assert_eq!(world.flows().len(), 2 * PAIRS, "every pair has its place");
                world.forget(&Prefetch);
            }
            total
        });
    });
    group.finish();
}

criterion_group!(benches, new_flows);
criterion_main!(benches);
