//! The NIC: what the other side of registers and descriptors does.

use std::{
    collections::VecDeque,
    ptr::{self, NonNull, with_exposed_provenance, with_exposed_provenance_mut},
    sync::atomic::Ordering::{Acquire, Relaxed, Release},
};

use dash_hal::conformance::Link;
use dash_port_template::{
    device::{
        Descriptor, L3_BAD, L3_SEEN, L4_BAD, L4_SEEN, LENGTH, MORE, OWNED, PortRegisters, Timer,
    },
    frame::Block,
    port::{Nic, Rings},
};
use safe_mmio::{
    SharedMmioPointer, UniqueMmioPointer,
    fields::{ReadPure, WriteOnly},
};

pub(crate) const PORTS: usize = 2;
pub(crate) const RING: usize = 16;
/// Both rings of each port, a full queue and a burst of the engine, and some.
pub(crate) const BLOCKS: usize = 2 * PORTS * RING + 64 + 32 + 16;
/// A device does not send less.
const SHORTEST: usize = 60;

pub(crate) type Port = Nic<PORTS, RING, BLOCKS>;

/// What becomes of a frame that finds no receive descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overflow {
    /// It waits, and the sender with it.
    Pause,
    /// It is counted.
    Miss,
}

pub(crate) struct Device {
    timer: NonNull<Timer>,
    lanes: Vec<Lane>,
    links: Vec<Link>,
    overflow: Overflow,
    /// Frames that left by a port that is linked to nothing.
    pub(crate) left: VecDeque<(u16, Vec<u8>)>,
}

struct Lane {
    registers: NonNull<PortRegisters>,
    receive: usize,
    transmit: usize,
    arriving: VecDeque<Vec<u8>>,
}

/// A device whose ports are linked as `links` says, and its driver.
pub(crate) fn start(links: &[Link], overflow: Overflow) -> (Device, Port) {
    let timer = NonNull::from(Box::leak(Box::new(ReadPure(0))));
    let lanes: Vec<Lane> = (0..PORTS)
        .map(|_| {
            let registers = PortRegisters {
                receive_ring: WriteOnly(0),
                transmit_ring: WriteOnly(0),
                descriptors: WriteOnly(0),
                doorbell: WriteOnly(0),
                missed: ReadPure(0),
            };
            let registers = NonNull::from(Box::leak(Box::new(registers)));
            Lane { registers, receive: 0, transmit: 0, arriving: VecDeque::new() }
        })
        .collect();
    let ports = [0, 1].map(|port: usize| {
        // SAFETY: the registers live as long as the process, and only the device, as a device
        // does, looks at them too.
        let registers = unsafe { UniqueMmioPointer::new(lanes[port].registers) };
        (registers, Box::leak(Box::new(Rings::new())))
    });
    // SAFETY: as above.
    let pointer: SharedMmioPointer<'_, Timer> = unsafe { UniqueMmioPointer::new(timer) }.into();
    let blocks: Box<[Block; BLOCKS]> =
        (0..BLOCKS).map(|_| Block::new()).collect::<Vec<_>>().try_into().expect("as many");
    let port = Nic::new(Box::leak(blocks), ports, pointer, [1, 2]);
    (Device { timer, lanes, links: links.to_vec(), overflow, left: VecDeque::new() }, port)
}

impl Device {
    /// Some microseconds pass, and frames with them.
    pub(crate) fn turn(&mut self, microseconds: u32) {
        // SAFETY: the timer lives as long as the process; it is read between turns only.
        unsafe {
            let now = self.timer.as_ptr().read_volatile().0;
            self.timer.as_ptr().write_volatile(ReadPure(now.wrapping_add(microseconds)));
        }
        for port in 0..PORTS {
            self.lanes[port].deliver(self.overflow);
            let link = self.links.iter().find(|link| usize::from(link.from.0) == port).copied();
            let to = link.map(|link| usize::from(link.to.0));
            loop {
                if let Some(to) = to {
                    self.lanes[to].deliver(self.overflow);
                    if !self.lanes[to].arriving.is_empty() {
                        break;
                    }
                }
                let Some(frame) = self.lanes[port].send() else { break };
                match to {
                    Some(to) => self.lanes[to].arriving.push_back(frame),
                    None => self.left.push_back((port as u16, frame)),
                }
            }
        }
    }

    /// A frame comes in at `port` from outside.
    pub(crate) fn arrive(&mut self, port: usize, frame: &[u8]) {
        self.lanes[port].arriving.push_back(frame.to_vec());
        self.lanes[port].deliver(self.overflow);
    }
}

impl Lane {
    fn registers(&self) -> PortRegisters {
        // SAFETY: the registers live as long as the process; the driver does not run meanwhile.
        unsafe { ptr::read_volatile(self.registers.as_ptr()) }
    }

    /// The descriptor at `place` of the ring at `base`.
    fn descriptor(&self, base: usize, place: usize) -> &'static Descriptor {
        assert!(base != 0 && place < self.registers().descriptors.0 as usize, "a started device");
        // SAFETY: the driver wrote the address of a ring of so many descriptors that lives as long
        // as the process.
        unsafe { &*with_exposed_provenance::<Descriptor>(base).add(place) }
    }

    /// Takes the oldest frame that waits to be sent.
    fn send(&mut self) -> Option<Vec<u8>> {
        let registers = self.registers();
        let descriptor = self.descriptor(registers.transmit_ring.0, self.transmit);
        let word = descriptor.word.load(Acquire);
        if word & OWNED == 0 || registers.doorbell.0 == 0 {
            return None;
        }
        let address = with_exposed_provenance::<u8>(descriptor.address.load(Relaxed));
        // SAFETY: the driver gave these bytes to the device until the word is written.
        let frame = unsafe { std::slice::from_raw_parts(address, (word & LENGTH) as usize) };
        assert!(frame.len() >= 14, "a device hangs on less than a header");
        let mut frame = frame.to_vec();
        frame.resize(frame.len().max(SHORTEST), 0);
        descriptor.word.store(0, Release);
        self.transmit = (self.transmit + 1) % RING;
        Some(frame)
    }

    /// Writes what arrives into descriptors.
    fn deliver(&mut self, overflow: Overflow) {
        while let Some(frame) = self.arriving.pop_front() {
            let flags = checksum_flags(&frame);
            let ring = self.registers().receive_ring.0;
            let first = self.descriptor(ring, self.receive);
            if first.word.load(Acquire) & OWNED == 0 {
                if overflow == Overflow::Pause {
                    self.arriving.push_front(frame);
                    return;
                }
                let missed = self.registers().missed.0.wrapping_add(1);
                // SAFETY: as in `registers`.
                unsafe {
                    (&raw mut (*self.registers.as_ptr()).missed).write_volatile(ReadPure(missed));
                }
                continue;
            }
            let room = (first.word.load(Acquire) & LENGTH) as usize;
            let mut pieces = frame.chunks(room).peekable();
            while let Some(piece) = pieces.next() {
                let descriptor = self.descriptor(ring, self.receive);
                assert_ne!(descriptor.word.load(Acquire) & OWNED, 0, "the tests leave room");
                let address = with_exposed_provenance_mut::<u8>(descriptor.address.load(Relaxed));
                // SAFETY: the driver gave `room` bytes to the device until the word is written.
                unsafe { address.copy_from_nonoverlapping(piece.as_ptr(), piece.len()) };
                let more = if pieces.peek().is_some() { MORE } else { 0 };
                descriptor.word.store(more | flags | piece.len() as u32, Release);
                self.receive = (self.receive + 1) % RING;
            }
        }
    }
}

/// What the device says of the checksums of an IPv4 frame without options.
fn checksum_flags(frame: &[u8]) -> u32 {
    if frame.get(12..15) != Some(&[8, 0, 0x45]) {
        return 0;
    }
    let header = sum(&frame[14..34]) != 0xffff;
    let mut flags = L3_SEEN | if header { L3_BAD } else { 0 };
    // A UDP checksum of zero: there is none.
    if frame[23] == 17 && frame[40..42] != [0, 0] {
        let length = usize::from(u16::from_be_bytes([frame[38], frame[39]]));
        let pseudo = [0, 17, frame[38], frame[39]];
        let bytes = [&frame[26..34], &pseudo, &frame[34..34 + length]].concat();
        flags |= L4_SEEN | if sum(&bytes) == 0xffff { 0 } else { L4_BAD };
    }
    flags
}

fn sum(bytes: &[u8]) -> u32 {
    let sum = bytes.chunks(2).fold(0, |sum, word| {
        sum + u32::from(word[0]) * 256 + word.get(1).copied().map_or(0, u32::from)
    });
    (sum & 0xffff) + (sum >> 16)
}
