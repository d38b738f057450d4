//! TCP header (RFC 9293).
use zerocopy::byteorder::{BigEndian, U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::Header;

bitflags::bitflags! {
    /// Control bits, as they stand in the header.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct TcpFlags: u8 {
        /// No more data from the sender.
        const FIN = 0x01;
        /// Synchronise sequence numbers.
        const SYN = 0x02;
        /// Reset the connection.
        const RST = 0x04;
        /// Push.
        const PSH = 0x08;
        /// The acknowledgment number counts.
        const ACK = 0x10;
        /// The urgent pointer counts.
        const URG = 0x20;
        /// ECN echo (RFC 3168).
        const ECE = 0x40;
        /// Congestion window reduced (RFC 3168).
        const CWR = 0x80;
    }
}

/// The header without options: 20 bytes.
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
pub struct TcpHeader {
    source_port: U16<BigEndian>,
    destination_port: U16<BigEndian>,
    sequence: U32<BigEndian>,
    acknowledgment: U32<BigEndian>,
    data_offset: u8,
    flags: u8,
    window: U16<BigEndian>,
    checksum: U16<BigEndian>,
    urgent: U16<BigEndian>,
}

impl Header for TcpHeader {}

impl TcpHeader {
    /// Source port.
    #[must_use]
    pub fn source_port(&self) -> u16 {
        self.source_port.get()
    }
    /// Destination port.
    #[must_use]
    pub fn destination_port(&self) -> u16 {
        self.destination_port.get()
    }
    /// Sequence number.
    #[must_use]
    pub fn sequence(&self) -> u32 {
        self.sequence.get()
    }
    /// Acknowledgment number.
    #[must_use]
    pub fn acknowledgment(&self) -> u32 {
        self.acknowledgment.get()
    }
    /// Data offset in bytes, options included: a multiple of 4 up to 60.
    #[must_use]
    pub fn header_len(&self) -> u8 {
        self.data_offset >> 4 << 2
    }
    /// Control bits.
    #[must_use]
    pub fn flags(&self) -> TcpFlags {
        TcpFlags::from_bits_retain(self.flags)
    }
    /// Receive window, not scaled.
    #[must_use]
    pub fn window(&self) -> u16 {
        self.window.get()
    }
    /// Checksum.
    #[must_use]
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }
    /// Urgent pointer.
    #[must_use]
    pub fn urgent(&self) -> u16 {
        self.urgent.get()
    }

    /// Sets the source port.
    pub fn set_source_port(&mut self, value: u16) {
        self.source_port.set(value);
    }
    /// Sets the destination port.
    pub fn set_destination_port(&mut self, value: u16) {
        self.destination_port.set(value);
    }
    /// Sets the sequence number.
    pub fn set_sequence(&mut self, value: u32) {
        self.sequence.set(value);
    }
    /// Sets the acknowledgment number.
    pub fn set_acknowledgment(&mut self, value: u32) {
        self.acknowledgment.set(value);
    }
    /// Sets the data offset: a multiple of 4 from 20 to 60 bytes.
    pub fn set_header_len(&mut self, value: u8) {
        self.data_offset = self.data_offset & 0x0f | value >> 2 << 4;
    }
    /// Sets the control bits.
    pub fn set_flags(&mut self, value: TcpFlags) {
        self.flags = value.bits();
    }
    /// Sets the receive window.
    pub fn set_window(&mut self, value: u16) {
        self.window.set(value);
    }
    /// Sets the checksum.
    pub fn set_checksum(&mut self, value: u16) {
        self.checksum.set(value);
    }
    /// Sets the urgent pointer.
    pub fn set_urgent(&mut self, value: u16) {
        self.urgent.set(value);
    }
}
