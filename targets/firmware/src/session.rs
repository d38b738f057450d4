//! The engine with its policy, from the start to the stop.
//!
//! In capture time each frame is processed by itself, at its own time, as `dash run` does: flow
//! time-outs and changes of policy meet the same frames. In live use frames come in bursts.

use core::mem::MaybeUninit;

use dash_core::{
    engine::Engine,
    flow::{FlowSettings, FlowTable},
    pipeline::vnet::{
        Vnet,
        policy::{PolicyWriter, Rejected},
    },
    table::quiescence::Readers,
};
use dash_hal::{BURST, Burst, Clock, Entropy, Platform, PortId, Ports};
use dash_protocol::{
    Answer, Changes, ClockMode, DATA_PORTS, EniStatistics, FLOWS_PER_ANSWER, FlowEntry,
    PortProgress, Refusal, Request, Start, drop_counts,
};

use crate::{
    event::Event,
    machine::Machine,
    platform::{FirmwarePlatform, PortCounters, QUEUE},
    storage::{CAPACITY, ENGINE, FIRST, FirmwareEngine, Tables, WRITER},
};

/// Flows that the ageing sweep looks at for each frame.
const SWEEP: usize = 4;

/// A run.
pub(crate) struct Session<M: Machine> {
    engine: &'static mut FirmwareEngine,
    writer: &'static mut PolicyWriter<'static>,
    platform: FirmwarePlatform<M>,
    mode: ClockMode,
    transaction: Transaction,
    /// Frames taken from each port.
    taken: [u64; DATA_PORTS],
    /// Of them, those that led to nothing which still waits in the engine.
    done: [u64; DATA_PORTS],
}

/// Why a request was not carried out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Denial {
    /// By the program.
    Refused(Refusal),
    /// By the policy.
    Rejected(Rejected),
}

impl From<Denial> for Answer {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::Refused(refusal) => Self::Refused(refusal),
            Denial::Rejected(rejected) => rejected.into(),
        }
    }
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
        let mut flows = FlowTable::new(&mut tables.buckets, slots, seed)
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
            mode: start.clock,
            transaction,
            taken: [0; DATA_PORTS],
            done: [0; DATA_PORTS],
        })
    }

    /// Takes what has come in at each port, at most a burst, to its end.
    pub(crate) fn step(&mut self) {
        for number in 0..DATA_PORTS {
            let port = PortId(number as u16);
            let received = match self.mode {
                ClockMode::Live => self.burst(port),
                ClockMode::Capture => self.one_by_one(port),
            };
            if let Some(taken) = self.taken.get_mut(number) {
                *taken += received as u64;
            }
        }
        if self.engine.waiting() == 0 {
            self.done = self.taken;
        }
    }

    fn burst(&mut self, port: PortId) -> usize {
        let received = self.engine.poll(port, &mut self.platform, &mut ());
        // Flows age also while no frames come.
        let budget = SWEEP * received.max(1);
        self.engine.tick(self.platform.clock().now(), budget, &self.platform.hints());
        received
    }

    fn one_by_one(&mut self, port: PortId) -> usize {
        let room = QUEUE.saturating_sub(self.engine.waiting());
        let mut frames = Burst::new();
        let received = self.platform.receive(port, &mut frames, room.min(BURST));
        while let Some(frame) = frames.pop() {
            self.platform.clock().advance(frame.time());
            let now = self.platform.clock().now();
            let mut burst = Burst::new();
            // An empty burst has a place, and the engine's queue has one for the frame.
            let _ = burst.push(frame);
            self.engine.process(&mut burst, now, &mut self.platform, &mut ());
            self.engine.tick(now, SWEEP, &self.platform.hints());
        }
        self.engine.flush(&mut self.platform);
        received
    }

    /// Carries out a request between two bursts. What is about the program is not the session's.
    pub(crate) fn handle(&mut self, request: &Request<'_>) -> Answer {
        match *request {
            Request::Hello | Request::Start(_) | Request::Stop => Answer::Refused(Refusal::Order),
            Request::Chunk { offset, bytes } => done(self.transaction.append(offset, bytes)),
            Request::Commit { time } => done(self.commit(time)),
            Request::Progress => self.progress(),
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

    fn progress(&self) -> Answer {
        let mut ports = [PortProgress::default(); DATA_PORTS];
        for ((number, port), done) in (0..).zip(&mut ports).zip(&self.done) {
            *port =
                PortProgress { received: *done, sent: self.platform.counters(PortId(number)).sent };
        }
        Answer::Progress(ports)
    }

    /// Tells `log` what was counted.
    pub(crate) fn tell(&self, log: fn(Event)) {
        for (number, received) in (0..).zip(self.taken) {
            let PortCounters { sent, dropped } = self.platform.counters(PortId(number.into()));
            if received + sent + dropped > 0 {
                log(Event::Passed { port: number, received, sent, dropped });
            }
        }
        for (reason, frames) in self.engine.pipeline().drops().iter() {
            log(Event::Dropped { reason, frames });
        }
    }

    /// Sends what waits; answers whether all of it has left the machine.
    pub(crate) fn drain(&mut self) -> bool {
        self.engine.flush(&mut self.platform);
        self.engine.waiting() == 0 && self.platform.is_drained()
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
    use dash_protocol::{CHUNK, DecodeError};

    use super::*;
    use crate::{
        machine::Windows,
        pool::SlotPool,
        seeds::Seeds,
        storage::{FRAMES, TABLES, TRANSACTION},
    };

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
