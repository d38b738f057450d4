//! Which flows ended, told to the caller.

use core::ffi::{c_int, c_void};

use dash_core::{
    flow::{FlowRemoved, Removal},
    pipeline::vnet::{FlowKey, FlowState},
};
use dash_hal::{EventSink, EventsLost};

use crate::flow::dash_flow_key_t;

/// `reason`: no frame of the conversation for its idle time-out.
pub const DASH_REMOVED_IDLE: u8 = 1;
/// `reason`: older than its hard time-out.
pub const DASH_REMOVED_HARD: u8 = 2;
/// `reason`: policy changed, and denies it now.
pub const DASH_REMOVED_DENIED: u8 = 3;
/// `reason`: its ENI is gone.
pub const DASH_REMOVED_ORPHANED: u8 = 4;
/// `reason`: other flows took its place.
pub const DASH_REMOVED_SUPERSEDED: u8 = 5;
/// `reason`: by `dash_core_remove_flow`, or with its core.
pub const DASH_REMOVED_DELETED: u8 = 6;
/// `reason`: TCP ended it, by FINs of both sides or a RST.
pub const DASH_REMOVED_CLOSED: u8 = 7;
/// `reason`: the table was full, and with `DASH_FULL_EVICT` a new flow took its place.
pub const DASH_REMOVED_EVICTED: u8 = 8;

/// A flow that is no more. Each half of a conversation is told of by itself. Times are those of the
/// `now` callback, ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct dash_removed_flow_t {
    /// What named it.
    pub key: dash_flow_key_t,
    /// Number of the ENI that it was made for.
    pub eni: u16,
    /// `DASH_REMOVED_IDLE` to `DASH_REMOVED_EVICTED`. More may be added.
    pub reason: u8,
    /// 1: its direction created the conversation.
    pub creator: u8,
    /// Its frames, those that hardware forwarded included.
    pub packets: u64,
    /// Their bytes as received, without FCS.
    pub bytes: u64,
    /// When it was installed.
    pub created: u64,
    /// When its last frame came.
    pub used: u64,
    /// When it was removed.
    pub removed: u64,
}

pub(crate) type RemovedCallback =
    unsafe extern "C" fn(*mut c_void, *const dash_removed_flow_t) -> c_int;

/// The caller as a sink of events.
pub(crate) struct Listener {
    user: *mut c_void,
    removed: Option<RemovedCallback>,
}

impl Listener {
    /// It hears nothing.
    pub(crate) const DEAF: Self = Self { user: core::ptr::null_mut(), removed: None };

    /// # Safety
    /// `removed` is a function of its type, good to call with `user` for as long as this lives.
    pub(crate) const unsafe fn new(user: *mut c_void, removed: Option<RemovedCallback>) -> Self {
        Self { user, removed }
    }

    /// Whether it hears anything.
    pub(crate) const fn hears(&self) -> bool {
        self.removed.is_some()
    }
}

impl EventSink<FlowRemoved<FlowKey, FlowState>> for Listener {
    fn emit(&mut self, flow: FlowRemoved<FlowKey, FlowState>) -> Result<(), EventsLost> {
        let Some(removed) = self.removed else { return Ok(()) };
        // SAFETY: the promise of `new`; the struct is there for the call.
        if unsafe { removed(self.user, &dash_removed_flow_t::from(&flow)) } == 0 {
            Ok(())
        } else {
            Err(EventsLost)
        }
    }
}

impl From<&FlowRemoved<FlowKey, FlowState>> for dash_removed_flow_t {
    fn from(flow: &FlowRemoved<FlowKey, FlowState>) -> Self {
        Self {
            key: (&flow.key).into(),
            eni: flow.state.eni().0,
            reason: match flow.why {
                Removal::Idle => DASH_REMOVED_IDLE,
                Removal::Hard => DASH_REMOVED_HARD,
                Removal::Denied => DASH_REMOVED_DENIED,
                Removal::Orphaned => DASH_REMOVED_ORPHANED,
                Removal::Superseded => DASH_REMOVED_SUPERSEDED,
                Removal::Deleted => DASH_REMOVED_DELETED,
                Removal::Closed => DASH_REMOVED_CLOSED,
                Removal::Evicted => DASH_REMOVED_EVICTED,
            },
            creator: flow.creator.into(),
            packets: flow.packets,
            bytes: flow.bytes,
            created: flow.created,
            used: flow.used,
            removed: flow.removed,
        }
    }
}
