//! Clock, entropy, hints and event sink with a planted fault.

use std::{cell::Cell, collections::VecDeque, sync::atomic::AtomicU32};

use dash_hal::{
    Clock, Entropy, EventSink, EventsLost, HASH_KEY_WORDS, HashKey, Hints, SoftwareHints,
    VECTOR_WORDS,
    software::{FixedEntropy, ManualClock},
};

use crate::plant::Plant;

#[derive(Debug)]
pub(crate) struct FaultyClock {
    pub(crate) inner: ManualClock,
    pub(crate) plant: Option<Plant>,
    reads: Cell<u64>,
}

impl FaultyClock {
    pub(crate) fn new(plant: Option<Plant>) -> Self {
        Self { inner: ManualClock::default(), plant, reads: Cell::new(0) }
    }
}

impl Clock for FaultyClock {
    fn now(&self) -> u64 {
        let now = self.inner.now();
        self.reads.set(self.reads.get() + 1);
        match self.plant {
            Some(Plant::ClockStepsBack) if self.reads.get().is_multiple_of(997) => {
                now.saturating_sub(5_000)
            }
            Some(Plant::ClockStands) => 7,
            Some(Plant::ClockWraps) => (now + u64::from(u32::MAX) - 5_000_000) & 0xffff_ffff,
            _ => now,
        }
    }
}

#[derive(Debug)]
pub(crate) struct FaultyEntropy {
    pub(crate) inner: FixedEntropy,
    pub(crate) plant: Option<Plant>,
}

impl Entropy for FaultyEntropy {
    fn seed(&mut self) -> [u64; 2] {
        let seed = self.inner.seed();
        match self.plant {
            Some(Plant::SeedIsZero) => [0; 2],
            Some(Plant::SeedIsConstant) => [1, 2],
            Some(Plant::SeedRepeats) => [1 + seed[0] % 4, 0],
            _ => seed,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct FaultyHints {
    pub(crate) plant: Option<Plant>,
    /// The engine holds the sum of something else.
    pub(crate) disturbed: &'static Cell<bool>,
}

impl Hints for FaultyHints {
    fn prefetch<T: ?Sized>(&self, _at: &T) {
        self.disturbed.set(true);
    }

    /// The words of the aligned line instead.
    fn load(&self, words: &[AtomicU32; VECTOR_WORDS]) -> [u32; VECTOR_WORDS] {
        let mut right = SoftwareHints.load(words);
        if self.plant == Some(Plant::LoadNeedsAlignment)
            && !words.as_ptr().addr().is_multiple_of(32)
        {
            right.rotate_left(1);
        }
        right
    }

    fn keyed_hash(&self, key: &HashKey, data: &[u64]) -> u64 {
        let right = SoftwareHints.keyed_hash(key, data);
        match self.plant {
            Some(Plant::HashForgetsLastWord) => {
                SoftwareHints.keyed_hash(key, &data[..data.len().saturating_sub(1)])
            }
            Some(Plant::HashReadsTooFar) if data.len() > HASH_KEY_WORDS => {
                right ^ data[HASH_KEY_WORDS]
            }
            Some(Plant::HashForgetsKey) => SoftwareHints.keyed_hash(&HashKey::new([0; 2]), data),
            Some(Plant::HashIsUnmixed) => right ^ right >> 30,
            _ => right,
        }
    }

    fn checksum(&self, data: &[u8]) -> u16 {
        let right = SoftwareHints.checksum(data);
        match self.plant {
            Some(Plant::ChecksumOddByteIsLow) if data.len() % 2 == 1 => {
                let even = u32::from(SoftwareHints.checksum(&data[..data.len() - 1]));
                let sum = even + u32::from(data[data.len() - 1]);
                (sum + (sum >> 16)) as u16
            }
            Some(Plant::ChecksumFoldsOnce) => {
                let (words, _) = data.as_chunks::<2>();
                let sum: u32 = words.iter().map(|word| u32::from(u16::from_be_bytes(*word))).sum();
                if data.len().is_multiple_of(2) {
                    ((sum & 0xffff) + (sum >> 16)) as u16
                } else {
                    right
                }
            }
            Some(Plant::ChecksumHasNoZero) if right == 0 => 0xffff,
            Some(Plant::ChecksumNeedsAlignment) if data.as_ptr().addr() % 4 == 2 => !right,
            Some(Plant::PrefetchDisturbs) if self.disturbed.take() => !right,
            _ => right,
        }
    }
}

/// A sink of a few places.
#[derive(Debug)]
pub(crate) struct FaultySink {
    pub(crate) events: VecDeque<u32>,
    pub(crate) plant: Option<Plant>,
    was_full: bool,
}

const PLACES: usize = 10;

impl FaultySink {
    pub(crate) fn new(plant: Option<Plant>) -> Self {
        Self { events: VecDeque::new(), plant, was_full: false }
    }

    pub(crate) fn take(&mut self) -> Option<u32> {
        if self.plant == Some(Plant::EventsNewestFirst) {
            return self.events.pop_back();
        }
        self.events.pop_front()
    }
}

impl EventSink<u32> for FaultySink {
    fn emit(&mut self, event: u32) -> Result<(), EventsLost> {
        let full = self.events.len() == PLACES;
        self.was_full |= full;
        match self.plant {
            Some(Plant::EventsOverwriteOldest) if full => {
                self.events.pop_front();
            }
            Some(Plant::EventsLostInSilence) if full => return Ok(()),
            Some(Plant::EventsNeverRecover) if self.was_full => return Err(EventsLost),
            _ if full => return Err(EventsLost),
            _ => {}
        }
        self.events.push_back(event);
        Ok(())
    }
}
