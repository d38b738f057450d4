//! Counters of one core. DASH HLD, ENI counters.
//!
//! Plain u64, written by this core alone; they leave it only as a copy that this core makes. The
//! storage for ENIs is the caller's, about 700 bytes each.

use super::{
    Context, DropReason,
    policy::{Direction, EniId},
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
    const ZERO: Self = Self { packets: 0, bytes: 0 };

    fn add(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }
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
    /// Received for it, dropped ones included; bytes as received.
    pub rx: Traffic,
    /// Sent for it; bytes as emitted.
    pub tx: Traffic,
    /// Of `rx`, from the VM.
    pub outbound_rx: Traffic,
    /// Of `tx`, from the VM.
    pub outbound_tx: Traffic,
    /// Of `rx`, to the VM.
    pub inbound_rx: Traffic,
    /// Of `tx`, to the VM.
    pub inbound_tx: Traffic,
    /// Frames forwarded whose flows found no place in the table.
    pub flow_create_failed: u64,
    /// Frames dropped once the ENI was known.
    pub drops: Drops,
}

impl EniCounters {
    /// Nothing counted, for static storage.
    pub const ZERO: Self = Self {
        rx: Traffic::ZERO,
        tx: Traffic::ZERO,
        outbound_rx: Traffic::ZERO,
        outbound_tx: Traffic::ZERO,
        inbound_rx: Traffic::ZERO,
        inbound_tx: Traffic::ZERO,
        flow_create_failed: 0,
        drops: Drops::ZERO,
    };
}

/// All counters of a core.
#[derive(Debug)]
pub(super) struct Counters<'a> {
    enis: &'a mut [EniCounters],
    drops: Drops,
}

impl<'a> Counters<'a> {
    pub(super) fn new(enis: &'a mut [EniCounters]) -> Self {
        Self { enis, drops: Drops::ZERO }
    }

    pub(super) const fn drops(&self) -> &Drops {
        &self.drops
    }

    pub(super) fn eni(&self, id: EniId) -> Option<&EniCounters> {
        self.enis.get(usize::from(id.0))
    }

    pub(super) fn reset(&mut self, id: EniId) {
        if let Some(eni) = self.enis.get_mut(usize::from(id.0)) {
            *eni = EniCounters::ZERO;
        }
    }

    pub(super) fn received(&mut self, context: Context, bytes: usize) {
        let Some(eni) = self.of(context) else { return };
        eni.rx.add(bytes);
        match context.direction {
            Direction::Outbound => eni.outbound_rx.add(bytes),
            Direction::Inbound => eni.inbound_rx.add(bytes),
        }
    }

    pub(super) fn sent(&mut self, context: Context, bytes: usize) {
        let Some(eni) = self.of(context) else { return };
        eni.tx.add(bytes);
        match context.direction {
            Direction::Outbound => eni.outbound_tx.add(bytes),
            Direction::Inbound => eni.inbound_tx.add(bytes),
        }
    }

    pub(super) fn dropped(&mut self, context: Option<Context>, reason: DropReason) {
        self.drops.add(reason);
        if let Some(eni) = context.and_then(|context| self.of(context)) {
            eni.drops.add(reason);
        }
    }

    pub(super) fn uncached(&mut self, context: Context) {
        if let Some(eni) = self.of(context) {
            eni.flow_create_failed += 1;
        }
    }

    fn of(&mut self, context: Context) -> Option<&mut EniCounters> {
        self.enis.get_mut(usize::from(context.eni.0))
    }
}
