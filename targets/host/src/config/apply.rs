//! The difference between two images, handed to the data plane as one transaction.

use dash_core::pipeline::vnet::policy::{Change, PolicyError, PolicyWriter};

use super::{difference::Difference, image::Image};

/// The data plane refused a transaction; it holds what it held before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the data plane refuses {object}: {error:?}")]
pub struct Refused {
    /// The object, as the data plane numbers it.
    pub object: String,
    /// Why.
    pub error: PolicyError,
}

/// Makes `writer`, which holds `before`, hold `after`.
///
/// # Errors
/// What the data plane refuses; a capacity that covers both images leaves it no reason to.
pub fn apply(writer: &mut PolicyWriter<'_>, before: &Image, after: &Image) -> Result<(), Refused> {
    let difference = Difference::new(before, after);
    writer.apply(difference.changes()).map_err(|rejected| {
        let change = difference.changes().nth(rejected.index);
        let object = change.map_or_else(|| "a change".to_owned(), |change| object(&change));
        Refused { object, error: rejected.error }
    })
}

/// The object that a change is of, as the data plane numbers it.
#[must_use]
pub fn object(change: &Change<'_>) -> String {
    match change {
        Change::SetAppliance(id, _) | Change::RemoveAppliance(id) => format!("appliance {id:?}"),
        Change::SetDirection(vni, _) | Change::RemoveDirection(vni) => {
            format!("direction of VNI {vni}")
        }
        Change::SetVnet(id, _) | Change::RemoveVnet(id) => format!("VNET {id:?}"),
        Change::SetRoutingType(id, _) | Change::RemoveRoutingType(id) => {
            format!("routing type {id:?}")
        }
        Change::SetRouteGroup(id, _) | Change::RemoveRouteGroup(id) => {
            format!("route group {id:?}")
        }
        Change::SetRoute(group, prefix, _) | Change::RemoveRoute(group, prefix) => {
            format!("route {group:?} {prefix}")
        }
        Change::SetMapping(vnet, customer, _) | Change::RemoveMapping(vnet, customer) => {
            format!("mapping {vnet:?} {customer}")
        }
        Change::AddPaPrefix(vni, prefix) | Change::RemovePaPrefix(vni, prefix) => {
            format!("PA prefix {prefix} of VNI {vni}")
        }
        Change::AddTagPrefix(tag, prefix) | Change::RemoveTagPrefix(tag, prefix) => {
            format!("tag prefix {tag:?} {prefix}")
        }
        Change::SetAclGroup(id, ..) | Change::RemoveAclGroup(id) => format!("ACL group {id:?}"),
        Change::SetInboundRules(eni, vni, ..) | Change::RemoveInboundRules(eni, vni) => {
            format!("inbound rules of {eni:?} and VNI {vni}")
        }
        Change::AddTrustedVnis(owner, first, last)
        | Change::RemoveTrustedVnis(owner, first, last) => {
            format!("trusted VNIs {first} to {last} of {owner:?}")
        }
        Change::SetUnderlayRoute(prefix, _) | Change::RemoveUnderlayRoute(prefix) => {
            format!("underlay route {prefix}")
        }
        Change::SetEni(id, _) | Change::RemoveEni(id) => format!("ENI {id:?}"),
    }
}
