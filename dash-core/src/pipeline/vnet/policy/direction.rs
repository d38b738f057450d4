//! Direction of a frame by its VNI. DASH HLD, direction look-up.

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{Policy, PolicyError, PolicyWriter, error::check_vni};

/// Seen from the VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Direction {
    /// From the VM.
    Outbound,
    /// To the VM.
    Inbound,
}

impl Direction {
    /// The other one.
    #[must_use]
    pub const fn reverse(self) -> Self {
        match self {
            Self::Outbound => Self::Inbound,
            Self::Inbound => Self::Outbound,
        }
    }
}

/// Which MAC address of the customer frame names the ENI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum MacOverride {
    /// The source of an outbound frame, the destination of an inbound one.
    #[default]
    None,
    /// The source.
    Source,
    /// The destination.
    Destination,
}

/// What a VNI says of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DirectionEntry {
    /// Its direction.
    pub direction: Direction,
    /// Where its ENI is found.
    pub mac: MacOverride,
}

impl DirectionEntry {
    /// What holds for a VNI without an entry.
    pub const MISS: Self = Self { direction: Direction::Inbound, mac: MacOverride::None };
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct DirectionRecord {
    outbound: u16,
    mac: u16,
}

impl From<DirectionEntry> for DirectionRecord {
    fn from(entry: DirectionEntry) -> Self {
        Self {
            outbound: u16::from(entry.direction == Direction::Outbound),
            mac: match entry.mac {
                MacOverride::None => 0,
                MacOverride::Source => 1,
                MacOverride::Destination => 2,
            },
        }
    }
}

impl From<DirectionRecord> for DirectionEntry {
    fn from(record: DirectionRecord) -> Self {
        Self {
            direction: if record.outbound == 0 { Direction::Inbound } else { Direction::Outbound },
            mac: match record.mac {
                1 => MacOverride::Source,
                2 => MacOverride::Destination,
                _ => MacOverride::None,
            },
        }
    }
}

impl Policy<'_> {
    /// The entry of a VNI.
    #[must_use]
    pub fn direction(&self, vni: u32) -> Option<DirectionEntry> {
        self.directions.get(&vni).map(DirectionEntry::from)
    }
}

impl PolicyWriter<'_> {
    /// Makes or replaces the entry of a VNI. An appliance's `vm_vni` has one: outbound, with its
    /// `outbound_direction_lookup`.
    ///
    /// # Errors
    /// `VniTooLarge`, `Full`, `Busy`.
    pub fn set_direction(&mut self, vni: u32, entry: DirectionEntry) -> Result<(), PolicyError> {
        check_vni(vni)?;
        let old = self.directions.insert(&vni, &entry.into())?;
        if old.map(DirectionEntry::from) != Some(entry) {
            self.changes.mark_all();
        }
        Ok(())
    }

    /// Removes the entry of a VNI; idempotent.
    ///
    /// # Errors
    /// `Busy`.
    pub fn remove_direction(&mut self, vni: u32) -> Result<(), PolicyError> {
        if self.directions.remove(&vni).is_some() {
            self.changes.mark_all();
        }
        Ok(())
    }
}
