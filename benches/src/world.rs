//! An engine with its policy, its flow table and its port.

use std::{sync::atomic::AtomicU32, time::Duration};

use dash_core::{
    engine::Engine,
    flow::{Flow, FlowTable},
    pipeline::vnet::{EniCounters, FlowKey, FlowState, Settings, Vnet},
    rewrite::NextHop,
    table::{
        cuckoo::{Bucket, Slot},
        quiescence::Readers,
    },
};
use dash_hal::{BURST, Clock, Hints, Platform, PortId};
use smoltcp::wire::Ipv4Address;

use crate::{
    clock::CpuTime,
    device::{Device, NEXT_HOPS, RING},
    frame::{Buffer, FlowFields},
    policy::{DESTINATIONS, ENIS, Shape, build},
};

type Flows = FlowTable<'static, FlowKey, FlowState>;

/// Entries of a table that `pairs` pairs of flows fill to 90 %.
#[must_use]
pub const fn entries_at_90_percent(pairs: usize) -> usize {
    (2 * pairs).div_ceil(9) * 10
}

/// An engine with its policy, its flow table and its port. Storage lives as long as the process.
pub struct World<H: Hints + Copy> {
    pub(crate) engine: Engine<'static, Vnet<'static>, Buffer>,
    pub(crate) device: Device<H>,
    pub(crate) destinations: Vec<Ipv4Address>,
}

impl<H: Hints + Copy> World<H> {
    /// A policy of `shape`, and a table of `entries` flows.
    ///
    /// # Panics
    /// When a table refuses what it was sized for.
    #[must_use]
    pub fn new(shape: Shape, entries: usize, hints: H) -> Self {
        let buckets = vec![Bucket::EMPTY; Flows::buckets_for(entries)].leak();
        let slots = vec![Slot::empty(Flow::EMPTY); entries].leak();
        Self::over(shape, (buckets, slots), hints)
    }

    /// The same, with a table in this memory.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    #[must_use]
    pub fn over(
        shape: Shape,
        (buckets, slots): (&'static mut [Bucket], &'static mut [Slot<FlowKey, Flow<FlowState>>]),
        hints: H,
    ) -> Self {
        let world = build(shape).expect("the policy fits its capacity");
        let next_hops = vec![NextHop::FREE; NEXT_HOPS].leak();
        let flows = Flows::new(buckets, slots, next_hops, [1, 2]).expect("storage is as asked for");
        let counters = vec![EniCounters::ZERO; ENIS.into()].leak();
        let pipeline = Vnet::new(world.policy, counters, Settings::default());
        let readers = Readers::new(vec![AtomicU32::new(0)].leak());
        Self {
            engine: Engine::new(pipeline, flows, readers, 0),
            device: Device::new(hints),
            destinations: world.destinations,
        }
    }

    /// The flow table.
    #[must_use]
    pub const fn flows(&self) -> &Flows {
        self.engine.flows()
    }

    /// The port.
    #[must_use]
    pub const fn device(&self) -> &Device<H> {
        &self.device
    }

    /// Lets one frame of each of `flows` arrive, at most [`RING`].
    pub fn arrive(&mut self, flows: impl Iterator<Item = u64>) {
        let destinations = &self.destinations;
        self.device.arrive(flows.map(|number| fields(number, None, destinations)));
    }

    /// What is measured: takes all frames that have arrived from receive to transmit.
    #[inline(never)]
    pub fn process(&mut self) {
        for _ in 0..self.device.waiting().div_ceil(BURST) {
            self.engine.poll(PortId(0), &mut self.device, &mut ());
        }
    }

    /// CPU time of [`process`](Self::process) for `frames` frames, whose flows `flow` names.
    ///
    /// # Panics
    /// When a frame was not sent.
    pub fn measure(&mut self, frames: u64, mut flow: impl FnMut() -> u64) -> Duration {
        let mut clock = CpuTime::default();
        let mut left = frames;
        while left > 0 {
            let count = left.min(RING as u64);
            self.arrive((0..count).map(|_| flow()));
            clock.start();
            self.process();
            clock.stop();
            assert_eq!(self.device.sent().len() as u64, count, "every frame is sent");
            self.device.reclaim();
            left -= count;
        }
        clock.total()
    }

    /// Lets `time` ns pass.
    pub fn pass(&mut self, time: u64) {
        let clock = self.device.clock();
        clock.set(clock.now() + time);
    }

    /// Lets `time` ns pass, and the engine look at `budget` flows.
    #[inline(never)]
    pub fn tick(&mut self, time: u64, budget: usize) {
        self.pass(time);
        let (now, hints) = (self.device.clock().now(), self.device.hints());
        self.engine.tick(now, budget, &hints);
    }

    /// Lets the flows 0 to `pairs - 1` begin; answers the CPU time.
    ///
    /// # Panics
    /// When a pair found no place.
    pub fn install(&mut self, pairs: u64) -> Duration {
        let mut next = 0..pairs;
        let time = self.measure(pairs, || next.next().unwrap_or(0));
        assert_eq!(self.flows().len() as u64, 2 * pairs, "every pair has its place");
        time
    }

    /// Removes all flows.
    pub fn forget(&mut self, hints: &H) {
        for index in 0..self.flows().capacity() {
            if let Some(handle) = self.flows().at(index) {
                self.engine.remove(handle, 0, hints);
            }
        }
    }
}

/// Added to a flow's number: the other half of its pair, to the VM.
pub const OTHER_HALF: u64 = 1 << BITS;
const BITS: u32 = 28;

/// Flow `number`: different numbers below 2²⁸ are different flows from VMs, neighbours have nothing
/// in common.
pub(crate) fn fields(number: u64, flags: Option<u8>, destinations: &[Ipv4Address]) -> FlowFields {
    // An odd factor (Knuth, vol. 3, 6.4) permutes the numbers below 2²⁸.
    let scattered = number.wrapping_mul(0x9e37_79b1) & ((1 << BITS) - 1);
    let index = scattered as usize % DESTINATIONS;
    let source_port = (scattered as usize / DESTINATIONS) as u16;
    let eni = (source_port % u16::from(ENIS)) as u8;
    let inbound = number & OTHER_HALF != 0;
    FlowFields { eni, destination: destinations[index], source_port, inbound, flags }
}

#[cfg(test)]
mod tests {
    use dash_hal::{PacketBuffer, SoftwareHints};

    use super::*;

    const SHAPE: Shape = Shape { rules: 10, routes: 10 };

    #[test]
    fn a_second_frame_hits_the_flow_of_the_first_and_leaves_alike() {
        let mut world = World::new(SHAPE, 64, SoftwareHints);
        world.arrive([7, 7].into_iter());
        world.process();
        let [first, second] = world.device().sent() else { panic!("two frames leave") };
        assert_eq!(first.bytes(), second.bytes());
        assert_eq!(first.bytes()[30..34], underlay_of_mapping(first.bytes()));
        assert_eq!(world.flows().len(), 2);
        assert!(world.flows().live(0).any(|(_, flow)| flow.packets == 2));
    }

    /// The underlay address that belongs to the customer's destination MAC.
    fn underlay_of_mapping(frame: &[u8]) -> [u8; 4] {
        [0x64, 0x40, frame[54], frame[55]]
    }

    #[test]
    fn flows_are_different_and_come_and_go() {
        let mut world = World::new(SHAPE, entries_at_90_percent(20_000), SoftwareHints);
        world.install(20_000);
        world.forget(&SoftwareHints);
        assert!(world.flows().is_empty());
        world.install(20_000);
    }

    #[test]
    fn connections_come_and_go_while_others_stay() {
        let mut world = World::new(SHAPE, entries_at_90_percent(80_000), SoftwareHints);
        world.linger_shortly();
        world.install(20_000);
        let mut next = 20_000;
        let (_, count) = world.connections(40 * 1365, || {
            next += 1;
            next
        });
        assert_eq!(count, 40 * 1365);
        // One slot of the wheel later all are gone but those that still linger.
        for _ in 0..100 {
            world.tick(10_000_000, 2048);
        }
        assert_eq!(world.flows().len(), 40_000);
        assert_eq!(world.flows().counters().closed, 2 * count);
        assert_eq!(world.device().recycled(), 0);
    }

    #[test]
    fn without_a_table_every_frame_passes_policy() {
        let mut world = World::new(SHAPE, 0, SoftwareHints);
        world.measure(100, || 7);
        assert!(world.flows().is_empty());
        assert_eq!(world.device().recycled(), 0);
    }
}
