//! The diagram as the image holds it.

use super::{super::space::Space, Diagram, MAX_NUMBER, cells_at, count_of};
use crate::table::{
    TableError,
    acl::image::{LEVEL_WORDS, LINE, MAX_LEVELS, header},
};

/// Bits of the level in the first word of a node.
const LEVEL_BITS: u32 = 4;

impl Diagram {
    /// In half words, where the nodes of each level start; and the words of all.
    pub(super) fn starts(&self) -> Result<([usize; MAX_LEVELS], usize), TableError> {
        let mut starts = [0; MAX_LEVELS];
        let mut halves = 0;
        for (start, level) in starts.iter_mut().zip(&self.levels).take(self.level_count) {
            if level.count > MAX_NUMBER {
                return Err(TableError::Full);
            }
            *start = halves;
            halves += (level.count * level.cells).next_multiple_of(2);
        }
        Ok((starts, halves.div_ceil(2)))
    }

    /// Writes the nodes with half words instead of addresses, level by level.
    pub(super) fn emit(&mut self, space: &mut Space<'_>) -> Result<(), TableError> {
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
        let (starts, words) = self.starts()?;
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
        let align = self.front.next_multiple_of(LINE) - self.front;
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
