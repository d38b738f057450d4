//! The diagram: from the classes of source, destination, protocol and ports to the rule.
//!
//! Ports of the same rules are one class, of a *partition* that the rules refine. Then rules are laid
//! over each other, the last one first: a set of rules is a node of a *chain*, the set before it and
//! the rule laid over it, and equal sets are one node. Destinations with equal sets are one class.
//! For each source interval the rules that it is in are laid over the classes of destinations; each
//! set found that way becomes a row of rules by protocol and ports, and the rows become nodes of the
//! diagram, sixteen cells a node, equal ones once.
//!
//! That is done twice. First the nodes are only counted, by their hashes, for the words of the image
//! and the scratch that they need: a diagram that is not worth them is given up before it has taken
//! them. The sets of rows are forgotten when they take too much; they only save time.

mod chains;
mod emit;
mod partition;
mod rows;
mod services;

use super::{rule_at, rules::ports as ports_of, space::Space};
use crate::table::{
    TableError,
    acl::{
        Rule,
        image::{DESTINATION, MAX_LEVELS, PAGES, SOURCE, header, of, side},
    },
};
use chains::Slots;
pub(super) use chains::mix;
use partition::Partition;
use services::{Ports, intervals};

/// Rules, nodes of a level, and classes fit half words.
const MAX_NUMBER: usize = 0xffff;

#[derive(Clone, Copy, Debug)]
enum Phase {
    Mark { port: usize, next: usize },
    Overlay { port: usize, next: usize },
    Pages { port: usize, next: usize },
    Services { next: usize },
    Classes { next: usize },
    Rows { next: usize },
    Emit,
    Done,
}

#[derive(Clone, Copy, Debug, Default)]
struct Level {
    shift: u32,
    cells: usize,
    count: usize,
}

/// A diagram on its way.
#[derive(Debug)]
pub(super) struct Diagram {
    count: usize,
    protocols: usize,
    /// Whether nodes are large and few.
    flat: bool,
    phase: Phase,
    /// One bit a rule.
    set: usize,
    /// For each rule the first node of the list of its destination classes.
    heads: usize,
    ports: [Ports; 2],
    /// The side whose intervals are rows.
    row_side: usize,
    /// Marks of ports, classes of services, later sets of the classes of destinations.
    sets: usize,
    /// Of the intervals of a port, later of the cells of a row by protocol and ports.
    partition: Partition,
    row: usize,
    chains: Slots,
    nodes: Slots,
    /// The chain of no rule.
    empty: usize,
    /// Scratch and image before the parts that come and go.
    mark: usize,
    front: usize,
    first_node: usize,
    /// Whether nodes are only counted.
    counting: bool,
    /// End of the scratch of the table of nodes and the sets of rows.
    rows_end: usize,
    /// Rules that were laid for this row, and for any at most.
    laid: usize,
    most_laid: usize,
    /// Nodes of chains that there is room for.
    most_chains: usize,
    classes: usize,
    services: usize,
    levels: [Level; MAX_LEVELS],
    level_count: usize,
    /// Levels of the destination.
    upper: usize,
}

impl Diagram {
    /// Over `count` rules and classes of protocols; `flat`: with large nodes, which must be few.
    pub(super) fn new(
        space: &mut Space<'_>,
        count: usize,
        protocols: u32,
        flat: bool,
    ) -> Result<Self, TableError> {
        // Two protocols share the last class.
        if count >= MAX_NUMBER || protocols > 0xff {
            return Err(TableError::Full);
        }
        let set = space.scratch(count.div_ceil(32))?;
        space.fill(set, count.div_ceil(32), 0);
        let heads = space.scratch(count)?;
        space.fill(heads, count, 0);
        // Rows of fewer intervals have more in common.
        let row_side = usize::from(count_of(space, DESTINATION) < count_of(space, SOURCE));
        space.set(header::ROW_SIDE, row_side as u32);
        let mut diagram = Self {
            count,
            protocols: protocols as usize,
            flat,
            phase: Phase::Mark { port: SOURCE, next: 0 },
            set,
            heads,
            ports: [Ports::default(); 2],
            row_side,
            sets: 0,
            partition: Partition::default(),
            row: 0,
            chains: Slots::default(),
            nodes: Slots::default(),
            empty: 0,
            mark: space.back(),
            front: 0,
            first_node: 0,
            counting: true,
            rows_end: 0,
            laid: 0,
            most_laid: 0,
            most_chains: 0,
            classes: 0,
            services: 0,
            levels: [Level::default(); MAX_LEVELS],
            level_count: 0,
            upper: 0,
        };
        diagram.begin_marks(space)?;
        Ok(diagram)
    }

    /// Does the next piece; whether all is done.
    pub(super) fn step(
        &mut self,
        space: &mut Space<'_>,
        rules: &[Rule<'_>],
        order: usize,
        places: usize,
    ) -> Result<bool, TableError> {
        let rule = |space: &Space<'_>, index: usize| {
            let is_mine = space.get(places + index) & super::DIAGRAM != 0;
            is_mine.then(|| rule_at(space, order, rules, index)).flatten()
        };
        match &mut self.phase {
            Phase::Mark { port, next } => {
                let (port, index) = (*port, *next);
                *next += 1;
                if index == self.count {
                    self.finish_marks(space, port)?;
                } else if let Some(rule) = rule(space, index) {
                    self.mark(space, ports_of(rule, port));
                }
            }
            Phase::Overlay { port, next } => {
                let (port, index) = (*port, *next);
                *next += 1;
                if index == self.count {
                    self.finish_overlay(space, port)?;
                } else if let Some(rule) = rule(space, index) {
                    let ports = *of(&self.ports, port);
                    // A copy to read while classes are added.
                    let starts = *space;
                    for interval in intervals(&starts, ports, ports_of(rule, port)) {
                        self.partition.cover(space, interval);
                    }
                    for interval in intervals(&starts, ports, ports_of(rule, port)) {
                        self.partition.split(space, interval)?;
                    }
                }
            }
            Phase::Pages { port, next } => {
                let (port, page) = (*port, *next);
                *next += 1;
                if page < PAGES {
                    self.page(space, port, page)?;
                } else {
                    self.finish_pages(space, port)?;
                }
            }
            Phase::Services { next } => {
                let index = *next;
                *next += 1;
                if index == self.count {
                    self.finish_services(space)?;
                } else if let Some(rule) = rule(space, index) {
                    // A copy to read while classes are added.
                    let view = *space;
                    for cell in self.cells_of(&view, rule) {
                        self.partition.cover(space, cell);
                    }
                    for cell in self.cells_of(&view, rule) {
                        self.partition.split(space, cell)?;
                    }
                }
            }
            Phase::Classes { next } => {
                let interval = *next;
                *next += 1;
                if interval <= count_of(space, 1 - self.row_side) {
                    self.class(space, interval)?;
                } else {
                    self.finish_classes(space)?;
                }
            }
            Phase::Rows { next } => {
                let interval = *next;
                *next += 1;
                if interval <= count_of(space, self.row_side) {
                    self.row(space, interval, rule)?;
                } else if self.counting {
                    self.finish_count(space)?;
                } else {
                    self.phase = Phase::Emit;
                }
            }
            Phase::Emit => {
                self.emit(space)?;
                self.phase = Phase::Done;
            }
            Phase::Done => return Ok(true),
        }
        Ok(false)
    }
}

/// Intervals of one side, but for that of addresses outside.
fn count_of(space: &Space<'_>, side: usize) -> usize {
    space.get(header::side(side) + side::COUNT) as usize
}

/// Where the rows or classes of one side are.
fn cells_at(space: &Space<'_>, side: usize) -> usize {
    space.get(header::side(side) + side::CELLS) as usize
}
