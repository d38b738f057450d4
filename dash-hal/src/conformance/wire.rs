//! Sending frames of the suite, and having them back.

use super::{
    Bench, Buffer, Fault, Link, Stop, Suite, Verdict,
    frame::{Frame, SHORTEST, Shape, stamp},
};
use crate::{BURST, PacketBuffer, Pool, PortId, Ports};

impl<B: Bench> Suite<'_, B> {
    /// The next frame of this session.
    pub(super) fn frame(&mut self, shape: Shape, length: usize) -> Frame {
        let number = self.number;
        self.number += 1;
        Frame::new(shape, self.session, number, length)
    }

    pub(super) fn recycle(&mut self, buffer: Buffer<B>) {
        self.bench.platform().recycle(buffer);
    }

    /// Writes `frame` into an empty buffer and offers it for transmit.
    pub(super) fn offer(&mut self, frame: &Frame) -> Verdict {
        let mut buffer = self.bench.platform().empty().ok_or(Stop::Refused)?;
        let grown = grow(&mut buffer, frame);
        match self.offered.push(buffer) {
            // A frame that failed lies there until the case ends.
            Ok(()) => grown,
            Err(buffer) => {
                self.recycle(buffer);
                Err(Stop::NotReached)
            }
        }
    }

    /// Transmits what is offered, if anything, and checks that the answer is what happened. An
    /// engine does not call with an empty burst either, so a port cannot wait for that.
    pub(super) fn transmit(&mut self, port: PortId) -> Result<usize, Stop> {
        let before = self.offered.len();
        if before == 0 {
            return Ok(0);
        }
        let told = self.bench.platform().transmit(port, &mut self.offered);
        let moved = before.saturating_sub(self.offered.len());
        if told != moved || self.offered.len() > before {
            return Err(Fault::Told(told, moved).into());
        }
        Ok(moved)
    }

    /// Receives into `arrived`, and checks that the answer is what happened.
    pub(super) fn receive(&mut self, port: PortId, limit: usize) -> Result<usize, Stop> {
        let before = self.arrived.len();
        let most = limit.min(self.arrived.room());
        let told = self.bench.platform().receive(port, &mut self.arrived, limit);
        let moved = self.arrived.len().saturating_sub(before);
        if told != moved {
            return Err(Fault::Told(told, moved).into());
        }
        if moved > most {
            return Err(Fault::Limit(moved, most).into());
        }
        Ok(moved)
    }

    /// The oldest frame of this session that arrived, with its number.
    pub(super) fn next_arrival(&mut self) -> Option<(u32, Buffer<B>)> {
        while let Some(buffer) = self.arrived.pop() {
            match stamp(buffer.bytes()) {
                Some((session, number)) if session == self.session => {
                    return Some((number, buffer));
                }
                _ => self.recycle(buffer),
            }
        }
        None
    }

    /// Sends the one frame that is offered, which is `frame`, and takes it when it is back.
    pub(super) fn turn(&mut self, link: Link, frame: &Frame) -> Result<Buffer<B>, Stop> {
        let mut patience = self.patience();
        loop {
            self.transmit(link.from)?;
            self.receive(link.to, BURST)?;
            if let Some((number, buffer)) = self.next_arrival() {
                let verdict = if number == frame.number() {
                    frame.check(&buffer)
                } else {
                    Err(Fault::Sequence(frame.number(), number))
                };
                match verdict {
                    Ok(()) => return Ok(buffer),
                    Err(fault) => {
                        self.recycle(buffer);
                        return Err(fault.into());
                    }
                }
            }
            if !self.wait(&mut patience) {
                return Err(self.missing(frame.number()).into());
            }
        }
    }

    /// A new frame, sent and received.
    pub(super) fn fetch(&mut self, link: Link, length: usize) -> Result<Buffer<B>, Stop> {
        let frame = self.frame(Shape::Plain, length);
        self.offer(&frame)?;
        self.turn(link, &frame)
    }

    /// Sends `frame` and another one. Whether the first came back, as it was, before the second.
    pub(super) fn probe(&mut self, link: Link, frame: &Frame) -> Result<bool, Stop> {
        let second = self.frame(Shape::Plain, SHORTEST);
        self.offer(frame)?;
        self.offer(&second)?;
        let (mut came, mut done) = (false, false);
        let mut patience = self.patience();
        loop {
            self.transmit(link.from)?;
            self.receive(link.to, BURST)?;
            while let Some((number, buffer)) = self.next_arrival() {
                let verdict = if number == second.number() {
                    done = true;
                    second.check(&buffer)
                } else if number == frame.number() && !came {
                    came = true;
                    frame.check(&buffer)
                } else {
                    Err(Fault::Sequence(second.number(), number))
                };
                self.recycle(buffer);
                verdict?;
            }
            if done {
                return Ok(came);
            }
            if !self.wait(&mut patience) {
                return Err(self.missing(second.number()).into());
            }
        }
    }

    /// Why frame `number` is not back.
    pub(super) const fn missing(&self, number: u32) -> Fault {
        if self.offered.is_empty() { Fault::Lost(number) } else { Fault::Stalled }
    }
}

/// Makes an empty buffer hold `frame`. One of a big MTU may need the headroom too.
pub(super) fn grow(buffer: &mut impl PacketBuffer, frame: &Frame) -> Verdict {
    let behind = frame.length().min(buffer.tailroom());
    let in_front = frame.length() - behind;
    if in_front > buffer.headroom() {
        return Err(Stop::Refused);
    }
    let grown = buffer.push_back(behind).and_then(|()| buffer.push_front(in_front));
    grown.map_err(|_| Fault::Refusal)?;
    if buffer.bytes().len() != frame.length() {
        return Err(Fault::Edge.into());
    }
    frame.write(buffer.bytes_mut());
    Ok(())
}
