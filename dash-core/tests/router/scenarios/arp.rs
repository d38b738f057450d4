//! ARP: what the gateways answer, and what the switch floods.

use dash_core::pipeline::router::DropReason;

use crate::{
    frames::{changed, tagged, vector},
    world::{World, left, seed},
};

/// 1. VM2 asks for its gateway by ARP: the answer, in place, goes back to it alone.
#[test]
fn router_s01() {
    let mut world = World::new(&seed());
    assert_eq!(world.delivers(12, &vector("a1")), [left(12, &vector("a2"))]);
    // Nobody else heard of it, and what lies behind the packet stays.
    let padded = [vector("a1"), vec![5; 18]].concat();
    assert_eq!(world.delivers(12, &padded), [left(12, &[vector("a2"), vec![5; 18]].concat())]);
}

/// 2. So does VM1.
#[test]
fn router_s02() {
    let mut world = World::new(&seed());
    assert_eq!(world.delivers(11, &vector("a3")), [left(11, &vector("a4"))]);
    assert_eq!(world.node().engine.pipeline().counters().answered(), 1);
}

/// 3. ARP for another address is flooded in its network, and not answered.
#[test]
fn router_s03() {
    let mut world = World::new(&seed());
    let other = changed("a3", &[(38, &[10, 1, 0, 9])]);
    assert_eq!(world.delivers(11, &other), [left(13, &other)]);
}

/// 4. The gateway of the other network is not answered for.
#[test]
fn router_s04() {
    let mut world = World::new(&seed());
    let other = changed("a1", &[(38, &[10, 1, 0, 1])]);
    assert_eq!(world.delivers(12, &other), [left(14, &other)]);
}

/// 5. An ARP reply is not answered.
#[test]
fn router_s05() {
    let mut world = World::new(&seed());
    let reply = changed("a1", &[(21, &[2])]);
    assert_eq!(world.delivers(12, &reply), [left(14, &reply)]);
}

/// 6. Whoever announces the gateway's address is in conflict with it.
#[test]
fn router_s06() {
    let mut world = World::new(&seed());
    world.drops(12, &changed("a1", &[(28, &[10, 2, 0, 1])]), DropReason::ArpConflict);
    // An answer of that kind is not for us.
    let reply = changed("a1", &[(21, &[2]), (28, &[10, 2, 0, 1])]);
    assert_eq!(world.delivers(12, &reply), [left(14, &reply)]);
}

/// 7. Malformed ARP.
#[test]
fn router_s07() {
    let mut world = World::new(&seed());
    for (at, bytes) in [(18, &[7][..]), (16, &[0x86, 0xdd]), (14, &[0, 6]), (19, &[16])] {
        world.drops(12, &changed("a1", &[(at, bytes)]), DropReason::BadArp);
    }
    world.drops(12, &vector("a1")[..41], DropReason::BadArp);
    // Other operations, and malformed ones that are not for a gateway, are the switch's.
    for other in [
        changed("a1", &[(21, &[3])]),
        changed("a1", &[(18, &[7]), (38, &[10, 2, 0, 9])]),
        changed("a1", &[(21, &[3]), (18, &[7])]),
    ] {
        assert_eq!(world.delivers(12, &other), [left(14, &other)]);
    }
    world.drops(12, &changed("a1", &[(21, &[2])])[..41], DropReason::BadArp);
}

/// 8. Tagged ARP, and what else has a tag at a machine's port.
#[test]
fn router_s08() {
    let mut world = World::new(&seed());
    for vlan in [0, 5, 0x1f43 & 0xfff] {
        world.drops(12, &tagged(&vector("a1"), vlan), DropReason::VlanPresent);
        world.drops(12, &tagged(&vector("e1"), vlan), DropReason::VlanPresent);
    }
}
