//! The records that lists lead to, and the checks of fields with more than one element.

use super::{
    BY_DESTINATION, DIAGRAM, NOWHERE, rule_at,
    rules::{Extent, addresses as addresses_of, port_ranges, ports, prefix, prefixes, tags},
    sort::Sort,
    space::Space,
    tags::filter,
};
use crate::table::{
    TableError,
    acl::{
        Rule,
        image::{
            DESTINATION, PORT_RANGES, PROTOCOL_BITS, SOURCE, address_ranges, check, header, of,
            protocols_at, record, record_words,
        },
        key::Window,
    },
};
use smoltcp::wire::IpVersion;

/// Writes one record after the other.
#[derive(Debug)]
pub(super) struct Records {
    count: usize,
    version: IpVersion,
    windows: [Window; 2],
    next: usize,
    written: usize,
}

impl Records {
    pub(super) fn new(count: usize, version: IpVersion, windows: [Window; 2]) -> Self {
        Self { count, version, windows, next: 0, written: 0 }
    }

    /// Takes the next rule; whether all have been taken.
    pub(super) fn step(
        &mut self,
        space: &mut Space<'_>,
        rules: &[Rule<'_>],
        order: usize,
        places: usize,
    ) -> Result<bool, TableError> {
        let words = record_words(self.key_words());
        if self.next == 0 && self.count > 0 {
            let align = space.front().next_multiple_of(16) - space.front();
            space.grow(align)?;
            let at = space.grow(words * self.count)?;
            space.set(header::RECORDS, at as u32);
        }
        let index = self.next;
        let Some(rule) = (index < space.get(header::RULES) as usize)
            .then(|| rule_at(space, order, rules, index))
            .flatten()
        else {
            return Ok(true);
        };
        self.next += 1;
        let place = space.get(places + index);
        if place & (DIAGRAM | NOWHERE) == 0 {
            let at = space.get(header::RECORDS) as usize + words * self.written;
            self.written += 1;
            let side = usize::from(place & BY_DESTINATION != 0);
            self.write(space, at, index, side, rule)?;
        }
        Ok(false)
    }

    fn key_words(&self) -> usize {
        self.windows[SOURCE].words as usize
    }

    /// The record of a rule that is found by `side`.
    fn write(
        &self,
        space: &mut Space<'_>,
        at: usize,
        index: usize,
        side: usize,
        rule: &Rule<'_>,
    ) -> Result<(), TableError> {
        let mut checks = Checks { first: 0, last: 0 };
        let mark = space.back();
        let protocols = Self::protocols(space, &mut checks, rule)?;

        let found = Ranges::of_ports(space, rule, SOURCE)?;
        let source = found.fit(space, &mut checks, check::SOURCE_PORT, 1)?;
        let (first, last) = source.get(space, 0);
        space.set(at + record::SOURCE_PORT, first as u32 | ((last - first) as u32) << 16);

        let found = Ranges::of_ports(space, rule, DESTINATION)?;
        let destination = found.fit(space, &mut checks, check::DESTINATION_PORT, PORT_RANGES)?;
        for place in 0..PORT_RANGES {
            let (first, last) = destination.get(space, place);
            space.set(at + record::PORTS + place, first as u32 | ((last - first) as u32) << 16);
        }
        let ranges = (0..PORT_RANGES).map(|place| destination.get(space, place));
        let ranges = ranges.map(|(first, last)| (first as u16, last as u16));
        filter(space, side, tags(rule, side, self.version), ranges);

        let words = self.windows[SOURCE].words;
        let number = words as usize;
        let room = address_ranges(number);
        let other = 1 - side;
        let any = addresses_of(rule, other, self.version) == Extent::Any
            || !tags(rule, other, self.version).is_empty();
        let found =
            Ranges::of_addresses(space, rule, other, self.version, of(&self.windows, other))?;
        let fit = if tags(rule, other, self.version).is_empty() {
            found.fit(space, &mut checks, *of(&ADDRESS_CHECKS, other), room)?
        } else {
            let tags = tags(rule, other, self.version).iter();
            let tags = Ranges::new(space, tags.map(|tag| ((*tag).into(), (*tag).into())), 1)?;
            checks.add(space, *of(&ADDRESS_CHECKS, other), &found, Some(&tags))?;
            found
        };
        let starts = at + record::ADDRESSES;
        for place in 0..room {
            let (first, last) = if any { (0, u128::MAX) } else { fit.get(space, place) };
            space.set_number(starts + place * number, words, first);
            space.set_number(starts + (room + place) * number, words, last);
        }

        space.release(mark);

        let any = if any { record::ANY } else { 0 };
        let checked = if checks.first > 0 { record::CHECKED } else { 0 };
        space.set(at + record::RULE, index as u32 | any | checked);
        space.set(at + record::PROTOCOLS, protocols);
        space.set(at + record::CHECKS, checks.first as u32);
        Ok(())
    }

    /// One bit for each class of protocols.
    fn protocols(
        space: &mut Space<'_>,
        checks: &mut Checks,
        rule: &Rule<'_>,
    ) -> Result<u32, TableError> {
        if rule.protocols.is_empty() {
            return Ok(u32::MAX);
        }
        let mut bits = 0;
        for protocol in rule.protocols {
            let at = protocols_at(space.get(header::RULES) as usize) + usize::from(protocol / 4);
            let class = space.get(at) >> (protocol % 4 * 8) & 0xff;
            bits |= 1 << class.min(PROTOCOL_BITS - 1);
        }
        if bits >> (PROTOCOL_BITS - 1) != 0 {
            let ranges = rule.protocols.iter().map(|one| (u128::from(*one), u128::from(*one)));
            let found = Ranges::new(space, ranges, 1)?;
            checks.add(space, check::PROTOCOL, &found, None)?;
        }
        Ok(bits)
    }
}

const ADDRESS_CHECKS: [u32; 2] = [check::SOURCE, check::DESTINATION];

/// Ranges of numbers in the scratch, sorted and apart.
#[derive(Clone, Copy, Debug)]
struct Ranges {
    at: usize,
    count: usize,
    words: u32,
}

impl Ranges {
    fn new(
        space: &mut Space<'_>,
        ranges: impl Iterator<Item = (u128, u128)> + Clone,
        words: u32,
    ) -> Result<Self, TableError> {
        let stride = Self::stride(words);
        let count = ranges.clone().count();
        // At least one, for what fits.
        let from = space.scratch(count.max(1) * stride)?;
        let to = space.scratch(count * stride)?;
        for (index, (first, last)) in ranges.enumerate() {
            space.set_number(from + index * stride, words, first);
            space.set_number(from + index * stride + words as usize, words, last);
        }
        let mut sort = Sort::new(from, to, count, stride);
        let at = loop {
            if let Some(sorted) = sort.step(space) {
                break sorted;
            }
        };
        Ok(Self { at, count: merge(space, at, count, words), words })
    }

    const fn stride(words: u32) -> usize {
        2 * words as usize + 1
    }

    /// Those of the ports of one side; "any" is one range.
    fn of_ports(space: &mut Space<'_>, rule: &Rule<'_>, side: usize) -> Result<Self, TableError> {
        let ranges = ports(rule, side);
        let any = (port_ranges(ranges) == Extent::Any).then_some((0, u16::MAX));
        let listed =
            ranges.iter().filter(|range| !range.is_empty()).map(|one| (*one.start(), *one.end()));
        let all = any.into_iter().chain(listed);
        Self::new(space, all.map(|(first, last)| (first.into(), last.into())), 1)
    }

    /// Those of the prefixes of one side.
    fn of_addresses(
        space: &mut Space<'_>,
        rule: &Rule<'_>,
        side: usize,
        version: IpVersion,
        window: &Window,
    ) -> Result<Self, TableError> {
        let prefixes = prefixes(rule, side)
            .iter()
            .filter_map(|one| prefix(one, version))
            .map(|(bits, length)| window.range(bits, length));
        Self::new(space, prefixes, window.words)
    }

    /// Range `index`; the last one beyond.
    fn get(&self, space: &Space<'_>, index: usize) -> (u128, u128) {
        let index = index.min(self.count.saturating_sub(1));
        let at = self.at + index * Self::stride(self.words);
        let last = at + self.words as usize;
        (space.number(at, self.words), space.number(last, self.words))
    }

    /// Adds the first values, then the last ones, to the image.
    fn write(&self, space: &mut Space<'_>) -> Result<(), TableError> {
        let number = self.words as usize;
        let starts = space.grow(2 * self.count * number)?;
        let ends = starts + self.count * number;
        for index in 0..self.count {
            let (first, last) = self.get(space, index);
            space.set_number(starts + index * number, self.words, first);
            space.set_number(ends + index * number, self.words, last);
        }
        Ok(())
    }

    /// These ranges if they are at most `places`; if not, one around them, and a check.
    fn fit(
        self,
        space: &mut Space<'_>,
        checks: &mut Checks,
        kind: u32,
        places: usize,
    ) -> Result<Self, TableError> {
        if self.count <= places {
            return Ok(self);
        }
        checks.add(space, kind, &self, None)?;
        let (_, last) = self.get(space, self.count);
        space.set_number(self.at + self.words as usize, self.words, last);
        Ok(Self { count: 1, ..self })
    }
}

/// The checks of one record.
struct Checks {
    /// Start of the first one; 0: none.
    first: usize,
    last: usize,
}

impl Checks {
    /// Adds a check for `ranges` and `tags`.
    fn add(
        &mut self,
        space: &mut Space<'_>,
        kind: u32,
        ranges: &Ranges,
        tags: Option<&Ranges>,
    ) -> Result<(), TableError> {
        let at = space.grow(check::WORDS)?;
        space.set(at, kind);
        space.set(at + 1, ranges.count as u32);
        space.set(at + 2, tags.map_or(0, |tags| tags.count as u32));
        ranges.write(space)?;
        if let Some(tags) = tags {
            tags.write(space)?;
        }
        if self.first == 0 {
            self.first = at;
        } else {
            space.set(self.last, space.get(self.last) | check::MORE);
        }
        self.last = at;
        Ok(())
    }
}

/// Makes ranges that overlap one, in place; how many are left.
fn merge(space: &Space<'_>, ranges: usize, count: usize, words: u32) -> usize {
    let number = words as usize;
    let stride = 2 * number + 1;
    let mut merged = 0;
    for index in 0..count {
        let first = space.number(ranges + index * stride, words);
        let last = space.number(ranges + index * stride + number, words);
        if let Some(before) = usize::checked_sub(merged, 1) {
            let end = ranges + before * stride + number;
            if first <= space.number(end, words) {
                let longer = last.max(space.number(end, words));
                space.set_number(end, words, longer);
                continue;
            }
        }
        space.set_number(ranges + merged * stride, words, first);
        space.set_number(ranges + merged * stride + number, words, last);
        merged += 1;
    }
    merged
}
