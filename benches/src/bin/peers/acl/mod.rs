//! The ACL, beside `rte_acl`: `acl.c`, with the same rules and headers; and the five stages of one
//! direction, beside the machine's random reads.

pub(crate) mod tags;
#[cfg(test)]
mod tests;
mod work;

use std::{hint::black_box, sync::atomic::AtomicU32, time::Duration};

use dash_benches::{CpuTime, Prefetch};
use dash_core::table::{
    acl::{Acl, AclWriter, Capacity, Headers, Match, Rule},
    quiescence::Readers,
};
use smoltcp::wire::IpVersion;

use crate::turns::{Failure, Line, Part};
use work::{Family, RuleSet, Trace};

/// Packets that are classified by one call.
const BURST: usize = 32;
/// Words for images and for compiling them, 64 MB.
const WORDS: usize = 16 << 20;

/// Bytes of a packet, for the counters.
const PACKET: u64 = 64;

/// Groups that are compiled, in memory of their own.
struct Groups {
    writer: AclWriter<'static>,
    acl: Acl<'static>,
    /// Packets and bytes of each rule; the rule's value is its place.
    hits: Vec<[u64; 2]>,
    /// Bytes of all images.
    bytes: u64,
}

impl Groups {
    fn new(groups: usize, words: usize) -> Result<Self, Failure> {
        Self::with(&Capacity { groups, words, tags: 0, tag_prefixes: 0 })
    }

    fn with(capacity: &Capacity) -> Result<Self, Failure> {
        let words: Vec<AtomicU32> =
            (0..AclWriter::words_for(capacity)).map(|_| AtomicU32::new(0)).collect();
        // Nothing reads while a group is compiled.
        let readers = Readers::new(&[]);
        let writer = AclWriter::new(words.leak(), capacity, readers)
            .map_err(|error| format!("{error:?}"))?;
        Ok(Self { acl: writer.table(), writer, hits: Vec::new(), bytes: 0 })
    }

    /// Compiles one; the CPU time, and the bytes of the image and of the counters.
    fn set(&mut self, group: u32, set: &RuleSet) -> Result<(CpuTime, u64), Failure> {
        let version = if set.family == Family::V4 { IpVersion::Ipv4 } else { IpVersion::Ipv6 };
        self.compile(group, version, &set.rules(self.hits.len() as u32))
    }

    fn compile(
        &mut self,
        group: u32,
        version: IpVersion,
        rules: &[Rule<'_>],
    ) -> Result<(CpuTime, u64), Failure> {
        self.hits.resize(self.hits.len() + rules.len(), [0; 2]);
        let mut time = CpuTime::default();
        time.start();
        let size = self.writer.compile(version, rules).map_err(|error| format!("{error:?}"))?;
        time.stop();
        self.writer.set_group(group, version, rules).map_err(|error| format!("{error:?}"))?;
        let counters = size_of::<[u64; 2]>() * rules.len();
        let bytes = (4 * size.compiled + counters) as u64;
        let (count, scratch, took) = (rules.len(), 4 * size.scratch, time.total());
        eprintln!("compiled {count} rules in {took:?}: {bytes} bytes, scratch {scratch}");
        Ok((time, bytes))
    }

    /// The sum of the numbers of the rules that a group finds for a burst, each of which counts.
    fn sum(&mut self, group: u32, headers: &[Headers]) -> u64 {
        let mut found = [Match::NoGroup; BURST];
        let mut sum = 0;
        self.acl.classify_burst(group, headers, &mut found, &Prefetch);
        for found in &found[..headers.len()] {
            if let Match::Rule { priority, value } = found {
                sum += u64::from(*priority);
                if let Some([packets, bytes]) = self.hits.get_mut(*value as usize) {
                    *packets += 1;
                    *bytes += PACKET;
                }
            }
        }
        sum
    }

    /// The sum for all bursts of a trace.
    fn sum_all(&mut self, group: u32, trace: &Trace) -> u64 {
        let mut sum = 0;
        trace.bursts(|headers| sum += self.sum(group, headers));
        sum
    }
}

/// One set of rules and its traces.
struct OneGroup {
    groups: Groups,
    name: String,
    set: RuleSet,
    traces: Vec<(String, Trace)>,
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
            Ok((label.to_owned(), Trace::load(path, family)?))
        })
        .collect::<Result<_, Failure>>()?;
    let mut groups = Groups::new(1, WORDS)?;
    (_, groups.bytes) = groups.set(0, &set)?;
    Ok(Box::new(OneGroup { groups, name: format!("{name}{}", family.label()), set, traces }))
}

impl Part for OneGroup {
    fn round(&mut self, phase: &str) -> Result<(), Failure> {
        let entries = self.set.len() as u64;
        if phase == "compile" {
            self.groups.hits.clear();
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
            let groups = &mut self.groups;
            line.measure(|| groups.sum_all(0, black_box(headers)))?;
        }
        Ok(())
    }
}

/// The groups of the stages of one direction, and headers drawn from all of them in equal parts.
struct Stages {
    groups: Groups,
    /// How their prefixes overlap.
    overlap: String,
    sets: Vec<RuleSet>,
    headers: Trace,
}

/// Groups of all stages of both directions of the ENIs of one card.
const ALL_GROUPS: u32 = 320;
/// Words for them.
const ALL_WORDS: usize = 240 << 20;

/// `stages FOLDER OVERLAP NAME...`: every header is classified by all groups, no decision taken.
pub(crate) fn start_stages(arguments: &[String]) -> Result<Box<dyn Part>, Failure> {
    let [folder, overlap, names @ ..] = arguments else {
        return Err("usage: peers stages FOLDER OVERLAP NAME...".into());
    };
    let mut groups = Groups::new(names.len(), WORDS)?;
    let (mut sets, mut parts) = (Vec::new(), Vec::new());
    for (group, name) in (0..).zip(names) {
        let set = RuleSet::load(&format!("{folder}/{name}.rules.gz"), Family::V4)?;
        groups.bytes += groups.set(group, &set)?.1;
        sets.push(set);
        parts.push(work::all_headers(&format!("{folder}/{name}.uniform.trace.gz"), Family::V4)?);
    }
    // One of each in turn.
    let length = parts.iter().map(Vec::len).min().unwrap_or(0);
    let headers = (0..length).flat_map(|index| parts.iter().map(move |part| part[index])).collect();
    Ok(Box::new(Stages { groups, overlap: overlap.clone(), sets, headers: Trace::of(headers) }))
}

impl Part for Stages {
    fn round(&mut self, phase: &str) -> Result<(), Failure> {
        if phase == "compile" {
            return self.compile_all();
        }
        let Self { groups, overlap, sets, headers } = self;
        let line = Line {
            program: "dash_acl_burst32",
            work: format!("{} stages, {overlap}", sets.len()),
            entries: sets.len() as u64,
            bytes: groups.bytes,
            queries: headers.len() as u64,
        };
        line.measure(|| {
            let mut sum = 0;
            black_box(&*headers).bursts(|headers| {
                let stages = 0..sets.len() as u32;
                sum += stages.map(|group| groups.sum(group, headers)).sum::<u64>();
            });
            sum
        })
    }
}

impl Stages {
    /// All groups of a card; the time is that of one.
    fn compile_all(&self) -> Result<(), Failure> {
        let mut groups = Groups::new(ALL_GROUPS as usize, ALL_WORDS)?;
        let mut all = Duration::ZERO;
        for (group, set) in (0..ALL_GROUPS).zip(self.sets.iter().cycle()) {
            let (time, bytes) = groups.set(group, set)?;
            all += time.total();
            groups.bytes += bytes;
        }
        let work = format!("{ALL_GROUPS} groups, {}, compile", self.overlap);
        let bytes = groups.bytes;
        let entries = ALL_GROUPS.into();
        let line = Line { program: "dash_acl", work, entries, bytes, queries: 1 };
        line.print(all, ALL_GROUPS.into(), entries, "");
        Ok(())
    }
}
