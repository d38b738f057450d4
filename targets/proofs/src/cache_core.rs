//! One core of the flow cache, and one of state machines, as firmware has them.

use dash_core::{
    engine,
    flow::{Flow, FlowTable},
    pipeline::{
        efsm::{self, Efsm},
        flow_cache::{self, FREE, FlowCache, VtepPlace, Vteps},
    },
    rewrite::NextHop,
    table::cuckoo::{Bucket, Slot},
};
use static_cell::ConstStaticCell;

use crate::{
    buffer::Buffer,
    packet_core::{FLOWS, NEXT_HOP_PLACES},
};

/// The engine of a core of the flow cache.
pub type CacheEngine = engine::Engine<'static, FlowCache<'static>, Buffer>;
/// The engine of a core of state machines.
pub type EfsmEngine = engine::Engine<'static, Efsm<'static>, Buffer>;

type Ways = FlowTable<'static, flow_cache::FlowKey, flow_cache::FlowState>;
type Way = Slot<flow_cache::FlowKey, Flow<flow_cache::FlowState>>;
type States = FlowTable<'static, efsm::FlowKey, efsm::FlowState>;
type State = Slot<efsm::FlowKey, Flow<efsm::FlowState>>;

/// Tunnel end points: the size that a small SmartNIC starts with.
const VTEPS: usize = Vteps::places_for(64);

static WAY_BUCKETS: ConstStaticCell<[Bucket; Ways::buckets_for(FLOWS)]> =
    ConstStaticCell::new([Bucket::EMPTY; Ways::buckets_for(FLOWS)]);
static WAYS: ConstStaticCell<[Way; FLOWS]> =
    ConstStaticCell::new([const { Slot::empty(Flow::EMPTY) }; FLOWS]);
static WAY_NEXT_HOPS: ConstStaticCell<[NextHop; NEXT_HOP_PLACES]> =
    ConstStaticCell::new([NextHop::FREE; NEXT_HOP_PLACES]);
static STATE_NEXT_HOPS: ConstStaticCell<[NextHop; 1]> = ConstStaticCell::new([NextHop::FREE]);
static STATE_BUCKETS: ConstStaticCell<[Bucket; States::buckets_for(FLOWS)]> =
    ConstStaticCell::new([Bucket::EMPTY; States::buckets_for(FLOWS)]);
static STATES: ConstStaticCell<[State; FLOWS]> =
    ConstStaticCell::new([const { Slot::empty(Flow::EMPTY) }; FLOWS]);
static VTEP_BUCKETS: ConstStaticCell<[Bucket; Vteps::buckets_for(VTEPS)]> =
    ConstStaticCell::new([Bucket::EMPTY; Vteps::buckets_for(VTEPS)]);
static VTEP_PLACES: ConstStaticCell<[VtepPlace; VTEPS]> = ConstStaticCell::new([FREE; VTEPS]);

/// The memory of both cores, before anything is built in it.
pub struct CacheStorage {
    /// Flows of the flow cache.
    pub ways: (&'static mut [Bucket], &'static mut [Way], &'static mut [NextHop]),
    /// Flows of state machines.
    pub states: (&'static mut [Bucket], &'static mut [State], &'static mut [NextHop]),
    /// Tunnel end points.
    pub vteps: (&'static mut [Bucket], &'static mut [VtepPlace]),
}

impl CacheStorage {
    /// The memory; `None` the second time.
    pub fn take() -> Option<Self> {
        Some(Self {
            ways: (WAY_BUCKETS.try_take()?, WAYS.try_take()?, WAY_NEXT_HOPS.try_take()?),
            states: (STATE_BUCKETS.try_take()?, STATES.try_take()?, STATE_NEXT_HOPS.try_take()?),
            vteps: (VTEP_BUCKETS.try_take()?, VTEP_PLACES.try_take()?),
        })
    }
}
