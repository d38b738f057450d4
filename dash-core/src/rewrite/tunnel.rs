//! An encapsulation as plain data.

use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv6Address};

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

/// The one option of a Geneve header, with one word of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionWord {
    /// Option class: who defines the type.
    pub class: u16,
    /// Type; with bit 0x80 the option is critical, and the C bit of the header is set.
    pub kind: u8,
    /// Data.
    pub data: u32,
}

/// An encapsulation to put in front of a frame: VXLAN, or Geneve with one option.
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
    /// DF: nobody on the way may fragment it, as RFC 8926 advises for Geneve; over IPv6 nobody does.
    pub dont_fragment: bool,
    /// Geneve with this option instead of VXLAN.
    pub geneve: Option<OptionWord>,
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
        dont_fragment: false,
        geneve: None,
    };
}
