//! The caller's hardware as a table of flows.

use core::ffi::{c_int, c_void};

use dash_core::{
    flow::Offered,
    pipeline::vnet::{FlowKey, FlowState},
};
use dash_hal::{FlowId, FlowOffload, Hits, Refused};

use crate::{flow::dash_flow_t, status::Status};

/// Frames of a flow that the library forwards before it offers the flow to hardware.
pub const DASH_OFFER_AFTER: u64 = 16;

/// What hardware forwarded of a flow since it was last asked; nothing twice, nothing left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct dash_hits_t {
    /// Frames.
    pub packets: u64,
    /// Their bytes as received, without FCS.
    pub received: u64,
    /// Their bytes as sent, without FCS.
    pub sent: u64,
    /// When the last of them came, in time of the `now` callback; hardware without a clock answers
    /// the time of the asking. Not looked at when there was none.
    pub last: u64,
}

/// Hardware that forwards flows in place of the library: all three callbacks, or NULL each where
/// there is none. `id` is the flow's position in the core's table, below `dash_core_config_t.flows`;
/// of the flows that the hardware has from one core no two have one number.
///
/// The hardware forwards frames of a flow as the library would, byte for byte, by `rewrite` and
/// `egress` of the flow; it drops nothing. To `dash_core_process` go, as they came, frames that are
/// malformed, truncated, fragments, with options, extension headers or tags, or with a checksum that
/// the NIC found wrong; TCP with SYN, FIN or RST; frames without TTL left, or longer than the MTU.
/// Any other frame may go there too. `targets/PORTING.md` says more.
///
/// All three are called by `dash_core_tick`, `withdraw` also by `dash_core_process`, by
/// `dash_core_remove_flow`, and for each flow that is left by `dash_core_destroy`; `hits` also by
/// `dash_core_process`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct dash_flow_offload_t {
    /// Offers a flow that had `DASH_OFFER_AFTER` frames. Answers 0 when the hardware takes it; it
    /// is then not offered again before it was withdrawn. Anything else refuses; it is offered
    /// again by later ticks. `flow` is to be copied.
    pub offer:
        Option<unsafe extern "C" fn(user: *mut c_void, id: u32, flow: *const dash_flow_t) -> c_int>,
    /// Writes to `*hits`, which is all 0 before, what was forwarded of a flow that the hardware
    /// has.
    pub hits: Option<unsafe extern "C" fn(user: *mut c_void, id: u32, hits: *mut dash_hits_t)>,
    /// Takes the flow away from the hardware, and writes its last hits to `*hits`, which is all 0
    /// before. When it returns, the hardware forwards no further frame of the flow; `id` may then
    /// name another one.
    pub withdraw: Option<unsafe extern "C" fn(user: *mut c_void, id: u32, hits: *mut dash_hits_t)>,
}

type OfferCallback = unsafe extern "C" fn(*mut c_void, u32, *const dash_flow_t) -> c_int;
type HitsCallback = unsafe extern "C" fn(*mut c_void, u32, *mut dash_hits_t);

/// The caller's hardware.
pub(crate) struct Offload {
    user: *mut c_void,
    /// `offer`, `hits`, `withdraw`.
    callbacks: Option<(OfferCallback, HitsCallback, HitsCallback)>,
}

impl Offload {
    /// # Safety
    /// The callbacks are functions of their types, good to call with `user` for as long as this
    /// lives.
    pub(crate) unsafe fn new(
        user: *mut c_void,
        callbacks: &dash_flow_offload_t,
    ) -> Result<Self, Status> {
        let dash_flow_offload_t { offer, hits, withdraw } = *callbacks;
        let callbacks = match (offer, hits, withdraw) {
            (None, None, None) => None,
            (Some(offer), Some(hits), Some(withdraw)) => Some((offer, hits, withdraw)),
            _ => return Err(Status::DASH_NULL),
        };
        Ok(Self { user, callbacks })
    }

    /// # Safety
    /// `callback` is one of its own.
    unsafe fn ask(&self, callback: HitsCallback, id: FlowId) -> Hits {
        let mut hits = dash_hits_t::default();
        // SAFETY: the promise of `new`; the struct is there for the call.
        unsafe { callback(self.user, id.0, &raw mut hits) };
        let dash_hits_t { packets, received, sent, last } = hits;
        Hits { packets, received, sent, last }
    }
}

impl FlowOffload<FlowKey, Offered<FlowState>> for Offload {
    const OFFER_AFTER: u64 = DASH_OFFER_AFTER;

    fn is_there(&self) -> bool {
        self.callbacks.is_some()
    }

    fn offer(
        &mut self,
        id: FlowId,
        key: &FlowKey,
        flow: &Offered<FlowState>,
    ) -> Result<(), Refused> {
        let (offer, ..) = self.callbacks.ok_or(Refused)?;
        // SAFETY: the promise of `new`; the struct is there for the call.
        let answer = unsafe { offer(self.user, id.0, &dash_flow_t::new(key, flow, &flow.rewrite)) };
        if answer == 0 { Ok(()) } else { Err(Refused) }
    }

    fn hits(&mut self, id: FlowId) -> Hits {
        let Some((_, hits, _)) = self.callbacks else { return Hits::default() };
        // SAFETY: its own.
        unsafe { self.ask(hits, id) }
    }

    fn withdraw(&mut self, id: FlowId) -> Hits {
        let Some((_, _, withdraw)) = self.callbacks else { return Hits::default() };
        // SAFETY: its own.
        unsafe { self.ask(withdraw, id) }
    }
}
