//! A flow, as C reads and makes it.

use dash_core::{
    flow::{Egress, Flow, FlowFlags, NewFlow, Timeouts},
    pipeline::vnet::{
        FlowKey, FlowOwner, FlowState, Vnet,
        policy::{Direction, VnetId},
    },
    rewrite::Rewrite,
    table::acl::Headers,
};

use crate::{
    address::{dash_address_t, dash_mac_t},
    change::{DASH_INBOUND, DASH_OUTBOUND},
    rewrite::dash_rewrite_t,
    status::Status,
};

/// What names a flow: one direction of a conversation of an ENI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct dash_flow_key_t {
    /// MAC address of the ENI.
    pub eni: dash_mac_t,
    /// VNET of the ENI.
    pub vnet: u16,
    /// `DASH_OUTBOUND` or `DASH_INBOUND`.
    pub direction: u8,
    /// IP protocol.
    pub protocol: u8,
    /// Customer source.
    pub source: dash_address_t,
    /// Customer destination.
    pub destination: dash_address_t,
    /// Source port, 0 for protocols without ports.
    pub source_port: u16,
    /// Destination port, 0 for protocols without ports.
    pub destination_port: u16,
}

/// A flow. Times are those of the `now` callback, ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct dash_flow_t {
    /// What names it.
    pub key: dash_flow_key_t,
    /// 1: its direction created the conversation, and is judged anew when policy changes.
    pub creator: u8,
    /// 1: its frames leave by `egress`; 0: by the port that they came in at.
    pub has_egress: u8,
    /// The port.
    pub egress: u16,
    /// The header change of its frames.
    pub rewrite: dash_rewrite_t,
    /// Its frames.
    pub packets: u64,
    /// Their bytes as received, without FCS.
    pub bytes: u64,
    /// When it was installed.
    pub created: u64,
    /// When its last frame came.
    pub used: u64,
    /// It ends after so many milliseconds without a frame of its conversation; 0: never.
    pub idle_timeout: u32,
    /// It ends so many milliseconds after `created`; 0: never.
    pub hard_timeout: u32,
}

/// A flow that is to be. Its frames leave as the underlay routes say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct dash_new_flow_t {
    /// What names it.
    pub key: dash_flow_key_t,
    /// The header change of its frames.
    pub rewrite: dash_rewrite_t,
    /// It ends after so many milliseconds without a frame of its conversation; 0: never.
    pub idle_timeout: u32,
    /// It ends so many milliseconds after this; 0: never.
    pub hard_timeout: u32,
}

impl dash_new_flow_t {
    /// As the packet path takes it, and whose it is.
    pub(crate) fn compile(
        &self,
        pipeline: &Vnet<'_>,
    ) -> Result<(NewFlow<FlowKey, FlowState>, FlowOwner), Status> {
        let key = self.key.try_into()?;
        let owner = pipeline.owner(&key).ok_or(Status::DASH_BAD_VALUE)?;
        let flow = NewFlow {
            key,
            rewrite: self.rewrite.compile(&owner)?,
            egress: Egress::INGRESS,
            state: owner.state,
            timeouts: Timeouts { idle: self.idle_timeout, hard: self.hard_timeout },
        };
        Ok((flow, owner))
    }
}

impl From<&FlowKey> for dash_flow_key_t {
    fn from(key: &FlowKey) -> Self {
        Self {
            eni: key.eni().into(),
            vnet: key.vnet().0,
            direction: direction(key.direction()),
            protocol: key.protocol(),
            source: key.source().into(),
            destination: key.destination().into(),
            source_port: key.source_port(),
            destination_port: key.destination_port(),
        }
    }
}

impl TryFrom<dash_flow_key_t> for FlowKey {
    type Error = Status;

    fn try_from(key: dash_flow_key_t) -> Result<Self, Status> {
        let headers = Headers {
            source: key.source.try_into()?,
            destination: key.destination.try_into()?,
            protocol: key.protocol,
            source_port: key.source_port,
            destination_port: key.destination_port,
        };
        if key.source.version != key.destination.version {
            return Err(Status::DASH_BAD_VALUE);
        }
        let direction = match key.direction {
            DASH_OUTBOUND => Direction::Outbound,
            DASH_INBOUND => Direction::Inbound,
            _ => return Err(Status::DASH_BAD_VALUE),
        };
        Ok(Self::of_a_port(key.eni.into(), VnetId(key.vnet), direction, &headers))
    }
}

impl dash_flow_t {
    /// A flow of that name, with that header change.
    pub(crate) fn new(key: &FlowKey, flow: &Flow<FlowState>, rewrite: &Rewrite) -> Self {
        let egress = flow.egress.fixed().map(|port| port.0);
        Self {
            key: key.into(),
            creator: flow.flags.contains(FlowFlags::CREATOR).into(),
            has_egress: egress.is_some().into(),
            egress: egress.unwrap_or(0),
            rewrite: rewrite.into(),
            packets: flow.packets,
            bytes: flow.bytes,
            created: flow.created,
            used: flow.used,
            idle_timeout: flow.timeouts.idle,
            hard_timeout: flow.timeouts.hard,
        }
    }
}

/// A direction as C reads it.
pub(crate) const fn direction(direction: Direction) -> u8 {
    match direction {
        Direction::Outbound => DASH_OUTBOUND,
        Direction::Inbound => DASH_INBOUND,
    }
}
