//! From an event of the packet path to a stage as C reads it.

use dash_core::{
    flow::FlowStep,
    pipeline::vnet::{
        AclAnswer, Event, TrustedBy, ValidBy, VniOrigin,
        policy::{
            AclGroupId, Direction, DirectionEntry, EniId, InboundAction, MacOverride, Mapping,
            Route, RouteGroupId, Underlay, UnderlayAction, VnetId,
        },
    },
};
use smoltcp::wire::IpAddress;

use crate::{address::dash_prefix_t, flow::direction};
#[allow(clippy::wildcard_imports, reason = "a stage answers what a change set")]
use crate::{change::*, stage::*};

impl From<FlowStep> for dash_stage_t {
    fn from(step: FlowStep) -> Self {
        let (found, step) = match step {
            FlowStep::Hit => (1, DASH_FLOW_HIT),
            FlowStep::Miss => (0, DASH_FLOW_MISS),
            FlowStep::Stale => (1, DASH_FLOW_STALE),
            FlowStep::Installed => (0, DASH_FLOW_INSTALLED),
            FlowStep::Replaced => (0, DASH_FLOW_REPLACED),
            FlowStep::Removed => (0, DASH_FLOW_REMOVED),
            FlowStep::Uncached => (0, DASH_FLOW_UNCACHED),
        };
        let detail = dash_stage_detail_t { flow: dash_flow_stage_t { step } };
        Self { stage: DASH_STAGE_FLOW, found, detail }
    }
}

impl From<Event> for dash_stage_t {
    fn from(event: Event) -> Self {
        use dash_stage_detail_t as Detail;
        let (stage, found, detail) = match event {
            Event::Vip { destination, hit } => {
                let destination = destination.map(Into::into).unwrap_or_default();
                (DASH_STAGE_VIP, hit, Detail { vip: dash_vip_stage_t { destination } })
            }
            Event::Direction { vni, entry } => {
                let direction = direction_stage(vni, entry.unwrap_or(DirectionEntry::MISS));
                (DASH_STAGE_DIRECTION, entry.is_some(), Detail { direction })
            }
            Event::Eni { mac, entry } => {
                let eni = dash_eni_stage_t {
                    mac: mac.into(),
                    eni: entry.map_or(0, |eni| eni.id.0),
                    vnet: entry.map_or(0, |eni| eni.vnet.0),
                    enabled: entry.is_some_and(|eni| eni.enabled).into(),
                };
                (DASH_STAGE_ENI, entry.is_some(), Detail { eni })
            }
            Event::Key(key) => (DASH_STAGE_KEY, false, Detail { key: (&key).into() }),
            Event::TrustedVni { vni, by } => {
                let owner = match by {
                    None => 0,
                    Some(TrustedBy::Appliance) => DASH_OF_APPLIANCE,
                    Some(TrustedBy::Eni) => DASH_OF_ENI,
                };
                let trusted_vni = dash_trusted_vni_stage_t { vni, owner };
                (DASH_STAGE_TRUSTED_VNI, by.is_some(), Detail { trusted_vni })
            }
            Event::Acl { direction, stage, group, answer } => {
                let acl = acl(direction, stage, group, answer);
                let found = matches!(answer, AclAnswer::Rule { .. });
                (DASH_STAGE_ACL, found, Detail { acl })
            }
            Event::RouteGroup { group, entry } => {
                let route_group = dash_route_group_stage_t {
                    has_group: group.is_some().into(),
                    disabled: entry.is_some_and(|group| group.disabled).into(),
                    group: group.map_or(0, |group| group.0),
                };
                (DASH_STAGE_ROUTE_GROUP, entry.is_some(), Detail { route_group })
            }
            Event::Route { group, destination, entry } => {
                let route = route(group, destination, entry);
                (DASH_STAGE_ROUTE, entry.is_some(), Detail { route })
            }
            Event::Mapping { vnet, address, entry } => {
                let mapping = mapping(vnet, address, entry.as_ref());
                (DASH_STAGE_MAPPING, entry.is_some(), Detail { mapping })
            }
            Event::Vni { vni, from } => {
                let (origin, vnet) = match from {
                    VniOrigin::Mapping => (DASH_VNI_OF_MAPPING, 0),
                    VniOrigin::RoutingType => (DASH_VNI_OF_ROUTING_TYPE, 0),
                    VniOrigin::Vnet(vnet) => (DASH_VNI_OF_VNET, vnet.0),
                    VniOrigin::Eni => (DASH_VNI_OF_ENI, 0),
                };
                let vni = dash_vni_stage_t { vni, origin, vnet };
                (DASH_STAGE_VNI, false, Detail { vni })
            }
            Event::InboundRule { eni, vni, source, protocol, entry } => {
                let inbound_rule = inbound_rule((eni, vni, source, protocol), entry);
                (DASH_STAGE_INBOUND_RULE, entry.is_some(), Detail { inbound_rule })
            }
            Event::PaValidation { vnet, vni, source, by } => {
                let pa_validation = pa_validation(vnet, vni, source, by);
                (DASH_STAGE_PA_VALIDATION, by.is_some(), Detail { pa_validation })
            }
            Event::Compiled { rewrite, reverse } => {
                let compiled = dash_compiled_stage_t {
                    rewrite: (&rewrite).into(),
                    has_reverse: reverse.is_some().into(),
                    reverse: reverse.as_ref().map(Into::into).unwrap_or_default(),
                };
                (DASH_STAGE_COMPILED, false, Detail { compiled })
            }
            Event::Underlay { destination, entry } => {
                let underlay = underlay(destination, entry);
                (DASH_STAGE_UNDERLAY, entry.is_some(), Detail { underlay })
            }
        };
        Self { stage, found: found.into(), detail }
    }
}

const fn direction_stage(vni: u32, entry: DirectionEntry) -> dash_direction_t {
    dash_direction_t {
        vni,
        direction: direction(entry.direction),
        mac_override: match entry.mac {
            MacOverride::None => DASH_MAC_DEFAULT,
            MacOverride::Source => DASH_MAC_SOURCE,
            MacOverride::Destination => DASH_MAC_DESTINATION,
        },
    }
}

fn inbound_rule(
    (eni, vni, source, protocol): (EniId, u32, IpAddress, u8),
    entry: Option<(u32, InboundAction)>,
) -> dash_inbound_rule_stage_t {
    let (action, vnet, validate) = match entry.map(|(_, action)| action) {
        None => (0, None, false),
        Some(InboundAction::Drop) => (DASH_DROP, None, false),
        Some(InboundAction::Decap { vnet, pa_validation }) => (DASH_DECAP, vnet, pa_validation),
    };
    dash_inbound_rule_stage_t {
        eni: eni.0,
        protocol,
        action,
        has_vnet: vnet.is_some().into(),
        pa_validation: validate.into(),
        vnet: vnet.map_or(0, |vnet| vnet.0),
        priority: entry.map_or(0, |(priority, _)| priority),
        vni,
        source: source.into(),
    }
}

fn pa_validation(
    vnet: VnetId,
    vni: Option<u32>,
    source: IpAddress,
    by: Option<ValidBy>,
) -> dash_pa_validation_stage_t {
    let (by, length) = match by {
        None => (0, 0),
        Some(ValidBy::Mapping) => (DASH_VALID_MAPPING, 0),
        Some(ValidBy::Prefix(length)) => (DASH_VALID_PREFIX, length),
    };
    dash_pa_validation_stage_t {
        vnet: vnet.0,
        has_vni: vni.is_some().into(),
        by,
        length,
        vni: vni.unwrap_or(0),
        source: source.into(),
    }
}

fn acl(
    of: Direction,
    stage: usize,
    group: Option<AclGroupId>,
    answer: AclAnswer,
) -> dash_acl_stage_t {
    let (answer, rule) = match answer {
        AclAnswer::Unbound => (DASH_ACL_UNBOUND, None),
        AclAnswer::NoGroup => (DASH_ACL_NO_GROUP, None),
        AclAnswer::OtherVersion => (DASH_ACL_OTHER_VERSION, None),
        AclAnswer::NoRule => (DASH_ACL_NO_RULE, None),
        AclAnswer::Rule { priority, action } => (DASH_ACL_RULE, Some((priority, action))),
    };
    dash_acl_stage_t {
        direction: direction(of),
        stage: stage as u8,
        answer,
        permit: rule.is_some_and(|(_, action)| action.permit).into(),
        terminating: rule.is_some_and(|(_, action)| action.terminating).into(),
        priority: rule.map_or(0, |(priority, _)| priority),
        group: group.map_or(0, |group| group.0),
    }
}

fn route(
    group: RouteGroupId,
    destination: IpAddress,
    entry: Option<(u8, Route)>,
) -> dash_route_stage_t {
    let (action, vnet, overlay_ip) = match entry.map(|(_, route)| route) {
        None => (0, VnetId(0), None),
        Some(Route::Drop) => (DASH_DROP, VnetId(0), None),
        Some(Route::Direct) => (DASH_DIRECT, VnetId(0), None),
        Some(Route::Vnet(vnet)) => (DASH_TO_VNET, vnet, None),
        Some(Route::VnetDirect { vnet, overlay_ip }) => (DASH_TO_VNET_DIRECT, vnet, overlay_ip),
    };
    dash_route_stage_t {
        destination: destination.into(),
        route: dash_route_t {
            group: group.0,
            prefix: prefix(destination, entry.map(|(length, _)| length)),
            action,
            has_overlay_ip: overlay_ip.is_some().into(),
            vnet: vnet.0,
            overlay_ip: overlay_ip.map(Into::into).unwrap_or_default(),
        },
    }
}

fn mapping(vnet: VnetId, customer: IpAddress, entry: Option<&Mapping>) -> dash_mapping_t {
    let (v4, v6) = match entry.map(|mapping| mapping.underlay) {
        None => (None, None),
        Some(Underlay::V4(v4)) => (Some(v4), None),
        Some(Underlay::V6(v6)) => (None, Some(v6)),
        Some(Underlay::Both(v4, v6)) => (Some(v4), Some(v6)),
    };
    let vni = entry.and_then(|mapping| mapping.vni);
    dash_mapping_t {
        vnet: vnet.0,
        customer: customer.into(),
        has_underlay_v4: v4.is_some().into(),
        has_underlay_v6: v6.is_some().into(),
        has_vni: vni.is_some().into(),
        use_dst_vni: entry.is_some_and(|mapping| mapping.use_dst_vni).into(),
        underlay_v4: v4.map_or([0; 4], |v4| v4.octets()),
        underlay_v6: v6.map_or([0; 16], |v6| v6.octets()),
        mac: entry.map(|mapping| mapping.mac.into()).unwrap_or_default(),
        routing_type: entry.map_or(0, |mapping| mapping.routing_type.0),
        vni: vni.unwrap_or(0),
    }
}

fn underlay(destination: IpAddress, entry: Option<(u8, UnderlayAction)>) -> dash_underlay_stage_t {
    let (action, port) = match entry.map(|(_, action)| action) {
        None => (0, 0),
        Some(UnderlayAction::Drop) => (DASH_DROP, 0),
        Some(UnderlayAction::Forward(port)) => (DASH_FORWARD, port.0),
    };
    let prefix = prefix(destination, entry.map(|(length, _)| length));
    dash_underlay_stage_t {
        destination: destination.into(),
        route: dash_underlay_route_t { prefix, action, port },
    }
}

/// The prefix of `length` bits that has `address`; without a length, zeros.
fn prefix(address: IpAddress, length: Option<u8>) -> dash_prefix_t {
    length.map_or(dash_prefix_t::default(), |length| dash_prefix_t {
        address: address.into(),
        length,
    })
}
