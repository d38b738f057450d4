//! What the suite found.

use core::fmt;

use super::Link;
use crate::PortId;

/// Declares the cases, in the order in which they run.
macro_rules! cases {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// One part of the contract.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        pub enum Case {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Case {
            /// All cases, in the order in which they run.
            pub const ALL: [Self; [$(stringify!($name)),+].len()] = [$(Self::$name),+];
        }
    };
}

cases! {
    /// The clock never steps back, and advances.
    Clock,
    /// Seeds differ and are not zero.
    Entropy,
    /// `keyed_hash` answers what the software does.
    Hash,
    /// `checksum` answers what the software does.
    Checksum,
    /// `prefetch` of anything changes nothing.
    Prefetch,
    /// `load` answers the words in their order.
    Load,
    /// A buffer from `empty` has no bytes, and room at both ends.
    Empty,
    /// A full sink keeps what it has, says that it lost the event, and takes events again.
    Events,
    /// Several times as many frames as a ring holds come back, in order and unchanged.
    RingWrap,
    /// Transmit leaves what a full ring does not take, in order, and takes it later.
    PartialTransmit,
    /// Receive gives no more than it is asked for, and no more than the burst has room for.
    ReceiveLimit,
    /// A received frame has room in front.
    Headroom,
    /// A buffer's edges move exactly; what is refused leaves the frame as it was.
    Edges,
    /// A received frame, grown and shrunk at both ends, leaves as it then is.
    InPlace,
    /// A copy equals its original and is independent of it.
    Copies,
    /// Without free buffers nothing breaks; afterwards all are back, each once.
    OutOfBuffers,
    /// Frames without a whole Ethernet header are taken and counted; short ones come back whole.
    ShortFrames,
    /// Frames of the MTU come back whole; longer ones are taken and counted.
    LongFrames,
    /// A port that does not exist takes and counts frames, and receives none.
    UnknownPort,
    /// Port, checksum state and tag of a received frame are told rightly.
    Metadata,
}

/// How a port fails a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Fault {
    /// The clock went from the first time to the second.
    ClockBack(u64, u64),
    /// The clock did not advance while the suite waited.
    ClockStands,
    /// A seed of zeros.
    SeedZero,
    /// The same seed twice.
    SeedRepeats,
    /// Another hash than the software's, of so many words.
    Hash(usize),
    /// Another checksum than the software's, of so many bytes.
    Checksum(usize),
    /// Bytes, or the answers of the other hints, changed by a prefetch.
    Prefetch,
    /// Other words than those that begin at this place.
    Load(usize),
    /// An empty buffer has so many bytes.
    NotEmpty(usize),
    /// Too few bytes in front.
    Headroom(usize),
    /// Too few bytes behind.
    Tailroom(usize),
    /// Headroom, length and tailroom are not what the last move makes them.
    Edge,
    /// More room was given than there is, or less, or a refusal changed the frame.
    Refusal,
    /// A method told the first number and moved the second number of frames.
    Told(usize, usize),
    /// Receive gave the first number of frames when the second was the most.
    Limit(usize, usize),
    /// What transmit did not take is not what is left, or not in its order.
    Rest,
    /// Transmit does not take a frame that it must.
    Stalled,
    /// The frame of this number did not come back.
    Lost(u32),
    /// The frame of the second number came where that of the first was due: one is missing, or out
    /// of order, or there twice.
    Sequence(u32, u32),
    /// A frame of the first length came back with the second one.
    Length(usize, usize),
    /// The byte at this place of a frame changed.
    Byte(usize),
    /// A frame that can never leave came back.
    CameBack(usize),
    /// So many frames were dropped and not counted.
    NotCounted(u64),
    /// The pool had the first number of free buffers before, and the second afterwards.
    Buffers(usize, usize),
    /// Two buffers in the same memory.
    Shared,
    /// A frame of another port is said to be of this one.
    Port(PortId),
    /// A whole frame is said to be truncated.
    Truncated,
    /// A wrong checksum is said to be good, or a good one bad.
    ChecksumStatus,
    /// Another tag than was taken off the frame, or one that was not there.
    Tag,
    /// A copy has other metadata than its original.
    CopyMetadata,
    /// The event of the first number was due, that of the second came, or none.
    Event(u32, Option<u32>),
    /// The sink refuses events after it was emptied.
    SinkStays,
}

/// What became of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Outcome {
    /// The port keeps to the contract.
    Passed,
    /// The port does not offer what the case is about, as it may: no copies, no empty buffers, no
    /// event sink.
    Refused,
    /// The situation did not come up: no link, a transmit ring that empties faster than the suite
    /// fills it, a pool that is bigger than the store.
    NotReached,
    /// The port breaks the contract.
    Failed {
        /// How.
        fault: Fault,
        /// On which wire, for cases that need one.
        link: Option<Link>,
    },
}

/// The outcome of each case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Report {
    outcomes: [Outcome; Case::ALL.len()],
}

impl Report {
    pub(super) const fn new() -> Self {
        Self { outcomes: [Outcome::NotReached; Case::ALL.len()] }
    }

    pub(super) fn set(&mut self, case: Case, outcome: Outcome) {
        if let Some(place) = self.outcomes.get_mut(case as usize) {
            *place = outcome;
        }
    }

    /// What became of `case`.
    #[must_use]
    pub fn outcome(&self, case: Case) -> Outcome {
        self.outcomes.get(case as usize).copied().unwrap_or(Outcome::NotReached)
    }

    /// All cases with their outcomes, in the order in which they ran.
    pub fn iter(&self) -> impl Iterator<Item = (Case, Outcome)> {
        Case::ALL.into_iter().zip(self.outcomes)
    }

    /// Cases that were run to an answer: passed or failed.
    #[must_use]
    pub fn ran(&self) -> usize {
        let ran = |outcome: &&Outcome| matches!(outcome, Outcome::Passed | Outcome::Failed { .. });
        self.outcomes.iter().filter(ran).count()
    }

    /// The first case that failed.
    #[must_use]
    pub fn failure(&self) -> Option<(Case, Fault)> {
        self.iter().find_map(|(case, outcome)| match outcome {
            Outcome::Failed { fault, .. } => Some((case, fault)),
            _ => None,
        })
    }

    /// Whether no case failed. Some may not have run: see [`ran`](Self::ran).
    #[must_use]
    pub fn is_conforming(&self) -> bool {
        self.failure().is_none()
    }
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => formatter.write_str("passed"),
            Self::Refused => formatter.write_str("refused by the port"),
            Self::NotReached => formatter.write_str("not reached"),
            Self::Failed { fault, link: None } => write!(formatter, "FAILED: {fault:?}"),
            Self::Failed { fault, link: Some(Link { from, to }) } => {
                write!(formatter, "FAILED from port {} to port {}: {fault:?}", from.0, to.0)
            }
        }
    }
}

/// One line for each case.
impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|(case, outcome)| writeln!(formatter, "{case}: {outcome}"))
    }
}
