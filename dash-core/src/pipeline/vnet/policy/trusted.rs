//! VNIs whose frames may reach the slow path. DASH HLD, trusted VNI.
//!
//! A VNI is 24 bits, kept as the prefixes that make up its range (at most 46), so that a look-up
//! costs one longest-prefix match whatever the number of ranges. The lists of all appliances are
//! one; each ENI has its own.

use core::ops::RangeInclusive;

use smoltcp::wire::{IpAddress, IpCidr, Ipv4Address};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{
    ApplianceId, EniId, Policy, PolicyError, PolicyWriter, demands::Demands, error::check_vni,
};
use crate::table::TableError;

/// Lists that are no ENI's.
pub(super) const GLOBAL_LISTS: usize = 1;
/// A range of 24-bit numbers takes at most two prefixes of each length from 2 to 24.
pub(super) const PREFIXES_PER_RANGE: usize = 46;

/// Whose range it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedOwner {
    /// An appliance: the range counts for all ENIs.
    Appliance(ApplianceId),
    /// An ENI: the range counts for it alone.
    Eni(EniId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct TrustedKey {
    kind: u32,
    owner: u32,
    first: u32,
    last: u32,
}

impl TrustedKey {
    const APPLIANCE: u32 = 0;
    const ENI: u32 = 1;

    const fn new(owner: TrustedOwner, first: u32, last: u32) -> Self {
        match owner {
            TrustedOwner::Appliance(id) => Self { kind: Self::APPLIANCE, owner: id.0, first, last },
            TrustedOwner::Eni(id) => Self { kind: Self::ENI, owner: id.0 as u32, first, last },
        }
    }

    /// Whether both stand in one list.
    const fn shares_list(&self, other: &Self) -> bool {
        self.kind == other.kind && (self.kind == Self::APPLIANCE || self.owner == other.owner)
    }

    /// Whether `prefix` is one of those that make up the range: it lies within, and the prefix
    /// one bit shorter does not.
    fn has(&self, prefix: VniPrefix) -> bool {
        let within = |prefix: VniPrefix| prefix.first >= self.first && prefix.last() <= self.last;
        within(prefix) && (prefix.bits == 0 || !within(prefix.parent()))
    }
}

/// VNIs that share their first `bits` bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct VniPrefix {
    first: u32,
    bits: u8,
}

impl VniPrefix {
    const fn last(self) -> u32 {
        self.first + ((1 << (24 - self.bits)) - 1)
    }

    const fn parent(self) -> Self {
        let bits = self.bits - 1;
        Self { first: self.first & !((1 << (24 - bits)) - 1), bits }
    }

    fn cidr(self) -> IpCidr {
        IpCidr::new(vni_address(self.first), 8 + self.bits)
    }
}

/// The longest-prefix tables take addresses; a VNI is the low 24 bits of one.
const fn vni_address(vni: u32) -> IpAddress {
    IpAddress::Ipv4(Ipv4Address::from_bits(vni))
}

/// The fewest prefixes that make up `first..=last`, in ascending order.
fn prefixes(first: u32, last: u32) -> impl Iterator<Item = VniPrefix> {
    let mut next = Some(first).filter(|first| *first <= last);
    core::iter::from_fn(move || {
        let first = next?;
        let aligned = first.trailing_zeros().min(24);
        let fitting = (last - first + 1).checked_ilog2().unwrap_or(0);
        let prefix = VniPrefix { first, bits: 24 - aligned.min(fitting) as u8 };
        next = Some(prefix.last() + 1).filter(|first| *first <= last);
        Some(prefix)
    })
}

impl Policy<'_> {
    /// Whether `vni` is trusted for every ENI.
    #[must_use]
    pub fn is_trusted(&self, vni: u32) -> bool {
        self.prefixes.lookup(self.prefix_tables.trusted, vni_address(vni)).is_some()
    }

    /// Whether `vni` is trusted by the list of `eni`.
    #[must_use]
    pub fn is_trusted_by(&self, eni: EniId, vni: u32) -> bool {
        let list = self.eni_list(eni);
        // A number past the ENIs would name the table of another kind.
        list < self.prefix_tables.underlay && self.prefixes.lookup(list, vni_address(vni)).is_some()
    }

    fn eni_list(&self, eni: EniId) -> u32 {
        self.prefix_tables.trusted + GLOBAL_LISTS as u32 + u32::from(eni.0)
    }
}

impl PolicyWriter<'_> {
    /// Trusts a range of VNIs; idempotent. Ranges may overlap.
    ///
    /// # Errors
    /// `VniTooLarge`, `EmptyRange`, `CapacityTooLarge` (the ENI's number), `Full`, `Busy`.
    pub fn add_trusted_vnis(
        &mut self,
        owner: TrustedOwner,
        range: RangeInclusive<u32>,
    ) -> Result<(), PolicyError> {
        let (first, last) = range.into_inner();
        let list = self.check_range(owner, first, last)?;
        let key = TrustedKey::new(owner, first, last);
        if self.trusted.insert(&key, &0)?.is_none() {
            self.mark_owner(owner);
        }
        for prefix in prefixes(first, last) {
            if let Err(error) = self.prefixes.insert(list, prefix.cidr(), 0) {
                if error != TableError::Busy {
                    self.remove_trusted_vnis(owner, first..=last)?;
                }
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// What [`Self::add_trusted_vnis`] asks for.
    pub(super) fn admit_trusted_vnis(
        &mut self,
        owner: TrustedOwner,
        first: u32,
        last: u32,
        demands: &mut Demands,
    ) -> Result<(), PolicyError> {
        let list = self.check_range(owner, first, last)?;
        self.trusted.admit(&TrustedKey::new(owner, first, last), &mut demands.trusted)?;
        for prefix in prefixes(first, last) {
            self.prefixes.admit(list, prefix.cidr(), &mut demands.prefixes)?;
        }
        Ok(())
    }

    /// Makes the places of a range's prefixes.
    pub(super) fn hold_trusted_vnis(
        &mut self,
        owner: TrustedOwner,
        first: u32,
        last: u32,
    ) -> Result<(), PolicyError> {
        let list = self.list(owner)?;
        for prefix in prefixes(first, last) {
            self.prefixes.hold(list, prefix.cidr())?;
        }
        Ok(())
    }

    /// Gives back the places of those of a range's prefixes that are not there; idempotent.
    pub(super) fn release_trusted_vnis(&mut self, owner: TrustedOwner, first: u32, last: u32) {
        if let (Ok(list), Ok(())) = (self.list(owner), check_vni(last)) {
            for prefix in prefixes(first, last) {
                self.prefixes.release(list, prefix.cidr());
            }
        }
    }

    /// What [`Self::remove_trusted_vnis`] asks for.
    pub(super) fn admit_trusted_removal(
        &mut self,
        owner: TrustedOwner,
        first: u32,
        last: u32,
        demands: &mut Demands,
    ) -> Result<(), PolicyError> {
        self.list(owner)?;
        // What cannot be added is not there.
        if check_vni(last).is_ok() {
            demands.trusted.remove(1);
            demands.prefixes.remove(prefixes(first, last).count());
        }
        Ok(())
    }

    /// The list that a range belongs to.
    fn check_range(&self, owner: TrustedOwner, first: u32, last: u32) -> Result<u32, PolicyError> {
        check_vni(last)?;
        if first > last {
            return Err(PolicyError::EmptyRange);
        }
        Ok(self.list(owner)?)
    }

    /// Takes a range back that was trusted; idempotent. Parts of a range cannot be taken back.
    ///
    /// # Errors
    /// `CapacityTooLarge` (the ENI's number), `Busy`.
    pub fn remove_trusted_vnis(
        &mut self,
        owner: TrustedOwner,
        range: RangeInclusive<u32>,
    ) -> Result<(), PolicyError> {
        let (first, last) = range.into_inner();
        let list = self.list(owner)?;
        let key = TrustedKey::new(owner, first, last);
        let registered = self.trusted.table();
        if registered.get(&key).is_none() {
            return Ok(());
        }
        self.mark_owner(owner);
        for prefix in prefixes(first, last) {
            let mut others = registered.iter().map(|(other, _)| other);
            if !others.any(|it| it != key && it.shares_list(&key) && it.has(prefix)) {
                self.prefixes.remove(list, prefix.cidr());
            }
        }
        self.trusted.remove(&key);
        Ok(())
    }

    fn mark_owner(&mut self, owner: TrustedOwner) {
        match owner {
            TrustedOwner::Appliance(_) => self.changes.mark_all(),
            TrustedOwner::Eni(eni) => self.changes.mark_eni(eni),
        }
    }

    fn list(&self, owner: TrustedOwner) -> Result<u32, TableError> {
        match owner {
            TrustedOwner::Appliance(_) => Ok(self.view.prefix_tables.trusted),
            TrustedOwner::Eni(eni) if usize::from(eni.0) < self.capacity.enis => {
                Ok(self.view.eni_list(eni))
            }
            TrustedOwner::Eni(_) => Err(TableError::CapacityTooLarge),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_cover_exactly_their_range() {
        for (first, last) in [(0, 0), (0, 0xff_ffff), (1, 0xff_fffe), (100, 200), (7, 8), (9, 8)] {
            let mut expected = first;
            let mut count = 0;
            let key = TrustedKey::new(TrustedOwner::Eni(EniId(0)), first, last);
            for prefix in prefixes(first, last) {
                assert_eq!(prefix.first, expected);
                assert!(key.has(prefix));
                expected = prefix.last() + 1;
                count += 1;
            }
            assert_eq!(expected, last + 1);
            assert!(count <= PREFIXES_PER_RANGE);
        }
    }
}
