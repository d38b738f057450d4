//! All memory of the program but its stack and the virtqueues: statics, each taken once.
//!
//! | what | bytes |
//! |---|---|
//! | frames of the data ports | [`SLOTS`] × 10,304 |
//! | frames of the control port | 8 × 10,304 |
//! | policy | 4 × [`CAPACITY`]`.words()` |
//! | flows | [`FLOWS`] × 256, and 9 a flow for their index |
//! | counters | about 700 for each ENI |
//! | a transaction while it is received and applied | [`TRANSACTION`] + [`RULES`] |

use core::{mem::MaybeUninit, sync::atomic::AtomicU32};

use dash_core::{
    engine::Engine,
    flow::{Flow, FlowTable},
    pipeline::vnet::{
        EniCounters, FlowKey, FlowState, Vnet,
        policy::{Capacity, PolicyWriter},
    },
    rewrite::NextHop,
    table::{
        acl,
        cuckoo::{Bucket, Slot as FlowSlot},
    },
};
use dash_protocol::DATA_PORTS;
use heapless::Vec;
use static_cell::{ConstStaticCell, StaticCell};

use crate::{
    buffer::{FrameBuffer, Slot},
    control::CONTROL_SLOTS,
    nic::Nic,
    platform::{QUEUE, SLOTS},
};

include!(concat!(env!("OUT_DIR"), "/configuration.rs"));

/// The changes that make the image's configuration, encoded.
pub(crate) static FIRST: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/first.changes"));

/// Most bytes of a transaction.
pub const TRANSACTION: usize = 256 * 1024;

/// Bytes for the lists of rules of a transaction: what the image's own takes, or three times the
/// longest transaction, which suffices where rules have a list or two.
pub const RULES: usize = if FIRST_RULES > 3 * TRANSACTION { FIRST_RULES } else { 3 * TRANSACTION };

/// Most next hops of flows: own addresses and the MAC of the next hop.
pub(crate) const NEXT_HOPS: usize = 64;

type Flows = FlowTable<'static, FlowKey, FlowState>;
type FlowEntry = FlowSlot<FlowKey, Flow<FlowState>>;

const _: () = assert!(size_of::<FlowEntry>() == 192);

/// Memory of the tables.
pub(crate) struct Tables {
    pub(crate) policy: [AtomicU32; CAPACITY.words()],
    pub(crate) buckets: [Bucket; Flows::buckets_for(FLOWS)],
    pub(crate) flows: [FlowEntry; FLOWS],
    pub(crate) next_hops: [NextHop; NEXT_HOPS],
    pub(crate) enis: [EniCounters; CAPACITY.enis],
    pub(crate) transaction: [u8; TRANSACTION],
    pub(crate) rules: [MaybeUninit<u8>; RULES],
}

/// Taken by the session.
pub(crate) static TABLES: ConstStaticCell<Tables> = ConstStaticCell::new(Tables {
    policy: [const { AtomicU32::new(0) }; CAPACITY.words()],
    buckets: [Bucket::EMPTY; Flows::buckets_for(FLOWS)],
    flows: [FlowSlot::empty(Flow::EMPTY); FLOWS],
    next_hops: [NextHop::FREE; NEXT_HOPS],
    enis: [EniCounters::ZERO; CAPACITY.enis],
    transaction: [0; TRANSACTION],
    rules: [MaybeUninit::uninit(); RULES],
});

/// Taken by the data ports.
pub(crate) static FRAMES: ConstStaticCell<[Slot; SLOTS]> =
    ConstStaticCell::new([Slot::EMPTY; SLOTS]);

/// Taken by the control port.
pub(crate) static MESSAGES: ConstStaticCell<[Slot; CONTROL_SLOTS]> =
    ConstStaticCell::new([Slot::EMPTY; CONTROL_SLOTS]);

/// Devices of the data ports and of the control port.
pub(crate) static NICS: ConstStaticCell<Vec<Nic, { DATA_PORTS + 1 }>> =
    ConstStaticCell::new(Vec::new());

/// The engine of the program.
pub(crate) type FirmwareEngine = Engine<'static, Vnet<'static>, FrameBuffer, QUEUE>;

/// The policy's writer and the engine are too large to be moved about on a stack.
pub(crate) static WRITER: StaticCell<PolicyWriter<'static>> = StaticCell::new();

/// See [`WRITER`].
pub(crate) static ENGINE: StaticCell<FirmwareEngine> = StaticCell::new();

/// Where the conformance suite puts the whole pool, with one place more; no part of an image
/// without it.
pub(crate) static STORE: ConstStaticCell<[Option<FrameBuffer>; SLOTS + 1]> =
    ConstStaticCell::new([const { None }; SLOTS + 1]);
