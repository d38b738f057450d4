//! Why a frame is dropped: one counter each.

use crate::pipeline::{Refusal, names::names};

names! {
    /// Why a frame is dropped; its text is the name of its counter.
    DropReason {
        /// A row says so.
        Drop = "efsm_drop",
        /// No row applies.
        Default = "efsm_default",
        /// The flow table had no place.
        Full = "efsm_full",
        /// The frame ends before its Ethernet header does.
        Truncated = "truncated",
        /// It would exceed the MTU of its port. Frames pass unchanged.
        Mtu = "mtu",
        /// Too little headroom. Frames pass unchanged.
        NoHeadroom = "no_headroom",
        /// The transmit queue was full.
        TxFull = "tx_full",
        /// It entered again too often. No frame of this pipeline enters again.
        LoopBudget = "loop_budget",
        /// The punt queue was full. This pipeline punts nothing.
        PuntFull = "punt_full",
    }
}

impl From<Refusal> for DropReason {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            // No rewrite of this pipeline decrements the TTL.
            Refusal::TooBig | Refusal::Ttl => Self::Mtu,
            Refusal::NoHeadroom => Self::NoHeadroom,
            Refusal::TxFull => Self::TxFull,
            Refusal::LoopBudget => Self::LoopBudget,
            Refusal::PuntFull | Refusal::PuntTimeout => Self::PuntFull,
            Refusal::TableFull | Refusal::FlowLimit => Self::Full,
        }
    }
}
