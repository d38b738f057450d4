//! VNET-to-VNET: the engine with its policy, from the start to the stop.

use core::mem::MaybeUninit;

use dash_core::{
    engine::Engine,
    flow::{FlowSettings, FlowTable},
    pipeline::vnet::{Vnet, policy::PolicyWriter},
    table::quiescence::Readers,
};
use dash_hal::{Clock, Entropy, Platform};
use dash_protocol::{
    Answer, Changes, EniStatistics, FLOWS_PER_ANSWER, FlowEntry, Hello, Refusal, Request, Start,
    drop_counts,
};

use crate::{
    buffer::LARGEST_FRAME,
    event::Event,
    intake::{Intake, drain},
    machine::Machine,
    platform::FirmwarePlatform,
    service::{Denial, Service},
    storage::{
        CAPACITY, ENGINE, FIRST, FLOWS, FirmwareEngine, RULES, TABLES, TRANSACTION, Tables, WRITER,
    },
};

/// A run.
pub(crate) struct Session<M: Machine> {
    engine: &'static mut FirmwareEngine,
    writer: &'static mut PolicyWriter<'static>,
    platform: FirmwarePlatform<M>,
    intake: Intake,
    transaction: Transaction,
}

/// A transaction that comes in, in pieces.
struct Transaction {
    bytes: &'static mut [u8],
    length: usize,
    rules: &'static mut [MaybeUninit<u8>],
}

impl<M: Machine> Session<M> {
    /// An engine with the image's configuration.
    ///
    /// # Errors
    /// Something does not fit the memory, or a change of the configuration is rejected.
    pub(crate) fn new(
        start: &Start,
        tables: &'static mut Tables,
        mut platform: FirmwarePlatform<M>,
    ) -> Result<Self, Denial> {
        // Policy changes between frames, when nothing reads it.
        let readers = Readers::new(&[]);
        let seed = platform.entropy().seed();
        let writer = PolicyWriter::new(&tables.policy, &CAPACITY, seed, readers)
            .map_err(|_| Denial::Refused(Refusal::Storage))?;
        let writer = WRITER.init(writer);
        let seed = platform.entropy().seed();
        let slots = tables.flows.get_mut(..start.flows as usize);
        let slots = slots.ok_or(Denial::Refused(Refusal::TooMany))?;
        let mut flows = FlowTable::new(&mut tables.buckets, slots, &mut tables.next_hops, seed)
            .map_err(|_| Denial::Refused(Refusal::Storage))?;
        flows.set(FlowSettings { when_full: start.when_full, ..*flows.settings() });
        let pipeline = Vnet::new(writer.policy(), &mut tables.enis, start.settings);
        let transaction =
            Transaction { bytes: &mut tables.transaction, length: 0, rules: &mut tables.rules };
        apply(writer, FIRST, transaction.rules)?;
        Ok(Self {
            engine: ENGINE.init(Engine::new(pipeline, flows, readers, 0)),
            writer,
            platform,
            intake: Intake::new(start.clock),
            transaction,
        })
    }

    fn commit(&mut self, time: u64) -> Result<(), Denial> {
        self.platform.clock().advance(time);
        let Transaction { bytes, length, rules } = &mut self.transaction;
        let bytes = bytes.get(..core::mem::take(length)).unwrap_or_default();
        apply(self.writer, bytes, rules)?;
        // An ENI that is gone takes its flows along.
        let now = self.platform.clock().now();
        self.engine.tick(now, self.engine.flows().capacity(), &self.platform.hints());
        Ok(())
    }
}

impl<M: Machine> Service<M> for Session<M> {
    const HELLO: Hello = Hello {
        frame: LARGEST_FRAME as u32,
        flows: FLOWS as u32,
        transaction: TRANSACTION as u32,
        rules: RULES as u32,
    };

    fn begin(start: &Start, platform: FirmwarePlatform<M>) -> Result<Self, Denial> {
        Self::new(start, TABLES.take(), platform)
    }

    fn step(&mut self) {
        self.intake.step(self.engine, &mut self.platform);
    }

    fn handle(&mut self, request: &Request<'_>) -> Answer {
        match *request {
            Request::Hello | Request::Start(_) | Request::Stop => Answer::Refused(Refusal::Order),
            Request::Chunk { offset, bytes } => done(self.transaction.append(offset, bytes)),
            Request::Commit { time } => done(self.commit(time)),
            Request::Progress => self.intake.progress(&self.platform),
            Request::Drops => Answer::Drops(drop_counts(self.engine.pipeline().drops())),
            Request::Eni(id) => match self.engine.pipeline().eni_counters(id) {
                Some(counters) => Answer::Eni(EniStatistics::from(counters)),
                None => Answer::Refused(Refusal::TooMany),
            },
            Request::Flows { skip } => {
                let live = self.engine.flows().live(self.platform.clock().now());
                let entries = live.skip(skip as usize).take(FLOWS_PER_ANSWER);
                Answer::Flows(entries.map(FlowEntry::from).collect())
            }
        }
    }

    fn drain(&mut self) -> bool {
        drain(self.engine, &mut self.platform)
    }

    fn tell(&self, log: fn(Event)) {
        self.intake.tell(&self.platform, log);
        for (reason, frames) in self.engine.pipeline().drops().iter() {
            log(Event::Dropped { reason, frames });
        }
    }
}

impl Transaction {
    /// Takes the bytes from `offset` on; at 0 a new transaction begins.
    fn append(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Denial> {
        let offset = offset as usize;
        if offset != 0 && offset != self.length {
            return Err(Denial::Refused(Refusal::Gap));
        }
        let end = offset + bytes.len();
        let place = self.bytes.get_mut(offset..end).ok_or(Denial::Refused(Refusal::TooLong))?;
        place.copy_from_slice(bytes);
        self.length = end;
        Ok(())
    }
}

/// Applies a transaction, all of it or nothing.
fn apply(
    writer: &mut PolicyWriter<'_>,
    bytes: &[u8],
    rules: &mut [MaybeUninit<u8>],
) -> Result<(), Denial> {
    let changes =
        Changes::decode(bytes, rules).map_err(|error| Denial::Refused(Refusal::Damaged(error)))?;
    writer.apply(changes).map_err(Denial::Rejected)
}

fn done(result: Result<(), Denial>) -> Answer {
    result.map_or_else(Answer::from, |()| Answer::Done)
}

#[cfg(test)]
mod tests {
    use dash_core::{
        flow::WhenFull,
        pipeline::vnet::{
            Settings,
            policy::{Change, EniId, VnetId},
        },
    };
    use dash_hal::SoftwareHints;
    use dash_protocol::{CHUNK, ClockMode, DATA_PORTS, DecodeError, PortProgress};

    use super::*;
    use crate::{machine::Windows, pool::SlotPool, seeds::Seeds, storage::FRAMES};

    struct Bare;

    // SAFETY: It has no devices.
    unsafe impl Machine for Bare {
        const WINDOWS: Windows = Windows { base: 0, size: 0, count: 0 };
        type Hints = SoftwareHints;
        fn now() -> u64 {
            0
        }
    }

    fn refused(refusal: Refusal) -> Answer {
        Answer::Refused(refusal)
    }

    /// One test for all: a program has one session, over its statics.
    #[test]
    fn requests_are_carried_out_or_refused_whole() {
        let start = Start {
            clock: ClockMode::Capture,
            settings: Settings::default(),
            when_full: WhenFull::Forward,
            mtu: 9100,
            flows: 10,
            seed: Some([1, 2]),
        };
        let pool = SlotPool::new(FRAMES.take());
        let ports = [const { None }; DATA_PORTS];
        let seeds = Seeds::fixed([1, 2]);
        let platform = FirmwarePlatform::<Bare>::new(ports, pool, start.clock, start.mtu, seeds);
        let mut session = Session::new(&start, TABLES.take(), platform).unwrap();
        session.step();
        let nothing = Answer::Progress([PortProgress::default(); DATA_PORTS]);
        assert_eq!(session.handle(&Request::Progress), nothing);
        assert_eq!(session.handle(&Request::Drops), Answer::Drops(heapless::Vec::new()));
        assert_eq!(
            session.handle(&Request::Flows { skip: 9 }),
            Answer::Flows(heapless::Vec::new())
        );
        assert!(matches!(session.handle(&Request::Eni(EniId(0))), Answer::Eni(_)));
        assert_eq!(session.handle(&Request::Eni(EniId(u16::MAX))), refused(Refusal::TooMany));
        assert_eq!(session.handle(&Request::Start(start)), refused(Refusal::Order));
        assert!(session.drain());

        // A transaction in two pieces, and one that has a hole.
        let mut bytes = Vec::new();
        let changes = (0..3).map(|number| set_vnet(number, 7));
        dash_protocol::encode(changes, &mut bytes);
        let (first, second) = bytes.split_at(5);
        let chunk = |offset: usize, bytes| Request::Chunk { offset: offset as u32, bytes };
        assert_eq!(session.handle(&chunk(0, first)), Answer::Done);
        assert_eq!(session.handle(&chunk(6, second)), refused(Refusal::Gap));
        assert_eq!(session.handle(&chunk(5, second)), Answer::Done);
        assert_eq!(session.handle(&Request::Commit { time: 5 }), Answer::Done);
        assert_eq!(session.platform.clock().now(), 5);
        // It is gone with its commit.
        let again = session.handle(&Request::Commit { time: 4 });
        assert_eq!(again, refused(Refusal::Damaged(DecodeError::Truncated)));
        assert_eq!(session.platform.clock().now(), 5);

        // The policy's own refusal names the change.
        let mut bytes = Vec::new();
        let changes = (0..3).map(|number| set_vnet(number, u32::from(number) << 23));
        dash_protocol::encode(changes, &mut bytes);
        assert_eq!(session.handle(&chunk(0, &bytes)), Answer::Done);
        let answer = session.handle(&Request::Commit { time: 6 });
        assert!(matches!(answer, Answer::Rejected { index: 2, .. }), "{answer:?}");

        // A transaction that is too long.
        let full = [0; CHUNK];
        for offset in (0..TRANSACTION - CHUNK).step_by(CHUNK) {
            assert_eq!(session.handle(&chunk(offset, &full)), Answer::Done);
        }
        let end = TRANSACTION / CHUNK * CHUNK;
        assert_eq!(session.handle(&chunk(end, &full)), refused(Refusal::TooLong));
    }

    fn set_vnet(number: u16, vni: u32) -> Change<'static> {
        Change::SetVnet(VnetId(number), vni)
    }
}
