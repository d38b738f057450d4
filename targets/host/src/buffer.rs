//! A frame on the heap.

use dash_hal::{NoRoom, PacketBuffer, ReceiveMetadata};

/// Free bytes in front of a frame: what `dash-hal` asks of a port.
pub const HEADROOM: usize = 128;

/// A frame in a vector, behind [`HEADROOM`] bytes.
#[derive(Clone, Debug)]
pub struct HostBuffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    metadata: ReceiveMetadata,
}

impl HostBuffer {
    /// A buffer that holds a copy of `frame`.
    #[must_use]
    pub fn new(frame: &[u8], metadata: ReceiveMetadata) -> Self {
        Self::with_tailroom(frame, 0, metadata)
    }

    /// A buffer without bytes, and `tailroom` free bytes behind it.
    #[must_use]
    pub fn empty(tailroom: usize, metadata: ReceiveMetadata) -> Self {
        Self::with_tailroom(&[], tailroom, metadata)
    }

    fn with_tailroom(frame: &[u8], tailroom: usize, metadata: ReceiveMetadata) -> Self {
        let mut bytes = vec![0; HEADROOM];
        bytes.extend_from_slice(frame);
        let end = bytes.len();
        bytes.resize(end + tailroom, 0);
        Self { bytes, start: HEADROOM, end, metadata }
    }
}

impl PacketBuffer for HostBuffer {
    fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    fn headroom(&self) -> usize {
        self.start
    }

    fn tailroom(&self) -> usize {
        self.bytes.len() - self.end
    }

    fn push_front(&mut self, count: usize) -> Result<(), NoRoom> {
        self.start = self.start.checked_sub(count).ok_or(NoRoom)?;
        Ok(())
    }

    fn pull_front(&mut self, count: usize) -> Result<(), NoRoom> {
        if count > self.end - self.start {
            return Err(NoRoom);
        }
        self.start += count;
        Ok(())
    }

    fn push_back(&mut self, count: usize) -> Result<(), NoRoom> {
        if count > self.tailroom() {
            return Err(NoRoom);
        }
        self.end += count;
        Ok(())
    }

    fn truncate(&mut self, length: usize) {
        self.end = self.end.min(self.start.saturating_add(length));
    }

    fn metadata(&self) -> &ReceiveMetadata {
        &self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_its_edges_and_refuses_what_does_not_fit() {
        let mut buffer = HostBuffer::new(&[1, 2, 3], ReceiveMetadata::default());
        assert_eq!((buffer.headroom(), buffer.tailroom()), (HEADROOM, 0));
        assert_eq!(buffer.pull_front(4), Err(NoRoom));
        assert_eq!(buffer.pull_front(1), Ok(()));
        assert_eq!(buffer.push_front(HEADROOM + 2), Err(NoRoom));
        assert_eq!(buffer.push_front(HEADROOM + 1), Ok(()));
        assert_eq!(buffer.bytes().len(), HEADROOM + 3);
        assert_eq!(buffer.push_back(1), Err(NoRoom));
        buffer.truncate(1);
        assert_eq!(buffer.push_back(1), Ok(()));
        assert_eq!(buffer.bytes_mut().len(), 2);
        assert_eq!(HostBuffer::empty(1500, ReceiveMetadata::default()).tailroom(), 1500);
    }
}
