//! Each reason to refuse a transaction, by name.

use std::{cell::Cell, sync::atomic::AtomicU32};

use dash_core::{
    pipeline::vnet::policy::{
        AclAction, AclBindings, AclGroupId, Appliance, ApplianceId, Capacity, Change, Direction,
        DirectionEntry, Eni, EniId, InboundAction, InboundRule, MacOverride, Mapping, PolicyError,
        PolicyWriter, Rejected, Route, RouteGroup, RouteGroupId, RoutingTypeId, TagId,
        TrustedOwner, Underlay, UnderlayAction, VnetId,
    },
    table::{
        TableError,
        acl::{self, Rule},
        exact::REPLACED_AT_ONCE,
        quiescence::Readers,
    },
};
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, IpVersion, Ipv4Address};

use crate::{lookups::answers, versions};

const FULL: PolicyError = PolicyError::Table(TableError::Full);
const BUSY: PolicyError = PolicyError::Table(TableError::Busy);
const TOO_LARGE: PolicyError = PolicyError::Table(TableError::CapacityTooLarge);
const BAD_VNI: u32 = 1 << 24;

/// Room for two of each, one of which [`BASE`] takes.
const CAPACITY: Capacity = Capacity {
    appliances: 2,
    directions: 2,
    enis: 2,
    vnets: 2,
    routing_types: 2,
    route_groups: 2,
    routes: 2,
    overlay_routes: 2,
    mappings: 2,
    mapping_underlays: 2,
    inbound_sets: 1,
    pa_vnis: 2,
    pa_prefixes: 2,
    // Each counts with 46 prefixes in the pool; the tests of the pool have none.
    trusted_ranges: 2,
    underlay_routes: 2,
    acl: acl::Capacity { groups: 2, words: 8192, tags: 2, tag_prefixes: 2 },
};

const fn host(last: u8) -> IpAddress {
    IpAddress::v4(10, 0, 0, last)
}

const fn prefix(last: u8) -> IpCidr {
    IpCidr::new(host(last), 32)
}

const fn appliance(last: u8) -> Appliance {
    Appliance {
        sip: Ipv4Address::new(10, 0, 0, last),
        sip_v6: None,
        vm_vni: 10,
        own_mac: mac(1),
        neighbor_mac: mac(2),
    }
}

const fn mac(last: u8) -> EthernetAddress {
    EthernetAddress([2, 0, 0, 0, 0, last])
}

const fn eni(last: u8) -> Eni {
    Eni {
        mac: mac(last),
        enabled: true,
        underlay_ip: host(1),
        vnet: VnetId(0),
        appliance: ApplianceId(0),
        vm_vni: None,
        route_group: None,
        acl: AclBindings {
            inbound_v4: [None; 5],
            inbound_v6: [None; 5],
            outbound_v4: [None; 5],
            outbound_v6: [None; 5],
        },
    }
}

const fn mapping(underlay: u8) -> Mapping {
    Mapping {
        underlay: Underlay::V4(Ipv4Address::new(10, 0, 0, underlay)),
        mac: mac(1),
        vni: None,
        routing_type: RoutingTypeId(0),
        use_dst_vni: false,
    }
}

const fn overlay(last: u8) -> Route {
    Route::VnetDirect { vnet: VnetId(0), overlay_ip: Some(host(last)) }
}

/// One node.
const RULE: Rule<'static> = Rule {
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
static INBOUND: InboundRule =
    InboundRule { priority: 1, prefix: prefix(1), protocol: 0, action: InboundAction::Drop };
static LATER: InboundRule = InboundRule { priority: 2, ..INBOUND };
static IN_ORDER: [Rule<'static>; 2] = [INBOUND.rule(), LATER.rule()];
static DISORDERED: [Rule<'static>; 2] = [LATER.rule(), INBOUND.rule()];
/// For an ACL group, and for inbound rules.
static UNKNOWN_TAG: [Rule<'static>; 2] =
    [Rule { destination_tags: &[2], ..RULE }, Rule { source_tags: &[2], ..INBOUND.rule() }];

const OUTBOUND: DirectionEntry =
    DirectionEntry { direction: Direction::Outbound, mac: MacOverride::None };
const GROUP: RouteGroupId = RouteGroupId(0);
const OWNER: TrustedOwner = TrustedOwner::Appliance(ApplianceId(0));
const V4: IpVersion = IpVersion::Ipv4;
const PORT: UnderlayAction = UnderlayAction::Drop;

/// One object of each kind.
static BASE: [Change<'static>; 14] = [
    Change::SetAppliance(ApplianceId(0), appliance(1)),
    Change::SetDirection(10, OUTBOUND),
    Change::SetVnet(VnetId(0), 10),
    Change::SetRoutingType(RoutingTypeId(0), 10),
    Change::SetRouteGroup(GROUP, RouteGroup { disabled: false }),
    Change::SetRoute(GROUP, prefix(1), overlay(1)),
    Change::SetMapping(VnetId(0), host(1), mapping(1)),
    Change::AddPaPrefix(10, prefix(1)),
    Change::AddTagPrefix(TagId(0), prefix(1)),
    Change::SetAclGroup(AclGroupId(0), V4, &[RULE]),
    Change::SetInboundRules(EniId(0), 10, V4, &[INBOUND.rule()]),
    Change::AddTrustedVnis(OWNER, 10, 10),
    Change::SetUnderlayRoute(prefix(1), PORT),
    Change::SetEni(EniId(0), eni(1)),
];

/// What the transactions of the tests end with.
const LAST: Change<'static> = Change::SetVnet(VnetId(0), 11);

fn words(capacity: &Capacity) -> Vec<AtomicU32> {
    (0..capacity.words()).map(|_| AtomicU32::new(0xdead_beef)).collect()
}

/// Applies `changes` behind [`BASE`], then [`LAST`]; the last of `changes` is at fault.
fn refused(capacity: &Capacity, changes: &[Change<'static>], error: PolicyError) {
    let words = words(capacity);
    let mut writer = PolicyWriter::new(&words, capacity, [1, 2], Readers::new(&[])).unwrap();
    writer.apply(BASE.iter().copied()).unwrap();
    let before = (answers(&writer.policy()), versions(&writer, capacity));
    let all = changes.iter().copied().chain([LAST]);
    let index = changes.len() - 1;
    assert_eq!(writer.apply(all), Err(Rejected { index, error }), "{changes:?}");
    assert_eq!((answers(&writer.policy()), versions(&writer, capacity)), before, "{changes:?}");
    // Nothing of it is left: what comes before the fault has room as ever.
    assert_eq!(writer.apply(changes[..index].iter().copied()), Ok(()), "{changes:?}");
}

#[test]
fn each_table_refuses_one_object_too_many() {
    let set = [
        [0, 1, 2].map(|id| Change::SetAppliance(ApplianceId(id), appliance(5))),
        [10, 11, 12].map(|vni| Change::SetDirection(vni, OUTBOUND)),
        [0, 1, 2].map(|id| Change::SetVnet(VnetId(id), 12)),
        [0, 1, 2].map(|id| Change::SetRoutingType(RoutingTypeId(id), 12)),
        [1, 2, 3].map(|last| Change::SetRoute(GROUP, prefix(last), overlay(2))),
        [1, 2, 3].map(|last| Change::SetMapping(VnetId(0), host(last), mapping(1))),
        [1, 2, 3].map(|last| Change::AddTagPrefix(TagId(0), prefix(last))),
        [10, 11, 12].map(|vni| Change::AddTrustedVnis(OWNER, vni, vni)),
        // Underlay addresses and VNIs that several objects share count once.
        [1, 2, 3].map(|last| Change::SetMapping(VnetId(0), host(1), mapping(last))),
        [10, 11, 12].map(|vni| Change::AddPaPrefix(vni, prefix(1))),
    ];
    for changes in set {
        refused(&CAPACITY, &changes, FULL);
    }
    // Numbers end before tables are full, but what is new counts with each change.
    let twice = [1, 1, 1].map(|id| Change::SetRouteGroup(RouteGroupId(id), RouteGroup::default()));
    refused(&CAPACITY, &twice[..2], FULL);
    refused(&CAPACITY, &[1, 1].map(|id| Change::SetEni(EniId(id), eni(1))), FULL);
    let rules = |vni, version| Change::SetInboundRules(EniId(0), vni, version, &[]);
    refused(&CAPACITY, &[rules(10, V4), rules(11, V4), rules(11, IpVersion::Ipv6)], FULL);
}

/// The new image stands beside the old one until it is published, and a compilation needs room.
#[test]
fn images_of_rules_are_needed_for_old_and_new() {
    let set = |rules| {
        move |_| {
            if rules {
                Change::SetAclGroup(AclGroupId(0), V4, &[RULE])
            } else {
                Change::SetInboundRules(EniId(0), 10, V4, &IN_ORDER[..1])
            }
        }
    };
    for rules in [true, false] {
        // An image is 176 words or more.
        let changes: Vec<_> = (0..8192 / 176).map(set(rules)).collect();
        let words = words(&CAPACITY);
        let mut writer = PolicyWriter::new(&words, &CAPACITY, [1, 2], Readers::new(&[])).unwrap();
        let refused = writer.apply(changes.iter().copied()).unwrap_err();
        assert_eq!(refused.error, FULL);
        refused_at(&CAPACITY, &changes, &refused);
    }
}

fn refused_at(capacity: &Capacity, changes: &[Change<'static>], at: &Rejected) {
    let words = words(capacity);
    let mut writer = PolicyWriter::new(&words, capacity, [1, 2], Readers::new(&[])).unwrap();
    let before = (answers(&writer.policy()), versions(&writer, capacity));
    for _ in 0..3 {
        assert_eq!(writer.apply(changes.iter().copied()), Err(*at));
        assert_eq!((answers(&writer.policy()), versions(&writer, capacity)), before);
    }
    // Nothing of it is left.
    assert_eq!(writer.apply(changes[..at.index].iter().copied()), Ok(()));
}

#[test]
fn kinds_of_prefixes_share_one_pool() {
    let capacity = Capacity { trusted_ranges: 0, ..CAPACITY };
    let words = words(&capacity);
    let mut writer = PolicyWriter::new(&words, &capacity, [1, 2], Readers::new(&[])).unwrap();
    let all = [
        Change::SetRoute(GROUP, prefix(1), Route::Drop),
        Change::AddPaPrefix(10, prefix(1)),
        Change::SetUnderlayRoute(prefix(1), PORT),
        Change::SetRoute(GROUP, prefix(2), Route::Drop),
        Change::AddPaPrefix(11, prefix(1)),
        Change::SetUnderlayRoute(prefix(2), PORT),
    ];
    for further in [
        Change::SetRoute(GROUP, prefix(9), Route::Drop),
        Change::AddPaPrefix(10, prefix(9)),
        Change::SetUnderlayRoute(prefix(9), PORT),
    ] {
        let changes = all.into_iter().chain([further]);
        assert_eq!(writer.apply(changes), Err(Rejected { index: 6, error: FULL }));
        assert!(answers(&writer.policy()).is_empty());
    }
    assert_eq!(writer.apply(all.into_iter()), Ok(()));
}

/// The longest range is 46 prefixes.
const LONG: (u32, u32) = (1, 0xff_fffe);

#[test]
fn a_trusted_range_needs_room_for_its_prefixes() {
    let capacity = Capacity { trusted_ranges: 1, route_groups: 1, ..Capacity::NONE };
    let words = words(&capacity);
    let mut writer = PolicyWriter::new(&words, &capacity, [1, 2], Readers::new(&[])).unwrap();
    let route = Change::SetRoute(GROUP, prefix(1), Route::Drop);
    let range = Change::AddTrustedVnis(OWNER, LONG.0, LONG.1);
    let refused = Err(Rejected { index: 1, error: FULL });
    assert_eq!(writer.apply([route, range].into_iter()), refused);
    assert_eq!(writer.apply([range, route].into_iter()), refused);
    assert!(answers(&writer.policy()).is_empty());
    assert_eq!(writer.apply([range].into_iter()), Ok(()));
}

#[test]
fn addresses_of_one_object_may_change_once() {
    let capacity = Capacity { appliances: 1, enis: 1, ..CAPACITY };
    let eni = |last| Change::SetEni(EniId(0), eni(last));
    refused(&capacity, &[eni(2), eni(3)], FULL);
    let vips = |last| Change::SetAppliance(ApplianceId(0), appliance(last));
    refused(&capacity, &[vips(2), vips(3), vips(4), vips(5)], FULL);
}

#[test]
fn fields_are_checked() {
    let bad_mapping = Mapping { vni: Some(BAD_VNI), ..mapping(1) };
    let bad_eni = Eni { vm_vni: Some(BAD_VNI), ..eni(1) };
    let bad_appliance = Appliance { vm_vni: BAD_VNI, ..appliance(1) };
    for change in [
        Change::SetAppliance(ApplianceId(0), bad_appliance),
        Change::SetDirection(BAD_VNI, OUTBOUND),
        Change::SetVnet(VnetId(0), BAD_VNI),
        Change::SetRoutingType(RoutingTypeId(0), BAD_VNI),
        Change::SetMapping(VnetId(0), host(1), bad_mapping),
        Change::AddPaPrefix(BAD_VNI, prefix(1)),
        Change::SetInboundRules(EniId(0), BAD_VNI, V4, &[]),
        Change::AddTrustedVnis(OWNER, 1, BAD_VNI),
        Change::SetEni(EniId(0), bad_eni),
    ] {
        refused(&CAPACITY, &[LAST, change], PolicyError::VniTooLarge);
    }
    let (group, acl_group, eni_id) = (RouteGroupId(2), AclGroupId(2), EniId(2));
    for change in [
        Change::SetRouteGroup(group, RouteGroup::default()),
        Change::SetRoute(group, prefix(1), Route::Drop),
        Change::RemoveRoute(group, prefix(1)),
        Change::AddTagPrefix(TagId(2), prefix(1)),
        Change::SetAclGroup(acl_group, V4, &[]),
        Change::SetAclGroup(AclGroupId(0), V4, &UNKNOWN_TAG[..1]),
        Change::RemoveAclGroup(acl_group),
        Change::SetInboundRules(EniId(0), 10, V4, &UNKNOWN_TAG[1..]),
        Change::AddTrustedVnis(TrustedOwner::Eni(eni_id), 1, 1),
        Change::RemoveTrustedVnis(TrustedOwner::Eni(eni_id), 1, 1),
        Change::SetEni(eni_id, eni(1)),
    ] {
        refused(&CAPACITY, &[LAST, change], TOO_LARGE);
    }
    refused(&CAPACITY, &[Change::AddTrustedVnis(OWNER, 2, 1)], PolicyError::EmptyRange);
    let disordered = Change::SetInboundRules(EniId(0), 10, V4, &DISORDERED);
    refused(&CAPACITY, &[disordered], PolicyError::Disordered);
}

#[test]
fn the_first_fault_is_named_whichever_walk_finds_it() {
    let none_left = Change::SetMapping(VnetId(0), host(1), mapping(3));
    let late = [LAST, Change::SetMapping(VnetId(0), host(1), mapping(2)), none_left];
    refused(&CAPACITY, &late, FULL);
    let words = words(&CAPACITY);
    let mut writer = PolicyWriter::new(&words, &CAPACITY, [1, 2], Readers::new(&[])).unwrap();
    writer.apply(BASE.iter().copied()).unwrap();
    let bad = Change::SetVnet(VnetId(0), BAD_VNI);
    let faults = late.into_iter().chain([bad]);
    assert_eq!(writer.apply(faults), Err(Rejected { index: 2, error: FULL }));
    let faults = [late[0], bad, late[1], late[2]].into_iter();
    let error = PolicyError::VniTooLarge;
    assert_eq!(writer.apply(faults), Err(Rejected { index: 1, error }));
}

/// Places are made for addresses before it is known that the transaction is refused.
#[test]
fn an_underlay_address_is_not_valid_before_its_mapping() {
    let words = words(&CAPACITY);
    let mut writer = PolicyWriter::new(&words, &CAPACITY, [1, 2], Readers::new(&[])).unwrap();
    let policy = writer.policy();
    let (seen, mapped) = (Cell::new(0), VnetId(0));
    let changes = [
        Change::SetMapping(mapped, host(1), mapping(8)),
        Change::SetMapping(mapped, host(2), mapping(8)),
        Change::RemoveMapping(mapped, host(1)),
    ];
    let watched = |last: Change<'static>| {
        let seen = &seen;
        changes.into_iter().chain([last]).inspect(move |_| {
            let valid = policy.is_mapping_underlay(mapped, host(8));
            let needed = [1, 2].iter().any(|last| policy.mapping(mapped, host(*last)).is_some());
            assert_eq!(valid, needed);
            seen.set(seen.get() + 1);
        })
    };
    let too_many = watched(Change::SetMapping(mapped, host(3), mapping(8)));
    assert_eq!(writer.apply(too_many), Err(Rejected { index: 3, error: FULL }));
    assert_eq!(writer.apply(watched(Change::RemoveMapping(mapped, host(2)))), Ok(()));
    assert_eq!(seen.get(), 4 + 4 + 3 + 4 + 5 * 4);
    assert!(answers(&policy).is_empty());
}

#[test]
fn a_reader_that_stands_still_refuses_before_the_first_change() {
    let capacity = Capacity { vnets: 2, appliances: 2, ..Capacity::NONE };
    let words = words(&capacity);
    let counters = [AtomicU32::new(0)];
    let readers = Readers::new(&counters);
    let mut writer = PolicyWriter::new(&words, &capacity, [1, 2], readers).unwrap();
    // Three nodes hold VNETs, and one of one word is replaced in its node.
    let vnet = |id, vni| Change::SetVnet(VnetId(id), vni);
    let swap = [Change::RemoveVnet(VnetId(0)), vnet(0, 11), vnet(1, 12)];
    assert_eq!(writer.apply([vnet(0, 10)].into_iter().cycle().take(1)), Ok(()));
    assert_eq!(writer.apply(swap.into_iter()), Ok(()));
    let before = answers(&writer.policy());
    let again = [vnet(1, 13), Change::RemoveVnet(VnetId(0)), vnet(0, 14)];
    for _ in 0..3 {
        assert_eq!(writer.apply(again.into_iter()), Err(Rejected { index: 2, error: BUSY }));
        assert_eq!(answers(&writer.policy()), before);
        assert_eq!(writer.apply([vnet(0, 11), vnet(1, 12)].into_iter()), Ok(()));
    }
    readers.quiescent(0);
    assert_eq!(writer.apply(again.into_iter()), Ok(()));
}

/// Applies `changes` behind `base` beside a reader, who leaves room for those before `index`; and
/// without one.
fn refused_beside_a_reader(
    capacity: &Capacity,
    base: &[Change<'static>],
    changes: &[Change<'static>],
    index: usize,
) {
    for with_reader in [false, true] {
        let words = words(capacity);
        let counters = [AtomicU32::new(0)];
        let readers = Readers::new(if with_reader { &counters } else { &[] });
        let mut writer = PolicyWriter::new(&words, capacity, [1, 2], readers).unwrap();
        writer.apply(base.iter().copied()).unwrap();
        let before = (answers(&writer.policy()), versions(&writer, capacity));
        let result = writer.apply(changes.iter().copied());
        if with_reader {
            assert_eq!(result, Err(Rejected { index, error: FULL }), "{changes:?}");
            let after = (answers(&writer.policy()), versions(&writer, capacity));
            assert_eq!(after, before, "{changes:?}");
        } else {
            assert_eq!(result, Ok(()));
        }
    }
}

/// What is removed and made again has its new nodes beside the old ones, which a reader may see.
#[test]
fn what_comes_back_beside_a_reader_needs_room_twice() {
    let removals = [
        (1, Change::RemoveDirection(10)),
        (2, Change::RemoveVnet(VnetId(0))),
        (3, Change::RemoveRoutingType(RoutingTypeId(0))),
        (4, Change::RemoveRouteGroup(GROUP)),
        (10, Change::RemoveInboundRules(EniId(0), 10)),
        (11, Change::RemoveTrustedVnis(OWNER, 10, 10)),
    ];
    let capacity = CAPACITY;
    for (made, removal) in removals {
        // Of three nodes two are free.
        refused_beside_a_reader(&capacity, &BASE, &[removal, BASE[made]].repeat(3), 5);
    }
    let capacity = Capacity { trusted_ranges: 1, appliances: 1, ..Capacity::NONE };
    let (id, both) = (ApplianceId(0), Appliance { sip_v6: Some([1; 16].into()), ..appliance(1) });
    let vips = [Change::RemoveAppliance(id), Change::SetAppliance(id, both)];
    refused_beside_a_reader(&capacity, &vips, &vips.repeat(2), 3);
}

/// A prefix that is removed keeps its place until the end of the transaction.
#[test]
fn prefixes_come_back_beside_a_reader() {
    let capacity = Capacity { trusted_ranges: 0, ..CAPACITY };
    let base = [
        Change::SetRoute(GROUP, prefix(1), Route::Drop),
        Change::AddPaPrefix(10, prefix(1)),
        Change::SetUnderlayRoute(prefix(1), PORT),
        Change::AddTagPrefix(TagId(0), prefix(1)),
    ];
    let removals = [
        Change::RemoveRoute(GROUP, prefix(1)),
        Change::RemovePaPrefix(10, prefix(1)),
        Change::RemoveUnderlayRoute(prefix(1)),
        Change::RemoveTagPrefix(TagId(0), prefix(1)),
    ];
    let counters = [AtomicU32::new(0)];
    for (made, removal) in base.into_iter().zip(removals) {
        let words = words(&capacity);
        let readers = Readers::new(&counters);
        let mut writer = PolicyWriter::new(&words, &capacity, [1, 2], readers).unwrap();
        writer.apply(base.into_iter()).unwrap();
        let before = answers(&writer.policy());
        for _ in 0..20 {
            let flaps = [removal, made].into_iter().cycle().take(40);
            assert_eq!(writer.apply(flaps), Ok(()));
            assert_eq!(answers(&writer.policy()), before);
        }
    }
    let (first, last) = LONG;
    let capacity = Capacity { trusted_ranges: 1, appliances: 1, ..Capacity::NONE };
    let words = words(&capacity);
    let mut writer = PolicyWriter::new(&words, &capacity, [1, 2], Readers::new(&counters)).unwrap();
    let range = Change::AddTrustedVnis(OWNER, first, last);
    let trusted = [Change::RemoveTrustedVnis(OWNER, first, last), range];
    assert_eq!(writer.apply(trusted.into_iter()), Ok(()));
    assert_eq!(writer.apply(trusted.into_iter()), Ok(()));
}

/// Else whoever repeats a transaction could keep the readers in the way for ever.
#[test]
fn a_busy_transaction_takes_nothing() {
    let capacity = Capacity { mappings: 9, mapping_underlays: 3, pa_vnis: 3, ..CAPACITY };
    let map = |last| Change::SetMapping(VnetId(0), host(last), mapping(last));
    let unmap = |last| Change::RemoveMapping(VnetId(0), host(last));
    let add = |last| Change::AddPaPrefix(last, prefix(1));
    let remove = |last| Change::RemovePaPrefix(last, prefix(1));
    for [made, gone, needed] in [
        [[map(1), map(2)], [unmap(1), unmap(2)], [map(3), map(4)]],
        [[add(1), add(2)], [remove(1), remove(2)], [add(3), add(4)]],
    ] {
        let words = words(&capacity);
        let counters = [AtomicU32::new(0)];
        let readers = Readers::new(&counters);
        let mut writer = PolicyWriter::new(&words, &capacity, [1, 2], readers).unwrap();
        writer.apply(made.into_iter()).unwrap();
        writer.apply(gone.into_iter()).unwrap();
        // Of four nodes two are still read.
        let three = needed.into_iter().chain([made[0]]);
        let busy = Err(Rejected { index: 2, error: BUSY });
        for _ in 0..5 {
            assert_eq!(writer.apply(three.clone()), busy);
        }
        assert_eq!(writer.apply(needed.into_iter()), Ok(()));
        readers.quiescent(0);
        assert_eq!(writer.apply(three), Ok(()));
    }
}

#[test]
fn a_small_table_is_replaced_whole_beside_a_reader() {
    let most = REPLACED_AT_ONCE as u16;
    let capacity = Capacity { enis: 100, ..Capacity::NONE };
    let words = words(&capacity);
    let counters = [AtomicU32::new(0)];
    let readers = Readers::new(&counters);
    let mut writer = PolicyWriter::new(&words, &capacity, [1, 2], readers).unwrap();
    let enis = |count, vnet| {
        (0..count)
            .map(move |id| Change::SetEni(EniId(id), Eni { vnet: VnetId(vnet), ..eni(id as u8) }))
    };
    assert_eq!(writer.apply(enis(100, 0)), Ok(()));
    assert_eq!(writer.apply(enis(most, 1)), Ok(()));
    let busy = writer.apply(enis(most, 2)).unwrap_err();
    assert_eq!(busy.error, BUSY);
    readers.quiescent(0);
    assert_eq!(writer.apply(enis(most, 2)), Ok(()));
    readers.quiescent(0);
    let index = usize::from(most) + 1;
    assert_eq!(writer.apply(enis(100, 3)), Err(Rejected { index, error: FULL }));
}
