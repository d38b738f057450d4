//! CRC-32C of what names a conversation: unseeded, so that all hosts choose alike. RFC 3720 names
//! the polynomial.

use crc::{CRC_32_ISCSI, Crc, NoTable};
use smoltcp::wire::{EthernetAddress, IpAddress};

use super::image::octets;
use crate::table::acl::Headers;

const CRC32C: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISCSI);

/// Outer source ports are the upper quarter.
const PORTS: u16 = 0xc000;

fn address(address: &IpAddress) -> ([u8; 16], usize) {
    let (_, octets) = octets(*address);
    let length = if matches!(address, IpAddress::Ipv4(_)) { 4 } else { 16 };
    (octets, length)
}

/// The outer UDP source port of a frame with these headers, if it is IP; else of these MAC
/// addresses, destination first, and this ethertype.
pub(super) fn source_port(
    headers: Option<&Headers>,
    macs: [EthernetAddress; 2],
    ethertype: u16,
) -> u16 {
    let mut digest = CRC32C.digest();
    let (source, destination, protocol, ports);
    let kind = ethertype.to_be_bytes();
    let [first, second] = &macs;
    let parts: [&[u8]; 5] = if let Some(headers) = headers {
        (source, destination) = (address(&headers.source), address(&headers.destination));
        protocol = [headers.protocol];
        ports = [headers.source_port.to_be_bytes(), headers.destination_port.to_be_bytes()];
        [
            source.0.get(..source.1).unwrap_or_default(),
            destination.0.get(..destination.1).unwrap_or_default(),
            &protocol,
            &ports[0],
            &ports[1],
        ]
    } else {
        [&first.0, &second.0, &kind, &[], &[]]
    };
    // One loop, for its body is long.
    for part in parts {
        digest.update(part);
    }
    PORTS | digest.finalize() as u16 & !PORTS
}

/// The same for both directions of a conversation.
pub(super) fn symmetric(headers: Option<&Headers>, macs: [EthernetAddress; 2]) -> u32 {
    let mut digest = CRC32C.digest();
    if let Some(headers) = headers {
        let mut ends = [
            (address(&headers.source), headers.source_port),
            (address(&headers.destination), headers.destination_port),
        ];
        if ends[1] < ends[0] {
            ends.swap(0, 1);
        }
        for ((octets, length), port) in ends {
            digest.update(octets.get(..length).unwrap_or_default());
            digest.update(&port.to_be_bytes());
        }
        digest.update(&[headers.protocol]);
    } else {
        let mut macs = macs.map(|mac| mac.0);
        if macs[1] < macs[0] {
            macs.swap(0, 1);
        }
        digest.update(macs.as_flattened());
    }
    digest.finalize()
}
