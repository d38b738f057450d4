//! Geneve header and its options (RFC 8926).
use zerocopy::byteorder::{BigEndian, U16};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::header::{read_u24, write_u24};
use super::{Header, ParseError, protocol::ethertype};

/// Most bytes of options: the length field has 6 bits and counts words.
pub const MAX_OPTIONS_LEN: usize = 63 * 4;

const CONTROL: u8 = 0x80;
const CRITICAL: u8 = 0x40;
const WORDS: u8 = 0x3f;

/// The fixed header: 8 bytes.
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
pub struct GeneveHeader {
    version_options: u8,
    flags: u8,
    protocol: U16<BigEndian>,
    vni: [u8; 3],
    reserved: u8,
}

impl Header for GeneveHeader {}

impl GeneveHeader {
    /// A header in front of an Ethernet frame, without options; the low 24 bits of `vni` count.
    #[must_use]
    pub fn new(vni: u32) -> Self {
        let protocol = ethertype::BRIDGED.into();
        Self { protocol, vni: write_u24(vni), ..Self::default() }
    }

    /// Version; 0 is the only one known.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.version_options >> 6
    }
    /// Length of the options in bytes: a multiple of 4 up to 252.
    #[must_use]
    pub fn options_len(&self) -> u8 {
        (self.version_options & WORDS) << 2
    }
    /// O bit: a control packet.
    #[must_use]
    pub fn control(&self) -> bool {
        self.flags & CONTROL != 0
    }
    /// C bit: at least one option is critical.
    #[must_use]
    pub fn critical(&self) -> bool {
        self.flags & CRITICAL != 0
    }
    /// Protocol of the payload, an ethertype.
    #[must_use]
    pub fn protocol(&self) -> u16 {
        self.protocol.get()
    }
    /// VNI, 24 bits.
    #[must_use]
    pub fn vni(&self) -> u32 {
        read_u24(self.vni)
    }

    /// Sets the length of the options: a multiple of 4 up to 252 bytes.
    pub fn set_options_len(&mut self, value: u8) {
        self.version_options = self.version_options & !WORDS | value >> 2;
    }
    /// Sets the O bit.
    pub fn set_control(&mut self, value: bool) {
        self.flags = self.flags & !CONTROL | u8::from(value) << 7;
    }
    /// Sets the C bit.
    pub fn set_critical(&mut self, value: bool) {
        self.flags = self.flags & !CRITICAL | u8::from(value) << 6;
    }
    /// Sets the protocol of the payload.
    pub fn set_protocol(&mut self, value: u16) {
        self.protocol.set(value);
    }
    /// Sets the VNI; its low 24 bits count.
    pub fn set_vni(&mut self, value: u32) {
        self.vni = write_u24(value);
    }
}

/// Class, type and length in front of an option's data: 4 bytes.
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
pub struct GeneveOptionHeader {
    class: U16<BigEndian>,
    kind: u8,
    length: u8,
}

impl Header for GeneveOptionHeader {}

impl GeneveOptionHeader {
    /// A header in front of `data_len` bytes of data: a multiple of 4 up to 124.
    #[must_use]
    pub fn new(class: u16, kind: u8, data_len: u8) -> Self {
        Self { class: class.into(), kind, length: data_len >> 2 & 0x1f }
    }

    /// Option class: who defines the type.
    #[must_use]
    pub fn class(&self) -> u16 {
        self.class.get()
    }
    /// Type, the critical bit (0x80) included.
    #[must_use]
    pub fn kind(&self) -> u8 {
        self.kind
    }
    /// Whether an endpoint that does not know the option must drop the packet.
    #[must_use]
    pub fn critical(&self) -> bool {
        self.kind & 0x80 != 0
    }
    /// Length of the data in bytes: a multiple of 4 up to 124.
    #[must_use]
    pub fn data_len(&self) -> u8 {
        (self.length & 0x1f) << 2
    }
}

/// One option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GeneveOption<'a> {
    /// Class, type, length.
    pub header: &'a GeneveOptionHeader,
    /// Its data, as many bytes as the header says.
    pub data: &'a [u8],
}

/// The options of one header, in wire order; ends behind an option that is malformed.
///
/// An option has at least 4 bytes, so there are 63 at most.
#[derive(Clone, Debug, Default)]
pub struct GeneveOptions<'a> {
    bytes: &'a [u8],
}

impl<'a> GeneveOptions<'a> {
    /// The options in `bytes`, the first [`MAX_OPTIONS_LEN`] of which count.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes: bytes.get(..MAX_OPTIONS_LEN).unwrap_or(bytes) }
    }
}

impl<'a> Iterator for GeneveOptions<'a> {
    type Item = Result<GeneveOption<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let option =
            GeneveOptionHeader::ref_from_prefix(self.bytes).ok().and_then(|(header, rest)| {
                Some((header, rest.split_at_checked(header.data_len().into())?))
            });
        let Some((header, (data, rest))) = option else {
            self.bytes = &[];
            return Some(Err(ParseError::GeneveOption));
        };
        self.bytes = rest;
        Some(Ok(GeneveOption { header, data }))
    }
}

impl core::iter::FusedIterator for GeneveOptions<'_> {}
