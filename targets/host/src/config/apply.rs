//! The difference between two images, handed to the data plane.
//!
//! ENIs go first, then everything new is set in the order of dependence, ENIs last, then
//! everything old is removed in the opposite order: at no time does an object name another that
//! is not there.

use std::collections::{BTreeMap, BTreeSet};

use dash_core::{
    pipeline::vnet::policy::{InboundRule, PolicyError, PolicyWriter, RouteGroup, TrustedOwner},
    table::acl::Rule,
};
use smoltcp::wire::IpVersion;

use super::image::{AclRule, Image, Owner, cidr};

/// The data plane refused an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the data plane refuses {object}: {error:?}")]
pub struct Refused {
    /// The object, as the data plane numbers it.
    pub object: String,
    /// Why.
    pub error: PolicyError,
}

/// Names what was refused.
fn named<T: std::fmt::Debug>(
    kind: &str,
    key: &T,
    result: Result<(), PolicyError>,
) -> Result<(), Refused> {
    result.map_err(|error| Refused { object: format!("{kind} {key:?}"), error })
}

/// Sets what is new or different in `after`.
fn set<K: Ord + std::fmt::Debug, V: PartialEq>(
    kind: &str,
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
    mut change: impl FnMut(&K, &V) -> Result<(), PolicyError>,
) -> Result<(), Refused> {
    let new = after.iter().filter(|(key, value)| before.get(key) != Some(value));
    for (key, value) in new {
        named(kind, key, change(key, value))?;
    }
    Ok(())
}

/// Removes what `after` no longer has.
fn remove<K: Ord + std::fmt::Debug, V>(
    kind: &str,
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
    mut change: impl FnMut(&K) -> Result<(), PolicyError>,
) -> Result<(), Refused> {
    for key in before.keys().filter(|key| !after.contains_key(key)) {
        named(kind, key, change(key))?;
    }
    Ok(())
}

/// Calls `change` for what `more` has and `less` has not.
fn each_of<K: Ord + std::fmt::Debug>(
    kind: &str,
    more: &BTreeSet<K>,
    less: &BTreeSet<K>,
    mut change: impl FnMut(&K) -> Result<(), PolicyError>,
) -> Result<(), Refused> {
    more.difference(less).try_for_each(|key| named(kind, key, change(key)))
}

const fn owner(owner: Owner) -> TrustedOwner {
    match owner {
        Owner::Appliance(id) => TrustedOwner::Appliance(id),
        Owner::Eni(id) => TrustedOwner::Eni(id),
    }
}

/// Makes `writer`, which holds `before`, hold `after`, and ends the transaction.
///
/// # Errors
/// What the data plane refuses; a capacity that covers both images leaves it no reason to.
pub fn apply(writer: &mut PolicyWriter<'_>, before: &Image, after: &Image) -> Result<(), Refused> {
    remove("ENI", &before.enis, &after.enis, |id| writer.remove_eni(*id))?;
    set_new(writer, before, after)?;
    remove_old(writer, before, after)?;
    named("the end of", &"a transaction", writer.commit())
}

fn set_new(writer: &mut PolicyWriter<'_>, before: &Image, after: &Image) -> Result<(), Refused> {
    set("VNET", &before.vnets, &after.vnets, |id, vni| writer.set_vnet(*id, *vni))?;
    set("routing type", &before.routing_types, &after.routing_types, |id, vni| {
        writer.set_routing_type(*id, *vni)
    })?;
    set("appliance", &before.appliances, &after.appliances, |id, appliance| {
        writer.set_appliance(*id, appliance)
    })?;
    set("direction of VNI", &before.directions, &after.directions, |vni, entry| {
        writer.set_direction(*vni, *entry)
    })?;
    each_of("tag prefix", &after.tag_prefixes, &before.tag_prefixes, |(tag, prefix)| {
        writer.add_tag_prefix(*tag, cidr(prefix))
    })?;
    set("ACL group", &before.acl_groups, &after.acl_groups, |id, (version, rules)| {
        let rules: Vec<Rule<'_>> = rules.iter().map(AclRule::rule).collect();
        writer.set_acl_group(*id, *version, &rules)
    })?;
    each_of("route group", &after.route_groups, &before.route_groups, |id| {
        writer.set_route_group(*id, RouteGroup::default())
    })?;
    set("route", &before.routes, &after.routes, |(group, prefix), route| {
        writer.set_route(*group, cidr(prefix), route)
    })?;
    set("mapping", &before.mappings, &after.mappings, |(vnet, customer), mapping| {
        writer.set_mapping(*vnet, (*customer).into(), mapping)
    })?;
    each_of("PA prefix", &after.pa_prefixes, &before.pa_prefixes, |(vni, prefix)| {
        writer.add_pa_prefix(*vni, cidr(prefix))
    })?;
    set("underlay route", &before.underlay_routes, &after.underlay_routes, |prefix, action| {
        writer.set_underlay_route(cidr(prefix), *action)
    })?;
    each_of("trusted VNIs", &after.trusted, &before.trusted, |(of, first, last)| {
        writer.add_trusted_vnis(owner(*of), *first..=*last)
    })?;
    set("inbound rules", &before.inbound, &after.inbound, |(eni, vni, is_v6), rules| {
        let rules: Vec<Rule<'_>> = rules.iter().map(InboundRule::rule).collect();
        writer.set_inbound_rules(*eni, *vni, version(*is_v6), &rules)
    })?;
    set("ENI", &before.enis, &after.enis, |id, eni| writer.set_eni(*id, eni))
}

const fn version(is_v6: bool) -> IpVersion {
    if is_v6 { IpVersion::Ipv6 } else { IpVersion::Ipv4 }
}

fn remove_old(writer: &mut PolicyWriter<'_>, before: &Image, after: &Image) -> Result<(), Refused> {
    remove("inbound rules", &before.inbound, &after.inbound, |(eni, vni, is_v6)| {
        if after.inbound.contains_key(&(*eni, *vni, !is_v6)) {
            writer.set_inbound_rules(*eni, *vni, version(*is_v6), &[])
        } else {
            writer.remove_inbound_rules(*eni, *vni)
        }
    })?;
    each_of("trusted VNIs", &before.trusted, &after.trusted, |(of, first, last)| {
        writer.remove_trusted_vnis(owner(*of), *first..=*last)
    })?;
    remove("underlay route", &before.underlay_routes, &after.underlay_routes, |prefix| {
        writer.remove_underlay_route(cidr(prefix))
    })?;
    each_of("PA prefix", &before.pa_prefixes, &after.pa_prefixes, |(vni, prefix)| {
        writer.remove_pa_prefix(*vni, cidr(prefix))
    })?;
    remove("mapping", &before.mappings, &after.mappings, |(vnet, customer)| {
        writer.remove_mapping(*vnet, (*customer).into())
    })?;
    remove("route", &before.routes, &after.routes, |(group, prefix)| {
        writer.remove_route(*group, cidr(prefix))
    })?;
    each_of("route group", &before.route_groups, &after.route_groups, |id| {
        writer.remove_route_group(*id)
    })?;
    remove("ACL group", &before.acl_groups, &after.acl_groups, |id| writer.remove_acl_group(*id))?;
    each_of("tag prefix", &before.tag_prefixes, &after.tag_prefixes, |(tag, prefix)| {
        writer.remove_tag_prefix(*tag, cidr(prefix))
    })?;
    remove("direction of VNI", &before.directions, &after.directions, |vni| {
        writer.remove_direction(*vni)
    })?;
    remove("appliance", &before.appliances, &after.appliances, |id| writer.remove_appliance(*id))?;
    remove("routing type", &before.routing_types, &after.routing_types, |id| {
        writer.remove_routing_type(*id)
    })?;
    remove("VNET", &before.vnets, &after.vnets, |id| writer.remove_vnet(*id))
}
