//! A flow that left the table: why, and what was counted on it.

use super::{Flow, FlowFlags};

/// Why a flow was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// No hit for longer than its idle time-out.
    Idle,
    /// Older than its hard time-out.
    Hard,
    /// TCP ended it, by FINs of both sides or a RST, and the time for late segments is over; or a
    /// new conversation began in its place.
    Closed,
    /// A new evaluation denies it.
    Denied,
    /// What it belonged to is gone, or its policy is older than half the range of epochs.
    Orphaned,
    /// Other flows took its place: a new evaluation asked for others, or a frame for its name.
    Superseded,
    /// Asked for.
    Deleted,
    /// The table was full, and a new flow was worth more.
    Evicted,
}

/// The event of a flow that left the table. Each half of a pair has its own, the half that was the
/// cause first. Times are those that the engine was given, ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowRemoved<K, S> {
    /// The bytes that named it.
    pub key: K,
    /// The pipeline's own, as it was last.
    pub state: S,
    /// Why.
    pub why: Removal,
    /// Whether its direction created the conversation, or it lived alone.
    pub creator: bool,
    /// Its frames, those that hardware forwarded included.
    pub packets: u64,
    /// Their bytes as received, without FCS.
    pub bytes: u64,
    /// When it was installed.
    pub created: u64,
    /// When its last frame came.
    pub used: u64,
    /// When it was removed.
    pub removed: u64,
}

impl<K: Copy, S: Copy> FlowRemoved<K, S> {
    pub(super) const fn new(key: &K, flow: &Flow<S>, why: Removal, now: u64) -> Self {
        Self {
            key: *key,
            why,
            creator: flow.flags.contains(FlowFlags::CREATOR),
            packets: flow.packets,
            bytes: flow.bytes,
            created: flow.created,
            used: flow.used,
            removed: now,
            state: flow.state,
        }
    }
}

impl<K, S> FlowRemoved<K, S> {
    /// How long it was in the table, ns. A flow that timed out was there until its removal was due
    /// and somebody came by: [`used`](Self::used) tells how long it had frames.
    #[must_use]
    pub const fn duration(&self) -> u64 {
        self.removed.saturating_sub(self.created)
    }
}
