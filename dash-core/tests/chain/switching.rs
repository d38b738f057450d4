//! Learning, flood, localnet, port security, copies for taps.

use dash_core::pipeline::chain::{DropReason, policy::Mode};

use crate::{
    cases::{case1, case2, case3},
    frames::{arp, between, broadcast, ipv4, p, r, vector},
    world::{Net, OwnedGroup, Port, UNDERLAY, World, app, left, mac, port},
};

const H1: u16 = 0;
const H2: u16 = 1;

fn unknown(key: u16, host: u16) -> Port {
    Port { unknown: true, ..port(key, host) }
}

#[test]
fn unknown_destinations_are_dropped_or_go_to_the_ports_for_them() {
    let mut world = World::new(&case1());
    world.drops(0, 1, &between(&p(), 1, 77), DropReason::L2Unknown);
    let mut net = case2();
    net.ports.extend([unknown(5, H1), unknown(6, H1), unknown(7, H2)]);
    let mut world = World::new(&net);
    let frame = between(&p(), 1, 77);
    let (delivered, carried) = world.send(H1, 1, &frame);
    assert_eq!(delivered, [left(H1, 5, &frame), left(H1, 6, &frame), left(H2, 7, &frame)]);
    assert_eq!(carried.len(), 1);
    assert_eq!(carried[0].frame[54..58], [0, 1, 0, 7]);
    // Not back to where it came from.
    let other = between(&p(), 78, 77);
    assert_eq!(world.delivers(H1, 5, &other), [left(H1, 6, &other), left(H2, 7, &other)]);
}

#[test]
fn addresses_are_learnt_and_forgotten() {
    let mut net = case1();
    net.ports.extend([unknown(5, H1), unknown(6, H1)]);
    let mut world = World::new(&net);
    let there = between(&p(), 1, 77);
    world.delivers(0, 5, &between(&p(), 77, 1));
    assert_eq!(world.delivers(0, 1, &there), [left(H1, 5, &there)]);
    // It moves.
    world.delivers(0, 6, &between(&p(), 77, 1));
    assert_eq!(world.delivers(0, 1, &there), [left(H1, 6, &there)]);
    world.pass(300_000_000_000);
    assert_eq!(world.delivers(0, 1, &there), [left(H1, 6, &there)]);
    world.set_pair_up(0, false);
    assert_eq!(world.delivers(0, 1, &there), [left(H1, 6, &there)]);
    world.pass(1);
    assert_eq!(world.delivers(0, 1, &there).len(), 2);
    // Neither from other ports, nor of configured addresses.
    world.delivers(0, 1, &between(&p(), 88, 3));
    world.delivers(0, 3, &between(&p(), 88, 1));
    assert_eq!(world.delivers(0, 4, &between(&p(), 9, 88)).len(), 2);
    world.delivers(0, 5, &between(&p(), 1, 3));
    assert_eq!(world.delivers(0, 6, &between(&p(), 9, 1)), [left(H1, 1, &between(&p(), 9, 1))]);
}

/// An address that goes from port to port and back is behind the port that it was last seen at.
#[test]
fn no_frame_of_a_port_that_learns_is_hidden_by_a_flow() {
    let mut net = case1();
    net.ports.extend([unknown(5, H1), unknown(6, H1)]);
    let mut world = World::new(&net);
    let (from, there) = (between(&p(), 77, 1), between(&p(), 1, 77));
    for port in [5, 6, 5, 6] {
        world.delivers(0, port, &from);
        assert_eq!(world.delivers(0, 1, &there), [left(H1, port, &there)]);
    }
}

/// What enters again at an application's port was not sent there.
#[test]
fn nothing_is_learnt_on_the_way_home() {
    let mut net = case1();
    net.ports.extend([unknown(5, H1), unknown(6, H1)]);
    net.ports[3].unknown = true;
    let mut world = World::new(&net);
    assert_eq!(world.delivers(0, 2, &r()), [left(H1, 1, &r())]);
    net.ports[3].macs.clear();
    world.replace(&net).unwrap();
    assert_eq!(world.delivers(0, 1, &p()).len(), 3);
}

/// A function is no host, even if its port is marked: what passes it is not behind it.
#[test]
fn nothing_is_learnt_from_a_function() {
    let mut net = case1();
    net.ports.extend([unknown(5, H1), unknown(6, H1)]);
    net.ports[2].unknown = true;
    let mut world = World::new(&net);
    world.delivers(0, 3, &between(&p(), 77, 1));
    let there = between(&p(), 1, 77);
    assert_eq!(world.delivers(0, 1, &there), [left(H1, 5, &there), left(H1, 6, &there)]);
}

#[test]
fn more_addresses_than_places_are_not_learnt_until_old_ones_are_over() {
    let mut net = case1();
    net.ports.extend([unknown(5, H1), unknown(6, H1)]);
    let mut world = World::new(&net);
    // No host has a group's address: it takes no place.
    for source in 100..108 {
        let mut frame = between(&p(), source, 1);
        frame[6] |= 1;
        world.delivers(0, 5, &frame);
    }
    world.delivers(0, 5, &between(&p(), 100, 1));
    assert_eq!(world.delivers(0, 1, &between(&p(), 1, 100)).len(), 1);
    for source in 100..108 {
        world.delivers(0, 5, &between(&p(), source, 1));
    }
    world.delivers(0, 5, &between(&p(), 120, 1));
    assert_eq!(world.delivers(0, 1, &between(&p(), 1, 120)).len(), 2);
    world.pass(300_000_000_001);
    world.delivers(0, 5, &between(&p(), 120, 1));
    assert_eq!(world.delivers(0, 1, &between(&p(), 1, 120)).len(), 1);
}

fn localnet(key: u16) -> Port {
    Port { host: None, ..port(key, 0) }
}

#[test]
fn a_flood_reaches_each_port_once() {
    let mut net = case2();
    net.ports.extend([app(5, H2, 3), localnet(9)]);
    let mut world = World::new(&net);
    let frame = broadcast(2);
    // From H2: its own ports and its localnet; H1's ports.
    let expected = [left(H2, 5, &frame), left(H2, 9, &frame), left(H1, 1, &frame)];
    assert_eq!(world.delivers(H2, 4, &frame), expected);
    // From the physical network of H2: no localnet port sends it back.
    let expected = [left(H2, 4, &frame), left(H2, 5, &frame), left(H1, 1, &frame)];
    assert_eq!(world.delivers(H2, 9, &frame), expected);
    // A function's broadcast.
    assert_eq!(world.delivers(H1, 2, &frame).len(), 4);
    // Nobody takes it.
    let mut world = World::new(&Net::chained(1, vec![app(1, H1, 1)], &[], 1));
    world.drops(H1, 1, &frame, DropReason::L2Unknown);
}

#[test]
fn a_flood_without_buffers_counts_what_it_leaves_out() {
    let mut net = case1();
    net.ports.extend([app(5, H1, 3), app(6, H1, 4), app(7, H1, 5)]);
    let mut world = World::new(&net);
    let node = &mut world.cold[0];
    node.device.copies = 1;
    let ports: Vec<_> = node
        .process(dash_hal::PortId(1), &broadcast(1), 0)
        .into_iter()
        .map(|(port, _)| port.0)
        .collect();
    assert_eq!(ports, [4, 5]);
    assert_eq!(node.counters().drops(DropReason::NoBuffer), 2);
}

#[test]
fn port_security() {
    let mut net = case1();
    net.ports[0].secured = true;
    net.ports[0].ips = vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    let mut world = World::new(&net);
    assert_eq!(world.delivers(0, 1, &p()), [left(H1, 2, &p())]);
    world.drops(0, 1, &between(&p(), 3, 2), DropReason::SecurityL2);
    let mut forged = p();
    forged[29] = 9;
    world.drops(0, 1, &forged, DropReason::SecurityIp);
    let mut nobody = ipv4(17, [68, 67], 60);
    nobody[26..30].fill(0);
    assert_eq!(world.delivers(0, 1, &nobody).len(), 1);
    nobody[35] = 69;
    world.drops(0, 1, &nobody, DropReason::SecurityIp);
    let (all, own) = ([0xff; 6], mac(1).0);
    let ask = |source, sender| arp(1, [all, source], sender, [192, 0, 2, 2]);
    assert_eq!(world.delivers(0, 1, &ask(own, [192, 0, 2, 1])).len(), 1);
    assert_eq!(world.delivers(0, 1, &ask(own, [0; 4])).len(), 1);
    world.drops(0, 1, &ask(own, [192, 0, 2, 7]), DropReason::SecurityNd);
    let mut forged = ask(own, [192, 0, 2, 1]);
    forged[27] = 9;
    world.drops(0, 1, &forged, DropReason::SecurityNd);
    // What cannot be read may have any address; what is not IP has none.
    let mut cut = p();
    cut[39] = 99;
    world.drops(0, 1, &cut, DropReason::SecurityIp);
    let mut other = p();
    other[12..14].copy_from_slice(&[0x88, 0xb5]);
    assert_eq!(world.delivers(0, 1, &other).len(), 1);
    // A port without it may say anything.
    assert_eq!(world.delivers(0, 4, &between(&r(), 9, 1)).len(), 1);
}

/// Neighbour discovery of this type, from `source` about `target`; both end in these bytes.
fn nd(kind: u8, source: Option<u8>, target: u8) -> Vec<u8> {
    let mut frame = vec![0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0x86, 0xdd];
    let address = |last: Option<u8>| {
        let mut octets = [0; 16];
        if let Some(last) = last {
            octets[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
            octets[15] = last;
        }
        octets
    };
    frame.extend([0x60, 0, 0, 0, 0, 24, 58, 255]);
    frame.extend(address(source));
    frame.extend(address(Some(2)));
    frame.extend([kind, 0, 0, 0, 0, 0, 0, 0]);
    frame.extend(address(Some(target)));
    frame
}

#[test]
fn port_security_of_neighbour_discovery() {
    let mut net = case1();
    net.ports[0].secured = true;
    net.ports[0].ips = vec!["2001:db8::1".parse().unwrap()];
    let mut world = World::new(&net);
    for (frame, fair) in [
        (nd(135, Some(1), 2), true),
        (nd(135, Some(3), 2), false),
        (nd(135, None, 1), true),
        (nd(135, None, 2), false),
        (nd(136, Some(1), 1), true),
        (nd(136, Some(1), 2), false),
        (nd(136, None, 1), false),
        // Only a solicitation of duplicate address detection has no source.
        (nd(133, Some(1), 0), true),
        (nd(133, None, 0), false),
        (nd(134, None, 0), false),
    ] {
        if fair {
            assert_eq!(world.delivers(0, 1, &frame).len(), 1);
        } else {
            world.drops(0, 1, &frame, DropReason::SecurityNd);
        }
    }
}

/// Case 3 with VNF2 as a tap, on host `at`.
fn tapped(at: u16) -> Net {
    let mut net = case3();
    net.groups[1] = OwnedGroup { mode: Mode::Tap, ..net.groups[1].clone() };
    for port in [3, 4] {
        net.ports[port].host = Some(at);
    }
    net
}

#[test]
fn chain_s36() {
    let mut world = World::new(&tapped(H1));
    assert_eq!(world.step(H1, 1, &p()), [left(H1, 2, &p())]);
    // The original goes on to VNF3; the copy to VNF2.
    assert_eq!(world.step(H1, 3, &p()), [left(H1, 6, &p()), left(H1, 4, &p())]);
    assert_eq!(world.step(H1, 6, &r()), [left(H1, 3, &r()), left(H1, 5, &r())]);
    assert_eq!(world.step(H1, 2, &r()).len(), 1);
    for port in [4, 5] {
        world.drops(H1, port, &p(), DropReason::TapReceived);
        world.drops(H1, port, &between(&p(), 1, 9), DropReason::TapReceived);
    }
    world.set_pair_up(1, false);
    assert_eq!(world.step(H1, 3, &p()), [left(H1, 6, &p())]);

    let mut world = World::new(&tapped(H2));
    let out = world.step(H1, 3, &p());
    assert_eq!(out[0], left(H1, 6, &p()));
    assert_eq!((out[1].port, &out[1].frame[54..58]), (UNDERLAY.0, &[0, 3, 0, 4][..]));
    assert_eq!(out[1].frame[58..], p());
    assert_eq!(world.step(H2, UNDERLAY.0, &out[1].frame), [left(H2, 4, &p())]);
}

#[test]
fn a_tap_in_front_of_home_gets_its_copy_first() {
    // The tap is the first group, so in reverse the last.
    let mut net = case2();
    net.ports.extend([port(5, H1), port(6, H1)]);
    net.pairs.push((5, 6, true));
    net.groups.push(OwnedGroup { pairs: vec![1], mode: Mode::Tap, ..Default::default() });
    net.chains = vec![vec![1, 0]];
    let mut world = World::new(&net);
    assert_eq!(world.step(H1, 1, &p()), [left(H1, 2, &p()), left(H1, 5, &p())]);
    let home = world.step(H1, 2, &r());
    assert_eq!(home, [left(H1, UNDERLAY.0, &vector("g3")), left(H1, 6, &r())]);
    // At home here: the frame enters again once its copy has left.
    net.ports[3].host = Some(H1);
    let mut world = World::new(&net);
    assert_eq!(world.step(H1, 2, &r()), [left(H1, 6, &r()), left(H1, 1, &r())]);
}

#[test]
fn a_chain_of_taps_alone_lets_frames_pass() {
    let mut net = case1();
    net.groups[0].mode = Mode::Tap;
    let mut world = World::new(&net);
    assert_eq!(world.step(H1, 1, &p()), [left(H1, 4, &p()), left(H1, 2, &p())]);
    assert_eq!(world.step(H1, 4, &r()), [left(H1, 1, &r()), left(H1, 3, &r())]);
}
