//! Routing: which frames have a way, by which gateway, and what is told those that have none.

use dash_core::pipeline::router::{DropReason, NorthSouth, PuntReason, Settings, policy::Route};

use super::{GW1_MAC, GW2_MAC, VM1_MAC, VM2_MAC, v6};
use crate::{
    frames::{changed, hex, icmpv6, ipv6, sealed, vector},
    world::{COOKIES, H2, SECOND, World, interface, left, port, seed, settings},
};

/// 19. TTL 2 goes on as 1; less is told the sender, three times a second.
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

/// 20. UDP to a gateway: port unreachable; ping: an answer.
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

/// 21. A host that nobody knows in a subnet that is known.
#[test]
fn router_s21() {
    let mut world = World::new(&seed());
    world.drops(12, &changed("e1", &[(33, &[99])]), DropReason::NoHost);
    assert_eq!(world.node().engine.flows().len(), 0);
}

/// 22. A subnet that nobody knows: table 53.
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

/// 25. A port without a network has no router.
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

/// 33. IPv6: pairs, hop limit, neighbour discovery.
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

/// 34. Options and fragments are routed by their addresses; a bad header is dropped.
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

/// 35. Nothing is fragmented: longer than the MTU is dropped.
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
