//! What a controller answers, and what becomes of the frames that waited for it.

use dash_hal::{EventSink, FlowOffload, PacketBuffer, Platform, PortId};

use super::{
    lane::Lane,
    punts::Punt,
    shard::{Shard, change},
};
use crate::{
    flow::{Egress, Flow, FlowMut, FlowRemoved, Offered},
    packet::Packet,
    pipeline::{Lookup, Pipeline, Refusal, Step, Trace, Uncached},
    rewrite::{NextHop, NextHops, Rewrite},
};

/// What a controller says of a request.
#[derive(Clone, Copy, Debug)]
pub enum Answer<R> {
    /// Its frames go on, by the flow that was installed for them; without one, as it was meant.
    Release {
        /// The header change.
        rewrite: Rewrite,
        /// Where they leave.
        egress: Egress,
        /// The table had no place for the flow.
        full: bool,
    },
    /// They end.
    Drop(R),
}

impl<P, B, O, E, const QUEUE: usize, const PUNTS: usize> Shard<'_, P, B, O, E, QUEUE, PUNTS>
where
    P: Pipeline,
    B: PacketBuffer,
    O: FlowOffload<P::Key, Offered<P::State>>,
    E: EventSink<FlowRemoved<P::Key, P::State>>,
{
    /// Takes the frames of a request to their ends, in the order of their arrival; answers how
    /// many there were.
    pub(super) fn answer<D, T: Trace<P>>(
        &mut self,
        request: u64,
        answer: &Answer<P::Reason>,
        now: u64,
        platform: &mut D,
        trace: &mut T,
    ) -> usize
    where
        D: Platform<Buffer = B>,
    {
        let (mut left, mut count) = (self.punts.len(), 0);
        while let Some(punt) = self.punts.turn(&mut left, |punt| punt.request == request) {
            count += 1;
            match answer {
                Answer::Drop(reason) => self.end(punt.buffer, *reason, platform, trace),
                Answer::Release { rewrite, egress, full } => {
                    self.release(punt, (rewrite, *egress), *full, now, platform, trace);
                }
            }
        }
        count
    }

    /// Ends the frames of requests that have waited too long.
    pub(super) fn expire_punts<D, T: Trace<P>>(&mut self, now: u64, platform: &mut D, trace: &mut T)
    where
        D: Platform<Buffer = B>,
    {
        if !self.punts.is_late(now) {
            return;
        }
        let mut left = self.punts.len();
        while let Some(punt) = self.punts.turn(&mut left, |punt| punt.is_late(now)) {
            self.end(punt.buffer, Refusal::PuntTimeout.into(), platform, trace);
        }
    }

    fn end<D, T: Trace<P>>(&mut self, buffer: B, reason: P::Reason, platform: &mut D, trace: &mut T)
    where
        D: Platform<Buffer = B>,
    {
        let mut lane = Lane::EMPTY;
        lane.received = buffer.bytes().len();
        self.drop(buffer, &lane, reason, platform, trace);
    }

    /// One frame goes on: by its flow, or as `meant`.
    fn release<D, T: Trace<P>>(
        &mut self,
        punt: Punt<B, P::Key>,
        (rewrite, egress): (&Rewrite, Egress),
        full: bool,
        now: u64,
        platform: &mut D,
        trace: &mut T,
    ) where
        D: Platform<Buffer = B>,
    {
        let Punt { buffer, ingress, entry, .. } = punt;
        let mut lane = Lane::EMPTY;
        let at = (ingress, entry);
        self.enter_alone(&buffer, &mut lane, at, now, &platform.hints(), trace);
        let Err((mut buffer, _)) = self.hit_again(buffer, &mut lane, now, platform, trace) else {
            return;
        };
        let Some(context) = lane.context().copied() else {
            return self.end(buffer, Refusal::NoHeadroom.into(), platform, trace);
        };
        if full && let Some(Lookup::Flow { .. }) = lane.name.lookup {
            self.pipeline.count_uncached(&context, Uncached::TableFull);
        }
        let mut packet = Packet { buffer: &mut buffer, ingress, entry };
        // As a flow that it alone has.
        let mut next_hop = [NextHop::FREE];
        let mut meant = Flow { egress, ..Flow::EMPTY };
        let mut meant = FlowMut::new(&mut meant, NextHops::new(&mut next_hop));
        meant.set_rewrite(rewrite);
        let ended = match self.pipeline.step(&mut packet, &context, &mut meant, now, trace) {
            Step::Drop(reason) => Err(reason),
            _ => Self::leave(&mut buffer, &lane, (&meant.rewrite(), meant.egress), platform),
        };
        match ended {
            Ok(place) => self.send(buffer, (&lane, Some(&context)), place, platform, trace),
            Err(reason) => self.drop(buffer, &lane, reason, platform, trace),
        }
    }

    /// A frame as a controller wants it, of the port `ingress`: with this header change, by this
    /// port.
    pub(super) fn emit<D, T: Trace<P>>(
        &mut self,
        mut buffer: B,
        ingress: PortId,
        out: (&Rewrite, Egress),
        now: u64,
        platform: &mut D,
        trace: &mut T,
    ) where
        D: Platform<Buffer = B>,
    {
        let mut lane = Lane::EMPTY;
        self.enter(&buffer, &mut lane, (ingress, 0), now, trace);
        let left = match &lane.name.lookup {
            Some(Lookup::Drop { reason, .. }) => Err(*reason),
            _ => Self::leave(&mut buffer, &lane, out, platform),
        };
        match left {
            Ok(place) => self.send(buffer, (&lane, lane.context()), place, platform, trace),
            Err(reason) => self.drop(buffer, &lane, reason, platform, trace),
        }
    }

    /// Changes the headers of a frame that has entered; answers the port and the length.
    fn leave<D>(
        buffer: &mut B,
        lane: &Lane<P>,
        (rewrite, egress): (&Rewrite, Egress),
        platform: &D,
    ) -> Result<(PortId, usize), P::Reason>
    where
        D: Platform<Buffer = B>,
    {
        let port = egress.port(lane.ingress);
        let changed = change(rewrite, &lane.name.edges, buffer, platform.mtu(port));
        changed.map(|bytes| (port, bytes)).map_err(Into::into)
    }
}
