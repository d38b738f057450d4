//! A policy of the size that a small SmartNIC starts with, in 32-bit words of static memory.
//!
//! 32 ENIs of one VNET. Outbound frames pass one ACL group at stage 1 (a rule that denies one UDP
//! port, then one that permits everything), one route of 16 bits among routes of three lengths,
//! and one of 32 mappings.

use dash_core::{
    pipeline::vnet::policy::{
        AclAction, AclBindings, AclGroupId, Appliance, ApplianceId, Capacity, Direction,
        DirectionEntry, Eni, EniId, MacOverride, Mapping, PolicyError, PolicyWriter, Route,
        RouteGroup, RouteGroupId, RoutingTypeId, TrustedOwner, Underlay, VnetId,
    },
    table::acl::{self, Rule},
};
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, IpVersion, Ipv4Address, Ipv4Cidr};

/// ENIs; DASH asks for at least 32 on a card.
pub const ENIS: u8 = 32;

/// What the policy's memory holds.
pub const CAPACITY: Capacity = Capacity {
    appliances: 1,
    directions: 4,
    enis: ENIS as usize,
    vnets: 4,
    routing_types: 1,
    route_groups: 4,
    routes: 16,
    overlay_routes: 4,
    mappings: 64,
    mapping_underlays: 64,
    inbound_sets: 4,
    pa_vnis: 4,
    pa_prefixes: 16,
    trusted_ranges: 4,
    underlay_routes: 4,
    acl: acl::Capacity { groups: 8, words: 16384, tags: 4, tag_prefixes: 16 },
};

pub(crate) const VIP: Ipv4Address = Ipv4Address::new(172, 16, 1, 100);
pub(crate) const VM_HOST: Ipv4Address = Ipv4Address::new(172, 16, 1, 1);
pub(crate) const VM_ADDRESS: Ipv4Address = Ipv4Address::new(10, 0, 0, 1);
pub(crate) const VM_VNI: u32 = 100;
/// The first ACL stage denies UDP to this port.
pub(crate) const DENIED_PORT: u16 = 9;

const APPLIANCE: ApplianceId = ApplianceId(0);
const VNET: VnetId = VnetId(1);
const VNET_VNI: u32 = 200;
const ROUTES: RouteGroupId = RouteGroupId(0);
const RULES: AclGroupId = AclGroupId(0);
const MAPPINGS: u8 = 32;

pub(crate) const fn eni_mac(eni: u8) -> EthernetAddress {
    EthernetAddress([0, 0xcc, 0xcc, 0xcc, 0xcc, eni])
}

/// The customer address that frame `number` is sent to.
pub(crate) const fn customer(number: u8) -> Ipv4Address {
    Ipv4Address::new(10, 1, 0, number % MAPPINGS)
}

/// Writes the policy.
pub(crate) fn write(writer: &mut PolicyWriter<'_>) -> Result<(), PolicyError> {
    let appliance = Appliance {
        sip: VIP,
        sip_v6: None,
        vm_vni: VM_VNI,
        own_mac: EthernetAddress([2, 0, 0, 0, 0, 1]),
        neighbor_mac: EthernetAddress([2, 0, 0, 0, 0, 3]),
    };
    writer.set_appliance(APPLIANCE, &appliance)?;
    let outbound = DirectionEntry { direction: Direction::Outbound, mac: MacOverride::None };
    writer.set_direction(VM_VNI, outbound)?;
    writer.add_trusted_vnis(TrustedOwner::Appliance(APPLIANCE), VM_VNI..=VM_VNI)?;
    writer.set_vnet(VNET, VNET_VNI)?;
    set_rules(writer)?;
    set_routes(writer)?;
    let bound = [Some(RULES), None, None, None, None];
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
    Ok(())
}

fn set_rules(writer: &mut PolicyWriter<'_>) -> Result<(), PolicyError> {
    let permit = Rule {
        priority: 2,
        value: AclAction { permit: true, terminating: true }.value(),
        protocols: &[],
        sources: &[],
        destinations: &[],
        source_tags: &[],
        destination_tags: &[],
        source_ports: &[],
        destination_ports: &[],
    };
    let deny = Rule {
        priority: 1,
        value: AclAction { permit: false, terminating: true }.value(),
        protocols: &[17],
        destination_ports: &[DENIED_PORT..=DENIED_PORT],
        ..permit
    };
    writer.set_acl_group(RULES, IpVersion::Ipv4, &[deny, permit])
}

fn set_routes(writer: &mut PolicyWriter<'_>) -> Result<(), PolicyError> {
    writer.set_route_group(ROUTES, RouteGroup::default())?;
    for (network, length) in [([10, 0, 0, 0], 8), ([10, 1, 0, 0], 16), ([10, 2, 3, 0], 24)] {
        let prefix = Ipv4Cidr::new(network.into(), length);
        writer.set_route(ROUTES, IpCidr::Ipv4(prefix), &Route::Vnet(VNET))?;
    }
    for number in 0..MAPPINGS {
        let mapping = Mapping {
            underlay: Underlay::V4(Ipv4Address::new(100, 64, 0, number)),
            mac: EthernetAddress([0, 0xdd, 0xdd, 0xdd, 0, number]),
            vni: None,
            routing_type: RoutingTypeId(0),
            use_dst_vni: true,
        };
        writer.set_mapping(VNET, IpAddress::Ipv4(customer(number)), &mapping)?;
    }
    Ok(())
}
