//! Any bytes as a frame from the wire, or wrapped as a customer frame in a valid tunnel, twice and
//! once more after a change of policy: no panic, one end for each frame, the same end as the
//! independent model of the tests says, and outer headers that a receiver accepts.
#![no_main]
// The tests use more of these modules.
#![allow(dead_code)]

#[path = "../../dash-core/tests/vnet/bench.rs"]
mod bench;
#[path = "../../dash-core/tests/vnet/frame.rs"]
mod frame;
#[path = "../../dash-core/tests/vnet/model.rs"]
mod model;
#[path = "../../dash-core/tests/vnet/parse.rs"]
mod parse;
#[path = "../../dash-core/tests/vnet/policy.rs"]
mod policy;
#[path = "../../dash-core/tests/vnet/scene.rs"]
mod scene;

use libfuzzer_sys::fuzz_target;

use bench::Storage;
use frame::{Arrival, Packet, Upper, VXLAN_PORT, internet_checksum};
use model::{Outcome, Settings};
use policy::{AclRule, Change, InboundRule, Owner, Route, UnderlayRoute};
use scene::{FAKE_MAC, MAPPED_MAC, PEER_VNI, SETTINGS, Scene, VM_MAC, VM_VNI, ip, mapping, prefix};

/// The policy of the named tests with everything else that a frame can meet.
fn everything() -> Vec<Change> {
    let mut both = mapping([100, 0, 0, 3]);
    both.v6 = Some("3ffe::3".parse().unwrap());
    let mut foreign = mapping([100, 0, 0, 4]);
    (foreign.vni, foreign.mac) = (Some(300), [0; 6]);
    let mut typed = mapping([172, 16, 0, 1]);
    (typed.routing_type, typed.use_dst_vni) = (1, true);
    let mut eni = scene::eni();
    eni.acl = [
        [Some(0), Some(1), None, None, None],
        [None, Some(2), None, None, None],
        [None, None, Some(1), None, Some(3)],
        [None, None, None, None, None],
    ];
    let mut own = AclRule::any(1, true, true);
    own.source_tags = vec![0];
    let mut web = AclRule::any(2, true, false);
    (web.protocols, web.destination_ports) = (vec![6, 17], vec![80..=80, 1000..=2000]);
    let mut ping = AclRule::any(3, false, true);
    ping.protocols = vec![1];
    let any = AclRule::any;
    let rule = |priority, text, protocol, decap| InboundRule {
        priority,
        prefix: prefix(text),
        protocol,
        decap,
    };
    let mut changes = scene::policy();
    changes.extend([
        Change::Vnet(1, Some(200)),
        Change::RoutingType(1, Some(700)),
        Change::Mapping(0, ip("10.0.0.3"), Some(both)),
        Change::Mapping(0, ip("10.0.0.4"), Some(foreign)),
        Change::Mapping(1, ip("20.0.0.1"), Some(typed)),
        Change::Route(0, prefix("20.0.0.0/24"), Some(Route::VnetDirect(1, Some(ip("20.0.0.1"))))),
        Change::Route(0, prefix("20.0.0.128/25"), Some(Route::Drop)),
        Change::Route(0, prefix("::/0"), Some(Route::Direct)),
        Change::Trusted(Owner::Eni(0), 5000..=5000, true),
        Change::Tag(0, prefix("10.0.0.0/24"), true),
        Change::AclGroup(0, Some((false, vec![own, web.clone(), any(9, false, false)]))),
        Change::AclGroup(1, Some((false, vec![ping, any(9, true, false)]))),
        Change::AclGroup(2, Some((true, vec![any(9, true, true)]))),
        Change::AclGroup(3, Some((false, vec![web, any(9, true, true)]))),
        Change::Eni(0, Some(eni)),
        Change::Inbound(
            0,
            PEER_VNI,
            false,
            vec![
                rule(1, "100.0.0.0/24", 17, Some((Some(1), true))),
                rule(1, "100.0.0.2/32", 0, Some((None, true))),
                rule(2, "172.16.0.0/16", 0, None),
                rule(3, "0.0.0.0/0", 6, Some((None, false))),
            ],
        ),
        Change::Inbound(0, PEER_VNI, true, vec![rule(1, "3ffe::/16", 0, Some((None, true)))]),
        Change::Pa(200, prefix("100.0.0.0/30"), true),
        Change::Underlay(prefix("100.0.0.3/32"), Some(UnderlayRoute::Port(2))),
        Change::Underlay(prefix("172.16.0.0/16"), Some(UnderlayRoute::Drop)),
        Change::Underlay(prefix("2001:db8::/32"), Some(UnderlayRoute::Port(3))),
    ]);
    changes
}

/// Four bytes that say what is around the rest, and the frame that they make of it.
fn wrap(control: [u8; 4], rest: &[u8]) -> Vec<u8> {
    let [flags, vni, tos, source] = control;
    let (inbound, v6, macs) = (flags & 2 != 0, flags & 4 != 0, flags & 16 == 0);
    let usual = if inbound { PEER_VNI } else { VM_VNI };
    let vni = if vni < 0xe0 { usual } else { [7, 200, 5000, 0xff_ffff][usize::from(vni & 3)] };
    let mut payload = vec![0x08, 0, 0, 0];
    payload.extend((vni << 8).to_be_bytes());
    if macs {
        // The bytes are then an IP packet; its version chooses the ethertype.
        let [to, from] = if inbound { [VM_MAC, MAPPED_MAC] } else { [FAKE_MAC, VM_MAC] };
        payload.extend(to.iter().chain(&from));
        let v6 = rest.first().is_some_and(|byte| byte >> 4 == 6);
        payload.extend(if v6 { [0x86, 0xdd] } else { [0x08, 0x00] });
    }
    payload.extend(rest);
    let [from, vip] = if v6 {
        [format!("3ffe::{}", source & 7), "3ffe::100".into()]
    } else {
        [format!("100.0.0.{}", source & 7), "100.0.0.100".into()]
    };
    let mut outer = Packet::new(ip(&from), ip(&vip), Upper::Udp(7, VXLAN_PORT));
    (outer.tos, outer.payload) = (tos, payload);
    let mut bytes = vec![2; 12];
    bytes.extend(outer.ethertype().to_be_bytes());
    bytes.extend(outer.bytes());
    bytes
}

/// A frame that left is a part of the received one, or is wrapped in headers of ours.
fn check_output(received: &[u8], sent: &[u8]) {
    if received.windows(sent.len()).any(|part| part == sent) {
        return;
    }
    let parsed = parse::parse(&Arrival::new(0, sent.to_vec())).expect("a frame that parses");
    let inner = parsed.tunnel.expect("a VXLAN frame");
    assert_eq!(inner.frame.len() + inner.offset, sent.len(), "no trailer");
    assert!(!parsed.tagged && inner.ip.is_some());
    if sent[12..14] == [0x08, 0x00] {
        assert_eq!(internet_checksum(&sent[14..34]), 0, "outer IPv4 checksum");
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((control, rest)) = data.split_first_chunk::<4>() else { return };
    let flags = control[0];
    let bytes = if flags & 1 == 0 { rest.to_vec() } else { wrap(*control, rest) };
    // What a buffer of the tests holds behind its headroom.
    if bytes.len() > 850 {
        return;
    }
    let settings = Settings { tcp_strict: flags & 8 != 0, ..SETTINGS };
    let mut storage = Storage::new(8);
    let mut scene = Scene::new(&mut storage, settings, &everything());
    let arrival = Arrival::new(1, bytes);
    for turn in 0..3 {
        if turn == 2 {
            scene.change(&[Change::Vnet(2, Some(9))]);
        }
        // That a frame has one end, and that it is the model's, is asserted inside.
        if let Outcome::Frame(_, sent) = scene.arrive(turn, &arrival) {
            check_output(&arrival.bytes, &sent);
        }
    }
    let dropped: u64 = scene.bench.drops().values().sum();
    assert_eq!(scene.model.frames_in, scene.model.frames_out + dropped);
    assert_eq!(scene.bench.enis(), scene.model.enis);
    assert_eq!(scene.bench.live(2), scene.model.live(2));
});
