//! Random nets, frames and changes, beside a naive model.

use dash_core::pipeline::chain::{
    DropReason, Note, Rule,
    policy::{Classifier, Fallback, Mode, Path, Select},
};
use proptest::prelude::*;

use crate::{
    frames::{arp, between, broadcast, ip_checksum, ipv4, ipv6, p},
    model::{Frame, Model, Outcome},
    world::{
        CAPACITY, LONGEST, Net, Node, OwnedGroup, Port, UNDERLAY, WEB, World, app, classifier, mac,
        port,
    },
};

/// Addresses of applications, of nobody, and of some behind ports that learn.
const ADDRESSES: u8 = 7;
/// The keys of the applications' ports are 1 to 3; those of functions follow.
const APPS: u16 = 3;

/// A frame of one of many kinds.
fn frame(kind: u8, source: u8, destination: u8, ports: [u16; 2]) -> Frame {
    let mut bytes = match kind {
        0 => broadcast(source),
        1 => arp(2, [mac(destination).0, mac(source).0], [192, 0, 2, 1], [192, 0, 2, 2]),
        2 => {
            let mut bytes = p();
            bytes[12..14].copy_from_slice(&[0x88, 0xb5]);
            bytes
        }
        3 => ipv6(ports),
        4 => ipv4(17, ports, 64),
        _ => ipv4(6, ports, 64),
    };
    if kind > 0 {
        bytes = between(&bytes, source, destination);
    }
    match kind {
        // Padding.
        4 => bytes.extend([0; 6]),
        // A fragment: the first, and a later one.
        6 => bytes[20] = 0x20,
        7 => bytes[21] = 9,
        _ => {}
    }
    if kind > 3 {
        (bytes[29], bytes[33]) = (source, destination);
        ip_checksum(&mut bytes, 14);
    }
    let ip = match kind {
        0..=2 => None,
        3 => Some((17, [(22, 38), (38, 54)], ports)),
        _ => Some((bytes[23], [(26, 30), (30, 34)], if kind > 5 { [0; 2] } else { ports })),
    };
    let ip = ip.map(|(protocol, [from, to], [one, other])| {
        (protocol, [(bytes[from.0..from.1].to_vec(), one), (bytes[to.0..to.1].to_vec(), other)])
    });
    Frame { bytes, ip }
}

/// What happens.
#[derive(Clone, Debug)]
enum Happens {
    Frame { at: prop::sample::Index, source: u8, destination: u8, kind: u8, ports: [u16; 2] },
    Health { pair: prop::sample::Index, up: bool },
    Time(u64),
    Replace(Net),
}

fn happens(hosts: u16) -> impl Strategy<Value = Happens> {
    let port = || prop_oneof![Just(80_u16), 1000..1004_u16];
    let frame =
        (any::<prop::sample::Index>(), 1..=ADDRESSES, 1..=ADDRESSES, 0..8_u8, port(), port());
    prop_oneof![
        16 => frame.prop_map(|(at, source, destination, kind, one, other)| Happens::Frame {
            at, source, destination, kind, ports: [one, other],
        }),
        2 => (any::<prop::sample::Index>(), any::<bool>())
            .prop_map(|(pair, up)| Happens::Health { pair, up }),
        1 => (1..200_000_000_000_u64).prop_map(Happens::Time),
        1 => net(hosts).prop_map(Happens::Replace),
    ]
}

/// Whether an application's address is configured, and whether its port learns.
fn any_app() -> impl Strategy<Value = (bool, bool)> {
    (prop::bool::weighted(0.9), prop::bool::weighted(0.2))
}

/// Functions in groups in chains, applications, ports that learn, a localnet port.
fn net(hosts: u16) -> impl Strategy<Value = Net> {
    let function = (0..hosts, any::<bool>(), prop::bool::weighted(0.8));
    let group = (
        prop::collection::vec(function, 1..3),
        any::<bool>(),
        any::<bool>(),
        prop::bool::weighted(0.2),
    );
    let chain = prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    let one =
        (any::<prop::sample::Index>(), any::<bool>(), prop::bool::weighted(0.8), any::<bool>());
    (
        prop::collection::vec(group, 1..5),
        prop::collection::vec(chain, 1..3),
        prop::collection::vec(prop::option::weighted(0.6, one), usize::from(APPS)),
        prop::collection::vec((0..hosts, any_app()), usize::from(APPS)),
        prop::collection::vec(prop::option::of(0..hosts), 2),
        any::<bool>(),
    )
        .prop_map(move |(groups, chains, classifiers, apps, unknown, localnet)| {
            let mut net = Net {
                hosts,
                ports: vec![],
                pairs: vec![],
                groups: vec![],
                chains: vec![],
                classifiers: vec![],
            };
            for (at, (host, (known, unknown))) in (1..).zip(apps) {
                let port = if known { app(at, host, at as u8) } else { port(at, host) };
                net.ports.push(Port { unknown, ..port });
            }
            let mut key = APPS + 1;
            for (functions, hash, open, tap) in groups {
                let mut pairs = vec![];
                for (host, single, up) in functions {
                    let last = key + u16::from(!single);
                    net.ports.extend((key..=last).map(|key| port(key, host)));
                    pairs.push(net.pairs.len() as u16);
                    net.pairs.push((key, last, up));
                    key = last + 1;
                }
                let select = if hash { Select::Hash } else { Select::First };
                let fallback = if open { Fallback::Open } else { Fallback::Close };
                let mode = if tap { Mode::Tap } else { Mode::Inline };
                net.groups.push(OwnedGroup { pairs, select, fallback, mode });
            }
            for host in unknown.into_iter().flatten() {
                net.ports.push(Port { unknown: true, ..port(key, host) });
                key += 1;
            }
            if localnet {
                net.ports.push(Port { host: None, ..app(key, 0, ADDRESSES) });
            }
            for chain in chains {
                let mut groups: Vec<u16> = vec![];
                for group in chain {
                    let group = group.index(net.groups.len()) as u16;
                    if !groups.contains(&group) {
                        groups.push(group);
                    }
                }
                net.chains.push(groups);
            }
            for (port, one) in (1..).zip(classifiers) {
                let Some((chain, exit, bidirectional, web)) = one else { continue };
                net.classifiers.push(Classifier {
                    path: if exit { Path::Exit } else { Path::Entry },
                    bidirectional,
                    matches: if web && port < 3 { &[WEB] } else { &[] },
                    ..classifier(chain.index(net.chains.len()) as u16, port)
                });
            }
            net
        })
}

/// A frame comes in, at a port or by the underlay, at the model and at the hosts; what leaves for
/// other hosts comes in there.
fn follow(world: &mut World, model: &mut Model, at: (u16, u16), frame: &Frame) {
    let mut waiting = vec![(at, frame.bytes.clone())];
    let mut steps = 0;
    while let Some(((host, port), bytes)) = waiting.pop() {
        let before = counts(world, host);
        let mut expected = Outcome::default();
        if port == UNDERLAY.0 {
            let ports = [54, 56].map(|at| u16::from_be_bytes([bytes[at], bytes[at + 1]]));
            model.enters_by_tunnel(host, ports, frame, &mut expected);
        } else {
            model.enters_by_port(host, port, frame, &mut expected);
        }
        assert_eq!(world.step(host, port, &bytes), expected.left, "host {host}, port {port}");
        let mut after = before;
        for reason in expected.drops {
            after.0[reason as usize] += 1;
        }
        after.1 += expected.conflicts;
        assert_eq!(counts(world, host), after, "host {host}, port {port}");
        for left in expected.left.into_iter().filter(|left| left.port == UNDERLAY.0) {
            waiting.push(((u16::from(left.frame[5] / 0x11) - 1, UNDERLAY.0), left.frame));
        }
        steps += 1;
        assert!(steps < 64, "a circle");
    }
}

/// A hit counts what the slow path counts: those with flows were asked twice.
fn same_counts(world: &World) {
    for (cold, warm) in world.cold.iter().zip(&world.warm) {
        let all = |node: &Node| {
            let counters = node.counters();
            let stages = counters.stages();
            let mut traffic = vec![stages.ingress, stages.out_chain, stages.tunnelled];
            for chain in 0..CAPACITY.chains as u16 {
                for reverse in [false, true] {
                    let hops = 0..=LONGEST as u16;
                    traffic.extend(hops.map(|hop| counters.rule(Rule { chain, reverse, hop })));
                }
            }
            let mut all: Vec<_> = traffic.iter().flat_map(|one| [one.packets, one.bytes]).collect();
            all.extend(DropReason::ALL.map(|reason| counters.drops(reason)));
            all.push(counters.notes(Note::ChainConflict));
            all
        };
        let twice: Vec<_> = all(cold).into_iter().map(|count| 2 * count).collect();
        assert_eq!(all(warm), twice);
    }
}

/// Drops by reason, and conflicts.
fn counts(world: &World, host: u16) -> ([u64; DropReason::COUNT], u64) {
    let counters = world.cold[usize::from(host)].counters();
    let drops = DropReason::ALL.map(|reason| counters.drops(reason));
    (drops, world.notes(host, Note::ChainConflict))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn hosts_do_what_the_model_does(
        (first, all) in (1..4_u16)
            .prop_flat_map(|hosts| (net(hosts), prop::collection::vec(happens(hosts), 1..80))),
    ) {
        let mut world = World::new(&first);
        let mut model = Model::new(first);
        for one in all {
            match one {
                Happens::Frame { at, source, destination, kind, ports } => {
                    let frame = frame(kind, source, destination, ports);
                    let port = &model.net.ports[at.index(model.net.ports.len())];
                    let at = (port.host.unwrap_or(0), port.key);
                    follow(&mut world, &mut model, at, &frame);
                }
                Happens::Health { pair, up } => {
                    let pair = pair.index(model.net.pairs.len());
                    model.net.pairs[pair].2 = up;
                    world.set_pair_up(pair as u16, up);
                }
                Happens::Time(time) => {
                    model.now += time;
                    world.pass(time);
                }
                Happens::Replace(net) => {
                    // Every host passes a quiescent point first.
                    for node in world.cold.iter_mut().chain(&mut world.warm) {
                        node.pause();
                    }
                    world.replace(&net).unwrap();
                    model.net = net;
                }
            }
        }
        same_counts(&world);
    }
}
