//! A partition of cells by rules: two cells are in one class if the same rules cover them. Each rule
//! splits the classes that it covers a part of.
//!
//! Memory: a word for each cell and three for each class. Cost: two passes over the cells of each
//! rule. (Paige and Tarjan, "Three partition refinement algorithms", 1987, section 2.)

use super::super::space::Space;
use crate::table::TableError;

/// Set in the word of a cell, beside its class: the rule at hand covers it.
const COVERED: u32 = 1 << 31;
/// Words of a class: its cells, those of them that the rule covers, and one more than the class that
/// these go to, or 0.
const CLASS_WORDS: usize = 3;
const CELLS: usize = 0;
const PART: usize = 1;
const TARGET: usize = 2;

/// The classes of some cells.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Partition {
    /// The class of each cell.
    cells: usize,
    count: usize,
    /// The classes, each below the one before it.
    classes_end: usize,
    classes: usize,
}

impl Partition {
    /// One class for `count` cells at `cells`. Classes are added to the scratch, to which nothing
    /// else is added meanwhile.
    pub(super) fn new(
        space: &mut Space<'_>,
        cells: usize,
        count: usize,
    ) -> Result<Self, TableError> {
        space.fill(cells, count, 0);
        let mut partition = Self { cells, count, classes_end: space.back(), classes: 0 };
        partition.add(space, count as u32)?;
        Ok(partition)
    }

    const fn class(&self, number: u32) -> usize {
        self.classes_end - (number as usize + 1) * CLASS_WORDS
    }

    /// A class of so many cells.
    fn add(&mut self, space: &mut Space<'_>, cells: u32) -> Result<u32, TableError> {
        let at = space.scratch(CLASS_WORDS)?;
        space.fill(at, CLASS_WORDS, 0);
        space.set(at + CELLS, cells);
        self.classes += 1;
        Ok(self.classes as u32 - 1)
    }

    /// Notes that the rule covers a cell: all of its cells are noted, then all are [split
    /// off](Self::split).
    pub(super) fn cover(&self, space: &Space<'_>, cell: usize) {
        let class = space.get(self.cells + cell);
        if class & COVERED == 0 {
            space.set(self.cells + cell, class | COVERED);
            let part = self.class(class) + PART;
            space.set(part, space.get(part) + 1);
        }
    }

    /// Takes a cell that the rule covers out of its class, unless the rule covers all of that.
    pub(super) fn split(&mut self, space: &mut Space<'_>, cell: usize) -> Result<(), TableError> {
        let word = space.get(self.cells + cell);
        if word & COVERED == 0 {
            return Ok(());
        }
        let number = word & !COVERED;
        let class = self.class(number);
        let (all, part) = (space.get(class + CELLS), space.get(class + PART));
        if space.get(class + TARGET) == 0 {
            let target = if part == all { number } else { self.add(space, part)? };
            if target != number {
                space.set(class + CELLS, all - part);
            }
            space.set(class + TARGET, target + 1);
        }
        space.set(self.cells + cell, space.get(class + TARGET) - 1);
        space.set(class + PART, part - 1);
        if part == 1 {
            space.set(class + TARGET, 0);
        }
        Ok(())
    }

    /// Numbers the classes in the order of their first cells; how many.
    pub(super) fn finish(&self, space: &Space<'_>) -> usize {
        let mut numbers = 0;
        for cell in self.cells..self.cells + self.count {
            let target = self.class(space.get(cell)) + TARGET;
            if space.get(target) == 0 {
                numbers += 1;
                space.set(target, numbers);
            }
            space.set(cell, space.get(target) - 1);
        }
        numbers as usize
    }
}
