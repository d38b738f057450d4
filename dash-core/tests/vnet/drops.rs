//! Every reason for a drop, once, by its counter's name.

use std::collections::BTreeSet;

use dash_core::pipeline::vnet::DropReason;

use crate::{
    bench::Storage,
    frame::{ACK, Arrival, MORE_FRAGMENTS, Tunnelled, Upper},
    model::{Outcome, Settings},
    policy::{AclRule, Change, InboundRule, Mapping, Owner, Route, UnderlayRoute},
    scene::{
        ANSWER, PEER_VNI, QUESTION, SETTINGS, Scene, acl, answer, eni, inbound_rule, ip, mapping,
        policy, prefix, request,
    },
};

/// Reasons that no frame of this slice can have: no Geneve, NVGRE or GRE is looked into, no rewrite
/// decrements a TTL, nothing enters again and nothing is punted. A frame of more than 65,535 bytes
/// does not fit the tests' buffers. Full tables have tests of their own.
const UNREACHABLE: [&str; 7] = [
    "parse.frame_too_long",
    "ttl_drop",
    "loop_budget_drop",
    "punt_full_drop",
    "tx_full_drop",
    "flow_table_full_drop",
    "flow_limit_drop",
];

fn is_unreachable(name: &str) -> bool {
    let foreign = ["parse.geneve", "parse.gre", "parse.nvgre"];
    UNREACHABLE.contains(&name) || foreign.iter().any(|prefix| name.starts_with(prefix))
}

struct Case {
    name: String,
    changes: Vec<Change>,
    settings: Settings,
    arrival: Arrival,
}

#[derive(Default)]
struct Cases(Vec<Case>);

impl Cases {
    fn add(&mut self, name: impl Into<String>, changes: Vec<Change>, arrival: Arrival) {
        self.0.push(Case { name: name.into(), changes, settings: SETTINGS, arrival });
    }

    /// A plain request, changed.
    fn request(&mut self, name: &str, change: impl FnOnce(&mut Tunnelled)) {
        let mut frame = request("10.0.0.2", QUESTION);
        change(&mut frame);
        self.add(name, vec![], Arrival::new(0, frame.bytes()));
    }

    /// The same over an IPv6 underlay.
    fn request_v6(&mut self, name: &str, change: impl FnOnce(&mut Tunnelled)) {
        self.request(name, |frame| {
            let customer = frame.customer.clone();

            *frame = Tunnelled::new(ip("3ffe::1"), ip("3ffe::100"), frame.vni, customer);
            change(frame);
        });
    }

    /// A plain request, its bytes changed.
    fn bytes(&mut self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = request("10.0.0.2", QUESTION).bytes();
        change(&mut bytes);
        self.add(name, vec![], Arrival::new(0, bytes));
    }
}

/// Offsets in a plain request over IPv4.
const IP: usize = 14;
const OUTER_UDP: usize = 34;
const VXLAN: usize = 42;

fn parse_errors(cases: &mut Cases) {
    cases.bytes("parse.ethernet_truncated", |bytes| bytes.truncate(13));
    cases.bytes("parse.vlan_truncated", |bytes| {
        bytes[12..14].copy_from_slice(&[0x81, 0]);
        bytes.truncate(17);
    });
    cases.bytes("parse.ipv4_truncated", |bytes| bytes.truncate(IP + 19));
    cases.bytes("parse.ipv4_version", |bytes| bytes[IP] = 0x65);
    cases.bytes("parse.ipv4_header_length", |bytes| bytes[IP] = 0x44);
    cases.bytes("parse.ipv4_options_truncated", |bytes| {
        bytes[IP] = 0x4f;
        bytes.truncate(IP + 59);
    });
    cases.bytes("parse.ipv4_total_length_short", |bytes| {
        bytes[IP + 2..IP + 4].copy_from_slice(&[0, 19]);
    });
    cases.request("parse.ipv4_total_length", |frame| frame.outer.length_error = 1);
    cases.request_v6("parse.ipv6_truncated", |frame| {
        // An ethertype of IPv6 over 36 bytes of something else.
        frame.customer.ethertype = Some(0x86dd);
        frame.customer.packet.payload.truncate(8);
    });
    cases.bytes("parse.ipv6_version", |bytes| bytes[12..14].copy_from_slice(&[0x86, 0xdd]));
    cases.request_v6("parse.ipv6_payload_length", |frame| frame.outer.length_error = 1);
    cases.request_v6("parse.ipv6_extension_truncated", |frame| {
        // Destination options of 8 + 8 bytes in 15.
        frame.customer = request("fd00::2", Upper::Other(60)).customer;
        frame.customer.packet.payload = vec![1; 15];
    });
    cases.request_v6("parse.ipv6_extension_count", |frame| frame.outer.extensions = vec![60; 9]);
    cases.request("parse.udp_truncated", |frame| {
        frame.customer.packet.upper = Upper::Other(17);
        frame.customer.packet.payload.truncate(7);
    });
    cases.request("parse.udp_length_short", |frame| {
        frame.customer.packet.udp_length_error = -17;
    });
    cases.request("parse.udp_length", |frame| frame.customer.packet.udp_length_error = 1);
    cases.request("parse.tcp_truncated", |frame| {
        frame.customer.packet.upper = Upper::Other(6);
        frame.customer.packet.payload = vec![0x50; 19];
    });
    cases.request("parse.tcp_data_offset", |frame| {
        frame.customer.packet.upper = Upper::Other(6);
        frame.customer.packet.payload = vec![0x40; 20];
    });
    cases.request("parse.tcp_options_truncated", |frame| {
        frame.customer.packet.upper = Upper::Other(6);
        frame.customer.packet.payload = vec![0x60; 20];
    });
    cases.request("parse.icmpv4_truncated", |frame| {
        frame.customer.packet.upper = Upper::Other(1);
        frame.customer.packet.payload.truncate(3);
    });
    cases.request_v6("parse.icmpv6_truncated", |frame| {
        frame.customer = request("fd00::2", Upper::Other(58)).customer;
        frame.customer.packet.payload.truncate(3);
    });
    // The lengths agree, but 7 bytes are no VXLAN header, and 13 no Ethernet header behind it.
    for (name, length) in [("parse.vxlan_truncated", 7), ("parse.inner_ethernet_truncated", 8 + 13)]
    {
        cases.bytes(name, |bytes| {
            bytes.truncate(VXLAN + length);
            bytes[IP + 3] = 28 + length as u8;
            bytes[OUTER_UDP + 5] = 8 + length as u8;
        });
    }
    cases.request("parse.vxlan_flags", |frame| frame.vxlan_flags = 0xf7);
    cases.bytes("parse.dash_metadata", |bytes| bytes[12..14].copy_from_slice(&[0x87, 0x6d]));
    cases.request("parse.outer_fragment", |frame| frame.outer.fragment = MORE_FRAGMENTS);
    cases.request_v6("parse.outer_extension", |frame| frame.outer.extensions = vec![60]);
    cases.request("parse.inner_options", |frame| frame.customer.packet.options = 1);
    let plain = Arrival::new(0, request("10.0.0.2", QUESTION).bytes());
    let mut cut = Arrival { truncated: true, ..plain };
    // A cut frame breaks its lengths too; that it was cut is what the reader must hear.
    cut.bytes.truncate(60);
    cases.add("parse.truncated_capture", vec![], cut);
}

fn every_frame(cases: &mut Cases) {
    let plain = Arrival::new(0, request("10.0.0.2", QUESTION).bytes());
    let name = "checksum_bad_drop";
    cases.add(name, vec![], Arrival { bad_l3: true, ..plain.clone() });
    cases.add(name, vec![], Arrival { bad_l4: true, ..plain.clone() });
    cases.request("vip_miss_drop", |frame| frame.outer.destination = ip("100.0.0.99"));
    cases.request("vip_miss_drop", |frame| frame.tags = vec![5]);
    cases.bytes("vip_miss_drop", |bytes| bytes[12..14].copy_from_slice(&[0x88, 0xcc]));
    cases.add("vip_miss_drop", vec![], Arrival { stripped_vlan: Some(0), ..plain.clone() });
    cases.request("eni_miss_drop", |frame| frame.customer.source[5] = 9);
    cases.request("eni_miss_drop", |frame| frame.outer.upper = Upper::Udp(1, 4790));
    cases.request("eni_miss_drop", |frame| frame.outer.upper = Upper::Icmp);
    // An unknown VNI is inbound: the destination MAC names the ENI.
    cases.request("eni_miss_drop", |frame| frame.vni = 7);
    let mut down = eni();
    down.enabled = false;
    cases.add("eni_admin_down_drop", vec![Change::Eni(0, Some(down))], plain);
    cases.request("inner_not_ip_drop", |frame| frame.customer.ethertype = Some(0x0806));
    cases.request("inner_not_ip_drop", |frame| frame.customer.tag = Some(5));
    cases.request("fragment_drop", |frame| frame.customer.packet.fragment = 1);
    cases.request("fragment_drop", |frame| {
        // A first fragment that hides its ports.
        frame.customer.packet.fragment = MORE_FRAGMENTS;
        frame.customer.packet.upper = Upper::Other(17);
        frame.customer.packet.payload = vec![0; 7];
    });
    cases.request("fragment_drop", |frame| {
        frame.customer = request("fd00::2", QUESTION).customer;
        frame.customer.packet.fragment_v6 = Some(8);
    });
    cases.request("mtu_drop", |frame| frame.customer.packet.payload = vec![0; 700]);
    let big = Change::Mapping(
        0,
        ip("10.0.0.2"),
        Some(Mapping { v4: None, v6: Some("3ffe::2".parse().unwrap()), ..mapping([0; 4]) }),
    );
    // IPv6 takes 20 bytes more than the IPv4 that was taken off.
    let mut tight = Arrival::new(0, request("10.0.0.2", QUESTION).bytes());
    tight.headroom = 19;
    cases.add("no_headroom_drop", vec![big], tight);
}

fn policy_drops(cases: &mut Cases) {
    let outbound = Arrival::new(0, request("10.0.0.2", QUESTION).bytes());
    let inbound = Arrival::new(0, answer("10.0.0.2", ANSWER).bytes());
    let untrusted = Change::Trusted(Owner::Appliance(0), 100..=499, false);
    let name = "eni_trusted_vni_entry_miss_drop";
    cases.add(name, vec![untrusted.clone()], outbound.clone());
    let other = Change::Trusted(Owner::Eni(1), 100..=100, true);
    cases.add(name, vec![untrusted, other], outbound.clone());
    let deny = || vec![AclRule::any(1, false, true)];
    for stage in 1..=5 {
        cases.add(format!("acl_out_drop.{stage}"), acl(2, stage, deny()), outbound.clone());
        cases.add(format!("acl_in_drop.{stage}"), acl(0, stage, deny()), inbound.clone());
    }
    let v6 = Arrival::new(0, request("fd00::2", QUESTION).bytes());
    cases.add("acl_out_drop.2", acl(3, 2, deny()), v6);
    // No rule matches, and a soft denial that nothing overrides.
    cases.add("acl_out_drop.3", acl(2, 3, vec![]), outbound.clone());
    let mut soft = acl(2, 4, vec![AclRule::any(1, false, false)]);
    let mut value = eni();
    (value.acl[2][0], value.acl[2][3]) = (Some(2), Some(3));
    soft.push(Change::AclGroup(2, Some((false, vec![AclRule::any(1, true, false)]))));
    soft.push(Change::Eni(0, Some(value)));
    cases.add("acl_out_drop.4", soft, outbound.clone());

    let mut alone = eni();
    alone.route_group = None;
    let name = "outbound_routing_group_miss_drop";
    cases.add(name, vec![Change::Eni(0, Some(alone))], outbound.clone());
    cases.add(name, vec![Change::RouteGroup(0, None)], outbound.clone());
    let name = "outbound_routing_group_disabled_drop";
    cases.add(name, vec![Change::RouteGroup(0, Some(true))], outbound.clone());
    cases.add(
        "outbound_routing_entry_miss_drop",
        vec![
            Change::Route(0, prefix("10.0.0.0/24"), None),
            Change::Route(0, prefix("0.0.0.0/0"), None),
        ],
        outbound.clone(),
    );
    let drop = Change::Route(0, prefix("10.0.0.2/32"), Some(Route::Drop));
    cases.add("outbound_routing_drop", vec![drop], outbound.clone());
    let unmapped = Change::Mapping(0, ip("10.0.0.2"), None);
    cases.add("outbound_ca_pa_entry_miss_drop", vec![unmapped], outbound.clone());

    let rules = |rules| vec![Change::Inbound(0, PEER_VNI, false, rules)];
    let name = "inbound_routing_entry_miss_drop";
    cases.add(name, rules(vec![]), inbound.clone());
    cases.add(name, rules(vec![inbound_rule(prefix("100.0.1.0/24"))]), inbound.clone());
    let any = inbound_rule(prefix("0.0.0.0/0"));
    cases.add(name, rules(vec![InboundRule { protocol: 6, ..any.clone() }]), inbound.clone());
    let drop = InboundRule { decap: None, ..any.clone() };
    cases.add("inbound_routing_drop", rules(vec![drop]), inbound.clone());
    let mut validated = rules(vec![InboundRule { decap: Some((None, true)), ..any }]);
    // 100.0.0.2 is a mapping's underlay address; another one is not.
    validated.push(Change::Mapping(0, ip("10.0.0.2"), Some(mapping([100, 0, 0, 3]))));
    validated.push(Change::Mapping(0, ip("fd00::2"), None));
    cases.add("pa_validation_miss_drop", validated, inbound);
    let route = Change::Underlay(prefix("100.0.0.0/24"), Some(UnderlayRoute::Drop));
    cases.add("underlay_drop", vec![route], outbound);
    let middle = Arrival::new(0, request("10.0.0.2", Upper::Tcp(1, 2, ACK)).bytes());
    cases.add("tcp_not_syn_drop", vec![], middle);
    cases.0.last_mut().unwrap().settings.tcp_strict = true;
}

#[test]
fn every_reason_drops_a_frame_and_counts_it_once() {
    let mut cases = Cases::default();
    parse_errors(&mut cases);
    every_frame(&mut cases);
    policy_drops(&mut cases);
    let mut seen = BTreeSet::new();
    for case in &cases.0 {
        let mut storage = Storage::new(8);
        let mut scene = Scene::new(&mut storage, case.settings, &policy());
        scene.change(&case.changes);
        let outcome = scene.arrive(0, &case.arrival);
        assert_eq!(outcome, Outcome::Drop(case.name.clone()));
        assert_eq!(scene.bench.drops(), [(case.name.clone(), 1)].into());
        assert_eq!(scene.bench.enis(), scene.model.enis);
        seen.insert(case.name.clone());
    }
    let all: BTreeSet<String> = DropReason::all().map(|reason| reason.to_string()).collect();
    let missing: Vec<&String> =
        all.difference(&seen).filter(|name| !is_unreachable(name)).collect();
    assert!(missing.is_empty(), "no frame for {missing:?}");
}

/// Received frames never find the queue full, since receive takes no more than it has places; a
/// controller's frames do.
#[test]
fn a_submitted_frame_that_finds_the_queue_full_counts() {
    let mut storage = Storage::new(8);
    let mut scene = Scene::new(&mut storage, SETTINGS, &policy());
    let arrival = Arrival::new(0, request("10.0.0.2", QUESTION).bytes());
    for _ in 0..65 {
        scene.bench.submit(0, &arrival);
    }
    assert_eq!(scene.bench.drops(), [("tx_full_drop".to_owned(), 1)].into());
}

/// The last byte that fits, and the first that does not.
#[test]
fn mtu_and_headroom_are_exact() {
    let mut storage = Storage::new(8);
    let mut scene = Scene::new(&mut storage, SETTINGS, &policy());
    // After the Ethernet header: IP, UDP, VXLAN, Ethernet, IP, UDP; or IP, UDP.
    for (destination, headers) in [("10.0.0.2", 20 + 8 + 8 + 14 + 28), ("8.8.8.8", 28)] {
        for (length, fits) in [(SETTINGS.mtu, true), (SETTINGS.mtu + 1, false)] {
            let mut frame = request(destination, QUESTION);
            frame.customer.packet.payload = vec![0; length - headers];
            let left = matches!(scene.send(0, &frame), Outcome::Frame(..));
            assert_eq!(left, fits, "{destination}, {length} bytes");
        }
    }
    let over_v6 = Mapping { v4: None, v6: Some("3ffe::2".parse().unwrap()), ..mapping([0; 4]) };
    scene.change(&[Change::Mapping(0, ip("10.0.0.2"), Some(over_v6))]);
    // IPv6 takes 20 bytes more than the IPv4 header that was taken off; options give theirs.
    for (options, headroom, fits) in [(0, 20, true), (0, 19, false), (5, 0, true), (4, 3, false)] {
        let mut frame = request("10.0.0.2", Upper::Udp(1000, 54));
        frame.outer.options = options;
        let arrival = Arrival { headroom, ..Arrival::new(0, frame.bytes()) };
        let left = matches!(scene.arrive(0, &arrival), Outcome::Frame(..));
        assert_eq!(left, fits, "{options} words of options, {headroom} bytes of headroom");
    }
}
