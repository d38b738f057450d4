//! Values as bytes.
//!
//! A codec of our own and no serialiser, because most types are those of dash-core and smoltcp,
//! which would each need a mirror; here a type costs one line that names its fields.

use core::{
    net::{Ipv4Addr, Ipv6Addr},
    slice,
};

use dash_core::table::acl::Rule;
use heapless::Vec;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, IpVersion};

/// Bytes that are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum DecodeError {
    /// They end too early.
    Truncated,
    /// They go on behind the end.
    Trailing,
    /// A value that its type does not have.
    Value,
    /// A list that is longer than its type has room for.
    TooLong,
    /// The memory for lists of rules is used up.
    Memory,
    /// The other side speaks another version.
    Version,
}

/// The buffer is too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NoRoom;

/// Writes to the caller's bytes.
#[derive(Debug)]
pub(crate) struct Buffer<'b> {
    bytes: &'b mut [u8],
    length: usize,
}

impl<'b> Buffer<'b> {
    /// Writes from the start of `bytes`.
    pub(crate) const fn new(bytes: &'b mut [u8]) -> Self {
        Self { bytes, length: 0 }
    }

    /// What was written, unless it was more than there is room for.
    pub(crate) fn finish(self) -> Result<&'b [u8], NoRoom> {
        self.bytes.get(..self.length).ok_or(NoRoom)
    }
}

impl Extend<u8> for Buffer<'_> {
    fn extend<I: IntoIterator<Item = u8>>(&mut self, bytes: I) {
        for byte in bytes {
            if let Some(place) = self.bytes.get_mut(self.length) {
                *place = byte;
            }
            // Also past the end, for `finish` to see.
            self.length += 1;
        }
    }
}

/// What can be written.
pub(crate) trait Put {
    fn put(&self, out: &mut impl Extend<u8>);
}

/// What can be read; it may borrow from the bytes.
pub(crate) trait Get<'a>: Sized {
    fn get(reader: &mut Reader<'a>) -> Result<Self, DecodeError>;
}

/// Bytes that are still to be read.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) bytes: &'a [u8],
    /// Lists of rules that stood in front, for the changes that take them.
    pub(crate) rules: slice::Iter<'a, &'a [Rule<'a>]>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, rules: [].iter() }
    }

    pub(crate) fn take<const N: usize>(&mut self) -> Result<&'a [u8; N], DecodeError> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.bytes = rest;
        Ok(taken)
    }

    pub(crate) fn slice(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or(DecodeError::Truncated)?;
        self.bytes = rest;
        Ok(taken)
    }

    /// The count of a list whose elements have at least one byte each.
    pub(crate) fn count(&mut self) -> Result<usize, DecodeError> {
        let count = u32::get(self)? as usize;
        if count <= self.bytes.len() { Ok(count) } else { Err(DecodeError::Truncated) }
    }

    /// The bytes are one `T` and nothing more.
    pub(crate) fn whole<T: Get<'a>>(bytes: &'a [u8]) -> Result<T, DecodeError> {
        let mut reader = Self::new(bytes);
        let value = T::get(&mut reader)?;
        if reader.bytes.is_empty() { Ok(value) } else { Err(DecodeError::Trailing) }
    }
}

/// Counts that exceed 32 bits are of no machine that reads them.
pub(crate) fn put_count(count: usize, out: &mut impl Extend<u8>) {
    u32::try_from(count).unwrap_or(u32::MAX).put(out);
}

pub(crate) fn put_list<T: Put>(list: &[T], out: &mut impl Extend<u8>) {
    put_count(list.len(), out);
    for item in list {
        item.put(out);
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Put for $number {
            fn put(&self, out: &mut impl Extend<u8>) {
                out.extend(self.to_le_bytes());
            }
        }

        impl Get<'_> for $number {
            fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self::from_le_bytes(*reader.take()?))
            }
        }
    )*};
}

numbers!(u8 u16 u32 u64);

impl<'a, T: Get<'a>> Get<'a> for Option<T> {
    fn get(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        bool::get(reader)?.then(|| T::get(reader)).transpose()
    }
}

impl<T: Put> Put for Option<T> {
    fn put(&self, out: &mut impl Extend<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }
}

impl<T: Put, const N: usize> Put for [T; N] {
    fn put(&self, out: &mut impl Extend<u8>) {
        for item in self {
            item.put(out);
        }
    }
}

impl<'a, T: Get<'a> + Copy + Default, const N: usize> Get<'a> for [T; N] {
    fn get(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut array = [T::default(); N];
        for item in &mut array {
            *item = T::get(reader)?;
        }
        Ok(array)
    }
}

impl Put for &[u8] {
    fn put(&self, out: &mut impl Extend<u8>) {
        put_count(self.len(), out);
        out.extend(self.iter().copied());
    }
}

impl<'a> Get<'a> for &'a [u8] {
    fn get(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let count = reader.count()?;
        reader.slice(count)
    }
}

impl<T: Put, const N: usize> Put for Vec<T, N> {
    fn put(&self, out: &mut impl Extend<u8>) {
        put_list(self, out);
    }
}

impl<'a, T: Get<'a>, const N: usize> Get<'a> for Vec<T, N> {
    fn get(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut list = Self::new();
        for _ in 0..reader.count()? {
            list.push(T::get(reader)?).map_err(|_| DecodeError::TooLong)?;
        }
        Ok(list)
    }
}

/// Addresses and other arrays of bytes, as they stand on the wire.
macro_rules! octets {
    ($($name:ident($value:ident => $octets:expr, $from:expr);)*) => {$(
        impl Put for $name {
            fn put(&self, out: &mut impl Extend<u8>) {
                let $value = self;
                out.extend($octets);
            }
        }

        impl Get<'_> for $name {
            fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok($from(*reader.take()?))
            }
        }
    )*};
}

octets! {
    EthernetAddress(mac => mac.0, EthernetAddress);
    Ipv4Addr(address => address.octets(), Ipv4Addr::from_octets);
    Ipv6Addr(address => address.octets(), Ipv6Addr::from_octets);
}

/// A structure: its fields one after the other.
macro_rules! records {
    ($($name:ident { $($field:ident),* $(,)? })*) => {$(
        impl $crate::codec::Put for $name {
            fn put(&self, out: &mut impl Extend<u8>) {
                $(self.$field.put(out);)*
            }
        }

        impl $crate::codec::Get<'_> for $name {
            fn get(reader: &mut $crate::codec::Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self { $($field: $crate::codec::Get::get(reader)?),* })
            }
        }
    )*};
}

/// A choice: the number of the variant in one byte, then its fields.
macro_rules! choices {
    ($($name:ident $(<$life:lifetime>)? { $(
        $number:literal => $variant:ident $(($($item:ident),*))? $({ $($field:ident),* })?,
    )* })*) => {$(
        impl $(<$life>)? $crate::codec::Put for $name $(<$life>)? {
            fn put(&self, out: &mut impl Extend<u8>) {
                match self {
                    $(Self::$variant $(($($item),*))? $({ $($field),* })? => {
                        out.extend([$number]);
                        $($($item.put(out);)*)?
                        $($($field.put(out);)*)?
                    })*
                }
            }
        }

        impl<'a> $crate::codec::Get<'a> for $name $(<$life>)? {
            fn get(reader: &mut $crate::codec::Reader<'a>) -> Result<Self, DecodeError> {
                Ok(match <u8 as $crate::codec::Get>::get(reader)? {
                    $($number => Self::$variant
                        $(($({ let $item = $crate::codec::Get::get(reader)?; $item }),*))?
                        $({ $($field: $crate::codec::Get::get(reader)?),* })?,
                    )*
                    _ => return Err(DecodeError::Value),
                })
            }
        }
    )*};
}

pub(crate) use {choices, records};

impl Put for bool {
    fn put(&self, out: &mut impl Extend<u8>) {
        u8::from(*self).put(out);
    }
}

impl Get<'_> for bool {
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match u8::get(reader)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Value),
        }
    }
}

choices! {
    IpVersion { 4 => Ipv4, 6 => Ipv6, }
    IpAddress { 4 => Ipv4(address), 6 => Ipv6(address), }
}

impl Put for IpCidr {
    fn put(&self, out: &mut impl Extend<u8>) {
        self.address().put(out);
        self.prefix_len().put(out);
    }
}

impl Get<'_> for IpCidr {
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let address = IpAddress::get(reader)?;
        let length = u8::get(reader)?;
        let most = match address {
            IpAddress::Ipv4(_) => 32,
            IpAddress::Ipv6(_) => 128,
        };
        if length <= most { Ok(Self::new(address, length)) } else { Err(DecodeError::Value) }
    }
}
