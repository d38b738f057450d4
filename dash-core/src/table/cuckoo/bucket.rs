//! One cache line of the table: who lives here, by fingerprint.

use core::num::NonZeroU32;

use super::Handle;

/// Entries of a bucket.
pub(super) const PLACES: usize = 8;

/// One in each 16-bit lane.
const LANES: u64 = 0x0001_0001_0001_0001;
/// All bits of each lane but the highest.
const LOW: u64 = LANES * 0x7fff;

/// One cache line of fingerprints and entry handles.
///
/// Each place has its fingerprint in a lane of its own; 0 is an empty place.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Bucket {
    tags: [u64; 2],
    handles: [u32; PLACES],
    /// Entries whose primary bucket this is and that live elsewhere: with none, a look-up that
    /// finds nothing here is over.
    away: u32,
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
    pub const EMPTY: Self = Self { tags: [0; 2], handles: [0; PLACES], away: 0, guests: 0 };

    /// The places whose fingerprint is `tag`.
    #[inline]
    pub(super) fn matching(&self, tag: u16) -> Places {
        Places(equal(self.tags[0], tag) >> 15 | equal(self.tags[1], tag) >> 14)
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
        let (word, lane) = lane(place);
        (self.tags[word] >> lane) as u16
    }

    /// What lives at `place`.
    pub(super) fn tenant(&self, place: usize) -> Option<Tenant> {
        let guest = self.guests >> (place % PLACES) & 1 != 0;
        let tenant = Tenant { tag: self.tag(place), handle: self.handle(place)?, guest };
        (tenant.tag != 0).then_some(tenant)
    }

    /// Puts `tenant` at `place`.
    pub(super) fn put(&mut self, place: usize, tenant: Tenant) {
        self.set_tag(place, tenant.tag);
        self.handles[place % PLACES] = tenant.handle.0.get();
        let bit = 1 << (place % PLACES);
        self.guests = if tenant.guest { self.guests | bit } else { self.guests & !bit };
    }

    /// Empties `place`.
    pub(super) fn vacate(&mut self, place: usize) {
        self.set_tag(place, 0);
    }

    /// Entries whose primary bucket this is and that live elsewhere.
    #[inline]
    pub(super) fn away(&self) -> u32 {
        self.away
    }

    /// One more entry of this bucket lives elsewhere.
    pub(super) fn leave(&mut self) {
        self.away = self.away.saturating_add(1);
    }

    /// One entry of this bucket lives elsewhere no more.
    pub(super) fn come_back(&mut self) {
        self.away = self.away.saturating_sub(1);
    }

    fn set_tag(&mut self, place: usize, tag: u16) {
        let (word, lane) = lane(place);
        let word = &mut self.tags[word];
        *word = *word & !(0xffff << lane) | u64::from(tag) << lane;
    }
}

/// The three bits at position `16 * lane + word` of this number, counted from the top, are the
/// place of that lane of that word: a perfect hash of one set bit, as de Bruijn sequences are used
/// (Leiserson, Prokop and Randall, MIT 1998), without a table and a count of zeros.
const PLACE_OF: u64 = 0x1000_5000_7000_c000;

/// The place of a set bit at position `16 * lane + word`.
#[inline]
const fn place(bit: u64) -> usize {
    (bit.wrapping_mul(PLACE_OF) >> 61) as usize
}

/// `16 * lane + word` of each place.
const LANE_OF: [u8; PLACES] = {
    let mut positions = [0; PLACES];
    let mut index = 0;
    while index < PLACES {
        let position = 16 * (index / 2) + index % 2;
        positions[place(1 << position)] = position as u8;
        index += 1;
    }
    positions
};

/// Word of `place`, and bit position of its lane there.
#[inline]
fn lane(place: usize) -> (usize, u8) {
    let position = LANE_OF[place % PLACES];
    (usize::from(position % 2), position & !1)
}

/// The highest bit of each lane of `word` that is `tag`. The lowest of them is exact; above it, a
/// lane that differs from `tag` in its lowest bit alone may be among them.
#[inline]
fn equal(word: u64, tag: u16) -> u64 {
    let difference = word ^ (u64::from(tag) * LANES);
    difference.wrapping_sub(LANES) & !difference & !LOW
}

/// Places of a bucket: bit `16 * lane + word` for each.
#[derive(Clone, Debug)]
pub(super) struct Places(u64);

impl Iterator for Places {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let lowest = self.0 & self.0.wrapping_neg();
        self.0 ^= lowest;
        (lowest != 0).then_some(place(lowest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
