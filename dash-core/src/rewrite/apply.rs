//! Decide on everything, move the front edge once, write.
//!
//! Until the edge has moved nothing of the frame changes, and after it nothing can be refused.

use dash_hal::PacketBuffer;

use super::{Flags, Outcome, Rewrite};
use crate::wire::ethernet::EthernetHeader;
use crate::wire::protocol::ethertype;
use crate::wire::vlan::VlanTag;
use crate::wire::{Header, Layer, Network};

/// Bytes of the two MACs at the start of an Ethernet header.
const MACS: usize = 12;
const ETHERNET: usize = EthernetHeader::LEN;
const TAG: usize = VlanTag::LEN;

/// What was decided. "The frame that is left" is the one behind the outer header to be pushed.
struct Plan {
    /// Bytes that go off the front of the received frame.
    removed: usize,
    /// Bytes that come in front instead.
    added: usize,
    /// Bytes of the outer header.
    outer: usize,
    /// Bytes of the frame that is left, its tag changes included.
    length: usize,
    /// Offset of its network header in itself, its tag changes included.
    network: usize,
    /// Its MACs as received, when its tags change and the MACs move.
    macs: Option<[u8; MACS]>,
    /// Its network header, when TTL or hop limit changes.
    ttl: Network,
    /// TOS or traffic class of the outer header.
    tos: u8,
}

/// Applies `rewrite`, or changes nothing and says why. `outermost` is the first layer of the frame,
/// `next` the one that its encapsulation carries, if it has one.
#[inline]
pub(super) fn apply<B: PacketBuffer>(
    rewrite: &Rewrite,
    buffer: &mut B,
    outermost: &Layer,
    next: Option<&Layer>,
    mtu: u16,
) -> Result<(), Outcome> {
    let plan = Plan::new(rewrite, buffer.bytes(), buffer.headroom(), outermost, next, mtu)?;
    // The usual overlay-to-overlay change takes off as much as it puts on: the edge stays.
    if plan.added > plan.removed {
        buffer.push_front(plan.added - plan.removed).map_err(|_| Outcome::NoRoom)?;
    } else if plan.removed > plan.added {
        buffer.pull_front(plan.removed - plan.added).map_err(|_| Outcome::NoRoom)?;
    }
    buffer.truncate(plan.outer + plan.length);
    plan.write(rewrite, buffer.bytes_mut()).ok_or(Outcome::NoRoom)
}

impl Plan {
    #[inline]
    fn new(
        rewrite: &Rewrite,
        frame: &[u8],
        headroom: usize,
        outermost: &Layer,
        next: Option<&Layer>,
        mtu: u16,
    ) -> Result<Self, Outcome> {
        let flags = rewrite.flags;
        let popped = next.filter(|_| flags.contains(Flags::POP_OUTER));
        let layer = popped.unwrap_or(outermost);
        let end = if flags.contains(Flags::TRIM) {
            // A layer that is not IP ends where the frame that is left does.
            usize::from(layer.end)
        } else if popped.is_some() {
            payload_end(frame, outermost)
        } else {
            frame.len()
        };
        let (ethernet, network) = (usize::from(layer.ethernet), usize::from(layer.network));

        let ttl = if flags.contains(Flags::TTL) { layer.kind } else { Network::Other };
        // A layout of another frame ends here or at the comparison of lengths below.
        let left = frame.get(..end).ok_or(Outcome::NoRoom)?;
        let lives = match ttl {
            Network::Ipv4 => chunk::<4>(left, network + 8).ok_or(Outcome::NoRoom)?[0],
            Network::Ipv6 => *left.get(network + 7).ok_or(Outcome::NoRoom)?,
            Network::Other | Network::Arp => u8::MAX,
        };
        if lives <= 1 {
            return Err(Outcome::Ttl);
        }

        let pop_tag = flags.contains(Flags::POP_VLAN) && layer.tags > 0;
        let tag_off = if pop_tag { TAG } else { 0 };
        let tag_on = if flags.contains(Flags::PUSH_VLAN) { TAG } else { 0 };
        if network > end || ethernet + ETHERNET + tag_off > network {
            return Err(Outcome::NoRoom);
        }
        let length = end - ethernet - tag_off + tag_on;
        let outer = if flags.contains(Flags::PUSH_OUTER) {
            rewrite.tunnel.endpoints.header_length()
        } else {
            0
        };
        // The MTU has 16 bits, so it bounds the length fields of the outer headers too.
        let payload = if outer > 0 { outer - ETHERNET + length } else { end - network };
        if payload > usize::from(mtu) {
            return Err(Outcome::TooBig);
        }
        let (removed, added) = (ethernet + tag_off, tag_on + outer);
        if added > removed + headroom {
            return Err(Outcome::NoRoom);
        }

        let macs = if tag_off == tag_on {
            None
        } else {
            Some(*chunk(frame, ethernet).ok_or(Outcome::NoRoom)?)
        };
        let tos = if flags.contains(Flags::COPY_DSCP) {
            outermost.dscp(frame).unwrap_or(0) << 2
        } else {
            rewrite.tunnel.tos
        };
        let network = network - ethernet - tag_off + tag_on;
        Ok(Self { removed, added, outer, length, network, macs, ttl, tos })
    }

    /// Writes the headers of `bytes`, the frame as it will be. `None` only if the buffer broke its
    /// contract and is not as long as planned.
    #[inline]
    fn write(&self, rewrite: &Rewrite, bytes: &mut [u8]) -> Option<()> {
        let (outer, frame) = bytes.split_at_mut_checked(self.outer)?;
        if self.outer > 0 {
            rewrite.tunnel.write(outer, self.length as u16, self.tos)?;
        }
        let flags = rewrite.flags;
        if let Some(macs) = self.macs {
            *frame.first_chunk_mut()? = macs;
        }
        if flags.contains(Flags::PUSH_VLAN) {
            let tag: &mut [u8; TAG] = chunk_mut(frame, MACS)?;
            let [tpid, tpid_low] = ethertype::VLAN.to_be_bytes();
            let [high, low] = rewrite.vlan.to_be_bytes();
            *tag = [tpid, tpid_low, high, low];
        }
        if flags.contains(Flags::SOURCE_MAC) {
            *chunk_mut(frame, 6)? = rewrite.source_mac.0;
        }
        if flags.contains(Flags::DESTINATION_MAC) {
            *frame.first_chunk_mut()? = rewrite.destination_mac.0;
        }
        match self.ttl {
            Network::Ipv4 => {
                let [ttl, _, high, low] = chunk_mut(frame, self.network + 8)?;
                *ttl = ttl.wrapping_sub(1);
                [*high, *low] = ttl_checksum(u16::from_be_bytes([*high, *low])).to_be_bytes();
            }
            Network::Ipv6 => {
                let hop_limit = frame.get_mut(self.network + 7)?;
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

/// Where the payload of the outermost tunnel ends: UDP may be shorter than the IP datagram.
#[inline]
fn payload_end(frame: &[u8], outer: &Layer) -> usize {
    let end = match outer.udp(frame) {
        Some(udp) => outer.end.min(outer.transport.saturating_add(udp.length())),
        None => outer.end,
    };
    usize::from(end)
}

#[inline]
fn chunk<const N: usize>(bytes: &[u8], offset: usize) -> Option<&[u8; N]> {
    bytes.get(offset..)?.first_chunk()
}

#[inline]
fn chunk_mut<const N: usize>(bytes: &mut [u8], offset: usize) -> Option<&mut [u8; N]> {
    bytes.get_mut(offset..)?.first_chunk_mut()
}
