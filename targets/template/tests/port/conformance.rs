//! The template keeps to the contract, over every kind of wire.

use dash_hal::{
    BURST, Burst, Clock, EventSink, EventsLost, PacketBuffer, Platform, Pool, PortId, Ports,
    conformance::{Bench, Buffer, Case, Link, Outcome, Report, Setup, run},
};
use dash_port_template::events::EventQueue;
use heapless::spsc::{Consumer, Queue};

use crate::model::{BLOCKS, Device, Overflow, Port, RING, start};

struct Cable<'q> {
    device: Device,
    /// The device runs beside the core: never still, it loses what finds no descriptor.
    busy: bool,
    port: Port,
    events: (EventQueue<'q, u32>, Consumer<'q, u32>),
}

impl Bench for Cable<'_> {
    type Platform = Port;

    fn platform(&mut self) -> &mut Port {
        if self.busy {
            self.device.turn(0);
        }
        &mut self.port
    }

    fn wait(&mut self) {
        self.device.turn(1);
    }

    fn dropped(&mut self) -> u64 {
        self.port.dropped()
    }

    fn emit(&mut self, number: u32) -> Option<Result<(), EventsLost>> {
        Some(self.events.0.emit(number))
    }

    fn event(&mut self) -> Option<u32> {
        self.events.1.dequeue()
    }
}

const CROSSED: [Link; 2] = [Link::new(PortId(0), PortId(1)), Link::new(PortId(1), PortId(0))];

fn check(links: &[Link], overflow: Overflow) -> Report {
    let (device, port) = start(links, overflow);
    let mut queue: Queue<u32, 8> = Queue::new();
    let (producer, consumer) = queue.split();
    let busy = overflow == Overflow::Miss;
    let mut bench = Cable { device, busy, port, events: (EventQueue(producer), consumer) };
    let setup = Setup { links, ring: RING, patience: 1_000_000, polls: 10_000 };
    let mut store: Vec<Option<Buffer<Cable<'_>>>> = (0..=BLOCKS).map(|_| None).collect();
    run(&mut bench, &setup, &mut store)
}

fn passed(report: &Report) -> usize {
    report.iter().filter(|(_, outcome)| *outcome == Outcome::Passed).count()
}

#[test]
#[cfg_attr(miri, ignore = "minutes")]
fn every_case_passes_with_a_cable_between_the_ports() {
    let report = check(&CROSSED, Overflow::Pause);
    assert_eq!(passed(&report), Case::ALL.len(), "{report}");
}

#[test]
#[cfg_attr(miri, ignore = "minutes")]
fn every_case_passes_with_both_ports_in_loop_back() {
    let looped = [Link::new(PortId(0), PortId(0)), Link::new(PortId(1), PortId(1))];
    let report = check(&looped, Overflow::Pause);
    assert_eq!(passed(&report), Case::ALL.len(), "{report}");
}

#[test]
#[cfg_attr(miri, ignore = "minutes")]
fn every_case_passes_on_a_device_that_is_never_still_and_counts_what_it_loses() {
    let report = check(&CROSSED, Overflow::Miss);
    assert_eq!(passed(&report), Case::ALL.len(), "{report}");
}

#[test]
fn a_frame_in_several_descriptors_is_dropped_and_counted_once() {
    let (mut device, mut port) = start(&CROSSED, Overflow::Pause);
    for length in [60, 5000, 61] {
        device.arrive(1, &vec![7; length]);
    }
    let mut burst = Burst::new();
    let mut received = Vec::new();
    while port.receive(PortId(1), &mut burst, BURST) > 0 {
        received.extend(std::iter::from_fn(|| burst.pop()));
    }
    let lengths: Vec<usize> = received.iter().map(|frame| frame.bytes().len()).collect();
    assert_eq!((lengths, port.dropped()), (vec![60, 61], 1));
    for frame in received {
        port.recycle(frame);
    }
    let free = std::iter::from_fn(|| port.empty()).count();
    assert_eq!(free, BLOCKS - 2 * RING, "all but those of the receive rings");
}

#[test]
fn the_clock_goes_on_when_the_timer_starts_anew() {
    let (mut device, port) = start(&CROSSED, Overflow::Pause);
    for _ in 0..5 {
        let before = port.clock().now();
        device.turn(1 << 30);
        assert_eq!(port.clock().now() - before, (1 << 30) * 1_000);
    }
}
