//! Several hosts, joined by VXLAN.

use dash_core::pipeline::router::{DropReason, control::Actions};
use dash_hal::PortId;

use super::{GW1_MAC, GW2_MAC, VM1_MAC, VM2_MAC, flow_a};
use crate::{
    frames::{changed, hex, vector},
    world::{H1, H2, Left, UNDERLAY, World, left, seed, settings},
};

/// 32. Two hosts: VXLAN with the id of the destination's network, and no TTL less at the far end.
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
        let buffer = crate::platform::arrived(frame, PortId(12));
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
