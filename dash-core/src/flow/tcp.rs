//! What the two halves of a TCP conversation have said of its beginning and its end.
//!
//! One byte in each half, from the flags of its segments alone: sequence numbers are not followed, so
//! a forged segment may end a flow early, after which policy is asked again. A conversation is
//!
//! | phase | from | time-out |
//! |---|---|---|
//! | opening | a SYN | [`TcpTimeouts::opening`] |
//! | open | an ACK once both sides sent SYN; or a first segment without SYN, FIN, RST | the flow's own |
//! | closing | a FIN of one side | [`TcpTimeouts::closing`] |
//! | closed | FINs of both sides, or a RST of one | [`TcpTimeouts::closed`]: segments that are still on their way pass, for about a round trip |
//!
//! and a shorter time-out of the flow's own counts in each. Between two hits the longer time-out of
//! the last phase counts. A SYN alone on a closed conversation begins a new one: policy is asked as
//! for any first frame. Only halves of a pair are followed, for it takes both. Source: DASH flow
//! requirements (FIN both ways, linger after RST); RFC 9293 for the handshake; RFC 6298 for the
//! opening time-out, which outlasts two repetitions of a SYN.

use super::{FlowTable, Removal, State};
use crate::{
    table::cuckoo::{Handle, Key},
    wire::tcp::TcpFlags,
};

bitflags::bitflags! {
    /// One half's part. The phase is the same in both halves; the other bits are its own.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Tcp: u8 {
        /// The flow is a half of a TCP conversation.
        const TRACKED = 1;
        /// Phase: opening.
        const OPENING = 2;
        /// Phase: closing.
        const CLOSING = 4;
        /// Phase: closed.
        const CLOSED = 8;
        /// This half sent SYN.
        const SYN = 16;
        /// This half sent FIN.
        const FIN = 32;
    }
}

/// Idle time-outs of conversations that are not open, in milliseconds; 0: the flow's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpTimeouts {
    /// Until the handshake is done.
    pub opening: u32,
    /// After the first FIN.
    pub closing: u32,
    /// After both FINs, or a RST.
    pub closed: u32,
}

impl Default for TcpTimeouts {
    fn default() -> Self {
        Self { opening: 5_000, closing: 10_000, closed: 1_000 }
    }
}

impl TcpTimeouts {
    /// The idle time-out of a half whose own is `idle`.
    #[inline]
    pub(super) const fn idle(&self, tcp: Tcp, idle: u32) -> u32 {
        let of_phase = if tcp.contains(Tcp::CLOSED) {
            self.closed
        } else if tcp.contains(Tcp::CLOSING) {
            self.closing
        } else if tcp.contains(Tcp::OPENING) {
            self.opening
        } else {
            0
        };
        if of_phase == 0 || idle != 0 && idle < of_phase { idle } else { of_phase }
    }
}

/// Flags that begin or end a conversation.
const TURNS: TcpFlags = TcpFlags::SYN.union(TcpFlags::FIN).union(TcpFlags::RST);

impl Tcp {
    const PHASE: Self = Self::OPENING.union(Self::CLOSING).union(Self::CLOSED);

    /// Whether a time-out other than the flow's own may count.
    #[inline]
    pub(super) const fn is_unsettled(self) -> bool {
        self.intersects(Self::PHASE)
    }

    /// Whether another phase than that of `before` begins, with a time-out of its own.
    pub(super) fn begins_a_phase_after(self, before: Self) -> bool {
        self.is_unsettled() && (self ^ before).intersects(Self::PHASE)
    }

    /// Whether a segment with `flags` may change anything.
    #[inline]
    pub(super) const fn follows(self, flags: TcpFlags) -> bool {
        let turns = flags.intersects(TURNS) && !self.contains(Self::CLOSED);
        turns || self.contains(Self::OPENING)
    }

    /// Whether a segment with `flags` begins a new conversation in the place of this one.
    const fn restarts(self, flags: TcpFlags) -> bool {
        self.contains(Self::CLOSED)
            && TURNS.union(TcpFlags::ACK).intersection(flags).bits() == TcpFlags::SYN.bits()
    }

    /// Both halves after a first segment, of the half that comes first.
    pub(super) fn first(flags: TcpFlags) -> (Self, Self) {
        let phase = if flags.contains(TcpFlags::SYN) { Self::OPENING } else { Self::empty() };
        let new = Self::TRACKED | phase;
        new.after(flags, new)
    }

    /// Both halves after a segment of this half.
    pub(super) fn after(self, flags: TcpFlags, other: Self) -> (Self, Self) {
        let mut own = self;
        own.set(Self::SYN, self.contains(Self::SYN) || flags.contains(TcpFlags::SYN));
        own.set(Self::FIN, self.contains(Self::FIN) || flags.contains(TcpFlags::FIN));
        let phase = if self.contains(Self::CLOSED)
            || flags.contains(TcpFlags::RST)
            || (own & other).contains(Self::FIN)
        {
            Self::CLOSED
        } else if (own | other).contains(Self::FIN) {
            Self::CLOSING
        } else if self.contains(Self::OPENING)
            && !((own & other).contains(Self::SYN)
                && flags.contains(TcpFlags::ACK)
                && !flags.contains(TcpFlags::SYN))
        {
            Self::OPENING
        } else {
            Self::empty()
        };
        (own.difference(Self::PHASE) | phase, other.difference(Self::PHASE) | phase)
    }
}

impl<K: Key, S: State> FlowTable<'_, K, S> {
    /// A segment with `flags` came for half of a TCP conversation. Answers why the conversation is
    /// to be removed, when the segment begins a new one.
    pub(super) fn follow(&mut self, handle: Handle, flags: TcpFlags) -> Option<Removal> {
        let (_, flow) = self.flows.get(handle)?;
        let (own, peer) = (flow.tcp, flow.peer());
        if own.restarts(flags) {
            return Some(Removal::Closed);
        }
        if !own.contains(Tcp::TRACKED) || !own.follows(flags) {
            return None;
        }
        let of_peer = peer.and_then(|peer| self.flows.get(peer)).map(|(_, flow)| flow.tcp);
        let (next, of_peer) = own.after(flags, of_peer.unwrap_or_default());
        for (half, tcp) in [(Some(handle), next), (peer, of_peer)] {
            if let Some(flow) = half.and_then(|half| self.flows.get_mut(half)) {
                flow.tcp = tcp;
            }
        }
        // Only a time-out that is shorter now has to be noticed before the old one is due.
        if next.begins_a_phase_after(own) {
            self.reschedule(handle);
        }
        None
    }
}
