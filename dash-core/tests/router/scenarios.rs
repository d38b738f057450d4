//! The scenarios of the specification, by their numbers; 38 is in `model`.

use dash_core::{flow::Timeouts, pipeline::router::policy::Route};
use dash_core::{
    flow::{FlowSettings, Removal, WhenFull},
    pipeline::router::{
        DropReason, NorthSouth, Note, PuntReason, Settings,
        control::{Actions, ControlError, FlowSpec, Match},
    },
};
use dash_hal::{PortId, SoftwareHints};

use crate::{
    frames::{changed, hex, icmpv6, ipv6, sealed, tagged, vector},
    world::{
        COOKIES, GW1, GW2, H1, H2, Left, Net, SECOND, UNDERLAY, VM1, VM2, World, interface, left,
        port, remote, seed, settings,
    },
};

pub(crate) const VM1_MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 0, 0x17, 0xe6];
pub(crate) const VM2_MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 0xcf, 0x4b, 0xed];
pub(crate) const GW1_MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 0xc0, 0x8d, 0x8b];
pub(crate) const GW2_MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 0xc5, 0x02, 0x4d];

/// The flow of the specification from VM2 to VM1, as it was installed in 2015.
pub(crate) fn flow_a(net: &Net) -> FlowSpec {
    FlowSpec {
        matches: Match {
            in_port: net.place(12),
            eth_src: VM2.parse().unwrap(),
            eth_dst: GW2.parse().unwrap(),
            ip_src: "10.2.0.3".parse().unwrap(),
            ip_dst: "10.1.0.3".parse().unwrap(),
        },
        actions: Actions {
            dec_ttl: true,
            eth_src: Some(GW2.parse().unwrap()),
            eth_dst: Some(VM1.parse().unwrap()),
            output: net.place(11),
        },
        timeouts: Timeouts { idle: 300_000, hard: 0 },
        cookie: 0x1_0080_0000_0019,
        send_removed: true,
    }
}

/// And that from VM1 to VM2.
pub(crate) fn flow_b(net: &Net) -> FlowSpec {
    FlowSpec {
        matches: Match {
            in_port: net.place(11),
            eth_src: VM1.parse().unwrap(),
            eth_dst: GW1.parse().unwrap(),
            ip_src: "10.1.0.3".parse().unwrap(),
            ip_dst: "10.2.0.3".parse().unwrap(),
        },
        actions: Actions {
            dec_ttl: true,
            eth_src: Some(GW1.parse().unwrap()),
            eth_dst: Some(VM2.parse().unwrap()),
            output: net.place(12),
        },
        cookie: 0x1_0080_0004_0051,
        ..flow_a(net)
    }
}

/// A world after e1, so that both flows are there.
fn routed() -> World {
    let mut world = World::new(&seed());
    assert_eq!(world.delivers(12, &vector("e1")), [left(11, &vector("e2_egress_if"))]);
    world
}

#[test]
fn router_s01() {
    let mut world = World::new(&seed());
    assert_eq!(world.delivers(12, &vector("a1")), [left(12, &vector("a2"))]);
    // Nobody else heard of it, and what lies behind the packet stays.
    let padded = [vector("a1"), vec![5; 18]].concat();
    assert_eq!(world.delivers(12, &padded), [left(12, &[vector("a2"), vec![5; 18]].concat())]);
}

#[test]
fn router_s02() {
    let mut world = World::new(&seed());
    assert_eq!(world.delivers(11, &vector("a3")), [left(11, &vector("a4"))]);
    assert_eq!(world.node().engine.pipeline().counters().answered(), 1);
}

#[test]
fn router_s03() {
    let mut world = World::new(&seed());
    let other = changed("a3", &[(38, &[10, 1, 0, 9])]);
    assert_eq!(world.delivers(11, &other), [left(13, &other)]);
}

#[test]
fn router_s04() {
    let mut world = World::new(&seed());
    let other = changed("a1", &[(38, &[10, 1, 0, 1])]);
    assert_eq!(world.delivers(12, &other), [left(14, &other)]);
}

#[test]
fn router_s05() {
    let mut world = World::new(&seed());
    let reply = changed("a1", &[(21, &[2])]);
    assert_eq!(world.delivers(12, &reply), [left(14, &reply)]);
}

#[test]
fn router_s06() {
    let mut world = World::new(&seed());
    world.drops(12, &changed("a1", &[(28, &[10, 2, 0, 1])]), DropReason::ArpConflict);
    // An answer of that kind is not for us.
    let reply = changed("a1", &[(21, &[2]), (28, &[10, 2, 0, 1])]);
    assert_eq!(world.delivers(12, &reply), [left(14, &reply)]);
}

#[test]
fn router_s07() {
    let mut world = World::new(&seed());
    for (at, bytes) in [(18, &[7][..]), (16, &[0x86, 0xdd]), (14, &[0, 6]), (19, &[16])] {
        world.drops(12, &changed("a1", &[(at, bytes)]), DropReason::BadArp);
    }
    world.drops(12, &vector("a1")[..41], DropReason::BadArp);
    // Other operations, and malformed ones that are not for a gateway, are the switch's.
    for other in [
        changed("a1", &[(21, &[3])]),
        changed("a1", &[(18, &[7]), (38, &[10, 2, 0, 9])]),
        changed("a1", &[(21, &[3]), (18, &[7])]),
    ] {
        assert_eq!(world.delivers(12, &other), [left(14, &other)]);
    }
    world.drops(12, &changed("a1", &[(21, &[2])])[..41], DropReason::BadArp);
}

#[test]
fn router_s08() {
    let mut world = World::new(&seed());
    for vlan in [0, 5, 0x1f43 & 0xfff] {
        world.drops(12, &tagged(&vector("a1"), vlan), DropReason::VlanPresent);
        world.drops(12, &tagged(&vector("e1"), vlan), DropReason::VlanPresent);
    }
}

#[test]
fn router_s09() {
    let mut world = routed();
    // That of the answers was installed first.
    assert_eq!(world.node().flow(11, 0), Some((COOKIES + 1, 0, 0)));
    assert_eq!(world.node().flow(12, 0), Some((COOKIES + 2, 1, 98)));
    assert_eq!(world.node().slow(), 1);
    assert_eq!(world.node().engine.flows().len(), 2);
}

#[test]
fn router_s10() {
    let mut world = routed();
    assert_eq!(world.delivers(11, &vector("e3")), [left(12, &vector("e4_egress_if"))]);
    assert_eq!(world.node().slow(), 1);
    assert_eq!(world.node().flow(11, 0), Some((COOKIES + 1, 1, 98)));
}

#[test]
fn router_s11() {
    let mut world = routed();
    assert_eq!(world.delivers(12, &vector("e1")), [left(11, &vector("e2_egress_if"))]);
    assert_eq!(world.node().slow(), 1);
    assert_eq!(world.node().flow(12, 0), Some((COOKIES + 2, 2, 196)));
}

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

#[test]
fn router_s13() {
    let net = seed();
    // In one burst with the frame that it answers.
    let mut world = World::new(&net);
    let mut burst = dash_hal::Burst::new();
    for (port, frame) in [(12, "e1"), (11, "e3")] {
        burst.push(crate::platform::Buffer::new(&vector(frame), PortId(port))).unwrap();
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

/// Time-outs of the service's own flows.
fn timed(idle: u32, hard: u32) -> World {
    let settings = Settings { idle_timeout: idle, hard_timeout: hard, ..settings() };
    World::with(&seed(), 256, settings)
}

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

#[test]
fn router_s16() {
    let mut world = timed(1_000, 10_000);
    world.delivers(12, &vector("e1"));
    world.now = 20 * SECOND;
    world.tick();
    let reasons: Vec<_> = world.ended().into_iter().map(|event| event.1).collect();
    assert_eq!(reasons, [Removal::Hard, Removal::Hard]);
}

#[test]
fn router_s17() {
    let mut world = timed(0, 0);
    world.delivers(12, &vector("e1"));
    world.now = u64::MAX / 2;
    world.tick();
    world.delivers(12, &vector("e1"));
    assert_eq!((world.node().slow(), world.ended()), (1, vec![]));
}

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

#[test]
fn router_s19() {
    let mut world = World::new(&seed());
    let two = changed("e1", &[(22, &[2])]);
    let one = changed("e2_egress_if", &[(22, &[1])]);
    assert_eq!(world.delivers(12, &two), [left(11, &one)]);
    world.now = SECOND;
    for _ in 0..3 {
        assert_eq!(world.delivers(12, &vector("t1")), [left(12, &vector("t2"))]);
    }
    world.drops(12, &vector("t1"), DropReason::IcmpLimited);
    world.now = 2 * SECOND - 1;
    world.drops(12, &changed("e1", &[(22, &[0])]), DropReason::IcmpLimited);
    world.now = 2 * SECOND;
    assert_eq!(world.delivers(12, &vector("t1")), [left(12, &vector("t2"))]);
    // Another gateway has its own limit.
    assert_eq!(world.delivers(11, &changed("e3", &[(22, &[1])])).len(), 1);
    // The flows have not counted these.
    assert_eq!(world.flow(12), Some((COOKIES + 2, 1, 98)));
    // Errors are not told of errors, nor of later fragments.
    world.drops(12, &changed("t1", &[(34, &[3])]), DropReason::IcmpLimited);
    world.drops(12, &changed("t1", &[(20, &[0, 1])]), DropReason::IcmpLimited);
}

#[test]
fn router_s20() {
    let mut world = World::new(&seed());
    assert_eq!(world.delivers(12, &vector("q1")), [left(12, &vector("q2"))]);
    for _ in 0..3 {
        assert_eq!(world.delivers(12, &vector("u1")), [left(12, &vector("u2"))]);
    }
    world.drops(12, &vector("u1"), DropReason::IcmpLimited);
    // Each kind has its own limit, echo replies have none, and TTL does not matter.
    assert_eq!(world.delivers(12, &vector("t1")), [left(12, &vector("t2"))]);
    for _ in 0..10 {
        assert_eq!(world.delivers(12, &changed("q1", &[(22, &[1])])), [left(12, &vector("q2"))]);
    }
    // Also that of the other network's gateway, by the near one's MAC address.
    let far = changed("q1", &[(30, &[10, 1, 0, 1])]);
    let answer = changed("q2", &[(26, &[10, 1, 0, 1])]);
    assert_eq!(world.delivers(12, &far), [left(12, &answer)]);
    world.drops(12, &changed("q1", &[(34, &[13])]), DropReason::GatewayProtocol);
    world.drops(12, &changed("q1", &[(23, &[89])]), DropReason::GatewayProtocol);
    world.drops(12, &changed("q1", &[(40, &[9])]), DropReason::BadChecksum);
}

#[test]
fn router_s21() {
    let mut world = World::new(&seed());
    world.drops(12, &changed("e1", &[(33, &[99])]), DropReason::NoHost);
    assert_eq!(world.node().engine.flows().len(), 0);
}

#[test]
fn router_s22() {
    let unknown = changed("e1", &[(30, &[192, 0, 2, 1])]);
    let mut world = World::new(&seed());
    world.drops(12, &unknown, DropReason::NoRoute);
    // What is not IP has no route either.
    world.drops(12, &changed("e1", &[(12, &[0x88, 0xb5])]), DropReason::NoRoute);
    // With somebody beyond.
    let settings = Settings { north_south: NorthSouth::Punt, ..settings() };
    let mut world = World::with(&seed(), 256, settings);
    assert_eq!(world.delivers(12, &unknown), []);
    let node = world.node();
    let punt = node.engine.next_request().unwrap();
    assert_eq!(PuntReason::of(punt.reason), Some(PuntReason::NorthSouth));
    let request = punt.request;
    assert_eq!(node.engine.refuse(request, DropReason::NoRoute, 0, &mut node.device, &mut ()), 1);
    assert_eq!(node.drops(DropReason::NoRoute), 1);
    // A static route.
    let mut net = seed();
    net.routes =
        vec![Route { prefix: "192.0.2.0/24".parse().unwrap(), via: "10.1.0.13".parse().unwrap() }];
    let mut world = World::new(&net);
    let out = world.delivers(12, &unknown);
    assert_eq!(out.len(), 1);
    assert_eq!((out[0].port, &out[0].frame[..6]), (13, &hex("fa163e000013")[..]));
}

#[test]
fn router_s23() {
    let mut world = World::new(&seed());
    // From VM1 to its neighbour, with a TTL that says nothing.
    for ttl in [0, 1, 64] {
        let near = changed(
            "e1",
            &[
                (0, &hex("fa163e000013")),
                (6, &VM1_MAC),
                (22, &[ttl]),
                (26, &[10, 1, 0, 3]),
                (30, &[10, 1, 0, 13]),
            ],
        );
        assert_eq!(world.delivers(11, &near), [left(13, &near)]);
    }
    assert_eq!(world.node().engine.flows().len(), 0);
    // To a gateway within the network.
    let wrong =
        changed("e1", &[(6, &VM1_MAC), (0, &GW1_MAC), (26, &[10, 1, 0, 3]), (30, &[10, 1, 0, 13])]);
    world.drops(11, &wrong, DropReason::GatewayL2);
    // To itself.
    let own =
        changed("e1", &[(0, &VM1_MAC), (6, &[2; 6]), (26, &[10, 1, 0, 3]), (30, &[10, 1, 0, 3])]);
    world.drops(11, &own, DropReason::Loopback);
}

/// An address that moves is believed once a second, and forgotten after 300 s.
#[test]
fn the_switch_learns() {
    let mut net = seed();
    net.ports.insert(2, port(0, 15, "fa:16:3e:00:00:15", &[]));
    let mut world = World::new(&net);
    let roaming = hex("020000000001");
    let to = |mac: &[u8], from: &[u8], ip: u8| {
        changed("e1", &[(0, mac), (6, from), (26, &[10, 1, 0, ip]), (30, &[10, 1, 0, 250])])
    };
    let seen = to(&hex("020000000002"), &roaming, 7);
    let asked = to(&roaming, &VM1_MAC, 3);
    let both = [left(13, &asked), left(15, &asked)];
    assert_eq!(world.delivers(11, &asked), both);
    // Nobody knows the destination.
    assert_eq!(world.delivers(13, &seen), [left(11, &seen), left(15, &seen)]);
    assert_eq!(world.delivers(11, &asked), [left(13, &asked)]);
    world.now = SECOND / 2;
    world.delivers(15, &seen);
    assert_eq!(world.delivers(11, &asked), [left(15, &asked)]);
    world.now = SECOND;
    world.delivers(13, &seen);
    assert_eq!(world.delivers(11, &asked), [left(15, &asked)]);
    world.now = SECOND * 3 / 2;
    world.delivers(13, &seen);
    assert_eq!(world.delivers(11, &asked), [left(13, &asked)]);
    world.now += 300 * SECOND;
    assert_eq!(world.delivers(11, &asked), [left(13, &asked)]);
    world.now += 1;
    assert_eq!(world.delivers(11, &asked), both);
}

#[test]
fn router_s24() {
    let mut world = World::new(&seed());
    let broadcast = changed("e1", &[(0, &[255; 6])]);
    assert_eq!(world.delivers(12, &broadcast), [left(14, &broadcast)]);
    let multicast = changed("e1", &[(0, &hex("01005e000005"))]);
    assert_eq!(world.delivers(12, &multicast), [left(14, &multicast)]);
    for address in [[255; 4], [224, 0, 0, 5], [0; 4], [127, 0, 0, 1]] {
        world.drops(12, &changed("e1", &[(30, &address)]), DropReason::NoRoute);
    }
}

#[test]
fn router_s25() {
    let mut net = seed();
    for key in [2, 6] {
        net.ports.insert(0, port(0, key, &format!("02:00:00:00:00:{key:02}"), &[]));
    }
    net.ports[..2].iter_mut().for_each(|port| port.network = None);
    net.ports[..2].reverse();
    let mut world = World::new(&net);
    world.drops(2, &vector("e1"), DropReason::NoRoute);
    assert_eq!(world.delivers(2, &vector("a1")), [left(6, &vector("a1"))]);
    // From nowhere.
    world.drops(77, &vector("e1"), DropReason::L2Unknown);
}

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

#[test]
fn router_s32() {
    let mut net = seed();
    net.hosts = 2;
    for key in [12, 14] {
        net.port(key).host = H2;
    }
    let mut world = World::new(&net);
    let (delivered, carried) = world.send(H2, 12, &vector("e1"));
    assert_eq!(carried, [Left { host: H2, port: UNDERLAY.0, frame: vector("n1") }]);
    assert_eq!(delivered, [left(11, &vector("e2_egress_if"))]);
    // Each host holds its own flow, and asks for it itself.
    let lengths = |world: &World| [0, 1].map(|host| world.nodes[host].engine.flows().len());
    assert_eq!(lengths(&world), [0, 1]);
    let (delivered, carried) = world.send(H1, 11, &vector("e3"));
    assert_eq!(delivered, [Left { host: H2, port: 12, frame: vector("e4_egress_if") }]);
    assert_eq!(carried[0].frame[46..49], [0, 0x1f, 0x43]);
    assert_eq!(lengths(&world), [1, 1]);
    // A flow holds for all conversations between two addresses; outer ports differ.
    let udp = |port: u8| changed("u1", &[(30, &[10, 1, 0, 3]), (34, &[port, 1])]);
    let mut sources: Vec<_> =
        (0..4).map(|port| world.send(H2, 12, &udp(port)).1[0].frame[34..36].to_vec()).collect();
    sources.dedup();
    assert_eq!((sources.len(), lengths(&world)), (4, [1, 1]));
    let mut cold = World::with(&net, 0, settings());
    assert_eq!(cold.send(H2, 12, &udp(3)), world.send(H2, 12, &udp(3)));
    // So do frames of a controller's: that of UDP as by the flow, what is not IP by the MAC
    // addresses and the ethertype that it leaves with.
    let node = &mut world.nodes[usize::from(H2)];
    let mut send = |frame: &[u8], actions: Actions| {
        let buffer = crate::platform::Buffer::new(frame, PortId(12));
        let (in_port, now) = (net.place(12), 0);
        let device = &mut node.device;
        node.engine.packet_out(buffer, (in_port, &actions), now, device, &mut ()).unwrap();
        let sent = node.sent();
        (sent.len(), sent[0].1[34..36].to_vec())
    };
    let actions = flow_a(&net).actions;
    let (count, port) = send(&udp(3), actions);
    assert_eq!((count, &port), (1, sources.last().unwrap()));
    let other = changed("e1", &[(12, &[0x88, 0xb5])]);
    let asis = Actions { dec_ttl: false, eth_src: None, eth_dst: None, ..actions };
    let mut rewritten = other.clone();
    rewritten[..12].copy_from_slice(&[VM1_MAC, GW2_MAC].concat());
    assert_eq!(send(&other, Actions { dec_ttl: false, ..actions }), send(&rewritten, asis));
    assert_ne!(send(&other, asis), send(&rewritten, asis));
    assert!(send(&other, asis).1[0] >= 0xc0);
    // What the receiver refuses.
    for (at, bytes, reason) in [
        (50, &[2, 0, 0, 0, 0, 9][..], DropReason::L2Unknown),
        (50, &GW1_MAC, DropReason::L2Unknown),
        (46, &[9, 9, 9], DropReason::UnknownVni),
        (42, &[0], DropReason::BadVxlan),
        (36, &[0, 9], DropReason::NotVxlan),
        (24, &[9], DropReason::BadIp),
        (38, &[9], DropReason::BadUdp),
    ] {
        let mut frame = vector("n1");
        frame[at..at + bytes.len()].copy_from_slice(bytes);
        world.drops(UNDERLAY.0, &frame, reason);
    }
    world.drops(UNDERLAY.0, &vector("e1"), DropReason::NotVxlan);
    world.drops(
        UNDERLAY.0,
        &changed("n1", &[(46, &[0, 0x1f, 0x43]), (50, &VM2_MAC)]),
        DropReason::NotLocal,
    );
}

/// Frames to all of a network, and to neighbours, over hosts.
#[test]
fn the_switch_spans_hosts() {
    let mut net = seed();
    net.hosts = 2;
    net.port(13).host = H2;
    let mut world = World::new(&net);
    let ask = changed("a3", &[(38, &[10, 1, 0, 13])]);
    let (delivered, carried) = world.send(H1, 11, &ask);
    assert_eq!(delivered, [Left { host: H2, port: 13, frame: ask.clone() }]);
    assert_eq!(carried.len(), 1);
    let near = changed(
        "e1",
        &[(0, &hex("fa163e000013")), (6, &VM1_MAC), (26, &[10, 1, 0, 3]), (30, &[10, 1, 0, 13])],
    );
    assert_eq!(world.delivers(11, &near), [Left { host: H2, port: 13, frame: near.clone() }]);
}

pub(crate) fn v6(last: u16, net: u16) -> [u8; 16] {
    let mut octets = [0; 16];
    octets[..6].copy_from_slice(&[0x20, 1, 0xd, 0xb8, 0, net as u8]);
    octets[14..].copy_from_slice(&last.to_be_bytes());
    octets
}

#[test]
fn router_s33() {
    let mut world = World::new(&seed());
    let ends = [v6(3, 2), v6(3, 1)];
    let echo = icmpv6(ends, vec![128, 0, 0, 0, 0, 1, 0, 2, 7, 7]);
    let request = ipv6([VM2_MAC, GW2_MAC], ends, 58, 64, &echo);
    let out = ipv6([GW1_MAC, VM1_MAC], ends, 58, 63, &echo);
    assert_eq!(world.delivers(12, &request), [left(11, &out)]);
    assert_eq!(world.delivers(12, &request), [left(11, &out)]);
    let back = [ends[1], ends[0]];
    let echo = icmpv6(back, vec![129, 0, 0, 0, 0, 1, 0, 2, 7, 7]);
    let answer = ipv6([VM1_MAC, GW1_MAC], back, 58, 64, &echo);
    assert_eq!(
        world.delivers(11, &answer),
        [left(12, &ipv6([GW2_MAC, VM2_MAC], back, 58, 63, &echo))]
    );
    assert_eq!(world.node().slow(), 1);
    // Hop limit 1, and ping of the gateway.
    let expired =
        ipv6([VM2_MAC, GW2_MAC], ends, 58, 1, &icmpv6(ends, vec![128, 0, 0, 0, 0, 1, 0, 2]));
    let told = [v6(1, 2), v6(3, 2)];
    let quote = [&[3, 0, 0, 0, 0, 0, 0, 0], &expired[14..]].concat();
    let error = ipv6([GW2_MAC, VM2_MAC], told, 58, 64, &icmpv6(told, quote));
    assert_eq!(world.delivers(12, &expired), [left(12, &error)]);
    let gateway = [v6(3, 2), v6(1, 2)];
    let ping =
        ipv6([VM2_MAC, GW2_MAC], gateway, 58, 1, &icmpv6(gateway, vec![128, 0, 0, 0, 0, 1, 0, 2]));
    let pong =
        ipv6([GW2_MAC, VM2_MAC], told, 58, 64, &icmpv6(told, vec![129, 0, 0, 0, 0, 1, 0, 2]));
    assert_eq!(world.delivers(12, &ping), [left(12, &pong)]);
    // Neighbour solicitation: with and without the option, and to one's own.
    let group = hex("ff0200000000000000000001ff000001").try_into().unwrap();
    let asks = |hops, options: &[u8], from: [u8; 16], target: [u8; 16]| {
        let body = [&[135, 0, 0, 0, 0, 0, 0, 0][..], &target, options].concat();
        let group_mac = [0x33, 0x33, 0xff, 0, 0, 1];
        ipv6([VM2_MAC, group_mac], [from, group], 58, hops, &icmpv6([from, group], body))
    };
    let option = [&[1, 1][..], &VM2_MAC].concat();
    let body = [&[136, 0, 0, 0, 0xe0, 0, 0, 0][..], &v6(1, 2), &[2, 1], &GW2_MAC].concat();
    let advert = ipv6([GW2_MAC, VM2_MAC], told, 58, 255, &icmpv6(told, body));
    for options in [&option[..], &[]] {
        let ask = asks(255, options, v6(3, 2), v6(1, 2));
        assert_eq!(world.delivers(12, &ask), [left(12, &advert)]);
        world.drops(12, &asks(64, options, v6(3, 2), v6(1, 2)), DropReason::BadNd);
    }
    world.drops(12, &asks(255, &[1, 0, 0, 0, 0, 0, 0, 0], v6(3, 2), v6(1, 2)), DropReason::BadNd);
    let mut wrong = asks(255, &[], v6(3, 2), v6(1, 2));
    wrong[56] ^= 1;
    world.drops(12, &wrong, DropReason::BadNd);
    let other = asks(255, &[], v6(3, 2), v6(9, 2));
    assert_eq!(world.delivers(12, &other), [left(14, &other)]);
    // Whoever tries the gateway's address hears that it is taken.
    let out = world.delivers(12, &asks(255, &[], [0; 16], v6(1, 2)));
    assert_eq!(
        (out[0].port, &out[0].frame[..6], out[0].frame[58]),
        (12, &hex("333300000001")[..], 0xa0)
    );
}

#[test]
fn router_s34() {
    let mut world = World::new(&seed());
    let out = |frame: &[u8]| {
        let mut out = frame.to_vec();
        out[..6].copy_from_slice(&VM1_MAC);
        out[6..12].copy_from_slice(&GW1_MAC);
        out[22] -= 1;
        sealed(out)
    };
    // Options.
    let e1 = vector("e1");
    let mut options = [&e1[..34], &[1, 1, 1, 0], &e1[34..]].concat();
    options[14] = 0x46;
    options[17] = 88;
    let options = sealed(options);
    assert_eq!(world.delivers(12, &options), [left(11, &out(&options))]);
    // Fragments, the later ones without a header above IP; and a datagram of UDP that is wrong there.
    for fragment in [&[0x20, 0][..], &[0x20, 5], &[0, 9]] {
        let frame = changed("e1", &[(20, fragment)]);
        assert_eq!(world.delivers(12, &frame), [left(11, &out(&frame))]);
    }
    let udp = changed("u1", &[(30, &[10, 1, 0, 3]), (38, &[0xff, 0xff])]);
    assert_eq!(world.delivers(12, &udp), [left(11, &out(&udp))]);
    assert_eq!(world.node().slow(), 1);
    // A bad header.
    for (at, byte) in [(24, 9), (14, 0x55), (14, 0x44), (16, 9), (17, 10)] {
        let mut frame = e1.clone();
        frame[at] = byte;
        if at != 24 {
            frame = if byte == 0x44 { frame } else { sealed(frame) };
        }
        world.drops(12, &frame, DropReason::BadIp);
    }
    world.drops(12, &e1[..33], DropReason::BadIp);
    world.drops(12, &e1[..13], DropReason::Truncated);
    // Only where IP counts.
    let mut switched = changed("e1", &[(0, &[255; 6])]);
    switched[24] ^= 1;
    assert_eq!(world.delivers(12, &switched), [left(14, &switched)]);
}

#[test]
fn router_s35() {
    let mut world = World::new(&seed());
    let long = |length: u16| {
        let mut frame = vector("e1");
        frame[16..18].copy_from_slice(&length.to_be_bytes());
        frame.resize(14 + usize::from(length), 0);
        sealed(frame)
    };
    assert_eq!(world.delivers(12, &long(1500)).len(), 1);
    world.drops(12, &long(1501), DropReason::Mtu);
    // The first of a flow too, and nothing is remembered.
    let mut world = World::new(&seed());
    world.drops(12, &long(1501), DropReason::Mtu);
    assert_eq!(world.node().engine.flows().len(), 0);
    // Of a frame that is switched nobody asks.
    let mut near = long(4000);
    near[..6].copy_from_slice(&hex("fa163e000014"));
    near[30..34].copy_from_slice(&[10, 2, 0, 14]);
    assert_eq!(world.delivers(12, &sealed(near)).len(), 1);
    // A tunnel takes 50 bytes more; 14 of these are no IP.
    let mut net = seed();
    net.hosts = 2;
    net.port(11).host = H2;
    let mut world = World::new(&net);
    assert_eq!(world.delivers(12, &long(1450)).len(), 1);
    world.drops(12, &long(1451), DropReason::Mtu);
}

#[test]
fn router_s36() {
    let mut world = World::new(&seed());
    let padded = [vector("e1"), vec![0; 20]].concat();
    let out = [vector("e2_egress_if"), vec![0; 20]].concat();
    assert_eq!(world.delivers(12, &padded), [left(11, &out)]);
    world.delivers(12, &vector("e1"));
    assert_eq!(world.node().flow(12, 0), Some((COOKIES + 2, 2, 118 + 98)));
}

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

/// A network that is a VLAN of the physical one.
#[test]
fn provider_networks_have_tags() {
    let mut net = seed();
    net.networks[1].2 = Some(200);
    net.port(14).provider = true;
    let mut world = World::new(&net);
    let tag = |frame: &[u8]| tagged(frame, 200);
    // Out by the switch, and in.
    let near = changed("e1", &[(0, &hex("fa163e000014")), (30, &[10, 2, 0, 14])]);
    assert_eq!(world.delivers(12, &near), [left(14, &tag(&near))]);
    let ask = changed("a1", &[(38, &[10, 2, 0, 77])]);
    assert_eq!(world.delivers(12, &ask), [left(14, &tag(&ask))]);
    let back = changed("e1", &[(0, &VM2_MAC), (6, &hex("fa163e000014")), (30, &[10, 2, 0, 3])]);
    assert_eq!(world.delivers(14, &tag(&back)), [left(12, &back)]);
    world.drops(14, &back, DropReason::Untagged);
    world.drops(14, &tagged(&back, 201), DropReason::VlanPresent);
    // The gateway answers with the tag, and routes.
    let ask = changed(
        "a1",
        &[(6, &hex("fa163e000014")), (22, &hex("fa163e000014")), (28, &[10, 2, 0, 14])],
    );
    let answer = changed(
        "a2",
        &[(0, &hex("fa163e000014")), (32, &hex("fa163e000014")), (38, &[10, 2, 0, 14])],
    );
    assert_eq!(world.delivers(14, &tag(&ask)), [left(14, &tag(&answer))]);
    let from = changed("e1", &[(6, &hex("fa163e000014")), (29, &[14])]);
    let to = changed("e2_egress_if", &[(29, &[14])]);
    for _ in 0..2 {
        assert_eq!(world.delivers(14, &tag(&from)), [left(11, &to)]);
    }
    world.drops(14, &from, DropReason::Untagged);
    let back = changed("e3", &[(33, &[14])]);
    let out = changed("e4_egress_if", &[(0, &hex("fa163e000014")), (33, &[14])]);
    assert_eq!(world.delivers(11, &back), [left(14, &tag(&out))]);
    // Its last hop.
    let expired = changed("t1", &[(6, &hex("fa163e000014")), (29, &[14])]);
    let told = world.delivers(14, &tag(&expired));
    assert_eq!((told[0].port, &told[0].frame[12..18]), (14, &[0x81, 0, 0, 200, 8, 0][..]));
}

#[test]
fn two_subnets_of_one_network_have_two_gateways() {
    let mut net = seed();
    net.networks[0].1.push("10.3.0.0/24".parse().unwrap());
    net.interfaces.push(interface(0, "10.3.0.1", "fa:16:3e:00:03:01"));
    net.port(13).ips.push("10.3.0.13".parse().unwrap());
    let mut world = World::new(&net);
    let ask = changed("a3", &[(28, &[10, 3, 0, 13]), (38, &[10, 3, 0, 1])]);
    assert_eq!(world.delivers(11, &ask)[0].frame[6..12], hex("fa163e000301"));
    let out = world.delivers(12, &changed("e1", &[(30, &[10, 3, 0, 13])]));
    assert_eq!((out[0].port, &out[0].frame[6..12]), (13, &hex("fa163e000301")[..]));
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
