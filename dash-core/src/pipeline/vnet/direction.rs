//! Stage: does the frame come from the VM or go to it? VNI, exact; a miss is inbound. DASH HLD,
//! direction look-up.

use super::policy::{Direction, DirectionEntry, MacOverride};

/// The direction, and whether the source MAC of the customer frame names the ENI, or the
/// destination.
#[inline]
pub(super) fn of(entry: Option<DirectionEntry>) -> (Direction, bool) {
    let DirectionEntry { direction, mac } = entry.unwrap_or(DirectionEntry::MISS);
    let by_source = match mac {
        MacOverride::None => direction == Direction::Outbound,
        MacOverride::Source => true,
        MacOverride::Destination => false,
    };
    (direction, by_source)
}
