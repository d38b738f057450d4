//! The report: what came in, what left, what was dropped, what is remembered.

use std::collections::BTreeMap;

use dash_core::{
    flow::Removal,
    pipeline::vnet::{Drops, EniCounters, FlowKey, Traffic, policy::Direction},
};
use dash_hal::PortId;
use serde::Serialize;

use crate::{plan::Plan, port::PortNames};

/// Received and sent, by port.
pub type PortTraffic = BTreeMap<PortId, (Count, Count)>;

/// `report.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Traffic by port.
    pub ports: BTreeMap<String, PortReport>,
    /// Counters by ENI.
    pub enis: BTreeMap<String, EniReport>,
    /// Frames dropped, by reason.
    pub drops: DropCounts,
    /// Flows that live at the end, sorted by ENI, direction, addresses, protocol and ports.
    pub flows: Vec<FlowReport>,
}

/// Frames and bytes, without FCS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Frames.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Count {
    /// One more frame.
    pub const fn add(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }
}

impl From<Traffic> for Count {
    fn from(traffic: Traffic) -> Self {
        Self { packets: traffic.packets, bytes: traffic.bytes }
    }
}

/// Traffic of a port.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PortReport {
    /// Came in.
    pub rx: Count,
    /// Left.
    pub tx: Count,
}

/// By the names of the ports.
fn by_name(traffic: &PortTraffic, names: &PortNames) -> BTreeMap<String, PortReport> {
    let named = |(port, (rx, tx)): (&PortId, &(Count, Count))| {
        (names.name(*port).to_owned(), PortReport { rx: *rx, tx: *tx })
    };
    traffic.iter().map(named).collect()
}

/// `report.json` of a service beside DASH.
#[derive(Clone, Debug, Serialize)]
pub struct ServiceReport<F> {
    /// Traffic by port.
    pub ports: BTreeMap<String, PortReport>,
    /// Frames dropped, by reason.
    pub drops: DropCounts,
    /// What was noted of others.
    pub notes: BTreeMap<String, u64>,
    /// Flows that live at the end.
    pub flows: Vec<F>,
}

impl<F> ServiceReport<F> {
    /// Counts of one name, of several hosts, are one; those that are 0 are left out.
    pub fn new(
        (traffic, names): (&PortTraffic, &PortNames),
        drops: impl IntoIterator<Item = (String, u64)>,
        notes: impl IntoIterator<Item = (String, u64)>,
        flows: Vec<F>,
    ) -> Self {
        Self { ports: by_name(traffic, names), drops: sums(drops), notes: sums(notes), flows }
    }
}

fn sums(counts: impl IntoIterator<Item = (String, u64)>) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        *sums.entry(name).or_default() += count;
    }
    sums
}

/// Why a flow of a service ended.
#[must_use]
pub const fn removal(why: Removal) -> &'static str {
    match why {
        Removal::Idle => "idle",
        Removal::Hard => "hard",
        Removal::Evicted => "evict",
        Removal::Closed
        | Removal::Denied
        | Removal::Orphaned
        | Removal::Superseded
        | Removal::Deleted => "delete",
    }
}

/// Counters of an ENI.
#[derive(Clone, Debug, Serialize)]
pub struct EniReport {
    /// `eni_id` of its configuration.
    pub eni_id: Option<String>,
    /// What was counted.
    #[serde(flatten)]
    pub counts: EniCounts,
}

/// What is counted for an ENI.
#[derive(Clone, Debug, Serialize)]
pub struct EniCounts {
    /// Came in for it.
    pub rx: Count,
    /// Left for it.
    pub tx: Count,
    /// Of `rx`, from the VM.
    pub outbound_rx: Count,
    /// Of `tx`, from the VM.
    pub outbound_tx: Count,
    /// Of `rx`, to the VM.
    pub inbound_rx: Count,
    /// Of `tx`, to the VM.
    pub inbound_tx: Count,
    /// Frames permitted whose flow found no place, or was more than the ENI may have.
    pub flow_create_failed: u64,
    /// Of these, frames whose flow was more than the ENI may have.
    pub flow_limit_reached: u64,
    /// Frames dropped once the ENI was known, by reason.
    pub drops: DropCounts,
}

impl From<&EniCounters> for EniCounts {
    fn from(counters: &EniCounters) -> Self {
        Self {
            rx: counters.rx().into(),
            tx: counters.tx().into(),
            outbound_rx: counters.outbound.rx.into(),
            outbound_tx: counters.outbound.tx.into(),
            inbound_rx: counters.inbound.rx.into(),
            inbound_tx: counters.inbound.tx.into(),
            flow_create_failed: counters.flow_create_failed,
            flow_limit_reached: counters.flow_limit_reached,
            drops: drop_counts(&counters.drops),
        }
    }
}

/// Frames dropped, by the name of the reason.
pub type DropCounts = BTreeMap<String, u64>;

/// The counts by name.
#[must_use]
pub fn drop_counts(drops: &Drops) -> DropCounts {
    drops.iter().map(|(reason, count)| (reason.to_string(), count)).collect()
}

/// What a data plane has counted in a run, in its own terms.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// Drops of all frames.
    pub drops: DropCounts,
    /// Counters of each ENI, by number.
    pub enis: Vec<EniCounts>,
    /// The flows that live, in no order.
    pub flows: Vec<(FlowKey, Count)>,
}

/// One half of a pair of flows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FlowReport {
    /// MAC of the ENI.
    pub eni: String,
    /// `outbound` or `inbound`.
    pub direction: &'static str,
    /// Customer source.
    pub src: std::net::IpAddr,
    /// Customer destination.
    pub dst: std::net::IpAddr,
    /// Protocol.
    pub protocol: u8,
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// VNET of the ENI.
    pub vnet: String,
    /// Frames.
    pub packets: u64,
    /// Bytes as received.
    pub bytes: u64,
}

impl FlowReport {
    fn new(key: &FlowKey, count: Count, plan: &Plan) -> Self {
        let vnet = plan.names.vnets.name(key.vnet().0.into());
        Self {
            eni: key.eni().to_string(),
            direction: match key.direction() {
                Direction::Outbound => "outbound",
                Direction::Inbound => "inbound",
            },
            src: key.source().into(),
            dst: key.destination().into(),
            protocol: key.protocol(),
            src_port: key.source_port(),
            dst_port: key.destination_port(),
            vnet: vnet.cloned().unwrap_or_default(),
            packets: count.packets,
            bytes: count.bytes,
        }
    }
}

impl Report {
    /// The report of a run that has ended.
    #[must_use]
    pub fn new(statistics: &Statistics, plan: &Plan, ports: &PortTraffic) -> Self {
        let enis = statistics.enis.iter().enumerate().filter_map(|(number, counts)| {
            let key = plan.names.enis.name(number)?;
            let eni_id = plan.state.enis.get(key).and_then(|entry| entry.value.eni_id.clone());
            Some((key.to_string(), EniReport { eni_id, counts: counts.clone() }))
        });
        let flows = statistics.flows.iter();
        let mut flows: Vec<_> =
            flows.map(|(key, count)| FlowReport::new(key, *count, plan)).collect();
        flows.sort();
        Self {
            ports: by_name(ports, &plan.names.ports),
            enis: enis.collect(),
            drops: statistics.drops.clone(),
            flows,
        }
    }
}
