//! The records that lists lead to, and the checks of fields with more than one element.

use super::{
    BY_DESTINATION, DIAGRAM, NOWHERE, SCRATCH, rule_at,
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
            let tags = Ranges::new(space, &tags.map(|tag| ((*tag).into(), (*tag).into())), 1)?;
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
            let found = Ranges::new(space, &ranges, 1)?;
            checks.add(space, check::PROTOCOL, &found, None)?;
        }
        Ok(bits)
    }
}

/// So many ranges are looked at together in any case.
const FEWEST_RANGES: usize = 64;

const ADDRESS_CHECKS: [u32; 2] = [check::SOURCE, check::DESTINATION];

/// Ranges of numbers in the scratch, sorted and apart.
#[derive(Clone, Copy, Debug)]
struct Ranges {
    at: usize,
    count: usize,
    words: u32,
}

impl Ranges {
    /// Of any ranges: sorted, and those that overlap are one. So the image of many may be small:
    /// only so many are looked at together as the scratch may hold, those with the first starts
    /// in the first pass.
    fn new(
        space: &mut Space<'_>,
        ranges: &(impl Iterator<Item = (u128, u128)> + Clone),
        words: u32,
    ) -> Result<Self, TableError> {
        // A key has a word or more.
        let stride = (2 * words as usize).max(1);
        let all = ranges.clone().count();
        let end = space.back();
        // Ranges that are known to go into the image.
        let mut known = 0;
        loop {
            let room = (SCRATCH * space.front()).saturating_sub(space.in_scratch()) / stride;
            // At least one, for what fits.
            let most = all.min(room.max(SCRATCH * known).max(FEWEST_RANGES)).max(1);
            let at = space.scratch(most * stride)?;
            let mut found = Self { at, count: 0, words };
            if found.gather(space, ranges, most) {
                found.move_to(space, end);
                return Ok(found);
            }
            known = found.count;
            space.release(end);
        }
    }

    /// Whether there is room for all that is left of `ranges`.
    fn gather(
        &mut self,
        space: &Space<'_>,
        ranges: &(impl Iterator<Item = (u128, u128)> + Clone),
        most: usize,
    ) -> bool {
        let mut after = None;
        // Bounded: each pass ends at a later start.
        while 2 * self.count <= most {
            let done = self.count;
            let mut until = None;
            for (first, last) in ranges.clone() {
                if after.is_some_and(|after| first <= after) || until.is_some_and(|it| first > it) {
                    continue;
                }
                if self.count == most {
                    self.tidy(space);
                    let kept = usize::midpoint(done, most);
                    if self.count > kept {
                        self.count = kept;
                        let (last_start, _) = self.get(space, kept);
                        until = Some(last_start);
                        if first > last_start {
                            continue;
                        }
                    }
                }
                self.set(space, self.count, (first, last));
                self.count += 1;
            }
            self.tidy(space);
            if until.is_none() {
                return true;
            }
            after = until;
        }
        false
    }

    /// Sorts the ranges and makes those that overlap one.
    fn tidy(&mut self, space: &Space<'_>) {
        let mut sort = Sort::new(self.at, self.count, 2 * self.words as usize);
        while !sort.step(space) {}
        let mut merged: usize = 0;
        for index in 0..self.count {
            let (first, last) = self.get(space, index);
            if let Some(before) = merged.checked_sub(1) {
                let (start, end) = self.get(space, before);
                if first <= end {
                    self.set(space, before, (start, end.max(last)));
                    continue;
                }
            }
            self.set(space, merged, (first, last));
            merged += 1;
        }
        self.count = merged;
    }

    /// Moves the ranges up to the end of the scratch that was taken for them; the rest is free.
    fn move_to(&mut self, space: &mut Space<'_>, end: usize) {
        let words = 2 * self.words as usize * self.count.max(1);
        let at = end - words;
        for word in (0..words).rev() {
            space.set(at + word, space.get(self.at + word));
        }
        self.at = at;
        space.release(at);
    }

    /// Those of the ports of one side; "any" is one range.
    fn of_ports(space: &mut Space<'_>, rule: &Rule<'_>, side: usize) -> Result<Self, TableError> {
        let ranges = ports(rule, side);
        let any = (port_ranges(ranges) == Extent::Any).then_some((0, u16::MAX));
        let listed =
            ranges.iter().filter(|range| !range.is_empty()).map(|one| (*one.start(), *one.end()));
        let all = any.into_iter().chain(listed);
        Self::new(space, &all.map(|(first, last)| (first.into(), last.into())), 1)
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
        Self::new(space, &prefixes, window.words)
    }

    /// Range `index`; the last one beyond.
    fn get(&self, space: &Space<'_>, index: usize) -> (u128, u128) {
        let (first, last) = self.place(index.min(self.count.saturating_sub(1)));
        (space.number(first, self.words), space.number(last, self.words))
    }

    fn set(&self, space: &Space<'_>, index: usize, (first, last): (u128, u128)) {
        let (first_at, last_at) = self.place(index);
        space.set_number(first_at, self.words, first);
        space.set_number(last_at, self.words, last);
    }

    /// Where the first and the last number of a range are.
    const fn place(&self, index: usize) -> (usize, usize) {
        let words = self.words as usize;
        let at = self.at + 2 * words * index;
        (at, at + words)
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
        let ((first, _), (_, last)) = (self.get(space, 0), self.get(space, self.count));
        self.set(space, 0, (first, last));
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
