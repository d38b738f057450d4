//! Underlay prefixes that a VNI's frames may come from. DASH HLD, `DASH_PA_VALIDATION_TABLE`.
//!
//! The prefixes of a VNI have a longest-prefix table of their own, which goes back when the last
//! of them goes.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use smoltcp::wire::{IpAddress, IpCidr};

use super::{Policy, PolicyError, PolicyWriter, error::check_vni};
use crate::table::TableError;

impl Policy<'_> {
    /// The length in bits of the longest prefix of `vni` that covers underlay address `source`.
    #[must_use]
    pub fn pa_prefix(&self, vni: u32, source: IpAddress) -> Option<u8> {
        let set = self.pa_sets.get(&vni)?;
        let longest = self.prefixes.lookup(self.prefix_tables.pa + set, source)?;
        // The set's number may have gone to another VNI meanwhile.
        (self.pa_sets.get(&vni) == Some(set)).then_some(longest.length)
    }
}

impl PolicyWriter<'_> {
    /// Adds a prefix to those of `vni`; idempotent, host bits are ignored.
    ///
    /// # Errors
    /// `VniTooLarge`, `Full`, `Busy`.
    pub fn add_pa_prefix(&mut self, vni: u32, prefix: IpCidr) -> Result<(), PolicyError> {
        check_vni(vni)?;
        let known = self.view.pa_sets.get(&vni);
        let set = known.or_else(|| self.free_pa_set()).ok_or(TableError::Full)?;
        if known.is_none() {
            self.pa_sets.insert(&vni, &set)?;
        }
        match self.prefixes.insert(self.view.prefix_tables.pa + set, prefix, 0) {
            Ok(None) => {
                self.change_pa_count(set, 1);
                self.changes.mark_all();
                Ok(())
            }
            Ok(Some(_)) => Ok(()),
            Err(error) => {
                if known.is_none() {
                    self.pa_sets.remove(&vni)?;
                }
                Err(error.into())
            }
        }
    }

    /// Takes a prefix from those of `vni`; idempotent.
    ///
    /// # Errors
    /// `Busy`.
    pub fn remove_pa_prefix(&mut self, vni: u32, prefix: IpCidr) -> Result<(), PolicyError> {
        let Some(set) = self.view.pa_sets.get(&vni) else { return Ok(()) };
        if self.prefixes.remove(self.view.prefix_tables.pa + set, prefix)?.is_some() {
            self.changes.mark_all();
            if self.change_pa_count(set, -1) == 0 {
                self.pa_sets.remove(&vni)?;
            }
        }
        Ok(())
    }

    /// Answers how many prefixes the set has then. The writer alone counts.
    fn change_pa_count(&mut self, set: u32, by: i32) -> u32 {
        let Some(word) = self.pa_counts.get(set as usize) else { return 0 };
        let count = word.load(Relaxed).saturating_add_signed(by);
        word.store(count, Relaxed);
        count
    }

    /// A set without prefixes is nobody's.
    fn free_pa_set(&self) -> Option<u32> {
        let empty = |count: &AtomicU32| count.load(Relaxed) == 0;
        self.pa_counts.iter().position(empty).map(|set| set as u32)
    }
}
