//! Policy as lists that are searched from one end to the other.
//!
//! A configuration is a list of changes, and so is each later transaction: the same changes go to
//! the library (`bench`) and to the lists here.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
};

use crate::frame::Mac;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    pub address: IpAddr,
    pub length: u8,
}

impl Prefix {
    pub(crate) fn new(address: impl Into<IpAddr>, length: u8) -> Self {
        Self { address: address.into(), length }
    }

    /// Bit by bit.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let (own, other) = (bits(self.address), bits(address));
        own.len() == other.len()
            && (0..usize::from(self.length))
                .all(|bit| (own[bit / 8] ^ other[bit / 8]) & (0x80 >> (bit % 8)) == 0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Appliance {
    pub sip: Ipv4Addr,
    pub sip_v6: Option<Ipv6Addr>,
    pub vm_vni: u32,
    pub own_mac: Mac,
    pub neighbor_mac: Mac,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Override {
    None,
    Source,
    Destination,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Eni {
    pub mac: Mac,
    pub enabled: bool,
    pub underlay_ip: IpAddr,
    pub vnet: u16,
    pub appliance: u32,
    pub vm_vni: Option<u32>,
    pub route_group: Option<u16>,
    /// Inbound IPv4, inbound IPv6, outbound IPv4, outbound IPv6; five stages each.
    pub acl: [[Option<u32>; 5]; 4],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Drop,
    Direct,
    Vnet(u16),
    VnetDirect(u16, Option<IpAddr>),
}

/// At least one of the two underlay addresses is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub v4: Option<Ipv4Addr>,
    pub v6: Option<Ipv6Addr>,
    pub mac: Mac,
    pub vni: Option<u32>,
    pub routing_type: u8,
    pub use_dst_vni: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InboundRule {
    pub priority: u32,
    pub prefix: Prefix,
    /// 0: any.
    pub protocol: u8,
    /// `None`: drop. Else the VNET (absent: the ENI's) and whether the source is validated.
    pub decap: Option<(Option<u16>, bool)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AclRule {
    pub priority: u32,
    pub permit: bool,
    pub terminating: bool,
    pub protocols: Vec<u8>,
    pub sources: Vec<Prefix>,
    pub destinations: Vec<Prefix>,
    pub source_tags: Vec<u32>,
    pub destination_tags: Vec<u32>,
    pub source_ports: Vec<RangeInclusive<u16>>,
    pub destination_ports: Vec<RangeInclusive<u16>>,
}

impl AclRule {
    /// Matches every frame.
    pub(crate) fn any(priority: u32, permit: bool, terminating: bool) -> Self {
        Self {
            priority,
            permit,
            terminating,
            protocols: vec![],
            sources: vec![],
            destinations: vec![],
            source_tags: vec![],
            destination_tags: vec![],
            source_ports: vec![],
            destination_ports: vec![],
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Appliance(u32),
    Eni(u16),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnderlayRoute {
    Drop,
    Port(u16),
}

/// One step of a transaction; `None` and `false` remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Appliance(u32, Option<Appliance>),
    /// VNI; outbound?, override.
    Direction(u32, Option<(bool, Override)>),
    Eni(u16, Option<Eni>),
    Vnet(u16, Option<u32>),
    RoutingType(u8, Option<u32>),
    /// Whether the group is disabled.
    RouteGroup(u16, Option<bool>),
    Route(u16, Prefix, Option<Route>),
    Mapping(u16, IpAddr, Option<Mapping>),
    /// ENI, VNI, whether of IPv6 underlay, all rules.
    Inbound(u16, u32, bool, Vec<InboundRule>),
    Pa(u32, Prefix, bool),
    Trusted(Owner, RangeInclusive<u32>, bool),
    Underlay(Prefix, Option<UnderlayRoute>),
    /// Group, whether of IPv6 customers, rules.
    AclGroup(u32, Option<(bool, Vec<AclRule>)>),
    Tag(u32, Prefix, bool),
}

/// A table: pairs in no order.
#[derive(Clone, Debug)]
pub(crate) struct List<K, V>(pub Vec<(K, V)>);

impl<K, V> Default for List<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: PartialEq, V: PartialEq> List<K, V> {
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.0.iter().find(|(own, _)| own == key).map(|(_, value)| value)
    }

    /// Answers whether anything is different now.
    fn put(&mut self, key: K, value: Option<V>) -> bool {
        let place = self.0.iter().position(|(own, _)| *own == key);
        match (place, value) {
            (Some(place), Some(value)) => {
                let different = self.0[place].1 != value;
                self.0[place].1 = value;
                different
            }
            (Some(place), None) => {
                self.0.remove(place);
                true
            }
            (None, Some(value)) => {
                self.0.push((key, value));
                true
            }
            (None, None) => false,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Policy {
    pub appliances: List<u32, Appliance>,
    pub directions: List<u32, (bool, Override)>,
    pub enis: List<u16, Eni>,
    pub vnets: List<u16, u32>,
    pub routing_types: List<u8, u32>,
    pub route_groups: List<u16, bool>,
    pub routes: List<(u16, IpAddr, u8), Route>,
    pub mappings: List<(u16, IpAddr), Mapping>,
    pub inbound: List<(u16, u32, bool), Vec<InboundRule>>,
    pub pa: List<(u32, IpAddr, u8), ()>,
    pub global_trusted: List<(u32, u32, u32), ()>,
    pub eni_trusted: List<(u16, u32, u32), ()>,
    pub underlay: List<(IpAddr, u8), UnderlayRoute>,
    pub acl_groups: List<u32, (bool, Vec<AclRule>)>,
    pub tags: List<(u32, IpAddr, u8), ()>,
}

/// Which ENIs a transaction touches.
#[derive(Clone, Debug, Default)]
pub(crate) struct Touched {
    pub all: bool,
    pub enis: BTreeSet<u16>,
}

impl Policy {
    /// Applies a transaction: an ENI's own objects touch that ENI, a route group or an ACL group
    /// the ENIs that are bound to it at the end, underlay routes none, all else every ENI.
    pub(crate) fn apply(&mut self, changes: &[Change]) -> Touched {
        let mut touched = Touched::default();
        let (mut route_groups, mut acl_groups) = (BTreeSet::new(), BTreeSet::new());
        for change in changes.iter().cloned() {
            let some = |present: bool| present.then_some(());
            match change {
                Change::Appliance(id, value) => touched.all |= self.appliances.put(id, value),
                Change::Direction(vni, value) => touched.all |= self.directions.put(vni, value),
                Change::Vnet(id, value) => touched.all |= self.vnets.put(id, value),
                Change::RoutingType(id, value) => touched.all |= self.routing_types.put(id, value),
                Change::Mapping(vnet, address, value) => {
                    touched.all |= self.mappings.put((vnet, address), value);
                }
                Change::Pa(vni, prefix, present) => {
                    touched.all |= self.pa.put((vni, prefix.address, prefix.length), some(present));
                }
                Change::Tag(tag, prefix, present) => {
                    let key = (tag, prefix.address, prefix.length);
                    touched.all |= self.tags.put(key, some(present));
                }
                Change::Trusted(Owner::Appliance(id), range, present) => {
                    let key = (id, *range.start(), *range.end());
                    touched.all |= self.global_trusted.put(key, some(present));
                }
                Change::Trusted(Owner::Eni(id), range, present) => {
                    let key = (id, *range.start(), *range.end());
                    if self.eni_trusted.put(key, some(present)) {
                        touched.enis.insert(id);
                    }
                }
                Change::Eni(id, value) => {
                    if self.enis.put(id, value) {
                        touched.enis.insert(id);
                    }
                }
                Change::Inbound(eni, vni, v6, rules) => {
                    // Rules are not compared with the old ones.
                    self.inbound.put((eni, vni, v6), Some(rules));
                    touched.enis.insert(eni);
                }
                Change::RouteGroup(group, value) => {
                    if self.route_groups.put(group, value) {
                        route_groups.insert(group);
                    }
                }
                Change::Route(group, prefix, value) => {
                    if self.routes.put((group, prefix.address, prefix.length), value) {
                        route_groups.insert(group);
                    }
                }
                Change::AclGroup(group, value) => {
                    // Rules are not compared with the old ones.
                    let there = value.is_some();
                    if self.acl_groups.put(group, value) || there {
                        acl_groups.insert(group);
                    }
                }
                Change::Underlay(prefix, value) => {
                    self.underlay.put((prefix.address, prefix.length), value);
                }
            }
        }
        for (id, eni) in &self.enis.0 {
            let routes = eni.route_group.is_some_and(|group| route_groups.contains(&group));
            let acl = eni.acl.iter().flatten().flatten().any(|group| acl_groups.contains(group));
            if routes || acl {
                touched.enis.insert(*id);
            }
        }
        touched
    }

    pub(crate) fn is_vip(&self, address: IpAddr) -> bool {
        self.appliances.0.iter().any(|(_, appliance)| {
            IpAddr::V4(appliance.sip) == address
                || appliance.sip_v6.is_some_and(|sip| IpAddr::V6(sip) == address)
        })
    }

    pub(crate) fn eni_of(&self, mac: Mac) -> Option<(u16, &Eni)> {
        self.enis.0.iter().find(|(_, eni)| eni.mac == mac).map(|(id, eni)| (*id, eni))
    }

    pub(crate) fn is_trusted(&self, eni: u16, vni: u32) -> bool {
        self.global_trusted.0.iter().any(|((_, first, last), ())| (*first..=*last).contains(&vni))
            || self
                .eni_trusted
                .0
                .iter()
                .any(|((own, first, last), ())| *own == eni && (*first..=*last).contains(&vni))
    }

    pub(crate) fn route(&self, group: u16, destination: IpAddr) -> Option<Route> {
        self.routes
            .0
            .iter()
            .filter(|((own, address, length), _)| {
                *own == group && Prefix::new(*address, *length).contains(destination)
            })
            .max_by_key(|((_, _, length), _)| *length)
            .map(|(_, route)| *route)
    }

    /// `None`: out of the ingress port.
    pub(crate) fn underlay_route(&self, destination: IpAddr) -> Option<UnderlayRoute> {
        self.underlay
            .0
            .iter()
            .filter(|((address, length), _)| Prefix::new(*address, *length).contains(destination))
            .max_by_key(|((_, length), _)| *length)
            .map(|(_, action)| *action)
    }

    pub(crate) fn inbound_rule(
        &self,
        eni: u16,
        vni: u32,
        source: IpAddr,
        protocol: u8,
    ) -> Option<&InboundRule> {
        self.inbound
            .get(&(eni, vni, source.is_ipv6()))?
            .iter()
            .filter(|rule| {
                rule.prefix.contains(source) && (rule.protocol == 0 || rule.protocol == protocol)
            })
            .min_by_key(|rule| (rule.priority, 255 - rule.prefix.length))
    }

    pub(crate) fn is_valid_pa(&self, vnet: u16, source: IpAddr) -> bool {
        let mapped = self.mappings.0.iter().any(|((own, _), mapping)| {
            *own == vnet
                && (mapping.v4.map(IpAddr::V4) == Some(source)
                    || mapping.v6.map(IpAddr::V6) == Some(source))
        });
        let prefix = self.vnets.get(&vnet).is_some_and(|vni| {
            self.pa.0.iter().any(|((own, address, length), ())| {
                own == vni && Prefix::new(*address, *length).contains(source)
            })
        });
        mapped || prefix
    }

    fn tagged(&self, tag: u32, address: IpAddr) -> bool {
        self.tags.0.iter().any(|((own, prefix, length), ())| {
            *own == tag && Prefix::new(*prefix, *length).contains(address)
        })
    }

    fn side(&self, prefixes: &[Prefix], tags: &[u32], address: IpAddr) -> bool {
        (prefixes.is_empty() && tags.is_empty())
            || prefixes.iter().any(|prefix| prefix.contains(address))
            || tags.iter().any(|tag| self.tagged(*tag, address))
    }

    pub(crate) fn acl_rule(
        &self,
        rules: &[AclRule],
        (source, destination): (IpAddr, IpAddr),
        protocol: u8,
        ports: (u16, u16),
    ) -> Option<(bool, bool)> {
        let any = |list: &[RangeInclusive<u16>], port: u16| {
            list.is_empty() || list.iter().any(|range| range.contains(&port))
        };
        rules
            .iter()
            .filter(|rule| {
                (rule.protocols.is_empty() || rule.protocols.contains(&protocol))
                    && self.side(&rule.sources, &rule.source_tags, source)
                    && self.side(&rule.destinations, &rule.destination_tags, destination)
                    && any(&rule.source_ports, ports.0)
                    && any(&rule.destination_ports, ports.1)
            })
            .min_by_key(|rule| rule.priority)
            .map(|rule| (rule.permit, rule.terminating))
    }
}
