//! The sink that events leave by.

use super::{Bench, Fault, Stop, Suite, Verdict};
use crate::EventsLost;

/// Events after which a sink is taken to have a place for every one, should all be there.
const EVENTS: u32 = 1 << 16;
/// Events that a full sink is offered on top.
const BEYOND: u32 = 3;

impl<B: Bench> Suite<'_, B> {
    pub(super) fn events(&mut self) -> Verdict {
        // What was in it before is of no matter.
        for _ in 0..EVENTS {
            if self.bench.event().is_none() {
                break;
            }
        }
        for round in 0..2 {
            let first = round * EVENTS;
            let mut kept = 0;
            let full = loop {
                match self.bench.emit(first + kept) {
                    None => return Err(Stop::Refused),
                    Some(Ok(())) => kept += 1,
                    Some(Err(EventsLost)) => break true,
                }
                if kept == EVENTS {
                    break false;
                }
            };
            if kept == 0 {
                return Err(Fault::SinkStays.into());
            }
            let mut refused = full;
            for more in 0..BEYOND {
                // Taken after all: a reader beside makes places.
                refused &= full && self.bench.emit(first + kept + more) == Some(Err(EventsLost));
            }
            for number in first..first + kept {
                self.event_is(number)?;
            }
            if !refused {
                return Err(Stop::NotReached);
            }
            if let Some(number) = self.bench.event() {
                return Err(Fault::Event(first + kept, Some(number)).into());
            }
        }
        Ok(())
    }

    fn event_is(&mut self, number: u32) -> Verdict {
        let mut patience = self.patience();
        loop {
            match self.bench.event() {
                Some(found) if found == number => return Ok(()),
                Some(found) => return Err(Fault::Event(number, Some(found)).into()),
                None if self.wait(&mut patience) => {}
                None => return Err(Fault::Event(number, None).into()),
            }
        }
    }
}
