//! What a service decides; the [engine](crate::engine) does the rest.
//!
//! | tier | what runs | cost |
//! |---|---|---|
//! | hit | [`Pipeline::key`], flow look-up, [`Pipeline::step`], rewrite | a few cache lines |
//! | miss | the same look-up, [`Pipeline::slow`], installation, rewrite | policy, once a flow |
//! | no flow | [`Pipeline::key`], [`Pipeline::slow`] | policy, each frame |

pub mod chain;
pub mod efsm;
pub mod flow_cache;
mod hash;
mod image;
mod learned;
mod names;
mod port_security;
pub mod router;
mod trace;
mod traffic;
mod underlay;
pub mod vnet;

use dash_hal::{Hints, Hits, PacketBuffer, PortId};

pub use self::{
    image::{ConfigurationError, Host},
    trace::Trace,
    traffic::Traffic,
};

use crate::{
    flow::{Egress, Flow, FlowMut, Install, State, TableFull, fragment::Piece},
    packet::{Entering, Packet},
    rewrite::Rewrite,
    table::cuckoo::Key,
    wire::Edges,
};

/// A service over the core. It is one core's own: it reads shared policy and owns its counters.
pub trait Pipeline {
    /// The bytes that name a flow. They hold the stage of entry and, where the two directions are
    /// two flows, the direction.
    type Key: Key;
    /// What the pipeline keeps in each flow.
    type State: State;
    /// What `key` learnt of a frame (its ENI, its direction, …) and later calls need.
    type Context: Copy;
    /// Why a frame is dropped: one counter each.
    type Reason: Copy + From<Refusal>;
    /// What a stage tells a trace.
    type Event;
    /// Whether pairs of flows of TCP segments are TCP conversations, whose [beginning and
    /// end](crate::flow::tcp) the flow table follows. Their keys then hold the ports.
    const TCP: bool = false;
    /// Whether decisions may ask for [`copies`](Decision::copies).
    const COPIES: bool = false;
    /// Whether decisions may ask for a controller, [`Verdict::Punt`].
    const PUNTS: bool = false;

    /// A burst begins, or a frame that enters alone. What was remembered of shared policy is to be
    /// forgotten: it may have changed.
    #[inline]
    fn burst(&mut self) {}

    /// Finds the headers of a frame, and says in `name` where they are, how its flow is found, and
    /// what the flow is called. Called for each frame of a burst before any of them goes on, so it
    /// must not depend on what `slow` or `step` change.
    ///
    /// What it says stays where the burst keeps it: it is not returned, which would move it. `name`
    /// holds what was said of an earlier frame; `lookup` is always written, `key` and `edges` with
    /// [`Lookup::Flow`], `edges` also with [`Lookup::NoFlow`].
    fn key<T: Trace<Self>>(
        &mut self,
        frame: Entering<'_>,
        name: &mut Name<Self>,
        now: u64,
        trace: &mut T,
    );

    /// Evaluates policy for a frame, and says what becomes of it and of its flow. `hints` sums the
    /// headers that it makes.
    fn slow<B: PacketBuffer, H: Hints, T: Trace<Self>>(
        &mut self,
        packet: &mut Packet<'_, B>,
        context: &Self::Context,
        cause: Cause<'_, Self::Key>,
        now: u64,
        hints: &H,
        trace: &mut T,
    ) -> Decision<Self>;

    /// Looks at a hit before the rewrite; may change the flow, and a frame that it [passes
    /// on](Step::Pass). A change of the flow's rewrite or egress is marked by
    /// [`FlowFlags::MODIFIED`](crate::flow::FlowFlags::MODIFIED).
    #[inline]
    fn step<B: PacketBuffer, T: Trace<Self>>(
        &mut self,
        packet: &mut Packet<'_, B>,
        context: &Self::Context,
        flow: &mut FlowMut<'_, Self::State>,
        now: u64,
        trace: &mut T,
    ) -> Step<Self::Reason> {
        let _ = (packet, context, flow, now, trace);
        Step::Apply
    }

    /// The key that the other half of a pair will most likely have, where `key` alone tells: its
    /// place is then loaded while policy is evaluated.
    #[inline]
    fn other_half(&self, key: &Self::Key) -> Option<Self::Key> {
        let _ = key;
        None
    }

    /// The epoch of the policy that flows under `key` belong to; `None` when what they belonged
    /// to is gone. Used by the ageing sweep, which removes flows that are far behind.
    fn epoch(&self, key: &Self::Key) -> Option<u32>;

    /// Changes after each change of what [`epoch`](Self::epoch) answers, for whichever key. `None`:
    /// not known. The ageing sweep rests while it stays.
    fn version(&self) -> Option<u32> {
        None
    }

    /// Counts what happened to a frame of `received` bytes. Called exactly once for each frame, and
    /// for one that was punted once more when its controller has answered;
    /// `context` is missing when `key` knew none.
    fn count(&mut self, context: Option<&Self::Context>, received: usize, end: End<Self::Reason>);

    /// The next copy of the frame that [`slow`](Self::slow) decided on last, if its decision asks
    /// for copies: its header change, and where it leaves. `packet` is the frame as received.
    fn copy<B: PacketBuffer>(&mut self, packet: &Packet<'_, B>) -> Option<(Rewrite, Egress)> {
        let _ = packet;
        None
    }

    /// Counts what happened to a copy; `None`: the port refused to make it.
    fn count_copy(&mut self, end: Option<End<Self::Reason>>) {
        let _ = end;
    }

    /// Counts a frame that was permitted and whose flow found no place in the table, or was not
    /// [admitted](Self::admits).
    fn count_uncached(&mut self, context: &Self::Context, why: Uncached) {
        let _ = (context, why);
    }

    /// Whether whoever the frame belongs to may have `flows` more of them.
    fn admits(&self, context: &Self::Context, flows: u32) -> bool {
        let _ = (context, flows);
        true
    }

    /// A flow of this state takes a place of the table.
    fn flow_entered(&mut self, state: &Self::State) {
        let _ = state;
    }

    /// A flow of this state gave its place back.
    fn flow_left(&mut self, state: &Self::State) {
        let _ = state;
    }

    /// Whether somebody wants to know when a flow of this state leaves the table.
    fn tells(&self, state: &Self::State) -> bool {
        let _ = state;
        true
    }

    /// Whether a frame is a [fragment](crate::flow::fragment), of which
    /// [`piece`](Self::piece) says more.
    #[inline]
    fn is_fragment(context: &Self::Context) -> bool {
        let _ = context;
        false
    }

    /// What the fragment `bytes`, whose flow is `key`, is to its datagram; `None`: nothing is kept
    /// of it.
    fn piece(&self, bytes: &[u8], key: &Self::Key) -> Option<Piece<Self::Key>> {
        let _ = (bytes, key);
        None
    }

    /// Whether a port's hardware may forward the frames of a flow by its rewrite and egress alone:
    /// they come from a port (entry 0), and for each [`step`](Self::step) would answer `Apply` and
    /// change nothing. Asked by the ageing sweep for flows of the newest epoch, before they are
    /// offered and as long as the hardware has them.
    fn offloads(&self, key: &Self::Key, flow: &Flow<Self::State>) -> bool {
        let _ = (key, flow);
        false
    }

    /// Counts frames that hardware forwarded, in place of `key` and `count` for each.
    fn count_offloaded(&mut self, key: &Self::Key, state: &Self::State, hits: &Hits) {
        let _ = (key, state, hits);
    }
}

/// How a frame's flow is found.
#[derive(Debug)]
pub enum Lookup<P: Pipeline + ?Sized> {
    /// In the flow table, by its name.
    Flow {
        /// What is known of the frame.
        context: P::Context,
        /// The epoch of the policy that it belongs to.
        epoch: u32,
    },
    /// The frame neither looks up a flow nor makes one; the slow path decides.
    NoFlow {
        /// What is known of the frame.
        context: P::Context,
    },
    /// The frame ends here.
    Drop {
        /// What is known of the frame, if anything.
        context: Option<P::Context>,
        /// Why.
        reason: P::Reason,
    },
}

impl<P: Pipeline + ?Sized> Clone for Lookup<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: Pipeline + ?Sized> Copy for Lookup<P> {}

/// What [`Pipeline::key`] says of a frame.
pub struct Name<P: Pipeline + ?Sized> {
    /// How its flow is found; `None`: nothing was said yet.
    pub lookup: Option<Lookup<P>>,
    /// The name of its flow, when it has one.
    pub key: P::Key,
    /// Where its headers begin and end, for the header change. A slow path that wants to know
    /// more [parses](crate::wire::parse()) the frame again.
    pub edges: Edges,
}

impl<P: Pipeline + ?Sized> Name<P> {
    /// Nothing was said.
    pub const NONE: Self = Self { lookup: None, key: P::Key::EMPTY, edges: Edges::NONE };
}

/// Why policy is asked about a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause<'k, K> {
    /// Frames of its kind have no flows.
    NoFlow,
    /// The flow of this name is not there.
    Miss(&'k K),
    /// The flow of this name is there, and is to be evaluated again: its epoch is old, or
    /// [`Pipeline::step`] asks. The decision replaces it.
    Again(&'k K),
}

impl<'k, K> Cause<'k, K> {
    /// The name of the frame's flow.
    #[must_use]
    pub const fn key(&self) -> Option<&'k K> {
        match self {
            Self::NoFlow => None,
            Self::Miss(key) | Self::Again(key) => Some(key),
        }
    }
}

/// What a slow path answers.
#[derive(Debug)]
pub enum Verdict<R> {
    /// Change the frame and send it. When flows are installed, the first of them carries the same
    /// rewrite and egress.
    Forward {
        /// The header change.
        rewrite: Rewrite,
        /// Where the frame leaves.
        egress: Egress,
    },
    /// Send the frame as it is: the pipeline turned it into its answer, or it passes unchanged. The
    /// MTU of the port does not count.
    Reply {
        /// Where it leaves.
        egress: Egress,
    },
    /// Hand the frame to a controller; of a pipeline without [`PUNTS`](Pipeline::PUNTS) it is dropped.
    Punt {
        /// Why, a number of the pipeline's.
        reason: u8,
    },
    /// End the frame.
    Drop(R),
    /// Let the frame enter again after the header change. When a flow is installed, it carries the
    /// same rewrite, and [`Pipeline::step`] answers [`Step::Enter`].
    Recirculate {
        /// The header change.
        rewrite: Rewrite,
        /// The port that it seems to come from.
        ingress: PortId,
        /// The stage that it enters at.
        entry: u8,
    },
}

/// What a slow path answers, and what it asks to remember.
#[derive(Debug)]
pub struct Decision<P: Pipeline + ?Sized> {
    /// What becomes of the frame.
    pub verdict: Verdict<P::Reason>,
    /// What is remembered, also of a frame that ends here.
    pub install: Install<P::Key, P::State>,
    /// Whether [`Pipeline::copy`] has copies of the frame to send: behind it when it is forwarded,
    /// else before anything else happens to it. Asked only where [`Pipeline::COPIES`] is set.
    pub copies: bool,
}

impl<P: Pipeline + ?Sized> Decision<P> {
    /// Ends the frame; remembers nothing.
    pub const fn drop(reason: P::Reason) -> Self {
        Self { verdict: Verdict::Drop(reason), install: Install::None, copies: false }
    }
}

/// What a pipeline says of a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<R> {
    /// Apply the flow's rewrite.
    Apply,
    /// Send the frame by this port as it is. The MTU of the port does not count.
    Pass(PortId),
    /// Apply the flow's rewrite and let the frame enter again.
    Enter {
        /// The port that it seems to come from.
        ingress: PortId,
        /// The stage that it enters at.
        entry: u8,
    },
    /// Ask the slow path.
    Slow,
    /// The frame has no flow: ask the slow path of it alone.
    Miss,
    /// End the frame.
    Drop(R),
}

/// Why the engine itself ends a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It would exceed the MTU of its egress port.
    TooBig,
    /// Too little headroom for its encapsulation.
    NoHeadroom,
    /// TTL or hop limit is used up.
    Ttl,
    /// The engine's transmit queue was full when a frame was submitted.
    TxFull,
    /// It entered again too often.
    LoopBudget,
    /// The punt queue was full.
    PuntFull,
    /// No controller answered in time.
    PuntTimeout,
    /// The flow table was full, and drops frames whose flows find no place.
    TableFull,
    /// Whoever it belongs to has as many flows as it may, and frames whose flows find no place are
    /// dropped.
    FlowLimit,
}

/// Why a flow that a slow path asked for is not remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uncached {
    /// The table has no place.
    TableFull,
    /// [`Pipeline::admits`] says no.
    Limit,
}

impl From<TableFull> for Uncached {
    fn from(_: TableFull) -> Self {
        Self::TableFull
    }
}

impl From<Uncached> for Refusal {
    fn from(why: Uncached) -> Self {
        match why {
            Uncached::TableFull => Self::TableFull,
            Uncached::Limit => Self::FlowLimit,
        }
    }
}

/// How a frame left the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End<R> {
    /// To a port.
    Sent {
        /// Which.
        port: PortId,
        /// Its bytes as emitted, without FCS.
        bytes: usize,
    },
    /// To a controller.
    Punted {
        /// Why, a number of the pipeline's.
        reason: u8,
    },
    /// Nowhere.
    Dropped(R),
}
