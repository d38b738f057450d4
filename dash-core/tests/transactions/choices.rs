//! A small world of objects, in which changes often meet.

use std::ops::RangeInclusive;

use dash_core::{
    pipeline::vnet::policy::{
        ACL_STAGES, AclAction, AclBindings, AclGroupId, Appliance, ApplianceId, Capacity, Change,
        Direction, DirectionEntry, Eni, EniId, InboundAction, InboundRule, MacOverride, Mapping,
        Route, RouteGroup, RouteGroupId, RoutingTypeId, TagId, TrustedOwner, Underlay,
        UnderlayAction, VnetId,
    },
    table::acl::{self, Rule},
};
use dash_hal::PortId;
use proptest::{prelude::*, sample::select};
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, IpVersion, Ipv4Address, Ipv6Address};

pub(crate) const VNIS: [u32; 4] = [10, 11, 20, 0xff_ffff];
const BAD_VNI: u32 = 1 << 24;
pub(crate) const MACS: [EthernetAddress; 3] = [
    EthernetAddress([2, 0, 0, 0, 0, 1]),
    EthernetAddress([2, 0, 0, 0, 0, 2]),
    EthernetAddress([2, 0, 0, 0, 0, 3]),
];
const V4: [Ipv4Address; 3] =
    [Ipv4Address::new(10, 1, 1, 1), Ipv4Address::new(10, 2, 0, 1), Ipv4Address::new(20, 0, 0, 1)];
const V6: [Ipv6Address; 2] =
    [Ipv6Address::new(0xfd00, 0, 0, 0, 0, 0, 0, 1), Ipv6Address::new(0xfd00, 1, 0, 0, 0, 0, 0, 1)];
pub(crate) const ADDRESSES: [IpAddress; 5] = [
    IpAddress::Ipv4(V4[0]),
    IpAddress::Ipv4(V4[1]),
    IpAddress::Ipv4(V4[2]),
    IpAddress::Ipv6(V6[0]),
    IpAddress::Ipv6(V6[1]),
];
/// Some with host bits.
const PREFIXES: [IpCidr; 8] = [
    IpCidr::new(ADDRESSES[0], 0),
    IpCidr::new(ADDRESSES[0], 8),
    IpCidr::new(ADDRESSES[1], 8),
    IpCidr::new(ADDRESSES[0], 32),
    IpCidr::new(ADDRESSES[2], 24),
    IpCidr::new(ADDRESSES[3], 0),
    IpCidr::new(ADDRESSES[3], 16),
    IpCidr::new(ADDRESSES[4], 128),
];
const RANGES: [(u32, u32); 6] = [(10, 11), (10, 10), (8, 20), (0, 0xff_ffff), (5, 4), (9, BAD_VNI)];

const ANY: Rule<'static> = Rule {
    priority: 1,
    value: AclAction { permit: true, terminating: true }.value(),
    protocols: &[],
    sources: &[],
    destinations: &[],
    source_tags: &[],
    destination_tags: &[],
    source_ports: &[],
    destination_ports: &[],
};
const HTTP: RangeInclusive<u16> = 80..=80;

/// The last names a tag that may not be there.
const ACL_RULES: [&[Rule<'static>]; 5] = [
    &[],
    &[ANY],
    &[Rule { destination_ports: &[HTTP], ..ANY }],
    &[
        Rule { priority: 2, value: 0, ..ANY },
        Rule { source_tags: &[0], sources: &[PREFIXES[4]], destination_ports: &[HTTP], ..ANY },
    ],
    &[Rule { destination_tags: &[1], ..ANY }],
];

static INBOUND: [InboundRule; 4] = {
    let decap = InboundAction::Decap { vnet: None, pa_validation: true };
    let rule = InboundRule { priority: 1, prefix: PREFIXES[1], protocol: 6, action: decap };
    [
        rule,
        InboundRule { prefix: PREFIXES[0], protocol: 0, action: InboundAction::Drop, ..rule },
        InboundRule { prefix: PREFIXES[7], ..rule },
        InboundRule { prefix: PREFIXES[5], priority: 2, ..rule },
    ]
};
/// None, then of IPv4, then of IPv6; the last are in no order.
static INBOUND_RULES: [&[Rule<'static>]; 5] = [
    &[],
    &[INBOUND[0].rule(), INBOUND[1].rule()],
    &[INBOUND[1].rule()],
    &[INBOUND[2].rule(), INBOUND[3].rule()],
    &[INBOUND[1].rule(), INBOUND[0].rule()],
];

/// Mostly one that is valid.
fn vni() -> impl Strategy<Value = u32> {
    prop_oneof![60 => select(&VNIS[..]), 1 => Just(BAD_VNI)]
}

/// Mostly one of a capacity of 3.
fn number() -> impl Strategy<Value = u16> {
    prop_oneof![60 => 0..3_u16, 1 => Just(3)]
}

fn address() -> impl Strategy<Value = IpAddress> {
    select(&ADDRESSES[..])
}

fn prefix() -> impl Strategy<Value = IpCidr> {
    select(&PREFIXES[..])
}

fn appliance() -> impl Strategy<Value = Appliance> {
    (select(&V4[..]), proptest::option::of(select(&V6[..])), vni(), select(&MACS[..])).prop_map(
        |(sip, sip_v6, vm_vni, mac)| Appliance {
            sip,
            sip_v6,
            vm_vni,
            own_mac: mac,
            neighbor_mac: mac,
        },
    )
}

fn eni() -> impl Strategy<Value = Eni> {
    (select(&MACS[..]), any::<bool>(), 0..3_u16, proptest::option::of(vni()), acl()).prop_map(
        |(mac, enabled, vnet, vm_vni, acl)| Eni {
            mac,
            enabled,
            underlay_ip: ADDRESSES[0],
            vnet: VnetId(vnet),
            appliance: ApplianceId(0),
            vm_vni,
            route_group: Some(RouteGroupId(vnet)),
            acl,
        },
    )
}

/// Half of all ENIs bind a group, which may not be there, or be of the other version.
fn acl() -> impl Strategy<Value = AclBindings> {
    let bound = (0..4_usize, 0..ACL_STAGES, acl_group());
    proptest::option::of(bound).prop_map(|bound| {
        let mut acl = AclBindings::default();
        if let Some((table, stage, group)) = bound {
            let tables = [
                &mut acl.inbound_v4,
                &mut acl.inbound_v6,
                &mut acl.outbound_v4,
                &mut acl.outbound_v6,
            ];
            tables.into_iter().nth(table).unwrap()[stage] = Some(group);
        }
        acl
    })
}

fn acl_group() -> impl Strategy<Value = AclGroupId> {
    number().prop_map(|id| AclGroupId(id.into()))
}

fn route() -> impl Strategy<Value = Route> {
    let vnet = (0..3_u16).prop_map(VnetId);
    prop_oneof![
        Just(Route::Drop),
        vnet.clone().prop_map(Route::Vnet),
        (vnet, proptest::option::weighted(0.8, address()))
            .prop_map(|(vnet, overlay_ip)| Route::VnetDirect { vnet, overlay_ip }),
    ]
}

fn mapping() -> impl Strategy<Value = Mapping> {
    let underlay = prop_oneof![
        select(&V4[..]).prop_map(Underlay::V4),
        select(&V6[..]).prop_map(Underlay::V6),
        (select(&V4[..]), select(&V6[..])).prop_map(|(v4, v6)| Underlay::Both(v4, v6)),
    ];
    (underlay, select(&MACS[..]), proptest::option::of(vni())).prop_map(|(underlay, mac, vni)| {
        Mapping { underlay, mac, vni, routing_type: RoutingTypeId(0), use_dst_vni: false }
    })
}

fn owner() -> impl Strategy<Value = TrustedOwner> {
    prop_oneof![
        (0..2_u32).prop_map(|id| TrustedOwner::Appliance(ApplianceId(id))),
        number().prop_map(|id| TrustedOwner::Eni(EniId(id))),
    ]
}

fn version() -> impl Strategy<Value = IpVersion> {
    select(&[IpVersion::Ipv4, IpVersion::Ipv6][..])
}

/// Either: makes twice as often as it removes.
fn either<T: std::fmt::Debug>(
    make: impl Strategy<Value = T> + 'static,
    remove: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<T> {
    prop_oneof![2 => make, 1 => remove].boxed()
}

/// Any change.
pub(crate) fn change() -> impl Strategy<Value = Change<'static>> {
    let vnet = || (0..4_u16).prop_map(VnetId);
    let group = || number().prop_map(RouteGroupId);
    let tag = || number().prop_map(|id| TagId(id.into()));
    let eni_id = || number().prop_map(EniId);
    let direction = (any::<bool>(), any::<bool>()).prop_map(|(outbound, source)| DirectionEntry {
        direction: if outbound { Direction::Outbound } else { Direction::Inbound },
        mac: if source { MacOverride::Source } else { MacOverride::None },
    });
    let appliance_id = || (0..4_u32).prop_map(ApplianceId);
    let routing_type = || (0..4_u8).prop_map(RoutingTypeId);
    let action = (0..3_u16).prop_map(|port| match port {
        0 => UnderlayAction::Drop,
        port => UnderlayAction::Forward(PortId(port)),
    });
    let inbound = prop_oneof![
        5 => (Just(IpVersion::Ipv4), 0..3_usize),
        5 => (Just(IpVersion::Ipv6), select(&[0, 3][..])),
        1 => (version(), 0..5_usize),
    ];
    prop_oneof![
        1 => either(
            (appliance_id(), appliance()).prop_map(|(id, it)| Change::SetAppliance(id, it)),
            appliance_id().prop_map(Change::RemoveAppliance)
        ),
        1 => either(
            (vni(), direction).prop_map(|(vni, it)| Change::SetDirection(vni, it)),
            vni().prop_map(Change::RemoveDirection)
        ),
        1 => either(
            (vnet(), vni()).prop_map(|(id, vni)| Change::SetVnet(id, vni)),
            vnet().prop_map(Change::RemoveVnet)
        ),
        1 => either(
            (routing_type(), vni()).prop_map(|(id, vni)| Change::SetRoutingType(id, vni)),
            routing_type().prop_map(Change::RemoveRoutingType)
        ),
        1 => either(
            (group(), any::<bool>())
                .prop_map(|(id, disabled)| Change::SetRouteGroup(id, RouteGroup { disabled })),
            group().prop_map(Change::RemoveRouteGroup)
        ),
        2 => either(
            (group(), prefix(), route())
                .prop_map(|(id, prefix, route)| Change::SetRoute(id, prefix, route)),
            (group(), prefix()).prop_map(|(id, prefix)| Change::RemoveRoute(id, prefix))
        ),
        3 => either(
            ((0..2_u16).prop_map(VnetId), address(), mapping())
                .prop_map(|(vnet, customer, it)| Change::SetMapping(vnet, customer, it)),
            ((0..2_u16).prop_map(VnetId), address())
                .prop_map(|(vnet, customer)| Change::RemoveMapping(vnet, customer))
        ),
        2 => either(
            (vni(), prefix()).prop_map(|(vni, prefix)| Change::AddPaPrefix(vni, prefix)),
            (vni(), prefix()).prop_map(|(vni, prefix)| Change::RemovePaPrefix(vni, prefix))
        ),
        1 => either(
            (tag(), prefix()).prop_map(|(tag, prefix)| Change::AddTagPrefix(tag, prefix)),
            (tag(), prefix()).prop_map(|(tag, prefix)| Change::RemoveTagPrefix(tag, prefix))
        ),
        1 => either(
            (acl_group(), version(), select(&ACL_RULES[..]))
                .prop_map(|(id, version, rules)| Change::SetAclGroup(id, version, rules)),
            acl_group().prop_map(Change::RemoveAclGroup)
        ),
        2 => either(
            (eni_id(), vni(), inbound).prop_map(|(eni, vni, (version, rules))| {
                Change::SetInboundRules(eni, vni, version, INBOUND_RULES[rules])
            }),
            (eni_id(), vni()).prop_map(|(eni, vni)| Change::RemoveInboundRules(eni, vni))
        ),
        2 => either(
            (owner(), select(&RANGES[..]))
                .prop_map(|(owner, (first, last))| Change::AddTrustedVnis(owner, first, last)),
            (owner(), select(&RANGES[..]))
                .prop_map(|(owner, (first, last))| Change::RemoveTrustedVnis(owner, first, last))
        ),
        1 => either(
            (prefix(), action).prop_map(|(prefix, it)| Change::SetUnderlayRoute(prefix, it)),
            prefix().prop_map(Change::RemoveUnderlayRoute)
        ),
        2 => either(
            (eni_id(), eni()).prop_map(|(id, it)| Change::SetEni(id, it)),
            eni_id().prop_map(Change::RemoveEni)
        ),
    ]
}

/// Some room for each kind, mostly for more than a few.
pub(crate) fn capacity() -> impl Strategy<Value = Capacity> {
    let counts = prop_oneof![
        1 => proptest::array::uniform16(0..4_usize),
        3 => proptest::array::uniform16(3..9_usize),
    ];
    (counts, 1..4_usize, 0..12_usize).prop_map(|(counts, tags, tag_prefixes)| {
        let [appliances, directions, enis, vnets, routing_types, route_groups, routes, ..] = counts;
        let [
            ..,
            overlay_routes,
            mappings,
            mapping_underlays,
            inbound_sets,
            pa_vnis,
            pa_prefixes,
            trusted_ranges,
            underlay_routes,
            groups,
        ] = counts;
        Capacity {
            appliances,
            directions,
            enis,
            vnets,
            routing_types,
            route_groups,
            routes,
            overlay_routes,
            mappings,
            mapping_underlays,
            inbound_sets,
            pa_vnis,
            pa_prefixes,
            trusted_ranges,
            underlay_routes,
            // Room for every image: how long they are is the compiler's.
            acl: acl::Capacity { groups, words: 1 << 16, tags, tag_prefixes },
        }
    })
}
