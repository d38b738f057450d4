//! Rule sets of two groups and prefixes of tags, replaced and removed in memory that is sometimes
//! too small, and headers: every answer, alone or in a burst, is that of a linear search, a refused
//! change changes nothing, and all memory comes back.
#![no_main]

use core::{ops::RangeInclusive, sync::atomic::AtomicU32};

use dash_core::table::{
    TableError,
    acl::{AclWriter, Capacity, Headers, Match, Rule},
    quiescence::Readers,
};
use dash_hal::{Hints, SoftwareHints};
use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use smoltcp::wire::{IpAddress, IpCidr, IpVersion};

/// As a port whose processor loads vectors.
struct VectorLoads;

impl Hints for VectorLoads {
    const LOADS_VECTORS: bool = true;
}

const GROUPS: usize = 2;
/// More than a chunk has, and enough in one for a filter.
const TAGS: usize = 36;
const TAG_PREFIXES: usize = 48;

#[derive(Arbitrary, Debug)]
struct Prefix {
    high: u8,
    low: u8,
    length: u8,
}

#[derive(Arbitrary, Debug)]
struct FuzzRule {
    priority: u8,
    protocols: Vec<u8>,
    prefixes: [Vec<Prefix>; 2],
    tags: [Vec<u8>; 2],
    ports: [Vec<(u8, u8)>; 2],
}

#[derive(Arbitrary, Debug)]
struct FuzzHeaders {
    addresses: [(u8, u8); 2],
    protocol: u8,
    ports: [u8; 2],
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Set(bool, Vec<FuzzRule>),
    Remove(bool),
    AddToTag(u8, Prefix),
    RemoveFromTag(u8, Prefix),
    Quiescent,
    Classify(Vec<FuzzHeaders>),
}

#[derive(Arbitrary, Debug)]
struct Input {
    v6: bool,
    with_reader: bool,
    small: bool,
    operations: Vec<Operation>,
}

/// A rule that owns its lists.
struct Owned {
    priority: u32,
    protocols: Vec<u8>,
    prefixes: [Vec<IpCidr>; 2],
    tags: [Vec<u32>; 2],
    ports: [Vec<RangeInclusive<u16>>; 2],
}

/// Bits at both ends, so that prefixes nest.
fn address(v6: bool, high: u8, low: u8) -> IpAddress {
    if v6 {
        IpAddress::Ipv6((u128::from(high) << 120 | u128::from(low) << 60).into())
    } else {
        IpAddress::Ipv4((u32::from(high) << 24 | u32::from(low)).into())
    }
}

/// Without host bits.
fn cidr(v6: bool, prefix: &Prefix) -> IpCidr {
    let address = address(v6, prefix.high, prefix.low);
    match address {
        IpAddress::Ipv4(address) => {
            let length = prefix.length % 33;
            let after = u32::MAX.checked_shr(length.into()).unwrap_or(0);
            IpCidr::new(IpAddress::Ipv4((address.to_bits() & !after).into()), length)
        }
        IpAddress::Ipv6(address) => {
            let length = prefix.length % 129;
            let after = u128::MAX.checked_shr(length.into()).unwrap_or(0);
            IpCidr::new(IpAddress::Ipv6((address.to_bits() & !after).into()), length)
        }
    }
}

/// Ports of few values, and the ends.
fn port(byte: u8) -> u16 {
    if byte > 250 { u16::MAX - u16::from(255 - byte) } else { u16::from(byte) }
}

impl Owned {
    fn new(v6: bool, rule: &FuzzRule) -> Self {
        Self {
            priority: rule.priority.into(),
            protocols: rule.protocols.clone(),
            prefixes: rule
                .prefixes
                .each_ref()
                .map(|it| it.iter().map(|one| cidr(v6, one)).collect()),
            tags: rule
                .tags
                .each_ref()
                .map(|it| it.iter().map(|tag| u32::from(*tag) % TAGS as u32).collect()),
            ports: rule
                .ports
                .each_ref()
                .map(|it| it.iter().map(|(first, last)| port(*first)..=port(*last)).collect()),
        }
    }

    fn rule(&self) -> Rule<'_> {
        let [sources, destinations] = &self.prefixes;
        let [source_tags, destination_tags] = &self.tags;
        let [source_ports, destination_ports] = &self.ports;
        Rule {
            priority: self.priority,
            value: self.priority + 1,
            protocols: &self.protocols,
            sources,
            destinations,
            source_tags,
            destination_tags,
            source_ports,
            destination_ports,
        }
    }

    fn matches(&self, tags: &[Vec<IpCidr>; TAGS], at: &Headers) -> bool {
        let sides = [(at.source, at.source_port), (at.destination, at.destination_port)];
        (self.protocols.is_empty() || self.protocols.contains(&at.protocol))
            && sides.into_iter().enumerate().all(|(side, (address, port))| {
                let (prefixes, named) = (&self.prefixes[side], &self.tags[side]);
                let tagged = named.iter().flat_map(|tag| &tags[*tag as usize]);
                let any = prefixes.is_empty() && named.is_empty();
                let ports = &self.ports[side];
                (any || prefixes.iter().chain(tagged).any(|one| one.contains_addr(&address)))
                    && (ports.is_empty() || ports.iter().any(|range| range.contains(&port)))
            })
    }
}

fn search(group: Option<&Vec<Owned>>, tags: &[Vec<IpCidr>; TAGS], at: &Headers) -> Match {
    let Some(rules) = group else { return Match::NoGroup };
    let matching = rules.iter().filter(|rule| rule.matches(tags, at));
    matching.min_by_key(|rule| rule.priority).map_or(Match::NoRule, |rule| Match::Rule {
        priority: rule.priority,
        value: rule.priority + 1,
    })
}

fuzz_target!(|input: Input| {
    let Input { v6, with_reader, small, operations } = input;
    let counters = [AtomicU32::new(u32::MAX)];
    let readers = Readers::new(if with_reader { &counters } else { &[] });
    let words = if small { 3000 } else { 1 << 16 };
    let capacity = Capacity { groups: GROUPS, words, tags: TAGS, tag_prefixes: TAG_PREFIXES };
    let words: Vec<AtomicU32> =
        (0..AclWriter::words_for(&capacity)).map(|_| AtomicU32::new(0xdead_beef)).collect();
    let mut writer = AclWriter::new(&words, &capacity, readers).unwrap();
    let room = writer.room();
    let acl = writer.table();
    let version = if v6 { IpVersion::Ipv6 } else { IpVersion::Ipv4 };
    let mut groups: [Option<Vec<Owned>>; GROUPS] = [None, None];
    let mut tags: [Vec<IpCidr>; TAGS] = core::array::from_fn(|_| Vec::new());
    for operation in &operations {
        match operation {
            Operation::Set(group, rules) => {
                let owned: Vec<_> = rules.iter().map(|rule| Owned::new(v6, rule)).collect();
                let rules: Vec<_> = owned.iter().map(Owned::rule).collect();
                match writer.set_group(u32::from(*group), version, &rules) {
                    Ok(()) => groups[usize::from(*group)] = Some(owned),
                    Err(TableError::Busy) => assert!(with_reader),
                    Err(error) => assert_eq!(error, TableError::Full),
                }
            }
            Operation::Remove(group) => {
                writer.remove_group(u32::from(*group)).unwrap();
                groups[usize::from(*group)] = None;
            }
            Operation::AddToTag(tag, prefix) => {
                let (tag, prefix) = (usize::from(*tag) % TAGS, cidr(v6, prefix));
                match writer.add_to_tag(tag as u32, prefix) {
                    Ok(true) => tags[tag].push(prefix),
                    Ok(false) => assert!(tags[tag].contains(&prefix)),
                    Err(_) => assert!(!tags[tag].contains(&prefix)),
                }
            }
            Operation::RemoveFromTag(tag, prefix) => {
                let (tag, prefix) = (usize::from(*tag) % TAGS, cidr(v6, prefix));
                let there = tags[tag].iter().position(|one| *one == prefix);
                assert_eq!(writer.remove_from_tag(tag as u32, prefix), Ok(there.is_some()));
                there.map(|index| tags[tag].swap_remove(index));
            }
            Operation::Quiescent => readers.quiescent(0),
            Operation::Classify(all) => {
                let headers: Vec<_> = all
                    .iter()
                    .map(|one| {
                        let [source, destination] =
                            one.addresses.map(|(high, low)| address(v6, high, low));
                        let [source_port, destination_port] = one.ports.map(port);
                        let protocol = one.protocol;
                        Headers { source, destination, protocol, source_port, destination_port }
                    })
                    .collect();
                for (group, rules) in (0..).zip(&groups) {
                    let mut found = vec![Match::OtherVersion; headers.len()];
                    acl.classify_burst(group, &headers, &mut found, &SoftwareHints);
                    let mut by_vectors = vec![Match::OtherVersion; headers.len()];
                    acl.classify_burst(group, &headers, &mut by_vectors, &VectorLoads);
                    assert_eq!(found, by_vectors);
                    for (headers, found) in headers.iter().zip(found) {
                        assert_eq!(found, search(rules.as_ref(), &tags, headers));
                        assert_eq!(found, acl.classify(group, headers));
                    }
                }
            }
        }
    }
    for group in 0..GROUPS as u32 {
        writer.remove_group(group).unwrap();
    }
    readers.quiescent(0);
    assert_eq!(writer.room(), room);
});
