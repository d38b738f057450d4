//! The flow cache, from receive to transmit-ready. See the README for what is measured.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dash_benches::{CacheWorld, Random, Source};

/// New flows between two clearings of the table.
const BATCH: u32 = 8192;

/// Frames of `tenants` tenants whose ways are known, uniformly random.
fn known(criterion: &mut Criterion, name: &str, source: Source, tenants: u32) {
    let mut group = criterion.benchmark_group("flow_cache");
    group.throughput(Throughput::Elements(1));
    let mut world = None;
    let mut random = Random::new(5);
    group.bench_function(name, |bencher| {
        let world = world.get_or_insert_with(|| {
            let mut world = CacheWorld::new((tenants as usize).div_ceil(9) * 10);
            world.learn(tenants);
            world
        });
        let (learns, direct) = (world.learns(), world.direct());
        let mut sent = 0;
        bencher.iter_custom(|frames| {
            sent += frames;
            world.measure(source, frames, || random.below(tenants.into()) as u32)
        });
        assert_eq!(world.learns(), learns, "every way was known");
        let by_server = if source == Source::Server { sent } else { 0 };
        assert_eq!(world.direct(), direct + by_server);
    });
    group.finish();
}

/// A frame of the router makes a flow and teaches the way.
fn learn(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("flow_cache");
    group.throughput(Throughput::Elements(u64::from(BATCH)));
    let mut world = None;
    group.bench_function("learn", |bencher| {
        let world = world.get_or_insert_with(|| CacheWorld::new(1 << 16));
        bencher.iter_custom(|batches| {
            let mut total = std::time::Duration::ZERO;
            for _ in 0..batches {
                let (mut next, learns) = (0, world.learns());
                total += world.measure(Source::Router, BATCH.into(), || {
                    next += 1;
                    next
                });
                assert_eq!(world.learns(), learns + u64::from(BATCH));
                world.forget();
            }
            total
        });
    });
    group.finish();
}

fn flow_cache(criterion: &mut Criterion) {
    known(criterion, "direct/hot_flow", Source::Server, 1);
    known(criterion, "direct/64k_flows", Source::Server, 1 << 16);
    known(criterion, "direct/1M_flows", Source::Server, 1 << 20);
    known(criterion, "from_router/hot_flow", Source::Router, 1);
    known(criterion, "to_server", Source::DataCentre, 1);
    learn(criterion);
}

criterion_group!(benches, flow_cache);
criterion_main!(benches);
