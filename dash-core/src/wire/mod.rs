//! Headers: zero-copy views, and two ways to find where they are.
//!
//! Each header has a file: its view, getters, then setters, both in wire order. Views check
//! nothing but that the bytes are there. [`parse()`] walks from header to header in one bounded
//! pass, checks versions and lengths, and answers a [`Layout`], whose layers and tunnels then give
//! views. [`UsualFrame`] recognises the one shape that nearly all traffic has, by a comparison of
//! fixed offsets, and says the same of it. Either gives the [`Edges`] that a header change needs.
//!
//! Where the RFCs leave room:
//! - Up to two VLAN tags are walked in the outermost layer; behind a third, and behind any tag of
//!   an encapsulated frame, the layer is [`Network::Other`].
//! - Checksums are not verified.
//! - ICMP has its header when the 4 bytes common to all messages are there.
//! - The first fragment of TCP, UDP or ICMP has an upper-layer header when that header is whole;
//!   lengths in it are not compared with the fragment. Tunnels are not looked for in fragments.
//! - Reserved bits are ignored. C or S in front of NVGRE, where RFC 7637 wants 0, is malformed:
//!   the VSID would be elsewhere.
#![allow(
    clippy::inline_always,
    reason = "on the packet path what is known of a frame stays in registers"
)]
#![deny(missing_docs)]

pub mod arp;
pub mod checksum;
mod error;
pub mod ethernet;
mod fragment;
pub mod geneve;
pub mod gre;
mod header;
pub mod icmpv4;
pub mod icmpv6;
pub mod ipv4;
pub mod ipv6;
mod layout;
mod parse;
pub mod protocol;
pub mod tcp;
#[cfg(test)]
mod tests;
pub mod udp;
mod usual;
pub mod vlan;
pub mod vxlan;

pub use error::ParseError;
pub use fragment::Fragment;
pub use header::Header;
pub use layout::{
    Edge, Edges, Layer, LayerFlags, Layout, MAX_TUNNELS, Network, Profile, Tunnel, TunnelKind,
};
pub(crate) use parse::{Ip, parse_ipv4, parse_ipv6, parse_upper};
pub use parse::{MAX_FRAME, parse};
pub(crate) use usual::{Ipv4, VxlanOverIpv4, Word};
pub use usual::{Mac, UsualFrame};
