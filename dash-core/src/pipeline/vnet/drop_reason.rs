//! Why a frame is dropped: one counter each.

use core::fmt;

use super::policy::{ACL_STAGES, Direction};
use crate::{pipeline::Refusal, wire::ParseError};

macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// Why a frame is dropped; its text is the name of its counter.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        pub enum DropReason {
            /// The frame is malformed; counted as `parse.` and the name of the error.
            Parse(ParseError),
            $($(#[$doc])* $variant,)+
        }

        impl DropReason {
            const AFTER_PARSING: [Self; Self::COUNT - ParseError::COUNT] = [$(Self::$variant,)+];
            /// How many there are.
            pub const COUNT: usize = ParseError::COUNT + [$($name,)+].len();

            /// Its place in an array of [`COUNT`](Self::COUNT) counters.
            #[must_use]
            pub const fn index(self) -> usize {
                enum Place {
                    $($variant,)+
                }
                match self {
                    Self::Parse(error) => error.index(),
                    $(Self::$variant => ParseError::COUNT + Place::$variant as usize,)+
                }
            }
        }

        impl fmt::Display for DropReason {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    Self::Parse(error) => write!(formatter, "parse.{}", error.name()),
                    $(Self::$variant => formatter.write_str($name),)+
                }
            }
        }
    };
}

drop_reasons! {
    /// The port received less than was on the wire.
    TruncatedCapture = "parse.truncated_capture",
    /// Ethertype 0x876D, the DASH metadata header, from a data port.
    DashMetadata = "parse.dash_metadata",
    /// The outer datagram is a fragment.
    OuterFragment = "parse.outer_fragment",
    /// The outer IPv6 header has extension headers.
    OuterExtension = "parse.outer_extension",
    /// The customer's IPv4 header has options.
    InnerOptions = "parse.inner_options",
    /// The NIC found a checksum wrong.
    ChecksumBad = "checksum_bad_drop",
    /// Tagged, not IP, or not to a VIP.
    VipMiss = "vip_miss_drop",
    /// Not VXLAN, or the customer frame's MAC address is no ENI's.
    EniMiss = "eni_miss_drop",
    /// The ENI's `admin_state` is disabled.
    EniAdminDown = "eni_admin_down_drop",
    /// The customer frame is neither IPv4 nor IPv6, or is tagged.
    InnerNotIp = "inner_not_ip_drop",
    /// The customer datagram is a fragment, and no first one before it passed; or it hides a
    /// header; or all are dropped.
    Fragment = "fragment_drop",
    /// With `tcp_strict`: TCP without a flow that does not open a connection.
    TcpNotSyn = "tcp_not_syn_drop",
    /// The VNI is trusted neither by an appliance nor by the ENI.
    TrustedVniMiss = "eni_trusted_vni_entry_miss_drop",
    /// Outbound ACL, stage 1 decided.
    AclOut1 = "acl_out_drop.1",
    /// Outbound ACL, stage 2 decided.
    AclOut2 = "acl_out_drop.2",
    /// Outbound ACL, stage 3 decided.
    AclOut3 = "acl_out_drop.3",
    /// Outbound ACL, stage 4 decided.
    AclOut4 = "acl_out_drop.4",
    /// Outbound ACL, stage 5 decided.
    AclOut5 = "acl_out_drop.5",
    /// Inbound ACL, stage 1 decided.
    AclIn1 = "acl_in_drop.1",
    /// Inbound ACL, stage 2 decided.
    AclIn2 = "acl_in_drop.2",
    /// Inbound ACL, stage 3 decided.
    AclIn3 = "acl_in_drop.3",
    /// Inbound ACL, stage 4 decided.
    AclIn4 = "acl_in_drop.4",
    /// Inbound ACL, stage 5 decided.
    AclIn5 = "acl_in_drop.5",
    /// The ENI has no route group, or one that does not exist.
    OutboundRoutingGroupMiss = "outbound_routing_group_miss_drop",
    /// The ENI's route group is disabled.
    OutboundRoutingGroupDisabled = "outbound_routing_group_disabled_drop",
    /// No route covers the destination.
    OutboundRoutingEntryMiss = "outbound_routing_entry_miss_drop",
    /// The route says drop.
    OutboundRouting = "outbound_routing_drop",
    /// The VNET has no mapping of the destination.
    OutboundCaPaEntryMiss = "outbound_ca_pa_entry_miss_drop",
    /// No inbound rule matches.
    InboundRoutingEntryMiss = "inbound_routing_entry_miss_drop",
    /// The inbound rule says drop.
    InboundRouting = "inbound_routing_drop",
    /// The underlay source does not belong to the VNET.
    PaValidationMiss = "pa_validation_miss_drop",
    /// The underlay route says drop, or no VIP is of the destination's IP version.
    Underlay = "underlay_drop",
    /// The frame would exceed the MTU of its egress port.
    Mtu = "mtu_drop",
    /// Too little headroom for the encapsulation.
    NoHeadroom = "no_headroom_drop",
    /// TTL or hop limit is used up. No rewrite of this pipeline decrements it.
    Ttl = "ttl_drop",
    /// A submitted frame found the transmit queue full.
    TxFull = "tx_full_drop",
    /// The frame entered again too often. This pipeline lets none enter again.
    LoopBudget = "loop_budget_drop",
    /// The punt queue was full. This pipeline punts nothing.
    PuntFull = "punt_full_drop",
    /// The flow table was full, and is [set](crate::flow::WhenFull) to drop such frames.
    FlowTableFull = "flow_table_full_drop",
    /// The ENI has as many flows as it may, and the table is set to drop such frames.
    FlowLimit = "flow_limit_drop",
}

impl DropReason {
    /// Each reason once, at its [`index`](Self::index).
    pub fn all() -> impl Iterator<Item = Self> {
        ParseError::ALL.into_iter().map(Self::Parse).chain(Self::AFTER_PARSING)
    }

    /// ACL stage `stage` (1 to 5) decided.
    pub(super) const fn acl(direction: Direction, stage: usize) -> Self {
        const { assert!(ACL_STAGES == 5) };
        match (direction, stage) {
            (Direction::Outbound, ..=1) => Self::AclOut1,
            (Direction::Outbound, 2) => Self::AclOut2,
            (Direction::Outbound, 3) => Self::AclOut3,
            (Direction::Outbound, 4) => Self::AclOut4,
            (Direction::Outbound, _) => Self::AclOut5,
            (Direction::Inbound, ..=1) => Self::AclIn1,
            (Direction::Inbound, 2) => Self::AclIn2,
            (Direction::Inbound, 3) => Self::AclIn3,
            (Direction::Inbound, 4) => Self::AclIn4,
            (Direction::Inbound, _) => Self::AclIn5,
        }
    }
}

impl From<Refusal> for DropReason {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooBig => Self::Mtu,
            Refusal::NoHeadroom => Self::NoHeadroom,
            Refusal::Ttl => Self::Ttl,
            Refusal::TxFull => Self::TxFull,
            Refusal::LoopBudget => Self::LoopBudget,
            Refusal::PuntFull | Refusal::PuntTimeout => Self::PuntFull,
            Refusal::TableFull => Self::FlowTableFull,
            Refusal::FlowLimit => Self::FlowLimit,
        }
    }
}

impl From<ParseError> for DropReason {
    fn from(error: ParseError) -> Self {
        Self::Parse(error)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{collections::BTreeSet, string::ToString};

    use super::*;

    #[test]
    fn each_reason_has_its_own_index_and_name() {
        let mut names = BTreeSet::new();
        for (index, reason) in DropReason::all().enumerate() {
            assert_eq!(reason.index(), index);
            assert!(names.insert(reason.to_string()), "{reason} twice");
        }
        assert_eq!(names.len(), DropReason::COUNT);
        assert!(names.contains("parse.vxlan_flags"));
    }

    #[test]
    fn acl_reasons_name_their_stage() {
        for stage in 1..=ACL_STAGES {
            for (direction, name) in [(Direction::Outbound, "out"), (Direction::Inbound, "in")] {
                let expected = std::format!("acl_{name}_drop.{stage}");
                assert_eq!(DropReason::acl(direction, stage).to_string(), expected);
            }
        }
    }
}
