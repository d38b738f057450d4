//! ICMP for IPv6, header (RFC 4443).
use smoltcp::wire::Icmpv6Message;
use zerocopy::byteorder::{BigEndian, U16};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::Header;

/// Types of neighbour discovery (RFC 4861).
pub mod nd {
    /// All of them: router solicitation to redirect.
    pub const TYPES: core::ops::RangeInclusive<u8> = 133..=137;
    /// Neighbour solicitation.
    pub const SOLICITATION: u8 = 135;
    /// Neighbour advertisement.
    pub const ADVERTISEMENT: u8 = 136;
    /// Offset of the target in messages of both.
    pub const TARGET: usize = 8;
}

/// What all messages begin with: type, code, checksum, 4 bytes.
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
pub struct Icmpv6Header {
    message: u8,
    code: u8,
    checksum: U16<BigEndian>,
}

impl Header for Icmpv6Header {}

impl Icmpv6Header {
    /// Type.
    #[must_use]
    pub fn message(&self) -> Icmpv6Message {
        Icmpv6Message::from(self.message)
    }
    /// Code; its meaning depends on the type.
    #[must_use]
    pub fn code(&self) -> u8 {
        self.code
    }
    /// Checksum over the whole message and the pseudo header.
    #[must_use]
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }

    /// Sets the type.
    pub fn set_message(&mut self, value: Icmpv6Message) {
        self.message = value.into();
    }
    /// Sets the code.
    pub fn set_code(&mut self, value: u8) {
        self.code = value;
    }
    /// Sets the checksum.
    pub fn set_checksum(&mut self, value: u16) {
        self.checksum.set(value);
    }
}
