//! Why a change of a table was refused.

/// Why a change was refused; the table is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum TableError {
    /// No place left.
    Full,
    /// The place that the change needs may still be read by a core that has not passed a
    /// quiescent point since the place was given up; try again.
    Busy,
    /// The storage is smaller than the capacity asks for.
    StorageTooSmall,
    /// More entries than the index width of the table can name.
    CapacityTooLarge,
}
