//! Which frames go where, and which end.

use dash_core::{
    pipeline::chain::{
        DropReason, Note,
        policy::{Classifier, Fallback, Path, Select},
    },
    table::acl::Rule,
};

use crate::{
    cases::{case1, case2, case3},
    frames::{answer, arp, between, broadcast, ip_checksum, ipv4, ipv6, p, r},
    world::{LONGEST, Left, Net, UNDERLAY, WEB, World, app, classifier, left, mac, port},
};

const H1: u16 = 0;
const H2: u16 = 1;
const H3: u16 = 2;

/// Where a frame comes in, and where it goes: host and port.
type Step = ((u16, u16), (u16, u16));

/// Where a frame goes that comes in at each of these ports in turn.
#[track_caller]
fn walk(world: &mut World, frame: &[u8], hops: &[Step]) {
    for ((host, port), (to, out)) in hops {
        assert_eq!(world.delivers(*host, *port, frame), [left(*to, *out, frame)], "{host}:{port}");
    }
}

#[test]
fn chain_s05() {
    let mut net = case1();
    net.chains = vec![vec![]];
    let mut world = World::new(&net);
    walk(&mut world, &p(), &[((H1, 1), (H1, 4))]);
    walk(&mut world, &r(), &[((H1, 4), (H1, 1))]);
    assert_eq!([world.rule(H1, false, 0), world.rule(H1, true, 0)], [0, 0]);
    // No rule of OUT_CHAIN either.
    world.drops(H1, 4, &between(&p(), 9, 2), DropReason::Loopback);
}

#[test]
fn chain_s06() {
    let ports = vec![app(1, H1, 1), port(2, H1), app(4, H1, 2)];
    let mut world = World::new(&Net::chained(1, ports, &[(2, 2)], 4));
    walk(&mut world, &p(), &[((H1, 1), (H1, 2)), ((H1, 2), (H1, 4))]);
    walk(&mut world, &r(), &[((H1, 4), (H1, 2)), ((H1, 2), (H1, 1))]);
}

#[test]
fn chain_s07() {
    let ports = vec![
        app(1, H1, 1),
        port(2, H1),
        port(3, H1),
        port(4, H2),
        port(5, H2),
        port(6, H3),
        port(7, H3),
        app(8, H3, 2),
    ];
    let mut world = World::new(&Net::chained(3, ports, &[(2, 3), (4, 5), (6, 7)], 8));
    let forward = [((H1, 1), (H1, 2)), ((H1, 3), (H2, 4)), ((H2, 5), (H3, 6)), ((H3, 7), (H3, 8))];
    walk(&mut world, &p(), &forward);
    let reverse = [((H3, 8), (H3, 7)), ((H3, 6), (H2, 5)), ((H2, 4), (H1, 3)), ((H1, 2), (H1, 1))];
    walk(&mut world, &r(), &reverse);
}

/// App1, `n` functions of two ports each, App2, whose port's key it answers.
fn long(n: u16) -> (Net, u16) {
    let mut ports = vec![app(1, H1, 1)];
    ports.extend((0..2 * n).map(|at| port(2 + at, H1)));
    ports.push(app(2 + 2 * n, H1, 2));
    let pairs: Vec<_> = (0..n).map(|at| (2 + 2 * at, 3 + 2 * at)).collect();
    (Net::chained(1, ports, &pairs, 2 + 2 * n), 2 + 2 * n)
}

#[test]
fn chain_s08() {
    let (net, last) = long(LONGEST as u16);
    let mut world = World::new(&net);
    let mut at = 1;
    for _ in 0..=LONGEST {
        walk(&mut world, &p(), &[((H1, at), (H1, at + 1))]);
        at += 2;
    }
    assert_eq!(at, last + 1);
    let (longer, _) = long(LONGEST as u16 + 1);
    assert!(world.replace(&longer).is_err());
    walk(&mut world, &p(), &[((H1, 1), (H1, 2)), ((H1, last - 1), (H1, last))]);
}

#[test]
fn chain_s09() {
    let mut net = case1();
    net.classifiers[0].bidirectional = false;
    let mut world = World::new(&net);
    walk(&mut world, &p(), &[((H1, 1), (H1, 2)), ((H1, 3), (H1, 4))]);
    walk(&mut world, &r(), &[((H1, 4), (H1, 1))]);
    // No guard of the direction that is not steered.
    walk(&mut world, &r(), &[((H1, 3), (H1, 1))]);
    world.drops(H1, 2, &p(), DropReason::VnfWrongPort);
}

#[test]
fn chain_s10() {
    let mut net = case1();
    net.classifiers = vec![Classifier { path: Path::Exit, ..classifier(0, 1) }];
    let mut world = World::new(&net);
    walk(&mut world, &p(), &[((H1, 1), (H1, 2))]);
    assert_eq!(world.stages(H1).out_chain.packets, 0);
    walk(&mut world, &p(), &[((H1, 3), (H1, 4))]);
    assert_eq!(world.stages(H1).out_chain.packets, 1);
    walk(&mut world, &r(), &[((H1, 4), (H1, 3)), ((H1, 2), (H1, 1))]);
    assert_eq!(world.stages(H1).out_chain.packets, 1);
    // One way: the answer goes straight, and OUT_CHAIN still has its rule.
    net.classifiers[0].bidirectional = false;
    let mut world = World::new(&net);
    walk(&mut world, &p(), &[((H1, 1), (H1, 2)), ((H1, 3), (H1, 4))]);
    walk(&mut world, &r(), &[((H1, 4), (H1, 1))]);
}

#[test]
fn chain_s11() {
    let mut net = case1();
    net.classifiers[0].matches = &[WEB];
    let mut world = World::new(&net);
    let web = ipv4(6, [40_000, 80], 60);
    let udp = ipv4(17, [40_000, 80], 60);
    let tls = ipv4(6, [40_000, 443], 60);
    walk(&mut world, &web, &[((H1, 1), (H1, 2)), ((H1, 3), (H1, 4))]);
    walk(&mut world, &answer(&web), &[((H1, 4), (H1, 3)), ((H1, 2), (H1, 1))]);
    for other in [&udp, &tls] {
        walk(&mut world, other, &[((H1, 1), (H1, 4))]);
        walk(&mut world, &answer(other), &[((H1, 4), (H1, 1))]);
        // What is in the chain stays in it.
        walk(&mut world, other, &[((H1, 3), (H1, 4))]);
        world.drops(H1, 2, other, DropReason::VnfWrongPort);
    }
    // The condition is on forward frames: port 80 of the other side is another one.
    walk(&mut world, &answer(&ipv4(6, [80, 40_000], 60)), &[((H1, 4), (H1, 1))]);
}

/// Rules as of an ACL: both IP versions, the first that matches counts, and it may exempt.
#[test]
fn rules_of_a_classifier() {
    let server = "192.0.2.2/32".parse().unwrap();
    let network = "2001:db8::/32".parse().unwrap();
    let any = Rule { protocols: &[], destination_ports: &[], ..WEB };
    let exempt = Rule { priority: 1, value: 0, source_ports: &[53..=53, 67..=68], ..any };
    let steer = Rule { priority: 2, destinations: vec![server, network].leak(), ..any };
    let mut net = case1();
    net.classifiers[0].matches = vec![steer, exempt].leak();
    let mut world = World::new(&net);
    let steered = [ipv4(17, [40_000, 80], 60), ipv4(6, [69, 80], 60), ipv6([40_000, 80])];
    let exempted = [ipv4(17, [53, 80], 60), ipv4(6, [68, 80], 60), ipv6([67, 80])];
    for frame in &steered {
        walk(&mut world, frame, &[((H1, 1), (H1, 2)), ((H1, 3), (H1, 4))]);
        walk(&mut world, &answer(frame), &[((H1, 4), (H1, 3)), ((H1, 2), (H1, 1))]);
    }
    // To another address, and what is not IP.
    let mut other = ipv4(17, [40_000, 80], 60);
    other[33] = 3;
    ip_checksum(&mut other, 14);
    let mut not_ip = p();
    not_ip[12..14].copy_from_slice(&[0x88, 0xb5]);
    for frame in exempted.iter().chain([&other, &not_ip]) {
        walk(&mut world, frame, &[((H1, 1), (H1, 4))]);
        walk(&mut world, &answer(frame), &[((H1, 4), (H1, 1))]);
    }
    // Each image has its own rules.
    net.classifiers[0].matches = &[WEB];
    world.replace(&net).unwrap();
    walk(&mut world, &steered[0], &[((H1, 1), (H1, 4))]);
    walk(&mut world, &steered[1], &[((H1, 1), (H1, 2))]);
}

#[test]
fn chain_s12() {
    let mut world = World::new(&case1());
    let request = arp(1, [[0xff; 6], mac(2).0], [192, 0, 2, 2], [192, 0, 2, 1]);
    assert_eq!(world.delivers(H1, 4, &request), [left(H1, 1, &request)]);
    let reply = arp(2, [mac(2).0, mac(1).0], [192, 0, 2, 1], [192, 0, 2, 2]);
    walk(&mut world, &reply, &[((H1, 1), (H1, 2)), ((H1, 3), (H1, 4))]);
}

#[test]
fn chain_s13() {
    let mut net = case2();
    net.ports.push(app(5, H2, 3));
    net.ports.push(app(6, H1, 4));
    let mut world = World::new(&net);
    for frame in [broadcast(1), {
        let mut multicast = broadcast(1);
        multicast[..6].copy_from_slice(&[1, 0, 0x5e, 0, 0, 1]);
        multicast
    }] {
        let (delivered, carried) = world.send(H1, 1, &frame);
        let expected = [left(H1, 6, &frame), left(H2, 4, &frame), left(H2, 5, &frame)];
        assert_eq!(delivered, expected);
        assert_eq!(carried.len(), 1);
        assert_eq!(carried[0].frame[54..58], [0, 1, 0x80, 0]);
        assert_eq!(carried[0].frame[58..], frame);
    }
}

#[test]
fn chain_s14() {
    let mut net = case1();
    net.ports.push(app(5, H1, 3));
    let mut world = World::new(&net);
    walk(&mut world, &between(&p(), 3, 2), &[((H1, 5), (H1, 2)), ((H1, 3), (H1, 4))]);
    walk(&mut world, &between(&p(), 1, 3), &[((H1, 1), (H1, 5))]);
    walk(&mut world, &between(&p(), 2, 3), &[((H1, 4), (H1, 3)), ((H1, 2), (H1, 5))]);
}

#[test]
fn chain_s15() {
    let mut world = World::new(&case3());
    for inner in [2, 4, 6] {
        world.drops(H1, inner, &p(), DropReason::VnfWrongPort);
        world.drops(H1, inner + 1, &r(), DropReason::VnfWrongPort);
    }
}

#[test]
fn chain_s16() {
    let mut net = case1();
    net.ports.push(app(5, H1, 3));
    let mut world = World::new(&net);
    walk(&mut world, &between(&p(), 1, 3), &[((H1, 3), (H1, 5))]);
    walk(&mut world, &between(&r(), 3, 1), &[((H1, 2), (H1, 1))]);
}

#[test]
fn chain_s17() {
    let mut world = World::new(&case1());
    walk(&mut world, &between(&p(), 7, 1), &[((H1, 2), (H1, 1)), ((H1, 3), (H1, 1))]);
    walk(&mut world, &between(&p(), 7, 2), &[((H1, 3), (H1, 4))]);
    world.drops(H1, 2, &between(&p(), 7, 2), DropReason::VnfWrongPort);
}

#[test]
fn chain_s18() {
    let mut world = World::new(&case1());
    walk(&mut world, &p(), &[((H1, 1), (H1, 2))]);
    world.set_pair_up(0, false);
    world.drops(H1, 1, &p(), DropReason::VnfDown);
    world.drops(H1, 4, &r(), DropReason::VnfDown);
    // A frame that the function still had goes on.
    walk(&mut world, &p(), &[((H1, 3), (H1, 4))]);
    world.set_pair_up(0, true);
    walk(&mut world, &p(), &[((H1, 1), (H1, 2))]);
}

#[test]
fn chain_s19() {
    let mut net = case3();
    for group in &mut net.groups {
        group.fallback = Fallback::Open;
    }
    let mut world = World::new(&net);
    walk(&mut world, &p(), &[((H1, 1), (H1, 2)), ((H1, 3), (H1, 4))]);
    world.set_pair_up(1, false);
    walk(&mut world, &p(), &[((H1, 1), (H1, 2)), ((H1, 3), (H1, 6)), ((H1, 7), (H2, 8))]);
    walk(&mut world, &r(), &[((H2, 8), (H1, 7)), ((H1, 6), (H1, 3)), ((H1, 2), (H1, 1))]);
    // Out of the group that is down: on.
    walk(&mut world, &p(), &[((H1, 5), (H1, 6))]);
    world.set_pair_up(0, false);
    walk(&mut world, &p(), &[((H1, 1), (H1, 6))]);
    walk(&mut world, &r(), &[((H1, 6), (H1, 1))]);
    world.set_pair_up(2, false);
    walk(&mut world, &p(), &[((H1, 1), (H2, 8))]);
    walk(&mut world, &r(), &[((H2, 8), (H1, 1))]);
}

/// One group of two functions on H1; App2 on H2.
fn two_pairs(select: Select) -> Net {
    let ports =
        vec![app(1, H1, 1), port(2, H1), port(3, H1), app(4, H2, 2), port(5, H1), port(6, H1)];
    let mut net = Net::chained(2, ports, &[(2, 3), (5, 6)], 4);
    net.groups.truncate(1);
    net.groups[0].pairs = vec![0, 1];
    net.groups[0].select = select;
    net.chains = vec![vec![0]];
    net
}

#[test]
fn chain_s20() {
    let mut world = World::new(&two_pairs(Select::First));
    walk(&mut world, &p(), &[((H1, 1), (H1, 2))]);
    walk(&mut world, &r(), &[((H2, 4), (H1, 3))]);
    world.set_pair_up(0, false);
    walk(&mut world, &p(), &[((H1, 1), (H1, 5)), ((H1, 6), (H2, 4))]);
    walk(&mut world, &r(), &[((H2, 4), (H1, 6)), ((H1, 5), (H1, 1))]);
    walk(&mut world, &p(), &[((H1, 3), (H2, 4))]);
    world.set_pair_up(0, true);
    walk(&mut world, &p(), &[((H1, 1), (H1, 2))]);
}

/// CRC-32C, bit by bit (RFC 3720, appendix B.4: of 32 bytes of 0 it is 0x8a9136aa).
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1)))
    });
    !crc
}

#[test]
fn chain_s21() {
    assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    let mut world = World::new(&two_pairs(Select::Hash));
    let mut seen = std::collections::BTreeSet::new();
    for source in 1000..1040 {
        let forward = ipv4(17, [source, 53], 60);
        let input = world.delivers(H1, 1, &forward)[0].port;
        let output = world.delivers(H2, 4, &answer(&forward))[0].port;
        assert_eq!(output, input + 1, "{source}");
        // The lower end is App1's; then the protocol.
        let ends = [&forward[26..30], &forward[34..36], &forward[30..34], &forward[36..38], &[17]];
        assert_eq!(input, [2, 5][crc32c(&ends.concat()) as usize % 2], "{source}");
        seen.insert(input);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [2, 5]);
    world.set_pair_up(1, false);
    walk(&mut world, &ipv4(17, [1001, 53], 60), &[((H1, 1), (H1, 2))]);
}

#[test]
fn chain_s26() {
    let mut world = World::new(&case1());
    walk(&mut world, &r(), &[((H1, 2), (H1, 1))]);
    // A flow of stage 11 at port 4 is there now; the application's own frame is not one of it.
    walk(&mut world, &r(), &[((H1, 4), (H1, 3))]);
}

#[test]
fn chain_s27() {
    let mut net = case1();
    net.ports[3].macs.push(mac(5));
    let mut world = World::new(&net);
    // Home, and from there to the same port's other address: for ever, if it were let.
    let frame = between(&p(), 2, 5);
    world.drops(H1, 2, &frame, DropReason::LoopBudget);
    assert_eq!(world.stages(H1).out_chain.packets, 4);
}

#[test]
fn chain_s28() {
    let ports =
        vec![app(1, H1, 1), port(2, H1), port(3, H1), app(4, H1, 2), port(5, H1), port(6, H1)];
    let mut net = Net::chained(1, ports, &[(2, 3), (5, 6)], 4);
    net.chains = vec![vec![0], vec![1]];
    net.classifiers = vec![classifier(0, 4), classifier(1, 1)];
    let mut world = World::new(&net);
    // To App2 by its chain; behind it L2.
    walk(&mut world, &p(), &[((H1, 1), (H1, 2)), ((H1, 3), (H1, 4))]);
    assert_eq!(world.notes(H1, Note::ChainConflict), 1);
    walk(&mut world, &r(), &[((H1, 4), (H1, 5)), ((H1, 6), (H1, 1))]);
    assert_eq!(world.notes(H1, Note::ChainConflict), 2);
    // The guard of one chain comes before the first rule of another.
    world.drops(H1, 2, &p(), DropReason::VnfWrongPort);
    // Forward rules of an exit and an entry chain are no conflict.
    net.classifiers[1].path = Path::Exit;
    let mut world = World::new(&net);
    walk(&mut world, &p(), &[((H1, 1), (H1, 2))]);
    assert_eq!(world.notes(H1, Note::ChainConflict), 0);
}

#[test]
fn chain_s29() {
    let mut world = World::new(&case1());
    for port in [1, 2, 3, 4] {
        world.drops(H1, port, &between(&p(), 2, 2), DropReason::SameMac);
    }
}

#[test]
fn chain_s32() {
    let mut net = case1();
    let mut world = World::new(&net);
    walk(&mut world, &p(), &[((H1, 1), (H1, 2)), ((H1, 1), (H1, 2))]);
    net.classifiers.clear();
    world.replace(&net).unwrap();
    walk(&mut world, &p(), &[((H1, 1), (H1, 4))]);
    walk(&mut world, &r(), &[((H1, 4), (H1, 1))]);
}

#[test]
fn chain_s33() {
    for (net, n) in [(case1(), 1), (case3(), 3)] {
        let mut world = World::new(&net);
        let far = net.hosts - 1;
        let last = 2 + 2 * n;
        let forward: Vec<_> = (0..=n).map(|hop| (H1, 1 + 2 * hop)).collect();
        let mut reverse = vec![(far, last)];
        reverse.extend((1..=n).rev().map(|hop| (H1, 2 * hop)));
        let passes = |world: &World| -> (u64, u64) {
            let all = (0..net.hosts).map(|host| world.stages(host).ingress);
            all.fold((0, 0), |(frames, bytes), stage| (frames + stage.packets, bytes + stage.bytes))
        };
        for (host, port) in forward {
            world.delivers(host, port, &p());
        }
        let n = u64::from(n);
        assert_eq!(passes(&world), (n + 1, (n + 1) * 50));
        for (host, port) in reverse {
            world.delivers(host, port, &r());
        }
        assert_eq!(passes(&world).0, n + 1 + n + 2);
        for hop in 0..=n as u16 {
            let hosts = 0..net.hosts;
            assert_eq!(hosts.clone().map(|host| world.rule(host, false, hop)).sum::<u64>(), 1);
            assert_eq!(hosts.map(|host| world.rule(host, true, hop)).sum::<u64>(), 1);
        }
        // A hit counts as the slow path does.
        let warm: u64 =
            world.warm.iter().map(|node| node.counters().stages().ingress.packets).sum();
        assert_eq!(warm, 2 * (2 * n + 3));
    }
}

#[test]
fn chain_s34() {
    let mut net = case2();
    net.ports.push(crate::world::Port { host: None, ..app(9, H1, 9) });
    let mut world = World::new(&net);
    let answer = between(&r(), 2, 9);
    let mut carried: Vec<Left> = vec![];
    let mut delivered = vec![];
    for (host, port, frame) in [
        (H2, 4, &answer),
        (H1, 2, &answer),
        (H1, 1, &p()),
        (H1, 3, &p()),
        (H2, 4, &r()),
        (H1, 2, &r()),
    ] {
        let (local, remote) = world.send(host, port, frame);
        delivered.extend(local);
        carried.extend(remote);
    }
    let raw: Vec<_> = delivered.iter().filter(|frame| frame.port == 9).collect();
    assert_eq!(raw, [&left(H2, 9, &answer)]);
    // Where the underlay learns a logical source, it is behind its own host, or on the way home.
    for frame in carried {
        let source = frame.frame[58 + 11];
        let [inport, outport] = [&frame.frame[54..56], &frame.frame[56..58]];
        assert!(source == 1 && frame.host == H1 || frame.host == H2 || inport == outport);
    }
}

#[test]
fn frames_that_were_hit_stay_where_they_were_after_the_flow_timed_out() {
    let mut world = World::new(&case2());
    walk(&mut world, &r(), &[((H1, 2), (H1, 1))]);
    world.pass(31_000_000_000);
    assert_eq!(world.warm[0].engine.flows().len(), 0);
    walk(&mut world, &r(), &[((H1, 2), (H1, 1))]);
    assert_eq!(world.step(H1, UNDERLAY.0, &[]), []);
}
