//! What is learnt, what leaves directly, and in which order.

use dash_core::{
    flow::{Removal, WhenFull},
    pipeline::flow_cache::{DropReason, Note, Order, Phase, Settings, Vtep},
    rewrite::Endpoints,
};
use dash_hal::{PortId, SoftwareHints};
use smoltcp::wire::IpAddress;

use crate::{
    bench::{Bench, DC, MS, OTR, SETTINGS, SRV, vtep},
    frames::{direct, fc, from_router, from_server, remote, tenant},
};

#[test]
fn flow_cache_s01() {
    let mut bench = Bench::new();
    assert_eq!(bench.send(DC, &fc(1)), [(SRV, fc(2))]);
    assert!(bench.engine.flows().is_empty());
}

#[test]
fn flow_cache_s02() {
    let mut bench = Bench::new();
    bench.passes(SRV, &fc(3), OTR);
    let flow = bench.flow(10, remote()).unwrap();
    assert_eq!((flow.state.phase(), flow.state.inflight()), (Phase::New, 1));
    assert_eq!((flow.packets, flow.bytes), (1, 82));
}

#[test]
fn flow_cache_s03() {
    let mut bench = Bench::new();
    bench.passes(SRV, &fc(3), OTR);
    bench.passes(OTR, &fc(4), DC);
    let flow = bench.flow(10, remote()).unwrap();
    assert_eq!((flow.state.phase(), flow.state.inflight()), (Phase::Learnt, 0));
    let learnt = bench.engine.flows().rewrite(&flow).tunnel.tunnel();
    let endpoints =
        Endpoints::V4 { source: [10, 10, 10, 10].into(), destination: [10, 0, 0, 1].into() };
    assert_eq!((learnt.vni, learnt.endpoints, learnt.source_port), (100, endpoints, 4789));
    assert_eq!((flow.packets, flow.bytes), (2, 82 + 128));
}

/// Both walks of the specification.
#[test]
fn flow_cache_s04() {
    let mut bench = Bench::new();
    assert_eq!(bench.send(DC, &fc(1)), [(SRV, fc(2))]);
    bench.passes(SRV, &fc(3), OTR);
    bench.passes(OTR, &fc(4), DC);
    assert_eq!(bench.send(DC, &fc(1)), [(SRV, fc(2))]);
    assert_eq!(bench.send(SRV, &fc(3)), [(DC, fc(5))]);
    assert_eq!(bench.flow(10, remote()).unwrap().packets, 3);
}

#[test]
fn flow_cache_s05() {
    let server = |vni, vlan| Vtep { vni: Some(vni), vlan, ..vtep() };
    let vteps = [server(100, 10), server(200, 20), server(300, 30)];
    let mut bench = Bench::with(SETTINGS, &vteps, 64, WhenFull::Forward);
    for (vni, vlan) in [(100_u32, 10), (200, 20), (300, 30)] {
        let mut frame = fc(1);
        frame[46..50].copy_from_slice(&(vni << 8).to_be_bytes());
        let mut tagged = fc(2);
        tagged[15] = vlan;
        assert_eq!(bench.send(DC, &frame), [(SRV, tagged)]);
        let frame = from_server(vlan.into(), remote(), b"first");
        bench.passes(SRV, &frame, OTR);
        bench.passes(OTR, &from_router(vlan, vni, remote(), b"first"), DC);
    }
    for (vni, vlan) in [(100, 10), (200, 20), (300, 30)] {
        let out = bench.send(SRV, &from_server(vlan, remote(), b"second"));
        assert_eq!(out, [(DC, direct(vni, remote(), b"second"))]);
    }
}

#[test]
fn flow_cache_s06() {
    let mut bench = Bench::new();
    bench.passes(SRV, &from_server(10, remote(), b""), OTR);
    bench.passes(SRV, &from_server(20, remote(), b""), OTR);
    bench.passes(OTR, &from_router(20, 200, remote(), b""), DC);
    assert_eq!(bench.engine.flows().len(), 2);
    assert_eq!(bench.flow(10, remote()).unwrap().state.phase(), Phase::New);
    assert_eq!(bench.flow(20, remote()).unwrap().state.phase(), Phase::Learnt);
}

#[test]
fn flow_cache_s07() {
    let mut bench = Bench::new();
    bench.passes(OTR, &fc(4), DC);
    assert_eq!(bench.flow(10, remote()).unwrap().state.inflight(), 0);
    assert_eq!(bench.send(SRV, &fc(3)), [(DC, fc(5))]);
}

#[test]
fn flow_cache_s08() {
    let mut bench = Bench::new();
    let frame = |number: u8| from_server(10, remote(), &[number]);
    let answer = |number: u8| from_router(10, 100, remote(), &[number]);
    let inflight = |bench: &Bench| bench.flow(10, remote()).unwrap().state.inflight();
    for number in 0..3 {
        bench.passes(SRV, &frame(number), OTR);
    }
    assert_eq!(inflight(&bench), 3);
    bench.passes(OTR, &answer(0), DC);
    assert_eq!(inflight(&bench), 2);
    bench.passes(SRV, &frame(3), OTR);
    assert_eq!(inflight(&bench), 3);
    for number in 1..4 {
        bench.passes(OTR, &answer(number), DC);
    }
    // At the data centre, frames 0 to 3 are before it.
    assert_eq!(bench.send(SRV, &frame(4)), [(DC, direct(100, remote(), &[4]))]);
}

#[test]
fn flow_cache_s09() {
    let settings = Settings { order: None, ..SETTINGS };
    let mut bench = Bench::with(settings, &[vtep()], 64, WhenFull::Forward);
    for _ in 0..3 {
        bench.passes(SRV, &fc(3), OTR);
    }
    bench.passes(OTR, &fc(4), DC);
    assert_eq!(bench.send(SRV, &fc(3)), [(DC, fc(5))]);
}

#[test]
fn flow_cache_s10() {
    let mut bench = Bench::new();
    bench.passes(SRV, &fc(3), OTR);
    bench.now = MS;
    bench.passes(SRV, &fc(3), OTR);
    bench.now = 2 * MS;
    bench.passes(OTR, &fc(4), DC);
    // The second answer is lost.
    bench.now = 101 * MS;
    bench.passes(SRV, &fc(3), OTR);
    bench.now = 202 * MS;
    assert_eq!(bench.send(SRV, &fc(3)), [(DC, fc(5))]);
    assert_eq!(bench.noted(Note::OrderForced), 0);
}

#[test]
fn a_nanosecond_after_the_guard_time_the_way_is_direct() {
    for (after, leaves) in [(100 * MS, OTR), (100 * MS + 1, DC)] {
        let mut bench = Bench::new();
        bench.passes(SRV, &fc(3), OTR);
        bench.passes(SRV, &fc(3), OTR);
        bench.passes(OTR, &fc(4), DC);
        bench.now = after;
        assert_eq!(bench.send(SRV, &fc(3))[0].0, leaves);
    }
}

/// A time before the last one counts as that one.
#[test]
fn time_that_steps_back_opens_no_way() {
    let mut bench = Bench::new();
    bench.now = 500 * MS;
    bench.passes(SRV, &fc(3), OTR);
    bench.passes(SRV, &fc(3), OTR);
    bench.passes(OTR, &fc(4), DC);
    bench.now = 1;
    bench.passes(SRV, &fc(3), OTR);
    assert_eq!(bench.noted(Note::OrderForced), 0);
}

/// A busy flow of which a frame was lost.
#[test]
fn the_direct_way_is_forced_after_a_time() {
    for (force_after, forced) in [(1_000, 1), (0, 0)] {
        let order = Some(Order { guard: 100, force_after });
        let settings = Settings { order, ..SETTINGS };
        let mut bench = Bench::with(settings, &[vtep()], 64, WhenFull::Forward);
        bench.passes(SRV, &fc(3), OTR);
        bench.passes(SRV, &fc(3), OTR);
        bench.passes(OTR, &fc(4), DC);
        for time in 1..=20 {
            bench.now = time * 50 * MS;
            bench.passes(SRV, &fc(3), OTR);
            bench.passes(OTR, &fc(4), DC);
        }
        bench.now += 1;
        let leaves = if forced == 1 { DC } else { OTR };
        assert_eq!(bench.send(SRV, &fc(3))[0].0, leaves);
        assert_eq!(bench.send(SRV, &fc(3))[0].0, leaves);
        assert_eq!(bench.noted(Note::OrderForced), forced);
    }
}

#[test]
fn flow_cache_s11() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.passes(OTR, &fc(4), DC);
        assert_eq!(bench.flow(10, remote()).unwrap().state.inflight(), 0);
    }
    assert_eq!(bench.send(SRV, &fc(3)), [(DC, fc(5))]);
}

#[test]
fn flow_cache_s12() {
    for (relearn, vni) in [(false, 100), (true, 200)] {
        let settings = Settings { relearn, ..SETTINGS };
        let mut bench = Bench::with(settings, &[vtep()], 64, WhenFull::Forward);
        bench.passes(OTR, &from_router(10, 100, remote(), b""), DC);
        bench.passes(OTR, &from_router(10, 200, remote(), b""), DC);
        bench.passes(OTR, &from_router(10, 200, remote(), b""), DC);
        let out = bench.send(SRV, &from_server(10, remote(), b""));
        assert_eq!(out, [(DC, direct(vni, remote(), b""))]);
        let learns = bench.engine.pipeline().counters().learns();
        assert_eq!(learns, 1 + u64::from(relearn));
    }
}

#[test]
fn flow_cache_s13() {
    for (after, lives) in [(30_000 * MS, true), (30_000 * MS + 1, false), (30_001 * MS, false)] {
        let mut bench = Bench::new();
        bench.passes(OTR, &fc(4), DC);
        bench.now = after;
        if lives {
            assert_eq!(bench.send(SRV, &fc(3)), [(DC, fc(5))]);
            assert!(bench.removed().is_empty());
        } else {
            bench.passes(SRV, &fc(3), OTR);
            let removed = bench.removed();
            assert_eq!((removed.len(), removed[0].why), (1, Removal::Idle));
            assert_eq!((removed[0].packets, removed[0].bytes), (1, 128));
            assert_eq!(removed[0].duration(), after);
            assert_eq!(bench.flow(10, remote()).unwrap().packets, 1);
        }
    }
}

#[test]
fn flow_cache_s14() {
    const FLOWS: usize = 8;
    let mut bench = Bench::with(SETTINGS, &[vtep()], FLOWS, WhenFull::Forward);
    let (last, full) = (FLOWS as u32, |bench: &Bench| bench.noted(Note::CacheFull));
    for number in 0..=last {
        bench.passes(SRV, &from_server(10, tenant(number), b""), OTR);
    }
    assert_eq!((bench.engine.flows().len(), full(&bench)), (FLOWS, 1));
    // The router's frame of it goes on and teaches nothing.
    bench.passes(OTR, &from_router(10, 100, tenant(last), b""), DC);
    bench.passes(SRV, &from_server(10, tenant(last), b""), OTR);
    assert_eq!((bench.engine.flows().len(), full(&bench)), (FLOWS, 3));
    assert_eq!(bench.engine.pipeline().counters().learns(), 0);
    bench.passes(OTR, &from_router(10, 100, tenant(0), b""), DC);
    let out = bench.send(SRV, &from_server(10, tenant(0), b""));
    assert_eq!(out, [(DC, direct(100, tenant(0), b""))]);
    // All but that one are over.
    bench.now = 30_000 * MS;
    bench.send(SRV, &from_server(10, tenant(0), b""));
    bench.now += 1;
    bench.passes(SRV, &from_server(10, tenant(last), b""), OTR);
    assert_eq!((bench.flow(10, tenant(last)).unwrap().packets, full(&bench)), (1, 3));
    assert_eq!(bench.removed().len(), 1);
}

/// A full table of `flows`, of which number `n` had `n` + 1 frames, the last one `flows - n` ms
/// before now; and the number of the one that makes room for a further flow.
fn evicted(flows: u32, when_full: WhenFull, newcomer: u32) -> Option<u32> {
    let mut bench = Bench::with(SETTINGS, &[vtep()], flows as usize, when_full);
    for number in (0..flows).rev() {
        bench.now += MS;
        for _ in 0..=number {
            bench.passes(SRV, &from_server(10, tenant(number), b""), OTR);
        }
    }
    bench.passes(SRV, &from_server(10, tenant(newcomer), b""), OTR);
    assert_eq!(bench.engine.flows().len(), flows as usize);
    let removed = bench.removed();
    assert_eq!(bench.flow(10, tenant(newcomer)).is_some(), !removed.is_empty());
    assert_eq!(bench.noted(Note::CacheFull), u64::from(removed.is_empty()));
    let went = removed.first().map(|flow| flow.key.remote());
    assert!(removed.iter().all(|flow| flow.why == Removal::Evicted));
    (0..flows).find(|number| Some(tenant(*number)) == went)
}

/// All flows of a table of two buckets are in the two buckets of the new one.
#[test]
fn flow_cache_s15() {
    for flows in [1, 2, 7, 8, 14, 16] {
        for newcomer in 100..116 {
            let least = |when_full| evicted(flows, when_full, newcomer);
            assert_eq!(least(WhenFull::EvictLeastUsed), Some(0));
            assert_eq!(least(WhenFull::EvictOldest), Some(flows - 1));
            assert_eq!(least(WhenFull::Forward), None);
        }
    }
}

/// In a larger one the least in these two goes, which is another for another flow.
#[test]
fn neighbours_make_room() {
    const FLOWS: u32 = 48;
    for when_full in [WhenFull::EvictLeastUsed, WhenFull::EvictOldest] {
        let went: Vec<_> = (100..164)
            .filter_map(|number| evicted(FLOWS, when_full, number))
            .map(|went| if when_full == WhenFull::EvictOldest { FLOWS - 1 - went } else { went })
            .collect();
        assert_eq!(went.len(), 64);
        let different: std::collections::BTreeSet<_> = went.iter().collect();
        assert!(different.len() > 4, "{different:?}");
        // Of some twelve flows in two buckets, the least is among the lesser ones of all.
        let lesser = went.iter().filter(|went| **went < FLOWS / 3).count();
        assert!(lesser > 56, "{went:?}");
    }
}

#[test]
fn flow_cache_s16() {
    const FLOWS: usize = 1_000;
    let mut bench = Bench::with(SETTINGS, &[vtep()], FLOWS, WhenFull::Forward);
    for number in 0..FLOWS as u32 + 100 {
        bench.passes(SRV, &from_server(10, tenant(number), b""), OTR);
        bench.passes(OTR, &from_router(10, 100, tenant(number), b""), DC);
    }
    let full = bench.noted(Note::CacheFull);
    let cached = bench.engine.flows().len();
    assert_eq!(cached as u64 + full / 2, FLOWS as u64 + 100);
    assert!(cached > FLOWS * 95 / 100);
    let mut direct = 0;
    for number in 0..FLOWS as u32 + 100 {
        let out = bench.send(SRV, &from_server(10, tenant(number), b""));
        direct += usize::from(out[0].0 == DC);
    }
    assert_eq!(direct, cached, "what is cached is found");
}

#[test]
fn flow_cache_s24() {
    let mut bench = Bench::new();
    let mut arp = fc(3)[..18].to_vec();
    arp[16..18].copy_from_slice(&[8, 6]);
    arp.extend([0; 46]);
    bench.passes(SRV, &arp, OTR);
    assert_eq!((bench.engine.flows().len(), bench.noted(Note::Uncached)), (0, 1));
}

#[test]
fn flow_cache_s25() {
    let mut bench = Bench::new();
    let remotes = ["2001:db8::1", "2001:db9::1", "2001:db8::2"];
    let remotes = remotes.map(|remote| remote.parse::<IpAddress>().unwrap());
    for (number, remote) in (100..).zip(remotes) {
        bench.passes(SRV, &from_server(10, remote, b""), OTR);
        bench.passes(OTR, &from_router(10, number, remote, b""), DC);
    }
    for (number, remote) in (100..).zip(remotes) {
        let out = bench.send(SRV, &from_server(10, remote, b"more"));
        assert_eq!(out, [(DC, direct(number, remote, b"more"))]);
    }
    // Neighbour discovery has no flow, and goes to the router.
    let mut solicitation = from_server(10, remotes[0], &[0; 16]);
    (solicitation[18 + 6], solicitation[18 + 40]) = (58, 135);
    bench.passes(SRV, &solicitation, OTR);
    assert_eq!((bench.engine.flows().len(), bench.noted(Note::Uncached)), (3, 1));
    // Nor has a header that is wrong.
    let mut wrong = from_server(10, remotes[0], b"");
    wrong[18 + 5] += 1;
    bench.passes(SRV, &wrong, OTR);
    assert_eq!(bench.noted(Note::Uncached), 2);
}

#[test]
fn flow_cache_s26() {
    let mut bench = Bench::new();
    bench.passes(OTR, &fc(4), DC);
    let frame = |bytes: usize| {
        let mut frame = fc(3);
        frame.resize(bytes + 4, 0);
        frame
    };
    // 50 bytes more, of which the 14 of Ethernet do not count.
    assert_eq!(bench.send(SRV, &frame(1464))[0].0, DC);
    bench.drops(SRV, &frame(1465), DropReason::Mtu);
    bench.drops(SRV, &frame(1500), DropReason::Mtu);
    // It has counted as a hit.
    assert_eq!(bench.flow(10, remote()).unwrap().packets, 4);
}

#[test]
fn flow_cache_s27() {
    let mut bench = Bench::new();
    for protocol in [6, 1, 255] {
        let change = |mut frame: Vec<u8>, ip: usize| {
            frame[ip + 9] = protocol;
            crate::frames::sum_ip(&mut frame, ip);
            frame
        };
        let server = change(fc(3), 18);
        let out = bench.send(SRV, &server);
        if protocol == 6 {
            assert_eq!(out, [(OTR, server)]);
            bench.passes(OTR, &change(fc(4), 64), DC);
        } else {
            assert_eq!(out, [(DC, change(fc(5), 64))]);
        }
    }
    // Fragments too: the key has no ports.
    let mut fragment = fc(3);
    fragment[18 + 6] = 0x20;
    crate::frames::sum_ip(&mut fragment, 18);
    assert_eq!(bench.send(SRV, &fragment)[0].0, DC);
}

#[test]
fn flow_cache_s28() {
    let mut bench = Bench::new();
    let mut frame = fc(3);
    frame[14] = 0xb0;
    bench.passes(SRV, &frame, OTR);
    bench.passes(OTR, &fc(4), DC);
    assert_eq!(bench.send(SRV, &frame), [(DC, fc(5))]);
    // What comes from the data centre has priority 0.
    let mut tos = fc(1);
    tos[15] = 0xb8;
    crate::frames::sum_ip(&mut tos, 14);
    assert_eq!(bench.send(DC, &tos), [(SRV, fc(2))]);
}

#[test]
fn flow_cache_s29() {
    let mut bench = Bench::new();
    bench.passes(OTR, &from_router(0, 100, remote(), b""), DC);
    assert_eq!((bench.engine.flows().len(), bench.noted(Note::BadRouter)), (0, 1));
    // Without IP inside.
    let frame = crate::frames::vxlan(100, 10, &[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 6]);
    bench.passes(OTR, &frame, DC);
    assert_eq!((bench.engine.flows().len(), bench.noted(Note::Uncached)), (0, 1));
}

#[test]
fn flow_cache_s30() {
    let mut bench = Bench::with(SETTINGS, &[vtep()], 1, WhenFull::EvictOldest);
    bench.send(DC, &fc(1));
    bench.send(SRV, &fc(3));
    bench.send(OTR, &fc(4));
    bench.send(SRV, &fc(3));
    bench.send(SRV, &fc(3));
    bench.send(OTR, &from_router(10, 100, tenant(7), b""));
    let counters = bench.engine.pipeline().counters();
    assert_eq!((counters.hits(), counters.misses(), counters.learns()), (3, 2, 2));
    assert_eq!(bench.engine.flows().counters().evicted, 1);
    let directions = *counters.directions();
    let count = [
        (directions.to_server, (1, 128)),
        (directions.to_router, (1, 82)),
        (directions.direct, (2, 164)),
        (directions.from_router, (2, 128 + 92)),
    ];
    for (traffic, right) in count {
        assert_eq!((traffic.packets, traffic.bytes), right);
    }
}

#[test]
fn the_reserved_byte_is_cleared_where_asked() {
    let settings = Settings { scrub_reserved: true, ..SETTINGS };
    let mut bench = Bench::with(settings, &[vtep()], 64, WhenFull::Forward);
    let mut clean = fc(4);
    clean[49] = 0;
    for _ in 0..2 {
        assert_eq!(bench.send(OTR, &fc(4)), [(DC, clean.clone())]);
    }
    // A checksum stays right.
    let mut summed = fc(4);
    let pseudo = |frame: &[u8]| {
        let length = [0, 17, frame[38], frame[39]];
        crate::frames::checksum(&[&frame[26..34], &length, &frame[34..]].concat())
    };
    let sum = pseudo(&summed);
    summed[40..42].copy_from_slice(&sum.to_be_bytes());
    let out = bench.send(OTR, &summed);
    assert_eq!((out[0].1[49], pseudo(&out[0].1)), (0, 0));
    assert_eq!(bench.send(SRV, &fc(3)), [(DC, fc(5))]);
}

#[test]
fn a_new_configuration_forgets_what_was_learnt() {
    let mut bench = Bench::new();
    bench.passes(OTR, &fc(4), DC);
    let mut vteps = crate::bench::vteps(&[Vtep { vni: None, port: PortId(3), ..vtep() }]);
    let mut settings = SETTINGS;
    settings.outer.ttl = 9;
    bench.engine.pipeline_mut().configure(settings, &mut vteps);
    assert_eq!(bench.send(DC, &fc(1)), [(PortId(3), fc(2))]);
    bench.passes(SRV, &fc(3), OTR);
    bench.passes(OTR, &fc(4), DC);
    assert_eq!(bench.send(SRV, &fc(3))[0].1[22], 9);
    assert_eq!(bench.engine.flows().len(), 2);
    bench.engine.tick(0, 64, &SoftwareHints);
    let removed = bench.removed();
    assert_eq!((removed.len(), removed[0].why), (1, Removal::Orphaned));
    assert_eq!(bench.send(SRV, &fc(3))[0].0, DC);
}
