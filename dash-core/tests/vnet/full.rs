//! Frames at a full flow table.

use dash_core::{
    flow::{FlowSettings, WhenFull},
    pipeline::vnet::{Settings, policy::EniId},
};

use crate::{
    bench::{Bench, Storage},
    frame::{ACK, Arrival, SYN, Upper},
    model::{Outcome, SECOND},
    scene::{SETTINGS, answer, dropped, policy, request},
};

fn bench(storage: &mut Storage, when_full: WhenFull) -> Bench<'_> {
    let mut bench = Bench::new(storage, &SETTINGS);
    bench.change(&policy());
    bench.engine.set_flows(FlowSettings { when_full, ..FlowSettings::default() });
    bench
}

fn send(bench: &mut Bench<'_>, now: u64, upper: Upper) -> Outcome {
    bench.frame(now, &Arrival::new(0, request("10.0.0.2", upper).bytes()))
}

/// Fills the table of four with two open conversations of ports 1 and 2.
fn fill(bench: &mut Bench<'_>) {
    for port in [1, 2] {
        assert_eq!(dropped(&send(bench, 0, Upper::Tcp(port, 80, ACK))), "left");
    }
}

#[test]
fn frames_are_forwarded_without_flows() {
    let mut storage = Storage::new(4);
    let mut bench = bench(&mut storage, WhenFull::Forward);
    fill(&mut bench);
    for _ in 0..2 {
        assert_eq!(dropped(&send(&mut bench, 0, Upper::Tcp(3, 80, ACK))), "left");
    }
    assert_eq!(bench.enis()[&0].flow_create_failed, 2);
    assert_eq!(bench.engine.flows().len(), 4);
}

#[test]
fn frames_are_dropped_where_that_is_asked_for() {
    let mut storage = Storage::new(4);
    let mut bench = bench(&mut storage, WhenFull::Drop);
    fill(&mut bench);
    let full = "flow_table_full_drop";
    assert_eq!(dropped(&send(&mut bench, 0, Upper::Tcp(3, 80, SYN))), full);
    assert_eq!(dropped(&send(&mut bench, 0, Upper::Tcp(1, 80, ACK))), "left", "it has a flow");
    assert_eq!(bench.drops()[full], 1);
    assert_eq!(bench.enis()[&0].drops[full], 1);
    // What has timed out makes room.
    assert_eq!(dropped(&send(&mut bench, 31 * SECOND, Upper::Tcp(3, 80, SYN))), "left");
}

/// One ENI may fill its part of the table, and no more.
#[test]
fn an_eni_has_no_more_flows_than_it_may() {
    let limit = Settings { flows_per_eni: 4, ..Settings::default() };
    for (when_full, end) in [(WhenFull::Forward, "left"), (WhenFull::Drop, "flow_limit_drop")] {
        let mut storage = Storage::new(64);
        let mut bench = bench(&mut storage, when_full);
        bench.engine.pipeline_mut().set(limit);
        fill(&mut bench);
        assert_eq!(dropped(&send(&mut bench, 0, Upper::Tcp(3, 80, ACK))), end);
        assert_eq!(dropped(&send(&mut bench, 0, Upper::Tcp(1, 80, ACK))), "left", "it has a flow");
        let counters = *bench.engine.pipeline().eni_counters(EniId(0)).unwrap();
        assert_eq!((counters.flows, counters.flow_limit_reached), (4, 1));
        assert_eq!((counters.flow_create_failed, bench.engine.flows().len()), (1, 4));
        // Those that are over give their places back when the wheel comes by.
        bench.tick(31 * SECOND, 8);
        assert_eq!(dropped(&send(&mut bench, 31 * SECOND, Upper::Tcp(3, 80, ACK))), "left");
        let counters = bench.engine.pipeline().eni_counters(EniId(0)).unwrap();
        assert_eq!((counters.flows, bench.engine.flows().len()), (2, 2));
    }
}

/// The same by frames: handshakes, then more SYNs than the table has places.
#[test]
fn syn_flood_at_a_full_table_loses_0_established_flows() {
    const ESTABLISHED: u16 = 24;
    let mut storage = Storage::new(64);
    let mut bench = bench(&mut storage, WhenFull::Evict);
    let back = |bench: &mut Bench<'_>, port, flags| {
        let answer = answer("10.0.0.2", Upper::Tcp(80, port, flags));
        bench.frame(0, &Arrival::new(0, answer.bytes()))
    };
    for port in 1..=ESTABLISHED {
        send(&mut bench, 0, Upper::Tcp(port, 80, SYN));
        back(&mut bench, port, SYN | ACK);
        send(&mut bench, 0, Upper::Tcp(port, 80, ACK));
    }
    for port in 1_000..6_000 {
        assert_eq!(dropped(&send(&mut bench, 0, Upper::Tcp(port, 80, SYN))), "left");
    }
    assert_eq!(bench.engine.flows().len(), 64);
    let created = bench.engine.flows().counters().created;
    assert!(created > 5_000, "the flood took its own places: {created}");
    for port in 1..=ESTABLISHED {
        assert_eq!(dropped(&send(&mut bench, 0, Upper::Tcp(port, 80, ACK))), "left");
        assert_eq!(dropped(&back(&mut bench, port, ACK)), "left");
    }
    assert_eq!(bench.engine.flows().counters().created, created, "all were hits");
}

#[test]
fn half_open_conversations_make_room_for_others() {
    let mut storage = Storage::new(4);
    let mut bench = bench(&mut storage, WhenFull::Evict);
    assert_eq!(dropped(&send(&mut bench, 0, Upper::Tcp(1, 80, ACK))), "left");
    for port in 1000..1100 {
        assert_eq!(dropped(&send(&mut bench, 0, Upper::Tcp(port, 80, SYN))), "left");
    }
    assert_eq!(bench.engine.flows().counters().evicted, 198);
    // The open one still has its way back; of the flood the last one has.
    for port in [1, 1099] {
        let answer = answer("10.0.0.2", Upper::Tcp(80, port, ACK));
        assert_eq!(dropped(&bench.frame(0, &Arrival::new(0, answer.bytes()))), "left");
    }
    assert_eq!(bench.engine.flows().counters().created, 202, "both were hits");
}
