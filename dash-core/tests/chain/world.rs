//! Hosts joined by an underlay. Each runs twice, without flows and with a table: a frame goes
//! through the first once, through the second twice, and all three answers must be the same.

use std::sync::atomic::AtomicU32;

use dash_core::{
    engine::Engine,
    flow::{Flow, FlowTable},
    pipeline::chain::{
        Chain, Counters, DropReason, FREE, FlowKey, FlowState, Learned, LearnedPlace, Note, Rule,
        Settings, Stages, Traffic,
        policy::{
            self, Capacity, Classifier, Configuration, Fallback, Group, Host, Mode, Pair, Path,
            Place, PolicyError, PolicyWriter, Select, Switch,
        },
    },
    rewrite::NextHop,
    table::{
        acl,
        cuckoo::{Bucket, Slot},
        quiescence::Readers,
    },
};
use dash_hal::{Burst, PortId, SoftwareHints};
use smoltcp::wire::{EthernetAddress, IpAddress};

use crate::platform::{Buffer, Device, arrived};

pub(crate) const UNDERLAY: PortId = PortId(1000);
pub(crate) const LONGEST: usize = 8;

pub(crate) const CAPACITY: Capacity = Capacity {
    hosts: 4,
    switches: 2,
    ports: 64,
    macs: 64,
    addresses: 64,
    pairs: 32,
    groups: 32,
    members: 64,
    chains: 4,
    chain_length: LONGEST,
    hops: 64,
    classifiers: 4,
    matches: 2,
    match_words: 10_000,
};

/// Steers TCP to port 80.
pub(crate) const WEB: acl::Rule<'static> = acl::Rule {
    priority: 1,
    value: 1,
    protocols: &[6],
    sources: &[],
    destinations: &[],
    source_tags: &[],
    destination_tags: &[],
    source_ports: &[],
    destination_ports: &[80..=80],
};

/// A logical port: key, host (`None`: localnet), addresses.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    pub(crate) key: u16,
    pub(crate) host: Option<u16>,
    pub(crate) macs: Vec<EthernetAddress>,
    pub(crate) ips: Vec<IpAddress>,
    pub(crate) unknown: bool,
    pub(crate) secured: bool,
}

/// A port without an address.
pub(crate) fn port(key: u16, host: u16) -> Port {
    let (macs, ips) = (vec![], vec![]);
    Port { key, host: Some(host), macs, ips, unknown: false, secured: false }
}

/// A port of an application: MAC address 02:00:00:00:00:`mac`.
pub(crate) fn app(key: u16, host: u16, mac: u8) -> Port {
    Port { macs: vec![self::mac(mac)], ..port(key, host) }
}

pub(crate) fn mac(last: u8) -> EthernetAddress {
    EthernetAddress([2, 0, 0, 0, 0, last])
}

#[derive(Clone, Debug, Default)]
pub(crate) struct OwnedGroup {
    pub(crate) pairs: Vec<u16>,
    pub(crate) select: Select,
    pub(crate) fallback: Fallback,
    pub(crate) mode: Mode,
}

/// A configuration of one switch; pairs and classifiers name ports by their keys.
#[derive(Clone, Debug)]
pub(crate) struct Net {
    pub(crate) hosts: u16,
    pub(crate) ports: Vec<Port>,
    /// Keys of input and output.
    pub(crate) pairs: Vec<(u16, u16, bool)>,
    pub(crate) groups: Vec<OwnedGroup>,
    pub(crate) chains: Vec<Vec<u16>>,
    pub(crate) classifiers: Vec<Classifier<'static>>,
}

impl Net {
    /// One chain of groups of one pair each, for the port of key `app`.
    pub(crate) fn chained(hosts: u16, ports: Vec<Port>, pairs: &[(u16, u16)], app: u16) -> Self {
        let count = pairs.len() as u16;
        Self {
            hosts,
            ports,
            pairs: pairs.iter().map(|(input, output)| (*input, *output, true)).collect(),
            groups: (0..count)
                .map(|pair| OwnedGroup { pairs: vec![pair], ..Default::default() })
                .collect(),
            chains: vec![(0..count).collect()],
            classifiers: vec![classifier(0, app)],
        }
    }

    pub(crate) fn with<R>(&self, host: u16, then: impl FnOnce(&Configuration<'_>) -> R) -> R {
        let hosts: Vec<_> = (0..self.hosts)
            .map(|host| {
                let n = host as u8 + 1;
                Host {
                    ip: [198, 51, 100, n].into(),
                    mac: EthernetAddress([0x0a, 0, 0, 0, 0, n * 0x11]),
                }
            })
            .collect();
        let index = |key: u16| {
            self.ports.iter().position(|port| port.key == key).map_or(u16::MAX, |at| at as u16)
        };
        let ports: Vec<_> = self
            .ports
            .iter()
            .map(|port| policy::Port {
                switch: 0,
                key: port.key,
                id: PortId(port.key),
                place: port.host.map_or(Place::Localnet, Place::Host),
                macs: &port.macs,
                ips: &port.ips,
                unknown: port.unknown,
                port_security: port.secured,
            })
            .collect();
        let pairs: Vec<_> = self
            .pairs
            .iter()
            .map(|(input, output, up)| Pair {
                input: index(*input),
                output: index(*output),
                up: *up,
            })
            .collect();
        let groups: Vec<_> = self
            .groups
            .iter()
            .map(|group| Group {
                pairs: &group.pairs,
                select: group.select,
                fallback: group.fallback,
                mode: group.mode,
            })
            .collect();
        let chains: Vec<_> = self.chains.iter().map(|groups| policy::Chain { groups }).collect();
        let classifiers: Vec<_> = self
            .classifiers
            .iter()
            .map(|classifier| Classifier { port: index(classifier.port), ..*classifier })
            .collect();
        then(&Configuration {
            host,
            hosts: &hosts,
            switches: &[Switch { tunnel_key: 1 }],
            ports: &ports,
            pairs: &pairs,
            groups: &groups,
            chains: &chains,
            classifiers: &classifiers,
        })
    }
}

/// Entry, both ways, all frames.
pub(crate) fn classifier(chain: u16, port: u16) -> Classifier<'static> {
    Classifier { chain, port, path: Path::Entry, bidirectional: true, matches: &[] }
}

/// A frame that left a host by a logical port, or by its underlay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) host: u16,
    pub(crate) port: u16,
    pub(crate) frame: Vec<u8>,
}

pub(crate) fn left(host: u16, port: u16, frame: &[u8]) -> Left {
    Left { host, port, frame: frame.to_vec() }
}

type Table = FlowTable<'static, FlowKey, FlowState>;
type ChainEngine = Engine<'static, Chain<'static>, Buffer, 256>;

/// One host.
pub(crate) struct Node {
    pub(crate) policy: PolicyWriter<'static>,
    pub(crate) engine: ChainEngine,
    pub(crate) device: Device,
}

impl Node {
    pub(crate) fn new(net: &Net, host: u16, flows: usize) -> Self {
        let leak = |count: usize| -> &'static [AtomicU32] {
            Vec::leak((0..count).map(|_| AtomicU32::new(0)).collect())
        };
        let readers = Readers::new(leak(1));
        let mut policy =
            PolicyWriter::new(leak(CAPACITY.words()), &CAPACITY, [1, 2], readers).unwrap();
        net.with(host, |configuration| policy.replace(configuration)).unwrap();
        let buckets = vec![Bucket::EMPTY; Table::buckets_for(flows)].leak();
        let slots = vec![Slot::empty(Flow::EMPTY); flows].leak();
        let next_hops = vec![NextHop::FREE; 64].leak();
        let table = Table::new(buckets, slots, next_hops, [3, 4]).unwrap();
        let places: &'static mut [LearnedPlace] = vec![FREE; 8].leak();
        let buckets = vec![Bucket::EMPTY; Learned::buckets_for(8)].leak();
        let learned = Learned::new(buckets, places, [5, 6]).unwrap();
        let rules = vec![Traffic::ZERO; Counters::rules_for(CAPACITY.chains, LONGEST)].leak();
        let settings = Settings { underlay: UNDERLAY, idle_timeout: 30_000 };
        let counters = Counters::new(rules, LONGEST);
        let chain = Chain::new(policy.policy(), learned, counters, settings);
        let engine = Engine::new(chain, table, readers, 0);
        let mut node = Self { policy, engine, device: Device::new(UNDERLAY) };
        // It has seen this configuration: the memory of the one before is free.
        node.pause();
        node
    }

    /// A quiescent point.
    pub(crate) fn pause(&mut self) {
        self.engine.process(&mut Burst::new(), 0, &mut self.device, &mut ());
    }

    pub(crate) fn counters(&self) -> &Counters<'static> {
        self.engine.pipeline().counters()
    }

    pub(crate) fn process(
        &mut self,
        port: PortId,
        frame: &[u8],
        now: u64,
    ) -> Vec<(PortId, Vec<u8>)> {
        self.receive(arrived(frame, port), now)
    }

    /// What leaves when a frame comes in.
    pub(crate) fn receive(&mut self, buffer: Buffer, now: u64) -> Vec<(PortId, Vec<u8>)> {
        let mut burst = Burst::new();
        burst.push(buffer).unwrap();
        self.engine.process(&mut burst, now, &mut self.device, &mut ());
        self.engine.flush(&mut self.device);
        self.device.sent.drain(..).collect()
    }
}

pub(crate) struct World {
    pub(crate) cold: Vec<Node>,
    pub(crate) warm: Vec<Node>,
    pub(crate) now: u64,
}

impl World {
    pub(crate) fn new(net: &Net) -> Self {
        let nodes = |flows| (0..net.hosts).map(|host| Node::new(net, host, flows)).collect();
        Self { cold: nodes(0), warm: nodes(256), now: 0 }
    }

    /// A frame comes in at a host: at the logical port of this key, or by the underlay. What
    /// leaves, in order; frames by the underlay are those of port `UNDERLAY`.
    pub(crate) fn step(&mut self, host: u16, port: u16, frame: &[u8]) -> Vec<Left> {
        let (host, port) = (usize::from(host), PortId(port));
        let out = self.cold[host].process(port, frame, self.now);
        for _ in 0..2 {
            assert_eq!(self.warm[host].process(port, frame, self.now), out, "cached");
        }
        let host = host as u16;
        out.into_iter().map(|(PortId(port), frame)| Left { host, port, frame }).collect()
    }

    /// The same, and frames by the underlay come in at the host of their outer MAC address.
    /// Answers what left by logical ports, and by the underlay.
    pub(crate) fn send(&mut self, host: u16, port: u16, frame: &[u8]) -> (Vec<Left>, Vec<Left>) {
        let (mut delivered, mut carried) = (vec![], vec![]);
        let mut waiting = std::collections::VecDeque::from(self.step(host, port, frame));
        while let Some(next) = waiting.pop_front() {
            if next.port == UNDERLAY.0 {
                let to = u16::from(next.frame[5] / 0x11) - 1;
                waiting.extend(self.step(to, UNDERLAY.0, &next.frame));
                carried.push(next);
            } else {
                delivered.push(next);
            }
        }
        (delivered, carried)
    }

    /// What is delivered to logical ports.
    pub(crate) fn delivers(&mut self, host: u16, port: u16, frame: &[u8]) -> Vec<Left> {
        self.send(host, port, frame).0
    }

    /// A frame that comes in at a host's port is dropped there for this reason, and counted once.
    #[track_caller]
    pub(crate) fn drops(&mut self, host: u16, port: u16, frame: &[u8], reason: DropReason) {
        let before = self.cold[usize::from(host)].counters().drops(reason);
        let all = |node: &Node| -> u64 {
            DropReason::ALL.iter().map(|reason| node.counters().drops(*reason)).sum()
        };
        let total = all(&self.cold[usize::from(host)]);
        assert_eq!(self.step(host, port, frame), []);
        let node = &self.cold[usize::from(host)];
        let counted: Vec<_> =
            DropReason::ALL.iter().filter(|reason| node.counters().drops(**reason) > 0).collect();
        assert_eq!(node.counters().drops(reason), before + 1, "{reason}: {counted:?}");
        assert_eq!(all(node), total + 1);
    }

    pub(crate) fn set_pair_up(&mut self, pair: u16, up: bool) {
        for node in self.cold.iter_mut().chain(&mut self.warm) {
            assert!(node.policy.set_pair_up(pair, up));
        }
    }

    pub(crate) fn replace(&mut self, net: &Net) -> Result<(), PolicyError> {
        for nodes in [&mut self.cold, &mut self.warm] {
            for (host, node) in (0..).zip(nodes) {
                net.with(host, |configuration| node.policy.replace(configuration))?;
            }
        }
        Ok(())
    }

    pub(crate) fn stages(&self, host: u16) -> &Stages {
        self.cold[usize::from(host)].counters().stages()
    }

    pub(crate) fn notes(&self, host: u16, note: Note) -> u64 {
        self.cold[usize::from(host)].counters().notes(note)
    }

    pub(crate) fn rule(&self, host: u16, reverse: bool, hop: u16) -> u64 {
        let rule = Rule { chain: 0, reverse, hop };
        self.cold[usize::from(host)].counters().rule(rule).packets
    }

    /// Removes flows that have timed out.
    pub(crate) fn pass(&mut self, time: u64) {
        self.now += time;
        for node in self.cold.iter_mut().chain(&mut self.warm) {
            node.engine.tick(self.now, 1024, &SoftwareHints);
        }
    }

    pub(crate) fn slow_calls(&self, host: u16) -> u64 {
        self.warm[usize::from(host)].counters().stages().slow
    }
}
