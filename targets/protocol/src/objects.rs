//! The objects of policy, field by field.

use core::ops::RangeInclusive;

use dash_core::{
    pipeline::vnet::{
        DropReason, FlowKey, Traffic,
        policy::{
            AclBindings, AclGroupId, Appliance, ApplianceId, Direction, DirectionEntry, Eni, EniId,
            MacOverride, Mapping, PolicyError, Route, RouteGroup, RouteGroupId, RoutingTypeId,
            TagId, TrustedOwner, Underlay, UnderlayAction, VnetId,
        },
    },
    table::TableError,
};
use dash_hal::PortId;
use zerocopy::{FromBytes, IntoBytes};

use crate::{
    DecodeError,
    codec::{Get, Put, Reader, choices, records},
};

macro_rules! identifiers {
    ($($name:ident)*) => {$(
        impl Put for $name {
            fn put(&self, out: &mut impl Extend<u8>) {
                self.0.put(out);
            }
        }

        impl Get<'_> for $name {
            fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Get::get(reader).map(Self)
            }
        }
    )*};
}

identifiers!(
    ApplianceId EniId VnetId RoutingTypeId RouteGroupId AclGroupId TagId PortId
);

records! {
    Appliance { sip, sip_v6, vm_vni, own_mac, neighbor_mac }
    DirectionEntry { direction, mac }
    RouteGroup { disabled }
    Mapping { underlay, mac, vni, routing_type, use_dst_vni }
    AclBindings { inbound_v4, inbound_v6, outbound_v4, outbound_v6 }
    Eni { mac, enabled, underlay_ip, vnet, appliance, vm_vni, route_group, acl }
    Traffic { packets, bytes }
}

choices! {
    Direction { 0 => Outbound, 1 => Inbound, }
    MacOverride { 0 => None, 1 => Source, 2 => Destination, }
    Route { 0 => Drop, 1 => Direct, 2 => Vnet(vnet), 3 => VnetDirect { vnet, overlay_ip }, }
    Underlay { 0 => V4(v4), 1 => V6(v6), 2 => Both(v4, v6), }
    TrustedOwner { 0 => Appliance(id), 1 => Eni(id), }
    UnderlayAction { 0 => Drop, 1 => Forward(port), }
    TableError { 0 => Full, 1 => Busy, 2 => StorageTooSmall, 3 => CapacityTooLarge, }
    PolicyError {
        0 => Table(error),
        1 => VniTooLarge,
        2 => EmptyRange,
        3 => Disordered,
        4 => AclGroupBound,
        5 => AclGroupVersion,
    }
}

impl Put for RangeInclusive<u16> {
    fn put(&self, out: &mut impl Extend<u8>) {
        self.start().put(out);
        self.end().put(out);
    }
}

impl Get<'_> for RangeInclusive<u16> {
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(u16::get(reader)?..=u16::get(reader)?)
    }
}

impl Put for DropReason {
    fn put(&self, out: &mut impl Extend<u8>) {
        (self.index() as u16).put(out);
    }
}

impl Get<'_> for DropReason {
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::all().nth(u16::get(reader)?.into()).ok_or(DecodeError::Value)
    }
}

/// A key travels as it lies in memory: in the order of the machine's bytes.
#[cfg(target_endian = "big")]
compile_error!("firmware and host are little-endian");

impl Put for FlowKey {
    fn put(&self, out: &mut impl Extend<u8>) {
        out.extend(IntoBytes::as_bytes(self).iter().copied());
    }
}

impl Get<'_> for FlowKey {
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes = reader.slice(size_of::<Self>())?;
        Self::read_from_bytes(bytes).map_err(|_| DecodeError::Truncated)
    }
}
