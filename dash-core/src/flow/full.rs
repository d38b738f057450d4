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

use super::tcp::Tcp;

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
pub(super) const fn worth(tcp: Tcp) -> Option<u8> {
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
