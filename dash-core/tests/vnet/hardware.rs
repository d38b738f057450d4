//! A NIC with a flow table in front of the library's engine. It finds a frame's key by its own
//! copy of the stages in front of the flow table, and forwards what it may by the rewrite that it
//! was offered; every other frame goes on to the engine.

use dash_core::{
    flow::Offered,
    packet::Entering,
    pipeline::{
        Lookup, Name, Pipeline,
        vnet::{EniCounters, FlowKey, FlowState, Vnet},
    },
    rewrite::Outcome as Applied,
    wire::{Profile, parse, tcp::TcpFlags},
};
use dash_hal::{PacketBuffer, Ports, SoftwareHints, software::ArrayOffload};

use crate::{
    bench::{Bench, Storage, buffer, vnet_settings},
    frame::Arrival,
    model::{Outcome, Settings},
    policy::Change,
};

/// Fewer places than most scripts have flows, offered after two frames.
pub(crate) type Table = ArrayOffload<FlowKey, Offered<FlowState>, 6, 2>;

const OPENS_OR_CLOSES: TcpFlags = TcpFlags::FIN.union(TcpFlags::SYN).union(TcpFlags::RST);
const MILLISECOND: u64 = 1_000_000;

pub(crate) struct Device<'a> {
    pub bench: Bench<'a, Table>,
    stages: Vnet<'a>,
    /// Frames that the hardware forwarded.
    pub forwarded: u64,
}

impl<'a> Device<'a> {
    /// `enis` is for the hardware's copy of the stages; nobody reads what is counted there.
    pub(crate) fn new(
        storage: &'a mut Storage,
        enis: &'a mut [EniCounters],
        settings: &Settings,
    ) -> Self {
        let bench = Bench::with(storage, settings, Table::new(), SoftwareHints, ());
        let stages = Vnet::new(bench.writer.policy(), enis, vnet_settings(settings));
        Self { bench, stages, forwarded: 0 }
    }

    /// One transaction, and the sweep that makes it effective in the hardware.
    pub(crate) fn change(&mut self, now: u64, changes: &[Change]) {
        self.bench.change(changes);
        self.sweep(now);
    }

    /// A whole sweep.
    pub(crate) fn sweep(&mut self, now: u64) {
        let capacity = self.bench.engine.flows().capacity();
        self.bench.tick(now, capacity);
    }

    /// Flows in the hardware.
    pub(crate) fn offloaded(&mut self) -> usize {
        self.bench.engine.offload_mut().len()
    }

    /// One frame; its only end.
    pub(crate) fn frame(&mut self, now: u64, arrival: &Arrival) -> Outcome {
        match self.forward(now, arrival) {
            Some(outcome) => {
                self.forwarded += 1;
                outcome
            }
            None => self.bench.frame(now, arrival),
        }
    }

    /// What the hardware does with a frame; `None`: it is software's.
    fn forward(&mut self, now: u64, arrival: &Arrival) -> Option<Outcome> {
        let mut buffer = buffer(arrival);
        let received = buffer.bytes().len();
        let ingress = buffer.metadata().port;
        let frame =
            Entering { bytes: buffer.bytes(), metadata: buffer.metadata(), ingress, entry: 0 };
        let mut name = Name::NONE;
        self.stages.burst();
        self.stages.key(frame, &mut name, now, &mut ());
        let Some(Lookup::Flow { .. }) = name.lookup else { return None };
        let layout = parse(buffer.bytes(), &Profile::VXLAN).ok()?;
        if layout.inner().fragment(buffer.bytes()).is_some() {
            return None;
        }
        let tcp = layout.inner().tcp(buffer.bytes());
        if tcp.is_some_and(|tcp| tcp.flags().intersects(OPENS_OR_CLOSES)) {
            return None;
        }
        let entry = self.bench.engine.offload_mut().find(&name.key)?;
        let flow = &entry.flow;
        let over =
            |since: u64, limit: u32| limit != 0 && now - since > u64::from(limit) * MILLISECOND;
        if over(flow.used.max(entry.hits.last), flow.timeouts.idle)
            || over(flow.created, flow.timeouts.hard)
        {
            return None;
        }
        let port = flow.egress.port(ingress);
        let mtu = self.bench.port.mtu(port);
        let Applied::Done(length) = flow.rewrite.apply(&mut buffer, &name.edges, mtu) else {
            return None;
        };
        let sent = buffer.bytes();
        assert_eq!(sent.len(), length);
        entry.hits.packets += 1;
        entry.hits.received += received as u64;
        entry.hits.sent += sent.len() as u64;
        entry.hits.last = now;
        Some(Outcome::Frame(port.0, sent.to_vec()))
    }
}
