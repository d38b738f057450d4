//! What would become of a frame, without a trace of it left behind.
//!
//! The engine itself processes the frame, so that it is the code of the packet path that speaks.
//! For that one call it is given another pipeline, over the same policy but with counters of its
//! own, and another flow table, which holds a copy of the frame's flow, if there is one. Cost: the
//! slow path twice, and about 2 KiB of stack for these.

use core::{
    mem::{self, MaybeUninit},
    ptr,
};

use dash_core::{
    flow::{Arrival, Flow, FlowFlags, FlowStep, FlowTable, Install, NewFlow},
    pipeline::{
        End, Trace,
        vnet::{DropReason, Event, FlowKey, FlowState, Vnet},
    },
    rewrite::{NextHop, Rewrite},
    table::cuckoo::{Bucket, Slot},
};
use dash_hal::{Burst, Clock, PacketBuffer, Platform, Pool, PortId, Ports};

use crate::{
    device::{CallbackClock, Device, Seed},
    foreign,
    frame::{FrameBuffer, dash_frame_t},
    handle::Place,
    hints::CoreHints,
    packet_core::{Core, dash_core_t},
    removed::Listener,
    stage::dash_stage_t,
    status::{Status, answer, dash_status_t},
};

/// Enough records for any frame.
pub const DASH_STAGES: usize = 32;

/// `end`: the frame would leave by `port`.
pub const DASH_SENT: u8 = 1;
/// `end`: the frame would be dropped for `reason`.
pub const DASH_DROPPED: u8 = 2;

/// What would become of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct dash_explanation_t {
    /// Stages that said something.
    pub stages: usize,
    /// Of a drop; see `dash_drop_name`.
    pub reason: u32,
    /// Of a frame that leaves.
    pub port: u16,
    /// `DASH_SENT` or `DASH_DROPPED`.
    pub end: u8,
}

/// Says what would become of `frame`, a frame as for `dash_core_process`: what each stage decides
/// into `stages`, in order, and the outcome into `*explanation`. No flow, counter, queue or policy
/// changes, and no callback but `now` is called. Of frames that hardware forwarded it knows what the
/// last tick was told.
///
/// The frame stays the caller's. It is changed as it would be sent, so that headers can be compared;
/// a frame that would be dropped is as it was.
///
/// Threads: that of the core.
/// Errors: those of `dash_core_process`; `DASH_TOO_SMALL` when there are more stages than `count`,
/// which are then the first ones (`DASH_STAGES` are enough); `DASH_AGAIN` while frames wait for
/// their port.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dash_core_explain(
    core: *mut dash_core_t,
    frame: *mut dash_frame_t,
    stages: *mut dash_stage_t,
    count: usize,
    explanation: *mut dash_explanation_t,
) -> dash_status_t {
    let result = || {
        // SAFETY: the caller's promises of the header: a handle, and pointers to as many of the
        // stated types.
        let (mut core, places) = unsafe {
            foreign::write(explanation, dash_explanation_t::default())?;
            (Place::<Core>::enter(core.cast())?, foreign::places(stages, count)?)
        };
        if core.engine.waiting() != 0 {
            return Err(Status::DASH_AGAIN);
        }
        let mut record = Record { places, answer: dash_explanation_t::default() };
        // SAFETY: the caller's promise of the header: a frame that is the library's for this call.
        unsafe { core.explain(frame, &mut record) }?;
        // SAFETY: as above.
        unsafe { foreign::write(explanation, record.answer) }?;
        if record.answer.stages > count {
            return Err(Status::DASH_TOO_SMALL);
        }
        Ok(())
    };
    answer(result())
}

type Flows<'a> = FlowTable<'a, FlowKey, FlowState>;

/// A frame's flow and that of its answers.
const PAIR: usize = 2;

impl Core {
    /// Takes the frame through the engine twice: for the name of its flow, and with that flow.
    ///
    /// # Safety
    /// As for [`FrameBuffer::take`].
    unsafe fn explain(
        &mut self,
        frame: *mut dash_frame_t,
        record: &mut Record<'_>,
    ) -> Result<(), Status> {
        let now = self.device.clock().now();
        let mut name = Name(None);
        let mut none = Flows::new(&mut [], &mut [], &mut [], [0; 2])?;
        // SAFETY: the caller's promise.
        let buffer = unsafe { FrameBuffer::take(frame) }?;
        // No port sends frames of this MTU, so nothing of the frame is changed.
        self.pass(buffer, now, Some(0), &mut none, &mut name);

        let found = name.0.and_then(|key| self.flow_of(&key));
        let own = self.engine.flows();
        // A table without room for the frame's flows has none here either.
        let room = if found.is_some() || own.len() + PAIR <= own.capacity() { PAIR } else { 0 };
        let mut buckets = [Bucket::EMPTY; Flows::buckets_for(PAIR)];
        let mut slots = [Slot::empty(Flow::EMPTY); PAIR];
        let slots = slots.get_mut(..room).unwrap_or_default();
        let mut next_hops = [NextHop::FREE; PAIR];
        let (buckets, slots) = (&raw mut buckets, ptr::from_mut(slots));
        let next_hops = &raw mut next_hops;
        // SAFETY: the table is not used after this function, which has the arrays: `pass` leaves it
        // out of the engine again.
        let (buckets, slots, next_hops) = unsafe { (&mut *buckets, &mut *slots, &mut *next_hops) };
        let mut flows = Flows::new(buckets, slots, next_hops, [0; 2])?;
        flows.set(*self.engine.flows().settings());
        if let (Some(key), Some(flow)) = (name.0, found) {
            copy(&mut flows, key, flow);
        }
        // SAFETY: the caller's promise.
        let buffer = unsafe { FrameBuffer::take(frame) }?;
        self.pass(buffer, now, None, &mut flows, record);
        Ok(())
    }

    /// Takes the frame through the engine, over `flows` and with counters of its own, and gives it
    /// back.
    fn pass(
        &mut self,
        buffer: FrameBuffer,
        now: u64,
        mtu: Option<u16>,
        flows: &mut Flows<'static>,
        trace: &mut impl Trace<Vnet<'static>>,
    ) {
        let ingress = buffer.metadata().port;
        let mut vnet = Vnet::new(self.policy, &mut [], self.settings);
        let Self { engine, device, .. } = self;
        let mut silent = Silent { device, mtu };
        let listener = mem::replace(engine.events_mut(), Listener::DEAF);
        engine.exchange(&mut vnet, flows);
        engine.submit(buffer, ingress, 0, now, &mut silent, trace);
        engine.flush(&mut silent);
        engine.exchange(&mut vnet, flows);
        *engine.events_mut() = listener;
    }

    /// A copy of the flow of `key`, by itself, as software knows it: no hardware has the copy.
    fn flow_of(&self, key: &FlowKey) -> Option<(Flow<FlowState>, Rewrite)> {
        let flows = self.engine.flows();
        let (_, flow) = flows.get(flows.find(key, &CoreHints)?)?;
        let rewrite = flows.rewrite(flow);
        let peer = flow.peer().and_then(|peer| flows.get(peer));
        // The halves of a pair share their idle time.
        let used = peer.map_or(flow.used, |(_, peer)| peer.used.max(flow.used));
        let flags = flow.flags.difference(FlowFlags::OFFLOADED);
        Some((Flow { used, related: None, flags, ..*flow }, rewrite))
    }
}

/// The name of the frame's flow.
struct Name(Option<FlowKey>);

impl Trace<Vnet<'static>> for Name {
    fn stage(&mut self, event: impl FnOnce() -> Event) {
        if let Event::Key(key) = event() {
            self.0 = Some(key);
        }
    }
}

/// Puts a flow as it is into a table that has room.
fn copy(flows: &mut Flows<'_>, key: FlowKey, (flow, rewrite): (Flow<FlowState>, Rewrite)) {
    let Flow { egress, state, timeouts, .. } = flow;
    let install = Install::One(NewFlow { key, rewrite, egress, state, timeouts });
    let arrival = Arrival { epoch: flow.epoch, now: flow.used, bytes: 0, tcp: None };
    if let Ok(Some(handle)) = flows.install(&install, &arrival, &CoreHints, &mut ())
        && let Some(mut place) = flows.get_mut(handle)
    {
        let Flow { packets, bytes, created, used, flags, tcp, .. } = flow;
        *place = Flow { packets, bytes, created, used, flags, tcp, ..*place };
    }
}

/// What the packet path says, into the caller's array.
struct Record<'s> {
    places: &'s mut [MaybeUninit<dash_stage_t>],
    answer: dash_explanation_t,
}

impl Record<'_> {
    fn add(&mut self, stage: dash_stage_t) {
        if let Some(place) = self.places.get_mut(self.answer.stages) {
            place.write(stage);
        }
        self.answer.stages += 1;
    }
}

impl Trace<Vnet<'static>> for Record<'_> {
    fn stage(&mut self, event: impl FnOnce() -> Event) {
        self.add(event().into());
    }

    fn flow(&mut self, step: FlowStep) {
        self.add(step.into());
    }

    fn end(&mut self, end: &End<DropReason>) {
        match *end {
            End::Sent { port, .. } => {
                self.answer.end = DASH_SENT;
                self.answer.port = port.0;
            }
            End::Dropped(reason) => {
                self.answer.end = DASH_DROPPED;
                self.answer.reason = reason.index() as u32;
            }
            // This pipeline punts nothing.
            End::Punted { .. } => {}
        }
    }
}

/// The device, but frames go back to the caller without a callback.
struct Silent<'d> {
    device: &'d mut Device,
    /// Of all ports, if not their own.
    mtu: Option<u16>,
}

impl Ports for Silent<'_> {
    fn receive(&mut self, _: PortId, _: &mut Burst<FrameBuffer>, _: usize) -> usize {
        0
    }

    fn transmit(&mut self, _: PortId, burst: &mut Burst<FrameBuffer>) -> usize {
        let count = burst.len();
        while let Some(buffer) = burst.pop() {
            self.recycle(buffer);
        }
        count
    }

    fn mtu(&self, port: PortId) -> u16 {
        self.mtu.unwrap_or_else(|| self.device.mtu(port))
    }
}

impl Pool for Silent<'_> {
    type Buffer = FrameBuffer;

    fn recycle(&mut self, buffer: FrameBuffer) {
        buffer.give_back();
    }

    fn copy(&mut self, _: &FrameBuffer) -> Option<FrameBuffer> {
        None
    }

    fn empty(&mut self) -> Option<FrameBuffer> {
        None
    }
}

impl Platform for Silent<'_> {
    type Clock = CallbackClock;
    type Entropy = Seed;
    type Hints = CoreHints;

    fn clock(&self) -> &CallbackClock {
        self.device.clock()
    }

    fn entropy(&mut self) -> &mut Seed {
        self.device.entropy()
    }

    fn hints(&self) -> CoreHints {
        self.device.hints()
    }
}
