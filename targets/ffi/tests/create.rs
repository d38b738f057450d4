//! Flows that the caller creates.
#![allow(clippy::borrow_as_ptr)]

mod world;

use std::ptr;

use dash::{dash_status_t::*, *};
use world::{
    CAPACITY, Core, Frame, OK, Policy,
    configuration::{ENI, mapping, remove, v4, with_all},
    received,
};

fn configured() -> Policy {
    let policy = Policy::new(CAPACITY);
    assert_eq!(with_all(|changes| policy.apply(changes)).0, OK);
    policy
}

/// What leaves of a frame to 10.0.0.2.
fn sent(core: &Core) -> Vec<Vec<u8>> {
    assert_eq!(core.process(&[Frame::new(&received()[2]).frame]), (OK, 1));
    core.with(|caller| caller.sent.drain(..).map(|(_, bytes)| bytes).collect())
}

fn create(core: &Core, flow: &dash_new_flow_t, answers: Option<&dash_new_flow_t>) -> dash_status_t {
    let answers = answers.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: a handle, and pointers to the stated type.
    unsafe { dash_core_create_flow(core.handle, flow, answers) }
}

/// The halves that policy makes, the creator's first.
fn made_by_policy() -> [dash_new_flow_t; 2] {
    let policy = configured();
    let core = Core::new(&policy, 0, 16);
    sent(&core);
    let mut flows = core.flows(8);
    flows.sort_by_key(|flow| flow.creator == 0);
    let again = |flow: &dash_flow_t| dash_new_flow_t {
        key: flow.key,
        rewrite: flow.rewrite,
        idle_timeout: 5_000,
        hard_timeout: 0,
    };
    [again(&flows[0]), again(&flows[1])]
}

#[test]
fn a_created_flow_forwards_as_one_of_policy_and_asks_none() {
    let [flow, answers] = made_by_policy();
    let policy = configured();
    let core = Core::with_all(&policy, 0, 16);
    let expected = sent(&core);
    assert_eq!(expected.len(), 1);
    // The new flows take the place of those that are there, and policy now has no way for the frame.
    let gone = remove(DASH_MAPPING, dash_object_t { mapping: mapping(2, 1, 200) });
    assert_eq!(policy.apply(&[gone]).0, OK);
    assert_eq!(create(&core, &flow, Some(&answers)), OK);
    let flows = core.flows(8);
    assert_eq!(flows.len(), 2);
    assert!(
        flows.iter().all(|flow| (flow.packets, flow.bytes, flow.idle_timeout) == (0, 0, 5_000))
    );
    assert_eq!(sent(&core), expected);
    assert_eq!((core.eni_counters(ENI).flows, core.flow_counters().superseded), (2, 2));
    // Policy changes: the next frame asks it.
    let gone = remove(DASH_MAPPING, dash_object_t { mapping: mapping(3, 2, 200) });
    assert_eq!(policy.apply(&[gone]).0, OK);
    assert!(sent(&core).is_empty());
    assert_eq!(core.flow_counters().present, 0);
}

#[test]
fn one_alone_lives_alone_and_all_age() {
    let [flow, answers] = made_by_policy();
    let policy = configured();
    let core = Core::with_all(&policy, 0, 16);
    assert_eq!(create(&core, &flow, None), OK);
    assert_eq!(create(&core, &answers, None), OK);
    assert_eq!(core.remove_flow(&flow.key), OK);
    assert_eq!(core.flow_counters().present, 1);
    core.with(|caller| caller.time = 5_000_000_001);
    core.tick();
    assert_eq!((core.flow_counters().present, core.eni_counters(ENI).flows), (0, 0));
}

#[test]
fn what_is_no_flow_is_refused_and_changes_nothing() {
    let [flow, answers] = made_by_policy();
    let policy = configured();
    let core = Core::with_all(&policy, 0, 1);
    let key = |change: fn(&mut dash_flow_key_t)| {
        let mut bad = flow;
        change(&mut bad.key);
        bad
    };
    let rewrite = |change: fn(&mut dash_rewrite_t)| {
        let mut bad = flow;
        change(&mut bad.rewrite);
        bad
    };
    for (bad, status) in [
        (key(|key| key.direction = 0), DASH_BAD_VALUE),
        (key(|key| key.vnet += 1), DASH_BAD_VALUE),
        (key(|key| key.eni.octets[5] = 99), DASH_BAD_VALUE),
        (rewrite(|rewrite| rewrite.changes = 512), DASH_BAD_VALUE),
        (rewrite(|rewrite| rewrite.outer_source.version = DASH_IPV6), DASH_BAD_VALUE),
        (rewrite(|rewrite| rewrite.outer_vni = 1 << 24), DASH_VNI_TOO_LARGE),
    ] {
        assert_eq!(create(&core, &bad, None), status, "{bad:?}");
        assert_eq!(create(&core, &flow, Some(&bad)), status, "{bad:?}");
    }
    assert_eq!(create(&core, &flow, Some(&flow)), DASH_BAD_VALUE);
    assert_eq!(create(&core, &flow, Some(&answers)), DASH_FULL, "there is one place");
    // SAFETY: NULL, misaligned.
    unsafe {
        assert_eq!(dash_core_create_flow(core.handle, ptr::null(), ptr::null()), DASH_NULL);
        assert_eq!(dash_core_create_flow(ptr::null_mut(), &flow, ptr::null()), DASH_NULL);
        let odd = ptr::from_ref(&flow).wrapping_byte_add(1);
        assert_eq!(dash_core_create_flow(core.handle, odd, ptr::null()), DASH_MISALIGNED);
    }
    assert_eq!(core.flow_counters().present, 0);
    let other = key(|key| key.source = v4([9; 4]));
    assert_eq!(create(&core, &other, None), OK);
}
