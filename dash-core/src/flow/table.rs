//! The flows of one core.
//!
//! Memory: one [`Bucket`] line for eight entries and one [`Slot`] for each entry, both the caller's.
//! Time: a look-up is that of the [cuckoo table](crate::table::cuckoo); installing a flow makes
//! three attempts at most, and looks at no more than [`RECLAIM`] and [`full::CANDIDATES`] other
//! entries after each; a [sweep](FlowTable::sweep), and the [wheel](super::wheel) that says when
//! flows may be over, look at no more than they are told to.
//!
//! A flow that has timed out is a miss at once, whether or not a sweep has come by. The halves of
//! a pair share their idle time: each half keeps its own last hit, and the younger one counts.

use dash_hal::Hints;

use super::{
    Flow, FlowFlags, FlowRemoved, NewFlow, Outside, Removal, State, Timeouts, WhenFull, full,
    tcp::{Tcp, TcpTimeouts},
    wheel::Wheel,
};
use crate::{
    pipeline::Install,
    table::{
        TableError,
        cuckoo::{Bucket, Cuckoo, Handle, InsertError, Key, Place, Slot},
    },
    wire::tcp::TcpFlags,
};

/// Entries that an installation into a full table looks at, in search of one that has timed out.
pub const RECLAIM: usize = 64;

/// In a millisecond.
pub(super) const NANOSECONDS: u64 = 1_000_000;

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

/// What happened in the table; each half of a pair counts, and each temporary flow of fragments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCounters {
    /// Installed.
    pub created: u64,
    /// Rewrite replaced after a change of policy.
    pub replaced: u64,
    /// Removed by the idle time-out.
    pub idle: u64,
    /// Removed by the hard time-out.
    pub hard: u64,
    /// Removed because TCP ended them.
    pub closed: u64,
    /// Removed because a new evaluation denies them.
    pub denied: u64,
    /// Removed because what they belonged to is gone, or their policy is too old.
    pub orphaned: u64,
    /// Removed because others took their place.
    pub superseded: u64,
    /// Removed on request.
    pub deleted: u64,
    /// Removed because the table was full.
    pub evicted: u64,
    /// Found no place.
    pub full: u64,
    /// Taken by the port's hardware.
    pub offloaded: u64,
    /// Refused by the port's hardware; a flow counts at each sweep.
    pub refused: u64,
    /// Taken back from the port's hardware.
    pub withdrawn: u64,
    /// Removed without an event: there was no place for it.
    pub untold: u64,
}

impl FlowCounters {
    const fn removed(&mut self, why: Removal) -> &mut u64 {
        match why {
            Removal::Idle => &mut self.idle,
            Removal::Hard => &mut self.hard,
            Removal::Closed => &mut self.closed,
            Removal::Denied => &mut self.denied,
            Removal::Orphaned => &mut self.orphaned,
            Removal::Superseded => &mut self.superseded,
            Removal::Deleted => &mut self.deleted,
            Removal::Evicted => &mut self.evicted,
        }
    }
}

/// The frame that a slow path ran for.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// The policy that it was evaluated under.
    pub epoch: u32,
    /// When it came, ns.
    pub now: u64,
    /// Its bytes as received, without FCS.
    pub bytes: usize,
    /// Its flags, if its flow is a TCP conversation.
    pub tcp: Option<TcpFlags>,
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

/// The table had no place; nothing was installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableFull;

/// The flows of one core, over storage that the caller gives.
#[derive(Debug)]
pub struct FlowTable<'a, K, S> {
    pub(super) flows: Cuckoo<'a, K, Flow<S>>,
    /// Where the sweep goes on.
    hand: usize,
    pub(super) counters: FlowCounters,
    pub(super) wheel: Wheel,
    pub(super) settings: FlowSettings,
}

impl<'a, K: Key, S: State> FlowTable<'a, K, S> {
    /// Buckets that a table of `capacity` flows takes.
    #[must_use]
    pub const fn buckets_for(capacity: usize) -> usize {
        Cuckoo::<'a, K, Flow<S>>::buckets_for(capacity)
    }

    /// Bytes that `capacity` flows take: entries with key, rewrite, counters and times, buckets with
    /// their stash, the wheel, and the table itself.
    #[must_use]
    pub const fn bytes_for(capacity: usize) -> usize {
        Self::buckets_for(capacity) * size_of::<Bucket>()
            + capacity * size_of::<Slot<K, Flow<S>>>()
            + size_of::<Self>()
    }

    /// An empty table of `slots.len()` flows, 0 allowed. `seed` is a secret of the port's.
    ///
    /// # Errors
    /// [`TableError::StorageTooSmall`] when there are fewer than
    /// [`buckets_for`](Self::buckets_for) buckets, [`TableError::CapacityTooLarge`].
    pub fn new(
        buckets: &'a mut [Bucket],
        slots: &'a mut [Slot<K, Flow<S>>],
        seed: [u64; 2],
    ) -> Result<Self, TableError> {
        let flows = Cuckoo::new(buckets, slots, seed)?;
        let (counters, settings) = (FlowCounters::default(), FlowSettings::default());
        Ok(Self { flows, hand: 0, counters, wheel: Wheel::EMPTY, settings })
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
    ) -> Option<(Handle, &mut Flow<S>, bool)> {
        let (handle, flow) = self.flows.confirm(place, key)?;
        let Timeouts { idle, hard } = flow.timeouts;
        let over = hard != 0 && may_be_over(flow.created, hard, now)
            || idle != 0 && may_be_over(flow.used, idle, now)
            || !flow.tcp.is_empty();
        Some((handle, flow, !over))
    }

    /// The flow if it lives, by the hits of the other half or of the hardware; if it has timed out
    /// it is removed.
    #[cold]
    pub(crate) fn keep<H: Hints, W: Outside<K, S>>(
        &mut self,
        handle: Handle,
        now: u64,
        hints: &H,
        outside: &mut W,
    ) -> Option<&mut Flow<S>> {
        if let Some(why) = self.over(handle, now, outside) {
            self.remove(handle, why, now, hints, outside);
        }
        self.flows.get_mut(handle)
    }

    /// Key and flow of `handle`.
    #[must_use]
    pub fn get(&self, handle: Handle) -> Option<(&K, &Flow<S>)> {
        self.flows.get(handle)
    }

    /// The flow of `handle`.
    #[inline]
    pub fn get_mut(&mut self, handle: Handle) -> Option<&mut Flow<S>> {
        self.flows.get_mut(handle)
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
        let peer = self.remove_half(handle, (why, now), hints, outside);
        if let Some(peer) = peer {
            self.remove_half(peer, (why, now), hints, outside);
        }
    }

    /// Removes this flow alone; answers the other half.
    fn remove_half<H: Hints, W: Outside<K, S>>(
        &mut self,
        handle: Handle,
        (why, now): (Removal, u64),
        hints: &H,
        outside: &mut W,
    ) -> Option<Handle> {
        self.withdraw(handle, outside);
        self.unschedule(handle);
        let (key, flow) = self.flows.remove(handle, hints)?;
        *self.counters.removed(why) += 1;
        outside.left(&flow.state);
        if flow.is_of_fragments() {
            self.add_to_parent(&flow);
            return None;
        }
        let peer = flow.peer();
        if outside.removed(FlowRemoved::new(key, flow, why, now)).is_err() {
            self.counters.untold += 1;
        }
        peer
    }

    /// Installs what a slow path asked for, and counts the frame that asked on the first
    /// flow. Answers the handle of that flow.
    ///
    /// # Errors
    /// [`TableFull`]: nothing was installed.
    pub fn install<H: Hints, W: Outside<K, S>>(
        &mut self,
        install: &Install<K, S>,
        frame: &Arrival,
        hints: &H,
        outside: &mut W,
    ) -> Result<Option<Handle>, TableFull> {
        let (first, second, apart) = match install {
            Install::None => return Ok(None),
            Install::One(flow) => (flow, None, true),
            Install::Pair(first, second) => (first, Some(second), false),
            Install::Two(first, second) => (first, Some(second), true),
        };
        // A conversation of one end with itself may have one name for both directions. Put after
        // the first, the second would take its place.
        let second = second.filter(|second| second.key != first.key);
        let created = self.counters.created;
        let handle = self.put(first, frame, (apart, None), hints, outside)?;
        let fresh = self.counters.created != created;
        // A flow that was there is hit by this frame; else room for the second might be made of it.
        if let Some(flow) = self.flows.get_mut(handle) {
            flow.used = frame.now;
        }
        if let Some(second) = second {
            let keep = (apart, Some(handle));
            let Ok(other) = self.put(second, frame, keep, hints, outside) else {
                if fresh && let Some((_, flow)) = self.flows.remove(handle, hints) {
                    outside.left(&flow.state);
                    self.counters.created = created;
                } else {
                    self.reschedule(handle);
                }
                return Err(TableFull);
            };
            if apart {
                self.reschedule(other);
            } else {
                self.link(handle, other, frame.tcp);
            }
        }
        self.reschedule(handle);
        if let Some(flow) = self.flows.get_mut(handle) {
            flow.flags |= FlowFlags::CREATOR;
            flow.packets += 1;
            flow.bytes += frame.bytes as u64;
        }
        Ok(Some(handle))
    }

    /// Puts the outcome of a new evaluation into the flow `handle`, whose frame asked for it, and
    /// into its other half, both at once; counters and age are kept. Answers the handle of the
    /// frame's flow.
    ///
    /// # Errors
    /// [`TableFull`]: the old flow is gone, nothing was installed.
    pub fn replace<H: Hints, W: Outside<K, S>>(
        &mut self,
        handle: Handle,
        install: &Install<K, S>,
        frame: &Arrival,
        hints: &H,
        outside: &mut W,
    ) -> Result<Option<Handle>, TableFull> {
        let peer = self.flows.get(handle).and_then(|(_, flow)| flow.peer());
        let has_key = |handle: Option<Handle>, key: &K| {
            handle.and_then(|handle| self.flows.get(handle)).is_some_and(|(own, _)| own == key)
        };
        let same = match install {
            Install::One(new) => has_key(Some(handle), &new.key) && peer.is_none(),
            Install::Pair(new, other) => {
                has_key(Some(handle), &new.key) && has_key(peer, &other.key)
            }
            Install::None | Install::Two(..) => false,
        };
        if !same {
            self.remove(handle, Removal::Superseded, frame.now, hints, outside);
            return self.install(install, frame, hints, outside);
        }
        if let Install::One(new) | Install::Pair(new, _) = install {
            self.modify(handle, new, frame, outside);
        }
        if let (Install::Pair(_, new), Some(peer)) = (install, peer) {
            self.modify(peer, new, frame, outside);
        }
        if let Some(flags) = frame.tcp {
            self.follow(handle, flags);
        }
        self.reschedule(handle);
        if let Some(flow) = self.flows.get_mut(handle) {
            flow.used = frame.now;
            flow.packets += 1;
            flow.bytes += frame.bytes as u64;
        }
        Ok(Some(handle))
    }

    /// Looks at the next `budget` entries, removes those that [`expire`](Self::expire) would remove
    /// when their time has come, and brings hardware up to date on the others: flows whose policy is
    /// gone, and those of the hardware, do not wait for their time-outs. No entry is looked at
    /// twice: a budget of the capacity is a whole sweep.
    pub fn sweep<H: Hints, W: Outside<K, S>>(
        &mut self,
        now: u64,
        budget: usize,
        epoch: impl Fn(&W, &K) -> Option<u32>,
        hints: &H,
        outside: &mut W,
    ) {
        for _ in 0..budget.min(self.capacity()) {
            let index = self.advance();
            let Some(handle) = self.flows.at(index) else { continue };
            if let Some(why) = self.why_over(handle, now, &epoch, outside) {
                self.remove(handle, why, now, hints, outside);
            } else if let Some((key, flow)) = self.flows.get(handle) {
                let current = epoch(outside, key) == Some(flow.epoch);
                self.tend(handle, current, outside);
            }
        }
    }

    fn advance(&mut self) -> usize {
        let index = self.hand;
        self.hand = if index + 1 < self.capacity() { index + 1 } else { 0 };
        index
    }

    /// Inserts one flow, without making room at the cost of `keep`. A flow that is there under the
    /// same key is modified when flows live `apart`; else it is removed with its pair, which this
    /// one replaces.
    pub(super) fn put<H: Hints, W: Outside<K, S>>(
        &mut self,
        new: &NewFlow<K, S>,
        frame: &Arrival,
        (apart, keep): (bool, Option<Handle>),
        hints: &H,
        outside: &mut W,
    ) -> Result<Handle, TableFull> {
        let now = frame.now;
        let flow = Flow {
            rewrite: new.rewrite,
            egress: new.egress,
            state: new.state,
            created: now,
            used: now,
            timeouts: new.timeouts,
            epoch: frame.epoch,
            ..Flow::EMPTY
        };
        // Three attempts: the key may be taken, and the table full.
        for _ in 0..3 {
            match self.flows.insert(&new.key, flow, hints) {
                Ok(handle) => {
                    self.counters.created += 1;
                    outside.entered(&new.state);
                    return Ok(handle);
                }
                Err(InsertError::Exists(handle)) => match self.over(handle, now, outside) {
                    Some(why) => self.remove(handle, why, now, hints, outside),
                    None if apart => {
                        self.modify(handle, new, frame, outside);
                        return Ok(handle);
                    }
                    None => self.remove(handle, Removal::Superseded, now, hints, outside),
                },
                Err(InsertError::Full) => {
                    if !self.reclaim(keep, now, hints, outside)
                        && !self.evict(keep, now, hints, outside)
                    {
                        break;
                    }
                }
            }
        }
        self.counters.full += 1;
        Err(TableFull)
    }

    /// Removes the next flow that has timed out, but `keep`; `false` when the next [`RECLAIM`] entries hold
    /// none.
    fn reclaim<H: Hints, W: Outside<K, S>>(
        &mut self,
        keep: Option<Handle>,
        now: u64,
        hints: &H,
        outside: &mut W,
    ) -> bool {
        for _ in 0..RECLAIM.min(self.capacity()) {
            let index = self.advance();
            let Some(handle) = self.flows.at(index) else { continue };
            if Some(handle) != keep
                && let Some(why) = self.over(handle, now, outside)
            {
                self.remove(handle, why, now, hints, outside);
                return true;
            }
        }
        false
    }

    /// Removes the flow that is worth least of [`CANDIDATES`](full::CANDIDATES) entries, if
    /// that is allowed and one of them may go.
    fn evict<H: Hints, W: Outside<K, S>>(
        &mut self,
        keep: Option<Handle>,
        now: u64,
        hints: &H,
        outside: &mut W,
    ) -> bool {
        if self.settings.when_full != WhenFull::Evict {
            return false;
        }
        let (start, step) = (self.advance(), (self.capacity() / full::CANDIDATES).max(1));
        let mut least = None;
        for candidate in 0..full::CANDIDATES.min(self.capacity()) {
            let Some(index) = (start + candidate * step).checked_rem(self.capacity()) else {
                break;
            };
            let Some(handle) = self.flows.at(index) else { continue };
            let Some((_, flow)) = self.flows.get(handle) else { continue };
            if keep.is_some_and(|keep| handle == keep || flow.peer() == Some(keep)) {
                continue;
            }
            let Some(worth) = full::worth(flow.tcp) else { continue };
            let candidate = (worth, flow.used, handle);
            if least.is_none_or(|least| candidate < least) {
                least = Some(candidate);
            }
        }
        let Some((_, _, handle)) = least else { return false };
        self.remove(handle, Removal::Evicted, now, hints, outside);
        true
    }

    fn modify<W: Outside<K, S>>(
        &mut self,
        handle: Handle,
        new: &NewFlow<K, S>,
        frame: &Arrival,
        outside: &mut W,
    ) {
        self.withdraw(handle, outside);
        let Some(flow) = self.flows.get_mut(handle) else { return };
        outside.left(&flow.state);
        outside.entered(&new.state);
        flow.rewrite = new.rewrite;
        flow.egress = new.egress;
        flow.state = new.state;
        flow.timeouts = new.timeouts;
        flow.epoch = frame.epoch;
        self.counters.replaced += 1;
    }

    /// Makes a pair of two flows, the first being that of the frame, whose TCP flags these are.
    fn link(&mut self, one: Handle, other: Handle, tcp: Option<TcpFlags>) {
        let (first, second) = tcp.map(Tcp::first).unwrap_or_default();
        for (half, peer, tcp) in [(one, other, first), (other, one, second)] {
            if let Some(flow) = self.flows.get_mut(half) {
                (flow.related, flow.tcp) = (Some(peer), tcp);
            }
        }
    }

    /// A segment with `flags` came for half of a TCP conversation that it may
    /// [change](Tcp::follows).
    #[inline(never)]
    pub(crate) fn follow(&mut self, handle: Handle, flags: TcpFlags) {
        let Some((_, flow)) = self.flows.get(handle) else { return };
        let (own, peer) = (flow.tcp, flow.peer());
        if !own.contains(Tcp::TRACKED) {
            return;
        }
        let of_peer = peer.and_then(|peer| self.flows.get(peer)).map(|(_, flow)| flow.tcp);
        let (next, of_peer) = own.after(flags, of_peer.unwrap_or_default());
        for (half, tcp) in [(Some(handle), next), (peer, of_peer)] {
            if let Some(flow) = half.and_then(|half| self.flows.get_mut(half)) {
                flow.tcp = tcp;
            }
        }
        // Only a time-out that is shorter now has to be noticed before the old one is due.
        if next.begins_a_phase_after(own) {
            self.reschedule(handle);
        }
    }
}
