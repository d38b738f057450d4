//! The runs of a shipped example.

// Each test binary uses its own part.
#![allow(dead_code, unreachable_pub)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// One run of `expected/`, as `expected.json` tells it.
pub struct Run {
    pub name: String,
    pub folder: PathBuf,
    pub expected: Value,
}

/// Every run of the example in `root`.
pub fn runs(root: &Path) -> Vec<Run> {
    let mut runs: Vec<Run> = fs::read_dir(root.join("expected"))
        .unwrap()
        .map(|entry| {
            let folder = entry.unwrap().path();
            let text = fs::read_to_string(folder.join("expected.json")).unwrap();
            let name = folder.file_name().unwrap().to_string_lossy().into_owned();
            Run { name, folder, expected: serde_json::from_str(&text).unwrap() }
        })
        .collect();
    runs.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(!runs.is_empty());
    runs
}

/// The arguments of a run, its files in `root`.
pub fn arguments(expected: &Value, root: &Path) -> Vec<String> {
    let file = |name: &Value| root.join(name.as_str().unwrap()).display().to_string();
    let mut arguments = Vec::new();
    for config in expected["config"].as_array().unwrap() {
        arguments.extend(["--config".to_owned(), file(config)]);
    }
    for (port, capture) in expected["in"].as_object().unwrap() {
        arguments.extend(["--in".to_owned(), format!("{port}={}", file(capture))]);
    }
    for change in expected["at"].as_array().unwrap() {
        let time = change[0].as_str().unwrap();
        arguments.extend(["--at".to_owned(), format!("{time}={}", file(&change[1]))]);
    }
    let options = expected["options"].as_array().unwrap();
    arguments.extend(options.iter().map(|option| option.as_str().unwrap().to_owned()));
    arguments
}
