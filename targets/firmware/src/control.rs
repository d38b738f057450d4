//! The control port: requests in, answers out, in the frames of a device of its own.
//!
//! It has a device and buffers of its own: no flood of frames takes them, and nothing that comes in
//! at a data port gets here.

use dash_hal::{PacketBuffer, ReceiveMetadata};
use dash_protocol::{Answer, MESSAGE};

use crate::{
    buffer::{FrameBuffer, Slot},
    nic::Nic,
    pool::SlotPool,
};

/// The host sends a request when it has the answer to the one before: one buffer is used, the
/// others are for a host that does not.
pub(crate) const CONTROL_SLOTS: usize = 8;

/// The control port.
pub(crate) struct Control {
    nic: &'static mut Nic,
    pool: SlotPool<CONTROL_SLOTS>,
}

impl Control {
    pub(crate) fn new(nic: &'static mut Nic, slots: &'static mut [Slot; CONTROL_SLOTS]) -> Self {
        Self { nic, pool: SlotPool::new(slots) }
    }

    /// The next request, to be [answered](Self::answer) in its own buffer.
    pub(crate) fn request(&mut self) -> Option<FrameBuffer> {
        self.nic.reclaim(&mut self.pool);
        self.nic.refill(&mut self.pool);
        self.nic.receive(ReceiveMetadata::default())
    }

    /// Sends an answer in a buffer of this port.
    pub(crate) fn answer(&mut self, mut buffer: FrameBuffer, answer: &Answer) {
        let mut message = [0; MESSAGE];
        let written = answer.encode(&mut message).unwrap_or_default();
        buffer.reset(written.len(), ReceiveMetadata::default());
        buffer.bytes_mut().copy_from_slice(written);
        if let Err(buffer) = self.nic.transmit(buffer) {
            // Not reached: the ring has more places than there are buffers.
            self.pool.give(buffer);
        }
        self.nic.flush();
    }

    /// Whether all answers have left.
    pub(crate) fn is_drained(&mut self) -> bool {
        self.nic.reclaim(&mut self.pool);
        self.nic.is_idle()
    }
}
