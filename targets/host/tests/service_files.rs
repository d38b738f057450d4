//! What holds for the files of all services: configurations, and control objects.

mod command;

use std::fs;

use command::{dash, examples};
use serde_json::Value;

/// A configuration of each service, the service's name, one of its ports, and whether `--when-full`
/// is for it.
const SERVICES: [(&str, &str, &str, bool); 4] = [
    ("service-chains/case1.json", "chain", "VM-App1", true),
    ("reactive-router/one-host.json", "router", "p11", false),
    ("flow-cache/flow-cache.json", "flow_cache", "DC", false),
    ("state-machines/limiter.json", "efsm", "A", false),
];

fn example(name: &str) -> String {
    examples().join(name).display().to_string()
}

/// Runs a configuration with options; it is refused, and what is said.
#[track_caller]
fn refused(config: &str, port: &str, options: &[&str]) -> String {
    let input = format!("{port}={}", example("service-chains/app1.pcap"));
    let run = ["run", "--in", &input, "--out", "never", "--config", config];
    let outcome = dash(run.into_iter().chain(options.iter().copied()));
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    outcome.stderr
}

#[test]
fn options_of_dash_are_refused() {
    for (config, name, port, when_full) in SERVICES {
        let config = example(config);
        let at = format!("1={config}");
        for options in [
            &["--at", &at][..],
            &["--when-full", "evict"],
            &["--fragment-timeout", "1"],
            &["--flows-per-eni", "2"],
            &["--tcp-strict"],
        ] {
            if options[0] == "--when-full" && when_full {
                continue;
            }
            let said = refused(&config, port, options);
            assert_eq!(said, format!("error: {} is for DASH, not for {name}\n", options[0]));
        }
    }
}

#[test]
fn a_service_is_one_file() {
    for (config, name, port, _) in SERVICES {
        let config = example(config);
        let said = refused(&config, port, &[&config]);
        assert_eq!(said, format!("error: {config}: {name} is one configuration file\n"));
    }
}

/// JSON does not say which of two equal members counts.
#[test]
fn members_that_stand_twice_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.json");
    let file = path.display().to_string();
    for (config, name, port, _) in SERVICES {
        let config = example(config);
        let object = fs::read_to_string(&config).unwrap();
        // The whole service, and an object inside of it.
        let service: Value = serde_json::from_str(&object).unwrap();
        let twice = format!("{{\"{name}\": {0}, \"{name}\": {0}}}", service[name]);
        fs::write(&path, twice).unwrap();
        let expected = format!("error: {file}: \"{name}\" is there twice\n");
        assert_eq!(refused(&file, port, &[]), expected);
        let inner = "{\"x\": 1, \"x\": 2}";
        fs::write(&path, object.replacen('{', &format!("{{\"y\": [{inner}],"), 1)).unwrap();
        let expected = format!("error: {file}: \"x\" is there twice\n");
        assert_eq!(refused(&file, port, &[]), expected);
        let lines = "\n{\"at_ns\": 1, \"stats\": {}, \"at_ns\": 2}";
        fs::write(&path, lines).unwrap();
        let expected = format!("error: {file}: line 2: \"at_ns\" is there twice\n");
        assert_eq!(refused(&config, port, &["--control", &file]), expected);
    }
}

/// The path to what is wrong is told, in a configuration and in a control object.
#[test]
fn errors_name_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.json");
    let file = path.display().to_string();
    for (config, name, port, _) in SERVICES {
        let config = example(config);
        let mut wrong: Value = serde_json::from_str(&fs::read_to_string(&config).unwrap()).unwrap();
        wrong[name]["event_queue"] = Value::Bool(true);
        fs::write(&path, wrong.to_string()).unwrap();
        let said = refused(&file, port, &[]);
        let place = format!("{name}.event_queue: invalid type");
        assert!(said.starts_with(&format!("error: {file}: {place}")), "{said}");
        for (line, expected) in [
            (format!("{{\"at_ns\": 1, \"config\": {wrong}}}"), &*format!("config.{place}")),
            ("{\"stats\": {}}".to_owned(), "at_ns: expected nanoseconds"),
            ("{\"at_ns\": -1, \"stats\": {}}".to_owned(), "at_ns: expected nanoseconds"),
            ("7".to_owned(), "at_ns: expected nanoseconds"),
            ("{\"at_ns\": 1}".to_owned(), "expected one object beside at_ns"),
            ("{\"at_ns\": 1, \"stats\": {\"x\": 1}}".to_owned(), "stats.x: unknown field"),
            ("{\"at_ns\": 1, \"stat\": {}}".to_owned(), "unknown variant `stat`, expected"),
            (
                "{\"at_ns\": 1, \"stats\": {}, \"y\": 1}".to_owned(),
                "expected one object beside at_ns",
            ),
        ] {
            fs::write(&path, &line).unwrap();
            let said = refused(&config, port, &["--control", &file]);
            assert!(said.starts_with(&format!("error: {file}: line 1: {expected}")), "{said}");
        }
    }
}
