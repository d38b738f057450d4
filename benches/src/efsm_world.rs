//! An engine over a state machine: each source's frames are counted in a register and go from port 0
//! to port 1.

use std::time::Duration;

use dash_core::{
    engine::Engine,
    flow::{Flow, FlowTable},
    pipeline::efsm::{
        Action, Comparison, Condition, Efsm, Field, FlowKey, FlowState, Operand, Operation,
        Program, Register, Row, Update,
    },
    rewrite::NextHop,
    table::{
        cuckoo::{Bucket, Slot},
        quiescence::Readers,
    },
};
use dash_hal::{BURST, PortId};

use crate::{
    clock::CpuTime,
    device::{Device, NEXT_HOPS, Prefetch, RING},
};

type Flows = FlowTable<'static, FlowKey, FlowState>;

const FRAME: usize = 64;
const R0: Register = Register::Flow(0);
const ROW: Row<'static> = Row {
    state: Some(0),
    matches: &[(Field::Ipv4Protocol, 17)],
    conditions: [Some(false), None, None, None],
    next: 0,
    updates: &[Update {
        to: R0,
        left: Operand::Register(R0),
        operation: Operation::Add,
        right: Operand::Number(1),
    }],
    action: Action::Forward,
};

/// The packet limiter, with a limit that no run meets.
const LIMITER: Program<'static> = Program {
    key: &[Field::Ipv4Source],
    conditions: &[Condition {
        left: Operand::Register(R0),
        comparison: Comparison::GreaterOrEqual,
        right: Operand::Number(u32::MAX),
    }],
    rows: &[ROW, Row { conditions: [None; 4], updates: &[], action: Action::Drop, ..ROW }],
    forward: &[(PortId(0), PortId(1))],
    idle_timeout: 0,
};

/// Engine, flow table and port. Storage lives as long as the process.
pub struct EfsmWorld {
    engine: Engine<'static, Efsm<'static>, crate::frame::Buffer>,
    device: Device<Prefetch>,
}

/// UDP from source number `number`. No one looks at the sum of the IPv4 header.
fn frame(number: u32) -> [u8; FRAME] {
    let mut frame = [2; FRAME];
    let length = (FRAME - 14) as u8;
    frame[12..24].copy_from_slice(&[8, 0, 0x45, 0, 0, length, 0, 0, 0, 0, 64, 17]);
    frame[26..30].copy_from_slice(&(0x0b00_0000 + number).to_be_bytes());
    frame[38..40].copy_from_slice(&[0, length - 20]);
    frame
}

impl EfsmWorld {
    /// A table of `entries` flows.
    ///
    /// # Panics
    /// When a table refuses what it was sized for.
    #[must_use]
    pub fn new(entries: usize) -> Self {
        let buckets = vec![Bucket::EMPTY; Flows::buckets_for(entries)].leak();
        let slots = vec![Slot::empty(Flow::EMPTY); entries].leak();
        let next_hops = vec![NextHop::FREE; NEXT_HOPS].leak();
        let flows = Flows::new(buckets, slots, next_hops, [3, 4]).expect("storage is as asked for");
        let efsm = Efsm::new(LIMITER).expect("the program keeps its bounds");
        let engine = Engine::new(efsm, flows, Readers::new(&[]), 0);
        Self { engine, device: Device::new(Prefetch) }
    }

    /// Flows that there are.
    #[must_use]
    pub fn flows(&self) -> usize {
        self.engine.flows().len()
    }

    /// What is measured: takes all frames that have arrived from receive to transmit.
    #[inline(never)]
    fn process(&mut self) {
        for _ in 0..self.device.waiting().div_ceil(BURST) {
            self.engine.poll(PortId(0), &mut self.device, &mut ());
        }
    }

    /// CPU time of `frames` frames, whose sources `source` names.
    ///
    /// # Panics
    /// When a frame was not sent.
    pub fn measure(&mut self, frames: u64, mut source: impl FnMut() -> u32) -> Duration {
        let mut clock = CpuTime::default();
        let mut left = frames;
        while left > 0 {
            let count = left.min(RING as u64);
            self.device.arrive_at((0..count).map(|_| (frame(source()), PortId(0))));
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
        for index in 0..self.engine.flows().capacity() {
            if let Some(handle) = self.engine.flows().at(index) {
                self.engine.remove(handle, 0, &Prefetch);
            }
        }
    }
}
