//! What `dash-hal` asks of a port, over virtio-net.
//!
//! [`SLOTS`] buffers are never short: they fill both rings of each port and the engine's queue,
//! with a burst on its way. A receive ring is full again before a call returns, whatever the
//! engine holds.

use dash_core::wire::{ethernet::EthernetHeader, vlan};
use dash_hal::{BURST, Burst, PacketBuffer, Platform, Pool, PortId, Ports, ReceiveMetadata};
use dash_protocol::{ClockMode, DATA_PORTS};

use crate::{
    buffer::FrameBuffer, clock::FirmwareClock, machine::Machine, nic::Nic, pool::SlotPool,
    ring::RING, seeds::Seeds,
};

/// Frames that wait in the engine for a port that is full.
pub const QUEUE: usize = 64;

/// Buffers of the data ports.
pub const SLOTS: usize = DATA_PORTS * 2 * RING + QUEUE + BURST;

/// What a port counts besides what the engine does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortCounters {
    /// Frames handed to the device.
    pub sent: u64,
    /// Frames that the port dropped. Such can never leave: longer than the MTU, without an Ethernet
    /// header, or of a port without a device. Or they came in, in capture time, without a stamp.
    pub dropped: u64,
}

/// A data port: its device, if the machine has one, and its counters.
#[derive(Default)]
pub(crate) struct DataPort {
    pub(crate) nic: Option<&'static mut Nic>,
    pub(crate) counters: PortCounters,
}

/// The data ports of machine `M`, their buffers and their clock.
pub struct FirmwarePlatform<M: Machine> {
    ports: [DataPort; DATA_PORTS],
    /// All ports that do not exist.
    nowhere: DataPort,
    pool: SlotPool<SLOTS>,
    mode: ClockMode,
    mtu: u16,
    clock: FirmwareClock<M>,
    seeds: Seeds,
    hints: M::Hints,
}

impl<M: Machine> FirmwarePlatform<M> {
    /// Ports over `nics`, whose receive rings are filled.
    pub(crate) fn new(
        nics: [Option<&'static mut Nic>; DATA_PORTS],
        pool: SlotPool<SLOTS>,
        mode: ClockMode,
        mtu: u16,
        seeds: Seeds,
    ) -> Self {
        let ports = nics.map(|nic| DataPort { nic, counters: PortCounters::default() });
        let clock = FirmwareClock::new(mode);
        let hints = M::Hints::default();
        let mut platform =
            Self { ports, nowhere: DataPort::default(), pool, mode, mtu, clock, seeds, hints };
        for nic in platform.ports.iter_mut().filter_map(|port| port.nic.as_deref_mut()) {
            nic.refill(&mut platform.pool);
        }
        platform
    }

    /// What a port counted; any other number: all ports that do not exist.
    #[must_use]
    pub fn counters(&self, port: PortId) -> PortCounters {
        self.ports.get(usize::from(port.0)).unwrap_or(&self.nowhere).counters
    }

    /// A free buffer, if need be one of a frame that was sent by now.
    fn take(&mut self) -> Option<FrameBuffer> {
        self.pool.take().or_else(|| {
            self.reclaim();
            self.pool.take()
        })
    }

    /// Takes back the buffers of all frames that were sent.
    fn reclaim(&mut self) {
        for nic in self.ports.iter_mut().filter_map(|port| port.nic.as_deref_mut()) {
            nic.reclaim(&mut self.pool);
        }
    }

    /// Whether everything that devices were given to send has left.
    pub fn is_drained(&mut self) -> bool {
        self.reclaim();
        self.ports.iter().filter_map(|port| port.nic.as_deref()).all(Nic::is_idle)
    }
}

impl<M: Machine> Ports for FirmwarePlatform<M> {
    fn receive(&mut self, port: PortId, burst: &mut Burst<FrameBuffer>, limit: usize) -> usize {
        self.reclaim();
        let Some(DataPort { nic: Some(nic), counters }) = self.ports.get_mut(usize::from(port.0))
        else {
            return 0;
        };
        let mut received = 0;
        while received < limit.min(BURST) && burst.room() > 0 {
            let metadata = ReceiveMetadata { port, ..Default::default() };
            let Some(mut buffer) = nic.receive(metadata) else { break };
            if self.mode == ClockMode::Capture && buffer.take_stamp().is_err() {
                counters.dropped += 1;
                self.pool.give(buffer);
                continue;
            }
            // There is room.
            let _ = burst.push(buffer);
            received += 1;
        }
        nic.refill(&mut self.pool);
        received
    }

    fn transmit(&mut self, port: PortId, burst: &mut Burst<FrameBuffer>) -> usize {
        let before = burst.len();
        self.reclaim();
        let DataPort { nic, counters } =
            self.ports.get_mut(usize::from(port.0)).unwrap_or(&mut self.nowhere);
        while let Some(next) = burst.front() {
            let nic = nic.as_mut().filter(|_| can_leave(next.bytes(), self.mtu));
            if nic.as_ref().is_some_and(|nic| !nic.has_room()) {
                break;
            }
            let Some(mut buffer) = burst.pop() else { break };
            let Some(nic) = nic else {
                counters.dropped += 1;
                self.pool.give(buffer);
                continue;
            };
            if self.mode == ClockMode::Capture {
                // What goes in front of a frame has its reserved bytes.
                let _ = buffer.put_stamp();
            }
            match nic.transmit(buffer) {
                Ok(()) => counters.sent += 1,
                Err(buffer) => {
                    // Not reached: the ring has room.
                    counters.dropped += 1;
                    self.pool.give(buffer);
                }
            }
        }
        if let Some(nic) = nic {
            nic.flush();
        }
        before - burst.len()
    }

    fn mtu(&self, _: PortId) -> u16 {
        self.mtu
    }
}

/// Whether a frame has an Ethernet header, and no more than `mtu` bytes behind it and its tags.
fn can_leave(frame: &[u8], mtu: u16) -> bool {
    const TAG: usize = size_of::<vlan::VlanTag>();
    let mut payload = size_of::<EthernetHeader>();
    for _ in 0..vlan::MAX_TAGS {
        let ethertype = frame.get(payload - 2..payload).and_then(<[u8]>::as_array);
        if ethertype.is_some_and(|bytes| vlan::VlanTag::is_tpid(u16::from_be_bytes(*bytes))) {
            payload += TAG;
        }
    }
    (payload..=payload + usize::from(mtu)).contains(&frame.len())
}

impl<M: Machine> Pool for FirmwarePlatform<M> {
    type Buffer = FrameBuffer;

    fn recycle(&mut self, buffer: FrameBuffer) {
        self.pool.give(buffer);
    }

    fn copy(&mut self, buffer: &FrameBuffer) -> Option<FrameBuffer> {
        let mut copy = self.take()?;
        copy.copy_from(buffer);
        Some(copy)
    }

    fn empty(&mut self) -> Option<FrameBuffer> {
        let mut buffer = self.take()?;
        buffer.set_time(dash_hal::Clock::now(&self.clock));
        Some(buffer)
    }
}

impl<M: Machine> Platform for FirmwarePlatform<M> {
    type Clock = FirmwareClock<M>;
    type Entropy = Seeds;
    type Hints = M::Hints;

    fn clock(&self) -> &FirmwareClock<M> {
        &self.clock
    }

    fn entropy(&mut self) -> &mut Seeds {
        &mut self.seeds
    }

    #[inline]
    fn hints(&self) -> M::Hints {
        self.hints
    }
}

#[cfg(test)]
mod tests {
    use super::can_leave;

    #[test]
    fn a_frame_leaves_when_its_payload_fits() {
        let mut frame = [0; 14 + 8 + 101];
        assert!(!can_leave(&frame[..13], 100));
        assert!(can_leave(&frame[..14], 100));
        assert!(can_leave(&frame[..14 + 100], 100));
        assert!(!can_leave(&frame[..14 + 101], 100));
        frame[12..14].copy_from_slice(&[0x88, 0xa8]);
        assert!(!can_leave(&frame[..17], 100));
        assert!(can_leave(&frame[..14 + 4 + 100], 100));
        assert!(!can_leave(&frame[..14 + 4 + 101], 100));
        frame[16..18].copy_from_slice(&[0x81, 0]);
        assert!(can_leave(&frame[..14 + 8 + 100], 100));
        // A third tag is payload.
        frame[20..22].copy_from_slice(&[0x81, 0]);
        assert!(!can_leave(&frame[..14 + 8 + 101], 100));
    }
}
