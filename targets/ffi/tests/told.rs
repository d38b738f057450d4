//! What a core tells its caller: flows that ended, and flows for the caller's hardware.
#![allow(clippy::borrow_as_ptr)]

mod world;

use dash::{dash_status_t::*, *};
use world::{
    CAPACITY, Core, Frame, OK, Policy,
    configuration::{ENI, eni, remove, set, v4, with_all},
    received,
};

const SECOND: u64 = 1_000_000_000;
const FLOWS: u32 = 16;

fn configured() -> Policy {
    let policy = Policy::new(CAPACITY);
    assert_eq!(with_all(|changes| policy.apply(changes)).0, OK);
    policy
}

/// So many frames to 10.0.0.2.
fn send(core: &Core, count: usize) {
    for _ in 0..count {
        let frame = Frame::new(&received()[2]);
        assert_eq!(core.process(&[frame.frame]), (OK, 1));
    }
}

fn at(core: &Core, seconds: u64) {
    core.with(|caller| caller.time = seconds * SECOND);
}

fn removed(core: &Core) -> Vec<dash_removed_flow_t> {
    core.with(|caller| std::mem::take(&mut caller.removed))
}

fn reasons(flows: &[dash_removed_flow_t]) -> Vec<u8> {
    flows.iter().map(|flow| flow.reason).collect()
}

/// The key of the outbound flow.
fn key(core: &Core) -> dash_flow_key_t {
    let flows = core.flows(8);
    flows.iter().find(|flow| flow.creator == 1).unwrap().key
}

#[test]
fn an_idle_flow_is_told_of_with_what_was_counted_on_it() {
    let policy = configured();
    let core = Core::with_all(&policy, 0, FLOWS);
    at(&core, 1);
    send(&core, 3);
    let key = key(&core);
    at(&core, 31);
    core.tick();
    assert_eq!(removed(&core), []);
    at(&core, 32);
    core.tick();
    let flows = removed(&core);
    assert_eq!(reasons(&flows), [DASH_REMOVED_IDLE; 2]);
    let flow = flows.iter().find(|flow| flow.creator == 1).unwrap();
    assert_eq!((flow.key, flow.eni), (key, ENI));
    assert_eq!((flow.packets, flow.bytes), (3, 3 * received()[2].len() as u64));
    assert_eq!((flow.created, flow.used, flow.removed), (SECOND, SECOND, 32 * SECOND));
    let other = flows.iter().find(|flow| flow.creator == 0).unwrap();
    assert_eq!((other.key.source, other.key.destination), (key.destination, key.source));
    assert_eq!((other.packets, other.key.direction), (0, DASH_INBOUND));
}

/// The filters themselves are tested where they live; here, that C reaches each of them.
#[test]
fn flows_are_read_by_filters() {
    let policy = configured();
    let core = Core::with_all(&policy, 0, FLOWS);
    send(&core, 1);
    let all = core.flows(8);
    let [out, back] = [DASH_OUTBOUND, DASH_INBOUND]
        .map(|direction| *all.iter().find(|flow| flow.key.direction == direction).expect("a flow"));
    let of = |attribute, comparison, number| dash_flow_filter_t {
        attribute,
        comparison,
        number,
        ..Default::default()
    };
    let key = out.key;
    let cases = [
        (of(DASH_FLOW_DIRECTION, DASH_EQ, DASH_OUTBOUND.into()), vec![out]),
        (of(DASH_FLOW_DIRECTION, DASH_GT, DASH_OUTBOUND.into()), vec![back]),
        (of(DASH_FLOW_PROTOCOL, DASH_GE, key.protocol.into()), all.clone()),
        (of(DASH_FLOW_PROTOCOL, DASH_LT, key.protocol.into()), vec![]),
        (of(DASH_FLOW_VNET, DASH_LE, key.vnet), all.clone()),
        (of(DASH_FLOW_SOURCE_PORT, DASH_EQ, key.source_port), vec![out]),
        (of(DASH_FLOW_DESTINATION_PORT, DASH_EQ, key.source_port), vec![back]),
        (dash_flow_filter_t { mac: key.eni, ..of(DASH_FLOW_ENI, DASH_EQ, 0) }, all.clone()),
        (dash_flow_filter_t { address: key.source, ..of(DASH_FLOW_SOURCE, DASH_EQ, 0) }, vec![out]),
        (
            dash_flow_filter_t { address: key.source, ..of(DASH_FLOW_DESTINATION, DASH_EQ, 0) },
            vec![back],
        ),
    ];
    for budget in [1, 5, 1_000] {
        for (filter, expected) in &cases {
            assert_eq!(core.read_flows(&[*filter], 9, budget).as_ref(), Ok(expected), "{filter:?}");
        }
        assert_eq!(core.read_flows(&[], 9, budget), Ok(all.clone()));
        assert_eq!(core.read_flows(&[], 1, budget).map(|flows| flows.len()), Ok(1));
        assert_eq!(core.read_flows(&[cases[0].0, cases[1].0], 9, budget), Ok(vec![]));
    }
    for bad in [
        of(DASH_FLOW_DESTINATION_PORT + 1, DASH_EQ, 0),
        of(DASH_FLOW_VNET, 0, 0),
        of(DASH_FLOW_VNET, DASH_LE + 1, 0),
        of(DASH_FLOW_PROTOCOL, DASH_EQ, 256),
        of(DASH_FLOW_DIRECTION, DASH_EQ, 3),
        of(DASH_FLOW_SOURCE, DASH_EQ, 0),
    ] {
        assert_eq!(core.read_flows(&[bad], 9, 1), Err(DASH_BAD_VALUE), "{bad:?}");
    }
    assert_eq!(core.read_flows(&[of(DASH_FLOW_VNET, DASH_EQ, 0); 6], 9, 1), Err(DASH_BAD_VALUE));
}

#[test]
fn each_reason_is_told() {
    let policy = configured();
    let core = Core::with_all(&policy, 0, FLOWS);
    send(&core, 1);
    let key = key(&core);
    assert_eq!(core.remove_flow(&key), OK);
    assert_eq!(reasons(&removed(&core)), [DASH_REMOVED_DELETED; 2]);
    assert_eq!(core.remove_flow(&key), OK, "it is gone already");
    assert_eq!((removed(&core).len(), core.flow_counters().deleted), (0, 2));

    send(&core, 1);
    let no_route =
        remove(DASH_MAPPING, dash_object_t { mapping: world::configuration::mapping(2, 1, 200) });
    assert_eq!(policy.apply(&[no_route]).0, OK);
    send(&core, 1);
    assert_eq!(reasons(&removed(&core)), [DASH_REMOVED_DENIED; 2]);

    assert_eq!(with_all(|changes| policy.apply(changes)).0, OK);
    send(&core, 1);
    assert_eq!(policy.apply(&[remove(DASH_ENI, dash_object_t { eni: eni() })]).0, OK);
    core.tick();
    assert_eq!(reasons(&removed(&core)), [DASH_REMOVED_ORPHANED; 2]);

    assert_eq!(policy.apply(&[set(DASH_ENI, dash_object_t { eni: eni() })]).0, OK);
    assert_eq!(with_all(|changes| policy.apply(changes)).0, OK);
    send(&core, 1);
    let (caller, mut core) = (core.caller, core);
    // SAFETY: a handle; the caller is there until `core` is dropped.
    unsafe {
        assert_eq!(dash_core_destroy(core.handle), OK);
        assert_eq!(reasons(&(*caller).removed), [DASH_REMOVED_DELETED; 2]);
    }
    core.handle = std::ptr::null_mut();
}

#[test]
fn keys_that_name_no_flow_are_refused() {
    let policy = configured();
    let core = Core::with_all(&policy, 0, FLOWS);
    send(&core, 1);
    let key = key(&core);
    let v6 = dash_address_t { version: DASH_IPV6, octets: [1; 16] };
    for bad in [
        dash_flow_key_t { direction: 0, ..key },
        dash_flow_key_t { direction: 3, ..key },
        dash_flow_key_t { source: v6, ..key },
        dash_flow_key_t { destination: dash_address_t::default(), ..key },
    ] {
        assert_eq!(core.remove_flow(&bad), DASH_BAD_VALUE);
    }
    assert_eq!(core.remove_flow(&dash_flow_key_t { source: v4([9; 4]), ..key }), OK);
    assert_eq!(core.flow_counters().present, 2);
    // SAFETY: NULL, misaligned.
    unsafe {
        assert_eq!(dash_core_remove_flow(core.handle, std::ptr::null()), DASH_NULL);
        let odd = std::ptr::from_ref(&key).wrapping_byte_add(1);
        assert_eq!(dash_core_remove_flow(core.handle, odd), DASH_MISALIGNED);
        assert_eq!(dash_core_remove_flow(std::ptr::null_mut(), &key), DASH_NULL);
    }
}

#[test]
fn a_caller_without_room_loses_events_and_nothing_else() {
    let policy = configured();
    let core = Core::with_all(&policy, 0, FLOWS);
    core.with(|caller| caller.removed_room = 1);
    send(&core, 1);
    at(&core, 31);
    core.tick();
    assert_eq!(removed(&core).len(), 1);
    let counters = core.flow_counters();
    assert_eq!((counters.present, counters.idle, counters.untold), (0, 2, 1));
}

#[test]
fn the_callback_cannot_call_back() {
    let policy = configured();
    let core = Core::with_all(&policy, 0, FLOWS);
    send(&core, 1);
    let handle = core.handle;
    core.with(|caller| caller.calls_back = Some(handle));
    let key = key(&core);
    assert_eq!(core.remove_flow(&key), OK);
    core.with(|caller| assert_eq!(caller.answers, [DASH_REENTERED; 2]));
}

#[test]
fn hardware_is_offered_flows_and_gives_them_back() {
    let policy = configured();
    let core = Core::with_all(&policy, 0, FLOWS);
    send(&core, DASH_OFFER_AFTER as usize - 1);
    core.tick();
    core.with(|caller| assert!(caller.hardware.is_empty()));
    send(&core, 1);
    core.tick();
    core.tick();
    let id = core.with(|caller| {
        let (id, (flow, _)) = caller.hardware.first_key_value().expect("one flow");
        assert!(*id < FLOWS && caller.hardware.len() == 1);
        assert_eq!((flow.packets, flow.key.direction), (DASH_OFFER_AFTER, DASH_OUTBOUND));
        assert_eq!((flow.idle_timeout, flow.hard_timeout), (30_000, 0));
        assert_eq!(flow.rewrite.outer_vni, 200);
        *id
    });
    let hits = |packets, last| dash_hits_t { packets, received: 100, sent: 150, last };
    core.with(|caller| caller.hardware.get_mut(&id).unwrap().1 = hits(5, 20 * SECOND));
    at(&core, 40);
    core.tick();
    assert_eq!(core.flows(8).len(), 2, "the hardware had frames 20 s ago");
    assert_eq!(core.eni_counters(ENI).outbound_rx.packets, DASH_OFFER_AFTER + 5);
    core.with(|caller| caller.hardware.get_mut(&id).unwrap().1 = hits(2, 30 * SECOND));
    let key = key(&core);
    assert_eq!(core.remove_flow(&key), OK);
    let flows = removed(&core);
    assert_eq!((flows[0].packets, flows[0].used), (DASH_OFFER_AFTER + 7, 30 * SECOND));
    core.with(|caller| assert!(caller.hardware.is_empty()));
    let counters = core.flow_counters();
    assert_eq!((counters.offloaded, counters.refused, counters.withdrawn), (1, 0, 1));
}

#[test]
fn a_flow_that_hardware_refuses_is_offered_again() {
    let policy = configured();
    let core = Core::with_all(&policy, 0, FLOWS);
    core.with(|caller| caller.hardware_room = 0);
    send(&core, 20);
    core.tick();
    core.tick();
    assert_eq!(core.flow_counters().refused, 2);
    core.with(|caller| caller.hardware_room = 1);
    core.tick();
    assert_eq!(core.flow_counters().offloaded, 1);
    // At the end the hardware has none.
    let (caller, mut core) = (core.caller, core);
    // SAFETY: a handle; the caller is there until `core` is dropped.
    unsafe {
        assert_eq!(dash_core_destroy(core.handle), OK);
        assert!((*caller).hardware.is_empty());
    }
    core.handle = std::ptr::null_mut();
}

#[test]
fn an_explanation_tells_and_offers_nothing() {
    let policy = configured();
    let core = Core::with_all(&policy, 0, FLOWS);
    send(&core, 20);
    core.tick();
    let mapping = world::configuration::mapping(2, 1, 201);
    assert_eq!(policy.apply(&[set(DASH_MAPPING, dash_object_t { mapping })]).0, OK);
    let frame = Frame::new(&received()[2]);
    core.explain(frame.frame);
    at(&core, 100);
    let frame = Frame::new(&received()[2]);
    core.explain(frame.frame);
    core.with(|caller| assert_eq!((caller.hardware.len(), caller.removed.len()), (1, 0)));
    assert_eq!(core.flow_counters().withdrawn, 0);
    core.tick();
    assert_eq!(removed(&core).len(), 2, "it hears again");
}

#[test]
fn a_core_without_these_callbacks_does_without() {
    let policy = configured();
    let core = Core::new(&policy, 0, FLOWS);
    send(&core, 20);
    core.tick();
    at(&core, 100);
    core.tick();
    let counters = core.flow_counters();
    assert_eq!((counters.offloaded, counters.refused, counters.untold), (0, 0, 0));
    assert_eq!((counters.idle, counters.present), (2, 0));
}
