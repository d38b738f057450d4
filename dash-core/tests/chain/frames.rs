//! Frames: those of the specification, and some more.

use std::{collections::HashMap, sync::OnceLock};

/// `name ingress egress hex`, a line each: the frames of service chains in
/// `../shared/spec/vectors/other-services.txt`.
const VECTORS: &str = include_str!("vectors.txt");

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..][..2], 16).unwrap()).collect()
}

/// A frame of the specification.
pub(crate) fn vector(name: &str) -> Vec<u8> {
    static FRAMES: OnceLock<HashMap<&str, Vec<u8>>> = OnceLock::new();
    let frames = FRAMES.get_or_init(|| {
        let lines = VECTORS.lines().filter(|line| !line.starts_with('#'));
        let parts = lines.map(|line| line.split(' ').collect::<Vec<_>>());
        parts.map(|parts| (parts[0], bytes(parts[3]))).collect()
    });
    frames[name].clone()
}

/// From App1 to App2.
pub(crate) fn p() -> Vec<u8> {
    vector("p")
}

/// From App2 to App1.
pub(crate) fn r() -> Vec<u8> {
    vector("r")
}

/// A frame with other MAC addresses, by their last bytes.
pub(crate) fn between(frame: &[u8], source: u8, destination: u8) -> Vec<u8> {
    let mut frame = frame.to_vec();
    (frame[5], frame[11]) = (destination, source);
    frame
}

/// A broadcast from the MAC address that ends in `source`, of a type of its own.
pub(crate) fn broadcast(source: u8) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0, source, 0x88, 0xb5]);
    frame.resize(60, 7);
    frame
}

/// An ARP frame.
pub(crate) fn arp(operation: u8, macs: [[u8; 6]; 2], sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    let [destination, source] = macs;
    let mut frame = [destination, source].concat();
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, operation]);
    frame.extend(source);
    frame.extend(sender);
    frame.extend([0; 6]);
    frame.extend(target);
    frame.resize(60, 0);
    frame
}

/// IPv4 with TCP or UDP and these ports, between the addresses of `p`.
pub(crate) fn ipv4(protocol: u8, ports: [u16; 2], length: usize) -> Vec<u8> {
    let mut frame = p();
    frame.resize(length, 0x5a);
    let total = u16::try_from(length - 14).unwrap();
    frame[16..18].copy_from_slice(&total.to_be_bytes());
    frame[23] = protocol;
    frame[34..36].copy_from_slice(&ports[0].to_be_bytes());
    frame[36..38].copy_from_slice(&ports[1].to_be_bytes());
    if protocol == 17 {
        frame[38..40].copy_from_slice(&(total - 20).to_be_bytes());
        frame[40..42].fill(0);
    } else {
        frame[46] = 0x50;
    }
    ip_checksum(&mut frame, 14);
    frame
}

/// IPv6 with UDP and these ports, from `2001:db8::1` to `2001:db8::2` between the MACs of `p`.
pub(crate) fn ipv6(ports: [u16; 2]) -> Vec<u8> {
    let mut frame = p()[..12].to_vec();
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 17, 64]);
    for end in [1, 2] {
        frame.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, end]);
    }
    frame.extend(ports.map(u16::to_be_bytes).concat());
    frame.extend([0, 8, 0, 0]);
    frame
}

/// The same frame in the other direction.
pub(crate) fn answer(frame: &[u8]) -> Vec<u8> {
    let mut answer = frame.to_vec();
    let mut swap = |a: usize, b: usize, length: usize| {
        answer[a..a + length].copy_from_slice(&frame[b..b + length]);
        answer[b..b + length].copy_from_slice(&frame[a..a + length]);
    };
    swap(0, 6, 6);
    if frame[12] == 0x86 {
        swap(22, 38, 16);
        swap(54, 56, 2);
    } else {
        swap(26, 30, 4);
        swap(34, 36, 2);
    }
    answer
}

/// Writes the checksum of the IPv4 header at `at`.
pub(crate) fn ip_checksum(frame: &mut [u8], at: usize) {
    frame[at + 10..at + 12].fill(0);
    let sum = checksum(&frame[at..at + 20]);
    frame[at + 10..at + 12].copy_from_slice(&sum.to_be_bytes());
}

pub(crate) fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
