//! A controller: its flows, and frames that wait for it.

use dash_core::pipeline::router::{
    DropReason,
    control::{Actions, ControlError, FlowSpec, Match},
};
use dash_hal::{PortId, SoftwareHints};

use super::{flow_a, flow_b};
use crate::{
    frames::{changed, vector},
    world::{COOKIES, World, left, remote, seed, settings},
};

/// 12. The flows of 2015, as a controller would install them, give the bytes of 2015.
#[test]
fn router_s12() {
    let net = seed();
    for settings in [settings(), remote()] {
        let mut world = World::with(&net, 256, settings);
        for flow in [flow_b(&net), flow_a(&net)] {
            world.node().engine.add_flow(&flow, 0, &SoftwareHints).unwrap();
        }
        assert_eq!(world.delivers(12, &vector("e1")), [left(11, &vector("e2"))]);
        assert_eq!(world.delivers(11, &vector("e3")), [left(12, &vector("e4"))]);
        assert_eq!(world.node().slow(), 0);
        assert_eq!(world.node().flow(12, 0), Some((0x1_0080_0000_0019, 1, 98)));
        // Policy does not evaluate them.
        world.replace(&net).unwrap();
        assert_eq!(world.delivers(12, &vector("e1")), [left(11, &vector("e2"))]);
        assert_eq!(world.node().slow(), 0);
    }
}

/// 28. The queue of a controller's requests is full: dropped, and no half of a pair.
#[test]
fn router_s28() {
    let mut world = World::with(&seed(), 256, remote());
    world.node().engine.limit_punts(3);
    let from = |last: u8| changed("e1", &[(29, &[last])]);
    for last in 0..3 {
        assert_eq!(world.delivers(12, &from(10 + last)), []);
    }
    world.drops(12, &from(20), DropReason::PuntFull);
    assert_eq!(world.node().engine.flows().len(), 0);
    assert_eq!(world.node().engine.held(), 3);
}

/// 29. Five frames of one flow before its pair is there: one pair, all in order.
#[test]
fn router_s29() {
    let net = seed();
    let e1 = vector("e1");
    // A local one.
    let mut world = World::new(&net);
    let all = vec![left(11, &vector("e2_egress_if")); 5];
    assert_eq!(world.burst(12, &[&e1[..]; 5]), all);
    assert_eq!((world.node().slow(), world.node().flow(12, 0)), (1, Some((COOKIES + 2, 5, 490))));
    // One elsewhere.
    let mut world = World::with(&net, 256, remote());
    assert_eq!(world.burst(12, &[&e1[..]; 5]), []);
    let node = world.node();
    let request = node.engine.next_request().unwrap().request;
    assert!(node.engine.next_request().is_none());
    node.engine.add_flow(&flow_b(&net), 5, &SoftwareHints).unwrap();
    let released = node.engine.release(request, &flow_a(&net), 5, &mut node.device, &mut ());
    assert_eq!(released, Ok(5));
    assert_eq!(node.sent(), vec![(PortId(11), vector("e2")); 5]);
    assert_eq!(node.flow(12, 5), Some((0x1_0080_0000_0019, 5, 490)));
    assert_eq!(node.engine.flows().len(), 2);
    // Eight wait for each flow.
    let mut world = World::with(&net, 256, remote());
    assert_eq!(world.burst(12, &[&e1[..]; 9]), []);
    assert_eq!(world.node().drops(DropReason::PuntFull), 1);
}

#[test]
fn a_controller_s_requests_are_checked() {
    let net = seed();
    let mut world = World::new(&net);
    let engine = &mut world.node().engine;
    let flow = flow_a(&net);
    let bad = FlowSpec { matches: Match { in_port: 99, ..flow.matches }, ..flow };
    assert_eq!(engine.add_flow(&bad, 0, &SoftwareHints), Err(ControlError::NoPort));
    let bad = FlowSpec { actions: Actions { output: 99, ..flow.actions }, ..flow };
    assert_eq!(engine.add_flow(&bad, 0, &SoftwareHints), Err(ControlError::NoPort));
    let ip_dst = "2001:db8::1".parse().unwrap();
    let bad = FlowSpec { matches: Match { ip_dst, ..flow.matches }, ..flow };
    assert_eq!(engine.add_flow(&bad, 0, &SoftwareHints), Err(ControlError::Versions));
    assert_eq!(engine.modify_flow(&flow, 0, &SoftwareHints), Err(ControlError::NoFlow));
    assert_eq!(engine.delete_flow(&flow.matches, 0, &SoftwareHints), Err(ControlError::NoFlow));
    engine.add_flow(&flow, 0, &SoftwareHints).unwrap();
    engine.add_flow(&flow_b(&net), 0, &SoftwareHints).unwrap();
    engine.modify_flow(&FlowSpec { cookie: 9, ..flow }, 0, &SoftwareHints).unwrap();
    assert_eq!(engine.delete_flows(0x1_0080_0000_0000, 0xf_ffff_0000_0000, 0, &SoftwareHints), 1);
    engine.delete_flow(&flow.matches, 0, &SoftwareHints).unwrap();
    assert!(engine.flows().is_empty());
}
