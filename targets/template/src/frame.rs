//! Frames: a block of memory each, moved as one pointer.

use core::ptr::NonNull;

use dash_hal::{HEADROOM, NoRoom, PacketBuffer, ReceiveMetadata};

/// Bytes of a block: headroom, Ethernet header, two tags, MTU, and what rounds them up.
pub const BLOCK: usize = 2048;
/// The most bytes behind the Ethernet header and its tags.
pub const MTU: u16 = 1500;
/// Bytes of an Ethernet header, and with it two tags.
pub(crate) const ETHERNET: usize = 14;
pub(crate) const LONGEST: usize = ETHERNET + 8 + MTU as usize;
/// Bytes of a frame that hold the headers of VXLAN over IPv4 and those that it carries.
const HEADERS: usize = 128;
/// Bytes that the device may write a received frame to.
pub(crate) const ROOM: usize = BLOCK - HEADROOM;

const _: () = assert!(LONGEST <= ROOM);

/// Memory of one frame. The device reads and writes `bytes` only, at any address.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Block {
    bytes: [u8; BLOCK],
    start: usize,
    end: usize,
    metadata: ReceiveMetadata,
}

impl Block {
    /// A block without a frame.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [0; BLOCK], start: HEADROOM, end: HEADROOM, metadata: ReceiveMetadata::NONE }
    }
}

impl Default for Block {
    fn default() -> Self {
        Self::new()
    }
}

/// A block and the frame in it. There is one `Frame` for each block, and whoever has it owns the
/// block; while the device has the block, the `Frame` lies in a ring and nobody looks into it.
#[derive(Debug)]
pub struct Frame {
    block: NonNull<Block>,
}

// SAFETY: a `Frame` is the one way to its block, and nothing in it depends on the core.
unsafe impl Send for Frame {}

impl Frame {
    /// Takes a block for good.
    pub(crate) fn new(block: &'static mut Block) -> Self {
        Self { block: NonNull::from(block) }
    }

    fn block(&self) -> &Block {
        // SAFETY: the block was given away for good as an exclusive reference, so the pointer stays
        // valid, and this is its one `Frame`. The device writes only to blocks whose `Frame` lies
        // in a ring; `Ring` does not look into it there.
        unsafe { self.block.as_ref() }
    }

    fn block_mut(&mut self) -> &mut Block {
        // SAFETY: as in `block`; `&mut self` makes the reference exclusive.
        unsafe { self.block.as_mut() }
    }

    /// Where the device finds the frame's first byte. A core whose addresses are not the bus's
    /// translates here.
    pub(crate) fn address(&self) -> usize {
        // `bytes` is the first field.
        self.block.as_ptr().cast::<u8>().expose_provenance() + self.block().start
    }

    /// No bytes, headroom, no metadata.
    pub(crate) fn clear(&mut self) {
        let block = self.block_mut();
        (block.start, block.end, block.metadata) = (HEADROOM, HEADROOM, ReceiveMetadata::NONE);
    }

    /// The bytes that are looked at first.
    pub(crate) fn headers(&self) -> &[u8] {
        let bytes = self.bytes();
        bytes.get(..HEADERS).unwrap_or(bytes)
    }

    /// The device has written `length` bytes behind the headroom.
    pub(crate) fn fill(&mut self, length: usize, metadata: ReceiveMetadata) {
        let block = self.block_mut();
        // A device is believed only as far as the block goes.
        (block.start, block.end) = (HEADROOM, HEADROOM + length.min(ROOM));
        block.metadata = metadata;
    }

    /// The same frame and metadata as `other`'s, at the same place.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        let (to, from) = (self.block_mut(), other.block());
        (to.start, to.end, to.metadata) = (from.start, from.end, from.metadata);
        for (to, from) in self.bytes_mut().iter_mut().zip(other.bytes()) {
            *to = *from;
        }
    }
}

impl PacketBuffer for Frame {
    fn bytes(&self) -> &[u8] {
        let block = self.block();
        block.bytes.get(block.start..block.end).unwrap_or_default()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        let block = self.block_mut();
        block.bytes.get_mut(block.start..block.end).unwrap_or_default()
    }

    fn headroom(&self) -> usize {
        self.block().start
    }

    fn tailroom(&self) -> usize {
        BLOCK - self.block().end
    }

    fn push_front(&mut self, count: usize) -> Result<(), NoRoom> {
        let block = self.block_mut();
        block.start = block.start.checked_sub(count).ok_or(NoRoom)?;
        Ok(())
    }

    fn pull_front(&mut self, count: usize) -> Result<(), NoRoom> {
        let block = self.block_mut();
        if count > block.end - block.start {
            return Err(NoRoom);
        }
        block.start += count;
        Ok(())
    }

    fn push_back(&mut self, count: usize) -> Result<(), NoRoom> {
        let block = self.block_mut();
        if count > BLOCK - block.end {
            return Err(NoRoom);
        }
        block.end += count;
        Ok(())
    }

    fn truncate(&mut self, length: usize) {
        let block = self.block_mut();
        block.end = block.end.min(block.start.saturating_add(length));
    }

    fn metadata(&self) -> &ReceiveMetadata {
        &self.block().metadata
    }
}
