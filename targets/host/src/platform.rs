//! What `dash-hal` asks of a port, with captures in place of a wire.

use std::cell::Cell;

use dash_hal::{
    Burst, Clock, Entropy, PacketBuffer, Platform, Pool, PortId, Ports, ReceiveMetadata,
    SoftwareHints, software::SoftwareBuffer,
};

/// Most next hops of the flows of a table.
pub const NEXT_HOPS: usize = 4096;

/// A frame on the heap.
pub type HostBuffer = SoftwareBuffer<Vec<u8>>;

/// The time of the frame that is processed, ns.
#[derive(Debug, Default)]
pub struct CaptureClock(Cell<u64>);

impl CaptureClock {
    /// Sets the time; it holds where `now` would step back.
    pub fn advance(&self, now: u64) {
        self.0.set(self.0.get().max(now));
    }
}

impl Clock for CaptureClock {
    fn now(&self) -> u64 {
        self.0.get()
    }
}

/// Seeds from the process's own random state, which the standard library takes from the system.
#[derive(Debug, Default)]
pub struct SystemEntropy {
    /// The same in each run.
    repeats: bool,
}

impl Entropy for SystemEntropy {
    fn seed(&mut self) -> [u64; 2] {
        use std::hash::BuildHasher;
        if self.repeats {
            return [1, 2];
        }
        let state = std::hash::RandomState::new();
        [state.hash_one(1), state.hash_one(2)]
    }
}

/// Sent frames, in order, until they are taken.
#[derive(Debug)]
pub struct HostPlatform {
    sent: Vec<(PortId, HostBuffer)>,
    mtu: u16,
    /// The one port that `mtu` is for; `None`: all.
    limited: Option<PortId>,
    clock: CaptureClock,
    entropy: SystemEntropy,
}

impl HostPlatform {
    /// Ports of this MTU.
    #[must_use]
    pub fn new(mtu: u16) -> Self {
        Self {
            sent: Vec::new(),
            mtu,
            limited: None,
            clock: CaptureClock::default(),
            entropy: SystemEntropy::default(),
        }
    }

    /// One port of this MTU; the others take every frame.
    #[must_use]
    pub fn with_underlay(port: PortId, mtu: u16) -> Self {
        Self { limited: Some(port), ..Self::new(mtu) }
    }

    /// With the same seeds in each run, for captures that nobody can make against them: where a full
    /// table evicts, one input then has one result.
    #[must_use]
    pub const fn repeatable(mut self) -> Self {
        self.entropy.repeats = true;
        self
    }

    /// Changes the MTU.
    pub const fn set_mtu(&mut self, mtu: u16) {
        self.mtu = mtu;
    }

    /// Takes what was sent, oldest first.
    pub fn take_sent(&mut self) -> impl Iterator<Item = (PortId, HostBuffer)> {
        self.sent.drain(..)
    }
}

impl Ports for HostPlatform {
    /// Frames are handed to the engine one by one, each at its own time; nothing waits here.
    fn receive(&mut self, _: PortId, _: &mut Burst<HostBuffer>, _: usize) -> usize {
        0
    }

    fn transmit(&mut self, port: PortId, burst: &mut Burst<HostBuffer>) -> usize {
        let before = self.sent.len();
        while let Some(buffer) = burst.pop() {
            self.sent.push((port, buffer));
        }
        self.sent.len() - before
    }

    fn mtu(&self, port: PortId) -> u16 {
        if self.limited.is_none_or(|limited| limited == port) { self.mtu } else { u16::MAX }
    }
}

impl Pool for HostPlatform {
    type Buffer = HostBuffer;

    fn recycle(&mut self, _: HostBuffer) {}

    fn copy(&mut self, buffer: &HostBuffer) -> Option<HostBuffer> {
        Some(HostBuffer::grown(buffer.bytes(), 0, *buffer.metadata()))
    }

    fn empty(&mut self) -> Option<HostBuffer> {
        Some(HostBuffer::grown(&[], 1500, ReceiveMetadata::NONE))
    }
}

impl Platform for HostPlatform {
    type Clock = CaptureClock;
    type Entropy = SystemEntropy;
    type Hints = SoftwareHints;

    fn clock(&self) -> &CaptureClock {
        &self.clock
    }

    fn entropy(&mut self) -> &mut SystemEntropy {
        &mut self.entropy
    }

    fn hints(&self) -> SoftwareHints {
        SoftwareHints
    }
}
