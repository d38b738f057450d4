//! Fragmented datagrams by frames; the model runs beside.

use dash_core::{
    flow::{FlowCounters, FlowSettings, WhenFull},
    pipeline::vnet::Settings as VnetSettings,
};

use crate::{
    bench::Storage,
    frame::{ACK, Arrival, MORE_FRAGMENTS, SYN, Tunnelled, Upper},
    model::SECOND,
    policy::{AclRule, Change, Eni},
    scene::{SETTINGS, Scene, acl, answer, dropped, eni, left, policy, request},
};

const MILLISECOND: u64 = SECOND / 1000;
const TCP: Upper = Upper::Tcp(1000, 80, ACK);

/// A piece of a datagram: `offset` in units of 8 bytes.
fn piece(frame: &Tunnelled, id: u16, offset: u16, more: bool) -> Tunnelled {
    let mut frame = frame.clone();
    let packet = &mut frame.customer.packet;
    packet.id = id;
    packet.fragment = offset | if more { MORE_FRAGMENTS } else { 0 };
    packet.fragment_v6 = packet.source.is_ipv6().then_some(offset << 3 | u16::from(more));
    if offset > 0 {
        packet.upper = Upper::Other(packet.protocol());
    }
    frame
}

fn counters(scene: &Scene<'_>) -> FlowCounters {
    *scene.bench.engine.flows().counters()
}

#[test]
fn later_fragments_go_the_way_of_the_first_in_either_ip_version() {
    for destination in ["10.0.0.2", "fd00::2"] {
        for upper in [Upper::Udp(1000, 53), TCP, Upper::Icmp] {
            let mut storage = Storage::new(8);
            let mut scene = Scene::new(&mut storage, SETTINGS, &policy());
            let whole = request(destination, upper);
            let first = left(&scene.send(0, &piece(&whole, 7, 0, true)));
            let middle = left(&scene.send(1, &piece(&whole, 7, 5, true)));
            let last = left(&scene.send(2, &piece(&whole, 7, 10, false)));
            for later in [middle, last] {
                assert_eq!(later.1, first.1);
                assert_eq!((later.0, later.2, later.3), (first.0, first.2, first.3));
            }
            // The last one ended it, and its frames are the flow's.
            let late = scene.send(3, &piece(&whole, 7, 15, true));
            assert_eq!(dropped(&late), "fragment_drop");
            let live = scene.bench.live(3);
            assert_eq!(live, scene.model.live(3));
            assert!(live.values().any(|(packets, _)| *packets == 3));
            assert_eq!((live.len(), scene.bench.engine.flows().len()), (2, 2));
        }
    }
}

#[test]
fn a_fragment_without_its_first_is_dropped() {
    let mut storage = Storage::new(8);
    let mut scene = Scene::new(&mut storage, SETTINGS, &policy());
    let whole = request("10.0.0.2", Upper::Udp(1000, 53));
    assert_eq!(dropped(&scene.send(0, &piece(&whole, 7, 5, true))), "fragment_drop");
    assert!(scene.bench.engine.flows().is_empty(), "and makes no flow");
    scene.send(0, &piece(&whole, 7, 0, true));
    // Another datagram, another destination, another protocol.
    assert_eq!(dropped(&scene.send(0, &piece(&whole, 8, 5, true))), "fragment_drop");
    let other = request("8.8.8.8", Upper::Udp(1000, 53));
    assert_eq!(dropped(&scene.send(0, &piece(&other, 7, 5, true))), "fragment_drop");
    let other = request("10.0.0.2", Upper::Icmp);
    assert_eq!(dropped(&scene.send(0, &piece(&other, 7, 5, true))), "fragment_drop");
    // The other direction.
    let back = answer("10.0.0.2", Upper::Udp(53, 1000));
    assert_eq!(dropped(&scene.send(0, &piece(&back, 7, 5, true))), "fragment_drop");
    assert_eq!(dropped(&scene.send(0, &piece(&whole, 7, 5, true))), "left");
}

#[test]
fn identical_fragments_of_two_enis_do_not_meet() {
    let mut storage = Storage::new(16);
    let mut scene = Scene::new(&mut storage, SETTINGS, &policy());
    let other = Eni { mac: [2, 0, 0, 0, 0, 2], ..eni() };
    scene.change(&[Change::Eni(1, Some(other))]);
    let ours = request("10.0.0.2", Upper::Udp(1000, 53));
    let mut theirs = ours.clone();
    theirs.customer.source = [2, 0, 0, 0, 0, 2];
    scene.send(0, &piece(&ours, 7, 0, true));
    assert_eq!(dropped(&scene.send(0, &piece(&theirs, 7, 5, true))), "fragment_drop");
    scene.send(0, &piece(&theirs, 7, 0, true));
    assert_eq!(scene.bench.engine.flows().len(), 6);
    // The last one of theirs ends theirs alone.
    assert_eq!(dropped(&scene.send(0, &piece(&theirs, 7, 5, false))), "left");
    assert_eq!(dropped(&scene.send(0, &piece(&ours, 7, 5, true))), "left");
}

#[test]
fn fragments_live_half_a_second_from_the_first_on() {
    for (wait, end) in [(500, "left"), (501, "fragment_drop")] {
        let mut storage = Storage::new(8);
        let mut scene = Scene::new(&mut storage, SETTINGS, &policy());
        let whole = request("10.0.0.2", Upper::Udp(1000, 53));
        scene.send(0, &piece(&whole, 7, 0, true));
        // A later one is no reason to live longer.
        scene.send(300 * MILLISECOND, &piece(&whole, 7, 5, true));
        assert_eq!(dropped(&scene.send(wait * MILLISECOND, &piece(&whole, 7, 10, true))), end);
    }
    // Nobody comes: the wheel ends it, and the flow has its frames.
    let mut storage = Storage::new(8);
    let mut scene = Scene::new(&mut storage, SETTINGS, &policy());
    let whole = request("10.0.0.2", Upper::Udp(1000, 53));
    scene.send(0, &piece(&whole, 7, 0, true));
    scene.send(0, &piece(&whole, 7, 5, true));
    scene.bench.tick(SECOND, 8);
    assert_eq!((scene.bench.engine.flows().len(), counters(&scene).hard), (2, 1));
    assert!(scene.bench.live(SECOND).values().any(|(packets, _)| *packets == 2));
}

#[test]
fn fragments_end_with_their_flow() {
    let mut storage = Storage::new(8);
    let mut scene = Scene::new(&mut storage, SETTINGS, &policy());
    let whole = request("10.0.0.2", Upper::Udp(1000, 53));
    scene.bench.frame(0, &Arrival::new(0, piece(&whole, 7, 0, true).bytes()));
    let key = scene.bench.engine.flows().live(0).map(|(key, _)| *key).next().unwrap();
    let handle = scene.bench.engine.flows().find(&key, &dash_hal::SoftwareHints).unwrap();
    scene.bench.engine.remove(handle, 0, &dash_hal::SoftwareHints);
    let later = Arrival::new(0, piece(&whole, 7, 5, true).bytes());
    assert_eq!(dropped(&scene.bench.frame(0, &later)), "fragment_drop");
    assert!(scene.bench.engine.flows().is_empty());
}

#[test]
fn what_policy_denies_leaves_nothing_for_later_fragments() {
    let mut storage = Storage::new(8);
    let mut scene = Scene::new(&mut storage, SETTINGS, &policy());
    let whole = request("10.0.0.2", Upper::Udp(1000, 53));
    scene.send(0, &piece(&whole, 7, 0, true));
    scene.change(&acl(2, 1, vec![AclRule::any(1, false, true)]));
    // The temporary flow keeps what was permitted; the next datagram is judged.
    assert_eq!(dropped(&scene.send(0, &piece(&whole, 7, 5, true))), "left");
    assert_eq!(dropped(&scene.send(0, &piece(&whole, 8, 0, true))), "acl_out_drop.1");
    assert_eq!(dropped(&scene.send(0, &piece(&whole, 8, 5, true))), "fragment_drop");
    assert_eq!(dropped(&scene.send(0, &piece(&whole, 7, 5, true))), "fragment_drop");
}

/// RFC 1858: neither a first fragment without the ports nor one that would write over the flags.
#[test]
fn headers_cannot_be_hidden() {
    let mut storage = Storage::new(8);
    let mut scene = Scene::new(&mut storage, SETTINGS, &policy());
    let whole = request("10.0.0.2", Upper::Tcp(1000, 80, SYN));
    let mut tiny = piece(&whole, 7, 0, true);
    tiny.customer.packet.upper = Upper::Other(6);
    tiny.customer.packet.payload = vec![0; 16];
    assert_eq!(dropped(&scene.send(0, &tiny)), "fragment_drop");
    assert_eq!(dropped(&scene.send(0, &piece(&whole, 7, 0, true))), "left");
    for (offset, end) in [(1, "fragment_drop"), (2, "fragment_drop"), (3, "left")] {
        assert_eq!(dropped(&scene.send(0, &piece(&whole, 7, offset, true))), end);
    }
}

#[test]
fn without_a_place_or_a_time_out_later_fragments_are_dropped() {
    let mut storage = Storage::new(2);
    let mut scene = Scene::new(&mut storage, SETTINGS, &policy());
    let bench = &mut scene.bench;
    let evict = FlowSettings { when_full: WhenFull::Evict, ..FlowSettings::default() };
    bench.engine.set_flows(evict);
    let whole = request("10.0.0.2", Upper::Udp(1000, 53));
    let send = |bench: &mut crate::bench::Bench<'_>, offset| {
        let frame = piece(&whole, 7, offset, true);
        dropped(&bench.frame(0, &Arrival::new(0, frame.bytes()))).to_owned()
    };
    assert_eq!(send(bench, 0), "left");
    assert_eq!(send(bench, 5), "fragment_drop");
    assert_eq!(bench.engine.flows().len(), 2, "its own pair makes no room for it");
    bench.engine.pipeline_mut().set(VnetSettings { fragment_timeout: 0, ..Default::default() });
    assert_eq!(send(bench, 0), "fragment_drop");
}
