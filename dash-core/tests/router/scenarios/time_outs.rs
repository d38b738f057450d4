//! Time-outs, and the events that tell them.

use dash_core::{
    flow::{Removal, Timeouts},
    pipeline::router::{Settings, control::FlowSpec},
};
use dash_hal::SoftwareHints;

use super::{flow_a, routed};
use crate::{
    frames::vector,
    world::{COOKIES, SECOND, World, left, seed, settings},
};

/// Time-outs of the service's own flows.
fn timed(idle: u32, hard: u32) -> World {
    let settings = Settings { idle_timeout: idle, hard_timeout: hard, ..settings() };
    World::with(&seed(), 256, settings)
}

/// 14. Idle for 300 s: a hit; for 1 ns more: a miss, and each direction ends alone.
#[test]
fn router_s14() {
    for (late, slow) in [(0, 1), (1, 2)] {
        let mut world = routed();
        world.now = 300 * SECOND + late;
        assert_eq!(world.delivers(12, &vector("e1")), [left(11, &vector("e2_egress_if"))]);
        assert_eq!(world.node().slow(), slow);
        let ended = world.ended();
        if late == 1 {
            let idle = |number, packets| (number, Removal::Idle, world.now, packets, packets * 98);
            assert_eq!(ended[0], idle(2, 1));
            // The other half stays until it is looked at; here it was in the way of its successor.
            assert_eq!(ended[1..], [idle(1, 0)]);
        } else {
            assert_eq!(ended, []);
        }
    }
    // One direction alone.
    let mut world = routed();
    world.now = 200 * SECOND;
    world.delivers(11, &vector("e3"));
    world.now = 300 * SECOND + 1;
    world.tick();
    world.now += SECOND;
    world.tick();
    assert_eq!(world.ended().len(), 1);
    assert_eq!(world.flow(12), None);
    assert_eq!(world.flow(11), Some((COOKIES + 1, 1, 98)));
    // The missing one comes back, the other keeps its counters.
    world.delivers(12, &vector("e1"));
    assert_eq!(world.flow(12), Some((COOKIES + 4, 1, 98)));
    assert_eq!(world.flow(11), Some((COOKIES + 1, 1, 98)));
}

/// 15. The hard time-out ends a flow with steady traffic.
#[test]
fn router_s15() {
    let mut world = timed(300_000, 10_000);
    for second in 0..=10 {
        world.now = second * SECOND;
        world.delivers(12, &vector("e1"));
        assert_eq!(world.node().slow(), 1);
    }
    world.now += 1;
    world.delivers(12, &vector("e1"));
    assert_eq!(world.node().slow(), 2);
    assert_eq!(world.ended()[0], (2, Removal::Hard, 10 * SECOND + 1, 11, 11 * 98));
}

/// 16. Where both are over, the hard one is told.
#[test]
fn router_s16() {
    let mut world = timed(1_000, 10_000);
    world.delivers(12, &vector("e1"));
    world.now = 20 * SECOND;
    world.tick();
    let reasons: Vec<_> = world.ended().into_iter().map(|event| event.1).collect();
    assert_eq!(reasons, [Removal::Hard, Removal::Hard]);
}

/// 17. Time-outs of 0 never end.
#[test]
fn router_s17() {
    let mut world = timed(0, 0);
    world.delivers(12, &vector("e1"));
    world.now = u64::MAX / 2;
    world.tick();
    world.delivers(12, &vector("e1"));
    assert_eq!((world.node().slow(), world.ended()), (1, vec![]));
}

/// 18. A flow that is added again: its hard age begins anew, its counters go on.
#[test]
fn router_s18() {
    let net = seed();
    let mut world = World::new(&net);
    let flow = FlowSpec { timeouts: Timeouts { idle: 0, hard: 10_000 }, ..flow_a(&net) };
    world.node().engine.add_flow(&flow, 0, &SoftwareHints).unwrap();
    world.delivers(12, &vector("e1"));
    world.now = 8 * SECOND;
    let now = world.now;
    world.node().engine.add_flow(&flow, now, &SoftwareHints).unwrap();
    world.now = 18 * SECOND;
    world.delivers(12, &vector("e1"));
    assert_eq!(world.flow(12), Some((flow.cookie, 2, 196)));
    world.now += 1;
    world.tick();
    // Counted from its first addition.
    let ended = world.ended();
    assert_eq!(ended, [(0x19, Removal::Hard, 18 * SECOND + 1, 2, 196)]);
    // Nor does it change the idle time.
    let flow = FlowSpec { timeouts: Timeouts { idle: 10_000, hard: 0 }, ..flow };
    let start = world.now;
    world.node().engine.add_flow(&flow, start, &SoftwareHints).unwrap();
    world.node().engine.add_flow(&flow, start + 9 * SECOND, &SoftwareHints).unwrap();
    world.now = start + 10 * SECOND + 1;
    assert_eq!(world.flow(12), None);
}

/// 37. A full queue of events counts, and blocks nobody.
#[test]
fn router_s37() {
    let mut world = routed();
    world.node().engine.events_mut().room = 1;
    world.now = 301 * SECOND;
    world.tick();
    assert_eq!(world.node().engine.flows().counters().untold, 1);
    assert_eq!(world.ended().len(), 1);
    // What nobody wants to know is not lost.
    let quiet = Settings { send_removed: false, ..settings() };
    let mut world = World::with(&seed(), 256, quiet);
    world.delivers(12, &vector("e1"));
    world.node().engine.events_mut().room = 0;
    world.now = 301 * SECOND;
    world.tick();
    assert_eq!(world.node().engine.flows().len(), 0);
    assert_eq!(world.node().engine.flows().counters().untold, 0);
}
