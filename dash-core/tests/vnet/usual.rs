//! What the short way through the packet path must not change: frames at odd addresses, answers
//! that are remembered for a burst, and frames that are almost usual ones.

use std::{cell::RefCell, collections::BTreeMap};

use proptest::prelude::*;

use crate::{
    bench::{Bench, PORTS, Storage, address_parity},
    choices::{self, Choices},
    frame::{ACK, Arrival, SYN, Tunnelled, Upper},
    model::{Model, Outcome},
    policy::{Change, Policy},
    properties::{BIG, SETTINGS, Totals, for_scripts, same_counters},
    scene::{self, ANSWER, QUESTION, Scene, answer, request},
    traffic::{Contents, Script, Step, script, tunnelled},
};

/// Bytes in front of a frame: the first puts it at an even address, the second at an odd one.
const HEADROOMS: [usize; 2] = [128, 127];

fn at(headroom: usize, arrival: &Arrival) -> Arrival {
    Arrival { headroom, ..arrival.clone() }
}

/// What leaves each port, in order.
type Sent = BTreeMap<u16, Vec<Vec<u8>>>;

fn sent(frames: impl IntoIterator<Item = (u16, Vec<u8>)>) -> Sent {
    let mut sent = Sent::new();
    for (port, bytes) in frames {
        sent.entry(port).or_default().push(bytes);
    }
    sent
}

fn expected(model: &mut Model, burst: &[Arrival]) -> Sent {
    sent(burst.iter().filter_map(|arrival| match model.frame(0, arrival) {
        Outcome::Frame(port, bytes) => Some((port, bytes)),
        Outcome::Drop(_) => None,
    }))
}

#[test]
fn headrooms_are_of_both_parities() {
    let frame = Arrival::new(0, request("10.0.0.2", QUESTION).bytes());
    assert_eq!(HEADROOMS.map(|headroom| address_parity(&at(headroom, &frame))), [0, 1]);
}

/// Any frame, flow and policy.
#[test]
fn an_odd_address_changes_nothing() {
    let totals = RefCell::new(Totals::default());
    for_scripts(200, 120, |policy, steps| {
        let Script { policy, steps: script } =
            script(policy, steps, Contents { changes: true, pauses: true });
        let mut storages = HEADROOMS.map(|_| Storage::new(BIG));
        let [even, odd] = &mut storages;
        let (mut even, mut odd) = (Bench::new(even, &SETTINGS), Bench::new(odd, &SETTINGS));
        let mut model = Model::new(SETTINGS);
        even.change(&policy);
        odd.change(&policy);
        model.change(&policy);
        let mut now = 0;
        for step in &script {
            match step {
                Step::Change(changes) => {
                    even.change(changes);
                    odd.change(changes);
                    model.change(changes);
                }
                // Where there is no room for headers, one byte may be the one that is missing.
                Step::Frame(_, arrival) if arrival.headroom < HEADROOMS[1] => {}
                Step::Frame(pause, arrival) => {
                    now += pause;
                    let expected = model.frame(now, arrival);
                    let got = even.frame(now, &at(HEADROOMS[0], arrival));
                    prop_assert_eq!(&got, &expected, "even: {:?} of {:?}", arrival, &script);
                    let got = odd.frame(now, &at(HEADROOMS[1], arrival));
                    prop_assert_eq!(got, expected, "odd: {:?} of {:?}", arrival, &script);
                }
            }
        }
        totals.borrow_mut().add(&model);
        same_counters(&even, &model, now)?;
        same_counters(&odd, &model, now)
    });
    totals.borrow().print("even and odd addresses");
}

/// Kinds of change of what is remembered: appliances with their VIPs, directions, ENIs; and, which
/// moves all epochs, VNETs, and underlay routes.
const REMEMBERED: [usize; 8] = [0, 0, 1, 1, 2, 2, 3, 11];

/// A few frames of several ENIs, VNIs and VIPs, over and over in bursts, and between bursts what
/// is remembered of policy changes.
#[test]
fn answers_of_an_old_policy_are_forgotten() {
    let totals = RefCell::new(Totals::default());
    for_scripts(300, 40, |policy_bytes, steps| {
        let mut choices = Choices(policy_bytes);
        let v6_underlay = !choices.one_in(4);
        let initial = choices::policy(&mut choices, v6_underlay);
        let mut policy = Policy::default();
        policy.apply(&initial);
        let mut storage = Storage::new(BIG);
        let (mut bench, mut model) = (Bench::new(&mut storage, &SETTINGS), Model::new(SETTINGS));
        bench.change(&initial);
        model.change(&initial);
        let mut pool: Vec<Tunnelled> = Vec::new();
        let mut done: Vec<(Vec<Change>, Vec<Arrival>)> = Vec::new();
        for bytes in steps {
            let backwards: Vec<u8> = bytes.iter().rev().copied().collect();
            let mut choices = Choices(&backwards);
            let mut changes = Vec::new();
            for _ in 0..choices.below(3) {
                let kind = choices.pick(&REMEMBERED);
                changes.extend(choices::change(&mut choices, kind, v6_underlay, &policy));
            }
            policy.apply(&changes);
            bench.change(&changes);
            model.change(&changes);
            let mut choices = Choices(bytes);
            for _ in 0..2 {
                pool.push(tunnelled(&mut choices, &policy, &pool, v6_underlay));
            }
            let recent = &pool[pool.len().saturating_sub(8)..];
            let size = 1 + usize::from(bytes[31] % 32);
            let burst: Vec<Arrival> = (bytes.iter().cycle().take(size))
                .map(|byte| {
                    let byte = usize::from(*byte);
                    let frame = recent[byte % recent.len()].bytes();
                    at(HEADROOMS[byte / 128], &Arrival::new((byte / 32 % PORTS) as u16, frame))
                })
                .collect();
            let expected = expected(&mut model, &burst);
            done.push((changes, burst));
            let (_, burst) = &done[done.len() - 1];
            let got = sent(bench.burst(0, burst));
            prop_assert_eq!(got, expected, "after {:?}: {:?}", &initial, &done);
        }
        totals.borrow_mut().add(&model);
        same_counters(&bench, &model, 0)
    });
    totals.borrow().print("alternating frames and changing policy");
}

/// Frames of IPv4 in IPv4, of TCP and UDP, of both directions and both ways to leave.
fn usual() -> [Tunnelled; 5] {
    let opening = Upper::Tcp(1000, 80, SYN);
    [
        request("10.0.0.2", QUESTION),
        request("10.0.0.2", opening),
        request("8.8.8.8", opening),
        answer("10.0.0.2", ANSWER),
        answer("10.0.0.2", Upper::Tcp(80, 1000, ACK)),
    ]
}

/// Every bit of every byte turned over, and a few values of every byte.
#[test]
fn a_usual_frame_with_another_byte() {
    let mut storage = Storage::new(4096);
    let mut scene = Scene::new(&mut storage, SETTINGS, &scene::policy());
    let frames = usual();
    for frame in &frames {
        scene.send(0, frame);
    }
    let (mut all, mut left) = (0, 0);
    for frame in &frames {
        let bytes = frame.bytes();
        for (place, own) in bytes.iter().enumerate() {
            let bits = (0..8).map(|bit| own ^ 1 << bit);
            let values = [0, 1, 0xff, own.wrapping_add(1), own.wrapping_sub(1)];
            for (index, value) in bits.chain(values).enumerate() {
                let mut arrival = Arrival::new(0, bytes.clone());
                arrival.bytes[place] = value;
                // Now the one, now the other is the first of its flow.
                for turn in [index, index + 1] {
                    let got = scene.arrive(0, &at(HEADROOMS[turn % 2], &arrival));
                    all += 1;
                    left += u32::from(matches!(got, Outcome::Frame(..)));
                }
            }
        }
    }
    println!("one other byte: {all} frames, {left} left");
    assert!(left > all / 4 && left < all, "{left} of {all} left");
}

/// Several bytes, cut or longer frames, and what the port says; in bursts with the frame as it was.
#[test]
fn usual_frames_with_other_bytes() {
    let totals = RefCell::new(Totals::default());
    for_scripts(200, 120, |_, steps| {
        let mut storage = Storage::new(BIG);
        let (mut bench, mut model) = (Bench::new(&mut storage, &SETTINGS), Model::new(SETTINGS));
        bench.change(&scene::policy());
        model.change(&scene::policy());
        let frames = usual();
        for steps in steps.chunks(8) {
            let mut burst = Vec::new();
            for bytes in steps {
                let mut choices = Choices(bytes);
                let headroom = choices.pick(&HEADROOMS);
                let whole = Arrival { headroom, ..Arrival::new(0, choices.pick(&frames).bytes()) };
                let mut other = whole.clone();
                let length = other.bytes.len();
                match choices.below(8) {
                    0 => other.bytes.truncate(choices.below(256) % length),
                    1 => other.bytes.resize(length + choices.below(64), 0xdd),
                    2 => other.stripped_vlan = Some(7),
                    3 => other.bad_l3 = true,
                    4 => other.truncated = true,
                    _ => {}
                }
                for _ in 0..choices.below(5) {
                    let place = choices.below(256) % other.bytes.len().max(1);
                    if let Some(byte) = other.bytes.get_mut(place) {
                        *byte = choices.below(256) as u8;
                    }
                }
                burst.extend([whole.clone(), other, whole]);
            }
            let expected = expected(&mut model, &burst);
            prop_assert_eq!(sent(bench.burst(0, &burst)), expected, "{:?}", &burst);
        }
        totals.borrow_mut().add(&model);
        same_counters(&bench, &model, 0)
    });
    totals.borrow().print("usual frames with other bytes");
}
