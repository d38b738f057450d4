//! The library's engine under the same changes and frames as the model.

use std::{collections::BTreeMap, net::IpAddr, sync::atomic::AtomicU32};

use dash_core::{
    engine::Engine,
    flow::{Flow, FlowRemoved, FlowTable, Offered},
    pipeline::vnet::{
        DropReason, EniCounters, FlowKey, FlowState, Settings, Traffic as Counted, Vnet,
        policy::{
            self as api, AclAction, AclBindings, AclGroupId, ApplianceId, Capacity, Direction,
            DirectionEntry, EniId, InboundAction, MacOverride, PolicyError, PolicyWriter,
            RouteGroup, RouteGroupId, RoutingTypeId, TagId, TrustedOwner, Underlay, UnderlayAction,
            VnetId,
        },
    },
    rewrite::NextHop,
    table::{
        TableError, acl,
        cuckoo::{Bucket, Slot},
        quiescence::Readers,
    },
};
use dash_hal::{
    Burst, EventSink, FlowOffload, Hints, PacketBuffer, Platform, PortId, ReceiveFlags,
    ReceiveMetadata, SoftwareHints,
    software::{ArrayBuffer, SoftwarePlatform},
};
use smoltcp::wire::{EthernetAddress, IpCidr, IpVersion};

use crate::{
    frame::Arrival,
    model::{self, EniCount, Key, Outcome, Traffic},
    policy::{
        AclRule, Change, Eni, InboundRule, Mapping, Override, Owner, Prefix, Route, UnderlayRoute,
    },
};

pub(crate) const PORTS: usize = 4;
const BYTES: usize = 1024;
pub(crate) const ENIS: usize = 4;

pub(crate) type Buffer = ArrayBuffer<BYTES>;

const CAPACITY: Capacity = Capacity {
    appliances: 4,
    directions: 8,
    enis: ENIS,
    vnets: 8,
    routing_types: 8,
    route_groups: 4,
    routes: 64,
    overlay_routes: 64,
    mappings: 64,
    mapping_underlays: 64,
    inbound_sets: 32,
    pa_vnis: 8,
    pa_prefixes: 64,
    trusted_ranges: 32,
    underlay_routes: 48,
    acl: acl::Capacity { groups: 16, words: 1 << 17, tags: 4, tag_prefixes: 64 },
};

/// What an engine stands on.
pub(crate) struct Storage {
    words: Vec<AtomicU32>,
    counter: [AtomicU32; 1],
    buckets: Vec<Bucket>,
    slots: Vec<Slot<FlowKey, Flow<FlowState>>>,
    next_hops: Vec<NextHop>,
    enis: Vec<EniCounters>,
}

impl Storage {
    pub(crate) fn new(flows: usize) -> Self {
        Self {
            words: (0..CAPACITY.words()).map(|_| AtomicU32::new(0)).collect(),
            counter: [AtomicU32::new(0)],
            buckets: vec![Bucket::EMPTY; FlowTable::<FlowKey, FlowState>::buckets_for(flows)],
            slots: vec![Slot::empty(Flow::EMPTY); flows],
            next_hops: vec![NextHop::FREE; 64],
            enis: vec![EniCounters::ZERO; ENIS],
        }
    }
}

/// The frames inside engine and ports are arrays; boxes keep them off the test's stack. `O` is a
/// hardware flow table, `H` what else the hardware helps with, `E` hears which flows ended.
pub(crate) struct Bench<'a, O = (), H = SoftwareHints, E = ()> {
    pub engine: Box<Engine<'a, Vnet<'a>, Buffer, 64, 32, O, E>>,
    pub writer: PolicyWriter<'a>,
    readers: Readers<'a>,
    pub port: Box<SoftwarePlatform<PORTS, BYTES, H>>,
}

impl<'a> Bench<'a> {
    pub(crate) fn new(storage: &'a mut Storage, settings: &model::Settings) -> Self {
        Self::with(storage, settings, (), SoftwareHints, ())
    }
}

impl<'a, O, H, E> Bench<'a, O, H, E>
where
    O: FlowOffload<FlowKey, Offered<FlowState>>,
    H: Hints + Copy,
    E: EventSink<FlowRemoved<FlowKey, FlowState>>,
{
    pub(crate) fn with(
        storage: &'a mut Storage,
        settings: &model::Settings,
        offload: O,
        hints: H,
        events: E,
    ) -> Self {
        let Storage { words, counter, buckets, slots, next_hops, enis } = storage;
        let readers = Readers::new(counter);
        let writer = PolicyWriter::new(words, &CAPACITY, [3, 4], readers).unwrap();
        let flows = FlowTable::new(buckets, slots, next_hops, [1, 2]).unwrap();
        let vnet = Vnet::new(writer.policy(), enis, vnet_settings(settings));
        let mut port = Box::new(SoftwarePlatform::with_hints(hints));
        port.mtu = u16::try_from(settings.mtu).unwrap();
        let engine = Box::new(Engine::with(vnet, flows, readers, 0, offload, events));
        Self { engine, writer, readers, port }
    }

    /// One transaction.
    pub(crate) fn change(&mut self, changes: &[Change]) {
        for change in changes {
            self.until_done(|writer| apply(writer, change));
        }
        self.writer.commit();
    }

    /// A reader that has passed its quiescent point frees what a busy call waits for.
    fn until_done(
        &mut self,
        mut call: impl FnMut(&mut PolicyWriter<'a>) -> Result<(), PolicyError>,
    ) {
        for _ in 0..4 {
            match call(&mut self.writer) {
                Ok(()) => return,
                Err(PolicyError::Table(TableError::Busy)) => self.readers.quiescent(0),
                Err(error) => panic!("{error:?}"),
            }
        }
        panic!("busy though the only reader is quiescent");
    }

    /// A burst; what left, in the order of each port.
    pub(crate) fn burst(&mut self, now: u64, arrivals: &[Arrival]) -> Vec<(u16, Vec<u8>)> {
        let mut burst = Burst::new();
        for arrival in arrivals {
            assert!(burst.push(buffer(arrival)).is_ok(), "a burst has 32 places");
        }
        self.engine.process(&mut burst, now, &mut *self.port, &mut ());
        assert!(burst.is_empty());
        self.engine.flush(&mut *self.port);
        let mut out = Vec::new();
        for port in 0..PORTS as u16 {
            while let Some(buffer) = self.port.leave(PortId(port)) {
                out.push((port, buffer.bytes().to_vec()));
            }
        }
        out
    }

    /// The ageing sweep over so many flows.
    pub(crate) fn tick(&mut self, now: u64, budget: usize) {
        self.engine.tick(now, budget, &self.port.hints());
    }

    /// One frame from a controller, past the ports' receive.
    pub(crate) fn submit(&mut self, now: u64, arrival: &Arrival) {
        let port = PortId(arrival.port);
        self.engine.submit(buffer(arrival), port, 0, now, &mut *self.port, &mut ());
    }

    /// One frame; its only end.
    pub(crate) fn frame(&mut self, now: u64, arrival: &Arrival) -> Outcome {
        let before = *self.engine.pipeline().drops();
        let mut out = self.burst(now, std::slice::from_ref(arrival));
        let after = self.engine.pipeline().drops();
        let dropped = after.total() - before.total();
        assert_eq!(out.len() as u64 + dropped, 1, "a frame has one end: {out:?}");
        if let Some((port, bytes)) = out.pop() {
            return Outcome::Frame(port, bytes);
        }
        let differs = |reason: &DropReason| after.count(*reason) != before.count(*reason);
        Outcome::Drop(DropReason::all().find(differs).unwrap().to_string())
    }

    pub(crate) fn drops(&self) -> BTreeMap<String, u64> {
        self.engine
            .pipeline()
            .drops()
            .iter()
            .map(|(reason, count)| (reason.to_string(), count))
            .collect()
    }

    /// Counters of ENIs that have counted something.
    pub(crate) fn enis(&self) -> BTreeMap<u16, EniCount> {
        (0..ENIS as u16)
            .filter_map(|id| {
                let count = self.engine.pipeline().eni_counters(EniId(id))?;
                let count = eni_count(count);
                (count != EniCount::default()).then_some((id, count))
            })
            .collect()
    }

    pub(crate) fn live(&self, now: u64) -> BTreeMap<Key, Traffic> {
        self.engine
            .flows()
            .live(now)
            .map(|(key, flow)| (flow_key(key), (flow.packets, flow.bytes)))
            .collect()
    }
}

pub(crate) fn vnet_settings(settings: &model::Settings) -> Settings {
    let idle_timeout = u32::try_from(settings.idle_timeout / 1_000_000).unwrap();
    Settings { tcp_strict: settings.tcp_strict, idle_timeout, ..Settings::default() }
}

fn eni_count(count: &EniCounters) -> EniCount {
    let traffic = |counted: Counted| (counted.packets, counted.bytes);
    EniCount {
        rx: traffic(count.rx()),
        tx: traffic(count.tx()),
        outbound_rx: traffic(count.outbound.rx),
        outbound_tx: traffic(count.outbound.tx),
        inbound_rx: traffic(count.inbound.rx),
        inbound_tx: traffic(count.inbound.tx),
        flow_create_failed: count.flow_create_failed,
        drops: count.drops.iter().map(|(reason, count)| (reason.to_string(), count)).collect(),
    }
}

fn flow_key(key: &FlowKey) -> Key {
    Key {
        outbound: key.direction() == Direction::Outbound,
        eni: key.eni().0,
        vnet: key.vnet().0,
        addresses: (key.source().into(), key.destination().into()),
        ports: (key.source_port(), key.destination_port()),
        protocol: key.protocol(),
    }
}

pub(crate) fn buffer(arrival: &Arrival) -> Buffer {
    let mut flags = ReceiveFlags::empty();
    flags.set(ReceiveFlags::L3_BAD, arrival.bad_l3);
    flags.set(ReceiveFlags::L4_BAD, arrival.bad_l4);
    flags.set(ReceiveFlags::VLAN_STRIPPED, arrival.stripped_vlan.is_some());
    flags.set(ReceiveFlags::TRUNCATED, arrival.truncated);
    let vlan = arrival.stripped_vlan.unwrap_or(0);
    let metadata = ReceiveMetadata { port: PortId(arrival.port), flags, vlan, rss: None };
    Buffer::with_headroom(&arrival.bytes, metadata, arrival.headroom).expect("a buffer that fits")
}

/// Whether the frame of an arrival lies at an even address or an odd one; its buffer may move.
pub(crate) fn address_parity(arrival: &Arrival) -> usize {
    const { assert!(align_of::<Buffer>().is_multiple_of(2)) };
    buffer(arrival).bytes().as_ptr().addr() % 2
}

fn cidr(prefix: &Prefix) -> IpCidr {
    IpCidr::new(prefix.address.into(), prefix.length)
}

fn version(v6: bool) -> IpVersion {
    if v6 { IpVersion::Ipv6 } else { IpVersion::Ipv4 }
}

/// One change as calls of the control API.
fn apply(writer: &mut PolicyWriter<'_>, change: &Change) -> Result<(), PolicyError> {
    match change {
        Change::Appliance(id, None) => writer.remove_appliance(ApplianceId(*id)),
        Change::Appliance(id, Some(appliance)) => writer.set_appliance(
            ApplianceId(*id),
            &api::Appliance {
                sip: appliance.sip,
                sip_v6: appliance.sip_v6,
                vm_vni: appliance.vm_vni,
                own_mac: EthernetAddress(appliance.own_mac),
                neighbor_mac: EthernetAddress(appliance.neighbor_mac),
            },
        ),
        Change::Direction(vni, None) => writer.remove_direction(*vni),
        Change::Direction(vni, Some((outbound, mac))) => {
            let direction = if *outbound { Direction::Outbound } else { Direction::Inbound };
            let mac = match mac {
                Override::None => MacOverride::None,
                Override::Source => MacOverride::Source,
                Override::Destination => MacOverride::Destination,
            };
            writer.set_direction(*vni, DirectionEntry { direction, mac })
        }
        Change::Eni(id, None) => writer.remove_eni(EniId(*id)),
        Change::Eni(id, Some(value)) => writer.set_eni(EniId(*id), &eni(value)),
        Change::Vnet(id, None) => writer.remove_vnet(VnetId(*id)),
        Change::Vnet(id, Some(vni)) => writer.set_vnet(VnetId(*id), *vni),
        Change::RoutingType(id, None) => writer.remove_routing_type(RoutingTypeId(*id)),
        Change::RoutingType(id, Some(vni)) => writer.set_routing_type(RoutingTypeId(*id), *vni),
        Change::RouteGroup(id, None) => writer.remove_route_group(RouteGroupId(*id)),
        Change::RouteGroup(id, Some(disabled)) => {
            writer.set_route_group(RouteGroupId(*id), RouteGroup { disabled: *disabled })
        }
        Change::Route(group, prefix, None) => {
            writer.remove_route(RouteGroupId(*group), cidr(prefix))
        }
        Change::Route(group, prefix, Some(value)) => {
            writer.set_route(RouteGroupId(*group), cidr(prefix), &route(*value))
        }
        Change::Mapping(vnet, address, None) => {
            writer.remove_mapping(VnetId(*vnet), (*address).into())
        }
        Change::Mapping(vnet, address, Some(value)) => {
            writer.set_mapping(VnetId(*vnet), (*address).into(), &mapping(value))
        }
        Change::Inbound(eni, vni, v6, rules) => inbound(writer, EniId(*eni), *vni, *v6, rules),
        Change::Pa(vni, prefix, true) => writer.add_pa_prefix(*vni, cidr(prefix)),
        Change::Pa(vni, prefix, false) => writer.remove_pa_prefix(*vni, cidr(prefix)),
        Change::Trusted(owner, range, present) => {
            let owner = match owner {
                Owner::Appliance(id) => TrustedOwner::Appliance(ApplianceId(*id)),
                Owner::Eni(id) => TrustedOwner::Eni(EniId(*id)),
            };
            if *present {
                writer.add_trusted_vnis(owner, range.clone())
            } else {
                writer.remove_trusted_vnis(owner, range.clone())
            }
        }
        Change::Underlay(prefix, None) => writer.remove_underlay_route(cidr(prefix)),
        Change::Underlay(prefix, Some(route)) => {
            let action = match route {
                UnderlayRoute::Drop => UnderlayAction::Drop,
                UnderlayRoute::Port(port) => UnderlayAction::Forward(PortId(*port)),
            };
            writer.set_underlay_route(cidr(prefix), action)
        }
        Change::AclGroup(group, None) => writer.remove_acl_group(AclGroupId(*group)),
        Change::AclGroup(group, Some((v6, rules))) => {
            acl_group(writer, AclGroupId(*group), version(*v6), rules)
        }
        Change::Tag(tag, prefix, true) => writer.add_tag_prefix(TagId(*tag), cidr(prefix)),
        Change::Tag(tag, prefix, false) => writer.remove_tag_prefix(TagId(*tag), cidr(prefix)),
    }
}

fn eni(eni: &Eni) -> api::Eni {
    let stages = |table: usize| eni.acl[table].map(|group| group.map(AclGroupId));
    api::Eni {
        mac: EthernetAddress(eni.mac),
        enabled: eni.enabled,
        underlay_ip: eni.underlay_ip.into(),
        vnet: VnetId(eni.vnet),
        appliance: ApplianceId(eni.appliance),
        vm_vni: eni.vm_vni,
        route_group: eni.route_group.map(RouteGroupId),
        acl: AclBindings {
            inbound_v4: stages(0),
            inbound_v6: stages(1),
            outbound_v4: stages(2),
            outbound_v6: stages(3),
        },
    }
}

fn route(route: Route) -> api::Route {
    match route {
        Route::Drop => api::Route::Drop,
        Route::Direct => api::Route::Direct,
        Route::Vnet(vnet) => api::Route::Vnet(VnetId(vnet)),
        Route::VnetDirect(vnet, overlay_ip) => {
            api::Route::VnetDirect { vnet: VnetId(vnet), overlay_ip: overlay_ip.map(IpAddr::into) }
        }
    }
}

fn mapping(mapping: &Mapping) -> api::Mapping {
    let underlay = match (mapping.v4, mapping.v6) {
        (Some(v4), Some(v6)) => Underlay::Both(v4, v6),
        (Some(v4), None) => Underlay::V4(v4),
        (None, Some(v6)) => Underlay::V6(v6),
        (None, None) => panic!("a mapping has an underlay address"),
    };
    api::Mapping {
        underlay,
        mac: EthernetAddress(mapping.mac),
        vni: mapping.vni,
        routing_type: RoutingTypeId(mapping.routing_type),
        use_dst_vni: mapping.use_dst_vni,
    }
}

fn inbound(
    writer: &mut PolicyWriter<'_>,
    eni: EniId,
    vni: u32,
    v6: bool,
    rules: &[InboundRule],
) -> Result<(), PolicyError> {
    let mut rules: Vec<api::InboundRule> = rules
        .iter()
        .map(|rule| api::InboundRule {
            priority: rule.priority,
            prefix: cidr(&rule.prefix),
            protocol: rule.protocol,
            action: match rule.decap {
                None => InboundAction::Drop,
                Some((vnet, pa_validation)) => {
                    InboundAction::Decap { vnet: vnet.map(VnetId), pa_validation }
                }
            },
        })
        .collect();
    rules.sort_by(api::InboundRule::order);
    let rules: Vec<acl::Rule<'_>> = rules.iter().map(api::InboundRule::rule).collect();
    writer.set_inbound_rules(eni, vni, version(v6), &rules)
}

fn acl_group(
    writer: &mut PolicyWriter<'_>,
    group: AclGroupId,
    version: IpVersion,
    rules: &[AclRule],
) -> Result<(), PolicyError> {
    let sides: Vec<[Vec<IpCidr>; 2]> = rules
        .iter()
        .map(|rule| [&rule.sources, &rule.destinations].map(|side| side.iter().map(cidr).collect()))
        .collect();
    let rules: Vec<acl::Rule<'_>> = rules
        .iter()
        .zip(&sides)
        .map(|(rule, [sources, destinations])| acl::Rule {
            priority: rule.priority,
            value: AclAction { permit: rule.permit, terminating: rule.terminating }.value(),
            protocols: &rule.protocols,
            sources,
            destinations,
            source_tags: &rule.source_tags,
            destination_tags: &rule.destination_tags,
            source_ports: &rule.source_ports,
            destination_ports: &rule.destination_ports,
        })
        .collect();
    writer.set_acl_group(group, version, &rules)
}
