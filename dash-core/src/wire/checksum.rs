//! Internet checksum: in full (RFC 1071) and by difference (RFC 1624, equation 3).
use dash_hal::{Hints, SoftwareHints};
use smoltcp::wire::{Ipv4Address, Ipv6Address};

/// Folds a sum of 16-bit words to one: the ones' complement sum.
#[inline]
const fn fold(mut sum: u64) -> u16 {
    // 64 -> 33 -> 18 -> 17 -> 16 bits, without a loop.
    sum = (sum >> 32) + (sum & 0xffff_ffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum as u16
}

/// A checksum in the making, from the parts it covers. Each part begins at an even offset.
///
/// A part longer than 2^32 bytes in all does not occur: frames have 65,535 at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Checksum(u64);

impl Checksum {
    /// Nothing covered yet.
    pub const fn new() -> Self {
        Self(0)
    }
    /// Covers a 16-bit field.
    pub const fn u16(self, value: u16) -> Self {
        Self(self.0 + value as u64)
    }
    /// Covers a 32-bit field.
    pub const fn u32(self, value: u32) -> Self {
        Self(self.0 + value as u64)
    }
    /// Covers bytes, summed in software; an odd last one is padded with zero. With a port's help
    /// it is `u16(hints.checksum(value))`.
    pub fn bytes(self, value: &[u8]) -> Self {
        self.u16(SoftwareHints.checksum(value))
    }
    /// Covers the pseudo header of TCP and UDP over IPv4 (RFC 9293, RFC 768); `len`: header and
    /// payload above IP, bytes.
    pub fn pseudo_ipv4(
        self,
        source: Ipv4Address,
        destination: Ipv4Address,
        protocol: u8,
        len: u16,
    ) -> Self {
        self.bytes(&source.octets()).bytes(&destination.octets()).u16(protocol.into()).u16(len)
    }
    /// Covers the pseudo header of IPv6 (RFC 8200 section 8.1); `len`: upper-layer header and
    /// payload, bytes; `protocol`: of the upper layer, not of an extension header.
    pub fn pseudo_ipv6(
        self,
        source: Ipv6Address,
        destination: Ipv6Address,
        protocol: u8,
        len: u32,
    ) -> Self {
        self.bytes(&source.octets()).bytes(&destination.octets()).u16(protocol.into()).u32(len)
    }
    /// What belongs in the checksum field, when the field itself was covered as 0.
    #[must_use]
    pub const fn finish(self) -> u16 {
        !fold(self.0)
    }
    /// Whether the checksum is right, when the field itself was covered as received.
    #[must_use]
    pub const fn is_valid(self) -> bool {
        fold(self.0) == 0xffff
    }
}

/// What a change of covered fields does to a checksum: one difference serves every checksum
/// that covers them. Each field begins at an even offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Difference(u64);

impl Difference {
    /// Nothing changed yet.
    pub const fn new() -> Self {
        Self(0)
    }
    /// A 16-bit field changed.
    pub const fn u16(self, old: u16, new: u16) -> Self {
        Self(self.0 + !old as u64 + new as u64)
    }
    /// A 32-bit field changed.
    pub const fn u32(self, old: u32, new: u32) -> Self {
        Self(self.0 + !old as u64 + new as u64)
    }
    /// Bytes changed; an odd last one is padded with zero. The lengths may differ.
    pub fn bytes(self, old: &[u8], new: &[u8]) -> Self {
        self.u16(SoftwareHints.checksum(old), SoftwareHints.checksum(new))
    }
    /// The checksum after the change: HC' = ~(~HC + ~m + m').
    #[must_use]
    pub const fn apply(self, checksum: u16) -> u16 {
        !fold(self.0 + !checksum as u64)
    }
    /// The UDP checksum after the change: 0, no checksum, stays; one that becomes 0 is sent as
    /// 0xffff (RFC 768).
    #[must_use]
    pub const fn apply_udp(self, checksum: u16) -> u16 {
        if checksum == 0 { 0 } else { udp_checksum(self.apply(checksum)) }
    }
}

/// A computed UDP checksum as it is sent: 0 means that there is none, so 0xffff stands for it.
#[must_use]
pub const fn udp_checksum(computed: u16) -> u16 {
    if computed == 0 { 0xffff } else { computed }
}
