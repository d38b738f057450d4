//! The normal form of every header change, and its application.
//!
//! A slow path compiles its verdict into one [`Rewrite`] for each direction; the flow keeps it, and
//! each later frame only has it applied. The changes happen in the order of the bits of [`Flags`],
//! so that a rewrite is plain data: it can be compared, stored and installed from outside.
//!
//! * **Memory**: 52 bytes of a flow, and 64 of each [next hop](NextHop) that flows share; the headers
//!   that it puts on lie there as the wire has them.
//! * **Cost**: the decisions are made on the frame's [`Edges`] alone, then at most one move of its
//!   front edge and straight-line writes: 50 bytes for VXLAN over IPv4, 70 over IPv6, 8 more for
//!   Geneve. No byte of the payload is read or moved.
//! * **Sources**: RFC 7348 (VXLAN), RFC 8926 (Geneve), RFC 791 and RFC 8200 (outer IP), RFC 6935
//!   (zero UDP checksum over IPv6), RFC 1624 (checksum by difference), RFC 2474 (DSCP), IEEE 802.1Q
//!   (tag).
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
mod next_hop;
mod outer;
#[cfg(test)]
mod tests;
mod tunnel;

pub use next_hop::{Change, NextHop, NextHops, WAYS};
pub use outer::Encapsulation;
pub use tunnel::{Endpoints, OptionWord, Tunnel};

use crate::wire::{Edges, Mac};
use dash_hal::PacketBuffer;

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

/// One frame's header change, as plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
        let (tunnel, frame) = (&self.tunnel, (self.flags, &self.destination_mac));
        match apply::usual((&tunnel.shared, &tunnel.own), frame, buffer, edges, mtu) {
            Some(done) => done.map_or_else(|refusal| refusal, Outcome::Done),
            None => self.apply_any(buffer, edges, mtu),
        }
    }

    #[inline(never)]
    fn apply_any<B: PacketBuffer>(&self, buffer: &mut B, edges: &Edges, mtu: u16) -> Outcome {
        let change = Change::of(self, 0);
        apply::any((&self.tunnel.shared, &change), buffer, edges, mtu)
            .map_or_else(|refusal| refusal, Outcome::Done)
    }
}
