//! What every call answers.

use core::ffi::{CStr, c_char};

use dash_core::{pipeline::vnet::policy::PolicyError, table::TableError};

/// What a call answers. Everything but `DASH_OK` leaves things as they were, if the call does not
/// say otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum dash_status_t {
    /// Done.
    DASH_OK = 0,
    /// A pointer that must not be NULL is NULL.
    DASH_NULL = 1,
    /// A pointer or a region is not aligned as it must be.
    DASH_MISALIGNED = 2,
    /// A region or an array has too few bytes or elements.
    DASH_TOO_SMALL = 3,
    /// A region overlaps another one that is in use, or wraps around the address space.
    DASH_OVERLAP = 4,
    /// `abi_version` or `struct_size` is not that of the library: the program was compiled with
    /// the header of another version.
    DASH_BAD_VERSION = 5,
    /// A member has a value that its description does not name.
    DASH_BAD_VALUE = 6,
    /// A number is not below its capacity, or a capacity is larger than the library handles.
    DASH_OUT_OF_RANGE = 7,
    /// The handle is not one, or was destroyed, or its region does not begin with zeros.
    DASH_BAD_HANDLE = 8,
    /// The thing is in use: a region by a live handle, a core's number, a policy by its cores, a
    /// frame by the library.
    DASH_IN_USE = 9,
    /// The handle is in another call: a callback called back, or two threads share the handle.
    DASH_REENTERED = 10,
    /// A frame does not lie within its memory, or has unknown flags.
    DASH_BAD_FRAME = 11,
    /// No place in a table.
    DASH_FULL = 12,
    /// Not now: memory may still be read by another core, or the transmit queue is full. Let each
    /// core process a burst (an empty one will do) and repeat.
    DASH_AGAIN = 13,
    /// A VNI has more than 24 bits.
    DASH_VNI_TOO_LARGE = 14,
    /// A range ends before it starts.
    DASH_EMPTY_RANGE = 15,
    /// Inbound rules are not in their order, or not of the stated IP version.
    DASH_DISORDERED = 16,
    /// An ACL group that is bound to a stage of an ENI is not removed.
    DASH_ACL_GROUP_BOUND = 17,
    /// An ACL group is not of the IP version that it is, or would be, bound under.
    DASH_ACL_GROUP_VERSION = 18,
}

pub(crate) use dash_status_t as Status;

impl From<TableError> for Status {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Full => Self::DASH_FULL,
            TableError::Busy => Self::DASH_AGAIN,
            TableError::StorageTooSmall => Self::DASH_TOO_SMALL,
            TableError::CapacityTooLarge => Self::DASH_OUT_OF_RANGE,
        }
    }
}

impl From<PolicyError> for Status {
    fn from(error: PolicyError) -> Self {
        match error {
            PolicyError::Table(error) => error.into(),
            PolicyError::VniTooLarge => Self::DASH_VNI_TOO_LARGE,
            PolicyError::EmptyRange => Self::DASH_EMPTY_RANGE,
            PolicyError::Disordered => Self::DASH_DISORDERED,
            PolicyError::AclGroupBound => Self::DASH_ACL_GROUP_BOUND,
            PolicyError::AclGroupVersion => Self::DASH_ACL_GROUP_VERSION,
        }
    }
}

/// As a call answers it.
pub(crate) fn answer(result: Result<(), Status>) -> Status {
    match result {
        Ok(()) => Status::DASH_OK,
        Err(status) => status,
    }
}

/// A status in words, in English. Static storage; never NULL; any number may be asked for.
#[unsafe(no_mangle)]
pub extern "C" fn dash_status_text(status: u32) -> *const c_char {
    let text: &CStr = match status {
        0 => c"done",
        1 => c"a pointer is NULL",
        2 => c"a pointer or region is misaligned",
        3 => c"a region or array is too small",
        4 => c"regions overlap",
        5 => c"compiled with the header of another version",
        6 => c"a member has a value that is not named",
        7 => c"a number is not below its capacity",
        8 => c"not a live handle",
        9 => c"in use",
        10 => c"the handle is in another call",
        11 => c"a frame does not lie within its memory",
        12 => c"a table is full",
        13 => c"not now: let each core process a burst, and repeat",
        14 => c"a VNI has more than 24 bits",
        15 => c"a range ends before it starts",
        16 => c"inbound rules are not in their order",
        17 => c"an ACL group is bound",
        18 => c"an ACL group is bound under the other IP version",
        _ => c"unknown status",
    };
    text.as_ptr()
}
