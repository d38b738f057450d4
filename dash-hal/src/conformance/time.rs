//! Clock and entropy.

use super::{Bench, Fault, Stop, Suite, Verdict};
use crate::{Clock, Entropy, Platform};

/// Readings of the clock in a row, and polls in the second half of the case.
const READINGS: u32 = 10_000;
/// Seeds that are drawn.
const SEEDS: usize = 8;

/// How long the suite still waits.
pub(super) struct Patience {
    since: u64,
    polls: u32,
}

impl<B: Bench> Suite<'_, B> {
    pub(super) fn now(&mut self) -> u64 {
        self.bench.platform().clock().now()
    }

    pub(super) fn patience(&mut self) -> Patience {
        Patience { since: self.now(), polls: self.setup.polls }
    }

    /// Waits for one poll; `false` when there is no patience left.
    pub(super) fn wait(&mut self, patience: &mut Patience) -> bool {
        self.bench.wait();
        patience.polls = patience.polls.saturating_sub(1);
        let waited = self.now().saturating_sub(patience.since);
        patience.polls > 0 && waited <= self.setup.patience
    }

    pub(super) fn clock(&mut self) -> Verdict {
        let start = self.now();
        let mut before = start;
        for reading in 0..2 * READINGS {
            if reading >= READINGS {
                self.bench.wait();
            }
            before = self.later(before)?;
        }
        for _ in 0..self.setup.polls {
            if before > start {
                return Ok(());
            }
            self.bench.wait();
            before = self.later(before)?;
        }
        Err(Fault::ClockStands.into())
    }

    fn later(&mut self, before: u64) -> Result<u64, Stop> {
        let now = self.now();
        if now < before { Err(Fault::ClockBack(before, now).into()) } else { Ok(now) }
    }

    pub(super) fn entropy(&mut self) -> Verdict {
        let mut seeds = [[0; 2]; SEEDS];
        for count in 0..SEEDS {
            let seed = self.bench.platform().entropy().seed();
            if seed == [0; 2] {
                return Err(Fault::SeedZero.into());
            }
            if seeds.iter().take(count).any(|other| *other == seed) {
                return Err(Fault::SeedRepeats.into());
            }
            if let Some(place) = seeds.get_mut(count) {
                *place = seed;
            }
        }
        Ok(())
    }
}
