//! Frames that come in at the data ports, taken to their end.
//!
//! In capture time each frame is processed by itself, at its own time, as `dash run` does: flow
//! time-outs and changes of policy meet the same frames. In live use frames come in bursts.

use dash_core::{engine::Engine, pipeline::Pipeline};
use dash_hal::{BURST, Burst, Clock, Platform, PortId, Ports};
use dash_protocol::{Answer, ClockMode, DATA_PORTS, PortProgress};

use crate::{
    buffer::FrameBuffer,
    event::Event,
    machine::Machine,
    platform::{FirmwarePlatform, PortCounters, QUEUE},
};

/// Flows that the ageing sweep looks at for each frame.
const SWEEP: usize = 4;

/// What was taken in.
pub(crate) struct Intake {
    mode: ClockMode,
    /// Frames taken from each port.
    taken: [u64; DATA_PORTS],
    /// Of them, those that led to nothing which still waits in the engine.
    done: [u64; DATA_PORTS],
}

impl Intake {
    pub(crate) const fn new(mode: ClockMode) -> Self {
        Self { mode, taken: [0; DATA_PORTS], done: [0; DATA_PORTS] }
    }

    /// Takes what has come in at each port, at most a burst, to its end.
    pub(crate) fn step<P: Pipeline, M: Machine>(
        &mut self,
        engine: &mut Engine<'_, P, FrameBuffer, QUEUE>,
        platform: &mut FirmwarePlatform<M>,
    ) {
        for (number, taken) in (0..).zip(&mut self.taken) {
            let received = match self.mode {
                ClockMode::Live => burst(engine, platform, PortId(number)),
                ClockMode::Capture => one_by_one(engine, platform, PortId(number)),
            };
            *taken += received as u64;
        }
        if engine.waiting() == 0 {
            self.done = self.taken;
        }
    }

    /// How far each port is.
    pub(crate) fn progress<M: Machine>(&self, platform: &FirmwarePlatform<M>) -> Answer {
        let mut ports = [PortProgress::default(); DATA_PORTS];
        for ((number, port), done) in (0..).zip(&mut ports).zip(&self.done) {
            *port = PortProgress { received: *done, sent: platform.counters(PortId(number)).sent };
        }
        Answer::Progress(ports)
    }

    /// Tells `log` what passed.
    pub(crate) fn tell<M: Machine>(&self, platform: &FirmwarePlatform<M>, log: fn(Event)) {
        for (number, received) in (0..).zip(self.taken) {
            let PortCounters { sent, dropped } = platform.counters(PortId(number.into()));
            if received + sent + dropped > 0 {
                log(Event::Passed { port: number, received, sent, dropped });
            }
        }
    }
}

fn burst<P: Pipeline, M: Machine>(
    engine: &mut Engine<'_, P, FrameBuffer, QUEUE>,
    platform: &mut FirmwarePlatform<M>,
    port: PortId,
) -> usize {
    let received = engine.poll(port, platform, &mut ());
    // Flows age also while no frames come.
    let budget = SWEEP * received.max(1);
    engine.tick(platform.clock().now(), budget, &platform.hints());
    received
}

fn one_by_one<P: Pipeline, M: Machine>(
    engine: &mut Engine<'_, P, FrameBuffer, QUEUE>,
    platform: &mut FirmwarePlatform<M>,
    port: PortId,
) -> usize {
    let room = QUEUE.saturating_sub(engine.waiting());
    let mut frames = Burst::new();
    let received = platform.receive(port, &mut frames, room.min(BURST));
    while let Some(frame) = frames.pop() {
        platform.clock().advance(frame.time());
        let now = platform.clock().now();
        let mut burst = Burst::new();
        // An empty burst has a place, and the engine's queue has one for the frame.
        let _ = burst.push(frame);
        engine.process(&mut burst, now, platform, &mut ());
        engine.tick(now, SWEEP, &platform.hints());
    }
    engine.flush(platform);
    received
}

/// Sends what waits; answers whether all of it has left the machine.
pub(crate) fn drain<P: Pipeline, M: Machine>(
    engine: &mut Engine<'_, P, FrameBuffer, QUEUE>,
    platform: &mut FirmwarePlatform<M>,
) -> bool {
    engine.flush(platform);
    engine.waiting() == 0 && platform.is_drained()
}
