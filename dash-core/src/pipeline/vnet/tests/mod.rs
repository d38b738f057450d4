//! The pipeline without the engine: `key`, `slow`, `step`, and the rewrite applied.

extern crate std;

mod cache;
mod conversation;
mod drops;
mod flows;
mod frames;
mod memory;
mod objects;
mod readers;
mod stages;

use core::sync::atomic::AtomicU32;
use std::{boxed::Box, vec, vec::Vec};

use dash_hal::{PacketBuffer, PortId, ReceiveMetadata, SoftwareHints, software::ArrayBuffer};
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, IpVersion};

use super::{
    policy::{
        AclAction, AclBindings, AclGroupId, Appliance, ApplianceId, Capacity, DirectionEntry, Eni,
        InboundAction, InboundRule, MacOverride, Mapping, PolicyError, PolicyWriter, Route,
        RouteGroup, RouteGroupId, RoutingTypeId, RuleCounterId, TagId, TrustedOwner, Underlay,
        UnderlayAction, VnetId,
    },
    *,
};
use crate::{
    rewrite::Outcome,
    table::{acl, quiescence::Readers},
    wire::Edges,
};

const CAPACITY: Capacity = Capacity {
    appliances: 2,
    directions: 4,
    enis: 4,
    vnets: 4,
    routing_types: 4,
    route_groups: 4,
    routes: 16,
    overlay_routes: 4,
    mappings: 16,
    mapping_underlays: 16,
    inbound_sets: 4,
    pa_vnis: 4,
    pa_prefixes: 8,
    trusted_ranges: 8,
    underlay_routes: 8,
    acl: acl::Capacity { groups: 8, words: 32768, tags: 4, tag_prefixes: 16 },
};

const ENI: EniId = EniId(1);
const VNET: VnetId = VnetId(1);
const PEER_VNET: VnetId = VnetId(2);
const GROUP: RouteGroupId = RouteGroupId(1);
const OUTBOUND_VNI: u32 = 100;
const PEER_VNI: u32 = 60;

const ENI_MAC: EthernetAddress = EthernetAddress([0, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc]);
const PEER_MAC: EthernetAddress = EthernetAddress([0, 0xdd, 0xdd, 0xdd, 0xdd, 0xdd]);
const OTHER_MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 9]);

fn ip(text: &str) -> IpAddress {
    text.parse::<core::net::IpAddr>().unwrap().into()
}

fn cidr(text: &str) -> IpCidr {
    let (address, length) = text.split_once('/').unwrap();
    IpCidr::new(ip(address), length.parse().unwrap())
}

fn v4(text: &str) -> core::net::Ipv4Addr {
    text.parse().unwrap()
}

fn v6(text: &str) -> core::net::Ipv6Addr {
    text.parse().unwrap()
}

fn region(capacity: &Capacity) -> &'static [AtomicU32] {
    let words: Vec<_> = (0..capacity.words()).map(|_| AtomicU32::new(0xdead_beef)).collect();
    Box::leak(words.into_boxed_slice())
}

fn writer() -> PolicyWriter<'static> {
    PolicyWriter::new(region(&CAPACITY), &CAPACITY, [1, 2], Readers::new(&[])).unwrap()
}

/// A configuration under which [`request`] and [`inbound`] pass.
struct World {
    writer: PolicyWriter<'static>,
    vnet: Vnet<'static>,
    events: Vec<Event>,
}

fn appliance() -> Appliance {
    Appliance {
        sip: v4("172.16.1.100"),
        sip_v6: None,
        vm_vni: OUTBOUND_VNI,
        own_mac: EthernetAddress([0; 6]),
        neighbor_mac: EthernetAddress([0; 6]),
    }
}

fn eni() -> Eni {
    Eni {
        mac: ENI_MAC,
        enabled: true,
        underlay_ip: ip("172.16.1.1"),
        vnet: VNET,
        appliance: ApplianceId(0),
        vm_vni: None,
        route_group: Some(GROUP),
        acl: AclBindings::default(),
    }
}

fn peer() -> Mapping {
    Mapping {
        underlay: Underlay::V4(v4("172.16.1.20")),
        mac: PEER_MAC,
        vni: None,
        routing_type: RoutingTypeId(0),
        use_dst_vni: false,
    }
}

fn inbound_rule() -> InboundRule {
    InboundRule {
        priority: 1,
        prefix: cidr("172.16.1.0/24"),
        protocol: 0,
        action: InboundAction::Decap { vnet: Some(PEER_VNET), pa_validation: true },
    }
}

impl World {
    fn new() -> Self {
        let mut writer = writer();
        writer.set_appliance(ApplianceId(0), &appliance()).unwrap();
        let outbound = DirectionEntry { direction: Direction::Outbound, mac: MacOverride::None };
        writer.set_direction(OUTBOUND_VNI, outbound).unwrap();
        let owner = TrustedOwner::Appliance(ApplianceId(0));
        writer.add_trusted_vnis(owner, 50..=OUTBOUND_VNI).unwrap();
        writer.set_vnet(VNET, OUTBOUND_VNI).unwrap();
        writer.set_vnet(PEER_VNET, PEER_VNI).unwrap();
        writer.set_route_group(GROUP, RouteGroup::default()).unwrap();
        writer.set_route(GROUP, cidr("10.1.2.0/24"), &Route::Vnet(PEER_VNET)).unwrap();
        writer.set_mapping(PEER_VNET, ip("10.1.2.50"), &peer()).unwrap();
        writer.set_eni(ENI, &eni()).unwrap();
        writer.set_inbound_rules(ENI, PEER_VNI, IpVersion::Ipv4, &[inbound_rule().rule()]).unwrap();
        writer.commit();
        let counters = Box::leak(vec![EniCounters::ZERO; CAPACITY.enis].into_boxed_slice());
        let vnet = Vnet::new(writer.policy(), counters, Settings::default());
        Self { writer, vnet, events: Vec::new() }
    }

    fn set_eni(&mut self, change: impl FnOnce(&mut Eni)) {
        let mut eni = eni();
        change(&mut eni);
        self.writer.set_eni(ENI, &eni).unwrap();
    }

    /// Binds ACL groups to the stages of outbound IPv4 frames.
    fn bind_outbound(&mut self, groups: [Option<AclGroupId>; 5]) {
        self.set_eni(|eni| eni.acl.outbound_v4 = groups);
    }

    /// One frame from port 0 as a miss.
    fn run(&mut self, frame: &[u8]) -> Ran {
        self.run_with(frame, ReceiveMetadata::default())
    }

    fn run_with(&mut self, frame: &[u8], metadata: ReceiveMetadata) -> Ran {
        self.events.clear();
        let mut trace = Log(&mut self.events);
        let mut buffer = Buffer::new(frame, metadata).unwrap();
        self.vnet.burst();
        let name = key(&mut self.vnet, &buffer, &mut trace);
        match name.lookup.expect("something is said of each frame") {
            Lookup::Flow { context, .. } => {
                let mut packet = packet(&mut buffer);
                let cause = Cause::Miss(&name.key);
                let decision =
                    self.vnet.slow(&mut packet, &context, cause, 0, &SoftwareHints, &mut trace);
                let end = finish(&decision, &mut packet, &name.edges);
                self.count(Some(&context), frame.len(), &end);
                Ran { key: Some(name.key), install: decision.install, end }
            }
            Lookup::Drop { context, reason } => {
                self.count(context.as_ref(), frame.len(), &Err(reason));
                Ran { key: None, install: Install::None, end: Err(reason) }
            }
            Lookup::NoFlow { .. } => unreachable!("each frame has a flow"),
        }
    }

    fn count(&mut self, context: Option<&Context>, received: usize, end: &Fate) {
        let end = match end {
            Ok((bytes, port)) => End::Sent { port: *port, bytes: bytes.len() },
            Err(reason) => End::Dropped(*reason),
        };
        self.vnet.count(context, received, end);
    }
}

type Buffer = ArrayBuffer<512>;

/// The frame that was sent, and by which port; or why none was.
type Fate = Result<(Vec<u8>, PortId), DropReason>;

/// What is said of the frame in `buffer`, from port 0.
fn key(
    vnet: &mut Vnet<'static>,
    buffer: &Buffer,
    trace: &mut impl Trace<Vnet<'static>>,
) -> Name<Vnet<'static>> {
    let (bytes, metadata) = (buffer.bytes(), buffer.metadata());
    let mut name = Name::NONE;
    vnet.key(Entering { bytes, metadata, ingress: PortId(0), entry: 0 }, &mut name, 0, trace);
    name
}

fn packet(buffer: &mut Buffer) -> Packet<'_, Buffer> {
    Packet { buffer, ingress: PortId(0), entry: 0 }
}

/// What became of a frame.
struct Ran {
    key: Option<FlowKey>,
    install: Install<FlowKey, FlowState>,
    end: Fate,
}

impl Ran {
    fn bytes(&self) -> &[u8] {
        &self.end.as_ref().expect("forwarded").0
    }

    fn dropped(&self) -> DropReason {
        *self.end.as_ref().expect_err("dropped")
    }

    fn pair(&self) -> [NewFlow<FlowKey, FlowState>; 2] {
        match self.install {
            Install::Pair(forward, reverse) => [forward, reverse],
            _ => panic!("no pair"),
        }
    }
}

fn finish(
    decision: &Decision<Vnet<'static>>,
    packet: &mut Packet<'_, Buffer>,
    edges: &Edges,
) -> Fate {
    match &decision.verdict {
        Verdict::Forward { rewrite, egress } => {
            let outcome = rewrite.apply(packet.buffer, edges, 9100);
            let bytes = packet.buffer.bytes();
            assert_eq!(outcome, Outcome::Done(bytes.len()));
            Ok((bytes.to_vec(), egress.port(packet.ingress)))
        }
        Verdict::Drop(reason) => Err(*reason),
        _ => unreachable!("forward or drop"),
    }
}

struct Log<'l>(&'l mut Vec<Event>);

impl Trace<Vnet<'_>> for Log<'_> {
    fn stage(&mut self, event: impl FnOnce() -> Event) {
        self.0.push(event());
    }
}

/// IP header without checksum in front of `payload`; IPv4 with identification 1.
fn datagram(source: &str, destination: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    match (ip(source), ip(destination)) {
        (IpAddress::Ipv4(source), IpAddress::Ipv4(destination)) => {
            let length = (20 + payload.len() as u16).to_be_bytes();
            bytes.extend([0x45, 0, length[0], length[1], 0, 1, 0, 0, 64, protocol, 0, 0]);
            bytes.extend(source.octets());
            bytes.extend(destination.octets());
        }
        (IpAddress::Ipv6(source), IpAddress::Ipv6(destination)) => {
            let length = (payload.len() as u16).to_be_bytes();
            bytes.extend([0x60, 0, 0, 0, length[0], length[1], protocol, 64]);
            bytes.extend(source.octets());
            bytes.extend(destination.octets());
        }
        _ => unreachable!("one family"),
    }
    bytes.extend(payload);
    bytes
}

fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::from(source.to_be_bytes());
    bytes.extend(destination.to_be_bytes());
    bytes.extend((8 + payload.len() as u16).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(payload);
    bytes
}

fn tcp(flags: u8) -> Vec<u8> {
    let mut bytes = vec![0; 20];
    bytes[1] = 9;
    bytes[3] = 80;
    bytes[12] = 0x50;
    bytes[13] = flags;
    bytes
}

fn ethernet(
    destination: EthernetAddress,
    source: EthernetAddress,
    ethertype: u16,
    payload: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::from(destination.0);
    bytes.extend(source.0);
    bytes.extend(ethertype.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Ethernet with the type of the IP header that follows.
fn ip_frame(destination: EthernetAddress, source: EthernetAddress, datagram: &[u8]) -> Vec<u8> {
    let ethertype = if datagram[0] >> 4 == 4 { 0x0800 } else { 0x86dd };
    ethernet(destination, source, ethertype, datagram)
}

fn vxlan(source: &str, destination: &str, vni: u32, customer: &[u8]) -> Vec<u8> {
    let mut payload = Vec::from((0x0800_0000_u32).to_be_bytes());
    payload.extend((vni << 8).to_be_bytes());
    payload.extend(customer);
    let outer = datagram(source, destination, 17, &udp(7, 4789, &payload));
    ip_frame(OTHER_MAC, OTHER_MAC, &outer)
}

/// UDP 1234 to 80 with 58 bytes 00, 01, …
fn customer_udp() -> Vec<u8> {
    let payload: Vec<u8> = (0..58).collect();
    udp(1234, 80, &payload)
}

/// A frame of the VM: 10.1.1.10 to `destination`.
fn request_to(destination: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let customer = datagram("10.1.1.10", destination, protocol, payload);
    vxlan("172.16.1.1", "172.16.1.100", OUTBOUND_VNI, &ip_frame(OTHER_MAC, ENI_MAC, &customer))
}

/// A frame of the VM to 10.1.2.50.
fn request() -> Vec<u8> {
    request_to("10.1.2.50", 17, &customer_udp())
}

/// A frame to the VM from underlay address `source`.
fn inbound_from(source: &str) -> Vec<u8> {
    let customer = datagram("10.1.2.50", "10.1.1.10", 17, &udp(80, 1234, b"answer"));
    vxlan(source, "172.16.1.100", PEER_VNI, &ip_frame(ENI_MAC, PEER_MAC, &customer))
}

/// A frame to the VM from where its mapping says.
fn inbound() -> Vec<u8> {
    inbound_from("172.16.1.20")
}

/// A rule that matches every frame.
const fn any_rule(priority: u32, permit: bool, terminating: bool) -> acl::Rule<'static> {
    acl::Rule {
        priority,
        value: AclAction { permit, terminating }.value(),
        protocols: &[],
        sources: &[],
        destinations: &[],
        source_tags: &[],
        destination_tags: &[],
        source_ports: &[],
        destination_ports: &[],
    }
}
