//! A VM talks to the internet, which the inbound ACL blocks: the answer passes because of the
//! flow, also after an unrelated change, and not without a request.

use dash_hal::{SoftwareHints, software::SoftwarePlatform};

use super::*;
use crate::{
    engine::Engine,
    flow::FlowTable,
    rewrite::NextHop,
    table::cuckoo::{Bucket, Slot},
};

type Port = SoftwarePlatform<3, 512>;

const INTERNET_VNI: u32 = 70;

fn world() -> World {
    let mut world = World::new();
    world.writer.set_route(GROUP, cidr("8.0.0.0/8"), &Route::Direct).unwrap();
    let group = AclGroupId(0);
    world.writer.set_acl_group(group, IpVersion::Ipv4, &[any_rule(1, false, true)]).unwrap();
    world.set_eni(|eni| eni.acl.inbound_v4[0] = Some(group));
    let rule = InboundRule {
        action: InboundAction::Decap { vnet: None, pa_validation: false },
        ..inbound_rule()
    };
    let rules = [rule.rule()];
    world.writer.set_inbound_rules(ENI, INTERNET_VNI, IpVersion::Ipv4, &rules).unwrap();
    world.writer.commit();
    world
}

pub(super) fn engine(vnet: Vnet<'static>, flows: usize) -> Engine<'static, Vnet<'static>, Buffer> {
    engine_of(vnet, flows, 64)
}

fn engine_of(
    vnet: Vnet<'static>,
    flows: usize,
    next_hops: usize,
) -> Engine<'static, Vnet<'static>, Buffer> {
    let buckets = FlowTable::<FlowKey, FlowState>::buckets_for(flows);
    let buckets = Box::leak(vec![Bucket::EMPTY; buckets].into_boxed_slice());
    let slots = Box::leak(vec![Slot::empty(Flow::EMPTY); flows].into_boxed_slice());
    let next_hops = vec![NextHop::FREE; next_hops].leak();
    let flows = FlowTable::new(buckets, slots, next_hops, [5, 6]).unwrap();
    Engine::new(vnet, flows, Readers::new(&[]), 0)
}

pub(super) fn send(
    engine: &mut Engine<'static, Vnet<'static>, Buffer>,
    frame: &[u8],
    now: u64,
) -> Option<(PortId, Vec<u8>)> {
    let mut port = Port::new();
    let buffer = Buffer::new(frame, ReceiveMetadata::default()).unwrap();
    engine.submit(buffer, PortId(0), 0, now, &mut port, &mut ());
    engine.flush(&mut port);
    (0..3).map(PortId).find_map(|id| port.leave(id).map(|buffer| (id, buffer.bytes().to_vec())))
}

fn query() -> Vec<u8> {
    request_to("8.8.8.8", 17, &udp(4000, 53, b"query"))
}

fn answer() -> Vec<u8> {
    let customer = datagram("8.8.8.8", "10.1.1.10", 17, &udp(53, 4000, b"answer"));
    vxlan("172.16.1.9", "172.16.1.100", INTERNET_VNI, &ip_frame(ENI_MAC, PEER_MAC, &customer))
}

#[test]
fn answer_passes_by_its_flow_alone() {
    let World { mut writer, vnet, .. } = world();
    let mut engine = engine(vnet, 64);
    assert_eq!(send(&mut engine, &answer(), 0), None);
    assert_eq!(engine.pipeline().drops().count(DropReason::AclIn1), 1);
    let sent = send(&mut engine, &query(), 1).unwrap();
    assert_eq!(sent.1, query()[50..], "the customer frame as it is");
    let answered = send(&mut engine, &answer(), 2).unwrap();
    assert_eq!(answered.1[26..34], [172, 16, 1, 100, 172, 16, 1, 1]);
    assert_eq!(answered.1[46..49], [0, 0, OUTBOUND_VNI as u8]);
    assert_eq!(answered.1[50..], answer()[50..]);

    writer.set_vnet(VnetId(3), 999).unwrap();
    writer.commit();
    assert_eq!(send(&mut engine, &answer(), 3), Some(answered.clone()), "an unrelated change");
    assert_eq!(send(&mut engine, &query(), 4), Some(sent), "evaluated again");
    assert_eq!(send(&mut engine, &answer(), 5), Some(answered));

    writer.set_route(GROUP, cidr("8.0.0.0/8"), &Route::Drop).unwrap();
    writer.commit();
    assert!(send(&mut engine, &answer(), 6).is_some(), "the request has not come again");
    assert_eq!(send(&mut engine, &query(), 7), None, "a denial removes both halves");
    assert_eq!(send(&mut engine, &answer(), 8), None);
}

#[test]
fn flow_ends_after_its_idle_time() {
    const SECOND: u64 = 1_000_000_000;
    let mut engine = engine(world().vnet, 64);
    assert!(send(&mut engine, &query(), 0).is_some());
    assert!(send(&mut engine, &answer(), 30 * SECOND).is_some());
    assert!(send(&mut engine, &answer(), 60 * SECOND).is_some(), "refreshed by the answer");
    assert!(send(&mut engine, &answer(), 90 * SECOND + 1).is_none());
}

#[test]
fn without_room_for_flows_requests_pass_and_answers_do_not() {
    let mut engine = engine(world().vnet, 0);
    assert!(send(&mut engine, &query(), 0).is_some());
    assert!(send(&mut engine, &query(), 1).is_some());
    assert!(send(&mut engine, &answer(), 2).is_none());
    assert_eq!(engine.pipeline().eni_counters(ENI).unwrap().flow_create_failed, 2);
}

#[test]
fn deleted_eni_takes_its_flows_along() {
    let World { mut writer, vnet, .. } = world();
    let mut engine = engine(vnet, 64);
    assert!(send(&mut engine, &query(), 0).is_some());
    let old = writer.policy().eni(ENI).unwrap();
    writer.remove_eni(ENI).unwrap();
    writer.commit();
    engine.tick(1, 64, &SoftwareHints);
    assert_eq!(engine.flows().len(), 0);
    writer.set_eni(ENI, &old).unwrap();
    writer.commit();
    assert!(send(&mut engine, &answer(), 2).is_none());
}

#[test]
fn tcp_strict_spares_a_conversation_that_is_evaluated_again() {
    let World { mut writer, mut vnet, .. } = world();
    vnet.settings.tcp_strict = true;
    let mut engine = engine(vnet, 64);
    let (syn, ack) = (request_to("8.8.8.8", 6, &tcp(2)), request_to("8.8.8.8", 6, &tcp(0x10)));
    assert!(send(&mut engine, &ack, 0).is_none());
    assert!(send(&mut engine, &syn, 1).is_some());
    writer.set_vnet(VnetId(3), 999).unwrap();
    writer.commit();
    assert!(send(&mut engine, &ack, 2).is_some());
    assert_eq!(engine.pipeline().drops().count(DropReason::TcpNotSyn), 1);
}

/// The last conversation of a next hop lives on by the new one, though there is no place for both.
#[test]
fn a_conversation_outlives_its_next_hop() {
    let World { mut writer, mut vnet, .. } = world();
    vnet.settings.tcp_strict = true;
    let mut engine = engine_of(vnet, 64, 1);
    let (syn, ack) = (request_to("8.8.8.8", 6, &tcp(2)), request_to("8.8.8.8", 6, &tcp(0x10)));
    assert!(send(&mut engine, &syn, 1).is_some());
    let moved = Appliance { neighbor_mac: EthernetAddress([2; 6]), ..appliance() };
    writer.set_appliance(ApplianceId(0), &moved).unwrap();
    writer.commit();
    assert!(send(&mut engine, &ack, 2).is_some());
    assert!(send(&mut engine, &ack, 3).is_some());
}
