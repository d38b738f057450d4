extern crate std;

use proptest::prelude::*;
use smoltcp::wire::{IpAddress, Ipv4Address, Ipv4Packet, Ipv6Address, TcpPacket, UdpPacket};
use zerocopy::IntoBytes;

use super::frames;
use crate::wire::checksum::{Checksum, Difference, udp_checksum};
use crate::wire::protocol::ip;

/// RFC 1071 section 4.1, word by word.
fn naive(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[test]
fn the_examples_of_the_rfcs() {
    // RFC 1071 section 3: the sum is ddf2.
    let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
    assert_eq!(Checksum::new().bytes(&bytes).finish(), !0xddf2);
    // RFC 1624 section 4: where equation 2 fails.
    assert_eq!(Difference::new().u16(0x5555, 0x3285).apply(0xdd2f), 0x0000);
}

#[test]
fn a_udp_checksum_is_never_zero_by_accident() {
    assert_eq!(udp_checksum(0), 0xffff);
    assert_eq!(udp_checksum(5), 5);
    let change = Difference::new().u16(0x5555, 0x3285);
    assert_eq!(change.apply_udp(0xdd2f), 0xffff);
    assert_eq!(change.apply_udp(0), 0, "no checksum stays none");
}

#[test]
fn the_longest_frame_does_not_overflow() {
    let bytes = std::vec![0xff; 65_535];
    assert_eq!(Checksum::new().bytes(&bytes).finish(), naive(&bytes));
}

#[test]
fn smoltcp_finds_the_built_checksums_right() {
    let frame = frames::ipv4(ip::UDP, &frames::udp(80, b"odd"));
    let packet = Ipv4Packet::new_checked(&frame[14..]).unwrap();
    assert!(packet.verify_checksum());
    let addresses = (IpAddress::Ipv4(frames::SOURCE), IpAddress::Ipv4(frames::DESTINATION));
    let segment = UdpPacket::new_checked(packet.payload()).unwrap();
    assert!(segment.verify_checksum(&addresses.0, &addresses.1));

    let segment = frames::tcp(b"odd");
    let addresses = (IpAddress::Ipv6(frames::SOURCE_6), IpAddress::Ipv6(frames::DESTINATION_6));
    let segment = TcpPacket::new_checked(&segment).unwrap();
    assert!(segment.verify_checksum(&addresses.0, &addresses.1));
}

proptest! {
    #[test]
    fn full_equals_word_by_word(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(Checksum::new().bytes(&bytes).finish(), naive(&bytes));
    }

    #[test]
    fn parts_equal_the_whole(
        a in prop::collection::vec(any::<u8>(), 0..20),
        b in any::<u16>(),
        c in any::<u32>(),
        d in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let a = &a[..a.len() & !1];
        let whole = [a, &b.to_be_bytes(), &c.to_be_bytes(), &d].concat();
        let parts = Checksum::new().bytes(a).u16(b).u32(c).bytes(&d);
        prop_assert_eq!(parts.finish(), naive(&whole));
    }

    #[test]
    fn a_filled_checksum_is_valid(mut bytes in prop::collection::vec(any::<u8>(), 2..80)) {
        bytes[0] = 0;
        bytes[1] = 0;
        let checksum = Checksum::new().bytes(&bytes).finish();
        bytes[..2].copy_from_slice(&checksum.to_be_bytes());
        prop_assert!(Checksum::new().bytes(&bytes).is_valid());
        bytes[0] ^= 1;
        prop_assert!(!Checksum::new().bytes(&bytes).is_valid());
    }

    #[test]
    fn by_difference_equals_in_full(
        source: [u8; 4], ttl: u8, ident: u16, addresses: u32,
        new_source: [u8; 4], new_ttl: u8, new_ident: u16, new_addresses: u32,
    ) {
        let mut header = frames::ipv4_header(ip::UDP, 100);
        header.set_source(source.into());
        header.set_ttl(ttl);
        header.set_ident(ident);
        header.set_destination(addresses.into());
        frames::fill_checksum(&mut header);
        let before = header.checksum();
        header.set_source(new_source.into());
        header.set_ttl(new_ttl);
        header.set_ident(new_ident);
        header.set_destination(new_addresses.into());
        frames::fill_checksum(&mut header);

        let difference = Difference::new()
            .bytes(&source, &new_source)
            .u16(u16::from_be_bytes([ttl, ip::UDP]), u16::from_be_bytes([new_ttl, ip::UDP]))
            .u16(ident, new_ident)
            .u32(addresses, new_addresses);
        prop_assert_eq!(difference.apply(before), header.checksum());
        prop_assert!(Checksum::new().bytes(header.as_bytes()).is_valid());
    }

    #[test]
    fn etherparse_agrees_on_udp(
        source: [u8; 4], destination: [u8; 4], source_6: [u8; 16], destination_6: [u8; 16],
        ports: (u16, u16), payload in prop::collection::vec(any::<u8>(), 0..70),
    ) {
        let length = 8 + u16::try_from(payload.len()).unwrap();
        let header = etherparse::UdpHeader {
            source_port: ports.0, destination_port: ports.1, length, checksum: 0,
        };
        let upper = Checksum::new().bytes(&header.to_bytes()).bytes(&payload);
        let (from, to) = (Ipv4Address::from(source), Ipv4Address::from(destination));
        prop_assert_eq!(
            udp_checksum(upper.pseudo_ipv4(from, to, ip::UDP, length).finish()),
            header.calc_checksum_ipv4_raw(source, destination, &payload).unwrap()
        );
        let (from, to) = (Ipv6Address::from(source_6), Ipv6Address::from(destination_6));
        prop_assert_eq!(
            udp_checksum(upper.pseudo_ipv6(from, to, ip::UDP, length.into()).finish()),
            header.calc_checksum_ipv6_raw(source_6, destination_6, &payload).unwrap()
        );
    }
}
