//! One switch: the data centre at port 0, the tunnel router at port 1, servers at 2 and 3.

use std::{cell::RefCell, rc::Rc};

use dash_core::{
    engine::Engine,
    flow::{Flow, FlowRemoved, FlowSettings, FlowTable, WhenFull},
    pipeline::flow_cache::{
        DropReason, FREE, FlowCache, FlowKey, FlowState, Note, Order, Outer, Settings, Vtep,
        VtepPlace, Vteps,
    },
    rewrite::NextHop,
    table::{
        cuckoo::{Bucket, Slot},
        quiescence::Readers,
    },
};
use dash_hal::{Burst, EventSink, EventsLost, PortId, SoftwareHints};
use smoltcp::wire::EthernetAddress;

use crate::platform::{Buffer, Device, arrived};

pub(crate) const DC: PortId = PortId(0);
pub(crate) const OTR: PortId = PortId(1);
pub(crate) const SRV: PortId = PortId(2);
pub(crate) const MS: u64 = 1_000_000;

pub(crate) const SETTINGS: Settings = Settings {
    dc: DC,
    otr: OTR,
    outer: Outer {
        source_mac: EthernetAddress([0xbe, 0xef, 0xbe, 0xef, 0xbe, 0xef]),
        destination_mac: EthernetAddress([0xde, 0xad, 0xde, 0xad, 0xde, 0xad]),
        identification: 5395,
        ttl: 64,
        tos: 0,
    },
    idle_timeout: 30_000,
    order: Some(Order { guard: 100, force_after: 1_000 }),
    relearn: false,
    scrub_reserved: false,
};

/// That of the specification.
pub(crate) fn vtep() -> Vtep {
    Vtep { destination: [10, 10, 10, 10].into(), vni: Some(100), vlan: 10, port: SRV }
}

pub(crate) type Removed = FlowRemoved<FlowKey, FlowState>;

/// Takes all events.
#[derive(Clone, Default)]
pub(crate) struct Events(Rc<RefCell<Vec<Removed>>>);

impl EventSink<Removed> for Events {
    fn emit(&mut self, event: Removed) -> Result<(), EventsLost> {
        self.0.borrow_mut().push(event);
        Ok(())
    }
}

type Table<'a> = FlowTable<'a, FlowKey, FlowState>;
type CacheEngine<'a> = Engine<'a, FlowCache<'a>, Buffer, 64, 32, (), Events>;

/// Memory of one switch.
pub(crate) struct Storage {
    vtep_buckets: Vec<Bucket>,
    vtep_places: Vec<VtepPlace>,
    buckets: Vec<Bucket>,
    slots: Vec<Slot<FlowKey, Flow<FlowState>>>,
    next_hops: Vec<NextHop>,
}

impl Storage {
    pub(crate) fn new(flows: usize) -> Self {
        let places = Vteps::places_for(16);
        Self {
            vtep_buckets: vec![Bucket::EMPTY; Vteps::buckets_for(places)],
            vtep_places: vec![FREE; places],
            buckets: vec![Bucket::EMPTY; Table::buckets_for(flows)],
            slots: vec![Slot::empty(Flow::EMPTY); flows],
            next_hops: vec![NextHop::FREE; 64],
        }
    }
}

pub(crate) struct Bench<'a> {
    pub(crate) engine: CacheEngine<'a>,
    pub(crate) device: Device,
    pub(crate) now: u64,
    events: Events,
}

pub(crate) fn vteps(entries: &[Vtep]) -> Vteps<'static> {
    let Storage { vtep_buckets, vtep_places, .. } = Box::leak(Box::new(Storage::new(0)));
    filled(vtep_buckets, vtep_places, entries)
}

fn filled<'a>(
    buckets: &'a mut [Bucket],
    places: &'a mut [VtepPlace],
    entries: &[Vtep],
) -> Vteps<'a> {
    let mut vteps = Vteps::new(buckets, places, [5, 6]).unwrap();
    vteps.fill(entries, &SoftwareHints).unwrap();
    vteps
}

impl Bench<'static> {
    pub(crate) fn new() -> Self {
        Self::with(SETTINGS, &[vtep()], 64, WhenFull::Forward)
    }

    pub(crate) fn with(
        settings: Settings,
        entries: &[Vtep],
        flows: usize,
        when_full: WhenFull,
    ) -> Self {
        Self::on(Box::leak(Box::new(Storage::new(flows))), settings, entries, when_full)
    }
}

impl<'a> Bench<'a> {
    pub(crate) fn on(
        storage: &'a mut Storage,
        settings: Settings,
        entries: &[Vtep],
        when_full: WhenFull,
    ) -> Self {
        let Storage { vtep_buckets, vtep_places, buckets, slots, next_hops } = storage;
        let mut table = Table::new(buckets, slots, next_hops, [3, 4]).unwrap();
        table.set(FlowSettings { when_full, ..FlowSettings::default() });
        let cache = FlowCache::new(filled(vtep_buckets, vtep_places, entries), settings);
        let events = Events::default();
        let engine = Engine::with(cache, table, Readers::new(&[]), 0, (), events.clone());
        Self { engine, device: Device::new(DC), now: 0, events }
    }

    /// What leaves when a frame comes in, in order.
    pub(crate) fn send(&mut self, port: PortId, frame: &[u8]) -> Vec<(PortId, Vec<u8>)> {
        self.send_all(&[(port, frame.to_vec())])
    }

    /// What leaves when frames come in as a burst.
    pub(crate) fn send_all(&mut self, frames: &[(PortId, Vec<u8>)]) -> Vec<(PortId, Vec<u8>)> {
        let mut burst = Burst::new();
        for (port, frame) in frames {
            burst.push(arrived(frame, *port)).unwrap();
        }
        self.engine.process(&mut burst, self.now, &mut self.device, &mut ());
        self.engine.flush(&mut self.device);
        self.device.sent.drain(..).collect()
    }

    /// A frame of a server or the router comes in and leaves by this port as it came.
    #[track_caller]
    pub(crate) fn passes(&mut self, port: PortId, frame: &[u8], to: PortId) {
        assert_eq!(self.send(port, frame), [(to, frame.to_vec())]);
    }

    /// A frame is dropped for this reason, and counted once.
    #[track_caller]
    pub(crate) fn drops(&mut self, port: PortId, frame: &[u8], reason: DropReason) {
        let all = |bench: &Self| DropReason::ALL.map(|reason| bench.dropped(reason));
        let mut right = all(self);
        right[reason as usize] += 1;
        let flows = self.engine.flows().len();
        assert_eq!(self.send(port, frame), []);
        assert_eq!(all(self), right, "{reason}");
        assert_eq!(self.engine.flows().len(), flows, "a drop touches no state");
    }

    pub(crate) fn dropped(&self, reason: DropReason) -> u64 {
        self.engine.pipeline().counters().drops(reason)
    }

    pub(crate) fn noted(&self, note: Note) -> u64 {
        self.engine.pipeline().counters().notes(note)
    }

    /// The flow of a VLAN and a remote end, if it lives.
    pub(crate) fn flow(
        &self,
        vlan: u16,
        remote: smoltcp::wire::IpAddress,
    ) -> Option<Flow<FlowState>> {
        let flows = self.engine.flows();
        let mut live = flows.live(self.now);
        live.find(|(key, _)| (key.vlan(), key.remote()) == (vlan, remote)).map(|(_, flow)| *flow)
    }

    /// Flows that left the table since it was asked last.
    pub(crate) fn removed(&self) -> Vec<Removed> {
        self.events.0.take()
    }
}
