//! Service chains: the first case of the proposal, a host with two applications and one network
//! function, as `examples/service-chains/case1.json` says it.
//!
//! The four data ports are the four ports of the switch: App1, both sides of the function, App2.
//! The configuration is compiled in and stays; the host starts the session, asks for the progress
//! and stops it. Further requests are refused.

use core::sync::atomic::AtomicU32;

use dash_core::{
    engine::Engine,
    flow::{Flow, FlowSettings, FlowTable},
    pipeline::chain::{
        Chain, Counters, DropReason, FREE, FlowKey, FlowState, Learned, LearnedPlace, Settings,
        Traffic,
        policy::{
            self, Capacity, Classifier, Configuration, Fallback, Group, Host, Mode, Pair, Path,
            Place, PolicyWriter, Port, Select, Switch,
        },
    },
    rewrite::NextHop,
    table::{
        cuckoo::{Bucket, Slot},
        quiescence::Readers,
    },
};
use dash_hal::{Entropy, Platform, PortId};
use dash_protocol::{Answer, DATA_PORTS, Hello, Refusal, Request, Start};
use smoltcp::wire::{EthernetAddress, Ipv4Address};
use static_cell::{ConstStaticCell, StaticCell};

use crate::{
    buffer::{FrameBuffer, LARGEST_FRAME},
    event::Event,
    intake::{Intake, drain},
    machine::Machine,
    platform::{FirmwarePlatform, QUEUE},
    service::{Denial, Service},
    storage::NEXT_HOPS,
};

/// Behind the data ports: the machine has no port to other hosts.
const UNDERLAY: PortId = PortId(DATA_PORTS as u16);
const APP1: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);
const APP2: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 2]);

const CONFIGURATION: Configuration<'_> = Configuration {
    host: 0,
    hosts: &[Host {
        ip: Ipv4Address::new(198, 51, 100, 1),
        mac: EthernetAddress([0x0a, 0, 0, 0, 0, 0x11]),
    }],
    switches: &[Switch { tunnel_key: 1 }],
    ports: &[port(0, &[APP1]), port(1, &[]), port(2, &[]), port(3, &[APP2])],
    pairs: &[Pair { input: 1, output: 2, up: true }],
    groups: &[Group {
        pairs: &[0],
        select: Select::First,
        fallback: Fallback::Close,
        mode: Mode::Inline,
    }],
    chains: &[policy::Chain { groups: &[0] }],
    classifiers: &[Classifier {
        chain: 0,
        port: 3,
        path: Path::Entry,
        bidirectional: true,
        matches: &[],
    }],
};

/// The port of the switch at a data port.
const fn port(number: u16, macs: &'static [EthernetAddress]) -> Port<'static> {
    Port {
        switch: 0,
        key: number + 1,
        id: PortId(number),
        place: Place::Host(0),
        macs,
        ips: &[],
        unknown: false,
        port_security: false,
    }
}

const CAPACITY: Capacity = Capacity {
    hosts: 1,
    switches: 1,
    ports: DATA_PORTS,
    macs: 2,
    pairs: 1,
    groups: 1,
    members: 1,
    chains: 1,
    chain_length: 1,
    hops: 2,
    classifiers: 1,
    ..Capacity::NONE
};
const FLOWS: usize = 1024;
/// No port is marked `unknown`.
const LEARNED: usize = 0;
const RULES: usize = Counters::rules_for(CAPACITY.chains, CAPACITY.chain_length);

type Flows = FlowTable<'static, FlowKey, FlowState>;

/// Memory of the tables.
struct Tables {
    policy: [AtomicU32; CAPACITY.words()],
    buckets: [Bucket; Flows::buckets_for(FLOWS)],
    flows: [Slot<FlowKey, Flow<FlowState>>; FLOWS],
    next_hops: [NextHop; NEXT_HOPS],
    learned_buckets: [Bucket; Learned::buckets_for(LEARNED)],
    learned: [LearnedPlace; LEARNED],
    rules: [Traffic; RULES],
}

static TABLES: ConstStaticCell<Tables> = ConstStaticCell::new(Tables {
    policy: [const { AtomicU32::new(0) }; CAPACITY.words()],
    buckets: [Bucket::EMPTY; Flows::buckets_for(FLOWS)],
    flows: [const { Slot::empty(Flow::EMPTY) }; FLOWS],
    next_hops: [NextHop::FREE; NEXT_HOPS],
    learned_buckets: [Bucket::EMPTY; Learned::buckets_for(LEARNED)],
    learned: [FREE; LEARNED],
    rules: [Traffic::ZERO; RULES],
});

type ChainEngine = Engine<'static, Chain<'static>, FrameBuffer, QUEUE>;

/// They are too large to be moved about on a stack.
static ENGINE: StaticCell<ChainEngine> = StaticCell::new();
static WRITER: StaticCell<PolicyWriter<'static>> = StaticCell::new();

/// A run.
pub(crate) struct Chains<M: Machine> {
    engine: &'static mut ChainEngine,
    platform: FirmwarePlatform<M>,
    intake: Intake,
}

impl<M: Machine> Service<M> for Chains<M> {
    const HELLO: Hello =
        Hello { frame: LARGEST_FRAME as u32, flows: FLOWS as u32, transaction: 0, rules: 0 };

    fn begin(start: &Start, mut platform: FirmwarePlatform<M>) -> Result<Self, Denial> {
        let refused = Denial::Refused(Refusal::Storage);
        let tables = TABLES.take();
        // Policy is written before anything reads it.
        let readers = Readers::new(&[]);
        let mut seed = || platform.entropy().seed();
        let writer = PolicyWriter::new(&tables.policy, &CAPACITY, seed(), readers);
        let writer = WRITER.init(writer.map_err(|_| refused)?);
        writer.replace(&CONFIGURATION).map_err(|_| refused)?;
        let slots = tables.flows.get_mut(..start.flows as usize);
        let slots = slots.ok_or(Denial::Refused(Refusal::TooMany))?;
        let mut flows = Flows::new(&mut tables.buckets, slots, &mut tables.next_hops, seed())
            .map_err(|_| refused)?;
        flows.set(FlowSettings { when_full: start.when_full, ..*flows.settings() });
        let learned = Learned::new(&mut tables.learned_buckets, &mut tables.learned, seed());
        let learned = learned.map_err(|_| refused)?;
        let counters = Counters::new(&mut tables.rules, CAPACITY.chain_length);
        let settings = Settings { underlay: UNDERLAY, idle_timeout: start.settings.idle_timeout };
        let pipeline = Chain::new(writer.policy(), learned, counters, settings);
        Ok(Self {
            engine: ENGINE.init(Engine::new(pipeline, flows, readers, 0)),
            platform,
            intake: Intake::new(start.clock),
        })
    }

    fn step(&mut self) {
        self.intake.step(self.engine, &mut self.platform);
    }

    fn handle(&mut self, request: &Request<'_>) -> Answer {
        match request {
            Request::Progress => self.intake.progress(&self.platform),
            _ => Answer::Refused(Refusal::Order),
        }
    }

    fn drain(&mut self) -> bool {
        drain(self.engine, &mut self.platform)
    }

    fn tell(&self, log: fn(Event)) {
        self.intake.tell(&self.platform, log);
        let counters = self.engine.pipeline().counters();
        for reason in DropReason::ALL {
            let frames = counters.drops(reason);
            if frames > 0 {
                log(Event::ChainDropped { reason, frames });
            }
        }
    }
}
