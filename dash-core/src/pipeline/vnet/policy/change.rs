//! One object made, replaced or removed, as data: what a front end writes down, sends and applies.

use smoltcp::wire::{IpAddress, IpCidr, IpVersion};

use super::{
    AclGroupId, Appliance, ApplianceId, DirectionEntry, Eni, EniId, Mapping, PolicyError,
    PolicyWriter, Route, RouteGroup, RouteGroupId, RoutingTypeId, TagId, TrustedOwner,
    UnderlayAction, VnetId, demands::Demands,
};
use crate::table::{TableError, acl::Rule};

/// A change of one object, in the terms of the method of [`PolicyWriter`] of its name. Removals
/// are idempotent.
#[derive(Clone, Copy, Debug)]
pub enum Change<'r> {
    /// [`PolicyWriter::set_appliance`].
    SetAppliance(ApplianceId, Appliance),
    /// [`PolicyWriter::remove_appliance`].
    RemoveAppliance(ApplianceId),
    /// [`PolicyWriter::set_direction`] of a VNI.
    SetDirection(u32, DirectionEntry),
    /// [`PolicyWriter::remove_direction`] of a VNI.
    RemoveDirection(u32),
    /// [`PolicyWriter::set_vnet`] to a VNI.
    SetVnet(VnetId, u32),
    /// [`PolicyWriter::remove_vnet`].
    RemoveVnet(VnetId),
    /// [`PolicyWriter::set_routing_type`] to a VNI; 0: none.
    SetRoutingType(RoutingTypeId, u32),
    /// [`PolicyWriter::remove_routing_type`].
    RemoveRoutingType(RoutingTypeId),
    /// [`PolicyWriter::set_route_group`].
    SetRouteGroup(RouteGroupId, RouteGroup),
    /// [`PolicyWriter::remove_route_group`].
    RemoveRouteGroup(RouteGroupId),
    /// [`PolicyWriter::set_route`].
    SetRoute(RouteGroupId, IpCidr, Route),
    /// [`PolicyWriter::remove_route`].
    RemoveRoute(RouteGroupId, IpCidr),
    /// [`PolicyWriter::set_mapping`].
    SetMapping(VnetId, IpAddress, Mapping),
    /// [`PolicyWriter::remove_mapping`].
    RemoveMapping(VnetId, IpAddress),
    /// [`PolicyWriter::add_pa_prefix`] of a VNI.
    AddPaPrefix(u32, IpCidr),
    /// [`PolicyWriter::remove_pa_prefix`] of a VNI.
    RemovePaPrefix(u32, IpCidr),
    /// [`PolicyWriter::add_tag_prefix`].
    AddTagPrefix(TagId, IpCidr),
    /// [`PolicyWriter::remove_tag_prefix`].
    RemoveTagPrefix(TagId, IpCidr),
    /// [`PolicyWriter::set_acl_group`].
    SetAclGroup(AclGroupId, IpVersion, &'r [Rule<'r>]),
    /// [`PolicyWriter::remove_acl_group`].
    RemoveAclGroup(AclGroupId),
    /// [`PolicyWriter::set_inbound_rules`] of an ENI and a VNI.
    SetInboundRules(EniId, u32, IpVersion, &'r [Rule<'r>]),
    /// [`PolicyWriter::remove_inbound_rules`] of an ENI and a VNI.
    RemoveInboundRules(EniId, u32),
    /// [`PolicyWriter::add_trusted_vnis`], first and last.
    AddTrustedVnis(TrustedOwner, u32, u32),
    /// [`PolicyWriter::remove_trusted_vnis`], first and last.
    RemoveTrustedVnis(TrustedOwner, u32, u32),
    /// [`PolicyWriter::set_underlay_route`].
    SetUnderlayRoute(IpCidr, UnderlayAction),
    /// [`PolicyWriter::remove_underlay_route`].
    RemoveUnderlayRoute(IpCidr),
    /// [`PolicyWriter::set_eni`].
    SetEni(EniId, Eni),
    /// [`PolicyWriter::remove_eni`].
    RemoveEni(EniId),
}

/// A transaction was refused; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Rejected {
    /// The first change that cannot be made behind those before it, counted from 0.
    pub index: usize,
    /// Why. `Table(Busy)`: the readers stand in the way, repeat the transaction when they have
    /// passed a quiescent point; everything else stays as it is.
    pub error: PolicyError,
}

/// Changes whose latencies overlap: about as many as a core sees at once.
const AHEAD: usize = 16;

impl PolicyWriter<'_> {
    /// Makes all `changes` in their order and [commits](Self::commit), or makes none of them.
    ///
    /// Every field and the room for all changes are checked before the first change is made; from
    /// then on nothing is refused. Readers see one object change after the other.
    ///
    /// A transaction needs room for what it makes beside what it removes: removals give their room
    /// to the next transaction only, and an object that is not there counts with each change that
    /// makes it. Addresses and VNIs that mappings and PA prefixes share count once. With
    /// [`Readers`](crate::table::quiescence::Readers), what is replaced, and what is removed and
    /// made again, counts too, for they may still look at the old: of appliances, ENIs, mappings
    /// and routes with an overlay IP, one transaction can replace
    /// [`REPLACED_AT_ONCE`](crate::table::exact::REPLACED_AT_ONCE) or, if that is more, an eighth
    /// of the capacity. What is too large for one transaction may fit into several.
    ///
    /// `changes` is walked five times and must yield the same each time; an iterator that does not
    /// may end in part of its changes, which are then committed.
    ///
    /// # Errors
    /// The first change that is refused, and why.
    pub fn apply<'r>(
        &mut self,
        changes: impl Iterator<Item = Change<'r>> + Clone,
    ) -> Result<(), Rejected> {
        let reserved = self.reserve(changes.clone());
        // They are those of the last change that was looked at, and none is made yet.
        self.bindings.forget();
        reserved?;
        let made = walk(changes.clone(), |change| self.carry_out(change));
        changes.for_each(|change| self.release(&change));
        self.commit();
        made
    }

    /// Checks `changes`, and makes the places that they share.
    fn reserve<'r>(
        &mut self,
        changes: impl Iterator<Item = Change<'r>> + Clone,
    ) -> Result<(), Rejected> {
        let mut demands = Demands::default();
        let mut ahead = changes.clone();
        let mut touched = 0;
        let admitted = walk(changes.clone(), |change| {
            if touched == 0 {
                touched = AHEAD;
                ahead.by_ref().take(AHEAD).for_each(|change| self.touch(&change));
            }
            touched -= 1;
            self.admit(change, &mut demands)
        });
        let count = match admitted {
            Ok(()) => usize::MAX,
            // Nothing was taken, so that whoever repeats this does not keep the readers busy.
            Err(Rejected { error: PolicyError::Table(TableError::Busy), .. }) => return admitted,
            Err(Rejected { index, .. }) => index,
        };
        let held = walk(changes.clone().take(count), |change| self.hold(change));
        let refused = held.and(admitted);
        if let Err(Rejected { index, .. }) = refused {
            // That change may have made one of its two places.
            changes.take(index.saturating_add(1)).for_each(|change| self.release(&change));
        }
        refused
    }

    /// Loads what a change of the one table reads that is too large for the caches.
    fn touch(&self, change: &Change<'_>) {
        if let Change::SetMapping(vnet, customer, _) | Change::RemoveMapping(vnet, customer) =
            *change
        {
            self.touch_mapping(vnet, customer);
        }
    }

    fn carry_out(&mut self, change: &Change<'_>) -> Result<(), PolicyError> {
        match *change {
            Change::SetAppliance(id, appliance) => self.set_appliance(id, &appliance),
            Change::RemoveAppliance(id) => self.remove_appliance(id),
            Change::SetDirection(vni, entry) => self.set_direction(vni, entry),
            Change::RemoveDirection(vni) => self.remove_direction(vni),
            Change::SetVnet(id, vni) => self.set_vnet(id, vni),
            Change::RemoveVnet(id) => self.remove_vnet(id),
            Change::SetRoutingType(id, vni) => self.set_routing_type(id, vni),
            Change::RemoveRoutingType(id) => self.remove_routing_type(id),
            Change::SetRouteGroup(id, group) => self.set_route_group(id, group),
            Change::RemoveRouteGroup(id) => self.remove_route_group(id),
            Change::SetRoute(group, prefix, route) => self.set_route(group, prefix, &route),
            Change::RemoveRoute(group, prefix) => self.remove_route(group, prefix),
            Change::SetMapping(vnet, customer, mapping) => {
                self.set_mapping(vnet, customer, &mapping)
            }
            Change::RemoveMapping(vnet, customer) => self.remove_mapping(vnet, customer),
            Change::AddPaPrefix(vni, prefix) => self.add_pa_prefix(vni, prefix),
            Change::RemovePaPrefix(vni, prefix) => self.remove_pa_prefix(vni, prefix),
            Change::AddTagPrefix(tag, prefix) => self.add_tag_prefix(tag, prefix),
            Change::RemoveTagPrefix(tag, prefix) => self.remove_tag_prefix(tag, prefix),
            Change::SetAclGroup(id, version, rules) => self.set_acl_group(id, version, rules),
            Change::RemoveAclGroup(id) => self.remove_acl_group(id),
            Change::SetInboundRules(eni, vni, version, rules) => {
                self.set_inbound_rules(eni, vni, version, rules)
            }
            Change::RemoveInboundRules(eni, vni) => self.remove_inbound_rules(eni, vni),
            Change::AddTrustedVnis(owner, first, last) => {
                self.add_trusted_vnis(owner, first..=last)
            }
            Change::RemoveTrustedVnis(owner, first, last) => {
                self.remove_trusted_vnis(owner, first..=last)
            }
            Change::SetUnderlayRoute(prefix, action) => self.set_underlay_route(prefix, action),
            Change::RemoveUnderlayRoute(prefix) => self.remove_underlay_route(prefix),
            Change::SetEni(id, eni) => self.set_eni(id, &eni),
            Change::RemoveEni(id) => self.remove_eni(id),
        }
    }
}

/// Does `step` with each change, up to the first one that is refused.
fn walk<'r>(
    changes: impl Iterator<Item = Change<'r>>,
    mut step: impl FnMut(&Change<'r>) -> Result<(), PolicyError>,
) -> Result<(), Rejected> {
    for (index, change) in changes.enumerate() {
        step(&change).map_err(|error| Rejected { index, error })?;
    }
    Ok(())
}
