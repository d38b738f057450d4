//! VXLAN header (RFC 7348).
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::Header;
use super::header::{read_u24, write_u24};

const VNI_VALID: u8 = 0x08;

/// Flags and VNI: 8 bytes. Reserved bits are ignored on receive, as section 5 asks.
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
pub struct VxlanHeader {
    flags: u8,
    reserved: [u8; 3],
    vni: [u8; 3],
    reserved_tail: u8,
}

impl Header for VxlanHeader {}

impl VxlanHeader {
    /// A header with the I flag set and reserved bits 0; the low 24 bits of `vni` count.
    #[must_use]
    pub const fn new(vni: u32) -> Self {
        Self { flags: VNI_VALID, reserved: [0; 3], vni: write_u24(vni), reserved_tail: 0 }
    }

    /// I flag: the VNI counts.
    #[must_use]
    pub fn has_vni(&self) -> bool {
        self.flags & VNI_VALID != 0
    }
    /// VNI, 24 bits.
    #[must_use]
    pub fn vni(&self) -> u32 {
        read_u24(self.vni)
    }

    /// The 8 bits behind the VNI, which are reserved.
    #[must_use]
    pub fn reserved(&self) -> u8 {
        self.reserved_tail
    }

    /// Sets the VNI; its low 24 bits count.
    pub fn set_vni(&mut self, value: u32) {
        self.vni = write_u24(value);
    }
    /// Sets the 8 bits behind the VNI.
    pub fn set_reserved(&mut self, value: u8) {
        self.reserved_tail = value;
    }
}
