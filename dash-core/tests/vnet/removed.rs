//! Which flows ended, why, and what was counted on them: one event for each, in order.

use dash_core::{
    flow::{FlowRemoved, Removal},
    pipeline::vnet::{FlowKey, FlowState, policy::Direction},
};
use dash_hal::{SoftwareHints, software::EventLog};

use crate::{
    bench::{Bench, Storage},
    frame::{Arrival, Tunnelled},
    hardware::Table,
    model::SECOND,
    policy::{AclRule, Change},
    scene::{ANSWER, QUESTION, SETTINGS, VM_MAC, acl, answer, policy, request},
};

type Removed = FlowRemoved<FlowKey, FlowState>;
type Log = EventLog<Removed, 4>;
type Told<'a> = Bench<'a, Table, SoftwareHints, Log>;

fn bench(storage: &mut Storage) -> Told<'_> {
    let mut bench = Bench::with(storage, &SETTINGS, Table::new(), SoftwareHints, Log::new());
    bench.change(&policy());
    bench
}

fn send(bench: &mut Told<'_>, now: u64, frame: &Tunnelled) {
    bench.frame(now, &Arrival::new(0, frame.bytes()));
}

/// A question at second 1, its answer at second 3, and the bytes of each.
fn conversation(bench: &mut Told<'_>) -> [u64; 2] {
    let (question, answer) = (request("10.0.0.2", QUESTION), answer("10.0.0.2", ANSWER));
    send(bench, SECOND, &question);
    send(bench, 3 * SECOND, &answer);
    [question.bytes().len() as u64, answer.bytes().len() as u64]
}

fn told(bench: &mut Told<'_>) -> Vec<Removed> {
    bench.engine.events_mut().drain().collect()
}

/// Reasons, times of removal in seconds.
fn reasons(events: &[Removed]) -> Vec<(Removal, u64)> {
    events.iter().map(|event| (event.why, event.removed / SECOND)).collect()
}

#[test]
fn an_idle_conversation_ends_with_what_was_counted_on_each_half() {
    let mut storage = Storage::new(8);
    let mut bench = bench(&mut storage);
    let bytes = conversation(&mut bench);
    bench.tick(33 * SECOND, 8);
    assert_eq!(told(&mut bench), [], "it lives for 30 s after its last frame");
    bench.tick(34 * SECOND, 8);
    let mut events = told(&mut bench);
    events.sort_by_key(|event| event.key.direction() == Direction::Inbound);
    assert_eq!(reasons(&events), [(Removal::Idle, 34); 2]);
    for (event, (used, bytes)) in events.iter().zip([(1, bytes[0]), (3, bytes[1])]) {
        assert_eq!(event.key.eni().0, VM_MAC);
        assert_eq!((event.packets, event.bytes), (1, bytes));
        assert_eq!((event.created, event.used), (SECOND, used * SECOND));
        assert_eq!(event.duration(), 33 * SECOND);
        assert_eq!(event.creator, event.key.direction() == Direction::Outbound);
    }
    assert_eq!(events[0].key.reverse(), events[1].key);
    bench.tick(60 * SECOND, 8);
    assert_eq!(told(&mut bench), [], "told once");
}

#[test]
fn a_frame_that_comes_too_late_ends_the_old_flow_before_it_makes_a_new_one() {
    let mut storage = Storage::new(8);
    let mut bench = bench(&mut storage);
    conversation(&mut bench);
    send(&mut bench, 40 * SECOND, &request("10.0.0.2", QUESTION));
    let events = told(&mut bench);
    assert_eq!(reasons(&events), [(Removal::Idle, 40); 2]);
    assert!(events[0].creator && !events[1].creator, "the half that the frame found comes first");
    assert_eq!(bench.engine.flows().len(), 2);
}

#[test]
fn each_way_to_end_has_its_reason() {
    let mut storage = Storage::new(8);
    let mut bench = bench(&mut storage);
    conversation(&mut bench);
    // A new evaluation keeps the flow.
    bench.change(&acl(2, 1, vec![AclRule::any(1, true, true)]));
    send(&mut bench, 4 * SECOND, &request("10.0.0.2", QUESTION));
    assert_eq!(told(&mut bench), []);
    // Another one denies it.
    bench.change(&acl(2, 1, vec![AclRule::any(1, false, true)]));
    send(&mut bench, 5 * SECOND, &request("10.0.0.2", QUESTION));
    let events = told(&mut bench);
    assert_eq!(reasons(&events), [(Removal::Denied, 5); 2]);
    assert_eq!([events[0].packets, events[1].packets], [2, 1]);

    bench.change(&acl(2, 1, vec![AclRule::any(1, true, true)]));
    conversation(&mut bench);
    let key = *bench.engine.flows().live(6 * SECOND).next().unwrap().0;
    let handle = bench.engine.flows().find(&key, &SoftwareHints).unwrap();
    bench.engine.remove(handle, 6 * SECOND, &SoftwareHints);
    let events = told(&mut bench);
    assert_eq!(reasons(&events), [(Removal::Deleted, 6); 2]);
    assert_eq!(events[0].key, key);

    conversation(&mut bench);
    bench.change(&[Change::Eni(0, None)]);
    bench.tick(7 * SECOND, 8);
    assert_eq!(reasons(&told(&mut bench)), [(Removal::Orphaned, 7); 2]);
    let counters = bench.engine.flows().counters();
    assert_eq!((counters.denied, counters.deleted, counters.orphaned), (2, 2, 2));
    assert_eq!((counters.idle, counters.untold), (0, 0));
}

#[test]
fn frames_that_hardware_forwarded_are_in_the_event() {
    let mut storage = Storage::new(8);
    let mut bench = bench(&mut storage);
    let frame = request("10.0.0.2", QUESTION);
    send(&mut bench, 0, &frame);
    send(&mut bench, 0, &frame);
    bench.tick(0, 8);
    let key =
        bench.engine.flows().live(0).find(|(_, flow)| flow.is_offloaded()).map(|(key, _)| *key);
    let offloaded = bench.engine.offload_mut().find(&key.unwrap()).unwrap();
    offloaded.hits.packets = 5;
    offloaded.hits.received = 500;
    offloaded.hits.last = 9 * SECOND;
    bench.tick(40 * SECOND, 8);
    let events = told(&mut bench);
    let event = events.iter().find(|event| event.creator).unwrap();
    assert_eq!((event.packets, event.used), (7, 9 * SECOND));
    assert_eq!(event.bytes, 2 * frame.bytes().len() as u64 + 500);
}

#[test]
fn a_sink_that_is_full_stops_nothing_and_is_counted() {
    let mut storage = Storage::new(16);
    let mut bench = bench(&mut storage);
    for port in 0..3 {
        send(&mut bench, 0, &request("10.0.0.2", crate::frame::Upper::Udp(port, 53)));
    }
    bench.tick(31 * SECOND, 16);
    assert_eq!(bench.engine.flows().len(), 0);
    assert_eq!(told(&mut bench).len(), 4);
    let counters = *bench.engine.flows().counters();
    assert_eq!((counters.idle, counters.untold), (6, 2));
    // It takes events again once there is room.
    send(&mut bench, 32 * SECOND, &request("10.0.0.2", QUESTION));
    bench.tick(70 * SECOND, 16);
    assert_eq!(told(&mut bench).len(), 2);
}
