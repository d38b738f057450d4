//! A routed frame, from receive to transmit-ready. See the README for what is measured.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dash_benches::{MACHINES, Random, RouterWorld};
use dash_core::pipeline::router::Controller;

/// New pairs of flows between two clearings of the table.
const BATCH: u32 = 8192;

/// `flows` known flows, uniformly random.
fn known(criterion: &mut Criterion, name: &str, flows: u32) {
    let mut group = criterion.benchmark_group("reactive_router");
    group.throughput(Throughput::Elements(1));
    let mut world = None;
    let mut random = Random::new(5);
    group.bench_function(name, |bencher| {
        let world = world.get_or_insert_with(|| {
            let mut world = RouterWorld::new((flows as usize).div_ceil(9) * 10, Controller::Local);
            let mut next = 0..flows;
            world.measure(flows.into(), || (MACHINES + next.next().unwrap_or(0), 0));
            world
        });
        let slow = world.slow();
        bencher.iter_custom(|frames| {
            world.measure(frames, || (MACHINES + random.below(flows.into()) as u32, 0))
        });
        assert_eq!(world.slow(), slow, "every frame hit");
    });
    group.finish();
}

/// First frames of conversations, for each of which a pair of flows is installed.
fn first_frames(criterion: &mut Criterion, name: &str, controller: Controller) {
    let mut group = criterion.benchmark_group("reactive_router");
    group.throughput(Throughput::Elements(u64::from(BATCH)));
    let mut world = None;
    group.bench_function(name, |bencher| {
        let world = world.get_or_insert_with(|| RouterWorld::new(1 << 16, controller));
        bencher.iter_custom(|batches| {
            let mut total = std::time::Duration::ZERO;
            for _ in 0..batches {
                let mut next = 0;
                total += world.measure(BATCH.into(), || {
                    next += 1;
                    (next / MACHINES, next % MACHINES)
                });
                assert_eq!(world.flows(), 2 * BATCH as usize);
                world.forget();
            }
            total
        });
    });
    group.finish();
}

fn reactive_router(criterion: &mut Criterion) {
    known(criterion, "hot_flow", 1);
    known(criterion, "64k_flows", 1 << 16);
    known(criterion, "1M_flows", 1 << 20);
    first_frames(criterion, "first_frame/local", Controller::Local);
    first_frames(criterion, "first_frame/remote", Controller::Remote);
}

criterion_group!(benches, reactive_router);
criterion_main!(benches);
