//! The corners of the rules: what no scenario of the specification comes to.

use dash_core::{
    flow::{FlowSettings, Removal, Timeouts, WhenFull},
    pipeline::router::{DropReason, Settings, control::ControlError, policy::Route},
};
use dash_hal::{Burst, PortId, ReceiveFlags, SoftwareHints};
use smoltcp::wire::EthernetAddress;

use crate::{
    frames::{changed, hex, icmpv6, ipv6, sealed, tagged, vector},
    platform::arrived,
    scenarios::{GW1_MAC, GW2_MAC, VM1_MAC, VM2_MAC, flow_a, flow_b, v6},
    world::{COOKIES, H1, H2, Net, SECOND, UNDERLAY, World, left, port, remote, seed, settings},
};

const MAC14: [u8; 6] = [0xfa, 0x16, 0x3e, 0, 0, 0x14];

/// The seed over two hosts, of which the second has port 13.
fn two_hosts() -> Net {
    let mut net = seed();
    net.hosts = 2;
    net.port(13).host = H2;
    net
}

#[test]
fn what_a_nic_says_of_a_frame() {
    for (port, name, flags, reason) in [
        (12, "e1", ReceiveFlags::VLAN_STRIPPED, DropReason::VlanPresent),
        (12, "e1", ReceiveFlags::TRUNCATED, DropReason::Truncated),
        (UNDERLAY.0, "n1", ReceiveFlags::L3_BAD, DropReason::ChecksumBad),
        (UNDERLAY.0, "n1", ReceiveFlags::L4_BAD, DropReason::ChecksumBad),
    ] {
        let mut world = World::new(&two_hosts());
        let mut buffer = arrived(&vector(name), PortId(port));
        buffer.metadata.flags = flags;
        let mut burst = Burst::new();
        burst.push(buffer).unwrap();
        let node = world.node();
        node.engine.process(&mut burst, 0, &mut node.device, &mut ());
        assert_eq!((node.sent(), node.drops(reason)), (vec![], 1), "{flags:?}");
    }
}

/// A frame by a tunnel to an address that was learnt here.
#[test]
fn tunnels_lead_to_learnt_addresses() {
    let mut world = World::new(&two_hosts());
    let roaming = hex("020000000001");
    let near = |to: &[u8], from: &[u8], ip: u8| {
        changed("e1", &[(0, to), (6, from), (26, &[10, 1, 0, 77]), (30, &[10, 1, 0, ip])])
    };
    world.send(H1, 11, &near(&[0xff; 6], &roaming, 255));
    let asked = near(&roaming, &hex("fa163e000013"), 78);
    let (delivered, _) = world.send(H2, 13, &asked);
    assert_eq!(delivered, [left(11, &asked)]);
}

#[test]
fn solicitations_are_sound() {
    let mut world = World::new(&seed());
    let group: [u8; 16] = hex("ff0200000000000000000001ff000001").try_into().unwrap();
    let ask = |from: [u8; 16], code: u8, options: &[u8]| {
        let body = [&[135, code, 0, 0, 0, 0, 0, 0][..], &v6(1, 2), options].concat();
        let macs = [VM2_MAC, [0x33, 0x33, 0xff, 0, 0, 1]];
        ipv6(macs, [from, group], 58, 255, &icmpv6([from, group], body))
    };
    let own = v6(3, 2);
    world.drops(12, &ask(own, 1, &[]), DropReason::BadNd);
    world.drops(12, &ask(group, 0, &[]), DropReason::BadNd);
    // What is behind the message that answers is cut.
    let options = [[1, 1, 0, 0, 0, 0, 0, 0], [14, 1, 0, 0, 0, 0, 0, 0]].concat();
    let out = world.delivers(12, &ask(own, 0, &options));
    assert_eq!((out.len(), out[0].frame.len()), (1, 14 + 40 + 32));
}

#[test]
fn gateways_answer_what_they_may() {
    let mut world = World::new(&seed());
    world.drops(12, &changed("q1", &[(20, &[0x20, 0])]), DropReason::GatewayProtocol);
    // The far gateway's error comes from its address.
    let out = world.delivers(12, &changed("u1", &[(30, &[10, 1, 0, 1])]));
    assert_eq!((out[0].port, &out[0].frame[26..34]), (12, &[10, 1, 0, 1, 10, 2, 0, 3][..]));
    // Nobody hears of errors by way of a group, or of errors.
    for source in [[224, 0, 0, 5], [255; 4], [0; 4]] {
        world.drops(12, &changed("t1", &[(26, &source)]), DropReason::IcmpLimited);
    }
    let ends = [v6(3, 2), v6(3, 1)];
    let datagram = |next, hops, payload: &[u8]| ipv6([VM2_MAC, GW2_MAC], ends, next, hops, payload);
    let error = icmpv6(ends, vec![1, 0, 0, 0, 0, 0, 0, 0, 6, 6]);
    world.drops(12, &datagram(58, 1, &error), DropReason::IcmpLimited);
    // A datagram is quoted until the error has 576 bytes, or 1,280.
    let mut long = vector("t1");
    long[16..18].copy_from_slice(&1000_u16.to_be_bytes());
    long.resize(1014, 3);
    let out = world.delivers(12, &sealed(long));
    assert_eq!((out.len(), out[0].frame.len()), (1, 14 + 576));
    let out = world.delivers(12, &datagram(17, 1, &[7; 1400]));
    assert_eq!((out.len(), out[0].frame.len()), (1, 14 + 1280));
    // UDP to the gateway of IPv6: port unreachable.
    let ends = [v6(3, 2), v6(1, 2)];
    let out = world.delivers(12, &ipv6([VM2_MAC, GW2_MAC], ends, 17, 1, &[0; 12]));
    assert_eq!((out.len(), &out[0].frame[54..56]), (1, &[1, 4][..]));
}

#[test]
fn each_gateway_has_its_own_limit() {
    let mut world = World::new(&seed());
    for _ in 0..3 {
        assert_eq!(world.delivers(12, &vector("t1")).len(), 1);
    }
    world.drops(12, &vector("t1"), DropReason::IcmpLimited);
    let other = changed("e3", &[(22, &[1])]);
    for _ in 0..3 {
        assert_eq!(world.delivers(11, &other).len(), 1);
    }
    world.drops(11, &other, DropReason::IcmpLimited);
    // Of both kinds.
    assert_eq!(world.delivers(12, &vector("u1")).len(), 1);
}

/// Whether a controller is asked; then it knows nobody.
fn asked(world: &mut World, port: u16, frame: &[u8]) -> bool {
    let now = world.now;
    assert_eq!(world.delivers(port, frame), []);
    let node = world.node();
    let Some(request) = node.engine.next_request().map(|punt| punt.request) else {
        return false;
    };
    let none = DropReason::NoHost;
    node.engine.refuse(request, none, now, &mut node.device, &mut ()) == 1
}

/// Addresses that a controller was asked for in vain, of which four are remembered.
#[test]
fn absent_addresses_are_of_a_network() {
    let mut net = seed();
    net.routes =
        vec![Route { prefix: "192.0.2.0/24".parse().unwrap(), via: "10.1.0.99".parse().unwrap() }];
    let mut world = World::with(&net, 256, remote());
    let to = |name, last: u8| changed(name, &[(30, &[192, 0, 2, last])]);
    let frames = [1, 2, 3, 4, 5].map(|last| to("e1", last));
    let [first, second, others @ ..] = &frames;
    assert!(asked(&mut world, 12, first) && !asked(&mut world, 12, first));
    assert!(asked(&mut world, 11, &to("e3", 1)), "another network's");
    let mut world = World::with(&net, 256, remote());
    assert!(asked(&mut world, 12, first));
    world.now = SECOND / 2;
    assert!(asked(&mut world, 12, second) && asked(&mut world, 12, &others[0]));
    world.now = SECOND;
    for frame in [first, &others[1], &others[2]] {
        assert!(asked(&mut world, 12, frame));
    }
    // The first kept its place, which the last took; the second is still there.
    assert!(!asked(&mut world, 12, second));
}

#[test]
fn the_switch_believes_the_configuration() {
    let mut net = seed();
    net.ports.insert(2, port(0, 15, "fa:16:3e:00:00:15", &[]));
    net.ports.insert(3, port(0, 16, "fa:16:3e:00:00:16", &[]));
    let mut world = World::new(&net);
    let near = |to: &[u8], from: &[u8]| {
        changed("e1", &[(0, to), (6, from), (26, &[10, 1, 0, 77]), (30, &[10, 1, 0, 78])])
    };
    // Somebody else with a configured address teaches nothing, not even for later.
    world.delivers(13, &near(&[0xff; 6], &VM1_MAC));
    net.ports.remove(0);
    world.replace(&net).unwrap();
    let asked = near(&VM1_MAC, &hex("fa163e000015"));
    assert_eq!(world.delivers(15, &asked), [left(13, &asked), left(16, &asked)]);
    // What goes on sending stays known.
    let roaming = hex("020000000001");
    for second in [0, 200] {
        world.now = second * SECOND;
        world.delivers(13, &near(&[0xff; 6], &roaming));
    }
    world.now = 450 * SECOND;
    let asked = near(&roaming, &hex("fa163e000015"));
    assert_eq!(world.delivers(15, &asked), [left(13, &asked)]);
}

#[test]
fn floods_reach_hosts_that_they_concern() {
    // Nobody of the network is there.
    let mut net = seed();
    net.hosts = 2;
    let mut world = World::new(&net);
    let ask = changed("a3", &[(38, &[10, 1, 0, 13])]);
    let here = left(13, &ask);
    assert_eq!(world.send(H1, 11, &ask), (vec![here], vec![]));
    // Ports without a network have no VNI.
    for (key, host) in [(6, H2), (2, H1)] {
        let own = port(0, key, &format!("02:00:00:00:00:{key:02x}"), &[]);
        net.ports.insert(0, crate::world::Port { network: None, host, ..own });
    }
    let mut world = World::new(&net);
    world.drops(2, &vector("a1"), DropReason::L2Unknown);
    // By a tunnel it goes no further.
    let mut net = two_hosts();
    net.ports.insert(1, port(0, 12, "02:00:00:00:00:12", &[]));
    net.ports.retain(|port| port.network == Some(0));
    net.interfaces.retain(|interface| interface.network == 0);
    let mut world = World::new(&net);
    let (delivered, carried) = world.send(H2, 13, &ask);
    assert_eq!(delivered, [left(11, &ask), left(12, &ask)]);
    assert_eq!(carried.len(), 1);
}

#[test]
fn port_security_is_held_to_the_last_byte() {
    // Without addresses only the MAC address counts.
    let mut net = seed();
    (net.port(12).secured, net.port(12).ips) = (true, vec![]);
    let mut world = World::new(&net);
    assert_eq!(world.delivers(12, &changed("e1", &[(29, &[77])])).len(), 1);
    world.drops(12, &changed("e1", &[(6, &[2; 6])]), DropReason::SecurityL2);
    // A probe by somebody else's MAC address; DHCP is for those who have no address.
    let mut net = seed();
    net.port(12).secured = true;
    let mut world = World::new(&net);
    let probe = changed("a1", &[(22, &[2; 6]), (28, &[0; 4])]);
    world.drops(12, &probe, DropReason::SecurityNd);
    let dhcp = changed("u1", &[(26, &[10, 2, 0, 9]), (34, &[0, 68, 0, 67])]);
    world.drops(12, &dhcp, DropReason::SecurityIp);
}

#[test]
fn what_has_no_route_whatever_the_routes() {
    let mut net = seed();
    let via = |text: &str| text.parse().unwrap();
    net.routes = vec![
        Route { prefix: "0.0.0.0/0".parse().unwrap(), via: via("10.1.0.13") },
        Route { prefix: "::/0".parse().unwrap(), via: via("2001:db8:1::3") },
    ];
    let mut world = World::new(&net);
    for address in [[255; 4], [224, 0, 0, 5], [0; 4], [127, 0, 0, 1]] {
        world.drops(12, &changed("e1", &[(30, &address)]), DropReason::NoRoute);
    }
    // Of link scope: the switch's.
    let mut link = [0; 16];
    (link[0], link[1], link[15]) = (0xfe, 0x80, 7);
    let near = ipv6([VM2_MAC, MAC14], [v6(3, 2), link], 17, 64, &[0; 12]);
    assert_eq!(world.delivers(12, &near), [left(14, &near)]);
}

/// What no answer could come by has no flow of answers.
#[test]
fn flows_of_answers_are_what_the_slow_path_would_say() {
    let count = |net: &Net, port: u16, frame: &[u8]| {
        let mut world = World::new(net);
        assert_eq!(world.delivers(port, frame).len(), 1);
        world.node().engine.flows().len()
    };
    let mut net = seed();
    assert_eq!(count(&net, 12, &vector("e1")), 2);
    // From an address of the network that it goes to.
    assert_eq!(count(&net, 12, &changed("e1", &[(26, &[10, 1, 0, 13])])), 1);
    // From beyond a machine that may not send from there.
    let via = "10.2.0.14".parse().unwrap();
    net.routes = vec![Route { prefix: "192.0.2.0/24".parse().unwrap(), via }];
    let beyond = changed("e3", &[(30, &[192, 0, 2, 1])]);
    assert_eq!(count(&net, 11, &beyond), 2);
    net.port(14).secured = true;
    assert_eq!(count(&net, 11, &beyond), 1);
    net.port(14).allowed = vec![(EthernetAddress(MAC14), "192.0.2.1".parse().unwrap())];
    assert_eq!(count(&net, 11, &beyond), 2);
}

/// Flows of a port whose frames have tags: that of answers, and a controller's.
#[test]
fn flows_of_provider_ports_take_the_tag_off() {
    let mut net = seed();
    net.networks[1].2 = Some(200);
    net.port(14).provider = true;
    let there = changed("e3", &[(33, &[14])]);
    let answer = tagged(&changed("e1", &[(6, &MAC14), (29, &[14])]), 200);
    let back = changed("e2_egress_if", &[(29, &[14])]);
    let mut world = World::new(&net);
    assert_eq!(world.delivers(11, &there).len(), 1);
    assert_eq!(world.delivers(14, &answer), [left(11, &back)]);
    assert_eq!(world.node().slow(), 1);
    // A controller's.
    let mut flow = flow_a(&net);
    flow.matches.in_port = net.place(14);
    flow.matches.eth_src = EthernetAddress(MAC14);
    flow.matches.ip_src = "10.2.0.14".parse().unwrap();
    flow.actions.eth_src = Some(EthernetAddress(GW1_MAC));
    let mut world = World::with(&net, 256, remote());
    world.node().engine.add_flow(&flow, 0, &SoftwareHints).unwrap();
    assert_eq!(world.delivers(14, &answer), [left(11, &back)]);
    // With another tag the network's frames have no such flow.
    net.networks[1].2 = Some(201);
    world.replace(&net).unwrap();
    world.drops(14, &answer, DropReason::VlanPresent);
}

#[test]
fn controllers_are_held_to_their_host_and_time() {
    let net = two_hosts();
    let mut world = World::new(&net);
    let mut flow = flow_a(&net);
    flow.timeouts = Timeouts { idle: 1, hard: 0 };
    let engine = &mut world.node().engine;
    engine.add_flow(&flow, 0, &SoftwareHints).unwrap();
    assert_eq!(engine.modify_flow(&flow, 1_000_000, &SoftwareHints), Ok(()));
    // What is over cannot be modified.
    let late = engine.modify_flow(&flow, 1_000_001, &SoftwareHints);
    assert_eq!(late, Err(ControlError::NoFlow));
    flow.matches.in_port = net.place(13);
    assert_eq!(engine.add_flow(&flow, 0, &SoftwareHints), Err(ControlError::NotHere));
}

/// Frames of several requests: all of one end together, and the others keep their order.
#[test]
fn requests_keep_their_frames() {
    let net = seed();
    let long = |more: usize| [vector("e1"), vec![0; more]].concat();
    let other = changed("e1", &[(29, &[77])]);
    let mut world = World::with(&net, 256, remote());
    for frame in [long(0), other, long(1), long(2)] {
        assert_eq!(world.delivers(12, &frame), []);
        world.now += SECOND / 4;
    }
    let node = world.node();
    let none = DropReason::NoHost;
    assert_eq!(node.engine.refuse(2, none, SECOND, &mut node.device, &mut ()), 1);
    let released = node.engine.release(1, &flow_a(&net), SECOND, &mut node.device, &mut ());
    assert_eq!(released, Ok(3));
    let lengths: Vec<_> = node.sent().iter().map(|(_, frame)| frame.len()).collect();
    assert_eq!(lengths, [98, 99, 100]);
    // Those that came later are as old as their request.
    let mut world = World::with(&net, 256, remote());
    world.delivers(12, &long(0));
    world.now = SECOND / 2;
    world.delivers(12, &long(1));
    let node = world.node();
    node.engine.expire_punts(SECOND + 1, &mut node.device, &mut ());
    assert_eq!((node.engine.held(), node.drops(DropReason::PuntTimeout)), (0, 2));
}

/// What a full table lets go is tested as a flow's frames are.
#[test]
fn what_is_let_go_may_be_too_long_by_now() {
    let net = seed();
    let mut world = World::with(&net, 0, remote());
    world.delivers(12, &vector("e1"));
    let node = world.node();
    node.engine.pipeline_mut().set(Settings { mtu: 80, ..remote() });
    let released = node.engine.release(1, &flow_a(&net), 0, &mut node.device, &mut ());
    assert_eq!((released, node.sent(), node.drops(DropReason::Mtu)), (Ok(1), vec![], 1));
}

#[test]
fn a_controller_s_flow_stays_a_controller_s() {
    let net = seed();
    let cookie = flow_b(&net).cookie;
    // The slow path finds one where the answers' would be.
    let mut world = World::new(&net);
    world.node().engine.add_flow(&flow_b(&net), 0, &SoftwareHints).unwrap();
    world.delivers(12, &vector("e1"));
    assert_eq!(world.delivers(11, &vector("e3")), [left(12, &vector("e4"))]);
    assert_eq!(world.flow(11), Some((cookie, 1, 98)));
    // A controller puts one in the place of the slow path's.
    world.node().engine.add_flow(&flow_a(&net), 0, &SoftwareHints).unwrap();
    world.replace(&net).unwrap();
    assert_eq!(world.delivers(12, &vector("e1")), [left(11, &vector("e2"))]);
    assert_eq!(world.node().slow(), 1);
}

/// The flow of answers is evaluated again by an answer; another result begins its hard time-out
/// anew, the same one does not.
#[test]
fn flows_are_evaluated_apart() {
    let mut net = seed();
    let settings = Settings { hard_timeout: 10_000, ..settings() };
    let mut world = World::with(&net, 256, settings);
    world.delivers(12, &vector("e1"));
    net.interfaces[1].mac = EthernetAddress([2, 0, 0, 0, 0, 2]);
    world.replace(&net).unwrap();
    world.now = 8 * SECOND;
    let other = changed("e4_egress_if", &[(6, &[2, 0, 0, 0, 0, 2])]);
    assert_eq!(world.delivers(11, &vector("e3")), [left(12, &other)]);
    assert_eq!(world.delivers(12, &vector("e1")), [left(11, &vector("e2_egress_if"))]);
    assert_eq!(world.node().slow(), 3);
    world.now = 10 * SECOND + 1;
    assert_eq!((world.flow(11).is_some(), world.flow(12).is_some()), (true, false));
    world.now = 18 * SECOND + 1;
    assert!(world.flow(11).is_none());
}

/// Of flows with time-outs of their own that goes first which would end first, not that which was
/// used first.
#[test]
fn the_shortest_time_goes_first() {
    let net = seed();
    let mut world = World::with(&net, 16, settings());
    let when_full = WhenFull::EvictShortest;
    world.node().engine.set_flows(FlowSettings { when_full, ..FlowSettings::default() });
    let add = |world: &mut World, number: u32| {
        let mut flow = flow_a(&net);
        flow.matches.ip_src = format!("10.2.1.{number}").parse().unwrap();
        flow.timeouts = Timeouts { idle: (1000 - 10 * number) * 1000, hard: 0 };
        flow.cookie = COOKIES + u64::from(number);
        let now = world.now;
        world.now += SECOND;
        world.node().engine.add_flow(&flow, now, &SoftwareHints).is_ok()
    };
    for number in 0..16 {
        assert!(add(&mut world, number));
    }
    for number in 20..24 {
        add(&mut world, number);
    }
    let ended = world.ended();
    assert!(!ended.is_empty());
    for (number, why, ..) in ended {
        assert_eq!((why, number > 7), (Removal::Evicted, true), "{number}");
    }
}

#[test]
fn tunnels_are_taken_apart_in_order() {
    let mut world = World::new(&two_hosts());
    let n1 = vector("n1");
    world.drops(UNDERLAY.0, &tagged(&n1, 7), DropReason::VlanPresent);
    world.drops(UNDERLAY.0, &sealed(changed_raw(&n1, 20, &[0x20, 0])), DropReason::NotVxlan);
    world.drops(UNDERLAY.0, &changed_raw(&n1, 40, &[1, 2]), DropReason::BadChecksum);
    world.drops(UNDERLAY.0, &changed_raw(&n1, 38, &[0, 15]), DropReason::BadUdp);
    // What lies behind the datagram is no part of the frame.
    let padded = [n1, vec![9; 7]].concat();
    assert_eq!(world.delivers(UNDERLAY.0, &padded), [left(11, &vector("e2_egress_if"))]);
}

fn changed_raw(frame: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[at..at + bytes.len()].copy_from_slice(bytes);
    frame
}

/// A fragment is no neighbour discovery, whatever it begins with.
#[test]
fn fragments_discover_nobody() {
    let mut world = World::new(&seed());
    let group: [u8; 16] = hex("ff0200000000000000000001ff000001").try_into().unwrap();
    let ends = [v6(3, 2), group];
    let body = [&[135, 0, 0, 0, 0, 0, 0, 0][..], &v6(1, 2)].concat();
    let fragment = [&[58, 0, 0, 1, 0, 0, 0, 1][..], &icmpv6(ends, body)].concat();
    let frame = ipv6([VM2_MAC, [0x33, 0x33, 0xff, 0, 0, 1]], ends, 44, 255, &fragment);
    assert_eq!(world.delivers(12, &frame), [left(14, &frame)]);
}
