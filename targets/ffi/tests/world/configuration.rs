//! The IPv4 part of examples/vnet-to-vnet/published.json.

use dash::*;

use super::zeroed;

pub const ENI: u16 = 0;
pub const VM_VNI: u32 = 4321;

pub const fn v4(octets: [u8; 4]) -> dash_address_t {
    let [a, b, c, d] = octets;
    let octets = [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    dash_address_t { version: DASH_IPV4, octets }
}

pub const fn prefix(octets: [u8; 4], length: u8) -> dash_prefix_t {
    dash_prefix_t { address: v4(octets), length }
}

pub fn set(object: u32, change: dash_object_t) -> dash_change_t {
    dash_change_t { op: DASH_SET, object, change }
}

pub fn remove(object: u32, change: dash_object_t) -> dash_change_t {
    dash_change_t { op: DASH_REMOVE, object, change }
}

/// Denies what goes to `to`, and lets later stages judge the rest.
pub fn rules(to: &'static [dash_prefix_t]) -> Vec<dash_acl_rule_t> {
    vec![
        dash_acl_rule_t {
            priority: 1,
            terminating: 1,
            destinations: to.as_ptr(),
            destination_count: to.len(),
            ..zeroed()
        },
        dash_acl_rule_t { priority: 2, permit: 1, ..zeroed() },
    ]
}

pub fn acl_group(id: u32, rules: &[dash_acl_rule_t]) -> dash_change_t {
    let (rules, rule_count) = (rules.as_ptr(), rules.len());
    let acl_group = dash_acl_group_t { id, ip_version: DASH_IPV4, rules, rule_count };
    set(DASH_ACL_GROUP, dash_object_t { acl_group })
}

pub fn route() -> dash_route_t {
    let prefix = prefix([10, 0, 0, 0], 24);
    dash_route_t { group: 0, prefix, action: DASH_TO_VNET, vnet: 1, ..zeroed() }
}

pub fn mapping(last: u8, host: u8, vni: u32) -> dash_mapping_t {
    dash_mapping_t {
        vnet: 1,
        customer: v4([10, 0, 0, last]),
        has_underlay_v4: 1,
        underlay_v4: [100, 0, 0, host],
        mac: dash_mac_t { octets: [2, 0, 0, 0, 1, host] },
        has_vni: 1,
        vni,
        ..zeroed()
    }
}

pub fn eni() -> dash_eni_t {
    let bound = |group| dash_acl_binding_t { bound: 1, group };
    let none = dash_acl_binding_t::default();
    dash_eni_t {
        id: ENI,
        mac: dash_mac_t { octets: [2, 0, 0, 0, 0, 1] },
        enabled: 1,
        underlay_ip: v4([100, 0, 0, 1]),
        vnet: 1,
        appliance: 100,
        has_route_group: 1,
        route_group: 0,
        outbound_v4: [bound(0), bound(1), bound(2), none, none],
        ..zeroed()
    }
}

static TO_10: [dash_prefix_t; 1] = [prefix([10, 0, 0, 10], 32)];
static TO_11: [dash_prefix_t; 1] = [prefix([10, 0, 0, 11], 32)];

/// The whole configuration, handed to `apply` while what it points at is there.
pub fn with_all<T>(apply: impl FnOnce(&[dash_change_t]) -> T) -> T {
    let (first, second) = (rules(&TO_10), rules(&TO_11));
    let third = [dash_acl_rule_t { priority: 1, permit: 1, terminating: 1, ..zeroed() }];
    let appliance = dash_appliance_t { id: 100, vm_vni: VM_VNI, sip: [100, 0, 0, 2], ..zeroed() };
    let direction =
        dash_direction_t { vni: VM_VNI, direction: DASH_OUTBOUND, mac_override: DASH_MAC_DEFAULT };
    let trusted_vnis =
        dash_trusted_vnis_t { owner: DASH_OF_APPLIANCE, id: 100, first: VM_VNI, last: VM_VNI };
    apply(&[
        set(DASH_APPLIANCE, dash_object_t { appliance }),
        set(DASH_DIRECTION, dash_object_t { direction }),
        set(DASH_TRUSTED_VNIS, dash_object_t { trusted_vnis }),
        set(DASH_VNET, dash_object_t { vnet: dash_vnet_t { vni: 1000, id: 1 } }),
        acl_group(0, &first),
        acl_group(1, &second),
        acl_group(2, &third),
        set(DASH_ROUTE_GROUP, dash_object_t { route_group: zeroed() }),
        set(DASH_ROUTE, dash_object_t { route: route() }),
        set(DASH_MAPPING, dash_object_t { mapping: mapping(2, 1, 200) }),
        set(DASH_MAPPING, dash_object_t { mapping: mapping(3, 3, 300) }),
        set(DASH_ENI, dash_object_t { eni: eni() }),
    ])
}
