//! What the firmware's output is compared with: that of `dash run`.

// Each test binary uses its own part.
#![allow(dead_code, unreachable_pub)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use clap::Parser;
use dash_host::{
    capture::{CaptureReader, CaptureWriter},
    cli::RunArgs,
};
use dash_runner::cli::Args;

/// A shipped example.
pub fn example(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)
}

/// Arguments of the runner that write to `out`.
pub fn args(arch: &str, out: &Path, rest: &[String]) -> Args {
    let out = out.display().to_string();
    let first = ["dash-runner", "--arch", arch, "--out", &out].map(str::to_owned);
    Args::parse_from(first.into_iter().chain(rest.iter().cloned()))
}

/// The files that `dash run` writes.
pub fn expected(args: &Args) -> BTreeMap<String, Vec<u8>> {
    let out = tempfile::tempdir().unwrap();
    let args = RunArgs { input: args.input.clone(), out: out.path().to_owned(), trace: false };
    dash_host::run::run(&args, &mut std::io::sink(), &mut std::io::sink()).unwrap();
    files(out.path())
}

/// The files of a folder by name.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(path).unwrap())
        })
        .collect()
}

/// Sees that `folder` holds what `dash run` writes.
pub fn compare(name: &str, folder: &Path, args: &Args) {
    let (sent, expected) = (files(folder), expected(args));
    assert_eq!(sent.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{name}");
    for (file, bytes) in &expected {
        if file == "report.json" {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            assert_eq!(text(&sent[file]), text(bytes), "{name}");
        }
        assert!(sent[file] == *bytes, "{name}: {file} differs");
    }
}

/// Pseudo-random numbers (Marsaglia, Xorshift RNGs, 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    /// True once in `times`.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// Where the customer's source port stands, all headers of IPv4 and without options.
const CUSTOMER_PORT: usize = 14 + 20 + 8 + 8 + 14 + 20;

/// Writes two captures of `count` frames in all to `folder`, for ports 0 and 1: frames of the
/// shipped captures with other customer ports, some of them damaged or cut, at times that mostly
/// go forward. Answers the arguments of a run over them, with a change in its middle.
pub fn random_frames(folder: &Path, count: usize, seed: u64) -> Vec<String> {
    let root = example("vnet-to-vnet");
    let mut frames = Vec::new();
    for capture in ["internet", "transports", "vm-overlay6", "answer-alone", "drops"] {
        let path = root.join(capture).with_extension("pcap");
        let mut reader = CaptureReader::open(&path).unwrap();
        while let Some(record) = reader.next_record().unwrap() {
            frames.push(record.bytes);
        }
    }
    let paths = ["0", "1"].map(|port| folder.join(port).with_extension("pcap"));
    let mut writers = paths.each_ref().map(|path| CaptureWriter::create(path).unwrap());
    let mut random = Random(seed);
    let mut port = 0;
    let mut time = 1_700_000_000_000_000_000;
    for _ in 0..count {
        let mut frame = frames[random.below(frames.len())].clone();
        if random.once_in(2)
            && let Some(place) = frame.get_mut(CUSTOMER_PORT)
        {
            *place = random.below(256) as u8;
        }
        if random.once_in(16) {
            let at = random.below(frame.len());
            frame[at] = random.below(256) as u8;
        }
        if random.once_in(64) {
            frame.truncate(random.below(frame.len()));
        }
        if random.once_in(20) {
            port = 1 - port;
        }
        time += random.below(10_000_000) as u64;
        let step_back = if random.once_in(50) { 1_000_000 } else { 0 };
        writers[port].write(time - step_back, &frame).unwrap();
    }
    for writer in &mut writers {
        writer.finish().unwrap();
    }
    let change = root.join("change-unrelated.json").display().to_string();
    let config = root.join("internet.json").display().to_string();
    let [first, second] = paths.map(|path| path.display().to_string());
    // Half of the frames come before.
    let middle = count as u64 * 5_000_000 / 2 / 1_000_000_000;
    vec![
        "--config".to_owned(),
        config,
        "--in".to_owned(),
        format!("0={first}"),
        format!("1={second}"),
        "--at".to_owned(),
        format!("{middle}={change}"),
        "--idle-timeout".to_owned(),
        "5".to_owned(),
    ]
}
