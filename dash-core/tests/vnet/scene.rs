//! One VM, one VNET, the internet: what the named examples have in common.

use std::net::IpAddr;

use crate::{
    bench::{Bench, Storage},
    frame::{Arrival, Customer, Mac, Packet, Tunnelled, Upper},
    model::{Model, Outcome, SECOND, Settings},
    policy::{
        AclRule, Appliance, Change, Eni, InboundRule, Mapping, Override, Owner, Prefix, Route,
    },
};

pub(crate) const VM_MAC: Mac = [2, 0, 0, 0, 0, 1];
pub(crate) const MAPPED_MAC: Mac = [2, 0, 0, 0, 1, 2];
pub(crate) const FAKE_MAC: Mac = [0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc];
pub(crate) const VM_VNI: u32 = 100;
/// Of frames to the VM.
pub(crate) const PEER_VNI: u32 = 400;
pub(crate) const SETTINGS: Settings =
    Settings { tcp_strict: false, idle_timeout: 30 * SECOND, mtu: 700, flows: true };
pub(crate) const QUESTION: Upper = Upper::Udp(1000, 53);
pub(crate) const ANSWER: Upper = Upper::Udp(53, 1000);

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn prefix(text: &str) -> Prefix {
    let (address, length) = text.split_once('/').unwrap();
    Prefix::new(ip(address), length.parse().unwrap())
}

pub(crate) fn appliance(vm_vni: u32) -> Appliance {
    Appliance {
        sip: [100, 0, 0, 100].into(),
        sip_v6: Some("3ffe::100".parse().unwrap()),
        vm_vni,
        own_mac: [0; 6],
        neighbor_mac: [0; 6],
    }
}

pub(crate) fn eni() -> Eni {
    Eni {
        mac: VM_MAC,
        enabled: true,
        underlay_ip: ip("100.0.0.1"),
        vnet: 0,
        appliance: 0,
        vm_vni: None,
        route_group: Some(0),
        acl: [[None; 5]; 4],
    }
}

pub(crate) fn mapping(v4: [u8; 4]) -> Mapping {
    Mapping {
        v4: Some(v4.into()),
        v6: None,
        mac: MAPPED_MAC,
        vni: None,
        routing_type: 0,
        use_dst_vni: false,
    }
}

pub(crate) fn inbound_rule(prefix: Prefix) -> InboundRule {
    InboundRule { priority: 1, prefix, protocol: 0, decap: Some((None, false)) }
}

/// VM 10.0.0.1 in 10.0.0.0/24, everything else by route `direct`, answers by VNI 400.
pub(crate) fn policy() -> Vec<Change> {
    vec![
        Change::Appliance(0, Some(appliance(VM_VNI))),
        Change::Direction(VM_VNI, Some((true, Override::None))),
        Change::Trusted(Owner::Appliance(0), 100..=499, true),
        Change::Vnet(0, Some(VM_VNI)),
        Change::RouteGroup(0, Some(false)),
        Change::Route(0, prefix("10.0.0.0/24"), Some(Route::Vnet(0))),
        Change::Route(0, prefix("0.0.0.0/0"), Some(Route::Direct)),
        Change::Route(0, prefix("fd00::/64"), Some(Route::Vnet(0))),
        Change::Mapping(0, ip("10.0.0.2"), Some(mapping([100, 0, 0, 2]))),
        Change::Mapping(0, ip("fd00::2"), Some(mapping([100, 0, 0, 2]))),
        Change::Eni(0, Some(eni())),
        Change::Inbound(0, PEER_VNI, false, vec![inbound_rule(prefix("0.0.0.0/0"))]),
    ]
}

/// The ENI with `group` at stage `stage` of ACL `table`, in the order of `Eni::acl`, and the group.
pub(crate) fn acl(table: usize, stage: usize, rules: Vec<AclRule>) -> Vec<Change> {
    let mut value = eni();
    value.acl[table][stage - 1] = Some(3);
    vec![Change::AclGroup(3, Some((table % 2 == 1, rules))), Change::Eni(0, Some(value))]
}

/// From the VM.
pub(crate) fn request(destination: &str, upper: Upper) -> Tunnelled {
    let source = if destination.contains(':') { "fd00::1" } else { "10.0.0.1" };
    let customer = Customer {
        destination: FAKE_MAC,
        source: VM_MAC,
        tag: None,
        ethertype: None,
        packet: Packet::new(ip(source), ip(destination), upper),
        padding: 0,
    };
    Tunnelled::new(ip("100.0.0.1"), ip("100.0.0.100"), VM_VNI, customer)
}

/// To the VM.
pub(crate) fn answer(source: &str, upper: Upper) -> Tunnelled {
    let destination = if source.contains(':') { "fd00::1" } else { "10.0.0.1" };
    let customer = Customer {
        destination: VM_MAC,
        source: MAPPED_MAC,
        tag: None,
        ethertype: None,
        packet: Packet::new(ip(source), ip(destination), upper),
        padding: 0,
    };
    Tunnelled::new(ip("100.0.0.2"), ip("100.0.0.100"), PEER_VNI, customer)
}

/// The engine, and beside it the model, so that each example checks both.
pub(crate) struct Scene<'a> {
    pub bench: Bench<'a>,
    pub model: Model,
}

impl<'a> Scene<'a> {
    pub(crate) fn new(storage: &'a mut Storage, settings: Settings, policy: &[Change]) -> Self {
        let mut scene = Self { bench: Bench::new(storage, &settings), model: Model::new(settings) };
        scene.change(policy);
        scene
    }

    pub(crate) fn change(&mut self, changes: &[Change]) {
        self.bench.change(changes);
        self.model.change(changes);
    }

    pub(crate) fn arrive(&mut self, now: u64, arrival: &Arrival) -> Outcome {
        let expected = self.model.frame(now, arrival);
        let got = self.bench.frame(now, arrival);
        assert_eq!(got, expected, "engine and model");
        got
    }

    /// At port 0.
    pub(crate) fn send(&mut self, now: u64, frame: &Tunnelled) -> Outcome {
        self.arrive(now, &Arrival::new(0, frame.bytes()))
    }
}

/// The name of a drop.
pub(crate) fn dropped(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Drop(name) => name,
        Outcome::Frame(..) => "left",
    }
}

/// Port, outer source and destination, VNI, customer frame of a frame that left encapsulated.
pub(crate) fn left(outcome: &Outcome) -> (u16, IpAddr, IpAddr, u32, Vec<u8>) {
    let Outcome::Frame(port, bytes) = outcome else { panic!("{outcome:?}") };
    let parsed = crate::parse::parse(&Arrival::new(0, bytes.clone())).expect("a frame that parses");
    let (source, destination) = parsed.outer.addresses.expect("an IP packet");
    let inner = parsed.tunnel.expect("a VXLAN frame");
    (*port, source, destination, inner.vni, inner.frame)
}
