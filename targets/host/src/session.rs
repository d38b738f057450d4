//! The engine over captures: one frame after the other, at the frame's own time.

use std::{collections::TryReserveError, sync::atomic::AtomicU32};

use dash_core::{
    engine::Engine,
    flow::{Flow, FlowSettings, FlowTable},
    pipeline::{
        Trace,
        vnet::{
            EniCounters, FlowKey, FlowState, Vnet,
            policy::{Capacity, EniId, PolicyWriter},
        },
    },
    rewrite::NextHop,
    table::{
        cuckoo::{Bucket, Slot},
        quiescence::Readers,
    },
};
use dash_hal::{
    Burst, Clock, Entropy, Platform, PortId, ReceiveFlags, ReceiveMetadata, SoftwareHints,
};

use crate::{
    capture::Record,
    cli::InputArgs,
    config::{apply::apply, image::Image},
    error::Error,
    plan::Plan,
    platform::{HostBuffer, HostPlatform, NEXT_HOPS},
    report::{Count, EniCounts, Statistics, drop_counts},
    schedule::Schedule,
};

/// Flows that the ageing sweep looks at for each frame.
const SWEEP: usize = 4;

/// The memory of policy, flows and counters.
#[derive(Debug)]
pub struct Storage {
    capacity: Capacity,
    words: Vec<AtomicU32>,
    buckets: Vec<Bucket>,
    slots: Vec<Slot<FlowKey, Flow<FlowState>>>,
    next_hops: Vec<NextHop>,
    enis: Vec<EniCounters>,
}

impl Storage {
    /// What `plan` and `flows` flows need.
    ///
    /// # Errors
    /// There is no memory for so many flows.
    pub fn new(plan: &Plan, flows: u32) -> Result<Self, Error> {
        let count = flows as usize;
        let buckets = FlowTable::<FlowKey, FlowState>::buckets_for(count);
        let filled = || {
            Ok::<_, TryReserveError>((
                filled(Bucket::EMPTY, buckets)?,
                filled(Slot::empty(Flow::EMPTY), count)?,
            ))
        };
        let (buckets, slots) =
            filled().map_err(|_| Error::Input(format!("there is no memory for {flows} flows")))?;
        Ok(Self {
            capacity: plan.capacity,
            words: (0..plan.capacity.words()).map(|_| AtomicU32::new(0)).collect(),
            buckets,
            slots,
            next_hops: vec![NextHop::FREE; NEXT_HOPS],
            enis: vec![EniCounters::ZERO; plan.names.enis.len()],
        })
    }
}

/// `count` times `value`, without an abort when memory does not suffice.
fn filled<T: Clone>(value: T, count: usize) -> Result<Vec<T>, TryReserveError> {
    let mut vector = Vec::new();
    vector.try_reserve_exact(count)?;
    vector.resize(count, value);
    Ok(vector)
}

/// The engine, its policy and what is still to be applied to it.
pub struct Session<'a> {
    engine: Engine<'a, Vnet<'a>, HostBuffer>,
    writer: PolicyWriter<'a>,
    platform: HostPlatform,
    current: Image,
    schedule: Schedule,
}

impl<'a> Session<'a> {
    /// An engine with the plan's first configuration.
    ///
    /// # Errors
    /// The library refuses the storage or the configuration.
    pub fn new(
        storage: &'a mut Storage,
        first: Image,
        later: Vec<(u64, Image)>,
        input: &InputArgs,
    ) -> Result<Self, Error> {
        let mut platform = HostPlatform::new(input.mtu());
        // Policy changes between frames, when nothing reads it.
        let readers = Readers::new(&[]);
        let seed = platform.entropy().seed();
        let mut writer = PolicyWriter::new(&storage.words, &storage.capacity, seed, readers)
            .map_err(|error| Error::Input(format!("the configuration is too large: {error:?}")))?;
        let seed = platform.entropy().seed();
        let mut flows =
            FlowTable::new(&mut storage.buckets, &mut storage.slots, &mut storage.next_hops, seed)
                .map_err(|error| Error::Input(format!("{} flows: {error:?}", input.flows())))?;
        flows.set(FlowSettings { when_full: input.when_full, ..*flows.settings() });
        let pipeline = Vnet::new(writer.policy(), &mut storage.enis, input.settings());
        let engine = Engine::new(pipeline, flows, readers, 0);
        apply(&mut writer, &Image::default(), &first)?;
        Ok(Self { engine, writer, platform, current: first, schedule: Schedule::new(later) })
    }

    /// Takes one frame to its end, after the changes that are due before it; answers what left.
    ///
    /// # Errors
    /// The data plane refuses a change.
    pub fn process<T: Trace<Vnet<'a>>>(
        &mut self,
        port: PortId,
        record: &Record,
        trace: &mut T,
    ) -> Result<impl Iterator<Item = (PortId, HostBuffer)>, Error> {
        self.platform.clock().advance(record.time);
        let now = self.platform.clock().now();
        while let Some(after) = self.schedule.due(now) {
            apply(&mut self.writer, &self.current, &after)?;
            self.current = after;
            // An ENI that is gone takes its flows along, and counts in no report.
            self.engine.tick(now, self.engine.flows().capacity(), &SoftwareHints);
        }
        let mut flags = ReceiveFlags::empty();
        flags.set(ReceiveFlags::TRUNCATED, record.truncated);
        let metadata = ReceiveMetadata { port, flags, ..ReceiveMetadata::NONE };
        let mut burst = Burst::new();
        // An empty burst has a place.
        let _ = burst.push(HostBuffer::grown(&record.bytes, 0, metadata));
        self.engine.process(&mut burst, now, &mut self.platform, trace);
        self.engine.flush(&mut self.platform);
        self.engine.tick(now, SWEEP, &SoftwareHints);
        Ok(self.platform.take_sent())
    }

    /// What was counted so far, for the ENIs of `plan`.
    #[must_use]
    pub fn statistics(&self, plan: &Plan) -> Statistics {
        let pipeline = self.engine.pipeline();
        let numbers = 0..plan.names.enis.len();
        let enis = numbers.map_while(|number| pipeline.eni_counters(EniId(number as u16)));
        let flows = self.engine.flows().live(self.platform.clock().now());
        Statistics {
            drops: drop_counts(pipeline.drops()),
            enis: enis.map(EniCounts::from).collect(),
            flows: flows
                .map(|(key, flow)| (*key, Count { packets: flow.packets, bytes: flow.bytes }))
                .collect(),
        }
    }
}
