//! Buffers that no frame uses.

use heapless::Vec;

use crate::buffer::{FrameBuffer, Slot};

/// At most `N` slots, the one given back last taken first: its lines may still be in the cache.
#[derive(Debug)]
pub(crate) struct SlotPool<const N: usize> {
    free: Vec<&'static mut Slot, N>,
}

impl<const N: usize> SlotPool<N> {
    /// All of `slots`.
    pub(crate) fn new(slots: &'static mut [Slot; N]) -> Self {
        Self { free: slots.iter_mut().collect() }
    }

    /// A buffer without bytes.
    pub(crate) fn take(&mut self) -> Option<FrameBuffer> {
        self.free.pop().map(FrameBuffer::new)
    }

    /// Takes a buffer back.
    pub(crate) fn give(&mut self, buffer: FrameBuffer) {
        // Each buffer's slot came out of a pool of as many places.
        let _ = self.free.push(buffer.into_slot());
    }
}
