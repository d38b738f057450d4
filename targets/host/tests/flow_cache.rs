//! `dash run` and `dash explain` with the flow cache: the shipped example.

mod command;

use std::{fmt::Write as _, path::Path};

use command::{dash, examples};
use dash_host::capture::CaptureReader;
use serde_json::{Value, json};

/// The frames of the specification, in hex.
const VECTORS: &str = include_str!("../../../dash-core/tests/flow_cache/vectors.txt");
const SCHEMA: &str = include_str!("../schema/flow_cache.schema.json");

fn vector(name: &str) -> &'static str {
    let line = VECTORS.lines().find(|line| line.split(' ').next() == Some(name));
    line.and_then(|line| line.split(' ').next_back()).unwrap()
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
    examples().join("flow-cache").join(name).display().to_string()
}

/// `command` with the example's captures and further arguments, with this configuration.
fn with(command: &str, config: &str, more: &[&str]) -> command::Outcome {
    let inputs = [("DC", "dc"), ("SRV", "server"), ("OTR", "otr")]
        .map(|(port, capture)| format!("{port}={}", example(&format!("{capture}.pcap"))));
    let mut args = vec![command, "--config", config, "--in"];
    args.extend(inputs.iter().map(String::as_str));
    args.extend(more);
    dash(args)
}

fn run(more: &[&str], out: &Path) -> Value {
    let out_name = out.display().to_string();
    let arguments = [&["--out", &out_name], more].concat();
    let outcome = with("run", &example("flow-cache.json"), &arguments);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    serde_json::from_slice(&std::fs::read(out.join("report.json")).unwrap()).unwrap()
}

#[test]
fn the_demonstration_of_the_design() {
    let folder = tempfile::tempdir().unwrap();
    let report = run(&[], folder.path());
    let first = |name| frames(&folder.path().join(name));
    let to_server = first("SRV.pcap");
    assert_eq!((to_server.len(), to_server[0].as_str()), (6, vector("FC2")));
    let to_router = first("OTR.pcap");
    assert_eq!((to_router.len(), to_router[0].as_str()), (3, vector("FC3")));
    let to_dc = first("DC.pcap");
    assert_eq!(to_dc.len(), 6);
    // Through the router, then directly.
    assert_eq!((to_dc[0].as_str(), to_dc[3].as_str()), (vector("FC4"), vector("FC5")));
    assert_eq!([&report["drops"], &report["notes"]], [&json!({}); 2]);
    let flow = json!({ "vlan": 10, "remote": "192.168.0.1", "state": "learnt", "inflight": 0,
        "packets": 3, "bytes": 82 + 128 + 82 });
    assert_eq!(report["flows"][0], flow);
    assert_eq!(report["flows"].as_array().unwrap().len(), 3);
    assert_eq!(report["ports"]["SRV"]["tx"], json!({ "packets": 6, "bytes": 6 * 82 }));
}

#[test]
fn flows_that_end_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let report = run(&["--control", &example("idle.jsonl")], folder.path());
    assert_eq!(report["flows"], json!([]));
    let events = std::fs::read_to_string(folder.path().join("events.jsonl")).unwrap();
    let events: Vec<Value> =
        events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 5);
    assert_eq!(events[0]["stats"]["flows"].as_array().unwrap().len(), 3);
    let removed = json!({ "cookie": "0x0", "reason": "idle", "vlan": 10, "remote": "192.168.0.1",
        "packets": 3, "bytes": 292, "duration_ns": 40_000_000_000_u64 - 1_001_000_000 });
    assert_eq!(events[1], json!({ "t_ns": 40_000_000_000_u64, "removed": removed }));
    assert_eq!(events[4]["stats"]["flows"], json!([]));
}

/// `--flows`, `--idle-timeout` and `--mtu` override the configuration.
#[test]
fn options_override() {
    let folder = tempfile::tempdir().unwrap();
    let report = run(&["--flows", "1"], folder.path());
    assert_eq!(report["flows"].as_array().unwrap().len(), 1);
    assert_eq!(report["notes"], json!({ "cache_full": 6 }));
    let report = run(&["--idle-timeout", "0.5"], folder.path());
    assert_eq!(report["flows"][0]["state"], "new");
    let report = run(&["--mtu", "99"], folder.path());
    assert_eq!(report["drops"], json!({ "mtu": 3 }));
}

#[test]
fn another_configuration_forgets_what_was_learnt() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(example("flow-cache.json")).unwrap();
    let mut other: Value = serde_json::from_str(&text).unwrap();
    other["flow_cache"]["vteps"][0]["vlan"] = 77.into();
    let control = folder.path().join("control.jsonl");
    let line = json!({ "at_ns": 1_500_000_000_u64, "config": other });
    std::fs::write(&control, line.to_string()).unwrap();
    let out = folder.path().join("out");
    let report = run(&["--control", control.to_str().unwrap()], &out);
    assert_eq!(frames(&out.join("SRV.pcap"))[3][24..32], *"8100004d");
    assert_eq!(report["flows"][0]["state"], "new");
    let events = std::fs::read_to_string(out.join("events.jsonl")).unwrap();
    assert_eq!(events.matches("\"reason\":\"delete\"").count(), 3);
}

/// Sizes too are those of the new configuration; counters go on.
#[test]
fn another_configuration_replaces_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(example("flow-cache.json")).unwrap();
    let mut other: Value = serde_json::from_str(&text).unwrap();
    for (name, value) in [("max_entries", 1), ("mtu", 99), ("idle_ms", 5), ("event_queue", 0)] {
        other["flow_cache"][name] = value.into();
    }
    other["flow_cache"]["full"] = "evict_oldest".into();
    let control = folder.path().join("control.jsonl");
    let lines = [
        json!({ "at_ns": 1_500_000_000_u64, "config": other }).to_string(),
        json!({ "at_ns": 1_600_000_000_u64, "stats": {} }).to_string(),
    ];
    std::fs::write(&control, lines.join("\n")).unwrap();
    let out = folder.path().join("out");
    let report = run(&["--control", control.to_str().unwrap()], &out);
    let events = std::fs::read_to_string(out.join("events.jsonl")).unwrap();
    let events: Vec<Value> =
        events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // The flows of before were told; then there is no room for events.
    let reasons: Vec<_> = events.iter().map(|event| &event["removed"]["reason"]).collect();
    assert_eq!(reasons, [&json!("delete"), &json!("delete"), &json!("delete"), &Value::Null]);
    assert_eq!(events[3]["stats"]["flows"], json!([]));
    assert_eq!(report["flows"].as_array().unwrap().len(), 1);
    assert_eq!(report["flows"][0]["vlan"], 30);
    assert_eq!(report["notes"], json!({ "events_lost": 2 }));
    assert_eq!(report["ports"]["SRV"]["tx"]["packets"], 6);
}

/// One input has one result, though the table's hash has a secret.
#[test]
fn a_run_repeats() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(example("flow-cache.json")).unwrap();
    let mut small: Value = serde_json::from_str(&text).unwrap();
    small["flow_cache"]["max_entries"] = 20.into();
    small["flow_cache"]["full"] = "evict_oldest".into();
    let (config, server) = (folder.path().join("config"), folder.path().join("server.pcap"));
    std::fs::write(&config, small.to_string()).unwrap();
    let mut capture =
        [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 65_535, 1].map(u32::to_le_bytes).concat();
    let hex = vector("FC3");
    let octet = |at: usize| u8::from_str_radix(&hex[2 * at..][..2], 16).unwrap();
    for number in 0..60_u8 {
        let mut frame: Vec<_> = (0..hex.len() / 2).map(octet).collect();
        // Another tenant; the sum of the header changes by as much.
        frame[37] = 100 + number;
        frame[28..30].copy_from_slice(&(0xb801 - 99 - u16::from(number)).to_be_bytes());
        capture.extend([1_u32, u32::from(number), 82, 82].map(u32::to_le_bytes).concat());
        capture.extend(frame);
    }
    std::fs::write(&server, capture).unwrap();
    let input = format!("SRV={}", server.display());
    let reports = [0; 4].map(|_| {
        let out = folder.path().join("out");
        let arguments = ["--config", config.to_str().unwrap(), "--in", &input, "--out"];
        let outcome = dash(["run"].into_iter().chain(arguments).chain([out.to_str().unwrap()]));
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        std::fs::read_to_string(out.join("report.json")).unwrap()
    });
    assert!(reports.iter().all(|report| *report == reports[0]));
    let report: Value = serde_json::from_str(&reports[0]).unwrap();
    assert_eq!(report["flows"].as_array().unwrap().len(), 20);
}

#[test]
fn explain_shows_what_was_learnt() {
    let config = example("flow-cache.json");
    let outcome = with("explain", &config, &["--frame", "3"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    for text in ["VNI 100, 10.10.10.10 -> 10.0.0.1", "new, 1 in flight", "learnt, 0 in flight"] {
        assert!(outcome.stdout.contains(text), "{text}: {}", outcome.stdout);
    }
    let outcome = with("explain", &config, &["--frame", "1"]);
    for text in ["10.10.10.10, VNI 100", "hit: VLAN 10, to SRV"] {
        assert!(outcome.stdout.contains(text), "{text}: {}", outcome.stdout);
    }
    let outcome = with("explain", &config, &["--frame", "11"]);
    assert!(outcome.stdout.contains("directly: encapsulated as learnt"), "{}", outcome.stdout);
    let outcome = with("explain", &config, &["--frame", "5", "--flows", "1"]);
    assert!(
        outcome.stdout.contains("no place: nothing is stored, cache_full"),
        "{}",
        outcome.stdout
    );
    assert_eq!(with("explain", &config, &["--frame", "16"]).code, 2);
}

/// Ports that see no frame too are told of.
#[test]
fn every_port_has_a_capture_and_a_count() {
    let folder = tempfile::tempdir().unwrap();
    let (config, out) = (example("flow-cache.json"), folder.path().display().to_string());
    let input = format!("DC={}", example("dc.pcap"));
    let outcome = dash(["run", "--config", &config, "--in", &input, "--out", &out]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let report = std::fs::read(folder.path().join("report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["ports"]["OTR"]["tx"], json!({ "packets": 0, "bytes": 0 }));
    assert!(frames(&folder.path().join("OTR.pcap")).is_empty());
}

#[test]
fn a_trace_has_a_line_for_each_frame() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().display().to_string();
    let arguments = ["--out", &out, "--trace"];
    let outcome = with("run", &example("flow-cache.json"), &arguments);
    assert_eq!(outcome.stdout.lines().count(), 16);
    assert!(outcome.stdout.contains("hit         DC, 128 bytes"), "{}", outcome.stdout);
}

#[test]
fn a_wrong_configuration_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.json");
    let text = std::fs::read_to_string(example("flow-cache.json")).unwrap();
    let right: Value = serde_json::from_str(&text).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(SCHEMA).unwrap()).unwrap();
    assert!(schema.is_valid(&right));
    let cases: [(&str, Value, bool); 11] = [
        ("/flow_cache/mtu", json!(65_522), true),
        ("/flow_cache/vteps/0/dst", json!("10.0.0.256"), false),
        ("/flow_cache/full", json!("evict"), true),
        ("/flow_cache/vteps/0/vlan", json!(0), true),
        ("/flow_cache/vteps/0/vni", json!(1 << 24), true),
        ("/flow_cache/vteps/0/port", json!("DC"), false),
        ("/flow_cache/vteps/0", json!({ "dst": "10.10.10.10", "vlan": 1, "prt": "SRV" }), true),
        ("/flow_cache/vteps/1/vni", json!(100), false),
        ("/flow_cache/ports/0/role", json!("otr"), false),
        ("/flow_cache/outer/src_mac", json!("be:ef"), true),
        ("/flow_cache/guard_ms", json!("100"), true),
    ];
    for (place, value, by_schema) in cases {
        let mut wrong = right.clone();
        *wrong.pointer_mut(place).unwrap() = value;
        assert_eq!(schema.is_valid(&wrong), !by_schema, "{place}");
        std::fs::write(&config, wrong.to_string()).unwrap();
        let out = folder.path().join("out").display().to_string();
        let outcome = with("run", config.to_str().unwrap(), &["--out", &out]);
        assert_eq!(outcome.code, 2, "{place}");
        let object = place.rsplit('/').find(|part| part.parse::<usize>().is_err());
        let named = outcome.stderr.to_lowercase().contains(object.unwrap_or_default());
        assert!(named, "{place}: {}", outcome.stderr);
        assert!(!folder.path().join("out").exists());
    }
    let arguments = ["--out", "never", "--wire", "DC=X"];
    assert_eq!(with("run", &example("flow-cache.json"), &arguments).code, 2);
}
