//! Does a port keep to the contract? A suite that runs on the port's own hardware.
//!
//! It needs what the port's transmit sends to come back to its receive: a cable between two ports,
//! a MAC in loop-back, a host that reflects. The port's author writes a [`Bench`] around the
//! [`Platform`], says in a [`Setup`] what is linked to what, and calls [`run`]. Every [`Case`] is
//! run, a failed one ends early and gives its buffers back, and the [`Report`] says what was found.
//!
//! Frames of the suite go to the broadcast address with Ethertype 0x88B5 (IEEE 802, local
//! experiments), some as UDP between the addresses for documentation of RFC 5737; frames of others
//! are passed over. Memory: two bursts and what [`Bench`] and `store` bring; no frame is kept, each
//! is made again to be compared. Time: a conforming port takes some milliseconds; a frame that does
//! not come back costs [`Setup::patience`].
//!
//! ```
//! use dash_hal::{
//!     PortId,
//!     conformance::{Bench, Case, Link, Outcome, Setup, run},
//!     software::SoftwarePlatform,
//! };
//!
//! struct Cable(SoftwarePlatform<2, 2048>, u64);
//!
//! impl Bench for Cable {
//!     type Platform = SoftwarePlatform<2, 2048>;
//!     fn platform(&mut self) -> &mut Self::Platform {
//!         &mut self.0
//!     }
//!     fn wait(&mut self) {
//!         self.0.carry(PortId(0), PortId(1));
//!         self.0.carry(PortId(1), PortId(0));
//!         self.1 += 1_000;
//!         self.0.clock.set(self.1);
//!     }
//!     fn dropped(&mut self) -> u64 {
//!         self.0.dropped
//!     }
//! }
//!
//! let mut bench = Cable(SoftwarePlatform::new(), 0);
//! bench.0.free = 100;
//! let links = [Link::new(PortId(0), PortId(1)), Link::new(PortId(1), PortId(0))];
//! let setup = Setup { links: &links, ring: 32, patience: 1_000_000, polls: 10_000 };
//! let report = run(&mut bench, &setup, &mut [const { None }; 128]);
//! assert!(report.is_conforming(), "{report}");
//! assert_eq!(report.outcome(Case::Events), Outcome::Refused);
//! ```

mod buffers;
mod events;
mod frame;
mod hints;
mod metadata;
mod pool;
mod report;
mod rings;
mod sizes;
mod time;
mod wire;

pub use self::report::{Case, Fault, Outcome, Report};

use crate::{Burst, EventsLost, Platform, Pool, PortId};

/// A port that does not exist on any device.
const NOWHERE: PortId = PortId(u16::MAX);

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// The device under test and what is around it.
pub trait Bench {
    /// The port.
    type Platform: Platform;

    /// The port.
    fn platform(&mut self) -> &mut Self::Platform;

    /// Called between two polls, so that a wire in software turns, a time that is set moves on, a
    /// watchdog is fed. Hardware needs nothing here.
    fn wait(&mut self) {}

    /// Frames that the port dropped since its start, in both directions: those that it counts
    /// itself and those that its device counts, as for want of a receive descriptor.
    fn dropped(&mut self) -> u64;

    /// Emits an event that stands for `number` into the port's sink; `None` when it has no sink.
    fn emit(&mut self, number: u32) -> Option<Result<(), EventsLost>> {
        let _ = number;
        None
    }

    /// Takes the oldest event out of the sink's other end, and tells the number that it stands for.
    fn event(&mut self) -> Option<u32> {
        None
    }
}

/// The buffers of a bench.
pub type Buffer<B> = <<B as Bench>::Platform as Pool>::Buffer;

/// A wire: what one port sends, another one, or the same one, receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Link {
    /// The port that sends.
    pub from: PortId,
    /// The port that receives.
    pub to: PortId,
}

impl Link {
    /// A wire from one port to another, or to itself.
    #[must_use]
    pub const fn new(from: PortId, to: PortId) -> Self {
        Self { from, to }
    }
}

/// What the suite must know of the bench.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// The wires. Each case that needs one is run on each.
    pub links: &'a [Link],
    /// Frames that may be under way on one wire and are all received: the size of the smallest
    /// ring on the way, or a little less.
    pub ring: usize,
    /// Nanoseconds of the port's clock after which a frame does not come back any more. A second
    /// is much on hardware, and little on an emulator that shares its machine.
    pub patience: u64,
    /// Polls after which a frame does not come back any more, should the clock stand still.
    pub polls: u32,
}

/// Runs all cases. `store` holds the whole pool of the port for a moment: it needs a place more
/// than the pool has free buffers.
pub fn run<B: Bench>(bench: &mut B, setup: &Setup<'_>, store: &mut [Option<Buffer<B>>]) -> Report {
    let mut report = Report::new();
    let mut suite = Suite {
        bench,
        setup,
        store,
        link: None,
        offered: Burst::new(),
        arrived: Burst::new(),
        session: 0,
        number: 0,
        pool: Err(Stop::NotReached),
    };
    suite.pool = suite.count_pool();
    suite.release();
    for case in Case::ALL {
        suite.link = None;
        let outcome = match suite.check(case) {
            Ok(()) => Outcome::Passed,
            Err(Stop::Refused) => Outcome::Refused,
            Err(Stop::NotReached) => Outcome::NotReached,
            Err(Stop::Failed(fault)) => Outcome::Failed { fault, link: suite.link },
        };
        report.set(case, outcome);
        suite.release();
    }
    report
}

/// Why a case ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Refused,
    NotReached,
    Failed(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

type Verdict = Result<(), Stop>;

/// What the cases work with. Buffers lie in `store`, `offered` or `arrived` while anything can go
/// wrong, so that none is lost with a case that fails.
struct Suite<'s, B: Bench> {
    bench: &'s mut B,
    setup: &'s Setup<'s>,
    store: &'s mut [Option<Buffer<B>>],
    /// The wire that the case runs on, if it needs one.
    link: Option<Link>,
    /// Frames for transmit.
    offered: Burst<Buffer<B>>,
    /// Frames from receive.
    arrived: Burst<Buffer<B>>,
    /// Frames carry it, so that a late one of a case before is passed over.
    session: u16,
    /// Of the next frame of this session.
    number: u32,
    /// Free buffers before the first case.
    pool: Result<usize, Stop>,
}

impl<B: Bench> Suite<'_, B> {
    fn check(&mut self, case: Case) -> Verdict {
        match case {
            Case::Clock => self.clock(),
            Case::Entropy => self.entropy(),
            Case::Hash => self.hash(),
            Case::Checksum => self.checksum(),
            Case::Prefetch => self.prefetch(),
            Case::Load => self.load(),
            Case::Empty => self.empty(),
            Case::Events => self.events(),
            Case::RingWrap => self.on_each_link(Self::ring_wrap),
            Case::PartialTransmit => self.on_each_link(Self::partial_transmit),
            Case::ReceiveLimit => self.on_each_link(Self::receive_limit),
            Case::Headroom => self.on_each_link(Self::headroom),
            Case::Edges => self.on_each_link(Self::edges),
            Case::InPlace => self.on_each_link(Self::in_place),
            Case::Copies => self.on_each_link(Self::copies),
            Case::OutOfBuffers => self.on_each_link(Self::out_of_buffers),
            Case::ShortFrames => self.on_each_link(Self::short_frames),
            Case::LongFrames => self.on_each_link(Self::long_frames),
            Case::UnknownPort => self.on_each_link(Self::unknown_port),
            Case::Metadata => self.on_each_link(Self::metadata),
        }
    }

    /// The first failure, or else the first link on which the case was not passed.
    fn on_each_link(&mut self, case: fn(&mut Self, Link) -> Verdict) -> Verdict {
        let links = self.setup.links;
        let mut verdict = if links.is_empty() { Err(Stop::NotReached) } else { Ok(()) };
        for link in links {
            self.link = Some(*link);
            self.session = self.session.wrapping_add(1);
            self.number = 0;
            let here = case(self, *link);
            self.release();
            if let Err(Stop::Failed(_)) = here {
                return here;
            }
            verdict = verdict.and(here);
        }
        verdict
    }

    /// Gives back every buffer that the suite holds.
    fn release(&mut self) {
        let platform = self.bench.platform();
        let stored = self.store.iter_mut().filter_map(Option::take);
        let offered = core::iter::from_fn(|| self.offered.pop());
        let arrived = core::iter::from_fn(|| self.arrived.pop());
        for buffer in stored.chain(offered).chain(arrived) {
            platform.recycle(buffer);
        }
    }
}
