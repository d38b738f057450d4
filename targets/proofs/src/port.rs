//! The thinnest port: frames lie in static memory, sending takes the burst as it is.

use dash_hal::{
    BURST, Burst, Hints, PacketBuffer, Platform, Pool, PortId, Ports,
    software::{FixedEntropy, ManualClock},
};
use heapless::Vec;

use crate::buffer::Buffer;

/// Buffers of the port: one burst.
pub const BUFFERS: usize = BURST;

/// A port that receives nothing by itself, and takes one burst until it is emptied.
#[derive(Debug)]
pub struct Port {
    /// Buffers that no frame uses.
    pub idle: Vec<Buffer, BUFFERS>,
    /// Frames that were sent, oldest first.
    pub sent: Burst<Buffer>,
    mtu: u16,
    clock: ManualClock,
    entropy: FixedEntropy,
}

impl Port {
    /// A port without buffers.
    pub(crate) fn new() -> Self {
        Self {
            idle: Vec::new(),
            sent: Burst::new(),
            mtu: 9100,
            clock: ManualClock::default(),
            entropy: FixedEntropy::default(),
        }
    }

    /// Makes the buffers of sent frames idle again, and answers how many there were.
    pub fn reclaim(&mut self) -> usize {
        let count = self.sent.len();
        while let Some(buffer) = self.sent.pop() {
            self.recycle(buffer);
        }
        count
    }
}

impl Ports for Port {
    fn receive(&mut self, _port: PortId, _burst: &mut Burst<Buffer>, _limit: usize) -> usize {
        0
    }

    #[inline]
    fn transmit(&mut self, _port: PortId, burst: &mut Burst<Buffer>) -> usize {
        if self.sent.is_empty() {
            core::mem::swap(&mut self.sent, burst);
        }
        self.sent.len()
    }

    #[inline]
    fn mtu(&self, _port: PortId) -> u16 {
        self.mtu
    }
}

impl Pool for Port {
    type Buffer = Buffer;

    #[inline]
    fn recycle(&mut self, buffer: Buffer) {
        // There are no more buffers than places.
        let _ = self.idle.push(buffer);
    }

    fn copy(&mut self, buffer: &Buffer) -> Option<Buffer> {
        let mut copy = self.idle.pop()?;
        copy.receive(buffer.bytes(), buffer.metadata().port);
        Some(copy)
    }

    fn empty(&mut self) -> Option<Buffer> {
        None
    }
}

impl Platform for Port {
    type Clock = ManualClock;
    type Entropy = FixedEntropy;
    type Hints = Lines;

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    fn entropy(&mut self) -> &mut FixedEntropy {
        &mut self.entropy
    }

    #[inline]
    fn hints(&self) -> Lines {
        Lines
    }
}

/// The software hints, with the processor's prefetch where it has one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lines;

impl Hints for Lines {
    #[cfg(target_arch = "aarch64")]
    #[inline]
    fn prefetch<T: ?Sized>(&self, at: &T) {
        /// Bytes of a cache line.
        const LINE: usize = 64;
        for offset in (0..size_of_val(at)).step_by(LINE) {
            let line = core::ptr::from_ref(at).cast::<u8>().wrapping_add(offset);
            // SAFETY: a prefetch reads nothing that the program sees, and does not fault.
            unsafe {
                core::arch::asm!("prfm pldl1keep, [{}]", in(reg) line,
                    options(nostack, readonly, preserves_flags));
            }
        }
    }
}
