//! What all header views share.
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A fixed-size header that is read and written in place: any bytes are one, at any alignment.
///
/// A view checks that the bytes are there, nothing else; [`super::parse()`] checks the values.
pub trait Header: Sized + FromBytes + IntoBytes + KnownLayout + Immutable + Unaligned {
    /// Size in bytes, without options.
    const LEN: usize = size_of::<Self>();

    /// The header `offset` bytes into `bytes`; `None` when it does not fit.
    #[inline]
    fn at(bytes: &[u8], offset: impl Into<usize>) -> Option<&Self> {
        Some(Self::ref_from_prefix(bytes.get(offset.into()..)?).ok()?.0)
    }

    /// The header `offset` bytes into `bytes`, to change; `None` when it does not fit.
    #[inline]
    fn at_mut(bytes: &mut [u8], offset: impl Into<usize>) -> Option<&mut Self> {
        Some(Self::mut_from_prefix(bytes.get_mut(offset.into()..)?).ok()?.0)
    }
}

/// The value of a 24-bit field.
pub(super) const fn read_u24([a, b, c]: [u8; 3]) -> u32 {
    u32::from_be_bytes([0, a, b, c])
}

/// The bytes of a 24-bit field; the upper 8 bits of `value` are lost.
pub(super) const fn write_u24(value: u32) -> [u8; 3] {
    let [_, a, b, c] = value.to_be_bytes();
    [a, b, c]
}
