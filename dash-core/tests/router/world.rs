//! Hosts joined by an underlay, with the two networks of the specification and more.

use std::{collections::VecDeque, sync::atomic::AtomicU32};

use dash_core::{
    engine::Engine,
    flow::{Flow, FlowRemoved, FlowTable},
    pipeline::router::{
        Controller, DropReason, FREE, FlowKey, FlowState, GatewayErrors, Learned, LearnedPlace,
        Memory, Router, Settings,
        policy::{
            self, Capacity, Configuration, Host, Interface, Network, PolicyError, PolicyWriter,
            Route,
        },
    },
    rewrite::NextHop,
    table::{
        cuckoo::{Bucket, Slot},
        quiescence::Readers,
    },
};
use dash_hal::{Burst, EventSink, EventsLost, PortId, SoftwareHints};
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

use crate::platform::{Buffer, Device, arrived};

pub(crate) const UNDERLAY: PortId = PortId(1000);
pub(crate) const SECOND: u64 = 1_000_000_000;
pub(crate) const H1: u16 = 0;
pub(crate) const H2: u16 = 1;
pub(crate) const COOKIES: u64 = 0x1_0080_0000_0000;

pub(crate) const CAPACITY: Capacity = Capacity {
    hosts: 3,
    networks: 4,
    subnets: 8,
    ports: 32,
    addresses: 64,
    pairs: 16,
    routers: 2,
    interfaces: 8,
    routes: 8,
};

#[derive(Clone, Debug)]
pub(crate) struct Port {
    pub(crate) network: Option<u16>,
    pub(crate) key: u16,
    pub(crate) host: u16,
    pub(crate) mac: EthernetAddress,
    pub(crate) ips: Vec<IpAddress>,
    pub(crate) provider: bool,
    pub(crate) secured: bool,
    pub(crate) allowed: Vec<(EthernetAddress, IpAddress)>,
}

/// A port of host 1 whose key is also its number in the device.
pub(crate) fn port(network: u16, key: u16, mac: &str, ips: &[&str]) -> Port {
    Port {
        network: Some(network),
        key,
        host: H1,
        mac: mac.parse().unwrap(),
        ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
        provider: false,
        secured: false,
        allowed: vec![],
    }
}

/// One router.
#[derive(Clone, Debug)]
pub(crate) struct Net {
    pub(crate) hosts: u16,
    /// Id, subnets, VLAN.
    pub(crate) networks: Vec<(u32, Vec<IpCidr>, Option<u16>)>,
    /// In the order of network and key.
    pub(crate) ports: Vec<Port>,
    pub(crate) interfaces: Vec<Interface>,
    pub(crate) routes: Vec<Route>,
}

pub(crate) fn interface(network: u16, ip: &str, mac: &str) -> Interface {
    Interface { network, ip: ip.parse().unwrap(), mac: mac.parse().unwrap() }
}

pub(crate) const VM1: &str = "fa:16:3e:00:17:e6";
pub(crate) const VM2: &str = "fa:16:3e:cf:4b:ed";
pub(crate) const GW1: &str = "fa:16:3e:c0:8d:8b";
pub(crate) const GW2: &str = "fa:16:3e:c5:02:4d";

/// The two networks of the specification, and one more port in each: 13 beside VM1, 14 beside VM2.
pub(crate) fn seed() -> Net {
    let subnets = |text: &[&str]| text.iter().map(|text| text.parse().unwrap()).collect();
    Net {
        hosts: 1,
        networks: vec![
            (0x1f42, subnets(&["10.1.0.0/24", "2001:db8:1::/64"]), None),
            (0x1f43, subnets(&["10.2.0.0/24", "2001:db8:2::/64"]), None),
        ],
        ports: vec![
            port(0, 11, VM1, &["10.1.0.3", "2001:db8:1::3"]),
            port(0, 13, "fa:16:3e:00:00:13", &["10.1.0.13"]),
            port(1, 12, VM2, &["10.2.0.3", "2001:db8:2::3"]),
            port(1, 14, "fa:16:3e:00:00:14", &["10.2.0.14"]),
        ],
        interfaces: vec![
            interface(0, "10.1.0.1", GW1),
            interface(1, "10.2.0.1", GW2),
            interface(0, "2001:db8:1::1", GW1),
            interface(1, "2001:db8:2::1", GW2),
        ],
        routes: vec![],
    }
}

impl Net {
    pub(crate) fn port(&mut self, key: u16) -> &mut Port {
        self.ports.iter_mut().find(|port| port.key == key).unwrap()
    }

    /// The place of a port in the configuration.
    pub(crate) fn place(&self, key: u16) -> u16 {
        self.ports.iter().position(|port| port.key == key).unwrap() as u16
    }

    pub(crate) fn with<R>(&self, host: u16, then: impl FnOnce(&Configuration<'_>) -> R) -> R {
        let hosts: Vec<_> = (1..=self.hosts as u8)
            .map(|n| Host {
                ip: [198, 51, 100, n].into(),
                mac: EthernetAddress([0x0a, 0, 0, 0, 0, n * 0x11]),
            })
            .collect();
        let networks: Vec<_> = self
            .networks
            .iter()
            .map(|(id, subnets, vlan)| Network { id: *id, subnets, vlan: *vlan })
            .collect();
        let ports: Vec<_> = self
            .ports
            .iter()
            .map(|port| policy::Port {
                network: port.network,
                key: port.key,
                id: PortId(port.key),
                host: port.host,
                mac: port.mac,
                ips: &port.ips,
                provider: port.provider,
                port_security: port.secured,
                allowed: &port.allowed,
            })
            .collect();
        then(&Configuration {
            host,
            hosts: &hosts,
            networks: &networks,
            ports: &ports,
            routers: &[policy::Router { interfaces: &self.interfaces, routes: &self.routes }],
        })
    }
}

/// A frame that left a host by a port, or by its underlay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) host: u16,
    pub(crate) port: u16,
    pub(crate) frame: Vec<u8>,
}

pub(crate) fn left(port: u16, frame: &[u8]) -> Left {
    Left { host: H1, port, frame: frame.to_vec() }
}

/// Takes so many events.
#[derive(Debug)]
pub(crate) struct Events {
    pub(crate) list: Vec<FlowRemoved<FlowKey, FlowState>>,
    pub(crate) room: usize,
}

impl EventSink<FlowRemoved<FlowKey, FlowState>> for Events {
    fn emit(&mut self, event: FlowRemoved<FlowKey, FlowState>) -> Result<(), EventsLost> {
        if self.list.len() == self.room {
            return Err(EventsLost);
        }
        self.list.push(event);
        Ok(())
    }
}

type Table = FlowTable<'static, FlowKey, FlowState>;
pub(crate) const PUNTS: usize = 16;
pub(crate) type RouterEngine = Engine<'static, Router<'static>, Buffer, 256, PUNTS, (), Events>;

/// One host.
pub(crate) struct Node {
    pub(crate) policy: PolicyWriter<'static>,
    pub(crate) engine: RouterEngine,
    pub(crate) device: Device,
}

pub(crate) fn settings() -> Settings {
    Settings { cookie_base: COOKIES, send_removed: true, ..Settings::new(UNDERLAY) }
}

pub(crate) fn remote() -> Settings {
    Settings { controller: Controller::Remote, ..settings() }
}

impl Node {
    pub(crate) fn new(net: &Net, host: u16, flows: usize, settings: Settings) -> Self {
        let leak = |count: usize| -> &'static [AtomicU32] {
            Vec::leak((0..count).map(|_| AtomicU32::new(7)).collect())
        };
        let readers = Readers::new(leak(1));
        let mut policy =
            PolicyWriter::new(leak(CAPACITY.words()), &CAPACITY, [1, 2], readers).unwrap();
        net.with(host, |configuration| policy.replace(configuration)).unwrap();
        let buckets = vec![Bucket::EMPTY; Table::buckets_for(flows)].leak();
        let slots = vec![Slot::empty(Flow::EMPTY); flows].leak();
        let next_hops = vec![NextHop::FREE; 64].leak();
        let table = Table::new(buckets, slots, next_hops, [3, 4]).unwrap();
        let places: &'static mut [LearnedPlace] = vec![FREE; 64].leak();
        let buckets = vec![Bucket::EMPTY; Learned::buckets_for(64)].leak();
        let memory = Memory {
            learned: Learned::new(buckets, places, [5, 6]).unwrap(),
            errors: vec![GatewayErrors::default(); CAPACITY.interfaces].leak(),
            absent: vec![None; 4].leak(),
        };
        let router = Router::new(policy.policy(), memory, settings);
        let events = Events { list: vec![], room: 256 };
        let engine = Engine::with(router, table, readers, 0, (), events);
        let mut node = Self { policy, engine, device: Device::new(UNDERLAY) };
        // It has seen this configuration: the memory of the one before is free.
        node.engine.process(&mut Burst::new(), 0, &mut node.device, &mut ());
        node
    }

    pub(crate) fn drops(&self, reason: DropReason) -> u64 {
        self.engine.pipeline().counters().drops(reason)
    }

    pub(crate) fn slow(&self) -> u64 {
        self.engine.pipeline().counters().slow()
    }

    /// All drops.
    pub(crate) fn dropped(&self) -> u64 {
        DropReason::ALL.iter().map(|reason| self.drops(*reason)).sum()
    }

    pub(crate) fn sent(&mut self) -> Vec<(PortId, Vec<u8>)> {
        self.engine.flush(&mut self.device);
        self.device.sent.drain(..).collect()
    }

    pub(crate) fn process(
        &mut self,
        port: u16,
        frames: &[&[u8]],
        now: u64,
    ) -> Vec<(PortId, Vec<u8>)> {
        let mut burst = Burst::new();
        for frame in frames {
            burst.push(arrived(frame, PortId(port))).unwrap();
        }
        self.engine.process(&mut burst, now, &mut self.device, &mut ());
        self.sent()
    }

    /// Cookie, packets and bytes of the flow from a port, if it lives.
    pub(crate) fn flow(&self, port: u16, now: u64) -> Option<(u64, u64, u64)> {
        let mut flows = self.engine.flows().live(now);
        let found = flows.find(|(key, _)| key.ingress() == PortId(port));
        found.map(|(_, flow)| (flow.state.cookie, flow.packets, flow.bytes))
    }
}

pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    pub(crate) now: u64,
}

impl World {
    pub(crate) fn new(net: &Net) -> Self {
        Self::with(net, 256, settings())
    }

    pub(crate) fn with(net: &Net, flows: usize, settings: Settings) -> Self {
        let nodes = (0..net.hosts).map(|host| Node::new(net, host, flows, settings)).collect();
        Self { nodes, now: 0 }
    }

    pub(crate) fn node(&mut self) -> &mut Node {
        &mut self.nodes[0]
    }

    /// Cookie, packets and bytes of the flow from a port of host 1, if it lives.
    pub(crate) fn flow(&self, port: u16) -> Option<(u64, u64, u64)> {
        self.nodes[0].flow(port, self.now)
    }

    /// What leaves by ports, and by the underlay, when a frame comes in at a port of a host.
    pub(crate) fn send(&mut self, host: u16, port: u16, frame: &[u8]) -> (Vec<Left>, Vec<Left>) {
        let (mut delivered, mut carried) = (vec![], vec![]);
        let mut waiting = VecDeque::from([Left { host, port, frame: frame.to_vec() }]);
        while let Some(Left { host, port, frame }) = waiting.pop_front() {
            let out = self.nodes[usize::from(host)].process(port, &[&frame], self.now);
            for (PortId(port), frame) in out {
                let left = Left { host, port, frame };
                if port == UNDERLAY.0 {
                    let to = u16::from(left.frame[5] / 0x11) - 1;
                    waiting.push_back(Left { host: to, ..left.clone() });
                    carried.push(left);
                } else {
                    delivered.push(left);
                }
            }
        }
        (delivered, carried)
    }

    /// What is delivered when a frame comes in at a port of host 1.
    pub(crate) fn delivers(&mut self, port: u16, frame: &[u8]) -> Vec<Left> {
        self.send(H1, port, frame).0
    }

    /// The same frames in one burst.
    pub(crate) fn burst(&mut self, port: u16, frames: &[&[u8]]) -> Vec<Left> {
        let out = self.nodes[0].process(port, frames, self.now);
        out.into_iter().map(|(PortId(port), frame)| left(port, &frame)).collect()
    }

    /// A frame at a port of host 1 is dropped there for this reason, and counted once.
    #[track_caller]
    pub(crate) fn drops(&mut self, port: u16, frame: &[u8], reason: DropReason) {
        let (before, all) = (self.nodes[0].drops(reason), self.nodes[0].dropped());
        assert_eq!(self.delivers(port, frame), []);
        let counted: Vec<_> =
            DropReason::ALL.iter().filter(|reason| self.nodes[0].drops(**reason) > 0).collect();
        assert_eq!(self.nodes[0].drops(reason), before + 1, "{reason}: {counted:?}");
        assert_eq!(self.nodes[0].dropped(), all + 1, "{counted:?}");
    }

    pub(crate) fn replace(&mut self, net: &Net) -> Result<(), PolicyError> {
        for (host, node) in (0..).zip(&mut self.nodes) {
            net.with(host, |configuration| node.policy.replace(configuration))?;
        }
        Ok(())
    }

    /// Removes flows that have timed out.
    pub(crate) fn tick(&mut self) {
        for node in &mut self.nodes {
            node.engine.tick(self.now, 1024, &SoftwareHints);
        }
    }

    /// Why flows ended: cookie above the base, reason, duration, packets, bytes.
    pub(crate) fn ended(&mut self) -> Vec<(u64, dash_core::flow::Removal, u64, u64, u64)> {
        let events = &mut self.nodes[0].engine.events_mut().list;
        events
            .drain(..)
            .map(|event| {
                let duration = event.removed - event.state.born;
                (event.state.cookie - COOKIES, event.why, duration, event.packets, event.bytes)
            })
            .collect()
    }
}
