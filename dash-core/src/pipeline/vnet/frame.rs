//! What is parsed, what is dropped before any table is asked, and what the stages look at.
//!
//! A tagged customer frame is not looked into: options behind its tag are no parse error of their
//! own, it ends as [`DropReason::InnerNotIp`].

use dash_hal::{ChecksumStatus, ReceiveMetadata};
use smoltcp::wire::{EthernetAddress, IpAddress};

use super::DropReason;
use crate::{
    table::acl::Headers,
    wire::{Layer, LayerFlags, Layout, Profile, parse_into, protocol::ip},
};

/// Ethertype of the DASH metadata header.
const DASH_METADATA: u16 = 0x876d;

/// Finds the headers, and refuses what is malformed.
#[inline]
pub(super) fn check(
    bytes: &[u8],
    metadata: &ReceiveMetadata,
    layout: &mut Layout,
) -> Result<(), DropReason> {
    if metadata.truncated {
        return Err(DropReason::TruncatedCapture);
    }
    parse_into(bytes, &Profile::VXLAN, layout)?;
    let outer = layout.outer();
    if outer.ethertype == DASH_METADATA {
        return Err(DropReason::DashMetadata);
    }
    if outer.flags.contains(LayerFlags::FRAGMENT) {
        return Err(DropReason::OuterFragment);
    }
    if outer.flags.contains(LayerFlags::EXTENSIONS) {
        return Err(DropReason::OuterExtension);
    }
    if layout.depth() > 0 && layout.inner().flags.contains(LayerFlags::OPTIONS) {
        return Err(DropReason::InnerOptions);
    }
    let bad = ChecksumStatus::Bad;
    if metadata.l3_checksum == bad || metadata.l4_checksum == bad {
        return Err(DropReason::ChecksumBad);
    }
    Ok(())
}

/// What the stages look at: customer headers, and what was received around them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// Addresses, protocol and ports of the customer frame.
    pub(super) headers: Headers,
    /// TCP flags of the customer frame, CWR to FIN; else 0.
    pub(super) tcp_flags: u8,
}

impl Frame {
    /// Refuses customer frames that no flow is kept of.
    #[inline]
    pub(super) fn new(bytes: &[u8], customer: &Layer) -> Result<Self, DropReason> {
        // The parser does not look behind a customer's tag.
        let (source, destination) = customer.addresses(bytes).ok_or(DropReason::InnerNotIp)?;
        if customer.flags.contains(LayerFlags::FRAGMENT) {
            return Err(DropReason::Fragment);
        }
        let headers = Headers {
            source,
            destination,
            protocol: customer.protocol,
            source_port: customer.source_port,
            destination_port: customer.destination_port,
        };
        Ok(Self { headers, tcp_flags: customer.tcp_flags })
    }

    /// Whether it is TCP that does not open a connection: of URG to FIN, not SYN alone.
    pub(super) const fn continues_tcp(&self) -> bool {
        const SYN: u8 = 0x02;
        const URG_TO_FIN: u8 = 0x3f;
        self.headers.protocol == ip::TCP && self.tcp_flags & URG_TO_FIN != SYN
    }
}

/// The encapsulation that a frame came in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received {
    /// Outer source.
    pub(super) source: IpAddress,
    /// Outer destination: a VIP.
    pub(super) vip: IpAddress,
    /// VNI.
    pub(super) vni: u32,
    /// Source MAC of the customer frame.
    pub(super) customer_mac: EthernetAddress,
}

impl Received {
    pub(super) fn new(bytes: &[u8], layout: &Layout) -> Option<Self> {
        let (source, vip) = layout.outer().addresses(bytes)?;
        let vni = layout.tunnel(0)?.vni;
        let customer_mac = layout.inner().ethernet(bytes)?.source();
        Some(Self { source, vip, vni, customer_mac })
    }
}
