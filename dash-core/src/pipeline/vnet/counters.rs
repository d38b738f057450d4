//! Counters of one core. DASH HLD, ENI counters.
//!
//! Plain u64, written by this core alone; they leave it only as a copy that this core makes. The
//! storage is the caller's: about 700 bytes an ENI, 16 a rule that is counted.

use dash_hal::Hits;

use super::{
    Context, DropReason, Uncached,
    policy::{Direction, EniId, RuleCounterId},
};

/// Frames and their bytes, without FCS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Frames.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Traffic {
    /// Nothing counted, for static storage.
    pub const ZERO: Self = Self { packets: 0, bytes: 0 };

    const fn plus(self, other: Self) -> Self {
        Self { packets: self.packets + other.packets, bytes: self.bytes + other.bytes }
    }

    #[inline]
    const fn add(&mut self, bytes: usize) {
        self.add_all(1, bytes as u64);
    }

    #[inline]
    const fn add_all(&mut self, packets: u64, bytes: u64) {
        self.packets += packets;
        self.bytes += bytes;
    }
}

/// Traffic of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Directed {
    /// Received, dropped ones included; bytes as received.
    pub rx: Traffic,
    /// Sent; bytes as emitted.
    pub tx: Traffic,
}

/// Drops by reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drops([u64; DropReason::COUNT]);

impl Drops {
    const ZERO: Self = Self([0; DropReason::COUNT]);

    /// Frames dropped for `reason`.
    #[must_use]
    pub fn count(&self, reason: DropReason) -> u64 {
        self.0.get(reason.index()).copied().unwrap_or(0)
    }

    /// Frames dropped.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The reasons that dropped a frame, and how many.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> {
        DropReason::all().zip(self.0.iter().copied()).filter(|(_, count)| *count != 0)
    }

    fn add(&mut self, reason: DropReason) {
        if let Some(count) = self.0.get_mut(reason.index()) {
            *count += 1;
        }
    }
}

/// Counters of one ENI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EniCounters {
    /// From the VM.
    pub outbound: Directed,
    /// To the VM.
    pub inbound: Directed,
    /// Flows that it has, those of fragments included.
    pub flows: u64,
    /// Frames permitted whose flows found no place in the table, or were more than it may have.
    pub flow_create_failed: u64,
    /// Of these, the frames of flows that were more than it may have.
    pub flow_limit_reached: u64,
    /// Frames dropped once the ENI was known.
    pub drops: Drops,
}

impl EniCounters {
    /// Nothing counted, for static storage.
    pub const ZERO: Self = Self {
        outbound: Directed { rx: Traffic::ZERO, tx: Traffic::ZERO },
        inbound: Directed { rx: Traffic::ZERO, tx: Traffic::ZERO },
        flows: 0,
        flow_create_failed: 0,
        flow_limit_reached: 0,
        drops: Drops::ZERO,
    };

    #[inline]
    const fn directed(&mut self, direction: Direction) -> &mut Directed {
        match direction {
            Direction::Outbound => &mut self.outbound,
            Direction::Inbound => &mut self.inbound,
        }
    }

    /// Received for it in both directions.
    #[must_use]
    pub const fn rx(&self) -> Traffic {
        self.outbound.rx.plus(self.inbound.rx)
    }

    /// Sent for it in both directions.
    #[must_use]
    pub const fn tx(&self) -> Traffic {
        self.outbound.tx.plus(self.inbound.tx)
    }
}

/// All counters of a core.
#[derive(Debug)]
pub(super) struct Counters<'a> {
    enis: &'a mut [EniCounters],
    rules: &'a mut [Traffic],
    drops: Drops,
}

impl<'a> Counters<'a> {
    pub(super) fn new(enis: &'a mut [EniCounters]) -> Self {
        // Of another table.
        for eni in enis.iter_mut() {
            eni.flows = 0;
        }
        Self { enis, rules: &mut [], drops: Drops::ZERO }
    }

    pub(super) fn set_rules(&mut self, rules: &'a mut [Traffic]) {
        self.rules = rules;
    }

    pub(super) const fn rules(&self) -> &[Traffic] {
        self.rules
    }

    /// A rule of the ACL matched a frame of `received` bytes.
    pub(super) fn matched(&mut self, rule: RuleCounterId, received: usize) {
        if let Some(traffic) = self.rules.get_mut(rule.0 as usize) {
            traffic.add(received);
        }
    }

    pub(super) fn reset_rule(&mut self, rule: RuleCounterId) {
        if let Some(traffic) = self.rules.get_mut(rule.0 as usize) {
            *traffic = Traffic::ZERO;
        }
    }

    pub(super) const fn drops(&self) -> &Drops {
        &self.drops
    }

    pub(super) fn eni(&self, id: EniId) -> Option<&EniCounters> {
        self.enis.get(usize::from(id.0))
    }

    pub(super) fn reset(&mut self, id: EniId) {
        if let Some(eni) = self.enis.get_mut(usize::from(id.0)) {
            // Flows of the number's last ENI are still to leave.
            *eni = EniCounters { flows: eni.flows, ..EniCounters::ZERO };
        }
    }

    /// A frame of `received` bytes left with `sent`.
    #[inline]
    pub(super) fn sent(&mut self, context: Option<&Context>, received: usize, sent: usize) {
        let Some((eni, direction)) = self.of(context) else { return };
        let traffic = eni.directed(direction);
        traffic.rx.add(received);
        traffic.tx.add(sent);
    }

    /// What hardware received and sent.
    pub(super) fn offloaded(&mut self, context: Context, hits: &Hits) {
        let Some((eni, direction)) = self.of(Some(&context)) else { return };
        let traffic = eni.directed(direction);
        traffic.rx.add_all(hits.packets, hits.received);
        traffic.tx.add_all(hits.packets, hits.sent);
    }

    /// A frame of `received` bytes was dropped.
    pub(super) fn dropped(
        &mut self,
        context: Option<&Context>,
        received: usize,
        reason: DropReason,
    ) {
        self.drops.add(reason);
        let Some((eni, direction)) = self.of(context) else { return };
        eni.directed(direction).rx.add(received);
        eni.drops.add(reason);
    }

    pub(super) fn uncached(&mut self, id: EniId, why: Uncached) {
        if let Some(eni) = self.enis.get_mut(usize::from(id.0)) {
            eni.flow_create_failed += 1;
            eni.flow_limit_reached += u64::from(why == Uncached::Limit);
        }
    }

    pub(super) fn flow_entered(&mut self, id: EniId) {
        if let Some(eni) = self.enis.get_mut(usize::from(id.0)) {
            eni.flows += 1;
        }
    }

    pub(super) fn flow_left(&mut self, id: EniId) {
        if let Some(eni) = self.enis.get_mut(usize::from(id.0)) {
            eni.flows = eni.flows.saturating_sub(1);
        }
    }

    #[inline]
    fn of(&mut self, context: Option<&Context>) -> Option<(&mut EniCounters, Direction)> {
        let Context { eni, direction, .. } = *context?;
        Some((self.enis.get_mut(usize::from(eni.0))?, direction))
    }
}
