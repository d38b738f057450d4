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
        /// From the data centre or the tunnel router, and not in VXLAN over IPv4.
        NotVxlan = "not_vxlan",
        /// The VNI is not valid.
        BadVxlan = "bad_vxlan",
        /// The tunnel end point has no entry for the VNI.
        UnknownVni = "unknown_vni",
        /// The outer destination is no tunnel end point.
        NoVtep = "no_vtep",
        /// From a server, without a VLAN.
        Untagged = "untagged",
        /// It would exceed the MTU of its port.
        Mtu = "mtu",
        /// Too little headroom for the encapsulation.
        NoHeadroom = "no_headroom",
        /// The transmit queue was full.
        TxFull = "tx_full",
        /// The NIC found a checksum wrong.
        ChecksumBad = "checksum_bad",
        /// It entered again too often. No frame of this pipeline enters again.
        LoopBudget = "loop_budget",
        /// The punt queue was full. This pipeline punts nothing.
        PuntFull = "punt_full",
        /// The flow table was full, and is [set](crate::flow::WhenFull) to drop such frames.
        CacheFull = "cache_full",
    }
}

names! {
    /// What is counted of frames that go on; its text is the name of its counter.
    Note {
        /// The flow table had no place: the tunnel router goes on with the conversation.
        CacheFull = "cache_full",
        /// Frames of its kind have no flow.
        Uncached = "uncached",
        /// From a server, with a VLAN above 255, of which the tunnel router has no room to tell.
        VidWide = "vid_wide",
        /// From the tunnel router, without the VLAN.
        BadRouter = "bad_otr",
        /// The direct way was opened while frames may have been on the way through the tunnel
        /// router.
        OrderForced = "order_forced",
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
            Refusal::TableFull | Refusal::FlowLimit => Self::CacheFull,
        }
    }
}

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
