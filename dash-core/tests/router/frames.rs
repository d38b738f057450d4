//! Frames of the specification, and others made of them.

use dash_core::wire::checksum::Checksum;

/// The frame of this name in the specification's vectors.
pub(crate) fn vector(name: &str) -> Vec<u8> {
    let lines = include_str!("vectors.txt").lines();
    let mut frames = lines.map(|line| line.split(' ').collect::<Vec<_>>());
    let found = frames.find(|fields| fields[0] == name).unwrap_or_else(|| panic!("{name}"));
    hex(found[3])
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let text: String = text.split_whitespace().collect();
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// With a right IPv4 header checksum.
pub(crate) fn sealed(mut frame: Vec<u8>) -> Vec<u8> {
    let end = 14 + usize::from(frame[14] & 15) * 4;
    frame[24..26].fill(0);
    let sum = Checksum::new().bytes(&frame[14..end]).finish();
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame
}

/// With other bytes at some places, and a right IPv4 header checksum.
pub(crate) fn changed(name: &str, changes: &[(usize, &[u8])]) -> Vec<u8> {
    let mut frame = vector(name);
    for (at, bytes) in changes {
        frame[*at..*at + bytes.len()].copy_from_slice(bytes);
    }
    if frame[12..14] == [8, 0] { sealed(frame) } else { frame }
}

/// With a VLAN tag.
pub(crate) fn tagged(frame: &[u8], vlan: u16) -> Vec<u8> {
    [&frame[..12], &[0x81, 0], &vlan.to_be_bytes(), &frame[12..]].concat()
}

/// IPv6 between two MAC addresses.
pub(crate) fn ipv6(
    macs: [[u8; 6]; 2],
    [from, to]: [[u8; 16]; 2],
    next: u8,
    hops: u8,
    upper: &[u8],
) -> Vec<u8> {
    let length = (upper.len() as u16).to_be_bytes();
    let head = [&[0x60, 0, 0, 0][..], &length, &[next, hops], &from, &to].concat();
    [&macs[1][..], &macs[0], &[0x86, 0xdd], &head, upper].concat()
}

/// A message of ICMPv6 with its checksum.
pub(crate) fn icmpv6([from, to]: [[u8; 16]; 2], mut message: Vec<u8>) -> Vec<u8> {
    message[2..4].fill(0);
    let pseudo = Checksum::new().pseudo_ipv6(from.into(), to.into(), 58, message.len() as u32);
    let sum = pseudo.bytes(&message).finish();
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}
