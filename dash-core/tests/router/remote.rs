//! A controller elsewhere: what it is asked, what it answers, and that it makes no difference.

use dash_core::pipeline::router::{
    DropReason, Note,
    control::{Actions, FlowSpec, Match},
};
use dash_core::{flow::Timeouts, pipeline::router::FlowKey};
use dash_hal::{PortId, SoftwareHints};
use proptest::prelude::*;
use smoltcp::wire::{EthernetAddress, IpAddress};

use crate::{
    frames::{changed, vector},
    scenarios::{flow_a, flow_b},
    world::{H1, Net, Node, SECOND, World, left, remote, seed, settings},
};

#[test]
fn requests_are_numbered_and_time_out() {
    let net = seed();
    let mut world = World::with(&net, 256, remote());
    let from = |last: u8| changed("e1", &[(29, &[last])]);
    for last in [3, 4, 3] {
        world.delivers(12, &from(last));
    }
    let engine = &mut world.node().engine;
    let asked = |punt: &dash_core::engine::Punt<_, FlowKey>| {
        (punt.request, punt.reason, punt.ingress, punt.key.unwrap().addresses()[0])
    };
    let ip = |last| IpAddress::v4(10, 2, 0, last);
    assert_eq!(engine.next_request().map(asked), Some((1, 0, PortId(12), ip(3))));
    assert_eq!(engine.next_request().map(asked), Some((2, 0, PortId(12), ip(4))));
    assert!(engine.next_request().is_none());
    // A whole second is in time.
    world.now = SECOND;
    let node = world.node();
    node.engine.expire_punts(SECOND, &mut node.device, &mut ());
    assert_eq!(node.engine.held(), 3);
    node.engine.expire_punts(SECOND + 1, &mut node.device, &mut ());
    assert_eq!((node.engine.held(), node.drops(DropReason::PuntTimeout)), (0, 3));
    // An answer that is late finds nobody, and the next frame asks again.
    let late = node.engine.release(1, &flow_a(&net), SECOND + 1, &mut node.device, &mut ());
    assert_eq!(late, Ok(0));
    node.engine.delete_flow(&flow_a(&net).matches, SECOND + 1, &SoftwareHints).unwrap();
    world.now = SECOND + 1;
    world.delivers(12, &from(3));
    assert_eq!(world.node().engine.next_request().map(asked), Some((3, 0, PortId(12), ip(3))));
    // A frame of it finds out as well that the request is over.
    world.now += SECOND + 1;
    world.delivers(12, &from(3));
    assert_eq!(world.node().drops(DropReason::PuntTimeout), 4);
    assert_eq!(world.node().engine.next_request().map(asked), Some((4, 0, PortId(12), ip(3))));
}

#[test]
fn an_address_that_nobody_has_is_asked_for_once_a_second() {
    let net = seed();
    let mut world = World::with(&net, 256, remote());
    let unknown = changed("e1", &[(33, &[99])]);
    world.now = 5;
    world.delivers(12, &unknown);
    world.now = SECOND / 2;
    let node = world.node();
    let request = node.engine.next_request().unwrap().request;
    let none = DropReason::NoHost;
    assert_eq!(node.engine.refuse(request, none, SECOND / 2, &mut node.device, &mut ()), 1);
    // The second began when it was asked.
    world.now = SECOND + 4;
    world.drops(12, &unknown, none);
    world.drops(14, &unknown, none);
    world.now = SECOND + 5;
    world.delivers(12, &unknown);
    assert_eq!(world.node().engine.held(), 1);
    assert_eq!(world.node().drops(none), 3);
}

#[test]
fn a_full_table_lets_frames_go_as_they_were_meant() {
    let net = seed();
    let mut world = World::with(&net, 0, remote());
    world.burst(12, &[&vector("e1")[..]; 3]);
    let node = world.node();
    assert!(node.engine.add_flow(&flow_b(&net), 0, &SoftwareHints).is_err());
    let released = node.engine.release(1, &flow_a(&net), 0, &mut node.device, &mut ());
    assert_eq!(released, Ok(3));
    assert_eq!(node.sent(), vec![(PortId(11), vector("e2")); 3]);
    assert_eq!(node.engine.pipeline().counters().notes(Note::FlowFull), 3);
}

#[test]
fn a_controller_sends_frames() {
    let net = seed();
    let mut world = World::new(&net);
    let node = world.node();
    let buffer = || crate::platform::arrived(&vector("e1"), PortId(12));
    let actions = flow_a(&net).actions;
    let at = |actions| (net.place(12), actions);
    let done = node.engine.packet_out(buffer(), at(&actions), 0, &mut node.device, &mut ());
    assert_eq!((done, node.sent()), (Ok(()), vec![(PortId(11), vector("e2"))]));
    let plain = Actions { dec_ttl: false, eth_src: None, eth_dst: None, ..actions };
    node.engine.packet_out(buffer(), at(&plain), 0, &mut node.device, &mut ()).unwrap();
    assert_eq!(node.sent(), [(PortId(11), vector("e1"))]);
    assert!(node.engine.flows().is_empty());
    let short = crate::platform::arrived(&[0; 13], PortId(12));
    node.engine.packet_out(short, at(&actions), 0, &mut node.device, &mut ()).unwrap();
    assert_eq!(node.drops(DropReason::Truncated), 1);
    let nowhere = Actions { output: 99, ..actions };
    assert!(node.engine.packet_out(buffer(), at(&nowhere), 0, &mut node.device, &mut ()).is_err());
}

/// A controller of its own making: whose an address is, and by which gateway.
struct Remote<'n>(&'n Net);

impl Remote<'_> {
    /// The flow of frames with these MAC addresses from a port to another network's address.
    fn flow(
        &self,
        in_port: u16,
        [eth_src, eth_dst]: [EthernetAddress; 2],
        [ip_src, ip_dst]: [IpAddress; 2],
    ) -> Option<(FlowSpec, usize)> {
        let Net { ports, interfaces, networks, .. } = self.0;
        let to = ports.iter().position(|port| port.ips.contains(&ip_dst))?;
        let network = ports[to].network?;
        let gateway = interfaces.iter().find(|interface| {
            let subnets = &networks[usize::from(network)].1;
            let covers = |ip| subnets.iter().position(|subnet| subnet.contains_addr(&ip));
            interface.network == network && covers(interface.ip) == covers(ip_dst)
        })?;
        let spec = FlowSpec {
            matches: Match { in_port, eth_src, eth_dst, ip_src, ip_dst },
            actions: Actions {
                dec_ttl: true,
                eth_src: Some(gateway.mac),
                eth_dst: Some(ports[to].mac),
                output: to as u16,
            },
            timeouts: Timeouts { idle: 300_000, hard: 0 },
            cookie: 0,
            send_removed: true,
        };
        Some((spec, to))
    }

    /// Answers all requests of a host.
    fn work(&self, node: &mut Node, now: u64) {
        while let Some(punt) = node.engine.next_request() {
            let (request, key) = (punt.request, punt.key.unwrap());
            let [source, destination] = key.addresses();
            let in_port = self.0.place(key.ingress().0);
            let Some((there, to)) = self.flow(in_port, key.macs(), [source, destination]) else {
                node.engine.refuse(request, DropReason::NoHost, now, &mut node.device, &mut ());
                continue;
            };
            let out = &self.0.ports[to];
            let macs = [out.mac, there.actions.eth_src.unwrap()];
            let back = self.flow(to as u16, macs, [destination, source]);
            // What this network says of itself is no matter of the router's.
            let back = back.filter(|(_, port)| self.0.ports[*port].network != out.network);
            if let Some((back, _)) = back {
                let _ = node.engine.add_flow(&back, now, &SoftwareHints);
            }
            node.engine.release(request, &there, now, &mut node.device, &mut ()).unwrap();
        }
    }
}

#[derive(Clone, Debug)]
struct Traffic {
    port: u16,
    source: u8,
    destination: [u8; 4],
    ttl: u8,
    long: bool,
    arp: bool,
    wait: u64,
}

fn traffic() -> impl Strategy<Value = Vec<Traffic>> {
    let one = (
        prop::sample::select(vec![11_u16, 12, 13, 14]),
        prop::sample::select(vec![3_u8, 13, 14, 77]),
        prop::sample::select(vec![
            [10, 1, 0, 3],
            [10, 2, 0, 3],
            [10, 1, 0, 13],
            [10, 2, 0, 14],
            [10, 1, 0, 1],
            [10, 2, 0, 1],
            [10, 2, 0, 99],
            [10, 1, 0, 99],
            [192, 0, 2, 1],
        ]),
        prop::sample::select(vec![0_u8, 1, 2, 64]),
        proptest::bool::weighted(0.1),
        proptest::bool::weighted(0.1),
        prop::sample::select(vec![0, 1, SECOND / 3, SECOND, 301 * SECOND]),
    );
    let one = one.prop_map(|(port, source, destination, ttl, long, arp, wait)| Traffic {
        port,
        source,
        destination,
        ttl,
        long,
        arp,
        wait,
    });
    proptest::collection::vec(one, 1..60)
}

fn frame(traffic: &Traffic, net: &Net) -> Vec<u8> {
    let port = net.ports.iter().find(|port| port.key == traffic.port).unwrap();
    let network = port.network.unwrap();
    let mac = net.interfaces[usize::from(network)].mac;
    let source = [10, network as u8 + 1, 0, traffic.source];
    if traffic.arp {
        return changed(
            "a1",
            &[(6, &port.mac.0), (22, &port.mac.0), (28, &source), (38, &traffic.destination)],
        );
    }
    let mut frame = changed(
        "e1",
        &[
            (0, &mac.0),
            (6, &port.mac.0),
            (22, &[traffic.ttl]),
            (26, &source),
            (30, &traffic.destination),
        ],
    );
    if traffic.long {
        frame.resize(14 + 1501, 0);
        frame[16..18].copy_from_slice(&1501_u16.to_be_bytes());
        frame = crate::frames::sealed(frame);
    }
    frame
}

proptest! {
    /// With a controller near and one far the same frames leave by each port, the same flows live
    /// and have counted the same, and the same is dropped.
    #[test]
    fn near_and_far_are_the_same(traffic in traffic(), flows in prop::sample::select(vec![0, 256])) {
        let net = seed();
        let mut near = World::with(&net, flows, settings());
        let mut far = World::with(&net, flows, remote());
        let controller = Remote(&net);
        for traffic in traffic {
            near.now += traffic.wait;
            far.now = near.now;
            near.tick();
            far.tick();
            let frame = frame(&traffic, &net);
            let expected = near.send(H1, traffic.port, &frame).0;
            let mut out = far.send(H1, traffic.port, &frame).0;
            let now = far.now;
            let node = far.node();
            controller.work(node, now);
            out.extend(node.sent().into_iter().map(|(port, frame)| left(port.0, &frame)));
            prop_assert_eq!(out, expected, "{:?}", traffic);
        }
        let now = near.now;
        let counts = |world: &mut World| {
            let drops: Vec<_> =
                DropReason::ALL.iter().map(|reason| (*reason, world.node().drops(*reason))).collect();
            let table = world.node().engine.flows();
            let mut flows: Vec<_> = table
                .live(now)
                .map(|(key, flow)| {
                    (format!("{key:?}"), flow.packets, flow.bytes, table.rewrite(flow))
                })
                .collect();
            flows.sort_by(|one, other| one.0.cmp(&other.0));
            let full = world.node().engine.pipeline().counters().notes(Note::FlowFull);
            (drops, flows, full)
        };
        prop_assert_eq!(counts(&mut near), counts(&mut far));
    }

    /// Whatever comes in ends in some way, the second time as the first, and nothing is answered to
    /// what was dropped.
    #[test]
    fn any_bytes_are_taken(
        name in prop::sample::select(vec!["a1", "e1", "q1", "u1", "t1", "n1"]),
        port in prop::sample::select(vec![11_u16, 12, 14, 99, crate::world::UNDERLAY.0]),
        noise in proptest::collection::vec((0_usize..100, any::<u8>()), 0..6),
        length in 0_usize..200,
        seal in any::<bool>(),
    ) {
        let mut net = seed();
        net.port(14).secured = true;
        let mut world = World::new(&net);
        let mut frame = vector(name);
        for (at, byte) in noise {
            if let Some(place) = frame.get_mut(at) {
                *place = byte;
            }
        }
        let whole = frame.len() > 34 && (5..=15).contains(&(frame[14] & 15));
        if seal && whole && frame.len() >= 14 + usize::from(frame[14] & 15) * 4 {
            frame = crate::frames::sealed(frame);
        }
        frame.truncate(length);
        let (out, _) = world.send(H1, port, &frame);
        let dropped = world.node().dropped();
        prop_assert_eq!(out.is_empty(), dropped == 1, "{:?}", out);
        let limited = world.node().drops(DropReason::IcmpLimited);
        prop_assert_eq!(world.send(H1, port, &frame).0, out);
        prop_assert_eq!(world.node().dropped(), 2 * dropped);
        prop_assert_eq!(world.node().drops(DropReason::IcmpLimited), 2 * limited);
    }

    /// The cache answers what the slow path would answer.
    #[test]
    fn a_table_changes_no_answer(traffic in traffic()) {
        let net = seed();
        let mut cached = World::with(&net, 256, settings());
        let mut uncached = World::with(&net, 0, settings());
        for traffic in traffic {
            cached.now += traffic.wait % SECOND;
            uncached.now = cached.now;
            let frame = frame(&traffic, &net);
            prop_assert_eq!(cached.delivers(traffic.port, &frame), uncached.delivers(traffic.port, &frame));
        }
    }

    /// A burst is only a way to go faster.
    #[test]
    fn bursts_change_nothing(traffic in traffic(), cut in 1_usize..32) {
        let net = seed();
        let mut alone = World::new(&net);
        let mut together = World::new(&net);
        for traffic in traffic.chunks(cut) {
            let mut burst = dash_hal::Burst::new();
            let (mut one, mut other) = (vec![], vec![]);
            for traffic in traffic {
                let frame = frame(traffic, &net);
                one.extend(alone.delivers(traffic.port, &frame));
                let buffer = crate::platform::arrived(&frame, PortId(traffic.port));
                prop_assert!(burst.push(buffer).is_ok());
            }
            let node = together.node();
            node.engine.process(&mut burst, 0, &mut node.device, &mut ());
            other.extend(node.sent().into_iter().map(|(port, frame)| left(port.0, &frame)));
            // In order for each port.
            one.sort_by_key(|left| left.port);
            other.sort_by_key(|left| left.port);
            prop_assert_eq!(one, other);
        }
        for reason in DropReason::ALL {
            prop_assert_eq!(alone.node().drops(reason), together.node().drops(reason));
        }
        prop_assert_eq!(alone.node().engine.flows().counters(), together.node().engine.flows().counters());
    }
}
