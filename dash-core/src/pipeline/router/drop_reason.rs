//! Why a frame is dropped: one counter each. And what is noted of frames that are not, and why a
//! controller is asked.

use crate::pipeline::{Refusal, names::names, underlay::Fault};

names! {
    /// Why a frame is dropped; its text is the name of its counter.
    DropReason {
        /// An IP header is impossible, or its checksum wrong.
        BadIp = "bad_ip",
        /// The outer UDP length is impossible.
        BadUdp = "bad_udp",
        /// The outer UDP checksum is wrong, or that of ICMP to a gateway.
        BadChecksum = "bad_csum",
        /// The frame ends before a header does.
        Truncated = "truncated",
        /// From the underlay, and not UDP to port 4789.
        NotVxlan = "not_vxlan",
        /// The VXLAN header has no VNI.
        BadVxlan = "bad_vxlan",
        /// The VNI is no network's.
        UnknownVni = "unknown_vni",
        /// A VLAN tag that is not its network's.
        VlanPresent = "vlan_present",
        /// From a provider port, without its network's VLAN tag.
        Untagged = "untagged",
        /// From a tunnel, and no port has the destination MAC address; or from no port.
        L2Unknown = "l2_unknown",
        /// It would leave by the port that it came in at.
        Loopback = "loopback",
        /// From a tunnel, to a port of another host.
        NotLocal = "not_local",
        /// It entered again too often.
        LoopBudget = "loop_budget",
        /// It would exceed an MTU.
        Mtu = "mtu",
        /// The port refused to make a copy.
        NoBuffer = "no_buffer",
        /// ARP for a gateway that is malformed, or shorter than 28 bytes.
        BadArp = "bad_arp",
        /// Somebody else says to have a gateway's address.
        ArpConflict = "arp_conflict",
        /// Neighbour solicitation for a gateway that is malformed.
        BadNd = "bad_nd",
        /// To a gateway's address, and not what it answers.
        GatewayProtocol = "gw_proto",
        /// To a gateway's MAC address, within the network.
        GatewayL2 = "gw_l2",
        /// No router, or no route of it.
        NoRoute = "no_route",
        /// Nobody has the destination address.
        NoHost = "no_host",
        /// An error message of ICMP is due, and none may be sent.
        IcmpLimited = "icmp_limited",
        /// The punt queue, or the share of the frame's flow, was full.
        PuntFull = "punt_full",
        /// No controller answered in time.
        PuntTimeout = "punt_timeout",
        /// Port security: its source MAC address is not the port's.
        SecurityL2 = "portsec_l2",
        /// Port security: its source IP address is not the port's.
        SecurityIp = "portsec_ip",
        /// Port security: an address that ARP or ND speaks of is not the port's.
        SecurityNd = "portsec_nd",
        /// Too little headroom for the encapsulation, or the answer.
        NoHeadroom = "no_headroom",
        /// The transmit queue was full.
        TxFull = "tx_full",
        /// The NIC found a checksum of the underlay wrong.
        ChecksumBad = "checksum_bad",
        /// The flow table was full, and is [set](crate::flow::WhenFull) to drop such frames.
        FlowFull = "flow_full",
    }
}

names! {
    /// What is counted of frames that go on; its text is the name of its counter.
    Note {
        /// The flow table had no place for the frame's flow.
        FlowFull = "flow_full",
    }
}

names! {
    /// Why a controller is asked; its number is that of a punt.
    PuntReason {
        /// A frame between subnets has no flow.
        NoFlow = "no_flow",
        /// A frame has no route, and the [north-south hook](super::NorthSouth) is set.
        NorthSouth = "north_south",
    }
}

impl From<Refusal> for DropReason {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooBig => Self::Mtu,
            Refusal::NoHeadroom => Self::NoHeadroom,
            // Frames whose TTL is used up never come as far as a rewrite.
            Refusal::Ttl => Self::BadIp,
            Refusal::TxFull => Self::TxFull,
            Refusal::LoopBudget => Self::LoopBudget,
            Refusal::PuntFull => Self::PuntFull,
            Refusal::PuntTimeout => Self::PuntTimeout,
            Refusal::TableFull | Refusal::FlowLimit => Self::FlowFull,
        }
    }
}

/// Of the outer headers of a frame from the underlay.
impl From<Fault> for DropReason {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Truncated => Self::Truncated,
            Fault::Other => Self::NotVxlan,
            Fault::Ip => Self::BadIp,
            Fault::Udp => Self::BadUdp,
            Fault::Checksum => Self::BadChecksum,
        }
    }
}
