//! A policy as plain maps. What is refused is counted in them too.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use dash_core::{
    pipeline::vnet::policy::{
        AclGroupId, Appliance, ApplianceId, Capacity, Change, DirectionEntry, Eni, EniEntry, EniId,
        InboundAction, Mapping, PolicyError, Rejected, Route, RouteGroup, RouteGroupId,
        RoutingTypeId, TagId, TrustedOwner, Underlay, UnderlayAction, VnetId,
    },
    table::{
        TableError,
        acl::{Headers, Match, Rule},
    },
};
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, IpVersion};

use crate::lookups::Lookups;

type Rules = &'static [Rule<'static>];

/// Whose list a trusted range is in: one is that of all appliances.
type List = Option<EniId>;

#[derive(Clone, Debug)]
pub(crate) struct Model {
    capacity: Capacity,
    appliances: BTreeMap<ApplianceId, Appliance>,
    directions: BTreeMap<u32, DirectionEntry>,
    enis: BTreeMap<EniId, Eni>,
    macs: BTreeMap<EthernetAddress, EniId>,
    vnets: BTreeMap<VnetId, u32>,
    routing_types: BTreeMap<RoutingTypeId, u32>,
    route_groups: BTreeMap<RouteGroupId, RouteGroup>,
    routes: BTreeMap<(RouteGroupId, IpCidr), Route>,
    mappings: BTreeMap<(VnetId, IpAddress), Mapping>,
    pa_prefixes: BTreeSet<(u32, IpCidr)>,
    tag_prefixes: BTreeSet<(TagId, IpCidr)>,
    acl_groups: BTreeMap<AclGroupId, (IpVersion, Rules)>,
    inbound: BTreeMap<(EniId, u32, IpVersion), Rules>,
    /// List, appliance (0: none), first, last.
    trusted: BTreeSet<(List, u32, u32, u32)>,
    underlay_routes: BTreeMap<IpCidr, UnderlayAction>,
}

/// What takes a place in the one pool of prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Route(RouteGroupId, IpCidr),
    Pa(u32, IpCidr),
    /// First VNI of an aligned block, and its length.
    Trusted(List, u32, u32),
    Underlay(IpCidr),
}

/// What the changes so far make, beside what was there: how often, and what counts once.
#[derive(Debug, Default)]
struct Made {
    counts: BTreeMap<&'static str, usize>,
    underlays: BTreeSet<(VnetId, IpAddress)>,
    pa_vnis: BTreeSet<u32>,
}

const FULL: PolicyError = PolicyError::Table(TableError::Full);
const TOO_LARGE: PolicyError = PolicyError::Table(TableError::CapacityTooLarge);
/// A trusted range counts with this many prefixes in the capacity.
const BLOCKS: usize = 46;

fn require(condition: bool, error: PolicyError) -> Result<(), PolicyError> {
    if condition { Ok(()) } else { Err(error) }
}

impl Made {
    /// Makes `more` of a kind of which there are `there` and at most `most`.
    fn make(
        &mut self,
        kind: &'static str,
        more: usize,
        there: usize,
        most: usize,
    ) -> Result<(), PolicyError> {
        let made = self.counts.entry(kind).or_default();
        *made += more;
        require(there + *made <= most, FULL)
    }

    /// Makes one of a kind unless it `is_there`.
    fn make_one(
        &mut self,
        kind: &'static str,
        is_there: bool,
        there: usize,
        most: usize,
    ) -> Result<(), PolicyError> {
        self.make(kind, usize::from(!is_there), there, most)
    }
}

/// The bits of an address, left-aligned.
fn bits(address: IpAddress) -> u128 {
    match address {
        IpAddress::Ipv4(address) => u128::from(address.to_bits()) << 96,
        IpAddress::Ipv6(address) => address.to_bits(),
    }
}

fn covers(prefix: IpCidr, address: IpAddress) -> bool {
    let differ = bits(prefix.address()) ^ bits(address);
    prefix.address().version() == address.version()
        && differ.leading_zeros() >= u32::from(prefix.prefix_len())
}

/// Without host bits.
fn network(prefix: IpCidr) -> IpCidr {
    let host = u128::MAX.checked_shr(prefix.prefix_len().into()).unwrap_or(0);
    let bits = bits(prefix.address()) & !host;
    let address = match prefix.address() {
        IpAddress::Ipv4(_) => IpAddress::Ipv4(((bits >> 96) as u32).into()),
        IpAddress::Ipv6(_) => IpAddress::Ipv6(bits.into()),
    };
    IpCidr::new(address, prefix.prefix_len())
}

fn longest<T: Copy>(
    prefixes: impl Iterator<Item = (IpCidr, T)>,
    address: IpAddress,
) -> Option<(u8, T)> {
    let covering = prefixes.filter(|(prefix, _)| covers(*prefix, address));
    covering.map(|(prefix, value)| (prefix.prefix_len(), value)).max_by_key(|(length, _)| *length)
}

/// The largest aligned blocks that a range falls into: first and length of each.
fn blocks(first: u32, last: u32) -> Vec<(u32, u32)> {
    let mut blocks = Vec::new();
    let mut at = first;
    while at <= last {
        let fits = |length: &u32| at.is_multiple_of(*length) && last - at >= length - 1;
        let length = (0..=24).rev().map(|bits| 1 << bits).find(fits).unwrap();
        blocks.push((at, length));
        at += length;
    }
    blocks
}

fn addresses(underlay: Underlay) -> Vec<IpAddress> {
    match underlay {
        Underlay::V4(v4) => vec![v4.into()],
        Underlay::V6(v6) => vec![v6.into()],
        Underlay::Both(v4, v6) => vec![v4.into(), v6.into()],
    }
}

fn vips(appliance: &Appliance) -> Vec<IpAddress> {
    let v6 = appliance.sip_v6.map(IpAddress::Ipv6);
    std::iter::once(IpAddress::Ipv4(appliance.sip)).chain(v6).collect()
}

/// The groups of all stages of an ENI, and the version that each is bound under.
fn bindings(eni: &Eni) -> Vec<(AclGroupId, IpVersion)> {
    let v4 = eni.acl.inbound_v4.into_iter().chain(eni.acl.outbound_v4);
    let v6 = eni.acl.inbound_v6.into_iter().chain(eni.acl.outbound_v6);
    let v4 = v4.flatten().map(|group| (group, IpVersion::Ipv4));
    v4.chain(v6.flatten().map(|group| (group, IpVersion::Ipv6))).collect()
}

fn list(owner: TrustedOwner) -> (List, u32) {
    match owner {
        TrustedOwner::Appliance(id) => (None, id.0),
        TrustedOwner::Eni(id) => (Some(id), 0),
    }
}

impl Model {
    pub(crate) fn new(capacity: Capacity) -> Self {
        Self {
            capacity,
            appliances: BTreeMap::new(),
            directions: BTreeMap::new(),
            enis: BTreeMap::new(),
            macs: BTreeMap::new(),
            vnets: BTreeMap::new(),
            routing_types: BTreeMap::new(),
            route_groups: BTreeMap::new(),
            routes: BTreeMap::new(),
            mappings: BTreeMap::new(),
            pa_prefixes: BTreeSet::new(),
            tag_prefixes: BTreeSet::new(),
            acl_groups: BTreeMap::new(),
            inbound: BTreeMap::new(),
            trusted: BTreeSet::new(),
            underlay_routes: BTreeMap::new(),
        }
    }

    /// Which change is refused, if one is.
    pub(crate) fn check(&self, changes: &[Change<'static>]) -> Result<(), Rejected> {
        let mut made = Made::default();
        let mut after = self.clone();
        for (index, change) in changes.iter().enumerate() {
            self.check_one(change, &mut made)
                .and_then(|()| after.check_bindings(change))
                .map_err(|error| Rejected { index, error })?;
            after.make_one(change);
        }
        Ok(())
    }

    /// Whether ACL groups are where they are bound, under their versions.
    fn check_bindings(&self, change: &Change<'static>) -> Result<(), PolicyError> {
        let bound = |group: AclGroupId| {
            let all = self.enis.values().flat_map(bindings);
            all.filter(move |(of, _)| *of == group).map(|(_, version)| version)
        };
        match *change {
            Change::SetEni(_, eni) => {
                let right = |(group, version)| {
                    self.acl_groups.get(&group).is_none_or(|(of, _)| *of == version)
                };
                require(bindings(&eni).into_iter().all(right), PolicyError::AclGroupVersion)
            }
            Change::SetAclGroup(id, version, _) => {
                require(bound(id).all(|under| under == version), PolicyError::AclGroupVersion)
            }
            Change::RemoveAclGroup(id) => {
                require(bound(id).next().is_none(), PolicyError::AclGroupBound)
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn make(&mut self, changes: &[Change<'static>]) {
        for change in changes {
            self.make_one(change);
        }
    }

    // One line of the table after the other.
    #[allow(clippy::too_many_lines)]
    fn check_one(&self, change: &Change<'static>, made: &mut Made) -> Result<(), PolicyError> {
        let capacity = &self.capacity;
        let vni = |vni: u32| require(vni < 1 << 24, PolicyError::VniTooLarge);
        let eni_number = |id: EniId| require(usize::from(id.0) < capacity.enis, TOO_LARGE);
        let group_number =
            |id: RouteGroupId| require(usize::from(id.0) < capacity.route_groups, TOO_LARGE);
        match *change {
            Change::SetAppliance(id, appliance) => {
                vni(appliance.vm_vni)?;
                let there: BTreeSet<_> = self.appliances.values().flat_map(vips).collect();
                for vip in vips(&appliance) {
                    let most = 4 * capacity.appliances;
                    made.make_one("VIP", there.contains(&vip), there.len(), most)?;
                }
                let there = &self.appliances;
                made.make_one(
                    "appliance",
                    there.contains_key(&id),
                    there.len(),
                    capacity.appliances,
                )
            }
            Change::SetDirection(key, _) => {
                vni(key)?;
                let there = &self.directions;
                made.make_one(
                    "direction",
                    there.contains_key(&key),
                    there.len(),
                    capacity.directions,
                )
            }
            Change::SetVnet(id, key) => {
                vni(key)?;
                let there = &self.vnets;
                made.make_one("VNET", there.contains_key(&id), there.len(), capacity.vnets)
            }
            Change::SetRoutingType(id, key) => {
                vni(key)?;
                let there = &self.routing_types;
                let most = capacity.routing_types;
                made.make_one("routing type", there.contains_key(&id), there.len(), most)
            }
            Change::SetRouteGroup(id, _) => {
                group_number(id)?;
                let there = &self.route_groups;
                let most = capacity.route_groups;
                made.make_one("route group", there.contains_key(&id), there.len(), most)
            }
            Change::SetRoute(id, prefix, route) => {
                group_number(id)?;
                let key = (id, network(prefix));
                if has_overlay(&route) {
                    let is_there = self.routes.get(&key).is_some_and(has_overlay);
                    let there = self.routes.values().filter(|route| has_overlay(route)).count();
                    made.make_one("overlay", is_there, there, capacity.overlay_routes)?;
                }
                self.check_prefixes([Place::Route(key.0, key.1)], made)
            }
            Change::RemoveRoute(id, _) => group_number(id),
            Change::SetMapping(vnet, customer, mapping) => {
                mapping.vni.map_or(Ok(()), vni)?;
                let (key, there) = ((vnet, customer), &self.mappings);
                made.make_one("mapping", there.contains_key(&key), there.len(), capacity.mappings)?;
                let keys = addresses(mapping.underlay).into_iter().map(|address| (vnet, address));
                made.underlays.extend(keys);
                let all = self.underlays().union(&made.underlays).count();
                require(all <= capacity.mapping_underlays, FULL)
            }
            Change::AddPaPrefix(key, prefix) => {
                vni(key)?;
                self.check_prefixes([Place::Pa(key, network(prefix))], made)?;
                made.pa_vnis.insert(key);
                let there: BTreeSet<_> = self.pa_prefixes.iter().map(|(vni, _)| *vni).collect();
                require(there.union(&made.pa_vnis).count() <= capacity.pa_vnis, FULL)
            }
            Change::AddTagPrefix(tag, prefix) => {
                require((tag.0 as usize) < capacity.acl.tags, TOO_LARGE)?;
                let (key, there) = ((tag, network(prefix)), &self.tag_prefixes);
                let most = capacity.acl.tag_prefixes;
                made.make_one("tag prefix", there.contains(&key), there.len(), most)
            }
            Change::SetAclGroup(id, _, rules) => {
                require((id.0 as usize) < capacity.acl.groups, TOO_LARGE)?;
                self.check_rules(rules)
            }
            Change::RemoveAclGroup(id) => require((id.0 as usize) < capacity.acl.groups, TOO_LARGE),
            Change::SetInboundRules(eni, key, version, rules) => {
                vni(key)?;
                let order: Vec<_> = rules
                    .iter()
                    .map(|rule| (rule.priority, 128 - rule.sources[0].prefix_len()))
                    .collect();
                let of_version = |rule: &Rule<'_>| rule.sources[0].address().version() == version;
                let ordered = order.is_sorted() && rules.iter().all(of_version);
                require(ordered, PolicyError::Disordered)?;
                let (key, there) = ((eni, key, version), &self.inbound);
                let most = 2 * capacity.inbound_sets;
                made.make_one("inbound", there.contains_key(&key), there.len(), most)?;
                self.check_rules(rules)
            }
            Change::AddTrustedVnis(owner, first, last) => {
                vni(last)?;
                require(first <= last, PolicyError::EmptyRange)?;
                let (list, appliance) = list(owner);
                list.map_or(Ok(()), eni_number)?;
                let (key, there) = ((list, appliance, first, last), &self.trusted);
                let most = capacity.trusted_ranges;
                made.make_one("trusted", there.contains(&key), there.len(), most)?;
                let places = blocks(first, last);
                let places = places.iter().map(|(at, length)| Place::Trusted(list, *at, *length));
                self.check_prefixes(places, made)
            }
            Change::RemoveTrustedVnis(owner, ..) => list(owner).0.map_or(Ok(()), eni_number),
            Change::SetUnderlayRoute(prefix, _) => {
                self.check_prefixes([Place::Underlay(network(prefix))], made)
            }
            Change::SetEni(id, eni) => {
                eni.vm_vni.map_or(Ok(()), vni)?;
                eni_number(id)?;
                let there = &self.enis;
                made.make_one("ENI", there.contains_key(&id), there.len(), capacity.enis)?;
                let there = &self.macs;
                made.make_one("MAC", there.contains_key(&eni.mac), there.len(), 2 * capacity.enis)
            }
            _ => Ok(()),
        }
    }

    fn check_prefixes(
        &self,
        places: impl IntoIterator<Item = Place>,
        made: &mut Made,
    ) -> Result<(), PolicyError> {
        let capacity = &self.capacity;
        let most = capacity.routes
            + capacity.pa_prefixes
            + capacity.underlay_routes
            + BLOCKS * capacity.trusted_ranges;
        let there = self.places();
        places.into_iter().try_for_each(|place| {
            made.make_one("prefix", there.contains(&place), there.len(), most)
        })
    }

    fn check_rules(&self, rules: Rules) -> Result<(), PolicyError> {
        let tags = |rule: &Rule<'static>| [rule.source_tags, rule.destination_tags];
        let mut tags = rules.iter().flat_map(tags).flatten();
        require(tags.all(|tag| (*tag as usize) < self.capacity.acl.tags), TOO_LARGE)
    }

    fn places(&self) -> BTreeSet<Place> {
        let routes = self.routes.keys().map(|(group, prefix)| Place::Route(*group, *prefix));
        let pa = self.pa_prefixes.iter().map(|(vni, prefix)| Place::Pa(*vni, *prefix));
        let underlay = self.underlay_routes.keys().map(|prefix| Place::Underlay(*prefix));
        let trusted = self.trusted.iter().flat_map(|(list, _, first, last)| {
            let blocks = blocks(*first, *last).into_iter();
            blocks.map(|(at, length)| Place::Trusted(*list, at, length))
        });
        routes.chain(pa).chain(underlay).chain(trusted).collect()
    }

    fn underlays(&self) -> BTreeSet<(VnetId, IpAddress)> {
        let of_mapping = |((vnet, _), mapping): (&(VnetId, IpAddress), &Mapping)| {
            addresses(mapping.underlay).into_iter().map(|address| (*vnet, address)).collect()
        };
        self.mappings.iter().flat_map(|entry| -> Vec<_> { of_mapping(entry) }).collect()
    }

    fn make_one(&mut self, change: &Change<'static>) {
        match *change {
            Change::SetAppliance(id, appliance) => drop(self.appliances.insert(id, appliance)),
            Change::RemoveAppliance(id) => drop(self.appliances.remove(&id)),
            Change::SetDirection(vni, entry) => drop(self.directions.insert(vni, entry)),
            Change::RemoveDirection(vni) => drop(self.directions.remove(&vni)),
            Change::SetVnet(id, vni) => drop(self.vnets.insert(id, vni)),
            Change::RemoveVnet(id) => drop(self.vnets.remove(&id)),
            Change::SetRoutingType(id, vni) => drop(self.routing_types.insert(id, vni)),
            Change::RemoveRoutingType(id) => drop(self.routing_types.remove(&id)),
            Change::SetRouteGroup(id, group) => drop(self.route_groups.insert(id, group)),
            Change::RemoveRouteGroup(id) => drop(self.route_groups.remove(&id)),
            Change::SetRoute(group, prefix, route) => {
                self.routes.insert((group, network(prefix)), route);
            }
            Change::RemoveRoute(group, prefix) => {
                self.routes.remove(&(group, network(prefix)));
            }
            Change::SetMapping(vnet, customer, mapping) => {
                self.mappings.insert((vnet, customer), mapping);
            }
            Change::RemoveMapping(vnet, customer) => {
                self.mappings.remove(&(vnet, customer));
            }
            Change::AddPaPrefix(vni, prefix) => {
                self.pa_prefixes.insert((vni, network(prefix)));
            }
            Change::RemovePaPrefix(vni, prefix) => {
                self.pa_prefixes.remove(&(vni, network(prefix)));
            }
            Change::AddTagPrefix(tag, prefix) => {
                self.tag_prefixes.insert((tag, network(prefix)));
            }
            Change::RemoveTagPrefix(tag, prefix) => {
                self.tag_prefixes.remove(&(tag, network(prefix)));
            }
            Change::SetAclGroup(id, version, rules) => {
                self.acl_groups.insert(id, (version, rules));
            }
            Change::RemoveAclGroup(id) => drop(self.acl_groups.remove(&id)),
            Change::SetInboundRules(eni, vni, version, rules) => {
                self.inbound.insert((eni, vni, version), rules);
            }
            Change::RemoveInboundRules(eni, vni) => {
                self.inbound.retain(|(of, key, _), _| (*of, *key) != (eni, vni));
            }
            Change::AddTrustedVnis(owner, first, last) => {
                let (list, appliance) = list(owner);
                self.trusted.insert((list, appliance, first, last));
            }
            Change::RemoveTrustedVnis(owner, first, last) => {
                let (list, appliance) = list(owner);
                self.trusted.remove(&(list, appliance, first, last));
            }
            Change::SetUnderlayRoute(prefix, action) => {
                self.underlay_routes.insert(network(prefix), action);
            }
            Change::RemoveUnderlayRoute(prefix) => {
                self.underlay_routes.remove(&network(prefix));
            }
            Change::SetEni(id, eni) => {
                self.leave_mac(id, Some(eni.mac));
                self.macs.insert(eni.mac, id);
                self.enis.insert(id, eni);
            }
            Change::RemoveEni(id) => {
                self.leave_mac(id, None);
                self.enis.remove(&id);
            }
        }
    }

    /// The last ENI that was set with a MAC address has it.
    fn leave_mac(&mut self, id: EniId, next: Option<EthernetAddress>) {
        let Some(mac) = self.enis.get(&id).map(|eni| eni.mac) else { return };
        if Some(mac) != next && self.macs.get(&mac) == Some(&id) {
            self.macs.remove(&mac);
        }
    }

    fn matches(&self, rule: &Rule<'_>, headers: &Headers) -> bool {
        let side = |prefixes: &[IpCidr], tags: &[u32], address: IpAddress| {
            let tagged = |tag: &u32| {
                let mut all = self.tag_prefixes.iter();
                all.any(|(of, prefix)| of.0 == *tag && covers(*prefix, address))
            };
            (prefixes.is_empty() && tags.is_empty())
                || prefixes.iter().any(|prefix| covers(*prefix, address))
                || tags.iter().any(tagged)
        };
        let port = |ports: &[RangeInclusive<u16>], port: u16| {
            ports.is_empty() || ports.iter().any(|range| range.contains(&port))
        };
        (rule.protocols.is_empty() || rule.protocols.contains(&headers.protocol))
            && side(rule.sources, rule.source_tags, headers.source)
            && side(rule.destinations, rule.destination_tags, headers.destination)
            && port(rule.source_ports, headers.source_port)
            && port(rule.destination_ports, headers.destination_port)
    }

    /// The rule of the lowest priority number that matches, the earlier of two.
    fn first<'r>(&self, rules: &'r [Rule<'r>], headers: &Headers) -> Option<&'r Rule<'r>> {
        rules.iter().filter(|rule| self.matches(rule, headers)).min_by_key(|rule| rule.priority)
    }
}

fn has_overlay(route: &Route) -> bool {
    matches!(route, Route::VnetDirect { overlay_ip: Some(_), .. })
}

impl Lookups for Model {
    fn is_vip(&self, address: IpAddress) -> bool {
        self.appliances.values().any(|appliance| vips(appliance).contains(&address))
    }

    fn appliance(&self, id: ApplianceId) -> Option<Appliance> {
        self.appliances.get(&id).copied()
    }

    fn direction(&self, vni: u32) -> Option<DirectionEntry> {
        self.directions.get(&vni).copied()
    }

    fn eni(&self, id: EniId) -> Option<Eni> {
        self.enis.get(&id).copied()
    }

    fn eni_by_mac(&self, mac: EthernetAddress) -> Option<EniEntry> {
        let id = *self.macs.get(&mac)?;
        self.enis.get(&id).map(|eni| EniEntry { id, vnet: eni.vnet, enabled: eni.enabled })
    }

    fn vnet_vni(&self, vnet: VnetId) -> Option<u32> {
        self.vnets.get(&vnet).copied()
    }

    fn routing_type_vni(&self, id: RoutingTypeId) -> Option<u32> {
        self.routing_types.get(&id).copied()
    }

    fn route_group(&self, group: RouteGroupId) -> Option<RouteGroup> {
        self.route_groups.get(&group).copied()
    }

    fn route(&self, group: RouteGroupId, destination: IpAddress) -> Option<Route> {
        self.longest_route(group, destination).map(|(_, route)| route)
    }

    fn route_length(&self, group: RouteGroupId, destination: IpAddress) -> Option<u8> {
        self.longest_route(group, destination).map(|(length, _)| length)
    }

    fn mapping(&self, vnet: VnetId, customer: IpAddress) -> Option<Mapping> {
        self.mappings.get(&(vnet, customer)).copied()
    }

    fn is_mapping_underlay(&self, vnet: VnetId, underlay: IpAddress) -> bool {
        self.underlays().contains(&(vnet, underlay))
    }

    fn is_pa(&self, vni: u32, source: IpAddress) -> bool {
        self.pa_prefixes.iter().any(|(of, prefix)| *of == vni && prefix.contains_addr(&source))
    }

    fn pa_length(&self, vni: u32, source: IpAddress) -> Option<u8> {
        let prefixes = self.pa_prefixes.iter().filter(|(of, _)| *of == vni);
        longest(prefixes.map(|(_, prefix)| (*prefix, ())), source).map(|(length, ())| length)
    }

    fn classify(&self, group: AclGroupId, headers: &Headers) -> Match {
        let Some((version, rules)) = self.acl_groups.get(&group) else { return Match::NoGroup };
        if headers.source.version() != *version {
            return Match::OtherVersion;
        }
        self.first(rules, headers).map_or(Match::NoRule, |rule| Match::Rule {
            priority: rule.priority,
            value: rule.value,
        })
    }

    fn inbound_rule(
        &self,
        eni: EniId,
        vni: u32,
        source: IpAddress,
        protocol: u8,
    ) -> Option<(u32, InboundAction)> {
        let rules = self.inbound.get(&(eni, vni, source.version()))?;
        let headers =
            Headers { source, destination: source, protocol, source_port: 0, destination_port: 0 };
        let rule = self.first(rules, &headers)?;
        // The actions of the world: 0 drops, all else validates the frames of the ENI's VNET.
        let decap = InboundAction::Decap { vnet: None, pa_validation: true };
        let action = if rule.value == 0 { InboundAction::Drop } else { decap };
        Some((rule.priority, action))
    }

    fn is_trusted(&self, vni: u32) -> bool {
        let mut ranges = self.trusted.iter();
        ranges.any(|(list, _, first, last)| list.is_none() && (*first..=*last).contains(&vni))
    }

    fn is_trusted_by(&self, eni: EniId, vni: u32) -> bool {
        let mut ranges = self.trusted.iter();
        ranges.any(|(list, _, first, last)| *list == Some(eni) && (*first..=*last).contains(&vni))
    }

    fn underlay_route(&self, destination: IpAddress) -> Option<UnderlayAction> {
        self.longest_underlay_route(destination).map(|(_, action)| action)
    }

    fn underlay_route_length(&self, destination: IpAddress) -> Option<u8> {
        self.longest_underlay_route(destination).map(|(length, _)| length)
    }
}

impl Model {
    fn longest_route(&self, group: RouteGroupId, destination: IpAddress) -> Option<(u8, Route)> {
        let routes = self.routes.iter().filter(|((of, _), _)| *of == group);
        longest(routes.map(|((_, prefix), route)| (*prefix, *route)), destination)
    }

    fn longest_underlay_route(&self, destination: IpAddress) -> Option<(u8, UnderlayAction)> {
        longest(self.underlay_routes.iter().map(|(prefix, it)| (*prefix, *it)), destination)
    }
}
