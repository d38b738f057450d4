//! Small numbers that name objects. Names of text are the caller's.

use zerocopy::{FromBytes, Immutable, IntoBytes};

macro_rules! identifier {
    ($(#[$meta:meta])* $name:ident($number:ty)) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, FromBytes,
            IntoBytes, Immutable,
        )]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[repr(transparent)]
        pub struct $name(pub $number);
    };
}

identifier!(
    /// An appliance.
    ApplianceId(u32)
);
identifier!(
    /// An ENI: also the index of its epoch and its counters, below [`Capacity::enis`].
    ///
    /// [`Capacity::enis`]: super::Capacity::enis
    EniId(u16)
);
identifier!(
    /// A VNET.
    VnetId(u16)
);
identifier!(
    /// A routing type.
    RoutingTypeId(u8)
);
identifier!(
    /// A group of outbound routes, below [`Capacity::route_groups`](super::Capacity::route_groups).
    RouteGroupId(u16)
);
identifier!(
    /// An ACL group, below the `groups` of [`Capacity::acl`](super::Capacity::acl).
    AclGroupId(u32)
);
identifier!(
    /// A tag, below the `tags` of [`Capacity::acl`](super::Capacity::acl).
    TagId(u32)
);
