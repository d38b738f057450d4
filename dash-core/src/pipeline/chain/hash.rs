//! CRC-32C of what names a conversation: unseeded, so that all hosts choose alike. RFC 3720 names
//! the polynomial.

use crc::{CRC_32_ISCSI, Crc, NoTable};
use smoltcp::wire::IpAddress;

use super::frame::Frame;

const CRC32C: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISCSI);

/// Outer source ports are the upper quarter.
const PORTS: u16 = 0xc000;

fn address(address: &IpAddress) -> ([u8; 16], usize) {
    let (_, octets) = super::policy::octets(*address);
    let length = if matches!(address, IpAddress::Ipv4(_)) { 4 } else { 16 };
    (octets, length)
}

/// The outer UDP source port of a frame.
pub(super) fn source_port(frame: &Frame<'_>) -> u16 {
    let mut digest = CRC32C.digest();
    if let Some(headers) = &frame.headers {
        for (octets, length) in [address(&headers.source), address(&headers.destination)] {
            digest.update(octets.get(..length).unwrap_or_default());
        }
        digest.update(&[headers.protocol]);
        digest.update(&headers.source_port.to_be_bytes());
        digest.update(&headers.destination_port.to_be_bytes());
    } else {
        digest.update(&frame.destination.0);
        digest.update(&frame.source.0);
        digest.update(&frame.ethertype.to_be_bytes());
    }
    PORTS | digest.finalize() as u16 & !PORTS
}

/// The same for both directions of a conversation.
pub(super) fn symmetric(frame: &Frame<'_>) -> u32 {
    let mut digest = CRC32C.digest();
    if let Some(headers) = &frame.headers {
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
        let mut macs = [frame.source.0, frame.destination.0];
        if macs[1] < macs[0] {
            macs.swap(0, 1);
        }
        digest.update(macs.as_flattened());
    }
    digest.finalize()
}
