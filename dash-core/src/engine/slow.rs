//! A frame without a flow of its own: policy is asked, and what it says is remembered.

use super::{
    REENTRIES,
    lane::Lane,
    shard::{Shard, change},
    surroundings::Surroundings,
};
use crate::{
    flow::{Arrival, Egress, FlowRemoved, FlowStep, Install, Offered, Removal, WhenFull},
    packet::Packet,
    pipeline::{Cause, Decision, Lookup, Name, Pipeline, Refusal, Trace, Uncached, Verdict},
    table::cuckoo::{Handle, Place},
};
use dash_hal::{EventSink, FlowOffload, Hints, PacketBuffer, Platform, PortId};

/// What becomes of a frame that policy was asked about.
enum Fate<R> {
    /// It leaves by a port, now of so many bytes.
    Send((PortId, usize)),
    Punt(u8),
    Drop(R),
}

impl<P, B, O, E, const QUEUE: usize, const PUNTS: usize> Shard<'_, P, B, O, E, QUEUE, PUNTS>
where
    P: Pipeline,
    B: PacketBuffer,
    O: FlowOffload<P::Key, Offered<P::State>>,
    E: EventSink<FlowRemoved<P::Key, P::State>>,
{
    /// Takes a frame to its end that hit no flow, whose flow `old` is to be evaluated again, or
    /// that enters again.
    #[inline(never)]
    pub(super) fn slow<D, T: Trace<P>>(
        &mut self,
        mut buffer: B,
        lane: &mut Lane<P>,
        mut old: Option<Handle>,
        now: u64,
        platform: &mut D,
        trace: &mut T,
    ) where
        D: Platform<Buffer = B>,
    {
        for entry in 0..=REENTRIES {
            if entry > 0 {
                let at = (lane.ingress, lane.entry);
                self.enter_alone(&buffer, lane, at, now, &platform.hints(), trace);
                match self.hit_again(buffer, lane, now, platform, trace) {
                    Ok(()) => return,
                    Err(missed) => (buffer, old) = missed,
                }
            }
            let fate = self.decide(&mut buffer, lane, old, now, platform, trace);
            match fate {
                Some(Fate::Send(place)) => {
                    return self.send(buffer, (lane, lane.context()), place, platform, trace);
                }
                Some(Fate::Punt(reason)) => {
                    return self.punt(buffer, lane, reason, now, platform, trace);
                }
                Some(Fate::Drop(reason)) => {
                    return self.drop(buffer, lane, reason, platform, trace);
                }
                None => {}
            }
        }
        self.drop(buffer, lane, Refusal::LoopBudget.into(), platform, trace);
    }

    /// Asks policy. `None`: the frame enters again.
    fn decide<D, T: Trace<P>>(
        &mut self,
        buffer: &mut B,
        lane: &mut Lane<P>,
        old: Option<Handle>,
        now: u64,
        platform: &mut D,
        trace: &mut T,
    ) -> Option<Fate<P::Reason>>
    where
        D: Platform<Buffer = B>,
    {
        let hints = platform.hints();
        let Name { lookup, key, edges } = &lane.name;
        let (context, epoch) = match lookup {
            Some(Lookup::Flow { context, epoch }) => (context, Some(*epoch)),
            Some(Lookup::NoFlow { context }) => (context, None),
            Some(Lookup::Drop { reason, .. }) => return Some(Fate::Drop(*reason)),
            None => return None,
        };
        let cause = match (epoch, old) {
            (None, _) => Cause::NoFlow,
            (Some(_), None) => Cause::Miss(key),
            (Some(_), Some(_)) => Cause::Again(key),
        };
        let bytes = buffer.bytes().len();
        let mut packet = Packet { buffer, ingress: lane.ingress, entry: lane.entry };
        // Before the pipeline may turn the frame into its answer.
        let tcp = P::TCP.then(|| edges.tcp_flags(packet.buffer.bytes())).flatten();
        // An insertion's lines are loaded while policy is evaluated.
        let other = epoch.and_then(|_| self.pipeline.other_half(key));
        let its = self.flows.prefetch_installation(&lane.place, other.as_ref(), &hints);
        // Not moved from here on: it is long.
        let decision = self.ask(&mut packet, context, cause, now, &hints, trace);
        if let Some(epoch) = epoch {
            let arrival = Arrival { epoch, now, bytes, tcp };
            let known = [(key, lane.place), (other.as_ref().unwrap_or(key), its)];
            let asked = (&arrival, known.as_slice());
            let remembered = self.remember(&decision, context, old, asked, &hints, trace);
            if let Err(why) = remembered
                && self.flows.settings().when_full == WhenFull::Drop
            {
                return Some(Fate::Drop(Refusal::from(why).into()));
            }
        }
        let copied;
        let verdict = if P::COPIES && decision.copies {
            copied = self.copy(decision.verdict, &packet, edges, platform, trace);
            &copied
        } else {
            &decision.verdict
        };
        let (rewrite, egress, again) = match verdict {
            Verdict::Forward { rewrite, egress } => (rewrite, *egress, None),
            Verdict::Reply { egress } => {
                let bytes = packet.buffer.bytes().len();
                return Some(Fate::Send((egress.port(lane.ingress), bytes)));
            }
            Verdict::Punt { reason } if P::PUNTS => return Some(Fate::Punt(*reason)),
            Verdict::Punt { .. } => return Some(Fate::Drop(Refusal::PuntFull.into())),
            Verdict::Drop(reason) => return Some(Fate::Drop(*reason)),
            Verdict::Recirculate { rewrite, ingress, entry } => {
                (rewrite, Egress::INGRESS, Some((*ingress, *entry)))
            }
        };
        let port = egress.port(lane.ingress);
        let mtu = if again.is_none() { platform.mtu(port) } else { u16::MAX };
        match (change(rewrite, edges, packet.buffer, mtu), again) {
            (Err(refusal), _) => Some(Fate::Drop(refusal.into())),
            (Ok(bytes), None) => Some(Fate::Send((port, bytes))),
            (Ok(_), Some(at)) => {
                (lane.ingress, lane.entry) = at;
                None
            }
        }
    }

    /// Apart from [`decide`](Self::decide), whose stack frame is then small for frames that enter
    /// again.
    #[inline(never)]
    fn ask<H: Hints, T: Trace<P>>(
        &mut self,
        packet: &mut Packet<'_, B>,
        context: &P::Context,
        cause: Cause<'_, P::Key>,
        now: u64,
        hints: &H,
        trace: &mut T,
    ) -> Decision<P> {
        self.pipeline.slow(packet, context, cause, now, hints, trace)
    }

    /// Puts what a slow path asked for into the flow table.
    fn remember<H: Hints, T: Trace<P>>(
        &mut self,
        decision: &Decision<P>,
        context: &P::Context,
        old: Option<Handle>,
        (frame, known): (&Arrival, &[(&P::Key, Place)]),
        hints: &H,
        trace: &mut T,
    ) -> Result<(), Uncached> {
        let Self { pipeline, offload, events, flows, .. } = self;
        let wanted = match decision.install {
            Install::None => 0,
            Install::One(_) => 1,
            Install::Pair(..) | Install::Two(..) => 2,
        };
        let admitted = old.is_some() || wanted == 0 || pipeline.admits(context, wanted);
        let outside = &mut Surroundings { pipeline, offload, events };
        // Nothing that a later frame may hit stays of one that ends, unless the pipeline asks.
        let ends = matches!(decision.verdict, Verdict::Drop(_) | Verdict::Punt { .. });
        let leaves = !ends || wanted > 0;
        let (done, step) = match old {
            Some(old) if leaves => {
                let done = flows.replace(old, &decision.install, frame, hints, outside);
                (done.map_err(Uncached::from), FlowStep::Replaced)
            }
            Some(old) => {
                flows.remove(old, Removal::Denied, frame.now, hints, outside);
                (Ok(None), FlowStep::Removed)
            }
            None if leaves && !admitted => (Err(Uncached::Limit), FlowStep::Uncached),
            None if leaves => {
                let done = flows.install_at(known, &decision.install, frame, hints, outside);
                (done.map_err(Uncached::from), FlowStep::Installed)
            }
            None => return Ok(()),
        };
        match done {
            Ok(Some(_)) => trace.flow(step),
            Ok(None) if old.is_some() => trace.flow(FlowStep::Removed),
            Ok(None) => {}
            Err(why) => {
                self.pipeline.count_uncached(context, why);
                trace.flow(FlowStep::Uncached);
            }
        }
        done.map(|_| ())
    }
}
