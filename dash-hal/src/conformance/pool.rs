//! The pool: nothing breaks without free buffers, and none is lost or there twice.

use super::{
    Bench, Fault, Link, Stop, Suite, Verdict,
    frame::{Frame, SHORTEST, Shape},
    wire::grow,
};
use crate::{BURST, PacketBuffer, Pool};

impl<B: Bench> Suite<'_, B> {
    pub(super) fn out_of_buffers(&mut self, link: Link) -> Verdict {
        let free = self.pool?;
        // What the cases before took is back.
        self.are_back(link, Ok(free))?;
        self.draw_all()?;
        self.are_distinct()?;
        if let Some(Some(held)) = self.store.first()
            && let Some(copy) = self.bench.platform().copy(held)
        {
            self.recycle(copy);
        }
        let first = self.number;
        for place in self.store.iter_mut().take(BURST.min(self.setup.ring)) {
            let Some(mut buffer) = place.take() else { break };
            buffer.truncate(0);
            let frame = Frame::new(Shape::Plain, self.session, self.number, SHORTEST);
            self.number += 1;
            let grown = grow(&mut buffer, &frame);
            if let Err(buffer) = self.offered.push(buffer) {
                self.bench.platform().recycle(buffer);
            }
            grown?;
        }
        self.come_or_counted(link, first)?;
        self.release();
        self.are_back(link, Ok(free))
    }

    /// What is offered, from number `first` on, comes back in order; what does not is counted.
    fn come_or_counted(&mut self, link: Link, first: u32) -> Verdict {
        let dropped = self.bench.dropped();
        let (mut next, mut came) = (first, 0);
        let mut patience = self.patience();
        loop {
            self.transmit(link.from)?;
            self.receive(link.to, BURST)?;
            while let Some((number, buffer)) = self.next_arrival() {
                let verdict = if number < next {
                    Err(Fault::Sequence(next, number))
                } else {
                    Frame::new(Shape::Plain, self.session, number, SHORTEST).check(&buffer)
                };
                self.recycle(buffer);
                verdict?;
                next = number + 1;
                came += 1;
            }
            let counted = self.bench.dropped().saturating_sub(dropped);
            if came + counted >= u64::from(self.number - first) {
                return Ok(());
            }
            if !self.wait(&mut patience) {
                return Err(self.missing(next).into());
            }
        }
    }

    /// Free buffers before the first case, with full receive rings.
    pub(super) fn count_pool(&mut self) -> Result<usize, Stop> {
        for link in self.setup.links {
            self.receive(link.to, BURST)?;
            self.release();
        }
        let count = self.draw_all()?;
        self.release();
        if count == 0 { Err(Stop::Refused) } else { Ok(count) }
    }

    /// Free buffers once all frames of the suite are through: none is under way behind this one.
    pub(super) fn settle(&mut self, link: Link) -> Result<usize, Stop> {
        // A receive ring that ran dry has buffers again after a call.
        self.receive(link.to, BURST)?;
        while let Some((_, late)) = self.next_arrival() {
            self.recycle(late);
        }
        let last = self.fetch(link, SHORTEST)?;
        self.recycle(last);
        let count = self.draw_all()?;
        self.are_distinct()?;
        self.release();
        Ok(count)
    }

    /// Whether as many buffers are free as `before`. A ring that is filled in batches holds more
    /// or fewer of them from frame to frame, so a frame goes round before each look.
    pub(super) fn are_back(&mut self, link: Link, before: Result<usize, Stop>) -> Verdict {
        let before = before?;
        let mut after = before;
        for _ in 0..self.setup.ring + BURST {
            after = match self.settle(link) {
                Ok(count) => count,
                // None is left, or more than the store had places for.
                Err(Stop::Refused) => 0,
                Err(Stop::NotReached) => self.store.len(),
                Err(fault) => return Err(fault),
            };
            self.release();
            if after == before {
                return Ok(());
            }
            self.bench.wait();
        }
        Err(Fault::Buffers(before, after).into())
    }

    /// Draws every free buffer into the store, and answers how many.
    fn draw_all(&mut self) -> Result<usize, Stop> {
        let platform = self.bench.platform();
        for (count, place) in self.store.iter_mut().enumerate() {
            *place = platform.empty();
            if place.is_none() {
                return Ok(count);
            }
        }
        Err(Stop::NotReached)
    }

    /// Whether the buffers of the store lie in memory of their own.
    fn are_distinct(&mut self) -> Verdict {
        let mark = |index: usize| (index as u32).to_be_bytes();
        for (index, buffer) in self.store.iter_mut().flatten().enumerate() {
            if !buffer.bytes().is_empty() {
                return Err(Fault::NotEmpty(buffer.bytes().len()).into());
            }
            buffer.push_back(4).map_err(|_| Fault::Refusal)?;
            for (to, from) in buffer.bytes_mut().iter_mut().zip(mark(index)) {
                *to = from;
            }
        }
        for (index, buffer) in self.store.iter().flatten().enumerate() {
            if buffer.bytes() != mark(index) {
                return Err(Fault::Shared.into());
            }
        }
        Ok(())
    }
}
