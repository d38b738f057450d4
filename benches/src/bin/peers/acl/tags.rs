//! A group whose rules name tags, beside the same prefixes in the rules themselves; and changes of
//! a tag. Every rule has a tag of its own, and every tag as many prefixes; with `shared` all tags
//! have the same ones, so that an address is in all of them or in none.

use std::{
    collections::BTreeSet,
    hint::black_box,
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use dash_benches::{CpuTime, Random};
use dash_core::table::acl::{Capacity, Headers, Rule};
use smoltcp::wire::{IpCidr, IpVersion, Ipv4Address};

use super::{Groups, work::Trace};
use crate::turns::{Failure, Line, Part};

/// Headers that are classified.
const HEADERS: usize = 1 << 18;
/// Prefixes that are added and removed in one round, one by one.
const CHANGES: usize = 1 << 12;
/// Times that each is.
const REPEATS: usize = 5;
/// Words for an image and for compiling it, by prefix.
const WORDS: usize = 30;

struct Tags {
    inline: Groups,
    by_tag: Groups,
    /// The tags' prefixes, and then those that come and go.
    prefixes: Vec<Vec<IpCidr>>,
    changes: Vec<IpCidr>,
    headers: Trace,
    name: String,
}

/// `tags COUNT PREFIXES [shared]`.
pub(crate) fn start(arguments: &[String]) -> Result<Box<dyn Part>, Failure> {
    let (numbers, shared) = match arguments {
        [numbers @ .., flag] if flag == "shared" => (numbers, true),
        numbers => (numbers, false),
    };
    let [tags, each] = numbers else {
        return Err("usage: peers tags COUNT PREFIXES [shared]".into());
    };
    let (tags, each): (usize, usize) = (tags.parse()?, each.parse()?);
    let mut random = Random::new(0xacf);
    let mut draw = |count: usize| {
        let mut drawn = BTreeSet::new();
        while drawn.len() < count {
            let length =
                *[20_u8, 24, 24, 24, 28, 28, 32, 32, 32, 32].get(random.below(10) as usize)?;
            let address = random.next() as u32 & u32::MAX << (32 - length);
            drawn.insert((address, length));
        }
        let prefix =
            |(address, length)| IpCidr::new(Ipv4Address::from_bits(address).into(), length);
        Some(drawn.into_iter().map(prefix).collect::<Vec<_>>())
    };
    let first = draw(each).ok_or("a length")?;
    let prefixes: Vec<_> = (0..tags)
        .map(|_| if shared { Some(first.clone()) } else { draw(each) })
        .collect::<Option<_>>()
        .ok_or("a length")?;
    let changes = draw(CHANGES).ok_or("a length")?;
    let ports: Vec<[RangeInclusive<u16>; 1]> = (0..tags)
        .map(|_| random.below(50_000) as u16)
        .map(|first| [first..=first + 9_999])
        .collect();
    let numbers: Vec<_> = (0..tags as u32).collect();
    let rule = |index: usize, sources, source_tags| Rule {
        priority: index as u32 + 1,
        value: index as u32,
        protocols: &[],
        sources,
        destinations: &[],
        source_tags,
        destination_tags: &[],
        source_ports: &[],
        destination_ports: &ports[index],
    };
    let all = tags * each;
    let inline_rules: Vec<_> = (0..tags).map(|index| rule(index, &prefixes[index], &[])).collect();
    let tag_rules: Vec<_> =
        (0..tags).map(|index| rule(index, &[], &numbers[index..=index])).collect();
    let capacity = |words, tags, tag_prefixes| Capacity { groups: 1, words, tags, tag_prefixes };
    let mut inline = Groups::with(&capacity(WORDS * all + (1 << 20), 0, 0))?;
    (_, inline.bytes) = inline.compile(0, IpVersion::Ipv4, &inline_rules)?;
    let mut by_tag = Groups::with(&capacity(1 << 20, tags, all + CHANGES))?;
    (_, by_tag.bytes) = by_tag.compile(0, IpVersion::Ipv4, &tag_rules)?;
    let began = Instant::now();
    for (tag, prefixes) in (0..).zip(&prefixes) {
        for prefix in prefixes {
            by_tag.writer.add_to_tag(tag, *prefix).map_err(|error| format!("{error:?}"))?;
        }
    }
    eprintln!("{all} prefixes of {tags} tags added in {:?}", began.elapsed());
    let headers = (0..HEADERS)
        .map(|_| {
            let any = random.next() as u32;
            let tag = &prefixes[random.below(tags as u64) as usize];
            let under = tag[random.below(each as u64) as usize];
            let host = u32::MAX.checked_shr(under.prefix_len().into()).unwrap_or(0);
            let source = match under.address() {
                smoltcp::wire::IpAddress::Ipv4(address) if random.below(4) > 0 => {
                    address.to_bits() | any & host
                }
                _ => any,
            };
            Headers {
                source: Ipv4Address::from_bits(source).into(),
                destination: Ipv4Address::from_bits(random.next() as u32).into(),
                protocol: 6,
                source_port: random.next() as u16,
                destination_port: random.below(60_000) as u16,
            }
        })
        .collect();
    let name = format!("{tags} tags of {each}{}", if shared { ", shared" } else { "" });
    let headers = Trace::of(headers);
    Ok(Box::new(Tags { inline, by_tag, prefixes, changes, headers, name }))
}

impl Tags {
    fn line(&self, program: &'static str, work: &str, bytes: u64, queries: usize) -> Line<'static> {
        let entries = self.prefixes.iter().map(Vec::len).sum::<usize>() as u64;
        let work = format!("{}{work}", self.name);
        Line { program, work, entries, bytes, queries: queries as u64 }
    }
}

impl Part for Tags {
    fn round(&mut self, phase: &str) -> Result<(), Failure> {
        if phase == "update" {
            return self.update();
        }
        let line = self.line("dash_acl_inline", "", self.inline.bytes, HEADERS);
        line.measure(|| self.inline.sum_all(0, black_box(&self.headers)))?;
        let line = self.line("dash_acl_tags", "", self.by_tag.bytes, HEADERS);
        line.measure(|| self.by_tag.sum_all(0, black_box(&self.headers)))
    }
}

impl Tags {
    /// Adds prefixes of all lengths to tags and removes them, each change on the clock alone and
    /// several times, since the prefixes before and after are the same each time; and one that
    /// covers a 256th of all addresses. The slowest change is the one whose fastest time is longest:
    /// an interruption is no part of a change.
    fn update(&mut self) -> Result<(), Failure> {
        let tags = self.prefixes.len() as u32;
        let wide = [IpCidr::new(Ipv4Address::new(10, 0, 0, 0).into(), 8)];
        for (work, changes) in [(" change", &*self.changes), (" change of a /8", &wide)] {
            let mut time = CpuTime::default();
            let (mut worst, mut slowest) = (Duration::ZERO, Duration::ZERO);
            let (mut operations, mut changed) = (0, 0);
            for (index, prefix) in (0..).zip(changes) {
                let mut fastest = [Duration::MAX; 2];
                for _ in 0..REPEATS {
                    for (add, fastest) in [true, false].into_iter().zip(&mut fastest) {
                        let before = time.total();
                        time.start();
                        let writer = &mut self.by_tag.writer;
                        let done = if add {
                            writer.add_to_tag(index % tags, *prefix)
                        } else {
                            writer.remove_from_tag(index % tags, *prefix)
                        };
                        time.stop();
                        let took = time.total().saturating_sub(before);
                        worst = worst.max(took);
                        *fastest = took.min(*fastest);
                        operations += 1;
                        changed += u64::from(done.map_err(|error| format!("{error:?}"))?);
                    }
                }
                slowest = fastest.into_iter().fold(slowest, Duration::max);
            }
            let line =
                |work: String| self.line("dash_acl_tags", &work, self.by_tag.bytes, changes.len());
            let more = format!(r#","worst_ns":{}"#, worst.as_nanos());
            line(work.into()).print(time.total(), operations, changed, &more);
            line(format!("{work}, slowest")).print(slowest, 1, changed, "");
        }
        Ok(())
    }
}
