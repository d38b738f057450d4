//! Requests of the host, answers of the firmware.

use dash_core::{
    flow::{Flow, WhenFull},
    pipeline::vnet::{
        DropReason, Drops, EniCounters, FlowKey, FlowState, Settings, Traffic,
        policy::{EniId, PolicyError, Rejected},
    },
};
use heapless::Vec;

use crate::{
    DATA_PORTS, DecodeError, MESSAGE,
    codec::{Buffer, Get, NoRoom, Put, Reader, choices, records},
};

/// Version of all that this crate says; the first thing in a [`Hello`] and a [`Start`].
pub const VERSION: u16 = 2;

/// Most bytes of a [`Request::Chunk`].
pub const CHUNK: usize = 1400;

/// Most flows of an [`Answer::Flows`].
pub const FLOWS_PER_ANSWER: usize = 22;

/// What the host asks for. Each is answered once, by what its description says or by
/// [`Answer::Refused`], and the next is sent only then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Say what the image is made for. `Hello`, once the rings are up.
    Hello,
    /// Apply the configuration of the image and begin to take frames, once. `Done` or `Rejected`.
    Start(Start),
    /// Bytes of a transaction ([`encode`](crate::encode)), from `offset` on; at 0 a new one
    /// begins. `Done`.
    Chunk {
        /// Bytes before these.
        offset: u32,
        /// At most [`CHUNK`].
        bytes: &'a [u8],
    },
    /// Apply the transaction, between two frames. `Done` or `Rejected`, and then nothing has
    /// changed.
    Commit {
        /// In capture time: the clock's time from now on, where that is no step back.
        time: u64,
    },
    /// How far frames have come. `Progress`.
    Progress,
    /// Drops of all frames. `Drops`.
    Drops,
    /// Counters of an ENI. `Eni`.
    Eni(EniId),
    /// Live flows without the first `skip`, in the order of the table. `Flows`; fewer than
    /// [`FLOWS_PER_ANSWER`] are the last.
    Flows {
        /// Flows that were told already.
        skip: u32,
    },
    /// End the run. `Done`, once all frames have left; then the machine stops.
    Stop,
}

/// What the firmware says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What the image is made for.
    Hello(Hello),
    /// The request is carried out.
    Done,
    /// A change was refused, of the image or of a transaction, and nothing has changed.
    Rejected {
        /// The change, counted from 0; the number of changes: the end.
        index: u32,
        /// Why.
        error: PolicyError,
    },
    /// How far frames have come, by port.
    Progress([PortProgress; DATA_PORTS]),
    /// Drops of all frames.
    Drops(DropCounts),
    /// Counters of an ENI.
    Eni(EniStatistics),
    /// Live flows.
    Flows(Vec<FlowEntry, FLOWS_PER_ANSWER>),
    /// The request is not carried out.
    Refused(Refusal),
}

/// What the image is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Longest frame that a data port takes or sends, bytes without a stamp.
    pub frame: u32,
    /// Most flows.
    pub flows: u32,
    /// Most bytes of a transaction.
    pub transaction: u32,
    /// Bytes for the lists of rules of a transaction, see [`Changes::memory`](crate::Changes::memory).
    pub rules: u32,
}

/// How frames are processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Where time comes from.
    pub clock: ClockMode,
    /// What holds for all ENIs.
    pub settings: Settings,
    /// What becomes of new flows when the table is full.
    pub when_full: WhenFull,
    /// Most bytes after the Ethernet header that a port sends.
    pub mtu: u16,
    /// Most flows; 0: remember none.
    pub flows: u32,
    /// The seed of all tables; absent: the machine's own entropy.
    pub seed: Option<[u64; 2]>,
}

/// Where time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockMode {
    /// From the stamps in front of frames. Frames are processed one by one.
    Capture,
    /// From the machine. Frames have no stamps.
    Live,
}

/// Frames of one data port since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortProgress {
    /// Received and done: what they lead to is counted under `sent` of some port, or dropped.
    pub received: u64,
    /// Sent, handed to the device.
    pub sent: u64,
}

/// Frames dropped for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropCount {
    /// Why.
    pub reason: DropReason,
    /// How many.
    pub frames: u64,
}

/// Drops by reason; those that dropped nothing are left out.
pub type DropCounts = Vec<DropCount, { DropReason::COUNT }>;

/// As they are told.
#[must_use]
pub fn drop_counts(drops: &Drops) -> DropCounts {
    let mut counts = Vec::new();
    for (reason, frames) in drops.iter() {
        // There is a place for each reason.
        let _ = counts.push(DropCount { reason, frames });
    }
    counts
}

/// [`EniCounters`] as they are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EniStatistics {
    /// See [`EniCounters::rx`].
    pub rx: Traffic,
    /// See [`EniCounters::tx`].
    pub tx: Traffic,
    /// See [`EniCounters::outbound`].
    pub outbound_rx: Traffic,
    /// See [`EniCounters::outbound`].
    pub outbound_tx: Traffic,
    /// See [`EniCounters::inbound`].
    pub inbound_rx: Traffic,
    /// See [`EniCounters::inbound`].
    pub inbound_tx: Traffic,
    /// See [`EniCounters::flow_create_failed`].
    pub flow_create_failed: u64,
    /// See [`EniCounters::flow_limit_reached`].
    pub flow_limit_reached: u64,
    /// See [`EniCounters::drops`].
    pub drops: DropCounts,
}

impl From<&EniCounters> for EniStatistics {
    fn from(counters: &EniCounters) -> Self {
        Self {
            rx: counters.rx(),
            tx: counters.tx(),
            outbound_rx: counters.outbound.rx,
            outbound_tx: counters.outbound.tx,
            inbound_rx: counters.inbound.rx,
            inbound_tx: counters.inbound.tx,
            flow_create_failed: counters.flow_create_failed,
            flow_limit_reached: counters.flow_limit_reached,
            drops: drop_counts(&counters.drops),
        }
    }
}

/// A live flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowEntry {
    /// Its name.
    pub key: FlowKey,
    /// Frames.
    pub packets: u64,
    /// Their bytes as received.
    pub bytes: u64,
}

impl From<(&FlowKey, &Flow<FlowState>)> for FlowEntry {
    fn from((key, flow): (&FlowKey, &Flow<FlowState>)) -> Self {
        Self { key: *key, packets: flow.packets, bytes: flow.bytes }
    }
}

/// Why a request is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Refusal {
    /// The message, or the transaction, is damaged or of another version.
    Damaged(DecodeError),
    /// It comes before `Start`, or it is a second one.
    Order,
    /// A chunk does not begin where the one before it ended.
    Gap,
    /// A transaction is longer than the [`Hello`] said.
    TooLong,
    /// More flows than the [`Hello`] said, or a number that no ENI has.
    TooMany,
    /// The tables do not fit the memory of the image.
    Storage,
    /// There is no seed, and no source of entropy to draw one from.
    Entropy,
}

impl From<Rejected> for Answer {
    fn from(rejected: Rejected) -> Self {
        // A transaction has fewer bytes than that.
        let index = u32::try_from(rejected.index).unwrap_or(u32::MAX);
        Self::Rejected { index, error: rejected.error }
    }
}

impl<'a> Request<'a> {
    /// Writes the message into `buffer`.
    ///
    /// # Errors
    /// A chunk of more than [`CHUNK`] bytes.
    pub fn encode<'b>(&self, buffer: &'b mut [u8; MESSAGE]) -> Result<&'b [u8], NoRoom> {
        encode(self, buffer)
    }

    /// Reads a message.
    ///
    /// # Errors
    /// It is none.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Reader::whole(bytes)
    }
}

impl Answer {
    /// Writes the message into `buffer`. All fit.
    ///
    /// # Errors
    /// None.
    pub fn encode<'b>(&self, buffer: &'b mut [u8; MESSAGE]) -> Result<&'b [u8], NoRoom> {
        encode(self, buffer)
    }

    /// Reads a message.
    ///
    /// # Errors
    /// It is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole(bytes)
    }
}

fn encode<'b>(message: &impl Put, buffer: &'b mut [u8; MESSAGE]) -> Result<&'b [u8], NoRoom> {
    let mut out = Buffer::new(buffer);
    message.put(&mut out);
    out.finish()
}

choices! {
    Request<'a> {
        0 => Start(start),
        1 => Chunk { offset, bytes },
        2 => Commit { time },
        3 => Progress,
        4 => Drops,
        5 => Eni(id),
        6 => Flows { skip },
        7 => Stop,
        8 => Hello,
    }
    Answer {
        0 => Hello(hello),
        1 => Done,
        2 => Rejected { index, error },
        3 => Progress(ports),
        4 => Drops(drops),
        5 => Eni(statistics),
        6 => Flows(flows),
        7 => Refused(refusal),
    }
    ClockMode { 0 => Capture, 1 => Live, }
    WhenFull { 0 => Forward, 1 => Drop, 2 => Evict, 3 => EvictOldest, 4 => EvictLeastUsed, 5 => EvictShortest, }
    Refusal {
        0 => Damaged(error),
        1 => Order,
        2 => Gap,
        3 => TooLong,
        4 => TooMany,
        5 => Storage,
        6 => Entropy,
    }
    DecodeError {
        0 => Truncated,
        1 => Trailing,
        2 => Value,
        3 => TooLong,
        4 => Memory,
        5 => Version,
    }
}

records! {
    DropCount { reason, frames }
    PortProgress { received, sent }
    Settings { tcp_strict, idle_timeout, fragment_timeout, flows_per_eni }
    EniStatistics {
        rx, tx, outbound_rx, outbound_tx, inbound_rx, inbound_tx, flow_create_failed,
        flow_limit_reached, drops,
    }
    FlowEntry { key, packets, bytes }
}

/// With the version in front.
macro_rules! versioned {
    ($($name:ident { $($field:ident),* })*) => {$(
        impl Put for $name {
            fn put(&self, out: &mut impl Extend<u8>) {
                VERSION.put(out);
                $(self.$field.put(out);)*
            }
        }

        impl Get<'_> for $name {
            fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                if u16::get(reader)? != VERSION {
                    return Err(DecodeError::Version);
                }
                Ok(Self { $($field: Get::get(reader)?),* })
            }
        }
    )*};
}

versioned! {
    Hello { frame, flows, transaction, rules }
    Start { clock, settings, when_full, mtu, flows, seed }
}
