//! What a stage decided, in words: table, key, what was found, action.

use dash_core::{
    pipeline::vnet::{
        AclAnswer, Event, FlowKey, TrustedBy, ValidBy, VniOrigin,
        policy::{
            AclAction, AclGroupId, Direction, DirectionEntry, EniEntry, InboundAction, MacOverride,
            Mapping, Route, RouteGroup, RouteGroupId, Underlay, UnderlayAction, VnetId,
        },
    },
    rewrite::{Endpoints, Flags, Rewrite, Tunnel},
};
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

use crate::config::numbers::Names;

/// One row of `dash explain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The table that was asked.
    pub table: String,
    /// What it was asked for.
    pub key: String,
    /// `hit`, `miss`, or nothing where no table was asked.
    pub found: &'static str,
    /// What it answered.
    pub action: String,
}

/// The name of a VNET.
#[must_use]
pub fn vnet(names: &Names, id: VnetId) -> String {
    names.vnets.name(id.0.into()).cloned().unwrap_or_else(|| format!("VNET {}", id.0))
}

/// The prefix of this length that holds `address`.
#[must_use]
pub fn prefix(address: IpAddress, length: u8) -> String {
    match IpCidr::new(address, length) {
        IpCidr::Ipv4(cidr) => cidr.network().to_string(),
        IpCidr::Ipv6(cidr) => {
            let host_bits = 128 - u32::from(length);
            let bits = cidr.address().to_bits();
            let network = bits.checked_shr(host_bits).and_then(|bits| bits.checked_shl(host_bits));
            let network = std::net::Ipv6Addr::from_bits(network.unwrap_or(0));
            format!("{network}/{length}")
        }
    }
}

/// A route in words.
#[must_use]
pub fn route(route: Route, names: &Names) -> String {
    match route {
        Route::Drop => "drop".to_owned(),
        Route::Direct => "direct".to_owned(),
        Route::Vnet(id) => format!("vnet {}", vnet(names, id)),
        Route::VnetDirect { vnet: id, overlay_ip: None } => {
            format!("vnet_direct {}", vnet(names, id))
        }
        Route::VnetDirect { vnet: id, overlay_ip: Some(address) } => {
            format!("vnet_direct {}, {address}", vnet(names, id))
        }
    }
}

/// An inbound rule in words.
#[must_use]
pub fn inbound_action(action: InboundAction, names: &Names) -> String {
    match action {
        InboundAction::Drop => "drop".to_owned(),
        InboundAction::Decap { vnet: id, pa_validation } => {
            let vnet = id.map_or_else(|| "the ENI's VNET".to_owned(), |id| vnet(names, id));
            let validation = if pa_validation { "" } else { ", source not validated" };
            format!("decap, from {vnet}{validation}")
        }
    }
}

fn acl_action(action: AclAction) -> String {
    let verdict = if action.permit { "permit" } else { "deny" };
    let then = if action.terminating { "final" } else { "later stages may overrule" };
    format!("{verdict}, {then}")
}

fn mapping(mapping: &Mapping) -> String {
    let underlay = match mapping.underlay {
        Underlay::V4(address) => address.to_string(),
        Underlay::V6(address) => address.to_string(),
        Underlay::Both(v4, v6) => format!("{v4} or {v6}"),
    };
    let vni = mapping.vni.map(|vni| format!(", VNI {vni}")).unwrap_or_default();
    format!("underlay {underlay}, MAC {}{vni}", mapping.mac)
}

/// A header change in words.
#[must_use]
pub fn rewrite(rewrite: &Rewrite) -> String {
    let mut parts = Vec::new();
    let flags = rewrite.flags;
    if flags.contains(Flags::POP_OUTER) {
        parts.push("take the encapsulation off".to_owned());
    }
    if flags.contains(Flags::SOURCE_MAC) {
        parts.push(format!("source MAC {}", EthernetAddress::from(rewrite.source_mac)));
    }
    if flags.contains(Flags::DESTINATION_MAC) {
        let mac = EthernetAddress::from(rewrite.destination_mac);
        parts.push(format!("destination MAC {mac}"));
    }
    if flags.contains(Flags::PUSH_OUTER) {
        let Tunnel { endpoints, vni, .. } = rewrite.tunnel.tunnel();
        let (source, destination) = match endpoints {
            Endpoints::V4 { source, destination } => (source.to_string(), destination.to_string()),
            Endpoints::V6 { source, destination } => (source.to_string(), destination.to_string()),
        };
        parts.push(format!("VXLAN {source} -> {destination}, VNI {vni}"));
    }
    if parts.is_empty() { "none".to_owned() } else { parts.join("; ") }
}

/// What one stage decided.
#[must_use]
pub fn row(event: &Event, names: &Names) -> Row {
    match *event {
        Event::Vip { destination, hit } => vip(destination, hit),
        Event::Direction { vni, entry } => direction(vni, entry),
        Event::Eni { mac, entry } => eni(mac, entry, names),
        Event::Key(key) => flow_key(&key),
        Event::TrustedVni { vni, by } => trusted_vni(vni, by),
        Event::Acl { direction, stage, group, answer } => {
            acl(direction, stage, group, answer, names)
        }
        Event::RouteGroup { group, entry } => route_group(group, entry, names),
        Event::Route { group, destination, entry } => {
            let name = names.route_groups.name(group.0.into()).cloned().unwrap_or_default();
            let action = entry.map(|(length, entry)| {
                format!("{}: {}", prefix(destination, length), route(entry, names))
            });
            Row::found("DASH_ROUTE_TABLE", format!("{name}, {destination}"), action)
        }
        Event::Mapping { vnet: id, address, entry } => Row::found(
            "DASH_VNET_MAPPING_TABLE",
            format!("{}, {address}", vnet(names, id)),
            entry.as_ref().map(mapping),
        ),
        Event::Vni { vni, from } => encapsulation_vni(vni, from, names),
        Event::InboundRule { eni, vni, source, protocol, entry } => {
            let eni = names.enis.name(eni.0.into()).map(ToString::to_string).unwrap_or_default();
            let action = entry.map(|(priority, action)| {
                format!("priority {priority}: {}", inbound_action(action, names))
            });
            let key = format!("{eni}, VNI {vni}, {source}, protocol {protocol}");
            Row::found("DASH_ROUTE_RULE_TABLE", key, action)
        }
        Event::PaValidation { vnet: id, vni, source, by } => {
            let action = by.map(|by| match by {
                ValidBy::Mapping => "valid: a mapping has it".to_owned(),
                ValidBy::Prefix(length) => format!("valid: in {}", prefix(source, length)),
            });
            let vni = vni.map(|vni| format!(" (VNI {vni})")).unwrap_or_default();
            let key = format!("{}{vni}, {source}", vnet(names, id));
            Row::found("DASH_PA_VALIDATION_TABLE", key, action)
        }
        Event::Compiled { rewrite: change, reverse } => {
            let back = reverse.as_ref().map_or_else(
                || "no way back".to_owned(),
                |back| format!("back: {}", rewrite(back)),
            );
            let action = format!("{}\n{back}", rewrite(&change));
            Row::decided("header changes", String::new(), action)
        }
        Event::Underlay { destination, entry } => underlay(destination, entry, names),
    }
}

impl Row {
    /// A look-up; a miss drops the frame.
    fn found(table: impl Into<String>, key: String, action: Option<String>) -> Self {
        let found = if action.is_some() { "hit" } else { "miss" };
        let action = action.unwrap_or_else(|| "drop".to_owned());
        Self { table: table.into(), key, found, action }
    }

    /// No look-up.
    fn decided(table: &str, key: String, action: String) -> Self {
        Self { table: table.to_owned(), key, found: "", action }
    }

    /// A look-up whose miss says something else than drop.
    fn answered(table: impl Into<String>, key: String, hit: bool, action: String) -> Self {
        Self { table: table.into(), key, found: if hit { "hit" } else { "miss" }, action }
    }
}

fn vip(destination: Option<IpAddress>, hit: bool) -> Row {
    let key =
        destination.map_or_else(|| "tagged or not IP".to_owned(), |address| address.to_string());
    Row::found("VIP (DASH_APPLIANCE_TABLE)", key, hit.then(|| "accept".to_owned()))
}

fn direction(vni: u32, entry: Option<DirectionEntry>) -> Row {
    let direction = match entry.map(|entry| entry.direction) {
        Some(Direction::Outbound) => "outbound",
        Some(Direction::Inbound) | None => "inbound",
    };
    let mac = match entry.map(|entry| entry.mac) {
        None | Some(MacOverride::None) => "",
        Some(MacOverride::Source) => ", ENI by source MAC",
        Some(MacOverride::Destination) => ", ENI by destination MAC",
    };
    let action = format!("{direction}{mac}");
    Row::answered("direction (vm_vni)", format!("VNI {vni}"), entry.is_some(), action)
}

fn eni(mac: EthernetAddress, entry: Option<EniEntry>, names: &Names) -> Row {
    let action = entry.map(|eni| {
        let state = if eni.enabled { "enabled" } else { "disabled: drop" };
        format!("{}, {state}", vnet(names, eni.vnet))
    });
    Row::found("DASH_ENI_TABLE", mac.to_string(), action)
}

fn flow_key(key: &FlowKey) -> Row {
    let text = format!(
        "{} {} -> {}, protocol {}, ports {} -> {}",
        key.eni(),
        key.source(),
        key.destination(),
        key.protocol(),
        key.source_port(),
        key.destination_port()
    );
    Row::decided("flow key", text, String::new())
}

fn trusted_vni(vni: u32, by: Option<TrustedBy>) -> Row {
    let action = by.map(|by| match by {
        TrustedBy::Appliance => "trusted by an appliance".to_owned(),
        TrustedBy::Eni => "trusted by the ENI".to_owned(),
    });
    Row::found("trusted VNIs", format!("VNI {vni}"), action)
}

fn acl(
    direction: Direction,
    stage: usize,
    group: Option<AclGroupId>,
    answer: AclAnswer,
    names: &Names,
) -> Row {
    let table = match direction {
        Direction::Outbound => format!("DASH_ACL_OUT_TABLE, stage {stage}"),
        Direction::Inbound => format!("DASH_ACL_IN_TABLE, stage {stage}"),
    };
    let action = match answer {
        AclAnswer::Unbound => "no group: stage skipped".to_owned(),
        AclAnswer::NoGroup => "deny: there is no such group".to_owned(),
        AclAnswer::OtherVersion => "deny: other IP version".to_owned(),
        AclAnswer::NoRule => "deny: no rule matches".to_owned(),
        AclAnswer::Rule { priority, action } => {
            format!("priority {priority}: {}", acl_action(action))
        }
    };
    let name = group.and_then(|group| names.acl_groups.name(group.0 as usize));
    let key = name.map(|(name, _)| format!("group {name}")).unwrap_or_default();
    Row::answered(table, key, matches!(answer, AclAnswer::Rule { .. }), action)
}

fn route_group(group: Option<RouteGroupId>, entry: Option<RouteGroup>, names: &Names) -> Row {
    let name = group.and_then(|group| names.route_groups.name(group.0.into()));
    let key = name.map_or_else(|| "no group".to_owned(), |name| format!("group {name}"));
    let action = entry.map(|group| {
        let action = if group.disabled { "drop: disabled" } else { "use its routes" };
        action.to_owned()
    });
    Row::found("DASH_ENI_ROUTE_TABLE", key, action)
}

fn encapsulation_vni(vni: u32, from: VniOrigin, names: &Names) -> Row {
    let key = match from {
        VniOrigin::Mapping => "of the mapping".to_owned(),
        VniOrigin::RoutingType => "of the routing type".to_owned(),
        VniOrigin::Vnet(id) => format!("of {}", vnet(names, id)),
        VniOrigin::Eni => "of the ENI".to_owned(),
    };
    Row::decided("VNI of the encapsulation", key, format!("VNI {vni}"))
}

fn underlay(destination: IpAddress, entry: Option<(u8, UnderlayAction)>, names: &Names) -> Row {
    let action = match entry {
        None => "by the port that it came in at".to_owned(),
        Some((length, UnderlayAction::Drop)) => format!("{}: drop", prefix(destination, length)),
        Some((length, UnderlayAction::Forward(port))) => {
            format!("{}: by port {}", prefix(destination, length), names.ports.name(port))
        }
    };
    Row::answered("DASH_UNDERLAY_ROUTE_TABLE", destination.to_string(), entry.is_some(), action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_without_host_bits() {
        for (address, length, expected) in [
            ("10.1.2.3", 16, "10.1.0.0/16"),
            ("10.1.2.3", 0, "0.0.0.0/0"),
            ("10.1.2.3", 32, "10.1.2.3/32"),
            ("fd00::1:2", 112, "fd00::1:0/112"),
            ("fd00::1", 0, "::/0"),
            ("fd00::1", 128, "fd00::1/128"),
        ] {
            let address = address.parse::<std::net::IpAddr>().unwrap();
            assert_eq!(prefix(address.into(), length), expected);
        }
    }
}
