//! The frames that are measured: VXLAN over IPv4 around a customer's IPv4/UDP frame of 64 bytes, and
//! for service chains that frame alone.

use smoltcp::wire::{EthernetAddress, Ipv4Address};

use crate::policy::{DENIED_PORT, VIP, VM_ADDRESS, VM_HOST, VM_VNI, customer, eni_mac};

/// Bytes of the customer frame, without FCS.
pub const CUSTOMER_BYTES: usize = 64;
/// Bytes of a received frame.
pub const RECEIVED_BYTES: usize = 50 + CUSTOMER_BYTES;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Permitted, with a route and a mapping.
    Forwarded,
    /// To a port that the first ACL stage denies.
    Denied,
    /// The customer's UDP length exceeds its datagram: the last thing that the parser looks at.
    Malformed,
}

/// Frame `number` of the VM of ENI `eni`. Frames of different numbers belong to different flows.
pub(crate) fn frame(kind: Kind, eni: u8, number: u8) -> [u8; RECEIVED_BYTES] {
    let destination_port = if kind == Kind::Denied { DENIED_PORT } else { 80 };
    let source_port = 0x4000 + u16::from(number);
    let udp_length = CUSTOMER_BYTES - 34 + usize::from(kind == Kind::Malformed);
    let mut frame = [0; RECEIVED_BYTES];
    let mut writer = Writer { frame: &mut frame, at: 0 };
    writer.put(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]);
    writer.ipv4(RECEIVED_BYTES - 14, VM_HOST, VIP);
    writer.udp(0xc000, 4789, RECEIVED_BYTES - 34);
    writer.put(&[8, 0, 0, 0]);
    writer.put(&(VM_VNI << 8).to_be_bytes());
    writer.put(&[0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc]);
    writer.put(&eni_mac(eni).0);
    writer.put(&[8, 0]);
    writer.ipv4(CUSTOMER_BYTES - 14, VM_ADDRESS, customer(number));
    writer.udp(source_port, destination_port, udp_length);
    frame
}

/// MAC address of an application of the service chains.
pub(crate) const fn mac(application: u8) -> EthernetAddress {
    EthernetAddress([2, 0, 0, 0, 0, application])
}

/// Frame of flow `number` between two applications of the service chains, IPv4/UDP of 64 bytes.
pub(crate) fn logical([source, destination]: [u8; 2], number: u32) -> [u8; CUSTOMER_BYTES] {
    let mut frame = [0; CUSTOMER_BYTES];
    let mut writer = Writer { frame: &mut frame, at: 0 };
    writer.put(&mac(destination).0);
    writer.put(&mac(source).0);
    writer.put(&[8, 0]);
    // 2^14 ports, then another address.
    let from = Ipv4Address::from_bits(0x0a00_0000 | number >> 14);
    let port = 0x4000 | (number & 0x3fff) as u16;
    writer.ipv4(CUSTOMER_BYTES - 14, from, Ipv4Address::new(192, 0, 2, destination));
    writer.udp(port, 80, CUSTOMER_BYTES - 34);
    frame
}

/// Writes headers one after the other.
struct Writer<'f> {
    frame: &'f mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.frame[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    /// A header of `length` bytes with its payload.
    fn ipv4(&mut self, length: usize, source: Ipv4Address, destination: Ipv4Address) {
        let mut header = [0; 20];
        header[0] = 0x45;
        header[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        header[8..10].copy_from_slice(&[64, 17]);
        header[12..16].copy_from_slice(&source.octets());
        header[16..20].copy_from_slice(&destination.octets());
        let words = header.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1]));
        let sum: u32 = words.sum();
        let sum = (sum & 0xffff) + (sum >> 16);
        header[10..12].copy_from_slice(&(!sum as u16).to_be_bytes());
        self.put(&header);
    }

    /// A header of `length` bytes with its payload, without a checksum.
    fn udp(&mut self, source: u16, destination: u16, length: usize) {
        self.put(&source.to_be_bytes());
        self.put(&destination.to_be_bytes());
        self.put(&(length as u16).to_be_bytes());
        self.put(&[0; 2]);
    }
}
