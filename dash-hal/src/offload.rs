//! Flows that hardware forwards in place of the core.
//!
//! A DPU has a flow table in front of its cores. The engine offers it flows that are established,
//! asks it at each ageing sweep what it forwarded, and takes a flow back before anything about it
//! changes. Software keeps every flow: what the hardware does not forward, the core does.

/// A flow's position in the flow table of the engine that offers it: below its capacity, so that
/// it may index an array. Of the flows that the hardware has at one time, no two have one number;
/// where several engines share one hardware table, the port tells their numbers apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub u32);

/// What hardware forwarded of one flow since it was last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// Frames.
    pub packets: u64,
    /// Their bytes as received, without FCS.
    pub received: u64,
    /// Their bytes as sent, without FCS. Hardware that counts on one side only works them out, and
    /// leaves to software frames with bytes behind the IP datagram, which a header change may cut.
    pub sent: u64,
    /// When the last of them came, in nanoseconds of the port's [`Clock`](crate::Clock); not looked
    /// at when there was none. Hardware that keeps no time answers the time of the asking: an idle
    /// flow then lives longer by at most the time between two sweeps.
    pub last: u64,
}

/// The hardware does not take the flow: it has no place, or not the means for its header change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// A hardware table for flows named by keys `K` and described by `F`.
///
/// An engine owns one, hands in its own key and flow types, and calls it from its own core only.
/// `()` is the port without such a table; its calls leave no code.
///
/// # What hardware may do
///
/// It forwards a frame of the flow as software would: the same header change, the same egress
/// port, the same bytes. It **drops nothing and answers nothing**: every frame that it does not
/// forward goes to [`Ports::receive`](crate::Ports::receive) as it came, and is software's to
/// forward or to drop and count. To software go at least
///
/// * frames that the pipeline would not give this key: other tags, options, extension headers,
///   malformed or truncated ones, fragments, and those whose checksum the NIC found wrong;
/// * TCP segments with SYN, FIN or RST;
/// * frames whose header change cannot be made: TTL used up, longer than the MTU of the egress
///   port ([`Ports::mtu`](crate::Ports::mtu)).
///
/// It may hand any other frame to software too, at any time: when it is reset, while an entry is
/// written, when the flow's time-out has passed since the last frame that the hardware saw. Frames
/// that software still has in its queues when hardware takes the flow may be overtaken.
pub trait FlowOffload<K, F> {
    /// Whether there may be such a table; without one nothing of this trait is ever called.
    const PRESENT: bool = true;

    /// Frames of a flow that software forwards before it offers the flow. Most flows are over
    /// sooner (8 of 10 carry less than 10 kB: Benson and others, IMC 2010), and would cost the
    /// hardware an entry written and erased for nothing.
    const OFFER_AFTER: u64 = 16;

    /// Whether it is there, for a port that finds out when it starts. While it is not, flows are
    /// neither offered nor left in it.
    fn is_there(&self) -> bool {
        true
    }

    /// Takes the flow, so that the hardware forwards its frames from now on, or from any later
    /// moment. A flow that is taken is not offered again before it was withdrawn; one that is
    /// refused is offered again at later sweeps.
    ///
    /// Called by the ageing sweep, at most once for each flow that it looks at. It may write to
    /// the hardware and need not wait for it. `key` and `flow` are to be copied.
    ///
    /// # Errors
    /// [`Refused`]; the hardware forwards no frame of the flow.
    fn offer(&mut self, id: FlowId, key: &K, flow: &F) -> Result<(), Refused>;

    /// What the hardware forwarded of a flow that it has, since the last answer about it (or since
    /// it took it). No frame is answered twice or left out.
    ///
    /// Called by the ageing sweep once for each such flow, and when software believes that a flow
    /// has timed out. It is read often: where asking the hardware takes microseconds, a port reads
    /// its counters in bulk and answers from that copy.
    fn hits(&mut self, id: FlowId) -> Hits;

    /// Takes a flow away from the hardware and answers its last hits. When this returns, the
    /// hardware forwards no further frame of the flow, and none that it forwarded is missing in
    /// the answer: the call waits for the hardware where that is needed. `id` may then name
    /// another flow.
    ///
    /// Called by the sweep, and on the packet path where a flow ends or policy is evaluated again.
    fn withdraw(&mut self, id: FlowId) -> Hits;
}

/// No hardware table.
impl<K, F> FlowOffload<K, F> for () {
    const PRESENT: bool = false;

    fn is_there(&self) -> bool {
        false
    }

    fn offer(&mut self, _id: FlowId, _key: &K, _flow: &F) -> Result<(), Refused> {
        Err(Refused)
    }

    fn hits(&mut self, _id: FlowId) -> Hits {
        Hits::default()
    }

    fn withdraw(&mut self, _id: FlowId) -> Hits {
        Hits::default()
    }
}
