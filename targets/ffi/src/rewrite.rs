//! A header change, for who looks at flows and explanations, or creates flows.

use dash_core::{
    pipeline::vnet::FlowOwner,
    rewrite::{Encapsulation, Endpoints, Flags, Rewrite, Tunnel},
};
use smoltcp::wire::{EthernetAddress, IpAddress};

use crate::{
    address::{dash_address_t, dash_mac_t},
    status::Status,
};

/// `changes`: the outermost encapsulation is taken off.
pub const DASH_POP_OUTER: u16 = 1;
/// `changes`: what lies behind the IP datagram of the frame that is left is cut.
pub const DASH_TRIM: u16 = 2;
/// `changes`: the outermost VLAN tag is taken off, if there is one.
pub const DASH_POP_VLAN: u16 = 4;
/// `changes`: a VLAN tag is put on.
pub const DASH_PUSH_VLAN: u16 = 8;
/// `changes`: `source_mac` is written.
pub const DASH_SOURCE_MAC: u16 = 16;
/// `changes`: `destination_mac` is written.
pub const DASH_DESTINATION_MAC: u16 = 32;
/// `changes`: TTL or hop limit is decremented.
pub const DASH_TTL: u16 = 64;
/// `changes`: a VXLAN encapsulation is put in front, of the members that begin with `outer_`, and
/// with the MAC addresses of the ENI's appliance.
pub const DASH_PUSH_OUTER: u16 = 128;
/// `changes`: its DSCP is that of the outermost IP header as received.
pub const DASH_COPY_DSCP: u16 = 256;

const _: () = assert!(
    DASH_POP_OUTER == Flags::POP_OUTER.bits()
        && DASH_TRIM == Flags::TRIM.bits()
        && DASH_POP_VLAN == Flags::POP_VLAN.bits()
        && DASH_PUSH_VLAN == Flags::PUSH_VLAN.bits()
        && DASH_SOURCE_MAC == Flags::SOURCE_MAC.bits()
        && DASH_DESTINATION_MAC == Flags::DESTINATION_MAC.bits()
        && DASH_TTL == Flags::TTL.bits()
        && DASH_PUSH_OUTER == Flags::PUSH_OUTER.bits()
        && DASH_COPY_DSCP == Flags::COPY_DSCP.bits()
);

/// A header change, in the order in which its parts happen. Members whose change is not made are
/// zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct dash_rewrite_t {
    /// What is changed: `DASH_POP_OUTER` to `DASH_COPY_DSCP`.
    pub changes: u16,
    /// Tag control information (PCP, DEI, VID).
    pub vlan: u16,
    /// Source MAC.
    pub source_mac: dash_mac_t,
    /// Destination MAC.
    pub destination_mac: dash_mac_t,
    /// Outer source.
    pub outer_source: dash_address_t,
    /// Outer destination.
    pub outer_destination: dash_address_t,
    /// VNI.
    pub outer_vni: u32,
}

impl dash_rewrite_t {
    /// As the packet path takes it, for a flow of `owner`.
    pub(crate) fn compile(&self, owner: &FlowOwner) -> Result<Rewrite, Status> {
        let flags = Flags::from_bits(self.changes).ok_or(Status::DASH_BAD_VALUE)?;
        let tunnel = if flags.contains(Flags::PUSH_OUTER) {
            if self.outer_vni >> 24 != 0 {
                return Err(Status::DASH_VNI_TOO_LARGE);
            }
            let ends = (self.outer_source.try_into()?, self.outer_destination.try_into()?);
            let endpoints = match ends {
                (IpAddress::Ipv4(source), IpAddress::Ipv4(destination)) => {
                    Endpoints::V4 { source, destination }
                }
                (IpAddress::Ipv6(source), IpAddress::Ipv6(destination)) => {
                    Endpoints::V6 { source, destination }
                }
                _ => return Err(Status::DASH_BAD_VALUE),
            };
            Encapsulation::new(&Tunnel { endpoints, vni: self.outer_vni, ..owner.tunnel })
        } else {
            Encapsulation::NONE
        };
        Ok(Rewrite {
            tunnel,
            destination_mac: EthernetAddress::from(self.destination_mac).into(),
            source_mac: EthernetAddress::from(self.source_mac).into(),
            vlan: self.vlan,
            flags,
        })
    }
}

impl From<&Rewrite> for dash_rewrite_t {
    fn from(rewrite: &Rewrite) -> Self {
        let mut copy = Self { changes: rewrite.flags.bits(), ..Self::default() };
        let has = |flag| rewrite.flags.contains(flag);
        if has(Flags::PUSH_VLAN) {
            copy.vlan = rewrite.vlan;
        }
        if has(Flags::SOURCE_MAC) {
            copy.source_mac = EthernetAddress::from(rewrite.source_mac).into();
        }
        if has(Flags::DESTINATION_MAC) {
            copy.destination_mac = EthernetAddress::from(rewrite.destination_mac).into();
        }
        if has(Flags::PUSH_OUTER) {
            let tunnel = rewrite.tunnel.tunnel();
            let (source, destination) = match tunnel.endpoints {
                Endpoints::V4 { source, destination } => {
                    (IpAddress::Ipv4(source), IpAddress::Ipv4(destination))
                }
                Endpoints::V6 { source, destination } => {
                    (IpAddress::Ipv6(source), IpAddress::Ipv6(destination))
                }
            };
            copy.outer_source = source.into();
            copy.outer_destination = destination.into();
            copy.outer_vni = tunnel.vni;
        }
        copy
    }
}
