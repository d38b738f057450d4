//! What is refused, and that nothing of it is applied.

use dash_core::{
    pipeline::chain::{
        DropReason,
        policy::{Configuration, Fault, Kind, Mode, PolicyError, Switch},
    },
    table::{TableError, acl::Rule},
};
use dash_hal::PortId;

use crate::{
    cases::{case1, case3},
    frames::p,
    world::{Net, OwnedGroup, WEB, World, app, classifier, left, mac, port},
};

#[test]
fn a_wrong_configuration_changes_nothing() {
    type Spoil = fn(&mut Net);
    let cases: [(Spoil, (Kind, usize, Fault)); 25] = [
        (|net| net.ports[0].key = 0, (Kind::Port, 0, Fault::Key)),
        (|net| net.ports[7].key = 0x8000, (Kind::Port, 7, Fault::Key)),
        (|net| net.ports[1].key = 1, (Kind::Port, 1, Fault::Duplicate)),
        (|net| net.ports.swap(0, 1), (Kind::Port, 1, Fault::Disordered)),
        (|net| net.ports[3].host = Some(2), (Kind::Port, 3, Fault::Missing)),
        (|net| net.ports[3].macs = vec![mac(1)], (Kind::Port, 3, Fault::Duplicate)),
        (
            |net| net.ports[0].ips = vec!["10.0.0.1".parse().unwrap(); 2],
            (Kind::Port, 0, Fault::Duplicate),
        ),
        (
            |net| net.ports.extend((20..80).map(|key| port(key, 0))),
            (Kind::Port, 64, Fault::TooMany),
        ),
        (|net| net.pairs[1].0 = 99, (Kind::Pair, 1, Fault::Missing)),
        (|net| net.ports[3].host = None, (Kind::Pair, 1, Fault::PairOnLocalnet)),
        (|net| net.ports[3].secured = true, (Kind::Pair, 1, Fault::PairSecured)),
        (|net| net.groups[2].pairs = vec![3], (Kind::Group, 2, Fault::Missing)),
        (
            |net| {
                let tap = OwnedGroup { pairs: vec![0], mode: Mode::Tap, ..Default::default() };
                net.groups.push(tap);
            },
            (Kind::Group, 3, Fault::PairOfTwoModes),
        ),
        // Only a port of it.
        (
            |net| {
                net.pairs.push((2, 7, true));
                let tap = OwnedGroup { pairs: vec![3], mode: Mode::Tap, ..Default::default() };
                net.groups.push(tap);
            },
            (Kind::Group, 3, Fault::PairOfTwoModes),
        ),
        (|net| net.chains[0].push(7), (Kind::Chain, 0, Fault::Missing)),
        (|net| net.chains[0] = vec![0; 9], (Kind::Chain, 0, Fault::TooMany)),
        (|net| net.chains[0].push(0), (Kind::Chain, 0, Fault::PortTwice)),
        // Neighbours that share a port.
        (|net| net.pairs[1].0 = 3, (Kind::Chain, 0, Fault::PortTwice)),
        (|net| net.pairs[1] = (3, 2, true), (Kind::Chain, 0, Fault::PortTwice)),
        (|net| net.groups[0].pairs = vec![0, 0], (Kind::Chain, 0, Fault::PortTwice)),
        (
            |net| net.classifiers.push(classifier(0, 8)),
            (Kind::Classifier, 1, Fault::SecondClassifier),
        ),
        (|net| net.classifiers[0].chain = 1, (Kind::Classifier, 0, Fault::Missing)),
        (|net| net.classifiers[0].port = 99, (Kind::Classifier, 0, Fault::Missing)),
        (
            |net| net.classifiers[0].matches = &[Rule { source_tags: &[0], ..WEB }],
            (Kind::Classifier, 0, Fault::Tag),
        ),
        // More rules than words.
        (
            |net| net.classifiers[0].matches = vec![WEB; 256].leak(),
            (Kind::Classifier, 0, Fault::TooMany),
        ),
    ];
    let good = case3();
    for (spoil, (kind, index, fault)) in cases {
        let mut world = World::new(&good);
        let mut net = good.clone();
        spoil(&mut net);
        let error = PolicyError::Object { kind, index, fault };
        assert_eq!(world.replace(&net), Err(error));
        for (from, to) in [(1, 2), (3, 4), (5, 6)] {
            assert_eq!(world.step(0, from, &p()), [left(0, to, &p())]);
        }
        // And it can still be replaced.
        world.replace(&good).unwrap();
    }
}

#[test]
fn hosts_and_switches_that_are_wrong() {
    let mut world = World::new(&case1());
    let node = &mut world.cold[0];
    let net = case3();
    net.with(0, |good| {
        let mut refuse = |configuration: &Configuration<'_>, kind, index, fault| {
            let error = PolicyError::Object { kind, index, fault };
            assert_eq!(node.policy.replace(configuration), Err(error));
        };
        let mut wrong = *good;
        wrong.host = 2;
        refuse(&wrong, Kind::Host, 2, Fault::Missing);
        let twice = [good.hosts[0]; 2];
        refuse(&Configuration { hosts: &twice, ..*good }, Kind::Host, 1, Fault::Duplicate);
        for (key, fault) in [(0, Fault::Key), (1 << 24, Fault::Key), (1, Fault::Duplicate)] {
            let switches = [1, key].map(|tunnel_key| Switch { tunnel_key });
            refuse(&Configuration { switches: &switches, ..*good }, Kind::Switch, 1, fault);
        }
        // A device port of this host twice; on another host it may be.
        let mut ports = good.ports.to_vec();
        ports[6].id = PortId(1);
        let mut wrong = *good;
        wrong.ports = &ports;
        refuse(&wrong, Kind::Port, 6, Fault::Duplicate);
        let mut ports = good.ports.to_vec();
        ports[7].id = PortId(1);
        wrong.ports = &ports;
        assert_eq!(node.policy.replace(&wrong), Ok(()));
    });
}

#[test]
fn ports_of_two_switches_are_not_joined() {
    let mut world = World::new(&case1());
    let node = &mut world.cold[0];
    case3().with(0, |good| {
        let switches = [1, 2].map(|tunnel_key| Switch { tunnel_key });
        for (first, kind, index) in
            [(2, Kind::Pair, 0), (3, Kind::Chain, 0), (7, Kind::Classifier, 0)]
        {
            let mut ports = good.ports.to_vec();
            for port in &mut ports[first..] {
                port.switch = 1;
            }
            let mut wrong = *good;
            (wrong.switches, wrong.ports) = (&switches, &ports);
            let error = PolicyError::Object { kind, index, fault: Fault::OtherSwitch };
            assert_eq!(node.policy.replace(&wrong), Err(error));
        }
    });
}

#[test]
fn memory_is_used_again_only_after_the_readers_have_passed() {
    let mut world = World::new(&case1());
    let (one, other) = (case1(), case3());
    let node = &mut world.cold[0];
    // The first replacement was made before any reader looked.
    node.process(PortId(1), &p(), 0);
    one.with(0, |configuration| node.policy.replace(configuration)).unwrap();
    let again = other.with(0, |configuration| node.policy.replace(configuration));
    assert_eq!(again, Err(PolicyError::Table(TableError::Busy)));
    node.process(PortId(1), &p(), 0);
    other.with(0, |configuration| node.policy.replace(configuration)).unwrap();
    assert!(!node.policy.set_pair_up(3, true));
    assert!(node.policy.set_pair_up(2, false));
}

#[test]
fn two_switches_do_not_meet() {
    let ports = vec![app(1, 0, 1), app(2, 0, 2)];
    let net = Net::chained(1, ports, &[], 1);
    let mut world = World::new(&net);
    assert_eq!(world.step(0, 1, &p()), [left(0, 2, &p())]);
    net.with(0, |good| {
        let switches = [1, 2].map(|tunnel_key| Switch { tunnel_key });
        let mut ports = good.ports.to_vec();
        ports[1].switch = 1;
        let mut apart = *good;
        (apart.switches, apart.ports) = (&switches, &ports);
        for node in world.cold.iter_mut().chain(&mut world.warm) {
            node.policy.replace(&apart).unwrap();
        }
    });
    world.drops(0, 1, &p(), DropReason::L2Unknown);
}
