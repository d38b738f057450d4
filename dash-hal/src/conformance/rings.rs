//! Bursts through the rings: order, loss, refusal.

use super::{
    Bench, ETHERNET, Fault, Link, NOWHERE, Stop, Suite, Verdict,
    frame::{Frame, SHORTEST, Shape},
};
use crate::{BURST, PacketBuffer, Pool, Ports, TAILROOM};

/// Times that the frames fill the ring.
const ROUNDS: usize = 4;
/// Rings full of frames after which a transmit ring is taken to empty as fast as it is filled. A
/// wire of sockets holds a few hundred frames of its own before the ring stands still.
const FLOOD: usize = 64;
/// Frames of which the device holds some while fewer are asked for.
const WAITING: usize = 9;
/// Places left in a burst for more frames than that.
const ROOM: usize = 2;

impl<B: Bench> Suite<'_, B> {
    /// The longest frame that every port sends and every empty buffer holds.
    fn longest(&mut self, link: Link) -> usize {
        ETHERNET + usize::from(self.bench.platform().mtu(link.from)).min(TAILROOM)
    }

    /// The frame of a stream: lengths vary.
    fn of_stream(&self, number: usize, longest: usize) -> Frame {
        let spread = longest.saturating_sub(SHORTEST) + 1;
        let length = SHORTEST + number * 37 % spread;
        Frame::new(Shape::Plain, self.session, number as u32, length)
    }

    pub(super) fn ring_wrap(&mut self, link: Link) -> Verdict {
        let ring = self.setup.ring.max(1);
        let count = ROUNDS * ring + BURST;
        let longest = self.longest(link);
        let (mut made, mut back) = (0, 0);
        let mut patience = self.patience();
        while back < count {
            // Bursts of every size, and never more under way than a ring holds.
            let places = ring.saturating_sub(made - back).min(self.offered.room());
            for _ in 0..(1 + made % BURST).min(count - made).min(places) {
                match self.offer(&self.of_stream(made, longest)) {
                    Ok(()) => made += 1,
                    // The others' buffers come back.
                    Err(Stop::Refused) if made > back => break,
                    verdict => return verdict,
                }
            }
            let mut moved = self.transmit(link.from)?;
            self.receive(link.to, BURST)?;
            while let Some((number, buffer)) = self.next_arrival() {
                let verdict = if number == back as u32 {
                    self.of_stream(back, longest).check(&buffer)
                } else {
                    Err(Fault::Sequence(back as u32, number))
                };
                self.recycle(buffer);
                verdict?;
                back += 1;
                moved += 1;
            }
            if moved > 0 {
                patience = self.patience();
            } else if !self.wait(&mut patience) {
                return Err(self.missing(back as u32).into());
            }
        }
        // Had one come twice at the end, it would be here before this one.
        self.number = count as u32;
        let last = self.fetch(link, SHORTEST)?;
        self.recycle(last);
        Ok(())
    }

    pub(super) fn partial_transmit(&mut self, link: Link) -> Verdict {
        let dropped = self.bench.dropped();
        let longest = self.longest(link);
        let flood = FLOOD * self.setup.ring;
        let (mut made, mut sent) = (0, 0);
        while self.offered.is_empty() {
            while made < flood && self.offered.room() > 0 {
                match self.offer(&Frame::new(Shape::Plain, self.session, made as u32, longest)) {
                    Ok(()) => made += 1,
                    Err(Stop::Refused) => break,
                    verdict => return verdict,
                }
            }
            if self.offered.is_empty() {
                break;
            }
            sent += self.transmit(link.from)?;
        }
        if made == 0 {
            return Err(Stop::Refused);
        }
        let left = self.offered.len();
        for number in sent..made {
            let Some(buffer) = self.offered.pop() else { return Err(Fault::Rest.into()) };
            let right =
                Frame::new(Shape::Plain, self.session, number as u32, longest).check(&buffer);
            if let Err(buffer) = self.offered.push(buffer) {
                self.recycle(buffer);
            }
            right.map_err(|_| Fault::Rest)?;
        }
        self.collect_flood(link, made, longest, dropped)?;
        if left == 0 { Err(Stop::NotReached) } else { Ok(()) }
    }

    /// All of the flood comes back in order, but for what was dropped and counted: the receive ring
    /// may have been full.
    fn collect_flood(&mut self, link: Link, made: usize, longest: usize, dropped: u64) -> Verdict {
        let (mut next, mut missing, mut first_missing) = (0, 0, None);
        let mut patience = self.patience();
        loop {
            let mut moved = self.transmit(link.from)?;
            self.receive(link.to, BURST)?;
            while let Some((number, buffer)) = self.next_arrival() {
                let verdict = if number < next {
                    Err(Fault::Sequence(next, number))
                } else {
                    Frame::new(Shape::Plain, self.session, number, longest).check(&buffer)
                };
                self.recycle(buffer);
                verdict?;
                if number > next {
                    first_missing = first_missing.or(Some(next));
                    missing += u64::from(number - next);
                }
                next = number + 1;
                moved += 1;
            }
            if next as usize >= made {
                break;
            }
            if moved > 0 {
                patience = self.patience();
            } else if !self.wait(&mut patience) {
                break;
            }
        }
        if !self.offered.is_empty() {
            return Err(Fault::Stalled.into());
        }
        missing += (made as u64).saturating_sub(u64::from(next));
        let counted = self.bench.dropped().saturating_sub(dropped);
        if missing > counted {
            return Err(Fault::Lost(first_missing.unwrap_or(next)).into());
        }
        Ok(())
    }

    pub(super) fn receive_limit(&mut self, link: Link) -> Verdict {
        self.send_some(link)?;
        self.receive(link.to, 0)?;
        // The first frame tells how long the others take.
        let mut patience = self.patience();
        let mut polls = 0;
        while self.receive(link.to, 1)? == 0 {
            polls += 1;
            if !self.wait(&mut patience) {
                return Err(self.missing(self.number).into());
            }
        }
        self.wait_for_others(polls);
        for limit in [0, 1, 3] {
            self.receive(link.to, limit)?;
        }
        self.receive_all(link)?;
        self.receive_into_little_room(link, polls)
    }

    /// Frames wait while the burst has few places left, behind buffers that must stay.
    fn receive_into_little_room(&mut self, link: Link, polls: usize) -> Verdict {
        let guards = BURST - ROOM;
        for place in 0..guards {
            let Some(guard) = self.bench.platform().empty() else {
                return if place == 0 { Err(Stop::Refused) } else { Err(Stop::NotReached) };
            };
            if let Err(guard) = self.arrived.push(guard) {
                self.recycle(guard);
            }
        }
        self.send_some(link)?;
        let mut patience = self.patience();
        while self.arrived.room() == ROOM {
            self.receive(link.to, BURST)?;
            if !self.wait(&mut patience) {
                return Err(self.missing(self.number).into());
            }
        }
        self.wait_for_others(polls);
        self.receive(link.to, BURST)?;
        for _ in 0..guards {
            let Some(guard) = self.arrived.pop() else { return Err(Fault::Rest.into()) };
            let empty = guard.bytes().is_empty();
            self.recycle(guard);
            if !empty {
                return Err(Fault::Rest.into());
            }
        }
        self.receive_all(link)
    }

    /// Waits until the frames behind one that took `polls` are there too.
    fn wait_for_others(&mut self, polls: usize) {
        for _ in 0..polls + WAITING {
            self.bench.wait();
        }
    }

    /// Sends some frames, whose first is `self.number`.
    fn send_some(&mut self, link: Link) -> Verdict {
        for number in 0..WAITING.min(self.setup.ring) {
            let number = self.number + number as u32;
            self.offer(&Frame::new(Shape::Plain, self.session, number, SHORTEST))?;
        }
        let mut patience = self.patience();
        while !self.offered.is_empty() {
            if self.transmit(link.from)? == 0 && !self.wait(&mut patience) {
                return Err(Fault::Stalled.into());
            }
        }
        Ok(())
    }

    /// Receives the rest of what `send_some` sent.
    fn receive_all(&mut self, link: Link) -> Verdict {
        let mut patience = self.patience();
        let end = self.number + WAITING.min(self.setup.ring) as u32;
        loop {
            while let Some((number, buffer)) = self.next_arrival() {
                let due = self.number;
                let verdict = if number == due {
                    Frame::new(Shape::Plain, self.session, due, SHORTEST).check(&buffer)
                } else {
                    Err(Fault::Sequence(due, number))
                };
                self.recycle(buffer);
                verdict?;
                self.number += 1;
            }
            if self.number == end {
                return Ok(());
            }
            self.transmit(link.from)?;
            if self.receive(link.to, 2)? == 0 && !self.wait(&mut patience) {
                return Err(self.missing(self.number).into());
            }
        }
    }

    pub(super) fn unknown_port(&mut self, link: Link) -> Verdict {
        const COUNT: usize = 3;
        let free = self.settle(link);
        let dropped = self.bench.dropped();
        for _ in 0..COUNT {
            let frame = self.frame(Shape::Plain, SHORTEST);
            self.offer(&frame)?;
        }
        if self.transmit(NOWHERE)? < COUNT {
            return Err(Fault::Stalled.into());
        }
        self.is_counted(dropped, COUNT as u64)?;
        if self.receive(NOWHERE, BURST)? > 0 {
            return Err(Fault::Port(NOWHERE).into());
        }
        self.are_back(link, free)
    }

    /// Whether `count` frames more were dropped than the `before` of the start.
    pub(super) fn is_counted(&mut self, before: u64, count: u64) -> Verdict {
        let counted = self.bench.dropped().saturating_sub(before);
        if counted < count { Err(Fault::NotCounted(count - counted).into()) } else { Ok(()) }
    }
}
