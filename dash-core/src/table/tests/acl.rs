mod memory;

use super::super::{
    Demand, TableError,
    acl::{Acl, AclWriter, Capacity, Headers, Match, Rule},
    quiescence::Readers,
};
use super::std::{self, vec, vec::Vec};
use super::{CHANGES, address, await_growth, compare, contend, covers, persist, prefix, storage};
use core::{
    ops::RangeInclusive,
    sync::atomic::{
        AtomicU32, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
};
use dash_hal::{Hints, SoftwareHints};
use proptest::prelude::*;
use smoltcp::wire::{IpAddress, IpCidr, IpVersion};

const ANY: Rule<'static> = Rule {
    priority: 0,
    value: 0,
    protocols: &[],
    sources: &[],
    destinations: &[],
    source_tags: &[],
    destination_tags: &[],
    source_ports: &[],
    destination_ports: &[],
};

/// The numbers of the tags: so many in one word of a map that it has a filter, two in another, and
/// one alone behind a word that has none.
const TAGS: [u32; 12] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 33, 63, 100];
/// Ports at the ends of the ranges that filters tell apart.
const PORTS: [u16; 8] = [0, 31, 32, 1023, 1024, 2047, 2048, u16::MAX];

/// A rule that owns its lists.
#[derive(Clone, Debug)]
struct Owned {
    priority: u32,
    value: u32,
    protocols: Vec<u8>,
    prefixes: [Vec<IpCidr>; 2],
    tags: [Vec<u32>; 2],
    ports: [Vec<RangeInclusive<u16>>; 2],
}

impl Owned {
    fn rule(&self) -> Rule<'_> {
        Rule {
            priority: self.priority,
            value: self.value,
            protocols: &self.protocols,
            sources: &self.prefixes[0],
            destinations: &self.prefixes[1],
            source_tags: &self.tags[0],
            destination_tags: &self.tags[1],
            source_ports: &self.ports[0],
            destination_ports: &self.ports[1],
        }
    }

    fn matches(&self, tags: &[Vec<IpCidr>], headers: &Headers) -> bool {
        let sides = [
            (headers.source, headers.source_port),
            (headers.destination, headers.destination_port),
        ];
        (self.protocols.is_empty() || self.protocols.contains(&headers.protocol))
            && sides.iter().enumerate().all(|(side, (address, port))| {
                let mut prefixes = self.prefixes[side].clone();
                for tag in &self.tags[side] {
                    prefixes.extend(&tags[*tag as usize]);
                }
                let any = self.prefixes[side].is_empty() && self.tags[side].is_empty();
                let ports = &self.ports[side];
                (any || prefixes.iter().any(|prefix| covers(*prefix, *address)))
                    && (ports.is_empty() || ports.iter().any(|range| range.contains(port)))
            })
    }
}

fn classify(group: Option<&(IpVersion, Vec<Owned>)>, tags: &[Vec<IpCidr>], at: &Headers) -> Match {
    let Some((version, rules)) = group else { return Match::NoGroup };
    if *version != at.source.version() {
        return Match::OtherVersion;
    }
    let matching = rules.iter().filter(|rule| rule.matches(tags, at));
    // `min_by_key` answers the first of equals.
    matching
        .min_by_key(|rule| rule.priority)
        .map_or(Match::NoRule, |rule| Match::Rule { priority: rule.priority, value: rule.value })
}

/// Whether two prefixes differ in host bits at most.
fn is_same(one: IpCidr, other: IpCidr) -> bool {
    one.prefix_len() == other.prefix_len() && covers(one, other.address())
}

#[derive(Clone, Debug)]
enum Operation {
    Set(u32, bool, Vec<Owned>),
    Remove(u32),
    AddTag(u32, IpCidr),
    RemoveTag(u32, IpCidr),
    Quiescent,
}

fn any_prefix() -> impl Strategy<Value = IpCidr> {
    (any::<bool>(), any::<u8>(), 0..8_u8).prop_map(|(v6, at, length)| prefix(v6, at, length))
}

fn tag() -> impl Strategy<Value = u32> {
    prop::sample::select(&TAGS[..])
}

fn rule() -> impl Strategy<Value = Owned> {
    let prefixes = || prop::collection::vec(any_prefix(), 0..4);
    let tags = || prop_oneof![2 => Just(vec![]), 1 => prop::collection::vec(tag(), 0..5)];
    let range = (0..8_usize, 0..8_usize).prop_map(|(first, last)| PORTS[first]..=PORTS[last]);
    let ports = || prop::collection::vec(range.clone(), 0..3);
    let protocols = prop::collection::vec(0..4_u8, 0..3);
    ((0..6_u32, any::<u32>(), protocols), prefixes(), prefixes(), tags(), tags(), ports(), ports())
        .prop_map(|((priority, value, protocols), from, to, from_tags, to_tags, sport, dport)| {
            let (prefixes, tags, ports) = ([from, to], [from_tags, to_tags], [sport, dport]);
            Owned { priority, value, protocols, prefixes, tags, ports }
        })
}

fn operation() -> impl Strategy<Value = Operation> {
    let rules = prop::collection::vec(rule(), 0..24);
    prop_oneof![
        4 => (0..3_u32, any::<bool>(), rules).prop_map(|(group, v6, rules)| Operation::Set(group, v6, rules)),
        1 => (0..3_u32).prop_map(Operation::Remove),
        4 => (tag(), any_prefix()).prop_map(|(tag, prefix)| Operation::AddTag(tag, prefix)),
        2 => (tag(), any_prefix()).prop_map(|(tag, prefix)| Operation::RemoveTag(tag, prefix)),
        2 => Just(Operation::Quiescent),
    ]
}

/// Classifies random headers in all groups; the number of classifications.
fn check(
    table: &Acl<'_>,
    groups: &[Option<(IpVersion, Vec<Owned>)>],
    tags: &[Vec<IpCidr>],
    random: &mut u64,
) -> Result<usize, TestCaseError> {
    let mut all = Vec::new();
    for _ in 0..HEADERS {
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let bytes = (*random ^ *random >> 29).to_be_bytes();
        let v6 = bytes[0] & 1 == 1;
        let headers = Headers {
            source: address(v6, bytes[1]),
            destination: address(v6, bytes[2]),
            protocol: bytes[3] & 3,
            source_port: PORTS[usize::from(bytes[0] >> 1 & 7)],
            destination_port: PORTS[usize::from(bytes[0] >> 4 & 7)],
        };
        all.push(headers);
    }
    for group in 0..4_u32 {
        let of_group = groups.get(group as usize).and_then(Option::as_ref);
        let wanted: Vec<_> = all.iter().map(|headers| classify(of_group, tags, headers)).collect();
        for (headers, wanted) in all.iter().zip(&wanted) {
            prop_assert_eq!(table.classify(group, headers), *wanted);
        }
        for length in [0, 1, 2, 3, 8, 31, 32, HEADERS] {
            let mut found = vec![Match::OtherVersion; length];
            table.classify_burst(group, &all[..length], &mut found, &SoftwareHints);
            prop_assert_eq!(&found, &wanted[..length]);
            let mut found = vec![Match::OtherVersion; length];
            table.classify_burst(group, &all[..length], &mut found, &VectorLoads);
            prop_assert_eq!(&found, &wanted[..length]);
        }
    }
    Ok(4 * HEADERS * 2)
}

/// As a port whose processor loads vectors.
struct VectorLoads;

impl Hints for VectorLoads {
    const LOADS_VECTORS: bool = true;
}

const TAG_PREFIXES: usize = 24;
/// Words that no group of these runs needs.
const ROOMY: usize = 1 << 16;
/// Headers that are classified after each change.
const HEADERS: usize = 33;

#[test]
fn equals_a_linear_search() {
    let words = prop_oneof![1 => 2000..16_000_usize, 3 => Just(ROOMY)];
    let run = (words, 0..=1_usize, any::<u64>(), prop::collection::vec(operation(), 10..40));
    let compared = compare(
        "acl, classifications",
        400,
        run,
        |(words, reader_count, mut random, operations)| {
            let counters = [AtomicU32::new(u32::MAX - 2)];
            let readers = Readers::new(&counters[..reader_count]);
            let tag_count = 1 + TAGS[TAGS.len() - 1] as usize;
            let capacity =
                Capacity { groups: 3, words, tags: tag_count, tag_prefixes: TAG_PREFIXES };
            let storage = storage(AclWriter::words_for(&capacity));
            let mut writer = AclWriter::new(&storage, &capacity, readers).unwrap();
            let table = writer.table();
            let mut groups: Vec<Option<(IpVersion, Vec<Owned>)>> = vec![None, None, None];
            let mut tags: Vec<Vec<IpCidr>> = vec![Vec::new(); tag_count];
            let mut count = 0;
            for operation in operations {
                match operation {
                    Operation::Set(group, v6, owned) => {
                        let version = if v6 { IpVersion::Ipv6 } else { IpVersion::Ipv4 };
                        let rules: Vec<_> = owned.iter().map(Owned::rule).collect();
                        match writer.set_group(group, version, &rules) {
                            Ok(()) => groups[group as usize] = Some((version, owned)),
                            Err(TableError::Busy) => prop_assert!(reader_count > 0),
                            Err(error) => {
                                prop_assert_eq!(error, TableError::Full);
                                prop_assert!(words < 4 * AclWriter::words_bound(&rules));
                            }
                        }
                    }
                    Operation::Remove(group) => {
                        prop_assert_eq!(writer.remove_group(group), Ok(()));
                        groups[group as usize] = None;
                    }
                    Operation::AddTag(tag, prefix) => {
                        let all: usize = tags.iter().map(Vec::len).sum();
                        let tag_prefixes = &mut tags[tag as usize];
                        let there = tag_prefixes.iter().any(|one| is_same(*one, prefix));
                        match writer.add_to_tag(tag, prefix) {
                            Ok(new) => {
                                prop_assert_eq!(new, !there);
                                if new {
                                    tag_prefixes.push(prefix);
                                }
                            }
                            Err(TableError::Full) => prop_assert_eq!(all, TAG_PREFIXES),
                            Err(_) => prop_assert!(reader_count > 0 && !there),
                        }
                    }
                    Operation::RemoveTag(tag, prefix) => {
                        let tag_prefixes = &mut tags[tag as usize];
                        let count = tag_prefixes.len();
                        tag_prefixes.retain(|one| !is_same(*one, prefix));
                        let there = tag_prefixes.len() < count;
                        prop_assert_eq!(writer.remove_from_tag(tag, prefix), Ok(there));
                    }
                    Operation::Quiescent => {
                        readers.quiescent(0);
                    }
                }
                count += check(&table, &groups, &tags, &mut random)?;
            }
            Ok(count)
        },
    );
    assert!(cfg!(miri) || compared >= 1_000_000);
}

/// Addresses in many tags, whose rules differ by their destination ports alone.
#[test]
fn many_tags_equal_a_linear_search() {
    const MOST: u32 = 160;
    let tag = || prop_oneof![0..32_u32, 0..MOST];
    let range = (0..8_usize, 0..8_usize).prop_map(|(first, last)| PORTS[first]..=PORTS[last]);
    let rules = prop::collection::vec((tag(), prop::collection::vec(range, 0..3)), 1..100);
    // Few prefixes, each in many tags; some are taken out again.
    let change = (tag(), any::<bool>(), 0..2_u8, 0..3_u8, prop::bool::weighted(0.8));
    let changes = prop::collection::vec(change, 0..300);
    let run = (rules, changes, any::<bool>(), any::<u64>());
    compare("acl, many tags", 400, run, |(rules, changes, v6, mut random)| {
        let owned: Vec<_> = (0..)
            .zip(rules)
            .map(|(priority, (tag, ports))| Owned {
                priority,
                value: 3 * priority,
                protocols: vec![],
                prefixes: [vec![], vec![]],
                tags: [vec![tag], vec![]],
                ports: [vec![], ports],
            })
            .collect();
        let rules: Vec<_> = owned.iter().map(Owned::rule).collect();
        let words = AclWriter::words_bound(&rules);
        let tag_prefixes = changes.len();
        let capacity = Capacity { groups: 1, words, tags: MOST as usize, tag_prefixes };
        let storage = storage(AclWriter::words_for(&capacity));
        let mut writer = AclWriter::new(&storage, &capacity, Readers::new(&[])).unwrap();
        let version = if v6 { IpVersion::Ipv6 } else { IpVersion::Ipv4 };
        writer.set_group(0, version, &rules).unwrap();
        let table = writer.table();
        let groups = [Some((version, owned))];
        let mut tags = vec![Vec::new(); MOST as usize];
        let mut count = 0;
        for changes in changes.chunks(100) {
            for (tag, v6, at, length, add) in changes {
                let prefix = prefix(*v6, *at, *length);
                let list: &mut Vec<IpCidr> = &mut tags[*tag as usize];
                let place = list.iter().position(|one| is_same(*one, prefix));
                if *add {
                    prop_assert_eq!(writer.add_to_tag(*tag, prefix), Ok(place.is_none()));
                    if place.is_none() {
                        list.push(prefix);
                    }
                } else {
                    prop_assert_eq!(writer.remove_from_tag(*tag, prefix), Ok(place.is_some()));
                    if let Some(place) = place {
                        list.remove(place);
                    }
                }
            }
            count += check(&table, &groups, &tags, &mut random)?;
        }
        Ok(count)
    });
}

/// Every second bit is one that all prefixes share.
#[test]
fn equals_a_linear_search_where_prefixes_share_bits_between() {
    // Numbers that are near each other become addresses that are not.
    let bits_of = |bits: u32, shared: u128| {
        let bits = bits.wrapping_mul(0x9e37_79b1);
        (0..32).fold(shared, |all, bit| all | u128::from(bits >> (31 - bit) & 1) << (126 - 2 * bit))
    };
    let prefixes = prop::collection::vec((0..4096_u32, 0..=32_u8), 1..100);
    // At the first or last address of which prefix, and which bit is another.
    let places = prop::collection::vec((any::<usize>(), any::<bool>(), 0..=128_u8), 128);
    let run = (prefixes, places, any::<bool>(), any::<bool>());
    compare("acl, shared bits", 400, run, |(prefixes, places, ones, behind)| {
        let shared = if ones { 0xaaaa_aaaa_aaaa_aaaa << 64 } else { 0 };
        // Behind a word that all share.
        let place = |bits: u128| if behind { 0x2001_0db8 << 96 | bits >> 32 } else { bits };
        let start = if behind { 32 } else { 0 };
        let prefixes: Vec<_> = prefixes
            .iter()
            .map(|(bits, length)| {
                let all = IpAddress::Ipv6(place(bits_of(*bits, shared)).into());
                IpCidr::new(all, start + 2 * length)
            })
            .collect();
        let owned: Vec<_> = prefixes
            .chunks(5)
            .enumerate()
            .map(|(index, prefixes)| Owned {
                priority: index as u32,
                value: index as u32,
                protocols: vec![],
                prefixes: [prefixes.to_vec(), vec![]],
                tags: [vec![], vec![]],
                ports: [vec![], vec![]],
            })
            .collect();
        let rules: Vec<_> = owned.iter().map(Owned::rule).collect();
        let words = AclWriter::words_bound(&rules);
        let capacity = Capacity { groups: 1, words, tags: 0, tag_prefixes: 0 };
        let storage = storage(AclWriter::words_for(&capacity));
        let mut writer = AclWriter::new(&storage, &capacity, Readers::new(&[])).unwrap();
        writer.set_group(0, IpVersion::Ipv6, &rules).unwrap();
        let group = (IpVersion::Ipv6, owned);
        let all: Vec<_> = places
            .iter()
            .map(|(which, last, flipped)| {
                let prefix = prefixes[which % prefixes.len()];
                let IpAddress::Ipv6(first) = prefix.address() else { panic!("a prefix of IPv6") };
                let after = u128::MAX.checked_shr(prefix.prefix_len().into()).unwrap_or(0);
                let bits = first.to_bits() & !after | if *last { after } else { 0 };
                let bits = bits ^ 1_u128.checked_shl((*flipped).into()).unwrap_or(0);
                let address = IpAddress::Ipv6(bits.into());
                Headers { source: address, destination: address, ..headers([0; 4], 0) }
            })
            .collect();
        let mut found = vec![Match::NoGroup; all.len()];
        writer.table().classify_burst(0, &all, &mut found, &SoftwareHints);
        let mut by_vectors = vec![Match::NoGroup; all.len()];
        writer.table().classify_burst(0, &all, &mut by_vectors, &VectorLoads);
        prop_assert_eq!(&found, &by_vectors);
        for (headers, found) in all.iter().zip(&found) {
            let wanted = classify(Some(&group), &[], headers);
            prop_assert_eq!(*found, wanted);
            prop_assert_eq!(writer.table().classify(0, headers), wanted);
        }
        Ok(2 * all.len())
    });
}

fn v4(address: [u8; 4]) -> IpAddress {
    IpAddress::Ipv4(address.into())
}

fn headers(source: [u8; 4], destination_port: u16) -> Headers {
    Headers {
        source: v4(source),
        destination: v4([192, 0, 2, 1]),
        protocol: 6,
        source_port: 1000,
        destination_port,
    }
}

const fn rule_of(priority: u32) -> Match {
    Match::Rule { priority, value: priority * 10 }
}

#[test]
fn lists_tags_and_families() {
    let capacity = Capacity { groups: 2, words: 16384, tags: 2, tag_prefixes: 2 };
    let words = storage(AclWriter::words_for(&capacity));
    let mut writer = AclWriter::new(&words, &capacity, Readers::new(&[])).unwrap();
    let acl = writer.table();
    let ten = IpCidr::new(v4([10, 1, 2, 3]), 8);
    let narrow = IpCidr::new(v4([10, 9, 0, 0]), 16);
    assert_eq!(acl.classify(0, &headers([10, 0, 0, 1], 80)), Match::NoGroup);
    assert_eq!(acl.classify(2, &headers([10, 0, 0, 1], 80)), Match::NoGroup);
    let rules = [
        Rule { priority: 7, value: 70, protocols: &[17], ..ANY },
        Rule {
            priority: 3,
            value: 30,
            sources: &[IpCidr::new(v4([11, 0, 0, 0]), 8)],
            source_tags: &[1],
            destination_ports: &[80..=80, 440..=443],
            ..ANY
        },
        Rule { priority: 5, value: 50, protocols: &[17, 6], destination_tags: &[0], ..ANY },
    ];
    let room = writer.room();
    writer.set_group(0, IpVersion::Ipv4, &rules).unwrap();
    assert!(writer.room() < room);
    // An empty tag matches nothing; prefixes and tags of a side are united.
    assert_eq!(acl.classify(0, &headers([10, 9, 0, 1], 80)), Match::NoRule);
    assert_eq!(acl.classify(0, &headers([11, 0, 0, 1], 443)), rule_of(3));
    assert_eq!(acl.classify(0, &headers([11, 0, 0, 1], 444)), Match::NoRule);
    let udp = Headers { protocol: 17, ..headers([11, 0, 0, 1], 444) };
    assert_eq!(acl.classify(0, &udp), rule_of(7));
    // A tag covers what any of its prefixes covers, the shorter one too once the longer has gone.
    for prefix in [ten, narrow, ten] {
        writer.add_to_tag(1, prefix).unwrap();
    }
    assert_eq!(writer.add_to_tag(0, ten), Err(TableError::Full));
    assert_eq!(acl.classify(0, &headers([10, 9, 0, 1], 80)), rule_of(3));
    for _ in 0..2 {
        writer.remove_from_tag(1, narrow).unwrap();
    }
    assert_eq!(acl.classify(0, &headers([10, 9, 0, 1], 80)), rule_of(3));
    writer.remove_from_tag(1, ten).unwrap();
    assert_eq!(acl.classify(0, &headers([10, 9, 0, 1], 80)), Match::NoRule);
    writer.add_to_tag(0, IpCidr::new(v4([192, 0, 2, 0]), 24)).unwrap();
    assert_eq!(acl.classify(0, &headers([10, 9, 0, 1], 80)), rule_of(5));

    let v6 = IpAddress::Ipv6(1_u128.into());
    let six = Headers { source: v6, destination: v6, ..headers([0; 4], 80) };
    assert_eq!(acl.classify(0, &six), Match::OtherVersion);
    writer.set_group(1, IpVersion::Ipv6, &[]).unwrap();
    assert_eq!(acl.classify(1, &six), Match::NoRule);
    assert_eq!(acl.classify(1, &headers([0; 4], 80)), Match::OtherVersion);
    writer.remove_group(0).unwrap();
    writer.remove_group(0).unwrap();
    writer.remove_group(9).unwrap();
    assert_eq!(acl.classify(0, &six), Match::NoGroup);
    writer.remove_group(1).unwrap();
    assert_eq!(writer.room(), room);
}

/// More prefixes cover an address than a check keeps the links of, and fewer; the same for both sides.
#[test]
fn tags_of_both_sides() {
    const TAGS: u32 = 20;
    let numbers: Vec<u32> = (0..TAGS).collect();
    let tag_prefixes = TAGS as usize;
    let capacity = Capacity { groups: 1, words: 16384, tags: TAGS as usize, tag_prefixes };
    let words = storage(AclWriter::words_for(&capacity));
    let mut writer = AclWriter::new(&words, &capacity, Readers::new(&[])).unwrap();
    for (tag, length) in (0..TAGS).zip(8..) {
        writer.add_to_tag(tag, IpCidr::new(v4([10, 0, 0, 0]), length)).unwrap();
    }
    // The rule of the longer source has the shorter destination, and comes first.
    let rules: Vec<_> = (0..TAGS as usize)
        .map(|tag| {
            let other = TAGS as usize - 1 - tag;
            let priority = 1 + other as u32;
            let (source_tags, destination_tags) = (&numbers[tag..=tag], &numbers[other..=other]);
            Rule { priority, value: 10 * priority, source_tags, destination_tags, ..ANY }
        })
        .collect();
    writer.set_group(0, IpVersion::Ipv4, &rules).unwrap();
    // How many of the tags' prefixes cover these.
    let under = |count: u32| v4((10 << 24 | (1_u32 << 24 >> count)).to_be_bytes());
    for (from, to) in (0..=TAGS).flat_map(|from| (0..=TAGS).map(move |to| (from, to))) {
        let headers =
            Headers { source: under(from), destination: under(to), ..headers([0; 4], 80) };
        let first = (1..=TAGS).find(|priority| TAGS - priority < from && priority - 1 < to);
        let wanted = first.map_or(Match::NoRule, rule_of);
        assert_eq!(writer.table().classify(0, &headers), wanted, "{from} {to}");
        let mut found = [Match::NoGroup; 2];
        writer.table().classify_burst(0, &[headers; 2], &mut found, &SoftwareHints);
        assert_eq!(found, [wanted; 2], "{from} {to}");
    }
}

#[test]
fn room_is_the_same_wherever_the_region_begins() {
    let capacity = Capacity { groups: 1, words: 1_000, tags: 0, tag_prefixes: 0 };
    let length = AclWriter::words_for(&capacity);
    let words = storage(length + 16);
    let rooms = (0..16).map(|at| {
        let region = &words[at..][..length];
        AclWriter::new(region, &capacity, Readers::new(&[])).unwrap().room()
    });
    let rooms: Vec<usize> = rooms.collect();
    assert_eq!(rooms, vec![rooms[0]; 16]);
}

/// Direct pointing, where the capacity brings it, takes no room from the prefixes.
#[test]
fn as_many_hosts_as_the_capacity_says_fit() {
    for count in if cfg!(miri) {
        vec![256]
    } else {
        vec![255, 256, 700, 2_000, 4_095, 4_096, 20_000, 50_000]
    } {
        let capacity = Capacity { groups: 0, words: 1_000, tags: 1, tag_prefixes: count };
        let words = storage(AclWriter::words_for(&capacity));
        let mut writer = AclWriter::new(&words, &capacity, Readers::new(&[])).unwrap();
        for number in 0..count as u128 {
            // Spread over all bits.
            let host = number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            let host = IpCidr::new(IpAddress::Ipv6(host.wrapping_mul(host | 1).into()), 128);
            assert_eq!(writer.add_to_tag(0, host), Ok(true), "{number} of {count}");
        }
    }
}

/// Entries that are given up wait for readers: what a transaction takes out and brings back asks for
/// new ones, before anything is changed.
#[test]
fn what_comes_back_to_a_tag_needs_an_entry_more() {
    let (ten, tags) = (IpCidr::new(v4([10, 0, 0, 0]), 8), [0, 32, 64]);
    for (capacity, admitted) in [(3, false), (4, true)] {
        let counters = [AtomicU32::new(0)];
        let readers = Readers::new(&counters);
        let capacity = Capacity { groups: 1, words: 8192, tags: 65, tag_prefixes: capacity };
        let words = storage(AclWriter::words_for(&capacity));
        let mut writer = AclWriter::new(&words, &capacity, readers).unwrap();
        for tag in tags {
            assert_eq!(writer.add_to_tag(tag, ten), Ok(true));
        }
        readers.quiescent(0);
        let mut demand = Demand::new();
        demand.remove(2);
        let both = tags[..2].iter().try_for_each(|tag| {
            writer.admit_to_tag(*tag, ten, &mut demand)?;
            writer.hold_in_tag(*tag, ten)
        });
        assert_eq!(both.is_ok(), admitted, "{both:?}");
        if admitted {
            for tag in &tags[..2] {
                assert_eq!(writer.remove_from_tag(*tag, ten), Ok(true));
            }
            for tag in &tags[..2] {
                assert_eq!(writer.add_to_tag(*tag, ten), Ok(true));
            }
        }
        writer.release_in_tag(ten);
    }
}

/// Keys that differ behind the first 64 bits alone share a bucket, which a search's window follows.
#[test]
fn hosts_of_one_network_fit_the_bound() {
    for count in if cfg!(miri) { [17, 33] } else { [257, 1024] } {
        let mut sources: Vec<IpCidr> = (0..count)
            .map(|number: u32| {
                let [.., high, low] = number.wrapping_mul(0x1_0003).to_be_bytes().map(u16::from);
                let host = smoltcp::wire::Ipv6Address::new(0x2001, 0xdb8, 0, 1, 0, 0, high, low);
                IpCidr::new(IpAddress::Ipv6(host), 128)
            })
            .collect();
        sources.push("fd00::/8".parse().unwrap());
        let rules = [Rule { sources: &sources, ..ANY }];
        let words = AclWriter::words_bound(&rules);
        let capacity = Capacity { groups: 1, words, tags: 0, tag_prefixes: 0 };
        let words = storage(AclWriter::words_for(&capacity));
        let mut writer = AclWriter::new(&words, &capacity, Readers::new(&[])).unwrap();
        assert_eq!(writer.set_group(0, IpVersion::Ipv6, &rules), Ok(()), "{count}");
    }
}

#[test]
fn a_refused_group_stays_as_it_was() {
    let counters = [AtomicU32::new(0)];
    let readers = Readers::new(&counters);
    let capacity = Capacity { groups: 1, words: 8192, tags: 1, tag_prefixes: 0 };
    let words = storage(AclWriter::words_for(&capacity));
    let small = AclWriter::new(&words[1..], &capacity, readers);
    assert_eq!(small.err(), Some(TableError::StorageTooSmall));
    let mut writer = AclWriter::new(&words, &capacity, readers).unwrap();
    let acl = writer.table();
    let one = |priority| Rule { priority, value: priority * 10, ..ANY };
    let at = headers([1; 4], 1);
    writer.set_group(0, IpVersion::Ipv4, &[one(1)]).unwrap();
    let room = writer.room();
    let refused = [
        (0, (2..1000).map(one).collect(), TableError::Full),
        (1, vec![one(2)], TableError::CapacityTooLarge),
        (0, vec![Rule { source_tags: &[1], ..one(2) }], TableError::CapacityTooLarge),
    ];
    for (group, rules, error) in refused {
        let rules: Vec<Rule<'_>> = rules;
        assert_eq!(writer.set_group(group, IpVersion::Ipv4, &rules), Err(error));
        assert_eq!((acl.classify(0, &at), writer.room()), (rule_of(1), room));
    }
    // Each replacement leaves an image behind, until the reader has moved on.
    let mut priority = 2;
    let busy = loop {
        match writer.set_group(0, IpVersion::Ipv4, &[one(priority)]) {
            Ok(()) => assert_eq!(acl.classify(0, &at), rule_of(priority)),
            Err(error) => break error,
        }
        priority += 1;
    };
    assert_eq!((busy, acl.classify(0, &at)), (TableError::Busy, rule_of(priority - 1)));
    readers.quiescent(0);
    writer.set_group(0, IpVersion::Ipv4, &[one(priority)]).unwrap();
    assert_eq!(acl.classify(0, &at), rule_of(priority));
    readers.quiescent(0);
    assert_eq!(writer.room(), room);
}

/// Times that each reader sees each version.
const ENOUGH: u32 = if cfg!(miri) { 10 } else { 1_000 };

/// Both versions have the same rules in another order, with other numbers. In the first the rule of
/// the networks 10.x, or of the tag, and of port 80 has number 1, and that of 20.x and port 443
/// number 3; in the second these are 4 and 2. So the intervals of one version lead to the records of
/// the other rule in the other: from a mixture a header gets 101, 102 or nothing, which none gets
/// from one version.
#[test]
fn a_group_is_replaced_whole() {
    let counters = [AtomicU32::new(u32::MAX), AtomicU32::new(0)];
    let readers = Readers::new(&counters);
    let networks = [10, 20].map(|first| {
        core::array::from_fn::<_, 12, _>(|low| IpCidr::new(v4([first, low as u8, 0, 0]), 16))
    });
    let ports = [80..=80, 443..=443];
    let rule = |number, index: usize| Rule {
        priority: number,
        value: number,
        sources: &networks[index],
        source_tags: if index == 0 { &[0] } else { &[] },
        destination_ports: &ports[index..=index],
        ..ANY
    };
    let rest = |number| Rule { priority: number, value: number, ..ANY };
    let versions = [[rule(1, 0), rule(3, 1), rest(101)], [rule(2, 1), rule(4, 0), rest(102)]];
    let words = 2 * AclWriter::words_bound(&versions[0]);
    let capacity = Capacity { groups: 1, words, tags: 1, tag_prefixes: 4 };
    let words = storage(AclWriter::words_for(&capacity));
    let mut writer = AclWriter::new(&words, &capacity, readers).unwrap();
    let acl = writer.table();
    let tag = |length| IpCidr::new(v4([30, 0, 0, 0]), length);
    writer.add_to_tag(0, tag(8)).unwrap();
    writer.set_group(0, IpVersion::Ipv4, &versions[0]).unwrap();
    let seen = [const { [const { AtomicU32::new(0) }; 2] }; 2];
    // The version that no further swap follows; 2: not yet.
    let last = AtomicUsize::new(2);
    let after = [const { AtomicU32::new(0) }; 2];
    let expect = |reader: usize, source: [u8; 4], port: u16, answers: [u32; 2]| {
        let only = last.load(Acquire);
        let Match::Rule { priority, value } = acl.classify(0, &headers(source, port)) else {
            panic!("no rule")
        };
        assert_eq!(priority, value);
        let index = answers.iter().position(|answer| *answer == value).expect("a mixture");
        seen[reader][index].fetch_add(1, Relaxed);
        if only < 2 {
            assert_eq!(index, only, "an old version after the last swap");
            after[reader].fetch_add(1, Relaxed);
        }
    };
    contend(
        readers,
        |reader| {
            for low in 0..12 {
                expect(reader, [10, low, 0, 1], 80, [1, 4]);
                expect(reader, [20, low, 0, 1], 443, [3, 2]);
            }
            // The tag covers 30/8 all the time, whatever else comes and goes.
            expect(reader, [30, 0, 0, 1], 80, [1, 4]);
        },
        |pause| {
            for change in 1..=CHANGES / 4 {
                let rules = &versions[change as usize % 2];
                persist(pause, || writer.set_group(0, IpVersion::Ipv4, rules));
                if change % 5 == 0 {
                    await_growth(&[0, 1].map(|reader| &seen[reader][change as usize % 2]), pause);
                }
                if change % 2 == 0 {
                    persist(pause, || writer.add_to_tag(0, tag(24)));
                } else {
                    writer.remove_from_tag(0, tag(24)).unwrap();
                }
            }
            let mut change = (CHANGES / 4) as usize;
            while seen.iter().flatten().any(|count| count.load(Relaxed) < ENOUGH) {
                change += 1;
                let rules = &versions[change % 2];
                persist(pause, || writer.set_group(0, IpVersion::Ipv4, rules));
                await_growth(&[0, 1].map(|reader| &seen[reader][change % 2]), pause);
            }
            last.store(change % 2, Release);
            await_growth(&after.each_ref(), pause);
        },
    );
    std::println!("acl: versions seen by each reader {seen:?}, after the last swap {after:?}");
}

#[test]
fn a_prefix_of_length_zero_is_any_beside_tags() {
    let capacity = Capacity { groups: 1, words: 16384, tags: 1, tag_prefixes: 0 };
    let words = storage(AclWriter::words_for(&capacity));
    let mut writer = AclWriter::new(&words, &capacity, Readers::new(&[])).unwrap();
    let acl = writer.table();
    let at = |low: u128| IpAddress::Ipv6((0xfd << 120 | low).into());
    let prefixes = [IpCidr::new(at(0), 126), IpCidr::new(at(0), 0)];
    let rules = [
        Rule { sources: &prefixes, source_tags: &[0], ..ANY },
        Rule { destinations: &prefixes, destination_tags: &[0], ..ANY },
    ];
    for rule in rules {
        writer.set_group(0, IpVersion::Ipv6, &[rule]).unwrap();
        for low in [0, 3, 4, 1 << 64, 1 << 127] {
            let headers = Headers { source: at(low), destination: at(low), ..headers([0; 4], 0) };
            assert_eq!(acl.classify(0, &headers), rule_of(0), "{low:x}");
        }
    }
}
