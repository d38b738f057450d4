//! `dash run` and `dash explain` with the reactive router: the shipped examples.

mod command;

use std::{fmt::Write as _, fs, path::Path};

use command::{dash, examples};
use dash_host::capture::CaptureReader;
use serde_json::{Value, json};

/// The frames of the specification, in hex.
const VECTORS: &str = include_str!("../../../dash-core/tests/router/vectors.txt");

fn vector(name: &str) -> String {
    let line = VECTORS.lines().find(|line| line.split(' ').next() == Some(name));
    line.and_then(|line| line.split(' ').nth(3)).unwrap().to_owned()
}

/// Frames of a capture in hex.
fn frames(path: &Path) -> Vec<String> {
    let mut reader = CaptureReader::open(path).unwrap();
    let mut frames = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        let mut hex = String::new();
        for byte in &record.bytes {
            write!(hex, "{byte:02x}").unwrap();
        }
        frames.push(hex);
    }
    frames
}

fn example(name: &str) -> String {
    examples().join("reactive-router").join(name).display().to_string()
}

fn arguments(config: &str) -> Vec<String> {
    let inputs = [("p11", "vm1.pcap"), ("p12", "vm2.pcap")];
    let inputs = inputs.map(|(port, capture)| format!("{port}={}", example(capture)));
    let mut arguments = vec!["--config".to_owned(), config.to_owned(), "--in".to_owned()];
    arguments.extend(inputs);
    arguments
}

/// Runs a configuration with further arguments; answers the report and the events.
fn run(config: &str, more: &[&str], out: &Path) -> (Value, Vec<Value>) {
    let mut args = vec!["run".to_owned()];
    args.extend(arguments(config));
    args.extend(["--out".to_owned(), out.display().to_string()]);
    args.extend(more.iter().map(|&more| more.to_owned()));
    let outcome = dash(args.iter().map(String::as_str));
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let report = serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap();
    let events = fs::read_to_string(out.join("events.jsonl")).unwrap_or_default();
    (report, events.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn the_ping_on_one_host() {
    let out = tempfile::tempdir().unwrap();
    let (report, events) = run(&example("one-host.json"), &[], out.path());
    let ping = vector("e2_egress_if");
    assert_eq!(frames(&out.path().join("p11.pcap")), [ping.clone(), vector("a4"), ping]);
    let answer = vector("e4_egress_if");
    let expected = [vector("a2"), answer.clone(), answer, vector("a2")];
    assert_eq!(frames(&out.path().join("p12.pcap")), expected);
    assert_eq!(report["drops"], json!({}));
    let flow = &report["flows"][0];
    assert_eq!((&flow["in_port"], &flow["cookie"]), (&json!("p11"), &json!("0x1008000000001")));
    assert_eq!(report["flows"].as_array().map(Vec::len), Some(1));
    assert_eq!(report["ports"]["p12"]["rx"], json!({ "packets": 4, "bytes": 2 * 98 + 2 * 42 }));
    // 300 s after the last ping, and a millisecond; that of the answer lives exactly as long.
    let removed = json!({
        "cookie": "0x1008000000002", "reason": "idle", "duration_ns": 300_010_000_000_u64,
        "packets": 2, "bytes": 196,
    });
    assert_eq!(events, [json!({ "t_ns": 301_011_000_000_u64, "removed": removed })]);
    // Shown, where the captures end earlier.
    let explained = dash(
        ["explain"]
            .into_iter()
            .map(str::to_owned)
            .chain(arguments(&example("one-host.json")))
            .chain(["--frame".to_owned(), "2".to_owned()])
            .collect::<Vec<_>>()
            .iter()
            .map(String::as_str),
    );
    assert_eq!(explained.code, 0, "{}", explained.stderr);
    for row in [
        "| 0, 1000",
        "metadata=0x1f43, goto 40",
        "| 52, 20",
        "controller (slow path)",
        "Out by p11",
    ] {
        assert!(explained.stdout.contains(row), "{row}: {}", explained.stdout);
    }
}

#[test]
fn the_ping_between_hosts() {
    let out = tempfile::tempdir().unwrap();
    let (report, _) = run(&example("two-hosts.json"), &["--trace"], out.path());
    let ping = vector("e2_egress_if");
    assert_eq!(frames(&out.path().join("p11.pcap")), [ping.clone(), vector("a4"), ping]);
    let carried = frames(&out.path().join("underlay.pcap"));
    assert_eq!((carried.len(), &carried[0], &carried[2]), (4, &vector("n1"), &vector("n1")));
    assert_eq!(report["flows"].as_array().map(Vec::len), Some(1));
    assert_eq!(report["flows"][0]["host"], "H1");
}

#[test]
fn a_controller_elsewhere() {
    let out = tempfile::tempdir().unwrap();
    let control = example("controller.jsonl");
    let (_, events) = run(&example("remote.json"), &["--control", &control], out.path());
    let ping = vector("e2");
    assert_eq!(frames(&out.path().join("p11.pcap")), [ping.clone(), vector("a4"), ping]);
    let answer = vector("e4");
    let expected = [vector("a2"), answer.clone(), answer, vector("a2")];
    assert_eq!(frames(&out.path().join("p12.pcap")), expected);
    let punt = json!({
        "id": 1, "reason": "no_flow", "in_port": "p12", "network": 8003, "frame": vector("e1"),
    });
    assert_eq!(events[0], json!({ "t_ns": 1_001_000_000_u64, "punt": punt }));
    let flows = &events[1]["stats"]["flows"];
    assert_eq!(flows[0]["cookie"], "0x1008000040051");
    assert_eq!((&flows[0]["packets"], &flows[1]["bytes"]), (&json!(2), &json!(196)));
    assert_eq!(events[2]["removed"]["cookie"], "0x1008000000019");
    // Without an answer: the frames that waited are dropped after a second.
    let (report, _) = run(&example("remote.json"), &[], out.path());
    assert_eq!(report["drops"], json!({ "punt_timeout": 4 }));
}

/// What nothing happened to is told of too.
#[test]
fn every_port_has_a_capture() {
    let out = tempfile::tempdir().unwrap();
    let mut config: Value =
        serde_json::from_str(&fs::read_to_string(example("two-hosts.json")).unwrap()).unwrap();
    let mut idle = config["router"]["ports"][0].clone();
    (idle["name"], idle["key"]) = (json!("p99"), json!(99));
    (idle["mac"], idle["ips"]) = (json!("02:00:00:00:00:99"), json!([]));
    config["router"]["ports"].as_array_mut().unwrap().push(idle);
    config["router"]["send_removed"] = json!(false);
    let path = out.path().join("config.json");
    fs::write(&path, config.to_string()).unwrap();
    let (report, events) = run(&path.display().to_string(), &[], &out.path().join("out"));
    assert_eq!((frames(&out.path().join("out/p99.pcap")).len(), events.len()), (0, 0));
    assert_eq!(report["ports"]["p99"]["rx"], json!({ "packets": 0, "bytes": 0 }));
    assert!(out.path().join("out/events.jsonl").exists());
    assert!(out.path().join("out/underlay.pcap").exists());
}

#[test]
fn control_objects() {
    let out = tempfile::tempdir().unwrap();
    let control = out.path().join("control.jsonl");
    let run_with = |config: &str, lines: &[Value]| {
        let text: Vec<_> = lines.iter().map(Value::to_string).collect();
        fs::write(&control, text.join("\n")).unwrap();
        let name = control.display().to_string();
        run(&example(config), &["--control", &name], out.path())
    };
    // The machine moves between the pings.
    let (report, events) = run_with(
        "two-hosts.json",
        &[json!({ "at_ns": 1_007_000_000_u64, "port_move": { "port": "p11", "host": "H2" } })],
    );
    assert_eq!(report["ports"]["underlay"]["tx"]["packets"], 2);
    assert_eq!(events.len(), 2);
    // The router leaves a network.
    let (report, events) = run_with(
        "one-host.json",
        &[
            json!({ "at_ns": 1_007_000_000_u64, "router_port_del": { "router": "R", "network": "net1" } }),
        ],
    );
    assert_eq!(report["drops"], json!({ "no_route": 2 }));
    let reasons: Vec<_> = events.iter().map(|event| &event["removed"]["reason"]).collect();
    assert_eq!(reasons, ["delete", "delete"]);
    // Flows go by their cookies, a frame comes from the controller, nobody has an address.
    let frame = vector("e1");
    let (report, events) = run_with(
        "remote.json",
        &[
            json!({ "at_ns": 1_002_000_000_u64, "drop_punt": { "id": 1, "reason": "no_host" } }),
            json!({ "at_ns": 1_003_000_000_u64, "packet_out": {
            "in_port": "p12", "frame": frame, "actions": [{ "output": "p11" }],
        } }),
            json!({ "at_ns": 1_003_000_000_u64, "flow_del": { "cookie": "0", "cookie_mask": "0x0" } }),
        ],
    );
    assert_eq!(frames(&out.path().join("p11.pcap"))[0], frame);
    assert_eq!(report["drops"]["no_host"], 2);
    assert_eq!(events[0]["punt"]["id"], 1);
    // The whole configuration, with another MTU.
    let mut other: Value =
        serde_json::from_str(&fs::read_to_string(example("one-host.json")).unwrap()).unwrap();
    other["router"]["mtu"] = json!(80);
    let (report, _) =
        run_with("one-host.json", &[json!({ "at_ns": 1_007_000_000_u64, "config": other })]);
    assert_eq!(report["drops"], json!({ "mtu": 2 }));
}

/// A flow that is added again may be over at once: its idle time began with its first addition.
#[test]
fn a_flow_that_is_added_again_ends_in_time() {
    let out = tempfile::tempdir().unwrap();
    let control = out.path().join("control.jsonl");
    let flow = |at_ns: u64, idle_ms: u32| {
        json!({ "at_ns": at_ns, "flow_add": {
            "match": {
                "in_port": "p12", "eth_src": "fa:16:3e:cf:4b:ee", "eth_dst": "fa:16:3e:c5:02:4d",
                "ip_src": "10.2.0.4", "ip_dst": "10.1.0.3",
            },
            "actions": [{ "output": "p11" }],
            "idle_ms": idle_ms, "cookie": "7", "send_removed": true,
        } })
    };
    let lines = [
        flow(1_000_000_000, 5000),
        flow(1_500_000_000, 1000),
        json!({ "at_ns": 2_000_000_000_u64, "stats": {} }),
        json!({ "at_ns": 2_000_000_001_u64, "stats": {} }),
    ];
    fs::write(&control, lines.map(|line| line.to_string()).join("\n")).unwrap();
    let name = control.display().to_string();
    let (_, events) = run(&example("one-host.json"), &["--control", &name], out.path());
    assert!(events[0]["stats"]["flows"].to_string().contains("10.2.0.4"));
    let removed = json!({
        "cookie": "0x7", "reason": "idle", "duration_ns": 1_000_000_001, "packets": 0, "bytes": 0,
    });
    assert_eq!(events[1], json!({ "t_ns": 2_000_000_001_u64, "removed": removed }));
}

/// A port moves while a controller is asked: the late answer installs its flow, and the frames that
/// waited where the port was time out there.
#[test]
fn a_port_moves_before_the_answer() {
    let out = tempfile::tempdir().unwrap();
    let mut config: Value =
        serde_json::from_str(&fs::read_to_string(example("two-hosts.json")).unwrap()).unwrap();
    config["router"]["controller"] = json!("remote");
    let path = out.path().join("config.json");
    fs::write(&path, config.to_string()).unwrap();
    let lines = [
        json!({ "at_ns": 1_002_000_000_u64, "port_move": { "port": "p12", "host": "H1" } }),
        json!({ "at_ns": 1_003_000_000_u64, "flow_add": {
            "match": {
                "in_port": "p12", "eth_src": "fa:16:3e:cf:4b:ed", "eth_dst": "fa:16:3e:c5:02:4d",
                "ip_src": "10.2.0.3", "ip_dst": "10.1.0.3",
            },
            "actions": [{ "output": "p11" }], "cookie": "7", "release": 1,
        } }),
        json!({ "at_ns": 1_004_000_000_u64, "stats": {} }),
    ];
    let control = out.path().join("control.jsonl");
    fs::write(&control, lines.map(|line| line.to_string()).join("\n")).unwrap();
    let control = control.display().to_string();
    let config = path.display().to_string();
    let (report, events) = run(&config, &["--control", &control], &out.path().join("out"));
    assert_eq!(events[0]["punt"]["in_port"], "p12");
    assert_eq!(events[1]["stats"]["flows"][0]["host"], "H1");
    // The frame that asked, and two of the other machine, for which nobody answers.
    assert_eq!(report["drops"]["punt_timeout"], 3);
    assert_eq!(report["flows"][0]["packets"], 1);
}

/// A controller's flow leads to the same port after ports came and went before it.
#[test]
fn ports_stay_what_they_are() {
    let out = tempfile::tempdir().unwrap();
    let control = out.path().join("control.jsonl");
    let mut config: Value =
        serde_json::from_str(&fs::read_to_string(example("remote.json")).unwrap()).unwrap();
    let mut new = config["router"]["ports"][0].clone();
    (new["name"], new["key"]) = (json!("p10"), json!(10));
    (new["mac"], new["ips"]) = (json!("02:00:00:00:00:10"), json!(["10.1.0.10"]));
    config["router"]["ports"].as_array_mut().unwrap().push(new);
    let mut lines: Vec<_> = fs::read_to_string(example("controller.jsonl"))
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    lines.push(json!({ "at_ns": 1_005_000_000_u64, "config": config }).to_string());
    fs::write(&control, lines.join("\n")).unwrap();
    let name = control.display().to_string();
    let (report, events) = run(&example("remote.json"), &["--control", &name], out.path());
    let ping = vector("e2");
    assert_eq!(frames(&out.path().join("p11.pcap")), [ping.clone(), vector("a4"), ping]);
    assert_eq!(report["drops"], json!({}));
    assert_eq!(events.iter().filter(|event| event.get("punt").is_some()).count(), 1);
    let flows =
        &events.iter().find(|event| event.get("stats").is_some()).unwrap()["stats"]["flows"];
    assert_eq!((&flows[0]["in_port"], &flows[1]["in_port"]), (&json!("p11"), &json!("p12")));
}

#[test]
fn wrong_input_is_told() {
    let out = tempfile::tempdir().unwrap();
    let control = out.path().join("control.jsonl");
    for (line, message) in [
        ("{\"at_ns\": 1}", "line 1"),
        ("{\"stats\": {}}", "at_ns"),
        ("{\"at_ns\": 1, \"stats\": {}, \"more\": 1}", "line 1"),
        ("{\"at_ns\": 1, \"drop_punt\": {\"id\": 9, \"reason\": \"no_host\"}}", "no punt 9"),
        (
            "{\"at_ns\": 1, \"port_move\": {\"port\": \"p99\", \"host\": \"H1\"}}",
            "jsonl: at_ns 1: there is no port \"p99\"",
        ),
    ] {
        fs::write(&control, line).unwrap();
        let mut args = vec!["run".to_owned()];
        args.extend(arguments(&example("one-host.json")));
        args.extend(["--control".to_owned(), control.display().to_string()]);
        args.extend(["--out".to_owned(), out.path().join("out").display().to_string()]);
        let outcome = dash(args.iter().map(String::as_str));
        assert_eq!(outcome.code, 2, "{line}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(message), "{line}: {}", outcome.stderr);
    }
}

/// A host has a key once, whatever the networks, and however the port came there.
#[test]
fn a_port_does_not_move_to_where_its_key_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let mut config: Value =
        serde_json::from_str(&fs::read_to_string(example("two-hosts.json")).unwrap()).unwrap();
    config["router"]["ports"][1]["key"] = config["router"]["ports"][0]["key"].clone();
    let path = folder.path().join("config.json");
    fs::write(&path, config.to_string()).unwrap();
    let path = path.display().to_string();
    run(&path, &[], folder.path());
    let control = folder.path().join("control.jsonl");
    let moved = json!({ "at_ns": 1, "port_move": { "port": "p12", "host": "H1" } });
    fs::write(&control, moved.to_string()).unwrap();
    let mut args = vec!["run".to_owned()];
    args.extend(arguments(&path));
    args.extend(["--control".to_owned(), control.display().to_string()]);
    args.extend(["--out".to_owned(), folder.path().join("out").display().to_string()]);
    let outcome = dash(args.iter().map(String::as_str));
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    let said = "at_ns 1: key 11 of port \"p12\" is that of \"p11\" on \"H1\" too";
    assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
}

#[test]
fn wrong_configurations_are_told() {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("wrong.json");
    let right: Value =
        serde_json::from_str(&fs::read_to_string(example("one-host.json")).unwrap()).unwrap();
    for (pointer, value, message) in [
        ("/router/max_flows", json!(67_108_865), "max_flows: at most 67108864"),
        (
            "/router/networks/0/id",
            json!(0),
            "network \"net1\": its id, key or vlan is out of range",
        ),
        (
            "/router/networks/1/id",
            json!(8002),
            "network \"net2\": its id, key or address is another",
        ),
        ("/router/mtu", json!(65_522), "mtu: at most 65521"),
        ("/router/hosts/0/mac", json!("33:33:00:00:00:01"), "host \"H1\": \"33:33:00:00:00:01\""),
        ("/router/ports/0/mac", json!("x"), "port \"p11\": \"x\" is no MAC address"),
        ("/router/ports/0/mac", json!("00:00:00:00:00:00"), "is no MAC address of one station"),
        ("/router/routers/0/ports/0/mac", json!("01:00:5e:00:00:01"), "router \"R\": \"01:"),
        // The same key in one network, and in two.
        (
            "/router/ports/1/key",
            json!(11),
            "key 11 of port \"p12\" is that of \"p11\" on \"H1\" too",
        ),
        ("/router/ports/1/name", json!("p11"), "port or host \"p11\" is there twice"),
        ("/router/ports/1/name", json!("underlay"), "\"underlay\" is the capture"),
        ("/router/routers/0/ports/0/ip", json!("192.0.2.1"), "router \"R\": an address is in no"),
    ] {
        let mut wrong = right.clone();
        if let Some(place) = wrong.pointer_mut(pointer) {
            *place = value;
        } else {
            let member = pointer.rsplit('/').next().unwrap();
            wrong["router"][member] = value;
        }
        fs::write(&path, wrong.to_string()).unwrap();
        let mut args = vec!["run".to_owned()];
        args.extend(arguments(&path.display().to_string()));
        args.extend(["--out".to_owned(), out.path().join("out").display().to_string()]);
        let outcome = dash(args.iter().map(String::as_str));
        assert_eq!(outcome.code, 2, "{pointer}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(message), "{pointer}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("wrong.json: "), "{pointer}: {}", outcome.stderr);
    }
}

#[test]
fn the_schema_accepts_the_examples() {
    let schema: Value = serde_json::from_str(include_str!("../schema/router.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for name in ["one-host.json", "two-hosts.json", "remote.json"] {
        let config: Value =
            serde_json::from_str(&fs::read_to_string(example(name)).unwrap()).unwrap();
        assert!(validator.is_valid(&config), "{name}");
        let mut wrong = config.clone();
        wrong["router"]["ports"][0]["unknown"] = json!(true);
        assert!(!validator.is_valid(&wrong));
    }
}
