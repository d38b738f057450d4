//! Counters of one core: plain u64, written by this core alone.

use super::{DropReason, Note};

/// All counters of a core.
#[derive(Clone, Debug)]
pub struct Counters {
    drops: [u64; DropReason::COUNT],
    notes: [u64; Note::COUNT],
    pub(super) slow: u64,
    pub(super) answered: u64,
    pub(super) punted: u64,
}

impl Counters {
    /// Nothing counted.
    pub const ZERO: Self = Self {
        drops: [0; DropReason::COUNT],
        notes: [0; Note::COUNT],
        slow: 0,
        answered: 0,
        punted: 0,
    };

    /// Frames, and copies of frames, dropped for `reason`.
    #[must_use]
    pub fn drops(&self, reason: DropReason) -> u64 {
        self.drops.get(reason as usize).copied().unwrap_or(0)
    }

    /// How often something was noted.
    #[must_use]
    pub fn notes(&self, note: Note) -> u64 {
        self.notes.get(note as usize).copied().unwrap_or(0)
    }

    /// Times that the slow path was asked.
    #[must_use]
    pub const fn slow(&self) -> u64 {
        self.slow
    }

    /// Frames that gateways answered: ARP, neighbour discovery, ICMP.
    #[must_use]
    pub const fn answered(&self) -> u64 {
        self.answered
    }

    /// Frames that waited for a controller.
    #[must_use]
    pub const fn punted(&self) -> u64 {
        self.punted
    }

    pub(super) fn drop(&mut self, reason: DropReason) {
        if let Some(count) = self.drops.get_mut(reason as usize) {
            *count += 1;
        }
    }

    pub(super) fn note(&mut self, note: Note) {
        if let Some(count) = self.notes.get_mut(note as usize) {
            *count += 1;
        }
    }
}
