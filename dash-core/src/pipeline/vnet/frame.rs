//! What is parsed, what is dropped before any table is asked, and what the stages look at.
//!
//! A tagged customer frame is not looked into: options behind its tag are no parse error of their
//! own, it ends as [`DropReason::InnerNotIp`].

use dash_hal::ReceiveFlags;
use smoltcp::wire::{EthernetAddress, IpAddress, Ipv4Address};

use super::{
    DropReason,
    key::{FlowKey, Mac, Owner},
    memory::{Gate, Memory, Vni},
    policy::Direction,
};
use crate::{
    table::acl::Headers,
    wire::{
        Fragment, Header, Layer, LayerFlags, Layout, Profile, UsualFrame, parse,
        protocol::ip,
        tcp::{TcpFlags, TcpHeader},
    },
};

/// What is looked into.
pub(super) const PROFILE: Profile = Profile::VXLAN;

/// Ethertype of the DASH metadata header.
const DASH_METADATA: u16 = 0x876d;

/// What the stages of every frame look at, wherever it was found.
pub(super) trait Fields {
    /// Outer destination; of a tagged frame none.
    fn destination(&self) -> Option<IpAddress>;
    /// VNI.
    fn vni(&self) -> Option<u32>;
    /// Whether the NIC found a checksum wrong.
    fn has_bad_checksum(&self) -> bool;
    /// What is remembered of VIP and VNI, of a frame without a wrong checksum: what the VNI says of
    /// a frame to this VIP.
    fn gate<'m>(&self, memory: &'m Memory) -> Option<&'m Gate>;
    /// MAC address of the customer frame: its source or its destination.
    fn mac(&self, source: bool) -> Option<Mac>;
    /// Writes the flow's name to `key`, unless the customer frame is one that no flow is kept of;
    /// answers whether it is a fragment.
    fn name(
        &self,
        owner: Owner,
        direction: Direction,
        entry: u8,
        key: &mut FlowKey,
    ) -> Result<bool, DropReason>;
}

impl Fields for UsualFrame<'_> {
    fn destination(&self) -> Option<IpAddress> {
        Some(Ipv4Address::from_octets(self.outer_destination().to_ne_bytes()).into())
    }

    #[inline]
    fn vni(&self) -> Option<u32> {
        Some(Self::vni(*self))
    }

    fn has_bad_checksum(&self) -> bool {
        false
    }

    #[inline(always)]
    fn gate<'m>(&self, memory: &'m Memory) -> Option<&'m Gate> {
        memory.gate(self.outer_destination(), Vni::from_word(self.vni_word()))
    }

    #[inline]
    fn mac(&self, source: bool) -> Option<Mac> {
        let macs = [Mac::from_words(self.source_mac()), Mac::from_words(self.destination_mac())];
        Some(if source { macs[0] } else { macs[1] })
    }

    #[inline]
    fn name(
        &self,
        owner: Owner,
        direction: Direction,
        entry: u8,
        key: &mut FlowKey,
    ) -> Result<bool, DropReason> {
        key.set_usual(owner, direction, *self, entry);
        Ok(false)
    }
}

/// A frame that was walked from header to header.
pub(super) struct Walked<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) layout: &'a Layout,
    /// What the NIC says of it.
    pub(super) flags: ReceiveFlags,
}

impl Fields for Walked<'_> {
    fn destination(&self) -> Option<IpAddress> {
        let outer = self.layout.outer();
        if outer.tags != 0 || self.flags.contains(ReceiveFlags::VLAN_STRIPPED) {
            return None;
        }
        outer.addresses(self.bytes).map(|(_, destination)| destination)
    }

    fn vni(&self) -> Option<u32> {
        self.layout.tunnel(0).map(|tunnel| tunnel.vni)
    }

    fn has_bad_checksum(&self) -> bool {
        self.flags.intersects(BAD_CHECKSUM)
    }

    fn gate<'m>(&self, memory: &'m Memory) -> Option<&'m Gate> {
        if self.has_bad_checksum() {
            return None;
        }
        let IpAddress::Ipv4(vip) = self.destination()? else { return None };
        memory.gate(u32::from_ne_bytes(vip.octets()), self.vni()?.into())
    }

    fn mac(&self, source: bool) -> Option<Mac> {
        let ethernet = self.layout.inner().ethernet(self.bytes)?;
        Some(if source { ethernet.source() } else { ethernet.destination() }.into())
    }

    fn name(
        &self,
        owner: Owner,
        direction: Direction,
        entry: u8,
        key: &mut FlowKey,
    ) -> Result<bool, DropReason> {
        let frame = Frame::new(self.bytes, self.layout.inner())?;
        *key = FlowKey::new(owner, direction, &frame.headers, entry);
        if let Some(fragment) = frame.fragment.filter(|fragment| fragment.offset != 0) {
            *key = key.of_fragment(fragment);
        }
        Ok(frame.fragment.is_some())
    }
}

/// Finds the headers, and refuses what is malformed.
pub(super) fn walk(bytes: &[u8]) -> Result<Layout, DropReason> {
    let layout = parse(bytes, &PROFILE)?;
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
    Ok(layout)
}

/// The NIC found a checksum wrong.
pub(super) const BAD_CHECKSUM: ReceiveFlags = ReceiveFlags::L3_BAD.union(ReceiveFlags::L4_BAD);

/// Of a frame that is no usual one, whatever its bytes are.
pub(super) const UNUSUAL: ReceiveFlags =
    BAD_CHECKSUM.union(ReceiveFlags::VLAN_STRIPPED).union(ReceiveFlags::TRUNCATED);

/// What the slow path looks at of the customer frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// Addresses, protocol and ports.
    pub(super) headers: Headers,
    /// TCP flags; else none.
    tcp_flags: TcpFlags,
    /// What it is of a fragmented datagram; of a whole one nothing.
    pub(super) fragment: Option<Fragment>,
}

/// Where the first fragment's TCP header may end, in units of 8 bytes: a later one in front of it
/// would write over what policy has seen (RFC 1858, RFC 3128).
const TCP_HEADER: u16 = TcpHeader::LEN.div_ceil(8) as u16;

impl Frame {
    /// Refuses customer frames that no flow is kept of.
    pub(super) fn new(bytes: &[u8], customer: &Layer) -> Result<Self, DropReason> {
        // The parser does not look behind a customer's tag.
        let (source, destination) = customer.addresses(bytes).ok_or(DropReason::InnerNotIp)?;
        let fragment = customer.fragment(bytes);
        if fragment.is_some_and(|fragment| hides_its_header(bytes, customer, fragment)) {
            return Err(DropReason::Fragment);
        }
        let (source_port, destination_port) = customer.ports(bytes);
        let protocol = customer.protocol;
        let headers = Headers { source, destination, protocol, source_port, destination_port };
        let tcp_flags = customer.tcp(bytes).map_or(TcpFlags::empty(), TcpHeader::flags);
        Ok(Self { headers, tcp_flags, fragment })
    }

    /// Whether it is TCP that does not open a connection: of URG to FIN, not SYN alone.
    pub(super) fn continues_tcp(&self) -> bool {
        let urg_to_fin = self.tcp_flags.difference(TcpFlags::ECE.union(TcpFlags::CWR));
        self.headers.protocol == ip::TCP && urg_to_fin != TcpFlags::SYN
    }
}

/// Whether a fragment is the first without the ports that policy asks for, or would change them.
fn hides_its_header(bytes: &[u8], customer: &Layer, fragment: Fragment) -> bool {
    match (customer.protocol, fragment.offset) {
        (ip::UDP, 0) => customer.udp(bytes).is_none(),
        (ip::TCP, 0) => customer.tcp(bytes).is_none(),
        (ip::TCP, offset) => offset < TCP_HEADER,
        _ => false,
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
