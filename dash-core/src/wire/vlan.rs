//! VLAN tag (IEEE 802.1Q; two of them: 802.1ad).
//!
//! The TPID stands where an ethertype would, so the view begins behind it: tag control
//! information, then the ethertype or the next TPID.
use zerocopy::byteorder::{BigEndian, U16};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{Header, protocol::ethertype};

/// Most tags that are walked: a service tag and a customer tag.
pub const MAX_TAGS: u8 = 2;

/// Tag control information and the ethertype behind it: 4 bytes.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(C)]
pub struct VlanTag {
    control: U16<BigEndian>,
    ethertype: U16<BigEndian>,
}

impl Header for VlanTag {}

impl VlanTag {
    /// Whether `value` announces a tag (0x8100 or 0x88a8).
    #[must_use]
    pub const fn is_tpid(value: u16) -> bool {
        matches!(value, ethertype::VLAN | ethertype::QINQ)
    }

    /// Priority code point, 0 to 7.
    #[must_use]
    pub fn priority(&self) -> u8 {
        (self.control.get() >> 13) as u8
    }
    /// Drop eligible indicator.
    #[must_use]
    pub fn drop_eligible(&self) -> bool {
        self.control.get() & 0x1000 != 0
    }
    /// VLAN identifier, 0 to 4095; 0: priority only.
    #[must_use]
    pub fn id(&self) -> u16 {
        self.control.get() & 0x0fff
    }
    /// Ethertype behind the tag, or TPID of the next.
    #[must_use]
    pub fn ethertype(&self) -> u16 {
        self.ethertype.get()
    }

    /// Sets the priority code point; its low 3 bits count.
    pub fn set_priority(&mut self, value: u8) {
        self.control.set(self.control.get() & 0x1fff | u16::from(value) << 13);
    }
    /// Sets the drop eligible indicator.
    pub fn set_drop_eligible(&mut self, value: bool) {
        self.control.set(self.control.get() & 0xefff | u16::from(value) << 12);
    }
    /// Sets the VLAN identifier; its low 12 bits count.
    pub fn set_id(&mut self, value: u16) {
        self.control.set(self.control.get() & 0xf000 | value & 0x0fff);
    }
    /// Sets the ethertype behind the tag.
    pub fn set_ethertype(&mut self, value: u16) {
        self.ethertype.set(value);
    }
}
