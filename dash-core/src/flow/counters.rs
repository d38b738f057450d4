//! What happened in a flow table, in numbers.

use super::Removal;

/// What happened in the table; each half of a pair counts, and each temporary flow of fragments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCounters {
    /// Installed.
    pub created: u64,
    /// Rewrite replaced after a change of policy.
    pub replaced: u64,
    /// Removed by the idle time-out.
    pub idle: u64,
    /// Removed by the hard time-out.
    pub hard: u64,
    /// Removed because TCP ended them.
    pub closed: u64,
    /// Removed because a new evaluation denies them.
    pub denied: u64,
    /// Removed because what they belonged to is gone, or their policy is too old.
    pub orphaned: u64,
    /// Removed because others took their place.
    pub superseded: u64,
    /// Removed on request.
    pub deleted: u64,
    /// Removed because the table was full.
    pub evicted: u64,
    /// Found no place.
    pub full: u64,
    /// Taken by the port's hardware.
    pub offloaded: u64,
    /// Refused by the port's hardware; a flow counts at each sweep.
    pub refused: u64,
    /// Taken back from the port's hardware.
    pub withdrawn: u64,
    /// Removed without an event: there was no place for it.
    pub untold: u64,
}

impl FlowCounters {
    pub(super) const fn removed(&mut self, why: Removal) -> &mut u64 {
        match why {
            Removal::Idle => &mut self.idle,
            Removal::Hard => &mut self.hard,
            Removal::Closed => &mut self.closed,
            Removal::Denied => &mut self.denied,
            Removal::Orphaned => &mut self.orphaned,
            Removal::Superseded => &mut self.superseded,
            Removal::Deleted => &mut self.deleted,
            Removal::Evicted => &mut self.evicted,
        }
    }
}
