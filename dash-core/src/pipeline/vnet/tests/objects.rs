//! Objects and transactions.

use super::*;
use crate::table::TableError;

/// Which ENIs a transaction of these changes touches.
fn touched(world: &mut World, change: impl FnOnce(&mut PolicyWriter<'static>)) -> Vec<u16> {
    let policy = world.writer.policy();
    let epochs = || (0..CAPACITY.enis as u16).map(|id| policy.epoch(EniId(id)));
    let before: Vec<_> = epochs().collect();
    change(&mut world.writer);
    assert!(epochs().eq(before.iter().copied()), "not before the commit");
    world.writer.commit();
    epochs().zip(before).zip(0..).filter(|((new, old), _)| new != old).map(|(_, id)| id).collect()
}

const ALL: [u16; CAPACITY.enis] = [0, 1, 2, 3];

/// ENI 1 as in [`World`], ENI 2 with route group 2 and ACL group 2.
fn two_enis() -> World {
    let mut world = World::new();
    let mut other = Eni { mac: OTHER_MAC, route_group: Some(RouteGroupId(2)), ..eni() };
    other.acl.inbound_v6[4] = Some(AclGroupId(2));
    world.writer.set_eni(EniId(2), &other).unwrap();
    world.writer.commit();
    world
}

#[test]
fn a_change_touches_the_enis_that_it_concerns() {
    let world = &mut two_enis();
    let set_2 = |writer: &mut PolicyWriter<'static>| {
        let route = Route::Direct;
        writer.set_route(RouteGroupId(2), cidr("1.0.0.0/8"), &route).unwrap();
    };
    assert_eq!(touched(world, set_2), [2]);
    assert_eq!(touched(world, set_2), [], "it is there already");
    assert_eq!(touched(world, |w| w.remove_route(GROUP, cidr("10.1.2.0/24")).unwrap()), [1]);
    assert_eq!(touched(world, |w| w.remove_route(GROUP, cidr("10.1.2.0/24")).unwrap()), []);
    let permit = [any_rule(1, true, true)];
    let acl = AclGroupId(2);
    assert_eq!(touched(world, |w| w.set_acl_group(acl, IpVersion::Ipv6, &permit).unwrap()), [2]);
    let bound = Err(PolicyError::AclGroupBound);
    assert_eq!(touched(world, |w| assert_eq!(w.remove_acl_group(acl), bound)), []);
    assert_eq!(touched(world, |w| w.remove_acl_group(AclGroupId(1)).unwrap()), []);
    assert_eq!(touched(world, |w| w.set_eni(ENI, &eni()).unwrap()), []);
    let down = Eni { enabled: false, ..eni() };
    assert_eq!(touched(world, |w| w.set_eni(ENI, &down).unwrap()), [1]);
    let own = TrustedOwner::Eni(ENI);
    assert_eq!(touched(world, |w| w.add_trusted_vnis(own, 1..=2).unwrap()), [1]);
    assert_eq!(touched(world, |w| w.add_trusted_vnis(own, 1..=2).unwrap()), []);
    assert_eq!(touched(world, |w| w.remove_trusted_vnis(own, 1..=2).unwrap()), [1]);
    assert_eq!(touched(world, |w| w.remove_trusted_vnis(own, 1..=2).unwrap()), []);
    assert_eq!(touched(world, |w| w.remove_inbound_rules(ENI, PEER_VNI).unwrap()), [1]);
    assert_eq!(touched(world, |w| w.remove_inbound_rules(ENI, PEER_VNI).unwrap()), []);
    assert_eq!(touched(world, |w| w.set_vnet(VNET, OUTBOUND_VNI).unwrap()), []);
    assert_eq!(touched(world, |w| w.set_vnet(VNET, 5).unwrap()), ALL);
    let customer = ip("10.1.2.50");
    assert_eq!(touched(world, |w| w.set_mapping(PEER_VNET, customer, &peer()).unwrap()), []);
    assert_eq!(touched(world, |w| w.remove_mapping(PEER_VNET, customer).unwrap()), ALL);
    assert_eq!(touched(world, |w| w.remove_mapping(PEER_VNET, customer).unwrap()), []);
    assert_eq!(touched(world, |w| w.set_appliance(ApplianceId(0), &appliance()).unwrap()), []);
    assert_eq!(touched(world, |w| w.remove_appliance(ApplianceId(0)).unwrap()), ALL);
    let prefix = cidr("1.2.0.0/16");
    assert_eq!(touched(world, |w| w.add_pa_prefix(7, prefix).unwrap()), ALL);
    assert_eq!(touched(world, |w| w.add_pa_prefix(7, prefix).unwrap()), []);
    assert_eq!(touched(world, |w| w.remove_pa_prefix(7, prefix).unwrap()), ALL);
    assert_eq!(touched(world, |w| w.add_tag_prefix(TagId(1), prefix).unwrap()), ALL);
    assert_eq!(touched(world, |w| w.set_routing_type(RoutingTypeId(1), 4).unwrap()), ALL);
    assert_eq!(touched(world, |w| w.remove_routing_type(RoutingTypeId(1)).unwrap()), ALL);
    assert_eq!(touched(world, |w| w.remove_routing_type(RoutingTypeId(1)).unwrap()), []);
}

#[test]
fn underlay_routes_have_a_generation_and_leave_epochs_alone() {
    let world = &mut World::new();
    let policy = world.writer.policy();
    let first = policy.underlay_generation();
    assert_ne!(first, 0);
    let set = |w: &mut PolicyWriter<'static>| {
        w.set_underlay_route(cidr("1.0.0.0/8"), UnderlayAction::Forward(PortId(1))).unwrap();
    };
    assert_eq!(touched(world, set), []);
    let second = policy.underlay_generation();
    assert_ne!(second, first);
    assert_eq!(touched(world, set), []);
    assert_eq!(policy.underlay_generation(), second);
    assert_eq!(policy.underlay_route(ip("1.2.3.4")), Some(UnderlayAction::Forward(PortId(1))));
    assert_eq!(policy.underlay_route_length(ip("1.2.3.4")), Some(8));
    assert_eq!(policy.underlay_route(ip("::102:304")), None, "IPv4 and IPv6 are apart");
}

#[test]
fn an_eni_that_is_made_again_never_meets_an_old_epoch() {
    let mut world = World::new();
    let policy = world.writer.policy();
    let mut seen = std::vec![policy.epoch(ENI)];
    let key = world.run(&request()).key.unwrap();
    for _ in 0..3 {
        world.writer.remove_eni(ENI).unwrap();
        world.writer.commit();
        assert_eq!(world.vnet.epoch(&key), None);
        world.writer.set_eni(ENI, &eni()).unwrap();
        world.writer.commit();
        let epoch = world.vnet.epoch(&key).unwrap();
        assert!(!seen.contains(&epoch));
        seen.push(epoch);
    }
}

#[test]
fn a_mac_address_moves_between_enis_in_any_order() {
    let mut world = World::new();
    let policy = world.writer.policy();
    world.writer.set_eni(EniId(2), &eni()).unwrap();
    world.writer.remove_eni(ENI).unwrap();
    assert_eq!(policy.eni_by_mac(ENI_MAC).unwrap().id, EniId(2));
    world.writer.set_eni(EniId(2), &Eni { mac: OTHER_MAC, ..eni() }).unwrap();
    assert_eq!(policy.eni_by_mac(ENI_MAC), None);
    assert_eq!(policy.eni_by_mac(OTHER_MAC).unwrap().id, EniId(2));
}

#[test]
fn eni_comes_back_as_it_was_set() {
    let mut world = World::new();
    let mut full = Eni {
        enabled: false,
        underlay_ip: ip("2001:db8::5"),
        vm_vni: Some(0xff_ffff),
        route_group: None,
        ..eni()
    };
    full.acl.inbound_v6 = core::array::from_fn(|stage| Some(AclGroupId(stage as u32)));
    full.acl.outbound_v4[2] = Some(AclGroupId(7));
    world.writer.set_eni(ENI, &full).unwrap();
    assert_eq!(world.writer.policy().eni(ENI), Some(full));
}

#[test]
fn vips_are_shared_and_go_with_their_last_appliance() {
    let mut world = World::new();
    let policy = world.writer.policy();
    let both = Appliance { sip_v6: Some(v6("2001:db8::100")), ..appliance() };
    world.writer.set_appliance(ApplianceId(1), &both).unwrap();
    world.writer.remove_appliance(ApplianceId(0)).unwrap();
    assert!(policy.is_vip(ip("172.16.1.100")) && policy.is_vip(ip("2001:db8::100")));
    let moved = Appliance { sip: v4("172.16.1.101"), ..appliance() };
    world.writer.set_appliance(ApplianceId(1), &moved).unwrap();
    assert!(!policy.is_vip(ip("172.16.1.100")) && !policy.is_vip(ip("2001:db8::100")));
    assert!(policy.is_vip(ip("172.16.1.101")));
    world.writer.set_appliance(ApplianceId(0), &both).unwrap();
    let third =
        world.writer.set_appliance(ApplianceId(9), &Appliance { sip: v4("9.9.9.9"), ..both });
    assert_eq!(third, Err(PolicyError::Table(TableError::Full)));
    assert!(!policy.is_vip(ip("9.9.9.9")));
}

#[test]
fn underlay_of_a_mapping_is_valid_as_long_as_one_has_it() {
    let mut world = World::new();
    let policy = world.writer.policy();
    let shared = ip("172.16.1.20");
    world.writer.set_mapping(PEER_VNET, ip("10.1.2.51"), &peer()).unwrap();
    world.writer.remove_mapping(PEER_VNET, ip("10.1.2.50")).unwrap();
    assert!(policy.is_mapping_underlay(PEER_VNET, shared));
    assert!(!policy.is_mapping_underlay(VNET, shared));
    let both = Underlay::Both(v4("172.16.1.21"), v6("2001:db8::21"));
    let moved = Mapping { underlay: both, ..peer() };
    world.writer.set_mapping(PEER_VNET, ip("10.1.2.51"), &moved).unwrap();
    assert!(!policy.is_mapping_underlay(PEER_VNET, shared));
    assert!(policy.is_mapping_underlay(PEER_VNET, ip("172.16.1.21")));
    assert!(policy.is_mapping_underlay(PEER_VNET, ip("2001:db8::21")));
    assert_eq!(policy.mapping(PEER_VNET, ip("10.1.2.51")), Some(moved));
    world.writer.remove_mapping(PEER_VNET, ip("10.1.2.51")).unwrap();
    assert!(!policy.is_mapping_underlay(PEER_VNET, ip("2001:db8::21")));
}

#[test]
fn a_mapping_that_finds_no_place_leaves_no_valid_underlay() {
    let mut world = World::new();
    for host in 1..CAPACITY.mappings as u8 {
        let customer = IpAddress::v4(10, 0, 0, host);
        world.writer.set_mapping(VNET, customer, &peer()).unwrap();
    }
    let stray = Mapping { underlay: Underlay::V4(v4("6.6.6.6")), ..peer() };
    let refused = world.writer.set_mapping(VNET, ip("10.0.0.200"), &stray);
    assert_eq!(refused, Err(PolicyError::Table(TableError::Full)));
    assert!(!world.writer.policy().is_mapping_underlay(VNET, ip("6.6.6.6")));
}

#[test]
fn trusted_ranges_may_overlap() {
    let mut world = World::new();
    let policy = world.writer.policy();
    let owner = TrustedOwner::Appliance(ApplianceId(1));
    world.writer.add_trusted_vnis(owner, 96..=127).unwrap();
    world.writer.remove_trusted_vnis(TrustedOwner::Appliance(ApplianceId(0)), 50..=100).unwrap();
    let trusted: Vec<u32> = (0..200).filter(|vni| policy.is_trusted(*vni)).collect();
    assert!(trusted.iter().copied().eq(96..=127));
    world.writer.remove_trusted_vnis(owner, 96..=127).unwrap();
    assert!(!(0..200).any(|vni| policy.is_trusted(vni)));
}

#[test]
fn numbers_out_of_range_are_refused() {
    let mut world = World::new();
    let writer = &mut world.writer;
    let too_large = Err(PolicyError::Table(TableError::CapacityTooLarge));
    let end = CAPACITY.route_groups as u16;
    let (prefix, direct) = (cidr("0.0.0.0/0"), Route::Direct);
    assert_eq!(writer.set_route(RouteGroupId(end), prefix, &direct), too_large);
    assert_eq!(writer.remove_route(RouteGroupId(end), prefix), too_large);
    assert_eq!(writer.set_route_group(RouteGroupId(end), RouteGroup::default()), too_large);
    let eni_end = EniId(CAPACITY.enis as u16);
    assert_eq!(writer.set_eni(eni_end, &eni()), too_large);
    assert_eq!(writer.add_trusted_vnis(TrustedOwner::Eni(eni_end), 1..=1), too_large);
    let group = AclGroupId(CAPACITY.acl.groups as u32);
    assert_eq!(writer.set_acl_group(group, IpVersion::Ipv4, &[]), too_large);
    assert_eq!(writer.set_vnet(VNET, 1 << 24), Err(PolicyError::VniTooLarge));
    assert_eq!(
        writer.add_trusted_vnis(TrustedOwner::Eni(ENI), 1..=1 << 24),
        Err(PolicyError::VniTooLarge)
    );
    #[allow(clippy::reversed_empty_ranges)]
    let empty = writer.add_trusted_vnis(TrustedOwner::Eni(ENI), 2..=1);
    assert_eq!(empty, Err(PolicyError::EmptyRange));
    let small = &region(&CAPACITY)[1..];
    let refused = PolicyWriter::new(small, &CAPACITY, [1, 2], Readers::new(&[]));
    assert_eq!(refused.err(), Some(PolicyError::Table(TableError::StorageTooSmall)));
}

#[test]
fn disordered_inbound_rules_are_refused() {
    let mut world = World::new();
    let [a, b] = [("1.0.0.0/8", 1), ("1.1.0.0/16", 1)].map(|(prefix, priority)| InboundRule {
        prefix: cidr(prefix),
        priority,
        ..inbound_rule()
    });
    let mut set =
        |version, rules: &[acl::Rule<'_>]| world.writer.set_inbound_rules(ENI, 5, version, rules);
    assert_eq!(set(IpVersion::Ipv4, &[b.rule(), a.rule()]), Ok(()));
    assert_eq!(set(IpVersion::Ipv4, &[a.rule(), b.rule()]), Err(PolicyError::Disordered));
    assert_eq!(set(IpVersion::Ipv6, &[a.rule()]), Err(PolicyError::Disordered));
    assert_eq!(set(IpVersion::Ipv4, &[any_rule(1, true, true)]), Err(PolicyError::Disordered));
}

#[test]
fn sets_of_rules_and_prefixes_are_used_again() {
    let mut world = World::new();
    let rule = inbound_rule();
    for vni in 0..50 {
        world.writer.set_inbound_rules(ENI, vni, IpVersion::Ipv4, &[rule.rule()]).unwrap();
        world.writer.remove_inbound_rules(ENI, vni).unwrap();
        world.writer.add_pa_prefix(vni, rule.prefix).unwrap();
        world.writer.remove_pa_prefix(vni, rule.prefix).unwrap();
    }
    // Each of the four pairs of ENI and VNI may have rules of both IP versions; `World` has one set.
    for vni in 0..7 {
        world.writer.set_inbound_rules(ENI, vni, IpVersion::Ipv4, &[rule.rule()]).unwrap();
    }
    let refused = world.writer.set_inbound_rules(ENI, 9, IpVersion::Ipv4, &[rule.rule()]);
    assert_eq!(refused, Err(PolicyError::Table(TableError::Full)));
}

#[test]
fn a_route_that_is_replaced_gives_its_record_back() {
    let mut world = World::new();
    for third in 0..3 * CAPACITY.overlay_routes as u8 {
        let prefix = IpCidr::new(IpAddress::v4(10, 0, third, 0), 24);
        let overlay_ip = Some(ip("1.1.1.1"));
        let route = Route::VnetDirect { vnet: VNET, overlay_ip };
        world.writer.set_route(GROUP, prefix, &route).unwrap();
        let plain = Route::VnetDirect { vnet: VNET, overlay_ip: None };
        world.writer.set_route(GROUP, prefix, &plain).unwrap();
        world.writer.set_route(GROUP, prefix, &route).unwrap();
        world.writer.remove_route(GROUP, prefix).unwrap();
    }
}

#[test]
fn prefixes_of_a_vni_go_one_by_one() {
    let mut world = World::new();
    let policy = world.writer.policy();
    let (long, short) = (cidr("1.2.3.0/24"), cidr("1.2.0.0/16"));
    world.writer.add_pa_prefix(7, long).unwrap();
    world.writer.add_pa_prefix(7, short).unwrap();
    assert_eq!(policy.pa_length(7, ip("1.2.3.4")), Some(24));
    world.writer.remove_pa_prefix(7, long).unwrap();
    assert_eq!(policy.pa_length(7, ip("1.2.3.4")), Some(16));
    assert_eq!(policy.pa_length(8, ip("1.2.3.4")), None);
}

#[test]
fn an_empty_policy_takes_no_place_and_answers_nothing() {
    let capacity = Capacity::NONE;
    let writer =
        PolicyWriter::new(region(&capacity), &capacity, [1, 2], Readers::new(&[])).unwrap();
    let policy = writer.policy();
    assert!(!policy.is_vip(ip("1.2.3.4")));
    assert_eq!(policy.eni_by_mac(ENI_MAC), None);
    assert_eq!(policy.route(GROUP, ip("1.2.3.4")), None);
    assert_eq!(policy.epoch(ENI), 0);
}

#[test]
fn rules_that_find_no_place_leave_none() {
    let mut world = World::new();
    let rule = InboundRule { prefix: cidr("2001:db8::/32"), ..inbound_rule() };
    let many = std::vec![rule.rule(); 3000];
    let refused = world.writer.set_inbound_rules(ENI, 9, IpVersion::Ipv6, &many);
    assert_eq!(refused, Err(PolicyError::Table(TableError::Full)));
    let v4 = inbound_rule();
    world.writer.set_inbound_rules(ENI, 8, IpVersion::Ipv4, &[v4.rule()]).unwrap();
    let policy = world.writer.policy();
    assert_eq!(policy.inbound_rule(ENI, 8, ip("2001:db8::1"), 6), None);
    assert_eq!(policy.inbound_rule(ENI, 9, ip("2001:db8::1"), 6), None);
    assert_eq!(policy.inbound_rule(ENI, 8, ip("172.16.1.1"), 6), Some((1, v4.action)));
}
