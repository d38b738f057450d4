//! Outbound routes. DASH HLD, `DASH_ROUTE_GROUP_TABLE`, `DASH_ROUTE_TABLE`.
//!
//! A route is the value of its prefix; only a `vnet_direct` route with an overlay IP has a record
//! beside it, found by group and prefix.

use smoltcp::wire::{IpAddress, IpCidr};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{
    Policy, PolicyError, PolicyWriter, RouteGroupId, VnetId,
    address::{PrefixKey, address, is_v6, octets},
    admission::Demands,
};
use crate::table::{TableError, poptrie::ATTEMPTS};

/// What happens to the frames of a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// They are dropped.
    Drop,
    /// They leave as the customer frame.
    Direct,
    /// The mapping of their destination in this VNET says where they go.
    Vnet(VnetId),
    /// The mapping of `overlay_ip` in `vnet` says where they go; absent: of their destination.
    VnetDirect {
        /// The VNET.
        vnet: VnetId,
        /// The address that is looked up; the frame keeps its own.
        overlay_ip: Option<IpAddress>,
    },
}

/// A group of routes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteGroup {
    /// Whether its frames are dropped instead of routed.
    pub disabled: bool,
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct OverlayRecord {
    octets: [u8; 16],
    vnet: u16,
    v6: u16,
}

const DROP: u32 = 0;
const DIRECT: u32 = 1;
const VNET: u32 = 2;
const VNET_DIRECT: u32 = 3;
/// The VNET stands in the record too, so that it changes together with the address.
const VNET_DIRECT_OVERLAY: u32 = 4;

/// Bits 0 to 2 are the kind, bits 8 to 23 the VNET.
const fn encode(route: &Route) -> u32 {
    match *route {
        Route::Drop => DROP,
        Route::Direct => DIRECT,
        Route::Vnet(vnet) => VNET | (vnet.0 as u32) << 8,
        Route::VnetDirect { vnet, overlay_ip: None } => VNET_DIRECT | (vnet.0 as u32) << 8,
        Route::VnetDirect { vnet, .. } => VNET_DIRECT_OVERLAY | (vnet.0 as u32) << 8,
    }
}

impl Policy<'_> {
    /// A group of routes.
    #[must_use]
    pub fn route_group(&self, group: RouteGroupId) -> Option<RouteGroup> {
        let disabled = self.route_groups.get(&group.0.into())? != 0;
        Some(RouteGroup { disabled })
    }

    /// The route of the longest prefix of `group` that covers `destination`, and the length of
    /// that prefix in bits.
    #[must_use]
    pub fn route(&self, group: RouteGroupId, destination: IpAddress) -> Option<(u8, Route)> {
        let table = u32::from(group.0);
        // A number past the groups would name a table of other prefixes.
        if table >= self.prefix_tables.pa {
            return None;
        }
        let mut length = 0;
        for _ in 0..ATTEMPTS {
            let longest = self.prefixes.longest(table, destination)?;
            let record = || self.overlays.get(&PrefixKey::new(group, destination, longest.length));
            if let Some(route) = decode(longest.value, record) {
                return Some((longest.length, route));
            }
            length = longest.length;
        }
        Some((length, Route::Drop))
    }

    /// The route of exactly `prefix`.
    fn exact_route(&self, group: RouteGroupId, prefix: IpCidr) -> Option<Route> {
        let value = self.prefixes.get(group.0.into(), prefix)?;
        decode(value, || self.overlays.get(&PrefixKey::of(group, prefix)))
    }
}

/// `None`: the record is gone, so the route has just been changed or removed, and whoever looks
/// again sees that.
fn decode(value: u32, record: impl FnOnce() -> Option<OverlayRecord>) -> Option<Route> {
    let vnet = VnetId((value >> 8) as u16);
    Some(match value & 7 {
        DIRECT => Route::Direct,
        VNET => Route::Vnet(vnet),
        VNET_DIRECT => Route::VnetDirect { vnet, overlay_ip: None },
        VNET_DIRECT_OVERLAY => {
            let record = record()?;
            Route::VnetDirect {
                vnet: VnetId(record.vnet),
                overlay_ip: Some(address(record.octets, record.v6 != 0)),
            }
        }
        _ => Route::Drop,
    })
}

impl PolicyWriter<'_> {
    /// Makes or replaces a group of routes; its routes are objects of their own.
    ///
    /// # Errors
    /// `CapacityTooLarge` (its number), `Full`, `Busy`.
    pub fn set_route_group(
        &mut self,
        group: RouteGroupId,
        attributes: RouteGroup,
    ) -> Result<(), PolicyError> {
        self.check_group(group)?;
        let value = u32::from(attributes.disabled);
        if self.route_groups.insert(&group.0.into(), &value)? != Some(value) {
            self.changes.mark_route_group(group);
        }
        Ok(())
    }

    /// Removes a group of routes; idempotent. Its routes stay until they are removed.
    ///
    /// # Errors
    /// `Busy`.
    pub fn remove_route_group(&mut self, group: RouteGroupId) -> Result<(), PolicyError> {
        if self.route_groups.remove(&group.0.into()).is_some() {
            self.changes.mark_route_group(group);
        }
        Ok(())
    }

    /// Makes or replaces a route; host bits of `prefix` are ignored.
    ///
    /// # Errors
    /// `CapacityTooLarge` (the group's number), `Full`, `Busy`.
    pub fn set_route(
        &mut self,
        group: RouteGroupId,
        prefix: IpCidr,
        route: &Route,
    ) -> Result<(), PolicyError> {
        self.check_group(group)?;
        if self.view.exact_route(group, prefix) != Some(*route) {
            self.changes.mark_route_group(group);
        }
        let key = PrefixKey::of(group, prefix);
        if let Route::VnetDirect { vnet, overlay_ip: Some(overlay) } = *route {
            let record = OverlayRecord {
                octets: octets(overlay),
                vnet: vnet.0,
                v6: u16::from(is_v6(overlay)),
            };
            let old = self.overlays.insert(&key, &record)?;
            if let Err(error) = self.prefixes.insert(group.0.into(), prefix, encode(route)) {
                if old.is_none() {
                    self.overlays.remove(&key);
                }
                return Err(error.into());
            }
        } else {
            self.prefixes.insert(group.0.into(), prefix, encode(route))?;
            self.overlays.remove(&key);
        }
        Ok(())
    }

    /// What [`Self::set_route`] asks for.
    pub(super) fn admit_route(
        &mut self,
        group: RouteGroupId,
        prefix: IpCidr,
        route: &Route,
        demands: &mut Demands,
    ) -> Result<(), PolicyError> {
        self.check_group(group)?;
        if let Route::VnetDirect { overlay_ip: Some(_), .. } = route {
            self.overlays.admit(&PrefixKey::of(group, prefix), &mut demands.overlays)?;
        }
        Ok(self.prefixes.admit(group.0.into(), prefix, &mut demands.prefixes)?)
    }

    /// Removes a route; idempotent.
    ///
    /// # Errors
    /// `Busy`.
    pub fn remove_route(&mut self, group: RouteGroupId, prefix: IpCidr) -> Result<(), PolicyError> {
        self.check_group(group)?;
        if self.prefixes.remove(group.0.into(), prefix).is_some() {
            self.changes.mark_route_group(group);
        }
        self.overlays.remove(&PrefixKey::of(group, prefix));
        Ok(())
    }

    /// A number past the groups would name a table of other prefixes.
    pub(super) fn check_group(&self, group: RouteGroupId) -> Result<(), PolicyError> {
        if usize::from(group.0) < self.capacity.route_groups {
            Ok(())
        } else {
            Err(TableError::CapacityTooLarge.into())
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use core::sync::atomic::AtomicU32;
    use std::{boxed::Box, vec::Vec};

    use super::{super::Capacity, *};
    use crate::table::quiescence::Readers;

    /// What a core meets that found the prefix before a change and looks for the record after it.
    #[test]
    fn a_route_without_its_record_is_not_one_without_an_overlay_ip() {
        let capacity = Capacity { route_groups: 1, routes: 2, overlay_routes: 2, ..Capacity::NONE };
        let words: Vec<_> = (0..capacity.words()).map(|_| AtomicU32::new(0)).collect();
        let words = Box::leak(words.into_boxed_slice());
        let mut writer = PolicyWriter::new(words, &capacity, [1, 2], Readers::new(&[])).unwrap();
        let (group, prefix) = (RouteGroupId(0), IpCidr::new(IpAddress::v4(10, 0, 0, 0), 8));
        let overlay_ip = Some(IpAddress::v4(1, 1, 1, 1));
        let route = Route::VnetDirect { vnet: VnetId(1), overlay_ip };
        writer.set_route(group, prefix, &route).unwrap();
        let policy = writer.policy();
        let answer = || policy.route(group, IpAddress::v4(10, 0, 0, 1));
        assert_eq!(answer(), Some((8, route)));
        writer.overlays.remove(&PrefixKey::of(group, prefix)).unwrap();
        assert_eq!(answer(), Some((8, Route::Drop)));
    }
}
