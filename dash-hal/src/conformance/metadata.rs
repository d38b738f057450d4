//! What a received frame is said to be.

use super::{
    Bench, Fault, Link, Suite, Verdict,
    frame::{Checksum, SHORTEST, Shape},
};
use crate::{PacketBuffer, ReceiveFlags, ReceiveMetadata};

impl<B: Bench> Suite<'_, B> {
    pub(super) fn metadata(&mut self, link: Link) -> Verdict {
        for (shape, length) in [
            (Shape::Plain, SHORTEST),
            (Shape::Tagged, SHORTEST + 4),
            (Shape::Udp(Checksum::Right), SHORTEST),
            // It passes: checksums are neither judged nor mended on the way.
            (Shape::Udp(Checksum::Wrong), SHORTEST),
            (Shape::Udp(Checksum::Absent), SHORTEST),
        ] {
            let frame = self.frame(shape, length);
            self.offer(&frame)?;
            let buffer = self.turn(link, &frame)?;
            let verdict = is_right(buffer.metadata(), link, shape);
            self.recycle(buffer);
            verdict?;
        }
        Ok(())
    }
}

/// The tag is checked with the bytes that it was taken from.
fn is_right(metadata: &ReceiveMetadata, link: Link, shape: Shape) -> Result<(), Fault> {
    if metadata.port != link.to {
        return Err(Fault::Port(metadata.port));
    }
    if metadata.flags.contains(ReceiveFlags::TRUNCATED) {
        return Err(Fault::Truncated);
    }
    let wrong = if shape == Shape::Udp(Checksum::Wrong) {
        ReceiveFlags::L3_BAD | ReceiveFlags::L4_GOOD
    } else {
        ReceiveFlags::L3_BAD | ReceiveFlags::L4_BAD
    };
    if metadata.flags.intersects(wrong) { Err(Fault::ChecksumStatus) } else { Ok(()) }
}
