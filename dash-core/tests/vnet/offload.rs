//! When the hardware has a flow, and when no longer; the model knows nothing of hardware.

use dash_core::pipeline::vnet::EniCounters;
use dash_hal::PortId;

use crate::{
    bench::{ENIS, Storage, buffer},
    frame::{ACK, Arrival, FIN, SYN, Tunnelled, Upper},
    hardware::Device,
    model::{Model, Outcome, SECOND, Settings},
    policy::{AclRule, Change, UnderlayRoute},
    scene::{
        ANSWER, QUESTION, SETTINGS, acl, answer, dropped, eni, ip, mapping, policy, prefix, request,
    },
};

/// The device, and beside it the model.
struct Scene<'a> {
    device: Device<'a>,
    model: Model,
}

impl<'a> Scene<'a> {
    fn new(storage: &'a mut Storage, enis: &'a mut [EniCounters], settings: Settings) -> Self {
        let device = Device::new(storage, enis, &settings);
        let mut scene = Self { device, model: Model::new(settings) };
        scene.change(0, &policy());
        scene
    }

    fn change(&mut self, now: u64, changes: &[Change]) {
        self.device.change(now, changes);
        self.model.change(changes);
    }

    fn arrive(&mut self, now: u64, arrival: &Arrival) -> Outcome {
        let expected = self.model.frame(now, arrival);
        assert_eq!(self.device.frame(now, arrival), expected, "device and model");
        expected
    }

    fn send(&mut self, now: u64, frame: &Tunnelled) -> Outcome {
        self.arrive(now, &Arrival::new(0, frame.bytes()))
    }

    /// What was counted, once the engine has asked the hardware.
    fn counts_are_equal(&mut self, now: u64) {
        self.device.sweep(now);
        assert_eq!(self.device.bench.enis(), self.model.enis);
        assert_eq!(self.device.bench.drops(), self.model.drops);
        assert_eq!(self.device.bench.live(now), self.model.live(now));
    }

    /// Both halves of the conversation with 10.0.0.2 are in the hardware.
    fn offload(&mut self, now: u64) -> (Tunnelled, Tunnelled) {
        let (request, answer) = (request("10.0.0.2", QUESTION), answer("10.0.0.2", ANSWER));
        for _ in 0..2 {
            self.send(now, &request);
            self.send(now, &answer);
        }
        self.device.sweep(now);
        assert_eq!((self.device.offloaded(), self.device.forwarded), (2, 0));
        (request, answer)
    }
}

/// A scene over storage for eight flows.
macro_rules! scene {
    ($scene:ident) => {
        let (mut storage, mut enis) = (Storage::new(8), vec![EniCounters::ZERO; ENIS]);
        #[allow(unused_mut)]
        let mut $scene = Scene::new(&mut storage, &mut enis, SETTINGS);
    };
}

#[test]
fn a_flow_is_offered_once_it_is_established() {
    scene!(scene);
    let request = request("10.0.0.2", QUESTION);
    scene.send(0, &request);
    scene.device.sweep(0);
    assert_eq!(scene.device.offloaded(), 0, "after one frame");
    scene.send(1, &request);
    scene.device.sweep(1);
    assert_eq!(scene.device.offloaded(), 1, "the other half had no frame");
    for now in 2..7 {
        scene.send(now, &request);
    }
    assert_eq!(scene.device.forwarded, 5);
    scene.counts_are_equal(7);
    assert_eq!(scene.device.bench.engine.flows().counters().offloaded, 1);
}

#[test]
fn what_is_left_to_software_is_forwarded_and_counted_there() {
    scene!(scene);
    let (request, _) = scene.offload(0);
    let mut too_long = request.clone();
    too_long.customer.packet.payload = vec![1; 700];
    assert_eq!(dropped(&scene.send(1, &too_long)), "mtu_drop");
    let mut fragment = request.clone();
    fragment.customer.packet.fragment = 5;
    assert_eq!(dropped(&scene.send(1, &fragment)), "fragment_drop");
    let mut bad = Arrival::new(0, request.bytes());
    bad.bad_l4 = true;
    assert_eq!(dropped(&scene.arrive(1, &bad)), "checksum_bad_drop");
    assert_eq!(scene.device.forwarded, 0);
    scene.counts_are_equal(2);
    assert_eq!(scene.device.offloaded(), 2, "the flow stays in the hardware");
}

#[test]
fn tcp_opens_and_closes_in_software() {
    scene!(scene);
    let segment = |flags| request("10.0.0.2", Upper::Tcp(1000, 80, flags));
    scene.send(0, &segment(SYN));
    scene.send(0, &segment(SYN));
    scene.device.sweep(0);
    assert_eq!(
        scene.device.offloaded(),
        0,
        "hardware would not tell of the handshake's last segment"
    );
    scene.send(0, &answer("10.0.0.2", Upper::Tcp(80, 1000, SYN | ACK)));
    scene.send(0, &segment(ACK));
    scene.device.sweep(0);
    scene.send(1, &segment(ACK));
    scene.send(1, &segment(FIN | ACK));
    assert_eq!(scene.device.forwarded, 1);
    scene.counts_are_equal(2);
    assert_eq!(scene.device.offloaded(), 0, "it is about to end");
}

#[test]
fn a_change_of_policy_takes_both_halves_back() {
    scene!(scene);
    let (request, answer) = scene.offload(0);
    scene.change(1, &[Change::Mapping(0, ip("10.0.0.2"), Some(mapping([100, 0, 0, 22])))]);
    assert_eq!(scene.device.offloaded(), 0);
    scene.send(2, &answer);
    scene.device.sweep(2);
    assert_eq!(scene.device.offloaded(), 0, "nobody has evaluated the new policy");
    scene.send(3, &request);
    scene.send(3, &answer);
    scene.device.sweep(3);
    assert_eq!(scene.device.offloaded(), 2, "offered with the new rewrite");
    scene.send(4, &request);
    scene.send(4, &answer);
    assert_eq!(scene.device.forwarded, 2);
    let deny = acl(2, 1, vec![AclRule::any(1, false, true)]);
    scene.change(5, &deny);
    assert_eq!(dropped(&scene.send(6, &request)), "acl_out_drop.1");
    scene.counts_are_equal(7);
}

#[test]
fn a_change_of_the_underlay_takes_flows_back_and_offers_them_anew() {
    scene!(scene);
    let (request, _) = scene.offload(0);
    let to_port = |port| {
        let route = UnderlayRoute::Port(port);
        [Change::Underlay(prefix("100.0.0.2/32"), Some(route))]
    };
    scene.change(1, &to_port(3));
    assert_eq!(scene.device.offloaded(), 0, "hardware would use the old port");
    assert!(matches!(scene.send(2, &request), Outcome::Frame(3, _)));
    scene.device.sweep(2);
    scene.send(3, &request);
    assert_eq!(scene.device.forwarded, 1);

    // A frame that software sees finds the new route before the sweep comes by.
    scene.device.bench.change(&to_port(2));
    scene.model.change(&to_port(2));
    let arrival = Arrival::new(0, request.bytes());
    assert_eq!(scene.device.bench.frame(4, &arrival), scene.model.frame(4, &arrival));
    scene.device.sweep(4);
    assert!(matches!(scene.send(5, &request), Outcome::Frame(2, _)));
    assert_eq!(scene.device.forwarded, 2, "by the new port");
    scene.counts_are_equal(6);

    scene.change(7, &[Change::Underlay(prefix("100.0.0.2/32"), Some(UnderlayRoute::Drop))]);
    assert_eq!(dropped(&scene.send(8, &request)), "underlay_drop");
    scene.counts_are_equal(9);
    assert_eq!(scene.device.offloaded(), 0);
}

#[test]
fn a_flow_lives_as_long_as_the_hardware_sees_its_frames() {
    scene!(scene);
    let (request, answer) = scene.offload(0);
    for turn in 1..4 {
        scene.send(turn * 20 * SECOND, &request);
    }
    // No sweep came by: software has seen nothing for 60 s.
    let mut too_long = request.clone();
    too_long.customer.packet.payload = vec![1; 700];
    assert_eq!(dropped(&scene.send(61 * SECOND, &too_long)), "mtu_drop");
    assert_eq!(scene.device.bench.engine.flows().counters().created, 2, "still the first pair");
    // The silent half lives by the other one.
    scene.send(85 * SECOND, &answer);
    scene.counts_are_equal(85 * SECOND);
    scene.device.sweep(115 * SECOND);
    assert_eq!(scene.device.offloaded(), 2);
    scene.device.sweep(115 * SECOND + 1);
    assert_eq!((scene.device.offloaded(), scene.device.bench.engine.flows().len()), (0, 0));
}

#[test]
fn a_full_flow_table_makes_no_room_of_a_flow_that_the_hardware_keeps_alive() {
    scene!(scene);
    let (request, _) = scene.offload(0);
    scene.send(20 * SECOND, &request);
    // Three more pairs fill the table, a fourth looks for flows that are over.
    for port in 0..4 {
        scene.device.frame(
            40 * SECOND,
            &Arrival::new(0, self::request("10.0.0.2", Upper::Udp(port, 1)).bytes()),
        );
    }
    assert_eq!(scene.device.bench.enis()[&0].flow_create_failed, 1);
    assert_eq!(scene.device.offloaded(), 2);
    scene.device.sweep(50 * SECOND + 1);
    assert_eq!(scene.device.offloaded(), 0);
}

#[test]
fn the_last_hits_of_a_deleted_eni_are_its_own() {
    scene!(scene);
    let (request, _) = scene.offload(0);
    scene.send(1, &request);
    // Another ENI takes its MAC address over in the same transaction.
    scene.change(2, &[Change::Eni(0, None), Change::Eni(1, Some(eni()))]);
    assert_eq!(scene.device.forwarded, 1);
    assert_eq!(scene.device.bench.enis(), scene.model.enis);
    assert_eq!(scene.device.offloaded(), 0);
}

#[test]
fn a_flow_that_is_removed_on_request_leaves_the_hardware() {
    scene!(scene);
    let (request, _) = scene.offload(0);
    scene.send(1, &request);
    let engine = &mut scene.device.bench.engine;
    let hints = dash_hal::SoftwareHints;
    let key = *engine.flows().live(1).next().unwrap().0;
    let handle = engine.flows().find(&key, &hints).unwrap();
    engine.remove(handle, 1, &hints);
    assert_eq!((scene.device.offloaded(), scene.device.bench.engine.flows().len()), (0, 0));
    assert_eq!(scene.device.bench.enis(), scene.model.enis);
}

#[test]
fn a_flow_that_finds_no_place_in_the_hardware_is_offered_again() {
    scene!(scene);
    let frames: Vec<_> = (0..4)
        .flat_map(|port| {
            [request("10.0.0.2", Upper::Udp(port, 53)), answer("10.0.0.2", Upper::Udp(53, port))]
        })
        .collect();
    for now in 0..2 {
        for frame in &frames {
            scene.send(now, frame);
        }
    }
    scene.device.sweep(2);
    let counters = *scene.device.bench.engine.flows().counters();
    assert_eq!((scene.device.offloaded(), counters.offloaded, counters.refused), (6, 6, 2));
    // Six flows fall silent, two are in use.
    for frame in &frames[6..] {
        scene.send(20 * SECOND, frame);
    }
    scene.device.sweep(31 * SECOND);
    scene.device.sweep(31 * SECOND);
    assert_eq!(scene.device.offloaded(), 2);
    scene.counts_are_equal(31 * SECOND);
}

#[test]
fn a_flow_of_a_reentry_is_none_for_the_hardware() {
    scene!(scene);
    let arrival = Arrival::new(0, request("10.0.0.2", QUESTION).bytes());
    for now in 0..4 {
        let bench = &mut scene.device.bench;
        bench.engine.submit(buffer(&arrival), PortId(0), 1, now, &mut *bench.port, &mut ());
    }
    assert_eq!(scene.device.bench.engine.flows().len(), 2);
    scene.device.sweep(4);
    assert_eq!(scene.device.offloaded(), 0);
}
