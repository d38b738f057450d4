//! Time.

/// A monotonic clock.
pub trait Clock {
    /// Nanoseconds since an arbitrary start. Two calls never step back, on any core that shares
    /// flows or policy; 584 years pass before it wraps (a hardware counter of fewer bits is extended
    /// by the port). It advances without being read. The resolution is the port's: time-outs
    /// are never earlier than asked, and as late as one step of the clock.
    fn now(&self) -> u64;
}
