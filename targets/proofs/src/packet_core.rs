//! One core: engine, policy writer and port over static memory.

use core::sync::atomic::AtomicU32;

use dash_core::{
    engine,
    flow::{Flow, FlowTable},
    pipeline::vnet::{
        DropReason, EniCounters, FlowKey, FlowState, Settings, Vnet,
        policy::{PolicyError, PolicyWriter},
    },
    rewrite::NextHop,
    table::{
        cuckoo::{Bucket, Slot},
        quiescence::Readers,
    },
};
use dash_hal::{Burst, Entropy, Platform, PortId};
use static_cell::ConstStaticCell;

use crate::{
    buffer::{Buffer, Memory},
    frame::{Kind, frame},
    policy::{self, CAPACITY, ENIS},
    port::{BUFFERS, Port},
};

/// Entries of the flow table: two for each conversation.
pub const FLOWS: usize = 1024;
/// Next hops that they have at most.
pub(crate) const NEXT_HOP_PLACES: usize = 64;

/// The engine of this core.
pub type Engine = engine::Engine<'static, Vnet<'static>, Buffer>;
type Flows = FlowTable<'static, FlowKey, FlowState>;

static WORDS: [AtomicU32; CAPACITY.words()] = [const { AtomicU32::new(0) }; CAPACITY.words()];
static READERS: [AtomicU32; 1] = [AtomicU32::new(0)];
static BUCKETS: ConstStaticCell<[Bucket; Flows::buckets_for(FLOWS)]> =
    ConstStaticCell::new([Bucket::EMPTY; Flows::buckets_for(FLOWS)]);
static SLOTS: ConstStaticCell<[Slot<FlowKey, Flow<FlowState>>; FLOWS]> =
    ConstStaticCell::new([const { Slot::empty(Flow::EMPTY) }; FLOWS]);
static NEXT_HOPS: ConstStaticCell<[NextHop; NEXT_HOP_PLACES]> =
    ConstStaticCell::new([NextHop::FREE; NEXT_HOP_PLACES]);
static ENI_COUNTERS: ConstStaticCell<[EniCounters; ENIS as usize]> =
    ConstStaticCell::new([EniCounters::ZERO; ENIS as usize]);
static FRAMES: ConstStaticCell<[Memory; BUFFERS]> = ConstStaticCell::new([Memory::ZERO; BUFFERS]);

/// The memory of one core, before anything is built in it.
pub struct Storage {
    buckets: &'static mut [Bucket],
    slots: &'static mut [Slot<FlowKey, Flow<FlowState>>],
    next_hops: &'static mut [NextHop],
    eni_counters: &'static mut [EniCounters],
    policy: &'static [AtomicU32],
    frames: &'static mut [Memory],
}

impl Storage {
    /// The one core's memory; `None` the second time.
    pub fn take() -> Option<Self> {
        Some(Self {
            buckets: BUCKETS.try_take()?,
            slots: SLOTS.try_take()?,
            next_hops: NEXT_HOPS.try_take()?,
            eni_counters: ENI_COUNTERS.try_take()?,
            policy: &WORDS,
            frames: FRAMES.try_take()?,
        })
    }
}

/// Engine, policy and port of one core.
pub struct PacketCore {
    /// The packet path.
    pub engine: Engine,
    /// The control core's part.
    pub policy: PolicyWriter<'static>,
    /// The port.
    pub port: Port,
}

impl PacketCore {
    /// A core with its policy written, and no flow.
    ///
    /// # Errors
    /// When a table refuses what it was sized for.
    pub fn new(storage: Storage) -> Result<Self, PolicyError> {
        let mut port = Port::new();
        let readers = Readers::new(&READERS);
        let seed = port.entropy().seed();
        let mut policy = PolicyWriter::new(storage.policy, &CAPACITY, seed, readers)?;
        policy::write(&mut policy)?;
        let seed = port.entropy().seed();
        let flows = Flows::new(storage.buckets, storage.slots, storage.next_hops, seed)?;
        let pipeline = Vnet::new(policy.policy(), storage.eni_counters, Settings::default());
        for memory in storage.frames {
            // There are no more buffers than places.
            let _ = port.idle.push(Buffer::new(memory));
        }
        Ok(Self { engine: Engine::new(pipeline, flows, readers, 0), policy, port })
    }

    /// A burst of as many frames as there are idle buffers; frame `n` is of ENI `n` modulo `enis`
    /// and of a flow of its own.
    pub fn receive(&mut self, kind: Kind, enis: u8) -> Burst<Buffer> {
        let mut burst = Burst::new();
        for number in 0..BUFFERS as u8 {
            let Some(mut buffer) = self.port.idle.pop() else { break };
            buffer.receive(&frame(kind, number % enis, number), PortId(0));
            let _ = burst.push(buffer);
        }
        burst
    }

    /// Frames dropped for `reason` so far.
    #[must_use]
    pub fn drops(&self, reason: DropReason) -> u64 {
        self.engine.pipeline().drops().count(reason)
    }
}

#[cfg(test)]
mod tests {
    use dash_core::wire::ParseError;
    use dash_hal::{BURST, PacketBuffer};

    use super::*;

    #[test]
    fn frames_go_where_their_kind_says() {
        let mut core = PacketCore::new(Storage::take().unwrap()).unwrap();
        for _ in ["miss", "hit"] {
            let mut burst = core.receive(Kind::Forwarded, ENIS);
            core.engine.process(&mut burst, 0, &mut core.port, &mut ());
            core.engine.flush(&mut core.port);
            for (frame, number) in core.port.sent.iter().zip(0..) {
                let bytes = frame.bytes();
                assert_eq!(bytes[30..34], [100, 64, 0, number], "outer destination");
                assert_eq!(bytes[46..49], [0, 0, 200], "VNI");
                assert_eq!(bytes[50..56], [0, 0xdd, 0xdd, 0xdd, 0, number], "customer MAC");
                assert_eq!(bytes[62..], frame_of(number)[62..], "customer frame");
            }
            assert_eq!(core.port.reclaim(), BURST);
            assert_eq!(core.engine.flows().len(), 2 * BURST);
        }
        assert_eq!(core.engine.flows().counters().created, 2 * BURST as u64);
        for kind in [Kind::Denied, Kind::Malformed] {
            let mut burst = core.receive(kind, ENIS);
            core.engine.process(&mut burst, 0, &mut core.port, &mut ());
            core.engine.flush(&mut core.port);
            assert_eq!((core.port.reclaim(), core.port.idle.len()), (0, BURST));
        }
        assert_eq!(core.drops(DropReason::AclOut1), BURST as u64);
        assert_eq!(core.drops(DropReason::Parse(ParseError::UdpLength)), BURST as u64);
        assert_eq!(core.engine.pipeline().drops().total(), 2 * BURST as u64);
    }

    fn frame_of(number: u8) -> [u8; crate::RECEIVED_BYTES] {
        frame(Kind::Forwarded, number, number)
    }
}
