//! Why a frame is dropped: one counter each. And what is noted of frames that are not.

use crate::pipeline::{Refusal, names::names, underlay::Fault};

names! {
    /// Why a frame is dropped; its text is the name of its counter.
    DropReason {
        /// The outer IPv4 header is impossible, or its checksum wrong.
        BadIp = "bad_ip",
        /// The outer UDP length is impossible.
        BadUdp = "bad_udp",
        /// The outer UDP checksum is wrong.
        BadChecksum = "bad_csum",
        /// The frame ends before a header does.
        Truncated = "truncated",
        /// Not UDP to port 6081, a version, protocol or option that is not known, or a port that is
        /// not there.
        BadGeneve = "bad_geneve",
        /// The VNI is no switch's.
        UnknownVni = "unknown_vni",
        /// A VLAN tag.
        VlanPresent = "vlan_present",
        /// No port has the destination MAC address.
        L2Unknown = "l2_unknown",
        /// It would leave by the port that it came in at.
        Loopback = "loopback",
        /// Source and destination MAC address are the same.
        SameMac = "same_mac",
        /// No pair of a group works, and the group fails closed.
        VnfDown = "vnf_down",
        /// A network function sent it back out of the port that it came in at.
        VnfWrongPort = "vnf_wrong_port",
        /// From a port that only gets copies.
        TapReceived = "tap_rx",
        /// From a tunnel, to a port of another host.
        NotLocal = "not_local",
        /// It entered again too often.
        LoopBudget = "loop_budget",
        /// It would exceed the MTU of its port.
        Mtu = "mtu",
        /// The port refused to make a copy.
        NoBuffer = "no_buffer",
        /// Port security: its source MAC address is not the port's.
        SecurityL2 = "portsec_l2",
        /// Port security: its source IP address is not the port's.
        SecurityIp = "portsec_ip",
        /// Port security: an address that ARP or ND speaks of is not the port's.
        SecurityNd = "portsec_nd",
        /// Too little headroom for the encapsulation.
        NoHeadroom = "no_headroom",
        /// The transmit queue was full.
        TxFull = "tx_full",
        /// The NIC found a checksum wrong.
        ChecksumBad = "checksum_bad",
        /// The punt queue was full. This pipeline punts nothing.
        PuntFull = "punt_full",
        /// The flow table was full, and is [set](crate::flow::WhenFull) to drop such frames.
        FlowFull = "flow_full",
    }
}

names! {
    /// What is counted of frames that go on; its text is the name of its counter.
    Note {
        /// The flow table had no place for the frame's flow.
        FlowFull = "flow_full",
        /// A forward rule and a reverse rule of two classifiers had the same priority.
        ChainConflict = "chain_conflict",
    }
}

impl From<Refusal> for DropReason {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooBig => Self::Mtu,
            Refusal::NoHeadroom => Self::NoHeadroom,
            // No rewrite of this pipeline decrements it.
            Refusal::Ttl => Self::BadIp,
            Refusal::TxFull => Self::TxFull,
            Refusal::LoopBudget => Self::LoopBudget,
            Refusal::PuntFull | Refusal::PuntTimeout => Self::PuntFull,
            Refusal::TableFull | Refusal::FlowLimit => Self::FlowFull,
        }
    }
}

impl From<Fault> for DropReason {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Truncated => Self::Truncated,
            Fault::Other => Self::BadGeneve,
            Fault::Ip => Self::BadIp,
            Fault::Udp => Self::BadUdp,
            Fault::Checksum => Self::BadChecksum,
        }
    }
}
