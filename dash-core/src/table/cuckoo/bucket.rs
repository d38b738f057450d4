//! One cache line of the table: who lives here, by fingerprint.

use core::num::NonZeroU32;

use super::{
    Handle,
    tags::{PLACES, Places, Tags},
};

/// Bits of one counter of entries that live elsewhere. One that was at its largest value stays
/// there: that costs look-ups a line and loses nothing.
const COUNTER: u32 = 4;
const COUNTER_MAX: u64 = (1 << COUNTER) - 1;

/// One cache line of fingerprints and entry handles.
///
/// A fingerprint of 0 is an empty place.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Bucket {
    tags: Tags,
    handles: [u32; PLACES],
    /// How many entries whose primary bucket this is live elsewhere, by the low bits of their
    /// fingerprints, [`COUNTER`] bits each: where there is none, a look-up that finds nothing here
    /// is over.
    away: u64,
    /// Bit `p`: the entry at place `p` lives in its alternate bucket.
    guests: u8,
}

const _: () = assert!(size_of::<Bucket>() == 64);

/// What a place holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tenant {
    /// Fingerprint, not 0.
    pub(super) tag: u16,
    /// The entry.
    pub(super) handle: Handle,
    /// Whether it lives outside of its primary bucket.
    pub(super) guest: bool,
}

impl Bucket {
    /// A bucket without entries.
    pub const EMPTY: Self = Self { tags: Tags::EMPTY, handles: [0; PLACES], away: 0, guests: 0 };

    /// The places whose fingerprint is `tag`.
    #[inline]
    pub(super) fn matching(&self, tag: u16) -> Places {
        self.tags.matching(tag)
    }

    /// An empty place.
    #[inline]
    pub(super) fn vacancy(&self) -> Option<usize> {
        self.matching(0).next()
    }

    /// The handle at `place`.
    #[inline]
    pub(super) fn handle(&self, place: usize) -> Option<Handle> {
        NonZeroU32::new(self.handles[place % PLACES]).map(Handle)
    }

    /// The fingerprint at `place`.
    #[inline]
    pub(super) fn tag(&self, place: usize) -> u16 {
        self.tags.get(place)
    }

    /// What lives at `place`.
    pub(super) fn tenant(&self, place: usize) -> Option<Tenant> {
        let guest = self.guests >> (place % PLACES) & 1 != 0;
        let tenant = Tenant { tag: self.tag(place), handle: self.handle(place)?, guest };
        (tenant.tag != 0).then_some(tenant)
    }

    /// Puts `tenant` at `place`.
    pub(super) fn put(&mut self, place: usize, tenant: Tenant) {
        self.tags.set(place, tenant.tag);
        self.handles[place % PLACES] = tenant.handle.0.get();
        let bit = 1 << (place % PLACES);
        self.guests = if tenant.guest { self.guests | bit } else { self.guests & !bit };
    }

    /// Empties `place`.
    pub(super) fn vacate(&mut self, place: usize) {
        self.tags.set(place, 0);
    }

    /// Whether an entry with `tag` whose primary bucket this is may live elsewhere.
    #[inline]
    pub(super) fn may_be_away(&self, tag: u16) -> bool {
        self.away(tag) != 0
    }

    /// Entries with tags like `tag` whose primary bucket this is and that live elsewhere.
    #[inline]
    fn away(&self, tag: u16) -> u64 {
        self.away >> counter(tag) & COUNTER_MAX
    }

    /// An entry of this bucket now lives elsewhere.
    pub(super) fn leave(&mut self, tag: u16) {
        if self.away(tag) < COUNTER_MAX {
            self.away += 1 << counter(tag);
        }
    }

    /// An entry of this bucket lives elsewhere no more.
    pub(super) fn come_back(&mut self, tag: u16) {
        if (1..COUNTER_MAX).contains(&self.away(tag)) {
            self.away -= 1 << counter(tag);
        }
    }
}

/// Bit position of the counter of entries with `tag`.
#[inline]
fn counter(tag: u16) -> u32 {
    u32::from(tag) * COUNTER % u64::BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Bucket {
        /// Whether it counts as many entries elsewhere as `right`, or more where a counter was at
        /// its largest value.
        pub(in super::super) fn counts_at_least(&self, right: &Self) -> bool {
            (0..1 << COUNTER).all(|tag| [right.away(tag), COUNTER_MAX].contains(&self.away(tag)))
        }
    }

    fn handle(index: u32) -> Handle {
        Handle(NonZeroU32::MIN.saturating_add(index))
    }

    #[test]
    fn each_place_keeps_its_own_tenant() {
        let tags = [1, 0x8000, 0xffff, 0x7fff, 2, 0x8003, 0x0100, 0xff00];
        let mut bucket = Bucket::EMPTY;
        let mut free = [true; PLACES];
        for _ in tags {
            let place = bucket.vacancy().unwrap();
            assert!(core::mem::take(&mut free[place]), "a place is given once");
            let tag = tags[place];
            bucket.put(
                place,
                Tenant { tag, handle: handle(7 * place as u32), guest: place.is_multiple_of(3) },
            );
        }
        assert_eq!(bucket.vacancy(), None);
        for (place, tag) in tags.into_iter().enumerate() {
            let tenant = Tenant { tag, handle: handle(7 * place as u32), guest: place % 3 == 0 };
            assert_eq!(bucket.tenant(place), Some(tenant));
            assert!(bucket.matching(tag).eq([place]));
        }
        assert!(bucket.matching(3).next().is_none());
        bucket.vacate(5);
        assert_eq!((bucket.tenant(5), bucket.vacancy()), (None, Some(5)));
    }

    #[test]
    fn first_of_equal_tags_is_exact_and_none_is_missed() {
        for pattern in 0..1_u32 << PLACES {
            for (tag, other) in [(5, 4), (1, 0x8001), (0x8000, 0), (0xffff, 0xfffe), (0, 1)] {
                let mut bucket = Bucket::EMPTY;
                for place in 0..PLACES {
                    let tag = if pattern >> place & 1 != 0 { tag } else { other };
                    bucket.put(place, Tenant { tag, handle: handle(0), guest: false });
                }
                let mut right = (0..PLACES).filter(|place| pattern >> place & 1 != 0);
                let mut found = [false; PLACES];
                for place in bucket.matching(tag) {
                    assert!(!found[place], "each is found once");
                    found[place] = true;
                    let differs = bucket.tag(place) ^ tag;
                    assert!(differs <= 1, "{pattern:b} {tag} at {place}");
                }
                assert!(right.clone().all(|place| found[place]), "{pattern:b} {tag}");
                let first = bucket.matching(tag).next();
                assert!(first.is_none_or(|place| bucket.tag(place) == tag), "{pattern:b} {tag}");
                assert_eq!(first.is_none(), right.next().is_none());
            }
        }
    }
}
