//! Runs the conformance suite of `dash-hal` on the machine's own ports.
//!
//! Data ports 0 and 1 are wired together: what one sends, the other one receives, in order and
//! without loss. QEMU does that with a pair of datagram sockets; the tests of `dash-runner` say how.

use dash_hal::{
    EventSink, EventsLost, PortId,
    conformance::{Bench, Case, Link, Report, Setup},
};
use dash_protocol::{ClockMode, DATA_PORTS};

use crate::{
    devices::Devices,
    event::{EventQueue, Exit},
    machine::Machine,
    platform::FirmwarePlatform,
    pool::SlotPool,
    ring::RING,
    seeds::Seeds,
    storage::{FRAMES, STORE},
};

/// Both directions of the wire.
const LINKS: [Link; 2] = [Link::new(PortId(0), PortId(1)), Link::new(PortId(1), PortId(0))];

/// A frame that is not back by then is lost, on a machine that shares its host's cores.
const PATIENCE: u64 = 5_000_000_000;

/// What `dash run` takes for the MTU, unless it is told.
const MTU: u16 = 9100;

/// Places of the queue of events.
const EVENTS: usize = 16;

struct Wired<M: Machine> {
    platform: FirmwarePlatform<M>,
    events: EventQueue<u32, EVENTS>,
}

impl<M: Machine> Bench for Wired<M> {
    type Platform = FirmwarePlatform<M>;

    fn platform(&mut self) -> &mut FirmwarePlatform<M> {
        &mut self.platform
    }

    /// The device drops nothing: it holds a frame back until there is a buffer for it.
    fn dropped(&mut self) -> u64 {
        let ports = 0..=DATA_PORTS as u16;
        ports.map(|port| self.platform.counters(PortId(port)).dropped).sum()
    }

    fn emit(&mut self, number: u32) -> Option<Result<(), EventsLost>> {
        Some(self.events.emit(number))
    }

    fn event(&mut self) -> Option<u32> {
        self.events.take()
    }
}

/// Runs the suite, in live use, and hands its findings to `log`.
///
/// # Safety
/// As of [`run`](crate::run).
pub unsafe fn conform<M: Machine>(log: fn(&Report)) -> Exit {
    // SAFETY: The caller promises that there is no other call.
    let devices = unsafe { Devices::find::<M>() };
    let seeds = devices.seeds.unwrap_or(Seeds::fixed([0; 2]));
    let pool = SlotPool::new(FRAMES.take());
    let platform = FirmwarePlatform::new(devices.ports, pool, ClockMode::Live, MTU, seeds);
    let mut bench = Wired::<M> { platform, events: EventQueue::new() };
    let setup = Setup { links: &LINKS, ring: RING, patience: PATIENCE, polls: u32::MAX };
    let report = dash_hal::conformance::run(&mut bench, &setup, STORE.take());
    log(&report);
    // The ports offer everything that the suite asks for.
    let complete = report.ran() == Case::ALL.len();
    if report.is_conforming() && complete { Exit::Stopped } else { Exit::NotConforming }
}
