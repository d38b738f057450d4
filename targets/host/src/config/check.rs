//! What must hold between the objects once a transaction is applied.

use std::{collections::BTreeMap, fmt::Display};

use smoltcp::wire::EthernetAddress;

use super::{
    acl::{AclBinding, IpVersion},
    key::{ApplianceId, Source},
    problem::{Origin, Problem},
    state::{Entry, Objects, State},
};

/// Everything that is wrong with `state` as a whole.
#[must_use]
pub fn check(state: &State) -> Vec<Problem> {
    let mut check = Check { state, problems: Vec::new() };
    check.enis();
    check.routes();
    check.mappings();
    check.acl();
    check.underlay();
    check.problems
}

struct Check<'a> {
    state: &'a State,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn add(&mut self, origin: &Origin, field: &str, message: String) {
        self.problems.push(origin.field_problem(field, message));
    }

    /// An object that nothing is known of: never set, or deleted by this transaction.
    fn missing(&self, table: &str, key: &dyn Display) -> String {
        let name = format!("{table}:{key}");
        match self.state.deleted.get(&name) {
            Some(origin) => format!("{name} is deleted by {} but still in use", origin.file),
            None => format!("there is no {name}"),
        }
    }

    fn vnet(&mut self, origin: &Origin, field: &str, vnet: &str) {
        if !self.state.vnets.contains_key(vnet) {
            let message = self.missing("DASH_VNET_TABLE", &vnet);
            self.add(origin, field, message);
        }
    }

    /// The key of `origin`'s object names an ENI.
    fn eni_of_key(&mut self, origin: &Origin, eni: EthernetAddress) {
        if !self.state.enis.contains_key(&eni) {
            let message = self.missing("DASH_ENI_TABLE", &eni);
            self.problems.push(origin.problem(message));
        }
    }

    fn tag(&mut self, origin: &Origin, field: &str, tag: &str) -> Option<IpVersion> {
        let found = self.state.prefix_tags.get(tag).map(|tag| tag.value.ip_version);
        if found.is_none() {
            let message = self.missing("DASH_PREFIX_TAG_TABLE", &tag);
            self.add(origin, field, message);
        }
        found
    }

    fn enis(&mut self) {
        let mut macs = BTreeMap::new();
        for Entry { value: eni, origin } in self.state.enis.values() {
            if let Some(other) = macs.insert(eni.mac_address, origin) {
                let message = format!("is also the MAC of {}", other.object);
                self.add(origin, "mac_address", message);
            }
            self.vnet(origin, "vnet", &eni.vnet);
            match (self.state.appliance_of(eni), &eni.appliance) {
                (Some((id, appliance)), _) => {
                    if eni.underlay_ip.is_ipv6() && appliance.value.sip_v6.is_none() {
                        let message =
                            format!("is IPv6, but DASH_APPLIANCE_TABLE:{id} has no sip_v6");
                        self.add(origin, "underlay_ip", message);
                    }
                }
                (None, Some(name)) => {
                    let message = self.missing("DASH_APPLIANCE_TABLE", name);
                    self.add(origin, "appliance", message);
                }
                (None, None) => {
                    self.add(origin, "appliance", "there is no DASH_APPLIANCE_TABLE".to_owned());
                }
            }
        }
    }

    fn routes(&mut self) {
        for (eni, Entry { value, origin }) in &self.state.eni_routes {
            self.eni_of_key(origin, *eni);
            if !self.state.route_groups.contains_key(&value.group_id) {
                let message = self.missing("DASH_ROUTE_GROUP_TABLE", &value.group_id);
                self.add(origin, "group_id", message);
            }
        }
        for ((group, _), Entry { value, origin }) in &self.state.routes {
            if !self.state.route_groups.contains_key(group) {
                let message = self.missing("DASH_ROUTE_GROUP_TABLE", group);
                self.problems.push(origin.problem(message));
            }
            if let Some(vnet) = value.vnet() {
                self.vnet(origin, "vnet", vnet);
            }
        }
        for ((eni, _, source, _), Entry { value, origin }) in &self.state.route_rules {
            self.eni_of_key(origin, *eni);
            if let Some(vnet) = &value.vnet {
                self.vnet(origin, "vnet", vnet);
            }
            if let Source::Tag(tag) = source
                && !self.state.prefix_tags.contains_key(tag)
            {
                let message = self.missing("DASH_PREFIX_TAG_TABLE", tag);
                self.problems.push(origin.problem(message));
            }
        }
    }

    fn mappings(&mut self) {
        for ((vnet, _), Entry { origin, .. }) in &self.state.vnet_mappings {
            if !self.state.vnets.contains_key(vnet) {
                let message = self.missing("DASH_VNET_TABLE", vnet);
                self.problems.push(origin.problem(message));
            }
        }
        self.sip_v6_of_mappings();
    }

    /// A mapping that an ENI may reach over IPv6 needs the `sip_v6` of the ENI's appliance. With
    /// both columns IPv6 is only used when a frame came in over IPv6, so to an appliance that
    /// has one.
    fn sip_v6_of_mappings(&mut self) {
        let state = self.state;
        let any = state.appliances.values().any(|appliance| appliance.value.sip_v6.is_some());
        // VNETs that an ENI routes to whose appliance has none.
        let mut lacking: BTreeMap<&str, &ApplianceId> = BTreeMap::new();
        for (key, eni) in &state.enis {
            let Some((id, appliance)) = state.appliance_of(&eni.value) else { continue };
            let Some(route) = state.eni_routes.get(key) else { continue };
            if appliance.value.sip_v6.is_none() {
                let routes = state.routes_of(&route.value.group_id);
                lacking.extend(routes.filter_map(|(_, route)| Some((route.value.vnet()?, id))));
            }
        }
        for ((vnet, _), Entry { value, origin }) in &state.vnet_mappings {
            if value.underlay_v6().is_none() || (value.underlay_v4().is_some() && !any) {
                continue;
            }
            let field = match value.underlay_ip {
                Some(address) if address.is_ipv6() => "underlay_ip",
                _ => "underlay_ip_v6",
            };
            if let Some(id) = lacking.get(vnet.as_str()) {
                let message = format!("is IPv6, but DASH_APPLIANCE_TABLE:{id} has no sip_v6");
                self.add(origin, field, message);
            } else if !any && !state.appliances.is_empty() {
                self.add(origin, field, "is IPv6, but no appliance has a sip_v6".to_owned());
            }
        }
    }

    fn acl(&mut self) {
        let mut priorities: BTreeMap<(&str, u32), &Origin> = BTreeMap::new();
        for ((group, _), Entry { value: rule, origin }) in &self.state.acl_rules {
            let Some(version) =
                self.state.acl_groups.get(group).map(|group| group.value.ip_version)
            else {
                let message = self.missing("DASH_ACL_GROUP_TABLE", group);
                self.problems.push(origin.problem(message));
                continue;
            };
            if let Some(other) = priorities.insert((group, rule.priority), origin) {
                let message = format!("{} is also that of {}", rule.priority, other.object);
                self.add(origin, "priority", message);
            }
            for (field, tags) in [("src_tag", &rule.src_tag), ("dst_tag", &rule.dst_tag)] {
                for tag in tags {
                    if self.tag(origin, field, tag).is_some_and(|found| found != version) {
                        let message = format!("{tag} is of another IP version than the group");
                        self.add(origin, field, message);
                    }
                }
            }
            for (field, prefixes) in [("src_addr", &rule.src_addr), ("dst_addr", &rule.dst_addr)] {
                if let Some(other) = prefixes.iter().find(|one| IpVersion::of(one) != version) {
                    let message = format!("{other} is of another IP version than the group");
                    self.add(origin, field, message);
                }
            }
        }
        self.bindings(&self.state.acl_in);
        self.bindings(&self.state.acl_out);
    }

    fn bindings(&mut self, stages: &Objects<(EthernetAddress, u32), AclBinding>) {
        for ((eni, _), Entry { value, origin }) in stages {
            self.eni_of_key(origin, *eni);
            let columns = [
                ("v4_acl_group_id", &value.v4, IpVersion::V4),
                ("v6_acl_group_id", &value.v6, IpVersion::V6),
            ];
            for (field, group, version) in columns {
                let Some(name) = group else { continue };
                match self.state.acl_groups.get(name) {
                    Some(group) if group.value.ip_version == version => {}
                    Some(_) => {
                        self.add(origin, field, format!("{name} is of the other IP version"));
                    }
                    None => {
                        let message = self.missing("DASH_ACL_GROUP_TABLE", name);
                        self.add(origin, field, message);
                    }
                }
            }
        }
    }

    fn underlay(&mut self) {
        for (appliance, Entry { origin, .. }) in &self.state.underlays {
            if !self.state.appliances.contains_key(appliance) {
                let message = self.missing("DASH_APPLIANCE_TABLE", appliance);
                self.problems.push(origin.problem(message));
            }
        }
    }
}
