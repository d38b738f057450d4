//! A hop of a service chain, from receive to transmit-ready. See the README for what is measured.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dash_benches::{ChainWorld, Random};
use dash_proofs::Hop;

/// New flows between two clearings of the table.
const BATCH: u32 = 8192;

/// `flows` known flows of a hop, uniformly random; each frame takes `passes` look-ups.
fn known(criterion: &mut Criterion, name: &str, hop: Hop, (flows, passes): (u32, usize)) {
    let mut group = criterion.benchmark_group("service_chains");
    group.throughput(Throughput::Elements(1));
    let mut world = None;
    let mut random = Random::new(5);
    group.bench_function(name, |bencher| {
        let world = world.get_or_insert_with(|| {
            let mut world = ChainWorld::new((flows as usize * passes).div_ceil(9) * 10);
            world.install(hop, flows);
            world
        });
        let slow = world.slow();
        bencher
            .iter_custom(|frames| world.measure(hop, frames, || random.below(flows.into()) as u32));
        assert_eq!(world.slow(), slow, "every frame hit");
    });
    group.finish();
}

fn first_frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("service_chains");
    group.throughput(Throughput::Elements(u64::from(BATCH)));
    let mut world = None;
    group.bench_function("first_frame", |bencher| {
        let world = world.get_or_insert_with(|| ChainWorld::new(1 << 16));
        bencher.iter_custom(|batches| {
            let mut total = std::time::Duration::ZERO;
            for _ in 0..batches {
                let mut next = 0;
                total += world.measure(Hop::Middle, BATCH.into(), || {
                    next += 1;
                    next
                });
                world.forget();
            }
            total
        });
    });
    group.finish();
}

fn service_chains(criterion: &mut Criterion) {
    known(criterion, "hop/hot_flow", Hop::Middle, (1, 1));
    known(criterion, "hop/64k_flows", Hop::Middle, (1 << 16, 1));
    known(criterion, "hop/1M_flows", Hop::Middle, (1 << 20, 1));
    known(criterion, "home/hot_flow", Hop::Home, (1, 2));
    known(criterion, "remote/hot_flow", Hop::Remote, (1, 1));
    first_frames(criterion);
}

criterion_group!(benches, service_chains);
criterion_main!(benches);
