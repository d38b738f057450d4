//! The frames that the specification gives byte for byte (sections 0.9, 1.9 and 2.13).

use crate::{
    bench::Storage,
    frame::{Arrival, Mac},
    model::Outcome,
    policy::{Appliance, Change, InboundRule, Override, Owner, Route},
    scene::{SETTINGS, Scene, eni, ip, mapping, prefix},
};

/// 10.1.1.10:1234 -> 10.1.2.50:80, 86 bytes: the customer's IP packet.
const CUSTOMER: &str = "4500005600010000401163590a01010a0a01023204d200500042b3be\
                        000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\
                        202122232425262728292a2b2c2d2e2f30313233343536373839";
const ENI_MAC: Mac = [0, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc];

fn hex(parts: &[&str]) -> Vec<u8> {
    let digits: Vec<u32> = parts.concat().chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

fn appliance(sip: [u8; 4], vm_vni: u32) -> Vec<Change> {
    let (own_mac, neighbor_mac) = ([0; 6], [0; 6]);
    let value = Appliance { sip: sip.into(), sip_v6: None, vm_vni, own_mac, neighbor_mac };
    vec![
        Change::Appliance(0, Some(value)),
        Change::Direction(vm_vni, Some((true, Override::None))),
        Change::Trusted(Owner::Appliance(0), 0..=1000, true),
        Change::Vnet(0, Some(100)),
    ]
}

#[test]
fn outbound_vnet_encap() {
    let mut policy = appliance([172, 16, 1, 100], 100);
    let mut mapping = mapping([172, 16, 1, 20]);
    mapping.mac = [0, 0xdd, 0xdd, 0xdd, 0xdd, 0xdd];
    let mut eni = eni();
    (eni.mac, eni.underlay_ip) = (ENI_MAC, ip("172.16.1.1"));
    policy.extend([
        Change::RouteGroup(0, Some(false)),
        Change::Route(0, prefix("10.1.0.0/16"), Some(Route::Vnet(0))),
        Change::Mapping(0, ip("10.1.2.50"), Some(mapping)),
        Change::Eni(0, Some(eni)),
    ]);
    let received = hex(&[
        "0a00000000010a0000000002 0800",
        "45000088000100004011 1fdf ac100101 ac100164",
        "d903 12b5 0074 0000",
        "08000000 000064 00",
        "123456789abc 00cccccccccc 0800",
        CUSTOMER,
    ]);
    let sent = hex(&[
        "000000000000 000000000000 0800",
        "45 00 00 88 00 01 00 00 40 11 1f cc ac 10 01 64 ac 10 01 14",
        "00 00 12 b5 00 74 00 00",
        "08 00 00 00 00 00 64 00",
        "00dddddddddd 00cccccccccc 0800",
        CUSTOMER,
    ]);
    let mut storage = Storage::new(8);
    let mut scene = Scene::new(&mut storage, SETTINGS, &policy);
    // A miss, and a hit.
    for _ in 0..2 {
        let outcome = scene.arrive(0, &Arrival::new(2, received.clone()));
        assert_eq!(outcome, Outcome::Frame(2, sent.clone()));
    }
}

#[test]
fn inbound_to_the_vm() {
    let mut policy = appliance([10, 1, 1, 1], 2);
    let mut eni = eni();
    (eni.mac, eni.underlay_ip) = (ENI_MAC, ip("10.10.2.10"));
    let rule = InboundRule {
        priority: 1,
        prefix: prefix("10.10.0.0/16"),
        protocol: 0,
        decap: Some((None, true)),
    };
    policy.extend([
        Change::Eni(0, Some(eni)),
        Change::Inbound(0, 100, false, vec![rule]),
        Change::Pa(100, prefix("10.10.1.10/32"), true),
    ]);
    let received = hex(&[
        "0a00000000010a0000000002 0800",
        "45000088000100004011 6453 0a0a010a 0a010101",
        "d903 12b5 0074 0000",
        "08000000 000064 00",
        "00cccccccccc 00aaaaaaaaaa 0800",
        CUSTOMER,
    ]);
    let sent = hex(&[
        "000000000000 000000000000 0800",
        "45 00 00 88 00 01 00 00 40 11 63 4f 0a 01 01 01 0a 0a 02 0a",
        "00 00 12 b5 00 74 00 00",
        "08 00 00 00 00 00 02 00",
        "00cccccccccc 00aaaaaaaaaa 0800",
        CUSTOMER,
    ]);
    let mut storage = Storage::new(8);
    let mut scene = Scene::new(&mut storage, SETTINGS, &policy);
    for _ in 0..2 {
        let outcome = scene.arrive(0, &Arrival::new(1, received.clone()));
        assert_eq!(outcome, Outcome::Frame(1, sent.clone()));
    }
}
