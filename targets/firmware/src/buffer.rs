//! A frame in DMA memory.
//!
//! A slot of [`SLOT_BYTES`] is one frame's place for all its life: the device writes the frame into
//! it, the engine changes it there, the device reads it from there. A [`FrameBuffer`] owns a slot
//! by its only reference; to move it moves a pointer and two numbers.
//!
//! ```text
//! | RESERVED | HEADROOM at least | frame | tailroom |
//! ```
//!
//! The reserved bytes are never the frame's: the device's own header and the time stamp of capture
//! time go there when the frame is sent.

use dash_hal::{HEADROOM, NoRoom, PacketBuffer, ReceiveFlags, ReceiveMetadata};
use dash_protocol::{STAMP, Stamp};

/// Bytes of the virtio header in front of each frame (virtio 1.2, 5.1.6). No offload is
/// negotiated, so it says nothing.
pub(crate) const HEADER: usize = 12;

/// Bytes of a slot: the largest frame, with room in front of it. A multiple of 64, and no power of
/// two: frames do not all begin in the same set of a cache.
pub const SLOT_BYTES: usize = 10_240;

/// Bytes in front of a frame that stay the port's own: a stamp and the virtio header.
pub const RESERVED: usize = STAMP + HEADER;

/// Where a received frame begins, or in capture time its time stamp.
pub(crate) const FRAME_AT: usize = RESERVED + HEADROOM;

/// The most bytes that a device may write: a frame, in capture time with its stamp in front.
pub(crate) const LARGEST_RECEIVED: usize = SLOT_BYTES - FRAME_AT;

/// The longest frame that is received, stamp or no stamp: 10,084 bytes.
pub const LARGEST_FRAME: usize = LARGEST_RECEIVED - STAMP;

/// One frame's memory, and what is known of the frame.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Slot {
    bytes: [u8; SLOT_BYTES],
    time: u64,
    metadata: ReceiveMetadata,
}

impl Slot {
    /// Zeros, for static storage.
    pub(crate) const EMPTY: Self =
        Self { bytes: [0; SLOT_BYTES], time: 0, metadata: ReceiveMetadata::NONE };
}

const _: () = assert!(SLOT_BYTES <= u16::MAX as usize && SLOT_BYTES.is_multiple_of(64));

/// A frame, and the slot that it lies in.
#[derive(Debug)]
pub struct FrameBuffer {
    slot: &'static mut Slot,
    start: u16,
    end: u16,
}

impl FrameBuffer {
    /// A buffer without bytes, with all its headroom.
    pub(crate) fn new(slot: &'static mut Slot) -> Self {
        let mut buffer = Self { slot, start: 0, end: 0 };
        buffer.reset(0, ReceiveMetadata::default());
        buffer
    }

    /// The slot, for a pool.
    pub(crate) fn into_slot(self) -> &'static mut Slot {
        self.slot
    }

    /// Makes the frame the first `length` bytes from where received frames begin.
    pub(crate) fn reset(&mut self, length: usize, metadata: ReceiveMetadata) {
        self.start = FRAME_AT as u16;
        self.end = (FRAME_AT + length.min(LARGEST_RECEIVED)) as u16;
        self.slot.metadata = metadata;
        self.slot.time = 0;
    }

    /// When the frame came in, ns of capture time; 0 in live use.
    pub(crate) const fn time(&self) -> u64 {
        self.slot.time
    }

    /// Sets when the frame came in.
    pub(crate) const fn set_time(&mut self, time: u64) {
        self.slot.time = time;
    }

    /// Takes the stamp off that stands in front of a frame in capture time.
    ///
    /// # Errors
    /// [`NoRoom`] when the frame is shorter than a stamp.
    pub(crate) fn take_stamp(&mut self) -> Result<(), NoRoom> {
        let (stamp, _) = Stamp::split(self.bytes()).ok_or(NoRoom)?;
        self.slot.time = stamp.time;
        self.slot.metadata.flags.set(ReceiveFlags::TRUNCATED, stamp.truncated);
        self.pull_front(STAMP)
    }

    /// Puts the stamp back in front of the frame, for the device.
    ///
    /// # Errors
    /// As of [`prepend`](Self::prepend).
    pub(crate) fn put_stamp(&mut self) -> Result<(), NoRoom> {
        let truncated = self.slot.metadata.flags.contains(ReceiveFlags::TRUNCATED);
        let stamp = Stamp { time: self.slot.time, truncated };
        self.prepend(&stamp.to_bytes())
    }

    /// What a device may write a frame to, with its own header in front.
    pub(crate) fn receive_area(&mut self) -> &mut [u8] {
        self.slot.bytes.get_mut(FRAME_AT - HEADER..).unwrap_or_default()
    }

    /// Puts `bytes` in front of the frame for the device: into the reserved bytes too, so that the
    /// engine's use of the headroom never stops it.
    ///
    /// # Errors
    /// [`NoRoom`] when more than [`RESERVED`] bytes are put there.
    pub(crate) fn prepend(&mut self, bytes: &[u8]) -> Result<(), NoRoom> {
        let start = usize::from(self.start).checked_sub(bytes.len()).ok_or(NoRoom)?;
        let to = self.slot.bytes.get_mut(start..usize::from(self.start)).ok_or(NoRoom)?;
        to.copy_from_slice(bytes);
        self.start = start as u16;
        Ok(())
    }

    /// Copies frame, headroom and metadata of `other`.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        (self.start, self.end) = (other.start, other.end);
        self.slot.metadata = other.slot.metadata;
        self.slot.time = other.slot.time;
        self.bytes_mut().copy_from_slice(other.bytes());
    }
}

impl PacketBuffer for FrameBuffer {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.slot.bytes.get(usize::from(self.start)..usize::from(self.end)).unwrap_or_default()
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        self.slot.bytes.get_mut(usize::from(self.start)..usize::from(self.end)).unwrap_or_default()
    }

    #[inline]
    fn headroom(&self) -> usize {
        usize::from(self.start).saturating_sub(RESERVED)
    }

    #[inline]
    fn tailroom(&self) -> usize {
        SLOT_BYTES - usize::from(self.end)
    }

    #[inline]
    fn push_front(&mut self, count: usize) -> Result<(), NoRoom> {
        if count > self.headroom() {
            return Err(NoRoom);
        }
        self.start -= count as u16;
        Ok(())
    }

    #[inline]
    fn pull_front(&mut self, count: usize) -> Result<(), NoRoom> {
        if count > usize::from(self.end - self.start) {
            return Err(NoRoom);
        }
        self.start += count as u16;
        Ok(())
    }

    #[inline]
    fn push_back(&mut self, count: usize) -> Result<(), NoRoom> {
        if count > self.tailroom() {
            return Err(NoRoom);
        }
        self.end += count as u16;
        Ok(())
    }

    #[inline]
    fn truncate(&mut self, length: usize) {
        if length < usize::from(self.end - self.start) {
            self.end = self.start + length as u16;
        }
    }

    #[inline]
    fn metadata(&self) -> &ReceiveMetadata {
        &self.slot.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer() -> FrameBuffer {
        FrameBuffer::new(Box::leak(Box::new(Slot::EMPTY)))
    }

    #[test]
    fn moves_its_edges_and_never_into_what_is_reserved() {
        let mut buffer = buffer();
        assert_eq!((buffer.bytes().len(), buffer.headroom()), (0, HEADROOM));
        assert_eq!(buffer.push_front(HEADROOM + 1), Err(NoRoom));
        assert_eq!(buffer.push_front(HEADROOM), Ok(()));
        assert_eq!((buffer.bytes().len(), buffer.headroom()), (HEADROOM, 0));
        assert_eq!(buffer.push_front(1), Err(NoRoom));
        assert_eq!(buffer.prepend(&[1; 8]), Ok(()));
        assert_eq!(buffer.prepend(&[2; RESERVED - 8]), Ok(()));
        assert_eq!((buffer.prepend(&[3]), buffer.headroom()), (Err(NoRoom), 0));
        assert_eq!(buffer.bytes()[..RESERVED], [[2; RESERVED - 8].as_slice(), &[1; 8]].concat());
        assert_eq!(buffer.pull_front(RESERVED), Ok(()));
        assert_eq!(buffer.pull_front(HEADROOM + 1), Err(NoRoom));
        assert_eq!(buffer.push_back(LARGEST_RECEIVED + 1), Err(NoRoom));
        assert_eq!(buffer.push_back(LARGEST_RECEIVED), Ok(()));
        assert_eq!((buffer.tailroom(), buffer.bytes().len()), (0, SLOT_BYTES - RESERVED));
        buffer.truncate(usize::MAX);
        assert_eq!(buffer.bytes().len(), SLOT_BYTES - RESERVED);
        buffer.truncate(1);
        assert_eq!((buffer.bytes_mut().len(), buffer.pull_front(1)), (1, Ok(())));
        assert_eq!(buffer.pull_front(1), Err(NoRoom));
    }

    #[test]
    fn what_a_device_writes_is_the_frame() {
        let mut buffer = buffer();
        let area = buffer.receive_area();
        assert_eq!(area.len(), HEADER + LARGEST_RECEIVED);
        area[..HEADER].fill(0xee);
        area[HEADER..HEADER + 3].copy_from_slice(&[1, 2, 3]);
        buffer.reset(3, ReceiveMetadata::default());
        assert_eq!(buffer.bytes(), [1, 2, 3]);
        // A device that lies of the length reaches no other slot.
        buffer.reset(usize::MAX, ReceiveMetadata::default());
        assert_eq!(buffer.bytes().len(), LARGEST_RECEIVED);
    }

    #[test]
    fn a_copy_has_bytes_headroom_time_and_metadata() {
        let (mut one, mut other) = (buffer(), buffer());
        one.reset(2, ReceiveMetadata { flags: ReceiveFlags::TRUNCATED, ..ReceiveMetadata::NONE });
        one.bytes_mut().copy_from_slice(&[7, 8]);
        one.pull_front(1).unwrap();
        one.set_time(9);
        other.copy_from(&one);
        assert_eq!((other.bytes(), other.headroom()), (&[8][..], HEADROOM + 1));
        assert_eq!((other.time(), other.metadata()), (9, one.metadata()));
    }
}
