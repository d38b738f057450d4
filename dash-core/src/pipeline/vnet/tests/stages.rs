//! Decisions of single stages, and what they tell a trace.

use super::*;

/// "Decision table from doc", and what it leaves out.
#[test]
fn the_acl_decision_table() {
    const PERMIT: (bool, bool) = (true, true);
    const PERMIT_ON: (bool, bool) = (true, false);
    const DENY: (bool, bool) = (false, true);
    const DENY_ON: (bool, bool) = (false, false);
    let first = DropReason::AclOut1;
    let second = DropReason::AclOut2;
    for (one, two, expected) in [
        (PERMIT_ON, PERMIT_ON, None),
        (DENY, PERMIT, Some(first)),
        (PERMIT, DENY, None),
        (PERMIT_ON, DENY, Some(second)),
        (DENY_ON, DENY_ON, Some(second)),
        (DENY_ON, PERMIT_ON, None),
        (DENY_ON, PERMIT, None),
        (PERMIT_ON, DENY_ON, Some(second)),
    ] {
        let mut world = World::new();
        for (group, (permit, terminating)) in [(0, one), (1, two)] {
            let rules = [any_rule(1, permit, terminating)];
            world.writer.set_acl_group(AclGroupId(group), IpVersion::Ipv4, &rules).unwrap();
        }
        let groups = [Some(AclGroupId(0)), Some(AclGroupId(1)), None, None, None];
        world.bind_outbound(groups);
        assert_eq!(world.run(&request()).end.err(), expected, "{one:?} {two:?}");
        // The stage of an answer is its place, whatever stands in front.
        world.bind_outbound([None, groups[0], None, None, None]);
        let alone = (!one.0).then_some(second);
        assert_eq!(world.run(&request()).end.err(), alone);
    }
}

#[test]
fn every_stage_of_each_direction_denies_under_its_own_name() {
    for stage in 1..=5 {
        let mut world = World::new();
        world
            .writer
            .set_acl_group(AclGroupId(0), IpVersion::Ipv4, &[any_rule(1, false, true)])
            .unwrap();
        world.set_eni(|eni| {
            eni.acl.outbound_v4[stage - 1] = Some(AclGroupId(0));
            eni.acl.inbound_v4[stage - 1] = Some(AclGroupId(0));
        });
        let reason = DropReason::acl(Direction::Outbound, stage);
        assert_eq!(world.run(&request()).dropped(), reason);
        assert_eq!(world.run(&inbound()).dropped(), DropReason::acl(Direction::Inbound, stage));
    }
}

#[test]
fn a_bound_group_in_which_nothing_matches_denies_finally() {
    let mut world = World::new();
    world.writer.set_acl_group(AclGroupId(0), IpVersion::Ipv4, &[]).unwrap();
    let permit = [any_rule(1, true, true)];
    world.writer.set_acl_group(AclGroupId(2), IpVersion::Ipv4, &permit).unwrap();
    for (group, answer) in [(0, AclAnswer::NoRule), (3, AclAnswer::NoGroup)] {
        let group = Some(AclGroupId(group));
        world.bind_outbound([group, Some(AclGroupId(2)), None, None, None]);
        assert_eq!(world.run(&request()).dropped(), DropReason::AclOut1);
        let direction = Direction::Outbound;
        assert!(world.events.contains(&Event::Acl { direction, stage: 1, group, answer }));
    }
    // Groups of inbound rules stand behind those of the ACL; no ACL reaches them.
    world.bind_outbound([Some(AclGroupId(CAPACITY.acl.groups as u32)), None, None, None, None]);
    assert_eq!(world.run(&request()).dropped(), DropReason::AclOut1);
}

#[test]
fn vni_of_the_encapsulation_has_its_order() {
    let mut world = World::new();
    let vni = |mapping: Mapping, world: &mut World| {
        world.writer.set_mapping(PEER_VNET, ip("10.1.2.50"), &mapping).unwrap();
        world.run(&request()).pair()[0].rewrite.tunnel.tunnel().vni
    };
    let typed = Mapping { routing_type: RoutingTypeId(3), ..peer() };
    world.writer.set_routing_type(RoutingTypeId(3), 333).unwrap();
    assert_eq!(vni(Mapping { vni: Some(0), ..typed }, &mut world), 0);
    assert_eq!(vni(Mapping { use_dst_vni: true, ..typed }, &mut world), 333);
    world.writer.set_routing_type(RoutingTypeId(3), 0).unwrap();
    assert_eq!(vni(Mapping { use_dst_vni: true, ..typed }, &mut world), PEER_VNI);
    assert_eq!(vni(typed, &mut world), OUTBOUND_VNI);
    world.set_eni(|eni| eni.vm_vni = Some(9));
    world.writer.remove_vnet(VNET).unwrap();
    assert_eq!(vni(typed, &mut world), 9);
}

#[test]
fn vnet_direct_looks_up_its_overlay_ip_and_keeps_the_destination() {
    let mut world = World::new();
    let route = |overlay_ip| Route::VnetDirect { vnet: PEER_VNET, overlay_ip };
    let prefix = cidr("192.168.1.0/24");
    world.writer.set_route(GROUP, prefix, &route(Some(ip("10.1.2.50")))).unwrap();
    let frame = request_to("192.168.1.1", 17, &customer_udp());
    let ran = world.run(&frame);
    assert_eq!(ran.bytes()[30..34], [172, 16, 1, 20]);
    assert_eq!(ran.bytes()[80..84], [192, 168, 1, 1]);
    // An overlay IP may be of the other family.
    world.writer.set_mapping(PEER_VNET, ip("fd00::9"), &peer()).unwrap();
    world.writer.set_route(GROUP, prefix, &route(Some(ip("fd00::9")))).unwrap();
    assert!(world.run(&frame).end.is_ok());
    world.writer.set_route(GROUP, prefix, &route(None)).unwrap();
    assert_eq!(world.run(&frame).dropped(), DropReason::OutboundCaPaEntryMiss);
}

#[test]
fn direct_route_takes_the_underlay_route_of_the_customer_destination() {
    let mut world = World::new();
    world.writer.set_route(GROUP, cidr("8.0.0.0/8"), &Route::Direct).unwrap();
    let out = UnderlayAction::Forward(PortId(3));
    world.writer.set_underlay_route(cidr("8.8.8.0/24"), out).unwrap();
    let ran = world.run(&request_to("8.8.8.8", 17, &customer_udp()));
    let customer = datagram("10.1.1.10", "8.8.8.8", 17, &customer_udp());
    assert_eq!(ran.end, Ok((ip_frame(OTHER_MAC, ENI_MAC, &customer), PortId(3))));
}

#[test]
fn direction_override_chooses_the_mac_of_the_eni() {
    let mut world = World::new();
    for (mac, found) in
        [(MacOverride::None, true), (MacOverride::Source, true), (MacOverride::Destination, false)]
    {
        let entry = DirectionEntry { direction: Direction::Outbound, mac };
        world.writer.set_direction(OUTBOUND_VNI, entry).unwrap();
        assert_eq!(world.run(&request()).end.is_ok(), found, "{mac:?}");
    }
    // Without an entry a VNI is inbound, and the destination names the ENI.
    world.writer.remove_direction(OUTBOUND_VNI).unwrap();
    assert_eq!(world.run(&request()).dropped(), DropReason::EniMiss);
}

#[test]
fn inbound_rules_have_their_order() {
    let mut world = World::new();
    let rule = |priority, prefix, protocol, action| InboundRule {
        priority,
        prefix: cidr(prefix),
        protocol,
        action,
    };
    let pass = InboundAction::Decap { vnet: None, pa_validation: false };
    let validate = InboundAction::Decap { vnet: None, pa_validation: true };
    let mut rules = [
        rule(5, "0.0.0.0/0", 0, InboundAction::Drop),
        rule(4, "172.16.0.0/16", 6, InboundAction::Drop),
        rule(5, "172.16.1.0/24", 0, validate),
        rule(5, "172.16.2.0/24", 0, pass),
    ];
    rules.sort_by(InboundRule::order);
    let rules = rules.each_ref().map(InboundRule::rule);
    world.writer.set_inbound_rules(ENI, PEER_VNI, IpVersion::Ipv4, &rules).unwrap();
    // Of two rules of priority 5 the longer prefix wins; protocol 6 does not match UDP.
    assert!(world.run(&inbound_from("172.16.2.9")).end.is_ok());
    assert_eq!(world.run(&inbound_from("172.16.3.9")).dropped(), DropReason::InboundRouting);
    // Validated against the ENI's VNET, which has no such mapping.
    assert_eq!(world.run(&inbound()).dropped(), DropReason::PaValidationMiss);
}

#[test]
fn pa_prefix_of_the_vni_makes_a_source_valid() {
    let mut world = World::new();
    let frame = inbound_from("172.16.1.77");
    assert_eq!(world.run(&frame).dropped(), DropReason::PaValidationMiss);
    world.writer.add_pa_prefix(PEER_VNI, cidr("172.16.1.64/26")).unwrap();
    assert!(world.run(&frame).end.is_ok());
    let by = Some(ValidBy::Prefix(26));
    let source = ip("172.16.1.77");
    let event = Event::PaValidation { vnet: PEER_VNET, vni: Some(PEER_VNI), source, by };
    assert!(world.events.contains(&event));
    world.writer.remove_pa_prefix(PEER_VNI, cidr("172.16.1.64/26")).unwrap();
    assert_eq!(world.run(&frame).dropped(), DropReason::PaValidationMiss);
}

#[test]
fn eni_trusts_a_vni_of_its_own() {
    let mut world = World::new();
    let appliance = TrustedOwner::Appliance(ApplianceId(0));
    world.writer.remove_trusted_vnis(appliance, 50..=OUTBOUND_VNI).unwrap();
    world.writer.add_trusted_vnis(TrustedOwner::Eni(EniId(2)), 0..=0xff_ffff).unwrap();
    assert_eq!(world.run(&request()).dropped(), DropReason::TrustedVniMiss);
    world.writer.add_trusted_vnis(TrustedOwner::Eni(ENI), OUTBOUND_VNI..=OUTBOUND_VNI).unwrap();
    assert!(world.run(&request()).end.is_ok());
    let by = Some(TrustedBy::Eni);
    assert!(world.events.contains(&Event::TrustedVni { vni: OUTBOUND_VNI, by }));
}

#[test]
fn a_trace_tells_the_stages_in_their_order() {
    let mut world = World::new();
    assert!(world.run(&request()).end.is_ok());
    let names: Vec<_> = world
        .events
        .iter()
        .map(|event| match event {
            Event::Vip { .. } => "vip",
            Event::Direction { .. } => "direction",
            Event::Eni { .. } => "eni",
            Event::Key(_) => "key",
            Event::TrustedVni { .. } => "trusted",
            Event::Acl { .. } => "acl",
            Event::RouteGroup { .. } => "group",
            Event::Route { .. } => "route",
            Event::Mapping { .. } => "mapping",
            Event::Vni { .. } => "vni",
            Event::InboundRule { .. } => "inbound",
            Event::PaValidation { .. } => "pa",
            Event::Compiled { .. } => "compiled",
            Event::Underlay { .. } => "underlay",
        })
        .collect();
    let expected = [
        "vip",
        "direction",
        "eni",
        "key",
        "trusted",
        "acl",
        "acl",
        "acl",
        "acl",
        "acl",
        "group",
        "route",
        "mapping",
        "vni",
        "compiled",
        "underlay",
    ];
    assert_eq!(names, expected);
}

/// The tables ACL1 to ACL3 of the seed "VNET to VNET", and its three rows.
#[test]
fn the_seeds_example_of_three_access_lists() {
    let (tenth, eleventh) = ([cidr("10.0.0.10/32")], [cidr("10.0.0.11/32")]);
    let block = |destinations| acl::Rule { destinations, ..any_rule(1, false, true) };
    let allow = |terminating| any_rule(2, true, terminating);
    let mut world = World::new();
    world.writer.set_route(GROUP, cidr("10.0.0.0/24"), &Route::Vnet(PEER_VNET)).unwrap();
    world.writer.set_mapping(PEER_VNET, ip("10.0.0.2"), &peer()).unwrap();
    let groups = [
        vec![block(&tenth), allow(false)],
        vec![block(&eleventh), allow(false)],
        vec![allow(true)],
    ];
    for (group, rules) in (0..).zip(&groups) {
        world.writer.set_acl_group(AclGroupId(group), IpVersion::Ipv4, rules).unwrap();
    }
    let bound = [0, 1, 2].map(|group| Some(AclGroupId(group)));
    world.bind_outbound([bound[0], bound[1], bound[2], None, None]);
    for (destination, stages, dropped) in [
        ("10.0.0.10", vec![false], Some(DropReason::AclOut1)),
        ("10.0.0.11", vec![true, false], Some(DropReason::AclOut2)),
        ("10.0.0.2", vec![true, true, true], None),
    ] {
        let ran = world.run(&request_to(destination, 17, &customer_udp()));
        assert_eq!(ran.end.err(), dropped, "{destination}");
        // The rule of each stage is there for `explain`.
        let said: Vec<_> = world
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Acl { answer: AclAnswer::Rule { priority, action }, .. } => {
                    assert_eq!(*priority == 2, action.permit);
                    Some(action.permit)
                }
                _ => None,
            })
            .collect();
        assert_eq!(said, stages, "{destination}");
    }
}

#[test]
fn rules_count_the_frames_that_they_are_the_first_to_match() {
    let mut world = World::new();
    world.vnet = {
        let enis = Box::leak(vec![EniCounters::ZERO; CAPACITY.enis].into_boxed_slice());
        let rules = Box::leak(vec![Traffic::ZERO; 3].into_boxed_slice());
        Vnet::new(world.writer.policy(), enis, Settings::default()).count_rules(rules)
    };
    let counted = |rule: acl::Rule<'static>, counter| acl::Rule {
        value: AclAction::from_value(rule.value).counted(RuleCounterId(counter)),
        ..rule
    };
    let on = counted(any_rule(1, true, false), 0);
    // What no packet reaches, and what names no counter.
    let rules = [on, counted(any_rule(2, false, true), 1)];
    world.writer.set_acl_group(AclGroupId(0), IpVersion::Ipv4, &rules).unwrap();
    let rules = [counted(any_rule(1, true, true), 2)];
    world.writer.set_acl_group(AclGroupId(1), IpVersion::Ipv4, &rules).unwrap();
    let rules = [counted(any_rule(1, true, false), 3), any_rule(2, true, true)];
    world.writer.set_acl_group(AclGroupId(2), IpVersion::Ipv4, &rules).unwrap();
    let group = |number| Some(AclGroupId(number));
    world.bind_outbound([group(0), group(2), group(1), None, None]);
    let frame = request();
    for _ in 0..2 {
        assert!(world.run(&frame).end.is_ok());
    }
    let twice = Traffic { packets: 2, bytes: 2 * frame.len() as u64 };
    assert_eq!(world.vnet.rule_counters(), [twice, Traffic::ZERO, twice]);
    // A rule that denies counts too; one that is not asked does not.
    let rules = [counted(any_rule(1, false, true), 1)];
    world.writer.set_acl_group(AclGroupId(0), IpVersion::Ipv4, &rules).unwrap();
    assert_eq!(world.run(&frame).dropped(), DropReason::AclOut1);
    let once = Traffic { packets: 1, bytes: frame.len() as u64 };
    world.vnet.reset_rule_counter(RuleCounterId(0));
    assert_eq!(world.vnet.rule_counters(), [Traffic::ZERO, once, twice]);
    // The largest number is no counter; the action is what it was.
    let action = AclAction { permit: true, terminating: false };
    for number in [0, (1 << 30) - 2, (1 << 30) - 1, u32::MAX] {
        assert_eq!(AclAction::from_value(action.counted(RuleCounterId(number))), action);
    }
    assert_eq!(action.counted(RuleCounterId((1 << 30) - 1)), action.value());
}
