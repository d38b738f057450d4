//! The platform: rings, pool, clock, entropy and hints of one core.

use dash_hal::{
    Burst, Hints, PacketBuffer, Platform, Pool, PortId, Ports, ReceiveFlags, ReceiveMetadata,
};
use heapless::Vec;
use safe_mmio::{SharedMmioPointer, UniqueMmioPointer, field};

use crate::{
    clock::TimerClock,
    device::{Descriptors, L3_BAD, L3_SEEN, L4_BAD, L4_SEEN, LENGTH, MORE, PortRegisters, Timer},
    entropy::BootSecret,
    frame::{Block, ETHERNET, Frame, LONGEST, MTU, ROOM},
    hints::CoreHints,
    ring::Ring,
};

/// A port's rings, in memory that the device sees.
#[derive(Debug, Default)]
pub struct Rings<const RING: usize> {
    /// Filled by the device.
    pub receive: Descriptors<RING>,
    /// Emptied by the device.
    pub transmit: Descriptors<RING>,
}

impl<const RING: usize> Rings<RING> {
    /// Rings without frames.
    #[must_use]
    pub const fn new() -> Self {
        Self { receive: Descriptors::new(), transmit: Descriptors::new() }
    }
}

/// What belongs to one port.
pub type PortMemory<const RING: usize> =
    (UniqueMmioPointer<'static, PortRegisters>, &'static mut Rings<RING>);

/// `PORTS` ports with rings of `RING` descriptors, and `BLOCKS` blocks for all of them.
pub struct Nic<const PORTS: usize, const RING: usize, const BLOCKS: usize> {
    lanes: [Lane<RING>; PORTS],
    free: Free<BLOCKS>,
    dropped: u64,
    clock: TimerClock,
    entropy: BootSecret,
}

/// Frames that nobody uses. There is a place for each block.
type Free<const BLOCKS: usize> = Vec<Frame, BLOCKS>;

impl<const PORTS: usize, const RING: usize, const BLOCKS: usize> Nic<PORTS, RING, BLOCKS> {
    /// Starts the device. It writes to memory as long as it runs, so the memory is given for good.
    ///
    /// How many blocks: `PORTS × RING` lie in the receive rings and as many in transmit rings that
    /// are full; the engine holds its queue, its punts and one burst.
    #[must_use]
    pub fn new(
        blocks: &'static mut [Block; BLOCKS],
        ports: [PortMemory<RING>; PORTS],
        timer: SharedMmioPointer<'static, Timer>,
        secret: [u64; 2],
    ) -> Self {
        let mut free = Free::new();
        for block in blocks {
            let _ = free.push(Frame::new(block));
        }
        let mut lanes = ports.map(|(registers, rings)| Lane::new(registers, rings));
        for lane in &mut lanes {
            lane.refill(&mut free);
            lane.start();
        }
        let (clock, entropy) = (TimerClock::new(timer), BootSecret::new(secret));
        Self { lanes, free, dropped: 0, clock, entropy }
    }

    /// Frames dropped since the start: by this port, and by the device for want of a descriptor.
    pub fn dropped(&mut self) -> u64 {
        self.dropped += self.lanes.iter_mut().map(Lane::newly_missed).sum::<u64>();
        self.dropped
    }

    /// When no frame is free, looks for transmitted ones.
    fn reclaim_if_dry(&mut self) {
        if self.free.is_empty() {
            for lane in &mut self.lanes {
                lane.reclaim(&mut self.free);
            }
        }
    }
}

impl<const PORTS: usize, const RING: usize, const BLOCKS: usize> Ports
    for Nic<PORTS, RING, BLOCKS>
{
    fn receive(&mut self, port: PortId, burst: &mut Burst<Frame>, limit: usize) -> usize {
        self.reclaim_if_dry();
        let Some(lane) = self.lanes.get_mut(usize::from(port.0)) else { return 0 };
        let mut count = 0;
        while count < limit && burst.room() > 0 {
            let Some((mut frame, word)) = lane.receive.take() else { break };
            let goes_on = word & MORE != 0;
            if goes_on || lane.in_pieces {
                // Longer than a block, so longer than the MTU: each piece is free again, and the
                // last one counts.
                lane.in_pieces = goes_on;
                self.dropped += u64::from(!goes_on);
                frame.clear();
                let _ = self.free.push(frame);
                continue;
            }
            frame.fill((word & LENGTH) as usize, metadata(port, word));
            // Comes while the rest of the burst is taken.
            CoreHints.prefetch(frame.headers());
            let _ = burst.push(frame);
            count += 1;
        }
        lane.refill(&mut self.free);
        count
    }

    fn transmit(&mut self, port: PortId, burst: &mut Burst<Frame>) -> usize {
        let mut lane = self.lanes.get_mut(usize::from(port.0));
        if let Some(lane) = &mut lane {
            lane.reclaim(&mut self.free);
        }
        let (mut taken, mut given) = (0, false);
        while let Some(frame) = burst.front() {
            let length = frame.bytes().len();
            let lane = lane.as_mut().filter(|_| (ETHERNET..=LONGEST).contains(&length));
            if lane.as_ref().is_some_and(|lane| lane.transmit.is_full()) {
                break;
            }
            let Some(mut frame) = burst.pop() else { break };
            taken += 1;
            if let Some(lane) = lane {
                let _ = lane.transmit.give(frame, length);
                given = true;
            } else {
                self.dropped += 1;
                frame.clear();
                let _ = self.free.push(frame);
            }
        }
        if let (Some(lane), true) = (lane, given) {
            // A core that does not order normal memory before device memory has a barrier here.
            field!(lane.registers, doorbell).write(1);
        }
        taken
    }

    fn mtu(&self, _port: PortId) -> u16 {
        MTU
    }
}

impl<const PORTS: usize, const RING: usize, const BLOCKS: usize> Pool for Nic<PORTS, RING, BLOCKS> {
    type Buffer = Frame;

    fn recycle(&mut self, mut frame: Frame) {
        frame.clear();
        let _ = self.free.push(frame);
    }

    fn copy(&mut self, original: &Frame) -> Option<Frame> {
        self.reclaim_if_dry();
        let mut frame = self.free.pop()?;
        frame.copy_from(original);
        Some(frame)
    }

    fn empty(&mut self) -> Option<Frame> {
        self.reclaim_if_dry();
        self.free.pop()
    }
}

impl<const PORTS: usize, const RING: usize, const BLOCKS: usize> Platform
    for Nic<PORTS, RING, BLOCKS>
{
    type Clock = TimerClock;
    type Entropy = BootSecret;
    type Hints = CoreHints;

    fn clock(&self) -> &TimerClock {
        &self.clock
    }

    fn entropy(&mut self) -> &mut BootSecret {
        &mut self.entropy
    }

    fn hints(&self) -> CoreHints {
        CoreHints
    }
}

/// One port.
struct Lane<const RING: usize> {
    registers: UniqueMmioPointer<'static, PortRegisters>,
    receive: Ring<RING>,
    transmit: Ring<RING>,
    /// Within a frame that takes several descriptors.
    in_pieces: bool,
    /// The device's counter, as it was read last.
    missed: u32,
}

impl<const RING: usize> Lane<RING> {
    const fn new(
        registers: UniqueMmioPointer<'static, PortRegisters>,
        rings: &'static Rings<RING>,
    ) -> Self {
        let (receive, transmit) = (Ring::new(&rings.receive), Ring::new(&rings.transmit));
        Self { registers, receive, transmit, in_pieces: false, missed: 0 }
    }

    fn start(&mut self) {
        field!(self.registers, receive_ring).write(self.receive.address());
        field!(self.registers, transmit_ring).write(self.transmit.address());
        field!(self.registers, descriptors).write(RING as u32);
    }

    /// Gives free frames to the receive ring.
    fn refill<const BLOCKS: usize>(&mut self, free: &mut Free<BLOCKS>) {
        while !self.receive.is_full()
            && let Some(frame) = free.pop()
        {
            let _ = self.receive.give(frame, ROOM);
        }
    }

    /// Takes transmitted frames back.
    fn reclaim<const BLOCKS: usize>(&mut self, free: &mut Free<BLOCKS>) {
        while let Some((mut frame, _)) = self.transmit.take() {
            frame.clear();
            let _ = free.push(frame);
        }
    }

    /// What the device's counter of 32 bits counted since the last call.
    fn newly_missed(&mut self) -> u64 {
        let before = self.missed;
        self.missed = field!(self.registers, missed).read();
        self.missed.wrapping_sub(before).into()
    }
}

/// What the device found out.
fn metadata(port: PortId, word: u32) -> ReceiveMetadata {
    let mut flags = ReceiveFlags::empty();
    if word & L3_SEEN != 0 {
        let bad = word & L3_BAD != 0;
        flags |= if bad { ReceiveFlags::L3_BAD } else { ReceiveFlags::L3_GOOD };
    }
    if word & L4_SEEN != 0 {
        let bad = word & L4_BAD != 0;
        flags |= if bad { ReceiveFlags::L4_BAD } else { ReceiveFlags::L4_GOOD };
    }
    ReceiveMetadata { port, flags, ..ReceiveMetadata::NONE }
}
