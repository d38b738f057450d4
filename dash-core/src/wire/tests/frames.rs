//! Frames for the tests, built with the setters.
extern crate std;
use std::vec::Vec;

use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv6Address};
use zerocopy::IntoBytes;

use crate::wire::checksum::{Checksum, udp_checksum};
use crate::wire::ethernet::EthernetHeader;
use crate::wire::geneve::GeneveHeader;
use crate::wire::gre::NvgreHeader;
use crate::wire::ipv4::Ipv4Header;
use crate::wire::ipv6::Ipv6Header;
use crate::wire::protocol::{ethertype, ip, port};
use crate::wire::tcp::{TcpFlags, TcpHeader};
use crate::wire::udp::UdpHeader;
use crate::wire::vxlan::VxlanHeader;

pub(super) const SOURCE: Ipv4Address = Ipv4Address::new(10, 1, 1, 10);
pub(super) const DESTINATION: Ipv4Address = Ipv4Address::new(10, 1, 2, 50);
pub(super) const SOURCE_6: Ipv6Address = Ipv6Address::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
pub(super) const DESTINATION_6: Ipv6Address = Ipv6Address::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);

pub(super) fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

pub(super) fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut header = EthernetHeader::default();
    header.set_destination(EthernetAddress([2, 0, 0, 0, 0, 2]));
    header.set_source(EthernetAddress([2, 0, 0, 0, 0, 1]));
    header.set_ethertype(ethertype);
    join(&[header.as_bytes(), payload])
}

/// Makes the checksum of a header without options right.
pub(super) fn fill_checksum(header: &mut Ipv4Header) {
    header.set_checksum(0);
    header.set_checksum(Checksum::new().bytes(header.as_bytes()).finish());
}

pub(super) fn ipv4_header(protocol: u8, payload_len: usize) -> Ipv4Header {
    let mut header = Ipv4Header::default();
    header.set_version(4);
    header.set_header_len(20);
    header.set_total_len(u16::try_from(20 + payload_len).unwrap());
    header.set_ident(1);
    header.set_ttl(64);
    header.set_protocol(protocol);
    header.set_source(SOURCE);
    header.set_destination(DESTINATION);
    fill_checksum(&mut header);
    header
}

/// Ethernet and IPv4.
pub(super) fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let header = ipv4_header(protocol, payload.len());
    ethernet(ethertype::IPV4, &join(&[header.as_bytes(), payload]))
}

/// Ethernet and IPv6.
pub(super) fn ipv6(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = Ipv6Header::default();
    header.set_version(6);
    header.set_payload_len(u16::try_from(payload.len()).unwrap());
    header.set_next_header(next_header);
    header.set_hop_limit(64);
    header.set_source(SOURCE_6);
    header.set_destination(DESTINATION_6);
    ethernet(ethertype::IPV6, &join(&[header.as_bytes(), payload]))
}

/// UDP whose checksum is right over [`ipv4`].
pub(super) fn udp(destination_port: u16, payload: &[u8]) -> Vec<u8> {
    let mut header = UdpHeader::default();
    header.set_source_port(1234);
    header.set_destination_port(destination_port);
    let length = u16::try_from(8 + payload.len()).unwrap();
    header.set_length(length);
    let sum = Checksum::new()
        .pseudo_ipv4(SOURCE, DESTINATION, ip::UDP, length)
        .bytes(header.as_bytes())
        .bytes(payload);
    header.set_checksum(udp_checksum(sum.finish()));
    join(&[header.as_bytes(), payload])
}

/// A SYN whose checksum is right over [`ipv6`].
pub(super) fn tcp(payload: &[u8]) -> Vec<u8> {
    let mut header = TcpHeader::default();
    header.set_source_port(1234);
    header.set_destination_port(80);
    header.set_sequence(1);
    header.set_header_len(20);
    header.set_flags(TcpFlags::SYN);
    header.set_window(1000);
    let len = u32::try_from(20 + payload.len()).unwrap();
    let sum = Checksum::new()
        .pseudo_ipv6(SOURCE_6, DESTINATION_6, ip::TCP, len)
        .bytes(header.as_bytes())
        .bytes(payload);
    header.set_checksum(sum.finish());
    join(&[header.as_bytes(), payload])
}

/// Above IP: UDP, VXLAN, the frame.
pub(super) fn vxlan(vni: u32, frame: &[u8]) -> Vec<u8> {
    udp(port::VXLAN, &join(&[VxlanHeader::new(vni).as_bytes(), frame]))
}

/// Above IP: UDP, Geneve with `options`, the frame.
pub(super) fn geneve(vni: u32, options: &[u8], frame: &[u8]) -> Vec<u8> {
    let mut header = GeneveHeader::new(vni);
    header.set_options_len(u8::try_from(options.len()).unwrap());
    udp(port::GENEVE, &join(&[header.as_bytes(), options, frame]))
}

/// Above IP: NVGRE, the frame.
pub(super) fn nvgre(vsid: u32, frame: &[u8]) -> Vec<u8> {
    join(&[NvgreHeader::new(vsid, 0).as_bytes(), frame])
}
