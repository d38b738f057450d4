//! What a program reads of a frame.

use dash_hal::PortId;

use crate::{
    pipeline::names::names,
    wire::{
        Header, MAX_FRAME, Network, ParseError,
        ethernet::EthernetHeader,
        ipv4::Ipv4Header,
        ipv6::Ipv6Header,
        parse_ipv4, parse_ipv6, parse_upper,
        protocol::{ethertype, ip},
        tcp::TcpHeader,
        udp::UdpHeader,
        vlan::{MAX_TAGS, VlanTag},
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
        /// Ethertype, behind two tags at most.
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

/// The headers of a frame. What is wrong with one takes nothing from those in front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layers {
    /// Behind the tags.
    ethertype: u16,
    /// Offset of the IP header.
    network: u16,
    /// Of an IP header that is in order.
    ip: Option<Network>,
    /// Protocol, offset and end of a header above it that is in order.
    upper: Option<(u8, u16, u16)>,
}

impl Layers {
    /// `None`: the frame is longer than frames are, or ends before its Ethernet header does.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_FRAME {
            return None;
        }
        let mut ethertype = EthernetHeader::at(bytes, 0_usize)?.ethertype();
        let mut network = EthernetHeader::LEN;
        for _ in 0..MAX_TAGS {
            let tag = VlanTag::at(bytes, network).filter(|_| VlanTag::is_tpid(ethertype));
            let Some(tag) = tag else { break };
            ethertype = tag.ethertype();
            network += VlanTag::LEN;
        }
        let (ip, found) = match ethertype {
            ethertype::IPV4 => match parse_ipv4(bytes, network) {
                Ok(found) => (Some(Network::Ipv4), Some(found)),
                Err(_) => (None, None),
            },
            ethertype::IPV6 => match parse_ipv6(bytes, network) {
                Ok(found) => (Some(Network::Ipv6), Some(found)),
                Err(
                    ParseError::Ipv6Truncated
                    | ParseError::Ipv6Version
                    | ParseError::Ipv6PayloadLength,
                ) => (None, None),
                // Its extension headers are not.
                Err(_) => (Some(Network::Ipv6), None),
            },
            _ => (None, None),
        };
        let upper = found.and_then(|found| {
            let at = parse_upper(bytes.get(..found.end)?, &found).ok()?;
            Some((found.protocol, at as u16, found.end as u16))
        });
        Some(Self { ethertype, network: network as u16, ip, upper })
    }

    fn ip<'f, H: Header>(&self, bytes: &'f [u8], kind: Network) -> Option<&'f H> {
        H::at(bytes, self.network).filter(|_| self.ip == Some(kind))
    }

    fn upper<'f, H: Header>(&self, bytes: &'f [u8], wanted: u8) -> Option<&'f H> {
        let (protocol, at, end) = self.upper?;
        H::at(bytes.get(..end.into())?, at).filter(|_| protocol == wanted)
    }
}

/// A frame, and where its headers are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'f> {
    bytes: &'f [u8],
    layers: Layers,
    ingress: PortId,
}

impl<'f> Fields<'f> {
    pub(super) const fn new(bytes: &'f [u8], layers: Layers, ingress: PortId) -> Self {
        Self { bytes, layers, ingress }
    }

    /// The field's value; `None`: the frame lacks it.
    pub(super) fn get(&self, field: Field) -> Option<u128> {
        let Self { bytes, layers, ingress } = self;
        let ethernet = EthernetHeader::at(bytes, 0_usize)?;
        let ipv4 = || layers.ip::<Ipv4Header>(bytes, Network::Ipv4);
        let ipv6 = || layers.ip::<Ipv6Header>(bytes, Network::Ipv6);
        let tcp = || layers.upper::<TcpHeader>(bytes, ip::TCP);
        let udp = || layers.upper::<UdpHeader>(bytes, ip::UDP);
        Some(match field {
            Field::EthernetSource => number(&ethernet.source().0),
            Field::EthernetDestination => number(&ethernet.destination().0),
            Field::EtherType => layers.ethertype.into(),
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
