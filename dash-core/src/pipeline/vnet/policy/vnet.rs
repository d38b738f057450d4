//! VNETs and routing types. DASH HLD, `DASH_VNET_TABLE`, `DASH_ROUTING_TYPE_TABLE`.

use super::{Policy, PolicyError, PolicyWriter, RoutingTypeId, VnetId, error::check_vni};

impl Policy<'_> {
    /// The VNI of a VNET.
    #[must_use]
    pub fn vnet_vni(&self, vnet: VnetId) -> Option<u32> {
        self.vnets.get(&vnet.0.into())
    }

    /// The VNI of a routing type's static encapsulation, if it has one.
    #[must_use]
    pub fn routing_type_vni(&self, id: RoutingTypeId) -> Option<u32> {
        self.routing_types.get(&id.0.into()).filter(|vni| *vni != 0)
    }
}

impl PolicyWriter<'_> {
    /// Makes or replaces a VNET. VNETs may share a VNI.
    ///
    /// # Errors
    /// `VniTooLarge`, `Full`, `Busy`.
    pub fn set_vnet(&mut self, vnet: VnetId, vni: u32) -> Result<(), PolicyError> {
        check_vni(vni)?;
        if self.vnets.insert(&vnet.0.into(), &vni)? != Some(vni) {
            self.changes.mark_all();
        }
        Ok(())
    }

    /// Removes a VNET; idempotent. Its mappings stay.
    ///
    /// # Errors
    /// `Busy`.
    pub fn remove_vnet(&mut self, vnet: VnetId) -> Result<(), PolicyError> {
        if self.vnets.remove(&vnet.0.into()).is_some() {
            self.changes.mark_all();
        }
        Ok(())
    }

    /// Makes or replaces a routing type; `vni` is that of its static encapsulation, 0: none.
    ///
    /// # Errors
    /// `VniTooLarge`, `Full`, `Busy`.
    pub fn set_routing_type(&mut self, id: RoutingTypeId, vni: u32) -> Result<(), PolicyError> {
        check_vni(vni)?;
        if self.routing_types.insert(&id.0.into(), &vni)? != Some(vni) {
            self.changes.mark_all();
        }
        Ok(())
    }

    /// Removes a routing type; idempotent. Mappings that name it are then plain VXLAN.
    ///
    /// # Errors
    /// `Busy`.
    pub fn remove_routing_type(&mut self, id: RoutingTypeId) -> Result<(), PolicyError> {
        if self.routing_types.remove(&id.0.into()).is_some() {
            self.changes.mark_all();
        }
        Ok(())
    }
}
