//! A port in software, over plain arrays: for tests, and as a model for a port's author.
//!
//! Nothing is allocated; a frame lives inside its [`ArrayBuffer`], so that moving one copies it, or in
//! what else a [`SoftwareBuffer`] is given, a vector for one.
//! A real port moves a pointer.

mod offload;

use core::{cell::Cell, iter::repeat_n};

use crate::{
    Burst, Clock, Entropy, EventSink, EventsLost, HEADROOM, Hints, NoRoom, PacketBuffer, Platform,
    Pool, PortId, Ports, ReceiveMetadata, SoftwareHints,
};

pub use self::offload::{ArrayOffload, Offloaded};

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
/// Bytes of the two tags that an Ethernet header may have.
const TAGS: usize = 8;

/// A frame in memory of the kind `S`.
#[derive(Clone, Debug)]
pub struct SoftwareBuffer<S> {
    memory: S,
    start: usize,
    end: usize,
    /// What the NIC says of the frame.
    pub metadata: ReceiveMetadata,
}

/// A frame in an array of `N` bytes.
pub type ArrayBuffer<const N: usize> = SoftwareBuffer<[u8; N]>;

impl<const N: usize> SoftwareBuffer<[u8; N]> {
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
        let mut memory = [0; N];
        let end = headroom.checked_add(frame.len()).ok_or(NoRoom)?;
        memory.get_mut(headroom..end).ok_or(NoRoom)?.copy_from_slice(frame);
        Ok(Self { memory, start: headroom, end, metadata })
    }
}

impl<S: Default + for<'b> Extend<&'b u8>> SoftwareBuffer<S> {
    /// A buffer whose memory grows to what it needs: `frame` behind [`HEADROOM`] bytes of headroom,
    /// and `tailroom` bytes behind it.
    #[must_use]
    pub fn grown(frame: &[u8], tailroom: usize, metadata: ReceiveMetadata) -> Self {
        let mut memory = S::default();
        memory.extend(&[0; HEADROOM]);
        memory.extend(frame);
        memory.extend(repeat_n(&0, tailroom));
        Self { memory, start: HEADROOM, end: HEADROOM + frame.len(), metadata }
    }
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> PacketBuffer for SoftwareBuffer<S> {
    fn bytes(&self) -> &[u8] {
        self.memory.as_ref().get(self.start..self.end).unwrap_or_default()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.memory.as_mut().get_mut(self.start..self.end).unwrap_or_default()
    }

    fn headroom(&self) -> usize {
        self.start
    }

    fn tailroom(&self) -> usize {
        self.memory.as_ref().len().saturating_sub(self.end)
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
/// included. `H` stands for what hardware does faster.
#[derive(Debug)]
pub struct SoftwarePlatform<const PORTS: usize, const N: usize, H = SoftwareHints> {
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
    /// Buffers in the pool; without one, frames do not arrive and buffers are refused.
    pub free: usize,
    /// Frames that could never leave, or not arrive at the end of a cable.
    pub dropped: u64,
    /// The clock.
    pub clock: ManualClock,
    entropy: FixedEntropy,
    hints: H,
}

impl<const PORTS: usize, const N: usize> SoftwarePlatform<PORTS, N> {
    /// Ports that accept everything, MTU 1,500, time 0, a pool that never ends.
    #[must_use]
    pub fn new() -> Self {
        Self::with_hints(SoftwareHints)
    }
}

impl<const PORTS: usize, const N: usize, H> SoftwarePlatform<PORTS, N, H> {
    /// The same, with the help of `hints`.
    #[must_use]
    pub fn with_hints(hints: H) -> Self {
        Self {
            received: [const { Burst::new() }; PORTS],
            sent: [const { Burst::new() }; PORTS],
            accept: [usize::MAX; PORTS],
            accept_each_call: usize::MAX,
            mtu: 1500,
            recycled: 0,
            free: usize::MAX,
            dropped: 0,
            clock: ManualClock::default(),
            entropy: FixedEntropy::default(),
            hints,
        }
    }

    /// Lets `frame` arrive at `port`.
    ///
    /// # Errors
    /// [`NoRoom`] when the port does not exist, its ring is full, the pool is empty, or the frame
    /// does not fit.
    pub fn arrive(&mut self, port: PortId, frame: &[u8]) -> Result<(), NoRoom> {
        let ring = self.received.get_mut(usize::from(port.0)).ok_or(NoRoom)?;
        let free = self.free.checked_sub(1).ok_or(NoRoom)?;
        let buffer = ArrayBuffer::new(frame, ReceiveMetadata { port, ..Default::default() })?;
        ring.push(buffer).map_err(|_| NoRoom)?;
        self.free = free;
        Ok(())
    }

    /// Takes the oldest frame that left by `port`. The device has read it: its buffer is free.
    pub fn leave(&mut self, port: PortId) -> Option<ArrayBuffer<N>> {
        let buffer = self.sent.get_mut(usize::from(port.0))?.pop()?;
        self.free = self.free.saturating_add(1);
        Some(buffer)
    }

    /// Frames that `port` takes before it refuses one.
    #[must_use]
    pub fn room(&self, port: PortId) -> usize {
        let index = usize::from(port.0);
        let (Some(ring), Some(accept)) = (self.sent.get(index), self.accept.get(index)) else {
            return 0;
        };
        ring.room().min(*accept)
    }

    /// A cable: frames that left by `from` arrive at `to`, as many as its ring has places for.
    pub fn carry(&mut self, from: PortId, to: PortId) {
        while self.received.get(usize::from(to.0)).is_some_and(|ring| ring.room() > 0)
            && let Some(buffer) = self.leave(from)
        {
            // A frame that fills its buffer up to the front has no place behind headroom.
            if self.arrive(to, buffer.bytes()).is_err() {
                self.dropped += 1;
            }
        }
    }
}

impl<const PORTS: usize, const N: usize> Default for SoftwarePlatform<PORTS, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const PORTS: usize, const N: usize, H> Ports for SoftwarePlatform<PORTS, N, H> {
    fn receive(&mut self, port: PortId, burst: &mut Burst<Self::Buffer>, limit: usize) -> usize {
        let Some(ring) = self.received.get_mut(usize::from(port.0)) else { return 0 };
        move_frames(ring, burst, limit)
    }

    fn transmit(&mut self, port: PortId, burst: &mut Burst<Self::Buffer>) -> usize {
        let index = usize::from(port.0);
        let longest = usize::from(self.mtu) + ETHERNET + TAGS;
        let mut left =
            self.accept.get(index).map_or(0, |&accept| accept.min(self.accept_each_call));
        let mut taken = 0;
        while let Some(frame) = burst.front() {
            let leaves = (ETHERNET..=longest).contains(&frame.bytes().len());
            let ring = self.sent.get_mut(index).filter(|_| leaves);
            if ring.as_ref().is_some_and(|ring| left == 0 || ring.room() == 0) {
                break;
            }
            let Some(frame) = burst.pop() else { break };
            taken += 1;
            let Some(ring) = ring else {
                self.dropped += 1;
                self.recycle(frame);
                continue;
            };
            let _ = ring.push(frame);
            left -= 1;
            if let Some(accept) = self.accept.get_mut(index) {
                *accept -= 1;
            }
        }
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

impl<const PORTS: usize, const N: usize, H> Pool for SoftwarePlatform<PORTS, N, H> {
    type Buffer = ArrayBuffer<N>;

    fn recycle(&mut self, _buffer: Self::Buffer) {
        self.recycled += 1;
        self.free = self.free.saturating_add(1);
    }

    fn copy(&mut self, buffer: &Self::Buffer) -> Option<Self::Buffer> {
        self.free = self.free.checked_sub(1)?;
        Some(buffer.clone())
    }

    fn empty(&mut self) -> Option<Self::Buffer> {
        let free = self.free.checked_sub(1)?;
        let buffer = ArrayBuffer::new(&[], ReceiveMetadata::default()).ok()?;
        self.free = free;
        Some(buffer)
    }
}

impl<const PORTS: usize, const N: usize, H: Hints + Copy> Platform
    for SoftwarePlatform<PORTS, N, H>
{
    type Clock = ManualClock;
    type Entropy = FixedEntropy;
    type Hints = H;

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    fn entropy(&mut self) -> &mut FixedEntropy {
        &mut self.entropy
    }

    fn hints(&self) -> H {
        self.hints
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
            platform.arrive(PortId(0), &[byte; 60]).unwrap();
        }
        let mut burst = Burst::new();
        assert_eq!(platform.receive(PortId(0), &mut burst, 4), 4);
        platform.accept[1] = 3;
        assert_eq!(platform.transmit(PortId(1), &mut burst), 3);
        assert_eq!(burst.len(), 1);
        assert_eq!(platform.leave(PortId(1)).unwrap().bytes(), [0; 60]);
        assert_eq!(platform.receive(PortId(9), &mut burst, 4), 0);
    }

    #[test]
    fn what_can_never_leave_is_taken_counted_and_its_buffer_free_again() {
        let mut platform = TestPlatform::new();
        platform.free = 3;
        platform.accept[0] = 1;
        for (port, length) in [(9, 60), (0, 13), (0, 1523), (0, 1522)] {
            let mut burst = Burst::new();
            let mut buffer = platform.empty().unwrap();
            buffer.push_back(length).unwrap();
            burst.push(buffer).unwrap();
            assert_eq!((platform.transmit(PortId(port), &mut burst), burst.len()), (1, 0));
        }
        assert_eq!((platform.dropped, platform.recycled, platform.free), (3, 3, 2));
        assert_eq!(platform.leave(PortId(0)).unwrap().bytes().len(), 1522);
        assert_eq!(platform.free, 3);
    }

    #[test]
    fn without_free_buffers_nothing_arrives_and_nothing_is_given() {
        let mut platform = TestPlatform::new();
        platform.free = 1;
        let buffer = platform.empty().unwrap();
        assert_eq!(platform.arrive(PortId(0), &[0; 60]), Err(NoRoom));
        assert!(platform.empty().is_none() && platform.copy(&buffer).is_none());
        platform.recycle(buffer);
        assert_eq!(platform.arrive(PortId(0), &[0; 60]), Ok(()));
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
