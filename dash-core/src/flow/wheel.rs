//! When flows are looked at: a timing wheel (Varghese and Lauck, SOSP 1987, scheme 6).
//!
//! 256 slots of 268 ms, each a doubly linked list of flows by their positions; a slot holds the flows
//! that cannot end before its time has passed. A hit does not touch the wheel: when a slot's time
//! has passed its flows are looked at, those that are over are removed, and the others move to the
//! slot of the time that is due by now. A flow whose time-out is longer than a turn of the wheel
//! (68 s) is looked at once a turn. The wheel only says when to look: a flow that has timed out is a
//! miss at once.
//!
//! * **Memory**: 1 KiB for the slots; 8 bytes of each flow. Of a pair one half is in the wheel, for
//!   both.
//! * **Time**: constant for a flow that comes, goes, or moves: its own line and those of its two
//!   neighbours. [`expire`](FlowTable::expire) looks at as many flows as it is told to, and passes
//!   [`SLOTS`] slots at most. A flow is looked at up to one slot late, and as late as the budgets
//!   of the calls make it.

use dash_hal::Hints;

use super::{Flow, FlowTable, NANOSECONDS, Outside, Removal, State, tcp::TcpTimeouts};
use crate::table::cuckoo::{Handle, Key};

/// Slots: a turn must be longer than usual time-outs (30 s), else flows are looked at for nothing.
pub const SLOTS: usize = 256;
/// A slot is 2^28 ns: a small part of the shortest time-outs of conversations (seconds).
const SHIFT: u32 = 28;
/// In a [`Link`]: the flow is the first of its slot, whose number is in the lower bits. Else they
/// are the position of the previous flow plus 1; positions are below 2^26.
const FIRST: u32 = 1 << 31;

/// What stands in front of a flow in its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link(u32);

impl Link {
    /// It is in no slot.
    pub const NONE: Self = Self(0);
}

/// The slots.
#[derive(Debug)]
pub(super) struct Wheel {
    /// Position of the first flow plus 1; 0: there is none.
    first: [u32; SLOTS],
    /// The slot that is looked at next, counted from time 0.
    hand: u64,
}

impl Wheel {
    pub(super) const EMPTY: Self = Self { first: [0; SLOTS], hand: 0 };

    fn first_mut(&mut self, slot: usize) -> Option<&mut u32> {
        self.first.get_mut(slot % SLOTS)
    }

    const fn slot_of_hand(&self) -> usize {
        self.hand as usize % SLOTS
    }
}

impl<S> Flow<S> {
    /// The last time at which it lives if no further frame comes; `used` is the last hit of its
    /// conversation.
    pub(super) fn due(&self, used: u64, tcp: &TcpTimeouts) -> u64 {
        let after = |since: u64, limit: u32| match limit {
            0 => u64::MAX,
            _ => since.saturating_add(u64::from(limit) * NANOSECONDS),
        };
        after(used, tcp.idle(self.tcp, self.timeouts.idle))
            .min(after(self.created, self.timeouts.hard))
    }
}

impl<K: Key, S: State> FlowTable<'_, K, S> {
    /// Looks at flows whose time has come, at most `budget` of them, and removes those that are over
    /// at `now`, and those whose policy is gone (`epoch` answers `None`) or more than half the range
    /// of epochs ahead.
    pub fn expire<H: Hints, W: Outside<K, S>>(
        &mut self,
        now: u64,
        budget: usize,
        epoch: impl Fn(&W, &K) -> Option<u32>,
        hints: &H,
        outside: &mut W,
    ) {
        let current = now >> SHIFT;
        // One turn looks at every slot, however long nobody came by.
        self.wheel.hand = self.wheel.hand.max(current.saturating_sub(SLOTS as u64));
        let mut left = budget;
        while self.wheel.hand < current {
            while let Some(handle) = self.first_of_hand() {
                if left == 0 {
                    return;
                }
                left -= 1;
                self.prefetch_behind(handle, hints);
                let why = self.why_over(handle, now, &epoch, outside).or_else(|| {
                    let peer = self.flows.get(handle).and_then(|(_, flow)| flow.peer())?;
                    self.over(peer, now, outside)
                });
                if let Some(why) = why {
                    self.remove(handle, why, now, hints, outside);
                } else {
                    let next_slot = (self.wheel.hand + 1) << SHIFT;
                    self.reschedule_from(handle, next_slot);
                }
            }
            self.wheel.hand += 1;
        }
    }

    fn first_of_hand(&self) -> Option<Handle> {
        let first = *self.wheel.first.get(self.wheel.slot_of_hand())?;
        self.flows.at(first.checked_sub(1)? as usize)
    }

    /// Starts to load what the three flows behind this one in its slot need, a step of each: of the
    /// third its own lines; of the second, which has them by now, its buckets and its other half; of
    /// the next its other half's buckets.
    #[inline]
    fn prefetch_behind<H: Hints>(&self, handle: Handle, hints: &H) {
        let behind = |index| (self.flows.link(index) as usize).checked_sub(1);
        let entry = |index| self.flows.at(index).and_then(|handle| self.flows.get(handle));
        let Some(next) = behind(handle.index()) else { return };
        let peer = entry(next).and_then(|(_, flow)| self.flows.get(flow.peer()?));
        if let Some((key, _)) = peer {
            self.prepare_removal(key, hints);
        }
        let Some(second) = behind(next) else { return };
        if let Some((key, flow)) = entry(second) {
            self.prepare_removal(key, hints);
            if let Some(peer) = flow.peer() {
                self.flows.prefetch(peer.index(), hints);
            }
        }
        if let Some(third) = behind(second) {
            self.flows.prefetch(third, hints);
        }
    }

    /// Why the flow is to be removed.
    pub(super) fn why_over<W: Outside<K, S>>(
        &mut self,
        handle: Handle,
        now: u64,
        epoch: &impl Fn(&W, &K) -> Option<u32>,
        outside: &mut W,
    ) -> Option<Removal> {
        let why = self.over(handle, now, outside);
        if why.is_some() {
            return why;
        }
        let (key, flow) = self.flows.get(handle)?;
        let ahead = epoch(outside, key).map(|epoch| epoch.wrapping_sub(flow.epoch));
        ahead.is_none_or(|ahead| ahead > u32::MAX / 2).then_some(Removal::Orphaned)
    }

    /// Puts a flow, for its pair too, into the slot of the time that is due now.
    pub(super) fn reschedule(&mut self, handle: Handle) {
        self.reschedule_from(handle, 0);
    }

    /// [`reschedule`](Self::reschedule), for `earliest` or later.
    fn reschedule_from(&mut self, handle: Handle, earliest: u64) {
        let Some((_, flow)) = self.flows.get(handle) else { return };
        let tcp = &self.settings.tcp;
        let peer = flow.peer().and_then(|peer| Some((peer, self.flows.get(peer)?.1)));
        let (half, due) = match peer {
            None => (handle, flow.due(flow.used, tcp)),
            Some((other, peer)) => {
                let used = flow.used.max(peer.used);
                let half = if peer.wheel == Link::NONE { handle } else { other };
                (half, flow.due(used, tcp).min(peer.due(used, tcp)))
            }
        };
        self.unschedule(half);
        self.schedule(half, due.max(earliest));
    }

    /// Puts a flow that is in no slot into that of `due`.
    fn schedule(&mut self, handle: Handle, due: u64) {
        let hand = self.wheel.hand;
        // Not `clamp`, which may panic.
        let slot = (due >> SHIFT).max(hand).min(hand + SLOTS as u64 - 1) as usize % SLOTS;
        let number = handle.index() as u32 + 1;
        let Some(first) = self.wheel.first_mut(slot) else { return };
        let next = core::mem::replace(first, number);
        self.set_previous(next, number);
        self.set_previous(number, FIRST | slot as u32);
        self.set_next(number, next);
    }

    /// Takes a flow out of its slot, if it is in one.
    pub(super) fn unschedule(&mut self, handle: Handle) {
        let number = handle.index() as u32 + 1;
        let Some(flow) = self.flows.get_mut(handle) else { return };
        let Link(previous) = core::mem::replace(&mut flow.wheel, Link::NONE);
        if previous == 0 {
            return;
        }
        let next = self.set_next(number, 0);
        if previous & FIRST == 0 {
            self.set_next(previous, next);
        } else if let Some(first) = self.wheel.first_mut((previous & !FIRST) as usize) {
            *first = next;
        }
        self.set_previous(next, previous);
    }

    /// Of the flow at the position `number - 1`, if it is one.
    fn set_previous(&mut self, number: u32, previous: u32) {
        let handle = number.checked_sub(1).and_then(|index| self.flows.at(index as usize));
        if let Some(flow) = handle.and_then(|handle| self.flows.get_mut(handle)) {
            flow.wheel = Link(previous);
        }
    }

    /// Likewise; answers what it was.
    fn set_next(&mut self, number: u32, next: u32) -> u32 {
        let index = number.wrapping_sub(1) as usize;
        self.flows.link_mut(index).map_or(0, |link| core::mem::replace(link, next))
    }
}
