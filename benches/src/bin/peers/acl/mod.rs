//! The ACL, beside `rte_acl`: `acl.c`, with the same rules and headers; and the five stages of one
//! direction, beside the machine's random reads.

mod work;

use std::{hint::black_box, sync::atomic::AtomicU32};

use dash_benches::CpuTime;
use dash_core::table::{
    acl::{Acl, AclWriter, Capacity, Headers, Match},
    quiescence::Readers,
};
use smoltcp::wire::IpVersion;

use crate::turns::{Failure, Line, Part};
use work::{Family, RuleSet};

/// Packets that are classified by one call.
const BURST: usize = 32;
/// Words for images and for compiling them, 64 MB.
const WORDS: usize = 16 << 20;

/// Groups that are compiled, in memory of their own.
struct Groups {
    writer: AclWriter<'static>,
    acl: Acl<'static>,
    /// Bytes of all images.
    bytes: u64,
}

impl Groups {
    fn new(groups: usize) -> Result<Self, Failure> {
        let capacity = Capacity { groups, words: WORDS, tags: 0, tag_prefixes: 0 };
        let words: Vec<AtomicU32> =
            (0..AclWriter::words_for(&capacity)).map(|_| AtomicU32::new(0)).collect();
        // Nothing reads while a group is compiled.
        let readers = Readers::new(&[]);
        let writer = AclWriter::new(words.leak(), &capacity, readers)
            .map_err(|error| format!("{error:?}"))?;
        Ok(Self { acl: writer.table(), writer, bytes: 0 })
    }

    /// Compiles one; the CPU time and the bytes of the image.
    fn set(&mut self, group: u32, set: &RuleSet) -> Result<(CpuTime, u64), Failure> {
        let version = if set.family == Family::V4 { IpVersion::Ipv4 } else { IpVersion::Ipv6 };
        let rules = set.rules();
        let mut time = CpuTime::default();
        time.start();
        let size = self.writer.compile(version, &rules).map_err(|error| format!("{error:?}"))?;
        time.stop();
        self.writer.set_group(group, version, &rules).map_err(|error| format!("{error:?}"))?;
        let bytes = 4 * size.compiled as u64;
        eprintln!("compiled {} rules: {bytes} bytes, scratch {}", rules.len(), 4 * size.scratch);
        Ok((time, bytes))
    }

    /// The sum of the numbers of the rules that a group finds.
    fn sum(&self, group: u32, headers: &[Headers]) -> u64 {
        let mut found = [Match::NoGroup; BURST];
        let mut sum = 0;
        for headers in headers.chunks(BURST) {
            self.acl.classify_burst(group, headers, &mut found);
            for found in &found[..headers.len()] {
                sum +=
                    if let Match::Rule { priority, .. } = found { u64::from(*priority) } else { 0 };
            }
        }
        sum
    }
}

/// One set of rules and its traces.
struct OneGroup {
    groups: Groups,
    name: String,
    set: RuleSet,
    traces: Vec<(String, Vec<Headers>)>,
}

/// `acl [--v6 pre|spread] FOLDER NAME LABEL=TRACE...`.
pub(crate) fn start(arguments: &[String]) -> Result<Box<dyn Part>, Failure> {
    let (family, rest) = match arguments {
        [flag, how, rest @ ..] if flag == "--v6" => (Family::mapped(how)?, rest),
        rest => (Family::V4, rest),
    };
    let [folder, name, traces @ ..] = rest else {
        return Err("usage: peers acl [--v6 pre|spread] FOLDER NAME LABEL=TRACE...".into());
    };
    let set = RuleSet::load(&format!("{folder}/{name}.rules.gz"), family)?;
    let traces = traces
        .iter()
        .map(|trace| {
            let (label, path) = trace.split_once('=').ok_or("LABEL=TRACE")?;
            Ok((label.to_owned(), work::trace(path, family)?))
        })
        .collect::<Result<_, Failure>>()?;
    let mut groups = Groups::new(1)?;
    (_, groups.bytes) = groups.set(0, &set)?;
    Ok(Box::new(OneGroup { groups, name: format!("{name}{}", family.label()), set, traces }))
}

impl Part for OneGroup {
    fn round(&mut self, phase: &str) -> Result<(), Failure> {
        let entries = self.set.len() as u64;
        if phase == "compile" {
            let (time, bytes) = self.groups.set(0, &self.set)?;
            let work = format!("{} compile", self.name);
            let line = Line { program: "dash_acl", work, entries, bytes, queries: 1 };
            line.print(time.total(), 1, entries, "");
            return Ok(());
        }
        for (label, headers) in &self.traces {
            let line = Line {
                program: "dash_acl_burst32",
                work: format!("{} {label}", self.name),
                entries,
                bytes: self.groups.bytes,
                queries: headers.len() as u64,
            };
            line.measure(|| self.groups.sum(0, black_box(headers)))?;
        }
        Ok(())
    }
}

/// The groups of the stages of one direction, and headers drawn from all of them in equal parts.
struct Stages {
    groups: Groups,
    count: u32,
    headers: Vec<Headers>,
}

/// `stages FOLDER NAME...`: every header is classified by all groups, no decision taken.
pub(crate) fn start_stages(arguments: &[String]) -> Result<Box<dyn Part>, Failure> {
    let [folder, names @ ..] = arguments else {
        return Err("usage: peers stages FOLDER NAME...".into());
    };
    let mut groups = Groups::new(names.len())?;
    let mut parts = Vec::new();
    for (group, name) in (0..).zip(names) {
        let set = RuleSet::load(&format!("{folder}/{name}.rules.gz"), Family::V4)?;
        groups.bytes += groups.set(group, &set)?.1;
        parts.push(work::trace(&format!("{folder}/{name}.uniform.trace.gz"), Family::V4)?);
    }
    // One of each in turn.
    let length = parts.iter().map(Vec::len).min().unwrap_or(0);
    let headers = (0..length).flat_map(|index| parts.iter().map(move |part| part[index])).collect();
    Ok(Box::new(Stages { groups, count: names.len() as u32, headers }))
}

impl Part for Stages {
    fn round(&mut self, _: &str) -> Result<(), Failure> {
        let line = Line {
            program: "dash_acl_burst32",
            work: format!("{} stages", self.count),
            entries: self.count.into(),
            bytes: self.groups.bytes,
            queries: self.headers.len() as u64,
        };
        line.measure(|| {
            let bursts = black_box(&self.headers).chunks(BURST);
            bursts
                .map(|headers| {
                    (0..self.count).map(|group| self.groups.sum(group, headers)).sum::<u64>()
                })
                .sum()
        })
    }
}
