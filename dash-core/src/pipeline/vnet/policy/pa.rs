//! Underlay prefixes that a VNI's frames may come from. DASH HLD, `DASH_PA_VALIDATION_TABLE`.
//!
//! The prefixes of a VNI have a longest-prefix table of their own, which goes back when the last
//! of them goes. A transaction holds the tables that it will need before its first change.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use smoltcp::wire::{IpAddress, IpCidr};

use super::{Policy, PolicyError, PolicyWriter, demands::Demands, error::check_vni};
use crate::table::TableError;

/// Set in the count of a set that a transaction holds; the other bits are its prefixes.
const HELD: u32 = 1 << 31;

impl Policy<'_> {
    /// Whether a prefix of `vni` covers underlay address `source`.
    #[must_use]
    pub fn is_pa(&self, vni: u32, source: IpAddress) -> bool {
        let is_in = |set| self.prefixes.lookup(self.prefix_tables.pa + set, source).is_some();
        let set = self.pa_sets.get(&vni);
        // The set's number may have gone to another VNI meanwhile.
        set.is_some_and(is_in) && self.pa_sets.get(&vni) == set
    }

    /// The length in bits of the longest prefix of `vni` that covers underlay address `source`.
    #[must_use]
    pub fn pa_length(&self, vni: u32, source: IpAddress) -> Option<u8> {
        let longest =
            self.prefixes.longest(self.prefix_tables.pa + self.pa_sets.get(&vni)?, source)?;
        Some(longest.length)
    }
}

impl PolicyWriter<'_> {
    /// Adds a prefix to those of `vni`; idempotent, host bits are ignored.
    ///
    /// # Errors
    /// `VniTooLarge`, `Full`, `Busy`.
    pub fn add_pa_prefix(&mut self, vni: u32, prefix: IpCidr) -> Result<(), PolicyError> {
        check_vni(vni)?;
        let set = self.pa_set(vni)?;
        match self.prefixes.insert(self.view.prefix_tables.pa + set, prefix, 0) {
            Ok(None) => {
                self.change_pa_count(vni, set, |count| count.saturating_add(1));
                self.changes.mark_all();
                Ok(())
            }
            Ok(Some(_)) => Ok(()),
            Err(error) => {
                self.change_pa_count(vni, set, |count| count);
                Err(error.into())
            }
        }
    }

    /// What [`Self::add_pa_prefix`] asks for, but room for its VNI.
    pub(super) fn admit_pa_prefix(
        &mut self,
        vni: u32,
        prefix: IpCidr,
        demands: &mut Demands,
    ) -> Result<(), PolicyError> {
        check_vni(vni)?;
        self.pa_sets.admit_shared(&vni, &mut demands.pa_sets)?;
        // A set that nobody has holds no prefixes, so it stands for that of any new VNI.
        let known = self.view.pa_sets.get(&vni);
        let set = known.or_else(|| self.free_pa_set()).ok_or(TableError::Full)?;
        let table = self.view.prefix_tables.pa + set;
        Ok(self.prefixes.admit(table, prefix, &mut demands.prefixes)?)
    }

    /// Takes a prefix from those of `vni`; idempotent.
    ///
    /// # Errors
    /// `Busy`.
    pub fn remove_pa_prefix(&mut self, vni: u32, prefix: IpCidr) -> Result<(), PolicyError> {
        let Some(set) = self.view.pa_sets.get(&vni) else { return Ok(()) };
        if self.prefixes.remove(self.view.prefix_tables.pa + set, prefix).is_some() {
            self.changes.mark_all();
            self.change_pa_count(vni, set, |count| {
                count & HELD | (count & !HELD).saturating_sub(1)
            });
        }
        Ok(())
    }

    /// Makes a place for `vni`, which it keeps until [`Self::release_pa_prefix`], and in it one for
    /// `prefix`.
    pub(super) fn hold_pa_prefix(&mut self, vni: u32, prefix: IpCidr) -> Result<(), PolicyError> {
        let set = self.pa_set(vni)?;
        self.change_pa_count(vni, set, |count| count | HELD);
        Ok(self.prefixes.hold(self.view.prefix_tables.pa + set, prefix)?)
    }

    /// Gives back the place of `prefix`, and that of a VNI that has no prefixes; idempotent.
    pub(super) fn release_pa_prefix(&mut self, vni: u32, prefix: IpCidr) {
        if let Some(set) = self.view.pa_sets.get(&vni) {
            self.prefixes.release(self.view.prefix_tables.pa + set, prefix);
            self.change_pa_count(vni, set, |count| count & !HELD);
        }
    }

    /// The set of `vni`, which it gets if it has none.
    fn pa_set(&mut self, vni: u32) -> Result<u32, TableError> {
        if let Some(known) = self.view.pa_sets.get(&vni) {
            return Ok(known);
        }
        let set = self.free_pa_set().ok_or(TableError::Full)?;
        self.pa_sets.insert(&vni, &set)?;
        Ok(set)
    }

    /// Changes the count of a set; one without prefixes that nobody holds goes back. The writer
    /// alone counts.
    fn change_pa_count(&mut self, vni: u32, set: u32, change: impl FnOnce(u32) -> u32) {
        let Some(word) = self.pa_counts.get(set as usize) else { return };
        let count = change(word.load(Relaxed));
        word.store(count, Relaxed);
        if count == 0 {
            self.pa_sets.remove(&vni);
        }
    }

    /// A set whose count is 0 is nobody's.
    fn free_pa_set(&self) -> Option<u32> {
        let empty = |count: &AtomicU32| count.load(Relaxed) == 0;
        self.pa_counts.iter().position(empty).map(|set| set as u32)
    }
}
