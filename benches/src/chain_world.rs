//! An engine over service chains: a host with two applications, and a chain of three functions in
//! front of the second; a third application is on another host.

use std::{sync::atomic::AtomicU32, time::Duration};

use dash_core::{
    engine::Engine,
    flow::{Flow, FlowTable},
    pipeline::chain::{
        Chain, Counters, FREE, FlowKey, FlowState, Learned, Settings, Traffic, policy::PolicyWriter,
    },
    rewrite::NextHop,
    table::{
        cuckoo::{Bucket, Slot},
        quiescence::Readers,
    },
};
use dash_hal::{BURST, PortId};
use dash_proofs::{CHAIN_CAPACITY, Hop, UNDERLAY, write_chains};

use crate::{
    clock::CpuTime,
    device::{Device, NEXT_HOPS, Prefetch, RING},
    frame::Buffer,
};

type Flows = FlowTable<'static, FlowKey, FlowState>;

/// Engine, flow table and port. Storage lives as long as the process.
pub struct ChainWorld {
    engine: Engine<'static, Chain<'static>, Buffer>,
    device: Device<Prefetch>,
}

impl ChainWorld {
    /// A table of `entries` flows.
    ///
    /// # Panics
    /// When a table refuses what it was sized for.
    #[must_use]
    pub fn new(entries: usize) -> Self {
        let words: Vec<_> = (0..CHAIN_CAPACITY.words()).map(|_| AtomicU32::new(0)).collect();
        let readers = Readers::new(vec![AtomicU32::new(0)].leak());
        let mut policy = PolicyWriter::new(words.leak(), &CHAIN_CAPACITY, [1, 2], readers)
            .expect("storage is as asked for");
        write_chains(&mut policy).expect("the policy fits its capacity");
        let buckets = vec![Bucket::EMPTY; Flows::buckets_for(entries)].leak();
        let slots = vec![Slot::empty(Flow::EMPTY); entries].leak();
        let next_hops = vec![NextHop::FREE; NEXT_HOPS].leak();
        let flows = Flows::new(buckets, slots, next_hops, [3, 4]).expect("storage is as asked for");
        let buckets = vec![Bucket::EMPTY; Learned::buckets_for(1)].leak();
        let learned = Learned::new(buckets, vec![FREE; 1].leak(), [5, 6]);
        let learned = learned.expect("storage is as asked for");
        let longest = CHAIN_CAPACITY.chain_length;
        let rules = Counters::rules_for(CHAIN_CAPACITY.chains, longest);
        let counters = Counters::new(vec![Traffic::ZERO; rules].leak(), longest);
        let settings = Settings { underlay: UNDERLAY, idle_timeout: 0 };
        let pipeline = Chain::new(policy.policy(), learned, counters, settings);
        let engine = Engine::new(pipeline, flows, readers, 0);
        Self { engine, device: Device::new(Prefetch) }
    }

    /// The flow table.
    #[must_use]
    pub const fn flows(&self) -> &Flows {
        self.engine.flows()
    }

    /// Times that the slow path was asked.
    #[must_use]
    pub const fn slow(&self) -> u64 {
        self.engine.pipeline().counters().stages().slow
    }

    /// What is measured: takes all frames that have arrived from receive to transmit.
    #[inline(never)]
    fn process(&mut self) {
        for _ in 0..self.device.waiting().div_ceil(BURST) {
            self.engine.poll(PortId(0), &mut self.device, &mut ());
        }
    }

    /// CPU time of `frames` frames at a hop, whose flows `flow` names.
    ///
    /// # Panics
    /// When a frame was not sent.
    pub fn measure(&mut self, hop: Hop, frames: u64, mut flow: impl FnMut() -> u32) -> Duration {
        let mut clock = CpuTime::default();
        let mut left = frames;
        while left > 0 {
            let count = left.min(RING as u64);
            self.device.arrive_at((0..count).map(|_| hop.frame(flow())));
            clock.start();
            self.process();
            clock.stop();
            assert_eq!(self.device.sent().len() as u64, count, "every frame is sent");
            self.device.reclaim();
            left -= count;
        }
        clock.total()
    }

    /// Lets the flows 0 to `flows - 1` of a hop begin.
    pub fn install(&mut self, hop: Hop, flows: u32) {
        let mut next = 0..flows;
        self.measure(hop, flows.into(), || next.next().unwrap_or(0));
    }

    /// Removes all flows.
    pub fn forget(&mut self) {
        for index in 0..self.flows().capacity() {
            if let Some(handle) = self.flows().at(index) {
                self.engine.remove(handle, 0, &Prefetch);
            }
        }
    }
}
