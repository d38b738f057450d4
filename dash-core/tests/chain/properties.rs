//! Random chains, placements and frames.

use dash_core::pipeline::chain::policy::{Path, Select};
use proptest::prelude::*;

use crate::{
    frames::{answer, ipv4},
    world::{Net, OwnedGroup, World, app, classifier, port},
};

/// A function: hosts of its pairs, and whether it has one port.
type Function = (Vec<(u16, bool)>, bool);

/// A net of functions in the order of a chain; each function's ports by pair.
fn net(hosts: u16, apps: [u16; 2], functions: &[Function], exit: bool) -> (Net, u16) {
    let mut ports = vec![app(1, apps[0], 1)];
    let (mut pairs, mut groups) = (vec![], vec![]);
    let mut key = 2;
    for (placed, hash) in functions {
        let mut members = vec![];
        for (host, single) in placed {
            members.push(pairs.len() as u16);
            let last = if *single { key } else { key + 1 };
            ports.extend((key..=last).map(|key| port(key, *host)));
            pairs.push((key, last, true));
            key = last + 1;
        }
        let select = if *hash { Select::Hash } else { Select::First };
        groups.push(OwnedGroup { pairs: members, select, ..Default::default() });
    }
    ports.push(app(key, apps[1], 2));
    let chains = vec![(0..groups.len() as u16).collect()];
    let mut classifiers = vec![classifier(0, if exit { 1 } else { key })];
    if exit {
        classifiers[0].path = Path::Exit;
    }
    (Net { hosts, ports, pairs, groups, chains, classifiers }, key)
}

/// Follows a frame from a port through functions that send it on: the pairs that it visits, and
/// the port that it ends at. Each delivery must be the frame itself.
fn follow(world: &mut World, net: &Net, from: u16, frame: &[u8]) -> (Vec<u16>, u16) {
    let host_of = |key: u16| net.ports.iter().find(|port| port.key == key).unwrap().host.unwrap();
    let mut at = from;
    let mut visited = vec![];
    loop {
        let delivered = world.delivers(host_of(at), at, frame);
        assert_eq!(delivered.len(), 1, "from port {at}");
        assert_eq!(delivered[0].frame, frame);
        let to = delivered[0].port;
        assert_eq!(delivered[0].host, host_of(to));
        let pair = net.pairs.iter().position(|(input, output, _)| *input == to || *output == to);
        let Some(pair) = pair else { return (visited, to) };
        visited.push(pair as u16);
        assert!(visited.len() <= 16, "a circle");
        let (input, output, _) = net.pairs[pair];
        at = if to == input { output } else { input };
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn chain_s35(
        hosts in 1..4_u16,
        places in proptest::collection::vec(
            (proptest::collection::vec((0..3_u16, any::<bool>()), 1..3), any::<bool>()), 0..6),
        apps in (0..3_u16, 0..3_u16),
        exit in any::<bool>(),
        ports in (1024..60_000_u16, 1..1024_u16),
        length in 60..600_usize,
        protocol in prop_oneof![Just(6_u8), Just(17)],
    ) {
        let places: Vec<Function> = places
            .into_iter()
            .map(|(pairs, hash)| {
                (pairs.into_iter().map(|(host, single)| (host % hosts, single)).collect(), hash)
            })
            .collect();
        let (net, last) = net(hosts, [apps.0 % hosts, apps.1 % hosts], &places, exit);
        let mut world = World::new(&net);
        let frame = ipv4(protocol, [ports.0, ports.1], length);
        let (forward, end) = follow(&mut world, &net, 1, &frame);
        prop_assert_eq!(end, last);
        prop_assert_eq!(forward.len(), places.len());
        for (group, pair) in net.groups.iter().zip(&forward) {
            prop_assert!(group.pairs.contains(pair));
        }
        let (mut reverse, end) = follow(&mut world, &net, last, &answer(&frame));
        reverse.reverse();
        prop_assert_eq!(end, 1);
        prop_assert_eq!(reverse, forward);
    }

    /// Whatever comes in, nothing breaks, and a hit says what the slow path says.
    #[test]
    fn any_bytes(frames in proptest::collection::vec(
        (0..9_u16, proptest::collection::vec(any::<u8>(), 0..120), 0..130_usize), 1..30)) {
        let net = crate::cases::case3();
        let mut world = World::new(&net);
        for (at, noise, keep) in frames {
            // The front of a good frame, the back of a bad one.
            let good = if at == 0 { crate::frames::vector("h2") } else { crate::frames::p() };
            let mut frame = good[..keep.min(good.len())].to_vec();
            frame.extend(noise);
            let port = if at == 0 { crate::world::UNDERLAY.0 } else { at };
            world.step(0, port, &frame);
        }
    }
}
