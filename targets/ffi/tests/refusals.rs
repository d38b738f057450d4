//! What the library refuses, each with its code, and that nothing is changed by it.
#![allow(clippy::borrow_as_ptr)]

mod world;

use std::ptr;

use dash::{dash_status_t::*, *};
use world::{
    CAPACITY, Core, Frame, Memory, OFFLOAD, OK, Policy,
    configuration::{acl_group, eni, mapping, prefix, remove, route, rules, set, v4, with_all},
    received, zeroed,
};

/// What creating a policy answers with a changed configuration.
fn create_policy(change: impl FnOnce(&mut dash_policy_config_t)) -> dash_status_t {
    // The regions of a policy that is gone.
    let mut policy = Policy::new(CAPACITY);
    let mut config = policy.config;
    // SAFETY: a handle.
    assert_eq!(unsafe { dash_policy_destroy(policy.handle) }, OK);
    policy.handle = ptr::null_mut();
    change(&mut config);
    let mut handle = ptr::dangling_mut();
    // SAFETY: pointers to the stated types.
    let status = unsafe { dash_policy_create(&config, &mut handle) };
    if status == OK {
        policy.handle = handle;
    } else if status != DASH_BAD_VERSION {
        assert!(handle.is_null());
    }
    status
}

fn shifted(region: dash_region_t, by: usize) -> dash_region_t {
    let memory = region.memory.cast::<u8>().wrapping_add(by).cast();
    dash_region_t { memory, bytes: region.bytes - by }
}

const NOWHERE: dash_region_t = dash_region_t { memory: ptr::null_mut(), bytes: 1 << 30 };

#[test]
fn sizes() {
    let mut sizes = dash_sizes_t::default();
    // SAFETY: pointers to the stated types, NULL or misaligned.
    unsafe {
        assert_eq!(dash_sizes(ptr::null(), 0, &mut sizes), DASH_NULL);
        assert_eq!(dash_sizes(&CAPACITY, 0, ptr::null_mut()), DASH_NULL);
        let odd = ptr::from_ref(&CAPACITY).cast::<u8>().wrapping_add(1).cast();
        assert_eq!(dash_sizes(odd, 0, &mut sizes), DASH_MISALIGNED);
        assert_eq!(dash_sizes(&CAPACITY, u32::MAX, &mut sizes), DASH_OUT_OF_RANGE);
        let old = dash_capacity_t { abi_version: 0, ..CAPACITY };
        assert_eq!(dash_sizes(&old, 0, &mut sizes), DASH_BAD_VERSION);
        let short = dash_capacity_t { struct_size: 8, ..CAPACITY };
        assert_eq!(dash_sizes(&short, 0, &mut sizes), DASH_BAD_VERSION);
        let many = dash_capacity_t { cores: 65, ..CAPACITY };
        assert_eq!(dash_sizes(&many, 0, &mut sizes), DASH_OUT_OF_RANGE);
    }
}

#[test]
fn regions_of_a_policy() {
    assert_eq!(create_policy(|_| {}), OK);
    assert_eq!(create_policy(|config| config.abi_version = 1), DASH_BAD_VERSION);
    assert_eq!(create_policy(|config| config.struct_size += 8), DASH_BAD_VERSION);
    assert_eq!(create_policy(|config| config.capacity = ptr::null()), DASH_NULL);
    assert_eq!(create_policy(|config| config.policy = NOWHERE), DASH_NULL);
    assert_eq!(create_policy(|config| config.policy_words.memory = ptr::null_mut()), DASH_NULL);
    let odd = |region: &mut dash_region_t| *region = shifted(*region, 1);
    assert_eq!(create_policy(|config| odd(&mut config.policy)), DASH_MISALIGNED);
    assert_eq!(create_policy(|config| odd(&mut config.policy_words)), DASH_MISALIGNED);
    assert_eq!(create_policy(|config| config.policy.bytes = 64), DASH_TOO_SMALL);
    assert_eq!(create_policy(|config| config.policy_words.bytes = 64), DASH_TOO_SMALL);
    let mut both = Memory::new(dash_layout_t { bytes: 1 << 20, alignment: 64 });
    let overlap = create_policy(|config| {
        config.policy = both.region();
        config.policy_words = shifted(both.region(), 64);
    });
    assert_eq!(overlap, DASH_OVERLAP);
    let wrap = create_policy(|config| {
        config.policy_words = dash_region_t {
            memory: ptr::without_provenance_mut(usize::MAX - 3),
            bytes: usize::MAX,
        };
    });
    assert_eq!(wrap, DASH_OVERLAP);
    both.fill(0xa5);
    assert_eq!(create_policy(|config| config.policy = both.region()), DASH_BAD_HANDLE);
    // SAFETY: NULL.
    unsafe {
        assert_eq!(dash_policy_create(ptr::null(), &mut ptr::null_mut()), DASH_NULL);
        let policy = Policy::new(CAPACITY);
        assert_eq!(dash_policy_create(&policy.config, ptr::null_mut()), DASH_NULL);
        assert_eq!(dash_policy_create(&policy.config, &mut ptr::null_mut()), DASH_IN_USE);
    }
}

/// What creating a second core answers with a changed configuration.
fn create_core(
    first: &Core,
    second: &Core,
    change: impl FnOnce(&mut dash_core_config_t, &dash_core_config_t),
) -> dash_status_t {
    let mut config = second.config;
    change(&mut config, &first.config);
    let mut handle = ptr::dangling_mut();
    // SAFETY: pointers to the stated types; `second` is destroyed, its regions are there.
    let status = unsafe { dash_core_create(&config, &mut handle) };
    if status == OK {
        // SAFETY: a handle.
        assert_eq!(unsafe { dash_core_destroy(handle) }, OK);
    } else if status != DASH_BAD_VERSION {
        assert!(handle.is_null());
    }
    status
}

#[test]
fn regions_of_a_core() {
    let policy = Policy::new(dash_capacity_t { cores: 2, ..CAPACITY });
    let first = Core::new(&policy, 0, 16);
    let mut second = Core::new(&policy, 1, 16);
    // SAFETY: a handle.
    unsafe {
        assert_eq!(dash_core_create(&second.config, &mut ptr::null_mut()), DASH_IN_USE);
        assert_eq!(dash_core_destroy(second.handle), OK);
        assert_eq!(dash_core_destroy(second.handle), DASH_BAD_HANDLE);
        assert_eq!(dash_core_create(ptr::null(), &mut ptr::null_mut()), DASH_NULL);
        assert_eq!(dash_core_create(&second.config, ptr::null_mut()), DASH_NULL);
    }
    second.handle = ptr::null_mut();
    let create = |change: fn(&mut dash_core_config_t, &dash_core_config_t)| {
        create_core(&first, &second, change)
    };
    assert_eq!(create(|_, _| {}), OK);
    assert_eq!(create(|config, _| config.abi_version = 0), DASH_BAD_VERSION);
    assert_eq!(create(|config, _| config.struct_size = 0), DASH_BAD_VERSION);
    assert_eq!(create(|config, _| config.policy = ptr::null_mut()), DASH_NULL);
    assert_eq!(create(|config, _| config.callbacks.now = None), DASH_NULL);
    assert_eq!(create(|config, _| config.callbacks.send = None), DASH_NULL);
    assert_eq!(create(|config, _| config.callbacks.release = None), DASH_NULL);
    assert_eq!(create(|config, _| config.mtu = ptr::null()), DASH_NULL);
    // Of the optional ones, those of the hardware come together.
    assert_eq!(create(|config, _| config.callbacks.offload = OFFLOAD), OK);
    let none = dash_flow_offload_t::default();
    for some in [
        dash_flow_offload_t { offer: None, ..OFFLOAD },
        dash_flow_offload_t { hits: None, ..OFFLOAD },
        dash_flow_offload_t { withdraw: None, ..OFFLOAD },
        dash_flow_offload_t { offer: OFFLOAD.offer, ..none },
        dash_flow_offload_t { hits: OFFLOAD.hits, ..none },
        dash_flow_offload_t { withdraw: OFFLOAD.withdraw, ..none },
    ] {
        let status = create_core(&first, &second, |config, _| config.callbacks.offload = some);
        assert_eq!(status, DASH_NULL);
    }
    assert_eq!(create(|config, _| config.tcp_strict = 2), DASH_BAD_VALUE);
    assert_eq!(create(|config, _| config.when_full = DASH_FULL_EVICT), OK);
    assert_eq!(create(|config, _| config.when_full = 3), DASH_BAD_VALUE);
    assert_eq!(create(|config, _| config.number = 0), DASH_IN_USE);
    assert_eq!(create(|config, _| config.number = 2), DASH_OUT_OF_RANGE);
    assert_eq!(create(|config, _| config.flows = u32::MAX), DASH_OUT_OF_RANGE);
    assert_eq!(create(|config, _| config.flows = 1 << 20), DASH_TOO_SMALL);
    assert_eq!(create(|config, _| config.core = NOWHERE), DASH_NULL);
    assert_eq!(
        create(|config, _| config.flow_slots = shifted(config.flow_slots, 8)),
        DASH_MISALIGNED
    );
    assert_eq!(create(|config, _| config.flow_buckets = NOWHERE), DASH_NULL);
    assert_eq!(create(|config, _| config.eni_counters.bytes = 8), DASH_TOO_SMALL);
    // With its own regions, with those of another core, with those of the policy.
    assert_eq!(create(|config, _| config.flow_buckets = config.flow_slots), DASH_OVERLAP);
    assert_eq!(create(|config, first| config.flow_slots = first.flow_slots), DASH_OVERLAP);
    assert_eq!(create(|config, first| config.eni_counters = first.flow_slots), DASH_OVERLAP);
    assert_eq!(create(|config, first| config.core = first.core), DASH_OVERLAP);
    let words = policy.config.policy_words;
    assert_eq!(create_core(&first, &second, |config, _| config.eni_counters = words), DASH_OVERLAP);
    // A handle of the other kind.
    assert_eq!(create(|config, first| config.policy = first.core.memory.cast()), DASH_BAD_HANDLE);
    // None of that took the number.
    assert_eq!(create(|_, _| {}), OK);
}

#[test]
fn handles() {
    let mut policy = Policy::new(CAPACITY);
    let mut core = Core::new(&policy, 0, 16);
    let (mut taken, mut counters) = (0, dash_flow_counters_t::default());
    // SAFETY: pointers to the stated types, NULL, misaligned, or handles of the other kind.
    unsafe {
        assert_eq!(dash_core_destroy(ptr::null_mut()), DASH_NULL);
        assert_eq!(dash_policy_destroy(ptr::null_mut()), DASH_NULL);
        assert_eq!(dash_core_tick(core.handle.wrapping_byte_add(1), 1), DASH_MISALIGNED);
        assert_eq!(dash_core_tick(policy.handle.cast(), 1), DASH_BAD_HANDLE);
        assert_eq!(dash_policy_destroy(core.handle.cast()), DASH_BAD_HANDLE);
        assert_eq!(dash_policy_destroy(policy.handle), DASH_IN_USE);
        assert_eq!(dash_core_destroy(core.handle), OK);
        assert_eq!(dash_core_tick(core.handle, 1), DASH_BAD_HANDLE);
        assert_eq!(dash_core_flow_counters(core.handle, &mut counters), DASH_BAD_HANDLE);
        assert_eq!(dash_core_process(core.handle, ptr::null(), 0, &mut taken), DASH_BAD_HANDLE);
        // The same places serve again.
        assert_eq!(dash_core_create(&core.config, &mut core.handle), OK);
        assert_eq!(dash_core_destroy(core.handle), OK);
        assert_eq!(dash_policy_destroy(policy.handle), OK);
        assert_eq!(dash_policy_destroy(policy.handle), DASH_BAD_HANDLE);
        assert_eq!(dash_core_create(&core.config, &mut core.handle), DASH_BAD_HANDLE);
        assert_eq!(dash_policy_create(&policy.config, &mut policy.handle), OK);
    }
    core.handle = ptr::null_mut();
}

#[test]
fn a_callback_that_calls_back() {
    let policy = Policy::new(CAPACITY);
    assert_eq!(with_all(|changes| policy.apply(changes)).0, OK);
    let core = Core::new(&policy, 0, 16);
    core.with(|caller| caller.calls_back = Some(core.handle));
    let frame = Frame::new(&received()[2]);
    assert_eq!(core.process(&[frame.frame]), (OK, 1));
    assert_eq!(core.with(|caller| caller.answers.clone()), [DASH_REENTERED]);
    assert_eq!(core.with(|caller| caller.sent.len()), 1);
    core.with(|caller| caller.calls_back = None);
}

#[test]
fn frames() {
    let policy = Policy::new(CAPACITY);
    let core = Core::new(&policy, 0, 16);
    let good = Frame::new(&received()[2]);
    let refused = |change: fn(&mut dash_frame_t)| {
        let bad = Frame::new(&received()[2]);
        // The frames in front of it are processed.
        let (status, taken) = core.process(&[good.frame, bad.set(change), good.frame]);
        assert_eq!(taken, 1);
        status
    };
    assert_eq!(refused(|frame| frame.memory = ptr::null_mut()), DASH_NULL);
    assert_eq!(refused(|frame| frame.held = 1), DASH_IN_USE);
    assert_eq!(refused(|frame| frame.length += 1), DASH_BAD_FRAME);
    assert_eq!(refused(|frame| frame.offset = usize::MAX), DASH_BAD_FRAME);
    assert_eq!(refused(|frame| frame.capacity = usize::MAX), DASH_BAD_FRAME);
    assert_eq!(refused(|frame| frame.flags = 1 << 15), DASH_BAD_FRAME);
    assert_eq!(
        refused(|frame| frame.flags = DASH_FRAME_L3_GOOD | DASH_FRAME_L3_BAD),
        DASH_BAD_FRAME
    );
    assert_eq!(core.process(&[ptr::null_mut()]), (DASH_NULL, 0));
    // Twice in one burst.
    assert_eq!(core.process(&[good.frame, good.frame]), (DASH_IN_USE, 1));
    let taken_before = core.with(|caller| caller.released);
    let mut taken = 0;
    // SAFETY: pointers to the stated types, NULL, or a misaligned one.
    unsafe {
        let frames = [good.frame];
        assert_eq!(dash_core_process(core.handle, frames.as_ptr(), 1, ptr::null_mut()), DASH_NULL);
        assert_eq!(dash_core_process(core.handle, ptr::null(), 1, &mut taken), DASH_NULL);
        let huge = usize::MAX / 4;
        let status = dash_core_process(core.handle, frames.as_ptr(), huge, &mut taken);
        assert_eq!(status, DASH_BAD_VALUE);
    }
    assert_eq!(core.with(|caller| caller.released), taken_before);
    // What a NIC knows counts.
    let bad = good.set(|frame| frame.flags = DASH_FRAME_L4_BAD);
    assert_eq!(core.process(&[bad]), (OK, 1));
    let cut = good.set(|frame| frame.flags = DASH_FRAME_TRUNCATED);
    assert_eq!(core.process(&[cut]), (OK, 1));
    let drops = core.drops();
    for reason in ["checksum_bad_drop", "parse.truncated_capture"] {
        assert!(drops.contains(&(reason.to_owned(), 1)), "{drops:?}");
    }
}

#[test]
fn arrays_that_are_too_short() {
    let policy = Policy::new(CAPACITY);
    let core = Core::new(&policy, 0, 16);
    let frame = Frame::new(&received()[2]);
    let mut counts = [0; DASH_DROP_REASONS];
    let mut name = [0; DASH_NAME_BYTES];
    let mut counters = dash_eni_counters_t::default();
    let mut explanation = dash_explanation_t::default();
    // SAFETY: pointers to as many of the stated types, or NULL.
    unsafe {
        let drops = counts.as_mut_ptr();
        assert_eq!(dash_core_drops(core.handle, drops, 3), DASH_TOO_SMALL);
        assert_eq!(dash_core_drops(core.handle, ptr::null_mut(), 1000), DASH_NULL);
        assert_eq!(dash_core_eni_counters(core.handle, 0, &mut counters, drops, 3), DASH_TOO_SMALL);
        assert_eq!(
            dash_core_eni_counters(core.handle, 2, &mut counters, ptr::null_mut(), 0),
            DASH_OUT_OF_RANGE
        );
        assert_eq!(dash_core_reset_eni_counters(core.handle, 2), DASH_OUT_OF_RANGE);
        let text = name.as_mut_ptr();
        assert_eq!(dash_drop_name(0, text, 3), DASH_TOO_SMALL);
        assert_eq!(dash_drop_name(0, ptr::null_mut(), 48), DASH_NULL);
        assert_eq!(dash_drop_name(DASH_DROP_REASONS as u32, text, 48), DASH_OUT_OF_RANGE);
        // One stage speaks; the frame is the caller's again.
        let status =
            dash_core_explain(core.handle, frame.frame, ptr::null_mut(), 0, &mut explanation);
        assert_eq!((status, explanation.stages), (DASH_TOO_SMALL, 1));
        assert_eq!((*frame.frame).held, 0);
        let text = |status| std::ffi::CStr::from_ptr(dash_status_text(status)).to_str().unwrap();
        assert_eq!(text(DASH_OVERLAP as u32), "regions overlap");
        assert_eq!(text(77), "unknown status");
        let text = |stage| std::ffi::CStr::from_ptr(dash_stage_name(stage)).to_str().unwrap();
        assert_eq!(text(DASH_STAGE_ROUTE), "DASH_ROUTE_TABLE");
        assert_eq!(text(0), "unknown stage");
    }
    for reason in 0..DASH_DROP_REASONS as u32 {
        assert!(!world::drop_name(reason).is_empty());
    }
}

/// The status of the second of two changes.
fn second_of(policy: &Policy, change: dash_change_t) -> dash_status_t {
    let first = set(DASH_VNET, dash_object_t { vnet: dash_vnet_t { vni: 1000, id: 1 } });
    let (status, failed) = policy.apply(&[first, change]);
    assert_eq!(failed, if status == OK { usize::MAX } else { 1 });
    status
}

#[test]
fn values_that_are_not_named() {
    let policy = Policy::new(CAPACITY);
    let second = |change| second_of(&policy, change);
    let appliance = |has_sip_v6| {
        let appliance = dash_appliance_t { has_sip_v6, ..zeroed() };
        set(DASH_APPLIANCE, dash_object_t { appliance })
    };
    assert_eq!(second(appliance(1)), OK);
    assert_eq!(second(appliance(2)), DASH_BAD_VALUE);
    assert_eq!(second(dash_change_t { op: 0, ..appliance(0) }), DASH_BAD_VALUE);
    assert_eq!(second(dash_change_t { op: 3, ..appliance(0) }), DASH_BAD_VALUE);
    assert_eq!(second(dash_change_t { object: 0, ..appliance(0) }), DASH_BAD_VALUE);
    assert_eq!(second(dash_change_t { object: u32::MAX, ..appliance(0) }), DASH_BAD_VALUE);

    let direction = |direction, mac_override| {
        let direction = dash_direction_t { vni: 1, direction, mac_override };
        set(DASH_DIRECTION, dash_object_t { direction })
    };
    assert_eq!(second(direction(DASH_INBOUND, DASH_MAC_DESTINATION)), OK);
    assert_eq!(second(direction(0, 0)), DASH_BAD_VALUE);
    assert_eq!(second(direction(DASH_OUTBOUND, 3)), DASH_BAD_VALUE);

    let of = |route| set(DASH_ROUTE, dash_object_t { route });
    assert_eq!(second(of(route())), OK);
    assert_eq!(second(of(dash_route_t { action: 0, ..route() })), DASH_BAD_VALUE);
    assert_eq!(second(of(dash_route_t { action: DASH_DECAP, ..route() })), DASH_BAD_VALUE);
    assert_eq!(second(of(dash_route_t { has_overlay_ip: 1, ..route() })), DASH_BAD_VALUE);
    let overlay = dash_route_t {
        action: DASH_TO_VNET_DIRECT,
        has_overlay_ip: 1,
        overlay_ip: v4([1, 2, 3, 4]),
        ..route()
    };
    assert_eq!(second(of(overlay)), OK);
    let nowhere = dash_route_t { overlay_ip: zeroed(), ..overlay };
    assert_eq!(second(of(nowhere)), DASH_BAD_VALUE);
    let long = dash_route_t { prefix: prefix([10, 0, 0, 0], 33), ..route() };
    assert_eq!(second(of(long)), DASH_BAD_VALUE);
    let address = dash_address_t { version: DASH_IPV6, octets: [1; 16] };
    let six = |length| dash_route_t { prefix: dash_prefix_t { address, length }, ..route() };
    assert_eq!(second(of(six(128))), OK);
    assert_eq!(second(of(six(129))), DASH_BAD_VALUE);
    assert_eq!(second(of(dash_route_t { group: 1, ..route() })), DASH_OUT_OF_RANGE);

    let of = |mapping| set(DASH_MAPPING, dash_object_t { mapping });
    assert_eq!(second(of(mapping(1, 1, 0xff_ffff))), OK);
    assert_eq!(second(of(mapping(1, 1, 1 << 24))), DASH_VNI_TOO_LARGE);
    let none = dash_mapping_t { has_underlay_v4: 0, ..mapping(1, 1, 1) };
    assert_eq!(second(of(none)), DASH_BAD_VALUE);
    let flag = dash_mapping_t { use_dst_vni: 2, ..mapping(1, 1, 1) };
    assert_eq!(second(of(flag)), DASH_BAD_VALUE);

    let of = |owner, id, first, last| {
        let trusted_vnis = dash_trusted_vnis_t { owner, id, first, last };
        set(DASH_TRUSTED_VNIS, dash_object_t { trusted_vnis })
    };
    assert_eq!(second(of(DASH_OF_ENI, 1, 5, 5)), OK);
    assert_eq!(second(of(DASH_OF_ENI, 2, 5, 5)), DASH_OUT_OF_RANGE);
    assert_eq!(second(of(DASH_OF_ENI, 1 << 16, 5, 5)), DASH_OUT_OF_RANGE);
    assert_eq!(second(of(0, 1, 5, 5)), DASH_BAD_VALUE);
    assert_eq!(second(of(DASH_OF_APPLIANCE, 1, 6, 5)), DASH_EMPTY_RANGE);

    let of = |action| {
        let underlay_route = dash_underlay_route_t { prefix: prefix([0; 4], 0), action, port: 1 };
        set(DASH_UNDERLAY_ROUTE, dash_object_t { underlay_route })
    };
    assert_eq!(second(of(DASH_FORWARD)), OK);
    assert_eq!(second(of(DASH_DIRECT)), DASH_BAD_VALUE);

    let of = |eni| set(DASH_ENI, dash_object_t { eni });
    assert_eq!(second(of(eni())), OK);
    assert_eq!(second(of(dash_eni_t { id: 2, ..eni() })), DASH_OUT_OF_RANGE);
    assert_eq!(second(of(dash_eni_t { enabled: 2, ..eni() })), DASH_BAD_VALUE);
    assert_eq!(second(of(dash_eni_t { underlay_ip: zeroed(), ..eni() })), DASH_BAD_VALUE);
    let mut bound = eni();
    bound.inbound_v6[4].bound = 9;
    assert_eq!(second(of(bound)), DASH_BAD_VALUE);

    let group = dash_route_group_t { id: 0, disabled: 2 };
    assert_eq!(second(set(DASH_ROUTE_GROUP, dash_object_t { route_group: group })), DASH_BAD_VALUE);
    // To remove takes no more than the key.
    assert_eq!(
        second(remove(DASH_ENI, dash_object_t { eni: dash_eni_t { enabled: 2, ..eni() } })),
        OK
    );
}

static ANY: [dash_prefix_t; 1] = [prefix([0; 4], 0)];
static WRONG: [dash_prefix_t; 2] = [prefix([0; 4], 0), prefix([0; 4], 40)];
static RANGES: [dash_port_range_t; 2] =
    [dash_port_range_t { first: 0, last: 80 }, dash_port_range_t { first: 443, last: 442 }];

#[test]
fn rules_and_their_lists() {
    let policy = Policy::new(CAPACITY);
    let second = |change| second_of(&policy, change);
    assert_eq!(second(acl_group(2, &rules(&ANY))), OK);
    assert_eq!(second(acl_group(3, &rules(&ANY))), DASH_OUT_OF_RANGE);
    assert_eq!(second(acl_group(0, &[])), OK);
    let mut version = acl_group(0, &[]);
    version.change.acl_group.ip_version = 5;
    assert_eq!(second(version), DASH_BAD_VALUE);
    let with = |change: fn(&mut dash_acl_rule_t)| {
        let mut rules = rules(&ANY);
        change(&mut rules[1]);
        second(acl_group(0, &rules))
    };
    assert_eq!(with(|rule| rule.permit = 2), DASH_BAD_VALUE);
    assert_eq!(with(|rule| rule.protocol_count = 1), DASH_NULL);
    assert_eq!(with(|rule| rule.source_tag_count = 1), DASH_NULL);
    let ports = |count| dash_acl_rule_t {
        source_ports: RANGES.as_ptr(),
        source_port_count: count,
        ..zeroed()
    };
    assert_eq!(second(acl_group(0, &[ports(1)])), OK);
    assert_eq!(second(acl_group(0, &[ports(2)])), DASH_EMPTY_RANGE);
    assert_eq!(second(acl_group(0, &rules(&WRONG))), DASH_BAD_VALUE);

    let rule = |priority, length| dash_inbound_rule_t {
        priority,
        prefix: prefix([100, 0, 0, 0], length),
        action: DASH_DECAP,
        ..zeroed()
    };
    let of = |rules: &[dash_inbound_rule_t]| {
        let (rules, rule_count) = (rules.as_ptr(), rules.len());
        let inbound_rules =
            dash_inbound_rules_t { eni: 0, ip_version: DASH_IPV4, vni: 7, rules, rule_count };
        set(DASH_INBOUND_RULES, dash_object_t { inbound_rules })
    };
    let ordered = [rule(1, 24), rule(1, 8), rule(2, 32)];
    assert_eq!(second(of(&ordered)), OK);
    assert_eq!(second(of(&[rule(2, 24), rule(1, 24)])), DASH_DISORDERED);
    assert_eq!(second(of(&[dash_inbound_rule_t { action: 0, ..rule(1, 1) }])), DASH_BAD_VALUE);

    // Scratch memory: too small, misaligned, none.
    let group_rules = rules(&ANY);
    let changes = [acl_group(0, &group_rules), of(&ordered)];
    let mut layout = dash_layout_t::default();
    // SAFETY: pointers to as many of the stated types, or NULL.
    unsafe {
        assert_eq!(dash_scratch_size(changes.as_ptr(), 2, &mut layout), OK);
        let scratch = Memory::new(layout);
        let apply = |scratch| {
            dash_policy_apply(policy.handle, changes.as_ptr(), 2, scratch, ptr::null_mut())
        };
        let exact = dash_region_t { bytes: layout.bytes, ..scratch.region() };
        assert_eq!(apply(dash_region_t { bytes: layout.bytes - 1, ..exact }), DASH_TOO_SMALL);
        assert_eq!(apply(shifted(scratch.region(), 1)), DASH_MISALIGNED);
        assert_eq!(apply(NOWHERE), DASH_NULL);
        assert_eq!(apply(exact), OK);
        let none = dash_region_t { memory: ptr::null_mut(), bytes: 0 };
        assert_eq!(
            dash_policy_apply(policy.handle, ptr::null(), 1, none, ptr::null_mut()),
            DASH_NULL
        );
        assert_eq!(dash_policy_apply(policy.handle, ptr::null(), 0, none, ptr::null_mut()), OK);
        assert_eq!(
            dash_policy_apply(ptr::null_mut(), ptr::null(), 0, none, ptr::null_mut()),
            DASH_NULL
        );
    }
}

#[test]
fn more_than_the_capacity() {
    let policy = Policy::new(CAPACITY);
    let of = |last| set(DASH_MAPPING, dash_object_t { mapping: mapping(last, last, 1) });
    assert_eq!(policy.apply(&[of(1), of(2), of(3)]), (DASH_FULL, 2));
    assert_eq!(policy.apply(&[of(1), of(2)]).0, OK);
}

#[test]
fn a_refused_transaction_changes_nothing() {
    let policy = Policy::new(CAPACITY);
    assert_eq!(with_all(|changes| policy.apply(changes)).0, OK);
    let core = Core::new(&policy, 0, 16);
    let gone = remove(DASH_ROUTE, dash_object_t { route: route() });
    let wrong = set(DASH_ROUTE, dash_object_t { route: dash_route_t { action: 0, ..route() } });
    assert_eq!(policy.apply(&[gone, wrong]), (DASH_BAD_VALUE, 1));
    // The library's own refusals: a number, and a place.
    let other = dash_route_t { group: 1, ..route() };
    let other = set(DASH_ROUTE, dash_object_t { route: other });
    assert_eq!(policy.apply(&[gone, other]), (DASH_OUT_OF_RANGE, 1));
    let third = set(DASH_MAPPING, dash_object_t { mapping: mapping(1, 1, 1) });
    assert_eq!(policy.apply(&[gone, third]), (DASH_FULL, 1));
    let frame = Frame::new(&received()[2]);
    assert_eq!(core.process(&[frame.frame]), (OK, 1));
    assert_eq!(core.with(|caller| caller.sent.len()), 1);
}
