//! The three cases of the proposal, step by step, by the numbers of the specification.

use dash_core::pipeline::chain::Note;
use dash_hal::PortId;

use crate::{
    frames::{ipv4, p, r, vector},
    world::{Net, Node, UNDERLAY, World, app, left, port},
};

const H1: u16 = 0;
const H2: u16 = 1;

pub(crate) fn case1() -> Net {
    Net::chained(1, vec![app(1, H1, 1), port(2, H1), port(3, H1), app(4, H1, 2)], &[(2, 3)], 4)
}

pub(crate) fn case2() -> Net {
    Net::chained(2, vec![app(1, H1, 1), port(2, H1), port(3, H1), app(4, H2, 2)], &[(2, 3)], 4)
}

pub(crate) fn case3() -> Net {
    let mut ports = vec![app(1, H1, 1)];
    ports.extend((2..=7).map(|key| port(key, H1)));
    ports.push(app(8, H2, 2));
    Net::chained(2, ports, &[(2, 3), (4, 5), (6, 7)], 8)
}

#[test]
fn chain_s01() {
    let mut world = World::new(&case1());
    // 1
    assert_eq!(world.step(H1, 1, &p()), [left(H1, 2, &p())]);
    // 2: VNF1. 3
    assert_eq!(world.step(H1, 3, &p()), [left(H1, 4, &p())]);
}

#[test]
fn chain_s02() {
    let mut world = World::new(&case1());
    // 4
    assert_eq!(world.step(H1, 4, &r()), [left(H1, 3, &r())]);
    // 5: VNF1. 6, 7, 8
    assert_eq!(world.step(H1, 2, &r()), [left(H1, 1, &r())]);
    assert_eq!(world.stages(H1).out_chain.packets, 1);
}

#[test]
fn chain_s03() {
    let mut world = World::new(&case2());
    let underlay = |host, name| left(host, UNDERLAY.0, &vector(name));
    // 1
    assert_eq!(world.step(H1, 1, &p()), [left(H1, 2, &p())]);
    // 2: VNF1. 3, 5
    assert_eq!(world.step(H1, 3, &p()), [underlay(H1, "g1")]);
    // 6
    assert_eq!(world.step(H2, UNDERLAY.0, &vector("g1")), [left(H2, 4, &p())]);
    // 7
    assert_eq!(world.step(H2, 4, &r()), [underlay(H2, "g2")]);
    // 8
    assert_eq!(world.step(H1, UNDERLAY.0, &vector("g2")), [left(H1, 3, &r())]);
    // 9: VNF1. 10, 13, 14
    assert_eq!(world.step(H1, 2, &r()), [underlay(H1, "g3")]);
    // 15
    assert_eq!(world.step(H2, UNDERLAY.0, &vector("g3")), [underlay(H2, "g4")]);
    assert_eq!(world.step(H1, UNDERLAY.0, &vector("g4")), [left(H1, 1, &r())]);
}

#[test]
fn chain_s04() {
    let mut world = World::new(&case3());
    let underlay = |host, name| left(host, UNDERLAY.0, &vector(name));
    // 1, 2, 3, 5
    for (from, to) in [(1, 2), (3, 4), (5, 6)] {
        assert_eq!(world.step(H1, from, &p()), [left(H1, to, &p())]);
    }
    // 6, 7
    assert_eq!(world.step(H1, 7, &p()), [underlay(H1, "h1")]);
    assert_eq!(world.step(H2, UNDERLAY.0, &vector("h1")), [left(H2, 8, &p())]);
    // 8, 9
    assert_eq!(world.step(H2, 8, &r()), [underlay(H2, "h2")]);
    assert_eq!(world.step(H1, UNDERLAY.0, &vector("h2")), [left(H1, 7, &r())]);
    // 11, 12
    for (from, to) in [(6, 5), (4, 3)] {
        assert_eq!(world.step(H1, from, &r()), [left(H1, to, &r())]);
    }
    // 13 to 17
    assert_eq!(world.step(H1, 2, &r()), [underlay(H1, "h3")]);
    // 18
    assert_eq!(world.step(H2, UNDERLAY.0, &vector("h3")), [underlay(H2, "h4")]);
    assert_eq!(world.step(H1, UNDERLAY.0, &vector("h4")), [left(H1, 1, &r())]);
}

#[test]
fn after_its_first_frame_a_flow_asks_the_slow_path_no_more() {
    let mut world = World::new(&case3());
    let round = |world: &mut World| {
        for (host, port, frame) in [
            (H1, 1, p()),
            (H1, 3, p()),
            (H1, 7, p()),
            (H2, UNDERLAY.0, vector("h1")),
            (H2, 8, r()),
            (H1, UNDERLAY.0, vector("h2")),
            (H1, 6, r()),
            (H1, 2, r()),
            (H2, UNDERLAY.0, vector("h3")),
        ] {
            world.step(host, port, &frame);
        }
    };
    round(&mut world);
    let calls = [H1, H2].map(|host| world.slow_calls(host));
    round(&mut world);
    assert_eq!([H1, H2].map(|host| world.slow_calls(host)), calls);
}

/// A full table never stops a frame; that it has no flow is noted.
#[test]
fn frames_without_a_place_for_their_flow_are_noted() {
    let mut node = Node::new(&case1(), H1, 4);
    for _ in 0..2 {
        for port in 1000..1010 {
            let frame = ipv4(17, [port, 53], 64);
            assert_eq!(node.process(PortId(1), &frame, 0), [(PortId(2), frame)]);
        }
    }
    assert_eq!(node.counters().notes(Note::FlowFull), 2 * 6);
    assert_eq!(node.counters().stages().slow, 4 + 2 * 6);
}
