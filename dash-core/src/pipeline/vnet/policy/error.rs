//! Why a change of the policy was refused.

use crate::table::TableError;

/// Why a change was refused.
///
/// After `Table(Full)` the object is as it was. After `Table(Busy)` of a single change part of the
/// work may be done: repeat the call until it succeeds. Of a transaction nothing is done then, see
/// [`Rejected`](super::Rejected).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum PolicyError {
    /// A table refused. `CapacityTooLarge`: a number is not below its [`Capacity`](super::Capacity).
    Table(TableError),
    /// A VNI of more than 24 bits.
    VniTooLarge,
    /// A range whose end lies before its start.
    EmptyRange,
    /// Inbound rules that are not in the order of [`InboundRule::order`](super::InboundRule::order),
    /// or whose source is not one prefix of the stated IP version.
    Disordered,
    /// An ACL group that is bound to a stage of an ENI is not removed.
    AclGroupBound,
    /// An ACL group is not of the IP version that it is, or would be, bound under.
    AclGroupVersion,
}

impl From<TableError> for PolicyError {
    fn from(error: TableError) -> Self {
        Self::Table(error)
    }
}

/// A VNI has 24 bits on the wire.
pub(super) const fn check_vni(vni: u32) -> Result<(), PolicyError> {
    if vni < 1 << 24 { Ok(()) } else { Err(PolicyError::VniTooLarge) }
}
