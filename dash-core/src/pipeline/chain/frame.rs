//! What the stages look at: a logical frame, and the Geneve header that may carry one between
//! hosts (RFC 8926, and the option of OVN).
//!
//! A logical frame whose IP header is malformed is switched as one that is not IP. Ports of
//! fragments count as 0, those of the first one too, so that all go the same way.

use smoltcp::wire::EthernetAddress;

use super::DropReason;
use crate::{
    pipeline::underlay::{Datagram, ethertype},
    table::acl::Headers,
    wire::{
        Edges, Header, Layer, LayerFlags, Network, Profile,
        ethernet::EthernetHeader,
        geneve::{GeneveHeader, GeneveOptions},
        icmpv6::nd,
        parse,
        protocol::{ethertype, ip, port},
        udp::UdpHeader,
        vlan::VlanTag,
    },
};

/// Option class of OVN.
pub(super) const OVN_CLASS: u16 = 0x0102;
/// Type of its one option, which is critical: ingress port, egress port.
pub(super) const OVN_PORTS: u8 = 0x80;

/// A logical frame.
#[derive(Clone, Debug)]
pub(super) struct Frame<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) layer: Option<Layer>,
    pub(super) destination: EthernetAddress,
    pub(super) source: EthernetAddress,
    pub(super) ethertype: u16,
    /// Of IP.
    pub(super) headers: Option<Headers>,
    pub(super) fragment: bool,
}

impl<'a> Frame<'a> {
    /// `None`: it is shorter than an Ethernet header.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        let ethernet = EthernetHeader::at(bytes, 0_usize)?;
        let layer = parse(bytes, &Profile::PLAIN).ok().map(|layout| *layout.outer());
        let layer = layer.filter(|layer| layer.tags == 0);
        let fragment = layer.is_some_and(|layer| layer.flags.contains(LayerFlags::FRAGMENT));
        let headers = layer.and_then(|layer| {
            let (source, destination) = layer.addresses(bytes)?;
            let (source_port, destination_port) =
                if fragment { (0, 0) } else { layer.ports(bytes) };
            let protocol = layer.protocol;
            Some(Headers { source, destination, protocol, source_port, destination_port })
        });
        Some(Self {
            bytes,
            layer,
            destination: ethernet.destination(),
            source: ethernet.source(),
            ethertype: ethernet.ethertype(),
            headers,
            fragment,
        })
    }

    pub(super) fn is_tagged(&self) -> bool {
        VlanTag::is_tpid(self.ethertype)
    }

    pub(super) fn is_arp(&self) -> bool {
        self.ethertype == ethertype::ARP
    }

    /// Whether its ethertype is one of IP.
    pub(super) fn claims_ip(&self) -> bool {
        [ethertype::IPV4, ethertype::IPV6].contains(&self.ethertype)
    }

    /// Type of a message of neighbour discovery.
    pub(super) fn nd(&self) -> Option<u8> {
        let layer = self.layer.filter(|layer| {
            layer.kind == Network::Ipv6 && layer.protocol == ip::ICMPV6 && !self.fragment
        })?;
        layer.upper(self.bytes)?.first().copied().filter(|kind| nd::TYPES.contains(kind))
    }

    /// Whether flows are kept of such frames.
    pub(super) fn has_flow(&self) -> bool {
        !self.destination.is_multicast() && !self.is_arp() && self.nd().is_none()
    }
}

/// What a tunnel says of the frame that it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The switch's key.
    pub vni: u32,
    /// Key of the port that it came in at.
    pub inport: u16,
    /// Key of the port that it is for.
    pub outport: u16,
    /// Where the frame begins.
    pub(super) start: u16,
    /// Where it ends.
    pub(super) end: u16,
}

impl Arrival {
    pub(super) fn carried<'f>(&self, frame: &'f [u8]) -> Option<&'f [u8]> {
        frame.get(self.start.into()..self.end.into())
    }
}

/// Takes a frame from the underlay apart. Checks in wire order; what is behind the outer IP or UDP
/// datagram is cut.
pub(super) fn decapsulate(bytes: &[u8]) -> Result<(Arrival, Edges), DropReason> {
    let network = ethertype(bytes).ok_or(DropReason::Truncated)?;
    if network.1 != EthernetHeader::LEN {
        return Err(DropReason::VlanPresent);
    }
    let datagram = Datagram::new(bytes, network, port::GENEVE, UdpHeader::LEN)?;
    let geneve = datagram.start + UdpHeader::LEN;
    let header = GeneveHeader::at(datagram.bytes, geneve).ok_or(DropReason::Truncated)?;
    if header.version() != 0 || header.protocol() != ethertype::BRIDGED {
        return Err(DropReason::BadGeneve);
    }
    let options = geneve + GeneveHeader::LEN;
    let carried = options + usize::from(header.options_len());
    let options = datagram.bytes.get(options..carried).ok_or(DropReason::BadGeneve)?;
    let ports = ovn_ports(options).ok_or(DropReason::BadGeneve)?;
    let (start, end) = (carried as u16, datagram.bytes.len() as u16);
    let edges = Edges::of_ethernet(bytes.len() as u16).carrying(start, end);
    let edges = edges.ok_or(DropReason::Truncated)?;
    let (inport, outport) = ((ports >> 16) as u16 & 0x7fff, ports as u16);
    Ok((Arrival { vni: header.vni(), inport, outport, start, end }, edges))
}

/// The data of OVN's option. `None`: it is missing, twice there or not one word long, or another
/// one is malformed or critical.
fn ovn_ports(options: &[u8]) -> Option<u32> {
    let mut found = None;
    for option in GeneveOptions::new(options) {
        let option = option.ok()?;
        if option.header.class() == OVN_CLASS && option.header.kind() == OVN_PORTS {
            let data = u32::from_be_bytes(option.data.try_into().ok()?);
            if found.replace(data).is_some() {
                return None;
            }
        } else if option.header.critical() {
            return None;
        }
    }
    found
}
