//! The name of a flow: 64 bytes, of which all but IPv6 hashes 40.

use dash_hal::{HashKey, Hints, PortId};
use smoltcp::wire::{EthernetAddress, IpAddress};
use zerocopy::{FromBytes, Immutable, KnownLayout};

use super::frame::{Arrival, Frame};
use crate::{
    table::{acl::Headers, cuckoo::Key},
    wire::{
        Header, Ipv4, MAX_FRAME, Word,
        ethernet::EthernetHeader,
        ipv4::Ipv4Header,
        protocol::{ethertype, ip},
        tcp::TcpHeader,
        udp::UdpHeader,
    },
};

/// Bits of the second word, above a MAC address.
const FLAGS: u32 = 48;
const V4: u64 = 1 << FLAGS;
const V6: u64 = 2 << FLAGS;
const FRAGMENT: u64 = 4 << FLAGS;
const TUNNEL: u64 = 8 << FLAGS;
const ENTRY: u32 = 56;
/// The protocol, above the ports.
const PROTOCOL: u32 = 32;
/// The group bit of a MAC address.
const MULTICAST: u64 = 1;

/// The headers of nearly all frames, at fixed offsets: Ethernet, IPv4 without options, and the first
/// 8 bytes of TCP or UDP.
#[derive(FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Usual {
    destination: [Word; 3],
    source: [Word; 3],
    ethertype: Word,
    ip: Ipv4,
    ports: [Word; 2],
    /// Of UDP.
    length: Word,
    rest: Word,
}

const UPPER: usize = EthernetHeader::LEN + Ipv4Header::LEN;

impl Usual {
    /// The headers of `frame`, if it is a usual one; a parser then finds nothing wrong with it.
    #[inline]
    fn of(frame: &[u8]) -> Option<&Self> {
        let (headers, _) = Self::ref_from_prefix(frame).ok()?;
        let end = EthernetHeader::LEN + headers.ip.length.get();
        let (length, least) = match headers.protocol() {
            ip::UDP => (headers.length.get(), UdpHeader::LEN),
            ip::TCP => {
                let tcp = TcpHeader::at(frame, UPPER).map_or(0, TcpHeader::header_len);
                (tcp.into(), TcpHeader::LEN)
            }
            _ => return None,
        };
        let fits = length >= least
            && UPPER + length <= end
            && end <= frame.len()
            && frame.len() <= MAX_FRAME;
        let plain = headers.ethertype.is(ethertype::IPV4) && headers.ip.is_plain();
        (plain && fits).then_some(headers)
    }

    #[inline]
    const fn protocol(&self) -> u8 {
        self.ip.ttl_protocol.bytes()[1]
    }
}

/// Destination MAC and port of entry; source MAC, facts and stage of entry; ports and protocol, or
/// the ethertype; addresses or their last 4 bytes; VNI and ports of a tunnel; the first 12 bytes of
/// both IPv6 addresses.
///
/// All that the slow path looks at of a frame is in it, so a hit is what the slow path would say
/// as long as policy stays. A re-entry's key has its stage: a frame from a port never hits it.
#[derive(Clone, Copy, Debug, Eq)]
pub struct FlowKey([u64; 8]);

impl PartialEq for FlowKey {
    /// Word by word; an array is compared by a call, which on some processors goes byte by byte.
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).fold(0, |differ, (one, other)| differ | (one ^ other)) == 0
    }
}

impl Key for FlowKey {
    const EMPTY: Self = Self([0; 8]);

    fn hash<H: Hints>(&self, secret: &HashKey, hints: &H) -> u64 {
        let [words @ .., _, _, _] = &self.0;
        if self.0[1] & V6 == 0 {
            hints.keyed_hash(secret, words)
        } else {
            hints.keyed_hash(secret, &self.0)
        }
    }
}

impl FlowKey {
    /// The flow of a frame that enters at `ingress` and stage `entry`, perhaps by a tunnel.
    pub(super) fn new(
        frame: &Frame<'_>,
        ingress: PortId,
        entry: u8,
        arrival: Option<&Arrival>,
    ) -> Self {
        let mut words = [
            mac(frame.destination) | u64::from(ingress.0) << 48,
            mac(frame.source) | u64::from(entry) << ENTRY,
            frame.ethertype.into(),
            0,
            0,
            0,
            0,
            0,
        ];
        let [_, facts, upper, addresses, tunnel, high @ ..] = &mut words;
        if frame.fragment {
            *facts |= FRAGMENT;
        }
        if let Some(Headers { source, destination, protocol, source_port, destination_port }) =
            frame.headers
        {
            let ports = [source_port, destination_port].map(Word::new);
            *upper = Word::joined(ports) | u64::from(protocol) << PROTOCOL;
            match (source, destination) {
                (IpAddress::Ipv4(source), IpAddress::Ipv4(destination)) => {
                    *facts |= V4;
                    let both = [source.octets(), destination.octets()];
                    *addresses = Word::joined::<4>(zerocopy::transmute!(both));
                }
                (IpAddress::Ipv6(source), IpAddress::Ipv6(destination)) => {
                    *facts |= V6;
                    let (source, destination) = (source.to_bits(), destination.to_bits());
                    *addresses = u64::from(source as u32) | u64::from(destination as u32) << 32;
                    *high = [
                        (source >> 32) as u64,
                        (source >> 96) as u64 | (destination >> 96 << 32) as u64,
                        (destination >> 32) as u64,
                    ];
                }
                // Both are of one header.
                _ => {}
            }
        }
        if let Some(arrival) = arrival {
            *facts |= TUNNEL;
            *tunnel = tunnel_word(arrival);
        }
        Self(words)
    }

    /// The same flow, of a usual frame for one destination, without a parser's walk.
    #[inline]
    pub(super) fn of_usual(
        frame: &[u8],
        ingress: PortId,
        entry: u8,
        arrival: Option<&Arrival>,
    ) -> Option<Self> {
        let headers = Usual::of(frame)?;
        let destination = Word::joined(headers.destination);
        if destination & MULTICAST != 0 {
            return None;
        }
        let (flag, tunnel) = arrival.map_or((0, 0), |arrival| (TUNNEL, tunnel_word(arrival)));
        Some(Self([
            destination | u64::from(ingress.0) << 48,
            Word::joined(headers.source) | u64::from(entry) << ENTRY | V4 | flag,
            Word::joined(headers.ports) | u64::from(headers.protocol()) << PROTOCOL,
            Word::joined(headers.ip.addresses),
            tunnel,
            0,
            0,
            0,
        ]))
    }

    /// The port of the device that its frames come in at, or that a re-entry names.
    #[must_use]
    pub const fn ingress(&self) -> PortId {
        PortId((self.0[0] >> 48) as u16)
    }

    /// The stage that its frames enter at.
    #[must_use]
    pub const fn entry(&self) -> u8 {
        (self.0[1] >> ENTRY) as u8
    }

    /// Destination and source MAC address.
    #[must_use]
    pub fn macs(&self) -> [EthernetAddress; 2] {
        [self.0[0], self.0[1]].map(|word| {
            let [octets @ .., _, _] = word.to_le_bytes();
            EthernetAddress(octets)
        })
    }
}

fn mac(mac: EthernetAddress) -> u64 {
    Word::joined::<3>(zerocopy::transmute!(mac.0))
}

fn tunnel_word(arrival: &Arrival) -> u64 {
    u64::from(arrival.vni) | u64::from(arrival.inport) << 32 | u64::from(arrival.outport) << 48
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// UDP of 40 bytes in Ethernet and IPv4.
    fn good(protocol: u8) -> [u8; 64] {
        let mut frame = [0x50; 64];
        frame[..14].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
        frame[14..24].copy_from_slice(&[0x45, 0, 0, 50, 0, 0, 0x40, 0, 64, protocol]);
        frame[38..40].copy_from_slice(&[0, 30]);
        frame
    }

    proptest! {
        /// Of a usual frame both ways find one key; and it has a flow.
        #[test]
        fn a_usual_frame_has_the_key_of_any(
            protocol in prop_oneof![Just(6_u8), Just(17), Just(1)],
            noise in proptest::collection::vec((0..50_usize, any::<u8>()), 0..3),
            length in 30..64_usize,
            ingress in any::<u16>(),
            entry in 0..12_u8,
        ) {
            let mut memory = [0_u64; 8];
            let frame = zerocopy::IntoBytes::as_mut_bytes(&mut memory);
            frame.copy_from_slice(&good(protocol));
            for (at, byte) in noise {
                frame[at] = byte;
            }
            let bytes = &frame[..length];
            let any = Frame::new(bytes).unwrap();
            let tunnel = Arrival { vni: 1, inport: 2, outport: 3, start: 0, end: 0 };
            for arrival in [None, Some(&tunnel)] {
                let usual = FlowKey::of_usual(bytes, PortId(ingress), entry, arrival);
                if let Some(key) = usual {
                    prop_assert!(any.has_flow() && !any.is_tagged());
                    prop_assert_eq!(key, FlowKey::new(&any, PortId(ingress), entry, arrival));
                    prop_assert_eq!(key.macs(), [any.destination, any.source]);
                }
            }
        }
    }

    #[test]
    fn most_frames_are_usual() {
        let mut memory = [0_u64; 8];
        let frame = zerocopy::IntoBytes::as_mut_bytes(&mut memory);
        for (protocol, usual) in [(6, true), (17, true), (1, false)] {
            frame.copy_from_slice(&good(protocol));
            assert_eq!(FlowKey::of_usual(frame, PortId(0), 0, None).is_some(), usual);
        }
        frame[0] |= 1;
        assert_eq!(FlowKey::of_usual(frame, PortId(0), 0, None), None);
    }
}
