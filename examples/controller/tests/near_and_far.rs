//! With the slow path of each host, and with this controller: the same frames leave by each port
//! in the same order, the same is dropped for the same reasons, the same flows live and have counted
//! the same. The shipped captures, and random frames through networks of all kinds.
#![allow(missing_docs)]

use std::{collections::BTreeMap, fs, path::PathBuf};

use dash_controller::Controller;
use dash_core::wire::checksum::Checksum;
use dash_host::{
    capture::CaptureReader,
    cli::Overrides,
    port::PortNames,
    report::PortTraffic,
    router::{
        config::{Document, File, Network, UNDERLAY},
        control::object_of,
        run::{apply, event, report},
        world::{Arrival, Happening, Storage, World},
    },
};
use serde_json::{Value, json};

const SECOND: u64 = 1_000_000_000;
const NO_OVERRIDES: Overrides = Overrides { flows: None, idle_timeout: None, mtu: None };

fn document(config: &Value) -> Document {
    serde_json::from_value::<File>(config.clone()).unwrap().router
}

fn with_controller(config: &Value, who: &str) -> Value {
    let mut config = config.clone();
    config["router"]["controller"] = json!(who);
    config
}

/// All hosts of a configuration, and who decides for them.
struct Side<'a> {
    world: World<'a>,
    network: Network,
    controller: Option<Controller>,
}

impl<'a> Side<'a> {
    fn new(config: &Value, storage: &'a mut Vec<Storage>) -> Self {
        let network = Network::new(&document(config), NO_OVERRIDES).unwrap();
        let capacity = network.capacity();
        storage.extend(network.hosts.iter().map(|_| Storage::new(&capacity, network.flows)));
        let world = World::new(storage, &capacity, &network).unwrap();
        let far = config["router"]["controller"] == "remote";
        let controller = far.then(|| Controller::new(&config.to_string()).unwrap());
        Self { world, network, controller }
    }

    /// What leaves by each port for a frame that comes in.
    fn takes(&mut self, port: &str, frame: &[u8], now: u64) -> BTreeMap<String, Vec<Vec<u8>>> {
        let Self { world, network, controller } = self;
        let mut happened = Vec::new();
        let mut told = |happening: &Happening| {
            happened.push(happening.clone());
            Ok(())
        };
        world.sweep(now, &mut (), &mut told).unwrap();
        let (host, port) = network.place(port).unwrap();
        let arrival = Arrival { host, port, frame: frame.to_vec(), truncated: false };
        world.process(arrival, now, network, &mut (), &mut told).unwrap();
        let mut left = BTreeMap::<_, Vec<_>>::new();
        while !happened.is_empty() {
            for happening in std::mem::take(&mut happened) {
                if let Happening::Left { port, frame } = &happening {
                    let name =
                        if *port == UNDERLAY { "underlay" } else { network.name(*port).unwrap() };
                    left.entry(name.to_owned()).or_default().push(frame.clone());
                }
                let said = event(now, &happening, network).zip(controller.as_mut());
                let Some((said, controller)) = said else { continue };
                for object in controller.hear(&said.to_string()).unwrap() {
                    let object = object_of(object, NO_OVERRIDES).unwrap();
                    let mut told = |happening: &Happening| {
                        happened.push(happening.clone());
                        Ok(())
                    };
                    apply(&object, (world, network), NO_OVERRIDES, now, &mut (), &mut told)
                        .unwrap();
                }
            }
        }
        left
    }

    /// Counters and flows, of which cookies are each side's own.
    fn counted(&self) -> Value {
        let report = report(&self.world, &self.network, &PortTraffic::new(), &PortNames::default());
        let mut report = serde_json::to_value(report).unwrap();
        for flow in report["flows"].as_array_mut().unwrap() {
            flow["cookie"] = Value::Null;
        }
        report
    }
}

/// Takes frames, each with its port and time, through both; answers what was counted. Hosts are
/// larger than the stack of a test.
fn compare(config: &Value, frames: impl IntoIterator<Item = (String, Vec<u8>, u64)>) -> Value {
    let (config, frames) = (config.clone(), frames.into_iter().collect());
    let work = move || compare_here(&config, frames);
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(work).unwrap();
    thread.join().unwrap()
}

fn compare_here(config: &Value, frames: Vec<(String, Vec<u8>, u64)>) -> Value {
    let (mut here, mut there) = (Vec::new(), Vec::new());
    let mut near = Side::new(&with_controller(config, "local"), &mut here);
    let mut far = Side::new(&with_controller(config, "remote"), &mut there);
    for (number, (port, frame, now)) in (1..).zip(frames) {
        let expected = near.takes(&port, &frame, now);
        let what = || format!("frame {number} at {port}: {frame:02x?}");
        assert_eq!(far.takes(&port, &frame, now), expected, "{}", what());
        assert_eq!(far.counted(), near.counted(), "{}", what());
    }
    near.counted()
}

fn example(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../reactive-router").join(name)
}

#[test]
fn the_examples() {
    for name in ["one-host.json", "two-hosts.json", "remote.json"] {
        let config = serde_json::from_str(&fs::read_to_string(example(name)).unwrap()).unwrap();
        let mut frames = Vec::new();
        for (port, capture) in [("p11", "vm1.pcap"), ("p12", "vm2.pcap")] {
            let mut reader = CaptureReader::open(&example(capture)).unwrap();
            while let Some(record) = reader.next_record().unwrap() {
                frames.push((port.to_owned(), record.bytes, record.time));
            }
        }
        frames.sort_by_key(|(_, _, time)| *time);
        let counted = compare(&config, frames);
        assert_eq!(counted["drops"], json!({}), "{name}");
    }
}

/// The frames of the specification, each at every port, over and over.
#[test]
fn the_frames_of_the_specification() {
    let vectors = include_str!("../../../dash-core/tests/router/vectors.txt");
    let frames: Vec<Vec<u8>> = vectors
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(' ').nth(3))
        .map(|hex| {
            let digits: Vec<_> = hex.chars().map(|digit| digit.to_digit(16).unwrap()).collect();
            digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
        })
        .collect();
    assert!(frames.len() > 10);
    for name in ["one-host.json", "two-hosts.json"] {
        let config = serde_json::from_str(&fs::read_to_string(example(name)).unwrap()).unwrap();
        let rounds = [0, 1, SECOND / 2, SECOND, 200 * SECOND, 301 * SECOND, 301 * SECOND + 1];
        let traffic = rounds
            .into_iter()
            .flat_map(|now| ["p12", "p11", "H1"].into_iter().flat_map(move |port| [(port, now)]));
        let traffic = traffic
            .flat_map(|(port, now)| frames.iter().map(move |frame| (port, frame.clone(), now)));
        compare(&config, traffic.map(|(port, frame, now)| (port.to_owned(), frame, now)));
    }
}

/// Two hosts; a network with two subnets and one of IPv6; a provider network; port security with
/// allowed pairs; routes by way of machines. A table of no flows, or of enough: where one of two
/// flows finds a place, the slow path installs none, and a controller, who asks for each by itself,
/// that one.
fn networks(flows: u32) -> Value {
    let port = |name: &str, key: u16, host: &str, network: &str, ips: &[&str]| {
        json!({
            "name": name, "key": key, "host": host, "network": network, "ips": ips,
            "mac": format!("02:00:00:00:00:{key:02x}"),
        })
    };
    let mut ports = vec![
        port("a1", 1, "H1", "red", &["10.1.0.3", "10.9.0.3", "2001:db8:1::3"]),
        port("a2", 2, "H2", "red", &["10.1.0.4", "2001:db8:1::4"]),
        port("b1", 3, "H1", "blue", &["10.2.0.3", "2001:db8:2::3"]),
        port("b2", 4, "H2", "blue", &["10.2.0.4"]),
        port("c1", 5, "H1", "green", &["10.3.0.3"]),
        port("c2", 6, "H1", "green", &["10.3.0.4"]),
    ];
    ports[2]["port_security"] = json!(true);
    ports[2]["allowed"] = json!([
        { "mac": "02:00:00:00:00:03", "ip": "172.16.0.3" },
        { "mac": "02:00:00:00:00:99", "ip": "10.2.0.9" },
    ]);
    ports[5]["kind"] = json!("provider");
    ports.push(json!({ "name": "lost", "key": 7, "host": "H1", "mac": "02:00:00:00:00:07" }));
    let gateway = |network: &str, ip: &str, number: u8| json!({ "network": network, "ip": ip, "mac": format!("02:ff:00:00:00:{number:02x}") });
    json!({ "router": {
        "hosts": [
            { "name": "H1", "ip": "198.51.100.1", "mac": "0a:00:00:00:00:11" },
            { "name": "H2", "ip": "198.51.100.2", "mac": "0a:00:00:00:00:22" },
        ],
        "networks": [
            { "name": "red", "id": 100, "subnets": ["10.1.0.0/24", "10.9.0.0/24", "2001:db8:1::/64"] },
            { "name": "blue", "id": 200, "subnets": ["10.2.0.0/24", "2001:db8:2::/64"] },
            { "name": "green", "id": 300, "subnets": ["10.3.0.0/24"], "vlan": 30 },
        ],
        "ports": ports,
        "routers": [{
            "name": "R",
            "ports": [
                gateway("red", "10.1.0.1", 1), gateway("red", "10.9.0.1", 2),
                gateway("red", "2001:db8:1::1", 3), gateway("blue", "10.2.0.1", 4),
                gateway("blue", "2001:db8:2::1", 5), gateway("green", "10.3.0.1", 6),
            ],
            "routes": [
                { "prefix": "172.16.0.0/12", "via": "10.2.0.3" },
                { "prefix": "172.16.4.0/24", "via": "10.1.0.4" },
                { "prefix": "0.0.0.0/0", "via": "10.3.0.4" },
            ],
        }],
        "idle_ms": 2000, "hard_ms": 5000, "mtu": 600, "max_flows": flows,
    }})
}

/// Reproducible numbers (Knuth's MMIX).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) as usize % end
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// A frame between addresses that matter, of which something may be wrong.
fn frame(numbers: &mut Numbers, own: u8) -> Vec<u8> {
    let v6 = numbers.below(5) == 0;
    let machine = |number: u8| vec![2, 0, 0, 0, 0, number];
    let router = |number: u8| vec![2, 0xff, 0, 0, 0, number];
    let source =
        if numbers.below(10) == 0 { machine(numbers.of(&[0x98, 0x99])) } else { machine(own) };
    let mut frame = match numbers.below(12) {
        0 => vec![0xff; 6],
        1 => machine(1 + numbers.below(6) as u8),
        _ => router(1 + numbers.below(6) as u8),
    };
    frame.extend(source);
    if own == 6 && numbers.below(10) > 0 || numbers.below(30) == 0 {
        frame.extend([0x81, 0, 0, 30]);
    }
    let ttl = numbers.of(&[0, 1, 2, 64, 64, 64, 64, 64]);
    let protocol = numbers.of(&[1, 6, 17, 17, 89]);
    let length = numbers.of(&[8, 8, 8, 40, 540, 585]);
    let mut payload: Vec<_> = (0..=u8::MAX).cycle().take(length).collect();
    payload[..4].copy_from_slice(&[0, numbers.of(&[68, 8]), 0, numbers.of(&[67, 9])]);
    if v6 {
        let address = |numbers: &mut Numbers| {
            let nets = [[1, 3], [1, 4], [2, 3], [2, 9], [1, 1], [0, 0]];
            let [net, last] = numbers.of(&nets);
            let mut octets = [0x20, 1, 0xd, 0xb8, 0, net, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
            if last == 0 {
                octets = [0; 16];
            }
            octets
        };
        let ends = [address(numbers), address(numbers)].concat();
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend((payload.len() as u16).to_be_bytes());
        frame.extend([protocol, ttl]);
        frame.extend(ends);
    } else {
        const ADDRESSES: [[u8; 4]; 18] = [
            [10, 1, 0, 3],
            [10, 9, 0, 3],
            [10, 1, 0, 4],
            [10, 2, 0, 3],
            [10, 2, 0, 4],
            [10, 3, 0, 3],
            [10, 3, 0, 4],
            [10, 2, 0, 9],
            [10, 1, 0, 1],
            [10, 3, 0, 1],
            [10, 1, 0, 77],
            [10, 2, 0, 77],
            [172, 16, 0, 3],
            [172, 16, 4, 4],
            [192, 0, 2, 1],
            [0, 0, 0, 0],
            [127, 0, 0, 1],
            [224, 0, 0, 5],
        ];
        let mut ip = vec![0x45, 0];
        ip.extend((20 + payload.len() as u16).to_be_bytes());
        ip.extend([0, 1, 0x40, 0, ttl, protocol, 0, 0]);
        ip.extend(numbers.of(&ADDRESSES));
        ip.extend(numbers.of(&ADDRESSES));
        if numbers.below(15) == 0 {
            ip[7] = 9;
        }
        let sum = Checksum::new().bytes(&ip).finish() ^ u16::from(numbers.below(25) == 0);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        frame.extend([8, 0]);
        frame.extend(ip);
    }
    frame.extend(payload);
    if numbers.below(10) == 0 {
        frame.extend([7; 9]);
    }
    frame
}

#[test]
fn networks_of_all_kinds() {
    let mut drops = BTreeMap::new();
    for seed in 0..40 {
        let mut numbers = Numbers(seed);
        let mut now = 0;
        let frames: Vec<_> = (0..250)
            .map(|_| {
                now += numbers.of(&[0, 0, 1, 1, SECOND / 10, SECOND / 3, 2 * SECOND + 1]);
                let number = 1 + numbers.below(7);
                let name = ["a1", "a2", "b1", "b2", "c1", "c2", "lost"][number - 1];
                (name.to_owned(), frame(&mut numbers, number as u8), now)
            })
            .collect();
        // Once more, so that some have a flow.
        let twice = frames.iter().flat_map(|frame| [frame.clone(), frame.clone()]);
        let flows = if seed % 8 == 0 { 0 } else { 256 };
        let counted = compare(&networks(flows), twice);
        for kind in ["drops", "notes"] {
            for (reason, count) in counted[kind].as_object().unwrap() {
                *drops.entry(reason.clone()).or_insert(0) += count.as_u64().unwrap();
            }
        }
    }
    // It was about something.
    for reason in [
        "bad_ip",
        "flow_full",
        "gw_proto",
        "icmp_limited",
        "mtu",
        "no_host",
        "no_route",
        "portsec_ip",
        "portsec_l2",
        "untagged",
        "vlan_present",
    ] {
        assert!(drops.contains_key(reason), "{reason}: {drops:?}");
    }
}
