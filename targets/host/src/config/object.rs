//! The objects that the data plane acts on ([`acl`](super::acl) has the rest), each with its key and its fields.
//!
//! A field of section 7 that is not acted on yet is checked like any other and noted.
//! Mandatory are the fields that are acted on and neither optional, repeated nor deprecated.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use smoltcp::wire::EthernetAddress;

use super::{
    fields::{Fields, Ignored},
    key::{ApplianceId, Source},
    problem::{Origin, Problem},
    text::Json,
    value::{self, Choice, VNI_MAX, choice, list, name, range, ranges},
};

/// `DASH_APPLIANCE_TABLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appliance {
    /// Virtual IP over IPv4.
    pub sip: Ipv4Addr,
    /// Virtual IP over IPv6; an extension of ours.
    pub sip_v6: Option<Ipv6Addr>,
    /// VNI of its virtual machines; frames with it are outbound.
    pub vm_vni: u32,
    /// Which MAC names the ENI of an outbound frame.
    pub outbound_direction_lookup: Option<MacLookup>,
    /// VNIs that may reach policy, for every ENI.
    pub trusted_vnis: Vec<(u32, u32)>,
}

/// Which inner MAC names the ENI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacLookup {
    /// The destination.
    Destination,
    /// The source.
    Source,
}

/// The list, or where it is absent the deprecated field, which is one range: `[4000, 5000]` is all
/// of them there, and two VNIs in the list.
fn trusted_vnis(fields: &mut Fields<'_>) -> Result<Vec<(u32, u32)>, Problem> {
    let vnis = fields.optional("trusted_vnis_list", |json| ranges(json, VNI_MAX))?;
    let older = fields.optional("trusted_vnis", |json| range(json, VNI_MAX))?;
    Ok(vnis.unwrap_or_else(|| older.into_iter().collect()))
}

impl Appliance {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        const LOOKUPS: &[Choice<MacLookup>] = &[
            ("dst_mac", "DST_MAC", Some(MacLookup::Destination)),
            ("src_mac", "SRC_MAC", Some(MacLookup::Source)),
        ];
        fields.ignored("local_region_id", value::number_32)?;
        Ok(Self {
            sip: fields.mandatory("sip", value::address_v4)?,
            sip_v6: fields.optional("sip_v6", value::address_v6)?,
            vm_vni: fields.mandatory("vm_vni", value::vni)?,
            outbound_direction_lookup: fields
                .optional("outbound_direction_lookup", |json| choice(json, LOOKUPS))?,
            trusted_vnis: trusted_vnis(fields)?,
        })
    }
}

/// `DASH_VNET_TABLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vnet {
    /// Its VNI.
    pub vni: u32,
}

impl Vnet {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        fields.ignored("guid", name)?;
        fields.ignored("address_space", |json| list(json, value::prefix))?;
        fields.ignored("peer_list", |json| list(json, name))?;
        fields.ignored("version", name)?;
        Ok(Self { vni: fields.mandatory("vni", value::vni)? })
    }
}

/// `DASH_ENI_TABLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eni {
    /// Its name elsewhere; shown in the report.
    pub eni_id: Option<String>,
    /// The MAC that names it in frames.
    pub mac_address: EthernetAddress,
    /// Where inbound frames are sent.
    pub underlay_ip: IpAddr,
    /// Whether it passes traffic.
    pub enabled: bool,
    /// Its VNET.
    pub vnet: String,
    /// Its appliance, when it names one; an extension of ours.
    pub appliance: Option<ApplianceId>,
    /// VNI of the tunnel to its machine, when not the appliance's; an extension of ours.
    pub vm_vni: Option<u32>,
    /// VNIs that may reach its policy.
    pub trusted_vnis: Vec<(u32, u32)>,
}

impl Eni {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        const STATES: &[Choice<bool>] = &[
            ("disabled", "STATE_DISABLED", Some(false)),
            ("enabled", "STATE_ENABLED", Some(true)),
        ];
        const MODES: &[Choice<()>] =
            &[("vm", "MODE_VM", Some(())), ("fnic", "MODE_FNIC", Some(()))];
        fields.ignored("qos", name)?;
        fields.ignored("pl_sip_encoding", value::address_and_mask)?;
        fields.ignored("pl_underlay_sip", value::address)?;
        fields.ignored("v4_meter_policy_id", name)?;
        fields.ignored("v6_meter_policy_id", name)?;
        fields.ignored("disable_fast_path_icmp_flow_redirection", value::boolean)?;
        fields.ignored("eni_mode", |json| choice(json, MODES))?;
        let state = fields.optional("admin_state", |json| choice(json, STATES))?;
        Ok(Self {
            eni_id: fields.optional("eni_id", name)?,
            mac_address: fields.mandatory("mac_address", value::mac)?,
            underlay_ip: fields.mandatory("underlay_ip", value::address)?,
            enabled: state.unwrap_or(false),
            vnet: fields.mandatory("vnet", name)?,
            appliance: fields.optional("appliance", name)?.map(ApplianceId),
            vm_vni: fields.optional("vm_vni", value::vni)?,
            trusted_vnis: trusted_vnis(fields)?,
        })
    }
}

/// `DASH_ENI_ROUTE_TABLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EniRoute {
    /// The route group that the ENI uses.
    pub group_id: String,
}

impl EniRoute {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        Ok(Self { group_id: fields.mandatory("group_id", name)? })
    }
}

/// `DASH_ROUTE_GROUP_TABLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteGroup;

impl RouteGroup {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        fields.ignored("guid", name)?;
        fields.ignored("version", name)?;
        Ok(Self)
    }
}

/// What a route or a mapping does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RoutingType {
    /// The customer frame as it is.
    Direct,
    /// Map the destination in a VNET.
    Vnet,
    /// Map a given address in a VNET.
    VnetDirect,
    /// Encapsulate by a mapping.
    VnetEncap,
    /// Drop.
    Drop,
}

impl RoutingType {
    /// Its names; those without a value are not built yet.
    pub const NAMES: &'static [Choice<Self>] = &[
        ("direct", "ROUTING_TYPE_DIRECT", Some(Self::Direct)),
        ("vnet", "ROUTING_TYPE_VNET", Some(Self::Vnet)),
        ("vnet_direct", "ROUTING_TYPE_VNET_DIRECT", Some(Self::VnetDirect)),
        ("vnet_encap", "ROUTING_TYPE_VNET_ENCAP", Some(Self::VnetEncap)),
        ("appliance", "ROUTING_TYPE_APPLIANCE", None),
        ("privatelink", "ROUTING_TYPE_PRIVATELINK", None),
        ("privatelinknsg", "ROUTING_TYPE_PRIVATELINKNSG", None),
        ("servicetunnel", "ROUTING_TYPE_SERVICETUNNEL", None),
        ("drop", "ROUTING_TYPE_DROP", Some(Self::Drop)),
    ];
}

/// `DASH_ROUTING_TYPE_TABLE`: how a routing type is carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutingActions {
    /// VNI of its static encapsulation; 0 counts as none.
    pub vni: Option<u32>,
}

impl RoutingActions {
    pub(super) fn read(
        routing: RoutingType,
        origin: &Origin,
        json: &Json,
        ignored: &mut Ignored,
    ) -> Result<Self, Problem> {
        const ACTIONS: &[Choice<&str>] = &[
            ("maprouting", "ACTION_TYPE_MAPROUTING", Some("maprouting")),
            ("direct", "ACTION_TYPE_DIRECT", Some("direct")),
            ("staticencap", "ACTION_TYPE_STATICENCAP", Some("staticencap")),
            ("drop", "ACTION_TYPE_DROP", Some("drop")),
            ("appliance", "ACTION_TYPE_APPLIANCE", None),
            ("4_to_6", "ACTION_TYPE_4_TO_6", None),
            ("4to6", "ACTION_TYPE_4TO6", None),
            ("mapdecap", "ACTION_TYPE_MAPDECAP", None),
            ("decap", "ACTION_TYPE_DECAP", None),
        ];
        const ENCAPS: &[Choice<()>] =
            &[("vxlan", "ENCAP_TYPE_VXLAN", Some(())), ("nvgre", "ENCAP_TYPE_NVGRE", None)];
        let built = match routing {
            RoutingType::Vnet | RoutingType::VnetDirect => "maprouting",
            RoutingType::Direct => "direct",
            RoutingType::VnetEncap => "staticencap",
            RoutingType::Drop => "drop",
        };
        let items = match json {
            Json::List(items) => items.as_slice(),
            item => std::slice::from_ref(item),
        };
        let mut vni = None;
        for (index, item) in items.iter().enumerate() {
            let mut fields = Fields::item(origin, index, item, ignored)?;
            let action = fields.mandatory("action_type", |json| choice(json, ACTIONS))?;
            if action != built {
                let message = format!("{action} in this routing type is not built yet");
                return Err(fields.problem("action_type", message));
            }
            fields.ignored("action_name", name)?;
            fields.ignored("name", name)?;
            fields.optional("encap_type", |json| choice(json, ENCAPS))?;
            vni = vni.or(fields.optional("vni", value::vni)?.filter(|vni| *vni != 0));
            fields.end()?;
        }
        Ok(Self { vni })
    }
}

/// `DASH_ROUTE_TABLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// The customer frame as it is.
    Direct,
    /// Map the destination in this VNET.
    Vnet(String),
    /// Map this address, or the destination when there is none, in this VNET.
    VnetDirect(String, Option<IpAddr>),
    /// Drop.
    Drop,
}

impl Route {
    /// The VNET that it maps in.
    #[must_use]
    pub fn vnet(&self) -> Option<&str> {
        match self {
            Self::Vnet(vnet) | Self::VnetDirect(vnet, _) => Some(vnet),
            Self::Direct | Self::Drop => None,
        }
    }

    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        let routing = fields
            .either("routing_type", "action_type", |json| choice(json, RoutingType::NAMES))?
            .ok_or_else(|| fields.problem("routing_type", "is missing"))?;
        let nested = fields.nested("vnet_direct", |fields| {
            let vnet = fields.mandatory("vnet", name)?;
            Ok((vnet, fields.optional("overlay_ip", value::address)?))
        })?;
        let vnet = fields.optional("vnet", name)?;
        let overlay_ip = fields.optional("overlay_ip", value::address)?;
        fields.ignored("appliance", name)?;
        fields.nested("service_tunnel", |fields| {
            fields.ignored("underlay_sip", value::address)?;
            fields.ignored("underlay_dip", value::address)?;
            fields.ignored("overlay_sip_prefix", overlay_prefix)?;
            fields.ignored("overlay_dip_prefix", overlay_prefix)
        })?;
        fields.ignored("underlay_sip", value::address)?;
        fields.ignored("metering_class_or", value::number_32)?;
        fields.ignored("metering_class_and", value::number_32)?;
        fields.ignored("metering_policy_en", value::boolean)?;
        fields.ignored("metering_class", value::number_64)?;
        fields.ignored("tunnel", name)?;
        if routing != RoutingType::VnetDirect {
            for (name, given) in
                [("vnet_direct", nested.is_some()), ("overlay_ip", overlay_ip.is_some())]
            {
                if given {
                    fields.note(name);
                }
            }
        }
        let missing = || fields.problem("vnet", "is missing");
        Ok(match routing {
            RoutingType::Direct => Self::Direct,
            RoutingType::Vnet => Self::Vnet(vnet.ok_or_else(missing)?),
            RoutingType::VnetDirect => match (nested, vnet) {
                (Some((vnet, overlay_ip)), None) => Self::VnetDirect(vnet, overlay_ip),
                (None, Some(vnet)) => Self::VnetDirect(vnet, overlay_ip),
                (Some(_), Some(_)) => {
                    return Err(fields.problem("vnet", "stands beside vnet_direct"));
                }
                (None, None) => return Err(missing()),
            },
            RoutingType::Drop => Self::Drop,
            RoutingType::VnetEncap => {
                return Err(fields.problem("routing_type", "vnet_encap belongs to a mapping"));
            }
        })
    }
}

/// An address, with or without a mask.
fn overlay_prefix(json: &Json) -> value::Parsed<()> {
    value::address(json).map(drop).or_else(|_| value::address_and_mask(json).map(drop))
}

/// `DASH_ROUTE_RULE_TABLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRule {
    /// Lower is first.
    pub priority: u32,
    /// Decapsulate, or drop.
    pub decap: bool,
    /// The customer's protocol; none: any.
    pub protocol: Option<u8>,
    /// The VNET that the source must belong to; none: the ENI's.
    pub vnet: Option<String>,
    /// Whether the source is validated.
    pub pa_validation: bool,
}

impl RouteRule {
    pub(super) fn read(fields: &mut Fields<'_>, key: Option<u32>) -> Result<Self, Problem> {
        const ACTIONS: &[Choice<bool>] = &[
            ("decap", "ACTION_TYPE_DECAP", Some(true)),
            ("drop", "ACTION_TYPE_DROP", Some(false)),
            ("maprouting", "ACTION_TYPE_MAPROUTING", None),
            ("direct", "ACTION_TYPE_DIRECT", None),
            ("staticencap", "ACTION_TYPE_STATICENCAP", None),
            ("appliance", "ACTION_TYPE_APPLIANCE", None),
            ("4_to_6", "ACTION_TYPE_4_TO_6", None),
            ("4to6", "ACTION_TYPE_4TO6", None),
            ("mapdecap", "ACTION_TYPE_MAPDECAP", None),
        ];
        let decap = fields
            .either("action_type", "routing_type", |json| choice(json, ACTIONS))?
            .ok_or_else(|| fields.problem("action_type", "is missing"))?;
        let field = fields.optional("priority", value::number_32)?;
        let priority = match (key, field) {
            (Some(key), Some(field)) if key != field => {
                return Err(fields.problem("priority", format!("is {field}, in the key {key}")));
            }
            (Some(priority), _) | (None, Some(priority)) => priority,
            (None, None) => return Err(fields.problem("priority", "is missing")),
        };
        fields.ignored("region", name)?;
        fields.ignored("metering_class_or", value::number_32)?;
        fields.ignored("metering_class_and", value::number_32)?;
        fields.ignored("metering_class", value::number_64)?;
        Ok(Self {
            priority,
            decap,
            protocol: fields.optional("protocol", value::number_8)?.filter(|number| *number != 0),
            vnet: fields.optional("vnet", name)?,
            pa_validation: fields.optional("pa_validation", value::boolean)?.unwrap_or(true),
        })
    }
}

/// `DASH_VNET_MAPPING_TABLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VnetMapping {
    /// What is done with frames to it.
    pub routing_type: RoutingType,
    /// Where its machine is, over either underlay.
    pub underlay_ip: Option<IpAddr>,
    /// Where its machine is over IPv6, beside `underlay_ip`; an extension of ours.
    pub underlay_ip_v6: Option<Ipv6Addr>,
    /// Its machine's MAC.
    pub mac_address: Option<EthernetAddress>,
    /// Its own VNI; an extension of ours.
    pub vni: Option<u32>,
    /// Whether the VNI is that of its VNET, rather than of the ENI's.
    pub use_dst_vni: bool,
}

impl VnetMapping {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        const TYPES: &[Choice<RoutingType>] = &[
            ("vnet_encap", "ROUTING_TYPE_VNET_ENCAP", Some(RoutingType::VnetEncap)),
            ("privatelink", "ROUTING_TYPE_PRIVATELINK", None),
            ("privatelinknsg", "ROUTING_TYPE_PRIVATELINKNSG", None),
            ("servicetunnel", "ROUTING_TYPE_SERVICETUNNEL", None),
            ("appliance", "ROUTING_TYPE_APPLIANCE", None),
        ];
        let routing_type = fields
            .either("routing_type", "action_type", |json| choice(json, TYPES))?
            .ok_or_else(|| fields.problem("routing_type", "is missing"))?;
        fields.ignored("use_pl_sip_eni", value::boolean)?;
        fields.ignored("metering_class_or", value::number_32)?;
        fields.ignored("metering_class", value::number_64)?;
        fields.ignored("override_meter", value::boolean)?;
        fields.ignored("overlay_sip_prefix", overlay_prefix)?;
        fields.ignored("overlay_dip_prefix", overlay_prefix)?;
        fields.ignored("overlay_sip", value::address)?;
        fields.ignored("overlay_dip", value::address)?;
        fields.ignored("tunnel", name)?;
        fields.ignored("port_map", name)?;
        fields.ignored("routing_appliance_id", name)?;
        let underlay_ip = fields.optional("underlay_ip", value::address)?;
        let underlay_ip_v6 = fields.optional("underlay_ip_v6", value::address_v6)?;
        match (underlay_ip, underlay_ip_v6) {
            (None, None) => return Err(fields.problem("underlay_ip", "is missing")),
            (Some(IpAddr::V6(one)), Some(other)) if one != other => {
                return Err(fields.problem("underlay_ip_v6", "is a second IPv6 address"));
            }
            _ => {}
        }
        Ok(Self {
            routing_type,
            underlay_ip,
            underlay_ip_v6,
            mac_address: fields.optional("mac_address", value::mac)?,
            vni: fields.optional("vni", value::vni)?,
            use_dst_vni: fields.optional("use_dst_vni", value::boolean)?.unwrap_or(false),
        })
    }

    /// Where its machine is over IPv4.
    #[must_use]
    pub fn underlay_v4(&self) -> Option<Ipv4Addr> {
        match self.underlay_ip {
            Some(IpAddr::V4(address)) => Some(address),
            _ => None,
        }
    }

    /// Where its machine is over IPv6.
    #[must_use]
    pub fn underlay_v6(&self) -> Option<Ipv6Addr> {
        match self.underlay_ip {
            Some(IpAddr::V6(address)) => Some(address),
            _ => self.underlay_ip_v6,
        }
    }
}

/// `DASH_PA_VALIDATION_TABLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaValidation {
    /// Sources that are valid.
    pub prefixes: Vec<IpNet>,
}

impl PaValidation {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        let prefixes = fields.optional("prefixes", |json| list(json, value::prefix))?;
        Ok(Self { prefixes: prefixes.unwrap_or_default() })
    }
}

/// `DASH_UNDERLAY_TABLE`, an extension of ours: the outer MACs of what an appliance sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Underlay {
    /// The source.
    pub mac: Option<EthernetAddress>,
    /// The destination.
    pub neighbor_mac: Option<EthernetAddress>,
}

impl Underlay {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        Ok(Self {
            mac: fields.optional("mac", value::mac)?,
            neighbor_mac: fields.optional("neighbor_mac", value::mac)?,
        })
    }
}

/// `DASH_UNDERLAY_ROUTE_TABLE`, an extension of ours: where frames to a prefix leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnderlayRoute {
    /// By the port of this name.
    Forward(String),
    /// Nowhere.
    Drop,
}

impl UnderlayRoute {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        const ACTIONS: &[Choice<bool>] =
            &[("forward", "forward", Some(true)), ("drop", "drop", Some(false))];
        let forward = fields.mandatory("action", |json| choice(json, ACTIONS))?;
        // Ports are numbers in DASH configurations.
        let port = fields.optional("port", |json| value::number_up_to(json, u16::MAX.into()))?;
        let port = port.map(|port| port.to_string());
        match (forward, port) {
            (true, Some(port)) => Ok(Self::Forward(port)),
            (true, None) => Err(fields.problem("port", "is missing")),
            (false, None) => Ok(Self::Drop),
            (false, Some(_)) => Err(fields.problem("port", "means nothing beside action drop")),
        }
    }
}

/// The key of a route.
pub type RouteKey = (String, IpNet);
/// The key of an inbound rule: ENI, VNI, source, and the priority when the key has one.
pub type RouteRuleKey = (EthernetAddress, u32, Source, Option<u32>);
/// The key of a stage: ENI and stage.
pub type StageKey = (EthernetAddress, u32);
