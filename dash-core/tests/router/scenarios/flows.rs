//! Flows: the pair of a conversation, who evaluates it again, who removes it, a full table.

use dash_core::{
    flow::{FlowSettings, Removal, WhenFull},
    pipeline::router::{
        DropReason, Note,
        control::{FlowSpec, Match},
    },
};
use dash_hal::{PortId, SoftwareHints};

use super::{flow_a, flow_b, routed};
use crate::{
    frames::{changed, hex, vector},
    world::{COOKIES, H1, H2, Left, SECOND, World, left, remote, seed, settings},
};

/// 9. The first frame installs a pair, that of the answers first.
#[test]
fn router_s09() {
    let mut world = routed();
    // That of the answers was installed first.
    assert_eq!(world.node().flow(11, 0), Some((COOKIES + 1, 0, 0)));
    assert_eq!(world.node().flow(12, 0), Some((COOKIES + 2, 1, 98)));
    assert_eq!(world.node().slow(), 1);
    assert_eq!(world.node().engine.flows().len(), 2);
}

/// 10. The answer hits.
#[test]
fn router_s10() {
    let mut world = routed();
    assert_eq!(world.delivers(11, &vector("e3")), [left(12, &vector("e4_egress_if"))]);
    assert_eq!(world.node().slow(), 1);
    assert_eq!(world.node().flow(11, 0), Some((COOKIES + 1, 1, 98)));
}

/// 11. So does the next request; it counts.
#[test]
fn router_s11() {
    let mut world = routed();
    assert_eq!(world.delivers(12, &vector("e1")), [left(11, &vector("e2_egress_if"))]);
    assert_eq!(world.node().slow(), 1);
    assert_eq!(world.node().flow(12, 0), Some((COOKIES + 2, 2, 196)));
}

/// 13. An answer that is sent the moment its request leaves finds its flow.
#[test]
fn router_s13() {
    let net = seed();
    // In one burst with the frame that it answers.
    let mut world = World::new(&net);
    let mut burst = dash_hal::Burst::new();
    for (port, frame) in [(12, "e1"), (11, "e3")] {
        burst.push(crate::platform::arrived(&vector(frame), PortId(port))).unwrap();
    }
    let node = world.node();
    node.engine.process(&mut burst, 0, &mut node.device, &mut ());
    let ports: Vec<_> = node.sent().into_iter().map(|(port, _)| port.0).collect();
    assert_eq!((ports, node.slow()), (vec![11, 12], 1));
    // With a controller elsewhere: before the frame goes on, the flow of its answer is there.
    let mut world = World::with(&net, 256, remote());
    assert_eq!(world.delivers(12, &vector("e1")), []);
    let node = world.node();
    let request = node.engine.next_request().unwrap().request;
    node.engine.add_flow(&flow_b(&net), 0, &SoftwareHints).unwrap();
    node.engine.release(request, &flow_a(&net), 0, &mut node.device, &mut ()).unwrap();
    assert_eq!(node.sent(), [(PortId(11), vector("e2"))]);
    assert_eq!(world.delivers(11, &vector("e3")), [left(12, &vector("e4"))]);
    assert_eq!(world.node().engine.pipeline().counters().punted(), 1);
}

/// 27. A full table: frames go on, and nothing is installed.
#[test]
fn router_s27() {
    for flows in [0, 1] {
        let mut world = World::with(&seed(), flows, settings());
        for _ in 0..3 {
            assert_eq!(world.delivers(12, &vector("e1")), [left(11, &vector("e2_egress_if"))]);
        }
        // Both or none.
        assert_eq!(world.node().engine.flows().len(), 0);
        assert_eq!(world.node().engine.pipeline().counters().notes(Note::FlowFull), 3);
    }
    let mut world = World::with(&seed(), 2, settings());
    world.delivers(12, &vector("e1"));
    let other = changed("e1", &[(6, &hex("fa163e000014")), (29, &[14])]);
    assert_eq!(world.delivers(14, &other).len(), 1);
    assert_eq!(world.node().engine.pipeline().counters().notes(Note::FlowFull), 1);
    // What has timed out makes room, and no cookie was lost.
    world.now = 300 * SECOND + 1;
    world.delivers(14, &other);
    assert_eq!(world.flow(14), Some((COOKIES + 4, 1, 98)));
}

/// Into a full table: the neighbour that would end first makes room.
#[test]
fn what_would_end_first_makes_room() {
    let mut world = World::with(&seed(), 16, settings());
    let when_full = WhenFull::EvictShortest;
    world.node().engine.set_flows(FlowSettings { when_full, ..FlowSettings::default() });
    // Of machines that nobody knows: no flow of the answers.
    let from = |last: u8| changed("e1", &[(29, &[last])]);
    for last in 100..116 {
        assert_eq!(world.delivers(12, &from(last)).len(), 1);
        world.now += SECOND;
    }
    // The older half is used, so the younger one would end first.
    for last in 100..108 {
        world.delivers(12, &from(last));
    }
    for last in 116..120 {
        assert_eq!(world.delivers(12, &from(last)).len(), 1);
        assert_eq!(world.node().engine.flows().len(), 16);
    }
    let ended = world.ended();
    let full = world.node().engine.pipeline().counters().notes(Note::FlowFull);
    assert_eq!(ended.len() as u64 + full, 4);
    assert!(!ended.is_empty());
    for (cookie, why, ..) in ended {
        assert_eq!((why, (9..=16).contains(&cookie)), (Removal::Evicted, true), "{cookie}");
    }
}

/// 30. A machine moves: its flows are evaluated again.
#[test]
fn router_s30() {
    let mut net = seed();
    net.hosts = 2;
    let mut world = World::new(&net);
    assert_eq!(world.delivers(12, &vector("e1")).len(), 1);
    net.port(11).host = H2;
    world.replace(&net).unwrap();
    let (delivered, carried) = world.send(H1, 12, &vector("e1"));
    assert_eq!(delivered, [Left { host: H2, port: 11, frame: vector("e2_egress_if") }]);
    assert_eq!(carried.len(), 1);
    // Modified: counters, cookie and age stay.
    assert_eq!(world.node().flow(12, 0), Some((COOKIES + 2, 2, 196)));
    assert_eq!(world.ended(), []);
    // The same result again.
    world.replace(&net).unwrap();
    world.now = SECOND;
    world.send(H1, 12, &vector("e1"));
    assert_eq!(world.flow(12), Some((COOKIES + 2, 3, 294)));
    // A denial removes.
    net.port(11).ips.clear();
    world.replace(&net).unwrap();
    world.drops(12, &vector("e1"), DropReason::NoHost);
    assert_eq!(world.ended(), [(2, Removal::Denied, SECOND, 3, 294)]);
}

/// A controller's flow to a machine that has moved to another host: its frames go the way of those
/// without a flow, and come back to it with the machine.
#[test]
fn flows_do_not_lead_to_ports_that_left() {
    let mut net = seed();
    net.hosts = 2;
    let mut world = World::new(&net);
    world.node().engine.add_flow(&flow_a(&net), 0, &SoftwareHints).unwrap();
    assert_eq!(world.delivers(12, &vector("e1")), [left(11, &vector("e2"))]);
    net.port(11).host = H2;
    world.replace(&net).unwrap();
    let there = Left { host: H2, ..left(11, &vector("e2_egress_if")) };
    assert_eq!(world.delivers(12, &vector("e1")), [there]);
    net.port(11).host = H1;
    world.replace(&net).unwrap();
    assert_eq!(world.delivers(12, &vector("e1")), [left(11, &vector("e2"))]);
    assert_eq!(world.flow(12), Some((0x1_0080_0000_0019, 2, 196)));
}

/// 31. A router leaves a network: no ARP, its flows are gone.
#[test]
fn router_s31() {
    let mut net = seed();
    let mut world = routed();
    let other = FlowSpec { cookie: COOKIES + 0x77, ..flow_a(&net) };
    let other = FlowSpec { matches: Match { in_port: net.place(13), ..other.matches }, ..other };
    world.node().engine.add_flow(&other, 0, &SoftwareHints).unwrap();
    net.interfaces.retain(|interface| interface.network != 1);
    let now = 7;
    world.now = now;
    assert_eq!(world.node().engine.delete_flows_of(1, now, &SoftwareHints), 2);
    world.replace(&net).unwrap();
    let mut ended: Vec<_> = world.ended().into_iter().map(|event| (event.0, event.1)).collect();
    ended.sort_by_key(|event| event.0);
    assert_eq!(ended, [(1, Removal::Deleted), (2, Removal::Deleted)]);
    // No answer: the switch floods.
    assert_eq!(world.delivers(12, &vector("a1")), [left(14, &vector("a1"))]);
    world.drops(12, &vector("e1"), DropReason::NoRoute);
    assert_eq!(world.node().engine.flows().len(), 1);
    // Also those of a port that has left the host.
    let mut net = seed();
    net.hosts = 2;
    let mut world = World::new(&net);
    world.send(H1, 12, &vector("e1"));
    net.port(12).host = H2;
    world.replace(&net).unwrap();
    assert_eq!(world.node().engine.delete_flows_of(1, 0, &SoftwareHints), 2);
}

/// 36. Bytes are those that came in.
#[test]
fn router_s36() {
    let mut world = World::new(&seed());
    let padded = [vector("e1"), vec![0; 20]].concat();
    let out = [vector("e2_egress_if"), vec![0; 20]].concat();
    assert_eq!(world.delivers(12, &padded), [left(11, &out)]);
    world.delivers(12, &vector("e1"));
    assert_eq!(world.node().flow(12, 0), Some((COOKIES + 2, 2, 118 + 98)));
}
