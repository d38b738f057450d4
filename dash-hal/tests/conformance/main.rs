//! The suite on the software port, and on a port with one planted fault after the other.
#![allow(missing_docs)]

mod buffer;
mod parts;
mod plant;
mod platform;

use dash_hal::{
    BURST, Burst, EventSink, EventsLost, PortId, Ports,
    conformance::{Bench, Case, Fault, Link, Outcome, Report, Setup, run},
};

use crate::{
    parts::FaultySink,
    plant::{PLANTS, Plant},
    platform::Faulty,
};

const LINKS: [Link; 2] = [Link::new(PortId(0), PortId(1)), Link::new(PortId(1), PortId(0))];
/// Buffers of the pool.
const FREE: usize = 100;

/// Two ports with a cable between them, which turns when the suite waits.
struct Cable {
    platform: Faulty,
    sink: Option<FaultySink>,
    now: u64,
    overflow: Overflow,
    overflowed: u64,
}

/// What becomes of frames that the receive ring has no place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overflow {
    /// They wait in the transmit ring.
    Wait,
    /// They are gone: the wire is never still.
    Counted,
    Uncounted,
}

impl Cable {
    fn new(plant: Option<Plant>) -> Self {
        let mut platform = Faulty::new(plant);
        platform.inner.free = FREE;
        Self {
            platform,
            sink: Some(FaultySink::new(plant)),
            now: 0,
            overflow: Overflow::Wait,
            overflowed: 0,
        }
    }

    fn turn(&mut self) {
        for link in LINKS {
            self.platform.inner.carry(link.from, link.to);
            while self.overflow != Overflow::Wait && self.platform.inner.leave(link.from).is_some()
            {
                self.overflowed += u64::from(self.overflow == Overflow::Counted);
            }
        }
    }

    fn run(&mut self, links: &[Link]) -> Report {
        let setup = Setup { links, ring: 32, patience: 200_000, polls: 1_000 };
        let mut store: Vec<_> = (0..=FREE).map(|_| None).collect();
        run(self, &setup, &mut store)
    }
}

impl Bench for Cable {
    type Platform = Faulty;

    fn platform(&mut self) -> &mut Faulty {
        if self.overflow != Overflow::Wait {
            self.turn();
        }
        &mut self.platform
    }

    fn wait(&mut self) {
        self.now += 1_000;
        self.platform.clock.inner.set(self.now);
        self.turn();
    }

    fn dropped(&mut self) -> u64 {
        self.platform.dropped() + self.overflowed
    }

    fn emit(&mut self, number: u32) -> Option<Result<(), EventsLost>> {
        Some(self.sink.as_mut()?.emit(number))
    }

    fn event(&mut self) -> Option<u32> {
        self.sink.as_mut()?.take()
    }
}

fn outcomes(report: &Report, wanted: Outcome) -> Vec<Case> {
    report.iter().filter(|(_, outcome)| *outcome == wanted).map(|(case, _)| case).collect()
}

#[test]
fn the_software_port_passes_every_case() {
    let report = Cable::new(None).run(&LINKS);
    assert_eq!(outcomes(&report, Outcome::Passed), Case::ALL, "{report}");
    assert_eq!((report.ran(), report.is_conforming()), (Case::ALL.len(), true));
}

#[test]
fn each_planted_fault_is_found_by_the_case_that_is_meant_for_it() {
    let mut missed = Vec::new();
    for (plant, case) in PLANTS {
        let report = Cable::new(Some(*plant)).run(&LINKS);
        if !matches!(report.outcome(*case), Outcome::Failed { .. }) {
            missed.push(format!("{plant:?} is not found by {case:?}:\n{report}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn each_case_has_a_fault_of_its_own() {
    for case in Case::ALL {
        assert!(PLANTS.iter().any(|(_, meant)| *meant == case), "{case}");
    }
}

#[test]
fn what_a_port_may_refuse_is_not_passed() {
    let mut bench = Cable::new(None);
    bench.platform.refuses_copies = true;
    bench.sink = None;
    let report = bench.run(&LINKS);
    assert_eq!(outcomes(&report, Outcome::Refused), [Case::Events, Case::Copies]);
    assert_eq!((report.ran(), report.is_conforming()), (Case::ALL.len() - 2, true), "{report}");

    // Without a buffer the suite has nothing to send.
    let mut bench = Cable::new(None);
    bench.platform.inner.free = 0;
    let report = bench.run(&LINKS);
    let ran = [
        Case::Clock,
        Case::Entropy,
        Case::Hash,
        Case::Checksum,
        Case::Prefetch,
        Case::Load,
        Case::Events,
    ];
    assert_eq!(outcomes(&report, Outcome::Passed), ran, "{report}");
    assert_eq!(outcomes(&report, Outcome::Refused).len(), Case::ALL.len() - ran.len());
}

#[test]
fn what_did_not_come_up_is_not_passed() {
    let mut bench = Cable::new(None);
    bench.platform.inner.free = 10 * FREE;
    let unreached = [Case::OutOfBuffers, Case::ShortFrames, Case::LongFrames, Case::UnknownPort];
    assert_eq!(outcomes(&bench.run(&LINKS), Outcome::NotReached), unreached);

    let report = Cable::new(None).run(&[]);
    assert!(report.is_conforming());
    assert_eq!(report.outcome(Case::RingWrap), Outcome::NotReached);
}

#[test]
fn a_device_may_lose_what_its_ring_has_no_place_for_but_counts_it() {
    let mut bench = Cable::new(None);
    bench.overflow = Overflow::Counted;
    let report = bench.run(&LINKS);
    assert_eq!(outcomes(&report, Outcome::NotReached), [Case::PartialTransmit], "{report}");
    assert_eq!(report.ran(), Case::ALL.len() - 1);

    bench = Cable::new(None);
    bench.overflow = Overflow::Uncounted;
    let report = bench.run(&LINKS);
    assert_eq!(report.failure(), Some((Case::PartialTransmit, Fault::Lost(32))), "{report}");
}

#[test]
fn buffers_of_a_case_that_failed_are_given_back() {
    let mut bench = Cable::new(Some(Plant::MtuIsTooBig));
    assert!(!bench.run(&LINKS).is_conforming());
    bench.turn();
    let mut late = 0;
    for link in LINKS {
        let mut burst = Burst::new();
        late += bench.platform.receive(link.to, &mut burst, BURST);
    }
    assert_eq!(bench.platform.inner.free + late, FREE);
}

#[test]
fn the_report_names_case_wire_and_fault() {
    let text = Cable::new(Some(Plant::TellsFirstPort)).run(&LINKS).to_string();
    assert!(text.starts_with("Clock: passed\n"), "{text}");
    assert!(text.ends_with("Metadata: FAILED from port 0 to port 1: Port(PortId(0))\n"), "{text}");
}
