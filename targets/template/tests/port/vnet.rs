//! The engine over the template: the frames that leave are those of the software port.

use std::sync::atomic::AtomicU32;

use dash_core::{
    engine::Engine,
    flow::{Flow, FlowTable},
    pipeline::vnet::{
        DropReason, EniCounters, FlowKey, FlowState, Settings, Vnet,
        policy::{
            AclBindings, Appliance, ApplianceId, Capacity, Direction, DirectionEntry, Eni, EniId,
            InboundAction, InboundRule, MacOverride, Mapping, PolicyError, PolicyWriter, Route,
            RouteGroup, RouteGroupId, RoutingTypeId, TrustedOwner, Underlay, VnetId,
        },
    },
    rewrite::NextHop,
    table::{
        acl,
        cuckoo::{Bucket, Slot},
        quiescence::Readers,
    },
};
use dash_hal::{
    BURST, Hints, PacketBuffer, Pool, PortId, SoftwareHints, software::SoftwarePlatform,
};
use smoltcp::wire::{EthernetAddress, IpAddress, IpVersion, Ipv4Address};

use crate::model::{BLOCKS, Overflow, RING, start};

const PORT: PortId = PortId(0);
const VM_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 1, 2];
const VM: [u8; 4] = [10, 0, 0, 1];
const PEER: [u8; 4] = [10, 0, 0, 2];
const VM_HOST: [u8; 4] = [100, 0, 0, 1];
const PEER_HOST: [u8; 4] = [100, 0, 0, 2];
const APPLIANCE: [u8; 4] = [100, 0, 0, 100];
const VM_VNI: u32 = 100;
const PEER_VNI: u32 = 400;
const FLOWS: usize = 64;

const CAPACITY: Capacity = Capacity {
    appliances: 1,
    directions: 4,
    enis: 1,
    vnets: 1,
    routing_types: 1,
    route_groups: 1,
    routes: 4,
    mappings: 4,
    mapping_underlays: 4,
    inbound_sets: 4,
    trusted_ranges: 4,
    acl: acl::Capacity { groups: 1, words: 8192, tags: 0, tag_prefixes: 0 },
    ..Capacity::NONE
};

type VnetEngine<B> = Engine<'static, Vnet<'static>, B>;

/// One VM in one VNET, and its peer on another host.
fn set_policy(writer: &mut PolicyWriter<'_>) -> Result<(), PolicyError> {
    let (appliance, vnet, group) = (ApplianceId(0), VnetId(0), RouteGroupId(0));
    writer.set_appliance(
        appliance,
        &Appliance {
            sip: Ipv4Address::from(APPLIANCE),
            sip_v6: None,
            vm_vni: VM_VNI,
            own_mac: EthernetAddress([2, 0, 0, 0, 9, 1]),
            neighbor_mac: EthernetAddress([2, 0, 0, 0, 9, 2]),
        },
    )?;
    let outbound = DirectionEntry { direction: Direction::Outbound, mac: MacOverride::None };
    writer.set_direction(VM_VNI, outbound)?;
    writer.add_trusted_vnis(TrustedOwner::Appliance(appliance), 100..=499)?;
    writer.set_vnet(vnet, VM_VNI)?;
    writer.set_route_group(group, RouteGroup { disabled: false })?;
    writer.set_route(group, "10.0.0.0/24".parse().expect("a prefix"), &Route::Vnet(vnet))?;
    writer.set_mapping(
        vnet,
        IpAddress::Ipv4(Ipv4Address::from(PEER)),
        &Mapping {
            underlay: Underlay::V4(Ipv4Address::from(PEER_HOST)),
            mac: EthernetAddress(PEER_MAC),
            vni: None,
            routing_type: RoutingTypeId(0),
            use_dst_vni: false,
        },
    )?;
    let eni = Eni {
        mac: EthernetAddress(VM_MAC),
        enabled: true,
        underlay_ip: IpAddress::Ipv4(Ipv4Address::from(VM_HOST)),
        vnet,
        appliance,
        vm_vni: None,
        route_group: Some(group),
        acl: AclBindings::default(),
    };
    writer.set_eni(EniId(0), &eni)?;
    let rule = InboundRule {
        priority: 1,
        prefix: "0.0.0.0/0".parse().expect("a prefix"),
        protocol: 0,
        action: InboundAction::Decap { vnet: None, pa_validation: false },
    };
    writer.set_inbound_rules(EniId(0), PEER_VNI, IpVersion::Ipv4, &[rule.rule()])?;
    writer.commit();
    Ok(())
}

/// An engine with storage that lives as long as the process.
fn engine<B: PacketBuffer>() -> VnetEngine<B> {
    let words: Vec<AtomicU32> = (0..CAPACITY.words()).map(|_| AtomicU32::new(0)).collect();
    let readers = Readers::new(Box::leak(Box::new([AtomicU32::new(0)])));
    let mut writer = PolicyWriter::new(words.leak(), &CAPACITY, [3, 4], readers).unwrap();
    set_policy(&mut writer).unwrap();
    let buckets = vec![Bucket::EMPTY; FlowTable::<FlowKey, FlowState>::buckets_for(FLOWS)].leak();
    let slots = vec![Slot::empty(Flow::EMPTY); FLOWS].leak();
    let next_hops = vec![NextHop::FREE; 8].leak();
    let flows = FlowTable::new(buckets, slots, next_hops, [1, 2]).unwrap();
    let enis = vec![EniCounters::ZERO; CAPACITY.enis].leak();
    Engine::new(Vnet::new(writer.policy(), enis, Settings::default()), flows, readers, 0)
}

/// A frame as it comes in: Ethernet, IPv4, UDP, VXLAN, and in it Ethernet, IPv4, UDP.
fn frame(outbound: bool, vni: u32, source_port: u16, payload: usize) -> Vec<u8> {
    let (hosts, macs, customers) = if outbound {
        ([VM_HOST, APPLIANCE], [PEER_MAC, VM_MAC], [VM, PEER])
    } else {
        ([PEER_HOST, APPLIANCE], [VM_MAC, PEER_MAC], [PEER, VM])
    };
    let ports = if outbound { [source_port, 53] } else { [53, source_port] };
    let inner = [&macs.concat()[..], &[8, 0], &ipv4(customers, ports, &vec![0x5a; payload])];
    let vni = (vni << 8).to_be_bytes();
    let vxlan = [&[8, 0, 0, 0][..], &vni, &inner.concat()].concat();
    [&[2, 0, 0, 0, 9, 1, 2, 0, 0, 0, 9, 2, 8, 0][..], &ipv4(hosts, [40_000, 4789], &vxlan)].concat()
}

/// IPv4 and UDP without a UDP checksum.
fn ipv4(addresses: [[u8; 4]; 2], ports: [u16; 2], payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16 + 8).to_be_bytes();
    let total = (payload.len() as u16 + 28).to_be_bytes();
    let mut bytes = vec![0x45, 0, total[0], total[1], 0, 0, 0x40, 0, 64, 17, 0, 0];
    bytes.extend(addresses.concat());
    let checksum = !SoftwareHints.checksum(&bytes);
    bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
    bytes.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
    bytes.extend([length[0], length[1], 0, 0]);
    bytes.extend(payload);
    bytes
}

/// Frames of a run; few where each takes seconds.
const FRAMES: u16 = if cfg!(miri) { 40 } else { 200 };

/// Both directions of a few flows of many lengths; some of an unknown VNI.
fn traffic() -> Vec<Vec<u8>> {
    (0..FRAMES)
        .map(|number| {
            let (flow, payload) = (1000 + number % 7, usize::from(number) * 6);
            match number % 10 {
                9 => frame(true, 777, flow, payload),
                8 => frame(false, PEER_VNI, flow, payload),
                _ => frame(true, VM_VNI, flow, payload),
            }
        })
        .collect()
}

fn drops<B: PacketBuffer>(engine: &VnetEngine<B>) -> Vec<(DropReason, u64)> {
    engine.pipeline().drops().iter().collect()
}

#[test]
fn the_engine_sends_over_the_template_what_it_sends_over_the_software_port() {
    let traffic = traffic();

    let mut software = SoftwarePlatform::<1, 2048>::new();
    let mut model = engine();
    let mut expected = Vec::new();
    for frame in &traffic {
        software.arrive(PORT, frame).unwrap();
        model.poll(PORT, &mut software, &mut ());
        expected.extend(software.leave(PORT).map(|buffer| buffer.bytes().to_vec()));
    }

    let (mut device, mut port) = start(&[], Overflow::Pause);
    let mut engine = engine();
    for burst in traffic.chunks(BURST) {
        for frame in burst {
            device.arrive(0, frame);
        }
        // The rings are smaller than the burst: frames wait in the device and in the engine.
        for _ in 0..10 {
            engine.poll(PORT, &mut port, &mut ());
            device.turn(1);
        }
        assert_eq!(engine.waiting(), 0);
    }
    let sent: Vec<Vec<u8>> = device.left.iter().map(|(_, frame)| frame.clone()).collect();
    assert_eq!(sent.len(), usize::from(FRAMES / 10 * 9), "{:?}", drops(&engine));
    assert!(sent == expected, "the same bytes in the same order");
    assert_eq!(drops(&engine), drops(&model));
    assert_eq!(sent[0][26..34], [APPLIANCE, PEER_HOST].concat(), "encapsulated to the peer's host");

    let free = std::iter::from_fn(|| port.empty()).count();
    assert_eq!(free, BLOCKS - 2 * RING, "all buffers but those of the receive rings");
}
