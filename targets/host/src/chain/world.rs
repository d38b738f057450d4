//! The hosts of a run.

use std::{collections::VecDeque, sync::atomic::AtomicU32};

use dash_core::{
    engine::Engine,
    flow::{Flow, FlowSettings, FlowTable},
    pipeline::{
        Trace,
        chain::{
            Chain, Counters, FREE, FlowKey, FlowState, Learned, LearnedPlace, Settings, Traffic,
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
    Burst, Clock, Entropy, PacketBuffer, Platform, PortId, ReceiveFlags, ReceiveMetadata,
    SoftwareHints,
};

use super::network::Network;
use crate::{
    cli::InputArgs,
    error::Error,
    platform::{HostBuffer, HostPlatform, NEXT_HOPS},
};

/// The port of a device that leads to other hosts; logical ports are numbered from 0.
pub const UNDERLAY: PortId = PortId(u16::MAX - 1);

/// Addresses that a host learns at most.
const LEARNED: usize = 4096;
/// Flows that the ageing sweep looks at for each frame.
const SWEEP: usize = 4;
/// Frames that wait for a port: the copies of one flood.
const QUEUE: usize = 4096;

/// The memory of one host.
#[derive(Debug)]
pub struct Storage {
    words: Vec<AtomicU32>,
    buckets: Vec<Bucket>,
    slots: Vec<Slot<FlowKey, Flow<FlowState>>>,
    next_hops: Vec<NextHop>,
    learned_buckets: Vec<Bucket>,
    learned: Vec<LearnedPlace>,
    rules: Vec<Traffic>,
}

impl Storage {
    /// What a policy of this capacity and `flows` flows need.
    #[must_use]
    pub fn new(capacity: &Capacity, flows: u32) -> Self {
        let flows = flows as usize;
        Self {
            words: (0..capacity.words()).map(|_| AtomicU32::new(0)).collect(),
            buckets: vec![Bucket::EMPTY; FlowTable::<FlowKey, FlowState>::buckets_for(flows)],
            slots: vec![Slot::empty(Flow::EMPTY); flows],
            next_hops: vec![NextHop::FREE; NEXT_HOPS],
            learned_buckets: vec![Bucket::EMPTY; Learned::buckets_for(LEARNED)],
            learned: vec![FREE; LEARNED],
            rules: vec![Traffic::ZERO; Counters::rules_for(capacity.chains, capacity.chain_length)],
        }
    }
}

/// One host.
struct Node<'a> {
    policy: PolicyWriter<'a>,
    engine: Engine<'a, Chain<'a>, HostBuffer, QUEUE>,
    platform: HostPlatform,
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

/// A frame that left a host.
#[derive(Clone, Debug)]
pub struct Departure {
    /// The host.
    pub host: u16,
    /// Its port.
    pub port: PortId,
    /// The frame.
    pub frame: Vec<u8>,
}

/// All hosts.
pub struct World<'a> {
    nodes: Vec<Node<'a>>,
    /// Holds instead of that of the configuration.
    mtu: Option<u16>,
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
        input: &InputArgs,
    ) -> Result<Self, Error> {
        let too_large = |error| Error::Input(format!("the configuration is too large: {error:?}"));
        let mut nodes = Vec::new();
        for storage in storage {
            let mut platform = HostPlatform::with_underlay(UNDERLAY, 0);
            // Policy changes between frames, when nothing reads it.
            let readers = Readers::new(&[]);
            let mut seed = || platform.entropy().seed();
            let policy =
                PolicyWriter::new(&storage.words, capacity, seed(), readers).map_err(too_large)?;
            let mut flows = FlowTable::new(
                &mut storage.buckets,
                &mut storage.slots,
                &mut storage.next_hops,
                seed(),
            )
            .map_err(too_large)?;
            flows.set(FlowSettings { when_full: input.when_full, ..*flows.settings() });
            let learned = Learned::new(&mut storage.learned_buckets, &mut storage.learned, seed())
                .map_err(too_large)?;
            let counters = Counters::new(&mut storage.rules, capacity.chain_length);
            let settings = Settings { underlay: UNDERLAY, idle_timeout: input.idle_timeout() };
            let chain = Chain::new(policy.policy(), learned, counters, settings);
            let engine = Engine::new(chain, flows, readers, 0);
            nodes.push(Node { policy, engine, platform });
        }
        let mut world = Self { nodes, mtu: input.mtu };
        world.replace(network)?;
        Ok(world)
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
        }
        Ok(())
    }

    /// It is `now` on all hosts.
    pub fn advance(&mut self, now: u64) {
        for node in &mut self.nodes {
            node.platform.clock().advance(now);
        }
    }

    /// Says on all hosts whether a pair works.
    pub fn set_pair_up(&mut self, pair: u16, up: bool) {
        for node in &mut self.nodes {
            node.policy.set_pair_up(pair, up);
        }
    }

    /// Takes a frame to the ports that it leaves by, over as many hosts as it passes. `told` hears
    /// of each departure, in order.
    ///
    /// # Errors
    /// Those of `told`.
    pub fn process<T: Trace<Chain<'a>>>(
        &mut self,
        arrival: Arrival,
        network: &Network,
        trace: &mut T,
        mut told: impl FnMut(&Departure) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut waiting = VecDeque::from([arrival]);
        while let Some(Arrival { host, port, frame, truncated }) = waiting.pop_front() {
            let Some(node) = self.nodes.get_mut(usize::from(host)) else { continue };
            let logical = (port != UNDERLAY).then_some(port);
            // Tunnels of each switch have their own.
            node.platform.set_mtu(self.mtu.unwrap_or_else(|| network.mtu(logical, &frame)));
            let now = node.platform.clock().now();
            let mut flags = ReceiveFlags::empty();
            flags.set(ReceiveFlags::TRUNCATED, truncated);
            let metadata = ReceiveMetadata { port, flags, ..ReceiveMetadata::NONE };
            let mut burst = Burst::new();
            // A new burst has room.
            let _ = burst.push(HostBuffer::grown(&frame, 0, metadata));
            node.engine.process(&mut burst, now, &mut node.platform, trace);
            node.engine.flush(&mut node.platform);
            node.engine.tick(now, SWEEP, &SoftwareHints);
            for (port, buffer) in node.platform.take_sent() {
                let frame = buffer.bytes().to_vec();
                // An IPv4 destination lies behind 30 bytes.
                let to = frame.get(30..).and_then(|bytes| bytes.first_chunk());
                let to = to.and_then(|address| network.host_of(*address));
                if port == UNDERLAY
                    && let Some(host) = to
                {
                    waiting.push_back(Arrival {
                        host,
                        port,
                        frame: frame.clone(),
                        truncated: false,
                    });
                }
                told(&Departure { host, port, frame })?;
            }
        }
        Ok(())
    }

    /// Counters of each host.
    pub fn counters(&self) -> impl Iterator<Item = &Counters<'a>> {
        self.nodes.iter().map(|node| node.engine.pipeline().counters())
    }

    /// The flows of each host that live at the end.
    pub fn flows(&self) -> impl Iterator<Item = (u16, &FlowKey, &Flow<FlowState>)> {
        (0..).zip(&self.nodes).flat_map(|(host, node)| {
            let now = node.platform.clock().now();
            node.engine.flows().live(now).map(move |(key, flow)| (host, key, flow))
        })
    }
}
