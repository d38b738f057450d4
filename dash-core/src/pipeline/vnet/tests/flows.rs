//! Flow keys, underlay routes of flows, counters.

use std::boxed::Box;

use proptest::prelude::*;

use super::*;
use crate::{
    flow::FlowMut,
    rewrite::{NextHop, NextHops},
    table::cuckoo::Key,
};

#[test]
fn key_holds_the_conversation() {
    let mut world = World::new();
    let key = world.run(&request()).key.unwrap();
    assert_eq!(size_of_val(&key), 48);
    assert_eq!((key.eni(), key.vnet()), (ENI_MAC, VNET));
    assert_eq!((key.source(), key.destination()), (ip("10.1.1.10"), ip("10.1.2.50")));
    assert_eq!((key.source_port(), key.destination_port()), (1234, 80));
    assert_eq!((key.protocol(), key.direction()), (17, Direction::Outbound));
    let answer = world.run(&inbound()).key.unwrap();
    assert_eq!(answer, key.reverse());
    assert_eq!(answer.reverse(), key);
}

#[test]
fn forged_inbound_frame_has_another_key() {
    let mut world = World::new();
    let key = world.run(&request()).key.unwrap();
    let customer = datagram("10.1.1.10", "10.1.2.50", 17, &customer_udp());
    let forged = ip_frame(ENI_MAC, PEER_MAC, &customer);
    let forged = world.run(&vxlan("172.16.1.20", "172.16.1.100", PEER_VNI, &forged));
    assert_ne!(forged.key.unwrap(), key);
}

fn headers() -> impl Strategy<Value = acl::Headers> {
    let addresses = prop_oneof![
        any::<[u32; 2]>().prop_map(|both| {
            both.map(|bits| IpAddress::Ipv4(core::net::Ipv4Addr::from_bits(bits)))
        }),
        any::<[u128; 2]>().prop_map(|both| {
            both.map(|bits| IpAddress::Ipv6(core::net::Ipv6Addr::from_bits(bits)))
        }),
    ];
    (addresses, any::<u8>(), any::<[u16; 2]>()).prop_map(
        |([source, destination], protocol, [source_port, destination_port])| acl::Headers {
            source,
            destination,
            protocol,
            source_port,
            destination_port,
        },
    )
}

fn hashed(key: &FlowKey) -> u64 {
    key.hash(&dash_hal::HashKey::new([1, 2]), &dash_hal::SoftwareHints)
}

proptest! {
    #[test]
    fn key_says_what_it_was_made_of(
        headers in headers(),
        other in headers(),
        mac in any::<[u8; 6]>(),
        vnet in any::<u16>(),
        inbound in any::<bool>(),
        entry in any::<u8>(),
    ) {
        let mac = EthernetAddress(mac);
        let owner = key::Owner::new(mac.into(), VnetId(vnet));
        let (to, back) = (Direction::Outbound, Direction::Inbound);
        let (direction, opposite) = if inbound { (back, to) } else { (to, back) };
        let key = FlowKey::new(owner, direction, &headers, entry);
        prop_assert_eq!((key.eni(), key.vnet(), key.direction()), (mac, VnetId(vnet), direction));
        prop_assert_eq!((key.source(), key.destination()), (headers.source, headers.destination));
        prop_assert_eq!(key.protocol(), headers.protocol);
        let ports = (headers.source_port, headers.destination_port);
        prop_assert_eq!((key.source_port(), key.destination_port()), ports);

        let reverse = key.reverse();
        let swapped = acl::Headers {
            source: headers.destination,
            destination: headers.source,
            source_port: headers.destination_port,
            destination_port: headers.source_port,
            ..headers
        };
        let made = FlowKey::new(owner, opposite, &swapped, entry);
        prop_assert_eq!(reverse, made);
        prop_assert_eq!(hashed(&reverse), hashed(&made));
        prop_assert_eq!(reverse.reverse(), key);

        // Whatever differs makes another key.
        prop_assert_ne!(FlowKey::new(owner, direction, &headers, !entry), key);
        prop_assert_ne!(FlowKey::new(owner, opposite, &headers, entry), key);
        let different = FlowKey::new(owner, direction, &other, entry);
        prop_assert_eq!(different == key, other == headers);
        prop_assert_eq!(hashed(&different) == hashed(&key), other == headers);
    }
}

#[test]
fn key_of_ipv4_may_be_written_over_one_of_ipv6() {
    let mut world = World::new();
    world.vnet.burst();
    let inner = datagram("fd00::1", "fd00::2", 17, &customer_udp());
    let inner = ip_frame(OTHER_MAC, ENI_MAC, &inner);
    let v6 = vxlan("172.16.1.1", "172.16.1.100", OUTBOUND_VNI, &inner);
    let v6 = Buffer::new(&v6, ReceiveMetadata::default()).unwrap();
    let v4 = Buffer::new(&request(), ReceiveMetadata::default()).unwrap();
    let mut used = key(&mut world.vnet, &v6, &mut ());
    let fresh = key(&mut world.vnet, &v4, &mut ());
    let (bytes, metadata) = (v4.bytes(), v4.metadata());
    let frame = Entering { bytes, metadata, ingress: PortId(0), entry: 0 };
    world.vnet.key(frame, &mut used, 0, &mut ());
    assert_eq!(used.key, fresh.key);
    assert_eq!(used.key.reverse(), fresh.key.reverse());
    assert_eq!(hashed(&used.key.reverse()), hashed(&fresh.key.reverse()));
    assert_eq!(hashed(&used.key), hashed(&fresh.key));
}

/// A flow as the table would hold it.
fn flow(new: &NewFlow<FlowKey, FlowState>) -> FlowMut<'static, FlowState> {
    let next_hops = NextHops::new(Box::leak(Box::new([NextHop::FREE])));
    let flow = Flow { egress: new.egress, state: new.state, ..Flow::EMPTY };
    let mut flow = FlowMut::new(Box::leak(Box::new(flow)), next_hops);
    assert!(flow.set_rewrite(&new.rewrite));
    flow
}

/// One hit of `frame` on `flow`.
fn hit(world: &mut World, frame: &[u8], flow: &mut FlowMut<'_, FlowState>) -> Step<DropReason> {
    world.events.clear();
    let mut trace = Log(&mut world.events);
    let mut buffer = Buffer::new(frame, ReceiveMetadata::default()).unwrap();
    world.vnet.burst();
    let name = key(&mut world.vnet, &buffer, &mut ());
    let Some(Lookup::Flow { context, .. }) = name.lookup else { panic!("no flow") };
    world.vnet.step(&mut packet(&mut buffer), &context, flow, 0, &mut trace)
}

#[test]
fn flow_follows_the_underlay_routes() {
    let mut world = World::new();
    let [forward, reverse] = world.run(&request()).pair();
    let (mut forward, mut reverse) = (flow(&forward), flow(&reverse));
    assert_eq!(hit(&mut world, &request(), &mut forward), Step::Apply);
    assert!(world.events.is_empty(), "nothing changed, nothing is looked up");

    let (out, back) = (cidr("172.16.1.20/32"), cidr("172.16.1.1/32"));
    world.writer.set_underlay_route(out, UnderlayAction::Forward(PortId(4))).unwrap();
    world.writer.set_underlay_route(back, UnderlayAction::Forward(PortId(5))).unwrap();
    assert_eq!(hit(&mut world, &request(), &mut forward), Step::Apply);
    assert_eq!(forward.egress, Egress::INGRESS, "not before the commit");
    // The reverse half is looked up at its first hit.
    assert_eq!(hit(&mut world, &inbound(), &mut reverse), Step::Apply);
    assert_eq!(reverse.egress, Egress::to(PortId(5)).unwrap());

    world.writer.commit();
    assert_eq!(hit(&mut world, &request(), &mut forward), Step::Apply);
    assert_eq!(forward.egress, Egress::to(PortId(4)).unwrap());

    world.writer.set_underlay_route(out, UnderlayAction::Drop).unwrap();
    world.writer.commit();
    let dropped = Step::Drop(DropReason::Underlay);
    assert_eq!(hit(&mut world, &request(), &mut forward), dropped);
    assert_eq!(hit(&mut world, &request(), &mut forward), dropped, "and goes on");
    world.writer.remove_underlay_route(out).unwrap();
    world.writer.commit();
    assert_eq!(hit(&mut world, &request(), &mut forward), Step::Apply);
    assert_eq!(forward.egress, Egress::INGRESS);
}

#[test]
fn traffic_is_counted_by_direction() {
    let mut world = World::new();
    let (out, back) = (request(), inbound());
    let sent = world.run(&out).bytes().len() as u64;
    let answered = world.run(&back).bytes().len() as u64;
    let counters = world.vnet.eni_counters(ENI).unwrap();
    let one = |bytes: u64| Traffic { packets: 1, bytes };
    assert_eq!(counters.outbound.rx, one(out.len() as u64));
    assert_eq!(counters.outbound.tx, one(sent));
    assert_eq!(counters.inbound.rx, one(back.len() as u64));
    assert_eq!(counters.inbound.tx, one(answered));
    let all = (out.len() + back.len()) as u64;
    assert_eq!(counters.rx(), Traffic { packets: 2, bytes: all });
    assert_eq!(counters.tx(), Traffic { packets: 2, bytes: sent + answered });
    assert_eq!(world.vnet.drops().total(), 0);
    let context = Context { eni: ENI, direction: Direction::Outbound, fragment: false };
    world.vnet.count_uncached(&context, Uncached::TableFull);
    world.vnet.count_uncached(&context, Uncached::Limit);
    let counters = world.vnet.eni_counters(ENI).unwrap();
    assert_eq!((counters.flow_create_failed, counters.flow_limit_reached), (2, 1));
    world.vnet.reset_eni_counters(ENI);
    assert_eq!(world.vnet.eni_counters(ENI), Some(&EniCounters::ZERO));
}
