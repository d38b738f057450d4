//! The loop: burst in, key, flow look-up, slow path on a miss, rewrite, burst out.
//!
//! | bound | value | why |
//! |---|---|---|
//! | frames in a burst | [`BURST`] | see there |
//! | re-entries of one frame | [`REENTRIES`] | services need one; OVS allows 64 |
//! | copies of one frame | [`COPIES`] | the ports of the largest logical switch |
//! | frames that wait for a port | `QUEUE` | receive takes no more than it has places |
//! | frames that wait for a controller | `PUNTS` | a full queue drops and counts, see [`HELD`] and [`ANSWER_WITHIN`] |
//!
//! A burst is only a way to go faster: the keys of all its frames are made, then all their buckets
//! are loaded, then looked at, then each frame goes on in its order. These steps only find a
//! candidate, so the table may change until the frame's turn: then the candidate's key is compared,
//! and the table asked again if it differs. Frames stay in the burst that the port filled until they
//! end; what is known of each is written once, in its lane.
#![allow(
    clippy::inline_always,
    reason = "on the packet path what is known of a frame stays in registers"
)]

mod answer;
mod copies;
mod lane;
mod punts;
mod shard;
mod slow;
mod surroundings;
mod transmit;

pub use self::{
    answer::Answer,
    punts::{ANSWER_WITHIN, HELD, Punt},
};
use dash_hal::{
    BURST, Burst, Clock, EventSink, FlowOffload, Hints, PacketBuffer, Platform, PortId, Ports,
};

use self::{
    lane::Lane, punts::Punts, shard::Shard, surroundings::Surroundings, transmit::TransmitQueue,
};
use crate::{
    flow::{
        Arrival, Egress, FlowRemoved, FlowSettings, FlowTable, Install, NewFlow, Offered, Removal,
        TableFull,
    },
    pipeline::{Pipeline, Trace},
    rewrite::Rewrite,
    table::{cuckoo::Handle, quiescence::Readers},
};

/// Times that one frame may enter the pipeline again.
pub const REENTRIES: usize = 4;

/// Copies that are made of one frame: logical switches have at most 2^15 ports.
pub const COPIES: usize = 1 << 15;

/// One core's packet path over pipeline `P` and buffers `B`, with the hardware table `O` beside its
/// flows, and `E` that is told of those that are removed.
pub struct Engine<
    'a,
    P: Pipeline,
    B,
    const QUEUE: usize = 64,
    const PUNTS: usize = 32,
    O = (),
    E = (),
> {
    shard: Shard<'a, P, B, O, E, QUEUE, PUNTS>,
    readers: Readers<'a>,
    core: usize,
    lanes: [Lane<P>; BURST],
}

impl<'a, P: Pipeline, B: PacketBuffer, const QUEUE: usize, const PUNTS: usize>
    Engine<'a, P, B, QUEUE, PUNTS>
{
    /// The packet path of core number `core` among `readers`.
    #[must_use]
    pub const fn new(
        pipeline: P,
        flows: FlowTable<'a, P::Key, P::State>,
        readers: Readers<'a>,
        core: usize,
    ) -> Self {
        Self::with(pipeline, flows, readers, core, (), ())
    }
}

impl<'a, P, B, const QUEUE: usize, const PUNTS: usize, O, E> Engine<'a, P, B, QUEUE, PUNTS, O, E>
where
    P: Pipeline,
    B: PacketBuffer,
    O: FlowOffload<P::Key, Offered<P::State>>,
    E: EventSink<FlowRemoved<P::Key, P::State>>,
{
    /// The same, with a hardware table that may forward established flows, and a sink that is told
    /// of each flow that leaves the table; `()` in the place of what the port has not.
    /// [`tick`](Self::tick) gives the hardware flows and takes them back. An event that finds no
    /// place counts as [`untold`](crate::flow::FlowCounters::untold).
    #[must_use]
    pub const fn with(
        pipeline: P,
        flows: FlowTable<'a, P::Key, P::State>,
        readers: Readers<'a>,
        core: usize,
        offload: O,
        events: E,
    ) -> Self {
        Self {
            shard: Shard {
                pipeline,
                flows,
                offload,
                events,
                queue: TransmitQueue::new(),
                punts: Punts::new(),
            },
            readers,
            core,
            lanes: [const { Lane::EMPTY }; BURST],
        }
    }

    /// The pipeline, for its counters.
    #[must_use]
    pub const fn pipeline(&self) -> &P {
        &self.shard.pipeline
    }

    /// The pipeline, to be changed between bursts.
    pub const fn pipeline_mut(&mut self) -> &mut P {
        &mut self.shard.pipeline
    }

    /// The flows.
    #[must_use]
    pub const fn flows(&self) -> &FlowTable<'a, P::Key, P::State> {
        &self.shard.flows
    }

    /// Changes what holds for all flows.
    pub const fn set_flows(&mut self, settings: FlowSettings) {
        self.shard.flows.set(settings);
    }

    /// Exchanges the pipeline and the flows, both at once: the pipeline counts whose flows they are.
    pub const fn exchange(
        &mut self,
        pipeline: &mut P,
        flows: &mut FlowTable<'a, P::Key, P::State>,
    ) {
        core::mem::swap(&mut self.shard.pipeline, pipeline);
        core::mem::swap(&mut self.shard.flows, flows);
    }

    /// Installs flows on request, as for a frame that a slow path ran for. They take the place of
    /// those that have their keys.
    ///
    /// # Errors
    /// [`TableFull`]: nothing was installed.
    pub fn install<H: Hints>(
        &mut self,
        install: &Install<P::Key, P::State>,
        frame: &Arrival,
        hints: &H,
    ) -> Result<Option<Handle>, TableFull> {
        let Shard { pipeline, flows, offload, events, .. } = &mut self.shard;
        flows.install(install, frame, hints, &mut Surroundings { pipeline, offload, events })
    }

    /// Removes a flow on request at `now` and, if it is half of a pair, the other half.
    pub fn remove<H: Hints>(&mut self, handle: Handle, now: u64, hints: &H) {
        let Shard { pipeline, flows, offload, events, .. } = &mut self.shard;
        let mut outside = Surroundings { pipeline, offload, events };
        flows.remove(handle, Removal::Deleted, now, hints, &mut outside);
    }

    /// The hardware table.
    pub const fn offload_mut(&mut self) -> &mut O {
        &mut self.shard.offload
    }

    /// The sink of events.
    pub const fn events_mut(&mut self) -> &mut E {
        &mut self.shard.events
    }

    /// Adds a flow of a controller's that lives alone, or puts it in the place of that which has its
    /// key: counters and idle time stay, the hard time-out begins anew. It is never evaluated again.
    ///
    /// # Errors
    /// [`TableFull`]: nothing was added.
    pub fn add<H: Hints>(
        &mut self,
        flow: &NewFlow<P::Key, P::State>,
        now: u64,
        hints: &H,
    ) -> Result<Handle, TableFull> {
        let Shard { pipeline, flows, offload, events, .. } = &mut self.shard;
        let epoch = pipeline.epoch(&flow.key).unwrap_or(0);
        flows.add(flow, (epoch, now), hints, &mut Surroundings { pipeline, offload, events })
    }

    /// Takes the oldest frame that waits for a controller.
    pub fn take_punt(&mut self) -> Option<Punt<B, P::Key>> {
        self.shard.punts.pop()
    }

    /// The next request for a controller that nobody was told of, by its first frame.
    pub fn next_request(&mut self) -> Option<&Punt<B, P::Key>> {
        self.shard.punts.next_request()
    }

    /// A request that waits for its answer, by its first frame.
    #[must_use]
    pub fn request(&self, request: u64) -> Option<&Punt<B, P::Key>> {
        self.shard.punts.request(request)
    }

    /// Lets at most `limit` frames wait for a controller, and no more than there are places.
    pub const fn limit_punts(&mut self, limit: usize) {
        self.shard.punts.limit = limit;
    }

    /// Frames that wait for a controller.
    #[must_use]
    pub fn held(&self) -> usize {
        self.shard.punts.len()
    }

    /// Does with the frames of a request what a controller answers, in the order of their arrival;
    /// answers how many there were.
    pub fn answer<D, T: Trace<P>>(
        &mut self,
        request: u64,
        answer: &Answer<P::Reason>,
        now: u64,
        platform: &mut D,
        trace: &mut T,
    ) -> usize
    where
        D: Platform<Buffer = B>,
    {
        self.shard.pipeline.burst();
        let count = self.shard.answer(request, answer, now, platform, trace);
        self.readers.quiescent(self.core);
        count
    }

    /// Ends the frames of requests that no controller answered in time.
    pub fn expire_punts<D, T: Trace<P>>(&mut self, now: u64, platform: &mut D, trace: &mut T)
    where
        D: Platform<Buffer = B>,
    {
        self.shard.expire_punts(now, platform, trace);
    }

    /// Sends a controller's frame as if it came from `ingress`, with this header change: neither
    /// flows nor policy are asked.
    pub fn emit<D, T: Trace<P>>(
        &mut self,
        buffer: B,
        ingress: PortId,
        out: (&Rewrite, Egress),
        now: u64,
        platform: &mut D,
        trace: &mut T,
    ) where
        D: Platform<Buffer = B>,
    {
        self.shard.pipeline.burst();
        self.shard.emit(buffer, ingress, out, now, platform, trace);
        self.readers.quiescent(self.core);
    }

    /// Frames that wait for their port.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shard.queue.len()
    }

    /// Receives at most a burst from `port`, processes it and sends what the ports take; answers
    /// how many frames came in.
    pub fn poll<D: Platform<Buffer = B>, T: Trace<P>>(
        &mut self,
        port: PortId,
        platform: &mut D,
        trace: &mut T,
    ) -> usize {
        self.flush(platform);
        let mut burst = Burst::new();
        let received = platform.receive(port, &mut burst, BURST.min(self.room()));
        let now = platform.clock().now();
        self.process(&mut burst, now, platform, trace);
        // Only of a port that gave more than it was asked for.
        while let Some(buffer) = burst.pop() {
            platform.recycle(buffer);
        }
        self.flush(platform);
        received
    }

    /// Processes the frames of `burst`, oldest first, at time `now` (ns, monotonic); frames that
    /// leave wait in the queue until [`flush`](Self::flush). Frames beyond the queue's free places
    /// stay in `burst`.
    pub fn process<D, T: Trace<P>>(
        &mut self,
        burst: &mut Burst<B>,
        now: u64,
        platform: &mut D,
        trace: &mut T,
    ) where
        D: Platform<Buffer = B>,
    {
        let hints = platform.hints();
        let count = burst.len().min(self.shard.queue.room());
        self.shard.pipeline.burst();
        let lanes = self.lanes.get_mut(..count).unwrap_or_default();
        for (lane, buffer) in lanes.iter_mut().zip(burst.iter()) {
            let ingress = buffer.metadata().port;
            self.shard.enter(buffer, lane, (ingress, 0), now, trace);
        }
        for lane in lanes.iter_mut() {
            self.shard.seek(lane, &hints);
        }
        self.shard.flows.candidates(lanes, &hints);
        let mut buffers = burst.drain(count);
        for lane in lanes {
            let Some(buffer) = buffers.next() else { break };
            self.shard.run(buffer, lane, now, platform, trace);
        }
        self.readers.quiescent(self.core);
    }

    /// Lets a frame in at `ingress` and stage `entry`: a controller's frame, or a released punt.
    /// It is processed at once, with the places that the transmit queue has.
    pub fn submit<D, T: Trace<P>>(
        &mut self,
        buffer: B,
        ingress: PortId,
        entry: u8,
        now: u64,
        platform: &mut D,
        trace: &mut T,
    ) where
        D: Platform<Buffer = B>,
    {
        self.shard.pipeline.burst();
        let mut lane = Lane::EMPTY;
        let hints = platform.hints();
        self.shard.enter_alone(&buffer, &mut lane, (ingress, entry), now, &hints, trace);
        self.shard.run_alone(buffer, &mut lane, now, platform, trace);
        self.readers.quiescent(self.core);
    }

    /// Sends what waits, in order for each port; what a port does not take goes on waiting.
    pub fn flush<D: Ports<Buffer = B>>(&mut self, ports: &mut D) {
        self.shard.queue.flush(ports);
    }

    /// Looks at flows whose time has come, at most `budget` of them, and removes those that are over
    /// at `now`; then at the next `budget` flows of the table, unless it has seen all of them under
    /// the policy that is there, and removes those whose policy is gone. Hardware, if there is any,
    /// has it look on and on: what it forwarded of these flows is counted; those that it may have
    /// are offered, others taken back. When the budget is the table's capacity, no frame is
    /// forwarded by an older policy afterwards.
    pub fn tick<H: Hints>(&mut self, now: u64, budget: usize, hints: &H) {
        let Shard { pipeline, flows, offload, events, .. } = &mut self.shard;
        let mut outside = Surroundings { pipeline, offload, events };
        // Before any of the epochs that the sweep is shown.
        let version = outside.pipeline.version();
        let epoch = |outside: &Surroundings<'_, P, O, E>, key: &P::Key| outside.pipeline.epoch(key);
        flows.expire(now, budget, epoch, hints, &mut outside);
        flows.sweep(now, budget, (version, epoch), hints, &mut outside);
    }

    /// Frames that a burst may have now.
    fn room(&self) -> usize {
        self.shard.queue.room().min(BURST)
    }
}
