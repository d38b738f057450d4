//! ARP for IPv4 over Ethernet (RFC 826).
//!
//! The layout finds an ARP packet whatever its length: what a short or foreign one means is for
//! who answers ARP to say.
use smoltcp::wire::{ArpOperation, EthernetAddress, Ipv4Address};
use zerocopy::byteorder::{BigEndian, U16};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{Header, protocol::ethertype};

const HARDWARE_ETHERNET: u16 = 1;

/// A packet with 6-byte hardware and 4-byte protocol addresses: 28 bytes.
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
pub struct ArpPacket {
    hardware: U16<BigEndian>,
    protocol: U16<BigEndian>,
    hardware_len: u8,
    protocol_len: u8,
    operation: U16<BigEndian>,
    sender_mac: [u8; 6],
    sender_ip: [u8; 4],
    target_mac: [u8; 6],
    target_ip: [u8; 4],
}

impl Header for ArpPacket {}

impl ArpPacket {
    /// A packet for IPv4 over Ethernet, the rest zero.
    #[must_use]
    pub fn new() -> Self {
        Self {
            hardware: HARDWARE_ETHERNET.into(),
            protocol: ethertype::IPV4.into(),
            hardware_len: 6,
            protocol_len: 4,
            ..Self::default()
        }
    }

    /// Whether the packet is about IPv4 over Ethernet; only then do the addresses mean anything.
    #[must_use]
    pub fn is_ethernet_ipv4(&self) -> bool {
        self.hardware.get() == HARDWARE_ETHERNET
            && self.protocol.get() == ethertype::IPV4
            && self.hardware_len == 6
            && self.protocol_len == 4
    }
    /// Operation.
    #[must_use]
    pub fn operation(&self) -> ArpOperation {
        ArpOperation::from(self.operation.get())
    }
    /// Sender's MAC.
    #[must_use]
    pub fn sender_mac(&self) -> EthernetAddress {
        EthernetAddress(self.sender_mac)
    }
    /// Sender's IPv4 address.
    #[must_use]
    pub fn sender_ip(&self) -> Ipv4Address {
        Ipv4Address::from(self.sender_ip)
    }
    /// Target's MAC.
    #[must_use]
    pub fn target_mac(&self) -> EthernetAddress {
        EthernetAddress(self.target_mac)
    }
    /// Target's IPv4 address.
    #[must_use]
    pub fn target_ip(&self) -> Ipv4Address {
        Ipv4Address::from(self.target_ip)
    }

    /// Sets the operation.
    pub fn set_operation(&mut self, value: ArpOperation) {
        self.operation.set(value.into());
    }
    /// Sets the sender's MAC.
    pub fn set_sender_mac(&mut self, value: EthernetAddress) {
        self.sender_mac = value.0;
    }
    /// Sets the sender's IPv4 address.
    pub fn set_sender_ip(&mut self, value: Ipv4Address) {
        self.sender_ip = value.octets();
    }
    /// Sets the target's MAC.
    pub fn set_target_mac(&mut self, value: EthernetAddress) {
        self.target_mac = value.0;
    }
    /// Sets the target's IPv4 address.
    pub fn set_target_ip(&mut self, value: Ipv4Address) {
        self.target_ip = value.octets();
    }
}
