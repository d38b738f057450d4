//! The runner with a firmware in a thread: the files of `dash run` when all goes well, a clear
//! error in time and no files when not.

mod fake;
mod host;
#[path = "../../host/tests/shipped/mod.rs"]
mod shipped;

use std::{fs, path::Path, time::Instant};

use dash_runner::{cli::Args, error::Error, run::Job};
use fake::{Fault, boot};
use host::{args, compare, example, random_frames};
use shipped::{Run, arguments, runs};

/// Runs with a firmware that has this fault.
fn run(args: &Args, fault: Fault) -> Result<(), Error> {
    let job = Job::read(args)?;
    let (wires, firmware) = boot(args, fault);
    let done = job.forward(args, wires);
    let written = done.and_then(|done| done.write(&mut std::io::sink()));
    firmware.join().unwrap();
    written
}

fn shipped_run_is_the_host_s(example: &Path) {
    for Run { name, expected, .. } in runs(example) {
        let out = tempfile::tempdir().unwrap();
        let args = args("aarch64", out.path(), &arguments(&expected, example));
        run(&args, Fault::None).unwrap();
        compare(&name, out.path(), &args);
    }
}

#[test]
fn every_shipped_run_gives_the_files_of_the_host() {
    shipped_run_is_the_host_s(&example("vnet-to-vnet"));
    shipped_run_is_the_host_s(&example("spec-frames"));
}

#[test]
fn many_random_frames_give_the_files_of_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let rest = random_frames(folder.path(), 10_000, 4);
    let args = args("aarch64", &folder.path().join("out"), &rest);
    run(&args, Fault::None).unwrap();
    compare("random", &args.out, &args);
    let report = fs::read_to_string(args.out.join("report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    // The frames do something.
    assert!(report["flows"].as_array().unwrap().len() > 100, "{report}");
    assert!(report["drops"].as_object().unwrap().len() > 10, "{report}");
}

/// What goes wrong with `fault`, in the run of the example with a change.
fn wrong(fault: Fault) -> String {
    let root = example("vnet-to-vnet");
    let file = |name: &str| root.join(name).display().to_string();
    let folder = tempfile::tempdir().unwrap();
    let rest = [
        "--config".to_owned(),
        file("internet.json"),
        "--in".to_owned(),
        format!("0={}", file("internet.pcap")),
        "--at".to_owned(),
        format!("1={}", file("change-unrelated.json")),
        "--timeout".to_owned(),
        "1".to_owned(),
    ];
    let args = args("aarch64", &folder.path().join("out"), &rest);
    let start = Instant::now();
    let error = run(&args, fault).unwrap_err();
    assert!(start.elapsed().as_secs() < 10, "{fault:?}");
    assert!(!args.out.exists(), "{fault:?} leaves files");
    assert_ne!(error.exit_code(), 0);
    error.to_string()
}

#[test]
fn a_firmware_at_fault_is_told_in_time_and_leaves_no_files() {
    for (fault, part) in [
        (Fault::Silent, "says nothing for 1 s; expected: a hello"),
        (Fault::Version, "no answer: Version"),
        (Fault::HangsAt(3), "says nothing for 1 s; expected: an answer"),
        (Fault::EndsAt(3), "the machine has ended before its time"),
        (Fault::StuckAt(3), "stuck for 1 s: 3 frames done of "),
        (Fault::Loses, "port 0: the firmware has sent 9 frames, 8 have arrived"),
        (Fault::NoStamp, "port 0: the firmware has sent a frame without its time"),
        (Fault::Babbles, "the firmware answers Progress with Done"),
        (Fault::Rejects, "the data plane refuses "),
        (Fault::Small, "--flows 65536: the image is built for 10"),
    ] {
        let message = wrong(fault);
        assert!(message.contains(part), "{fault:?}: {message}");
    }
}

/// The same, for a smaller firmware.
fn too_large(capture: &Path, rest: &[&str]) -> String {
    let root = example("vnet-to-vnet");
    let folder = tempfile::tempdir().unwrap();
    let config = root.join("internet.json").display().to_string();
    let input = format!("0={}", capture.display());
    let mut arguments = vec!["--config".to_owned(), config, "--in".to_owned(), input];
    arguments.extend(rest.iter().map(|&argument| argument.to_owned()));
    let args = args("aarch64", &folder.path().join("out"), &arguments);
    let error = run(&args, Fault::Small).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
    assert!(!args.out.exists());
    error.to_string()
}

#[test]
fn what_the_firmware_has_no_room_for_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("long.pcap");
    let mut writer = dash_host::capture::CaptureWriter::create(&long).unwrap();
    writer.write(1, &[0; 9115]).unwrap();
    writer.finish().unwrap();
    assert!(
        too_large(&long, &["--flows", "10"])
            .contains("frame 1 has 9115 bytes; the firmware takes frames of 9114")
    );
    assert!(
        too_large(&long, &["--flows", "10", "--mtu", "9101"])
            .contains("--mtu 9101: the firmware sends at most 9100")
    );
    let change = example("vnet-to-vnet").join("change-unrelated.json");
    let change = format!("0={}", change.display());
    let message = too_large(&long, &["--flows", "10", "--at", &change]);
    assert!(message.contains("the firmware has room for 8"), "{message}");
}

#[test]
fn more_ports_than_the_machine_has_are_refused() {
    let root = example("vnet-to-vnet");
    let folder = tempfile::tempdir().unwrap();
    let capture = root.join("vm.pcap").display().to_string();
    let config = root.join("published.json").display().to_string();
    let mut rest = vec!["--config".to_owned(), config, "--in".to_owned()];
    rest.extend((0..5).map(|port| format!("p{port}={capture}")));
    let args = args("riscv32", &folder.path().join("out"), &rest);
    let error = run(&args, Fault::None).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    let message = error.to_string();
    assert!(message.contains("5 ports are named (p0, p1, p2, p3, p4); the machine has 4"));
}
