//! Each reason to drop, by a frame.

use dash_hal::ReceiveFlags;

use super::*;
use crate::{pipeline::Refusal, wire::ParseError};

/// Drops `frame`, and counts it where it belongs.
fn expect(world: &mut World, frame: &[u8], reason: DropReason, eni_known: bool) {
    expect_with(world, frame, ReceiveMetadata::default(), reason, eni_known);
}

fn expect_with(
    world: &mut World,
    frame: &[u8],
    metadata: ReceiveMetadata,
    reason: DropReason,
    eni_known: bool,
) {
    let before = *world.vnet.eni_counters(ENI).unwrap();
    let all = world.vnet.drops().count(reason);
    assert_eq!(world.run_with(frame, metadata).dropped(), reason);
    assert_eq!(world.vnet.drops().count(reason), all + 1);
    let after = world.vnet.eni_counters(ENI).unwrap();
    let count = u64::from(eni_known);
    assert_eq!(after.drops.count(reason), before.drops.count(reason) + count);
    assert_eq!(after.rx().packets, before.rx().packets + count);
    assert_eq!(after.tx(), before.tx());
}

#[test]
fn before_any_table() {
    let mut world = World::new();
    let world = &mut world;
    let truncated = ReceiveMetadata { flags: ReceiveFlags::TRUNCATED, ..ReceiveMetadata::NONE };
    expect_with(world, &request(), truncated, DropReason::TruncatedCapture, false);
    let metadata = ethernet(OTHER_MAC, OTHER_MAC, 0x876d, &[0; 50]);
    expect(world, &metadata, DropReason::DashMetadata, false);
    let mut fragment = request();
    fragment[20] = 0x20;
    expect(world, &fragment, DropReason::OuterFragment, false);
    let options = datagram("2001:db8::1", "2001:db8::2", 0, &[59, 0, 1, 4, 0, 0, 0, 0]);
    expect(world, &ip_frame(OTHER_MAC, OTHER_MAC, &options), DropReason::OuterExtension, false);
    let mut flags = request();
    flags[42] = 0;
    expect(world, &flags, DropReason::Parse(ParseError::VxlanFlags), false);
    expect(world, &request()[..13], DropReason::Parse(ParseError::EthernetTruncated), false);
    let mut inner = datagram("10.1.1.10", "10.1.2.50", 1, &[0; 12]);
    inner[0] = 0x46;
    let inner = ip_frame(OTHER_MAC, ENI_MAC, &inner);
    let frame = vxlan("172.16.1.1", "172.16.1.100", OUTBOUND_VNI, &inner);
    expect(world, &frame, DropReason::InnerOptions, false);
    for found in [ReceiveFlags::L3_BAD, ReceiveFlags::L3_GOOD | ReceiveFlags::L4_BAD] {
        let bad = ReceiveMetadata { flags: found, ..ReceiveMetadata::NONE };
        expect_with(world, &request(), bad, DropReason::ChecksumBad, false);
        // What is malformed is found first.
        expect_with(world, &flags, bad, DropReason::Parse(ParseError::VxlanFlags), false);
    }
}

#[test]
fn vip_and_eni() {
    let mut world = World::new();
    let world = &mut world;
    let mut frame = request();
    frame[33] = 99;
    expect(world, &frame, DropReason::VipMiss, false);
    let mut tagged = request();
    tagged.splice(12..12, [0x81, 0, 0, 5]);
    expect(world, &tagged, DropReason::VipMiss, false);
    let stripped =
        ReceiveMetadata { flags: ReceiveFlags::VLAN_STRIPPED, vlan: 5, ..ReceiveMetadata::NONE };
    expect_with(world, &request(), stripped, DropReason::VipMiss, false);
    expect(world, &ethernet(OTHER_MAC, OTHER_MAC, 0x88cc, &[0; 46]), DropReason::VipMiss, false);
    let plain = datagram("172.16.1.1", "172.16.1.100", 17, &udp(1, 53, b""));
    expect(world, &ip_frame(OTHER_MAC, OTHER_MAC, &plain), DropReason::EniMiss, false);
    let mut stranger = request();
    stranger[61] = 0xee;
    expect(world, &stranger, DropReason::EniMiss, false);
    world.set_eni(|eni| eni.enabled = false);
    expect(world, &request(), DropReason::EniAdminDown, true);
    // The frame is not looked into before the admin state.
    let arp = ethernet(OTHER_MAC, ENI_MAC, 0x0806, &[0; 28]);
    let arp = vxlan("172.16.1.1", "172.16.1.100", OUTBOUND_VNI, &arp);
    expect(world, &arp, DropReason::EniAdminDown, true);
    world.set_eni(|_| ());
    expect(world, &arp, DropReason::InnerNotIp, true);
}

#[test]
fn customer_frame() {
    let mut world = World::new();
    let world = &mut world;
    let mut inner = ip_frame(OTHER_MAC, ENI_MAC, &datagram("10.1.1.10", "10.1.2.50", 1, &[0; 8]));
    inner.splice(12..12, [0x81, 0, 0, 5]);
    let tagged = vxlan("172.16.1.1", "172.16.1.100", OUTBOUND_VNI, &inner);
    expect(world, &tagged, DropReason::InnerNotIp, true);
    let mut later = request();
    later[71] = 1;
    expect(world, &later, DropReason::Fragment, true);
    let mut first = request();
    first[70] = 0x20;
    assert!(world.run(&first).end.is_ok());
    // An atomic fragment is none.
    world.writer.set_route(GROUP, cidr("fd00::/64"), &Route::Vnet(PEER_VNET)).unwrap();
    world.writer.set_mapping(PEER_VNET, ip("fd00::2"), &peer()).unwrap();
    let fragment = |offset: u8| {
        let payload = [&[17, 0, 0, offset, 0, 0, 0, 1][..], &udp(5, 6, b"")].concat();
        let inner = ip_frame(OTHER_MAC, ENI_MAC, &datagram("fd00::1", "fd00::2", 44, &payload));
        vxlan("172.16.1.1", "172.16.1.100", OUTBOUND_VNI, &inner)
    };
    expect(world, &fragment(8), DropReason::Fragment, true);
    assert!(world.run(&fragment(1)).end.is_ok());
    let ran = world.run(&fragment(0));
    assert_eq!(ran.key.unwrap().destination_port(), 6);
    assert!(ran.end.is_ok());
}

#[test]
fn slow_path() {
    let mut world = World::new();
    let world = &mut world;
    let mut stranger = inbound();
    stranger[48] = PEER_VNI as u8 + 1;
    expect(world, &stranger, DropReason::InboundRoutingEntryMiss, true);
    stranger[47] = 1;
    expect(world, &stranger, DropReason::TrustedVniMiss, true);
    expect(world, &inbound_from("172.16.1.21"), DropReason::PaValidationMiss, true);
    expect(world, &inbound_from("172.16.2.20"), DropReason::InboundRoutingEntryMiss, true);
    let drop = InboundRule { action: InboundAction::Drop, ..inbound_rule() };
    world.writer.set_inbound_rules(ENI, PEER_VNI, IpVersion::Ipv4, &[drop.rule()]).unwrap();
    expect(world, &inbound(), DropReason::InboundRouting, true);

    expect(world, &request_to("10.9.9.9", 1, &[0; 8]), DropReason::OutboundRoutingEntryMiss, true);
    expect(world, &request_to("10.1.2.51", 1, &[0; 8]), DropReason::OutboundCaPaEntryMiss, true);
    world.writer.set_route(GROUP, cidr("10.1.2.0/25"), &Route::Drop).unwrap();
    expect(world, &request(), DropReason::OutboundRouting, true);
    world.writer.set_route_group(GROUP, RouteGroup { disabled: true }).unwrap();
    expect(world, &request(), DropReason::OutboundRoutingGroupDisabled, true);
    world.writer.remove_route_group(GROUP).unwrap();
    expect(world, &request(), DropReason::OutboundRoutingGroupMiss, true);
    world.set_eni(|eni| eni.route_group = None);
    expect(world, &request(), DropReason::OutboundRoutingGroupMiss, true);
}

#[test]
fn underlay() {
    let mut world = World::new();
    let world = &mut world;
    world.writer.set_underlay_route(cidr("172.16.1.20/32"), UnderlayAction::Drop).unwrap();
    expect(world, &request(), DropReason::Underlay, true);
    let v6_only = Mapping { underlay: Underlay::V6(v6("2001:db8::20")), ..peer() };
    world.writer.set_mapping(PEER_VNET, ip("10.1.2.50"), &v6_only).unwrap();
    // There is no VIP of IPv6.
    expect(world, &request(), DropReason::Underlay, true);
}

#[test]
fn tcp_strict_wants_a_pure_syn_before_any_policy() {
    let mut world = World::new();
    world.writer.remove_trusted_vnis(TrustedOwner::Appliance(ApplianceId(0)), 50..=100).unwrap();
    world.vnet.settings.tcp_strict = true;
    for flags in [0, 0x12, 0x10, 0x03, 0x04] {
        let frame = request_to("10.1.2.50", 6, &tcp(flags));
        expect(&mut world, &frame, DropReason::TcpNotSyn, true);
    }
    // ECN set-up (RFC 3168) is part of opening a connection.
    for frame in [tcp(0x02), tcp(0xc2)].map(|tcp| request_to("10.1.2.50", 6, &tcp)) {
        expect(&mut world, &frame, DropReason::TrustedVniMiss, true);
    }
    expect(&mut world, &request(), DropReason::TrustedVniMiss, true);
    world.vnet.settings.tcp_strict = false;
    expect(&mut world, &request_to("10.1.2.50", 6, &tcp(0x10)), DropReason::TrustedVniMiss, true);
}

#[test]
fn refusals_of_the_engine() {
    for (refusal, reason) in [
        (Refusal::TooBig, DropReason::Mtu),
        (Refusal::NoHeadroom, DropReason::NoHeadroom),
        (Refusal::Ttl, DropReason::Ttl),
        (Refusal::TxFull, DropReason::TxFull),
        (Refusal::LoopBudget, DropReason::LoopBudget),
        (Refusal::PuntFull, DropReason::PuntFull),
    ] {
        assert_eq!(DropReason::from(refusal), reason);
    }
}
