//! Runs the command.

// Each test binary uses its own part.
#![allow(dead_code, unreachable_pub)]

use std::{path::PathBuf, process::Command};

/// What the command said.
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `dash` with `arguments`.
pub fn dash<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Outcome {
    let output = Command::new(env!("CARGO_BIN_EXE_dash")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Outcome {
        code: output.status.code().unwrap(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// The shipped examples.
pub fn examples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}
