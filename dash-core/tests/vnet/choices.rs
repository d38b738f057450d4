//! Random policies, changes and frames, made from bytes: each byte is one choice and 0 is the
//! plain one, so that shrinking bytes leads to plain policies and plain frames.

use std::{net::IpAddr, ops::RangeInclusive};

use crate::{
    frame::Mac,
    policy::{
        AclRule, Appliance, Change, Eni, InboundRule, Mapping, Override, Owner, Policy, Prefix,
        Route, UnderlayRoute,
    },
};

/// Bytes as choices; behind the last one, plain ones.
pub(crate) struct Choices<'b>(pub &'b [u8]);

impl Choices<'_> {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first) % bound
    }

    pub(crate) fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == count - 1
    }

    fn some_of<T: Clone>(&mut self, of: &[T], most: usize) -> Vec<T> {
        let count = self.below(most + 1);
        (0..count).map(|_| self.pick(of)).collect()
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) const VNIS: [u32; 5] = [100, 200, 300, 400, 5000];
pub(crate) const ENIS: usize = 4;
const GROUPS_V4: [u32; 4] = [0, 1, 2, 3];
const GROUPS_V6: [u32; 4] = [4, 5, 6, 7];

pub(crate) fn eni_mac(id: usize) -> Mac {
    [2, 0, 0, 0, 0, id as u8 + 1]
}

/// Addresses of customers. Few, so that frames hit what is configured.
pub(crate) fn customer(choices: &mut Choices<'_>, v6: bool) -> IpAddr {
    ip(if v6 {
        choices.pick(&["fd00::1", "fd00::2", "fd00::3", "fd00:0:0:1::1", "2001:db8::8"])
    } else {
        choices.pick(&["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.1.1", "20.0.0.1", "8.8.8.8"])
    })
}

fn customer_prefix(choices: &mut Choices<'_>, v6: bool) -> Prefix {
    let address = customer(choices, v6);
    let length =
        if v6 { choices.pick(&[0, 64, 48, 128, 127]) } else { choices.pick(&[0, 24, 8, 32, 31]) };
    network(address, length)
}

pub(crate) fn underlay(choices: &mut Choices<'_>, v6: bool) -> IpAddr {
    ip(if v6 {
        choices.pick(&["3ffe::1", "3ffe::2", "3ffe::3", "2a00::1"])
    } else {
        choices.pick(&["100.0.0.1", "100.0.0.2", "100.0.0.3", "172.16.1.20"])
    })
}

fn underlay_prefix(choices: &mut Choices<'_>, v6: bool) -> Prefix {
    let length = if v6 { choices.pick(&[0, 16, 128, 127]) } else { choices.pick(&[0, 24, 32, 31]) };
    let address = if choices.one_in(5) { customer(choices, v6) } else { underlay(choices, v6) };
    network(address, length)
}

/// Host bits are an error in a configuration; they are cleared.
pub(crate) fn network(address: IpAddr, length: u8) -> Prefix {
    let address = match address {
        IpAddr::V4(v4) => IpAddr::V4(
            (u32::from(v4) & u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0)).into(),
        ),
        IpAddr::V6(v6) => IpAddr::V6(
            (u128::from(v6) & u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)).into(),
        ),
    };
    Prefix { address, length }
}

fn appliance(choices: &mut Choices<'_>, id: u32, v6_underlay: bool) -> Vec<Change> {
    let vip = [[100, 0, 0, 101], [100, 0, 0, 102], [100, 0, 0, 103]][id as usize];
    let (moved, vm_vni) = (choices.one_in(8), VNIS[id as usize]);
    let sip = if moved { [100, 0, 0, 104] } else { vip };
    let sip_v6 = v6_underlay.then(|| {
        let mut octets = [0; 16];
        octets[..2].copy_from_slice(&[0x3f, 0xfe]);
        octets[15] = sip[3];
        octets.into()
    });
    let mac = choices.pick(&[[0; 6], [0x0e, 0, 0, 0, 0, id as u8]]);
    let value = Appliance { sip: sip.into(), sip_v6, vm_vni, own_mac: mac, neighbor_mac: mac };
    let lookup = choices.pick(&[
        Override::None,
        Override::None,
        Override::None,
        Override::None,
        Override::None,
        Override::Source,
        Override::Source,
        Override::Destination,
    ]);
    vec![Change::Appliance(id, Some(value)), Change::Direction(vm_vni, Some((true, lookup)))]
}

fn trusted(choices: &mut Choices<'_>) -> (Owner, RangeInclusive<u32>) {
    let owner = if choices.one_in(3) {
        Owner::Eni(choices.below(ENIS) as u16)
    } else {
        Owner::Appliance(choices.below(3) as u32)
    };
    (owner, choices.pick(&[0..=0xff_ffff, 100..=400, 5000..=5000, 200..=299]))
}

fn route(choices: &mut Choices<'_>) -> Route {
    let vnet = choices.below(3) as u16;
    match choices.below(8) {
        0..=2 => Route::Vnet(vnet),
        3 | 4 => Route::Direct,
        5 => Route::Drop,
        6 => Route::VnetDirect(vnet, None),
        _ => {
            let v6 = choices.one_in(3);
            Route::VnetDirect(vnet, Some(customer(choices, v6)))
        }
    }
}

fn mapping(choices: &mut Choices<'_>, v6_underlay: bool) -> Mapping {
    let IpAddr::V4(v4) = underlay(choices, false) else { unreachable!() };
    let IpAddr::V6(v6) = underlay(choices, true) else { unreachable!() };
    let (v4, v6) = match choices.below(4) {
        0 | 1 if v6_underlay => (Some(v4), Some(v6)),
        2 if v6_underlay => (None, Some(v6)),
        _ => (Some(v4), None),
    };
    Mapping {
        v4,
        v6,
        mac: choices.pick(&[[2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 1, 2], [0; 6]]),
        vni: choices.pick(&[None, None, Some(300)]),
        routing_type: choices.below(3) as u8,
        use_dst_vni: choices.one_in(2),
    }
}

fn acl_rules(choices: &mut Choices<'_>, v6: bool) -> Vec<AclRule> {
    let mut rules = Vec::new();
    for index in 0..choices.below(4) {
        let mut rule = AclRule::any(10 * index as u32, !choices.one_in(3), !choices.one_in(2));
        rule.protocols = choices.some_of(&[17, 6, 1, 58], 2);
        if choices.one_in(3) {
            rule.sources = (0..=choices.below(2)).map(|_| customer_prefix(choices, v6)).collect();
        }
        if choices.one_in(3) {
            rule.destinations =
                (0..=choices.below(2)).map(|_| customer_prefix(choices, v6)).collect();
        }
        if choices.one_in(4) {
            rule.source_tags = choices.some_of(&[0, 1, 2], 2);
        }
        if choices.one_in(4) {
            rule.destination_tags = choices.some_of(&[0, 1, 2], 2);
        }
        let ranges = [0..=1023, 1000..=1000, 80..=80, 0..=0, 1024..=65_535];
        rule.source_ports = choices.some_of(&ranges, 1);
        rule.destination_ports = choices.some_of(&ranges, 2);
        rules.push(rule);
    }
    // Most groups end with a rule for the rest, else nearly all is denied.
    if !choices.one_in(6) {
        let (permit, terminating) = (!choices.one_in(5), !choices.one_in(3));
        rules.push(AclRule::any(1000, permit, terminating));
    }
    if choices.one_in(2) {
        // The order of the list says nothing.
        rules.reverse();
    }
    rules
}

fn eni(choices: &mut Choices<'_>, id: usize, v6_underlay: bool) -> Eni {
    let mut acl = [[None; 5]; 4];
    for (table, stages) in acl.iter_mut().enumerate() {
        let groups = if table % 2 == 0 { GROUPS_V4 } else { GROUPS_V6 };
        for stage in stages {
            if choices.one_in(5) {
                // Number 9 is never made: a group that does not exist.
                *stage = Some(if choices.one_in(24) { 9 } else { choices.pick(&groups) });
            }
        }
    }
    let v6 = v6_underlay && choices.one_in(3);
    Eni {
        mac: eni_mac(id),
        enabled: !choices.one_in(16),
        underlay_ip: underlay(choices, v6),
        vnet: choices.below(3) as u16,
        appliance: choices.below(3) as u32,
        vm_vni: choices.pick(&[None, None, None, Some(4321)]),
        route_group: choices.pick(&[Some(0), Some(0), Some(0), Some(1), Some(1), Some(3), None]),
        acl,
    }
}

fn inbound_rules(choices: &mut Choices<'_>, v6: bool) -> Vec<InboundRule> {
    let mut rules: Vec<InboundRule> = Vec::new();
    for _ in 0..choices.pick(&[1, 2, 3, 0]) {
        let vnet = choices.pick(&[None, Some(0), Some(1), Some(2)]);
        let rule = InboundRule {
            priority: choices.below(3) as u32,
            prefix: underlay_prefix(choices, v6),
            protocol: choices.pick(&[0, 0, 17, 6]),
            decap: (!choices.one_in(6)).then_some((vnet, choices.one_in(2))),
        };
        // Of equal priorities the longer prefix counts; equal in both says nothing.
        let order = |rule: &InboundRule| (rule.priority, rule.prefix.length);
        if rules.iter().all(|other| order(other) != order(&rule)) {
            rules.push(rule);
        }
    }
    rules
}

/// A change of one kind of object, on any of the few numbers that there are.
pub(crate) fn change(
    choices: &mut Choices<'_>,
    kind: usize,
    v6_underlay: bool,
    policy: &Policy,
) -> Vec<Change> {
    let there = !choices.one_in(8);
    let v6 = choices.one_in(2);
    let v6_outer = v6 && v6_underlay;
    vec![match kind {
        0 => {
            let id = choices.below(3) as u32;
            return appliance(choices, id, v6_underlay);
        }
        1 => Change::Direction(
            choices.pick(&VNIS[3..]),
            there.then(|| (choices.one_in(3), choices.pick(&[Override::None, Override::Source]))),
        ),
        2 => {
            let id = choices.below(ENIS);
            let value = eni(choices, id, v6_underlay);
            Change::Eni(id as u16, (there || id == 0).then_some(value))
        }
        3 => Change::Vnet(choices.below(3) as u16, there.then(|| choices.pick(&VNIS))),
        4 => Change::RoutingType(choices.below(2) as u8, there.then(|| choices.pick(&[0, 700]))),
        5 => Change::RouteGroup(choices.below(2) as u16, there.then(|| choices.one_in(8))),
        6 => {
            let (group, prefix) = (choices.below(2) as u16, customer_prefix(choices, v6));
            Change::Route(group, prefix, there.then(|| route(choices)))
        }
        7 => {
            let (vnet, address) = (choices.below(3) as u16, customer(choices, v6));
            Change::Mapping(vnet, address, there.then(|| mapping(choices, v6_underlay)))
        }
        8 => {
            let (eni, vni) = (choices.below(ENIS) as u16, choices.pick(&VNIS));
            Change::Inbound(eni, vni, v6_outer, inbound_rules(choices, v6_outer))
        }
        9 => Change::Pa(choices.pick(&VNIS), underlay_prefix(choices, v6_outer), there),
        10 => {
            let (owner, range) = trusted(choices);
            Change::Trusted(owner, range, there)
        }
        11 => {
            let prefix = underlay_prefix(choices, v6);
            let routes = [1, 2, 3].map(UnderlayRoute::Port);
            let route = if choices.one_in(4) { UnderlayRoute::Drop } else { choices.pick(&routes) };
            Change::Underlay(prefix, there.then_some(route))
        }
        12 => {
            let group = choices.pick(if v6 { &GROUPS_V6 } else { &GROUPS_V4 });
            // A group that is bound stays, else nearly all is denied.
            let bound = policy
                .enis
                .0
                .iter()
                .any(|(_, eni)| eni.acl.iter().flatten().flatten().any(|own| *own == group));
            Change::AclGroup(group, (there || bound).then(|| (v6, acl_rules(choices, v6))))
        }
        _ => Change::Tag(choices.below(2) as u32, customer_prefix(choices, v6), there),
    }]
}

pub(crate) const KINDS: usize = 14;

/// A whole configuration, in which most frames of `traffic` find what they need.
pub(crate) fn policy(choices: &mut Choices<'_>, v6_underlay: bool) -> Vec<Change> {
    let mut changes = Vec::new();
    for id in 0..3 {
        changes.extend(appliance(choices, id, v6_underlay));
    }
    let all = Policy::default();
    changes.push(Change::Trusted(
        Owner::Appliance(0),
        choices.pick(&[0..=0xff_ffff, 100..=400]),
        true,
    ));
    for vnet in 0..3 {
        changes.push(Change::Vnet(vnet, Some(choices.pick(&VNIS))));
    }
    for group in 0..2 {
        changes.push(Change::RouteGroup(group, Some(choices.one_in(12))));
        for v6 in [false, true] {
            let default = choices.pick(&[
                Some(Route::Vnet(0)),
                Some(Route::Direct),
                Some(Route::Vnet(1)),
                None,
            ]);
            let prefix = network(ip(if v6 { "::" } else { "0.0.0.0" }), 0);
            changes.extend(default.map(|route| Change::Route(group, prefix, Some(route))));
        }
    }
    for (group, v6) in GROUPS_V4
        .iter()
        .map(|group| (group, false))
        .chain(GROUPS_V6.iter().map(|group| (group, true)))
    {
        changes.push(Change::AclGroup(*group, Some((v6, acl_rules(choices, v6)))));
    }
    for id in 0..2 + choices.below(3) {
        changes.push(Change::Eni(id as u16, Some(eni(choices, id, v6_underlay))));
        for vni in &VNIS {
            for v6 in [false, true] {
                if (v6_underlay || !v6) && !choices.one_in(4) {
                    let rules = inbound_rules(choices, v6);
                    changes.push(Change::Inbound(id as u16, *vni, v6, rules));
                }
            }
        }
    }
    for (kind, count) in [(7, 24), (6, 6), (9, 4), (4, 2), (13, 3), (11, 2), (10, 2), (1, 1)] {
        for _ in 0..count {
            changes.extend(change(choices, kind, v6_underlay, &all));
        }
    }
    changes
}
