//! The hosts of a run.

use std::{collections::VecDeque, sync::atomic::AtomicU32};

use dash_core::{
    engine::Engine,
    flow::{Flow, FlowRemoved, FlowSettings, FlowTable},
    pipeline::{
        Trace,
        router::{
            Absent, Counters, DropReason, FREE, FlowKey, FlowState, GatewayErrors, Learned,
            LearnedPlace, Memory, PuntReason, Router, Settings,
            control::{Actions, ControlError, FlowSpec},
            policy::{Capacity, PolicyWriter},
        },
    },
    rewrite::NextHop,
    table::{
        cuckoo::{Bucket, Slot},
        quiescence::Readers,
    },
};
use dash_hal::{
    Burst, Clock, Entropy, EventSink, EventsLost, PacketBuffer, Platform, PortId, ReceiveFlags,
    ReceiveMetadata, SoftwareHints,
};

use super::{
    config::{Network, PUNTS, UNDERLAY},
    control::Gone,
};
use crate::{
    error::Error,
    platform::{HostBuffer, HostPlatform, NEXT_HOPS},
};

/// Addresses that a host learns at most.
const LEARNED: usize = 4096;
/// Addresses that a controller was asked for in vain, at most.
const ABSENT: usize = 256;
/// Frames that wait for a port: the copies of one flood.
const QUEUE: usize = 4096;

/// Flows that ended, until they are told.
#[derive(Debug)]
struct Ended {
    list: VecDeque<FlowRemoved<FlowKey, FlowState>>,
    most: usize,
}

impl EventSink<FlowRemoved<FlowKey, FlowState>> for Ended {
    fn emit(&mut self, event: FlowRemoved<FlowKey, FlowState>) -> Result<(), EventsLost> {
        if self.list.len() >= self.most {
            return Err(EventsLost);
        }
        self.list.push_back(event);
        Ok(())
    }
}

/// The memory of one host.
#[derive(Debug)]
pub struct Storage {
    words: Vec<AtomicU32>,
    buckets: Vec<Bucket>,
    slots: Vec<Slot<FlowKey, Flow<FlowState>>>,
    next_hops: Vec<NextHop>,
    learned_buckets: Vec<Bucket>,
    learned: Vec<LearnedPlace>,
    errors: Vec<GatewayErrors>,
    absent: Vec<Option<Absent>>,
}

impl Storage {
    /// What a policy of this capacity and `flows` flows need.
    #[must_use]
    pub fn new(capacity: &Capacity, flows: u32) -> Self {
        let flows = flows as usize;
        // The buckets of a table at 0.9 of its load, so that it is full at its capacity and not
        // before.
        let buckets = FlowTable::<FlowKey, FlowState>::buckets_for(flows.div_ceil(9) * 10);
        Self {
            words: (0..capacity.words()).map(|_| AtomicU32::new(0)).collect(),
            buckets: vec![Bucket::EMPTY; buckets],
            slots: vec![Slot::empty(Flow::EMPTY); flows],
            next_hops: vec![NextHop::FREE; NEXT_HOPS],
            learned_buckets: vec![Bucket::EMPTY; Learned::buckets_for(LEARNED)],
            learned: vec![FREE; LEARNED],
            errors: vec![GatewayErrors::default(); capacity.interfaces],
            absent: vec![None; ABSENT],
        }
    }
}

type RouterEngine<'a> = Engine<'a, Router<'a>, HostBuffer, QUEUE, PUNTS, (), Ended>;

struct Node<'a> {
    policy: PolicyWriter<'a>,
    engine: RouterEngine<'a>,
    platform: HostPlatform,
    /// No flow ends before.
    due: u64,
}

/// A frame that comes in at a host.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The host.
    pub host: u16,
    /// Its port.
    pub port: PortId,
    /// The frame.
    pub frame: Vec<u8>,
    /// Whether it was longer.
    pub truncated: bool,
}

/// What happened at a host.
#[derive(Clone, Debug)]
pub enum Happening {
    /// A frame left.
    Left {
        /// By this port.
        port: PortId,
        /// The frame.
        frame: Vec<u8>,
    },
    /// A controller is asked.
    Asked {
        /// The request, counted from 1 over all hosts.
        id: u64,
        /// Why.
        reason: PuntReason,
        /// The port that the frame came in at.
        port: PortId,
        /// The frame.
        frame: Vec<u8>,
    },
    /// A flow ended.
    Ended(Box<FlowRemoved<FlowKey, FlowState>>),
}

/// Who hears of what happened.
type Told<'t> = &'t mut dyn FnMut(&Happening) -> Result<(), Error>;

/// All hosts.
pub struct World<'a> {
    nodes: Vec<Node<'a>>,
    /// Host and number there of each request.
    requests: Vec<(u16, u64)>,
    /// Whether frames for other hosts come in there; else a wire takes them.
    joined: bool,
}

/// A time-out in ns; 0 ms is never.
const fn nanoseconds(milliseconds: u32) -> u64 {
    if milliseconds == 0 { u64::MAX } else { milliseconds as u64 * 1_000_000 }
}

/// The first time at which a flow may be over.
fn due(flow: &Flow<FlowState>) -> u64 {
    let idle = flow.used.saturating_add(nanoseconds(flow.timeouts.idle));
    idle.min(flow.created.saturating_add(nanoseconds(flow.timeouts.hard)))
}

impl<'a> World<'a> {
    /// Hosts with the network's configuration.
    ///
    /// # Errors
    /// The library refuses the configuration.
    pub fn new(
        storage: &'a mut [Storage],
        capacity: &Capacity,
        network: &Network,
    ) -> Result<Self, Error> {
        let too_large = |error| Error::Input(format!("the configuration is too large: {error:?}"));
        let mut nodes = Vec::new();
        for storage in storage {
            let mut platform = HostPlatform::with_underlay(UNDERLAY, network.settings.mtu);
            // Policy changes between frames, when nothing reads it.
            let readers = Readers::new(&[]);
            let mut seed = || platform.entropy().seed();
            let policy =
                PolicyWriter::new(&storage.words, capacity, seed(), readers).map_err(too_large)?;
            let flows = FlowTable::new(
                &mut storage.buckets,
                &mut storage.slots,
                &mut storage.next_hops,
                seed(),
            )
            .map_err(too_large)?;
            let learned = Learned::new(&mut storage.learned_buckets, &mut storage.learned, seed())
                .map_err(too_large)?;
            let Storage { errors, absent, .. } = storage;
            let memory = Memory { learned, errors, absent };
            let router = Router::new(policy.policy(), memory, network.settings);
            let ended = Ended { list: VecDeque::new(), most: network.events };
            let mut engine = Engine::with(router, flows, readers, 0, (), ended);
            engine.limit_punts(network.punts);
            nodes.push(Node { policy, engine, platform, due: u64::MAX });
        }
        let mut world = Self { nodes, requests: Vec::new(), joined: true };
        world.replace(network)?;
        Ok(world)
    }

    /// The hosts are apart: what they send each other leaves.
    pub const fn part(&mut self) {
        self.joined = false;
    }

    /// Replaces the configuration of all hosts.
    ///
    /// # Errors
    /// The library refuses it; nothing is applied.
    pub fn replace(&mut self, network: &Network) -> Result<(), Error> {
        for (host, node) in (0..).zip(&mut self.nodes) {
            network
                .with(host, |configuration| node.policy.replace(configuration))
                .map_err(|error| Error::Input(network.tell(error)))?;
            node.platform.set_mtu(network.settings.mtu);
            node.engine.pipeline_mut().set(network.settings);
            let settings = *node.engine.flows().settings();
            node.engine.set_flows(FlowSettings { when_full: network.when_full, ..settings });
            node.engine.limit_punts(network.punts);
            node.engine.events_mut().most = network.events;
        }
        Ok(())
    }

    /// Ends what is over at `now`, on all hosts.
    ///
    /// # Errors
    /// Those of `told`.
    pub fn sweep<T: Trace<Router<'a>>>(
        &mut self,
        now: u64,
        trace: &mut T,
        told: Told<'_>,
    ) -> Result<(), Error> {
        for node in &mut self.nodes {
            node.platform.clock().advance(now);
            node.engine.expire_punts(now, &mut node.platform, trace);
            if now > node.due {
                let capacity = node.engine.flows().capacity();
                node.engine.tick(now, capacity, &SoftwareHints);
                let flows = node.engine.flows().live(now);
                node.due = flows.map(|(_, flow)| due(flow)).min().unwrap_or(u64::MAX);
            }
            tell_ended(node, told)?;
        }
        Ok(())
    }

    /// Takes a frame to the ports that it leaves by, over as many hosts as it passes. `told` hears
    /// of all that happens, in order, and at which host.
    ///
    /// # Errors
    /// Those of `told`.
    pub fn process<T: Trace<Router<'a>>>(
        &mut self,
        arrival: Arrival,
        now: u64,
        network: &Network,
        trace: &mut T,
        told: Told<'_>,
    ) -> Result<(), Error> {
        let mut waiting = VecDeque::from([arrival]);
        while let Some(Arrival { host, port, frame, truncated }) = waiting.pop_front() {
            let Some(node) = self.nodes.get_mut(usize::from(host)) else { continue };
            node.platform.clock().advance(now);
            let mut flags = ReceiveFlags::empty();
            flags.set(ReceiveFlags::TRUNCATED, truncated);
            let metadata = ReceiveMetadata { port, flags, ..ReceiveMetadata::NONE };
            let mut burst = Burst::new();
            // A new burst has room.
            let _ = burst.push(HostBuffer::grown(&frame, 0, metadata));
            let before = *node.engine.flows().counters();
            node.engine.process(&mut burst, now, &mut node.platform, trace);
            let flows = node.engine.flows().counters();
            if flows.created != before.created {
                let Settings { idle_timeout, hard_timeout, .. } = network.settings;
                let first = nanoseconds(idle_timeout).min(nanoseconds(hard_timeout));
                node.due = node.due.min(now.saturating_add(first));
            }
            if flows.replaced != before.replaced {
                // What was there may have been idle for long.
                node.due = 0;
            }
            waiting.extend(self.settle(host, network, told)?);
        }
        Ok(())
    }

    /// Tells what happened at a host; answers the frames that other hosts get.
    fn settle(
        &mut self,
        host: u16,
        network: &Network,
        told: Told<'_>,
    ) -> Result<Vec<Arrival>, Error> {
        let Some(node) = self.nodes.get_mut(usize::from(host)) else { return Ok(Vec::new()) };
        tell_ended(node, told)?;
        while let Some(punt) = node.engine.next_request() {
            self.requests.push((host, punt.request));
            told(&Happening::Asked {
                id: self.requests.len() as u64,
                reason: PuntReason::of(punt.reason).unwrap_or(PuntReason::NoFlow),
                port: punt.ingress,
                frame: punt.buffer.bytes().to_vec(),
            })?;
        }
        node.engine.flush(&mut node.platform);
        let mut carried = Vec::new();
        for (port, buffer) in node.platform.take_sent() {
            let frame = buffer.bytes().to_vec();
            // An IPv4 destination lies behind 30 bytes.
            let to = frame.get(30..).and_then(|bytes| bytes.first_chunk());
            let to = to.and_then(|address| network.host_of(*address));
            if port == UNDERLAY
                && self.joined
                && let Some(host) = to
            {
                carried.push(Arrival { host, port, frame: frame.clone(), truncated: false });
            }
            told(&Happening::Left { port, frame })?;
        }
        Ok(carried)
    }

    /// Tells what a controller's object did at a host, and carries on the frames for others.
    fn follow<T: Trace<Router<'a>>>(
        &mut self,
        host: u16,
        now: u64,
        network: &Network,
        trace: &mut T,
        told: Told<'_>,
    ) -> Result<(), Error> {
        for arrival in self.settle(host, network, told)? {
            self.process(arrival, now, network, trace, told)?;
        }
        Ok(())
    }

    fn node_of_port(
        &mut self,
        port: u16,
        network: &Network,
    ) -> Result<(u16, &mut Node<'a>), Error> {
        let host = network.ports.get(usize::from(port)).map(|port| port.host);
        let node = host.and_then(|host| Some((host, self.nodes.get_mut(usize::from(host))?)));
        node.ok_or_else(|| Error::Input("there is no such port".to_owned()))
    }

    /// Adds a flow at the host of its in-port, or modifies the one that is there, and lets go the
    /// frames of a request.
    ///
    /// # Errors
    /// The library refuses it, there is no such request, or those of `told`.
    pub fn add_flow<T: Trace<Router<'a>>>(
        &mut self,
        (spec, release, only_modify): (&FlowSpec, Option<u64>, bool),
        now: u64,
        network: &Network,
        trace: &mut T,
        told: Told<'_>,
    ) -> Result<(), Error> {
        let request = release.map(|id| self.request(id)).transpose()?;
        let (host, node) = self.node_of_port(spec.matches.in_port, network)?;
        // What is there may have been idle for long.
        node.due = 0;
        let done = match request {
            // Of another host when the port has moved since: there its frames wait in vain.
            Some((there, request)) if there == host => {
                let Node { engine, platform, .. } = node;
                engine.release(request, spec, now, platform, trace).map(|_| ())
            }
            _ if only_modify => node.engine.modify_flow(spec, now, &SoftwareHints),
            _ => node.engine.add_flow(spec, now, &SoftwareHints),
        };
        match done {
            // As a switch would: the flow is not there.
            Ok(()) | Err(ControlError::Full | ControlError::NoFlow) => {}
            Err(error) => return Err(Error::Input(format!("the flow is refused: {error:?}"))),
        }
        self.follow(host, now, network, trace, told)
    }

    /// Ends flows.
    ///
    /// # Errors
    /// The library refuses the match, or those of `told`.
    pub fn delete_flows(
        &mut self,
        gone: &Gone,
        now: u64,
        network: &Network,
        told: Told<'_>,
    ) -> Result<(), Error> {
        match gone {
            Gone::One(matches) => {
                let (_, node) = self.node_of_port(matches.in_port, network)?;
                match node.engine.delete_flow(matches, now, &SoftwareHints) {
                    Ok(()) | Err(ControlError::NoFlow) => {}
                    Err(error) => {
                        return Err(Error::Input(format!("the match is refused: {error:?}")));
                    }
                }
            }
            Gone::Cookie(cookie, mask) => {
                for node in &mut self.nodes {
                    node.engine.delete_flows(*cookie, *mask, now, &SoftwareHints);
                }
            }
        }
        self.nodes.iter_mut().try_for_each(|node| tell_ended(node, told))
    }

    /// Ends the flows from and to a network by its router, on all hosts.
    ///
    /// # Errors
    /// Those of `told`.
    pub fn leave(&mut self, network: u16, now: u64, told: Told<'_>) -> Result<(), Error> {
        for node in &mut self.nodes {
            node.engine.delete_flows_of(network, now, &SoftwareHints);
            tell_ended(node, told)?;
        }
        Ok(())
    }

    /// Sends a controller's frame from the host of its in-port.
    ///
    /// # Errors
    /// The library refuses it, or those of `told`.
    pub fn packet_out<T: Trace<Router<'a>>>(
        &mut self,
        (port, actions, frame): (u16, &Actions, &[u8]),
        now: u64,
        network: &Network,
        trace: &mut T,
        told: Told<'_>,
    ) -> Result<(), Error> {
        let (host, node) = self.node_of_port(port, network)?;
        // The library says which port of the device it seems to come from.
        let buffer = HostBuffer::grown(frame, 0, ReceiveMetadata::NONE);
        let Node { engine, platform, .. } = node;
        engine
            .packet_out(buffer, (port, actions), now, platform, trace)
            .map_err(|error| Error::Input(format!("the frame is refused: {error:?}")))?;
        self.follow(host, now, network, trace, told)
    }

    /// Ends the frames of a request.
    ///
    /// # Errors
    /// There is no such request.
    pub fn refuse<T: Trace<Router<'a>>>(
        &mut self,
        (id, reason): (u64, DropReason),
        now: u64,
        trace: &mut T,
    ) -> Result<(), Error> {
        let (host, request) = self.request(id)?;
        if let Some(Node { engine, platform, .. }) = self.nodes.get_mut(usize::from(host)) {
            engine.refuse(request, reason, now, platform, trace);
        }
        Ok(())
    }

    fn request(&self, id: u64) -> Result<(u16, u64), Error> {
        let place = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
        let request = place.and_then(|place| self.requests.get(place));
        request.copied().ok_or_else(|| Error::Input(format!("there is no punt {id}")))
    }

    /// Counters of each host, and events that found no place.
    pub fn counters(&self) -> impl Iterator<Item = (&Counters, u64)> {
        self.nodes
            .iter()
            .map(|node| (node.engine.pipeline().counters(), node.engine.flows().counters().untold))
    }

    /// The flows of each host that live at the end.
    pub fn flows(&self) -> impl Iterator<Item = (u16, &FlowKey, &Flow<FlowState>)> {
        (0..).zip(&self.nodes).flat_map(|(host, node)| {
            let now = node.platform.clock().now();
            node.engine.flows().live(now).map(move |(key, flow)| (host, key, flow))
        })
    }
}

/// Tells which flows of a host ended.
fn tell_ended(node: &mut Node<'_>, told: Told<'_>) -> Result<(), Error> {
    while let Some(ended) = node.engine.events_mut().list.pop_front() {
        told(&Happening::Ended(Box::new(ended)))?;
    }
    Ok(())
}
