//! An engine over the flow cache: the data centre at port 0, the tunnel router at 1, servers at 2.

use std::time::Duration;

use dash_core::{
    engine::Engine,
    flow::{Flow, FlowTable},
    pipeline::flow_cache::{
        FREE, FlowCache, FlowKey, FlowState, Order, Outer, Settings, Vtep, Vteps,
    },
    rewrite::NextHop,
    table::{
        cuckoo::{Bucket, Slot},
        quiescence::Readers,
    },
};
use dash_hal::{BURST, PortId};
use smoltcp::wire::EthernetAddress;

use crate::{
    clock::CpuTime,
    device::{Device, NEXT_HOPS, Prefetch, RING},
};

type Flows = FlowTable<'static, FlowKey, FlowState>;

/// Bytes of a frame of the data centre or of the router, without FCS: 64 in VXLAN.
const TUNNELLED: usize = 50 + 64;
/// Bytes of a server's frame: 64 and a tag.
const TAGGED: usize = 64 + 4;

const SETTINGS: Settings = Settings {
    dc: PortId(0),
    otr: PortId(1),
    outer: Outer {
        source_mac: EthernetAddress([2, 0, 0, 0, 0, 1]),
        destination_mac: EthernetAddress([2, 0, 0, 0, 0, 2]),
        identification: 0,
        ttl: 64,
        tos: 0,
    },
    idle_timeout: 30_000,
    order: Some(Order { guard: 100, force_after: 1_000 }),
    relearn: false,
    scrub_reserved: false,
};

/// Whose frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Of the data centre, for the server.
    DataCentre,
    /// Of the tunnel router, in answer to the server's.
    Router,
    /// Of the server.
    Server,
}

/// Engine, flow table and port. Storage lives as long as the process.
pub struct CacheWorld {
    engine: Engine<'static, FlowCache<'static>, crate::frame::Buffer>,
    device: Device<Prefetch>,
}

/// An IPv4 header of a datagram of `length` bytes.
fn ipv4(length: usize, source: u32, destination: u32) -> [u8; 20] {
    let mut header = [0; 20];
    header[0] = 0x45;
    header[2..4].copy_from_slice(&(length as u16).to_be_bytes());
    header[8..10].copy_from_slice(&[64, 17]);
    header[12..16].copy_from_slice(&source.to_be_bytes());
    header[16..20].copy_from_slice(&destination.to_be_bytes());
    let words = header.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1]));
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    header[10..12].copy_from_slice(&(!((sum + (sum >> 16)) as u16)).to_be_bytes());
    header
}

const SERVER: u32 = 0x0101_0101;
const VTEP: u32 = 0x0a0a_0a0a;

/// Frame of the server to tenant `number` behind its tag, of 64 bytes with Ethernet.
fn customer(number: u32) -> [u8; 50] {
    let mut packet = [0; 50];
    packet[..20].copy_from_slice(&ipv4(50, SERVER, 0x0b00_0000 + number));
    packet[20..28].copy_from_slice(&[3, 232, 48, 57, 0, 30, 0, 0]);
    packet
}

fn of_server(number: u32) -> [u8; TAGGED] {
    let mut frame = [2; TAGGED];
    frame[12..18].copy_from_slice(&[0x81, 0, 0, 10, 8, 0]);
    frame[18..].copy_from_slice(&customer(number));
    frame
}

fn tunnelled(source: u32, destination: u32, vlan: u8, number: u32) -> [u8; TUNNELLED] {
    let mut frame = [2; TUNNELLED];
    frame[12..14].copy_from_slice(&[8, 0]);
    frame[14..34].copy_from_slice(&ipv4(TUNNELLED - 14, source, destination));
    let length = (TUNNELLED - 34) as u8;
    frame[34..50]
        .copy_from_slice(&[0xc0, 0, 18, 181, 0, length, 0, 0, 8, 0, 0, 0, 0, 0, 100, vlan]);
    frame[62..64].copy_from_slice(&[8, 0]);
    frame[64..].copy_from_slice(&customer(number));
    frame
}

impl CacheWorld {
    /// A table of `entries` flows.
    ///
    /// # Panics
    /// When a table refuses what it was sized for.
    #[must_use]
    pub fn new(entries: usize) -> Self {
        let places = vec![FREE; Vteps::places_for(1)].leak();
        let buckets = vec![Bucket::EMPTY; Vteps::buckets_for(places.len())].leak();
        let mut vteps = Vteps::new(buckets, places, [1, 2]).expect("storage is as asked for");
        let vtep = Vtep { destination: VTEP.into(), vni: Some(100), vlan: 10, port: PortId(2) };
        vteps.fill(&[vtep], &Prefetch).expect("the entry fits");
        let buckets = vec![Bucket::EMPTY; Flows::buckets_for(entries)].leak();
        let slots = vec![Slot::empty(Flow::EMPTY); entries].leak();
        let next_hops = vec![NextHop::FREE; NEXT_HOPS].leak();
        let flows = Flows::new(buckets, slots, next_hops, [3, 4]).expect("storage is as asked for");
        let engine = Engine::new(FlowCache::new(vteps, SETTINGS), flows, Readers::new(&[]), 0);
        Self { engine, device: Device::new(Prefetch) }
    }

    /// Ways that were learnt.
    #[must_use]
    pub const fn learns(&self) -> u64 {
        self.engine.pipeline().counters().learns()
    }

    /// Frames that left the servers directly.
    #[must_use]
    pub const fn direct(&self) -> u64 {
        self.engine.pipeline().counters().directions().direct.packets
    }

    /// What is measured: takes all frames that have arrived from receive to transmit.
    #[inline(never)]
    fn process(&mut self) {
        for _ in 0..self.device.waiting().div_ceil(BURST) {
            self.engine.poll(PortId(0), &mut self.device, &mut ());
        }
    }

    /// CPU time of `frames` frames, whose tenants `tenant` names.
    ///
    /// # Panics
    /// When a frame was not sent.
    pub fn measure(
        &mut self,
        source: Source,
        frames: u64,
        mut tenant: impl FnMut() -> u32,
    ) -> Duration {
        let mut clock = CpuTime::default();
        let mut left = frames;
        while left > 0 {
            let count = left.min(RING as u64);
            let tenants = (0..count).map(|_| tenant());
            match source {
                Source::Server => self.device.arrive_at(tenants.map(|n| (of_server(n), PortId(2)))),
                Source::Router => self
                    .device
                    .arrive_at(tenants.map(|n| (tunnelled(VTEP, 0x0a00_0001, 10, n), PortId(1)))),
                Source::DataCentre => self
                    .device
                    .arrive_at(tenants.map(|n| (tunnelled(0x0a00_0001, VTEP, 0, n), PortId(0)))),
            }
            clock.start();
            self.process();
            clock.stop();
            assert_eq!(self.device.sent().len() as u64, count, "every frame is sent");
            self.device.reclaim();
            left -= count;
        }
        clock.total()
    }

    /// Lets the router tell of the tenants 0 to `tenants - 1`.
    pub fn learn(&mut self, tenants: u32) {
        let mut next = 0..tenants;
        self.measure(Source::Router, tenants.into(), || next.next().unwrap_or(0));
    }

    /// Removes all flows.
    pub fn forget(&mut self) {
        for index in 0..self.engine.flows().capacity() {
            if let Some(handle) = self.engine.flows().at(index) {
                self.engine.remove(handle, 0, &Prefetch);
            }
        }
    }
}
