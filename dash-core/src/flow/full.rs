//! What becomes of a new flow when the table is full.
//!
//! | [`WhenFull`] | the new flow | its frame | flows that are there |
//! |---|---|---|---|
//! | `Forward` | is not remembered | is forwarded; the next one asks policy again | stay |
//! | `Drop` | is not remembered | is dropped | stay |
//! | `Evict` | takes the place of a lesser one, if there is one | is forwarded | an open TCP conversation stays |
//!
//! In each case flows that have timed out make room first. `Evict` looks at [`CANDIDATES`] entries
//! from all over the table, others at each call, and takes the least of them: closed TCP before half-open, closing, and
//! what is not TCP; of several the one that had no frame for the longest time. So a flood of SYNs
//! takes its own places, and costs no open conversation.

use dash_hal::Hints;

use super::{FlowTable, Outside, Removal, State, tcp::Tcp};
use crate::table::cuckoo::{Handle, Key};

/// Entries that an installation into a full table looks at, in search of one that has timed out.
pub const RECLAIM: usize = 64;

/// What becomes of a new flow when the table is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// Its frame is forwarded, and not remembered.
    #[default]
    Forward,
    /// Its frame is dropped.
    Drop,
    /// It takes the place of another one; if none can be had, as `Forward`.
    Evict,
}

/// Entries that are looked at in search of one that may be evicted. DASH asks for 16 at most.
pub const CANDIDATES: usize = 16;

/// How much a flow is worth, the least first; `None`: it stays.
const fn worth(tcp: Tcp) -> Option<u8> {
    if tcp.contains(Tcp::CLOSED) {
        Some(0)
    } else if tcp.contains(Tcp::OPENING) {
        Some(1)
    } else if tcp.contains(Tcp::CLOSING) {
        Some(2)
    } else if tcp.contains(Tcp::TRACKED) {
        None
    } else {
        Some(3)
    }
}

impl<K: Key, S: State> FlowTable<'_, K, S> {
    /// Removes the next flow that has timed out, but `keep`; `false` when the next [`RECLAIM`] entries hold
    /// none.
    pub(super) fn reclaim<H: Hints, W: Outside<K, S>>(
        &mut self,
        keep: Option<Handle>,
        now: u64,
        hints: &H,
        outside: &mut W,
    ) -> bool {
        for _ in 0..RECLAIM.min(self.capacity()) {
            let index = self.advance();
            let Some(handle) = self.flows.at(index) else { continue };
            if Some(handle) != keep
                && let Some(why) = self.over(handle, now, outside)
            {
                self.remove(handle, why, now, hints, outside);
                return true;
            }
        }
        false
    }

    /// Removes the flow that is worth least of [`CANDIDATES`] entries, if
    /// that is allowed and one of them may go.
    pub(super) fn evict<H: Hints, W: Outside<K, S>>(
        &mut self,
        keep: Option<Handle>,
        now: u64,
        hints: &H,
        outside: &mut W,
    ) -> bool {
        if self.settings.when_full != WhenFull::Evict {
            return false;
        }
        let (start, step) = (self.advance(), (self.capacity() / CANDIDATES).max(1));
        let mut least = None;
        for candidate in 0..CANDIDATES.min(self.capacity()) {
            let Some(index) = (start + candidate * step).checked_rem(self.capacity()) else {
                break;
            };
            let Some(handle) = self.flows.at(index) else { continue };
            let Some((_, flow)) = self.flows.get(handle) else { continue };
            if keep.is_some_and(|keep| handle == keep || flow.peer() == Some(keep)) {
                continue;
            }
            let Some(worth) = worth(flow.tcp) else { continue };
            let candidate = (worth, flow.used, handle);
            if least.is_none_or(|least| candidate < least) {
                least = Some(candidate);
            }
        }
        let Some((_, _, handle)) = least else { return false };
        self.remove(handle, Removal::Evicted, now, hints, outside);
        true
    }
}
