//! Frames and bytes, as counters of a core.

/// Frames and their bytes as received, without FCS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Frames.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Traffic {
    /// Nothing counted, for static storage.
    pub const ZERO: Self = Self { packets: 0, bytes: 0 };

    pub(super) const fn add(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }
}
