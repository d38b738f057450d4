//! A look at a core's flows.

use dash_core::{
    flow::{Egress, Flow, FlowFlags},
    pipeline::vnet::{FlowKey, FlowState, policy::Direction},
};
use dash_hal::{Clock, Platform};

use crate::{
    address::{dash_address_t, dash_mac_t},
    change::{DASH_INBOUND, DASH_OUTBOUND},
    foreign,
    handle::Place,
    packet_core::{Core, dash_core_t},
    rewrite::dash_rewrite_t,
    status::{answer, dash_status_t},
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

impl From<(&FlowKey, &Flow<FlowState>)> for dash_flow_t {
    fn from((key, flow): (&FlowKey, &Flow<FlowState>)) -> Self {
        let egress = match flow.egress {
            Egress::Ingress => None,
            Egress::Port(port) => Some(port.0),
        };
        Self {
            key: key.into(),
            creator: flow.flags.contains(FlowFlags::CREATOR).into(),
            has_egress: egress.is_some().into(),
            egress: egress.unwrap_or(0),
            rewrite: (&flow.rewrite).into(),
            packets: flow.packets,
            bytes: flow.bytes,
            created: flow.created,
            used: flow.used,
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

/// Copies the next flows that live into `flows`, at most `count`, and says in `*found` how many.
/// `*cursor` is 0 for the first call; each call moves it on, and once `*found` is less than `count`
/// there are no more.
///
/// The walk may take as many calls as it likes, with bursts in between: flows that are there all
/// the while are seen once, others once or not at all. One call looks at as many places of the
/// table as it takes to find `count` flows, at most at all of them.
///
/// Threads: that of the core.
/// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_BAD_HANDLE`, `DASH_REENTERED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dash_core_flows(
    core: *mut dash_core_t,
    cursor: *mut usize,
    flows: *mut dash_flow_t,
    count: usize,
    found: *mut usize,
) -> dash_status_t {
    let result = || {
        // SAFETY: the caller's promises of the header: a handle, and pointers to as many of the
        // stated types.
        let (core, mut at, places) = unsafe {
            foreign::write(found, 0)?;
            let core = Place::<Core>::enter(core.cast())?;
            (core, foreign::read(cursor)?, foreign::places(flows, count)?)
        };
        let table = core.engine.flows();
        let now = core.device.clock().now();
        let mut places = places.iter_mut();
        let mut copied = 0;
        while at < table.capacity() && copied < count {
            let live = table.at(at).filter(|handle| table.timed_out(*handle, now).is_none());
            if let Some(flow) = live.and_then(|handle| table.get(handle)) {
                let Some(place) = places.next() else { break };
                place.write(flow.into());
                copied += 1;
            }
            at += 1;
        }
        // SAFETY: as above.
        unsafe {
            foreign::write(cursor, at)?;
            foreign::write(found, copied)
        }
    };
    answer(result())
}
