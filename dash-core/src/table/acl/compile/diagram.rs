//! The diagram: from the classes of source, destination, protocol and ports to the rule.
//!
//! Rules are laid over each other, the last one first: a set of rules is a node of a *chain*, the
//! set before it and the rule laid over it, and equal sets are one node. Ports with equal sets are
//! one class, and so are destinations. For each source interval the rules that it is in are laid
//! over the classes of destinations; each set found that way becomes a row of rules by protocol
//! and ports, and the rows become nodes of the diagram, sixteen cells a node, equal ones once.

use super::{
    rule_at,
    rules::{Extent, port_ranges, ports as ports_of},
    space::Space,
};
use crate::table::{
    TableError,
    acl::{
        Rule,
        image::{
            DESTINATION, LEVEL_WORDS, MAX_LEVELS, PAGE_BITS, PAGES, SERVICE_LEVEL, SOURCE, header,
            of, protocols_at, run, side,
        },
    },
};

/// Bits of a digit of the class of an address, and of protocol and ports. Longer ones need fewer
/// loads and more memory.
const CLASS_DIGIT: u32 = 4;
const SERVICE_DIGIT: u32 = 3;
/// Services of so many classes at most have digits of one bit more: a level less.
const FEW_SERVICES: usize = 128;
/// Bits of the level in the first word of a node.
const LEVEL_BITS: u32 = 4;
/// Most cells of a row by protocol and ports: what a step may cost.
const MAX_CELLS: usize = 1 << 14;
/// Most words of the nodes of a diagram: this, and [`WORDS_A_RULE`].
const WORDS: usize = 1 << 17;
const WORDS_A_RULE: usize = 24;
/// Most words of the nodes of a flat diagram, which has one level for the addresses and one for the
/// services.
const FLAT_WORDS: usize = 3 << 15;
/// Bits of their digits.
const FLAT_DIGIT: u32 = 16;
/// Rules, nodes of a level, and classes fit half words.
const MAX_NUMBER: usize = 0xffff;
/// Places that are looked at in a hash table: with good hashing a table three quarters full needs fewer.
const PROBES: usize = 256;
/// Slots of a new hash table; it doubles when it is three quarters full.
const SLOTS: usize = 64;
/// Words of a node of a chain: the set before it, its rule, what became of it.
const CHAIN_WORDS: usize = 3;
/// Words that mark the ports where an interval begins.
const MARKS: usize = (1 << 16) / 32;

/// A hash table of addresses of nodes.
#[derive(Clone, Copy, Debug, Default)]
struct Slots {
    at: usize,
    mask: usize,
    used: usize,
}

impl Slots {
    fn new(space: &mut Space<'_>, count: usize) -> Result<Self, TableError> {
        let at = space.scratch(count)?;
        space.fill(at, count, 0);
        Ok(Self { at, mask: count - 1, used: 0 })
    }

    /// The slots to look at for `hash`.
    fn places(self, hash: u32) -> impl Iterator<Item = usize> {
        (0..PROBES).map(move |probe| self.at + ((hash as usize + probe) & self.mask))
    }

    /// Puts a node in the free slot `place`, and makes room for the next one.
    fn put(
        &mut self,
        space: &mut Space<'_>,
        place: usize,
        node: usize,
        hash: impl Fn(&Space<'_>, usize) -> u32,
    ) -> Result<(), TableError> {
        space.set(place, node as u32);
        self.used += 1;
        if 4 * self.used <= 3 * self.mask {
            return Ok(());
        }
        let mut larger = Self::new(space, 2 * (self.mask + 1))?;
        larger.used = self.used;
        for slot in self.at..=self.at + self.mask {
            let node = space.get(slot);
            if node != 0 {
                let mut places = larger.places(hash(space, node as usize));
                let free = places.find(|place| space.get(*place) == 0).ok_or(TableError::Full)?;
                space.set(free, node);
            }
        }
        *self = larger;
        Ok(())
    }
}

fn mix(hash: u32, word: u32) -> u32 {
    let hash = (hash ^ word).wrapping_mul(0x9e37_79b1);
    hash ^ hash >> 15
}

/// The intervals of a port, and their classes.
#[derive(Clone, Copy, Debug, Default)]
struct Ports {
    /// First port of each interval.
    starts: usize,
    /// Class of each interval.
    classes: usize,
    intervals: usize,
    count: usize,
}

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
    /// Sets of the intervals of a port, later of the classes of destinations.
    sets: usize,
    row: usize,
    chains: Slots,
    nodes: Slots,
    /// The chain of no rule.
    empty: usize,
    /// Scratch and image before the parts that come and go.
    mark: usize,
    front: usize,
    first_node: usize,
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
            row: 0,
            chains: Slots::default(),
            nodes: Slots::default(),
            empty: 0,
            mark: space.back(),
            front: 0,
            first_node: 0,
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
                } else if let Some(rule) = rule(space, self.count - 1 - index) {
                    let ports = *of(&self.ports, port);
                    // A copy to read while the chains grow.
                    let starts = *space;
                    for interval in intervals(&starts, ports, ports_of(rule, port)) {
                        let at = self.sets + interval;
                        let over =
                            self.lay(space, space.get(at), (self.count - 1 - index) as u32)?;
                        space.set(at, over);
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
                } else if let Some(rule) = rule(space, self.count - 1 - index) {
                    // A copy to read while the chains grow.
                    let view = *space;
                    for cell in self.cells_of(&view, rule) {
                        let at = self.sets + cell;
                        let below = space.get(at);
                        let over = self.lay(space, below, (self.count - 1 - index) as u32)?;
                        space.set(at, over);
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

    fn begin_marks(&mut self, space: &mut Space<'_>) -> Result<(), TableError> {
        self.sets = space.scratch(MARKS)?;
        space.fill(self.sets, MARKS, 0);
        space.set(self.sets, 1);
        Ok(())
    }

    /// Marks the ports where the ranges of a rule begin and end.
    fn mark(&self, space: &Space<'_>, ranges: &[core::ops::RangeInclusive<u16>]) {
        for range in ranges.iter().filter(|range| !range.is_empty()) {
            for port in [Some(*range.start()), range.end().checked_add(1)].into_iter().flatten() {
                let at = self.sets + usize::from(port / 32);
                space.set(at, space.get(at) | 1 << (port % 32));
            }
        }
    }

    fn finish_marks(&mut self, space: &mut Space<'_>, port: usize) -> Result<(), TableError> {
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
        *self.ports_mut(port) = Ports { starts: own, classes, intervals, count: 0 };
        self.sets = classes;
        self.begin_chains(space)?;
        space.fill(self.sets, intervals, self.empty as u32);
        self.phase = Phase::Overlay { port, next: 0 };
        Ok(())
    }

    fn begin_chains(&mut self, space: &mut Space<'_>) -> Result<(), TableError> {
        self.chains = Slots::new(space, SLOTS)?;
        self.empty = space.scratch(CHAIN_WORDS)?;
        space.fill(self.empty, CHAIN_WORDS, 0);
        Ok(())
    }

    /// The set `below` with `rule` laid over it, once.
    fn lay(&mut self, space: &mut Space<'_>, below: u32, rule: u32) -> Result<u32, TableError> {
        if below != self.empty as u32 && space.get(below as usize + 1) == rule {
            return Ok(below);
        }
        for place in self.chains.places(mix(mix(0, below), rule)) {
            let node = space.get(place);
            if node == 0 {
                let node = space.scratch(CHAIN_WORDS)?;
                space.set(node, below);
                space.set(node + 1, rule);
                space.set(node + 2, 0);
                self.chains.put(space, place, node, |space, node| {
                    mix(mix(0, space.get(node)), space.get(node + 1))
                })?;
                return Ok(node as u32);
            }
            if space.get(node as usize) == below && space.get(node as usize + 1) == rule {
                return Ok(node);
            }
        }
        Err(TableError::Full)
    }

    /// Gives intervals of equal sets one class.
    fn finish_overlay(&mut self, space: &mut Space<'_>, port: usize) -> Result<(), TableError> {
        let count = self.number_sets(space, of(&self.ports, port).intervals);
        self.ports_mut(port).count = count as usize;
        space.release(self.mark);
        let at = header::ports(port);
        space.set(at, count);
        if count == 1 {
            return self.finish_pages(space, port);
        }
        let pages = space.grow(PAGES)?;
        space.set(at + 1, pages as u32);
        // For each class the page of nothing else.
        self.sets = space.scratch(count as usize)?;
        space.fill(self.sets, count as usize, 0);
        self.phase = Phase::Pages { port, next: 0 };
        Ok(())
    }

    /// The classes of the ports of one page.
    fn page(&self, space: &mut Space<'_>, port: usize, page: usize) -> Result<(), TableError> {
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

    fn finish_pages(&mut self, space: &mut Space<'_>, port: usize) -> Result<(), TableError> {
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
        self.begin_chains(space)?;
        space.fill(self.sets, cells, self.empty as u32);
        self.phase = Phase::Services { next: 0 };
        Ok(())
    }

    fn ports_mut(&mut self, side: usize) -> &mut Ports {
        let [source, destination] = &mut self.ports;
        if side == SOURCE { source } else { destination }
    }

    /// Gives cells of equal sets one class: a service.
    fn finish_services(&mut self, space: &mut Space<'_>) -> Result<(), TableError> {
        let cells = self.cells();
        let table = space.grow(cells)?;
        space.set(header::SERVICES, table as u32);
        self.services = self.number_sets(space, cells) as usize;
        for cell in 0..cells {
            space.set(table + cell, space.get(self.sets + cell));
        }
        space.release(self.mark);
        self.begin_chains(space)?;
        self.front = space.front();
        self.phase = Phase::Classes { next: 0 };
        Ok(())
    }

    /// Puts a number in the place of each of `count` sets, equal ones for equal sets; how many.
    fn number_sets(&self, space: &Space<'_>, count: usize) -> u32 {
        let mut numbers = 0;
        for index in 0..count {
            let memo = space.get(self.sets + index) as usize + 2;
            if space.get(memo) == 0 {
                numbers += 1;
                space.set(memo, numbers);
            }
            space.set(self.sets + index, space.get(memo) - 1);
        }
        numbers
    }

    /// The cells of a rule, by protocol, source port and destination port.
    fn cells_of<'s>(
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
    fn cells(&self) -> usize {
        self.protocols * self.ports[SOURCE].count * self.ports[DESTINATION].count
    }

    /// Puts the rules of a run into the set.
    fn gather(&self, space: &Space<'_>, mut at: u32) {
        // Ends: a run leads to its end or to the run of a shorter prefix.
        while at != 0 {
            let entry = space.get(at as usize);
            if entry & run::LINK != 0 {
                at = entry & run::REST;
                continue;
            }
            let rule = entry & run::REST;
            let word = self.set + rule as usize / 32;
            space.set(word, space.get(word) | 1 << (rule % 32));
            at = if entry & run::LAST == 0 { at + 1 } else { 0 };
        }
    }

    /// Takes the last rule out of the words of the set up to `word`, if there is one.
    fn take_last(&self, space: &Space<'_>, word: &mut usize) -> Option<u32> {
        loop {
            let bits = space.get(self.set + *word);
            if let Some(bit) = bits.checked_ilog2() {
                space.set(self.set + *word, bits ^ 1 << bit);
                return Some(*word as u32 * 32 + bit);
            }
            *word = word.checked_sub(1)?;
        }
    }

    fn last_word(&self) -> usize {
        self.count.div_ceil(32).saturating_sub(1)
    }

    /// The class of an interval, whose cell holds its run of rules.
    fn class(&mut self, space: &mut Space<'_>, interval: usize) -> Result<(), TableError> {
        let cell = cells_at(space, 1 - self.row_side) + interval;
        let run = space.get(cell);
        let known = if run == 0 { 0 } else { space.get(run as usize - 1) };
        if known != 0 {
            space.set(cell, known - 1);
            return Ok(());
        }
        self.gather(space, run);
        let mut word = self.last_word();
        let mut set = self.empty as u32;
        while let Some(rule) = self.take_last(space, &mut word) {
            set = self.lay(space, set, rule)?;
        }
        let memo = set as usize + 2;
        if space.get(memo) == 0 {
            self.classes += 1;
            if self.classes > MAX_NUMBER {
                return Err(TableError::Full);
            }
            space.set(memo, self.classes as u32);
            // The rules of a class, from the chain, each into its own list.
            let mut node = set as usize;
            while node != self.empty {
                let head = self.heads + space.get(node + 1) as usize;
                let entry = space.push(self.classes as u32 - 1)?;
                space.push(space.get(head))?;
                space.set(head, entry as u32);
                node = space.get(node) as usize;
            }
        }
        let class = space.get(memo);
        if run != 0 {
            space.set(run as usize - 1, class);
        }
        space.set(cell, class - 1);
        Ok(())
    }

    fn finish_classes(&mut self, space: &mut Space<'_>) -> Result<(), TableError> {
        space.release(self.mark);
        let digit = if self.flat { FLAT_DIGIT } else { CLASS_DIGIT };
        self.upper = self.add_levels(self.classes, digit, 0)?;
        if self.classes == 1 {
            self.upper = 0;
            self.level_count = 0;
        }
        let few = u32::from(self.services <= FEW_SERVICES);
        let digit = if self.flat { FLAT_DIGIT } else { SERVICE_DIGIT + few };
        let lower = self.add_levels(self.services, digit, SERVICE_LEVEL)?;
        self.level_count = self.upper + lower;
        self.sets = space.scratch(self.classes)?;
        self.row = space.scratch(self.services.max(self.classes))?;
        self.nodes = Slots::new(space, SLOTS)?;
        self.begin_chains(space)?;
        self.first_node = space.front();
        self.phase = Phase::Rows { next: 0 };
        Ok(())
    }

    /// Levels for a row of `cells` cells; how many.
    fn add_levels(&mut self, cells: usize, bits: u32, flag: u32) -> Result<usize, TableError> {
        let depth = (usize::BITS - (cells - 1).leading_zeros()).div_ceil(bits).max(1);
        for level in 0..depth {
            let shift = bits * (depth - 1 - level);
            let place = self.levels.get_mut(self.level_count).ok_or(TableError::Full)?;
            let width = if level == 0 { ((cells - 1) >> shift) + 1 } else { 1 << bits };
            *place = Level { shift: shift | flag, cells: width, count: 0 };
            self.level_count += 1;
        }
        Ok(depth as usize)
    }

    /// The row of an interval, whose cell holds its run of rules.
    fn row<'r, 's: 'r>(
        &mut self,
        space: &mut Space<'_>,
        interval: usize,
        rule: impl Fn(&Space<'_>, usize) -> Option<&'r Rule<'s>>,
    ) -> Result<(), TableError> {
        let cell = cells_at(space, self.row_side) + interval;
        let run = space.get(cell);
        let known = if run == 0 { 0 } else { space.get(run as usize - 1) };
        if known != 0 {
            space.set(cell, known);
            return Ok(());
        }
        self.gather(space, run);
        space.fill(self.sets, self.classes, self.empty as u32);
        let mut word = self.last_word();
        while let Some(number) = self.take_last(space, &mut word) {
            let mut entry = space.get(self.heads + number as usize) as usize;
            while entry != 0 {
                let at = self.sets + space.get(entry) as usize;
                let below = space.get(at);
                let over = self.lay(space, below, number)?;
                space.set(at, over);
                entry = space.get(entry + 1) as usize;
            }
        }
        for class in 0..self.classes {
            let set = space.get(self.sets + class) as usize;
            if space.get(set + 2) == 0 {
                self.fill_row(space, set, &rule);
                let node =
                    self.reduce(space, self.row, self.services, self.upper..self.level_count)?;
                space.set(set + 2, node);
            }
            space.set(self.sets + class, space.get(set + 2));
        }
        let row = if self.upper == 0 {
            space.get(self.sets)
        } else {
            self.reduce(space, self.sets, self.classes, 0..self.upper)?
        };
        if run != 0 {
            space.set(run as usize - 1, row);
        }
        space.set(cell, row);
        let most = if self.flat { FLAT_WORDS } else { 2 * (WORDS + WORDS_A_RULE * self.count) };
        if space.front() - self.first_node > most {
            return Err(TableError::Full);
        }
        Ok(())
    }

    /// The row by protocol and ports of a set: its first rule first.
    fn fill_row<'r, 's: 'r>(
        &self,
        space: &Space<'_>,
        set: usize,
        rule: impl Fn(&Space<'_>, usize) -> Option<&'r Rule<'s>>,
    ) {
        space.fill(self.row, self.services, 0);
        let table = space.get(header::SERVICES) as usize;
        let mut free = self.services;
        let mut node = set;
        while node != self.empty && free > 0 {
            let number = space.get(node + 1);
            node = space.get(node) as usize;
            let Some(rule) = rule(space, number as usize) else { continue };
            for cell in self.cells_of(space, rule) {
                let at = self.row + space.get(table + cell) as usize;
                if space.get(at) == 0 {
                    space.set(at, number + 1);
                    free -= 1;
                }
            }
        }
    }

    /// The node of a row of cells, which is overwritten.
    fn reduce(
        &mut self,
        space: &mut Space<'_>,
        row: usize,
        cells: usize,
        levels: core::ops::Range<usize>,
    ) -> Result<u32, TableError> {
        let mut cells = cells;
        for level in levels.rev() {
            let width = self.levels.get(level).map_or(1, |level| level.cells).max(1);
            let nodes = cells.div_ceil(width);
            for node in 0..nodes {
                let from = node * width;
                let some = width.min(cells - from);
                let found = self.node(space, level, row + from, some, width)?;
                space.set(row + node, found);
            }
            cells = nodes;
        }
        Ok(space.get(row))
    }

    /// The node with `some` cells that start at `from`, the rest of `width` like the last of them.
    fn node(
        &mut self,
        space: &mut Space<'_>,
        level: usize,
        from: usize,
        some: usize,
        width: usize,
    ) -> Result<u32, TableError> {
        let cell = |space: &Space<'_>, index: usize| space.get(from + index.min(some - 1));
        let hash = (0..width).fold(level as u32, |hash, index| mix(hash, cell(space, index)));
        for place in self.nodes.places(hash) {
            let node = space.get(place) as usize;
            if node == 0 {
                let node = space.push(level as u32)?;
                for index in 0..width {
                    let child = cell(space, index);
                    space.push(child)?;
                }
                let levels = self.levels;
                self.nodes.put(space, place, node, |space, node| {
                    let level = space.get(node);
                    let width = levels.get(level as usize).map_or(0, |level| level.cells);
                    (0..width).fold(level, |hash, index| mix(hash, space.get(node + 1 + index)))
                })?;
                return Ok(node as u32);
            }
            if space.get(node) == level as u32
                && (0..width).all(|index| space.get(node + 1 + index) == cell(space, index))
            {
                return Ok(node as u32);
            }
        }
        Err(TableError::Full)
    }

    /// Writes the nodes with half words instead of addresses, level by level.
    fn emit(&mut self, space: &mut Space<'_>) -> Result<(), TableError> {
        space.release(self.mark);
        let end = space.front();
        let mut at = self.first_node;
        while at < end {
            let level = space.get(at) as usize;
            let Some(place) = self.levels.get_mut(level) else { return Err(TableError::Full) };
            space.set(at, level as u32 | (place.count as u32) << LEVEL_BITS);
            place.count += 1;
            at += 1 + place.cells;
        }
        let mut starts = [0; MAX_LEVELS];
        let mut halves = 0;
        for (start, level) in starts.iter_mut().zip(&self.levels).take(self.level_count) {
            if level.count > MAX_NUMBER {
                return Err(TableError::Full);
            }
            *start = halves;
            halves += (level.count * level.cells).next_multiple_of(2);
        }
        let words = halves.div_ceil(2);
        let made = space.scratch(words)?;
        let mut at = self.first_node;
        while at < end {
            let level = (space.get(at) & ((1 << LEVEL_BITS) - 1)) as usize;
            let index = (space.get(at) >> LEVEL_BITS) as usize;
            let (Some(place), Some(start)) = (self.levels.get(level), starts.get(level)) else {
                return Err(TableError::Full);
            };
            let to = 2 * made + start + index * place.cells;
            for cell in 0..place.cells {
                let child = space.get(at + 1 + cell);
                let child = if level + 1 == self.level_count {
                    child
                } else {
                    space.get(child as usize) >> LEVEL_BITS
                };
                space.set_half(to + cell, child);
            }
            at += 1 + place.cells;
        }
        let rows = cells_at(space, self.row_side);
        for interval in 0..=count_of(space, self.row_side) {
            let node = space.get(rows + interval);
            space.set(rows + interval, space.get(node as usize) >> LEVEL_BITS);
        }
        space.truncate(self.front);
        let align = self.front.next_multiple_of(16) - self.front;
        space.grow(align)?;
        let final_words = space.grow(words)?;
        for word in 0..words {
            space.set(final_words + word, space.get(made + word));
        }
        space.set(header::LEVELS, self.level_count as u32);
        for (index, (level, start)) in
            self.levels.iter().zip(starts).take(self.level_count).enumerate()
        {
            let at = header::LEVEL + index * LEVEL_WORDS;
            space.set(at, level.shift);
            let top = index == 0 || index == self.upper;
            space.set(at + 1, if top { u32::MAX } else { level.cells as u32 - 1 });
            space.set(at + 2, (final_words + start / 2) as u32);
            space.set(at + 3, level.cells as u32);
        }
        Ok(())
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
fn intervals<'s>(
    space: &'s Space<'_>,
    ports: Ports,
    ranges: &'s [core::ops::RangeInclusive<u16>],
) -> impl Iterator<Item = usize> + 's {
    let any = port_ranges(ranges) == Extent::Any;
    let all = any.then_some(0..ports.intervals);
    let listed = ranges.iter().filter(|range| !range.is_empty()).map(move |range| {
        interval_of(space, &ports, (*range.start()).into())
            ..interval_of(space, &ports, (*range.end()).into()) + 1
    });
    all.into_iter().chain(listed).flatten()
}
