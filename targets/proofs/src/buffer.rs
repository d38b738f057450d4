//! A frame in a port's static memory, held by a handle of one pointer.
//!
//! 2 KiB and one cache line of metadata for each frame.

use dash_hal::{NoRoom, PacketBuffer, PortId, ReceiveMetadata};

/// Free bytes in front of a received frame.
pub(crate) const HEADROOM: usize = 128;
const ROOM: usize = 2048;

/// Metadata, headroom and frame.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Memory {
    metadata: ReceiveMetadata,
    start: usize,
    end: usize,
    bytes: [u8; ROOM],
}

impl Memory {
    /// Zeros, so that it takes no place in the image.
    pub const ZERO: Self =
        Self { metadata: ReceiveMetadata::NONE, start: 0, end: 0, bytes: [0; ROOM] };
}

/// What is moved: a pointer, as where a driver hands out descriptors.
#[derive(Debug)]
#[repr(transparent)]
pub struct Buffer(&'static mut Memory);

impl Buffer {
    /// A handle to `memory`, without a frame.
    pub const fn new(memory: &'static mut Memory) -> Self {
        Self(memory)
    }

    /// Takes in `frame` as the next frame of `port`, over what became of the last; a frame that
    /// does not fit is cut.
    pub fn receive(&mut self, frame: &[u8], port: PortId) {
        self.0.metadata.port = port;
        self.0.start = HEADROOM;
        self.0.end = HEADROOM;
        for (to, from) in self.0.bytes.iter_mut().skip(HEADROOM).zip(frame) {
            *to = *from;
            self.0.end += 1;
        }
    }
}

impl PacketBuffer for Buffer {
    #[inline]
    fn bytes(&self) -> &[u8] {
        // SAFETY: as above.
        unsafe { self.0.bytes.get_unchecked(self.0.start..self.0.end) }
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { self.0.bytes.get_unchecked_mut(self.0.start..self.0.end) }
    }

    #[inline]
    fn headroom(&self) -> usize {
        self.0.start
    }

    #[inline]
    fn tailroom(&self) -> usize {
        ROOM - self.0.end
    }

    #[inline]
    fn push_front(&mut self, count: usize) -> Result<(), NoRoom> {
        self.0.start = self.0.start.checked_sub(count).ok_or(NoRoom)?;
        Ok(())
    }

    #[inline]
    fn pull_front(&mut self, count: usize) -> Result<(), NoRoom> {
        if count > self.0.end - self.0.start {
            return Err(NoRoom);
        }
        self.0.start += count;
        Ok(())
    }

    #[inline]
    fn push_back(&mut self, count: usize) -> Result<(), NoRoom> {
        if count > self.tailroom() {
            return Err(NoRoom);
        }
        self.0.end += count;
        Ok(())
    }

    #[inline]
    fn truncate(&mut self, length: usize) {
        self.0.end = self.0.end.min(self.0.start.saturating_add(length));
    }

    #[inline]
    fn metadata(&self) -> &ReceiveMetadata {
        &self.0.metadata
    }
}
