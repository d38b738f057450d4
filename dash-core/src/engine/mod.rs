//! The loop: burst in, key, flow look-up, slow path on a miss, rewrite, burst out.
//!
//! | bound | value | why |
//! |---|---|---|
//! | frames in a burst | [`BURST`] | see there |
//! | re-entries of one frame | [`REENTRIES`] | services need one; OVS allows 64 |
//! | frames that wait for a port | `QUEUE` | receive takes no more than it has places |
//! | frames that wait for a controller | `PUNTS` | a full queue drops and counts |
//!
//! A burst is only a way to go faster: the keys of all its frames are made and looked up together,
//! then each frame goes on in its order. Once a frame has changed the flow table, those behind it
//! in the burst are looked up again.

mod shard;
mod transmit;

use dash_hal::{BURST, Burst, Clock, Hints, PacketBuffer, Platform, PortId, Ports};
use heapless::Deque;

use self::{
    shard::{Lane, Shard, split},
    transmit::TransmitQueue,
};
use crate::{
    flow::FlowTable,
    packet::Packet,
    pipeline::{Pipeline, Trace},
    table::{cuckoo::Handle, quiescence::Readers},
};

/// Times that one frame may enter the pipeline again.
pub const REENTRIES: usize = 4;

/// A frame that waits for a controller.
#[derive(Debug)]
pub struct Punt<B> {
    /// The frame, as the pipeline left it.
    pub packet: Packet<B>,
    /// Why, a number of the pipeline's.
    pub reason: u8,
}

/// One core's packet path over pipeline `P` and buffers `B`.
pub struct Engine<'a, P: Pipeline, B, const QUEUE: usize = 64, const PUNTS: usize = 32> {
    shard: Shard<'a, P, B, QUEUE, PUNTS>,
    readers: Readers<'a>,
    core: usize,
    lanes: [Option<Lane<P, B>>; BURST],
    keys: [Option<P::Key>; BURST],
    handles: [Option<Handle>; BURST],
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
        Self {
            shard: Shard { pipeline, flows, queue: TransmitQueue::new(), punts: Deque::new() },
            readers,
            core,
            lanes: [const { None }; BURST],
            keys: [None; BURST],
            handles: [None; BURST],
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

    /// The flows, to be changed from outside.
    pub const fn flows_mut(&mut self) -> &mut FlowTable<'a, P::Key, P::State> {
        &mut self.shard.flows
    }

    /// Takes the oldest frame that waits for a controller.
    pub fn take_punt(&mut self) -> Option<Punt<B>> {
        self.shard.punts.pop_front()
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
        self.shard.pipeline.burst();
        let mut count = 0;
        let places = self.lanes.iter_mut().zip(&mut self.keys).take(self.shard.queue.room());
        for (lane, key) in places {
            let Some(buffer) = burst.pop() else { break };
            let ingress = buffer.metadata().port;
            let lane = lane.insert(Lane { packet: Packet::new(buffer, ingress, 0), path: None });
            (*key, lane.path) = split(&self.shard.pipeline.key(&mut lane.packet, now, trace));
            count += 1;
        }
        if let (Some(keys), Some(handles)) = (self.keys.get(..count), self.handles.get_mut(..count))
        {
            self.shard.flows.find_burst(keys, handles, &hints);
        }
        let changes = self.shard.flows.changes();
        let frames = self.lanes.iter_mut().zip(&mut self.keys).zip(&self.handles).take(count);
        for ((place, key), handle) in frames {
            let Some(lane) = place else { continue };
            let handle = match key {
                Some(key) if self.shard.flows.changes() != changes => {
                    self.shard.flows.find(key, &hints)
                }
                _ => *handle,
            };
            let (context, fate) = self.shard.run(lane, key, handle, now, platform, trace);
            if let Some(Lane { packet, .. }) = place.take() {
                self.shard.end(packet, context, fate, platform, trace);
            }
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
        let mut packet = Packet::new(buffer, ingress, entry);
        let (mut key, path) = split(&self.shard.pipeline.key(&mut packet, now, trace));
        let hints = platform.hints();
        let handle = key.as_ref().and_then(|key| self.shard.flows.find(key, &hints));
        let mut lane = Lane { packet, path };
        let (context, fate) = self.shard.run(&mut lane, &mut key, handle, now, platform, trace);
        self.shard.end(lane.packet, context, fate, platform, trace);
        self.readers.quiescent(self.core);
    }

    /// Sends what waits, in order for each port; what a port does not take goes on waiting.
    pub fn flush<D: Ports<Buffer = B>>(&mut self, ports: &mut D) {
        self.shard.queue.flush(ports);
    }

    /// Looks at the next `budget` flows and removes those that are over at `now`.
    pub fn tick<H: Hints>(&mut self, now: u64, budget: usize, hints: &H) {
        let pipeline = &self.shard.pipeline;
        self.shard.flows.sweep(now, budget, |key| pipeline.epoch(key), hints);
    }

    /// Frames that a burst may have now.
    fn room(&self) -> usize {
        self.shard.queue.room().min(BURST)
    }
}
