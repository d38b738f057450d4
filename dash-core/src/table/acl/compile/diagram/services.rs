//! Services: the classes of protocol and ports. Ports with equal sets of rules are one class, and so
//! are combinations of a protocol and two classes of ports.

use super::{
    super::{
        rules::{Extent, port_ranges},
        space::Space,
    },
    Diagram, Phase,
    chains::SLOTS,
    partition::Partition,
};
use crate::table::{
    TableError,
    acl::{
        Rule,
        image::{DESTINATION, PAGE_BITS, PAGES, SOURCE, header, of, of_mut, protocols_at},
    },
};
use core::ops::RangeInclusive;

/// Most cells of a row by protocol and ports: what a step may cost.
const MAX_CELLS: usize = 1 << 14;
/// Words that mark the ports where an interval begins.
const MARKS: usize = (1 << 16) / 32;

/// The intervals of a port, and their classes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ports {
    /// First port of each interval.
    starts: usize,
    /// Class of each interval.
    classes: usize,
    intervals: usize,
    count: usize,
}

impl Diagram {
    pub(super) fn begin_marks(&mut self, space: &mut Space<'_>) -> Result<(), TableError> {
        self.sets = space.scratch(MARKS)?;
        space.fill(self.sets, MARKS, 0);
        space.set(self.sets, 1);
        Ok(())
    }

    /// Marks the ports where the ranges of a rule begin and end.
    pub(super) fn mark(&self, space: &Space<'_>, ranges: &[RangeInclusive<u16>]) {
        for range in ranges.iter().filter(|range| !range.is_empty()) {
            for port in [Some(*range.start()), range.end().checked_add(1)].into_iter().flatten() {
                let at = self.sets + usize::from(port / 32);
                space.set(at, space.get(at) | 1 << (port % 32));
            }
        }
    }

    pub(super) fn finish_marks(
        &mut self,
        space: &mut Space<'_>,
        port: usize,
    ) -> Result<(), TableError> {
        let marks = self.sets;
        let intervals: usize =
            (0..MARKS).map(|word| space.get(marks + word).count_ones() as usize).sum();
        let starts = space.grow(intervals)?;
        let mut next = starts;
        for word in 0..MARKS {
            let mut bits = space.get(marks + word);
            while bits != 0 {
                space.set(next, word as u32 * 32 + bits.trailing_zeros());
                bits &= bits - 1;
                next += 1;
            }
        }
        space.release(self.mark);
        let classes = space.scratch(intervals)?;
        let own = space.scratch(intervals)?;
        for index in 0..intervals {
            space.set(own + index, space.get(starts + index));
        }
        space.truncate(starts);
        self.mark = space.back();
        *of_mut(&mut self.ports, port) = Ports { starts: own, classes, intervals, count: 0 };
        self.partition = Partition::new(space, classes, intervals)?;
        self.phase = Phase::Overlay { port, next: 0 };
        Ok(())
    }

    /// Gives intervals of equal sets one class.
    pub(super) fn finish_overlay(
        &mut self,
        space: &mut Space<'_>,
        port: usize,
    ) -> Result<(), TableError> {
        let count = self.partition.finish(space);
        of_mut(&mut self.ports, port).count = count;
        space.release(self.mark);
        let at = header::ports(port);
        space.set(at, count as u32);
        if count == 1 {
            return self.finish_pages(space, port);
        }
        let pages = space.grow(PAGES)?;
        space.set(at + 1, pages as u32);
        // For each class the page of nothing else.
        self.sets = space.scratch(count)?;
        space.fill(self.sets, count, 0);
        self.phase = Phase::Pages { port, next: 0 };
        Ok(())
    }

    /// The classes of the ports of one page.
    pub(super) fn page(
        &self,
        space: &mut Space<'_>,
        port: usize,
        page: usize,
    ) -> Result<(), TableError> {
        const PAGE: usize = 1 << PAGE_BITS;
        let ports = *of(&self.ports, port);
        let table = space.get(header::ports(port) + 1) as usize;
        let first = page * PAGE;
        let mut interval = interval_of(space, &ports, first as u32);
        let ends = |space: &Space<'_>, interval: usize| {
            if interval + 1 < ports.intervals {
                space.get(ports.starts + interval + 1) as usize
            } else {
                1 << 16
            }
        };
        let class = space.get(ports.classes + interval);
        let uniform = ends(space, interval) >= first + PAGE;
        let known = space.get(self.sets + class as usize);
        if uniform && known != 0 {
            space.set(table + page, known);
            return Ok(());
        }
        let at = space.grow(PAGE)?;
        if uniform {
            space.set(self.sets + class as usize, at as u32);
        }
        space.set(table + page, at as u32);
        for place in 0..PAGE {
            while ends(space, interval) <= first + place {
                interval += 1;
            }
            space.set(at + place, space.get(ports.classes + interval));
        }
        Ok(())
    }

    pub(super) fn finish_pages(
        &mut self,
        space: &mut Space<'_>,
        port: usize,
    ) -> Result<(), TableError> {
        space.release(self.mark);
        if port == SOURCE {
            self.begin_marks(space)?;
            self.phase = Phase::Mark { port: DESTINATION, next: 0 };
            return Ok(());
        }
        let cells = self.cells();
        if cells > MAX_CELLS {
            return Err(TableError::Full);
        }
        self.sets = space.scratch(cells)?;
        self.partition = Partition::new(space, self.sets, cells)?;
        self.phase = Phase::Services { next: 0 };
        Ok(())
    }

    /// Gives cells of equal sets one class: a service.
    pub(super) fn finish_services(&mut self, space: &mut Space<'_>) -> Result<(), TableError> {
        let cells = self.cells();
        let table = space.grow(cells)?;
        space.set(header::SERVICES, table as u32);
        self.services = self.partition.finish(space);
        for cell in 0..cells {
            space.set(table + cell, space.get(self.sets + cell));
        }
        space.release(self.mark);
        self.begin_chains(space, SLOTS)?;
        self.front = space.front();
        self.phase = Phase::Classes { next: 0 };
        Ok(())
    }

    /// The cells of a rule, by protocol, source port and destination port.
    pub(super) fn cells_of<'s>(
        &self,
        space: &'s Space<'_>,
        rule: &'s Rule<'_>,
    ) -> impl Iterator<Item = usize> + use<'s> {
        let named = protocols_at(space.get(header::RULES) as usize);
        let all = if rule.protocols.is_empty() { 0..self.protocols } else { 0..0 };
        let listed = rule.protocols.iter().map(move |protocol| {
            let word = space.get(named + usize::from(protocol / 4));
            (word >> (protocol % 4 * 8) & 0xff) as usize
        });
        let [sources, destinations] = self.ports;
        all.chain(listed).flat_map(move |protocol| {
            intervals(space, sources, rule.source_ports).flat_map(move |source| {
                let source = space.get(sources.classes + source) as usize;
                let start = (protocol * sources.count + source) * destinations.count;
                intervals(space, destinations, rule.destination_ports).map(move |destination| {
                    start + space.get(destinations.classes + destination) as usize
                })
            })
        })
    }

    /// Cells of a row by protocol and ports.
    pub(super) fn cells(&self) -> usize {
        self.protocols * self.ports[SOURCE].count * self.ports[DESTINATION].count
    }
}

/// The interval that `port` is in.
fn interval_of(space: &Space<'_>, ports: &Ports, port: u32) -> usize {
    let mut base = 0;
    let mut length = ports.intervals;
    while length > 1 {
        let step = length / 2;
        base += if space.get(ports.starts + base + step) <= port { step } else { 0 };
        length -= step;
    }
    base
}

/// The intervals that the ranges of a rule cover; those of "any" once a class would do.
pub(super) fn intervals<'s>(
    space: &'s Space<'_>,
    ports: Ports,
    ranges: &'s [RangeInclusive<u16>],
) -> impl Iterator<Item = usize> + 's {
    let any = port_ranges(ranges) == Extent::Any;
    let all = any.then_some(0..ports.intervals);
    let listed = ranges.iter().filter(|range| !range.is_empty()).map(move |range| {
        interval_of(space, &ports, (*range.start()).into())
            ..interval_of(space, &ports, (*range.end()).into()) + 1
    });
    all.into_iter().chain(listed).flatten()
}
