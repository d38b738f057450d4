//! A port in software, over plain arrays: for tests, and as a model for a port's author.
//!
//! Nothing is allocated; a frame lives inside its [`ArrayBuffer`], so that moving one copies it.
//! A real port moves a pointer.

use core::cell::Cell;

use crate::{
    Burst, Clock, Entropy, EventSink, EventsLost, NoRoom, PacketBuffer, Platform, Pool, PortId,
    Ports, ReceiveMetadata, SoftwareHints,
};

/// Bytes in front of a frame that an [`ArrayBuffer`] starts with.
pub const HEADROOM: usize = 128;

/// A frame in an array of `N` bytes.
#[derive(Clone, Debug)]
pub struct ArrayBuffer<const N: usize> {
    bytes: [u8; N],
    start: usize,
    end: usize,
    metadata: ReceiveMetadata,
}

impl<const N: usize> ArrayBuffer<N> {
    /// A buffer that holds `frame` behind [`HEADROOM`] bytes of headroom.
    ///
    /// # Errors
    /// [`NoRoom`] when it does not fit.
    pub fn new(frame: &[u8], metadata: ReceiveMetadata) -> Result<Self, NoRoom> {
        Self::with_headroom(frame, metadata, HEADROOM)
    }

    /// A buffer that holds `frame` behind `headroom` bytes.
    ///
    /// # Errors
    /// [`NoRoom`] when it does not fit.
    pub fn with_headroom(
        frame: &[u8],
        metadata: ReceiveMetadata,
        headroom: usize,
    ) -> Result<Self, NoRoom> {
        let mut bytes = [0; N];
        let end = headroom.checked_add(frame.len()).ok_or(NoRoom)?;
        bytes.get_mut(headroom..end).ok_or(NoRoom)?.copy_from_slice(frame);
        Ok(Self { bytes, start: headroom, end, metadata })
    }
}

impl<const N: usize> PacketBuffer for ArrayBuffer<N> {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..self.end).unwrap_or_default()
    }

    fn headroom(&self) -> usize {
        self.start
    }

    fn tailroom(&self) -> usize {
        N - self.end
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

/// A clock that a test sets.
#[derive(Debug, Default)]
pub struct ManualClock(Cell<u64>);

impl ManualClock {
    /// Sets the time in nanoseconds; a step back is ignored.
    pub fn set(&self, now: u64) {
        self.0.set(self.0.get().max(now));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> u64 {
        self.0.get()
    }
}

/// Entropy that repeats in each run.
#[derive(Clone, Copy, Debug, Default)]
pub struct FixedEntropy(pub [u64; 2]);

impl Entropy for FixedEntropy {
    fn seed(&mut self) -> [u64; 2] {
        self.0[0] = self.0[0].wrapping_add(1);
        self.0
    }
}

/// The first `N` events; later ones are lost until the log is drained.
#[derive(Debug)]
pub struct EventLog<E, const N: usize> {
    events: [Option<E>; N],
    length: usize,
}

impl<E, const N: usize> EventLog<E, N> {
    /// An empty log.
    #[must_use]
    pub const fn new() -> Self {
        Self { events: [const { None }; N], length: 0 }
    }

    /// Takes all events, oldest first.
    pub fn drain(&mut self) -> impl Iterator<Item = E> {
        let length = core::mem::take(&mut self.length);
        let (events, _) = self.events.split_at_mut(length.min(N));
        events.iter_mut().filter_map(Option::take)
    }
}

impl<E, const N: usize> Default for EventLog<E, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E, const N: usize> EventSink<E> for EventLog<E, N> {
    fn emit(&mut self, event: E) -> Result<(), EventsLost> {
        *self.events.get_mut(self.length).ok_or(EventsLost)? = Some(event);
        self.length += 1;
        Ok(())
    }
}

/// `PORTS` ports, each with rings of [`BURST`](crate::BURST) frames; a buffer has `N` bytes, headroom
/// included.
#[derive(Debug)]
pub struct SoftwarePlatform<const PORTS: usize, const N: usize> {
    received: [Burst<ArrayBuffer<N>>; PORTS],
    sent: [Burst<ArrayBuffer<N>>; PORTS],
    /// Frames that each port still takes before it refuses.
    pub accept: [usize; PORTS],
    /// The most frames that one call of `transmit` takes.
    pub accept_each_call: usize,
    /// MTU of every port.
    pub mtu: u16,
    /// Buffers that came back.
    pub recycled: usize,
    /// Whether copies and empty buffers are refused.
    pub refuse_buffers: bool,
    /// The clock.
    pub clock: ManualClock,
    entropy: FixedEntropy,
}

impl<const PORTS: usize, const N: usize> SoftwarePlatform<PORTS, N> {
    /// Ports that accept everything, MTU 1,500, time 0.
    #[must_use]
    pub fn new() -> Self {
        Self {
            received: [const { Burst::new() }; PORTS],
            sent: [const { Burst::new() }; PORTS],
            accept: [usize::MAX; PORTS],
            accept_each_call: usize::MAX,
            mtu: 1500,
            recycled: 0,
            refuse_buffers: false,
            clock: ManualClock::default(),
            entropy: FixedEntropy::default(),
        }
    }

    /// Lets `frame` arrive at `port`.
    ///
    /// # Errors
    /// [`NoRoom`] when the port does not exist, its ring is full, or the frame does not fit.
    pub fn arrive(&mut self, port: PortId, frame: &[u8]) -> Result<(), NoRoom> {
        let buffer = ArrayBuffer::new(frame, ReceiveMetadata { port, ..Default::default() })?;
        let ring = self.received.get_mut(usize::from(port.0)).ok_or(NoRoom)?;
        ring.push(buffer).map_err(|_| NoRoom)
    }

    /// Takes the oldest frame that left by `port`.
    pub fn leave(&mut self, port: PortId) -> Option<ArrayBuffer<N>> {
        self.sent.get_mut(usize::from(port.0))?.pop()
    }
}

impl<const PORTS: usize, const N: usize> Default for SoftwarePlatform<PORTS, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const PORTS: usize, const N: usize> Ports for SoftwarePlatform<PORTS, N> {
    fn receive(&mut self, port: PortId, burst: &mut Burst<Self::Buffer>, limit: usize) -> usize {
        let Some(ring) = self.received.get_mut(usize::from(port.0)) else { return 0 };
        move_frames(ring, burst, limit)
    }

    fn transmit(&mut self, port: PortId, burst: &mut Burst<Self::Buffer>) -> usize {
        let index = usize::from(port.0);
        let (Some(ring), Some(accept)) = (self.sent.get_mut(index), self.accept.get_mut(index))
        else {
            let lost = burst.len();
            while let Some(buffer) = burst.pop() {
                self.recycle(buffer);
            }
            return lost;
        };
        let taken = move_frames(burst, ring, self.accept_each_call.min(*accept));
        *accept -= taken;
        taken
    }

    fn mtu(&self, _port: PortId) -> u16 {
        self.mtu
    }
}

/// Moves at most `limit` buffers, oldest first, and returns how many.
fn move_frames<B>(from: &mut Burst<B>, to: &mut Burst<B>, limit: usize) -> usize {
    let mut moved = 0;
    while moved < limit && to.room() > 0 {
        let Some(buffer) = from.pop() else { break };
        if to.push(buffer).is_err() {
            break;
        }
        moved += 1;
    }
    moved
}

impl<const PORTS: usize, const N: usize> Pool for SoftwarePlatform<PORTS, N> {
    type Buffer = ArrayBuffer<N>;

    fn recycle(&mut self, _buffer: Self::Buffer) {
        self.recycled += 1;
    }

    fn copy(&mut self, buffer: &Self::Buffer) -> Option<Self::Buffer> {
        (!self.refuse_buffers).then(|| buffer.clone())
    }

    fn empty(&mut self) -> Option<Self::Buffer> {
        if self.refuse_buffers {
            return None;
        }
        ArrayBuffer::new(&[], ReceiveMetadata::default()).ok()
    }
}

impl<const PORTS: usize, const N: usize> Platform for SoftwarePlatform<PORTS, N> {
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

#[cfg(test)]
mod tests {
    use super::*;

    type TestPlatform = SoftwarePlatform<2, 2048>;

    #[test]
    fn buffer_moves_its_edges_and_refuses_what_does_not_fit() {
        let mut buffer = ArrayBuffer::<256>::new(&[1, 2, 3], ReceiveMetadata::default()).unwrap();
        assert_eq!((buffer.headroom(), buffer.tailroom()), (HEADROOM, 256 - HEADROOM - 3));
        assert_eq!(buffer.pull_front(4), Err(NoRoom));
        assert_eq!(buffer.pull_front(1), Ok(()));
        assert_eq!(buffer.bytes(), [2, 3]);
        assert_eq!(buffer.push_front(HEADROOM + 2), Err(NoRoom));
        assert_eq!(buffer.push_front(HEADROOM + 1), Ok(()));
        assert_eq!(buffer.bytes().len(), HEADROOM + 3);
        assert_eq!(buffer.push_back(126), Err(NoRoom));
        assert_eq!(buffer.push_back(125), Ok(()));
        buffer.truncate(1000);
        assert_eq!(buffer.bytes().len(), 256);
        buffer.truncate(2);
        assert_eq!(buffer.bytes().len(), 2);
        assert!(ArrayBuffer::<64>::new(&[], ReceiveMetadata::default()).is_err());
    }

    #[test]
    fn what_a_port_refuses_stays_with_the_caller() {
        let mut platform = TestPlatform::new();
        for byte in 0..5 {
            platform.arrive(PortId(0), &[byte]).unwrap();
        }
        let mut burst = Burst::new();
        assert_eq!(platform.receive(PortId(0), &mut burst, 4), 4);
        platform.accept[1] = 3;
        assert_eq!(platform.transmit(PortId(1), &mut burst), 3);
        assert_eq!(burst.len(), 1);
        assert_eq!(platform.leave(PortId(1)).unwrap().bytes(), [0]);
        assert_eq!(platform.receive(PortId(9), &mut burst, 4), 0);
    }

    #[test]
    fn a_port_that_is_not_there_takes_frames_and_gives_their_buffers_back() {
        let mut platform = TestPlatform::new();
        platform.arrive(PortId(0), &[1]).unwrap();
        let mut burst = Burst::new();
        assert_eq!(platform.receive(PortId(0), &mut burst, 4), 1);
        assert_eq!((platform.transmit(PortId(9), &mut burst), burst.len()), (1, 0));
        assert_eq!(platform.recycled, 1);
    }

    #[test]
    fn clock_never_steps_back() {
        let clock = ManualClock::default();
        clock.set(5);
        clock.set(3);
        assert_eq!(clock.now(), 5);
    }

    #[test]
    fn full_log_refuses_until_drained() {
        let mut log = EventLog::<u8, 2>::new();
        assert_eq!(log.emit(1), Ok(()));
        assert_eq!(log.emit(2), Ok(()));
        assert_eq!(log.emit(3), Err(EventsLost));
        assert!(log.drain().eq([1, 2]));
        assert_eq!(log.emit(4), Ok(()));
    }
}
