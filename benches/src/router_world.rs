//! An engine over the reactive router: two networks of [`MACHINES`] machines each.

use std::{sync::atomic::AtomicU32, time::Duration};

use dash_core::{
    engine::Engine,
    flow::{Flow, FlowTable, Timeouts},
    pipeline::router::{
        Controller, FREE, FlowKey, FlowState, GatewayErrors, Learned, Memory, Router, Settings,
        control::{Actions, FlowSpec, Match},
        policy::{Capacity, Configuration, Host, Interface, Network, PolicyWriter, Port},
    },
    rewrite::NextHop,
    table::{
        cuckoo::{Bucket, Slot},
        quiescence::Readers,
    },
};
use dash_hal::{BURST, PortId};
use smoltcp::wire::{EthernetAddress, IpAddress, Ipv4Address};

use crate::{
    clock::CpuTime,
    device::{Device, NEXT_HOPS, Prefetch, RING},
    frame::{Buffer, CUSTOMER_BYTES},
};

/// Machines of a network.
pub const MACHINES: u32 = 128;
const CAPACITY: Capacity = Capacity {
    hosts: 1,
    networks: 2,
    subnets: 2,
    ports: 2 * MACHINES as usize,
    addresses: 2 * MACHINES as usize,
    pairs: 0,
    routers: 1,
    interfaces: 2,
    routes: 0,
};
/// Leads to other hosts.
const UNDERLAY: PortId = PortId(u16::MAX - 1);

type Flows = FlowTable<'static, FlowKey, FlowState>;

/// Engine, flow table and port. Storage lives as long as the process.
pub struct RouterWorld {
    engine: Engine<'static, Router<'static>, Buffer>,
    device: Device<Prefetch>,
}

/// Address and MAC address of machine `number` of a network, or of its gateway (`None`).
fn machine(network: u8, number: Option<u32>) -> (Ipv4Address, EthernetAddress) {
    let last = number.map_or(1, |number| number as u8 + 2);
    (Ipv4Address::new(10, network, 0, last), EthernetAddress([2, 0, 0, 0, network, last]))
}

/// A UDP frame from machine `from` of the first network to machine `to` of the second; machines
/// beyond the last have no port, and only send.
fn frame(from: u32, to: u32) -> [u8; CUSTOMER_BYTES] {
    let (_, gateway) = machine(1, None);
    let (source_ip, source) = if from < MACHINES {
        machine(1, Some(from))
    } else {
        (Ipv4Address::from_bits(0x0b00_0000 | from), machine(1, Some(0)).1)
    };
    let (destination, _) = machine(2, Some(to));
    let mut frame = [0; CUSTOMER_BYTES];
    frame[..6].copy_from_slice(&gateway.0);
    frame[6..12].copy_from_slice(&source.0);
    let length = (CUSTOMER_BYTES - 14) as u8;
    frame[12..24].copy_from_slice(&[8, 0, 0x45, 0, 0, length, 0, 0, 0x40, 0, 64, 17]);
    frame[26..30].copy_from_slice(&source_ip.octets());
    frame[30..34].copy_from_slice(&destination.octets());
    let sum = dash_core::wire::checksum::Checksum::new().bytes(&frame[14..34]).finish();
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame[34..42].copy_from_slice(&[0x40, 0, 0, 80, 0, length - 20, 0, 0]);
    frame
}

impl RouterWorld {
    /// A table of `entries` flows.
    ///
    /// # Panics
    /// When a table refuses what it was sized for.
    #[must_use]
    pub fn new(entries: usize, controller: Controller) -> Self {
        let words: Vec<_> = (0..CAPACITY.words()).map(|_| AtomicU32::new(0)).collect();
        let readers = Readers::new(vec![AtomicU32::new(0)].leak());
        let mut policy = PolicyWriter::new(words.leak(), &CAPACITY, [1, 2], readers)
            .expect("storage is as asked for");
        configure(&mut policy);
        let buckets = vec![Bucket::EMPTY; Flows::buckets_for(entries)].leak();
        let slots = vec![Slot::empty(Flow::EMPTY); entries].leak();
        let next_hops = vec![NextHop::FREE; NEXT_HOPS].leak();
        let flows = Flows::new(buckets, slots, next_hops, [3, 4]).expect("storage is as asked for");
        let buckets = vec![Bucket::EMPTY; Learned::buckets_for(1)].leak();
        let learned = Learned::new(buckets, vec![FREE; 1].leak(), [5, 6]);
        let memory = Memory {
            learned: learned.expect("storage is as asked for"),
            errors: vec![GatewayErrors::default(); CAPACITY.interfaces].leak(),
            absent: vec![None; 16].leak(),
        };
        let settings = Settings { idle_timeout: 0, controller, ..Settings::new(UNDERLAY) };
        let engine = Engine::new(Router::new(policy.policy(), memory, settings), flows, readers, 0);
        Self { engine, device: Device::new(Prefetch) }
    }

    /// Times that the slow path was asked.
    #[must_use]
    pub const fn slow(&self) -> u64 {
        self.engine.pipeline().counters().slow()
    }

    /// Flows in the table.
    #[must_use]
    pub fn flows(&self) -> usize {
        self.engine.flows().len()
    }

    /// What is measured: takes all frames that have arrived from receive to transmit; a controller
    /// elsewhere answers in between, if one is asked.
    #[inline(never)]
    fn process(&mut self) {
        for _ in 0..self.device.waiting().div_ceil(BURST) {
            self.engine.poll(PortId(0), &mut self.device, &mut ());
            self.answer();
        }
    }

    /// A controller without thought or distance: both flows, then the frame by its own.
    fn answer(&mut self) {
        while let Some(punt) = self.engine.next_request() {
            let (request, Some(key)) = (punt.request, punt.key) else { return };
            let ([source, _], [src, dst]) = (key.macs(), key.addresses());
            let place = |address: IpAddress, network: u8| match address {
                IpAddress::Ipv4(address) => {
                    u16::from(network) * MACHINES as u16 + u16::from(address.octets()[3]) - 2
                }
                IpAddress::Ipv6(_) => 0,
            };
            let [(_, near), (_, far)] = [1, 2].map(|network| machine(network, None));
            let (_, target) = machine(2, Some(u32::from(place(dst, 1)) - MACHINES));
            let flow = |ends: [u16; 2], macs: [EthernetAddress; 4], ips: [IpAddress; 2]| FlowSpec {
                matches: Match {
                    in_port: ends[0],
                    eth_src: macs[0],
                    eth_dst: macs[1],
                    ip_src: ips[0],
                    ip_dst: ips[1],
                },
                actions: Actions {
                    dec_ttl: true,
                    eth_src: Some(macs[2]),
                    eth_dst: Some(macs[3]),
                    output: ends[1],
                },
                timeouts: Timeouts::default(),
                cookie: 0,
                send_removed: false,
            };
            let ends = [place(src, 0), place(dst, 1)];
            let back = flow([ends[1], ends[0]], [target, far, near, source], [dst, src]);
            let there = flow(ends, [source, near, far, target], [src, dst]);
            self.engine.add_flow(&back, 0, &Prefetch).expect("there is room");
            let released = self.engine.release(request, &there, 0, &mut self.device, &mut ());
            released.expect("the ports are there");
        }
        self.engine.flush(&mut self.device);
    }

    /// CPU time of `frames` frames, `flow` naming sender and receiver of each.
    ///
    /// # Panics
    /// When a frame was not sent.
    pub fn measure(&mut self, frames: u64, mut flow: impl FnMut() -> (u32, u32)) -> Duration {
        let mut clock = CpuTime::default();
        let mut left = frames;
        while left > 0 {
            let count = left.min(RING as u64);
            self.device.arrive_at((0..count).map(|_| {
                let (from, to) = flow();
                let port = if from < MACHINES { from } else { 0 };
                (frame(from, to), PortId(port as u16))
            }));
            clock.start();
            self.process();
            clock.stop();
            assert_eq!(self.device.sent().len() as u64, count, "every frame is sent");
            self.device.reclaim();
            left -= count;
        }
        clock.total()
    }

    /// Removes all flows.
    pub fn forget(&mut self) {
        self.engine.delete_flows(0, 0, 0, &Prefetch);
    }
}

fn configure(policy: &mut PolicyWriter<'static>) {
    let addresses: Vec<[IpAddress; 1]> = [1, 2]
        .into_iter()
        .flat_map(|network| (0..MACHINES).map(move |number| machine(network, Some(number)).0))
        .map(|address| [address.into()])
        .collect();
    let ports: Vec<_> = (0..2 * MACHINES)
        .map(|index| {
            let (network, number) = (index / MACHINES, index % MACHINES);
            Port {
                network: Some(network as u16),
                key: number as u16 + 1,
                id: PortId(index as u16),
                host: 0,
                mac: machine(network as u8 + 1, Some(number)).1,
                ips: &addresses[index as usize],
                provider: false,
                port_security: false,
                allowed: &[],
            }
        })
        .collect();
    let subnets = [1, 2].map(|network| [format!("10.{network}.0.0/16").parse().expect("a prefix")]);
    let interfaces = [1, 2].map(|network: u8| {
        let (ip, mac) = machine(network, None);
        Interface { network: u16::from(network) - 1, ip: ip.into(), mac }
    });
    let configuration = Configuration {
        host: 0,
        hosts: &[Host { ip: Ipv4Address::new(198, 51, 100, 1), mac: EthernetAddress([2; 6]) }],
        networks: &[
            Network { id: 1, subnets: &subnets[0], vlan: None },
            Network { id: 2, subnets: &subnets[1], vlan: None },
        ],
        ports: &ports,
        routers: &[dash_core::pipeline::router::policy::Router {
            interfaces: &interfaces,
            routes: &[],
        }],
    };
    policy.replace(&configuration).expect("the policy fits its capacity");
}
