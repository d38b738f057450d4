//! Rule sets and traces, as `acl_work.h` reads them: `ClassBench`'s or DASH-style, unpacked by gzip.

use std::{
    fs::File,
    io::Read,
    net::{Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
};

use dash_core::table::acl::{Headers, Rule};
use flate2::read::MultiGzDecoder;
use smoltcp::wire::{IpAddress, IpCidr};

use crate::turns::Failure;

/// How the addresses of a set and of its traces are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    /// As the last 32 bits behind a prefix of 96.
    V6Behind,
    /// As every second bit of the first 64.
    V6Spread,
}

impl Family {
    pub(crate) fn mapped(how: &str) -> Result<Self, Failure> {
        match how {
            "pre" => Ok(Self::V6Behind),
            "spread" => Ok(Self::V6Spread),
            _ => Err("--v6 pre|spread".into()),
        }
    }

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::V4 => "",
            Self::V6Behind => " v6pre",
            Self::V6Spread => " v6spread",
        }
    }

    pub(crate) fn address(self, bits: u32) -> IpAddress {
        match self {
            Self::V4 => IpAddress::Ipv4(Ipv4Addr::from_bits(bits)),
            Self::V6Behind => {
                IpAddress::Ipv6(Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(bits)))
            }
            Self::V6Spread => {
                let last = u128::from(mix(bits.into()));
                IpAddress::Ipv6(Ipv6Addr::from_bits(u128::from(spread(bits)) << 64 | last))
            }
        }
    }

    fn prefix(self, bits: u32, length: u8) -> IpCidr {
        match self {
            Self::V4 => IpCidr::new(self.address(bits), length),
            Self::V6Behind if length == 0 => IpCidr::new(Ipv6Addr::UNSPECIFIED.into(), 0),
            Self::V6Behind => IpCidr::new(self.address(bits), 96 + length),
            Self::V6Spread => {
                let address = Ipv6Addr::from_bits(u128::from(spread(bits)) << 64);
                IpCidr::new(address.into(), 2 * length)
            }
        }
    }
}

/// Bit i, the first being 0, as bit 2i of the result.
fn spread(bits: u32) -> u64 {
    (0..32).fold(0, |spread, bit| spread << 2 | u64::from(bits >> (31 - bit) & 1) << 1)
}

/// The finaliser of splitmix64, as in `common.h`.
fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

/// A rule that owns its lists.
struct Lists {
    protocols: Vec<u8>,
    prefixes: [Vec<IpCidr>; 2],
    ports: [Vec<RangeInclusive<u16>>; 2],
}

/// Rules in order.
pub(crate) struct RuleSet {
    pub(crate) family: Family,
    lists: Vec<Lists>,
}

impl RuleSet {
    pub(crate) fn load(path: &str, family: Family) -> Result<Self, Failure> {
        Self::parse(&unpacked(path)?, family).map_err(|error| format!("{path}: {error}").into())
    }

    pub(crate) fn parse(text: &str, family: Family) -> Result<Self, Failure> {
        let lists = text.lines().map(|line| {
            let lists =
                if line.starts_with('@') { class_bench(line, family) } else { dash(line, family) };
            lists.ok_or_else(|| line.into())
        });
        Ok(Self { family, lists: lists.collect::<Result<_, Failure>>()? })
    }

    pub(crate) fn len(&self) -> usize {
        self.lists.len()
    }

    /// As rules of a group; the priority is the number, from 1, and the value the place of the
    /// counter, from `first`.
    pub(crate) fn rules(&self, first: u32) -> Vec<Rule<'_>> {
        let rule = |(lists, index): (_, u32)| {
            let Lists { protocols, prefixes, ports }: &Lists = lists;
            let [sources, destinations] = prefixes;
            let [source_ports, destination_ports] = ports;
            Rule {
                priority: index + 1,
                value: first + index,
                protocols,
                sources,
                destinations,
                source_tags: &[],
                destination_tags: &[],
                source_ports,
                destination_ports,
            }
        };
        self.lists.iter().zip(0..).map(rule).collect()
    }
}

/// Headers of IPv4 as they wait, in as many bytes as the peer's.
#[derive(Clone, Copy)]
pub(crate) struct Packed {
    source: u32,
    destination: u32,
    ports: [u16; 2],
    protocol: u8,
}

impl Packed {
    fn of(headers: &Headers) -> Option<Self> {
        let (IpAddress::Ipv4(source), IpAddress::Ipv4(destination)) =
            (headers.source, headers.destination)
        else {
            return None;
        };
        Some(Self {
            source: source.to_bits(),
            destination: destination.to_bits(),
            ports: [headers.source_port, headers.destination_port],
            protocol: headers.protocol,
        })
    }

    fn headers(&self) -> Headers {
        Headers {
            source: Ipv4Addr::from_bits(self.source).into(),
            destination: Ipv4Addr::from_bits(self.destination).into(),
            protocol: self.protocol,
            source_port: self.ports[0],
            destination_port: self.ports[1],
        }
    }
}

/// Headers in order, whole bursts.
pub(crate) enum Trace {
    V4(Vec<Packed>),
    V6(Vec<Headers>),
}

impl Trace {
    pub(crate) fn load(path: &str, family: Family) -> Result<Self, Failure> {
        Ok(Self::of(all_headers(path, family)?))
    }

    pub(crate) fn of(mut headers: Vec<Headers>) -> Self {
        headers.truncate(headers.len() / super::BURST * super::BURST);
        match headers.iter().map(Packed::of).collect() {
            Some(packed) => Self::V4(packed),
            None => Self::V6(headers),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::V4(headers) => headers.len(),
            Self::V6(headers) => headers.len(),
        }
    }

    /// One burst after the other; those of IPv4 are unpacked on the way, as a frame is parsed.
    pub(crate) fn bursts(&self, mut each: impl FnMut(&[Headers])) {
        match self {
            Self::V4(packed) => {
                let Some(first) = packed.first() else { return };
                let mut burst = [first.headers(); super::BURST];
                for packed in packed.as_chunks::<{ super::BURST }>().0 {
                    for (headers, packed) in burst.iter_mut().zip(packed) {
                        *headers = packed.headers();
                    }
                    each(&burst);
                }
            }
            Self::V6(headers) => headers.chunks(super::BURST).for_each(each),
        }
    }
}

/// Headers in order.
pub(crate) fn all_headers(path: &str, family: Family) -> Result<Vec<Headers>, Failure> {
    let text = unpacked(path)?;
    let mut headers = Vec::new();
    for line in text.lines() {
        let mut numbers = line.split_ascii_whitespace().map(str::parse::<u32>);
        let mut next = || numbers.next().ok_or_else(|| format!("{path}: {line}"));
        let (source, destination) = (next()??, next()??);
        let (source_port, destination_port) = (next()??.try_into()?, next()??.try_into()?);
        headers.push(Headers {
            source: family.address(source),
            destination: family.address(destination),
            protocol: next()??.try_into()?,
            source_port,
            destination_port,
        });
    }
    Ok(headers)
}

fn unpacked(path: &str) -> Result<String, Failure> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| format!("{path}: {error}"))?;
    MultiGzDecoder::new(file).read_to_string(&mut text)?;
    Ok(text)
}

fn prefix(text: &str, family: Family) -> Option<IpCidr> {
    let (address, length) = text.split_once('/')?;
    Some(family.prefix(address.parse::<Ipv4Addr>().ok()?.to_bits(), length.parse().ok()?))
}

/// `@source destination first : last first : last protocol/mask flags/mask`, by tabs.
fn class_bench(line: &str, family: Family) -> Option<Lists> {
    let mut words = line.strip_prefix('@')?.split('\t');
    // A prefix of length 0 lets everything through, as no list does.
    let mut side = || Some(vec![prefix(words.next()?, family)?]);
    let prefixes = [side()?, side()?];
    let mut range = || {
        let (first, last) = words.next()?.split_once(" : ")?;
        Some(vec![first.trim().parse().ok()?..=last.trim().parse().ok()?])
    };
    let ports = [range()?, range()?];
    let (value, mask) = words.next()?.split_once('/')?;
    let byte = |text: &str| u8::from_str_radix(text.strip_prefix("0x")?, 16).ok();
    let protocols = if byte(mask)? == 0 { vec![] } else { vec![byte(value)?] };
    Some(Lists { protocols, prefixes, ports })
}

/// `priority action protocols sources destinations source-ports destination-ports`, lists by commas.
fn dash(line: &str, family: Family) -> Option<Lists> {
    fn list<T>(text: &str, element: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
        if text == "*" { Some(vec![]) } else { text.split(',').map(element).collect() }
    }
    let mut words = line.split(' ').skip(2);
    let protocols = list(words.next()?, |protocol| protocol.parse().ok())?;
    let mut side = || list(words.next()?, |text| prefix(text, family));
    let prefixes = [side()?, side()?];
    let mut ranges = || {
        list(words.next()?, |range| {
            let (first, last) = range.split_once('-')?;
            Some(first.parse().ok()?..=last.parse().ok()?)
        })
    };
    Some(Lists { protocols, prefixes, ports: [ranges()?, ranges()?] })
}
