//! Each error, from one valid frame with one thing wrong.
extern crate std;
use std::vec;
use std::vec::Vec;

use super::frames::{ethernet, geneve, ipv4, ipv6, join, nvgre, tcp, udp, vxlan};
use super::{ALL, extension};
use crate::wire::ipv6::MAX_EXTENSION_HEADERS;
use crate::wire::protocol::{ethertype, ip, port};
use crate::wire::{MAX_FRAME, ParseError, parse};

/// `frame` with the byte at `at` replaced.
fn with(mut frame: Vec<u8>, at: usize, value: u8) -> Vec<u8> {
    frame[at] = value;
    frame
}

/// `frame` without its last `count` bytes; lengths in it stay.
fn without(mut frame: Vec<u8>, count: usize) -> Vec<u8> {
    frame.truncate(frame.len() - count);
    frame
}

fn malformed(error: ParseError) -> Vec<u8> {
    let customer = ipv4(ip::UDP, &udp(80, b"payload"));
    let vxlan_frame = ipv4(ip::UDP, &vxlan(100, &customer));
    let option = [0x01, 0x02, 0x80, 1, 0, 1, 0, 2];
    let geneve_frame = ipv4(ip::UDP, &geneve(100, &option, &customer));
    let nvgre_frame = ipv4(ip::GRE, &nvgre(100, &customer));
    match error {
        ParseError::FrameTooLong => vec![0; MAX_FRAME + 1],
        ParseError::EthernetTruncated => vec![0; 13],
        ParseError::InnerEthernetTruncated => ipv4(ip::UDP, &vxlan(100, &customer[..13])),
        ParseError::VlanTruncated => ethernet(ethertype::VLAN, &[0, 1, 8]),
        ParseError::Ipv4Truncated => ethernet(ethertype::IPV4, &customer[14..33]),
        ParseError::Ipv4Version => with(customer, 14, 0x55),
        ParseError::Ipv4HeaderLength => with(customer, 14, 0x44),
        ParseError::Ipv4OptionsTruncated => with(ipv4(ip::UDP, b""), 14, 0x46),
        ParseError::Ipv4TotalLengthShort => with(customer, 17, 19),
        ParseError::Ipv4TotalLength => without(customer, 1),
        ParseError::Ipv6Truncated => ethernet(ethertype::IPV6, &[0x60; 39]),
        ParseError::Ipv6Version => with(ipv6(ip::TCP, &tcp(b"")), 14, 0x45),
        ParseError::Ipv6PayloadLength => without(ipv6(ip::TCP, &tcp(b"")), 1),
        ParseError::Ipv6ExtensionTruncated => ipv6(ip::ROUTING, &[ip::TCP, 1, 0, 0, 0, 0, 0, 0]),
        ParseError::Ipv6ExtensionCount => {
            let chain = (0..=MAX_EXTENSION_HEADERS)
                .fold(Vec::new(), |rest, _| extension(ip::DESTINATION_OPTIONS, &rest));
            ipv6(ip::DESTINATION_OPTIONS, &chain)
        }
        ParseError::UdpTruncated => ipv4(ip::UDP, &[0; 7]),
        ParseError::UdpLengthShort => with(customer, 39, 7),
        ParseError::UdpLength => with(customer, 39, 16),
        ParseError::TcpTruncated => ipv6(ip::TCP, &[0; 19]),
        ParseError::TcpDataOffset => with(ipv6(ip::TCP, &tcp(b"")), 66, 0x40),
        ParseError::TcpOptionsTruncated => with(ipv6(ip::TCP, &tcp(b"")), 66, 0x60),
        ParseError::Icmpv4Truncated => ipv4(ip::ICMPV4, &[8, 0, 0]),
        ParseError::Icmpv6Truncated => ipv6(ip::ICMPV6, &[128, 0, 0]),
        ParseError::VxlanTruncated => ipv4(ip::UDP, &udp(port::VXLAN, &[8, 0, 0, 0, 0, 0, 1])),
        ParseError::VxlanFlags => with(vxlan_frame, 42, 0xf7),
        ParseError::GeneveTruncated => ipv4(ip::UDP, &udp(port::GENEVE, &[0; 7])),
        ParseError::GeneveVersion => with(geneve_frame, 42, 0x42),
        ParseError::GeneveProtocol => with(geneve_frame, 44, 0x08),
        ParseError::GeneveOptionsTruncated => with(ipv4(ip::UDP, &geneve(1, &[], b"")), 42, 1),
        ParseError::GeneveOption => with(geneve_frame, 53, 2),
        ParseError::GreTruncated => ipv4(ip::GRE, &[0x20, 0, 0x65]),
        ParseError::NvgreVersion => with(nvgre_frame, 35, 1),
        ParseError::NvgreFlags => with(nvgre_frame, 34, 0x00),
        ParseError::NvgreTruncated => ipv4(ip::GRE, &[0x20, 0, 0x65, 0x58, 0, 0, 1]),
    }
}

#[test]
fn each_error_has_a_frame() {
    for error in ParseError::ALL {
        assert_eq!(parse(&malformed(error), &ALL), Err(error));
    }
}

/// What is malformed alone is malformed in a tunnel, but for what only an outermost layer has.
#[test]
fn each_error_is_found_in_a_tunnel() {
    for error in ParseError::ALL {
        let frame = malformed(error);
        let expected = match error {
            ParseError::FrameTooLong => continue,
            ParseError::EthernetTruncated => Err(ParseError::InnerEthernetTruncated),
            ParseError::VlanTruncated => Ok(()),
            error => Err(error),
        };
        let tunnel = ipv4(ip::UDP, &vxlan(100, &frame));
        // Bytes behind the tunnel are not the inner frame's.
        let padded = join(&[&tunnel, &[0; 64]]);
        assert_eq!(parse(&padded, &ALL).map(drop), expected, "{error}");
    }
}

#[test]
fn nvgre_has_neither_checksum_nor_sequence_number() {
    let frame = ipv4(ip::GRE, &nvgre(100, &ethernet(0x1234, b"")));
    assert!(parse(&frame, &ALL).is_ok());
    assert!(parse(&with(frame.clone(), 34, 0x60), &ALL).is_ok(), "R is reserved: ignored");
    for flags in [0xa0, 0x30, 0x40] {
        let frame = with(frame.clone(), 34, flags);
        assert_eq!(parse(&frame, &ALL), Err(ParseError::NvgreFlags));
    }
}
