//! One flow: the header change of one direction of a conversation, and what is counted on it.
//!
//! With a key of 48 bytes, 192 bytes of a table: three cache lines. A look-up reads the first; a hit
//! of VXLAN over IPv4 the first two, since what its outer header shares with others lies in a [next
//! hop](crate::rewrite::NextHop); other hits all three.
//!
//! | bytes | what | whose |
//! |---|---|---|
//! | 48 | key | |
//! | 4 | handle, or next free place | the table's |
//! | 4 | next flow of its slot | the wheel's |
//! | 8 | last hit | |
//! | 8 + 8 | frames, bytes | |
//! | 8 | idle and hard time-out | |
//! | 8 | state | the pipeline's |
//! | 4 | epoch | |
//! | 2 | egress | |
//! | 1 + 1 | facts, TCP | |
//! | 4 | other half, or of fragments their parent | |
//! | 20 | header change: VXLAN over IPv4, customer MAC, next hop | |
//! | 32 | header change: the rest | |
//! | 8 | installed | |
//! | 4 | previous flow of its slot | the wheel's |
//! | 20 | not in use | |

use core::{
    mem::offset_of,
    num::NonZeroU16,
    ops::{Deref, DerefMut},
};

use dash_hal::{Hints, PacketBuffer, PortId};

use super::{tcp::Tcp, wheel};
use crate::{
    rewrite::{Change, NextHops, Outcome, Rewrite},
    table::cuckoo::{Handle, Value},
    wire::Edges,
};

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
        /// ones. Whoever changes them through a [`FlowMut`] sets it; the sweep sees to the rest.
        const MODIFIED = 4;
        /// A temporary flow of [fragments](super::fragment). Only the flow table sets it.
        const FRAGMENTS = 8;
        /// A controller added it: policy neither evaluates nor replaces it. Only the flow table sets
        /// it.
        const EXTERNAL = 16;
    }
}

/// One direction of a conversation. In this order in memory, so that a hit reads what comes first.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Flow<S> {
    /// Its last hit or its installation, ns.
    pub used: u64,
    /// Frames, the one that created the flow included.
    pub packets: u64,
    /// Bytes of these frames as received, without FCS.
    pub bytes: u64,
    /// When it ends by itself.
    pub timeouts: Timeouts,
    /// The pipeline's own.
    pub state: S,
    /// The policy that it was evaluated under.
    pub epoch: u32,
    /// Where each frame leaves.
    pub egress: Egress,
    /// Facts.
    pub flags: FlowFlags,
    /// What was seen of a TCP conversation. Only the flow table sets it.
    pub tcp: Tcp,
    /// Its [`peer`](Self::peer), or its [`parent`](Self::parent). Only the flow table sets it.
    pub related: Option<Handle>,
    /// The header change of each frame, but for what its next hop says: see
    /// [`FlowTable::rewrite`](super::FlowTable::rewrite). Its next hop counts it, so it is changed by
    /// [`FlowMut::set_rewrite`] alone.
    pub change: Change,
    /// When it was installed, ns; of a flow that lives alone and has a hard time-out when it was
    /// modified last.
    pub created: u64,
    /// Where it is in the [wheel](super::wheel). Only the flow table sets it.
    pub wheel: wheel::Link,
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
        change: Change::NONE,
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

/// Bytes of a cache line.
const LINE: usize = 64;

impl<S: State> Value for Flow<S> {
    #[inline]
    fn prefetch<H: Hints>(&self, at: usize, hints: &H) {
        hints.prefetch(&self.epoch);
        // A long key or state moves the header change to the third line.
        let line = |offset| (at + offset) / LINE;
        let last = offset_of!(Self, change) + Change::LAST_OF_USUAL;
        if line(last) != line(offset_of!(Self, epoch)) {
            hints.prefetch(self.change.last_of_usual());
        }
    }
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

/// A flow of a table, with the next hops that its header change may have.
#[derive(Debug)]
pub struct FlowMut<'f, S> {
    flow: &'f mut Flow<S>,
    next_hops: NextHops<'f>,
}

impl<S> Deref for FlowMut<'_, S> {
    type Target = Flow<S>;

    #[inline(always)]
    fn deref(&self) -> &Flow<S> {
        self.flow
    }
}

impl<S> DerefMut for FlowMut<'_, S> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Flow<S> {
        self.flow
    }
}

impl<'f, S> FlowMut<'f, S> {
    #[inline(always)]
    pub(crate) const fn new(flow: &'f mut Flow<S>, next_hops: NextHops<'f>) -> Self {
        Self { flow, next_hops }
    }

    /// Both by themselves.
    #[inline(always)]
    pub(crate) const fn parts(&mut self) -> (&mut Flow<S>, NextHops<'_>) {
        (self.flow, self.next_hops.lend())
    }

    /// The header change of each frame.
    #[must_use]
    pub fn rewrite(&self) -> Rewrite {
        self.next_hops.rewrite(&self.flow.change)
    }

    /// Puts another header change in its place, and says so by [`FlowFlags::MODIFIED`]; `false`, and
    /// nothing done: there is no place for its next hop.
    pub fn set_rewrite(&mut self, rewrite: &Rewrite) -> bool {
        let done = self.next_hops.exchange(&mut self.flow.change, rewrite);
        self.flow
            .flags
            .set(FlowFlags::MODIFIED, done || self.flow.flags.contains(FlowFlags::MODIFIED));
        done
    }

    /// Applies the header change to a frame, as [`Rewrite::apply`] does.
    #[inline(always)]
    pub fn apply<B: PacketBuffer>(&self, buffer: &mut B, edges: &Edges, mtu: u16) -> Outcome {
        self.next_hops.apply(&self.flow.change, buffer, edges, mtu)
    }

    /// The same, in less code.
    #[inline]
    pub(crate) fn apply_any<B: PacketBuffer>(
        &self,
        buffer: &mut B,
        edges: &Edges,
        mtu: u16,
    ) -> Outcome {
        self.next_hops.apply_any(&self.flow.change, buffer, edges, mtu)
    }
}
