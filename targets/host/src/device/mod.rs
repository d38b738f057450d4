//! One device with one pipeline: what `dash run` and `dash explain` do with a [service](Service)
//! that has no hosts of its own.
//!
//! Configurations and tables live as long as the command, which leaks them.

pub mod config;
pub mod explain;
pub mod run;

use std::collections::VecDeque;

use dash_core::{
    engine::Engine,
    flow::{Flow, FlowRemoved, FlowSettings, FlowTable, State, WhenFull},
    pipeline::{Pipeline, Trace},
    rewrite::NextHop,
    table::{
        cuckoo::{Bucket, Key, Slot},
        quiescence::Readers,
    },
};
use dash_hal::{
    Burst, Clock, Entropy, EventSink, EventsLost, PacketBuffer, Platform, PortId, ReceiveFlags,
    ReceiveMetadata, SoftwareHints,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    error::Error,
    platform::{HostBuffer, HostPlatform, NEXT_HOPS},
    port::PortNames,
    report::removal,
};

/// What a service's configuration says of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most flows.
    pub flows: u32,
    /// Milliseconds without a frame after which a flow ends; 0: never.
    pub idle_timeout: u32,
    /// Most bytes after the Ethernet header and tags that a port sends.
    pub mtu: u16,
    /// What becomes of a flow without a place.
    pub when_full: WhenFull,
    /// Events that wait.
    pub events: usize,
}

/// A service that runs on one device: its configuration.
pub trait Service: Sized {
    /// Its packet path.
    type Pipeline: Pipeline<Key = Self::Key, State = Self::State, Reason: std::fmt::Display>;
    /// The name of a flow.
    type Key: Key + 'static;
    /// What it keeps in a flow.
    type State: State + 'static;
    /// Its whole file, whose one member has its [`NAME`](Self::NAME).
    type File: DeserializeOwned;
    /// Its top-level object.
    const NAME: &'static str;
    /// What is counted of a frame whose flow finds no place.
    const FULL: &'static str;
    /// Whether the end of a flow is told.
    const TELLS: bool;

    /// What a file says, with numbers for its ports.
    ///
    /// # Errors
    /// What is wrong with it.
    fn new(file: Self::File, ports: &mut PortNames) -> Result<Self, String>;

    /// What holds for the device.
    fn limits(&mut self) -> &mut Limits;

    /// The pipeline, with secrets for its tables.
    ///
    /// # Errors
    /// The library refuses the configuration.
    fn pipeline(&self, seed: [u64; 2]) -> Result<Self::Pipeline, String>;

    /// Gives the pipeline this configuration.
    ///
    /// # Errors
    /// The library refuses it; nothing is applied.
    fn configure(&self, pipeline: &mut Self::Pipeline, seed: [u64; 2]) -> Result<(), String>;

    /// Drops and notes by their names, those that are 0 too.
    fn counts(pipeline: &Self::Pipeline) -> [Vec<(String, u64)>; 2];

    /// What names a flow, as the report tells it; and the values that flows are sorted by.
    fn name(&self, key: &Self::Key, ports: &PortNames) -> (Map<String, Value>, Vec<Option<u128>>);

    /// What else the report tells of a flow.
    fn state(state: &Self::State) -> Map<String, Value>;

    /// A stage, what it looked for, what it found.
    fn row(&self, event: &<Self::Pipeline as Pipeline>::Event, ports: &PortNames) -> [String; 3];
}

type Removed<S> = FlowRemoved<<S as Service>::Key, <S as Service>::State>;

/// Flows that ended, until they are told.
struct Events<S: Service> {
    waiting: VecDeque<Removed<S>>,
    room: usize,
}

impl<S: Service> EventSink<Removed<S>> for Events<S> {
    fn emit(&mut self, event: Removed<S>) -> Result<(), EventsLost> {
        if !S::TELLS {
            return Ok(());
        }
        if self.waiting.len() >= self.room {
            return Err(EventsLost);
        }
        self.waiting.push_back(event);
        Ok(())
    }
}

/// Buckets for so many flows: at most nine in ten places are taken, so that a table is full exactly
/// at its capacity.
fn buckets(flows: usize) -> usize {
    // A bucket has eight places.
    (flows * 10).div_ceil(9 * 8) + 1
}

/// The device.
pub struct Device<S: Service> {
    engine: Engine<'static, S::Pipeline, HostBuffer, 64, 32, (), Events<S>>,
    platform: HostPlatform,
    limits: Limits,
    /// No flow ends before it has passed.
    due: u64,
    /// Events that found no room, of tables that are no more.
    lost: u64,
}

type Flows<S> = FlowTable<'static, <S as Service>::Key, <S as Service>::State>;

fn settings(limits: &Limits) -> FlowSettings {
    FlowSettings { when_full: limits.when_full, ..FlowSettings::default() }
}

/// Memory that lives as long as the command.
fn storage<T: Clone>(count: usize, value: T) -> Result<&'static mut [T], Error> {
    let mut places = Vec::new();
    let reserved = places.try_reserve_exact(count);
    reserved.map_err(|error| Error::Input(format!("{count} places: {error}")))?;
    places.resize(count, value);
    Ok(places.leak())
}

/// A table of these limits.
fn table<S: Service>(limits: &Limits, seed: [u64; 2]) -> Result<Flows<S>, Error> {
    let count = limits.flows as usize;
    let needed = Flows::<S>::buckets_for(count).max(buckets(count));
    let buckets = storage(needed, Bucket::EMPTY)?;
    let slots = storage(count, Slot::empty(Flow::EMPTY))?;
    let flows = FlowTable::new(buckets, slots, storage(NEXT_HOPS, NextHop::FREE)?, seed);
    let mut flows = flows.map_err(|error| Error::Input(format!("{count} flows: {error:?}")))?;
    flows.set(settings(limits));
    Ok(flows)
}

impl<S: Service> Device<S> {
    /// A device without traffic, on a platform whose MTU becomes that of the limits.
    ///
    /// # Errors
    /// The library refuses the configuration.
    pub fn new(service: &S, limits: Limits, mut platform: HostPlatform) -> Result<Self, Error> {
        platform.set_mtu(limits.mtu);
        let flows = table::<S>(&limits, platform.entropy().seed())?;
        let pipeline = service.pipeline(platform.entropy().seed()).map_err(Error::Input)?;
        let events = Events { waiting: VecDeque::new(), room: limits.events };
        let engine = Engine::with(pipeline, flows, Readers::new(&[]), 0, (), events);
        Ok(Self { engine, platform, limits, due: 0, lost: 0 })
    }

    /// The pipeline, for its counters.
    #[must_use]
    pub const fn pipeline(&self) -> &S::Pipeline {
        self.engine.pipeline()
    }

    /// Replaces the configuration `service` by another one. All flows end; counters go on.
    ///
    /// # Errors
    /// The library refuses it; nothing is applied.
    pub fn replace(&mut self, service: &mut S, mut other: S) -> Result<(), Error> {
        let (seed, limits) = (self.platform.entropy().seed(), *other.limits());
        let resized = if limits.flows == self.limits.flows {
            None
        } else {
            let spare = other.pipeline(seed).map_err(Error::Input)?;
            Some((spare, table::<S>(&limits, seed)?))
        };
        other.configure(self.engine.pipeline_mut(), seed).map_err(Error::Input)?;
        let now = self.platform.clock().now();
        self.engine.tick(now, self.engine.flows().capacity(), &SoftwareHints);
        if let Some((mut spare, mut flows)) = resized {
            // The pipeline that counts goes back to its place.
            self.engine.exchange(&mut spare, &mut flows);
            std::mem::swap(self.engine.pipeline_mut(), &mut spare);
            self.lost += flows.counters().untold;
        }
        self.engine.set_flows(settings(&limits));
        self.engine.events_mut().room = limits.events;
        self.platform.set_mtu(limits.mtu);
        (self.limits, self.due) = (limits, 0);
        *service = other;
        Ok(())
    }

    /// Removes what has timed out at `now`.
    pub fn sweep(&mut self, now: u64) {
        self.platform.clock().advance(now);
        let now = self.platform.clock().now();
        // Strictly: a flow lives at the end of its time.
        if self.due != 0 && now <= self.due {
            return;
        }
        self.engine.tick(now, self.engine.flows().capacity(), &SoftwareHints);
        let oldest = self.engine.flows().live(now).map(|(_, flow)| flow.used).min();
        let idle = match self.limits.idle_timeout {
            0 => u64::MAX,
            idle => u64::from(idle) * 1_000_000,
        };
        self.due = oldest.unwrap_or(now).saturating_add(idle);
    }

    /// Flows that ended since it was asked last: the oldest first.
    pub fn take_removed(&mut self) -> Vec<Removed<S>> {
        let mut removed: Vec<_> = self.engine.events_mut().waiting.drain(..).collect();
        removed.sort_by_key(|flow| (flow.used, flow.created));
        removed
    }

    /// Events that found no room.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost + self.engine.flows().counters().untold
    }

    /// Takes a frame to its end; answers what leaves.
    pub fn process<T: Trace<S::Pipeline>>(
        &mut self,
        port: PortId,
        frame: &[u8],
        truncated: bool,
        trace: &mut T,
    ) -> Vec<(PortId, Vec<u8>)> {
        let now = self.platform.clock().now();
        let mut flags = ReceiveFlags::empty();
        flags.set(ReceiveFlags::TRUNCATED, truncated);
        let metadata = ReceiveMetadata { port, flags, ..ReceiveMetadata::NONE };
        let mut burst = Burst::new();
        // A new burst has room.
        let _ = burst.push(HostBuffer::grown(frame, 0, metadata));
        self.engine.process(&mut burst, now, &mut self.platform, trace);
        self.engine.flush(&mut self.platform);
        let sent = self.platform.take_sent();
        sent.map(|(port, buffer)| (port, buffer.bytes().to_vec())).collect()
    }

    /// Flows that live, in the order of their names, as the report tells them.
    #[must_use]
    pub fn flows(&self, service: &S, ports: &PortNames) -> Vec<Value> {
        let now = self.platform.clock().now();
        let mut flows: Vec<_> = self
            .engine
            .flows()
            .live(now)
            .map(|(key, flow)| {
                let (mut object, order) = service.name(key, ports);
                object.extend(S::state(&flow.state));
                object.insert("packets".to_owned(), flow.packets.into());
                object.insert("bytes".to_owned(), flow.bytes.into());
                (order, Value::Object(object))
            })
            .collect();
        flows.sort_by(|(one, _), (other, _)| one.cmp(other));
        flows.into_iter().map(|(_, flow)| flow).collect()
    }

    /// The event of a flow that ended.
    #[must_use]
    pub fn event(service: &S, ports: &PortNames, time: u64, flow: &Removed<S>) -> Value {
        let (mut object, _) = service.name(&flow.key, ports);
        object.insert("cookie".to_owned(), "0x0".into());
        object.insert("reason".to_owned(), removal(flow.why).into());
        object.insert("duration_ns".to_owned(), flow.duration().into());
        object.insert("packets".to_owned(), flow.packets.into());
        object.insert("bytes".to_owned(), flow.bytes.into());
        serde_json::json!({ "t_ns": time, "removed": object })
    }
}
