//! The firmware with service chains: case 1 gives the frames of `dash run`, byte for byte, at each
//! of the four ports of the switch.
//!
//! It builds an image and needs QEMU: `cargo test -p dash-runner -- --ignored`.

mod host;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use clap::Parser;
use dash_core::{flow::WhenFull, pipeline::vnet::Settings};
use dash_hal::PortId;
use dash_host::{
    capture::CaptureReader,
    cli::{Cli, Command as Subcommand},
};
use dash_protocol::{ClockMode, Stamp, Start};
use dash_runner::{
    cli::Arch,
    firmware::{Firmware, Sent},
    machine::Machine,
};
use host::example;

/// Names of the data ports.
const PORTS: [&str; 4] = ["VM-App1", "VNF1-P2", "VNF1-P3", "VM-App2"];
/// The sides of the function, and how long a frame takes through it, ns.
const FUNCTION: [u16; 2] = [1, 2];
const WIRE: u64 = 1_000;

type Frames = Vec<(u64, Vec<u8>)>;

fn read(path: &Path) -> Frames {
    let Ok(mut reader) = CaptureReader::open(path) else { return Vec::new() };
    let mut frames = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        frames.push((record.time, record.bytes));
    }
    frames
}

/// What leaves by each port on the host.
fn expected() -> BTreeMap<u16, Frames> {
    let out = tempfile::tempdir().unwrap();
    let file = |name: &str| example("service-chains").join(name).display().to_string();
    let [in1, in2] = [("VM-App1", "app1.pcap"), ("VM-App2", "app2.pcap")]
        .map(|(port, capture)| format!("{port}={}", file(capture)));
    let (config, wire) = (file("case1.json"), format!("{}={}", PORTS[1], PORTS[2]));
    let folder = out.path().display().to_string();
    let line = ["dash", "run", "--config", &config, "--in", &in1, &in2, "--wire", &wire];
    let cli = Cli::parse_from(line.into_iter().chain(["--out", &folder]));
    let Subcommand::Run(args) = cli.command else { unreachable!("it says run") };
    dash_host::run::run(&args, &mut std::io::sink(), &mut std::io::sink()).unwrap();
    let capture = |name: &str| read(&out.path().join(name).with_extension("pcap"));
    (0..).zip(PORTS.map(capture)).collect()
}

/// Builds the image and names it.
fn image() -> PathBuf {
    const NAME: &str = "dash-qemu-aarch64-chains";
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--release", "--message-format", "json-render-diagnostics", "--bin", NAME])
        .args(["--package", Arch::Aarch64.package(), "--target", Arch::Aarch64.target()]);
    let output = cargo.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    assert!(output.status.success(), "cargo builds no {NAME}\n{}", text(output.stderr));
    let messages = text(output.stdout);
    let mut messages = messages.lines().map(|line| serde_json::from_str(line).unwrap());
    let built = messages.find(|message: &serde_json::Value| message["target"]["name"] == NAME);
    built.unwrap()["executable"].as_str().unwrap().into()
}

#[test]
#[ignore = "builds images, needs QEMU"]
fn case_1_on_aarch64() {
    let (mut machine, wires) = Machine::boot(Arch::Aarch64, &image(), false).unwrap();
    let mut firmware = Firmware::greet(wires, Duration::from_mins(1)).unwrap();
    let start = Start {
        clock: ClockMode::Capture,
        settings: Settings::default(),
        when_full: WhenFull::Forward,
        mtu: 1500,
        flows: 1024,
        seed: None,
    };
    firmware.start(start).unwrap();
    let mut sent: BTreeMap<u16, Frames> = (0..4).map(|port| (port, Vec::new())).collect();
    for (port, capture) in [(0, "app1.pcap"), (3, "app2.pcap")] {
        for (time, frame) in read(&example("service-chains").join(capture)) {
            let mut waiting = vec![(port, time, frame)];
            while let Some((port, time, frame)) = waiting.pop() {
                let stamp = Stamp { time, truncated: false };
                firmware.send(PortId(port), stamp, &frame).unwrap();
                for Sent { port: PortId(port), stamp, bytes } in firmware.rest().unwrap() {
                    // Out of one side of the function, in at the other.
                    if let Some(side) = FUNCTION.iter().position(|side| *side == port) {
                        waiting.push((FUNCTION[1 - side], stamp.time + WIRE, bytes.clone()));
                    }
                    sent.entry(port).or_default().push((stamp.time, bytes));
                }
            }
        }
    }
    firmware.stop().unwrap();
    machine.end(Duration::from_secs(10)).unwrap();
    let expected = expected();
    assert!(expected.values().all(|frames| frames.len() == 1));
    assert_eq!(sent, expected);
}
