//! Flow keys, underlay routes of flows, counters.

use super::*;
use crate::table::cuckoo::Key;

#[test]
fn key_holds_the_conversation_in_48_bytes() {
    let mut world = World::new();
    let key = world.run(&request()).key.unwrap();
    assert_eq!(key.as_bytes().len(), 48);
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

/// A flow as the table would hold it.
fn flow(new: &NewFlow<FlowKey, FlowState>) -> Flow<FlowState> {
    Flow { rewrite: new.rewrite, egress: new.egress, state: new.state, ..Flow::EMPTY }
}

/// One hit of `frame` on `flow`.
fn hit(world: &mut World, frame: &[u8], flow: &mut Flow<FlowState>) -> Step<DropReason> {
    world.events.clear();
    let mut trace = Log(&mut world.events);
    let buffer = Buffer::new(frame, ReceiveMetadata::default()).unwrap();
    let mut packet = Packet::new(buffer, PortId(0), 0);
    let Lookup::Flow { context, .. } = world.vnet.key(&mut packet, 0, &mut ()) else {
        panic!("no flow")
    };
    world.vnet.step(&packet, &context, flow, 0, &mut trace)
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
    assert_eq!(forward.egress, Egress::Ingress, "not before the commit");
    // The reverse half is looked up at its first hit.
    assert_eq!(hit(&mut world, &inbound(), &mut reverse), Step::Apply);
    assert_eq!(reverse.egress, Egress::Port(PortId(5)));

    world.writer.commit().unwrap();
    assert_eq!(hit(&mut world, &request(), &mut forward), Step::Apply);
    assert_eq!(forward.egress, Egress::Port(PortId(4)));

    world.writer.set_underlay_route(out, UnderlayAction::Drop).unwrap();
    world.writer.commit().unwrap();
    let dropped = Step::Drop(DropReason::Underlay);
    assert_eq!(hit(&mut world, &request(), &mut forward), dropped);
    assert_eq!(hit(&mut world, &request(), &mut forward), dropped, "and goes on");
    world.writer.remove_underlay_route(out).unwrap();
    world.writer.commit().unwrap();
    assert_eq!(hit(&mut world, &request(), &mut forward), Step::Apply);
    assert_eq!(forward.egress, Egress::Ingress);
}

#[test]
fn traffic_is_counted_by_direction() {
    let mut world = World::new();
    let (out, back) = (request(), inbound());
    let sent = world.run(&out).bytes().len() as u64;
    let answered = world.run(&back).bytes().len() as u64;
    let counters = world.vnet.eni_counters(ENI).unwrap();
    let one = |bytes: u64| Traffic { packets: 1, bytes };
    assert_eq!(counters.outbound_rx, one(out.len() as u64));
    assert_eq!(counters.outbound_tx, one(sent));
    assert_eq!(counters.inbound_rx, one(back.len() as u64));
    assert_eq!(counters.inbound_tx, one(answered));
    let all = (out.len() + back.len()) as u64;
    assert_eq!(counters.rx, Traffic { packets: 2, bytes: all });
    assert_eq!(counters.tx, Traffic { packets: 2, bytes: sent + answered });
    assert_eq!(world.vnet.drops().total(), 0);
    world.vnet.count_uncached(&Context { eni: ENI, direction: Direction::Outbound });
    assert_eq!(world.vnet.eni_counters(ENI).unwrap().flow_create_failed, 1);
    world.vnet.reset_eni_counters(ENI);
    assert_eq!(world.vnet.eni_counters(ENI), Some(&EniCounters::ZERO));
}
