//! A port over vectors, with frames of any size.

use std::collections::VecDeque;

use dash_hal::{
    Burst, PacketBuffer, Platform, Pool, PortId, Ports, ReceiveMetadata, SoftwareHints,
    software::{FixedEntropy, ManualClock, SoftwareBuffer},
};

pub(crate) type Buffer = SoftwareBuffer<Vec<u8>>;

/// A frame that came in at `port`.
pub(crate) fn arrived(frame: &[u8], port: PortId) -> Buffer {
    Buffer::grown(frame, 0, ReceiveMetadata { port, ..ReceiveMetadata::NONE })
}

/// Collects what leaves. `underlay` has its own MTU; all other ports take everything.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) sent: VecDeque<(PortId, Vec<u8>)>,
    pub(crate) underlay: (PortId, u16),
    /// Copies that can still be made.
    pub(crate) copies: usize,
    clock: ManualClock,
    entropy: FixedEntropy,
}

impl Device {
    pub(crate) fn new(underlay: PortId) -> Self {
        Self {
            sent: VecDeque::new(),
            underlay: (underlay, 1500),
            copies: usize::MAX,
            clock: ManualClock::default(),
            entropy: FixedEntropy::default(),
        }
    }
}

impl Pool for Device {
    type Buffer = Buffer;

    fn recycle(&mut self, _buffer: Buffer) {}

    fn copy(&mut self, buffer: &Buffer) -> Option<Buffer> {
        self.copies = self.copies.checked_sub(1)?;
        Some(buffer.clone())
    }

    fn empty(&mut self) -> Option<Buffer> {
        None
    }
}

impl Ports for Device {
    fn receive(&mut self, _port: PortId, _burst: &mut Burst<Buffer>, _limit: usize) -> usize {
        0
    }

    fn transmit(&mut self, port: PortId, burst: &mut Burst<Buffer>) -> usize {
        let mut count = 0;
        while let Some(buffer) = burst.pop() {
            self.sent.push_back((port, buffer.bytes().to_vec()));
            count += 1;
        }
        count
    }

    fn mtu(&self, port: PortId) -> u16 {
        if port == self.underlay.0 { self.underlay.1 } else { u16::MAX }
    }
}

impl Platform for Device {
    type Clock = ManualClock;
    type Entropy = FixedEntropy;
    type Hints = SoftwareHints;

    fn clock(&self) -> &ManualClock {
        &self.clock
    }
    fn entropy(&mut self) -> &mut FixedEntropy {
        &mut self.entropy
    }
    fn hints(&self) -> SoftwareHints {
        SoftwareHints
    }
}
