//! Decide on everything, move the front edge once, write.
//!
//! Until the edge has moved nothing of the frame changes, and after it nothing can be refused.

use dash_hal::PacketBuffer;
use smoltcp::wire::EthernetAddress;

use super::{
    Change, Flags, Outcome,
    outer::{Own, Shared},
};
use crate::wire::ethernet::EthernetHeader;
use crate::wire::protocol::ethertype;
use crate::wire::vlan::VlanTag;
use crate::wire::{Edge, Edges, Header, Mac, Network, VxlanOverIpv4};

/// Bytes of the two MACs at the start of an Ethernet header.
const MACS: usize = 12;
const ETHERNET: usize = EthernetHeader::LEN;
const TAG: usize = VlanTag::LEN;

/// Changes within the frame that is left, the one behind the outer header to be pushed: few
/// rewrites have any.
#[derive(Clone, Copy)]
struct Inside {
    /// Bytes of a tag that goes.
    tag_off: usize,
    /// Bytes of a tag that comes.
    tag_on: usize,
    /// Its MACs as received, when its tags change and the MACs move.
    macs: Option<[u8; MACS]>,
    /// Its network header, when TTL or hop limit changes.
    ttl: Network,
    /// Its new source MAC.
    source_mac: Mac,
    /// The tag that comes.
    vlan: u16,
}

/// What is put in front of a frame.
trait Outer {
    /// Its bytes.
    fn length(&self) -> usize;
    /// Its TOS or traffic class, unless the frame says.
    fn tos(&self) -> u8;
    /// As [`Shared::write`].
    fn write(&self, place: &mut [u8], length: u16, tos: u8) -> Option<()>;
}

/// Of any form.
struct Any<'a>(&'a Shared, &'a Change);

impl Outer for Any<'_> {
    fn length(&self) -> usize {
        self.0.length()
    }

    fn tos(&self) -> u8 {
        self.1.rest.tos()
    }

    fn write(&self, place: &mut [u8], length: u16, tos: u8) -> Option<()> {
        self.0.write((&self.1.own, &self.1.rest), place, length, tos)
    }
}

/// VXLAN over IPv4.
struct Usual<'a>(&'a Shared, &'a Own);

impl Outer for Usual<'_> {
    #[inline(always)]
    fn length(&self) -> usize {
        size_of::<VxlanOverIpv4>()
    }

    /// The frame says.
    #[inline(always)]
    fn tos(&self) -> u8 {
        0
    }

    #[inline(always)]
    fn write(&self, place: &mut [u8], length: u16, tos: u8) -> Option<()> {
        self.0.write_over_ipv4(self.1, place, length, tos)
    }
}

/// From overlay to overlay: the flags of nearly all flows, a new destination MAC aside.
const OVERLAY: Flags =
    Flags::POP_OUTER.union(Flags::TRIM).union(Flags::PUSH_OUTER).union(Flags::COPY_DSCP);

/// Applies a change that is VXLAN over IPv4 instead of another encapsulation, and answers the new
/// length, or changes nothing and says why. `None`: the change or the frame is another one.
#[inline(always)]
pub(super) fn usual<B: PacketBuffer>(
    (shared, own): (&Shared, &Own),
    (flags, destination_mac): (Flags, &Mac),
    buffer: &mut B,
    edges: &Edges,
    mtu: u16,
) -> Option<Result<usize, Outcome>> {
    let mac = flags & Flags::DESTINATION_MAC;
    let encapsulated = edges.inner.network != 0;
    if flags != OVERLAY | mac || !shared.is_vxlan_over_ipv4() || !encapsulated {
        return None;
    }
    // The compiler knows all this here, and leaves its tests out.
    let usual = (&Usual(shared, own), OVERLAY | mac, destination_mac);
    Some(make(usual, buffer, edges, &Inside::NONE, mtu))
}

/// Applies any change and answers the new length, or changes nothing and says why.
#[inline(never)]
pub(super) fn any<B: PacketBuffer>(
    (shared, change): (&Shared, &Change),
    buffer: &mut B,
    edges: &Edges,
    mtu: u16,
) -> Result<usize, Outcome> {
    let flags = change.flags;
    let inside = if flags.intersects(Inside::FLAGS) {
        Inside::new(change, buffer.bytes(), left(flags, edges).1)?
    } else {
        Inside::NONE
    };
    make((&Any(shared, change), flags, &change.destination_mac), buffer, edges, &inside, mtu)
}

/// Whether an encapsulation is taken off, and the edge of the frame that is left.
#[inline(always)]
fn left(flags: Flags, edges: &Edges) -> (bool, Edge) {
    let pops = flags.contains(Flags::POP_OUTER) && edges.inner.network != 0;
    (pops, if pops { edges.inner } else { edges.outermost })
}

#[inline(always)]
fn make<B: PacketBuffer>(
    put: (&impl Outer, Flags, &Mac),
    buffer: &mut B,
    edges: &Edges,
    inside: &Inside,
    mtu: u16,
) -> Result<usize, Outcome> {
    let (front, flags, _) = put;
    let (pops, edge) = left(flags, edges);
    let received = usize::from(edges.length);
    let end = if flags.contains(Flags::TRIM) {
        // A layer that is not IP ends where the frame that is left does.
        usize::from(edge.end)
    } else if pops {
        usize::from(edges.payload_end)
    } else {
        received
    };
    let (ethernet, network) = (usize::from(edge.ethernet), usize::from(edge.network));
    let Inside { tag_off, tag_on, .. } = *inside;
    let bytes = buffer.bytes_mut();
    // The edges of another frame, or of none, end here; those of this one are in order and within
    // it.
    if bytes.len() != received || network == 0 {
        return Err(Outcome::NoRoom);
    }

    let length = end - ethernet - tag_off + tag_on;
    let outer = if flags.contains(Flags::PUSH_OUTER) { front.length() } else { 0 };
    // The MTU has 16 bits, so it bounds the length fields of the outer headers too.
    let payload = if outer > 0 { outer - ETHERNET + length } else { end - network };
    if payload > usize::from(mtu) {
        return Err(Outcome::TooBig);
    }
    let tos = if flags.contains(Flags::COPY_DSCP) { edges.dscp << 2 } else { front.tos() };
    let (removed, added) = (ethernet + tag_off, tag_on + outer);
    let headers = Headers { outer, length, tos, network: network - ethernet };
    // The usual overlay-to-overlay change takes off as much as it puts on: the frame stays where
    // it is.
    if added == removed && end == received {
        headers.write(put, inside, bytes)?;
    } else {
        if added > removed {
            buffer.push_front(added - removed).map_err(|_| Outcome::NoRoom)?;
        } else {
            buffer.pull_front(removed - added).map_err(|_| Outcome::NoRoom)?;
        }
        buffer.truncate(outer + length);
        headers.write(put, inside, buffer.bytes_mut())?;
    }
    Ok(outer + length)
}

/// What is written, and where.
#[derive(Clone, Copy)]
struct Headers {
    /// Bytes of the outer header.
    outer: usize,
    /// Bytes of the frame that is left.
    length: usize,
    /// TOS or traffic class of the outer header.
    tos: u8,
    /// Offset of the network header in the frame that is left, before its tags changed.
    network: usize,
}

impl Headers {
    /// Writes over `bytes`, the frame as it will be. Only a buffer that broke its contract refuses.
    #[inline(always)]
    fn write(
        self,
        (front, flags, destination_mac): (&impl Outer, Flags, &Mac),
        inside: &Inside,
        bytes: &mut [u8],
    ) -> Result<(), Outcome> {
        let (outer, frame) = bytes.split_at_mut_checked(self.outer).ok_or(Outcome::NoRoom)?;
        if self.outer > 0 {
            front.write(outer, self.length as u16, self.tos).ok_or(Outcome::NoRoom)?;
        }
        if flags.intersects(Inside::FLAGS) {
            inside.write(flags, frame, self.network).ok_or(Outcome::NoRoom)?;
        }
        if flags.contains(Flags::DESTINATION_MAC) {
            destination_mac.write(frame).ok_or(Outcome::NoRoom)?;
        }
        Ok(())
    }
}

impl Inside {
    /// What a rewrite has, if it has changes within.
    const FLAGS: Flags =
        Flags::POP_VLAN.union(Flags::PUSH_VLAN).union(Flags::SOURCE_MAC).union(Flags::TTL);

    const NONE: Self = Self {
        tag_off: 0,
        tag_on: 0,
        macs: None,
        ttl: Network::Other,
        source_mac: Mac::NONE,
        vlan: 0,
    };

    /// Decides on the changes within `edge`, whose network header lies within `frame`.
    #[inline(never)]
    fn new(change: &Change, frame: &[u8], edge: Edge) -> Result<Self, Outcome> {
        let &Change { flags, source_mac, vlan, .. } = change;
        let (ethernet, network) = (usize::from(edge.ethernet), usize::from(edge.network));
        let ttl = if flags.contains(Flags::TTL) { edge.kind } else { Network::Other };
        let left = frame.get(..edge.end.into()).ok_or(Outcome::NoRoom)?;
        let lives = match ttl {
            Network::Ipv4 => chunk::<4>(left, network + 8).ok_or(Outcome::NoRoom)?[0],
            Network::Ipv6 => *left.get(network + 7).ok_or(Outcome::NoRoom)?,
            Network::Other | Network::Arp => u8::MAX,
        };
        if lives <= 1 {
            return Err(Outcome::Ttl);
        }
        let pop_tag = flags.contains(Flags::POP_VLAN) && edge.tags > 0;
        let tag_off = if pop_tag { TAG } else { 0 };
        let tag_on = if flags.contains(Flags::PUSH_VLAN) { TAG } else { 0 };
        let macs = if tag_off == tag_on {
            None
        } else {
            Some(*chunk(frame, ethernet).ok_or(Outcome::NoRoom)?)
        };
        Ok(Self { tag_off, tag_on, macs, ttl, source_mac, vlan })
    }

    /// Writes them over `frame`, whose network header was at offset `network` before its tags
    /// changed.
    #[inline(never)]
    fn write(&self, flags: Flags, frame: &mut [u8], network: usize) -> Option<()> {
        let network = network - self.tag_off + self.tag_on;
        if let Some(macs) = self.macs {
            *frame.first_chunk_mut()? = macs;
        }
        if flags.contains(Flags::PUSH_VLAN) {
            let tag: &mut [u8; TAG] = chunk_mut(frame, MACS)?;
            let [tpid, tpid_low] = ethertype::VLAN.to_be_bytes();
            let [high, low] = self.vlan.to_be_bytes();
            *tag = [tpid, tpid_low, high, low];
        }
        if flags.contains(Flags::SOURCE_MAC) {
            *chunk_mut(frame, 6)? = EthernetAddress::from(self.source_mac).0;
        }
        match self.ttl {
            Network::Ipv4 => {
                let [ttl, _, high, low] = chunk_mut(frame, network + 8)?;
                *ttl = ttl.wrapping_sub(1);
                [*high, *low] = ttl_checksum(u16::from_be_bytes([*high, *low])).to_be_bytes();
            }
            Network::Ipv6 => {
                let hop_limit = frame.get_mut(network + 7)?;
                *hop_limit = hop_limit.wrapping_sub(1);
            }
            Network::Other | Network::Arp => {}
        }
        Some(())
    }
}

/// The header checksum after TTL went down by one, from the one before.
///
/// RFC 1624 equation 3, `~(~HC + ~m + m')`, with m' = m - 0x0100 whatever the TTL was. It never
/// gives 0xffff, as RFC 1141 would, and a wrong checksum stays wrong.
#[inline]
pub(super) fn ttl_checksum(checksum: u16) -> u16 {
    let (sum, carry) = (!checksum).overflowing_add(0xfeff);
    !sum.wrapping_add(u16::from(carry))
}

#[inline]
fn chunk<const N: usize>(bytes: &[u8], offset: usize) -> Option<&[u8; N]> {
    bytes.get(offset..)?.first_chunk()
}

#[inline]
fn chunk_mut<const N: usize>(bytes: &mut [u8], offset: usize) -> Option<&mut [u8; N]> {
    bytes.get_mut(offset..)?.first_chunk_mut()
}
