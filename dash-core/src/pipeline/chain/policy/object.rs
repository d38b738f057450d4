//! Objects of a configuration as an image holds them: plain data of whole words.

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// `PortRecord::host` of a localnet port.
pub(in super::super) const EVERYWHERE: u16 = u16::MAX;
/// `PortRecord::classifier` without one.
pub(in super::super) const NO_CLASSIFIER: u32 = u32::MAX;

bitflags::bitflags! {
    /// Facts about a logical port.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(in super::super) struct PortFlags: u16 {
        /// MAC addresses are learnt from it.
        const UNKNOWN = 1;
        /// Port security.
        const SECURED = 2;
        /// A port of a pair.
        const PAIR = 4;
        /// A port of a pair that gets copies.
        const TAP = 8;
        /// OUT_CHAIN has a rule for it.
        const OUT_CHAIN = 16;
        /// It has IP addresses.
        const ADDRESSED = 32;
        /// A port of a pair that frames pass through.
        const INLINE = 64;
    }
}

/// A logical port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(in super::super) struct PortRecord {
    pub(in super::super) switch: u16,
    pub(in super::super) key: u16,
    pub(in super::super) id: u16,
    pub(in super::super) host: u16,
    pub(super) flags: u16,
    pub(super) zero: u16,
    pub(in super::super) classifier: u32,
}

impl PortRecord {
    pub(in super::super) const fn has(&self, flags: PortFlags) -> bool {
        PortFlags::from_bits_retain(self.flags).contains(flags)
    }

    pub(in super::super) const fn is_localnet(&self) -> bool {
        self.host == EVERYWHERE
    }

    pub(super) fn mark(&mut self, flags: PortFlags) {
        self.flags |= flags.bits();
    }
}

/// Where a port of a network function stands in a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Hop {
    /// The group, from 0.
    pub(in super::super) position: u16,
    /// Forward frames enter the function here.
    pub(in super::super) input: bool,
    /// Forward frames leave it here.
    pub(in super::super) output: bool,
}

impl Hop {
    pub(super) fn word(self) -> u32 {
        u32::from(self.position) | u32::from(self.input) << 16 | u32::from(self.output) << 17
    }
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(in super::super) struct SwitchRecord {
    pub(in super::super) tunnel_key: u32,
    /// Its ports follow each other.
    pub(in super::super) first_port: u32,
    pub(in super::super) ports: u32,
    /// How many of them are marked `unknown`.
    pub(super) unknown: u32,
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(in super::super) struct PairRecord {
    pub(in super::super) input: u16,
    pub(in super::super) output: u16,
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(in super::super) struct GroupRecord {
    /// Its pairs follow each other among the members.
    pub(in super::super) first: u32,
    pub(in super::super) pairs: u16,
    pub(super) flags: u16,
}

impl GroupRecord {
    pub(super) const HASH: u16 = 1;
    pub(super) const OPEN: u16 = 2;
    pub(super) const TAP: u16 = 4;

    pub(in super::super) const fn selects_by_hash(self) -> bool {
        self.flags & Self::HASH != 0
    }
    pub(in super::super) const fn fails_open(self) -> bool {
        self.flags & Self::OPEN != 0
    }
    pub(in super::super) const fn is_tap(self) -> bool {
        self.flags & Self::TAP != 0
    }
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(in super::super) struct ClassifierRecord {
    pub(in super::super) chain: u16,
    flags: u16,
    /// The group of its rules for IPv4, that for IPv6 is the next; or [`Self::ALL`].
    pub(super) group: u32,
}

impl ClassifierRecord {
    const EXIT: u16 = 1;
    const BOTH_WAYS: u16 = 2;
    /// Without rules.
    pub(super) const ALL: u32 = u32::MAX;

    pub(super) fn new(classifier: &super::Classifier<'_>, group: u32) -> Self {
        let exit = if classifier.path == super::Path::Exit { Self::EXIT } else { 0 };
        let both = if classifier.bidirectional { Self::BOTH_WAYS } else { 0 };
        Self { chain: classifier.chain, flags: exit | both, group }
    }

    /// Whether forward frames are those from the port.
    pub(in super::super) const fn is_exit(self) -> bool {
        self.flags & Self::EXIT != 0
    }

    pub(in super::super) const fn is_bidirectional(self) -> bool {
        self.flags & Self::BOTH_WAYS != 0
    }
}

/// A MAC address of a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct MacKey {
    pub(super) mac: [u8; 6],
    pub(super) switch: u16,
}

/// An IP address that a port may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct AddressKey {
    pub(super) port: u16,
    pub(super) version: u16,
    pub(super) octets: [u8; 16],
}

/// Two numbers of 16 bits as a key.
pub(super) fn joined(high: u16, low: u16) -> u32 {
    u32::from(high) << 16 | u32::from(low)
}
