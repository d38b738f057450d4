//! Every header of every trace of `../shared/data`, and of the folder that `DASH_TRACES` names, as
//! IPv4 and in both ways as IPv6, against a linear search; and a sample of our own, whose headers
//! stand at the corners of its rules.

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use dash_benches::Prefetch;
use dash_core::table::acl::{Headers, Match, Rule, Size};
use dash_hal::SoftwareHints;
use smoltcp::wire::{IpAddress, IpCidr, IpVersion};

use super::{
    BURST, Groups, WORDS,
    work::{Family, RuleSet, all_headers},
};

const FAMILIES: [Family; 3] = [Family::V4, Family::V6Behind, Family::V6Spread];
const SETS: [&str; 7] =
    ["acl1_1k", "fw1_1k", "dash_1k", "acl1_10k", "fw1_10k", "dash_10k", "acl1_100k"];
/// A set of more rules is searched as IPv4 alone.
const MOST: usize = 20_000;
/// A set of more rules is searched for every so many headers, and compiled as IPv4 alone, where that
/// is not optimised.
const MANY: usize = 2_000;
const DEBUG_STEP: usize = 64;

const SAMPLE: &str = "\
1 allow 6 10.0.0.0/8,192.0.2.0/24 10.1.0.0/16 * 80-80,443-443
2 deny 6,17 10.1.2.0/24 * 0-1023 *
3 allow * 10.1.2.3/32 10.1.2.3/32,10.1.2.4/31,10.200.0.0/16 * 22-22
4 deny 17 * 192.0.2.128/25 53-53,123-123 53-53,100-200,5000-6000,65535-65535
@10.1.0.0/16\t0.0.0.0/0\t0 : 65535\t1000 : 2000\t0x06/0xFF\t0x0000/0x0000\t
6 allow 1,2,3,4,50,51 172.16.0.0/12,10.0.0.0/9,10.128.0.0/10 172.16.0.0/12 * *
7 allow * 0.0.0.0/0 203.0.113.7/32 * 0-65535
8 deny 6 * * 1024-65535 0-1023
";

fn bits(address: IpAddress) -> u128 {
    match address {
        IpAddress::Ipv4(address) => u128::from(address.to_bits()) << 96,
        IpAddress::Ipv6(address) => address.to_bits(),
    }
}

type Ranges<T> = Vec<RangeInclusive<T>>;

/// A rule as ranges of numbers, for a search that knows nothing of the classifier.
struct Linear {
    protocols: Vec<u8>,
    addresses: [Ranges<u128>; 2],
    ports: [Ranges<u16>; 2],
}

fn lets_through<T: PartialOrd>(list: &[RangeInclusive<T>], value: &T) -> bool {
    list.is_empty() || list.iter().any(|range| range.contains(value))
}

impl Linear {
    fn new(rule: &Rule<'_>) -> Self {
        let ranges = |prefixes: &[IpCidr]| {
            let range = |prefix: &IpCidr| {
                let after = u128::MAX.checked_shr(prefix.prefix_len().into()).unwrap_or(0);
                let first = bits(prefix.address()) & !after;
                first..=first | after
            };
            prefixes.iter().map(range).collect()
        };
        Self {
            protocols: rule.protocols.to_vec(),
            addresses: [ranges(rule.sources), ranges(rule.destinations)],
            ports: [rule.source_ports.to_vec(), rule.destination_ports.to_vec()],
        }
    }

    fn matches(&self, at: &Headers, [source, destination]: [u128; 2]) -> bool {
        lets_through(&self.addresses[0], &source)
            && lets_through(&self.addresses[1], &destination)
            && lets_through(&self.ports[0], &at.source_port)
            && lets_through(&self.ports[1], &at.destination_port)
            && (self.protocols.is_empty() || self.protocols.contains(&at.protocol))
    }
}

/// Classifies `headers` in bursts and one by one; how many have a rule.
fn compare(name: &str, set: &RuleSet, headers: &[Headers], step: usize) -> usize {
    let mut groups = Groups::new(1, WORDS).unwrap();
    groups.set(0, set).unwrap();
    let rules = set.rules(0);
    let linear: Vec<_> = rules.iter().map(Linear::new).collect();
    let mut matched = 0;
    for (number, burst) in headers.chunks(BURST).enumerate() {
        let mut found = [Match::NoGroup; BURST];
        groups.acl.classify_burst(0, burst, &mut found, &Prefetch);
        let mut in_software = [Match::NoGroup; BURST];
        groups.acl.classify_burst(0, burst, &mut in_software, &SoftwareHints);
        assert_eq!(found, in_software, "{name}: {burst:?}");
        for (index, (at, found)) in burst.iter().zip(found).enumerate() {
            matched += usize::from(found != Match::NoRule);
            if !(number * BURST + index).is_multiple_of(step) {
                continue;
            }
            let sides = [bits(at.source), bits(at.destination)];
            let first = linear.iter().position(|rule| rule.matches(at, sides));
            let wanted = first.map_or(Match::NoRule, |index| Match::Rule {
                priority: rules[index].priority,
                value: rules[index].value,
            });
            assert_eq!(found, wanted, "{name}: {at:?}");
            assert_eq!(groups.acl.classify(0, at), wanted, "{name}: {at:?}");
        }
    }
    matched
}

/// The folder of the sets.
fn data() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    std::env::var("DASH_DATA").map_or(folder, Into::into)
}

#[test]
fn scratch_is_at_most_four_times_the_image() {
    for name in SETS {
        let path = data().join(format!("{name}.rules.gz")).display().to_string();
        if !Path::new(&path).exists() {
            println!("{name}: skipped, no {path}");
            continue;
        }
        for family in FAMILIES {
            let set = RuleSet::load(&path, family).unwrap();
            if cfg!(debug_assertions) && set.len() > MANY && family != Family::V4 {
                continue;
            }
            let version = if family == Family::V4 { IpVersion::Ipv4 } else { IpVersion::Ipv6 };
            let mut groups = Groups::new(1, WORDS).unwrap();
            let Size { compiled, scratch } = groups.writer.compile(version, &set.rules(0)).unwrap();
            println!("{name}{}: {compiled} words, scratch {scratch}", family.label());
            assert!(scratch <= 4 * compiled);
        }
    }
}

#[test]
fn traces_equal_a_linear_search() {
    let folder = data();
    // Those of 2^20 headers that `benches/peers/run` makes.
    let made = std::env::var("DASH_TRACES").ok().map(PathBuf::from);
    for name in SETS {
        let rules = folder.join(format!("{name}.rules.gz")).display().to_string();
        let long = made.iter().flat_map(|made| {
            ["uniform", "zipf"].map(|label| made.join(format!("{name}.{label}.trace.gz")))
        });
        for trace in [folder.join(format!("{name}.trace.gz"))].into_iter().chain(long) {
            if !trace.exists() {
                println!("{name}: skipped, no {}", trace.display());
                continue;
            }
            for family in FAMILIES {
                let set = RuleSet::load(&rules, family).unwrap();
                let headers = all_headers(&trace.display().to_string(), family).unwrap();
                // A minute of searching is enough.
                if set.len() > MOST && family != Family::V4 {
                    continue;
                }
                let step = if cfg!(debug_assertions) && set.len() > MANY { DEBUG_STEP } else { 1 };
                let matched = compare(name, &set, &headers, step);
                let (name, all) = (format!("{name}{}", family.label()), headers.len());
                println!(
                    "{name}: {} headers equal, {matched} of {all} matched",
                    all.div_ceil(step)
                );
            }
        }
    }
}

#[test]
fn the_sample_equals_a_linear_search() {
    const ADDRESSES: [[u8; 4]; 14] = [
        [9, 255, 255, 255],
        [10, 0, 0, 0],
        [10, 1, 2, 2],
        [10, 1, 2, 3],
        [10, 1, 2, 5],
        [10, 1, 3, 0],
        [10, 191, 255, 255],
        [10, 192, 0, 0],
        [10, 200, 1, 1],
        [172, 31, 255, 255],
        [172, 32, 0, 0],
        [192, 0, 2, 127],
        [192, 0, 2, 128],
        [203, 0, 113, 7],
    ];
    const PORTS: [u16; 12] = [0, 22, 53, 80, 100, 123, 443, 1000, 1023, 1024, 5500, 65535];
    for family in FAMILIES {
        let set = RuleSet::parse(SAMPLE, family).unwrap();
        let mut headers = Vec::new();
        for (source, destination) in ADDRESSES.iter().flat_map(|one| ADDRESSES.map(|it| (*one, it)))
        {
            for (source_port, destination_port) in
                PORTS.iter().flat_map(|one| PORTS.map(|it| (*one, it)))
            {
                for protocol in [1, 6, 17, 51, 58] {
                    let [source, destination] =
                        [source, destination].map(|it| family.address(u32::from_be_bytes(it)));
                    headers.push(Headers {
                        source,
                        destination,
                        protocol,
                        source_port,
                        destination_port,
                    });
                }
            }
        }
        let matched = compare("sample", &set, &headers, 1);
        println!("sample{}: {} headers equal, {matched} matched", family.label(), headers.len());
        assert!(matched > headers.len() / 8 && matched < headers.len());
    }
}
