//! `dash run` and `dash explain` with service chains: the shipped examples.

mod command;

use std::{fmt::Write as _, path::Path};

use command::{dash, examples};
use dash_host::capture::{CaptureReader, CaptureWriter};
use serde_json::{Value, json};

/// The frames of the specification, in hex.
const VECTORS: &str = include_str!("../../../dash-core/tests/chain/vectors.txt");

fn vector(name: &str) -> String {
    let line = VECTORS.lines().find(|line| line.split(' ').next() == Some(name));
    line.and_then(|line| line.split(' ').nth(3)).unwrap().to_owned()
}

/// Frames of a capture in hex, with their times.
fn frames(path: &Path) -> Vec<(u64, String)> {
    let mut reader = CaptureReader::open(path).unwrap();
    let mut frames = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        let mut hex = String::new();
        for byte in &record.bytes {
            write!(hex, "{byte:02x}").unwrap();
        }
        frames.push((record.time, hex));
    }
    frames
}

fn example(name: &str) -> String {
    examples().join("service-chains").join(name).display().to_string()
}

fn bytes(path: &Path) -> Vec<String> {
    frames(path).into_iter().map(|(_, frame)| frame).collect()
}

/// Runs an example with its wires, and further arguments.
fn run(case: &str, wires: &[&str], more: &[&str], out: &Path) -> Value {
    let (app1, app2) = (example("app1.pcap"), example("app2.pcap"));
    let config = example(&format!("{case}.json"));
    let (in1, in2) = (format!("VM-App1={app1}"), format!("VM-App2={app2}"));
    let out_name = out.display().to_string();
    let mut args = vec!["run", "--config", &config, "--in", &in1, &in2, "--out", &out_name];
    args.push("--wire");
    args.extend(wires);
    args.extend(more);
    let outcome = dash(args.iter().copied());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    serde_json::from_slice(&std::fs::read(out.join("report.json")).unwrap()).unwrap()
}

const ONE: [&str; 1] = ["VNF1-P2=VNF1-P3"];
const THREE: [&str; 3] = ["VNF1-P2=VNF1-P3", "VNF2-P4=VNF2-P5", "VNF3-P6=VNF3-P7"];

#[test]
fn the_three_cases() {
    let folder = tempfile::tempdir().unwrap();
    for (case, wires, between) in [
        ("case1", &ONE[..], vec![]),
        ("case2", &ONE, vec!["g1", "g2", "g3", "g4"]),
        ("case3", &THREE, vec!["h1", "h2", "h3", "h4"]),
    ] {
        let out = folder.path().join(case);
        let report = run(case, wires, &[], &out);
        assert_eq!(bytes(&out.join("VM-App2.pcap")), [vector("p")]);
        assert_eq!(bytes(&out.join("VM-App1.pcap")), [vector("r")]);
        assert_eq!(report["drops"], json!({}));
        if !between.is_empty() {
            let expected: Vec<_> = between.into_iter().map(vector).collect();
            assert_eq!(bytes(&out.join("underlay.pcap")), expected, "{case}");
        }
        for wire in wires {
            let (input, output) = wire.split_once('=').unwrap();
            assert_eq!(bytes(&out.join(format!("{input}.pcap"))), [vector("p")]);
            assert_eq!(bytes(&out.join(format!("{output}.pcap"))), [vector("r")]);
        }
        // Each function takes a microsecond.
        let (time, _) = frames(&out.join("VM-App2.pcap"))[0];
        assert_eq!(time, 1_000_000_000 + 1000 * wires.len() as u64);
    }
}

#[test]
fn health_changes_in_the_course_of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let control = example("health.jsonl");
    let report = run("case1", &ONE, &["--control", &control], folder.path());
    assert_eq!(report["drops"], json!({ "vnf_down": 1 }));
    assert!(
        !folder.path().join("VM-App1.pcap").exists()
            || bytes(&folder.path().join("VM-App1.pcap")).is_empty()
    );
    let events = std::fs::read_to_string(folder.path().join("events.jsonl")).unwrap();
    let event: Value = serde_json::from_str(events.trim()).unwrap();
    assert_eq!(event["t_ns"], 1_500_000_000);
    assert_eq!(event["stats"]["drops"], json!({}));
    assert_eq!(event["stats"]["ports"]["VM-App2"]["tx"]["packets"], 1);
}

#[test]
fn flows_that_have_timed_out_are_not_reported() {
    let folder = tempfile::tempdir().unwrap();
    let control = folder.path().join("control.jsonl");
    // The frames are of seconds 1 and 2; a flow lives 30 s.
    let lines = [32_000_000_000_u64, 33_000_000_000]
        .map(|at| json!({ "at_ns": at, "stats": {} }).to_string());
    std::fs::write(&control, lines.join("\n")).unwrap();
    let out = folder.path().join("out");
    let report = run("case2", &ONE, &["--control", control.to_str().unwrap()], &out);
    let events = std::fs::read_to_string(out.join("events.jsonl")).unwrap();
    let flows: Vec<usize> = events
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|event| event["stats"]["flows"].as_array().unwrap().len())
        .collect();
    // Of the answer: at App2's port, from H2, at the function, home, from there, from H2 again.
    assert_eq!(flows, [6, 0]);
    assert_eq!(report["flows"], json!([]));
}

#[test]
fn another_configuration_in_the_course_of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(example("case1.json")).unwrap();
    let mut other: Value = serde_json::from_str(&text).unwrap();
    other["chain"]["switches"][0]["classifiers"] = json!([]);
    let control = folder.path().join("control.jsonl");
    let line = json!({ "at_ns": 2_000_000_000_u64, "config": other });
    std::fs::write(&control, line.to_string()).unwrap();
    let out = folder.path().join("out");
    run("case1", &ONE, &["--control", control.to_str().unwrap()], &out);
    // The answer, of the same time, goes straight.
    assert_eq!(frames(&out.join("VM-App1.pcap")), [(2_000_000_000, vector("r"))]);
    // The new configuration's MTU holds, unless the command line has one.
    let text = std::fs::read_to_string(example("case2.json")).unwrap();
    let mut other: Value = serde_json::from_str(&text).unwrap();
    other["chain"]["switches"][0]["mtu"] = json!(93);
    let line = json!({ "at_ns": 2_000_000_000_u64, "config": other });
    std::fs::write(&control, line.to_string()).unwrap();
    let control = control.to_str().unwrap();
    for (more, drops) in [(&[][..], json!({ "mtu": 1 })), (&["--mtu", "94"], json!({}))] {
        let more = [&["--control", control][..], more].concat();
        assert_eq!(run("case2", &ONE, &more, &out)["drops"], drops);
    }
}

/// Groups and chains of two switches may have the same names; each has an MTU.
#[test]
fn names_of_a_switch() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(example("case2.json")).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    let mut other = config["chain"]["switches"][0].clone();
    other["name"] = json!("SW1");
    other["tunnel_key"] = json!(2);
    other["mtu"] = json!(93);
    for port in other["ports"].as_array_mut().unwrap() {
        port["name"] = json!(format!("B-{}", port["name"].as_str().unwrap()));
    }
    other["pairs"] = json!([{ "name": "PP2", "in": "B-VNF1-P2", "out": "B-VNF1-P3" }]);
    other["groups"][0]["pairs"] = json!(["PP2"]);
    other["classifiers"][0]["port"] = json!("B-VM-App2");
    config["chain"]["switches"].as_array_mut().unwrap().push(other);
    let path = folder.path().join("config.json");
    std::fs::write(&path, config.to_string()).unwrap();
    let out = folder.path().join("out");
    let names = [path.display().to_string(), out.display().to_string()];
    // Towards the function, from it, and home: by the tunnel each time but the first.
    let mut args = vec!["run", "--config", &names[0], "--out", &names[1], "--in"];
    let inputs = ["", "B-"].map(|switch| {
        [("VM-App1", "app1.pcap"), ("VNF1-P3", "app1.pcap"), ("VNF1-P2", "app2.pcap")]
            .map(|(port, capture)| format!("{switch}{port}={}", example(capture)))
    });
    args.extend(inputs.as_flattened().iter().map(String::as_str));
    let outcome = dash(args);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    for port in ["VNF1-P2", "B-VNF1-P2", "VM-App2"] {
        assert_eq!(bytes(&out.join(format!("{port}.pcap"))), [vector("p")]);
    }
    assert_eq!(bytes(&out.join("underlay.pcap")), ["g1", "g3", "g4"].map(vector));
    let report = std::fs::read(out.join("report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["drops"], json!({ "mtu": 2 }));
    // The frame that comes home by a tunnel leaves by one again: the VNI names the switch.
    let mut home = vector("g3");
    home.replace_range(96..98, "02");
    let home: Vec<_> = (0..home.len()).step_by(2).map(|at| &home[at..at + 2]).collect();
    let home: Vec<_> = home.iter().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    let capture = folder.path().join("home.pcap");
    let mut writer = CaptureWriter::create(&capture).unwrap();
    writer.write(0, &home).unwrap();
    writer.finish().unwrap();
    let input = format!("H2={}", capture.display());
    let outcome = dash(["run", "--config", &names[0], "--out", &names[1], "--in", &input]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let report = std::fs::read(out.join("report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["drops"], json!({ "mtu": 1 }));
}

#[test]
fn a_trace_has_a_line_for_each_frame_that_comes_in() {
    let folder = tempfile::tempdir().unwrap();
    let (config, out) = (example("case2.json"), folder.path().join("out"));
    let inputs = ["VM-App1", "VM-App2"].map(|name| {
        let file = name.replace("VM-A", "a").to_lowercase();
        format!("{name}={}", example(&format!("{file}.pcap")))
    });
    let (out, [in1, in2]) = (out.display().to_string(), &inputs);
    let outcome = dash([
        "run", "--config", &config, "--in", in1, in2, "--wire", ONE[0], "--out", &out, "--trace",
    ]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let lines: Vec<Vec<_>> =
        outcome.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    let (p, r) = (["192.0.2.1", "->", "192.0.2.2"], ["192.0.2.2", "->", "192.0.2.1"]);
    let line = |front: [&'static str; 2], addresses: [&'static str; 3], rest: &'static str| {
        [&front[..], &addresses, &rest.split(' ').collect::<Vec<_>>()].concat()
    };
    assert_eq!(lines[0], ["#", "IN", "SRC", "->", "DST", "Chain", "Final"]);
    assert_eq!(
        lines[1..],
        [
            line(["1", "VM-App1"], p, "PC1 F0 VNF1-P2"),
            line(["2", "VNF1-P3"], p, "PC1 F1 underlay; VM-App2"),
            line(["3", "VM-App2"], r, "PC1 R0 underlay; VNF1-P3"),
            line(["4", "VNF1-P2"], r, "PC1 R1 underlay; underlay; VM-App1"),
        ]
    );
}

#[test]
fn explain_names_the_stages_of_ovn() {
    let (config, capture) = (example("case2.json"), example("app2.pcap"));
    let input = format!("VNF1-P2={capture}");
    let outcome = dash(["explain", "--config", &config, "--in", &input, "--frame", "1"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let places: Vec<_> = [
        "ls_in_chain",
        "R1",
        "outport=4, output",
        "Geneve to H2",
        "ls_out_chain",
        "ls_in_l2_lkup",
        "table 65",
    ]
    .map(|name| outcome.stdout.find(name).unwrap_or_else(|| panic!("{name}: {}", outcome.stdout)))
    .into();
    assert!(places.is_sorted());
    let outcome = dash(["explain", "--config", &config, "--in", &input, "--frame", "2"]);
    assert_eq!(outcome.code, 2);
}

#[test]
fn what_is_wrong_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(example("case1.json")).unwrap();
    let good: Value = serde_json::from_str(&text).unwrap();
    let capture = folder.path().join("in.pcap");
    CaptureWriter::create(&capture).unwrap().finish().unwrap();
    let refuse = |spoil: &dyn Fn(&mut Value), expected: &str| {
        let mut config = good.clone();
        spoil(&mut config["chain"]);
        let path = folder.path().join("config.json");
        std::fs::write(&path, config.to_string()).unwrap();
        let (input, out) = (format!("VM-App1={}", capture.display()), folder.path().join("out"));
        let (path, out) = (path.display().to_string(), out.display().to_string());
        let outcome = dash(["run", "--config", &path, "--in", &input, "--out", &out]);
        assert_eq!(outcome.code, 2, "{expected}: {}", outcome.stdout);
        assert!(outcome.stderr.contains(expected), "{}", outcome.stderr);
    };
    refuse(&|chain| chain["extra"] = json!(1), "unknown field `extra`");
    let port = |chain: &mut Value, field: &str, value: Value| {
        chain["switches"][0]["ports"][0][field] = value;
    };
    refuse(&|chain| port(chain, "key", json!(0)), "Port \"VM-App1\": Key");
    refuse(&|chain| port(chain, "host", json!("H7")), "port \"VM-App1\": there is no host \"H7\"");
    refuse(&|chain| port(chain, "macs", json!(["xx"])), "\"xx\" is no MAC address");
    refuse(
        &|chain| port(chain, "name", json!("VM-App2")),
        "port or host \"VM-App2\" is there twice",
    );
    refuse(&|chain| port(chain, "name", json!("underlay")), "\"underlay\" is the capture");
    refuse(&|chain| port(chain, "name", json!("uplink@H1")), "an @ stands before the host");
    refuse(
        &|chain| {
            let again = chain["switches"][0]["classifiers"][0].clone();
            chain["switches"][0]["classifiers"].as_array_mut().unwrap().push(again);
        },
        "SecondClassifier",
    );
    for kind in ["group", "chain"] {
        refuse(
            &|chain| {
                let objects = &mut chain["switches"][0][format!("{kind}s")];
                let again = objects[0].clone();
                objects.as_array_mut().unwrap().push(again);
            },
            &format!("{kind} \"P{}1\" is there twice", &kind[..1].to_uppercase()),
        );
    }
}

#[test]
fn wires_and_files_that_are_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let case1 = example("case1.json");
    let (input, out) = (format!("VM-App1={}", example("app1.pcap")), folder.path().join("out"));
    let out = out.display().to_string();
    let front = ["run", "--in", &input, "--out", &out, "--config", &case1];
    for (more, expected) in [
        (vec!["--wire", "VNF1-P2=VNF1"], "there is no port \"VNF1\""),
        (vec!["--wire", "VNF1-P2=H1"], "there is no port \"H1\""),
        (vec!["--wire", ONE[0], "VNF1-P3=VM-App1"], "VNF1-P3=VM-App1 has another wire"),
        // The application sends what it gets.
        (vec!["--wire", ONE[0], "VM-App2=VM-App2"], "frames go in a circle by"),
    ] {
        let outcome = dash(front.into_iter().chain(more));
        assert_eq!(outcome.code, 2, "{expected}: {}", outcome.stdout);
        assert!(outcome.stderr.contains(expected), "{}", outcome.stderr);
        assert!(!folder.path().join("out").join("report.json").exists());
    }
    // A function that sends frames back ends them.
    let report = run("case1", &["VNF1-P2=VNF1-P2"], &[], folder.path());
    assert_eq!(report["drops"], json!({ "vnf_wrong_port": 1 }));
}

#[test]
fn the_schema_accepts_what_the_command_does() {
    let schema = include_str!("../schema/chain.schema.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    let specification = json!({"chain": {
        "hosts": [{"name": "H1", "ip": "198.51.100.1", "mac": "0a:00:00:00:00:11"},
                  {"name": "H2", "ip": "198.51.100.2", "mac": "0a:00:00:00:00:22"}],
        "event_queue": 256,
        "switches": [{"name": "SW0", "tunnel_key": 1,
            "ports": [{"name": "VM-App1", "key": 1, "host": "H1", "macs": ["02:00:00:00:00:01"],
                       "ips": ["192.0.2.1"], "port_security": false},
                      {"name": "VNF1-P2", "key": 2, "host": "H1"},
                      {"name": "VNF1-P3", "key": 3, "host": "H1"},
                      {"name": "VM-App2", "key": 4, "host": "H2", "macs": ["02:00:00:00:00:02"]},
                      {"name": "uplink", "key": 9, "kind": "localnet"},
                      {"name": "any", "key": 10, "host": "H1", "unknown": true}],
            "mtu": 1500,
            "pairs": [{"name": "PP1", "in": "VNF1-P2", "out": "VNF1-P3", "up": true}],
            "groups": [{"name": "PG1", "pairs": ["PP1"], "select": "first",
                        "fallback": "close", "mode": "inline"}],
            "chains": [{"name": "PC1", "groups": ["PG1"]}],
            "classifiers": [{"name": "PCC1", "chain": "PC1", "port": "VM-App2",
                             "path": "entry-lport", "direction": "bi-directional",
                             "match": {"protocol": 6, "dst_port": "80"}}]}]}});
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    std::fs::write(&path, specification.to_string()).unwrap();
    for config in [path, example("case1.json").into(), example("case3.json").into()] {
        let text = std::fs::read_to_string(&config).unwrap();
        assert!(schema.is_valid(&serde_json::from_str(&text).unwrap()));
        let (capture, out) = (example("app1.pcap"), folder.path().join("out"));
        let (config, out) = (config.display().to_string(), out.display().to_string());
        // A frame that is not for port 80, and one from the physical network.
        let mut inputs = vec![format!("VM-App1={capture}")];
        if config.ends_with("config.json") {
            inputs.push(format!("uplink@H2={capture}"));
        }
        let mut args = vec!["run", "--config", &config, "--out", &out, "--in"];
        args.extend(inputs.iter().map(String::as_str));
        let outcome = dash(args);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    }
    let mut wrong = specification.clone();
    wrong["chain"]["switches"][0]["ports"][0]["kind"] = json!("trunk");
    assert!(!schema.is_valid(&wrong));
}
