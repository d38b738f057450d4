//! One core of service chains, as firmware has it: a host with two applications and a chain of
//! three functions in front of the second; a third application is on another host.

use core::sync::atomic::AtomicU32;

use dash_core::{
    engine,
    flow::{Flow, FlowTable},
    pipeline::chain::{
        Chain, Counters, FREE, FlowKey, FlowState, Learned, LearnedPlace, Settings, Traffic,
        policy::{
            self, Capacity, Classifier, Configuration, Group, Host, Pair, Path, Place, PolicyError,
            PolicyWriter, Switch,
        },
    },
    rewrite::NextHop,
    table::{
        cuckoo::{Bucket, Slot},
        quiescence::Readers,
    },
};
use dash_hal::{BURST, Burst, Entropy, Platform, PortId};
use smoltcp::wire::{EthernetAddress, Ipv4Address};
use static_cell::ConstStaticCell;

use crate::{
    buffer::{Buffer, Memory},
    frame::{CUSTOMER_BYTES, logical, mac},
    packet_core::{FLOWS, NEXT_HOP_PLACES},
    port::Port,
};

/// The engine of this core.
pub type ChainEngine = engine::Engine<'static, Chain<'static>, Buffer>;
type Flows = FlowTable<'static, FlowKey, FlowState>;

/// What the policy's memory holds: the size that a small SmartNIC starts with.
pub const CHAIN_CAPACITY: Capacity = Capacity {
    hosts: 16,
    switches: 4,
    ports: 128,
    macs: 128,
    addresses: 128,
    pairs: 32,
    groups: 32,
    members: 64,
    chains: 16,
    chain_length: 8,
    hops: 128,
    classifiers: 32,
    matches: 4,
    match_words: 8192,
};
const LEARNED: usize = 256;
const RULES: usize = Counters::rules_for(CHAIN_CAPACITY.chains, CHAIN_CAPACITY.chain_length);
/// The port to other hosts.
pub const UNDERLAY: PortId = PortId(0);
/// Keys of the applications' ports, which are also the ports of the device; those of the functions
/// are between the first two.
const APPLICATIONS: [u16; 3] = [1, 8, 9];
const FUNCTIONS: u16 = 3;

static WORDS: [AtomicU32; CHAIN_CAPACITY.words()] =
    [const { AtomicU32::new(0) }; CHAIN_CAPACITY.words()];
static READERS: [AtomicU32; 1] = [AtomicU32::new(0)];
static BUCKETS: ConstStaticCell<[Bucket; Flows::buckets_for(FLOWS)]> =
    ConstStaticCell::new([Bucket::EMPTY; Flows::buckets_for(FLOWS)]);
static SLOTS: ConstStaticCell<[Slot<FlowKey, Flow<FlowState>>; FLOWS]> =
    ConstStaticCell::new([const { Slot::empty(Flow::EMPTY) }; FLOWS]);
static NEXT_HOPS: ConstStaticCell<[NextHop; NEXT_HOP_PLACES]> =
    ConstStaticCell::new([NextHop::FREE; NEXT_HOP_PLACES]);
static LEARNED_BUCKETS: ConstStaticCell<[Bucket; Learned::buckets_for(LEARNED)]> =
    ConstStaticCell::new([Bucket::EMPTY; Learned::buckets_for(LEARNED)]);
static PLACES: ConstStaticCell<[LearnedPlace; LEARNED]> = ConstStaticCell::new([FREE; LEARNED]);
static COUNTERS: ConstStaticCell<[Traffic; RULES]> = ConstStaticCell::new([Traffic::ZERO; RULES]);
static FRAMES: ConstStaticCell<[Memory; BURST]> = ConstStaticCell::new([Memory::ZERO; BURST]);

/// The memory of one core, before anything is built in it.
pub struct ChainStorage {
    buckets: &'static mut [Bucket],
    slots: &'static mut [Slot<FlowKey, Flow<FlowState>>],
    next_hops: &'static mut [NextHop],
    learned_buckets: &'static mut [Bucket],
    places: &'static mut [LearnedPlace],
    counters: &'static mut [Traffic],
    policy: &'static [AtomicU32],
    frames: &'static mut [Memory],
}

impl ChainStorage {
    /// The one core's memory; `None` the second time.
    pub fn take() -> Option<Self> {
        Some(Self {
            buckets: BUCKETS.try_take()?,
            slots: SLOTS.try_take()?,
            next_hops: NEXT_HOPS.try_take()?,
            learned_buckets: LEARNED_BUCKETS.try_take()?,
            places: PLACES.try_take()?,
            counters: COUNTERS.try_take()?,
            policy: &WORDS,
            frames: FRAMES.try_take()?,
        })
    }
}

/// What a frame passes of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// From the first function to the second.
    Middle,
    /// Out of the first function on the way back: to the application's port, and from there, on a
    /// second pass, to the other application.
    Home,
    /// To the other host, past the chain.
    Remote,
}

impl Hop {
    /// A frame of flow `number`, and the port that it comes in at.
    #[must_use]
    pub fn frame(self, number: u32) -> ([u8; CUSTOMER_BYTES], PortId) {
        let (port, ends) = self.way();
        (logical(ends, number), PortId(port))
    }

    /// The port that it comes in at, and the applications that it comes from and is for.
    const fn way(self) -> (u16, [u8; 2]) {
        match self {
            Self::Middle => (3, [0, 1]),
            Self::Home => (2, [1, 0]),
            Self::Remote => (1, [0, 2]),
        }
    }
}

/// Engine, policy and port of one core of service chains.
pub struct ChainCore {
    /// The packet path.
    pub engine: ChainEngine,
    /// The control core's part.
    pub policy: PolicyWriter<'static>,
    /// The port.
    pub port: Port,
}

impl ChainCore {
    /// A core with its policy written, and no flow.
    ///
    /// # Errors
    /// When a table refuses what it was sized for.
    pub fn new(storage: ChainStorage) -> Result<Self, PolicyError> {
        let mut port = Port::new();
        let readers = Readers::new(&READERS);
        let mut seed = || port.entropy().seed();
        let mut policy = PolicyWriter::new(storage.policy, &CHAIN_CAPACITY, seed(), readers)?;
        write_chains(&mut policy)?;
        let flows = Flows::new(storage.buckets, storage.slots, storage.next_hops, seed())?;
        let learned = Learned::new(storage.learned_buckets, storage.places, seed())?;
        let counters = Counters::new(storage.counters, CHAIN_CAPACITY.chain_length);
        let settings = Settings { underlay: UNDERLAY, idle_timeout: 30_000 };
        let pipeline = Chain::new(policy.policy(), learned, counters, settings);
        for memory in storage.frames {
            // There are no more buffers than places.
            let _ = port.idle.push(Buffer::new(memory));
        }
        Ok(Self { engine: engine::Engine::new(pipeline, flows, readers, 0), policy, port })
    }

    /// A burst of as many frames as there are idle buffers, each of a flow of its own.
    pub fn receive(&mut self, hop: Hop) -> Burst<Buffer> {
        let mut burst = Burst::new();
        for number in 0..BURST as u32 {
            let Some(mut buffer) = self.port.idle.pop() else { break };
            let (frame, port) = hop.frame(number);
            buffer.receive(&frame, port);
            let _ = burst.push(buffer);
        }
        burst
    }
}

/// Writes the policy.
///
/// # Errors
/// When the writer has no room for it.
pub fn write_chains(writer: &mut PolicyWriter<'_>) -> Result<(), PolicyError> {
    let host = |number: u8| Host {
        ip: Ipv4Address::new(198, 51, 100, number),
        mac: EthernetAddress([0x0a, 0, 0, 0, 0, number]),
    };
    let macs = [0, 1, 2].map(|application| [mac(application)]);
    let [first, behind, _] = APPLICATIONS;
    let ports: [policy::Port<'_>; 9] = core::array::from_fn(|index| {
        let key = first + index as u16;
        let application = APPLICATIONS.iter().position(|port| *port == key);
        policy::Port {
            switch: 0,
            key,
            id: PortId(key),
            place: Place::Host(u16::from(key > behind)),
            macs: application.and_then(|number| macs.get(number)).map_or(&[], |macs| macs),
            ips: &[],
            unknown: false,
            port_security: false,
        }
    });
    // Ports are named by their places.
    let pairs: [Pair; FUNCTIONS as usize] = core::array::from_fn(|index| {
        let input = 1 + 2 * index as u16;
        Pair { input, output: input + 1, up: true }
    });
    let members = [[0], [1], [2]];
    let groups = members.each_ref().map(|pairs| Group {
        pairs,
        select: policy::Select::First,
        fallback: policy::Fallback::Close,
        mode: policy::Mode::Inline,
    });
    writer.replace(&Configuration {
        host: 0,
        hosts: &[host(1), host(2)],
        switches: &[Switch { tunnel_key: 1 }],
        ports: &ports,
        pairs: &pairs,
        groups: &groups,
        chains: &[policy::Chain { groups: &[0, 1, 2] }],
        classifiers: &[Classifier {
            chain: 0,
            port: behind - first,
            path: Path::Entry,
            bidirectional: true,
            matches: &[],
        }],
    })
}

#[cfg(test)]
mod tests {
    use dash_hal::PacketBuffer;

    use super::*;

    #[test]
    fn frames_go_where_their_hop_says() {
        let mut core = ChainCore::new(ChainStorage::take().unwrap()).unwrap();
        let slow = |core: &ChainCore| core.engine.pipeline().counters().stages().slow;
        for (hop, flows, bytes) in
            [(Hop::Middle, 1, 64), (Hop::Home, 2, 64), (Hop::Remote, 1, 64 + 58)]
        {
            let before = slow(&core);
            for _ in ["miss", "hit"] {
                let mut burst = core.receive(hop);
                core.engine.process(&mut burst, 0, &mut core.port, &mut ());
                core.engine.flush(&mut core.port);
                assert!(core.port.sent.iter().all(|frame| frame.bytes().len() == bytes));
                assert_eq!(core.port.reclaim(), BURST);
            }
            assert_eq!(slow(&core) - before, flows * BURST as u64, "{hop:?}");
        }
        assert_eq!(core.engine.flows().len(), 4 * BURST);
    }
}
