//! Connections from SYN to their last ACK, aged out while others live.

use std::time::Duration;

use dash_core::flow::{FlowSettings, tcp::TcpTimeouts};
use dash_hal::Hints;

use crate::{
    clock::CpuTime,
    device::RING,
    world::{OTHER_HALF, World, fields},
};

const SYN: u8 = 0x02;
const FIN: u8 = 0x01;
const ACK: u8 = 0x10;

/// The six packets of a connection: whose they are, and their flags.
const SEGMENTS: [(u64, u8); 6] = [
    (0, SYN),
    (OTHER_HALF, SYN | ACK),
    (0, ACK),
    (0, FIN | ACK),
    (OTHER_HALF, FIN | ACK),
    (0, ACK),
];
/// Connections that are open at a time: one packet of each after the other fills the ring.
const BATCH: u64 = (RING / SEGMENTS.len()) as u64;
/// Time that passes with a batch, ns. A slot of the wheel is 27 batches.
const PAUSE: u64 = 10_000_000;
/// A closed connection lingers for so many milliseconds, 10 batches: not longer, for the memory.
const CLOSED: u32 = 100;
/// Flows that the tick after a batch looks at: more than begin, so that it keeps pace.
const BUDGET: usize = 2048;

impl<H: Hints + Copy> World<H> {
    /// Lets closed connections end soon.
    pub fn linger_shortly(&mut self) {
        let tcp = TcpTimeouts { closed: CLOSED, ..TcpTimeouts::default() };
        self.engine.set_flows(FlowSettings { tcp, ..*self.flows().settings() });
    }

    /// CPU time of at least `count` connections, and how many they were: six packets each, a pair of
    /// flows installed, closed, and removed by the ticks in between.
    ///
    /// # Panics
    /// When a frame was not sent, or flows pile up.
    pub fn connections(&mut self, count: u64, mut number: impl FnMut() -> u64) -> (Duration, u64) {
        let mut clock = CpuTime::default();
        let batches = count.div_ceil(BATCH);
        for _ in 0..batches {
            let numbers: Vec<u64> = (0..BATCH).map(|_| number()).collect();
            let frames = SEGMENTS.iter().flat_map(|(half, flags)| {
                numbers.iter().map(move |number| (number | half, *flags))
            });
            let destinations = &self.destinations;
            self.device
                .arrive(frames.map(|(number, flags)| fields(number, Some(flags), destinations)));
            clock.start();
            self.process();
            self.tick(PAUSE, BUDGET);
            clock.stop();
            let sent = self.device.sent().len() as u64;
            assert_eq!(sent, SEGMENTS.len() as u64 * BATCH, "every frame is sent");
            self.device.reclaim();
        }
        assert_eq!(self.flows().counters().full, 0, "closed connections go");
        (clock.total(), batches * BATCH)
    }
}
