//! The name of a flow: in-port, VLAN tag, both MAC addresses, both IP addresses. 48 bytes, of which
//! IPv4 hashes 24.

use dash_hal::{HashKey, Hints, PortId};
use smoltcp::wire::{EthernetAddress, IpAddress, Ipv4Address, Ipv6Address};
use zerocopy::{FromBytes, Immutable, KnownLayout};

use crate::{
    table::cuckoo::Key,
    wire::{
        Edge, Edges, Header, Ipv4, MAX_FRAME, Network, Word, ethernet::EthernetHeader,
        protocol::ethertype,
    },
};

/// Bits of a word above a MAC address.
const ABOVE: u32 = 48;
const MAC: u64 = (1 << ABOVE) - 1;
const V6: u64 = 1 << 63;
/// The VLAN that the next 12 bits name.
const TAGGED: u64 = 1 << 62;
const VLAN: u16 = 0x0fff;
/// IPv4 without options.
const VERSION: u8 = 0x45;
/// The group bit of a MAC address whose first byte is lowest.
const MULTICAST: u64 = 1;

/// The headers of nearly all frames, at fixed offsets: Ethernet, IPv4 without options.
#[derive(FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Usual {
    destination: [Word; 3],
    source: [Word; 3],
    ethertype: Word,
    ip: Ipv4,
}

/// In-port and destination MAC, tag and source MAC, then addresses: of IPv4 both in one word, source
/// lowest; of IPv6 two words each. Bytes as they lie in the frame, the first lowest.
#[derive(Clone, Copy, Debug, Eq)]
pub struct FlowKey([u64; 6]);

impl PartialEq for FlowKey {
    /// Word by word; an array is compared by a call, which on some processors goes byte by byte.
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).fold(0, |differ, (one, other)| differ | (one ^ other)) == 0
    }
}

impl Key for FlowKey {
    const EMPTY: Self = Self([0; 6]);

    fn hash<H: Hints>(&self, secret: &HashKey, hints: &H) -> u64 {
        let [words @ .., _, _, _] = &self.0;
        if self.0[1] & V6 == 0 {
            hints.keyed_hash(secret, words)
        } else {
            hints.keyed_hash(secret, &self.0)
        }
    }
}

fn mac(address: EthernetAddress) -> u64 {
    let mut octets = [0; 8];
    for (to, from) in octets.iter_mut().zip(address.0) {
        *to = from;
    }
    u64::from_le_bytes(octets)
}

fn halves(address: Ipv6Address) -> [u64; 2] {
    let halves: [[u8; 8]; 2] = zerocopy::transmute!(address.octets());
    halves.map(u64::from_le_bytes)
}

fn address_of(word: u64) -> EthernetAddress {
    let [address @ .., _, _] = word.to_le_bytes();
    EthernetAddress(address)
}

impl FlowKey {
    /// Frames from the device's port `ingress`, with the VLAN tag `vlan` if any, from `source` to
    /// `destination`; `None`: addresses of two IP versions.
    #[must_use]
    pub fn new(
        ingress: PortId,
        vlan: Option<u16>,
        [eth_source, eth_destination]: [EthernetAddress; 2],
        addresses: [IpAddress; 2],
    ) -> Option<Self> {
        let tag = vlan.map_or(0, |vlan| TAGGED | u64::from(vlan & VLAN) << ABOVE);
        let first = mac(eth_destination) | u64::from(ingress.0) << ABOVE;
        let second = mac(eth_source) | tag;
        match addresses {
            [IpAddress::Ipv4(source), IpAddress::Ipv4(destination)] => {
                let low = |address: Ipv4Address| u64::from(u32::from_le_bytes(address.octets()));
                let addresses = low(source) | low(destination) << 32;
                Some(Self([first, second, addresses, 0, 0, 0]))
            }
            [IpAddress::Ipv6(source), IpAddress::Ipv6(destination)] => {
                let [a, b] = halves(source);
                let [c, d] = halves(destination);
                Some(Self([first, second | V6, a, b, c, d]))
            }
            _ => None,
        }
    }

    /// The flow of a usual frame without a parser's walk: to one destination, without tag and
    /// options, with a good checksum, and a TTL that can be decremented. Answers its edges and the
    /// length of the datagram too.
    #[inline]
    pub(super) fn of_usual(frame: &[u8], ingress: PortId) -> Option<(Self, Edges, u16)> {
        let (headers, _) = Usual::ref_from_prefix(frame).ok()?;
        let destination = Word::joined(headers.destination);
        let datagram = headers.ip.length.get();
        let end = EthernetHeader::LEN + datagram;
        let [version, _] = headers.ip.version_tos.bytes();
        let [ttl, _] = headers.ip.ttl_protocol.bytes();
        let usual = destination & MULTICAST == 0
            && headers.ethertype.is(ethertype::IPV4)
            && version == VERSION
            && headers.ip.is_sound()
            && datagram >= size_of::<Ipv4>()
            && end <= frame.len()
            && frame.len() <= MAX_FRAME
            && ttl > 1;
        if !usual {
            return None;
        }
        let key = Self([
            destination | u64::from(ingress.0) << ABOVE,
            Word::joined(headers.source),
            Word::joined(headers.ip.addresses),
            0,
            0,
            0,
        ]);
        let edge = Edge {
            ethernet: 0,
            network: EthernetHeader::LEN as u16,
            kind: Network::Ipv4,
            tags: 0,
            end: end as u16,
        };
        Some((key, Edges::of_layer(edge, frame.len() as u16), datagram as u16))
    }

    /// The device's port that its frames come in at.
    #[must_use]
    pub const fn ingress(&self) -> PortId {
        PortId((self.0[0] >> ABOVE) as u16)
    }

    /// The VLAN of its frames' tag.
    #[must_use]
    pub const fn vlan(&self) -> Option<u16> {
        if self.0[1] & TAGGED == 0 { None } else { Some((self.0[1] >> ABOVE) as u16 & VLAN) }
    }

    /// Source and destination MAC address.
    #[must_use]
    pub fn macs(&self) -> [EthernetAddress; 2] {
        [address_of(self.0[1] & MAC), address_of(self.0[0] & MAC)]
    }

    /// Source and destination IP address.
    #[must_use]
    pub fn addresses(&self) -> [IpAddress; 2] {
        let [_, facts, a, b, c, d] = self.0;
        if facts & V6 == 0 {
            [a as u32, (a >> 32) as u32]
                .map(|low| IpAddress::Ipv4(Ipv4Address::from(low.to_le_bytes())))
        } else {
            let whole = |halves: [u64; 2]| -> [u8; 16] {
                zerocopy::transmute!(halves.map(u64::to_le_bytes))
            };
            [[a, b], [c, d]].map(|halves| IpAddress::Ipv6(Ipv6Address::from(whole(halves))))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pipeline::router::frame::Frame;

    /// From 10.2.0.3 to 10.1.0.3.
    fn good() -> [u8; 98] {
        let mut frame = [7; 98];
        frame[..14].copy_from_slice(&[0xfa, 1, 2, 3, 4, 5, 0xfa, 6, 7, 8, 9, 10, 8, 0]);
        let ip = [0x45, 0, 0, 0x54, 0, 1, 0x40, 0, 0x40, 1, 0x26, 0xa0, 10, 2, 0, 3, 10, 1, 0, 3];
        frame[14..34].copy_from_slice(&ip);
        frame
    }

    proptest! {
        /// What is usual has the name and the edges that a walk finds.
        #[test]
        fn usual_frames_are_named_alike(
            noise in proptest::collection::vec((0_usize..98, any::<u8>()), 0..3),
            length in 40_usize..=98,
        ) {
            let mut memory = [0_u64; 13];
            let bytes = zerocopy::IntoBytes::as_mut_bytes(&mut memory);
            bytes[..98].copy_from_slice(&good());
            for (at, byte) in noise {
                bytes[at] = byte;
            }
            let bytes = &bytes[..length];
            if let Some((key, edges, datagram)) = FlowKey::of_usual(bytes, PortId(3)) {
                let frame = Frame::new(bytes).unwrap();
                let ip = frame.ip().unwrap();
                prop_assert!(ip.ttl > 1 && frame.tag.is_none() && !frame.destination.is_multicast());
                prop_assert_eq!(edges, frame.edges());
                prop_assert_eq!(usize::from(datagram), frame.datagram().len());
                let walked = FlowKey::new(
                    PortId(3), None, [frame.source, frame.destination], [ip.source, ip.destination],
                );
                prop_assert_eq!(Some(key), walked);
            }
        }

        #[test]
        fn a_name_says_what_it_was_made_of(
            ingress in any::<u16>(),
            vlan in proptest::option::of(0_u16..4096),
            macs in any::<[[u8; 6]; 2]>(),
            v4 in any::<[[u8; 4]; 2]>(),
            v6 in any::<[[u8; 16]; 2]>(),
            is_v6 in any::<bool>(),
        ) {
            let macs = macs.map(EthernetAddress);
            let addresses = if is_v6 {
                v6.map(|octets| IpAddress::Ipv6(octets.into()))
            } else {
                v4.map(|octets| IpAddress::Ipv4(octets.into()))
            };
            let key = FlowKey::new(PortId(ingress), vlan, macs, addresses).unwrap();
            prop_assert_eq!(key.ingress(), PortId(ingress));
            prop_assert_eq!(key.vlan(), vlan);
            prop_assert_eq!(key.macs(), macs);
            prop_assert_eq!(key.addresses(), addresses);
        }
    }

    #[test]
    fn most_frames_are_usual() {
        let mut memory = [0_u64; 13];
        let bytes = zerocopy::IntoBytes::as_mut_bytes(&mut memory);
        bytes[..98].copy_from_slice(&good());
        assert!(FlowKey::of_usual(&bytes[..98], PortId(0)).is_some());
        bytes[24] ^= 1;
        assert_eq!(FlowKey::of_usual(&bytes[..98], PortId(0)), None, "a wrong checksum");
    }
}
