//! The behaviour of sections 0, 2, 3.1, 4.4, 4.7 and 5 in the plainest form: one frame at a time,
//! lists instead of tables, vectors instead of buffers.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use crate::{
    frame::{ACK, Arrival, FIN, Mac, RST, SYN, TCP, Tunnel, UDP, encapsulate},
    parse::{Inner, Ip, Parsed, parse},
    policy::{Change, Eni, Override, Policy, Route, UnderlayRoute},
};

/// In the unit of time.
pub(crate) const SECOND: u64 = 1_000_000_000;

/// What becomes of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Frame(u16, Vec<u8>),
    Drop(String),
}

/// Packets and bytes.
pub(crate) type Traffic = (u64, u64);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EniCount {
    pub rx: Traffic,
    pub tx: Traffic,
    pub outbound_rx: Traffic,
    pub outbound_tx: Traffic,
    pub inbound_rx: Traffic,
    pub inbound_tx: Traffic,
    pub flow_create_failed: u64,
    pub drops: BTreeMap<String, u64>,
}

/// The name of a flow: section 4.1 and the direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub outbound: bool,
    pub eni: Mac,
    pub vnet: u16,
    pub addresses: (IpAddr, IpAddr),
    pub ports: (u16, u16),
    pub protocol: u8,
}

impl Key {
    pub(crate) fn reverse(&self) -> Self {
        Self {
            outbound: !self.outbound,
            addresses: (self.addresses.1, self.addresses.0),
            ports: (self.ports.1, self.ports.0),
            ..*self
        }
    }
}

/// What is done to the customer frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Transform {
    destination_mac: Option<Mac>,
    /// `None`: it leaves as it is.
    tunnel: Option<Tunnel>,
}

#[derive(Clone, Debug)]
struct Flow {
    transform: Transform,
    creator: bool,
    epoch: u64,
    used: u64,
    /// Which of all flows.
    number: u64,
    count: Traffic,
    /// TCP: direction and flags of each segment of the conversation.
    segments: Vec<(bool, u8)>,
}

/// How long a conversation lives without frames: section 4.4.
fn patience(segments: &[(bool, u8)], idle: u64) -> u64 {
    let said = |outbound: bool, flag: u8, segments: &[(bool, u8)]| {
        segments.iter().any(|(from, flags)| *from == outbound && flags & flag != 0)
    };
    let both =
        |flag, segments: &[(bool, u8)]| said(true, flag, segments) && said(false, flag, segments);
    let either = |flag| said(true, flag, segments) || said(false, flag, segments);
    let opens = segments.first().is_some_and(|(_, flags)| flags & SYN != 0);
    let opened = (0..segments.len()).any(|last| {
        let flags = segments[last].1;
        flags & ACK != 0 && flags & SYN == 0 && both(SYN, &segments[..last])
    });
    let seconds = if is_closed(segments) {
        1
    } else if either(FIN) {
        10
    } else if opens && !opened {
        5
    } else {
        return idle;
    };
    idle.min(seconds * SECOND)
}

fn is_closed(segments: &[(bool, u8)]) -> bool {
    let said = |wanted: bool, flag: u8| {
        segments.iter().any(|(outbound, flags)| *outbound == wanted && flags & flag != 0)
    };
    said(true, RST) || said(false, RST) || said(true, FIN) && said(false, FIN)
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub tcp_strict: bool,
    /// Nanoseconds.
    pub idle_timeout: u64,
    pub mtu: usize,
    /// No flow has a place, or each has.
    pub flows: bool,
}

/// The name of a datagram's fragments: section 4.5.
type Datagram = (bool, Mac, u16, (IpAddr, IpAddr), (u32, u8));

/// What the first fragment leaves for the others.
struct Fragments {
    transform: Transform,
    began: u64,
    /// The flow that let the first one pass, and its number.
    parent: (Key, u64),
    count: Traffic,
}

/// How long fragments pass after the first.
const FRAGMENTS: u64 = SECOND / 2;

pub(crate) struct Model {
    pub policy: Policy,
    fragments: HashMap<Datagram, Fragments>,
    /// Flows that there were.
    born: u64,
    /// Later fragments that passed.
    pub later_fragments: u64,
    settings: Settings,
    flows: HashMap<Key, Flow>,
    epochs: HashMap<u16, u64>,
    epoch: u64,
    pub drops: BTreeMap<String, u64>,
    pub enis: BTreeMap<u16, EniCount>,
    pub frames_in: u64,
    pub frames_out: u64,
    /// Frames that a flow carried.
    pub hits: u64,
    /// Frames whose pair was stale, so that policy was asked again.
    pub evaluated_again: u64,
}

/// A frame whose ENI is known.
struct Known {
    id: u16,
    eni: Eni,
    outbound: bool,
    parsed: Parsed,
    inner: Inner,
}

type Dropped = &'static str;

impl Model {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            policy: Policy::default(),
            settings,
            flows: HashMap::new(),
            fragments: HashMap::new(),
            born: 0,
            later_fragments: 0,
            epochs: HashMap::new(),
            epoch: 0,
            drops: BTreeMap::new(),
            enis: BTreeMap::new(),
            frames_in: 0,
            frames_out: 0,
            hits: 0,
            evaluated_again: 0,
        }
    }

    /// One transaction.
    pub(crate) fn change(&mut self, changes: &[Change]) {
        let touched = self.policy.apply(changes);
        self.epoch += 1;
        if touched.all {
            self.epochs.extend(self.policy.enis.0.iter().map(|(id, _)| (*id, self.epoch)));
        }
        self.epochs.extend(touched.enis.iter().map(|id| (*id, self.epoch)));
    }

    /// The flows that live: name to packets and bytes.
    pub(crate) fn live(&self, now: u64) -> BTreeMap<Key, Traffic> {
        let living = self.flows.iter().filter(|(key, _)| self.lives(key, now));
        living.map(|(key, flow)| (*key, flow.count)).collect()
    }

    fn lives(&self, key: &Key, now: u64) -> bool {
        let halves = [self.flows.get(key), self.flows.get(&key.reverse())];
        let used = halves.into_iter().flatten().map(|flow| flow.used).max();
        let Some(flow) = self.flows.get(key) else { return false };
        let patience = patience(&flow.segments, self.settings.idle_timeout);
        used.is_some_and(|used| now - used <= patience)
    }

    /// Whether the customer's datagram is a fragment, which only flows can let pass.
    pub(crate) fn is_fragment(&self, arrival: &Arrival) -> bool {
        let known = self.know(arrival);
        known.is_ok_and(|known| known.inner.ip.is_some_and(|ip| ip.fragment))
    }

    /// The flow that a frame belongs to, if it comes so far.
    pub(crate) fn key(&self, arrival: &Arrival) -> Option<(Key, Parsed)> {
        let known = self.know(arrival).ok()?;
        let ip = known.inner.ip.as_ref().filter(|ip| !ip.fragment)?;
        Some((key(&known, ip), known.parsed))
    }

    /// One frame from its arrival to its end.
    pub(crate) fn frame(&mut self, now: u64, arrival: &Arrival) -> Outcome {
        self.frames_in += 1;
        let bytes = arrival.bytes.len();
        let (known, end) = match self.know(arrival) {
            Err(reason) => (None, Err(reason)),
            Ok(known) => {
                let count = self.enis.entry(known.id).or_default();
                add(&mut count.rx, bytes);
                add(
                    if known.outbound { &mut count.outbound_rx } else { &mut count.inbound_rx },
                    bytes,
                );
                let end = self.known(&known, now, arrival);
                (Some(known), end)
            }
        };
        match end {
            Ok((port, frame)) => {
                self.frames_out += 1;
                if let Some(known) = known {
                    let count = self.enis.entry(known.id).or_default();
                    add(&mut count.tx, frame.len());
                    add(
                        if known.outbound { &mut count.outbound_tx } else { &mut count.inbound_tx },
                        frame.len(),
                    );
                }
                Outcome::Frame(port, frame)
            }
            Err(reason) => {
                *self.drops.entry(reason.clone()).or_default() += 1;
                if let Some(known) = known {
                    let count = self.enis.entry(known.id).or_default();
                    *count.drops.entry(reason.clone()).or_default() += 1;
                }
                Outcome::Drop(reason)
            }
        }
    }

    /// Parse to ENI: what every frame passes before it is counted.
    fn know(&self, arrival: &Arrival) -> Result<Known, String> {
        let parsed = parse(arrival)?;
        if arrival.bad_l3 || arrival.bad_l4 {
            return Err("checksum_bad_drop".into());
        }
        let vip = parsed.outer.addresses.is_some_and(|(_, vip)| self.policy.is_vip(vip));
        if parsed.tagged || !vip {
            return Err("vip_miss_drop".into());
        }
        let Some(inner) = parsed.tunnel.clone() else { return Err("eni_miss_drop".into()) };
        let entry = self.policy.directions.get(&inner.vni);
        let (outbound, mac_override) = entry.copied().unwrap_or((false, Override::None));
        let mac = match (mac_override, outbound) {
            (Override::Source, _) | (Override::None, true) => inner.source_mac,
            (Override::Destination, _) | (Override::None, false) => inner.destination_mac,
        };
        let (id, eni) = self.policy.eni_of(mac).ok_or("eni_miss_drop")?;
        Ok(Known { id, eni: eni.clone(), outbound, parsed, inner })
    }

    /// Admin state to the end.
    fn known(
        &mut self,
        known: &Known,
        now: u64,
        arrival: &Arrival,
    ) -> Result<(u16, Vec<u8>), String> {
        if !known.eni.enabled {
            return Err("eni_admin_down_drop".into());
        }
        let Some(ip) = known.inner.ip.as_ref() else { return Err("inner_not_ip_drop".into()) };
        let transform = if ip.fragment {
            self.fragment(known, ip, now, arrival)?
        } else {
            self.transform(known, ip, now, arrival)?
        };
        let destination = match &transform.tunnel {
            Some(tunnel) => tunnel.destination,
            None => ip.addresses.unwrap().1,
        };
        let port = match self.policy.underlay_route(destination) {
            None => arrival.port,
            Some(UnderlayRoute::Port(port)) => port,
            Some(UnderlayRoute::Drop) => return Err("underlay_drop".into()),
        };
        let mut frame = known.inner.frame.clone();
        if let Some(mac) = transform.destination_mac {
            frame[..6].copy_from_slice(&mac);
        }
        if let Some(tunnel) = &transform.tunnel {
            frame = encapsulate(&frame, tunnel, known.parsed.outer.tos);
        }
        if frame.len() - 14 > self.settings.mtu {
            return Err("mtu_drop".into());
        }
        let grown = frame.len() - known.inner.frame.len();
        if grown > known.inner.offset + arrival.headroom {
            return Err("no_headroom_drop".into());
        }
        Ok((port, frame))
    }

    /// The first fragment goes as a whole frame would, the others by what it left.
    fn fragment(
        &mut self,
        known: &Known,
        ip: &Ip,
        now: u64,
        arrival: &Arrival,
    ) -> Result<Transform, String> {
        let dropped = || Err("fragment_drop".to_owned());
        let has_ports = matches!(ip.protocol, TCP | UDP);
        if !ip.later_fragment && has_ports && !ip.has_ports
            || ip.later_fragment && ip.protocol == TCP && ip.fragment_offset < 3
        {
            return dropped();
        }
        let flow = key(known, ip);
        let name = (flow.outbound, flow.eni, flow.vnet, flow.addresses, ip.datagram);
        if !ip.later_fragment {
            let transform = self.transform(known, ip, now, arrival)?;
            self.end_fragments(&name);
            if let Some(parent) = self.flows.get(&flow) {
                let parent = (flow, parent.number);
                self.fragments
                    .insert(name, Fragments { transform, began: now, parent, count: (0, 0) });
            }
            return Ok(transform);
        }
        let Some(fragments) = self.fragments.get_mut(&name) else { return dropped() };
        let (parent, number) = fragments.parent;
        let late = now - fragments.began > FRAGMENTS;
        let same = self.flows.get(&parent).is_some_and(|flow| flow.number == number);
        if late || !same || !self.lives(&parent, now) {
            self.end_fragments(&name);
            return dropped();
        }
        self.later_fragments += 1;
        let fragments = self.fragments.get_mut(&name).unwrap();
        add(&mut fragments.count, arrival.bytes.len());
        let transform = fragments.transform;
        if !ip.more_fragments {
            self.end_fragments(&name);
        }
        Ok(transform)
    }

    /// What was counted goes to the parent, if that is still there.
    fn end_fragments(&mut self, name: &Datagram) {
        let Some(Fragments { parent: (key, number), count, .. }) = self.fragments.remove(name)
        else {
            return;
        };
        if let Some(flow) = self.flows.get_mut(&key).filter(|flow| flow.number == number) {
            flow.count.0 += count.0;
            flow.count.1 += count.1;
        }
    }

    /// Flow look-up; policy on a miss, or when the direction that created the pair is stale.
    fn transform(
        &mut self,
        known: &Known,
        ip: &Ip,
        now: u64,
        arrival: &Arrival,
    ) -> Result<Transform, String> {
        let key = key(known, ip);
        let epoch = self.epochs.get(&known.id).copied().unwrap_or_default();
        let tcp = (ip.protocol == TCP).then_some(ip.tcp_flags);
        let begins = tcp.is_some_and(|flags| flags & (SYN | ACK | FIN | RST) == SYN);
        let is_over = self.flows.get(&key).is_some_and(|flow| is_closed(&flow.segments));
        if !self.lives(&key, now) || is_over && begins {
            self.flows.remove(&key);
            self.flows.remove(&key.reverse());
        }
        let found = self.flows.get_mut(&key);
        let missed = found.is_none();
        if let Some(flow) = found
            && !(flow.creator && flow.epoch != epoch)
        {
            flow.used = now;
            add(&mut flow.count, arrival.bytes.len());
            self.hits += 1;
            let transform = flow.transform;
            self.hear(&key, tcp);
            return Ok(transform);
        }
        self.evaluated_again += u64::from(!missed);
        // What the underlay refuses is not permitted either: no flow is left.
        let decision = self.decide(known, ip, missed).and_then(|(forward, reverse)| {
            let destination =
                forward.tunnel.map_or(ip.addresses.unwrap().1, |tunnel| tunnel.destination);
            match self.policy.underlay_route(destination) {
                Some(UnderlayRoute::Drop) => Err("underlay_drop".to_owned()),
                _ => Ok((forward, reverse)),
            }
        });
        let (forward, reverse) = match decision {
            Ok(pair) => pair,
            Err(reason) => {
                self.flows.remove(&key);
                self.flows.remove(&key.reverse());
                return Err(reason);
            }
        };
        if !self.settings.flows {
            self.enis.entry(known.id).or_default().flow_create_failed += 1;
            return Ok(forward);
        }
        for (key, transform, creator) in [(key, forward, true), (key.reverse(), reverse, false)] {
            let old = self.flows.remove(&key);
            self.born += 1;
            let number = old.as_ref().map_or(self.born, |flow| flow.number);
            let (count, segments) = old.map(|flow| (flow.count, flow.segments)).unwrap_or_default();
            let flow = Flow { transform, creator, epoch, used: now, number, count, segments };
            self.flows.insert(key, flow);
        }
        let flow = self.flows.get_mut(&key).unwrap();
        add(&mut flow.count, arrival.bytes.len());
        self.hear(&key, tcp);
        Ok(forward)
    }

    /// Both halves remember a segment.
    fn hear(&mut self, key: &Key, tcp: Option<u8>) {
        for half in [*key, key.reverse()] {
            if let Some(flow) = self.flows.get_mut(&half) {
                flow.segments.extend(tcp.map(|flags| (key.outbound, flags)));
            }
        }
    }

    /// Policy: this frame's transform, and that of the other direction.
    fn decide(
        &self,
        known: &Known,
        ip: &Ip,
        missed: bool,
    ) -> Result<(Transform, Transform), String> {
        if self.settings.tcp_strict && missed && ip.protocol == TCP && ip.tcp_flags & 0x3f != SYN {
            return Err("tcp_not_syn_drop".into());
        }
        if !self.policy.is_trusted(known.id, known.inner.vni) {
            return Err("eni_trusted_vni_entry_miss_drop".into());
        }
        self.acl(known, ip)?;
        // As 2.13: to the VM; also what an outbound frame's answers get.
        let to_vm = |vni: u32, destination: IpAddr| self.tunnel(&known.eni, destination, vni);
        let appliance = self.policy.appliances.get(&known.eni.appliance).expect("an appliance");
        let vm_vni = known.eni.vm_vni.unwrap_or(appliance.vm_vni);
        let vm =
            Transform { destination_mac: None, tunnel: Some(to_vm(vm_vni, known.eni.underlay_ip)) };
        if known.outbound {
            return Ok((self.outbound(known, ip)?, vm));
        }
        self.inbound(known, ip)?;
        let (source, _) = known.parsed.outer.addresses.unwrap();
        let back = Transform {
            destination_mac: Some(known.inner.source_mac),
            tunnel: Some(to_vm(known.inner.vni, source)),
        };
        Ok((vm, back))
    }

    fn tunnel(&self, eni: &Eni, destination: IpAddr, vni: u32) -> Tunnel {
        let appliance = self.policy.appliances.get(&eni.appliance).expect("an appliance");
        let source = match destination {
            IpAddr::V4(_) => IpAddr::V4(appliance.sip),
            IpAddr::V6(_) => IpAddr::V6(appliance.sip_v6.expect("a VIP of IPv6")),
        };
        let (own_mac, neighbor_mac) = (appliance.own_mac, appliance.neighbor_mac);
        Tunnel { source, destination, vni, own_mac, neighbor_mac }
    }

    fn acl(&self, known: &Known, ip: &Ip) -> Result<(), String> {
        let addresses = ip.addresses.unwrap();
        let table = 2 * usize::from(known.outbound) + usize::from(addresses.0.is_ipv6());
        let name = if known.outbound { "acl_out_drop" } else { "acl_in_drop" };
        let mut decided = Ok(());
        for (index, group) in known.eni.acl[table].iter().enumerate() {
            let denied = Err(format!("{name}.{}", index + 1));
            let Some(group) = group else { continue };
            let Some((_, rules)) = self.policy.acl_groups.get(group) else { return denied };
            match self.policy.acl_rule(rules, addresses, ip.protocol, ip.ports) {
                None | Some((false, true)) => return denied,
                Some((true, true)) => return Ok(()),
                Some((permit, false)) => decided = if permit { Ok(()) } else { denied },
            }
        }
        decided
    }

    fn outbound(&self, known: &Known, ip: &Ip) -> Result<Transform, Dropped> {
        let (_, destination) = ip.addresses.unwrap();
        let group = known.eni.route_group.ok_or("outbound_routing_group_miss_drop")?;
        match self.policy.route_groups.get(&group) {
            None => return Err("outbound_routing_group_miss_drop"),
            Some(true) => return Err("outbound_routing_group_disabled_drop"),
            Some(false) => {}
        }
        let route = self.policy.route(group, destination);
        let (vnet, address) = match route.ok_or("outbound_routing_entry_miss_drop")? {
            Route::Drop => return Err("outbound_routing_drop"),
            Route::Direct => return Ok(Transform { destination_mac: None, tunnel: None }),
            Route::Vnet(vnet) => (vnet, destination),
            Route::VnetDirect(vnet, overlay) => (vnet, overlay.unwrap_or(destination)),
        };
        let mapping = self.policy.mappings.get(&(vnet, address));
        let mapping = mapping.ok_or("outbound_ca_pa_entry_miss_drop")?;
        let (v4, v6) = (mapping.v4.map(IpAddr::V4), mapping.v6.map(IpAddr::V6));
        let received_v6 = known.parsed.outer.addresses.unwrap().0.is_ipv6();
        let underlay = if received_v6 { v6.or(v4) } else { v4.or(v6) }.expect("an address");
        let own_vnet = if mapping.use_dst_vni { vnet } else { known.eni.vnet };
        let appliance = self.policy.appliances.get(&known.eni.appliance).expect("an appliance");
        let routing_type = self.policy.routing_types.get(&mapping.routing_type);
        let vni = mapping
            .vni
            .or(routing_type.copied().filter(|vni| *vni != 0))
            .or(self.policy.vnets.get(&own_vnet).copied())
            .or(known.eni.vm_vni)
            .unwrap_or(appliance.vm_vni);
        Ok(Transform {
            destination_mac: Some(mapping.mac),
            tunnel: Some(self.tunnel(&known.eni, underlay, vni)),
        })
    }

    fn inbound(&self, known: &Known, ip: &Ip) -> Result<(), Dropped> {
        let (source, _) = known.parsed.outer.addresses.unwrap();
        let rule = self.policy.inbound_rule(known.id, known.inner.vni, source, ip.protocol);
        let rule = rule.ok_or("inbound_routing_entry_miss_drop")?;
        let (vnet, validate) = rule.decap.ok_or("inbound_routing_drop")?;
        if validate && !self.policy.is_valid_pa(vnet.unwrap_or(known.eni.vnet), source) {
            return Err("pa_validation_miss_drop");
        }
        Ok(())
    }
}

fn key(known: &Known, ip: &Ip) -> Key {
    Key {
        outbound: known.outbound,
        eni: known.eni.mac,
        vnet: known.eni.vnet,
        addresses: ip.addresses.unwrap(),
        ports: ip.ports,
        protocol: ip.protocol,
    }
}

fn add(traffic: &mut Traffic, bytes: usize) {
    traffic.0 += 1;
    traffic.1 += bytes as u64;
}
