//! The name of a flow. DASH HLD, flow key; direction and stage of entry are additions of ours.

use smoltcp::wire::{EthernetAddress, IpAddress};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{
    frame::Frame,
    policy::{Direction, EniEntry, VnetId, address, is_v6, octets},
};
use crate::table::cuckoo::Key;

const V6: u8 = 1;
const INBOUND: u8 = 2;

/// 48 bytes, numbers in network order. Addresses have 16 bytes, IPv4 right-aligned behind zeros.
///
/// The two directions of a conversation are two flows with addresses and ports swapped: an inbound
/// frame with forged addresses never hits an outbound flow.
#[derive(Clone, Copy, Debug, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct FlowKey {
    eni: [u8; 6],
    vnet: [u8; 2],
    source: [u8; 16],
    destination: [u8; 16],
    source_port: [u8; 2],
    destination_port: [u8; 2],
    protocol: u8,
    flags: u8,
    entry: u8,
    zero: u8,
}

const _: () = assert!(size_of::<FlowKey>() == 48);

impl PartialEq for FlowKey {
    /// By words: field by field it is a branch for each.
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        let one: [u64; 6] = zerocopy::transmute!(*self);
        let other: [u64; 6] = zerocopy::transmute!(*other);
        one.iter().zip(&other).fold(0, |difference, (one, other)| difference | (one ^ other)) == 0
    }
}

impl Key for FlowKey {
    const EMPTY: Self = Self {
        eni: [0; 6],
        vnet: [0; 2],
        source: [0; 16],
        destination: [0; 16],
        source_port: [0; 2],
        destination_port: [0; 2],
        protocol: 0,
        flags: 0,
        entry: 0,
        zero: 0,
    };

    #[inline]
    fn as_bytes(&self) -> &[u8] {
        IntoBytes::as_bytes(self)
    }
}

impl FlowKey {
    /// The flow of a frame that entered at stage `entry`.
    pub(super) const fn new(
        mac: EthernetAddress,
        eni: EniEntry,
        direction: Direction,
        frame: &Frame,
        entry: u8,
    ) -> Self {
        let headers = &frame.headers;
        let family = if is_v6(headers.source) { V6 } else { 0 };
        let inbound = match direction {
            Direction::Outbound => 0,
            Direction::Inbound => INBOUND,
        };
        Self {
            eni: mac.0,
            vnet: eni.vnet.0.to_be_bytes(),
            source: octets(headers.source),
            destination: octets(headers.destination),
            source_port: headers.source_port.to_be_bytes(),
            destination_port: headers.destination_port.to_be_bytes(),
            protocol: headers.protocol,
            flags: family | inbound,
            entry,
            zero: 0,
        }
    }

    /// The flow of the answers.
    #[must_use]
    pub const fn reverse(&self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            source_port: self.destination_port,
            destination_port: self.source_port,
            flags: self.flags ^ INBOUND,
            ..*self
        }
    }

    /// MAC address of the ENI.
    #[must_use]
    pub const fn eni(&self) -> EthernetAddress {
        EthernetAddress(self.eni)
    }

    /// VNET of the ENI.
    #[must_use]
    pub const fn vnet(&self) -> VnetId {
        VnetId(u16::from_be_bytes(self.vnet))
    }

    /// Direction of its frames.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        if self.flags & INBOUND == 0 { Direction::Outbound } else { Direction::Inbound }
    }

    /// Customer source.
    #[must_use]
    pub const fn source(&self) -> IpAddress {
        address(self.source, self.flags & V6 != 0)
    }

    /// Customer destination.
    #[must_use]
    pub const fn destination(&self) -> IpAddress {
        address(self.destination, self.flags & V6 != 0)
    }

    /// Source port, 0 for protocols without ports.
    #[must_use]
    pub const fn source_port(&self) -> u16 {
        u16::from_be_bytes(self.source_port)
    }

    /// Destination port, 0 for protocols without ports.
    #[must_use]
    pub const fn destination_port(&self) -> u16 {
        u16::from_be_bytes(self.destination_port)
    }

    /// Upper-layer protocol.
    #[must_use]
    pub const fn protocol(&self) -> u8 {
        self.protocol
    }
}
