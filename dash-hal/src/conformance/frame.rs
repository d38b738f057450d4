//! Frames of the suite: made from a few numbers, so that none is kept to be compared.

use super::{ETHERNET, Fault};
use crate::{Hints, PacketBuffer, ReceiveFlags, SoftwareHints};

/// Shortest frame that a device does not pad.
pub(super) const SHORTEST: usize = 60;
/// Shortest frame that tells its number.
pub(super) const NUMBERED: usize = ETHERNET + STAMP;
/// Bytes of a tag.
pub(super) const TAG: usize = 4;
/// Priority 1, VLAN 100.
pub(super) const TCI: u16 = 0x2064;

/// Bytes of the addresses, where a tag is put.
const ADDRESSES: usize = 12;
/// Magic number, session, number.
const STAMP: usize = 8;
const MAGIC: [u8; 2] = [0xda, 0x5a];
/// IPv4 and UDP headers.
const UDP_HEADERS: usize = 28;
const HEAD: usize = SHORTEST;

/// Headers of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Ethernet.
    Plain,
    /// Ethernet with one tag.
    Tagged,
    /// IPv4 and UDP in 60 bytes.
    Udp(Checksum),
}

/// The UDP checksum of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checksum {
    Right,
    Wrong,
    /// Zero: none (RFC 768).
    Absent,
}

/// One frame of the suite.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    head: [u8; HEAD],
    head_length: usize,
    length: usize,
    session: u16,
    number: u32,
}

impl Frame {
    /// The frame that session and number stand for; a `length` that is shorter than its headers
    /// cuts them.
    pub(super) fn new(shape: Shape, session: u16, number: u32, length: usize) -> Self {
        let mut frame = Self { head: [0; HEAD], head_length: 0, length, session, number };
        frame.put(&[0xff; 6]);
        // A locally administered address.
        frame.put(&[2, b'd', b'a', b's', b'h', 0]);
        match shape {
            Shape::Plain => frame.put(&[0x88, 0xb5]),
            Shape::Tagged => {
                frame.put(&[0x81, 0]);
                frame.put(&TCI.to_be_bytes());
                frame.put(&[0x88, 0xb5]);
            }
            Shape::Udp(checksum) => {
                frame.put(&[8, 0]);
                frame.put_udp(checksum);
            }
        }
        if let Shape::Udp(_) = shape {
            frame.length = SHORTEST;
        } else {
            frame.put(&MAGIC);
            frame.put(&session.to_be_bytes());
            frame.put(&number.to_be_bytes());
        }
        frame
    }

    /// A datagram whose payload is the stamp, up to the end of the frame.
    fn put_udp(&mut self, checksum: Checksum) {
        const IP_LENGTH: u8 = (SHORTEST - ETHERNET) as u8;
        const UDP_LENGTH: u8 = IP_LENGTH - 20;
        let addresses = [192, 0, 2, 1, 198, 51, 100, 1];
        let mut ip = [0x45, 0, 0, IP_LENGTH, 0, 0, 0, 0, 64, 17, 0, 0];
        let mut udp = [0; UDP_LENGTH as usize];
        let discard = [0, 9, 0, 9, 0, UDP_LENGTH, 0, 0];
        let [session_high, session_low] = self.session.to_be_bytes();
        let [a, b, c, d] = self.number.to_be_bytes();
        let stamp = [MAGIC[0], MAGIC[1], session_high, session_low, a, b, c, d];
        for (to, from) in udp.iter_mut().zip(discard.iter().chain(&stamp)) {
            *to = *from;
        }
        let of_addresses = SoftwareHints.checksum(&addresses);
        let header = !add(SoftwareHints.checksum(&ip), of_addresses);
        [ip[10], ip[11]] = header.to_be_bytes();
        let pseudo = add(of_addresses, 17 + u16::from(UDP_LENGTH));
        let sum = !add(pseudo, SoftwareHints.checksum(&udp));
        let sum = match checksum {
            Checksum::Right => sum,
            Checksum::Wrong => sum ^ 0x0101,
            Checksum::Absent => 0,
        };
        [udp[6], udp[7]] = sum.to_be_bytes();
        self.put(&ip);
        self.put(&addresses);
        self.put(&udp);
    }

    fn put(&mut self, bytes: &[u8]) {
        for (to, from) in self.head.iter_mut().skip(self.head_length).zip(bytes) {
            *to = *from;
        }
        self.head_length += bytes.len();
    }

    /// Its place among the frames of its session.
    pub(super) const fn number(&self) -> u32 {
        self.number
    }

    /// Bytes of the frame.
    pub(super) const fn length(&self) -> usize {
        self.length
    }

    fn byte(&self, index: usize) -> u8 {
        match self.head.get(index) {
            Some(byte) if index < self.head_length => *byte,
            // Fibonacci hashing: neighbouring bytes, and the same byte of other frames, differ.
            _ => ((self.number ^ ((index as u32) << 11)).wrapping_mul(0x9e37_79b1) >> 24) as u8,
        }
    }

    /// Writes the frame into `bytes`, which are as long.
    pub(super) fn write(&self, bytes: &mut [u8]) {
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = self.byte(index);
        }
    }

    /// Whether `buffer` holds this frame. Padding up to 60 bytes and a tag that was taken off and
    /// told of are right.
    pub(super) fn check(&self, buffer: &impl PacketBuffer) -> Result<(), Fault> {
        let bytes = buffer.bytes();
        let stripped = buffer.metadata().flags.contains(ReceiveFlags::VLAN_STRIPPED);
        if stripped && (!self.is_tagged() || buffer.metadata().vlan != TCI) {
            return Err(Fault::Tag);
        }
        let tag = if stripped { ADDRESSES..ADDRESSES + TAG } else { 0..0 };
        let length = self.length - tag.len();
        let padded = length < SHORTEST && bytes.len() == SHORTEST;
        if bytes.len() != length && !padded {
            return Err(Fault::Length(self.length, bytes.len()));
        }
        let places = (0..self.length).filter(|index| !tag.contains(index));
        for (byte, index) in bytes.iter().zip(places) {
            if *byte != self.byte(index) {
                return Err(Fault::Byte(index));
            }
        }
        Ok(())
    }

    fn is_tagged(&self) -> bool {
        self.head.get(ADDRESSES..ADDRESSES + 2) == Some(&[0x81, 0])
    }
}

/// One's complement sum of two.
fn add(one: u16, other: u16) -> u16 {
    let (sum, carry) = one.overflowing_add(other);
    sum + u16::from(carry)
}

/// Session and number of a frame, if it is one of the suite's.
pub(super) fn stamp(bytes: &[u8]) -> Option<(u16, u32)> {
    let start = match bytes.get(ADDRESSES..ETHERNET)? {
        [0x88, 0xb5] => ETHERNET,
        [0x81, 0] => ETHERNET + TAG,
        [8, 0] => ETHERNET + UDP_HEADERS,
        _ => return None,
    };
    let [magic_0, magic_1, session_0, session_1, number @ ..] =
        bytes.get(start..)?.first_chunk::<STAMP>()?;
    let stamped = [*magic_0, *magic_1] == MAGIC;
    stamped.then(|| (u16::from_be_bytes([*session_0, *session_1]), u32::from_be_bytes(*number)))
}
