//! What a slow path asks for comes into the table: new flows, or a new outcome for those that are
//! there.
//!
//! Time: three attempts for each flow at most; each looks at no more than [`RECLAIM`](super::RECLAIM)
//! and [`CANDIDATES`](super::full::CANDIDATES) other entries to make room.

use dash_hal::Hints;

use super::{Egress, Flow, FlowFlags, FlowTable, Outside, Removal, State, Timeouts, tcp::Tcp};
use crate::{
    rewrite::Rewrite,
    table::cuckoo::{Handle, InsertError, Key, Place},
    wire::tcp::TcpFlags,
};

/// A flow that a slow path asks for.
#[derive(Clone, Copy, Debug)]
pub struct NewFlow<K, S> {
    /// The bytes that name it.
    pub key: K,
    /// The header change of each frame.
    pub rewrite: Rewrite,
    /// Where each frame leaves.
    pub egress: Egress,
    /// The pipeline's own.
    pub state: S,
    /// When it ends by itself.
    pub timeouts: Timeouts,
}

/// Which flows a slow path asks for. Of two with one key only the first is installed.
#[derive(Debug)]
pub enum Install<K, S> {
    /// None.
    None,
    /// One that lives alone.
    One(NewFlow<K, S>),
    /// Two halves, both or none, removed together. The first is of the frame's own direction.
    Pair(NewFlow<K, S>, NewFlow<K, S>),
    /// Two flows, both or none, that live apart afterwards. The first is of the frame's own
    /// direction.
    Two(NewFlow<K, S>, NewFlow<K, S>),
}

/// The frame that a slow path ran for.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// The policy that it was evaluated under.
    pub epoch: u32,
    /// When it came, ns.
    pub now: u64,
    /// Its bytes as received, without FCS; 0: there is none, the flows are created on request.
    pub bytes: usize,
    /// Its flags, if its flow is a TCP conversation.
    pub tcp: Option<TcpFlags>,
}

/// The table had no place for a flow or for its next hop; nothing was installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableFull;

impl<K: Key, S: State> FlowTable<'_, K, S> {
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
        self.install_at(&[], install, frame, hints, outside)
    }

    /// [`install`](Self::install), where the table has said of some keys where they would be.
    pub(crate) fn install_at<H: Hints, W: Outside<K, S>>(
        &mut self,
        known: &[(&K, Place)],
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
        // What both need is on its way before the first is put.
        let place = |key: &K| {
            let known = known.iter().find(|(known, _)| *known == key);
            known.map_or_else(|| self.flows.prepare(key, hints), |(_, place)| *place)
        };
        let places =
            [Some(first), second].map(|flow| flow.map_or(Place::NONE, |flow| place(&flow.key)));
        let [place, place_of_second] = &places;
        if second.is_some() {
            self.flows.prefetch_room(place_of_second, hints);
        }
        let handle = self.put((first, place), frame, (apart, None), hints, outside)?;
        let fresh = self.counters.created != created;
        // A flow that was there is hit by this frame; else room for the second might be made of it.
        if let Some(flow) = self.flows.get_mut(handle) {
            flow.used = frame.now;
        }
        if let Some(second) = second {
            let keep = (apart, Some(handle));
            let Ok(other) = self.put((second, place_of_second), frame, keep, hints, outside) else {
                if fresh {
                    self.discard(place, handle, hints);
                    outside.left(&first.state);
                    self.counters.created = created;
                } else {
                    self.reschedule(handle);
                }
                return Err(TableFull);
            };
            if apart {
                self.live_alone(other);
                self.reschedule(other);
            } else {
                self.link(handle, other, frame.tcp);
            }
        }
        self.reschedule(handle);
        if let Some(flow) = self.flows.get_mut(handle) {
            // No controller added it: then the frame would not have missed.
            flow.flags |= FlowFlags::CREATOR;
            flow.packets += u64::from(frame.bytes > 0);
            flow.bytes += frame.bytes as u64;
        }
        Ok(Some(handle))
    }

    /// The flow is evaluated again when policy changes, unless a controller added it.
    fn live_alone(&mut self, handle: Handle) {
        if let Some(flow) = self.flows.get_mut(handle)
            && !flow.flags.contains(FlowFlags::EXTERNAL)
        {
            flow.flags |= FlowFlags::CREATOR;
        }
    }

    /// Adds a flow of a controller's that lives alone, or puts it in the place of that which has its
    /// key; counters and idle time stay. `epoch` and `now`: the policy and the time.
    ///
    /// # Errors
    /// [`TableFull`]: nothing was added.
    pub fn add<H: Hints, W: Outside<K, S>>(
        &mut self,
        new: &NewFlow<K, S>,
        (epoch, now): (u32, u64),
        hints: &H,
        outside: &mut W,
    ) -> Result<Handle, TableFull> {
        let place = self.flows.prepare(&new.key, hints);
        let frame = Arrival { epoch, now, bytes: 0, tcp: None };
        let handle = self.put((new, &place), &frame, (true, None), hints, outside)?;
        if let Some(flow) = self.flows.get_mut(handle) {
            flow.flags.remove(FlowFlags::CREATOR);
            flow.flags.insert(FlowFlags::EXTERNAL);
        }
        self.reschedule(handle);
        Ok(handle)
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
        let halves = match install {
            Install::One(new) => Some((new, None)),
            Install::Pair(new, other) => Some((new, Some(other))),
            Install::None | Install::Two(..) => None,
        };
        let same = halves.filter(|(new, other)| {
            has_key(Some(handle), &new.key)
                && other.map_or(peer.is_none(), |other| has_key(peer, &other.key))
        });
        let Some((new, other)) = same else {
            self.remove(handle, Removal::Superseded, frame.now, hints, outside);
            return self.install(install, frame, hints, outside);
        };
        let differs =
            |flow: &Flow<S>| self.rewrite(flow) != new.rewrite || flow.egress != new.egress;
        let begins =
            peer.is_none() && self.flows.get(handle).is_some_and(|(_, flow)| differs(flow));
        let both = other.zip(peer);
        let modified = self.modify(handle, new, frame, outside).is_ok()
            && both.is_none_or(|(other, peer)| self.modify(peer, other, frame, outside).is_ok());
        if !modified {
            self.remove(handle, Removal::Superseded, frame.now, hints, outside);
            self.counters.full += 1;
            return Err(TableFull);
        }
        if begins {
            self.begin_anew(handle, frame.now);
        }
        if let Some(flags) = frame.tcp {
            // A segment that begins a new conversation was no hit.
            let _ = self.follow(handle, flags);
        }
        self.reschedule(handle);
        if let Some(flow) = self.flows.get_mut(handle) {
            flow.used = frame.now;
            flow.packets += 1;
            flow.bytes += frame.bytes as u64;
        }
        Ok(Some(handle))
    }

    /// Inserts one flow, without making room at the cost of `keep`. A flow that is there under the
    /// same key is modified when flows live `apart`; else it is removed with its pair, which this
    /// one replaces.
    pub(super) fn put<H: Hints, W: Outside<K, S>>(
        &mut self,
        (new, place): (&NewFlow<K, S>, &Place),
        frame: &Arrival,
        (apart, keep): (bool, Option<Handle>),
        hints: &H,
        outside: &mut W,
    ) -> Result<Handle, TableFull> {
        let now = frame.now;
        let mut held = None;
        for _ in 0..2 {
            held = self.next_hops.hold(&new.rewrite);
            if held.is_some() || !self.reclaim(place, keep, now, hints, outside) {
                break;
            }
        }
        let Some(change) = held else {
            self.counters.full += 1;
            return Err(TableFull);
        };
        // Three attempts: the key may be taken, and the table full. Each makes its own flow, so that
        // the one which is put is moved once.
        for _ in 0..3 {
            let flow = Flow {
                change,
                egress: new.egress,
                state: new.state,
                created: now,
                used: now,
                timeouts: new.timeouts,
                epoch: frame.epoch,
                ..Flow::EMPTY
            };
            match self.flows.insert_at(place, &new.key, flow, hints) {
                Ok(handle) => {
                    self.counters.created += 1;
                    outside.entered(&new.state);
                    return Ok(handle);
                }
                Err(InsertError::Exists(handle)) => match self.over(handle, now, outside) {
                    Some(why) => self.remove(handle, why, now, hints, outside),
                    None if apart => {
                        self.next_hops.release(&change);
                        return self.modify_alone(handle, new, frame, outside).map(|()| handle);
                    }
                    None => self.remove(handle, Removal::Superseded, now, hints, outside),
                },
                Err(InsertError::Full) => {
                    if !self.reclaim(place, keep, now, hints, outside)
                        && !self.evict(place, keep, now, hints, outside)
                    {
                        break;
                    }
                }
            }
        }
        self.next_hops.release(&change);
        self.counters.full += 1;
        Err(TableFull)
    }

    /// Modifies a flow that lives alone: its hard time-out begins anew. What a controller added
    /// stays as it is, unless a controller asks.
    fn modify_alone<W: Outside<K, S>>(
        &mut self,
        handle: Handle,
        new: &NewFlow<K, S>,
        frame: &Arrival,
        outside: &mut W,
    ) -> Result<(), TableFull> {
        let external = |flow: &Flow<S>| flow.flags.contains(FlowFlags::EXTERNAL);
        let is_external = self.flows.get(handle).is_some_and(|(_, flow)| external(flow));
        if is_external && frame.bytes > 0 {
            return Ok(());
        }
        self.modify(handle, new, frame, outside)?;
        self.begin_anew(handle, frame.now);
        Ok(())
    }

    /// The hard time-out of a flow, if it has one, counts from now on.
    fn begin_anew(&mut self, handle: Handle, now: u64) {
        if let Some(flow) = self.flows.get_mut(handle)
            && flow.timeouts.hard != 0
        {
            flow.created = now;
        }
    }

    /// Puts a new evaluation into a flow, or says that there is no place for its next hop.
    fn modify<W: Outside<K, S>>(
        &mut self,
        handle: Handle,
        new: &NewFlow<K, S>,
        frame: &Arrival,
        outside: &mut W,
    ) -> Result<(), TableFull> {
        self.withdraw(handle, outside);
        let Some(mut flow) = self.get_mut(handle) else { return Ok(()) };
        if !flow.set_rewrite(&new.rewrite) {
            return Err(TableFull);
        }
        outside.left(&flow.state);
        outside.entered(&new.state);
        flow.egress = new.egress;
        flow.state = new.state.succeed(&flow.state);
        flow.timeouts = new.timeouts;
        flow.epoch = frame.epoch;
        self.counters.replaced += 1;
        Ok(())
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
}
