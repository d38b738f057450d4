//! Frames that are too short, too long, or just not.

use super::{
    Bench, ETHERNET, Fault, Link, Stop, Suite, Verdict,
    frame::{NUMBERED, SHORTEST, Shape, TAG},
};
use crate::{PacketBuffer, Pool, Ports};

/// Bytes of the two tags that a port need not look for.
const TAGS: usize = 2 * TAG;

impl<B: Bench> Suite<'_, B> {
    pub(super) fn short_frames(&mut self, link: Link) -> Verdict {
        let free = self.settle(link);
        for length in [0, 1, ETHERNET - 1] {
            self.never_leaves(link, length)?;
        }
        for length in [NUMBERED, NUMBERED + 1, 42, SHORTEST - 1, SHORTEST] {
            let buffer = self.fetch(link, length)?;
            self.recycle(buffer);
        }
        self.are_back(link, free)
    }

    pub(super) fn long_frames(&mut self, link: Link) -> Verdict {
        let free = self.settle(link);
        let longest = ETHERNET + usize::from(self.bench.platform().mtu(link.from));
        let biggest = self.biggest()?;
        let buffer = self.fetch(link, longest)?;
        self.recycle(buffer);
        let tagged = self.frame(Shape::Tagged, longest + TAG);
        if !self.probe(link, &tagged)? {
            return Err(Fault::Lost(tagged.number()).into());
        }
        // The length of one tag more, and no tag: as the port likes, but whole or counted.
        let between = self.frame(Shape::Plain, longest + 1);
        let dropped = self.bench.dropped();
        if !self.probe(link, &between)? {
            self.is_counted(dropped, 1)?;
        }
        for length in [longest + TAGS + 1, biggest] {
            if (longest + TAGS + 1..=biggest).contains(&length) {
                self.never_leaves(link, length)?;
            }
        }
        self.are_back(link, free)
    }

    /// A frame of `length` bytes is taken and counted.
    fn never_leaves(&mut self, link: Link, length: usize) -> Verdict {
        let dropped = self.bench.dropped();
        let frame = self.frame(Shape::Plain, length);
        if self.probe(link, &frame)? {
            return Err(Fault::CameBack(length).into());
        }
        self.is_counted(dropped, 1)
    }

    /// The longest frame that an empty buffer holds.
    fn biggest(&mut self) -> Result<usize, Stop> {
        let buffer = self.bench.platform().empty().ok_or(Stop::Refused)?;
        let biggest = buffer.headroom() + buffer.tailroom();
        self.recycle(buffer);
        Ok(biggest)
    }
}
