//! Whether there is room for a transaction, before its first change is made.

use super::{
    Change, PolicyError, PolicyWriter, appliance::VIPS, demands::Demands, error::check_vni, inbound,
};

impl PolicyWriter<'_> {
    /// Checks the fields of `change`, and that there is room for it behind those counted in
    /// `demands`. Room for what several changes share is made by [`Self::hold`].
    pub(super) fn admit(
        &mut self,
        change: &Change<'_>,
        demands: &mut Demands,
    ) -> Result<(), PolicyError> {
        match *change {
            Change::SetAppliance(id, appliance) => {
                return self.admit_appliance(id, &appliance, demands);
            }
            Change::RemoveAppliance(_) => demands.vips.remove(VIPS),
            Change::SetDirection(vni, _) => {
                check_vni(vni)?;
                self.directions.admit(&vni, &mut demands.directions)?;
            }
            Change::RemoveDirection(_) => demands.directions.remove(1),
            Change::SetVnet(vnet, vni) => {
                check_vni(vni)?;
                self.vnets.admit(&vnet.0.into(), &mut demands.vnets)?;
            }
            Change::RemoveVnet(_) => demands.vnets.remove(1),
            Change::SetRoutingType(id, vni) => {
                check_vni(vni)?;
                self.routing_types.admit(&id.0.into(), &mut demands.routing_types)?;
            }
            Change::RemoveRoutingType(_) => demands.routing_types.remove(1),
            Change::SetRouteGroup(group, _) => {
                self.check_group(group)?;
                self.route_groups.admit(&group.0.into(), &mut demands.route_groups)?;
            }
            Change::RemoveRouteGroup(_) => demands.route_groups.remove(1),
            Change::SetRoute(group, prefix, route) => {
                return self.admit_route(group, prefix, &route, demands);
            }
            Change::RemoveRoute(group, _) => {
                self.check_group(group)?;
                demands.prefixes.remove(1);
            }
            Change::SetMapping(vnet, customer, mapping) => {
                return self.admit_mapping(vnet, customer, &mapping, demands);
            }
            Change::AddPaPrefix(vni, prefix) => return self.admit_pa_prefix(vni, prefix, demands),
            Change::RemovePaPrefix(..) | Change::RemoveUnderlayRoute(_) => {
                demands.prefixes.remove(1);
            }
            Change::AddTagPrefix(tag, prefix) => {
                self.acl.admit_to_tag(tag.0, prefix, &mut demands.tag_prefixes)?;
            }
            Change::RemoveTagPrefix(..) => demands.tag_prefixes.remove(1),
            Change::SetAclGroup(group, version, rules) => {
                self.admit_acl_group(group, version, rules)?;
            }
            Change::RemoveAclGroup(group) => self.admit_acl_removal(group)?,
            Change::SetInboundRules(eni, vni, version, rules) => {
                return self.admit_inbound_rules(eni, vni, version, rules, demands);
            }
            Change::RemoveInboundRules(..) => demands.inbound_sets.remove(inbound::VERSIONS),
            Change::AddTrustedVnis(owner, first, last) => {
                return self.admit_trusted_vnis(owner, first, last, demands);
            }
            Change::RemoveTrustedVnis(owner, first, last) => {
                return self.admit_trusted_removal(owner, first, last, demands);
            }
            Change::SetUnderlayRoute(prefix, _) => {
                let table = self.view.prefix_tables.underlay;
                self.prefixes.admit(table, prefix, &mut demands.prefixes)?;
            }
            Change::SetEni(id, eni) => return self.admit_eni(id, &eni, demands),
            // A key that is removed from a table with values of several words takes a node
            // whenever it is inserted, and so is counted there.
            Change::RemoveEni(id) => self.bindings().remove_eni(id),
            Change::RemoveMapping(..) => {}
        }
        Ok(())
    }

    /// Makes the places that `change` shares with others of its transaction, and compiles its rules.
    pub(super) fn hold(&mut self, change: &Change<'_>) -> Result<(), PolicyError> {
        match *change {
            Change::SetMapping(vnet, _, mapping) => self.hold_underlays(vnet, mapping.underlay),
            Change::AddPaPrefix(vni, prefix) => self.hold_pa_prefix(vni, prefix),
            Change::SetRoute(group, prefix, _) => Ok(self.prefixes.hold(group.0.into(), prefix)?),
            Change::AddTrustedVnis(owner, first, last) => {
                self.hold_trusted_vnis(owner, first, last)
            }
            Change::SetUnderlayRoute(prefix, _) => {
                Ok(self.prefixes.hold(self.view.prefix_tables.underlay, prefix)?)
            }
            Change::AddTagPrefix(tag, prefix) => Ok(self.acl.hold_in_tag(tag.0, prefix)?),
            // The images, which are published in the order of the changes.
            Change::SetAclGroup(_, version, rules)
            | Change::SetInboundRules(_, _, version, rules) => {
                Ok(self.acl.compile(version, rules).map(|_| ())?)
            }
            _ => Ok(()),
        }
    }

    /// Gives back what [`Self::hold`] made and nothing uses; idempotent.
    pub(super) fn release(&mut self, change: &Change<'_>) {
        match *change {
            Change::SetMapping(vnet, _, mapping) => self.release_underlays(vnet, mapping.underlay),
            Change::AddPaPrefix(vni, prefix) | Change::RemovePaPrefix(vni, prefix) => {
                self.release_pa_prefix(vni, prefix);
            }
            Change::SetRoute(group, prefix, _) | Change::RemoveRoute(group, prefix) => {
                self.prefixes.release(group.0.into(), prefix);
            }
            Change::AddTrustedVnis(owner, first, last)
            | Change::RemoveTrustedVnis(owner, first, last) => {
                self.release_trusted_vnis(owner, first, last);
            }
            Change::SetUnderlayRoute(prefix, _) | Change::RemoveUnderlayRoute(prefix) => {
                self.prefixes.release(self.view.prefix_tables.underlay, prefix);
            }
            Change::AddTagPrefix(_, prefix) | Change::RemoveTagPrefix(_, prefix) => {
                self.acl.release_in_tag(prefix);
            }
            Change::SetAclGroup(..) | Change::SetInboundRules(..) => self.acl.discard(),
            _ => {}
        }
    }
}
