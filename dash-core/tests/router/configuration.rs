//! Which configurations are refused, and that a refused one changes nothing.

use dash_core::pipeline::router::policy::{Fault, Kind, PolicyError, Route};

use crate::{
    frames::vector,
    world::{GW1, Net, World, interface, left, port, seed},
};

#[track_caller]
fn refused(change: impl FnOnce(&mut Net), kind: Kind, index: usize, fault: Fault) {
    let mut net = seed();
    let mut world = World::new(&net);
    change(&mut net);
    assert_eq!(world.replace(&net), Err(PolicyError::Object { kind, index, fault }));
    assert_eq!(world.delivers(12, &vector("a1")), [left(12, &vector("a2"))]);
    assert_eq!(world.delivers(12, &vector("e1")), [left(11, &vector("e2_egress_if"))]);
    // The memory of the refused one is used again.
    world.replace(&seed()).unwrap();
    assert_eq!(world.delivers(12, &vector("e1")), [left(11, &vector("e2_egress_if"))]);
}

#[test]
fn networks() {
    refused(|net| net.networks[1].0 = 0, Kind::Network, 1, Fault::Key);
    refused(|net| net.networks[1].0 = 1 << 24, Kind::Network, 1, Fault::Key);
    refused(|net| net.networks[1].2 = Some(4095), Kind::Network, 1, Fault::Key);
    refused(|net| net.networks[1].0 = net.networks[0].0, Kind::Network, 1, Fault::Duplicate);
    let inside = |net: &mut Net| net.networks[1].1.push("10.2.0.128/25".parse().unwrap());
    refused(inside, Kind::Network, 1, Fault::Overlap);
    let many = |net: &mut Net| net.networks.extend((10..13).map(|id| (id, vec![], None)));
    refused(many, Kind::Network, 4, Fault::TooMany);
}

#[test]
fn ports() {
    refused(|net| net.ports[0].key = 0, Kind::Port, 0, Fault::Key);
    refused(|net| net.ports[0].network = Some(7), Kind::Port, 0, Fault::Missing);
    refused(|net| net.ports[3].host = 1, Kind::Port, 3, Fault::Missing);
    refused(|net| net.ports.swap(0, 1), Kind::Port, 1, Fault::Disordered);
    refused(|net| net.ports[1].key = 11, Kind::Port, 1, Fault::Duplicate);
    refused(|net| net.ports[1].mac = net.ports[0].mac, Kind::Port, 1, Fault::Duplicate);
    refused(|net| net.ports[0].mac = GW1.parse().unwrap(), Kind::Port, 0, Fault::Duplicate);
    refused(|net| net.ports[1].ips = net.ports[0].ips.clone(), Kind::Port, 1, Fault::Duplicate);
    let twice = |net: &mut Net| net.ports[..2].iter_mut().for_each(|port| port.provider = true);
    refused(twice, Kind::Port, 1, Fault::SecondProvider);
    // The same number of the device on one host.
    let same = |net: &mut Net| net.ports[2].key = 11;
    refused(same, Kind::Port, 2, Fault::Duplicate);
    let many = |net: &mut Net| {
        net.ports.extend((20..60).map(|key| port(1, key, &format!("02:00:00:00:00:{key}"), &[])));
    };
    refused(many, Kind::Port, 32, Fault::TooMany);
}

#[test]
fn routers() {
    let add = |ip: &'static str| {
        move |net: &mut Net| net.interfaces.push(interface(0, ip, "02:00:00:00:00:aa"))
    };
    refused(add("10.9.0.1"), Kind::Router, 0, Fault::Unreachable);
    refused(add("10.1.0.2"), Kind::Router, 0, Fault::Joined);
    let same = |net: &mut Net| {
        net.networks[1].1[0] = "10.1.0.0/16".parse().unwrap();
        net.interfaces[1] = interface(1, "10.1.7.1", "02:00:00:00:00:aa");
    };
    refused(same, Kind::Router, 0, Fault::Overlap);
    let route = |prefix: &'static str, via: &'static str| {
        move |net: &mut Net| {
            net.routes.push(Route { prefix: prefix.parse().unwrap(), via: via.parse().unwrap() });
        }
    };
    refused(route("0.0.0.0/0", "10.9.0.1"), Kind::Router, 0, Fault::Unreachable);
    refused(route("::/0", "10.1.0.3"), Kind::Router, 0, Fault::Unreachable);
    refused(route("10.1.0.0/24", "10.2.0.3"), Kind::Router, 0, Fault::Duplicate);
}
