//! What flows to one next hop share, once for all of them: their outer headers but for destination,
//! VNI, source port and the like.
//!
//! A [`Rewrite`] is divided when a flow takes it. Its [`Change`] lies in the flow, so short that a
//! frame over IPv4 reads two lines of its entry; the rest is one of the [`NextHops`], which counts
//! its flows, and is free again without any. A rewrite that pushes nothing has none. When a next hop
//! changes, there is the old one until its last flow is evaluated again: a table has room for both.
//!
//! * **Memory**: 64 bytes a next hop; 52 of each flow, the first 20 of them for VXLAN over IPv4.
//! * **Time**: one place for a frame; for a new flow at most two sets of [`WAYS`].

use core::mem::offset_of;

use dash_hal::PacketBuffer;
use smoltcp::wire::IpAddress;

use super::{
    Encapsulation, Flags, Outcome, Rewrite, apply,
    outer::{self, Own, Rest, Shared},
};
use crate::wire::{Edges, Mac};

/// A table has sets of so many places, and a next hop may be in two of them. A table of more may
/// refuse one before all its places are taken, but hardly one while half of them are free.
pub const WAYS: usize = 8;

/// What is changed in the frames of one flow, but for what its next hop says.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Change {
    pub(super) own: Own,
    pub(super) destination_mac: Mac,
    pub(super) flags: Flags,
    next_hop: u16,
    pub(super) source_mac: Mac,
    pub(super) vlan: u16,
    pub(super) rest: Rest,
}

const _: () = assert!(size_of::<Change>() == 52 && size_of::<NextHop>() == 64);

impl Change {
    /// Of a flow without any.
    pub const NONE: Self = Self {
        own: Own::NONE,
        destination_mac: Mac::NONE,
        flags: Flags::empty(),
        next_hop: 0,
        source_mac: Mac::NONE,
        vlan: 0,
        rest: Rest::NONE,
    };

    /// What `rewrite` has but for its next hop, which is that of number `next_hop`.
    #[inline]
    pub(super) fn of(rewrite: &Rewrite, next_hop: u16) -> Self {
        let &Rewrite { tunnel, destination_mac, source_mac, vlan, flags } = rewrite;
        let Encapsulation { own, rest, .. } = tunnel;
        Self { own, destination_mac, flags, next_hop, source_mac, vlan, rest }
    }

    /// Whether it has a next hop.
    #[inline]
    const fn pushes(&self) -> bool {
        self.flags.contains(Flags::PUSH_OUTER)
    }

    /// Where the last field begins that a hit of VXLAN over IPv4 reads.
    pub(crate) const LAST_OF_USUAL: usize = offset_of!(Self, next_hop);

    /// The last field that a hit of VXLAN over IPv4 reads.
    #[inline]
    pub(crate) const fn last_of_usual(&self) -> &u16 {
        &self.next_hop
    }

    /// What is changed.
    #[inline]
    #[must_use]
    pub const fn flags(&self) -> Flags {
        self.flags
    }

    /// Sets the outer UDP source port, host order.
    pub const fn set_source_port(&mut self, port: u16) {
        self.own.set_source_port(port);
    }
}

/// The shared part of outer headers, and how many flows have it.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct NextHop {
    shared: Shared,
    flows: u32,
}

impl NextHop {
    /// A place that is not in use. All its bytes are zero.
    pub const FREE: Self = Self { shared: Shared::NONE, flows: 0 };

    #[inline]
    fn has(&self, shared: &Shared) -> bool {
        self.flows > 0 && self.shared.is(shared)
    }
}

/// The next hops of the flows of one table, over storage that the caller gives.
#[derive(Debug)]
pub struct NextHops<'a> {
    places: &'a mut [NextHop],
    /// That of the flow before: flows have few.
    recent: usize,
}

impl<'a> NextHops<'a> {
    /// No next hops; at most 65,536 places are used, and without any no rewrite is held.
    pub fn new(places: &'a mut [NextHop]) -> Self {
        places.fill(NextHop::FREE);
        let most = places.len().min(1 << 16);
        Self { places: places.get_mut(..most).unwrap_or_default(), recent: 0 }
    }

    /// The same next hops, for as long as they are lent. Which was the recent one is not told: few
    /// take one there.
    #[inline(always)]
    pub const fn lend(&mut self) -> NextHops<'_> {
        NextHops { places: self.places, recent: 0 }
    }

    /// Takes `rewrite` for one more flow, until it is [released](Self::release). `None`: there is no
    /// place for its next hop.
    #[inline]
    pub fn hold(&mut self, rewrite: &Rewrite) -> Option<Change> {
        let pushes = rewrite.flags.contains(Flags::PUSH_OUTER);
        // Apart, so that the change is made where it is kept.
        let next_hop = if pushes { self.take(&rewrite.tunnel.shared)? } else { 0 };
        Some(Change::of(rewrite, next_hop))
    }

    /// Takes `rewrite` instead of `change`, which was held; `false`, and nothing done: there is no
    /// place for its next hop.
    #[inline(never)]
    pub fn exchange(&mut self, change: &mut Change, rewrite: &Rewrite) -> bool {
        // The next hop of a last flow makes room for the new one.
        self.release(change);
        if let Some(new) = self.hold(rewrite) {
            *change = new;
            return true;
        }
        if let Some(place) = self.place_of(change) {
            // No other has it yet.
            place.flows += 1;
        }
        false
    }

    /// Where the next hop of a change is, if it has one.
    fn place_of(&mut self, change: &Change) -> Option<&mut NextHop> {
        if change.pushes() { self.places.get_mut(usize::from(change.next_hop)) } else { None }
    }

    /// Counts one flow more at a next hop, and answers its number.
    #[inline(never)]
    fn take(&mut self, shared: &Shared) -> Option<u16> {
        let recent = self.places.get(self.recent);
        if !recent.is_some_and(|place| place.has(shared)) {
            self.recent = self.search(shared)?;
        }
        let place = self.places.get_mut(self.recent)?;
        place.flows += 1;
        Some(self.recent as u16)
    }

    /// Where a next hop is; one that no flow has yet gets a place.
    #[cold]
    fn search(&mut self, shared: &Shared) -> Option<usize> {
        let digest = shared.digest();
        let sets = [digest, digest.wrapping_mul(0x9e37_79b1)].map(|digest| self.set(digest));
        let set = |first| self.places.get(first..).unwrap_or_default().iter().take(WAYS);
        let held = |first| Some(first + set(first).position(|place| place.has(shared))?);
        if let Some(found) = sets.into_iter().find_map(held) {
            return Some(found);
        }
        let is_free = |place: &NextHop| place.flows == 0;
        let room = |first: &usize| set(*first).filter(|place| is_free(place)).count();
        let first = sets.into_iter().max_by_key(room)?;
        let free = first + set(first).position(is_free)?;
        self.places.get_mut(free)?.shared = *shared;
        Some(free)
    }

    /// Where the set of a digest begins.
    #[inline]
    fn set(&self, digest: u32) -> usize {
        let sets = self.places.len().div_ceil(WAYS) as u64;
        // The upper half of a product of 32 bits by 32. The last set may have some of another one's.
        let first = ((u64::from(digest) * sets) >> 32) as usize * WAYS;
        first.min(self.places.len().saturating_sub(WAYS))
    }

    /// One flow less has `change`, which was held.
    pub fn release(&mut self, change: &Change) {
        if let Some(place) = self.place_of(change) {
            place.flows = place.flows.saturating_sub(1);
        }
    }

    /// Of a change that pushes nothing it is any.
    #[inline(always)]
    fn shared(&self, change: &Change) -> Option<&Shared> {
        Some(&self.places.get(usize::from(change.next_hop))?.shared)
    }

    /// What was held, but for an encapsulation that is not pushed.
    #[must_use]
    #[inline(never)]
    pub fn rewrite(&self, change: &Change) -> Rewrite {
        let &Change { own, rest, .. } = change;
        let shared = self.shared(change).filter(|_| change.pushes());
        Rewrite {
            tunnel: shared.map_or(Encapsulation::NONE, |shared| Encapsulation {
                shared: *shared,
                own,
                rest,
            }),
            destination_mac: change.destination_mac,
            source_mac: change.source_mac,
            vlan: change.vlan,
            flags: change.flags,
        }
    }

    /// The outer destination of what was held, if it pushes an encapsulation.
    #[must_use]
    pub fn destination(&self, change: &Change) -> Option<IpAddress> {
        let shared = self.shared(change).filter(|_| change.pushes())?;
        Some(outer::destination(shared, &change.own, &change.rest))
    }

    /// Next hops that flows have.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.places.iter().filter(|place| place.flows > 0).count()
    }

    /// [`Rewrite::apply`], of what was held.
    #[inline(always)]
    pub fn apply<B: PacketBuffer>(
        &self,
        change: &Change,
        buffer: &mut B,
        edges: &Edges,
        mtu: u16,
    ) -> Outcome {
        let Some(shared) = self.shared(change) else { return Outcome::NoRoom };
        let flow = (change.flags, &change.destination_mac);
        match apply::usual((shared, &change.own), flow, buffer, edges, mtu) {
            Some(done) => done,
            None => apply::any((shared, change), buffer, edges, mtu),
        }
        .map_or_else(|refusal| refusal, Outcome::Done)
    }

    /// The same, in less code.
    #[inline]
    pub fn apply_any<B: PacketBuffer>(
        &self,
        change: &Change,
        buffer: &mut B,
        edges: &Edges,
        mtu: u16,
    ) -> Outcome {
        let Some(shared) = self.shared(change) else { return Outcome::NoRoom };
        apply::any((shared, change), buffer, edges, mtu)
            .map_or_else(|refusal| refusal, Outcome::Done)
    }
}
