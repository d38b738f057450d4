//! Changes come back as they were written; bytes that were not written are refused and never
//! panic.

use std::{mem::MaybeUninit, net::Ipv6Addr, ops::RangeInclusive};

use dash_core::{
    pipeline::vnet::policy::{
        AclBindings, AclGroupId, Appliance, ApplianceId, Change, Direction, DirectionEntry, Eni,
        EniId, MacOverride, Mapping, Route, RouteGroup, RouteGroupId, RoutingTypeId, TagId,
        TrustedOwner, Underlay, UnderlayAction, VnetId,
    },
    table::acl::Rule,
};
use dash_hal::PortId;
use dash_protocol::{Changes, DecodeError, encode};
use proptest::{collection::vec, option, prelude::*};
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, IpVersion, Ipv4Address};

/// A rule that owns its lists.
#[derive(Clone, Debug)]
struct OwnedRule {
    priority: u32,
    value: u32,
    protocols: Vec<u8>,
    prefixes: [Vec<IpCidr>; 2],
    tags: [Vec<u32>; 2],
    ports: [Vec<RangeInclusive<u16>>; 2],
}

impl OwnedRule {
    fn rule(&self) -> Rule<'_> {
        Rule {
            priority: self.priority,
            value: self.value,
            protocols: &self.protocols,
            sources: &self.prefixes[0],
            destinations: &self.prefixes[1],
            source_tags: &self.tags[0],
            destination_tags: &self.tags[1],
            source_ports: &self.ports[0],
            destination_ports: &self.ports[1],
        }
    }
}

/// A change; the rules of those that have some stand beside it.
#[derive(Clone, Debug)]
struct OwnedChange {
    change: Change<'static>,
    rules: Vec<OwnedRule>,
}

/// Calls `test` with the changes, their rules in place.
fn with_changes<T>(owned: &[OwnedChange], test: impl FnOnce(&[Change<'_>]) -> T) -> T {
    let rules: Vec<Vec<Rule<'_>>> =
        owned.iter().map(|owned| owned.rules.iter().map(OwnedRule::rule).collect()).collect();
    let changes: Vec<Change<'_>> = owned
        .iter()
        .zip(&rules)
        .map(|(owned, rules)| match owned.change {
            Change::SetAclGroup(id, version, _) => Change::SetAclGroup(id, version, rules),
            Change::SetInboundRules(eni, vni, version, _) => {
                Change::SetInboundRules(eni, vni, version, rules)
            }
            other => other,
        })
        .collect();
    test(&changes)
}

fn encoded(owned: &[OwnedChange]) -> Vec<u8> {
    let mut bytes = Vec::new();
    with_changes(owned, |changes| encode(changes.iter().copied(), &mut bytes));
    bytes
}

/// What `bytes` decode to, as text and encoded again.
fn decoded(bytes: &[u8], memory: usize) -> Result<(String, Vec<u8>), DecodeError> {
    let mut memory = vec![MaybeUninit::uninit(); memory];
    let changes = Changes::decode(bytes, &mut memory)?;
    let mut again = Vec::new();
    encode(changes.clone(), &mut again);
    Ok((format!("{:?}", changes.collect::<Vec<_>>()), again))
}

fn v4() -> impl Strategy<Value = Ipv4Address> + Clone {
    any::<u32>().prop_map(Ipv4Address::from_bits)
}

fn v6() -> impl Strategy<Value = Ipv6Addr> + Clone {
    any::<u128>().prop_map(Ipv6Addr::from_bits)
}

fn address() -> impl Strategy<Value = IpAddress> + Clone {
    prop_oneof![v4().prop_map(IpAddress::Ipv4), v6().prop_map(IpAddress::Ipv6)]
}

fn prefix() -> impl Strategy<Value = IpCidr> + Clone {
    prop_oneof![
        (v4(), 0..=32_u8).prop_map(|(address, length)| IpCidr::new(address.into(), length)),
        (v6(), 0..=128_u8).prop_map(|(address, length)| IpCidr::new(address.into(), length)),
    ]
}

fn mac() -> impl Strategy<Value = EthernetAddress> + Clone {
    any::<[u8; 6]>().prop_map(EthernetAddress)
}

fn version() -> impl Strategy<Value = IpVersion> + Clone {
    prop_oneof![Just(IpVersion::Ipv4), Just(IpVersion::Ipv6)]
}

fn rules() -> impl Strategy<Value = Vec<OwnedRule>> + Clone {
    let ports = || vec((any::<u16>(), any::<u16>()).prop_map(|(first, last)| first..=last), 0..3);
    let rule = (
        any::<(u32, u32)>(),
        vec(any::<u8>(), 0..4),
        [vec(prefix(), 0..4), vec(prefix(), 0..4)],
        [vec(any::<u32>(), 0..3), vec(any::<u32>(), 0..3)],
        [ports(), ports()],
    );
    let rule = rule.prop_map(|((priority, value), protocols, prefixes, tags, ports)| OwnedRule {
        priority,
        value,
        protocols,
        prefixes,
        tags,
        ports,
    });
    vec(rule, 0..5)
}

fn appliance() -> impl Strategy<Value = Appliance> {
    (v4(), option::of(v6()), any::<u32>(), mac(), mac()).prop_map(
        |(sip, sip_v6, vm_vni, own_mac, neighbor_mac)| Appliance {
            sip,
            sip_v6,
            vm_vni,
            own_mac,
            neighbor_mac,
        },
    )
}

fn direction() -> impl Strategy<Value = DirectionEntry> {
    let direction = prop_oneof![Just(Direction::Outbound), Just(Direction::Inbound)];
    let mac = prop_oneof![
        Just(MacOverride::None),
        Just(MacOverride::Source),
        Just(MacOverride::Destination)
    ];
    (direction, mac).prop_map(|(direction, mac)| DirectionEntry { direction, mac })
}

fn vnet() -> impl Strategy<Value = VnetId> {
    any::<u16>().prop_map(VnetId)
}

fn route() -> impl Strategy<Value = Route> {
    prop_oneof![
        Just(Route::Drop),
        Just(Route::Direct),
        vnet().prop_map(Route::Vnet),
        (vnet(), option::of(address()))
            .prop_map(|(vnet, overlay_ip)| Route::VnetDirect { vnet, overlay_ip }),
    ]
}

fn mapping() -> impl Strategy<Value = Mapping> {
    let underlay = prop_oneof![
        v4().prop_map(Underlay::V4),
        v6().prop_map(Underlay::V6),
        (v4(), v6()).prop_map(|(v4, v6)| Underlay::Both(v4, v6)),
    ];
    (underlay, mac(), option::of(any::<u32>()), any::<u8>(), any::<bool>()).prop_map(
        |(underlay, mac, vni, routing_type, use_dst_vni)| Mapping {
            underlay,
            mac,
            vni,
            routing_type: RoutingTypeId(routing_type),
            use_dst_vni,
        },
    )
}

fn owner() -> impl Strategy<Value = TrustedOwner> {
    prop_oneof![
        any::<u32>().prop_map(|id| TrustedOwner::Appliance(ApplianceId(id))),
        any::<u16>().prop_map(|id| TrustedOwner::Eni(EniId(id))),
    ]
}

fn eni() -> impl Strategy<Value = Eni> {
    let stages = || proptest::array::uniform5(option::of(any::<u32>().prop_map(AclGroupId)));
    let acl = (stages(), stages(), stages(), stages()).prop_map(
        |(inbound_v4, inbound_v6, outbound_v4, outbound_v6)| AclBindings {
            inbound_v4,
            inbound_v6,
            outbound_v4,
            outbound_v6,
        },
    );
    let numbers = (any::<u32>(), option::of(any::<u32>()), option::of(any::<u16>()));
    (mac(), any::<bool>(), address(), vnet(), numbers, acl).prop_map(
        |(mac, enabled, underlay_ip, vnet, (appliance, vm_vni, route_group), acl)| Eni {
            mac,
            enabled,
            underlay_ip,
            vnet,
            appliance: ApplianceId(appliance),
            vm_vni,
            route_group: route_group.map(RouteGroupId),
            acl,
        },
    )
}

/// One of each kind, in the order of the kinds.
fn each() -> impl Strategy<Value = Vec<OwnedChange>> {
    let plain = |change: BoxedStrategy<Change<'static>>| {
        change.prop_map(|change| OwnedChange { change, rules: Vec::new() }).boxed()
    };
    let appliances = || any::<u32>().prop_map(ApplianceId);
    let groups = || any::<u16>().prop_map(RouteGroupId);
    let enis = || any::<u16>().prop_map(EniId);
    let types = || any::<u8>().prop_map(RoutingTypeId);
    let tags = || any::<u32>().prop_map(TagId);
    let vni = any::<u32>;
    let action = prop_oneof![
        Just(UnderlayAction::Drop),
        any::<u16>().prop_map(|port| UnderlayAction::Forward(PortId(port))),
    ];
    let ranges = || (owner(), vni(), vni());
    let plain: Vec<BoxedStrategy<OwnedChange>> = [
        (appliances(), appliance()).prop_map(|(id, it)| Change::SetAppliance(id, it)).boxed(),
        appliances().prop_map(Change::RemoveAppliance).boxed(),
        (vni(), direction()).prop_map(|(vni, it)| Change::SetDirection(vni, it)).boxed(),
        vni().prop_map(Change::RemoveDirection).boxed(),
        (vnet(), vni()).prop_map(|(id, vni)| Change::SetVnet(id, vni)).boxed(),
        vnet().prop_map(Change::RemoveVnet).boxed(),
        (types(), vni()).prop_map(|(id, vni)| Change::SetRoutingType(id, vni)).boxed(),
        types().prop_map(Change::RemoveRoutingType).boxed(),
        (groups(), any::<bool>())
            .prop_map(|(id, disabled)| Change::SetRouteGroup(id, RouteGroup { disabled }))
            .boxed(),
        groups().prop_map(Change::RemoveRouteGroup).boxed(),
        (groups(), prefix(), route()).prop_map(|(id, at, it)| Change::SetRoute(id, at, it)).boxed(),
        (groups(), prefix()).prop_map(|(id, at)| Change::RemoveRoute(id, at)).boxed(),
        (vnet(), address(), mapping())
            .prop_map(|(id, at, it)| Change::SetMapping(id, at, it))
            .boxed(),
        (vnet(), address()).prop_map(|(id, at)| Change::RemoveMapping(id, at)).boxed(),
        (vni(), prefix()).prop_map(|(vni, at)| Change::AddPaPrefix(vni, at)).boxed(),
        (vni(), prefix()).prop_map(|(vni, at)| Change::RemovePaPrefix(vni, at)).boxed(),
        (tags(), prefix()).prop_map(|(tag, at)| Change::AddTagPrefix(tag, at)).boxed(),
        (tags(), prefix()).prop_map(|(tag, at)| Change::RemoveTagPrefix(tag, at)).boxed(),
        any::<u32>().prop_map(|id| Change::RemoveAclGroup(AclGroupId(id))).boxed(),
        (enis(), vni()).prop_map(|(eni, vni)| Change::RemoveInboundRules(eni, vni)).boxed(),
        ranges().prop_map(|(of, first, last)| Change::AddTrustedVnis(of, first, last)).boxed(),
        ranges().prop_map(|(of, first, last)| Change::RemoveTrustedVnis(of, first, last)).boxed(),
        (prefix(), action).prop_map(|(at, it)| Change::SetUnderlayRoute(at, it)).boxed(),
        prefix().prop_map(Change::RemoveUnderlayRoute).boxed(),
        (enis(), eni()).prop_map(|(id, it)| Change::SetEni(id, it)).boxed(),
        enis().prop_map(Change::RemoveEni).boxed(),
    ]
    .into_iter()
    .map(plain)
    .collect();
    let acl = (any::<u32>(), version(), rules()).prop_map(|(id, version, rules)| OwnedChange {
        change: Change::SetAclGroup(AclGroupId(id), version, &[]),
        rules,
    });
    let inbound = (enis(), vni(), version(), rules()).prop_map(|(eni, vni, version, rules)| {
        OwnedChange { change: Change::SetInboundRules(eni, vni, version, &[]), rules }
    });
    (plain, acl, inbound).prop_map(|(mut all, acl, inbound)| {
        all.extend([acl, inbound]);
        all
    })
}

fn changes() -> impl Strategy<Value = Vec<OwnedChange>> {
    each().prop_flat_map(|all| proptest::sample::subsequence(all, 0..=28).prop_shuffle())
}

proptest! {
    #[test]
    fn each_kind_comes_back(owned in each()) {
        let bytes = encoded(&owned);
        let text = with_changes(&owned, |changes| format!("{changes:?}"));
        let memory = Changes::memory(&bytes).unwrap();
        prop_assert_eq!(decoded(&bytes, memory), Ok((text, bytes)));
    }

    #[test]
    fn any_list_comes_back(owned in changes()) {
        let bytes = encoded(&owned);
        let text = with_changes(&owned, |changes| format!("{changes:?}"));
        prop_assert_eq!(decoded(&bytes, Changes::memory(&bytes).unwrap()), Ok((text, bytes)));
    }

    #[test]
    fn no_part_is_taken_for_the_whole(owned in changes(), cut in any::<prop::sample::Index>()) {
        let bytes = encoded(&owned);
        let part = &bytes[..cut.index(bytes.len())];
        prop_assert!(decoded(part, 1 << 16).is_err());
        let longer: Vec<u8> = bytes.iter().copied().chain([0]).collect();
        prop_assert_eq!(decoded(&longer, 1 << 16), Err(DecodeError::Trailing));
    }

    #[test]
    fn too_little_memory_is_an_error(owned in changes(), part in any::<prop::sample::Index>()) {
        let bytes = encoded(&owned);
        let memory = Changes::memory(&bytes).unwrap();
        // Alignment may save a little; half is never enough.
        if memory != 0 {
            let memory = part.index(memory / 2);
            prop_assert_eq!(decoded(&bytes, memory), Err(DecodeError::Memory));
        }
    }

    /// What is accepted is what was meant: it is written again as the same bytes.
    #[test]
    fn damaged_bytes_are_refused_or_mean_something(
        owned in changes(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = encoded(&owned);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = Changes::memory(&bytes);
        if let Ok((_, again)) = decoded(&bytes, 1 << 16) {
            prop_assert_eq!(again, bytes);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in vec(prop_oneof![0..8_u8, any::<u8>()], 0..400)) {
        let _ = Changes::memory(&bytes);
        if let Ok((_, again)) = decoded(&bytes, 1 << 12) {
            prop_assert_eq!(again, bytes);
        }
    }
}

#[test]
fn counts_that_no_memory_holds_are_refused() {
    for count in [u32::MAX, 1 << 31, 1 << 16] {
        let mut bytes = count.to_le_bytes().to_vec();
        bytes.extend([0; 64]);
        assert_eq!(decoded(&bytes, 64), Err(DecodeError::Truncated));
        assert_eq!(Changes::memory(&bytes), Err(DecodeError::Truncated));
    }
}

#[test]
fn a_prefix_longer_than_its_address_is_refused() {
    let mut bytes = Vec::new();
    let prefix = IpCidr::new(IpAddress::v4(10, 0, 0, 0), 8);
    encode([Change::RemoveUnderlayRoute(prefix)].into_iter(), &mut bytes);
    assert_eq!(bytes, [0, 0, 0, 0, 1, 0, 0, 0, 25, 4, 10, 0, 0, 0, 8]);
    *bytes.last_mut().unwrap() = 33;
    assert_eq!(decoded(&bytes, 0), Err(DecodeError::Value));
}
