//! Copies of one frame, for flood and mirror.
//!
//! Each takes a place of the transmit queue, so an engine whose pipeline floods has more places than
//! a burst times the ports of its largest switch; a copy without a place is dropped and counted.

use dash_hal::{EventSink, FlowOffload, PacketBuffer, Platform};

use super::{
    COPIES,
    shard::{Shard, change},
};
use crate::{
    flow::{Egress, FlowRemoved, Offered},
    packet::Packet,
    pipeline::{End, Pipeline, Refusal, Trace, Verdict},
    rewrite::Rewrite,
    wire::Edges,
};

impl<P, B, O, E, const QUEUE: usize, const PUNTS: usize> Shard<'_, P, B, O, E, QUEUE, PUNTS>
where
    P: Pipeline,
    B: PacketBuffer,
    O: FlowOffload<P::Key, Offered<P::State>>,
    E: EventSink<FlowRemoved<P::Key, P::State>>,
{
    /// Sends copies of a frame, and answers what becomes of the frame itself. Of a frame that is
    /// forwarded the first copy takes its place and it takes the last one's, so that what leaves
    /// is in order; without a buffer for a copy it leaves by its own.
    #[inline(never)]
    pub(super) fn copy<D, T: Trace<P>>(
        &mut self,
        verdict: Verdict<P::Reason>,
        packet: &Packet<'_, B>,
        edges: &Edges,
        platform: &mut D,
        trace: &mut T,
    ) -> Verdict<P::Reason>
    where
        D: Platform<Buffer = B>,
    {
        let (mut current, fate) = match verdict {
            Verdict::Forward { rewrite, egress } => (Some((rewrite, egress)), None),
            other => (self.pipeline.copy(packet), Some(other)),
        };
        for _ in 0..COPIES {
            let Some((rewrite, egress)) = current else { break };
            let next = self.pipeline.copy(packet);
            if next.is_none() && fate.is_none() {
                return Verdict::Forward { rewrite, egress };
            }
            match platform.copy(packet.buffer) {
                Some(copy) => {
                    self.send_copy(copy, (&rewrite, egress), packet, edges, platform, trace);
                }
                None if fate.is_some() => self.pipeline.count_copy(None),
                None => {
                    // The frame leaves here, and what is left of its copies is refused.
                    let left = core::iter::successors(next, |_| self.pipeline.copy(packet));
                    for _ in 0..left.take(COPIES).count() {
                        self.pipeline.count_copy(None);
                    }
                    return Verdict::Forward { rewrite, egress };
                }
            }
            current = next;
        }
        fate.unwrap_or(Verdict::Drop(Refusal::LoopBudget.into()))
    }

    /// Sends a copy of the frame `packet`, whose headers are where `edges` says.
    fn send_copy<D, T: Trace<P>>(
        &mut self,
        mut copy: B,
        (rewrite, egress): (&Rewrite, Egress),
        packet: &Packet<'_, B>,
        edges: &Edges,
        platform: &mut D,
        trace: &mut T,
    ) where
        D: Platform<Buffer = B>,
    {
        let port = egress.port(packet.ingress);
        let sent = match change(rewrite, edges, &mut copy, platform.mtu(port)) {
            Ok(bytes) => match self.queue.push(port, copy) {
                Ok(()) => Ok(End::Sent { port, bytes }),
                Err(copy) => Err((copy, Refusal::TxFull)),
            },
            Err(refusal) => Err((copy, refusal)),
        };
        let end = match sent {
            Ok(end) => end,
            Err((copy, refusal)) => {
                platform.recycle(copy);
                End::Dropped(refusal.into())
            }
        };
        trace.end(&end);
        self.pipeline.count_copy(Some(end));
    }
}
