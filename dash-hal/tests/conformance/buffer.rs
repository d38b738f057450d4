//! A buffer with a planted fault.

use std::{cell::Cell, rc::Rc};

use dash_hal::{HEADROOM, NoRoom, PacketBuffer, ReceiveMetadata, software::ArrayBuffer};

use crate::{plant::Plant, platform::BYTES};

/// What another buffer's memory holds.
const GARBAGE: [u8; BYTES] = [0x3c; BYTES];

#[derive(Debug)]
pub(crate) struct FaultyBuffer {
    pub(crate) inner: ArrayBuffer<BYTES>,
    pub(crate) plant: Option<Plant>,
    pub(crate) metadata: ReceiveMetadata,
    /// Length when it was received.
    pub(crate) received: usize,
    /// Set when this buffer's memory is written, or given away.
    pub(crate) written: Rc<Cell<bool>>,
    /// Of the buffer that has the same memory.
    pub(crate) watched: Option<Rc<Cell<bool>>>,
}

impl FaultyBuffer {
    pub(crate) fn new(inner: ArrayBuffer<BYTES>, plant: Option<Plant>) -> Self {
        let metadata = *inner.metadata();
        let received = inner.bytes().len();
        Self { inner, plant, metadata, received, written: Rc::default(), watched: None }
    }

    pub(crate) fn has(&self, plant: Plant) -> bool {
        self.plant == Some(plant)
    }

    /// The same frame behind `headroom` bytes.
    pub(crate) fn place_at(&mut self, headroom: usize) {
        let inner = ArrayBuffer::with_headroom(self.inner.bytes(), self.metadata, headroom);
        self.inner = inner.expect("a frame that fits");
    }

    /// Moves the frame's start to `headroom`, its length unchanged, as a device does that reads
    /// from there.
    pub(crate) fn read_at(&mut self, headroom: usize) {
        let length = self.inner.bytes().len();
        let start = self.inner.headroom();
        let moved = if headroom > start {
            self.inner.push_back(headroom - start).and(self.inner.pull_front(headroom - start))
        } else {
            self.inner.push_front(start - headroom)
        };
        // A frame that fills the buffer stays where it is.
        if moved.is_ok() {
            self.inner.truncate(length);
        }
    }

    /// Sets the length, whatever there was.
    pub(crate) fn set_length(&mut self, length: usize) {
        let _ = self.inner.push_back(length.saturating_sub(self.inner.bytes().len()));
        self.inner.truncate(length);
    }
}

impl PacketBuffer for FaultyBuffer {
    fn bytes(&self) -> &[u8] {
        if self.watched.as_ref().is_some_and(|written| written.get()) {
            return &GARBAGE[..self.inner.bytes().len()];
        }
        self.inner.bytes()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.written.set(true);
        self.inner.bytes_mut()
    }

    fn headroom(&self) -> usize {
        self.inner.headroom() + if self.has(Plant::LiesInHeadroom) { 8 } else { 0 }
    }

    fn tailroom(&self) -> usize {
        self.inner.tailroom().saturating_sub(if self.has(Plant::LiesInTailroom) { 8 } else { 0 })
    }

    fn push_front(&mut self, count: usize) -> Result<(), NoRoom> {
        let room = self.inner.headroom();
        if count > room && self.has(Plant::PushFrontTakesWhatThereIs) {
            return self.inner.push_front(room);
        }
        if count > room && self.has(Plant::RefusedPushFrontMoves) {
            self.inner.push_front(room)?;
            return Err(NoRoom);
        }
        self.inner.push_front(count)?;
        if self.has(Plant::PushFrontMovesBytes) {
            self.inner.bytes_mut().rotate_left(count);
        }
        Ok(())
    }

    fn pull_front(&mut self, count: usize) -> Result<(), NoRoom> {
        if count > self.inner.bytes().len() && self.has(Plant::RefusedPullEmpties) {
            self.inner.truncate(0);
            return Err(NoRoom);
        }
        self.inner.pull_front(count)?;
        if self.has(Plant::PullFrontLosesRoom) {
            let kept = self.inner.headroom() - count;
            self.place_at(kept);
        }
        Ok(())
    }

    fn push_back(&mut self, count: usize) -> Result<(), NoRoom> {
        if count == self.inner.tailroom() && self.has(Plant::PushBackRefusesLastByte) {
            return Err(NoRoom);
        }
        self.inner.push_back(count)
    }

    fn truncate(&mut self, length: usize) {
        let now = self.inner.bytes().len();
        if length > now && self.has(Plant::TruncateGrows) {
            let _ = self.inner.push_back((length - now).min(self.inner.tailroom()));
        }
        let more = usize::from(length < now && self.has(Plant::TruncateKeepsOneMore));
        self.inner.truncate(length.saturating_add(more));
    }

    fn metadata(&self) -> &ReceiveMetadata {
        &self.metadata
    }
}

/// A buffer as `empty` gives it.
pub(crate) fn empty(plant: Option<Plant>) -> FaultyBuffer {
    let headroom = match plant {
        Some(Plant::EmptyHasLittleHeadroom) => 64,
        Some(Plant::EmptyHasLittleTailroom) => BYTES - 1400,
        _ => HEADROOM,
    };
    let bytes: &[u8] = if plant == Some(Plant::EmptyHasBytes) { &[0; 60] } else { &[] };
    let inner = ArrayBuffer::with_headroom(bytes, ReceiveMetadata::default(), headroom);
    FaultyBuffer::new(inner.expect("it fits"), plant)
}
