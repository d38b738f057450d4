//! The software port with a planted fault.

use std::{cell::Cell, rc::Rc};

use dash_hal::{
    BURST, Burst, HEADROOM, PacketBuffer, Platform, Pool, PortId, Ports, ReceiveFlags,
    ReceiveMetadata,
    software::{ArrayBuffer, FixedEntropy, SoftwarePlatform},
};

use crate::{
    buffer::{FaultyBuffer, empty},
    parts::{FaultyClock, FaultyEntropy, FaultyHints},
    plant::Plant,
};

/// Bytes of a buffer.
pub(crate) const BYTES: usize = 2048;
/// Ports that exist.
const PORTS: usize = 2;
/// Frames after which a ring's index is back at its start.
const WRAP: u32 = BURST as u32;
/// The longest frame of the MTU, with and without two tags.
const UNTAGGED: usize = 1514;
const LONGEST: usize = 1522;
const ETHERNET: usize = 14;

pub(crate) struct Faulty {
    pub(crate) inner: SoftwarePlatform<PORTS, BYTES>,
    pub(crate) clock: FaultyClock,
    pub(crate) refuses_copies: bool,
    plant: Option<Plant>,
    entropy: FaultyEntropy,
    hints: FaultyHints,
    sent: u32,
    received: u32,
    recycled: u32,
    drawn: u32,
    /// A frame that comes later than it should.
    late: Option<FaultyBuffer>,
    length: usize,
    was_full: bool,
    was_dry: bool,
    /// Buffers that the device is done with and nobody looked for.
    done: usize,
    /// Frames that were dropped in silence.
    uncounted: u64,
    /// Buffers that do not come back.
    debt: u32,
    /// Memory that the next empty buffer gets a second time.
    twice: Option<Rc<Cell<bool>>>,
}

impl Faulty {
    pub(crate) fn new(plant: Option<Plant>) -> Self {
        let mut inner = SoftwarePlatform::new();
        match plant {
            Some(Plant::SendsLong) => inner.mtu += 100,
            Some(Plant::TagDoesNotFit) => inner.mtu -= 8,
            _ => {}
        }
        let disturbed = Box::leak(Box::default());
        Self {
            inner,
            clock: FaultyClock::new(plant),
            refuses_copies: false,
            plant,
            entropy: FaultyEntropy { inner: FixedEntropy::default(), plant },
            hints: FaultyHints { plant, disturbed },
            sent: 0,
            received: 0,
            recycled: 0,
            drawn: 0,
            late: None,
            length: 60,
            was_full: false,
            was_dry: false,
            done: 0,
            uncounted: 0,
            debt: 0,
            twice: None,
        }
    }

    fn has(&self, plant: Plant) -> bool {
        self.plant == Some(plant)
    }

    fn wrap(&self, inner: ArrayBuffer<BYTES>) -> FaultyBuffer {
        FaultyBuffer::new(inner, self.plant)
    }

    /// Frames that the port counted as dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.inner.dropped - self.uncounted
    }

    /// A free buffer is free no more.
    fn leak(&mut self) {
        self.inner.free = self.inner.free.saturating_sub(1);
    }

    /// What the device makes of a frame that it sends; `None`: nothing leaves.
    fn sent_as(&mut self, port: PortId, mut frame: FaultyBuffer) -> Option<ArrayBuffer<BYTES>> {
        self.sent += 1;
        let length = frame.inner.bytes().len();
        let wraps = self.sent.is_multiple_of(WRAP);
        let short = length < ETHERNET;
        let long = length > LONGEST;
        let unknown = usize::from(port.0) >= PORTS;
        match self.plant {
            Some(Plant::LosesOnWrap) if wraps => {
                self.inner.free += 1;
                return None;
            }
            Some(Plant::ChangesByteOnWrap) if wraps => frame.inner.bytes_mut()[length - 1] ^= 1,
            Some(Plant::StaleLengthOnWrap) if wraps => frame.set_length(self.length),
            Some(Plant::LeaksOnTransmit) if self.sent.is_multiple_of(16) => self.debt += 1,
            Some(Plant::SendsFromFixedOffset) => frame.read_at(HEADROOM),
            Some(Plant::SendsFromAlignedAddress) => {
                frame.read_at(frame.inner.headroom() / 4 * 4);
            }
            Some(Plant::SendsReceivedLength) if frame.received > 0 => {
                frame.set_length(frame.received);
            }
            Some(Plant::ShortIsUncounted) if short => self.uncounted += 1,
            Some(Plant::LongIsUncounted) if long => self.uncounted += 1,
            Some(Plant::UnknownIsUncounted) if unknown => self.uncounted += 1,
            Some(Plant::ShortLeaks) if short => self.leak(),
            Some(Plant::LongLeaks) if long => self.leak(),
            Some(Plant::UnknownLeaks) if unknown => self.leak(),
            Some(Plant::ShortIsDropped) if length < 60 => {
                self.inner.recycle(frame.inner);
                self.inner.dropped += 1;
                return None;
            }
            Some(Plant::ShortIsCut) if !short && length < 60 => frame.set_length(length - 1),
            Some(Plant::PadsTooMuch) if !short && length < 60 => frame.set_length(64),
            Some(Plant::TruncatesToMtu) if length > UNTAGGED => frame.set_length(UNTAGGED),
            Some(Plant::MendsChecksum) if frame.inner.bytes().get(12..14) == Some(&[8, 0]) => {
                frame.inner.bytes_mut()[40..42].fill(0);
            }
            _ => {}
        }
        self.length = length;
        Some(frame.inner)
    }

    /// What the device says of a frame that it received.
    fn received_as(&mut self, inner: ArrayBuffer<BYTES>) -> FaultyBuffer {
        self.received += 1;
        let mut frame = self.wrap(inner);
        let tagged = frame.inner.bytes().get(12..14) == Some(&[0x81, 0]);
        let length = frame.inner.bytes().len();
        match self.plant {
            Some(Plant::ReceivesWithLittleHeadroom) => frame.place_at(64),
            Some(Plant::LongFramesHaveLittleHeadroom) if length > 1000 => frame.place_at(126),
            Some(Plant::TellsFirstPort) => frame.metadata.port = PortId(0),
            Some(Plant::TellsTruncated) => frame.metadata.flags |= ReceiveFlags::TRUNCATED,
            Some(Plant::TellsChecksumGood) => frame.metadata.flags |= ReceiveFlags::L4_GOOD,
            Some(Plant::TellsChecksumBad) => frame.metadata.flags |= ReceiveFlags::L3_BAD,
            Some(Plant::TellsAbsentChecksumBad)
                if frame.inner.bytes().get(40..42) == Some(&[0, 0]) =>
            {
                frame.metadata.flags |= ReceiveFlags::L4_BAD;
            }
            Some(Plant::TellsTagThatIsNotThere) => {
                frame.metadata.flags |= ReceiveFlags::VLAN_STRIPPED;
                frame.metadata.vlan = 0x2064;
            }
            Some(Plant::StripsTagInSilence) if tagged => {
                let bytes = frame.inner.bytes_mut();
                bytes.copy_within(..12, 4);
                frame.inner.pull_front(4).expect("a tag");
            }
            _ => {}
        }
        frame
    }
}

impl Ports for Faulty {
    fn receive(&mut self, port: PortId, burst: &mut Burst<FaultyBuffer>, limit: usize) -> usize {
        if self.has(Plant::UnknownReceives) && usize::from(port.0) >= PORTS {
            return usize::from(burst.push(empty(None)).is_ok());
        }
        if self.has(Plant::StopsAfterWrap) && self.received > 2 * WRAP
            || self.has(Plant::DeafOnceDry) && self.was_dry
        {
            return 0;
        }
        let most = limit.min(burst.room());
        let asked = match self.plant {
            Some(Plant::IgnoresLimit | Plant::LosesBeyondLimit) => burst.room(),
            Some(Plant::LosesBeyondRoom) => limit,
            _ => most,
        };
        let mut inner = Burst::new();
        self.inner.receive(port, &mut inner, asked);
        let before = burst.len();
        let mut frames = Vec::new();
        while let Some(frame) = inner.pop() {
            let frame = self.received_as(frame);
            let wraps = self.received.is_multiple_of(WRAP);
            if wraps && self.has(Plant::ReordersOnWrap) {
                self.late = Some(frame);
                continue;
            }
            if wraps && self.has(Plant::DuplicatesOnWrap) {
                frames.push(self.wrap(frame.inner.clone()));
                self.leak();
            }
            frames.push(frame);
            frames.extend(self.late.take());
        }
        let keep = if self.has(Plant::IgnoresLimit) { frames.len() } else { most };
        if self.has(Plant::PrependsFrames) {
            frames.extend(std::iter::from_fn(|| burst.pop()));
        }
        for (index, frame) in frames.into_iter().enumerate() {
            if index < keep || self.has(Plant::PrependsFrames) {
                let _ = burst.push(frame);
            } else {
                self.inner.recycle(frame.inner);
            }
        }
        if self.has(Plant::TellsLimit) { limit } else { burst.len() - before }
    }

    fn transmit(&mut self, port: PortId, burst: &mut Burst<FaultyBuffer>) -> usize {
        let offered = burst.len();
        if self.has(Plant::UnknownIsNotTaken) && usize::from(port.0) >= PORTS
            || self.has(Plant::StaysFull) && self.was_full
        {
            return 0;
        }
        let mut frames: Vec<_> = std::iter::from_fn(|| burst.pop()).collect();
        if self.has(Plant::TakesYoungestFirst) && offered > self.inner.room(port) {
            frames.reverse();
        }
        let stalls = |frame: &FaultyBuffer| {
            let length = frame.inner.bytes().len();
            self.has(Plant::StallsOnShort) && length < ETHERNET
                || self.has(Plant::StallsOnLong) && length > LONGEST
        };
        let mut left = frames.split_off(frames.iter().position(stalls).unwrap_or(frames.len()));
        while !frames.is_empty() {
            let full = usize::from(port.0) < PORTS && self.inner.room(port) == 0;
            self.was_full |= full;
            if full && !self.has(Plant::DropsWhenFull) {
                break;
            }
            let frame = frames.remove(0);
            if full {
                self.inner.recycle(frame.inner);
            } else if let Some(frame) = self.sent_as(port, frame) {
                let mut one = Burst::new();
                one.push(frame).expect("a place");
                self.inner.transmit(port, &mut one);
            }
        }
        frames.append(&mut left);
        if self.has(Plant::ReversesRest) {
            frames.reverse();
        }
        for frame in frames {
            burst.push(frame).expect("it was there before");
        }
        self.done = offered - burst.len();
        if self.has(Plant::TellsAllTaken) { offered } else { offered - burst.len() }
    }

    fn mtu(&self, port: PortId) -> u16 {
        match self.plant {
            Some(Plant::MtuIsTooBig) => 1600,
            Some(Plant::SendsLong | Plant::TagDoesNotFit) => 1500,
            _ => self.inner.mtu(port),
        }
    }
}

impl Pool for Faulty {
    type Buffer = FaultyBuffer;

    fn recycle(&mut self, buffer: FaultyBuffer) {
        self.recycled += 1;
        if self.has(Plant::CopyDiesWithOriginal) {
            buffer.written.set(true);
        }
        if self.debt > 0 {
            self.debt -= 1;
            return;
        }
        self.inner.recycle(buffer.inner);
        match self.plant {
            Some(Plant::LeaksOnRecycle) if self.recycled.is_multiple_of(8) => self.leak(),
            Some(Plant::DoublesOnRecycle) if self.recycled.is_multiple_of(8) => {
                self.inner.free += 1;
            }
            _ => {}
        }
    }

    fn copy(&mut self, buffer: &FaultyBuffer) -> Option<FaultyBuffer> {
        if self.refuses_copies {
            return None;
        }
        let inner = self.inner.copy(&buffer.inner)?;
        let mut copy = self.wrap(inner);
        copy.metadata = buffer.metadata;
        match self.plant {
            Some(Plant::CopyForgetsMetadata) => copy.metadata = ReceiveMetadata::default(),
            Some(Plant::CopySharesMemory | Plant::CopyDiesWithOriginal) => {
                // What was written before is in both.
                buffer.written.set(false);
                copy.watched = Some(buffer.written.clone());
            }
            Some(Plant::CopyIsCutShort) => copy.set_length(128),
            Some(Plant::CopyHasNoHeadroom) => copy.place_at(0),
            _ => {}
        }
        Some(copy)
    }

    fn empty(&mut self) -> Option<FaultyBuffer> {
        let hidden = self.has(Plant::ReclaimsOnlyInTransmit) && self.inner.free <= self.done;
        if hidden || self.inner.empty().is_none() {
            if self.has(Plant::LeaksWhenDry) {
                self.debt += 1;
            }
            self.was_dry = true;
            return None;
        }
        let mut buffer = empty(self.plant);
        self.drawn += 1;
        if self.has(Plant::HandsOutTwice) {
            match self.twice.take() {
                Some(written) => buffer.written = written,
                None if self.drawn.is_multiple_of(8) => {
                    buffer.watched = Some(self.twice.insert(Rc::default()).clone());
                }
                None => {}
            }
        }
        Some(buffer)
    }
}

impl Platform for Faulty {
    type Clock = FaultyClock;
    type Entropy = FaultyEntropy;
    type Hints = FaultyHints;

    fn clock(&self) -> &FaultyClock {
        &self.clock
    }

    fn entropy(&mut self) -> &mut FaultyEntropy {
        &mut self.entropy
    }

    fn hints(&self) -> FaultyHints {
        self.hints
    }
}
