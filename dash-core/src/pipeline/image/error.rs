//! Why a configuration was refused.

use crate::table::TableError;

/// Why a change was refused; nothing of it is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ConfigurationError<Kind, Fault> {
    /// A table refused: `Busy` while a core may still read the memory that the change needs.
    Table(TableError),
    /// An object is wrong.
    Object {
        /// What it is.
        kind: Kind,
        /// Its place among its kind.
        index: usize,
        /// What is wrong.
        fault: Fault,
    },
}

impl<Kind, Fault> From<TableError> for ConfigurationError<Kind, Fault> {
    fn from(error: TableError) -> Self {
        Self::Table(error)
    }
}

impl<Kind: Copy, Fault: Copy> ConfigurationError<Kind, Fault> {
    pub(in crate::pipeline) const fn new(kind: Kind, index: usize, fault: Fault) -> Self {
        Self::Object { kind, index, fault }
    }
}

/// What is wrong with an object of some kind.
pub(in crate::pipeline) fn wrong<Kind: Copy, Fault: Copy>(
    kind: Kind,
    index: usize,
) -> impl Fn(Fault) -> ConfigurationError<Kind, Fault> {
    move |fault| ConfigurationError::new(kind, index, fault)
}
