//! The seed's conversation with 8.8.8.8, and what epochs do to conversations.

use crate::{
    bench::Storage,
    frame::{Arrival, SYN, Upper},
    model::{Outcome, SECOND, Settings},
    policy::{AclRule, Change, Owner, Route, UnderlayRoute},
    scene::{
        ANSWER, FAKE_MAC, MAPPED_MAC, QUESTION, SETTINGS, Scene, VM_MAC, acl, answer, dropped, eni,
        ip, left, mapping, policy, prefix, request,
    },
};

/// Inbound, stage 1: only the VNET's own addresses.
fn no_internet() -> Vec<Change> {
    let mut own = AclRule::any(1, true, true);
    own.sources = vec![prefix("10.0.0.0/24")];
    acl(0, 1, vec![own, AclRule::any(2, false, true)])
}

fn guarded() -> Vec<Change> {
    let mut changes = policy();
    changes.extend(no_internet());
    changes
}

#[test]
fn an_answer_passes_because_the_request_was_sent() {
    let mut storage = Storage::new(8);
    let mut scene = Scene::new(&mut storage, SETTINGS, &guarded());
    let (request, answer) = (request("8.8.8.8", QUESTION), answer("8.8.8.8", ANSWER));
    assert_eq!(dropped(&scene.send(0, &answer)), "acl_in_drop.1", "nobody asked");
    assert_eq!(scene.send(1, &request), Outcome::Frame(0, request.customer.bytes()), "direct");
    let to_vm = (0, ip("100.0.0.100"), ip("100.0.0.1"), 100, answer.customer.bytes());
    assert_eq!(left(&scene.send(2, &answer)), to_vm);
    // A change that has nothing to do with it, but touches every ENI.
    scene.change(&[Change::Mapping(0, ip("10.0.0.9"), Some(mapping([100, 0, 0, 9])))]);
    assert_eq!(left(&scene.send(3, &answer)), to_vm);
    // An answer to another port of the VM was not asked for.
    let other = self::answer("8.8.8.8", Upper::Udp(53, 1001));
    assert_eq!(dropped(&scene.send(4, &other)), "acl_in_drop.1");
}

#[test]
fn a_conversation_ends_when_it_was_idle_for_too_long() {
    let (request, answer) = (request("8.8.8.8", QUESTION), answer("8.8.8.8", ANSWER));
    let mut storage = Storage::new(8);
    let mut scene = Scene::new(&mut storage, SETTINGS, &guarded());
    scene.send(0, &request);
    // Exactly the time-out is in time, and a hit of either half begins it anew.
    assert_eq!(dropped(&scene.send(30 * SECOND, &answer)), "left");
    assert_eq!(dropped(&scene.send(60 * SECOND, &answer)), "left");
    assert_eq!(dropped(&scene.send(90 * SECOND + 1, &answer)), "acl_in_drop.1");
}

#[test]
fn without_a_flow_table_each_frame_meets_policy() {
    let mut storage = Storage::new(0);
    let settings = Settings { flows: false, ..SETTINGS };
    let mut scene = Scene::new(&mut storage, settings, &guarded());
    assert_eq!(dropped(&scene.send(0, &request("8.8.8.8", QUESTION))), "left");
    assert_eq!(dropped(&scene.send(0, &answer("8.8.8.8", ANSWER))), "acl_in_drop.1");
    assert_eq!(scene.bench.enis()[&0].flow_create_failed, 1);
}

#[test]
fn a_pair_made_by_an_inbound_frame_answers_where_it_came_from() {
    let mut storage = Storage::new(8);
    let mut scene = Scene::new(&mut storage, SETTINGS, &policy());
    scene.send(0, &answer("10.0.0.2", QUESTION));
    let reply = request("10.0.0.2", ANSWER);
    let mut customer = reply.customer.bytes();
    customer[..6].copy_from_slice(&MAPPED_MAC);
    // By the received outer source and VNI, not by the mapping.
    scene.change(&[Change::Mapping(0, ip("10.0.0.2"), Some(mapping([100, 0, 0, 77])))]);
    let back = (0, ip("100.0.0.100"), ip("100.0.0.2"), 400, customer);
    assert_eq!(left(&scene.send(1, &reply)), back);
}

#[test]
fn a_stale_pair_is_evaluated_again_by_its_creator_only() {
    let mut storage = Storage::new(8);
    let mut scene = Scene::new(&mut storage, SETTINGS, &guarded());
    let (request, answer) = (request("10.0.0.2", QUESTION), answer("10.0.0.2", ANSWER));
    scene.send(0, &request);
    let mut moved = eni();
    moved.underlay_ip = ip("100.0.0.11");
    scene.change(&[
        Change::Mapping(0, ip("10.0.0.2"), Some(mapping([100, 0, 0, 22]))),
        Change::Eni(0, Some(moved)),
    ]);
    // The answer keeps the old rewrite, whatever the new policy says.
    assert_eq!(left(&scene.send(1, &answer)).2, ip("100.0.0.1"));
    // The request replaces both halves at once.
    assert_eq!(left(&scene.send(2, &request)).2, ip("100.0.0.22"));
    assert_eq!(left(&scene.send(3, &answer)).2, ip("100.0.0.11"));
    let counts: Vec<_> = scene.bench.live(3).values().map(|(packets, _)| *packets).collect();
    assert_eq!(counts, [2, 2], "a replaced flow goes on counting");
}

#[test]
fn a_denied_request_takes_its_answers_with_it() {
    let mut storage = Storage::new(8);
    let mut scene = Scene::new(&mut storage, SETTINGS, &guarded());
    let (request, answer) = (request("8.8.8.8", QUESTION), answer("8.8.8.8", ANSWER));
    scene.send(0, &request);
    scene.change(&[Change::Route(0, prefix("8.8.8.8/32"), Some(Route::Drop))]);
    assert_eq!(dropped(&scene.send(1, &answer)), "left", "the answer does not meet policy");
    assert_eq!(dropped(&scene.send(2, &request)), "outbound_routing_drop");
    assert_eq!(dropped(&scene.send(3, &answer)), "acl_in_drop.1");
    assert!(scene.bench.live(3).is_empty());
}

/// A second VM, and a mapping with both underlays: the family of the frame that missed decides and
/// the flow keeps it, so that a later frame of the other family shows whether policy was asked.
fn two_vms() -> Vec<Change> {
    let mut changes = policy();
    let mut both = mapping([100, 0, 0, 2]);
    both.v6 = Some("3ffe::2".parse().unwrap());
    let mut second = eni();
    second.mac[5] = 2;
    second.route_group = Some(1);
    changes.extend([
        Change::Mapping(0, ip("10.0.0.2"), Some(both)),
        Change::RouteGroup(1, Some(false)),
        Change::Route(1, prefix("10.0.0.0/24"), Some(Route::Vnet(0))),
        Change::Eni(1, Some(second)),
    ]);
    changes
}

/// Whether each of the two VMs' flows is evaluated again after `changes`.
fn evaluated_again(changes: &[Change]) -> [bool; 2] {
    let mut storage = Storage::new(16);
    let mut scene = Scene::new(&mut storage, SETTINGS, &two_vms());
    let requests = [1, 2].map(|number| {
        let mut frame = request("10.0.0.2", QUESTION);
        frame.customer.source[5] = number;
        frame
    });
    for request in &requests {
        assert_eq!(left(&scene.send(0, request)).2, ip("100.0.0.2"));
    }
    // The engine alone: the model has no say in what is a change.
    scene.bench.change(changes);
    requests.map(|mut request| {
        (request.outer.source, request.outer.destination) = (ip("3ffe::9"), ip("3ffe::100"));
        let outcome = scene.bench.frame(1, &Arrival::new(0, request.bytes()));
        left(&outcome).2 == ip("3ffe::2")
    })
}

#[test]
fn a_change_touches_the_enis_that_it_is_about() {
    let mut renewed = eni();
    renewed.vm_vni = Some(7);
    for (changes, expected) in [
        (vec![Change::Eni(0, Some(renewed))], [true, false]),
        (vec![Change::Trusted(Owner::Eni(1), 5..=6, true)], [false, true]),
        (vec![Change::Inbound(0, 5, false, vec![])], [true, false]),
        (vec![Change::Route(1, prefix("9.0.0.0/8"), Some(Route::Drop))], [false, true]),
        (acl(2, 1, vec![AclRule::any(1, true, true)]), [true, false]),
        (vec![Change::Mapping(0, ip("10.0.0.7"), Some(mapping([100, 0, 0, 7])))], [true, true]),
        (vec![Change::Tag(0, prefix("10.0.0.0/24"), true)], [true, true]),
        (vec![Change::Underlay(prefix("9.0.0.0/8"), Some(UnderlayRoute::Drop))], [false, false]),
    ] {
        assert_eq!(evaluated_again(&changes), expected, "{changes:?}");
    }
}

#[test]
fn setting_what_is_there_changes_nothing() {
    for changes in [
        vec![Change::Eni(0, Some(eni()))],
        vec![Change::Route(0, prefix("10.0.0.0/24"), Some(Route::Vnet(0)))],
        vec![Change::Vnet(0, Some(100))],
        vec![Change::Trusted(Owner::Appliance(0), 100..=499, true)],
        vec![Change::Mapping(0, ip("10.0.0.7"), None)],
        vec![Change::Pa(100, prefix("10.0.0.0/24"), false)],
        vec![],
    ] {
        assert_eq!(evaluated_again(&changes), [false, false], "{changes:?}");
    }
}

/// DISAGREEMENT, left failing: `PolicyWriter::commit` says that a transaction that changed nothing
/// ends without trace, but a tag's prefix that is there already, or one that is taken from where
/// it is not, has all flows of all ENIs evaluated again.
#[test]
fn a_tag_that_stays_the_same_changes_nothing() {
    let change = vec![Change::Tag(0, prefix("10.0.0.0/24"), false)];
    assert_eq!(evaluated_again(&change), [false, false], "{change:?}");
}

#[test]
fn an_underlay_route_counts_at_once_for_flows_too() {
    let mut storage = Storage::new(8);
    let mut scene = Scene::new(&mut storage, SETTINGS, &policy());
    let request = request("10.0.0.2", QUESTION);
    let at = |port| Arrival::new(port, request.bytes());
    // Without a route the ingress port is kept as such, not as a number.
    assert_eq!(left(&scene.arrive(0, &at(1))).0, 1);
    assert_eq!(left(&scene.arrive(1, &at(2))).0, 2);
    scene.change(&[Change::Underlay(prefix("100.0.0.0/24"), Some(UnderlayRoute::Port(3)))]);
    assert_eq!(left(&scene.arrive(2, &at(1))).0, 3);
    scene.change(&[Change::Underlay(prefix("100.0.0.2/32"), Some(UnderlayRoute::Drop))]);
    assert_eq!(dropped(&scene.arrive(3, &at(1))), "underlay_drop");
    scene.change(&[Change::Underlay(prefix("100.0.0.2/32"), None)]);
    assert_eq!(left(&scene.arrive(4, &at(1))).0, 3);
    assert_eq!(scene.bench.live(4).len(), 2);
}

#[test]
fn each_frame_brings_its_own_dscp() {
    let mut storage = Storage::new(8);
    let mut scene = Scene::new(&mut storage, SETTINGS, &policy());
    let mut frame = request("10.0.0.2", QUESTION);
    for (received, sent) in [(0, 0), (0xb8, 0xb8), (0x2b, 0x28), (0x03, 0)] {
        frame.outer.tos = received;
        let Outcome::Frame(_, bytes) = scene.send(0, &frame) else { panic!("dropped") };
        assert_eq!(bytes[15], sent, "received {received:#x}; ECN is not carried over");
    }
}

#[test]
fn strict_tcp_begins_with_a_syn_and_goes_on_without() {
    let mut storage = Storage::new(8);
    let settings = Settings { tcp_strict: true, ..SETTINGS };
    let mut scene = Scene::new(&mut storage, settings, &guarded());
    let segment = |flags| request("8.8.8.8", Upper::Tcp(1000, 80, flags));
    assert_eq!(dropped(&scene.send(0, &segment(0x10))), "tcp_not_syn_drop");
    assert_eq!(dropped(&scene.send(1, &segment(SYN | 0x10))), "tcp_not_syn_drop");
    assert_eq!(dropped(&scene.send(2, &segment(SYN))), "left");
    assert_eq!(dropped(&scene.send(3, &segment(0x10))), "left");
    // A stale flow is no miss.
    scene.change(&[Change::Vnet(2, Some(9))]);
    assert_eq!(dropped(&scene.send(4, &segment(0x10))), "left");
}

#[test]
fn padding_stays_behind() {
    let mut storage = Storage::new(8);
    let mut scene = Scene::new(&mut storage, SETTINGS, &policy());
    for destination in ["8.8.8.8", "10.0.0.2"] {
        let plain = request(destination, QUESTION);
        let expected = scene.send(0, &plain);
        let mut padded = plain.clone();
        (padded.customer.padding, padded.trailer) = (7, 5);
        assert_eq!(scene.send(0, &padded), expected, "{destination}");
    }
    assert_ne!(VM_MAC, FAKE_MAC);
}
