//! Captures in and out, options, and changes in the course of a run.

mod command;

use std::{fs, path::Path};

use command::{Outcome, dash, examples};
use dash_host::capture::{CaptureReader, CaptureWriter, Merge, Record};
use serde_json::{Value, json};

const ETHERNET: u32 = 1;

/// A pcap: little or big-endian, micro- or nanoseconds; records of time, original length, bytes.
fn pcap(big: bool, magic: u32, link: u32, records: &[(u32, u32, u32, &[u8])]) -> Vec<u8> {
    let word = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let half = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let mut file = word(magic).to_vec();
    file.extend(half(2).into_iter().chain(half(4)));
    for value in [0, 0, 65_535, link] {
        file.extend(word(value));
    }
    for (seconds, fraction, original, bytes) in records {
        for value in [*seconds, *fraction, bytes.len() as u32, *original] {
            file.extend(word(value));
        }
        file.extend_from_slice(bytes);
    }
    file
}

/// A block of pcapng.
fn block(big: bool, kind: u32, body: &[u8]) -> Vec<u8> {
    let word = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let length = word(body.len() as u32 + 12);
    [&word(kind)[..], &length, &body, &length].concat()
}

/// A pcapng section of one interface with this resolution and offset, and one packet.
fn pcapng(big: bool, resolution: Option<u8>, offset: Option<i64>, ticks: u64) -> Vec<u8> {
    let word = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let half = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let option = |code: u16, value: &[u8]| {
        let mut option = [half(code), half(value.len() as u16)].concat();
        option.extend_from_slice(value);
        option.resize(option.len().next_multiple_of(4), 0);
        option
    };
    let header = [&word(0x1a2b_3c4d)[..], &half(1), &half(0), &[0xff; 8]].concat();
    let mut interface = [&half(ETHERNET as u16)[..], &half(0), &word(0)].concat();
    if let Some(resolution) = resolution {
        interface.extend(option(9, &[resolution]));
    }
    if let Some(offset) = offset {
        interface
            .extend(option(14, &if big { offset.to_be_bytes() } else { offset.to_le_bytes() }));
    }
    interface.extend(option(0, &[]));
    let frame = [7; 61];
    let words = [0, (ticks >> 32) as u32, ticks as u32, frame.len() as u32, 100];
    let packet: Vec<u8> = words.into_iter().flat_map(word).chain(frame).collect();
    [block(big, 0x0a0d_0d0a, &header), block(big, 1, &interface), block(big, 6, &packet)].concat()
}

fn records(folder: &Path, bytes: &[u8]) -> Result<Vec<Record>, String> {
    let path = folder.join("capture");
    fs::write(&path, bytes).unwrap();
    let mut reader = CaptureReader::open(&path).map_err(|error| error.to_string())?;
    let mut records = Vec::new();
    while let Some(record) = reader.next_record().map_err(|error| error.to_string())? {
        records.push(record);
    }
    Ok(records)
}

#[test]
fn pcap_of_both_orders_and_resolutions_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let frame: &[u8] = &[1, 2, 3];
    for (magic, nanoseconds) in [(0xa1b2_c3d4, 5_000_006_000), (0xa1b2_3c4d, 5_000_000_006)] {
        for big in [false, true] {
            let file = pcap(big, magic, ETHERNET, &[(5, 6, 3, frame), (5, 6, 4, frame)]);
            let records = records(folder.path(), &file).unwrap();
            let record = |truncated| Record { time: nanoseconds, bytes: frame.to_vec(), truncated };
            assert_eq!(records, [record(false), record(true)], "{magic:x} {big}");
        }
    }
}

#[test]
fn pcapng_timestamps_follow_the_resolution_of_the_interface() {
    let folder = tempfile::tempdir().unwrap();
    for (resolution, offset, ticks, nanoseconds) in [
        (None, None, 1_500_000_u64, 1_500_000_000_u64),
        (Some(6), None, 1 << 40, (1 << 40) * 1000),
        (Some(9), None, 1_500_000_001, 1_500_000_001),
        (Some(3), None, 1500, 1_500_000_000),
        (Some(0x80 | 0x14), None, 3 << 19, 1_500_000_000),
        (Some(9), Some(10), 1, 10_000_000_001),
    ] {
        for big in [false, true] {
            let file = pcapng(big, resolution, offset, ticks);
            let records = records(folder.path(), &file).unwrap();
            assert_eq!(records.len(), 1);
            assert_eq!(records[0].time, nanoseconds, "{resolution:?} {offset:?} {big}");
            assert_eq!(records[0].bytes, [7; 61]);
            assert!(records[0].truncated);
        }
    }
}

#[test]
fn what_is_no_capture_of_ethernet_frames_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let good = pcap(false, 0xa1b2_c3d4, ETHERNET, &[(1, 0, 3, &[1, 2, 3])]);
    for (bytes, expected) in [
        (Vec::new(), "neither pcap nor pcapng"),
        (vec![1; 100], "neither pcap nor pcapng"),
        (good[..10].to_vec(), "neither pcap nor pcapng"),
        (good[..good.len() - 1].to_vec(), "in the middle of a record"),
        (pcap(false, 0xa1b2_c3d4, 113, &[]), "link type 113"),
        ([good.clone(), [0xff; 16].to_vec()].concat(), "in the middle of a record"),
    ] {
        let error = records(folder.path(), &bytes).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let outcome = dash(["run", "--config", "x", "--in", "0=/nowhere", "--out", "x"]);
    assert_eq!(outcome.code, 2);
}

#[test]
fn a_frame_longer_than_the_read_buffer_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let frame = vec![9; 1 << 20];
    let file = pcap(false, 0xa1b2_3c4d, ETHERNET, &[(1, 0, 1 << 20, &frame), (2, 0, 1, &[1])]);
    let records = records(folder.path(), &file).unwrap();
    assert_eq!((records[0].bytes.len(), records[1].time), (1 << 20, 2_000_000_000));
}

#[test]
fn written_captures_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.pcap");
    let mut writer = CaptureWriter::create(&path).unwrap();
    writer.write(1_700_000_000_123_456_789, &[1, 2]).unwrap();
    writer.finish().unwrap();
    let records = records(folder.path(), &fs::read(&path).unwrap()).unwrap();
    let expected = Record { time: 1_700_000_000_123_456_789, bytes: vec![1, 2], truncated: false };
    assert_eq!(records, [expected]);
}

#[test]
fn captures_merge_by_time_and_a_step_back_keeps_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, times: &[u32]| {
        let frames: Vec<(u32, u32, u32, &[u8])> =
            times.iter().map(|time| (*time, 0, 1, &[0][..])).collect();
        let path = folder.path().join(name);
        fs::write(&path, pcap(false, 0xa1b2_3c4d, ETHERNET, &frames)).unwrap();
        CaptureReader::open(&path).unwrap()
    };
    let readers = vec![write("a", &[2, 5, 1, 6]), write("b", &[1, 2, 5, 7]), write("c", &[])];
    let mut merge = Merge::new(readers).unwrap();
    let mut order = Vec::new();
    while let Some((index, record)) = merge.next_record().unwrap() {
        order.push((index, record.time / 1_000_000_000));
    }
    // Equal times in the order of the arguments; the record of time 1 behind 5 takes its turn at 5.
    assert_eq!(order, [(1, 1), (0, 2), (1, 2), (0, 5), (0, 1), (1, 5), (0, 6), (1, 7)]);
}

fn example(file: &str) -> String {
    examples().join("vnet-to-vnet").join(file).display().to_string()
}

/// Runs the example of the internet with `more` arguments; answers what it said and the report.
fn internet(more: &[&str]) -> (Outcome, Value) {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().display().to_string();
    let (config, input) = (example("internet.json"), format!("0={}", example("internet.pcap")));
    let mut arguments = vec!["run", "--config", &config, "--in", &input, "--out", &folder];
    arguments.extend(more);
    let outcome = dash(arguments);
    let report = fs::read_to_string(out.path().join("report.json")).unwrap_or("null".to_owned());
    (outcome, serde_json::from_str(&report).unwrap())
}

#[test]
fn an_answer_passes_by_its_flow_also_after_a_change() {
    let change = format!("1={}", example("change-unrelated.json"));
    for more in [&[][..], &["--at", &change]] {
        let (outcome, report) = internet(more);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        assert_eq!(report["drops"], json!({}));
        assert!(outcome.stdout.contains("9 frames in, 9 out, 0 dropped"), "{}", outcome.stdout);
    }
}

#[test]
fn flows_that_find_no_place_fare_as_the_options_say() {
    let counted = |more: &[&str]| {
        let (outcome, report) = internet(more);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let eni = &report["enis"]["02-00-00-00-00-01"];
        let flows = report["flows"].as_array().unwrap().len();
        let counts = ["flow_create_failed", "flow_limit_reached"].map(|name| eni[name].as_u64());
        (counts.map(Option::unwrap), report["drops"].clone(), flows)
    };
    // Half a conversation is not remembered: answers meet the ACL.
    let answers = json!({ "acl_in_drop.1": 4 });
    assert_eq!(counted(&["--flows-per-eni", "1"]), ([5, 5], answers.clone(), 0));
    assert_eq!(counted(&["--flows", "1", "--when-full", "evict"]), ([5, 0], answers, 0));
    let all = json!({ "acl_in_drop.1": 4, "flow_table_full_drop": 5 });
    assert_eq!(counted(&["--flows", "1", "--when-full", "drop"]), ([5, 0], all, 0));
    let (_, none, flows) = counted(&["--flows-per-eni", "65536", "--fragment-timeout", "0"]);
    assert_eq!((none, flows > 0), (json!({}), true));
}

#[test]
fn an_eni_that_is_deleted_takes_its_flows_along() {
    let text = fs::read_to_string(example("internet.json")).unwrap();
    let objects: Vec<serde_json::Map<String, Value>> = serde_json::from_str(&text).unwrap();
    let of_eni = |key: &&String| key.contains("_TABLE:02-00-00-00-00-01");
    let removals: Vec<Value> = objects
        .iter()
        .filter_map(|object| object.keys().find(of_eni))
        .map(|key| json!({ key.as_str(): {}, "OP": "DEL" }))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("removal.json");
    fs::write(&file, json!(removals).to_string()).unwrap();
    let removal = format!("1={}", file.display());
    let (outcome, report) = internet(&["--at", &removal]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(report["flows"], json!([]));
    assert_eq!(report["drops"], json!({"eni_miss_drop": 3}));
}

#[test]
fn later_files_are_checked_before_the_first_frame() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("late.json");
    fs::write(&path, r#"[{"DASH_VNET_TABLE:Vnet1": {}, "OP": "DEL"}]"#).unwrap();
    // Far behind the last frame, and wrong all the same.
    let (outcome, report) = internet(&["--at", &format!("9999={}", path.display())]);
    assert_eq!(outcome.code, 2);
    assert!(outcome.stderr.contains("is deleted by"), "{}", outcome.stderr);
    assert_eq!((report, outcome.stdout.as_str()), (Value::Null, ""));
}

#[test]
fn a_change_is_due_at_its_time_to_the_nanosecond() {
    // Frames come at fixed times; closing before the second one removes the answers' way.
    let block = example("change-block-internet.json");
    let (at_start, _) = internet(&["--trace", "--at", &format!("0={block}")]);
    let first = at_start.stdout.lines().nth(1).unwrap();
    assert!(first.ends_with("Blocked (acl_out_drop.1)"), "{first}");
    let (later, _) = internet(&["--trace", "--at", &format!("0.000000001={block}")]);
    let first = later.stdout.lines().nth(1).unwrap();
    assert!(first.ends_with("port 0"), "{first}");
}

#[test]
fn bad_arguments_end_with_2() {
    for more in [
        &["--at", "x=y"][..],
        &["--at", "1"],
        &["--flows", "-1"],
        &["--idle-timeout", "-1"],
        &["--when-full", "wait"],
        &["--flows-per-eni", "-1"],
        &["--fragment-timeout", "x"],
        &["--mtu", "65522"],
        &["--in", "../x=y"],
        &["--in", "y"],
        &["--config", "/nowhere.json"],
    ] {
        let (outcome, report) = internet(more);
        assert_eq!(outcome.code, 2, "{more:?}: {}", outcome.stderr);
        assert_eq!(report, Value::Null);
    }
}

#[test]
fn output_that_cannot_be_written_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let (config, input) = (example("internet.json"), format!("0={}", example("internet.pcap")));
    let out = file.join("out").display().to_string();
    let outcome = dash(["run", "--config", &config, "--in", &input, "--out", &out]);
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("file/out"), "{}", outcome.stderr);
}

#[test]
fn a_damaged_capture_leaves_the_output_folder_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut bytes = fs::read(example("internet.pcap")).unwrap();
    bytes.truncate(bytes.len() - 10);
    fs::write(path("cut.pcap"), bytes).unwrap();
    let (config, input) = (example("internet.json"), format!("0={}", path("cut.pcap")));
    let run = |out: &str| dash(["run", "--config", &config, "--in", &input, "--out", out]);
    let outcome = run(&path("new"));
    assert_eq!(outcome.code, 2);
    assert!(outcome.stderr.contains("ends in the middle of a record"), "{}", outcome.stderr);
    assert!(!folder.path().join("new").exists());
    fs::create_dir(path("old")).unwrap();
    fs::write(path("old/0.pcap"), "before").unwrap();
    assert_eq!(run(&path("old")).code, 2);
    assert_eq!(fs::read_to_string(path("old/0.pcap")).unwrap(), "before");
    assert_eq!(fs::read_dir(path("old")).unwrap().count(), 1);
}

#[test]
fn an_input_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::copy(example("internet.pcap"), path("0.pcap")).unwrap();
    fs::copy(example("internet.json"), path("report.json")).unwrap();
    let before = fs::read(path("0.pcap")).unwrap();
    for (config, port) in [(example("internet.json"), "0"), (path("report.json"), "1")] {
        let input = format!("{port}={}", path("0.pcap"));
        let outcome = dash(["run", "--config", &config, "--in", &input, "--out", &path(".")]);
        assert_eq!(outcome.code, 2, "{}", outcome.stderr);
        assert!(outcome.stderr.contains("is an input"), "{}", outcome.stderr);
    }
    assert_eq!(fs::read(path("0.pcap")).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn a_malformed_frame_is_explained_without_an_empty_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("short.pcap");
    fs::write(&path, pcap(false, 0xa1b2_c3d4, ETHERNET, &[(1, 0, 3, &[1, 2, 3])])).unwrap();
    let (config, input) = (example("internet.json"), format!("0={}", path.display()));
    let outcome = dash(["explain", "--config", &config, "--in", &input, "--frame", "1"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(outcome.stdout.ends_with("ethernet_truncated\n"), "{}", outcome.stdout);
    assert!(!outcome.stdout.contains('|'), "{}", outcome.stdout);
}

#[test]
fn a_small_mtu_drops_and_counts() {
    let (outcome, report) = internet(&["--mtu", "20"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(report["drops"]["mtu_drop"].as_u64().unwrap() > 0, "{report}");
}
