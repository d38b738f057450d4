//! Buffers: their edges, copies of them, and the pool.

use super::{
    Bench, ETHERNET, Fault, Link, Stop, Suite, Verdict,
    frame::{Frame, SHORTEST, Shape},
};
use crate::{HEADROOM, NoRoom, PacketBuffer, Pool, Ports, TAILROOM};

impl<B: Bench> Suite<'_, B> {
    pub(super) fn empty(&mut self) -> Verdict {
        let buffer = self.bench.platform().empty().ok_or(Stop::Refused)?;
        let verdict = if !buffer.bytes().is_empty() {
            Err(Fault::NotEmpty(buffer.bytes().len()).into())
        } else if buffer.headroom() < HEADROOM {
            Err(Fault::Headroom(buffer.headroom()).into())
        } else if buffer.tailroom() < TAILROOM {
            Err(Fault::Tailroom(buffer.tailroom()).into())
        } else {
            Ok(())
        };
        self.recycle(buffer);
        verdict
    }

    pub(super) fn headroom(&mut self, link: Link) -> Verdict {
        let mtu = usize::from(self.bench.platform().mtu(link.from));
        for length in [SHORTEST, SHORTEST + 1, 590, ETHERNET + mtu.min(TAILROOM)] {
            let buffer = self.fetch(link, length)?;
            let headroom = buffer.headroom();
            self.recycle(buffer);
            if headroom < HEADROOM {
                return Err(Fault::Headroom(headroom).into());
            }
        }
        Ok(())
    }

    /// Of an empty buffer, and of a received one.
    pub(super) fn edges(&mut self, link: Link) -> Verdict {
        let mut buffer = self.bench.platform().empty().ok_or(Stop::Refused)?;
        let verdict = move_edges(&mut buffer);
        self.recycle(buffer);
        verdict?;
        let mut buffer = self.fetch(link, 333)?;
        let verdict = move_edges(&mut buffer);
        self.recycle(buffer);
        Ok(verdict?)
    }

    /// Encapsulated, decapsulated, at odd addresses, cut and extended.
    pub(super) fn in_place(&mut self, link: Link) -> Verdict {
        // Bytes more in front, fewer in front, more behind, and the length at the end.
        const MOVES: [(usize, usize, usize, usize); 5] =
            [(50, 0, 0, 250), (0, 57, 0, 193), (7, 0, 3, 203), (70, 1, 0, 100), (0, 14, 9, 95)];
        let mut buffer = self.fetch(link, 200)?;
        for (more, fewer, behind, length) in MOVES {
            let moved = buffer
                .push_front(more)
                .and_then(|()| buffer.pull_front(fewer))
                .and_then(|()| buffer.push_back(behind));
            buffer.truncate(length);
            let frame = self.frame(Shape::Plain, length);
            if buffer.bytes().len() == length {
                frame.write(buffer.bytes_mut());
            }
            let right = moved.is_ok() && buffer.bytes().len() == length;
            if let Err(buffer) = self.offered.push(buffer) {
                self.recycle(buffer);
            }
            if !right {
                return Err(Fault::Edge.into());
            }
            buffer = self.turn(link, &frame)?;
        }
        self.recycle(buffer);
        Ok(())
    }

    pub(super) fn copies(&mut self, link: Link) -> Verdict {
        let frame = self.frame(Shape::Plain, 200);
        self.offer(&frame)?;
        let mut original = self.turn(link, &frame)?;
        let Some(mut copy) = self.bench.platform().copy(&original) else {
            self.recycle(original);
            return Err(Stop::Refused);
        };
        let verdict = compare(&frame, &mut original, &mut copy);
        // The original's memory is used again.
        self.recycle(original);
        if let Some(mut other) = self.bench.platform().empty() {
            let _ = other.push_back(TAILROOM.min(other.tailroom()));
            other.bytes_mut().fill(0xee);
            self.recycle(other);
        }
        let kept = frame.check(&copy);
        if let Err(copy) = self.offered.push(copy) {
            self.recycle(copy);
        }
        verdict?;
        kept?;
        let copy = self.turn(link, &frame)?;
        self.recycle(copy);
        Ok(())
    }
}

/// A copy of `frame` against its original; both hold the frame, or what was written last, at the
/// end.
fn compare<T: PacketBuffer>(frame: &Frame, original: &mut T, copy: &mut T) -> Result<(), Fault> {
    frame.check(copy)?;
    if copy.metadata() != original.metadata() {
        return Err(Fault::CopyMetadata);
    }
    if copy.headroom() < original.headroom().min(HEADROOM) {
        return Err(Fault::Headroom(copy.headroom()));
    }
    copy.bytes_mut().fill(0x55);
    copy.push_front(HEADROOM).map_err(|NoRoom| Fault::Refusal)?;
    copy.bytes_mut().fill(0x55);
    frame.check(original)?;
    copy.pull_front(HEADROOM).map_err(|NoRoom| Fault::Refusal)?;
    frame.write(copy.bytes_mut());
    original.bytes_mut().fill(0xaa);
    frame.check(copy)
}

/// Where a frame lies in its buffer.
struct Edges {
    headroom: usize,
    length: usize,
    tailroom: usize,
}

#[derive(Clone, Copy)]
enum Move {
    PushFront(usize),
    PullFront(usize),
    PushBack(usize),
    Truncate(usize),
}

/// Every move, to the end of the room and beyond, against what it must do.
fn move_edges<T: PacketBuffer>(buffer: &mut T) -> Result<(), Fault> {
    use Move::{PullFront, PushBack, PushFront, Truncate};
    let mut edges = Edges {
        headroom: buffer.headroom(),
        length: buffer.bytes().len(),
        tailroom: buffer.tailroom(),
    };
    edges.fill(buffer);
    let grow = PushBack(edges.tailroom.min(100));
    for step in [
        PushFront(edges.headroom + 1),
        PushFront(usize::MAX),
        PushBack(edges.tailroom + 1),
        PushBack(usize::MAX),
        PullFront(edges.length + 1),
        PullFront(usize::MAX),
        grow,
        PushFront(14),
        PullFront(7),
        PushFront(0),
        PullFront(0),
        PushBack(0),
        Truncate(usize::MAX),
        PullFront(13),
    ] {
        edges.step(buffer, step)?;
    }
    // Amounts that depend on where the moves above ended.
    edges.step(buffer, Truncate(edges.length + 1))?;
    edges.step(buffer, Truncate(edges.length))?;
    edges.step(buffer, PushFront(edges.headroom))?;
    edges.step(buffer, PushFront(1))?;
    edges.step(buffer, PushBack(edges.tailroom))?;
    edges.step(buffer, PushBack(1))?;
    edges.step(buffer, PullFront(edges.length + 1))?;
    edges.step(buffer, Truncate(edges.length.saturating_sub(5)))?;
    edges.step(buffer, PullFront(edges.length))?;
    edges.step(buffer, PullFront(1))?;
    edges.step(buffer, PushFront(9))?;
    edges.step(buffer, Truncate(0))
}

impl Edges {
    /// Makes one move, and checks its answer, the edges and the bytes that stay in the frame. Then
    /// every byte is written.
    fn step<T: PacketBuffer>(&mut self, buffer: &mut T, step: Move) -> Result<(), Fault> {
        let before = self.headroom..self.headroom + self.length;
        let (told, room) = match step {
            Move::PushFront(count) => (buffer.push_front(count), count <= self.headroom),
            Move::PullFront(count) => (buffer.pull_front(count), count <= self.length),
            Move::PushBack(count) => (buffer.push_back(count), count <= self.tailroom),
            Move::Truncate(length) => {
                buffer.truncate(length);
                (Ok(()), length <= self.length)
            }
        };
        if room {
            self.moved(step);
        }
        let found = (buffer.headroom(), buffer.bytes().len(), buffer.tailroom());
        let right = found == (self.headroom, self.length, self.tailroom)
            && buffer.bytes_mut().len() == self.length;
        let refused = !matches!(step, Move::Truncate(_)) && !room;
        if told.is_err() != refused || (refused && !right) {
            return Err(Fault::Refusal);
        }
        if !right {
            return Err(Fault::Edge);
        }
        for (index, byte) in buffer.bytes().iter().enumerate() {
            let place = self.headroom + index;
            if before.contains(&place) && *byte != content(place) {
                return Err(Fault::Byte(index));
            }
        }
        self.fill(buffer);
        Ok(())
    }

    /// What a move does where there is room for it.
    const fn moved(&mut self, step: Move) {
        match step {
            Move::PushFront(count) => {
                self.headroom -= count;
                self.length += count;
            }
            Move::PullFront(count) => {
                self.headroom += count;
                self.length -= count;
            }
            Move::PushBack(count) => {
                self.tailroom -= count;
                self.length += count;
            }
            Move::Truncate(length) => {
                self.tailroom += self.length - length;
                self.length = length;
            }
        }
    }

    fn fill<T: PacketBuffer>(&self, buffer: &mut T) {
        for (index, byte) in buffer.bytes_mut().iter_mut().enumerate() {
            *byte = content(self.headroom + index);
        }
    }
}

/// The byte at one place of a buffer: neighbours differ.
const fn content(place: usize) -> u8 {
    ((place as u32).wrapping_mul(0x9e37_79b1) >> 24) as u8
}
