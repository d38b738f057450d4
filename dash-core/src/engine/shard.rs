//! One frame's way: flow or [slow path](super::slow), header change, end.

use super::{lane::Lane, punts::Punts, surroundings::Surroundings, transmit::TransmitQueue};
use crate::{
    flow::{
        Arrival, FlowFlags, FlowRemoved, FlowStep, FlowTable, Offered, Removal, fragment::Piece,
    },
    packet::{Entering, Packet},
    pipeline::{End, Lookup, Pipeline, Refusal, Step, Trace, Uncached},
    rewrite::{Outcome, Rewrite},
    table::cuckoo::{Handle, Place},
    wire::Edges,
};
use dash_hal::{EventSink, FlowOffload, Hints, PacketBuffer, Platform, PortId};

/// What a frame meets: everything of the engine but the frames of the burst.
pub(super) struct Shard<'a, P: Pipeline, B, O, E, const QUEUE: usize, const PUNTS: usize> {
    pub(super) pipeline: P,
    pub(super) flows: FlowTable<'a, P::Key, P::State>,
    pub(super) offload: O,
    pub(super) events: E,
    pub(super) queue: TransmitQueue<B, QUEUE>,
    pub(super) punts: Punts<B, P::Key, PUNTS>,
}

impl<P, B, O, E, const QUEUE: usize, const PUNTS: usize> Shard<'_, P, B, O, E, QUEUE, PUNTS>
where
    P: Pipeline,
    B: PacketBuffer,
    O: FlowOffload<P::Key, Offered<P::State>>,
    E: EventSink<FlowRemoved<P::Key, P::State>>,
{
    /// [`enter`](Self::enter) and [`seek`](Self::seek), for a frame that does not enter with a burst.
    #[inline(never)]
    pub(super) fn enter_alone<H: Hints, T: Trace<P>>(
        &mut self,
        buffer: &B,
        lane: &mut Lane<P>,
        at: (PortId, u8),
        now: u64,
        hints: &H,
        trace: &mut T,
    ) {
        self.enter(buffer, lane, at, now, trace);
        self.seek(lane, hints);
    }

    /// Asks for the name of the flow of a frame that enters at port `ingress` and stage `entry`.
    #[inline(always)]
    pub(super) fn enter<T: Trace<P>>(
        &mut self,
        buffer: &B,
        lane: &mut Lane<P>,
        (ingress, entry): (PortId, u8),
        now: u64,
        trace: &mut T,
    ) {
        let frame = Entering { bytes: buffer.bytes(), metadata: buffer.metadata(), ingress, entry };
        (lane.ingress, lane.entry, lane.received) = (ingress, entry, frame.bytes.len());
        self.pipeline.key(frame, &mut lane.name, now, trace);
    }

    /// Asks where the flow table would have a frame's flow, and starts to load that place. Apart
    /// from [`enter`](Self::enter), so that these loads are close to each other and overlap.
    #[inline(always)]
    pub(super) fn seek<H: Hints>(&self, lane: &mut Lane<P>, hints: &H) {
        lane.place = match lane.name.lookup {
            Some(Lookup::Flow { .. }) => self.flows.home(&lane.name.key, hints),
            _ => Place::NONE,
        };
    }

    /// Takes a frame that has entered to its end.
    #[inline(always)]
    pub(super) fn run<D, T: Trace<P>>(
        &mut self,
        buffer: B,
        lane: &mut Lane<P>,
        now: u64,
        platform: &mut D,
        trace: &mut T,
    ) where
        D: Platform<Buffer = B>,
    {
        if lane.is_fragment() {
            return self.run_fragment(buffer, lane, now, platform, trace);
        }
        if let Err((buffer, old)) = self.hit::<_, _, false>(buffer, lane, now, platform, trace) {
            self.slow(buffer, lane, old, now, platform, trace);
        }
    }

    /// [`run`](Self::run), for a frame that does not come with a burst.
    pub(super) fn run_alone<D, T: Trace<P>>(
        &mut self,
        buffer: B,
        lane: &mut Lane<P>,
        now: u64,
        platform: &mut D,
        trace: &mut T,
    ) where
        D: Platform<Buffer = B>,
    {
        if lane.is_fragment() {
            return self.run_fragment(buffer, lane, now, platform, trace);
        }
        if let Err((buffer, old)) = self.hit_again(buffer, lane, now, platform, trace) {
            self.slow(buffer, lane, old, now, platform, trace);
        }
    }

    /// [`run`](Self::run), for a fragment: the first makes a temporary flow for the later ones, which
    /// ends with the last.
    #[cold]
    #[inline(never)]
    fn run_fragment<D, T: Trace<P>>(
        &mut self,
        buffer: B,
        lane: &mut Lane<P>,
        now: u64,
        platform: &mut D,
        trace: &mut T,
    ) where
        D: Platform<Buffer = B>,
    {
        let hints = platform.hints();
        let key = lane.name.key;
        let piece = self.pipeline.piece(buffer.bytes(), &key);
        let (Some(Lookup::Flow { context, epoch }), Some(piece)) = (lane.name.lookup, piece) else {
            return self.slow(buffer, lane, None, now, platform, trace);
        };
        // A temporary flow may have lost its parent.
        if let Some(handle) = self.flows.find(&key, &hints) {
            let Self { pipeline, offload, events, flows, .. } = self;
            let outside = &mut Surroundings { pipeline, offload, events };
            flows.keep(handle, None, now, &hints, outside);
        }
        match self.hit_again(buffer, lane, now, platform, trace) {
            Ok(()) => {}
            Err((buffer, old)) => self.slow(buffer, lane, old, now, platform, trace),
        }
        let Some(handle) = self.flows.find(&key, &hints) else { return };
        let Self { pipeline, offload, events, flows, .. } = self;
        match piece {
            Piece::First { later, timeout } if pipeline.admits(&context, 1) => {
                let frame = Arrival { epoch, now, bytes: 0, tcp: None };
                let outside = &mut Surroundings { pipeline, offload, events };
                flows.begin_fragments(handle, (later, timeout), &frame, &hints, outside);
            }
            Piece::First { .. } => pipeline.count_uncached(&context, Uncached::Limit),
            Piece::Middle => {}
            Piece::Last => {
                let outside = &mut Surroundings { pipeline, offload, events };
                flows.remove(handle, Removal::Closed, now, &hints, outside);
            }
        }
    }

    /// Takes a frame to its end if its flow is there; else gives it back, with the flow that is to
    /// be evaluated again. For one that is `ALONE` it takes less code, and more time.
    #[inline(always)]
    fn hit<D, T: Trace<P>, const ALONE: bool>(
        &mut self,
        mut buffer: B,
        lane: &mut Lane<P>,
        now: u64,
        platform: &mut D,
        trace: &mut T,
    ) -> Result<(), (B, Option<Handle>)>
    where
        D: Platform<Buffer = B>,
    {
        let Some(Lookup::Flow { context, epoch }) = lane.name.lookup else {
            return Err((buffer, None));
        };
        let Some((handle, mut flow, surely)) = self.flows.hit(&lane.place, &lane.name.key, now)
        else {
            trace.flow(FlowStep::Miss);
            return Err((buffer, None));
        };
        if !surely {
            let segment = (&lane.name.edges, buffer.bytes());
            let lives = self.keep(handle, segment, now, &platform.hints());
            let Some(kept) = self.flows.get_mut(handle).filter(|_| lives) else {
                trace.flow(FlowStep::Miss);
                return Err((buffer, None));
            };
            flow = kept;
        }
        if flow.epoch != epoch && flow.flags.contains(FlowFlags::CREATOR) {
            trace.flow(FlowStep::Stale);
            return Err((buffer, Some(handle)));
        }
        trace.flow(FlowStep::Hit);
        let Lane { ingress, entry, received, .. } = *lane;
        let mut packet = Packet { buffer: &mut buffer, ingress, entry };
        let ended = match self.pipeline.step(&mut packet, &context, &mut flow, now, trace) {
            Step::Slow => return Err((buffer, Some(handle))),
            Step::Miss => {
                lane.name.lookup = Some(Lookup::NoFlow { context });
                return Err((buffer, None));
            }
            Step::Enter { ingress, entry } => {
                match changed(flow.apply_any(&mut buffer, &lane.name.edges, u16::MAX)) {
                    Ok(_) => {
                        flow.hit(received, now);
                        // Nothing is known of it any more: `slow` lets it enter.
                        (lane.name.lookup, lane.ingress, lane.entry) = (None, ingress, entry);
                        return Err((buffer, None));
                    }
                    Err(refusal) => Err(refusal.into()),
                }
            }
            Step::Apply => {
                let port = flow.egress.port(ingress);
                let mtu = platform.mtu(port);
                let edges = &lane.name.edges;
                let outcome = if ALONE {
                    flow.apply_any(&mut buffer, edges, mtu)
                } else {
                    flow.apply(&mut buffer, edges, mtu)
                };
                match changed(outcome) {
                    Ok(bytes) => Ok((port, bytes)),
                    Err(refusal) => Err(refusal.into()),
                }
            }
            Step::Pass(port) => Ok((port, received)),
            Step::Drop(reason) => Err(reason),
        };
        flow.hit(received, now);
        match ended {
            Ok(place) => self.send(buffer, (lane, Some(&context)), place, platform, trace),
            Err(reason) => self.drop(buffer, lane, reason, platform, trace),
        }
        Ok(())
    }

    /// Whether the flow lives and the frame belongs to it, which may be a segment that changes a TCP
    /// conversation; else it is removed.
    #[inline(never)]
    fn keep<H: Hints>(
        &mut self,
        handle: Handle,
        (edges, bytes): (&Edges, &[u8]),
        now: u64,
        hints: &H,
    ) -> bool {
        let Self { pipeline, offload, events, flows, .. } = self;
        let outside = &mut Surroundings { pipeline, offload, events };
        let flags = if P::TCP { edges.tcp_flags(bytes) } else { None };
        flows.keep(handle, flags, now, hints, outside)
    }

    /// [`hit`](Self::hit), for frames that enter again.
    #[inline(never)]
    pub(super) fn hit_again<D, T: Trace<P>>(
        &mut self,
        buffer: B,
        lane: &mut Lane<P>,
        now: u64,
        platform: &mut D,
        trace: &mut T,
    ) -> Result<(), (B, Option<Handle>)>
    where
        D: Platform<Buffer = B>,
    {
        self.hit::<_, _, true>(buffer, lane, now, platform, trace)
    }

    /// The frame, now of `bytes` bytes, leaves by `port`.
    #[inline(always)]
    pub(super) fn send<D, T: Trace<P>>(
        &mut self,
        buffer: B,
        (lane, context): (&Lane<P>, Option<&P::Context>),
        (port, bytes): (PortId, usize),
        platform: &mut D,
        trace: &mut T,
    ) where
        D: Platform<Buffer = B>,
    {
        match self.queue.push(port, buffer) {
            Ok(()) => self.count((lane, context), End::Sent { port, bytes }, trace),
            Err(buffer) => {
                self.drop(buffer, lane, Refusal::TxFull.into(), platform, trace);
            }
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn punt<D, T: Trace<P>>(
        &mut self,
        buffer: B,
        lane: &Lane<P>,
        reason: u8,
        now: u64,
        platform: &mut D,
        trace: &mut T,
    ) where
        D: Platform<Buffer = B>,
    {
        // A request that has waited too long is over for this frame too.
        self.expire_punts(now, platform, trace);
        let key = match &lane.name.lookup {
            Some(Lookup::Flow { .. }) => Some(lane.name.key),
            _ => None,
        };
        match self.punts.hold(buffer, (lane.ingress, lane.entry), reason, key, now) {
            Ok(()) => self.count((lane, lane.context()), End::Punted { reason }, trace),
            Err(buffer) => self.drop(buffer, lane, Refusal::PuntFull.into(), platform, trace),
        }
    }

    #[cold]
    pub(super) fn drop<D, T: Trace<P>>(
        &mut self,
        buffer: B,
        lane: &Lane<P>,
        reason: P::Reason,
        platform: &mut D,
        trace: &mut T,
    ) where
        D: Platform<Buffer = B>,
    {
        self.count((lane, lane.context()), End::Dropped(reason), trace);
        platform.recycle(buffer);
    }

    #[inline(always)]
    fn count<T: Trace<P>>(
        &mut self,
        (lane, context): (&Lane<P>, Option<&P::Context>),
        end: End<P::Reason>,
        trace: &mut T,
    ) {
        trace.end(&end);
        self.pipeline.count(context, lane.received, end);
    }
}

pub(super) fn change<B: PacketBuffer>(
    rewrite: &Rewrite,
    edges: &Edges,
    buffer: &mut B,
    mtu: u16,
) -> Result<usize, Refusal> {
    changed(rewrite.apply(buffer, edges, mtu))
}

#[inline(always)]
const fn changed(outcome: Outcome) -> Result<usize, Refusal> {
    match outcome {
        Outcome::Done(bytes) => Ok(bytes),
        Outcome::Ttl => Err(Refusal::Ttl),
        Outcome::TooBig => Err(Refusal::TooBig),
        Outcome::NoRoom => Err(Refusal::NoHeadroom),
    }
}
