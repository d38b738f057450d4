//! The firmware on its machines: each gives the files of `dash run`, byte for byte.
//!
//! These tests build images and need QEMU: `cargo test -p dash-runner -- --ignored`.

mod host;
#[path = "../../host/tests/shipped/mod.rs"]
mod shipped;

use std::time::Duration;

use clap::ValueEnum;
use dash_runner::{
    cli::Arch,
    error::Error,
    firmware::{Firmware, FirmwareError},
    image::build,
    machine::Machine,
    run::run,
};
use host::{args, compare, example, random_frames};
use serde_json::Value;
use shipped::{Run, arguments, runs};

/// What an image is built for; runs that share it follow each other.
fn built_for(run: &Run) -> String {
    let ports = run.expected["in"].as_object().map(|ports| ports.keys().collect::<Vec<_>>());
    format!("{:?} {:?} {:?}", run.expected["config"], run.expected["at"], ports)
}

fn every_run(arch: &str) {
    let root = example("vnet-to-vnet");
    let mut runs = runs(&root);
    runs.sort_by_key(built_for);
    for Run { name, expected, .. } in runs {
        let out = tempfile::tempdir().unwrap();
        let args = args(arch, out.path(), &arguments(&expected, &root));
        run(&args, &mut std::io::sink(), &mut std::io::sink())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        compare(&name, out.path(), &args);
    }
}

fn many_frames(arch: &str) {
    let folder = tempfile::tempdir().unwrap();
    let rest = random_frames(folder.path(), 10_000, 44);
    let args = args(arch, &folder.path().join("out"), &rest);
    let mut summary = Vec::new();
    run(&args, &mut summary, &mut std::io::sink()).unwrap_or_else(|error| panic!("{error}"));
    compare("many frames", &args.out, &args);
    // None is lost: each leaves or is dropped for a reason.
    let report = std::fs::read_to_string(args.out.join("report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    let packets = |way: &str| -> u64 {
        let ports = report["ports"].as_object().unwrap().values();
        ports.map(|port| port[way]["packets"].as_u64().unwrap()).sum()
    };
    let drops = report["drops"].as_object().unwrap().values();
    let dropped: u64 = drops.map(|count| count.as_u64().unwrap()).sum();
    assert_eq!((packets("rx"), packets("tx") + dropped), (10_000, 10_000));
}

#[test]
#[ignore = "builds images, needs QEMU"]
fn every_run_on_aarch64() {
    every_run("aarch64");
}

#[test]
#[ignore = "builds images, needs QEMU"]
fn every_run_on_riscv64() {
    every_run("riscv64");
}

#[test]
#[ignore = "builds images, needs QEMU"]
fn every_run_on_riscv32() {
    every_run("riscv32");
}

#[test]
#[ignore = "builds images, needs QEMU"]
fn many_frames_on_aarch64() {
    many_frames("aarch64");
}

#[test]
#[ignore = "builds images, needs QEMU"]
fn many_frames_on_riscv64() {
    many_frames("riscv64");
}

#[test]
#[ignore = "builds images, needs QEMU"]
fn many_frames_on_riscv32() {
    many_frames("riscv32");
}

#[test]
#[ignore = "builds images, needs QEMU"]
fn the_log_of_a_firmware_that_is_given_up_is_readable() {
    let root = example("vnet-to-vnet");
    let published = &runs(&root).into_iter().find(|run| run.name == "published-vm").unwrap();
    for arch in Arch::value_variants() {
        let folder = tempfile::tempdir().unwrap();
        let rest = arguments(&published.expected, &root);
        let input = args("aarch64", folder.path(), &rest).input;
        let image = build(*arch, &input, folder.path()).unwrap();
        let (machine, wires) = Machine::boot(*arch, &image, false).unwrap();
        drop(Firmware::greet(wires, Duration::from_secs(20)).unwrap());
        let message = machine.explain(FirmwareError::Ended.into()).to_string();
        assert!(message.contains("INFO Ready"), "{arch:?}: {message}");
    }
}

/// An image for aarch64 that loops.
fn idle_image() -> Vec<u8> {
    const BASE: u64 = 0x4008_0000;
    const HEADERS: u64 = 64 + 56;
    const BRANCH_TO_ITSELF: u32 = 0x1400_0000;
    let size = HEADERS + 4;
    let halves = |halves: &[u16]| halves.iter().flat_map(|half| half.to_le_bytes()).collect();
    let words = |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let parts: [Vec<u8>; 7] = [
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec(),
        // Executable, AArch64, version 1.
        halves(&[2, 183, 1, 0]),
        words(&[BASE + HEADERS, 64, 0]),
        halves(&[0, 0, 64, 56, 1, 64, 0, 0]),
        // One segment: loaded, read and executed.
        halves(&[1, 0, 5, 0]),
        words(&[0, BASE, BASE, size, size, 4096]),
        BRANCH_TO_ITSELF.to_le_bytes().to_vec(),
    ];
    parts.concat()
}

/// What the runner says of a machine with this image, which must not come up.
fn not_up(image: &[u8]) -> (FirmwareError, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.elf");
    std::fs::write(&path, image).unwrap();
    let (machine, wires) = Machine::boot(Arch::Aarch64, &path, false).unwrap();
    let error = Firmware::greet(wires, Duration::from_secs(1)).unwrap_err();
    let message = machine.explain(Error::Qemu { command: "", message: String::new() }).to_string();
    (error, message)
}

#[test]
#[ignore = "needs QEMU"]
fn a_machine_that_says_nothing_is_ended() {
    let (error, message) = not_up(&idle_image());
    assert!(matches!(error, FirmwareError::Silent { .. }), "{error}");
    assert!(message.contains("qemu-system-aarch64 was running, and was ended"), "{message}");
    assert!(message.contains("nothing was logged"), "{message}");
}

/// The image is this program, which is of another machine.
#[test]
#[ignore = "needs QEMU"]
fn a_machine_that_ends_tells_why() {
    let image = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let (error, message) = not_up(&image);
    assert!(matches!(error, FirmwareError::Ended), "{error}");
    assert!(message.contains("qemu-system-aarch64 ended: exit status: 1"), "{message}");
}

/// QEMU would take it for a raw image and run.
#[test]
fn an_image_that_is_none_is_not_booted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.elf");
    std::fs::write(&path, [0; 64]).unwrap();
    let failed = Machine::boot(Arch::Riscv64, &path, false);
    assert!(matches!(failed, Err(Error::Qemu { .. })), "{failed:?}");
}
