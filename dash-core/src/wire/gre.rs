//! GRE header (RFC 2784, RFC 2890) and NVGRE (RFC 7637).
use zerocopy::byteorder::{BigEndian, U16};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::header::{read_u24, write_u24};
use super::{Header, protocol::ethertype};

const CHECKSUM: u16 = 0x8000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const VERSION: u16 = 0x0007;

/// Flags, version and protocol: 4 bytes.
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
pub struct GreHeader {
    flags_version: U16<BigEndian>,
    protocol: U16<BigEndian>,
}

impl Header for GreHeader {}

impl GreHeader {
    /// C flag: a checksum follows.
    #[must_use]
    pub fn has_checksum(&self) -> bool {
        self.flags_version.get() & CHECKSUM != 0
    }
    /// K flag: a key follows.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.flags_version.get() & KEY != 0
    }
    /// S flag: a sequence number follows.
    #[must_use]
    pub fn has_sequence(&self) -> bool {
        self.flags_version.get() & SEQUENCE != 0
    }
    /// Version; 0 but for PPTP.
    #[must_use]
    pub fn version(&self) -> u8 {
        (self.flags_version.get() & VERSION) as u8
    }
    /// Protocol of the payload, an ethertype.
    #[must_use]
    pub fn protocol(&self) -> u16 {
        self.protocol.get()
    }
}

/// GRE with the K flag, whose key is VSID and flow id: 8 bytes.
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
pub struct NvgreHeader {
    gre: GreHeader,
    vsid: [u8; 3],
    flow_id: u8,
}

impl Header for NvgreHeader {}

impl NvgreHeader {
    /// A header in front of an Ethernet frame; the low 24 bits of `vsid` count.
    #[must_use]
    pub fn new(vsid: u32, flow_id: u8) -> Self {
        let gre = GreHeader { flags_version: KEY.into(), protocol: ethertype::BRIDGED.into() };
        Self { gre, vsid: write_u24(vsid), flow_id }
    }

    /// Flags, version, protocol.
    #[must_use]
    pub fn gre(&self) -> &GreHeader {
        &self.gre
    }
    /// Virtual subnet, 24 bits.
    #[must_use]
    pub fn vsid(&self) -> u32 {
        read_u24(self.vsid)
    }
    /// Entropy of the flow; 0 when there is none.
    #[must_use]
    pub fn flow_id(&self) -> u8 {
        self.flow_id
    }

    /// Sets the virtual subnet; its low 24 bits count.
    pub fn set_vsid(&mut self, value: u32) {
        self.vsid = write_u24(value);
    }
    /// Sets the flow id.
    pub fn set_flow_id(&mut self, value: u8) {
        self.flow_id = value;
    }
}
