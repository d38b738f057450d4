//! Classes of the addresses of one side, rows of the intervals of the other, and the nodes that rows
//! become.

use super::{
    super::{SCRATCH, space::Space},
    Diagram, Level, MAX_NUMBER, Phase, cells_at,
    chains::{SLOTS, Slots, chain_words, mix},
    count_of,
};
use crate::table::{
    TableError,
    acl::{
        Rule,
        image::{LINE, SERVICE_LEVEL, header},
    },
};

/// Bits of a digit of the class of an address, and of protocol and ports. Longer ones need fewer
/// loads and more memory.
const CLASS_DIGIT: u32 = 4;
const SERVICE_DIGIT: u32 = 3;
/// Services of so many classes at most have digits of one bit more: a level less.
const FEW_SERVICES: usize = 128;
/// Most words of the nodes of a diagram: this, and [`WORDS_A_RULE`].
const WORDS: usize = 1 << 17;
const WORDS_A_RULE: usize = 24;
/// Most words of the nodes of a flat diagram, which has one level for the addresses and one for the
/// services.
const FLAT_WORDS: usize = 3 << 15;
/// Bits of their digits.
const FLAT_DIGIT: u32 = 16;

impl Diagram {
    /// The class of an interval, whose cell holds its run of rules.
    pub(super) fn class(
        &mut self,
        space: &mut Space<'_>,
        interval: usize,
    ) -> Result<(), TableError> {
        let cell = cells_at(space, 1 - self.row_side) + interval;
        let run = space.get(cell);
        let known = if run == 0 { 0 } else { space.get(run as usize + 1) };
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
            space.set(run as usize + 1, class);
        }
        space.set(cell, class - 1);
        Ok(())
    }

    pub(super) fn finish_classes(&mut self, space: &mut Space<'_>) -> Result<(), TableError> {
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
        self.first_node = space.front();
        self.rows_end = space.back();
        self.nodes = Slots::new(space, SLOTS)?;
        self.begin_chains(space, SLOTS)?;
        // About a third of what this trial may take.
        self.most_chains = space.most() / 32;
        self.phase = Phase::Rows { next: 0 };
        Ok(())
    }

    /// Begins with the nodes themselves, whose number is known, if they and what making them takes
    /// are in proportion.
    pub(super) fn finish_count(&mut self, space: &mut Space<'_>) -> Result<(), TableError> {
        space.release(self.mark);
        let (_, words) = self.starts()?;
        let image = self.front.next_multiple_of(LINE) + words;
        let most = (1 + SCRATCH) * image;
        let emitted = space.front() + self.node_words() + space.in_scratch() + words;
        // The words of a row stay.
        space.release(self.rows_end);
        let nodes = self.levels.iter().map(|level| level.count).sum();
        let slots = Slots::slots_for(nodes);
        let taken = space.front() + self.node_words() + space.in_scratch() + slots;
        // More sets than those of one row save time.
        self.most_chains = self.most_laid + image / 8;
        if taken + chain_words(self.most_chains) > most {
            self.most_chains = self.most_laid;
        }
        let peak = emitted.max(taken + chain_words(self.most_chains));
        if peak.max(space.peak()) > most {
            return Err(TableError::Full);
        }
        space.limit(most);
        space.hold(peak)?;
        for interval in 0..=count_of(space, self.row_side) {
            let run = space.get(cells_at(space, self.row_side) + interval);
            if run != 0 {
                space.set(run as usize + 1, 0);
            }
        }
        self.levels.iter_mut().for_each(|level| level.count = 0);
        self.counting = false;
        self.nodes = Slots::new(space, slots)?;
        self.begin_chains(space, Slots::slots_for(self.most_chains))?;
        self.phase = Phase::Rows { next: 0 };
        Ok(())
    }

    /// Words of the nodes before they are half words.
    fn node_words(&self) -> usize {
        self.levels.iter().map(|level| level.count * (1 + level.cells)).sum()
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
    pub(super) fn row<'r, 's: 'r>(
        &mut self,
        space: &mut Space<'_>,
        interval: usize,
        rule: impl Fn(&Space<'_>, usize) -> Option<&'r Rule<'s>>,
    ) -> Result<(), TableError> {
        let cell = cells_at(space, self.row_side) + interval;
        let run = space.get(cell);
        let known = if run == 0 { 0 } else { space.get(run as usize + 1) };
        if known != 0 {
            if !self.counting {
                space.set(cell, known);
            }
            return Ok(());
        }
        if self.chains.used() + self.most_laid > self.most_chains {
            self.nodes.move_to(space, self.rows_end);
            let slots = if self.counting { SLOTS } else { Slots::slots_for(self.most_chains) };
            self.begin_chains(space, slots)?;
        }
        self.laid = 0;
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
            space.set(run as usize + 1, row);
        }
        self.most_laid = self.most_laid.max(self.laid);
        if !self.counting {
            space.set(cell, row);
        } else if self.node_words()
            > if self.flat { FLAT_WORDS } else { 2 * (WORDS + WORDS_A_RULE * self.count) }
        {
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
        if self.counting {
            return self.count(space, level, hash.max(1));
        }
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

    /// Counts a node, once; its hash stands for it.
    fn count(&mut self, space: &mut Space<'_>, level: usize, hash: u32) -> Result<u32, TableError> {
        for place in self.nodes.places(hash) {
            let known = space.get(place);
            if known == 0 {
                self.nodes.put(space, place, hash as usize, |_, hash| hash as u32)?;
                if let Some(level) = self.levels.get_mut(level) {
                    level.count += 1;
                }
            }
            if known == 0 || known == hash {
                return Ok(hash);
            }
        }
        Err(TableError::Full)
    }
}
