//! TCP conversations from their first segment to their end, by frames; the model runs beside.

use dash_core::flow::{FlowCounters, tcp::TcpTimeouts};

use crate::{
    bench::Storage,
    frame::{ACK, FIN, RST, SYN, Upper},
    model::{Outcome, SECOND, Settings},
    policy::AclRule,
    scene::{SETTINGS, Scene, acl, answer, dropped, policy, request},
};

/// Nanoseconds.
const CLOSED: u64 =
    TcpTimeouts { opening: 5_000, closing: 10_000, closed: 1_000 }.closed as u64 * 1_000_000;

fn out(scene: &mut Scene<'_>, now: u64, flags: u8) -> Outcome {
    scene.send(now, &request("10.0.0.2", Upper::Tcp(1000, 80, flags)))
}

fn back(scene: &mut Scene<'_>, now: u64, flags: u8) -> Outcome {
    scene.send(now, &answer("10.0.0.2", Upper::Tcp(80, 1000, flags)))
}

fn opened(scene: &mut Scene<'_>, now: u64) {
    out(scene, now, SYN);
    back(scene, now, SYN | ACK);
    out(scene, now, ACK);
}

/// Whether the flows live, by engine and model.
fn lives(scene: &Scene<'_>, now: u64) -> bool {
    let live = scene.bench.live(now);
    assert_eq!(live, scene.model.live(now), "engine and model at {now}");
    !live.is_empty()
}

fn counters(scene: &Scene<'_>) -> FlowCounters {
    *scene.bench.engine.flows().counters()
}

macro_rules! scene {
    ($scene:ident) => {
        scene!($scene, SETTINGS)
    };
    ($scene:ident, $settings:expr) => {
        let mut storage = Storage::new(8);
        #[allow(unused_mut)]
        let mut $scene = Scene::new(&mut storage, $settings, &policy());
    };
}

#[test]
fn the_time_outs_are_those_that_are_documented() {
    let TcpTimeouts { opening, closing, closed } = TcpTimeouts::default();
    assert_eq!((opening, closing, u64::from(closed) * 1_000_000), (5_000, 10_000, CLOSED));
}

#[test]
fn half_open_is_short_and_open_is_not() {
    scene!(scene);
    out(&mut scene, 0, SYN);
    assert!(lives(&scene, 5 * SECOND) && !lives(&scene, 5 * SECOND + 1));
    back(&mut scene, 4 * SECOND, SYN | ACK);
    assert!(lives(&scene, 9 * SECOND) && !lives(&scene, 9 * SECOND + 1));
    out(&mut scene, 8 * SECOND, ACK);
    assert!(lives(&scene, 38 * SECOND) && !lives(&scene, 38 * SECOND + 1));
}

#[test]
fn an_ack_alone_opens_nothing() {
    scene!(scene);
    out(&mut scene, 0, SYN);
    out(&mut scene, 0, ACK);
    assert!(!lives(&scene, 5 * SECOND + 1), "the other side said nothing");
}

#[test]
fn a_conversation_that_was_there_before_is_open() {
    scene!(scene);
    out(&mut scene, 0, ACK);
    assert!(lives(&scene, 30 * SECOND));
}

#[test]
fn fins_of_both_sides_end_it_and_late_segments_pass() {
    scene!(scene);
    opened(&mut scene, 0);
    out(&mut scene, 0, FIN | ACK);
    assert!(lives(&scene, 10 * SECOND) && !lives(&scene, 10 * SECOND + 1));
    back(&mut scene, 9 * SECOND, ACK);
    back(&mut scene, 9 * SECOND, FIN | ACK);
    let acl = acl(0, 1, vec![AclRule::any(1, false, true)]);
    scene.change(&acl);
    // The last ACK, and a FIN that was lost: no policy is asked.
    let now = 9 * SECOND + CLOSED;
    assert_eq!(dropped(&back(&mut scene, now, FIN | ACK)), "left");
    assert!(lives(&scene, now + CLOSED) && !lives(&scene, now + CLOSED + 1));
    scene.bench.tick(now + CLOSED + SECOND, 8);
    assert_eq!((counters(&scene).closed, scene.bench.engine.flows().len()), (2, 0));
}

#[test]
fn a_reset_ends_it_and_further_ones_pass() {
    scene!(scene);
    opened(&mut scene, 0);
    back(&mut scene, SECOND, RST);
    assert_eq!(dropped(&out(&mut scene, 2 * SECOND, RST)), "left");
    assert!(lives(&scene, 3 * SECOND) && !lives(&scene, 3 * SECOND + 1));
    // Whoever goes on is asked about as at the first time.
    assert_eq!(dropped(&out(&mut scene, 4 * SECOND, ACK)), "left");
    assert_eq!((counters(&scene).closed, counters(&scene).created), (2, 4));
}

#[test]
fn a_new_conversation_of_the_same_name_asks_policy() {
    scene!(scene);
    opened(&mut scene, 0);
    out(&mut scene, 0, RST);
    // An answer never meets the ACL, but this is no answer.
    back(&mut scene, 1, SYN | ACK);
    assert_eq!(counters(&scene).closed, 0);
    let deny = acl(2, 1, vec![AclRule::any(1, false, true)]);
    scene.change(&deny);
    assert_eq!(dropped(&out(&mut scene, 2, SYN)), "acl_out_drop.1");
    assert_eq!((counters(&scene).closed, scene.bench.engine.flows().len()), (2, 0));
}

#[test]
fn strict_asks_for_a_syn_after_the_end() {
    scene!(scene, Settings { tcp_strict: true, ..SETTINGS });
    opened(&mut scene, 0);
    out(&mut scene, 0, RST);
    assert_eq!(dropped(&out(&mut scene, CLOSED + 1, ACK)), "tcp_not_syn_drop");
    assert_eq!(dropped(&out(&mut scene, CLOSED + 1, SYN)), "left");
    assert!(lives(&scene, CLOSED + 1 + 5 * SECOND));
}

#[test]
fn a_change_of_policy_keeps_what_was_seen() {
    scene!(scene);
    out(&mut scene, 0, SYN);
    back(&mut scene, 0, SYN | ACK);
    scene.change(&acl(2, 1, vec![AclRule::any(1, true, true)]));
    // Evaluated again, and the last segment of the handshake.
    out(&mut scene, 0, ACK);
    assert_eq!(counters(&scene).replaced, 2);
    assert!(lives(&scene, 30 * SECOND));
    scene.change(&acl(2, 1, vec![AclRule::any(2, true, true)]));
    out(&mut scene, 0, FIN | ACK);
    assert_eq!(counters(&scene).replaced, 4);
    assert!(!lives(&scene, 10 * SECOND + 1));
}

#[test]
fn ipv6_with_extension_headers_is_followed_too() {
    scene!(scene);
    let frame = |flags| request("fd00::2", Upper::Tcp(1000, 80, flags));
    scene.send(0, &frame(SYN));
    assert!(lives(&scene, 5 * SECOND) && !lives(&scene, 5 * SECOND + 1));
}

#[test]
fn a_closed_conversation_leaves_its_place_soon() {
    scene!(scene);
    for turn in 0..20 {
        let now = turn * 2 * SECOND;
        opened(&mut scene, now);
        out(&mut scene, now, FIN | ACK);
        back(&mut scene, now, FIN | ACK);
        scene.bench.tick(now + 3 * SECOND / 2, 4);
        assert_eq!(scene.bench.engine.flows().len(), 0, "turn {turn}");
    }
    assert_eq!((counters(&scene).closed, counters(&scene).full), (40, 0));
}
