//! From an object of C to one of the library; every number is checked.

use dash_core::{
    pipeline::vnet::policy::{
        ACL_STAGES, AclBindings, AclGroupId, Appliance, ApplianceId, Change, Direction,
        DirectionEntry, Eni, EniId, InboundAction, InboundRule, MacOverride, Mapping, Route,
        RouteGroup, RouteGroupId, RoutingTypeId, TagId, TrustedOwner, Underlay, UnderlayAction,
        VnetId,
    },
    table::acl::Rule,
};
use dash_hal::PortId;
use smoltcp::wire::{Ipv4Address, Ipv6Address};

#[allow(clippy::wildcard_imports, reason = "all of them are converted here")]
use crate::change::*;
use crate::{
    address::{flag, optional, version},
    status::Status,
};

const _: () = assert!(DASH_ACL_STAGES == ACL_STAGES);

/// The change, with rules that were converted before.
///
/// # Safety
/// The member of the union that `op` and `object` name is initialised.
pub(crate) unsafe fn change<'r>(
    from: &dash_change_t,
    rules: &'r [Rule<'r>],
) -> Result<Change<'r>, Status> {
    let set = match from.op {
        DASH_SET => true,
        DASH_REMOVE => false,
        _ => return Err(Status::DASH_BAD_VALUE),
    };
    let union = &from.change;
    // SAFETY: `object` names the member, which the caller's promise says is initialised; all
    // members are integers and pointers, for which every value is valid.
    unsafe {
        match from.object {
            DASH_APPLIANCE => appliance(&union.appliance, set),
            DASH_DIRECTION => direction(union.direction, set),
            DASH_VNET => Ok(vnet(union.vnet, set)),
            DASH_ROUTING_TYPE => Ok(routing_type(union.routing_type, set)),
            DASH_ROUTE_GROUP => route_group(union.route_group, set),
            DASH_ROUTE => route(&union.route, set),
            DASH_MAPPING => mapping(&union.mapping, set),
            DASH_PA_PREFIX => pa_prefix(&union.pa_prefix, set),
            DASH_TAG_PREFIX => tag_prefix(&union.tag_prefix, set),
            DASH_ACL_GROUP => acl_group(&union.acl_group, set, rules),
            DASH_INBOUND_RULES => inbound_rules(&union.inbound_rules, set, rules),
            DASH_TRUSTED_VNIS => trusted_vnis(&union.trusted_vnis, set),
            DASH_UNDERLAY_ROUTE => underlay_route(&union.underlay_route, set),
            DASH_ENI => eni(&union.eni, set),
            _ => Err(Status::DASH_BAD_VALUE),
        }
    }
}

fn appliance<'r>(from: &dash_appliance_t, set: bool) -> Result<Change<'r>, Status> {
    let id = ApplianceId(from.id);
    if !set {
        return Ok(Change::RemoveAppliance(id));
    }
    let appliance = Appliance {
        sip: Ipv4Address::from_octets(from.sip),
        sip_v6: optional(from.has_sip_v6, Ipv6Address::from_octets(from.sip_v6))?,
        vm_vni: from.vm_vni,
        own_mac: from.own_mac.into(),
        neighbor_mac: from.neighbor_mac.into(),
    };
    Ok(Change::SetAppliance(id, appliance))
}

fn direction<'r>(from: dash_direction_t, set: bool) -> Result<Change<'r>, Status> {
    if !set {
        return Ok(Change::RemoveDirection(from.vni));
    }
    let direction = match from.direction {
        DASH_OUTBOUND => Direction::Outbound,
        DASH_INBOUND => Direction::Inbound,
        _ => return Err(Status::DASH_BAD_VALUE),
    };
    let mac = match from.mac_override {
        DASH_MAC_DEFAULT => MacOverride::None,
        DASH_MAC_SOURCE => MacOverride::Source,
        DASH_MAC_DESTINATION => MacOverride::Destination,
        _ => return Err(Status::DASH_BAD_VALUE),
    };
    Ok(Change::SetDirection(from.vni, DirectionEntry { direction, mac }))
}

const fn vnet<'r>(from: dash_vnet_t, set: bool) -> Change<'r> {
    let id = VnetId(from.id);
    if set { Change::SetVnet(id, from.vni) } else { Change::RemoveVnet(id) }
}

const fn routing_type<'r>(from: dash_routing_type_t, set: bool) -> Change<'r> {
    let id = RoutingTypeId(from.id);
    if set { Change::SetRoutingType(id, from.vni) } else { Change::RemoveRoutingType(id) }
}

fn route_group<'r>(from: dash_route_group_t, set: bool) -> Result<Change<'r>, Status> {
    let id = RouteGroupId(from.id);
    if !set {
        return Ok(Change::RemoveRouteGroup(id));
    }
    Ok(Change::SetRouteGroup(id, RouteGroup { disabled: flag(from.disabled)? }))
}

fn route<'r>(from: &dash_route_t, set: bool) -> Result<Change<'r>, Status> {
    let group = RouteGroupId(from.group);
    let prefix = from.prefix.try_into()?;
    if !set {
        return Ok(Change::RemoveRoute(group, prefix));
    }
    let vnet = VnetId(from.vnet);
    let has_overlay_ip = flag(from.has_overlay_ip)?;
    let route = match from.action {
        DASH_TO_VNET_DIRECT => Route::VnetDirect {
            vnet,
            overlay_ip: has_overlay_ip.then(|| from.overlay_ip.try_into()).transpose()?,
        },
        _ if has_overlay_ip => return Err(Status::DASH_BAD_VALUE),
        DASH_DROP => Route::Drop,
        DASH_DIRECT => Route::Direct,
        DASH_TO_VNET => Route::Vnet(vnet),
        _ => return Err(Status::DASH_BAD_VALUE),
    };
    Ok(Change::SetRoute(group, prefix, route))
}

fn mapping<'r>(from: &dash_mapping_t, set: bool) -> Result<Change<'r>, Status> {
    let vnet = VnetId(from.vnet);
    let customer = from.customer.try_into()?;
    if !set {
        return Ok(Change::RemoveMapping(vnet, customer));
    }
    let v4 = optional(from.has_underlay_v4, Ipv4Address::from_octets(from.underlay_v4))?;
    let v6 = optional(from.has_underlay_v6, Ipv6Address::from_octets(from.underlay_v6))?;
    let underlay = match (v4, v6) {
        (Some(v4), Some(v6)) => Underlay::Both(v4, v6),
        (Some(v4), None) => Underlay::V4(v4),
        (None, Some(v6)) => Underlay::V6(v6),
        (None, None) => return Err(Status::DASH_BAD_VALUE),
    };
    let mapping = Mapping {
        underlay,
        mac: from.mac.into(),
        vni: optional(from.has_vni, from.vni)?,
        routing_type: RoutingTypeId(from.routing_type),
        use_dst_vni: flag(from.use_dst_vni)?,
    };
    Ok(Change::SetMapping(vnet, customer, mapping))
}

fn pa_prefix<'r>(from: &dash_pa_prefix_t, set: bool) -> Result<Change<'r>, Status> {
    let prefix = from.prefix.try_into()?;
    Ok(if set {
        Change::AddPaPrefix(from.vni, prefix)
    } else {
        Change::RemovePaPrefix(from.vni, prefix)
    })
}

fn tag_prefix<'r>(from: &dash_tag_prefix_t, set: bool) -> Result<Change<'r>, Status> {
    let tag = TagId(from.tag);
    let prefix = from.prefix.try_into()?;
    Ok(if set { Change::AddTagPrefix(tag, prefix) } else { Change::RemoveTagPrefix(tag, prefix) })
}

fn acl_group<'r>(
    from: &dash_acl_group_t,
    set: bool,
    rules: &'r [Rule<'r>],
) -> Result<Change<'r>, Status> {
    let id = AclGroupId(from.id);
    if !set {
        return Ok(Change::RemoveAclGroup(id));
    }
    Ok(Change::SetAclGroup(id, version(from.ip_version)?, rules))
}

fn inbound_rules<'r>(
    from: &dash_inbound_rules_t,
    set: bool,
    rules: &'r [Rule<'r>],
) -> Result<Change<'r>, Status> {
    let eni = EniId(from.eni);
    if !set {
        return Ok(Change::RemoveInboundRules(eni, from.vni));
    }
    Ok(Change::SetInboundRules(eni, from.vni, version(from.ip_version)?, rules))
}

/// One inbound rule.
pub(crate) fn inbound_rule(from: &dash_inbound_rule_t) -> Result<InboundRule, Status> {
    let action = match from.action {
        DASH_DROP => InboundAction::Drop,
        DASH_DECAP => InboundAction::Decap {
            vnet: optional(from.has_vnet, VnetId(from.vnet))?,
            pa_validation: flag(from.pa_validation)?,
        },
        _ => return Err(Status::DASH_BAD_VALUE),
    };
    let prefix = from.prefix.try_into()?;
    Ok(InboundRule { priority: from.priority, prefix, protocol: from.protocol, action })
}

fn trusted_vnis<'r>(from: &dash_trusted_vnis_t, set: bool) -> Result<Change<'r>, Status> {
    let owner = match from.owner {
        DASH_OF_APPLIANCE => TrustedOwner::Appliance(ApplianceId(from.id)),
        DASH_OF_ENI => {
            TrustedOwner::Eni(EniId(u16::try_from(from.id).map_err(|_| Status::DASH_OUT_OF_RANGE)?))
        }
        _ => return Err(Status::DASH_BAD_VALUE),
    };
    Ok(if set {
        Change::AddTrustedVnis(owner, from.first, from.last)
    } else {
        Change::RemoveTrustedVnis(owner, from.first, from.last)
    })
}

fn underlay_route<'r>(from: &dash_underlay_route_t, set: bool) -> Result<Change<'r>, Status> {
    let prefix = from.prefix.try_into()?;
    if !set {
        return Ok(Change::RemoveUnderlayRoute(prefix));
    }
    let action = match from.action {
        DASH_DROP => UnderlayAction::Drop,
        DASH_FORWARD => UnderlayAction::Forward(PortId(from.port)),
        _ => return Err(Status::DASH_BAD_VALUE),
    };
    Ok(Change::SetUnderlayRoute(prefix, action))
}

fn eni<'r>(from: &dash_eni_t, set: bool) -> Result<Change<'r>, Status> {
    let id = EniId(from.id);
    if !set {
        return Ok(Change::RemoveEni(id));
    }
    let eni = Eni {
        mac: from.mac.into(),
        enabled: flag(from.enabled)?,
        underlay_ip: from.underlay_ip.try_into()?,
        vnet: VnetId(from.vnet),
        appliance: ApplianceId(from.appliance),
        vm_vni: optional(from.has_vm_vni, from.vm_vni)?,
        route_group: optional(from.has_route_group, RouteGroupId(from.route_group))?,
        acl: AclBindings {
            inbound_v4: stages(&from.inbound_v4)?,
            inbound_v6: stages(&from.inbound_v6)?,
            outbound_v4: stages(&from.outbound_v4)?,
            outbound_v6: stages(&from.outbound_v6)?,
        },
    };
    Ok(Change::SetEni(id, eni))
}

fn stages(
    from: &[dash_acl_binding_t; ACL_STAGES],
) -> Result<[Option<AclGroupId>; ACL_STAGES], Status> {
    let mut stages = [None; ACL_STAGES];
    for (stage, binding) in stages.iter_mut().zip(from) {
        *stage = optional(binding.bound, AclGroupId(binding.group))?;
    }
    Ok(stages)
}
