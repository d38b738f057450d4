//! The conformance suite of `dash-hal` on each machine's own ports, which QEMU wires together.
//!
//! These tests build images and need QEMU: `cargo test -p dash-runner -- --ignored`.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use dash_hal::conformance::Case;
use dash_protocol::data_mac;
use dash_runner::{
    cli::Arch,
    log::{Log, table},
};

/// The suite takes a second, most of it to see that frames are not there.
const TIMEOUT: Duration = Duration::from_mins(2);

/// Builds the image and names it.
fn image(arch: Arch) -> PathBuf {
    let name = format!("{}-conformance", arch.package());
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--message-format", "json-render-diagnostics"]).args([
        "--package",
        arch.package(),
        "--bin",
        &name,
        "--target",
        arch.target(),
    ]);
    let output = cargo.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    assert!(output.status.success(), "cargo builds no {name}\n{}", text(output.stderr));
    let messages = text(output.stdout);
    let mut messages = messages.lines().map(|line| serde_json::from_str(line).unwrap());
    let built = messages.find(|message: &serde_json::Value| message["target"]["name"] == *name);
    built.unwrap()["executable"].as_str().unwrap().into()
}

/// A data port whose frames go to the socket `to`. Between two such sockets none is lost, and none
/// overtakes another, as they do on a hub of QEMU's.
fn port(qemu: &mut Command, number: u8, sockets: &Path, to: u8) {
    let path = |number: u8| sockets.join(number.to_string()).display().to_string();
    let mac = data_mac(number).map(|byte| format!("{byte:02x}")).join(":");
    let local = format!("local.type=unix,local.path={}", path(number));
    let remote = format!("remote.type=unix,remote.path={}", path(to));
    qemu.args(["-netdev", &format!("dgram,id=n{number},{local},{remote}")])
        .args(["-device", &format!("virtio-net-device,netdev=n{number},mac={mac}")]);
}

fn conforms(arch: Arch) {
    let image = image(arch);
    let sockets = tempfile::tempdir().unwrap();
    let (command, machine) = arch.qemu();
    let mut qemu = Command::new(command);
    qemu.args(machine)
        .args(["-m", "64M", "-display", "none", "-monitor", "none", "-serial", "none"])
        .args(["-semihosting-config", "enable=on,target=native"])
        .args(["-global", "virtio-mmio.force-legacy=false", "-device", "virtio-rng-device"])
        .arg("-kernel")
        .arg(&image)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    port(&mut qemu, 0, sockets.path(), 1);
    port(&mut qemu, 1, sockets.path(), 0);
    let meaning = table(&std::fs::read(&image).unwrap()).unwrap();
    let mut child = qemu.spawn().unwrap();
    let mut log = Log::of(&mut child, meaning, false);
    let until = Instant::now() + TIMEOUT;
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if Instant::now() > until => break None,
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    // Without effect on one that has ended.
    let _ = child.kill();
    let _ = child.wait();
    let lines = log.last();
    let passed = lines.iter().filter(|line| line.ends_with(": Passed")).count();
    let all = passed == Case::ALL.len() && status.is_some_and(|status| status.success());
    assert!(all, "{status:?}\n{}", lines.join("\n"));
}

#[test]
#[ignore = "builds images, needs QEMU"]
fn aarch64_conforms() {
    conforms(Arch::Aarch64);
}

#[test]
#[ignore = "builds images, needs QEMU"]
fn riscv64_conforms() {
    conforms(Arch::Riscv64);
}

#[test]
#[ignore = "builds images, needs QEMU"]
fn riscv32_conforms() {
    conforms(Arch::Riscv32);
}
