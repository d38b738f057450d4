//! Outbound routes. DASH HLD, `DASH_ROUTE_GROUP_TABLE`, `DASH_ROUTE_TABLE`.
//!
//! A route is the value of its prefix; only a `vnet_direct` route with an overlay IP has a record
//! beside it, found by a number in that value. Records of one number follow each other only when
//! their route is replaced, or after 2²⁸ others.

use smoltcp::wire::{IpAddress, IpCidr};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{
    Policy, PolicyError, PolicyWriter, RouteGroupId, VnetId,
    address::{address, is_v6, octets},
    demands::Demands,
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
/// The VNET stands in the record, so that it changes together with the address.
const VNET_DIRECT_OVERLAY: u32 = 4;

/// Bits of a value that are the kind; above them is the VNET or the number of the record.
const KIND_BITS: u32 = 3;
const KIND: u32 = (1 << KIND_BITS) - 1;
/// Most records have a number of their own: values are of 31 bits.
const RECORDS: u32 = 1 << (31 - KIND_BITS);

/// The value of a route, whose record is `record` if it has one.
const fn encode(route: &Route, record: u32) -> u32 {
    match *route {
        Route::Drop => DROP,
        Route::Direct => DIRECT,
        Route::Vnet(vnet) => VNET | (vnet.0 as u32) << KIND_BITS,
        Route::VnetDirect { vnet, overlay_ip: None } => VNET_DIRECT | (vnet.0 as u32) << KIND_BITS,
        Route::VnetDirect { .. } => VNET_DIRECT_OVERLAY | record << KIND_BITS,
    }
}

/// The record of a value, if it has one.
fn record_of(value: Option<u32>) -> Option<u32> {
    value.filter(|value| value & KIND == VNET_DIRECT_OVERLAY).map(|value| value >> KIND_BITS)
}

impl Policy<'_> {
    /// A group of routes.
    #[must_use]
    pub fn route_group(&self, group: RouteGroupId) -> Option<RouteGroup> {
        let disabled = self.route_groups.get(&group.0.into())? != 0;
        Some(RouteGroup { disabled })
    }

    /// The route of the longest prefix of `group` that covers `destination`.
    #[must_use]
    pub fn route(&self, group: RouteGroupId, destination: IpAddress) -> Option<Route> {
        let table = self.route_table(group)?;
        for _ in 0..ATTEMPTS {
            let value = self.prefixes.lookup(table, destination)?;
            let route = self.decode(value);
            if route.is_some() {
                return route;
            }
        }
        Some(Route::Drop)
    }

    /// The length in bits of the prefix whose route [`Self::route`] answers.
    #[must_use]
    pub fn route_length(&self, group: RouteGroupId, destination: IpAddress) -> Option<u8> {
        let longest = self.prefixes.longest(self.route_table(group)?, destination)?;
        Some(longest.length)
    }

    /// A number past the groups would name a table of other prefixes.
    fn route_table(&self, group: RouteGroupId) -> Option<u32> {
        Some(u32::from(group.0)).filter(|table| *table < self.prefix_tables.pa)
    }

    /// The route of exactly `prefix`.
    fn exact_route(&self, group: RouteGroupId, prefix: IpCidr) -> Option<Route> {
        self.decode(self.prefixes.get(group.0.into(), prefix)?)
    }

    /// `None`: the record is gone, so the route has just been changed or removed, and whoever looks
    /// again sees that.
    fn decode(&self, value: u32) -> Option<Route> {
        let vnet = VnetId((value >> KIND_BITS) as u16);
        Some(match value & KIND {
            DIRECT => Route::Direct,
            VNET => Route::Vnet(vnet),
            VNET_DIRECT => Route::VnetDirect { vnet, overlay_ip: None },
            VNET_DIRECT_OVERLAY => {
                let record = self.overlays.get(&(value >> KIND_BITS))?;
                Route::VnetDirect {
                    vnet: VnetId(record.vnet),
                    overlay_ip: Some(address(record.octets, record.v6 != 0)),
                }
            }
            _ => Route::Drop,
        })
    }
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
        if let Route::VnetDirect { vnet, overlay_ip: Some(overlay) } = *route {
            let record = OverlayRecord {
                octets: octets(overlay),
                vnet: vnet.0,
                v6: u16::from(is_v6(overlay)),
            };
            let number = self.record_for(group, prefix);
            let old = self.overlays.insert(&number, &record)?;
            let value = encode(route, number);
            if let Err(error) = self.prefixes.insert(group.0.into(), prefix, value) {
                if old.is_none() {
                    self.overlays.remove(&number);
                }
                return Err(error.into());
            }
            self.last_record = number;
        } else {
            let old = self.prefixes.insert(group.0.into(), prefix, encode(route, 0))?;
            self.remove_record(old);
        }
        Ok(())
    }

    /// The number of the record of `prefix`, or one that no record has.
    fn record_for(&self, group: RouteGroupId, prefix: IpCidr) -> u32 {
        let old = record_of(self.view.prefixes.get(group.0.into(), prefix));
        let after = |last: u32| last.wrapping_add(1) % RECORDS;
        let mut free = after(self.last_record);
        // One more number than records: the last one tried is free.
        for _ in 0..self.overlays.len() {
            if old.is_some() || self.view.overlays.get(&free).is_none() {
                break;
            }
            free = after(free);
        }
        old.unwrap_or(free)
    }

    fn remove_record(&mut self, old: Option<u32>) {
        if let Some(number) = record_of(old) {
            self.overlays.remove(&number);
        }
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
            self.overlays.admit(&self.record_for(group, prefix), &mut demands.overlays)?;
        }
        Ok(self.prefixes.admit(group.0.into(), prefix, &mut demands.prefixes)?)
    }

    /// Removes a route; idempotent.
    ///
    /// # Errors
    /// `Busy`.
    pub fn remove_route(&mut self, group: RouteGroupId, prefix: IpCidr) -> Result<(), PolicyError> {
        self.check_group(group)?;
        let old = self.prefixes.remove(group.0.into(), prefix);
        if old.is_some() {
            self.changes.mark_route_group(group);
        }
        self.remove_record(old);
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
        assert_eq!(answer(), Some(route));
        assert_eq!(policy.route_length(group, IpAddress::v4(10, 0, 0, 1)), Some(8));
        writer.overlays.remove(&writer.last_record.clone()).unwrap();
        assert_eq!(answer(), Some(Route::Drop));
    }
}
