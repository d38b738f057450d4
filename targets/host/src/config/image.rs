//! The state in the terms of the library: its objects, under its numbers.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    ops::RangeInclusive,
};

use dash_core::{
    pipeline::vnet::policy::{
        AclAction, AclBindings, AclGroupId, Appliance, ApplianceId, Capacity, Direction,
        DirectionEntry, Eni, EniId, InboundAction, InboundRule, MacOverride, Mapping, Route,
        RouteGroupId, RoutingTypeId, TagId, Underlay, UnderlayAction, VnetId,
    },
    table::acl::{AclWriter, Rule},
};
use ipnet::IpNet;
use smoltcp::wire::{EthernetAddress, IpCidr, IpVersion};

use super::{
    acl,
    key::Source,
    numbers::Names,
    object::{self, MacLookup},
    state::State,
};

/// A rule of an ACL group, with its lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclRule {
    priority: u32,
    value: u32,
    protocols: Vec<u8>,
    sources: Vec<IpCidr>,
    destinations: Vec<IpCidr>,
    source_tags: Vec<u32>,
    destination_tags: Vec<u32>,
    source_ports: Vec<RangeInclusive<u16>>,
    destination_ports: Vec<RangeInclusive<u16>>,
}

impl AclRule {
    /// As the library takes it.
    #[must_use]
    pub fn rule(&self) -> Rule<'_> {
        Rule {
            priority: self.priority,
            value: self.value,
            protocols: &self.protocols,
            sources: &self.sources,
            destinations: &self.destinations,
            source_tags: &self.source_tags,
            destination_tags: &self.destination_tags,
            source_ports: &self.source_ports,
            destination_ports: &self.destination_ports,
        }
    }
}

/// Whose trusted range it is. Ordered, as `TrustedOwner` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// An appliance.
    Appliance(ApplianceId),
    /// An ENI.
    Eni(EniId),
}

/// The rules of an ACL group.
pub type Group = (IpVersion, Vec<AclRule>);

/// Everything that the library is told.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// Appliances with their underlay MACs.
    pub appliances: BTreeMap<ApplianceId, Appliance>,
    /// What a VNI says of the direction.
    pub directions: BTreeMap<u32, DirectionEntry>,
    /// VNIs of VNETs.
    pub vnets: BTreeMap<VnetId, u32>,
    /// VNIs of routing types; 0: none.
    pub routing_types: BTreeMap<RoutingTypeId, u32>,
    /// Route groups.
    pub route_groups: BTreeSet<RouteGroupId>,
    /// Outbound routes.
    pub routes: BTreeMap<(RouteGroupId, IpNet), Route>,
    /// Mappings.
    pub mappings: BTreeMap<(VnetId, IpAddr), Mapping>,
    /// Valid sources by VNI.
    pub pa_prefixes: BTreeSet<(u32, IpNet)>,
    /// Prefixes of tags.
    pub tag_prefixes: BTreeSet<(TagId, IpNet)>,
    /// ACL groups.
    pub acl_groups: BTreeMap<AclGroupId, Group>,
    /// Inbound rules by ENI, VNI and whether they are of IPv6, in the order of evaluation.
    pub inbound: BTreeMap<(EniId, u32, bool), Vec<InboundRule>>,
    /// Trusted ranges: first and last VNI.
    pub trusted: BTreeSet<(Owner, u32, u32)>,
    /// Underlay routes.
    pub underlay_routes: BTreeMap<IpNet, UnderlayAction>,
    /// ENIs.
    pub enis: BTreeMap<EniId, Eni>,
}

/// A prefix as the library takes it.
#[must_use]
pub fn cidr(prefix: &IpNet) -> IpCidr {
    IpCidr::new(prefix.addr().into(), prefix.prefix_len())
}

fn cidrs(prefixes: &[IpNet]) -> Vec<IpCidr> {
    prefixes.iter().map(cidr).collect()
}

fn port_ranges(ranges: &[(u16, u16)]) -> Vec<RangeInclusive<u16>> {
    ranges.iter().map(|(first, last)| *first..=*last).collect()
}

/// Whose numbers are 16 bits: more names than those are refused.
const NUMBERS: usize = 1 << 16;

impl Image {
    /// The image of a checked `state`; new names get new numbers.
    ///
    /// # Errors
    /// More names of one kind than the library has numbers.
    pub fn of(state: &State, names: &mut Names) -> Result<Self, String> {
        let mut image = Self::default();
        image.take_appliances(state, names);
        image.take_vnets(state, names);
        image.take_routes(state, names);
        image.take_acl(state, names);
        image.take_enis(state, names);
        image.take_inbound(state, names);
        for (what, count) in [
            ("VNETs", names.vnets.len()),
            ("ENIs", names.enis.len()),
            ("route groups", names.route_groups.len()),
            ("ports", names.ports.iter().count()),
        ] {
            if count > NUMBERS {
                return Err(format!("{count} {what} are more than {NUMBERS}"));
            }
        }
        Ok(image)
    }

    fn take_appliances(&mut self, state: &State, names: &mut Names) {
        for (key, entry) in &state.appliances {
            let appliance = &entry.value;
            let id = ApplianceId(names.appliances.number(key) as u32);
            let underlay = state.underlays.get(key).map(|entry| &entry.value);
            let zero = EthernetAddress([0; 6]);
            self.appliances.insert(
                id,
                Appliance {
                    sip: appliance.sip,
                    sip_v6: appliance.sip_v6,
                    vm_vni: appliance.vm_vni,
                    own_mac: underlay.and_then(|macs| macs.mac).unwrap_or(zero),
                    neighbor_mac: underlay.and_then(|macs| macs.neighbor_mac).unwrap_or(zero),
                },
            );
            let mac = match appliance.outbound_direction_lookup {
                None => MacOverride::None,
                Some(MacLookup::Source) => MacOverride::Source,
                Some(MacLookup::Destination) => MacOverride::Destination,
            };
            // Of two appliances with one VNI the first by key says how.
            self.directions
                .entry(appliance.vm_vni)
                .or_insert(DirectionEntry { direction: Direction::Outbound, mac });
            for (first, last) in &appliance.trusted_vnis {
                self.trusted.insert((Owner::Appliance(id), *first, *last));
            }
        }
        for (prefix, entry) in &state.underlay_routes {
            let action = match &entry.value {
                object::UnderlayRoute::Drop => UnderlayAction::Drop,
                object::UnderlayRoute::Forward(port) => {
                    UnderlayAction::Forward(names.ports.number(port))
                }
            };
            self.underlay_routes.insert(*prefix, action);
        }
    }

    fn take_vnets(&mut self, state: &State, names: &mut Names) {
        for (name, entry) in &state.vnets {
            self.vnets.insert(vnet(names, name), entry.value.vni);
        }
        for (routing, entry) in &state.routing_types {
            self.routing_types.insert(routing_type(*routing), entry.value.vni.unwrap_or(0));
        }
        for ((name, customer), entry) in &state.vnet_mappings {
            let mapping = &entry.value;
            let underlay = match (mapping.underlay_v4(), mapping.underlay_v6()) {
                (Some(v4), Some(v6)) => Underlay::Both(v4, v6),
                (Some(v4), None) => Underlay::V4(v4),
                (None, Some(v6)) => Underlay::V6(v6),
                (None, None) => continue,
            };
            self.mappings.insert(
                (vnet(names, name), *customer),
                Mapping {
                    underlay,
                    mac: mapping.mac_address.unwrap_or(EthernetAddress([0; 6])),
                    vni: mapping.vni,
                    routing_type: routing_type(mapping.routing_type),
                    use_dst_vni: mapping.use_dst_vni,
                },
            );
        }
        for (vni, entry) in &state.pa_validations {
            self.pa_prefixes.extend(entry.value.prefixes.iter().map(|prefix| (*vni, *prefix)));
        }
    }

    fn take_routes(&mut self, state: &State, names: &mut Names) {
        for name in state.route_groups.keys() {
            self.route_groups.insert(route_group(names, name));
        }
        for ((group, prefix), entry) in &state.routes {
            let route = match &entry.value {
                object::Route::Direct => Route::Direct,
                object::Route::Drop => Route::Drop,
                object::Route::Vnet(name) => Route::Vnet(vnet(names, name)),
                object::Route::VnetDirect(name, overlay_ip) => Route::VnetDirect {
                    vnet: vnet(names, name),
                    overlay_ip: overlay_ip.map(Into::into),
                },
            };
            self.routes.insert((route_group(names, group), *prefix), route);
        }
    }

    fn take_acl(&mut self, state: &State, names: &mut Names) {
        for (name, entry) in &state.prefix_tags {
            let tag = TagId(names.tags.number(name) as u32);
            self.tag_prefixes.extend(entry.value.prefix_list.iter().map(|prefix| (tag, *prefix)));
        }
        for (name, entry) in &state.acl_groups {
            let version = match entry.value.ip_version {
                acl::IpVersion::V4 => IpVersion::Ipv4,
                acl::IpVersion::V6 => IpVersion::Ipv6,
            };
            let mut tags =
                |tags: &[String]| tags.iter().map(|tag| names.tags.number(tag) as u32).collect();
            let rules = state.rules_of(name).map(|entry| {
                let rule = &entry.value;
                let action = AclAction { permit: rule.permit, terminating: rule.terminating };
                AclRule {
                    priority: rule.priority,
                    value: action.value(),
                    protocols: rule.protocol.clone(),
                    sources: cidrs(&rule.src_addr),
                    destinations: cidrs(&rule.dst_addr),
                    source_tags: tags(&rule.src_tag),
                    destination_tags: tags(&rule.dst_tag),
                    source_ports: port_ranges(&rule.src_port),
                    destination_ports: port_ranges(&rule.dst_port),
                }
            });
            let rules = rules.collect();
            self.acl_groups
                .insert(acl_group(names, name, entry.value.ip_version), (version, rules));
        }
    }

    fn take_enis(&mut self, state: &State, names: &mut Names) {
        for (key, entry) in &state.enis {
            let eni = &entry.value;
            // The check saw that there is one.
            let Some((appliance, _)) = state.appliance_of(eni) else { continue };
            let id = EniId(names.enis.number(key) as u16);
            let route_group =
                state.eni_routes.get(key).map(|entry| route_group(names, &entry.value.group_id));
            let mut acl = AclBindings::default();
            let stages = [
                (&state.acl_in, &mut acl.inbound_v4, &mut acl.inbound_v6),
                (&state.acl_out, &mut acl.outbound_v4, &mut acl.outbound_v6),
            ];
            for (bindings, v4, v6) in stages {
                let of_eni = bindings.range((*key, 0)..=(*key, u32::MAX));
                for ((_, stage), entry) in of_eni {
                    let index = *stage as usize - 1;
                    let mut group = |name: &Option<String>, version| {
                        name.as_ref().map(|name| acl_group(names, name, version))
                    };
                    v4[index] = group(&entry.value.v4, acl::IpVersion::V4);
                    v6[index] = group(&entry.value.v6, acl::IpVersion::V6);
                }
            }
            for (first, last) in &eni.trusted_vnis {
                self.trusted.insert((Owner::Eni(id), *first, *last));
            }
            self.enis.insert(
                id,
                Eni {
                    mac: eni.mac_address,
                    enabled: eni.enabled,
                    underlay_ip: eni.underlay_ip.into(),
                    vnet: vnet(names, &eni.vnet),
                    appliance: ApplianceId(names.appliances.number(appliance) as u32),
                    vm_vni: eni.vm_vni,
                    route_group,
                    acl,
                },
            );
        }
    }

    fn take_inbound(&mut self, state: &State, names: &mut Names) {
        for ((eni, vni, source, _), entry) in &state.route_rules {
            let rule = &entry.value;
            let eni = EniId(names.enis.number(eni) as u16);
            let action = if rule.decap {
                InboundAction::Decap {
                    vnet: rule.vnet.as_ref().map(|name| vnet(names, name)),
                    pa_validation: rule.pa_validation,
                }
            } else {
                InboundAction::Drop
            };
            let prefixes = match source {
                Source::Prefix(prefix) => std::slice::from_ref(prefix),
                Source::Tag(tag) => state
                    .prefix_tags
                    .get(tag)
                    .map_or(&[][..], |entry| entry.value.prefix_list.as_slice()),
            };
            for prefix in prefixes {
                let is_v6 = prefix.addr().is_ipv6();
                self.inbound.entry((eni, *vni, is_v6)).or_default().push(InboundRule {
                    priority: rule.priority,
                    prefix: cidr(prefix),
                    protocol: rule.protocol.unwrap_or(0),
                    action,
                });
            }
        }
        for rules in self.inbound.values_mut() {
            rules.sort_by(InboundRule::order);
        }
    }
}

fn vnet(names: &mut Names, name: &String) -> VnetId {
    VnetId(names.vnets.number(name) as u16)
}

fn route_group(names: &mut Names, name: &String) -> RouteGroupId {
    RouteGroupId(names.route_groups.number(name) as u16)
}

fn acl_group(names: &mut Names, name: &str, version: acl::IpVersion) -> AclGroupId {
    AclGroupId(names.acl_groups.number(&(name.to_owned(), version)) as u32)
}

const fn routing_type(routing: object::RoutingType) -> RoutingTypeId {
    RoutingTypeId(routing as u8)
}

/// Keys that `before` or `after` has.
fn either<'a, K: Ord + 'a>(
    before: impl Iterator<Item = &'a K>,
    after: impl Iterator<Item = &'a K>,
) -> usize {
    before.chain(after).collect::<BTreeSet<_>>().len()
}

impl Image {
    fn mapping_underlays(&self) -> impl Iterator<Item = (VnetId, IpAddr)> {
        self.mappings.iter().flat_map(|((vnet, _), mapping)| {
            let (v4, v6) = match mapping.underlay {
                Underlay::V4(v4) => (Some(v4), None),
                Underlay::V6(v6) => (None, Some(v6)),
                Underlay::Both(v4, v6) => (Some(v4), Some(v6)),
            };
            let addresses = v4.map(IpAddr::V4).into_iter().chain(v6.map(IpAddr::V6));
            addresses.map(|address| (*vnet, address))
        })
    }

    fn overlay_routes(&self) -> impl Iterator<Item = &(RouteGroupId, IpNet)> {
        self.routes.iter().filter_map(|(key, route)| {
            matches!(route, Route::VnetDirect { overlay_ip: Some(_), .. }).then_some(key)
        })
    }

    /// What the policy must hold while `self` is replaced by `after`: what either has, since what
    /// is new is set before what is old is removed.
    #[must_use]
    pub fn capacity_to(&self, after: &Self, names: &Names) -> Capacity {
        let underlays: BTreeSet<_> =
            self.mapping_underlays().chain(after.mapping_underlays()).collect();
        let pairs = |image: &Self| -> Vec<(EniId, u32)> {
            image.inbound.keys().map(|(eni, vni, _)| (*eni, *vni)).collect()
        };
        let vnis =
            |image: &Self| -> Vec<u32> { image.pa_prefixes.iter().map(|(vni, _)| *vni).collect() };
        let mut capacity = Capacity {
            appliances: either(self.appliances.keys(), after.appliances.keys()),
            directions: either(self.directions.keys(), after.directions.keys()),
            enis: names.enis.len(),
            vnets: either(self.vnets.keys(), after.vnets.keys()),
            routing_types: either(self.routing_types.keys(), after.routing_types.keys()),
            route_groups: names.route_groups.len(),
            routes: either(self.routes.keys(), after.routes.keys()),
            overlay_routes: either(self.overlay_routes(), after.overlay_routes()),
            mappings: either(self.mappings.keys(), after.mappings.keys()),
            mapping_underlays: underlays.len(),
            inbound_sets: either(pairs(self).iter(), pairs(after).iter()),
            pa_vnis: either(vnis(self).iter(), vnis(after).iter()),
            pa_prefixes: either(self.pa_prefixes.iter(), after.pa_prefixes.iter()),
            trusted_ranges: either(self.trusted.iter(), after.trusted.iter()),
            underlay_routes: either(self.underlay_routes.keys(), after.underlay_routes.keys()),
            ..Capacity::NONE
        };
        capacity.acl.groups = names.acl_groups.len();
        capacity.acl.tags = names.tags.len();
        capacity.acl.tag_prefixes = either(self.tag_prefixes.iter(), after.tag_prefixes.iter());
        // The words of a replaced group are there twice.
        capacity.acl.words = self.acl_words() + after.acl_words();
        capacity
    }

    fn acl_words(&self) -> usize {
        let groups = self.acl_groups.values().map(|(_, rules)| {
            let rules: Vec<Rule<'_>> = rules.iter().map(AclRule::rule).collect();
            AclWriter::words_bound(&rules)
        });
        let inbound = self.inbound.values().map(|rules| {
            let rules: Vec<Rule<'_>> = rules.iter().map(InboundRule::rule).collect();
            AclWriter::words_bound(&rules)
        });
        groups.chain(inbound).sum()
    }
}

/// The larger of each.
#[must_use]
pub fn larger(one: &Capacity, other: &Capacity) -> Capacity {
    let mut larger = Capacity {
        appliances: one.appliances.max(other.appliances),
        directions: one.directions.max(other.directions),
        enis: one.enis.max(other.enis),
        vnets: one.vnets.max(other.vnets),
        routing_types: one.routing_types.max(other.routing_types),
        route_groups: one.route_groups.max(other.route_groups),
        routes: one.routes.max(other.routes),
        overlay_routes: one.overlay_routes.max(other.overlay_routes),
        mappings: one.mappings.max(other.mappings),
        mapping_underlays: one.mapping_underlays.max(other.mapping_underlays),
        inbound_sets: one.inbound_sets.max(other.inbound_sets),
        pa_vnis: one.pa_vnis.max(other.pa_vnis),
        pa_prefixes: one.pa_prefixes.max(other.pa_prefixes),
        trusted_ranges: one.trusted_ranges.max(other.trusted_ranges),
        underlay_routes: one.underlay_routes.max(other.underlay_routes),
        ..*one
    };
    larger.acl.groups = one.acl.groups.max(other.acl.groups);
    larger.acl.words = one.acl.words.max(other.acl.words);
    larger.acl.tags = one.acl.tags.max(other.acl.tags);
    larger.acl.tag_prefixes = one.acl.tag_prefixes.max(other.acl.tag_prefixes);
    larger
}
