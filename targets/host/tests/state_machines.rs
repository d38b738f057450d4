//! `dash run` and `dash explain` with state machines: the shipped examples.

mod command;

use std::path::Path;

use command::{dash, examples};
use serde_json::{Value, json};

const SCHEMA: &str = include_str!("../schema/efsm.schema.json");

fn example(name: &str) -> String {
    examples().join("state-machines").join(name).display().to_string()
}

fn run(program: &str, out: &Path) -> Value {
    let config = example(&format!("{program}.json"));
    let input = format!("A={}", example(&format!("{program}.pcap")));
    let out_name = out.display().to_string();
    let outcome = dash(["run", "--config", &config, "--in", &input, "--out", &out_name]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    serde_json::from_slice(&std::fs::read(out.join("report.json")).unwrap()).unwrap()
}

#[test]
fn the_four_programs() {
    let folder = tempfile::tempdir().unwrap();
    let report = run("limiter", folder.path());
    assert_eq!(report["drops"], json!({ "efsm_drop": 2 }));
    assert_eq!(report["ports"]["B"]["tx"]["packets"], 11);
    let flow = json!({ "key": { "ipv4.src": "10.0.0.1" }, "state": 1, "registers": [10, 0, 0, 0],
        "packets": 12, "bytes": 12 * 42 });
    assert_eq!(report["flows"][0], flow);

    let report = run("policer", folder.path());
    assert_eq!(report["drops"], json!({ "efsm_drop": 1 }));
    assert_eq!(report["ports"]["B"]["tx"]["packets"], 1024);

    let report = run("knocking", folder.path());
    assert_eq!(report["drops"], json!({ "efsm_drop": 4, "efsm_default": 2 }));
    assert_eq!(report["ports"]["B"]["tx"]["packets"], 1);

    let report = run("balancer", folder.path());
    assert_eq!(report["ports"]["B1"]["tx"]["packets"], 4);
    assert_eq!(report["ports"]["B2"]["tx"]["packets"], 2);
    assert_eq!(report["drops"], json!({}));
}

/// Nobody is told of their end, so no event is lost.
#[test]
fn flows_of_state_machines_are_not_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let text = std::fs::read_to_string(example("limiter.json")).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config["efsm"]["idle_ms"] = 1.into();
    config["efsm"]["key"] = json!(["in_port", "ipv4.src"]);
    std::fs::write(path("control"), r#"{"at_ns": 4000000000000000000, "stats": {}}"#).unwrap();
    let input = format!("A={}", example("limiter.pcap"));
    for room in [0, 1, 256] {
        config["efsm"]["event_queue"] = room.into();
        std::fs::write(path("config"), config.to_string()).unwrap();
        let (control, config, out) = (path("control"), path("config"), path("out"));
        let arguments = ["run", "--config", &config, "--in", &input, "--out", &out];
        let outcome = dash(arguments);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let report = std::fs::read(folder.path().join("out/report.json")).unwrap();
        let report: Value = serde_json::from_slice(&report).unwrap();
        // Ports have names.
        assert_eq!(report["flows"][0]["key"], json!({ "in_port": "A", "ipv4.src": "10.0.0.1" }));
        let outcome = dash(arguments.into_iter().chain(["--control", &control]));
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let events = std::fs::read_to_string(folder.path().join("out/events.jsonl")).unwrap();
        let [stats] = &events.lines().collect::<Vec<_>>()[..] else { panic!("{events}") };
        let stats: Value = serde_json::from_str(stats).unwrap();
        assert_eq!((&stats["stats"]["notes"], &stats["stats"]["flows"]), (&json!({}), &json!([])));
    }
}

#[test]
fn explain_names_the_row() {
    let input = format!("A={}", example("limiter.pcap"));
    let config = example("limiter.json");
    let outcome = dash(["explain", "--config", &config, "--in", &input, "--frame", "11"]);
    assert!(outcome.stdout.contains("row 1: state 1 [10, 0, 0, 0]"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("dropped: efsm_drop"));
}

#[test]
fn programs_follow_the_schema_and_wrong_ones_are_refused() {
    let schema = jsonschema::validator_for(&serde_json::from_str(SCHEMA).unwrap()).unwrap();
    let read = |name: &str| -> Value {
        serde_json::from_str(&std::fs::read_to_string(example(name)).unwrap()).unwrap()
    };
    for program in ["limiter", "policer", "knocking", "balancer"] {
        assert!(schema.is_valid(&read(&format!("{program}.json"))), "{program}");
    }
    let right = read("limiter.json");
    let cases: [(&str, Value, bool); 12] = [
        ("/efsm/rows/0/match", json!({ "vlan.vid": 4096 }), false),
        ("/efsm/conditions/0/right", json!(1_u64 << 32), true),
        ("/efsm/key/0", json!("ipv4.source"), true),
        ("/efsm/conditions/0/op", json!("!="), true),
        ("/efsm/conditions/0/left", json!("R4"), true),
        ("/efsm/conditions/0/left", json!("eth.src"), false),
        ("/efsm/rows/0/if", json!({ "c4": true }), true),
        ("/efsm/rows/0/match", json!({ "ipv4.src": "10.0.0" }), false),
        ("/efsm/rows/0/updates/0/op", json!("/"), true),
        ("/efsm/rows/0/action", json!("pass"), true),
        ("/efsm/rows/0/state", json!(65_536), true),
        ("/efsm/rows", json!(vec![json!({ "next": 0, "action": "drop" }); 33]), true),
    ];
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.json");
    let input = format!("A={}", example("limiter.pcap"));
    for (place, value, by_schema) in cases {
        let mut wrong = right.clone();
        match wrong.pointer_mut(place) {
            Some(there) => *there = value,
            None => wrong["efsm"]["rows"][0]["match"] = value,
        }
        assert_eq!(schema.is_valid(&wrong), !by_schema, "{place}");
        std::fs::write(&config, wrong.to_string()).unwrap();
        let config = config.to_str().unwrap();
        let outcome = dash(["run", "--config", config, "--in", &input, "--out", "never"]);
        assert_eq!(outcome.code, 2, "{place}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(": efsm"), "{}", outcome.stderr);
    }
}

/// What is wrong is named.
#[test]
fn messages_name_the_place() {
    let text = std::fs::read_to_string(example("limiter.json")).unwrap();
    let right: Value = serde_json::from_str(&text).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.json");
    let input = format!("A={}", example("limiter.pcap"));
    let many = vec![json!({ "next": 0, "action": "drop" }); 33];
    for (place, value, said) in [
        (
            "/efsm/conditions/0/right",
            json!(-1),
            "conditions[0].right: expected a number of 32 bits",
        ),
        (
            "/efsm/conditions/0/left",
            json!("eth.src"),
            "condition c0: eth.src has more than 32 bits",
        ),
        ("/efsm/rows/0/state", json!(65_536), "rows[0].state: "),
        ("/efsm/rows", json!(many), "rows: at most 32"),
    ] {
        let mut wrong = right.clone();
        *wrong.pointer_mut(place).unwrap() = value;
        std::fs::write(&config, wrong.to_string()).unwrap();
        let config = config.to_str().unwrap();
        let outcome = dash(["run", "--config", config, "--in", &input, "--out", "never"]);
        assert!(outcome.stderr.contains(said), "{said}: {}", outcome.stderr);
    }
}
