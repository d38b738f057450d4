//! State machines, from receive to transmit-ready. See the README for what is measured.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dash_benches::{EfsmWorld, Random};

/// New flows between two clearings of the table.
const BATCH: u32 = 8192;

/// Frames of `sources` sources that are known, uniformly random.
fn known(criterion: &mut Criterion, name: &str, sources: u32) {
    let mut group = criterion.benchmark_group("state_machines");
    group.throughput(Throughput::Elements(1));
    let mut world = None;
    let mut random = Random::new(5);
    group.bench_function(name, |bencher| {
        let world = world.get_or_insert_with(|| {
            let mut world = EfsmWorld::new((sources as usize).div_ceil(9) * 10);
            let mut next = 0..sources;
            world.measure(sources.into(), || next.next().unwrap_or(0));
            world
        });
        bencher.iter_custom(|frames| world.measure(frames, || random.below(sources.into()) as u32));
        assert_eq!(world.flows(), sources as usize, "every source was known");
    });
    group.finish();
}

/// Each frame makes a flow.
fn first_frame(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("state_machines");
    group.throughput(Throughput::Elements(u64::from(BATCH)));
    let mut world = None;
    group.bench_function("first_frame", |bencher| {
        let world = world.get_or_insert_with(|| EfsmWorld::new(1 << 16));
        bencher.iter_custom(|batches| {
            let mut total = std::time::Duration::ZERO;
            for _ in 0..batches {
                let mut next = 0;
                total += world.measure(BATCH.into(), || {
                    next += 1;
                    next
                });
                assert_eq!(world.flows(), BATCH as usize);
                world.forget();
            }
            total
        });
    });
    group.finish();
}

fn state_machines(criterion: &mut Criterion) {
    known(criterion, "hot_flow", 1);
    known(criterion, "64k_flows", 1 << 16);
    first_frame(criterion);
}

criterion_group!(benches, state_machines);
criterion_main!(benches);
