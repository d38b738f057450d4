//! Switching within a network: addresses known and learnt, floods, provider VLANs.

use dash_core::pipeline::router::DropReason;

use super::{GW1_MAC, VM1_MAC, VM2_MAC};
use crate::{
    frames::{changed, hex, tagged},
    world::{SECOND, World, left, port, seed},
};

/// 23. Within a subnet the switch delivers, and leaves the TTL alone.
#[test]
fn router_s23() {
    let mut world = World::new(&seed());
    // From VM1 to its neighbour, with a TTL that says nothing.
    for ttl in [0, 1, 64] {
        let near = changed(
            "e1",
            &[
                (0, &hex("fa163e000013")),
                (6, &VM1_MAC),
                (22, &[ttl]),
                (26, &[10, 1, 0, 3]),
                (30, &[10, 1, 0, 13]),
            ],
        );
        assert_eq!(world.delivers(11, &near), [left(13, &near)]);
    }
    assert_eq!(world.node().engine.flows().len(), 0);
    // To a gateway within the network.
    let wrong =
        changed("e1", &[(6, &VM1_MAC), (0, &GW1_MAC), (26, &[10, 1, 0, 3]), (30, &[10, 1, 0, 13])]);
    world.drops(11, &wrong, DropReason::GatewayL2);
    // To itself.
    let own =
        changed("e1", &[(0, &VM1_MAC), (6, &[2; 6]), (26, &[10, 1, 0, 3]), (30, &[10, 1, 0, 3])]);
    world.drops(11, &own, DropReason::Loopback);
}

/// An address that moves is believed once a second, and forgotten after 300 s.
#[test]
fn the_switch_learns() {
    let mut net = seed();
    net.ports.insert(2, port(0, 15, "fa:16:3e:00:00:15", &[]));
    let mut world = World::new(&net);
    let roaming = hex("020000000001");
    let to = |mac: &[u8], from: &[u8], ip: u8| {
        changed("e1", &[(0, mac), (6, from), (26, &[10, 1, 0, ip]), (30, &[10, 1, 0, 250])])
    };
    let seen = to(&hex("020000000002"), &roaming, 7);
    let asked = to(&roaming, &VM1_MAC, 3);
    let both = [left(13, &asked), left(15, &asked)];
    assert_eq!(world.delivers(11, &asked), both);
    // Nobody knows the destination.
    assert_eq!(world.delivers(13, &seen), [left(11, &seen), left(15, &seen)]);
    assert_eq!(world.delivers(11, &asked), [left(13, &asked)]);
    world.now = SECOND / 2;
    world.delivers(15, &seen);
    assert_eq!(world.delivers(11, &asked), [left(15, &asked)]);
    world.now = SECOND;
    world.delivers(13, &seen);
    assert_eq!(world.delivers(11, &asked), [left(15, &asked)]);
    world.now = SECOND * 3 / 2;
    world.delivers(13, &seen);
    assert_eq!(world.delivers(11, &asked), [left(13, &asked)]);
    world.now += 300 * SECOND;
    assert_eq!(world.delivers(11, &asked), [left(13, &asked)]);
    world.now += 1;
    assert_eq!(world.delivers(11, &asked), both);
}

/// 24. Broadcast and multicast are never routed.
#[test]
fn router_s24() {
    let mut world = World::new(&seed());
    let broadcast = changed("e1", &[(0, &[255; 6])]);
    assert_eq!(world.delivers(12, &broadcast), [left(14, &broadcast)]);
    let multicast = changed("e1", &[(0, &hex("01005e000005"))]);
    assert_eq!(world.delivers(12, &multicast), [left(14, &multicast)]);
    for address in [[255; 4], [224, 0, 0, 5], [0; 4], [127, 0, 0, 1]] {
        world.drops(12, &changed("e1", &[(30, &address)]), DropReason::NoRoute);
    }
}

/// A network that is a VLAN of the physical one.
#[test]
fn provider_networks_have_tags() {
    let mut net = seed();
    net.networks[1].2 = Some(200);
    net.port(14).provider = true;
    let mut world = World::new(&net);
    let tag = |frame: &[u8]| tagged(frame, 200);
    // Out by the switch, and in.
    let near = changed("e1", &[(0, &hex("fa163e000014")), (30, &[10, 2, 0, 14])]);
    assert_eq!(world.delivers(12, &near), [left(14, &tag(&near))]);
    let ask = changed("a1", &[(38, &[10, 2, 0, 77])]);
    assert_eq!(world.delivers(12, &ask), [left(14, &tag(&ask))]);
    let back = changed("e1", &[(0, &VM2_MAC), (6, &hex("fa163e000014")), (30, &[10, 2, 0, 3])]);
    assert_eq!(world.delivers(14, &tag(&back)), [left(12, &back)]);
    world.drops(14, &back, DropReason::Untagged);
    world.drops(14, &tagged(&back, 201), DropReason::VlanPresent);
    // The gateway answers with the tag, and routes.
    let ask = changed(
        "a1",
        &[(6, &hex("fa163e000014")), (22, &hex("fa163e000014")), (28, &[10, 2, 0, 14])],
    );
    let answer = changed(
        "a2",
        &[(0, &hex("fa163e000014")), (32, &hex("fa163e000014")), (38, &[10, 2, 0, 14])],
    );
    assert_eq!(world.delivers(14, &tag(&ask)), [left(14, &tag(&answer))]);
    let from = changed("e1", &[(6, &hex("fa163e000014")), (29, &[14])]);
    let to = changed("e2_egress_if", &[(29, &[14])]);
    for _ in 0..2 {
        assert_eq!(world.delivers(14, &tag(&from)), [left(11, &to)]);
    }
    world.drops(14, &from, DropReason::Untagged);
    let back = changed("e3", &[(33, &[14])]);
    let out = changed("e4_egress_if", &[(0, &hex("fa163e000014")), (33, &[14])]);
    assert_eq!(world.delivers(11, &back), [left(14, &tag(&out))]);
    // Its last hop.
    let expired = changed("t1", &[(6, &hex("fa163e000014")), (29, &[14])]);
    let told = world.delivers(14, &tag(&expired));
    assert_eq!((told[0].port, &told[0].frame[12..18]), (14, &[0x81, 0, 0, 200, 8, 0][..]));
}
