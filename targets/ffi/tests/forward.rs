//! The example, forwarded by the calls that C makes.

mod world;

use dash::*;
use world::{
    CAPACITY, Core, Frame, OK, Policy,
    configuration::{self, ENI, VM_VNI, remove, set},
    expected, received,
};

fn configured() -> Policy {
    let policy = Policy::new(CAPACITY);
    assert_eq!(configuration::with_all(|changes| policy.apply(changes)).0, OK);
    policy
}

fn take(core: &Core, frames: &[Frame]) -> (dash_status_t, usize) {
    core.process(&frames.iter().map(|frame| frame.frame).collect::<Vec<_>>())
}

fn sent(core: &Core) -> Vec<Vec<u8>> {
    core.with(|caller| caller.sent.drain(..).map(|(_, bytes)| bytes).collect())
}

#[test]
fn the_example_leaves_as_the_host_sends_it() {
    let policy = configured();
    let core = Core::new(&policy, 0, 16);
    let frames: Vec<_> = received().iter().map(|bytes| Frame::new(bytes)).collect();
    assert_eq!(take(&core, &frames), (OK, 4));
    assert_eq!(sent(&core), expected());
    assert_eq!(core.with(|caller| caller.released), 2);
    let drops = [("acl_out_drop.1".to_owned(), 1), ("acl_out_drop.2".to_owned(), 1)];
    assert_eq!(core.drops(), drops);
    let counters = core.eni_counters(ENI);
    assert_eq!((counters.rx.packets, counters.outbound_rx.packets), (4, 4));
    assert_eq!((counters.tx.packets, counters.inbound_tx.packets), (2, 0));
    let bytes: usize = expected().iter().map(Vec::len).sum();
    assert_eq!(counters.tx.bytes, bytes as u64);

    // The same again, now by their flows.
    let frames: Vec<_> = received().iter().map(|bytes| Frame::new(bytes)).collect();
    assert_eq!(take(&core, &frames), (OK, 4));
    assert_eq!(sent(&core), expected());
    assert_eq!((core.flow_counters().present, core.flow_counters().created), (4, 4));

    // SAFETY: a handle.
    assert_eq!(unsafe { dash_core_reset_eni_counters(core.handle, ENI) }, OK);
    // Flows that are there stay.
    assert_eq!(core.eni_counters(ENI), dash_eni_counters_t { flows: 4, ..Default::default() });
}

#[test]
fn a_cursor_finds_each_flow_once_and_ends_them_with_time() {
    let policy = configured();
    let core = Core::new(&policy, 0, 16);
    let frames: Vec<_> = received().iter().map(|bytes| Frame::new(bytes)).collect();
    assert_eq!(take(&core, &frames), (OK, 4));
    for step in [1, 3, 100] {
        let flows = core.flows(step);
        assert_eq!(flows.len(), 4, "{step}");
        let creators: Vec<_> = flows.iter().filter(|flow| flow.creator == 1).collect();
        assert_eq!(creators.len(), 2);
        for flow in creators {
            assert_eq!(flow.key.direction, DASH_OUTBOUND);
            assert_eq!(flow.key.source, configuration::v4([10, 0, 0, 1]));
            assert_eq!((flow.packets, flow.has_egress), (1, 0));
            assert_eq!(flow.rewrite.changes & DASH_PUSH_OUTER, DASH_PUSH_OUTER);
            let last = flow.key.destination.octets[3];
            let (host, vni) = if last == 2 { (1, 200) } else { (3, 300) };
            assert_eq!(flow.rewrite.outer_destination, configuration::v4([100, 0, 0, host]));
            assert_eq!(flow.rewrite.outer_vni, vni);
        }
    }
    core.with(|caller| caller.time = 31_000_000_000);
    assert!(core.flows(4).is_empty());
    assert_eq!(core.flow_counters().present, 4);
    // SAFETY: a handle.
    assert_eq!(unsafe { dash_core_tick(core.handle, 16) }, OK);
    assert_eq!((core.flow_counters().present, core.flow_counters().idle), (0, 4));
}

fn kinds(stages: &[dash_stage_t]) -> Vec<u8> {
    stages.iter().map(|stage| stage.stage).collect()
}

fn steps(stages: &[dash_stage_t]) -> Vec<u8> {
    let flow = stages.iter().filter(|stage| stage.stage == DASH_STAGE_FLOW);
    // SAFETY: the stage says that this is the member.
    flow.map(|stage| unsafe { stage.detail.flow.step }).collect()
}

#[test]
fn an_explanation_tells_each_stage_and_leaves_no_trace() {
    let policy = configured();
    let core = Core::new(&policy, 0, 16);
    let input = received();
    let denied = Frame::new(&input[0]);
    let (stages, end) = core.explain(denied.frame);
    assert_eq!(end.end, DASH_DROPPED);
    assert_eq!(world::drop_name(end.reason), "acl_out_drop.1");
    assert_eq!(denied.bytes(), input[0]);
    let common = [DASH_STAGE_VIP, DASH_STAGE_DIRECTION, DASH_STAGE_ENI, DASH_STAGE_KEY];
    assert_eq!(kinds(&stages)[..4], common);
    let last = stages.last().unwrap();
    assert_eq!((last.stage, last.found), (DASH_STAGE_ACL, 1));
    // SAFETY: the stage says that this is the member.
    let acl = unsafe { last.detail.acl };
    assert_eq!((acl.stage, acl.answer, acl.priority, acl.permit), (1, DASH_ACL_RULE, 1, 0));
    assert_eq!(acl.direction, DASH_OUTBOUND);

    // A miss: everything is asked; the frame is changed as it would be sent.
    let frame = Frame::new(&input[2]);
    let (stages, end) = core.explain(frame.frame);
    assert_eq!((end.end, end.port), (DASH_SENT, 0));
    assert_eq!(frame.bytes(), expected()[0]);
    assert_eq!(steps(&stages), [DASH_FLOW_MISS, DASH_FLOW_INSTALLED]);
    let find = |kind| stages.iter().find(|stage| stage.stage == kind).unwrap();
    // SAFETY: the stages say which are the members.
    unsafe {
        assert_eq!(find(DASH_STAGE_DIRECTION).detail.direction.vni, VM_VNI);
        assert_eq!(find(DASH_STAGE_TRUSTED_VNI).detail.trusted_vni.owner, DASH_OF_APPLIANCE);
        let route = find(DASH_STAGE_ROUTE).detail.route;
        assert_eq!(route.destination, configuration::v4([10, 0, 0, 2]));
        assert_eq!((route.route.action, route.route.prefix.length), (DASH_TO_VNET, 24));
        let mapping = find(DASH_STAGE_MAPPING).detail.mapping;
        assert_eq!((mapping.vni, mapping.underlay_v4), (200, [100, 0, 0, 1]));
        let compiled = find(DASH_STAGE_COMPILED).detail.compiled;
        assert_eq!((compiled.rewrite.outer_vni, compiled.has_reverse), (200, 1));
    }
    assert_eq!(find(DASH_STAGE_UNDERLAY).found, 0);
    assert_eq!(core.flow_counters(), dash_flow_counters_t::default());
    assert_eq!(core.eni_counters(ENI), dash_eni_counters_t::default());
    assert!(core.drops().is_empty());
    core.with(|caller| assert!(caller.sent.is_empty() && caller.released == 0));

    // A hit, and one whose policy has changed since.
    let frame = Frame::new(&input[2]);
    assert_eq!(take(&core, &[frame]), (OK, 1));
    let counted = (core.flow_counters(), core.flows(8), core.eni_counters(ENI));
    let frame = Frame::new(&input[2]);
    let (stages, end) = core.explain(frame.frame);
    assert_eq!((end.end, steps(&stages)), (DASH_SENT, vec![DASH_FLOW_HIT]));
    assert_eq!(frame.bytes(), expected()[0]);
    let mapping = configuration::mapping(2, 1, 201);
    let change = set(DASH_MAPPING, dash_object_t { mapping });
    assert_eq!(policy.apply(&[change]).0, OK);
    let frame = Frame::new(&input[2]);
    let (stages, _) = core.explain(frame.frame);
    assert_eq!(steps(&stages), [DASH_FLOW_STALE, DASH_FLOW_REPLACED]);
    assert_ne!(frame.bytes(), expected()[0]);
    assert_eq!((core.flow_counters(), core.flows(8), core.eni_counters(ENI)), counted);
    // A flow that has timed out is none.
    core.with(|caller| caller.time = 31_000_000_000);
    let frame = Frame::new(&input[2]);
    assert_eq!(steps(&core.explain(frame.frame).0), [DASH_FLOW_MISS, DASH_FLOW_INSTALLED]);
}

#[test]
fn a_core_that_remembers_nothing_explains_so() {
    let policy = configured();
    let core = Core::new(&policy, 0, 0);
    let frame = Frame::new(&received()[2]);
    let (stages, end) = core.explain(frame.frame);
    assert_eq!((end.end, steps(&stages)), (DASH_SENT, vec![DASH_FLOW_MISS, DASH_FLOW_UNCACHED]));
    let frame = Frame::new(&received()[2]);
    assert_eq!(take(&core, &[frame]), (OK, 1));
    assert_eq!(sent(&core), expected()[..1]);
    assert_eq!(core.eni_counters(ENI).flow_create_failed, 1);
}

#[test]
fn frames_wait_for_a_full_ring_and_leave_in_order() {
    let policy = configured();
    let core = Core::new(&policy, 0, 16);
    core.with(|caller| caller.room = 1);
    let input = received();
    let frames: Vec<_> = (0..100).map(|at| Frame::new(&input[2 + at % 2])).collect();
    // One is sent, 64 wait, the others are not taken.
    assert_eq!(take(&core, &frames), (dash_status_t::DASH_AGAIN, 65));
    assert_eq!(core.process(&[frames[99].frame]), (dash_status_t::DASH_AGAIN, 0));
    core.with(|caller| caller.room = 40);
    assert_eq!(core.process(&[frames[64].frame]), (dash_status_t::DASH_IN_USE, 0));
    assert_eq!(take(&core, &frames[65..]), (OK, 35));
    core.with(|caller| caller.room = 50);
    assert_eq!(core.process(&[]), (OK, 0));
    let output = sent(&core);
    assert_eq!(output.len(), 91);
    let in_order = output.iter().enumerate().all(|(at, bytes)| *bytes == expected()[at % 2]);
    assert!(in_order);
    // Those that still wait are released at the end.
    let caller = core.caller;
    let mut core = core;
    // SAFETY: a handle; the caller is there until `core` is dropped.
    unsafe {
        assert_eq!(dash_core_destroy(core.handle), OK);
        assert_eq!((*caller).released, 9);
    }
    core.handle = std::ptr::null_mut();
}

#[test]
fn objects_are_removed_by_their_keys() {
    let policy = configured();
    let core = Core::new(&policy, 0, 16);
    let route = dash_route_t { action: 77, vnet: 9, ..configuration::route() };
    let change = remove(DASH_ROUTE, dash_object_t { route });
    assert_eq!(policy.apply(&[change, change]).0, OK);
    let frame = Frame::new(&received()[2]);
    assert_eq!(take(&core, &[frame]), (OK, 1));
    assert_eq!(core.drops(), [("outbound_routing_entry_miss_drop".to_owned(), 1)]);
}

#[test]
fn policy_changes_while_cores_process() {
    let frames_each = if cfg!(miri) { 8 } else { 20_000 };
    let capacity = dash_capacity_t { cores: 3, ..CAPACITY };
    let policy = Policy::new(capacity);
    assert_eq!(configuration::with_all(|changes| policy.apply(changes)).0, OK);
    // The third core is never there, and nobody waits for it.
    let cores = [Core::new(&policy, 0, 16), Core::new(&policy, 1, 16)];
    let either = [expected(), {
        let mut other = expected();
        // The VNI of the outer header.
        other[0][14 + 20 + 8 + 4..][..3].copy_from_slice(&[0, 0, 201]);
        other
    }];
    std::thread::scope(|scope| {
        let running: Vec<_> = cores
            .into_iter()
            .map(|core| {
                let either = &either;
                scope.spawn(move || {
                    let core = core;
                    for _ in 0..frames_each {
                        let frame = Frame::new(&received()[2]);
                        assert_eq!(take(&core, &[frame]), (OK, 1));
                        let output = sent(&core);
                        assert!(either.iter().any(|expected| expected[0] == output[0]));
                    }
                })
            })
            .collect();
        let mut vni = 200;
        while !running.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            let mapping = configuration::mapping(2, 1, vni);
            let (status, _) = policy.apply(&[set(DASH_MAPPING, dash_object_t { mapping })]);
            assert!(status == OK || status == dash_status_t::DASH_AGAIN, "{status:?}");
            vni ^= 1;
        }
    });
}
