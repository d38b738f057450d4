//! One frame's way: flow or slow path, header change, end.

use dash_hal::{Hints, PacketBuffer, Platform, PortId};
use heapless::Deque;

use super::{Punt, REENTRIES, transmit::TransmitQueue};
use crate::{
    flow::{Arrival, FlowFlags, FlowStep, FlowTable, Removal},
    packet::Packet,
    pipeline::{Cause, Decision, End, Lookup, Pipeline, Refusal, Step, Trace, Verdict},
    rewrite::{Outcome, Rewrite},
    table::cuckoo::Handle,
};

/// A frame from its key to its end. It stays where it was parsed: to move what was just written in
/// small pieces costs a wait for each.
pub(super) struct Lane<P: Pipeline, B> {
    pub(super) packet: Packet<B>,
    pub(super) path: Option<Path<P>>,
}

/// What a frame meets: everything of the engine but the frames of the burst.
pub(super) struct Shard<'a, P: Pipeline, B, const QUEUE: usize, const PUNTS: usize> {
    pub(super) pipeline: P,
    pub(super) flows: FlowTable<'a, P::Key, P::State>,
    pub(super) queue: TransmitQueue<B, QUEUE>,
    pub(super) punts: Deque<Punt<B>, PUNTS>,
}

/// What `key` said, without the key, which lies in an array of its own for the look-up.
pub(super) enum Path<P: Pipeline> {
    Flow { context: P::Context, epoch: u32 },
    NoFlow { context: P::Context },
    Drop { context: Option<P::Context>, reason: P::Reason },
}

impl<P: Pipeline, B: PacketBuffer, const QUEUE: usize, const PUNTS: usize>
    Shard<'_, P, B, QUEUE, PUNTS>
{
    /// Decides what becomes of a frame, and changes it.
    #[inline]
    pub(super) fn run<D, T: Trace<P>>(
        &mut self,
        lane: &mut Lane<P, B>,
        key: &mut Option<P::Key>,
        mut handle: Option<Handle>,
        now: u64,
        platform: &mut D,
        trace: &mut T,
    ) -> (Option<P::Context>, Fate<P::Reason>)
    where
        D: Platform<Buffer = B>,
    {
        let Lane { packet, path } = lane;
        let mut known = None;
        for entry in 0..=REENTRIES {
            if entry > 0 {
                (*key, *path) = split(&self.pipeline.key(packet, now, trace));
                let hints = platform.hints();
                handle = key.as_ref().and_then(|key| self.flows.find(key, &hints));
            }
            let fate = match (&*path, &*key) {
                (Some(Path::Drop { context, reason }), _) => {
                    return (*context, Fate::Drop(*reason));
                }
                (&Some(Path::Flow { context, epoch }), Some(key)) => {
                    known = Some(context);
                    let found = Found { key, handle, epoch };
                    self.look(packet, &context, &found, now, platform, trace)
                }
                (&Some(Path::NoFlow { context } | Path::Flow { context, .. }), _) => {
                    known = Some(context);
                    let cause = Cause::NoFlow;
                    let decision = self.pipeline.slow(packet, &context, cause, now, trace);
                    carry_out(&decision, packet, platform)
                }
                (None, _) => None,
            };
            if let Some(fate) = fate {
                return (known, fate);
            }
        }
        (known, Fate::Drop(Refusal::LoopBudget.into()))
    }

    /// Takes one frame to its end.
    #[inline]
    pub(super) fn end<D, T: Trace<P>>(
        &mut self,
        packet: Packet<B>,
        context: Option<P::Context>,
        fate: Fate<P::Reason>,
        platform: &mut D,
        trace: &mut T,
    ) where
        D: Platform<Buffer = B>,
    {
        match fate {
            Fate::Send(port) => self.send(packet, context, port, platform, trace),
            Fate::Punt(reason) => self.punt(packet, context, reason, platform, trace),
            Fate::Drop(reason) => self.drop(packet, context, reason, platform, trace),
        }
    }

    /// A frame that has a key: hit, or slow path. `None`: it enters again.
    #[inline]
    fn look<D, T: Trace<P>>(
        &mut self,
        packet: &mut Packet<B>,
        context: &P::Context,
        found: &Found<'_, P::Key>,
        now: u64,
        platform: &mut D,
        trace: &mut T,
    ) -> Option<Fate<P::Reason>>
    where
        D: Platform<Buffer = B>,
    {
        let &Found { key, mut handle, epoch } = found;
        let hints = platform.hints();
        if let Some(found) = handle
            && let Some(why) = self.flows.timed_out(found, now)
        {
            self.flows.remove(found, why, &hints);
            handle = None;
        }
        let bytes = packet.buffer.bytes().len();
        let mut again = None;
        if let Some(found) = handle
            && let Some(flow) = self.flows.get_mut(found)
        {
            if flow.epoch != epoch && flow.flags.contains(FlowFlags::CREATOR) {
                trace.flow(FlowStep::Stale);
                again = Some(found);
            } else {
                trace.flow(FlowStep::Hit);
                match self.pipeline.step(packet, context, flow, now, trace) {
                    Step::Slow => again = Some(found),
                    step => {
                        flow.used = now;
                        flow.packets += 1;
                        flow.bytes += bytes as u64;
                        return match step {
                            Step::Pass(port) => Some(Fate::Send(port)),
                            Step::Drop(reason) => Some(Fate::Drop(reason)),
                            Step::Apply | Step::Slow => {
                                let port = flow.egress.port(packet.ingress);
                                Some(apply(&flow.rewrite, packet, port, platform))
                            }
                        };
                    }
                }
            }
        } else {
            trace.flow(FlowStep::Miss);
        }
        let cause = if again.is_some() { Cause::Again(key) } else { Cause::Miss(key) };
        let decision = self.pipeline.slow(packet, context, cause, now, trace);
        let frame = Arrival { epoch, now, bytes };
        self.remember(&decision, context, again, &frame, &hints, trace);
        carry_out(&decision, packet, platform)
    }

    /// Puts what a slow path asked for into the flow table. A full table never stops the frame.
    fn remember<H: Hints, T: Trace<P>>(
        &mut self,
        decision: &Decision<P>,
        context: &P::Context,
        old: Option<Handle>,
        frame: &Arrival,
        hints: &H,
        trace: &mut T,
    ) {
        // A frame that ends, or goes round again, leaves nothing that a later one may hit.
        let leaves = matches!(decision.verdict, Verdict::Forward { .. } | Verdict::Reply { .. });
        let (done, step) = match old {
            Some(old) if leaves => {
                (self.flows.replace(old, &decision.install, frame, hints), FlowStep::Replaced)
            }
            Some(old) => {
                self.flows.remove(old, Removal::Policy, hints);
                (Ok(None), FlowStep::Removed)
            }
            None if leaves => {
                (self.flows.install(&decision.install, frame, hints), FlowStep::Installed)
            }
            None => return,
        };
        match done {
            Ok(Some(_)) => trace.flow(step),
            Ok(None) if old.is_some() => trace.flow(FlowStep::Removed),
            Ok(None) => {}
            Err(_) => {
                self.pipeline.count_uncached(context);
                trace.flow(FlowStep::Uncached);
            }
        }
    }

    fn send<D, T: Trace<P>>(
        &mut self,
        packet: Packet<B>,
        context: Option<P::Context>,
        port: PortId,
        platform: &mut D,
        trace: &mut T,
    ) where
        D: Platform<Buffer = B>,
    {
        if self.queue.room() == 0 {
            return self.drop(packet, context, Refusal::TxFull.into(), platform, trace);
        }
        let end = End::Sent { port, bytes: packet.buffer.bytes().len() };
        trace.end(&end);
        self.pipeline.count(context.as_ref(), end);
        let _ = self.queue.push(port, packet.buffer);
    }

    fn punt<D, T: Trace<P>>(
        &mut self,
        packet: Packet<B>,
        context: Option<P::Context>,
        reason: u8,
        platform: &mut D,
        trace: &mut T,
    ) where
        D: Platform<Buffer = B>,
    {
        if self.punts.is_full() {
            return self.drop(packet, context, Refusal::PuntFull.into(), platform, trace);
        }
        let end = End::Punted { reason };
        trace.end(&end);
        self.pipeline.count(context.as_ref(), end);
        let _ = self.punts.push_back(Punt { packet, reason });
    }

    fn drop<D, T: Trace<P>>(
        &mut self,
        packet: Packet<B>,
        context: Option<P::Context>,
        reason: P::Reason,
        platform: &mut D,
        trace: &mut T,
    ) where
        D: Platform<Buffer = B>,
    {
        let end = End::Dropped(reason);
        trace.end(&end);
        self.pipeline.count(context.as_ref(), end);
        platform.recycle(packet.buffer);
    }
}

/// What the look-up of one frame answered.
struct Found<'k, K> {
    key: &'k K,
    handle: Option<Handle>,
    epoch: u32,
}

/// What becomes of a frame.
#[derive(Clone, Copy)]
pub(super) enum Fate<R> {
    Send(PortId),
    Punt(u8),
    Drop(R),
}

pub(super) fn split<P: Pipeline>(lookup: &Lookup<P>) -> (Option<P::Key>, Option<Path<P>>) {
    match *lookup {
        Lookup::Flow { key, context, epoch } => (Some(key), Some(Path::Flow { context, epoch })),
        Lookup::NoFlow { context } => (None, Some(Path::NoFlow { context })),
        Lookup::Drop { context, reason } => (None, Some(Path::Drop { context, reason })),
    }
}

fn carry_out<P: Pipeline, B: PacketBuffer, D: Platform<Buffer = B>>(
    decision: &Decision<P>,
    packet: &mut Packet<B>,
    platform: &D,
) -> Option<Fate<P::Reason>> {
    match &decision.verdict {
        Verdict::Forward { rewrite, egress } => {
            Some(apply(rewrite, packet, egress.port(packet.ingress), platform))
        }
        Verdict::Reply { egress } => Some(Fate::Send(egress.port(packet.ingress))),
        Verdict::Punt { reason } => Some(Fate::Punt(*reason)),
        Verdict::Drop(reason) => Some(Fate::Drop(*reason)),
        Verdict::Recirculate { rewrite, ingress, entry } => {
            if let Err(refusal) = change(rewrite, packet, u16::MAX) {
                return Some(Fate::Drop(refusal.into()));
            }
            packet.ingress = *ingress;
            packet.entry = *entry;
            None
        }
    }
}

#[inline]
fn apply<R: From<Refusal>, B: PacketBuffer, D: Platform<Buffer = B>>(
    rewrite: &Rewrite,
    packet: &mut Packet<B>,
    port: PortId,
    platform: &D,
) -> Fate<R> {
    match change(rewrite, packet, platform.mtu(port)) {
        Ok(()) => Fate::Send(port),
        Err(refusal) => Fate::Drop(refusal.into()),
    }
}

#[inline]
fn change<B: PacketBuffer>(
    rewrite: &Rewrite,
    packet: &mut Packet<B>,
    mtu: u16,
) -> Result<(), Refusal> {
    match rewrite.apply(&mut packet.buffer, &packet.layout, mtu) {
        Outcome::Done => Ok(()),
        Outcome::Ttl => Err(Refusal::Ttl),
        Outcome::TooBig => Err(Refusal::TooBig),
        Outcome::NoRoom => Err(Refusal::NoHeadroom),
    }
}
