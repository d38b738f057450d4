//! What a program reads of a frame.

use dash_hal::PortId;

use crate::{
    pipeline::names::names,
    wire::{
        Header, Layer, Profile, ethernet::EthernetHeader, ipv6::Ipv6Header, parse, vlan::VlanTag,
    },
};

names! {
    /// A field of a frame; its text is its name in programs.
    #[derive(PartialOrd, Ord)]
    Field {
        /// Source MAC.
        EthernetSource = "eth.src",
        /// Destination MAC.
        EthernetDestination = "eth.dst",
        /// Ethertype, behind the tags that the parser walks.
        EtherType = "eth.type",
        /// VLAN of the outermost tag.
        Vlan = "vlan.vid",
        /// IPv4 source.
        Ipv4Source = "ipv4.src",
        /// IPv4 destination.
        Ipv4Destination = "ipv4.dst",
        /// IPv4 protocol.
        Ipv4Protocol = "ipv4.protocol",
        /// IPv6 source.
        Ipv6Source = "ipv6.src",
        /// IPv6 destination.
        Ipv6Destination = "ipv6.dst",
        /// Next header of the IPv6 header.
        Ipv6Next = "ipv6.next",
        /// TCP source port.
        TcpSourcePort = "tcp.src_port",
        /// TCP destination port.
        TcpDestinationPort = "tcp.dst_port",
        /// TCP flags, the low byte: FIN is 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32.
        TcpFlags = "tcp.flags",
        /// UDP source port.
        UdpSourcePort = "udp.src_port",
        /// UDP destination port.
        UdpDestinationPort = "udp.dst_port",
        /// Bytes of the frame as received.
        FrameLength = "frame.length",
        /// The port that it came in at.
        InPort = "in_port",
    }
}

impl Field {
    /// Bytes of its largest value.
    #[must_use]
    pub const fn width(self) -> usize {
        match self {
            Self::Ipv4Protocol | Self::Ipv6Next | Self::TcpFlags => 1,
            Self::EtherType
            | Self::Vlan
            | Self::TcpSourcePort
            | Self::TcpDestinationPort
            | Self::UdpSourcePort
            | Self::UdpDestinationPort
            | Self::FrameLength
            | Self::InPort => 2,
            Self::Ipv4Source | Self::Ipv4Destination => 4,
            Self::EthernetSource | Self::EthernetDestination => 6,
            Self::Ipv6Source | Self::Ipv6Destination => 16,
        }
    }
}

/// A frame whose headers were found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'f> {
    bytes: &'f [u8],
    layer: Option<Layer>,
    ingress: PortId,
}

/// The headers of a frame; `None`: they are malformed behind Ethernet and its tags.
pub(super) fn layer(bytes: &[u8]) -> Option<Layer> {
    parse(bytes, &Profile::PLAIN).ok().map(|layout| *layout.outer())
}

impl<'f> Fields<'f> {
    pub(super) const fn new(bytes: &'f [u8], layer: Option<Layer>, ingress: PortId) -> Self {
        Self { bytes, layer, ingress }
    }

    /// The field's value; `None`: the frame lacks it.
    pub(super) fn get(&self, field: Field) -> Option<u128> {
        let Self { bytes, layer, ingress } = self;
        let ethernet = EthernetHeader::at(bytes, 0_usize)?;
        let ipv4 = || layer.as_ref().and_then(|layer| layer.ipv4(bytes));
        let ipv6 = || layer.as_ref().and_then(|layer| layer.ipv6(bytes));
        let tcp = || layer.as_ref().and_then(|layer| layer.tcp(bytes));
        let udp = || layer.as_ref().and_then(|layer| layer.udp(bytes));
        Some(match field {
            Field::EthernetSource => number(&ethernet.source().0),
            Field::EthernetDestination => number(&ethernet.destination().0),
            Field::EtherType => layer.map_or(ethernet.ethertype(), |layer| layer.ethertype).into(),
            Field::Vlan => {
                let tagged = VlanTag::is_tpid(ethernet.ethertype());
                VlanTag::at(bytes, EthernetHeader::LEN).filter(|_| tagged)?.id().into()
            }
            Field::Ipv4Source => ipv4()?.source().to_bits().into(),
            Field::Ipv4Destination => ipv4()?.destination().to_bits().into(),
            Field::Ipv4Protocol => ipv4()?.protocol().into(),
            Field::Ipv6Source => ipv6()?.source().to_bits(),
            Field::Ipv6Destination => ipv6()?.destination().to_bits(),
            Field::Ipv6Next => ipv6().map(Ipv6Header::next_header)?.into(),
            Field::TcpSourcePort => tcp()?.source_port().into(),
            Field::TcpDestinationPort => tcp()?.destination_port().into(),
            Field::TcpFlags => tcp()?.flags().bits().into(),
            Field::UdpSourcePort => udp()?.source_port().into(),
            Field::UdpDestinationPort => udp()?.destination_port().into(),
            Field::FrameLength => bytes.len() as u128,
            Field::InPort => ingress.0.into(),
        })
    }
}

fn number(octets: &[u8]) -> u128 {
    octets.iter().fold(0, |number, octet| number << 8 | u128::from(*octet))
}
