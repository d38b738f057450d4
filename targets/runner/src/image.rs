//! Builds the image of a machine, with the configuration compiled in.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use dash_host::cli::InputArgs;
use dash_protocol::{CHANGES, CONFIG, PORTS};
use serde_json::Value;

use crate::{cli::Arch, error::Error};

/// What the image logs unless the environment says otherwise.
const LOG: (&str, &str) = ("DEFMT_LOG", "info");

/// Builds the image that `input` needs, and copies it into `folder`.
///
/// # Errors
/// Cargo does not build it.
pub fn build(arch: Arch, input: &InputArgs, folder: &Path) -> Result<PathBuf, Error> {
    let workspace = workspace();
    // Images of other configurations have the same name: none is built until this one is copied.
    let manifest = workspace.join("Cargo.toml");
    let lock = File::open(&manifest).and_then(|file| file.lock().map(|()| file));
    let _lock = lock.map_err(|error| Error::io(&manifest, error))?;
    // What cargo says on its way is for someone who waits; why it fails is for everyone.
    let watched = io::stderr().is_terminal();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(&workspace)
        .args(["build", "--release", "--message-format", "json-render-diagnostics"])
        .args(["--package", arch.package(), "--bin", arch.package(), "--target", arch.target()])
        .envs(environment(input)?)
        .stdin(Stdio::null())
        .stderr(if watched { Stdio::inherit() } else { Stdio::piped() });
    if env::var_os(LOG.0).is_none() {
        cargo.env(LOG.0, LOG.1);
    }
    let output = cargo.output().map_err(|error| Error::Build(format!("cargo: {error}")))?;
    if !output.status.success() {
        return Err(Error::Build(format!(
            "cargo has failed; it may need `rustup target add {}`\n{}",
            arch.target(),
            String::from_utf8_lossy(&output.stderr)
        )));
    }
    let built = executable(&output.stdout, arch.package())
        .ok_or_else(|| Error::Build("cargo names no image".to_owned()))?;
    let copy = folder.join("image.elf");
    fs::copy(&built, &copy).map_err(|error| Error::io(&built, error))?;
    Ok(copy)
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What the build step reads.
fn environment(input: &InputArgs) -> Result<[(&'static str, OsString); 3], Error> {
    let list = |files: &[PathBuf]| {
        let absolute: Result<Vec<_>, _> = files.iter().map(std::path::absolute).collect();
        let absolute = absolute.map_err(|error| Error::input(error.to_string()))?;
        env::join_paths(absolute).map_err(|error| Error::input(error.to_string()))
    };
    let mut changes: Vec<_> = input.at.iter().collect();
    // As the plan sorts them, since names get their numbers in this order.
    changes.sort_by_key(|(time, _)| *time);
    let changes: Vec<_> = changes.into_iter().map(|(_, path)| path.clone()).collect();
    let ports: Vec<_> = input.inputs.iter().map(|(port, _)| port.as_str()).collect();
    Ok([
        (CONFIG, list(&input.config)?),
        (CHANGES, list(&changes)?),
        (PORTS, ports.join("/").into()),
    ])
}

/// The executable of `package` in the messages of cargo, one JSON object a line.
fn executable(messages: &[u8], package: &str) -> Option<PathBuf> {
    let text = String::from_utf8_lossy(messages);
    let mut messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages.find_map(|message| {
        let of_package = message["target"]["name"] == package;
        message["executable"].as_str().filter(|_| of_package).map(PathBuf::from)
    })
}

#[cfg(test)]
mod tests {
    use dash_core::flow::WhenFull;

    use super::*;

    #[test]
    fn the_executable_is_found_among_the_messages() {
        let messages =
            br#"{"reason":"compiler-artifact","target":{"name":"dash-core"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"build-script-build"},"executable":"/b"}
{"reason":"compiler-artifact","target":{"name":"dash-qemu-aarch64"},"executable":"/t/fw"}
{"reason":"build-finished","success":true}
"#;
        assert_eq!(executable(messages, "dash-qemu-aarch64"), Some("/t/fw".into()));
        assert_eq!(executable(messages, "dash-qemu-riscv32"), None);
    }

    #[test]
    fn the_build_step_is_told_files_and_ports() {
        let input = InputArgs {
            config: vec!["a.json".into(), "/b.json".into()],
            inputs: vec![("0".to_owned(), "x".into()), ("up".to_owned(), "y".into())],
            flows: Some(0),
            when_full: WhenFull::Forward,
            flows_per_eni: 0,
            idle_timeout: Some(0),
            fragment_timeout: 0,
            tcp_strict: false,
            mtu: Some(0),
            wire: Vec::new(),
            control: None,
            at: vec![(2, "/later.json".into()), (1, "/sooner.json".into())],
        };
        let [config, changes, ports] = environment(&input).unwrap();
        let here = env::current_dir().unwrap().join("a.json");
        assert_eq!(env::split_paths(&config.1).collect::<Vec<_>>(), [here, "/b.json".into()]);
        assert_eq!(changes, (CHANGES, "/sooner.json:/later.json".into()));
        assert_eq!(ports, (PORTS, "0/up".into()));
    }
}
