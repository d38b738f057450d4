//! Literal frames: those of the behavioural model's tests, and the same over an IPv6 underlay.

use super::*;
use crate::rewrite::{Endpoints, Flags};

const OUTBOUND_OUTER: [u8; 50] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0x00, //
    0x45, 0x00, 0x00, 0x88, 0x00, 0x01, 0x00, 0x00, 0x40, 0x11, 0x1f, 0xcc, //
    0xac, 0x10, 0x01, 0x64, 0xac, 0x10, 0x01, 0x14, //
    0x00, 0x00, 0x12, 0xb5, 0x00, 0x74, 0x00, 0x00, //
    0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x64, 0x00,
];

const INBOUND_OUTER: [u8; 50] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0x00, //
    0x45, 0x00, 0x00, 0x88, 0x00, 0x01, 0x00, 0x00, 0x40, 0x11, 0x63, 0x4f, //
    0x0a, 0x01, 0x01, 0x01, 0x0a, 0x0a, 0x02, 0x0a, //
    0x00, 0x00, 0x12, 0xb5, 0x00, 0x74, 0x00, 0x00, //
    0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00,
];

fn customer(destination: EthernetAddress) -> Vec<u8> {
    let payload = datagram("10.1.1.10", "10.1.2.50", 17, &customer_udp());
    ip_frame(destination, ENI_MAC, &payload)
}

#[test]
fn outbound_frame_of_the_model() {
    let mut world = World::new();
    let ran = world.run(&vxlan("172.16.1.1", "172.16.1.100", 100, &customer(OTHER_MAC)));
    let expected = [&OUTBOUND_OUTER[..], &customer(PEER_MAC)].concat();
    assert_eq!(ran.bytes(), expected);
    assert_eq!(ran.end.unwrap().1, PortId(0));
}

#[test]
fn inbound_frame_of_the_model() {
    let mut world = World::new();
    let appliance = Appliance { sip: v4("10.1.1.1"), vm_vni: 2, ..appliance() };
    world.writer.set_appliance(ApplianceId(0), &appliance).unwrap();
    let mac = EthernetAddress([0, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa]);
    world.set_eni(|eni| {
        eni.mac = mac;
        eni.underlay_ip = ip("10.10.2.10");
    });
    let ran = world.run(&vxlan("172.16.1.20", "10.1.1.1", PEER_VNI, &customer(mac)));
    let expected = [&INBOUND_OUTER[..], &customer(mac)].concat();
    assert_eq!(ran.bytes(), expected);
}

#[test]
fn outbound_over_ipv6_keeps_the_dscp() {
    let mut world = World::new();
    let appliance = Appliance { sip_v6: Some(v6("2001:db8::100")), ..appliance() };
    world.writer.set_appliance(ApplianceId(0), &appliance).unwrap();
    let both = Underlay::Both(v4("172.16.1.20"), v6("2001:db8::20"));
    let mapping = Mapping { underlay: both, vni: Some(0x12_3456), ..peer() };
    world.writer.set_mapping(PEER_VNET, ip("10.1.2.50"), &mapping).unwrap();
    let mut frame = vxlan("2001:db8::1", "2001:db8::100", 100, &customer(OTHER_MAC));
    // DSCP 46, ECN 1: the ECN is not copied.
    frame[14..16].copy_from_slice(&[0x6b, 0x90]);
    let ran = world.run(&frame);
    let mut expected = std::vec![0; 12];
    expected.extend([0x86, 0xdd, 0x6b, 0x80, 0, 0, 0, 116, 17, 64]);
    expected.extend(v6("2001:db8::100").octets());
    expected.extend(v6("2001:db8::20").octets());
    expected.extend([0, 0, 0x12, 0xb5, 0, 116, 0, 0]);
    expected.extend([8, 0, 0, 0, 0x12, 0x34, 0x56, 0]);
    expected.extend(customer(PEER_MAC));
    assert_eq!(ran.bytes(), expected);

    let over_v4 = world.run(&vxlan("172.16.1.1", "172.16.1.100", 100, &customer(OTHER_MAC)));
    assert_eq!(over_v4.bytes()[26..34], [172, 16, 1, 100, 172, 16, 1, 20]);
}

#[test]
fn ipv6_customer_passes() {
    let mut world = World::new();
    world.writer.set_route(GROUP, cidr("fd00::/64"), &Route::Vnet(PEER_VNET)).unwrap();
    world.writer.set_mapping(PEER_VNET, ip("fd00::2"), &peer()).unwrap();
    let customer = datagram("fd00::1", "fd00::2", 17, &customer_udp());
    let inner = ip_frame(OTHER_MAC, ENI_MAC, &customer);
    let ran = world.run(&vxlan("172.16.1.1", "172.16.1.100", 100, &inner));
    assert_eq!(ran.bytes()[50..], ip_frame(PEER_MAC, ENI_MAC, &customer));
    assert_eq!(ran.key.unwrap().destination(), ip("fd00::2"));
}

#[test]
fn padding_is_cut_before_encap_and_direct_output() {
    let mut world = World::new();
    world.writer.set_route(GROUP, cidr("8.0.0.0/8"), &Route::Direct).unwrap();
    for (destination, mac, outer) in [("10.1.2.50", PEER_MAC, 50), ("8.8.8.8", OTHER_MAC, 0)] {
        let payload = datagram("10.1.1.10", destination, 17, &udp(1, 2, b"x"));
        let mut inner = ip_frame(OTHER_MAC, ENI_MAC, &payload);
        inner.resize(60, 0xee);
        let mut frame = vxlan("172.16.1.1", "172.16.1.100", 100, &inner);
        frame.extend([0xff; 7]);
        let ran = world.run(&frame);
        assert_eq!(ran.bytes()[outer..], ip_frame(mac, ENI_MAC, &payload));
    }
}

#[test]
fn reverse_of_an_outbound_frame_leads_to_the_vm() {
    let mut world = World::new();
    world.set_eni(|eni| eni.vm_vni = Some(7));
    let ran = world.run(&request());
    let [forward, reverse] = ran.pair();
    assert_eq!(forward.key, ran.key.unwrap());
    assert_eq!(reverse.key, forward.key.reverse());
    assert_eq!(reverse.key.direction(), Direction::Inbound);
    assert_eq!(reverse.timeouts.idle, 30_000);
    assert_eq!(reverse.rewrite.tunnel.tunnel().vni, 7);
    let endpoints = Endpoints::V4 { source: v4("172.16.1.100"), destination: v4("172.16.1.1") };
    assert_eq!(reverse.rewrite.tunnel.tunnel().endpoints, endpoints);
    assert!(!reverse.rewrite.flags.contains(Flags::DESTINATION_MAC));
}

#[test]
fn reverse_of_an_inbound_frame_leads_back() {
    let mut world = World::new();
    let [forward, reverse] = world.run(&inbound()).pair();
    assert!(!forward.rewrite.flags.contains(Flags::DESTINATION_MAC));
    assert_eq!(forward.rewrite.tunnel.tunnel().vni, OUTBOUND_VNI);
    assert_eq!(reverse.rewrite.tunnel.tunnel().vni, PEER_VNI);
    assert_eq!(reverse.rewrite.destination_mac, PEER_MAC.into());
    assert!(reverse.rewrite.flags.contains(Flags::DESTINATION_MAC));
    let endpoints = Endpoints::V4 { source: v4("172.16.1.100"), destination: v4("172.16.1.20") };
    assert_eq!(reverse.rewrite.tunnel.tunnel().endpoints, endpoints);
}

#[test]
fn source_is_the_vip_of_the_own_appliance_not_the_one_hit() {
    let mut world = World::new();
    let other = Appliance { sip: v4("172.16.2.100"), ..appliance() };
    world.writer.set_appliance(ApplianceId(5), &other).unwrap();
    let mut frame = request();
    frame[30..34].copy_from_slice(&[172, 16, 2, 100]);
    assert_eq!(world.run(&frame).bytes()[26..30], [172, 16, 1, 100]);
    // An appliance that does not exist: the VIP that the frame was sent to.
    world.set_eni(|eni| eni.appliance = ApplianceId(9));
    assert_eq!(world.run(&frame).bytes()[26..30], [172, 16, 2, 100]);
}

#[test]
fn no_answer_is_remembered_when_it_has_no_way_back() {
    let mut world = World::new();
    world.set_eni(|eni| eni.underlay_ip = ip("2001:db8::1"));
    let ran = world.run(&request());
    assert!(ran.end.is_ok());
    assert!(matches!(ran.install, Install::None));
}

#[test]
fn answer_over_ipv6_without_sip_v6_comes_from_the_vip_that_was_hit() {
    let mut world = World::new();
    let other =
        Appliance { sip: v4("172.16.2.100"), sip_v6: Some(v6("2001:db8::200")), ..appliance() };
    world.writer.set_appliance(ApplianceId(1), &other).unwrap();
    let rule = InboundRule {
        prefix: cidr("2001:db8::/32"),
        action: InboundAction::Decap { vnet: None, pa_validation: false },
        ..inbound_rule()
    };
    world.writer.set_inbound_rules(ENI, PEER_VNI, IpVersion::Ipv6, &[rule.rule()]).unwrap();
    let inner = datagram("10.1.2.50", "10.1.1.10", 17, &customer_udp());
    let inner = ip_frame(ENI_MAC, PEER_MAC, &inner);
    let ran = world.run(&vxlan("2001:db8::7", "2001:db8::200", PEER_VNI, &inner));
    // To the VM over IPv4, from the own appliance's VIP.
    assert_eq!(ran.bytes()[26..34], [172, 16, 1, 100, 172, 16, 1, 1]);
    let endpoints = Endpoints::V6 { source: v6("2001:db8::200"), destination: v6("2001:db8::7") };
    assert_eq!(ran.pair()[1].rewrite.tunnel.tunnel().endpoints, endpoints);
}
