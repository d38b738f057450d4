//! Frames from the underlay, and to it.

use dash_core::pipeline::chain::DropReason;
use dash_hal::{PortId, ReceiveFlags};

use crate::{
    cases::{case1, case2},
    frames::{checksum, ip_checksum, ipv4, p, r, vector},
    platform::arrived,
    steering::crc32c,
    world::{UNDERLAY, World, left},
};

const H1: u16 = 0;
const H2: u16 = 1;

const IP: usize = 14;
const UDP: usize = 34;
const GENEVE: usize = 42;
const OPTION: usize = 50;
const INNER: usize = 58;

/// The option of g1.
const OURS: [u8; 8] = [1, 2, 0x80, 1, 0, 3, 0, 4];

/// Makes a frame wrong.
type Spoil<'s> = &'s dyn Fn(&mut Vec<u8>);

/// g1 with other options in front of the frame inside.
fn with_options(options: &[u8]) -> Vec<u8> {
    let g1 = vector("g1");
    let mut frame = g1[..OPTION].to_vec();
    frame.extend(options);
    frame.extend(&g1[INNER..]);
    frame[GENEVE] = (options.len() / 4) as u8;
    lengths(&mut frame);
    frame
}

/// Writes the lengths of the outer headers.
fn lengths(frame: &mut [u8]) {
    let length = frame.len();
    frame[IP + 2..IP + 4].copy_from_slice(&((length - IP) as u16).to_be_bytes());
    frame[UDP + 4..UDP + 6].copy_from_slice(&((length - UDP) as u16).to_be_bytes());
    ip_checksum(frame, IP);
}

#[test]
fn chain_s22() {
    let mut world = World::new(&case2());
    for vni in [[0, 0, 0], [0, 0, 2], [1, 0, 1]] {
        let mut frame = vector("g1");
        frame[GENEVE + 4..GENEVE + 7].copy_from_slice(&vni);
        world.drops(H2, UNDERLAY.0, &frame, DropReason::UnknownVni);
    }
}

#[test]
fn chain_s23() {
    let mut world = World::new(&case2());
    let bad: [&[u8]; 8] = [
        &[],
        // Wrong class, wrong type, not critical.
        &[1, 3, 0x80, 1, 0, 3, 0, 4],
        &[1, 2, 0x81, 1, 0, 3, 0, 4],
        &[1, 2, 0x00, 1, 0, 3, 0, 4],
        // No data; more than one word.
        &[1, 2, 0x80, 0],
        &[1, 2, 0x80, 2, 0, 3, 0, 4, 0, 0, 0, 0],
        // Twice.
        &[1, 2, 0x80, 1, 0, 3, 0, 4, 1, 2, 0x80, 1, 0, 3, 0, 4],
        // It runs past the options.
        &[1, 2, 0x80, 3, 0, 3, 0, 4],
    ];
    for options in bad {
        world.drops(H2, UNDERLAY.0, &with_options(options), DropReason::BadGeneve);
    }
    let critical = [&OURS[..], &[9, 9, 0x80, 0]].concat();
    world.drops(H2, UNDERLAY.0, &with_options(&critical), DropReason::BadGeneve);
    for options in [
        OURS.to_vec(),
        [&[9, 9, 0x7f, 1, 5, 5, 5, 5][..], &OURS].concat(),
        [&OURS[..], &[9, 9, 0x00, 0]].concat(),
    ] {
        assert_eq!(
            world.step(H2, UNDERLAY.0, &with_options(&options)),
            [left(H2, 4, &p())],
            "{options:?}"
        );
    }
    // The options run past the datagram.
    let mut frame = vector("g1");
    frame[GENEVE] = 63;
    world.drops(H2, UNDERLAY.0, &frame, DropReason::BadGeneve);
}

#[test]
fn chain_s24() {
    let mut net = case2();
    net.classifiers.clear();
    let mut world = World::new(&net);
    let mut other = vector("g3");
    other[OPTION + 5] = 3;
    let inner = &vector("g3")[INNER..];
    assert_eq!(world.step(H2, UNDERLAY.0, &other), [left(H2, 4, inner)]);
    world.drops(H2, UNDERLAY.0, &vector("g3"), DropReason::Loopback);
    // The first bit of the option is no part of the port.
    other[OPTION + 4..OPTION + 6].copy_from_slice(&[0x80, 4]);
    world.drops(H2, UNDERLAY.0, &other, DropReason::Loopback);
    // Nor does a chain of one way let a frame come home.
    let mut uni = case2();
    uni.classifiers[0].bidirectional = false;
    World::new(&uni).drops(H2, UNDERLAY.0, &vector("g3"), DropReason::Loopback);
    // To a port of another host, and to one that is not there.
    world.drops(H1, UNDERLAY.0, &vector("g1"), DropReason::NotLocal);
    let mut frame = vector("g1");
    frame[OPTION + 7] = 99;
    world.drops(H2, UNDERLAY.0, &frame, DropReason::BadGeneve);
}

#[test]
fn chain_s25() {
    let mut world = World::new(&case2());
    let mut frame = vector("g1");
    frame[UDP + 6] = 1;
    world.drops(H2, UNDERLAY.0, &frame, DropReason::BadChecksum);
    frame[UDP + 6] = 0;
    let mut covered = frame[IP + 12..IP + 20].to_vec();
    covered.extend([0, 17]);
    covered.extend(&frame[UDP + 4..UDP + 6]);
    covered.extend(&frame[UDP..]);
    let sum = checksum(&covered);
    frame[UDP + 6..UDP + 8].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(world.step(H2, UNDERLAY.0, &frame), [left(H2, 4, &p())]);
}

#[test]
fn chain_s30() {
    for length in [60, 1500, 9000] {
        let mut world = World::new(&case2());
        for node in world.cold.iter_mut().chain(&mut world.warm) {
            node.device.underlay.1 = 9500;
        }
        let frame = ipv4(17, [4000, 53], length);
        assert_eq!(world.delivers(H1, 1, &frame), [left(H1, 2, &frame)]);
        let (delivered, carried) = world.send(H1, 3, &frame);
        assert_eq!(delivered, [left(H2, 4, &frame)]);
        assert_eq!(carried[0].frame.len(), length + 58);
        // The outer datagram is 44 bytes longer than the frame.
        for (mtu, fits) in [(length + 44, true), (length + 43, false)] {
            for node in world.cold.iter_mut().chain(&mut world.warm) {
                node.device.underlay.1 = mtu as u16;
            }
            if fits {
                assert_eq!(world.delivers(H1, 3, &frame), [left(H2, 4, &frame)]);
            } else {
                world.drops(H1, 3, &frame, DropReason::Mtu);
            }
        }
        // Local ports take it all the same.
        assert_eq!(world.delivers(H1, 1, &frame), [left(H1, 2, &frame)]);
    }
}

#[test]
fn chain_s31() {
    let mut world = World::new(&case1());
    for tpid in [[0x81, 0x00], [0x88, 0xa8]] {
        let mut frame = p();
        frame.splice(12..12, [tpid[0], tpid[1], 0, 5]);
        for port in [1, 2, 3, 4, UNDERLAY.0] {
            world.drops(0, port, &frame, DropReason::VlanPresent);
        }
    }
}

#[test]
fn what_is_behind_the_datagram_is_cut() {
    let mut world = World::new(&case2());
    let mut frame = vector("g1");
    frame.extend([1, 2, 3]);
    assert_eq!(world.step(H2, UNDERLAY.0, &frame), [left(H2, 4, &p())]);
    // UDP ends before IP does.
    lengths(&mut frame);
    frame[UDP + 4..UDP + 6].copy_from_slice(&74_u16.to_be_bytes());
    assert_eq!(world.step(H2, UNDERLAY.0, &frame), [left(H2, 4, &p())]);
}

#[test]
fn outer_headers_that_are_wrong() {
    let mut world = World::new(&case2());
    let cases: [(Spoil<'_>, DropReason); 17] = [
        (&|f| f.truncate(13), DropReason::Truncated),
        // A header that ends before its last byte: IPv4, its options, UDP.
        (&|f| f.truncate(UDP - 1), DropReason::Truncated),
        (
            &|f| {
                f[IP] = 0x4f;
                f.truncate(IP + 59);
            },
            DropReason::Truncated,
        ),
        (
            &|f| {
                f.truncate(UDP + 7);
                f[IP + 3] = 27;
                ip_checksum(f, IP);
            },
            DropReason::Truncated,
        ),
        (&|f| f[IP] = 0x65, DropReason::BadIp),
        (&|f| f[IP + 8] = 1, DropReason::BadIp),
        // The checksum comes before what does not fit behind it: the UDP length, a TCP header.
        (&|f| f[IP + 3] -= 1, DropReason::BadIp),
        (&|f| f[IP + 9] = 6, DropReason::BadIp),
        (
            &|f| {
                f[IP + 6] = 0x20;
                lengths(f);
            },
            DropReason::BadGeneve,
        ),
        (&|f| f.truncate(100), DropReason::BadIp),
        (&|f| f[UDP + 5] = 7, DropReason::BadUdp),
        (&|f| f[UDP + 2] = 0, DropReason::BadGeneve),
        (&|f| f[12] = 0x86, DropReason::BadGeneve),
        (&|f| f[GENEVE] = 0x42, DropReason::BadGeneve),
        (&|f| f[GENEVE + 2] = 8, DropReason::BadGeneve),
        (
            &|f| {
                f.truncate(GENEVE + 7);
                lengths(f);
            },
            DropReason::Truncated,
        ),
        (
            &|f| {
                f.truncate(INNER + 13);
                lengths(f);
            },
            DropReason::Truncated,
        ),
    ];
    for (spoil, reason) in cases {
        let mut frame = vector("g1");
        spoil(&mut frame);
        world.drops(H2, UNDERLAY.0, &frame, reason);
    }
    // Not looked at: source, MAC addresses, O and C bits, reserved bits, the ingress port.
    let mut frame = vector("g1");
    frame[..12].fill(2);
    frame[IP + 15] = 77;
    ip_checksum(&mut frame, IP);
    frame[GENEVE + 1] = 0xbf;
    frame[GENEVE + 7] = 0xff;
    frame[OPTION + 5] = 77;
    assert_eq!(world.step(H2, UNDERLAY.0, &frame), [left(H2, 4, &p())]);
}

#[test]
fn frames_that_are_not_ip_have_a_source_port_of_their_own() {
    let mut world = World::new(&case2());
    let mut frame = p();
    frame[12..14].copy_from_slice(&[0x88, 0xb5]);
    let (delivered, carried) = world.send(H1, 3, &frame);
    assert_eq!(delivered, [left(H2, 4, &frame)]);
    let port = 0xc000 | crc32c(&frame[..14]) as u16 & 0x3fff;
    assert_eq!(carried[0].frame[UDP..UDP + 2], port.to_be_bytes());
}

/// A NIC that took a tag off, cut a frame or found a checksum wrong says so; on logical ports the
/// checksums are the applications' affair.
#[test]
fn what_the_nic_says_counts() {
    type Flags = ReceiveFlags;
    let mut world = World::new(&case2());
    let node = &mut world.warm[1];
    let logical = PortId(4);
    for (flags, port, reason) in [
        (Flags::VLAN_STRIPPED, logical, Some(DropReason::VlanPresent)),
        (Flags::VLAN_STRIPPED, UNDERLAY, Some(DropReason::VlanPresent)),
        (Flags::TRUNCATED, logical, Some(DropReason::Truncated)),
        (Flags::TRUNCATED, UNDERLAY, Some(DropReason::Truncated)),
        (Flags::L3_BAD, UNDERLAY, Some(DropReason::ChecksumBad)),
        (Flags::L4_BAD, UNDERLAY, Some(DropReason::ChecksumBad)),
        (Flags::L3_BAD | Flags::L4_BAD, logical, None),
    ] {
        let frame = if port == UNDERLAY { vector("g1") } else { r() };
        // With a flow already there, and none.
        for flags in [Flags::empty(), flags] {
            let before = DropReason::ALL.map(|reason| node.counters().drops(reason));
            let mut buffer = arrived(&frame, port);
            buffer.metadata.flags = flags;
            let out = node.receive(buffer, 0);
            let mut after = before;
            if let Some(reason) = reason.filter(|_| !flags.is_empty()) {
                assert_eq!(out, []);
                after[reason as usize] += 1;
            } else {
                assert_eq!(out.len(), 1);
            }
            assert_eq!(DropReason::ALL.map(|reason| node.counters().drops(reason)), after);
        }
    }
}
