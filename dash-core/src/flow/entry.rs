//! One flow: the rewrite of one direction of a conversation, and what is counted on it.
//!
//! With a key of 48 bytes, 192 bytes of a table: three cache lines. A look-up reads the first; a hit
//! writes counters and time, which lie in the second, and reads the rewrite and the rest.
//!
//! Underlay source and MACs lie in each rewrite, not in a next-hop object that flows share by index:
//! without these 16 to 28 bytes an entry has three lines all the same, and a hit makes its outer header
//! of two parts. Built with one, so that a hit over IPv4 reads two lines, a packet of one of a million
//! flows took 2 to 5 % less on a Xeon, a new connection 7 % more; see `benches/README.md`.
//!
//! | bytes | what | whose |
//! |---|---|---|
//! | 48 | key | |
//! | 4 | handle, or next free place | the table's |
//! | 4 | next flow of its slot | the wheel's |
//! | 72 | rewrite | |
//! | 8 + 8 | frames, bytes | |
//! | 8 + 8 | installed, last hit | |
//! | 8 | idle and hard time-out | |
//! | 8 | state | the pipeline's |
//! | 4 | epoch | |
//! | 4 | other half, or of fragments their parent | |
//! | 4 | previous flow of its slot | the wheel's |
//! | 2 | egress | |
//! | 1 + 1 | facts, TCP | |

use core::num::NonZeroU16;

use dash_hal::PortId;

use super::{tcp::Tcp, wheel};
use crate::{rewrite::Rewrite, table::cuckoo::Handle};

/// What a pipeline keeps in each of its flows.
pub trait State: Copy {
    /// A value to fill empty entries with.
    const EMPTY: Self;

    /// What a flow of the state `old` keeps when this one takes its place.
    #[must_use]
    fn succeed(self, old: &Self) -> Self {
        let _ = old;
        self
    }
}

impl State for () {
    const EMPTY: Self = ();
}

/// Where a frame leaves: by one port, or by the one that it came in at. Two bytes: a flow has no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Egress(Option<NonZeroU16>);

impl Egress {
    /// By the port that a frame came in at.
    pub const INGRESS: Self = Self(None);

    /// By `port`. No frame can be sent to number 65,535.
    #[must_use]
    pub const fn to(port: PortId) -> Option<Self> {
        match NonZeroU16::new(port.0.wrapping_add(1)) {
            None => None,
            number => Some(Self(number)),
        }
    }

    /// The port, for a frame that came in at `ingress`.
    #[inline]
    #[must_use]
    pub const fn port(self, ingress: PortId) -> PortId {
        match self.fixed() {
            None => ingress,
            Some(port) => port,
        }
    }

    /// The port, if it is the same for all frames.
    #[inline]
    #[must_use]
    pub const fn fixed(self) -> Option<PortId> {
        match self.0 {
            None => None,
            Some(number) => Some(PortId(number.get() - 1)),
        }
    }
}

/// When a flow ends by itself, in milliseconds; 0: never. It lives while now − t0 ≤ the time-out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Since the last hit of either half.
    pub idle: u32,
    /// Since the flow was installed.
    pub hard: u32,
}

bitflags::bitflags! {
    /// Facts about a flow.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct FlowFlags: u8 {
        /// The half of a pair whose direction created it, or a flow that lives alone: with an
        /// old epoch its next frame is evaluated again. The other half keeps its rewrite.
        const CREATOR = 1;
        /// A port's hardware has the flow and forwards frames of it. Only the flow table sets it.
        const OFFLOADED = 2;
        /// Rewrite or egress changed in place, so that hardware which has the flow forwards by old
        /// ones. Whoever changes them through a `&mut Flow` sets it; the sweep sees to the rest.
        const MODIFIED = 4;
        /// A temporary flow of [fragments](super::fragment). Only the flow table sets it.
        const FRAGMENTS = 8;
        /// A controller added it: policy neither evaluates nor replaces it. Only the flow table sets
        /// it.
        const EXTERNAL = 16;
    }
}

/// One direction of a conversation.
#[derive(Clone, Copy, Debug)]
pub struct Flow<S> {
    /// The header change of each frame.
    pub rewrite: Rewrite,
    /// Where each frame leaves.
    pub egress: Egress,
    /// The pipeline's own.
    pub state: S,
    /// When it was installed, ns; of a flow that lives alone and has a hard time-out when it was
    /// modified last.
    pub created: u64,
    /// Frames, the one that created the flow included.
    pub packets: u64,
    /// Bytes of these frames as received, without FCS.
    pub bytes: u64,
    /// Its last hit or its installation, ns.
    pub used: u64,
    /// When it ends by itself.
    pub timeouts: Timeouts,
    /// The policy that it was evaluated under.
    pub epoch: u32,
    /// Its [`peer`](Self::peer), or its [`parent`](Self::parent). Only the flow table sets it.
    pub related: Option<Handle>,
    /// Where it is in the [wheel](super::wheel). Only the flow table sets it.
    pub wheel: wheel::Link,
    /// What was seen of a TCP conversation. Only the flow table sets it.
    pub tcp: Tcp,
    /// Facts.
    pub flags: FlowFlags,
}

impl<S> Flow<S> {
    /// Counts a frame of `received` bytes.
    #[inline(always)]
    pub(crate) const fn hit(&mut self, received: usize, now: u64) {
        self.used = now;
        self.packets += 1;
        self.bytes += received as u64;
    }
}

impl<S: State> Flow<S> {
    /// What empty entries hold. All bytes are zero, so that a static table takes no room in a
    /// firmware image.
    pub const EMPTY: Self = Self {
        rewrite: Rewrite::NONE,
        egress: Egress::INGRESS,
        state: S::EMPTY,
        packets: 0,
        bytes: 0,
        created: 0,
        used: 0,
        timeouts: Timeouts { idle: 0, hard: 0 },
        epoch: 0,
        related: None,
        wheel: wheel::Link::NONE,
        tcp: Tcp::empty(),
        flags: FlowFlags::empty(),
    };
}

impl<S> Flow<S> {
    /// The other half of its pair.
    #[must_use]
    pub const fn peer(&self) -> Option<Handle> {
        if self.is_of_fragments() { None } else { self.related }
    }

    /// Of a temporary flow of fragments the flow that let the first of them pass.
    #[must_use]
    pub const fn parent(&self) -> Option<Handle> {
        if self.is_of_fragments() { self.related } else { None }
    }

    /// Whether it is a temporary flow of [fragments](super::fragment).
    #[must_use]
    pub const fn is_of_fragments(&self) -> bool {
        self.flags.contains(FlowFlags::FRAGMENTS)
    }
}
