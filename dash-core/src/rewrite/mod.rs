//! The normal form of every header change, and its application.
//!
//! A slow path compiles its verdict into one [`Rewrite`] for each direction; the flow keeps it, and
//! each later frame only has it applied. The changes happen in the order of the bits of [`Flags`],
//! so that a rewrite is plain data: it can be compared, stored and installed from outside.
//!
//! * **Memory**: one field of the flow, 72 bytes; nothing else is kept. The headers that it puts on
//!   are compiled once, see [`Encapsulation`].
//! * **Cost**: the decisions are made on the frame's [`Edges`] alone, then at most one move of its
//!   front edge and straight-line writes: 50 bytes for VXLAN over IPv4, 70 over IPv6, 58 for Geneve. No byte of
//!   the payload is read or moved.
//! * **Sources**: RFC 7348 (VXLAN), RFC 8926 (Geneve), RFC 791 and RFC 8200 (outer IP), RFC 6935 (zero UDP checksum
//!   over IPv6), RFC 1624 (checksum by difference), RFC 2474 (DSCP), IEEE 802.1Q (tag).
//!
//! Choices: popping a tag that is not there changes nothing; a tag that is popped may have any
//! TPID. `POP_OUTER` alone keeps the padding of the inner frame, which the tunnel carried as its
//! own; `TRIM` cuts it, and leaves a frame that is not IP alone. Tags are those that the parser
//! walked: of an encapsulated frame it walks none, so there they stay and count as payload. The
//! MTU holds for every rewrite, [`Rewrite::NONE`] too. Edges of a frame of another length answer
//! [`Outcome::NoRoom`].
#![allow(
    clippy::inline_always,
    reason = "on the packet path what is known of a frame stays in registers"
)]

mod apply;
mod outer;
#[cfg(test)]
mod tests;

pub use outer::{Encapsulation, OptionWord};

use crate::wire::{Edges, Mac};
use dash_hal::PacketBuffer;
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv6Address};

bitflags::bitflags! {
    /// What is changed, in the order of the bits.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Flags: u16 {
        /// Take the outermost encapsulation off, and what lies behind the tunnel's payload too.
        /// A frame without encapsulation stays as it is.
        const POP_OUTER = 1;
        /// Cut what lies behind the IP datagram of the frame that is left (Ethernet padding).
        const TRIM = 2;
        /// Take the outermost VLAN tag off, if there is one.
        const POP_VLAN = 4;
        /// Put a VLAN tag (TPID 0x8100, `vlan`) on.
        const PUSH_VLAN = 8;
        /// Write `source_mac`.
        const SOURCE_MAC = 16;
        /// Write `destination_mac`.
        const DESTINATION_MAC = 32;
        /// Decrement TTL or hop limit of the frame that is left; no effect when it is not IP.
        const TTL = 64;
        /// Put `tunnel` in front.
        const PUSH_OUTER = 128;
        /// The DSCP of the pushed outer header is that of the outermost IP header as received (0
        /// when that is not IP) and its ECN is 0; without this flag both are `tunnel.tos`.
        const COPY_DSCP = 256;
    }
}

/// Outer addresses of an encapsulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoints {
    /// Over IPv4.
    V4 {
        /// Outer source.
        source: Ipv4Address,
        /// Outer destination.
        destination: Ipv4Address,
    },
    /// Over IPv6.
    V6 {
        /// Outer source.
        source: Ipv6Address,
        /// Outer destination.
        destination: Ipv6Address,
    },
}

/// An encapsulation to put in front of a frame; compiled, it is an [`Encapsulation`], of VXLAN or
/// of Geneve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Outer addresses.
    pub endpoints: Endpoints,
    /// Outer source MAC.
    pub source_mac: EthernetAddress,
    /// Outer destination MAC.
    pub destination_mac: EthernetAddress,
    /// VNI; the upper 8 of the 32 bits are ignored.
    pub vni: u32,
    /// UDP source port, host order. The destination port is 4789, of Geneve 6081.
    pub source_port: u16,
    /// IPv4 identification, host order; not used over IPv6.
    pub identification: u16,
    /// TTL or hop limit.
    pub ttl: u8,
    /// TOS or traffic class, DSCP and ECN; not used with `COPY_DSCP`.
    pub tos: u8,
}

impl Tunnel {
    /// Between no hosts, with the usual TTL.
    pub const NONE: Self = Self {
        endpoints: Endpoints::V4 {
            source: Ipv4Address::UNSPECIFIED,
            destination: Ipv4Address::UNSPECIFIED,
        },
        source_mac: EthernetAddress([0; 6]),
        destination_mac: EthernetAddress([0; 6]),
        vni: 0,
        source_port: 0,
        identification: 0,
        ttl: 64,
        tos: 0,
    };
}

/// One frame's header change, as plain data. In this order in memory, so that what is written
/// together is loaded together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Rewrite {
    /// For `PUSH_OUTER`.
    pub tunnel: Encapsulation,
    /// For `DESTINATION_MAC`.
    pub destination_mac: Mac,
    /// For `SOURCE_MAC`.
    pub source_mac: Mac,
    /// Tag control information (PCP, DEI, VID), host order, for `PUSH_VLAN`.
    pub vlan: u16,
    /// What is changed.
    pub flags: Flags,
}

/// What `apply` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of it; the frame has so many bytes now.
    Done(usize),
    /// Nothing: TTL or hop limit is 0 or 1.
    Ttl,
    /// Nothing: more than `mtu` bytes would follow the Ethernet header and its tags.
    TooBig,
    /// Nothing: too little headroom.
    NoRoom,
}

impl Rewrite {
    /// Changes nothing.
    pub const NONE: Self = Self {
        flags: Flags::empty(),
        vlan: 0,
        source_mac: Mac::NONE,
        destination_mac: Mac::NONE,
        tunnel: Encapsulation::NONE,
    };

    /// Applies the change to the frame in `buffer`, whose headers are where `edges` says.
    /// Everything but [`Outcome::Done`] leaves bytes, length and headroom as they were; of several
    /// reasons the first in the order `Ttl`, `TooBig`, `NoRoom` is answered. `mtu` counts bytes
    /// after the Ethernet header and its tags. After `Done`, `edges` no longer describes the frame.
    #[inline(always)]
    pub fn apply<B: PacketBuffer>(&self, buffer: &mut B, edges: &Edges, mtu: u16) -> Outcome {
        match apply::apply(self, buffer, edges, mtu) {
            Ok(length) => Outcome::Done(length),
            Err(outcome) => outcome,
        }
    }
}
