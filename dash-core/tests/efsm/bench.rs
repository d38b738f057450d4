//! One device with a program.

use dash_core::{
    engine::Engine,
    flow::{Flow, FlowSettings, FlowTable, WhenFull},
    pipeline::efsm::{DropReason, Efsm, FlowKey, FlowState, Program, Refused},
    rewrite::NextHop,
    table::{
        cuckoo::{Bucket, Slot},
        quiescence::Readers,
    },
};
use dash_hal::{Burst, PacketBuffer, PortId};

use crate::platform::{Buffer, Device, arrived};

pub(crate) const A: PortId = PortId(0);
pub(crate) const B: PortId = PortId(1);
pub(crate) const US: u64 = 1_000;

type Table<'a> = FlowTable<'a, FlowKey, FlowState>;

/// Memory of the flows of one device.
pub(crate) struct Storage {
    buckets: Vec<Bucket>,
    slots: Vec<Slot<FlowKey, Flow<FlowState>>>,
    next_hops: Vec<NextHop>,
}

impl Storage {
    pub(crate) fn new(flows: usize) -> Self {
        let buckets = vec![Bucket::EMPTY; Table::buckets_for(flows)];
        Self {
            buckets,
            slots: vec![Slot::empty(Flow::EMPTY); flows],
            next_hops: vec![NextHop::FREE; 64],
        }
    }
}

pub(crate) struct Bench<'a> {
    pub(crate) engine: Engine<'a, Efsm<'a>, Buffer>,
    device: Device,
    /// Well behind the first 65 ms, of which the policer's arithmetic knows nothing.
    pub(crate) now: u64,
}

impl Bench<'static> {
    pub(crate) fn new(program: Program<'static>, flows: usize) -> Self {
        Self::on(Box::leak(Box::new(Storage::new(flows))), program).unwrap()
    }
}

impl<'a> Bench<'a> {
    pub(crate) fn on(storage: &'a mut Storage, program: Program<'a>) -> Result<Self, Refused> {
        let Storage { buckets, slots, next_hops } = storage;
        let mut table = Table::new(buckets, slots, next_hops, [3, 4]).unwrap();
        table.set(FlowSettings { when_full: WhenFull::Drop, ..FlowSettings::default() });
        let engine = Engine::new(Efsm::new(program)?, table, Readers::new(&[]), 0);
        Ok(Self { engine, device: Device::new(PortId(9)), now: 1_000_000 * US })
    }

    /// Where a frame leaves, as it came; or why it does not.
    pub(crate) fn send(&mut self, port: PortId, frame: &[u8]) -> Result<PortId, DropReason> {
        self.receive(arrived(frame, port))
    }

    /// The same of a frame of which the NIC says something.
    pub(crate) fn receive(&mut self, buffer: Buffer) -> Result<PortId, DropReason> {
        let frame = buffer.bytes().to_vec();
        let drops =
            |bench: &Self| DropReason::ALL.map(|reason| bench.engine.pipeline().drops(reason));
        let before = drops(self);
        let mut burst = Burst::new();
        burst.push(buffer).unwrap();
        self.engine.process(&mut burst, self.now, &mut self.device, &mut ());
        self.engine.flush(&mut self.device);
        let after = drops(self);
        let mut reasons = DropReason::ALL.into_iter();
        let dropped = reasons.find(|reason| after[*reason as usize] != before[*reason as usize]);
        assert_eq!(
            after.iter().sum::<u64>(),
            before.iter().sum::<u64>() + u64::from(dropped.is_some())
        );
        let sent: Vec<_> = self.device.sent.drain(..).collect();
        match (&sent[..], dropped) {
            ([(port, bytes)], None) => {
                assert_eq!(bytes, &frame);
                Ok(*port)
            }
            ([], Some(reason)) => Err(reason),
            other => panic!("{other:?}"),
        }
    }

    /// State and registers of the flow of these values.
    pub(crate) fn flow(&self, values: &[Option<u128>]) -> Option<(FlowState, u64)> {
        let key = self.engine.pipeline().program().key;
        let mut live = self.engine.flows().live(self.now);
        let found = live.find(|(name, _)| name.values(key).eq(values.iter().copied()));
        found.map(|(_, flow)| (flow.state, flow.packets))
    }
}
