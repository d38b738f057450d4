//! One policy of a chosen size, from a fixed seed.

use std::{collections::BTreeSet, ops::RangeInclusive, sync::atomic::AtomicU32};

use dash_core::{
    pipeline::vnet::policy::{
        AclAction, AclBindings, AclGroupId, Appliance, ApplianceId, Capacity, Direction,
        DirectionEntry, Eni, EniId, MacOverride, Mapping, Policy, PolicyError, PolicyWriter, Route,
        RouteGroup, RouteGroupId, RoutingTypeId, TrustedOwner, Underlay, VnetId,
    },
    table::{
        acl::{self, Rule},
        quiescence::Readers,
    },
};
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, IpVersion, Ipv4Address, Ipv4Cidr};

use crate::random::Random;

/// ENIs; DASH asks for at least 32 on a card.
pub const ENIS: u8 = 32;
/// Customer addresses with a mapping, which frames are sent to.
pub const DESTINATIONS: usize = 4096;

pub(crate) const VIP: Ipv4Address = Ipv4Address::new(172, 16, 1, 100);
pub(crate) const VM_HOST: Ipv4Address = Ipv4Address::new(172, 16, 1, 1);
pub(crate) const VM_ADDRESS: Ipv4Address = Ipv4Address::new(10, 0, 0, 1);
pub(crate) const VM_VNI: u32 = 100;

const VNET: VnetId = VnetId(1);
const VNET_VNI: u32 = 200;
const ROUTES: RouteGroupId = RouteGroupId(0);
const RULES: AclGroupId = AclGroupId(0);
const APPLIANCE: ApplianceId = ApplianceId(0);

/// How big a policy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rules of the one ACL group that outbound frames meet; they match the last. 0: no group.
    pub rules: usize,
    /// Random prefixes of 16 to 28 bits in the one route group.
    pub routes: usize,
}

pub(crate) const fn eni_mac(number: u8) -> EthernetAddress {
    EthernetAddress([0, 0xcc, 0xcc, 0xcc, 0xcc, number])
}

/// The readers' view, and the customer addresses that frames are sent to.
pub(crate) struct World {
    pub(crate) policy: Policy<'static>,
    pub(crate) destinations: Vec<Ipv4Address>,
}

/// Builds a policy over storage that lives as long as the process.
pub(crate) fn build(shape: Shape) -> Result<World, PolicyError> {
    let mut random = Random::new(1);
    let capacity = Capacity {
        appliances: 1,
        directions: 16,
        enis: ENIS.into(),
        vnets: 16,
        routing_types: 1,
        route_groups: 1,
        routes: shape.routes,
        mappings: DESTINATIONS,
        mapping_underlays: DESTINATIONS,
        trusted_ranges: 1,
        underlay_routes: 1,
        // The rules, and the list of one element that most of them have, twice over.
        acl: acl::Capacity {
            groups: 1,
            words: 8192 + 1200 * shape.rules,
            tags: 0,
            tag_prefixes: 0,
        },
        ..Capacity::NONE
    };
    let words: Vec<AtomicU32> = (0..capacity.words()).map(|_| AtomicU32::new(0)).collect();
    // Nothing reads while the policy is built.
    let mut writer = PolicyWriter::new(words.leak(), &capacity, [3, 4], Readers::new(&[]))?;

    writer.set_appliance(
        APPLIANCE,
        &Appliance {
            sip: VIP,
            sip_v6: None,
            vm_vni: VM_VNI,
            own_mac: EthernetAddress([2, 0, 0, 0, 0, 1]),
            neighbor_mac: EthernetAddress([2, 0, 0, 0, 0, 3]),
        },
    )?;
    let outbound = DirectionEntry { direction: Direction::Outbound, mac: MacOverride::None };
    writer.set_direction(VM_VNI, outbound)?;
    writer.add_trusted_vnis(TrustedOwner::Appliance(APPLIANCE), VM_VNI..=VM_VNI)?;
    writer.set_vnet(VNET, VNET_VNI)?;
    if shape.rules > 0 {
        set_rules(&mut writer, shape.rules, &mut random)?;
    }
    let destinations = set_routes(&mut writer, shape.routes, &mut random)?;
    let bound = [(shape.rules > 0).then_some(RULES), None, None, None, None];
    for number in 0..ENIS {
        let eni = Eni {
            mac: eni_mac(number),
            enabled: true,
            underlay_ip: IpAddress::Ipv4(VM_HOST),
            vnet: VNET,
            appliance: APPLIANCE,
            vm_vni: None,
            route_group: Some(ROUTES),
            acl: AclBindings { outbound_v4: bound, ..AclBindings::default() },
        };
        writer.set_eni(EniId(number.into()), &eni)?;
    }
    writer.commit();
    Ok(World { policy: writer.policy(), destinations })
}

/// The lists of one rule.
struct Lists {
    protocols: [u8; 1],
    sources: [IpCidr; 1],
    destinations: [IpCidr; 1],
    destination_ports: [RangeInclusive<u16>; 1],
}

/// All rules but the last ask for a source that no frame has.
fn set_rules(
    writer: &mut PolicyWriter<'_>,
    count: usize,
    random: &mut Random,
) -> Result<(), PolicyError> {
    let lists: Vec<Lists> = (1..count)
        .map(|_| {
            let first = random.below(60_000) as u16;
            Lists {
                protocols: [if random.below(2) == 0 { 6 } else { 17 }],
                sources: [prefix(0xc000_0000 | random.below(1 << 28) as u32, 24)],
                destinations: [prefix(random.next() as u32, 16 + random.below(13) as u8)],
                destination_ports: [first..=first + 1000],
            }
        })
        .collect();
    let permit = AclAction { permit: true, terminating: true };
    let last = Rule {
        priority: count as u32,
        value: permit.value(),
        protocols: &[],
        sources: &[],
        destinations: &[],
        source_tags: &[],
        destination_tags: &[],
        source_ports: &[],
        destination_ports: &[],
    };
    let mut rules: Vec<Rule<'_>> = (1..)
        .zip(&lists)
        .map(|(priority, lists)| Rule {
            priority,
            value: AclAction { permit: false, terminating: true }.value(),
            protocols: &lists.protocols,
            sources: &lists.sources,
            destinations: &lists.destinations,
            destination_ports: &lists.destination_ports,
            ..last
        })
        .collect();
    rules.push(last);
    writer.set_acl_group(RULES, IpVersion::Ipv4, &rules)
}

/// Random prefixes, and random addresses within them that have a mapping.
fn set_routes(
    writer: &mut PolicyWriter<'_>,
    count: usize,
    random: &mut Random,
) -> Result<Vec<Ipv4Address>, PolicyError> {
    writer.set_route_group(ROUTES, RouteGroup::default())?;
    let mut prefixes = BTreeSet::new();
    while prefixes.len() < count {
        let length = 16 + random.below(13) as u8;
        let bits = random.next() as u32 & (u32::MAX << (32 - length));
        prefixes.insert((bits, length));
    }
    for (bits, length) in &prefixes {
        writer.set_route(ROUTES, prefix(*bits, *length), &Route::Vnet(VNET))?;
    }
    let prefixes: Vec<(u32, u8)> = prefixes.into_iter().collect();
    let mut destinations = BTreeSet::new();
    while destinations.len() < DESTINATIONS {
        let (bits, length) = prefixes[random.below(count as u64) as usize];
        destinations.insert(bits | random.next() as u32 & (u32::MAX >> length));
    }
    let destinations: Vec<Ipv4Address> =
        destinations.into_iter().map(Ipv4Address::from_bits).collect();
    for (destination, number) in destinations.iter().zip(0..) {
        let mapping = Mapping {
            underlay: Underlay::V4(Ipv4Address::from_bits(0x6440_0000 | number)),
            mac: EthernetAddress([0, 0xdd, 0xdd, 0xdd, (number >> 8) as u8, number as u8]),
            vni: None,
            routing_type: RoutingTypeId(0),
            use_dst_vni: true,
        };
        writer.set_mapping(VNET, IpAddress::Ipv4(*destination), &mapping)?;
    }
    Ok(destinations)
}

fn prefix(bits: u32, length: u8) -> IpCidr {
    IpCidr::Ipv4(Ipv4Cidr::new(Ipv4Address::from_bits(bits), length))
}
