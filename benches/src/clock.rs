//! CPU time of the measuring thread: time in which the kernel ran something else does not count.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time that this thread has used.
///
/// One call is a system call of some 100 ns; a measured batch has thousands of frames.
#[must_use]
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// Adds up the CPU time between [`start`](Self::start) and [`stop`](Self::stop).
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuTime {
    total: Duration,
    since: Option<Duration>,
}

impl CpuTime {
    /// Lets the clock run.
    pub fn start(&mut self) {
        self.since = Some(cpu_time());
    }

    /// Halts the clock.
    pub fn stop(&mut self) {
        if let Some(since) = self.since.take() {
            self.total += cpu_time().saturating_sub(since);
        }
    }

    /// Time that it has run.
    #[must_use]
    pub const fn total(&self) -> Duration {
        self.total
    }
}
