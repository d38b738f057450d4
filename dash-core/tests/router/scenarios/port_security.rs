//! Port security.

use dash_core::pipeline::router::DropReason;
use dash_hal::SoftwareHints;

use super::{VM2_MAC, flow_a, routed, v6};
use crate::{
    frames::{changed, hex, icmpv6, ipv6, vector},
    world::{World, left, seed},
};

/// 26. Right addresses from a wrong MAC address or port hit no flow, and port security drops them.
#[test]
fn router_s26() {
    let mut world = routed();
    let wrong_mac = changed("e1", &[(6, &[2, 0, 0, 0, 0, 9])]);
    let count = world.node().slow();
    world.delivers(12, &wrong_mac);
    world.delivers(14, &vector("e1"));
    assert_eq!(world.node().slow(), count + 2);
    assert_eq!(world.node().flow(12, 0).map(|flow| flow.1), Some(1));
    let mut net = seed();
    net.port(12).secured = true;
    net.port(12).allowed =
        vec![("02:00:00:00:00:09".parse().unwrap(), "10.2.0.99".parse().unwrap())];
    let mut world = World::new(&net);
    assert_eq!(world.delivers(12, &vector("e1")).len(), 1);
    world.drops(12, &changed("e1", &[(6, &[2; 6])]), DropReason::SecurityL2);
    world.drops(12, &changed("e1", &[(29, &[4])]), DropReason::SecurityIp);
    // Pairs count together only.
    world.drops(12, &wrong_mac, DropReason::SecurityIp);
    assert_eq!(
        world.delivers(12, &changed("e1", &[(6, &[2, 0, 0, 0, 0, 9]), (29, &[99])])).len(),
        1
    );
    world.drops(12, &changed("a1", &[(31, &[4])]), DropReason::SecurityNd);
    world.drops(12, &changed("a1", &[(22, &[2; 6])]), DropReason::SecurityNd);
    assert_eq!(world.delivers(12, &vector("a1")), [left(12, &vector("a2"))]);
    // Before it has an address.
    let dhcp =
        changed("u1", &[(0, &[255; 6]), (26, &[0; 4]), (30, &[255; 4]), (34, &[0, 68, 0, 67])]);
    assert_eq!(world.delivers(12, &dhcp), [left(14, &dhcp)]);
    let other = changed("u1", &[(0, &[255; 6]), (26, &[0; 4]), (30, &[255; 4])]);
    world.drops(12, &other, DropReason::SecurityIp);
    // A later fragment has no ports, whatever its bytes look like.
    let fragment = changed(
        "u1",
        &[(0, &[255; 6]), (20, &[0, 9]), (26, &[0; 4]), (30, &[255; 4]), (34, &[0, 68, 0, 67])],
    );
    world.drops(12, &fragment, DropReason::SecurityIp);
    // A bad header is held to the address that it claims.
    let bad = |source: [u8; 4]| {
        let mut frame = changed("e1", &[(0, &[255; 6]), (26, &source)]);
        frame[24] ^= 1;
        frame
    };
    world.drops(12, &bad([10, 2, 0, 4]), DropReason::SecurityIp);
    assert_eq!(world.delivers(12, &bad([10, 2, 0, 3])), [left(14, &bad([10, 2, 0, 3]))]);
    let mut bad = changed("e1", &[]);
    bad[24] ^= 1;
    world.drops(12, &bad, DropReason::BadIp);
    world.drops(12, &vector("e1")[..33], DropReason::BadIp);
    // Probes have no sender, answers do; what is too short speaks of nobody.
    let probe = changed("a1", &[(28, &[0; 4]), (38, &[10, 2, 0, 3])]);
    assert_eq!(world.delivers(12, &probe), [left(14, &probe)]);
    let answer = changed("a1", &[(21, &[2]), (28, &[0; 4])]);
    world.drops(12, &answer, DropReason::SecurityNd);
    world.drops(12, &vector("a1")[..41], DropReason::BadArp);
}

/// Flows do not lead around table 0: neither one of a controller's, nor that of a frame which may
/// pass although its sender has no address yet.
#[test]
fn flows_do_not_hide_spoofing() {
    let mut net = seed();
    let mut world = World::new(&net);
    let mut flow = flow_a(&net);
    flow.matches.eth_src = "02:00:00:00:00:09".parse().unwrap();
    world.node().engine.add_flow(&flow, 0, &SoftwareHints).unwrap();
    let spoofed = changed("e1", &[(6, &[2, 0, 0, 0, 0, 9])]);
    assert_eq!(world.delivers(12, &spoofed), [left(11, &vector("e2"))]);
    // Port security comes later than the flow.
    net.port(12).secured = true;
    world.replace(&net).unwrap();
    world.drops(12, &spoofed, DropReason::SecurityL2);
    assert_eq!(world.flow(12), Some((flow.cookie, 1, 98)));
    // And goes again.
    net.port(12).secured = false;
    world.replace(&net).unwrap();
    assert_eq!(world.delivers(12, &spoofed), [left(11, &vector("e2"))]);
    // A machine without an address, to a DHCP server by way of the router.
    net.port(12).secured = true;
    let mut world = World::new(&net);
    let nobody = |ports: &[u8]| changed("u1", &[(26, &[0; 4]), (30, &[10, 1, 0, 3]), (34, ports)]);
    for _ in 0..2 {
        assert_eq!(world.delivers(12, &nobody(&[0, 68, 0, 67])).len(), 1);
        world.drops(12, &nobody(&[0, 53, 0, 53]), DropReason::SecurityIp);
    }
    // A port that is gone.
    net.ports.remove(2);
    world.replace(&net).unwrap();
    world.drops(12, &nobody(&[0, 68, 0, 67]), DropReason::L2Unknown);
}

/// Neighbour discovery at a port with security: nobody speaks of others' addresses, and only
/// duplicate address detection has none.
#[test]
fn neighbour_discovery_is_held_to_the_port() {
    let mut net = seed();
    net.port(12).secured = true;
    let mut world = World::new(&net);
    let group: [u8; 16] = hex("ff020000000000000000000000000001").try_into().unwrap();
    let message = |kind: u8, source: [u8; 16], target: [u8; 16]| {
        let body = [&[kind, 0, 0, 0, 0, 0, 0, 0][..], &target].concat();
        let ends = [source, group];
        ipv6([VM2_MAC, [0x33, 0x33, 0, 0, 0, 1]], ends, 58, 255, &icmpv6(ends, body))
    };
    let (own, other, none) = (v6(3, 2), v6(9, 2), [0; 16]);
    let (solicitation, advertisement, router_solicitation, redirect) = (135, 136, 133, 137);
    for (kind, source, target) in [
        (solicitation, own, other),
        (solicitation, none, own),
        (advertisement, own, own),
        (router_solicitation, own, other),
        (redirect, own, other),
    ] {
        let frame = message(kind, source, target);
        assert_eq!(world.delivers(12, &frame), [left(14, &frame)], "{kind} {source:?} {target:?}");
    }
    for (kind, source, target) in [
        (solicitation, other, own),
        (solicitation, none, other),
        (advertisement, own, other),
        (advertisement, other, own),
        (advertisement, none, own),
        (router_solicitation, none, other),
        (redirect, none, own),
    ] {
        world.drops(12, &message(kind, source, target), DropReason::SecurityNd);
    }
}
