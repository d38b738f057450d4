//! Frames of the specification byte by byte, and the edges of each rule.

extern crate std;

use std::string::String;
use std::vec::Vec;

use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv6Address};

use super::apply_parsed;
use super::model::{Body, Frame, Wrapping, checksum};
use crate::rewrite::apply::ttl_checksum;
use crate::rewrite::{Encapsulation, Endpoints, Flags, OptionWord, Outcome, Rewrite, Tunnel};
use crate::wire::{Profile, parse};

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

const PAYLOAD: [u8; 58] = {
    let mut payload = [0; 58];
    let mut at = 0;
    while at < 58 {
        payload[at] = at as u8;
        at += 1;
    }
    payload
};

/// The customer frame of the worked DASH examples: 10.1.1.10 to 10.1.2.50, UDP 1234 to 80.
fn customer(padding: usize) -> Frame {
    let payload = [&hex("04d2 0050 0042 0000")[..], &PAYLOAD].concat();
    let addresses = [10, 1, 1, 10, 10, 1, 2, 50];
    Frame {
        macs: [1, 2, 3, 4, 5, 6, 0, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc],
        tags: Vec::new(),
        body: Body::V4 { tos: 0, id: 1, ttl: 64, options: 0, addresses, payload },
        padding: std::vec![0; padding],
    }
}

fn wrapping(tos: u8) -> Wrapping {
    Wrapping { v6: false, tos, options: 0, slack: Vec::new(), trailer: Vec::new() }
}

fn v4(source: [u8; 4], destination: [u8; 4], vni: u32) -> Tunnel {
    Tunnel {
        endpoints: Endpoints::V4 {
            source: Ipv4Address::from_octets(source),
            destination: Ipv4Address::from_octets(destination),
        },
        vni,
        identification: 1,
        ..Tunnel::NONE
    }
}

fn v6() -> Tunnel {
    Tunnel {
        endpoints: Endpoints::V6 {
            source: Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
            destination: Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2),
        },
        vni: 0x00ab_cdef,
        source_port: 0xc123,
        ..Tunnel::NONE
    }
}

fn overlay(tunnel: Tunnel) -> Rewrite {
    let flags = Flags::POP_OUTER | Flags::TRIM | Flags::PUSH_OUTER | Flags::COPY_DSCP;
    Rewrite { flags, tunnel: Encapsulation::new(&tunnel), ..Rewrite::NONE }
}

/// Applies to `frame` in `wrapping` with room enough, MTU 1,500.
fn through(rewrite: &Rewrite, wrapping: &Wrapping, frame: &Frame) -> Vec<u8> {
    let (bytes, ..) = wrapping.wrap(&frame.bytes());
    apply_parsed(rewrite, &bytes, 128, &Profile::VXLAN, 1500).unwrap().0
}

#[test]
fn outbound_vnet_encapsulation() {
    let mut rewrite = overlay(v4([172, 16, 1, 100], [172, 16, 1, 20], 100));
    rewrite.flags |= Flags::DESTINATION_MAC;
    rewrite.destination_mac = EthernetAddress([0, 0xdd, 0xdd, 0xdd, 0xdd, 0xdd]).into();
    let mut inner = customer(0).bytes();
    inner[..6].copy_from_slice(&[0, 0xdd, 0xdd, 0xdd, 0xdd, 0xdd]);
    let outer = hex("000000000000 000000000000 0800
         45000088 00010000 40111fcc ac100164 ac100114 000012b5 00740000 08000000 00006400");
    let expected = [outer, inner].concat();
    assert_eq!(through(&rewrite, &wrapping(0), &customer(0)), expected);
    assert_eq!(through(&rewrite, &wrapping(0), &customer(7)), expected);
}

#[test]
fn inbound_encapsulation() {
    let rewrite = overlay(v4([10, 1, 1, 1], [10, 10, 2, 10], 2));
    let outer = hex("000000000000 000000000000 0800
         45000088 00010000 4011634f 0a010101 0a0a020a 000012b5 00740000 08000000 00000200");
    let expected = [outer, customer(0).bytes()].concat();
    assert_eq!(through(&rewrite, &wrapping(0), &customer(0)), expected);
}

#[test]
fn encapsulation_over_ipv6() {
    let outer = hex("000000000000 000000000000 86dd
         6b800000 00741140 20010db8000000000000000000000001 20010db8000000000000000000000002
         c12312b5 00740000 08000000 abcdef00");
    let expected = [outer, customer(0).bytes()].concat();
    // DSCP 46 with ECN 3 as received: the ECN does not go on.
    assert_eq!(through(&overlay(v6()), &wrapping(0xbb), &customer(0)), expected);
    let received = Wrapping { v6: true, ..wrapping(0xbb) };
    assert_eq!(through(&overlay(v6()), &received, &customer(0)), expected);
}

#[test]
fn padding_stays_where_the_whole_frame_is_carried() {
    let mut rewrite = overlay(v4([1; 4], [2; 4], 1));
    rewrite.flags -= Flags::TRIM;
    let received = Wrapping { slack: std::vec![9; 3], trailer: std::vec![9; 5], ..wrapping(0) };
    let bytes = through(&rewrite, &received, &customer(7));
    assert_eq!(bytes[50..], customer(7).bytes());
    assert_eq!(bytes[16..18], (136_u16 + 7).to_be_bytes());
}

/// Payload of the flow cache's frames: IPv4, UDP and 36 × 'X'.
const FLOW_CACHE_REQUEST: &str = "45000040 00010000 4011b801 c0a80001 01010101 303903e8 002cd293";
const FLOW_CACHE_ANSWER: &str = "45000040 00010000 4011b801 01010101 c0a80001 03e83039 002cd293";

#[test]
fn decapsulation_into_a_vlan_and_back() {
    let payload = [b'X'; 36];
    let received = [
        &hex("f1f1f1f1f1f1 dcdcdcdcdcdc 0800 45000072 00010000 40115c66 0a000001 0a0a0a0a
              12b512b5 005e0000 08000000 00006400 e1e1e1e1e1e1 a1a1a1a1a1a1 0800")[..],
        &hex(FLOW_CACHE_REQUEST),
        &payload,
    ];
    let tagged =
        [&hex("e1e1e1e1e1e1 a1a1a1a1a1a1 8100 000a 0800")[..], &hex(FLOW_CACHE_REQUEST), &payload];
    let rewrite = Rewrite { flags: Flags::POP_OUTER | Flags::PUSH_VLAN, vlan: 10, ..Rewrite::NONE };
    let answer = apply_parsed(&rewrite, &received.concat(), 0, &Profile::VXLAN, 1500);
    assert_eq!(answer, Ok((tagged.concat(), 46)));

    let answer =
        [&hex("a1a1a1a1a1a1 e1e1e1e1e1e1 8100 000a 0800")[..], &hex(FLOW_CACHE_ANSWER), &payload];
    let sent = [
        &hex("deaddeaddead beefbeefbeef 0800 45000072 15130000 40114754 0a0a0a0a 0a000001
              12b512b5 005e0000 08000000 00006400 a1a1a1a1a1a1 e1e1e1e1e1e1 0800")[..],
        &hex(FLOW_CACHE_ANSWER),
        &payload,
    ];
    let tunnel = Tunnel {
        source_mac: EthernetAddress([0xbe, 0xef, 0xbe, 0xef, 0xbe, 0xef]),
        destination_mac: EthernetAddress([0xde, 0xad, 0xde, 0xad, 0xde, 0xad]),
        source_port: 4789,
        identification: 0x1513,
        ..v4([10, 10, 10, 10], [10, 0, 0, 1], 100)
    };
    let flags = Flags::POP_VLAN | Flags::PUSH_OUTER;
    let tunnel = Encapsulation::new(&tunnel);
    let rewrite = Rewrite { tunnel, flags, ..Rewrite::NONE };
    let answer = apply_parsed(&rewrite, &answer.concat(), 46, &Profile::VXLAN, 1500);
    assert_eq!(answer, Ok((sent.concat(), 0)));
}

#[test]
fn router_hop() {
    let mut bytes = customer(0).bytes();
    bytes[..34].copy_from_slice(&hex(
        "fa163ec5024d fa163ecf4bed 0800 45000054 00014000 400126a0 0a020003 0a010003",
    ));
    let mut expected = bytes.clone();
    expected[..34].copy_from_slice(&hex(
        "fa163e0017e6 fa163ec5024d 0800 45000054 00014000 3f0127a0 0a020003 0a010003",
    ));
    let rewrite = Rewrite {
        flags: Flags::TTL | Flags::SOURCE_MAC | Flags::DESTINATION_MAC,
        source_mac: EthernetAddress([0xfa, 0x16, 0x3e, 0xc5, 0x02, 0x4d]).into(),
        destination_mac: EthernetAddress([0xfa, 0x16, 0x3e, 0x00, 0x17, 0xe6]).into(),
        ..Rewrite::NONE
    };
    let answer = apply_parsed(&rewrite, &bytes, 0, &Profile::PLAIN, 1500);
    assert_eq!(answer, Ok((expected, 0)));
}

#[test]
fn ttl_checksum_at_its_edges() {
    assert_eq!(ttl_checksum(0x26a0), 0x27a0);
    // RFC 1141 would answer 0xffff here, which no sum over a header gives.
    assert_eq!(ttl_checksum(0xfeff), 0x0000);
    assert_eq!(ttl_checksum(0x0000), 0x0100);
    assert_eq!(ttl_checksum(0xffff), 0x0100);
    assert_eq!(ttl_checksum(0xff00), 0x0001);
    // Every checksum that a header can have, against a sum from scratch.
    let step = if cfg!(miri) { 997 } else { 1 };
    for identification in (0..=u16::MAX).step_by(step) {
        let mut header = hex("4500 0054 0000 4000 4001 0000 0a02 0003 0a01 0003");
        header[4..6].copy_from_slice(&identification.to_be_bytes());
        let before = checksum(&header);
        header[8] -= 1;
        assert_eq!(ttl_checksum(before), checksum(&header));
    }
}

#[test]
fn refusals_come_in_order() {
    let mut frame = customer(0);
    let refuse = |frame: &Frame, headroom, mtu| {
        let flags = Flags::TTL | Flags::PUSH_OUTER;
        let tunnel = Encapsulation::new(&v4([1; 4], [2; 4], 1));
        let rewrite = Rewrite { tunnel, flags, ..Rewrite::NONE };
        apply_parsed(&rewrite, &frame.bytes(), headroom, &Profile::PLAIN, mtu).err()
    };
    assert_eq!(refuse(&frame, 50, 136), None);
    assert_eq!(refuse(&frame, 49, 136), Some(Outcome::NoRoom));
    assert_eq!(refuse(&frame, 49, 135), Some(Outcome::TooBig));
    for last in [0, 1] {
        let Body::V4 { ttl, .. } = &mut frame.body else { unreachable!() };
        *ttl = last;
        assert_eq!(refuse(&frame, 49, 135), Some(Outcome::Ttl));
    }
}

#[test]
fn mtu_counts_behind_the_tags() {
    let frame = customer(4);
    let apply = |flags, mtu| {
        let rewrite = Rewrite { flags, ..Rewrite::NONE };
        apply_parsed(&rewrite, &frame.bytes(), 4, &Profile::PLAIN, mtu).err()
    };
    assert_eq!(apply(Flags::empty(), 90), None);
    assert_eq!(apply(Flags::empty(), 89), Some(Outcome::TooBig));
    assert_eq!(apply(Flags::PUSH_VLAN, 90), None);
    assert_eq!(apply(Flags::PUSH_VLAN, 89), Some(Outcome::TooBig));
    assert_eq!(apply(Flags::TRIM, 86), None);
}

#[test]
fn lengths_beyond_16_bits_are_too_big() {
    use dash_hal::software::ArrayBuffer;
    use dash_hal::{PacketBuffer, ReceiveMetadata};

    for (tunnel, most) in [(v4([1; 4], [2; 4], 1), 65535 - 36), (v6(), 65535 - 56)] {
        for length in [most, most + 1] {
            let payload = std::vec![0; length - 14];
            let body = Body::Other { payload };
            let frame = Frame { macs: [0; 12], tags: Vec::new(), body, padding: Vec::new() };
            let metadata = ReceiveMetadata::default();
            let mut buffer = ArrayBuffer::<66000>::new(&frame.bytes(), metadata).unwrap();
            let tunnel = Encapsulation::new(&tunnel);
            let rewrite = Rewrite { tunnel, flags: Flags::PUSH_OUTER, ..Rewrite::NONE };
            let edges = parse(buffer.bytes(), &Profile::PLAIN).unwrap().edges(buffer.bytes());
            let answer = rewrite.apply(&mut buffer, &edges, 65535);
            if length > most {
                assert_eq!(answer, Outcome::TooBig);
                assert_eq!(buffer.bytes().len(), length);
            } else {
                assert_eq!(answer, Outcome::Done(buffer.bytes().len()));
                let (at, field) =
                    if most == 65535 - 36 { (16, 65535) } else { (18, 65535_u16 - 40) };
                assert_eq!(buffer.bytes()[at..at + 2], field.to_be_bytes());
            }
        }
    }
}

#[test]
fn pop_takes_one_encapsulation_of_two() {
    let profile = Profile { tunnels: 2, ..Profile::VXLAN };
    let (middle, ..) = wrapping(0x28).wrap(&customer(0).bytes());
    let (bytes, ..) = Wrapping { v6: true, ..wrapping(0xb8) }.wrap(&middle);
    let flags = Flags::POP_OUTER | Flags::TRIM;
    let rewrite = Rewrite { flags, ..Rewrite::NONE };
    assert_eq!(apply_parsed(&rewrite, &bytes, 0, &profile, 1500), Ok((middle.clone(), 70)));
    // The copied DSCP is that of the outermost header, not of the one that is left.
    let sent = apply_parsed(&overlay(v6()), &bytes, 0, &profile, 1500).unwrap().0;
    assert_eq!((sent[14], sent[15], &sent[70..]), (0x6b, 0x80, &middle[..]));
    // Without an encapsulation to pop the frame is the one that is left.
    let plain = customer(0).bytes();
    assert_eq!(apply_parsed(&rewrite, &plain, 0, &profile, 1500), Ok((plain.clone(), 0)));
}

#[test]
fn odd_addresses_get_the_same_bytes() {
    use super::buffer;
    use dash_hal::PacketBuffer;

    let customer = customer(0).bytes();
    let edges = parse(&customer, &Profile::PLAIN).unwrap().edges(&customer);
    let push = Flags::PUSH_OUTER | Flags::DESTINATION_MAC;
    for (tunnel, flags) in [
        (v4([172, 16, 1, 100], [172, 16, 1, 20], 100), push),
        (v6(), push),
        (Tunnel::NONE, Flags::DESTINATION_MAC),
    ] {
        let destination_mac = EthernetAddress([9, 8, 7, 6, 5, 4]).into();
        let tunnel = Encapsulation::new(&tunnel);
        let rewrite = Rewrite { tunnel, destination_mac, flags, ..Rewrite::NONE };
        let mut buffers = [128, 129].map(|headroom| buffer(&customer, headroom));
        for buffer in &mut buffers {
            assert!(matches!(rewrite.apply(buffer, &edges, 1500), Outcome::Done(_)));
        }
        let [even, odd] = buffers.each_ref().map(PacketBuffer::bytes);
        assert_ne!(even.as_ptr() as usize % 2, odd.as_ptr() as usize % 2);
        assert_eq!(even, odd);
        let mac_at = even.len() - customer.len();
        assert_eq!(even[mac_at..mac_at + 6], [9, 8, 7, 6, 5, 4]);
    }
}

/// A second opinion from a parser of another author, which checks lengths and checksums.
#[test]
fn etherparse_reads_what_is_pushed() {
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};

    for tunnel in [v4([172, 16, 1, 100], [172, 16, 1, 20], 100), v6()] {
        let bytes = through(&overlay(tunnel), &wrapping(0xbb), &customer(0));
        let packet = SlicedPacket::from_ethernet(&bytes).unwrap();
        match packet.net.unwrap() {
            NetSlice::Ipv4(ip) => {
                let header = ip.header().to_header();
                assert_eq!(header.header_checksum, header.calc_header_checksum());
                assert_eq!((header.dscp.value(), header.ecn.value()), (46, 0));
                assert_eq!(header.source, [172, 16, 1, 100]);
            }
            NetSlice::Ipv6(ip) => {
                let header = ip.header();
                assert_eq!((header.traffic_class(), header.flow_label().value()), (0xb8, 0));
                assert_eq!(header.hop_limit(), 64);
            }
            NetSlice::Arp(_) => unreachable!(),
        }
        let Some(TransportSlice::Udp(udp)) = packet.transport else { unreachable!() };
        assert_eq!((udp.source_port(), udp.destination_port()), (tunnel.source_port, 4789));
        assert_eq!((udp.length(), udp.checksum()), (116, 0));
        assert_eq!(udp.payload()[8..], customer(0).bytes());
    }
}

/// The first Geneve frame of service chains, case 2: App1's frame to App2's host.
#[test]
fn encapsulation_in_geneve_with_one_option() {
    let [source, destination] = [[198, 51, 100, 1], [198, 51, 100, 2]].map(Ipv4Address::from);
    let option = OptionWord { class: 0x0102, kind: 0x80, data: 0x0003_0004 };
    let tunnel = Tunnel {
        endpoints: Endpoints::V4 { source, destination },
        source_mac: EthernetAddress([10, 0, 0, 0, 0, 0x11]),
        destination_mac: EthernetAddress([10, 0, 0, 0, 0, 0x22]),
        vni: 1,
        source_port: 0xc30d,
        dont_fragment: true,
        geneve: Some(option),
        ..Tunnel::NONE
    };

    let frame = hex("020000000002 020000000001 0800 45000024 00070000 4011f6be c0000201 c0000202
         9c401388 0010a3f9 5346432d44454d4f");
    let outer = hex("0a0000000022 0a0000000011 0800 4500005e 00004000 4011e624 c6336401 c6336402
         c30d17c1 004a0000 02406558 00000100 01028001 00030004");
    let compiled = Encapsulation::new(&tunnel);
    let rewrite = Rewrite { flags: Flags::PUSH_OUTER, tunnel: compiled, ..Rewrite::NONE };
    let expected = [outer, frame.clone()].concat();
    let applied = apply_parsed(&rewrite, &frame, 128, &Profile::PLAIN, 94);
    assert_eq!(applied.map(|(bytes, _)| bytes), Ok(expected));
    let refused = apply_parsed(&rewrite, &frame, 128, &Profile::PLAIN, 93);
    assert_eq!(refused.map(|_| ()), Err(Outcome::TooBig));
    // An option that is not critical leaves the C bit clear; TOS is the tunnel's.
    let option = OptionWord { kind: 0x7f, ..option };
    let tunnel = Tunnel { tos: 0xb8, geneve: Some(option), ..tunnel };
    let tunnel = Encapsulation::new(&tunnel);
    let rewrite = Rewrite { tunnel, ..rewrite };
    let (bytes, ..) = apply_parsed(&rewrite, &frame, 128, &Profile::PLAIN, 94).unwrap();
    assert_eq!((bytes[15], bytes[43], bytes[52]), (0xb8, 0, 0x7f));
}
