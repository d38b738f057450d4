//! The machine's time, or that of the frames.

use core::{cell::Cell, marker::PhantomData};

use dash_hal::Clock;
use dash_protocol::ClockMode;

use crate::machine::Machine;

/// The clock of the run.
pub struct FirmwareClock<M> {
    mode: ClockMode,
    latest: Cell<u64>,
    machine: PhantomData<M>,
}

impl<M> FirmwareClock<M> {
    /// A clock that, in capture time, stands at 0 until it is moved.
    pub(crate) const fn new(mode: ClockMode) -> Self {
        Self { mode, latest: Cell::new(0), machine: PhantomData }
    }

    /// Capture time is `time` now, or later if it was. The machine's clock is not moved.
    pub(crate) fn advance(&self, time: u64) {
        self.latest.set(self.latest.get().max(time));
    }
}

impl<M: Machine> Clock for FirmwareClock<M> {
    #[inline]
    fn now(&self) -> u64 {
        match self.mode {
            ClockMode::Capture => self.latest.get(),
            ClockMode::Live => M::now(),
        }
    }
}
