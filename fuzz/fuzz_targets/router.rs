//! Frames and control objects, in any order and at any time, at two hosts of the reactive router
//! with a controller elsewhere: no panic; every frame ends, waits or leaves; an object that is
//! refused has changed nothing.
//!
//! Input: records of kind, time, length and as many bytes. An object is either any text, or one of
//! [`objects`] of which some values were exchanged.
#![no_main]

use dash_host::{
    cli::Overrides,
    port::PortNames,
    report::PortTraffic,
    router::{
        config::{File, Network},
        control::object_of,
        run::{apply, event, report},
        world::{Arrival, Happening, Storage, World},
    },
};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

const CONFIG: &str = include_str!("router.json");
const NO_OVERRIDES: Overrides = Overrides { flows: None, idle_timeout: None, mtu: None };
/// Ports where frames come in; the last are hosts.
const PORTS: [&str; 8] = ["p11", "p12", "p13", "p14", "p15", "p2", "H1", "H2"];
/// Nanoseconds between two records.
const TIMES: [u64; 8] =
    [0, 1, 1_000_000, 999_999_999, 1_000_000_000, 5_000_000_000, 300_000_000_000, 301_000_000_000];

/// One of each kind.
fn objects() -> [Value; 12] {
    let matches = json!({
        "in_port": "p12", "eth_src": "fa:16:3e:cf:4b:ed", "eth_dst": "fa:16:3e:c5:02:4d",
        "ip_src": "10.2.0.3", "ip_dst": "10.1.0.3",
    });
    let flow = json!({
        "match": matches,
        "actions": ["dec_ttl", { "eth_src": "fa:16:3e:c0:8d:8b" }, { "eth_dst": "fa:16:3e:00:17:e6" }, { "output": "p11" }],
        "idle_ms": 1000, "hard_ms": 5000, "cookie": "0x1008000000019", "send_removed": true, "release": 1,
    });
    let config: Value = serde_json::from_str(CONFIG).unwrap_or_default();
    let mut moved = config.clone();
    if let Some(ports) = moved["router"]["ports"].as_array_mut() {
        ports.remove(0);
    }
    [
        json!({ "flow_add": flow }),
        json!({ "flow_mod": flow }),
        json!({ "flow_del": { "match": matches } }),
        json!({ "flow_del": { "cookie": "0x1008000000000", "cookie_mask": "0xfffff00000000" } }),
        json!({ "packet_out": { "in_port": "p12", "actions": ["dec_ttl", { "output": "p13" }], "frame": FRAME } }),
        json!({ "drop_punt": { "id": 1, "reason": "no_host" } }),
        json!({ "port_move": { "port": "p11", "host": "H2" } }),
        json!({ "router_port_del": { "router": "R", "network": "net1" } }),
        json!({ "stats": {} }),
        json!({ "config": config }),
        json!({ "config": moved }),
        json!({ "flow_add": { "match": matches, "actions": [{ "output": "p15" }] } }),
    ]
}

/// A frame of the specification, e1.
const FRAME: &str = "\
    fa163ec5024dfa163ecf4bed08004500005400014000400126a00a0200030a01000308002cf612340001101112\
    131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f\
    4041424344454647";

/// What a value may be exchanged for.
fn values() -> Vec<Value> {
    let texts = [
        "p11",
        "p12",
        "p13",
        "p14",
        "p15",
        "p2",
        "p99",
        "H1",
        "H2",
        "net1",
        "net2",
        "net3",
        "R",
        "no_host",
        "no_route",
        "punt_timeout",
        "fa:16:3e:00:17:e6",
        "fa:16:3e:cf:4b:ed",
        "ff:ff:ff:ff:ff:ff",
        "10.1.0.3",
        "10.2.0.3",
        "10.2.0.1",
        "2001:db8:2::3",
        "2001:db8:1::3",
        "0.0.0.0",
        "0x1008000000000",
        "0xffffffffffffffff",
        "0",
        "dec_ttl",
        "10.1.0.0/24",
        "0.0.0.0/0",
        "local",
        "remote",
    ];
    let numbers = [0, 1, 2, 3, 4, 7, 200, 255, 4094, 4095, 65_535, 65_536, 16_777_215, u64::MAX];
    let mut values: Vec<Value> = texts.iter().map(|text| json!(text)).collect();
    values.extend(numbers.iter().map(|number| json!(number)));
    values.extend([Value::Null, json!(true), json!([]), json!({}), json!(-1), json!(0.5)]);
    values
}

/// Exchanges the value at `place` of those of an object, in order; `Err`: that many places were
/// passed.
fn exchange(value: &mut Value, place: usize, new: &Value) -> Result<(), usize> {
    let inside: Vec<&mut Value> = match value {
        Value::Array(values) => values.iter_mut().collect(),
        Value::Object(values) => values.values_mut().collect(),
        _ => Vec::new(),
    };
    if inside.is_empty() {
        if place > 0 {
            return Err(1);
        }
        *value = new.clone();
        return Ok(());
    }
    let mut passed = 0;
    for value in inside {
        match exchange(value, place - passed, new) {
            Ok(()) => return Ok(()),
            Err(more) => passed += more,
        }
    }
    Err(passed)
}

/// An object that `bytes` name, and what they exchange in it.
fn object(bytes: &[u8]) -> Option<Value> {
    let (first, pairs) = bytes.split_first()?;
    let objects = objects();
    let mut object = objects[usize::from(*first) % objects.len()].clone();
    let values = values();
    for pair in pairs.chunks_exact(2) {
        let new = &values[usize::from(pair[1]) % values.len()];
        // Beyond the last place nothing is exchanged.
        let _ = exchange(&mut object, pair[0].into(), new);
    }
    Some(object)
}

/// All that can be seen of the hosts.
fn state(world: &World<'_>, network: &Network) -> (String, String) {
    let report = report(world, network, &PortTraffic::new(), &PortNames::default());
    (serde_json::to_string(&report).unwrap_or_default(), format!("{network:?}"))
}

fuzz_target!(|data: &[u8]| {
    let File { router } = serde_json::from_str(CONFIG).expect("the configuration is good");
    let mut network = Network::new(&router, NO_OVERRIDES).expect("the configuration is good");
    let capacity = network.capacity();
    let mut storage: Vec<_> =
        network.hosts.iter().map(|_| Storage::new(&capacity, network.flows)).collect();
    let mut world = World::new(&mut storage, &capacity, &network).expect("there is room");
    let (mut now, mut rest) = (0_u64, data);
    while let [kind, time, length, more @ ..] = rest {
        let (bytes, after) = more.split_at(usize::from(*length).min(more.len()));
        rest = after;
        now = now.saturating_add(TIMES[usize::from(*time) % TIMES.len()]);
        let mut happened = Vec::new();
        let before = network.clone();
        let mut told = |happening: &Happening| {
            happened.push(happening.clone());
            // What is told can be said.
            let _ = event(now, happening, &before).map(|event| event.to_string());
            Ok(())
        };
        world.sweep(now, &mut (), &mut told).expect("nothing is refused");
        match kind % 16 {
            place @ 0..8 => {
                let Some((host, port)) = network.place(PORTS[usize::from(place)]) else { continue };
                let arrival =
                    Arrival { host, port, frame: bytes.to_vec(), truncated: kind & 16 > 0 };
                let done = world.process(arrival, now, &network, &mut (), &mut told);
                done.expect("nothing is refused");
            }
            form => {
                let value =
                    if form < 10 { serde_json::from_slice(bytes).ok() } else { object(bytes) };
                let Some(control) = value.and_then(|value| object_of(value, NO_OVERRIDES).ok())
                else {
                    continue;
                };
                let was = state(&world, &network);
                let done = apply(
                    &control,
                    (&mut world, &mut network),
                    NO_OVERRIDES,
                    now,
                    &mut (),
                    &mut told,
                );
                if done.is_err() {
                    assert_eq!(state(&world, &network), was, "{control:?}");
                }
            }
        }
    }
});
