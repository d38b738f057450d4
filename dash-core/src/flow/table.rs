//! The flows of one core.
//!
//! Memory: one [`Bucket`] line for eight entries and one [`Slot`] for each entry, both the caller's.
//! Time: a look-up is that of the [cuckoo table](crate::table::cuckoo); a
//! [sweep](FlowTable::sweep), and the [wheel](super::wheel) that says when flows may be over, look
//! at no more flows than they are told to.
//!
//! A flow that has timed out is a miss at once, whether or not a sweep has come by. The halves of
//! a pair share their idle time: each half keeps its own last hit, and the younger one counts.

use dash_hal::Hints;

use super::{
    Flow, FlowCounters, FlowMut, FlowRemoved, Outside, Removal, State, Timeouts, WhenFull,
    tcp::{Tcp, TcpTimeouts},
    wheel::Wheel,
};
use crate::{
    rewrite::{NextHop, NextHops, Rewrite},
    table::{
        TableError,
        cuckoo::{Bucket, Cuckoo, Handle, Key, Place, Slot},
    },
    wire::tcp::TcpFlags,
};

/// In a millisecond.
pub(super) const NANOSECONDS: u64 = 1_000_000;

/// Entries that a sweep starts to load before it looks at them.
const SWEEP_AHEAD: usize = 8;

/// What the flow table did for a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowStep {
    /// Found.
    Hit,
    /// Not found, or timed out.
    Miss,
    /// Found, but evaluated under an older policy.
    Stale,
    /// Installed.
    Installed,
    /// Its rewrite was replaced.
    Replaced,
    /// Removed.
    Removed,
    /// No place: the frame is forwarded, and not remembered.
    Uncached,
}

/// Whether more than `limit` milliseconds went by from `since` to `now`.
#[inline]
const fn over(since: u64, limit: u32, now: u64) -> bool {
    now.saturating_sub(since) > limit as u64 * NANOSECONDS
}

/// What holds for all flows of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowSettings {
    /// Time-outs of TCP conversations that are not open.
    pub tcp: TcpTimeouts,
    /// What becomes of new flows when it is full.
    pub when_full: WhenFull,
}

/// [`over`], or `since` is later than `now`.
#[inline]
const fn may_be_over(since: u64, limit: u32, now: u64) -> bool {
    now.wrapping_sub(since) > limit as u64 * NANOSECONDS
}

/// The flows of one core, over storage that the caller gives.
#[derive(Debug)]
pub struct FlowTable<'a, K, S> {
    pub(super) flows: Cuckoo<'a, K, Flow<S>>,
    /// Where the search for an entry that may go goes on.
    hand: usize,
    /// Where the sweep goes on.
    sweep_hand: usize,
    /// The version of policy that the sweep goes by.
    swept: Option<u32>,
    /// Entries that it has not yet looked at under that version.
    unswept: usize,
    pub(super) counters: FlowCounters,
    pub(super) wheel: Wheel,
    pub(super) next_hops: NextHops<'a>,
    pub(super) settings: FlowSettings,
}

impl<'a, K: Key, S: State> FlowTable<'a, K, S> {
    /// Buckets that a table of `capacity` flows takes.
    #[must_use]
    pub const fn buckets_for(capacity: usize) -> usize {
        Cuckoo::<'a, K, Flow<S>>::buckets_for(capacity)
    }

    /// Bytes that `capacity` flows take: entries with key, header change, counters and times, buckets
    /// with their stash, the wheel, and the table itself. Each next hop takes 64 more.
    #[must_use]
    pub const fn bytes_for(capacity: usize) -> usize {
        Self::buckets_for(capacity) * size_of::<Bucket>()
            + capacity * size_of::<Slot<K, Flow<S>>>()
            + size_of::<Self>()
    }

    /// An empty table of `slots.len()` flows, 0 allowed, by way of at most `next_hops.len()` [next
    /// hops](NextHops). `seed` is a secret of the port's.
    ///
    /// # Errors
    /// [`TableError::StorageTooSmall`] when there are fewer than
    /// [`buckets_for`](Self::buckets_for) buckets, or no next hop; [`TableError::CapacityTooLarge`].
    pub fn new(
        buckets: &'a mut [Bucket],
        slots: &'a mut [Slot<K, Flow<S>>],
        next_hops: &'a mut [NextHop],
        seed: [u64; 2],
    ) -> Result<Self, TableError> {
        if next_hops.is_empty() && !slots.is_empty() {
            return Err(TableError::StorageTooSmall);
        }
        let flows = Cuckoo::new(buckets, slots, seed)?;
        let (counters, settings) = (FlowCounters::default(), FlowSettings::default());
        Ok(Self {
            flows,
            hand: 0,
            sweep_hand: 0,
            swept: None,
            unswept: 0,
            counters,
            wheel: Wheel::EMPTY,
            next_hops: NextHops::new(next_hops),
            settings,
        })
    }

    /// What holds for all flows.
    #[must_use]
    pub const fn settings(&self) -> &FlowSettings {
        &self.settings
    }

    /// Changes what holds for all flows. Time-outs of flows that are there count at once, but may
    /// be noticed as late as the old ones.
    pub const fn set(&mut self, settings: FlowSettings) {
        self.settings = settings;
    }

    /// Most flows; a pair takes two.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.flows.capacity()
    }

    /// Flows, those that have timed out and wait for the sweep included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// What happened so far.
    #[must_use]
    pub const fn counters(&self) -> &FlowCounters {
        &self.counters
    }

    /// The flow of `key`, timed out or not.
    #[inline]
    #[must_use]
    pub fn find<H: Hints>(&self, key: &K, hints: &H) -> Option<Handle> {
        self.flows.find(key, hints)
    }

    /// Where the table would have `key`; starts to load that line.
    #[inline]
    pub fn home<H: Hints>(&self, key: &K, hints: &H) -> Place {
        self.flows.home(key, hints)
    }

    /// Starts to load what an installation changes: of a key that has missed, and of its other
    /// half's, whose place it answers.
    #[inline]
    pub(crate) fn prefetch_installation<H: Hints>(
        &self,
        missed: &Place,
        other: Option<&K>,
        hints: &H,
    ) -> Place {
        self.flows.prefetch_room(missed, hints);
        let Some(other) = other else { return Place::NONE };
        self.flows.prefetch_second_free(hints);
        self.flows.prepare(other, hints)
    }

    /// Starts to load what a removal changes; more than a sixth of the flows live in the second of
    /// their buckets.
    #[inline]
    pub(super) fn prepare_removal<H: Hints>(&self, key: &K, hints: &H) -> Place {
        let place = self.flows.home(key, hints);
        self.flows.prefetch_alternate(&place, hints);
        place
    }

    /// [`Cuckoo::candidates`].
    #[inline]
    pub fn candidates<H: Hints>(&self, places: &mut [impl AsMut<Place>], hints: &H) {
        self.flows.candidates(places, hints);
    }

    /// The last step of a look-up, see [`Cuckoo::confirm`]: the flow of `key`, and whether it
    /// surely lives at `now`. If not, [`keep`](Self::keep) knows; of a TCP conversation it is asked
    /// at each segment.
    #[inline(always)]
    pub(crate) fn hit(
        &mut self,
        place: &Place,
        key: &K,
        now: u64,
    ) -> Option<(Handle, FlowMut<'_, S>, bool)> {
        let (handle, flow) = self.flows.confirm(place, key)?;
        let Timeouts { idle, hard } = flow.timeouts;
        let over = hard != 0 && may_be_over(flow.created, hard, now)
            || idle != 0 && may_be_over(flow.used, idle, now)
            || !flow.tcp.is_empty();
        Some((handle, FlowMut::new(flow, self.next_hops.lend()), !over))
    }

    /// Whether the flow lives, by the hits of the other half or of the hardware, and goes on with a
    /// frame that has `flags` if it is a segment of TCP; else it is removed.
    #[inline(never)]
    pub(crate) fn keep<H: Hints, W: Outside<K, S>>(
        &mut self,
        handle: Handle,
        flags: Option<TcpFlags>,
        now: u64,
        hints: &H,
        outside: &mut W,
    ) -> bool {
        if let Some((_, flow)) = self.flows.get(handle)
            && flags.is_some_and(|flags| flow.tcp.follows(flags))
        {
            // The pair may move in the wheel: its links are in lines that a hit does not load.
            let peer = flow.peer().and_then(|peer| self.flows.get(peer));
            hints.prefetch(peer.map_or(&flow.wheel, |(_, peer)| &peer.wheel));
            hints.prefetch(&flow.wheel);
        }
        let over = self.over(handle, now, outside);
        let Some(why) = over.or_else(|| self.follow(handle, flags?)) else { return true };
        self.remove(handle, why, now, hints, outside);
        false
    }

    /// Key and flow of `handle`.
    #[must_use]
    pub fn get(&self, handle: Handle) -> Option<(&K, &Flow<S>)> {
        self.flows.get(handle)
    }

    /// The flow of `handle`.
    #[inline]
    pub fn get_mut(&mut self, handle: Handle) -> Option<FlowMut<'_, S>> {
        Some(FlowMut::new(self.flows.get_mut(handle)?, self.next_hops.lend()))
    }

    /// Next hops that flows have.
    #[must_use]
    pub fn next_hops(&self) -> usize {
        self.next_hops.in_use()
    }

    /// The header change of each frame of a flow of this table.
    #[must_use]
    pub fn rewrite(&self, flow: &Flow<S>) -> Rewrite {
        self.next_hops.rewrite(&flow.change)
    }

    /// The flow at position `index`, below the capacity, timed out or not: for walks that go on
    /// where they stopped.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<Handle> {
        self.flows.at(index)
    }

    /// The flow at position `index`, if it lives at `now`; no temporary flow of fragments. Of what
    /// hardware forwarded, it knows what was fetched by the last sweep.
    #[must_use]
    pub fn live_at(&self, index: usize, now: u64) -> Option<(&K, &Flow<S>)> {
        let handle = self.flows.at(index)?;
        let (key, flow) = self.flows.get(handle)?;
        let lives = !flow.is_of_fragments() && self.timed_out(handle, now).is_none();
        lives.then_some((key, flow))
    }

    /// The flows that live at `now`, in no order, as [`live_at`](Self::live_at).
    pub fn live(&self, now: u64) -> impl Iterator<Item = (&K, &Flow<S>)> {
        (0..self.capacity()).filter_map(move |index| self.live_at(index, now))
    }

    /// Why the flow is over at `now`, as far as software knows; `None` while it lives. Hard is
    /// tested before idle.
    #[must_use]
    pub fn timed_out(&self, handle: Handle, now: u64) -> Option<Removal> {
        let (_, flow) = self.flows.get(handle)?;
        self.lost_its_parent(flow, now).or_else(|| self.past_its_time(flow, now))
    }

    /// Why the flow's own time is over at `now`.
    pub(super) fn past_its_time(&self, flow: &Flow<S>, now: u64) -> Option<Removal> {
        let Timeouts { idle, hard } = flow.timeouts;
        let idle = self.settings.tcp.idle(flow.tcp, idle);
        if hard != 0 && over(flow.created, hard, now) {
            return Some(Removal::Hard);
        }
        if idle == 0 || !over(flow.used, idle, now) {
            return None;
        }
        // Only now is the other half's line worth loading.
        let peer = flow.peer().and_then(|peer| self.flows.get(peer));
        let used = peer.map_or(flow.used, |(_, peer)| peer.used.max(flow.used));
        let why = if flow.tcp.contains(Tcp::CLOSED) { Removal::Closed } else { Removal::Idle };
        over(used, idle, now).then_some(why)
    }

    /// Removes the flow at `now` and, if it is half of a pair, the other half; takes both back from
    /// hardware, and tells `outside`.
    #[inline(never)]
    pub fn remove<H: Hints, W: Outside<K, S>>(
        &mut self,
        handle: Handle,
        why: Removal,
        now: u64,
        hints: &H,
        outside: &mut W,
    ) {
        let peer = self.flows.get(handle).and_then(|(_, flow)| flow.peer());
        // The buckets of both are loaded before the first is needed.
        let halves = [Some(handle), peer].map(|half| {
            let (key, _) = self.flows.get(half?)?;
            Some((half?, self.prepare_removal(key, hints)))
        });
        for (half, place) in halves.into_iter().flatten() {
            self.remove_half((half, &place), (why, now), hints, outside);
        }
    }

    /// Removes this flow alone.
    fn remove_half<H: Hints, W: Outside<K, S>>(
        &mut self,
        (handle, place): (Handle, &Place),
        (why, now): (Removal, u64),
        hints: &H,
        outside: &mut W,
    ) {
        self.withdraw(handle, outside);
        self.unschedule(handle);
        let Some((key, flow)) = self.flows.get(handle) else { return };
        *self.counters.removed(why) += 1;
        outside.left(&flow.state);
        if flow.is_of_fragments() {
            self.add_to_parent(handle);
        } else if outside.removed(FlowRemoved::new(key, flow, why, now)).is_err() {
            self.counters.untold += 1;
        }
        self.discard(place, handle, hints);
    }

    /// Takes a flow out of the table, and tells nobody.
    pub(super) fn discard<H: Hints>(&mut self, place: &Place, handle: Handle, hints: &H) {
        if let Some((_, flow)) = self.flows.get(handle) {
            self.next_hops.release(&flow.change);
        }
        self.flows.remove_at(place, handle, hints);
    }

    /// Looks at the next `budget` entries, removes those that [`expire`](Self::expire) would remove
    /// when their time has come, and brings hardware up to date on the others: flows whose policy is
    /// gone, and those of the hardware, do not wait for their time-outs. No entry is looked at
    /// twice: a budget of the capacity is a whole sweep.
    ///
    /// What `epoch` answers changes only with `version`: without hardware, the sweep rests once it
    /// has looked at every entry under one version. `None`: no one knows, so it never rests.
    pub fn sweep<H: Hints, W: Outside<K, S>>(
        &mut self,
        now: u64,
        budget: usize,
        (version, epoch): (Option<u32>, impl Fn(&W, &K) -> Option<u32>),
        hints: &H,
        outside: &mut W,
    ) {
        if W::HARDWARE || version.is_none() || version != self.swept {
            (self.swept, self.unswept) = (version, self.capacity());
        }
        let count = budget.min(self.unswept);
        self.unswept -= count;
        for _ in 0..count {
            let index = next(&mut self.sweep_hand, self.flows.capacity());
            self.flows.prefetch(index + SWEEP_AHEAD, hints);
            let Some(handle) = self.flows.at(index) else { continue };
            if let Some(why) = self.why_over(handle, now, &epoch, outside) {
                self.remove(handle, why, now, hints, outside);
            } else if W::HARDWARE
                && let Some((key, flow)) = self.flows.get(handle)
            {
                let current = epoch(outside, key) == Some(flow.epoch);
                self.tend(handle, current, outside);
            }
        }
    }

    pub(super) fn advance(&mut self) -> usize {
        next(&mut self.hand, self.flows.capacity())
    }
}

/// Where `hand` is; it goes on to the next of `count` positions.
const fn next(hand: &mut usize, count: usize) -> usize {
    let index = *hand;
    *hand = if index + 1 < count { index + 1 } else { 0 };
    index
}
