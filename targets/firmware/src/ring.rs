//! One virtqueue, and the buffers that the device has of it.
//!
//! The driver of the queue is `virtio-drivers`'. Its network driver is not used: it notifies the
//! device for each frame, which on a virtual machine is an exit of the CPU, and only when the
//! device seems to want it; here a burst is one notification, always sent, so none is missed.

use core::sync::atomic::{Ordering, fence};

use dash_hal::{PacketBuffer, ReceiveMetadata};
use virtio_drivers::{
    Error,
    queue::VirtQueue,
    transport::{Transport, mmio::MmioTransport},
};

use crate::{
    buffer::{FrameBuffer, HEADER, LARGEST_RECEIVED},
    memory::QueueMemory,
};

/// Buffers that a device may have of one queue: two bursts, so that it works on one while the core
/// works on the other.
pub const RING: usize = 64;

/// A queue of one direction. The ring owns the buffers that the device has, and does not touch one
/// until the device has given it back.
pub(crate) struct Ring {
    queue: VirtQueue<QueueMemory, RING>,
    number: u16,
    /// By token, which is the number of the buffer's descriptor.
    posted: [Option<FrameBuffer>; RING],
    /// Whether the device has buffers that it was not told of.
    news: bool,
}

impl Ring {
    /// Queue `number` of a device that is being set up.
    ///
    /// # Errors
    /// There is no such queue, it is shorter than [`RING`], or there is no memory left for it.
    pub(crate) fn new(transport: &mut MmioTransport<'static>, number: u16) -> Result<Self, Error> {
        let mut queue = VirtQueue::new(transport, number, false, false)?;
        // Interrupts are not used.
        queue.set_dev_notify(false);
        Ok(Self { queue, number, posted: [const { None }; RING], news: false })
    }

    /// Buffers that the ring would still take.
    pub(crate) fn room(&self) -> usize {
        self.queue.available_desc()
    }

    /// Gives the device a buffer to write a frame to.
    ///
    /// # Errors
    /// A full ring gives the buffer back.
    pub(crate) fn give_empty(&mut self, mut buffer: FrameBuffer) -> Result<(), FrameBuffer> {
        // SAFETY: The slot is a static's, and the ring owns the buffer, untouched, until
        // `take_filled` pops its token.
        let token = unsafe { self.queue.add(&[], &mut [buffer.receive_area()]) };
        self.keep(token, buffer)
    }

    /// The next buffer that the device has written a frame to.
    pub(crate) fn take_filled(&mut self, metadata: ReceiveMetadata) -> Option<FrameBuffer> {
        let token = self.queue.peek_used()?;
        let mut buffer = self.posted.get_mut(usize::from(token))?.take()?;
        // SAFETY: It is the area that this buffer's token was given for.
        let used = unsafe { self.queue.pop_used(token, &[], &mut [buffer.receive_area()]) };
        let length = (used.unwrap_or(0) as usize).saturating_sub(HEADER);
        buffer.reset(length.min(LARGEST_RECEIVED), metadata);
        Some(buffer)
    }

    /// Gives the device a frame to send, its virtio header in front.
    ///
    /// # Errors
    /// A full ring gives the buffer back.
    pub(crate) fn give_frame(&mut self, buffer: FrameBuffer) -> Result<(), FrameBuffer> {
        // SAFETY: As in `give_empty`, until `take_sent`.
        let token = unsafe { self.queue.add(&[buffer.bytes()], &mut []) };
        self.keep(token, buffer)
    }

    /// The next buffer that the device has sent.
    pub(crate) fn take_sent(&mut self) -> Option<FrameBuffer> {
        let token = self.queue.peek_used()?;
        let buffer = self.posted.get_mut(usize::from(token))?.take()?;
        // SAFETY: They are the bytes that this buffer's token was given for.
        let _ = unsafe { self.queue.pop_used(token, &[buffer.bytes()], &mut []) };
        Some(buffer)
    }

    fn keep(&mut self, token: Result<u16, Error>, buffer: FrameBuffer) -> Result<(), FrameBuffer> {
        let place = token.ok().and_then(|token| self.posted.get_mut(usize::from(token)));
        match place {
            Some(place) => {
                *place = Some(buffer);
                self.news = true;
                Ok(())
            }
            None => Err(buffer),
        }
    }

    /// Tells the device of the buffers that it was given.
    pub(crate) fn notify(&mut self, transport: &mut MmioTransport<'static>) {
        if core::mem::take(&mut self.news) {
            // The device may look at the ring as soon as it is told.
            fence(Ordering::SeqCst);
            transport.notify(self.number);
        }
    }
}
