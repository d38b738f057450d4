//! The shipped examples, end to end: output captures byte for byte, drops, flows, and the trace.

mod command;
mod shipped;

use std::{
    fs,
    path::{Path, PathBuf},
};

use command::{Outcome, dash, examples};
use serde_json::Value;
use shipped::{Run, arguments, runs};

/// Every report must be of the shipped schema.
fn check_schema(report: &Value) {
    let schema = include_str!("../schema/report.schema.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    let errors: Vec<_> = schema.iter_errors(report).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

fn run(arguments: &[String]) -> (Outcome, tempfile::TempDir) {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().display().to_string();
    let arguments = ["run", "--trace", "--out", &folder]
        .into_iter()
        .chain(arguments.iter().map(String::as_str));
    (dash(arguments), out)
}

/// The line of the trace about frame `number`.
fn line(outcome: &Outcome, number: u64) -> String {
    let start = format!("{number}  ");
    let line = outcome.stdout.lines().find(|line| line.trim_start().starts_with(&start));
    line.unwrap_or_else(|| panic!("no line of frame {number}:\n{}", outcome.stdout)).to_owned()
}

fn check_row(name: &str, outcome: &Outcome, row: &Value, port_of: &Value) {
    let line = line(outcome, row["frame"].as_u64().unwrap());
    let context = format!("{name}: {row}\n{line}");
    let addresses = (row["src"].as_str(), row["dst"].as_str());
    // Empty: the frame has no customer frame whose addresses could be shown.
    if let (Some(source), Some(destination)) = addresses
        && !source.is_empty()
    {
        assert!(line.contains(&format!("{source} -> {destination} ")), "{context}");
    }
    let acl: Vec<&str> =
        line.split_whitespace().filter(|word| ["Allow", "Block"].contains(word)).collect();
    let expected: Vec<&str> = row["acl"].as_array().map_or(Vec::new(), |acl| {
        let words = acl.iter().map(|answer| answer.as_str().unwrap());
        words.map(|answer| if answer == "permit" { "Allow" } else { "Block" }).collect()
    });
    // Null: whether the change evaluates this flow again is not prescribed.
    if !row["flow_hit"].is_null() {
        assert_eq!(acl, expected, "{context}");
        let hit = line.split_whitespace().any(|word| word == "flow");
        assert_eq!(hit, row["flow_hit"] == true, "{context}");
    }
    if let Some(route) = row["route"].as_str() {
        assert!(line.contains(&format!(" {route} ")), "{context}");
    }
    match row["drop"].as_str() {
        Some(reason) => assert!(line.ends_with(&format!("({reason})")), "{context}"),
        None => assert!(line.ends_with(&format!(", port {port_of}")), "{context}"),
    }
}

fn check(example: &str) {
    let root = examples().join(example);
    for Run { name, folder, expected } in runs(&root) {
        let (outcome, out) = run(&arguments(&expected, &root));
        assert_eq!(outcome.code, 0, "{name}: {}", outcome.stderr);
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "pcap") {
                let file = path.file_name().unwrap();
                let sent = fs::read(out.path().join(file)).unwrap_or_default();
                assert_eq!(sent, fs::read(&path).unwrap(), "{name}: {}", path.display());
            }
        }
        let report = fs::read_to_string(out.path().join("report.json")).unwrap();
        let report: Value = serde_json::from_str(&report).unwrap();
        check_schema(&report);
        assert_eq!(report["drops"], expected["drops"], "{name}");
        if let Some(pairs) = expected["flow_pairs"].as_u64() {
            assert_eq!(report["flows"].as_array().unwrap().len() as u64, 2 * pairs, "{name}");
        }
        for row in expected["rows"].as_array().unwrap() {
            check_row(&name, &outcome, row, &row["out"]);
        }
    }
}

#[test]
fn examples_give_the_expected_bytes_drops_and_rows() {
    check("vnet-to-vnet");
}

#[test]
fn frames_of_the_specification_give_the_expected_bytes() {
    check("spec-frames");
}

/// A copy of the example's configuration in which `from` is `to`.
fn changed(folder: &Path, from: &str, to: &str) -> PathBuf {
    let text = fs::read_to_string(examples().join("vnet-to-vnet/published.json")).unwrap();
    assert!(text.contains(from));
    let path = folder.join("changed.json");
    fs::write(&path, text.replacen(from, to, 1)).unwrap();
    path
}

#[test]
fn changing_one_rule_changes_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let config = changed(folder.path(), "\"10.0.0.10/32\"", "\"10.0.0.2/32\"");
    let capture = examples().join("vnet-to-vnet/vm.pcap").display().to_string();
    let (outcome, _out) = run(&[
        "--config".to_owned(),
        config.display().to_string(),
        "--in".to_owned(),
        format!("0={capture}"),
    ]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    // 10.0.0.10 passes the ACL now and has no mapping; 10.0.0.2 is blocked by stage 1.
    assert!(line(&outcome, 1).contains("Allow  Allow  Allow"), "{}", outcome.stdout);
    assert!(line(&outcome, 1).ends_with("(outbound_ca_pa_entry_miss_drop)"), "{}", outcome.stdout);
    assert!(line(&outcome, 3).ends_with("Blocked (acl_out_drop.1)"), "{}", outcome.stdout);
}

#[test]
fn explain_shows_tables_and_headers() {
    let root = examples().join("vnet-to-vnet");
    let config = root.join("published.json").display().to_string();
    let input = format!("0={}", root.join("vm.pcap").display());
    let explain = |frame| dash(["explain", "--config", &config, "--in", &input, "--frame", frame]);
    let third = explain("3");
    assert_eq!(third.code, 0, "{}", third.stderr);
    for part in [
        "Frame 3, in at port 0",
        "DASH_ACL_OUT_TABLE, stage 3",
        "DASH_ROUTE_TABLE",
        "10.0.0.0/24: vnet Vnet1",
        "underlay 100.0.0.1 or 3ffe::1, MAC 02-00-00-00-01-01, VNI 200",
        "Sent by port 0",
        "IPv4 100.0.0.2 -> 100.0.0.1",
        "VXLAN VNI 200",
    ] {
        assert!(third.stdout.contains(part), "{part}\n{}", third.stdout);
    }
    let first = explain("1");
    assert!(first.stdout.contains("priority 1: deny, final"), "{}", first.stdout);
    assert!(first.stdout.contains("Dropped: acl_out_drop.1"), "{}", first.stdout);
    let fifth = explain("5");
    assert_eq!(fifth.code, 2);
    assert!(fifth.stderr.contains("there is no frame 5: the captures have 4"), "{}", fifth.stderr);
}
