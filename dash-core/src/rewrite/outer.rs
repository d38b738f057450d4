//! The headers of a VXLAN encapsulation, written in one piece.
//!
//! Ethernet | IPv4 or IPv6 | UDP | VXLAN, in wire order and without alignment, so that a whole
//! encapsulation is one assignment: 50 bytes over IPv4, 70 over IPv6.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{Endpoints, Tunnel};
use crate::wire::Header;
use crate::wire::ethernet::EthernetHeader;
use crate::wire::ipv4::Ipv4Header;
use crate::wire::ipv6::Ipv6Header;
use crate::wire::protocol::{ethertype, ip, port};
use crate::wire::udp::UdpHeader;
use crate::wire::vxlan::VxlanHeader;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct OuterV4 {
    ethernet: EthernetHeader,
    ip: Ipv4Header,
    udp: UdpHeader,
    vxlan: VxlanHeader,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct OuterV6 {
    ethernet: EthernetHeader,
    ip: Ipv6Header,
    udp: UdpHeader,
    vxlan: VxlanHeader,
}

/// Bytes that UDP counts besides the inner frame.
const UDP_VXLAN: u16 = (size_of::<UdpHeader>() + size_of::<VxlanHeader>()) as u16;
/// Bytes that IPv4 counts besides the inner frame.
const IPV4_UDP_VXLAN: u16 = size_of::<Ipv4Header>() as u16 + UDP_VXLAN;

impl Endpoints {
    /// Bytes that an encapsulation between them puts in front of a frame.
    #[inline]
    pub(super) const fn header_length(&self) -> usize {
        match self {
            Self::V4 { .. } => size_of::<OuterV4>(),
            Self::V6 { .. } => size_of::<OuterV6>(),
        }
    }
}

impl Tunnel {
    /// Writes the encapsulation of a frame of `length` bytes over `place`, which is as long as the
    /// headers. `None`, and nothing written, when it is not. The IP length fits 16 bits: the caller
    /// compared it with the MTU.
    #[inline]
    pub(super) fn write(&self, place: &mut [u8], length: u16, tos: u8) -> Option<()> {
        let udp = self.udp(length.wrapping_add(UDP_VXLAN));
        let vxlan = VxlanHeader::new(self.vni);
        match self.endpoints {
            Endpoints::V4 { source, destination } => {
                let mut ip = Ipv4Header::default();
                ip.set_version(4);
                ip.set_header_len(Ipv4Header::LEN as u8);
                ip.set_tos(tos);
                ip.set_total_len(length.wrapping_add(IPV4_UDP_VXLAN));
                ip.set_ident(self.identification);
                ip.set_ttl(self.ttl);
                ip.set_protocol(ip::UDP);
                ip.set_source(source);
                ip.set_destination(destination);
                ip.fill_checksum();
                let ethernet = self.ethernet(ethertype::IPV4);
                *OuterV4::mut_from_bytes(place).ok()? = OuterV4 { ethernet, ip, udp, vxlan };
            }
            Endpoints::V6 { source, destination } => {
                let mut ip = Ipv6Header::default();
                ip.set_version(6);
                ip.set_traffic_class(tos);
                ip.set_payload_len(length.wrapping_add(UDP_VXLAN));
                ip.set_next_header(ip::UDP);
                ip.set_hop_limit(self.ttl);
                ip.set_source(source);
                ip.set_destination(destination);
                let ethernet = self.ethernet(ethertype::IPV6);
                *OuterV6::mut_from_bytes(place).ok()? = OuterV6 { ethernet, ip, udp, vxlan };
            }
        }
        Some(())
    }

    #[inline]
    fn ethernet(&self, ethertype: u16) -> EthernetHeader {
        let mut header = EthernetHeader::default();
        header.set_destination(self.destination_mac);
        header.set_source(self.source_mac);
        header.set_ethertype(ethertype);
        header
    }

    /// Checksum 0: none, as RFC 7348 asks, over IPv6 by RFC 6935.
    #[inline]
    fn udp(&self, length: u16) -> UdpHeader {
        let mut header = UdpHeader::default();
        header.set_source_port(self.source_port);
        header.set_destination_port(port::VXLAN);
        header.set_length(length);
        header
    }
}
