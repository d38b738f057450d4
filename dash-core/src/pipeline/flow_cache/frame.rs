//! What is looked at of a frame: the outer headers of one in VXLAN (RFC 7348), and where a frame of
//! a server or of a tenant goes.

use smoltcp::wire::{IpAddress, Ipv4Address};

use super::DropReason;
use crate::{
    pipeline::underlay::{Datagram, ethertype},
    wire::{
        Edges, Header, LayerFlags,
        checksum::{Checksum, Difference},
        ethernet::EthernetHeader,
        icmpv6::nd,
        ipv4::Ipv4Header,
        ipv6::Ipv6Header,
        parse_ipv4, parse_ipv6,
        protocol::{ethertype, ip, port},
        udp::UdpHeader,
        vlan::VlanTag,
        vxlan::VxlanHeader,
    },
};

/// What the outer headers of a frame say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnelled {
    /// Outer source.
    pub source: Ipv4Address,
    /// Outer destination.
    pub destination: Ipv4Address,
    /// VNI, 24 bits.
    pub vni: u32,
    /// UDP source port.
    pub source_port: u16,
    /// The reserved bits behind the VNI, where the tunnel router tells the VLAN.
    pub reserved: u8,
    /// Where the VXLAN header begins.
    vxlan: u16,
    /// Where the frame inside ends.
    end: u16,
}

impl Tunnelled {
    /// Reads and checks the outer headers. What lies behind the outer IP or UDP datagram is no part
    /// of the frame inside.
    pub(super) fn new(bytes: &[u8]) -> Result<Self, DropReason> {
        let network = ethertype(bytes).ok_or(DropReason::Truncated)?;
        let least = UdpHeader::LEN + VxlanHeader::LEN;
        let datagram = Datagram::new(bytes, network, port::VXLAN, least)?;
        let Datagram { source, destination, udp, start, bytes } = datagram;
        let start = start + UdpHeader::LEN;
        let vxlan = VxlanHeader::at(bytes, start).ok_or(DropReason::BadUdp)?;
        if !vxlan.has_vni() {
            return Err(DropReason::BadVxlan);
        }
        let tunnelled = Self {
            source,
            destination,
            vni: vxlan.vni(),
            source_port: udp.source_port(),
            reserved: vxlan.reserved(),
            vxlan: start as u16,
            end: bytes.len() as u16,
        };
        let whole = usize::from(tunnelled.start()) + EthernetHeader::LEN <= tunnelled.end.into();
        whole.then_some(tunnelled).ok_or(DropReason::Truncated)
    }

    /// Where the frame inside begins.
    const fn start(&self) -> u16 {
        self.vxlan + VxlanHeader::LEN as u16
    }

    /// What a header change needs of the frame, which has `length` bytes.
    pub(super) fn edges(&self, length: usize) -> Option<Edges> {
        Edges::of_ethernet(length as u16).carrying(self.start(), self.end)
    }

    /// The destination of the frame inside, as [`destination`].
    pub(super) fn inner_destination(&self, bytes: &[u8]) -> Option<IpAddress> {
        let inside = bytes.get(self.start().into()..self.end.into())?;
        let ethernet = EthernetHeader::at(inside, 0_usize)?;
        destination(inside, ethernet.ethertype(), EthernetHeader::LEN)
    }

    /// Clears the reserved bits behind the VNI of the frame `bytes`.
    pub(super) fn scrub(&self, bytes: &mut [u8]) -> Option<()> {
        let vxlan = VxlanHeader::at_mut(bytes, self.vxlan)?;
        let low = (vxlan.vni() as u16) << 8;
        let old = low | u16::from(vxlan.reserved());
        vxlan.set_reserved(0);
        let udp = UdpHeader::at_mut(bytes, self.vxlan - UdpHeader::LEN as u16)?;
        udp.set_checksum(Difference::new().u16(old, low).apply_udp(udp.checksum()));
        Some(())
    }
}

/// A frame of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OfServer {
    /// Not 0.
    pub(super) vlan: u16,
    /// As [`destination`].
    pub(super) destination: Option<IpAddress>,
}

impl OfServer {
    pub(super) fn new(bytes: &[u8]) -> Result<Self, DropReason> {
        let tag = VlanTag::at(bytes, EthernetHeader::LEN).ok_or(DropReason::Truncated)?;
        let ethernet = EthernetHeader::at(bytes, 0_usize).ok_or(DropReason::Truncated)?;
        if !VlanTag::is_tpid(ethernet.ethertype()) || tag.id() == 0 {
            return Err(DropReason::Untagged);
        }
        let network = EthernetHeader::LEN + VlanTag::LEN;
        let destination = destination(bytes, tag.ethertype(), network);
        Ok(Self { vlan: tag.id(), destination })
    }
}

/// The IP destination of a frame that may have a flow: one host, no neighbour discovery, and its IP
/// header, `network` bytes into it, is in order. What IP carries is not looked at.
fn destination(bytes: &[u8], ethertype: u16, network: usize) -> Option<IpAddress> {
    let destination = match ethertype {
        ethertype::IPV4 => {
            let packet = parse_ipv4(bytes, network).ok()?;
            let header = bytes.get(network..packet.payload)?;
            let destination = Ipv4Header::at(header, 0_usize)?.destination();
            let right = Checksum::new().bytes(header).is_valid() && !destination.is_broadcast();
            right.then_some(destination.into())
        }
        ethertype::IPV6 => {
            let packet = parse_ipv6(bytes, network).ok()?;
            let discovers = packet.protocol == ip::ICMPV6
                && !packet.flags.contains(LayerFlags::LATER_FRAGMENT)
                && bytes.get(packet.payload).is_some_and(|kind| nd::TYPES.contains(kind));
            let destination = Ipv6Header::at(bytes, network)?.destination();
            (!discovers).then_some(destination.into())
        }
        _ => None,
    };
    destination.filter(|destination: &IpAddress| !destination.is_multicast())
}
