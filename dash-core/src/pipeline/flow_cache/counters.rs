//! Counters of one core: plain u64, written by this core alone.

use super::{DropReason, Note};
use crate::pipeline::Traffic;

/// What became of frames that were sent on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Directions {
    /// From the data centre to a server.
    pub to_server: Traffic,
    /// From a server to the tunnel router.
    pub to_router: Traffic,
    /// From the tunnel router to the data centre.
    pub from_router: Traffic,
    /// From a server to the data centre, by a way that was learnt.
    pub direct: Traffic,
}

/// All counters of a core. Of flows that went, those of the
/// [flow table](crate::flow::FlowCounters) tell.
#[derive(Clone, Copy, Debug)]
pub struct Counters {
    drops: [u64; DropReason::COUNT],
    notes: [u64; Note::COUNT],
    pub(super) directions: Directions,
    pub(super) hits: u64,
    pub(super) misses: u64,
    pub(super) learns: u64,
}

impl Counters {
    pub(super) const ZERO: Self = Self {
        drops: [0; DropReason::COUNT],
        notes: [0; Note::COUNT],
        directions: Directions {
            to_server: Traffic::ZERO,
            to_router: Traffic::ZERO,
            from_router: Traffic::ZERO,
            direct: Traffic::ZERO,
        },
        hits: 0,
        misses: 0,
        learns: 0,
    };

    /// Frames dropped for `reason`.
    #[must_use]
    pub fn drops(&self, reason: DropReason) -> u64 {
        self.drops.get(reason as usize).copied().unwrap_or(0)
    }

    /// How often something was noted.
    #[must_use]
    pub fn notes(&self, note: Note) -> u64 {
        self.notes.get(note as usize).copied().unwrap_or(0)
    }

    /// Frames that were sent on, and their bytes as received.
    #[must_use]
    pub const fn directions(&self) -> &Directions {
        &self.directions
    }

    /// Frames whose flow was there.
    #[must_use]
    pub const fn hits(&self) -> u64 {
        self.hits
    }

    /// Frames whose flow was not there.
    #[must_use]
    pub const fn misses(&self) -> u64 {
        self.misses
    }

    /// Ways that were learnt and kept; with `relearn` changes of them too.
    #[must_use]
    pub const fn learns(&self) -> u64 {
        self.learns
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
