//! What is refused, and where it is counted.

use dash_core::{
    flow::WhenFull,
    pipeline::flow_cache::{DropReason, Note, Refused, Vtep},
};
use dash_hal::{Burst, PortId, ReceiveFlags, SoftwareHints};
use proptest::prelude::*;

use crate::{
    bench::{Bench, DC, OTR, SETTINGS, SRV, vtep, vteps},
    frames::{checksum, fc, from_server, sum_ip},
    platform::arrived,
    reading::outer,
};

/// FC1 after a change; the IPv4 checksum is right.
fn changed(change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut frame = fc(1);
    change(&mut frame);
    sum_ip(&mut frame, 14);
    frame
}

/// Dropped for this reason, from the data centre and from the router.
#[track_caller]
fn refused(frame: &[u8], reason: DropReason) {
    let mut bench = Bench::new();
    bench.drops(DC, frame, reason);
    bench.drops(OTR, frame, reason);
}

#[test]
fn flow_cache_s17() {
    let mut bench = Bench::new();
    bench.drops(DC, &changed(|frame| frame[33] = 11), DropReason::NoVtep);
}

#[test]
fn flow_cache_s18() {
    let mut bench = Bench::new();
    bench.drops(DC, &changed(|frame| frame[48] = 101), DropReason::UnknownVni);
    // An entry for any VNI takes the rest.
    let any = Vtep { vni: None, vlan: 99, ..vtep() };
    for entries in [[vtep(), any], [any, vtep()]] {
        let mut bench = Bench::with(SETTINGS, &entries, 64, WhenFull::Forward);
        assert_eq!(bench.send(DC, &changed(|frame| frame[48] = 101))[0].1[15], 99);
        assert_eq!(bench.send(DC, &fc(1))[0].1[15], 10);
    }
}

#[test]
fn flow_cache_s19() {
    refused(&changed(|frame| frame[46 - 4] = 0), DropReason::BadVxlan);
    refused(&changed(|frame| frame[37] = 0xb4), DropReason::NotVxlan);
    refused(&changed(|frame| frame[23] = 6), DropReason::NotVxlan);
    refused(&changed(|frame| frame[20] = 0x20), DropReason::NotVxlan);
    refused(&changed(|frame| frame[13] = 6), DropReason::NotVxlan);
    for length in 0..fc(1).len() {
        // In wire order: behind the outer IPv4 header its total length is impossible.
        let reason = if length < 34 { DropReason::Truncated } else { DropReason::BadIp };
        refused(&fc(1)[..length], reason);
    }
    // The same with an outer IPv4 datagram that ends there.
    for length in 34..fc(1).len() {
        let total = length as u16 - 14;
        let frame = changed(|frame| {
            frame[16..18].copy_from_slice(&total.to_be_bytes());
            frame.truncate(length);
        });
        let reason = if length < 42 { DropReason::Truncated } else { DropReason::BadUdp };
        refused(&frame, reason);
    }
    // And a UDP datagram too.
    for length in 42..fc(1).len() {
        let frame = changed(|frame| {
            frame[16..18].copy_from_slice(&(length as u16 - 14).to_be_bytes());
            frame[38..40].copy_from_slice(&(length as u16 - 34).to_be_bytes());
            frame.truncate(length);
        });
        match length {
            42..50 => refused(&frame, DropReason::BadUdp),
            50..64 => refused(&frame, DropReason::Truncated),
            _ => assert_eq!(Bench::new().send(DC, &frame)[0].1.len(), length - 50 + 4),
        }
    }
}

#[test]
fn flow_cache_s20() {
    refused(&changed(|frame| frame[39] = 15), DropReason::BadUdp);
    // Its length is in front of its checksum.
    refused(&changed(|frame| frame[39..42].copy_from_slice(&[15, 0, 1])), DropReason::BadUdp);
    refused(&changed(|frame| frame[39] = 0x5f), DropReason::BadUdp);
    refused(&changed(|frame| frame[17] = 0x73), DropReason::BadIp);
    refused(&changed(|frame| frame[14] = 0x44), DropReason::BadIp);
    refused(&changed(|frame| frame[14] = 0x65), DropReason::BadIp);
    let mut sum = fc(1);
    sum[24] ^= 1;
    refused(&sum, DropReason::BadIp);
    let mut bench = Bench::new();
    // Forty bytes of options.
    let options = changed(|frame| {
        frame[14] = 0x4f;
        frame.splice(34..34, [1; 40]);
        let total = frame.len() as u16 - 14;
        frame[16..18].copy_from_slice(&total.to_be_bytes());
    });
    assert_eq!(bench.send(DC, &options), [(SRV, fc(2))]);
    refused(&options[..73], DropReason::Truncated);
    // Ethernet alone inside.
    let alone = changed(|frame| {
        frame[17] = 20 + 8 + 8 + 14;
        frame[39] = 8 + 8 + 14;
        frame.truncate(64);
    });
    assert_eq!(bench.send(DC, &alone), [(SRV, [&fc(2)[..18]].concat())]);
    // What lies behind the UDP or the IP datagram is no part of the frame inside.
    let shorter = changed(|frame| frame[39] -= 6);
    assert_eq!(bench.send(DC, &shorter), [(SRV, fc(2)[..82 - 6].to_vec())]);
    let padded = [fc(1), vec![9; 6]].concat();
    assert_eq!(bench.send(DC, &padded), [(SRV, fc(2))]);
    // An outer tag goes too.
    let mut tagged = fc(1);
    tagged.splice(12..12, [0x81, 0, 0, 7]);
    assert_eq!(bench.send(DC, &tagged), [(SRV, fc(2))]);
    refused(&tagged[..17], DropReason::Truncated);
}

#[test]
fn flow_cache_s21() {
    let mut frame = fc(1);
    let mut bench = Bench::new();
    let sum = checksum(&[&frame[26..34], &[0, 17, 0, 0x5e], &frame[34..]].concat());
    frame[40..42].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(bench.send(DC, &frame), [(SRV, fc(2))]);
    frame[41] ^= 1;
    refused(&frame, DropReason::BadChecksum);
}

#[test]
fn flow_cache_s22() {
    let mut bench = Bench::new();
    let inner = [&fc(1)[50..62], &[0x81, 0, 0x20, 5], &fc(1)[62..]].concat();
    let mut frame = crate::frames::vxlan(100, 0, &inner);
    frame[26..34].copy_from_slice(&fc(1)[26..34]);
    sum_ip(&mut frame, 14);
    let out = [&inner[..12], &[0x81, 0, 0, 10], &inner[12..]].concat();
    assert_eq!(bench.send(DC, &frame), [(SRV, out)]);
}

#[test]
fn flow_cache_s23() {
    let mut bench = Bench::new();
    let tagged = |vlan: u16| {
        let mut frame = fc(3);
        frame[14..16].copy_from_slice(&vlan.to_be_bytes());
        frame
    };
    bench.drops(SRV, &[&fc(3)[..12], &fc(3)[16..]].concat(), DropReason::Untagged);
    bench.drops(SRV, &tagged(0), DropReason::Untagged);
    bench.drops(SRV, &tagged(0xe000), DropReason::Untagged);
    for length in 0..18 {
        bench.drops(SRV, &fc(3)[..length], DropReason::Truncated);
    }
    bench.passes(SRV, &tagged(256), OTR);
    bench.passes(SRV, &tagged(4095), OTR);
    assert_eq!((bench.noted(Note::VidWide), bench.engine.flows().len()), (2, 0));
    bench.passes(SRV, &tagged(255), OTR);
    assert_eq!((bench.noted(Note::VidWide), bench.engine.flows().len()), (2, 1));
    // Without IP.
    let mut other = tagged(256);
    other[17] = 6;
    bench.passes(SRV, &other, OTR);
    assert_eq!((bench.noted(Note::VidWide), bench.noted(Note::Uncached)), (2, 1));
}

/// A server's frame with a bad IPv4 header, or for many, goes to the router without a flow.
#[test]
fn what_has_no_flow_goes_to_the_router() {
    let mut bench = Bench::new();
    let changes: [fn(&mut [u8]); 6] = [
        |frame| frame[18] = 0x55,
        |frame| frame[18] = 0x44,
        |frame| frame[21] += 1,
        |frame| frame[21] = 19,
        |frame| frame[34] = 224,
        |frame| frame[34..38].fill(255),
    ];
    for change in changes {
        let mut frame = fc(3);
        change(&mut frame);
        sum_ip(&mut frame, 18);
        bench.passes(SRV, &frame, OTR);
    }
    let mut sum = fc(3);
    sum[28] ^= 1;
    bench.passes(SRV, &sum, OTR);
    bench.passes(SRV, &fc(3)[..37], OTR);
    let mut twice = fc(3);
    twice.splice(12..12, [0x81, 0, 0, 7]);
    bench.passes(SRV, &twice, OTR);
    assert_eq!((bench.noted(Note::Uncached), bench.engine.flows().len()), (9, 0));
}

/// Fragments behind the first begin with anything, and have a flow; the first message of neighbour
/// discovery and the last one have none, what is around them has.
#[test]
fn neighbour_discovery_has_no_flow() {
    let remote = "2001:db8::1".parse().unwrap();
    for (kind, has_flow) in [(132, true), (133, false), (137, false), (138, true)] {
        let mut frame = from_server(10, remote, &[0; 16]);
        (frame[18 + 6], frame[18 + 40]) = (58, kind);
        let mut bench = Bench::new();
        bench.passes(SRV, &frame, OTR);
        assert_eq!(bench.engine.flows().len(), usize::from(has_flow));
        // Of UDP the byte is a part of a port.
        let mut udp = frame.clone();
        udp[18 + 6] = 17;
        let mut bench = Bench::new();
        bench.passes(SRV, &udp, OTR);
        assert_eq!(bench.engine.flows().len(), 1);
        // In a fragment header: the first one, a later one.
        frame.splice(58..58, [58, 0, 0, 1, 0, 0, 0, 1]);
        frame[18 + 5] += 8;
        frame[18 + 6] = 44;
        let mut bench = Bench::new();
        bench.passes(SRV, &frame, OTR);
        assert_eq!(bench.engine.flows().len(), usize::from(has_flow));
        frame[61] = 8;
        let mut bench = Bench::new();
        bench.passes(SRV, &frame, OTR);
        assert_eq!(bench.engine.flows().len(), 1);
    }
}

#[test]
fn what_the_nic_says_counts() {
    type Flags = ReceiveFlags;
    for (flags, port, reason) in [
        (Flags::TRUNCATED, DC, Some(DropReason::Truncated)),
        (Flags::TRUNCATED, OTR, Some(DropReason::Truncated)),
        (Flags::TRUNCATED, SRV, Some(DropReason::Truncated)),
        (Flags::L3_BAD, DC, Some(DropReason::ChecksumBad)),
        (Flags::L4_BAD, OTR, Some(DropReason::ChecksumBad)),
        // That of the server's own frame is the tenant's affair.
        (Flags::L4_BAD, SRV, None),
    ] {
        let mut bench = Bench::new();
        let mut buffer = arrived(&fc([1, 4, 3][usize::from(port.0)]), port);
        buffer.metadata.flags = flags;
        let mut burst = Burst::new();
        burst.push(buffer).unwrap();
        bench.engine.process(&mut burst, 0, &mut bench.device, &mut ());
        bench.engine.flush(&mut bench.device);
        assert_eq!(bench.device.sent.is_empty(), reason.is_some());
        for other in DropReason::ALL {
            assert_eq!(bench.dropped(other), u64::from(Some(other) == reason));
        }
    }
}

#[test]
fn wrong_entries_are_refused() {
    let mut vteps = vteps(&[]);
    let cases = [
        (vec![vtep(), vtep()], Refused::Twice),
        (vec![Vtep { vni: None, ..vtep() }; 2], Refused::Twice),
        (vec![Vtep { vlan: 0, ..vtep() }], Refused::Vlan),
        (vec![Vtep { vlan: 4095, ..vtep() }], Refused::Vlan),
        (vec![Vtep { vni: Some(1 << 24), ..vtep() }], Refused::Vni),
        (vec![Vtep { port: PortId(65_535), ..vtep() }], Refused::Port),
        ((0..40).map(|vni| Vtep { vni: Some(vni), ..vtep() }).collect(), Refused::Full),
    ];
    for (entries, why) in cases {
        assert_eq!(vteps.fill(&entries, &SoftwareHints), Err(why));
    }
    // Of what was refused nothing is there, not even the right entries in front.
    let mut bench = Bench::new();
    bench.engine.pipeline_mut().configure(SETTINGS, &mut vteps);
    bench.drops(DC, &fc(1), DropReason::NoVtep);
}

/// FC1 with other bytes somewhere, cut, or with another length.
fn spoilt() -> impl Strategy<Value = Vec<u8>> {
    let change = (12..64_usize, prop_oneof![any::<u8>(), 0..9_u8, Just(0x45), Just(0x4f)]);
    let changes = prop::collection::vec(change, 0..3);
    (changes, prop::option::of(0..128_usize), any::<bool>(), any::<bool>()).prop_map(
        |(changes, cut, sums, lengths)| {
            let mut frame = fc(1);
            for (place, octet) in changes {
                frame[place] = octet;
            }
            frame.truncate(cut.unwrap_or(frame.len()));
            if lengths && frame.len() >= 42 {
                let length = frame.len() as u16;
                frame[16..18].copy_from_slice(&(length - 14).to_be_bytes());
                frame[38..40].copy_from_slice(&(length - 34).to_be_bytes());
            }
            if sums && frame.len() >= 74 && frame[14] & 15 >= 5 {
                sum_ip(&mut frame, 14);
            }
            frame
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// The first check that fails is the one that a naive reading finds.
    #[test]
    fn wrong_frames_end_as_they_are_read(frame in spoilt()) {
        let mut bench = Bench::new();
        match outer(&frame) {
            Err(reason) => {
                bench.drops(DC, &frame, reason);
                bench.drops(OTR, &frame, reason);
            }
            Ok(read) => {
                bench.passes(OTR, &frame, DC);
                if (read.destination, read.vni) == ([10; 4], 100) {
                    let right =
                        [&read.inside[..12], &[0x81, 0, 0, 10], &read.inside[12..]].concat();
                    prop_assert_eq!(bench.send(DC, &frame), [(SRV, right)]);
                } else if read.destination == [10; 4] {
                    bench.drops(DC, &frame, DropReason::UnknownVni);
                } else {
                    bench.drops(DC, &frame, DropReason::NoVtep);
                }
            }
        }
    }
}
