//! The difference between two images, as the changes that lead from one to the other.
//!
//! ENIs go first, then everything new is set in the order of dependence, ENIs last, then
//! everything old is removed in the opposite order: at no time does an object name another that
//! is not there.

use std::collections::BTreeMap;

use dash_core::{
    pipeline::vnet::policy::{AclGroupId, Change, EniId, InboundRule, RouteGroup, TrustedOwner},
    table::acl::Rule,
};
use smoltcp::wire::IpVersion;

use super::image::{AclRule, Image, Owner, cidr};

/// Two images, and the rules that the second one has and the first has not, as the library takes
/// them: [`Change`]s borrow them.
#[derive(Debug)]
pub struct Difference<'i> {
    before: &'i Image,
    after: &'i Image,
    acl_groups: BTreeMap<AclGroupId, (IpVersion, Vec<Rule<'i>>)>,
    inbound: BTreeMap<(EniId, u32, bool), Vec<Rule<'i>>>,
}

/// What is new or different in `after`.
fn new<'i, K: Ord, V: PartialEq>(
    before: &'i BTreeMap<K, V>,
    after: &'i BTreeMap<K, V>,
) -> impl Iterator<Item = (&'i K, &'i V)> + Clone {
    after.iter().filter(|(key, value)| before.get(key) != Some(value))
}

/// What `after` no longer has.
fn old<'i, K: Ord, V>(
    before: &'i BTreeMap<K, V>,
    after: &'i BTreeMap<K, V>,
) -> impl Iterator<Item = &'i K> + Clone {
    before.keys().filter(|key| !after.contains_key(key))
}

const fn owner(owner: Owner) -> TrustedOwner {
    match owner {
        Owner::Appliance(id) => TrustedOwner::Appliance(id),
        Owner::Eni(id) => TrustedOwner::Eni(id),
    }
}

const fn version(is_v6: bool) -> IpVersion {
    if is_v6 { IpVersion::Ipv6 } else { IpVersion::Ipv4 }
}

impl<'i> Difference<'i> {
    /// What leads from `before` to `after`.
    #[must_use]
    pub fn new(before: &'i Image, after: &'i Image) -> Self {
        let acl_groups = new(&before.acl_groups, &after.acl_groups)
            .map(|(id, (version, rules))| {
                (*id, (*version, rules.iter().map(AclRule::rule).collect()))
            })
            .collect();
        let inbound = new(&before.inbound, &after.inbound)
            .map(|(key, rules)| (*key, rules.iter().map(InboundRule::rule).collect()))
            .collect();
        Self { before, after, acl_groups, inbound }
    }

    /// The changes in their order: one transaction for
    /// [`PolicyWriter::apply`](dash_core::pipeline::vnet::policy::PolicyWriter::apply). A policy
    /// without readers that holds `before` and has the capacity of
    /// [`before.capacity_to(after)`](Image::capacity_to) refuses none of them.
    pub fn changes(&self) -> impl Iterator<Item = Change<'_>> + Clone {
        let ends = old(&self.before.enis, &self.after.enis).map(|id| Change::RemoveEni(*id));
        ends.chain(self.made()).chain(self.removed())
    }

    fn made(&self) -> impl Iterator<Item = Change<'_>> + Clone {
        let (before, after) = (self.before, self.after);
        let vnets = new(&before.vnets, &after.vnets).map(|(id, vni)| Change::SetVnet(*id, *vni));
        let routing_types = new(&before.routing_types, &after.routing_types)
            .map(|(id, vni)| Change::SetRoutingType(*id, *vni));
        let appliances = new(&before.appliances, &after.appliances)
            .map(|(id, appliance)| Change::SetAppliance(*id, *appliance));
        let directions = new(&before.directions, &after.directions)
            .map(|(vni, entry)| Change::SetDirection(*vni, *entry));
        let tag_prefixes = after
            .tag_prefixes
            .difference(&before.tag_prefixes)
            .map(|(tag, prefix)| Change::AddTagPrefix(*tag, cidr(prefix)));
        let acl_groups = self
            .acl_groups
            .iter()
            .map(|(id, (version, rules))| Change::SetAclGroup(*id, *version, rules));
        let route_groups = after
            .route_groups
            .difference(&before.route_groups)
            .map(|id| Change::SetRouteGroup(*id, RouteGroup::default()));
        let routes = new(&before.routes, &after.routes)
            .map(|((group, prefix), route)| Change::SetRoute(*group, cidr(prefix), *route));
        let mappings = new(&before.mappings, &after.mappings).map(|((vnet, customer), mapping)| {
            Change::SetMapping(*vnet, (*customer).into(), *mapping)
        });
        let pa_prefixes = after
            .pa_prefixes
            .difference(&before.pa_prefixes)
            .map(|(vni, prefix)| Change::AddPaPrefix(*vni, cidr(prefix)));
        let underlay_routes = new(&before.underlay_routes, &after.underlay_routes)
            .map(|(prefix, action)| Change::SetUnderlayRoute(cidr(prefix), *action));
        let trusted = after
            .trusted
            .difference(&before.trusted)
            .map(|(of, first, last)| Change::AddTrustedVnis(owner(*of), *first, *last));
        let inbound = self.inbound.iter().map(|((eni, vni, is_v6), rules)| {
            Change::SetInboundRules(*eni, *vni, version(*is_v6), rules)
        });
        let enis = new(&before.enis, &after.enis).map(|(id, eni)| Change::SetEni(*id, *eni));
        vnets
            .chain(routing_types)
            .chain(appliances)
            .chain(directions)
            .chain(tag_prefixes)
            .chain(acl_groups)
            .chain(route_groups)
            .chain(routes)
            .chain(mappings)
            .chain(pa_prefixes)
            .chain(underlay_routes)
            .chain(trusted)
            .chain(inbound)
            .chain(enis)
    }

    fn removed(&self) -> impl Iterator<Item = Change<'_>> + Clone {
        let (before, after) = (self.before, self.after);
        let inbound = old(&before.inbound, &after.inbound).map(|(eni, vni, is_v6)| {
            if after.inbound.contains_key(&(*eni, *vni, !is_v6)) {
                Change::SetInboundRules(*eni, *vni, version(*is_v6), &[])
            } else {
                Change::RemoveInboundRules(*eni, *vni)
            }
        });
        let trusted = before
            .trusted
            .difference(&after.trusted)
            .map(|(of, first, last)| Change::RemoveTrustedVnis(owner(*of), *first, *last));
        let underlay_routes = old(&before.underlay_routes, &after.underlay_routes)
            .map(|prefix| Change::RemoveUnderlayRoute(cidr(prefix)));
        let pa_prefixes = before
            .pa_prefixes
            .difference(&after.pa_prefixes)
            .map(|(vni, prefix)| Change::RemovePaPrefix(*vni, cidr(prefix)));
        let mappings = old(&before.mappings, &after.mappings)
            .map(|(vnet, customer)| Change::RemoveMapping(*vnet, (*customer).into()));
        let routes = old(&before.routes, &after.routes)
            .map(|(group, prefix)| Change::RemoveRoute(*group, cidr(prefix)));
        let route_groups = before
            .route_groups
            .difference(&after.route_groups)
            .map(|id| Change::RemoveRouteGroup(*id));
        let acl_groups =
            old(&before.acl_groups, &after.acl_groups).map(|id| Change::RemoveAclGroup(*id));
        let tag_prefixes = before
            .tag_prefixes
            .difference(&after.tag_prefixes)
            .map(|(tag, prefix)| Change::RemoveTagPrefix(*tag, cidr(prefix)));
        let directions =
            old(&before.directions, &after.directions).map(|vni| Change::RemoveDirection(*vni));
        let appliances =
            old(&before.appliances, &after.appliances).map(|id| Change::RemoveAppliance(*id));
        let routing_types = old(&before.routing_types, &after.routing_types)
            .map(|id| Change::RemoveRoutingType(*id));
        let vnets = old(&before.vnets, &after.vnets).map(|id| Change::RemoveVnet(*id));
        inbound
            .chain(trusted)
            .chain(underlay_routes)
            .chain(pa_prefixes)
            .chain(mappings)
            .chain(routes)
            .chain(route_groups)
            .chain(acl_groups)
            .chain(tag_prefixes)
            .chain(directions)
            .chain(appliances)
            .chain(routing_types)
            .chain(vnets)
    }
}
