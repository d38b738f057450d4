//! The clock: a timer of 32 bits, extended to 64.

use core::cell::Cell;

use dash_hal::Clock;
use safe_mmio::SharedMmioPointer;

use crate::device::Timer;

/// Nanoseconds for each step of the timer. With a rate that is no divisor of 10⁹, multiply in
/// 128 bits or by a fixed-point factor: an error of the rate moves time-outs, a step back breaks
/// them.
const STEP: u64 = 1_000;

/// Reads the timer. It must be read once in each turn of its 32 bits, 71 minutes here; an engine
/// that polls does.
#[derive(Debug)]
pub struct TimerClock {
    timer: SharedMmioPointer<'static, Timer>,
    last: Cell<u32>,
    /// Steps of the turns that are over.
    turns: Cell<u64>,
}

impl TimerClock {
    pub(crate) const fn new(timer: SharedMmioPointer<'static, Timer>) -> Self {
        Self { timer, last: Cell::new(0), turns: Cell::new(0) }
    }
}

impl Clock for TimerClock {
    fn now(&self) -> u64 {
        let steps = self.timer.read();
        if steps < self.last.replace(steps) {
            self.turns.set(self.turns.get() + (1 << 32));
        }
        (self.turns.get() + u64::from(steps)) * STEP
    }
}
