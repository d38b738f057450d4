//! What the image holds of one side: its intervals, their index, and the lists that they lead to.

use super::{
    BY_DESTINATION, Compiler, DIAGRAM, NOWHERE, Phase, SHORT, Trial,
    rules::{Extent, addresses, prefix, prefixes},
    sort::Sort,
    sweep::Sweep,
    tags::TagMap,
};
use crate::table::{
    TableError,
    acl::{
        Rule,
        image::{self, LINE, header, side},
    },
};

impl Compiler<'_> {
    /// Adds the prefixes by which a rule is found on one side.
    pub(super) fn enter(
        &mut self,
        side: usize,
        index: usize,
        rules: &[Rule<'_>],
    ) -> Result<(), TableError> {
        let place = self.space.get(self.places + index);
        let by = usize::from(place & BY_DESTINATION != 0);
        let elsewhere = place & NOWHERE != 0 || place & DIAGRAM == 0 && by != side;
        let Some(rule) = self.rule(rules, index).filter(|_| !elsewhere) else { return Ok(()) };
        let words = self.key_words;
        let everywhere = addresses(rule, side, self.version) == Extent::Any;
        let all = everywhere.then_some((0, 0));
        let window = *image::of(&self.windows, side);
        let listed = prefixes(rule, side)
            .iter()
            .filter(|_| !everywhere)
            .filter_map(|one| prefix(one, self.version))
            .map(|(bits, length)| (window.range(bits, length).0, length));
        let mut added = 0;
        for (number, length) in all.into_iter().chain(listed) {
            let at = self.space.scratch(words as usize + 2)?;
            self.space.set_number(at, words, number);
            self.space.set(at + words as usize, length.into());
            self.space.set(at + words as usize + 1, index as u32);
            added += 1;
        }
        if let Phase::Entries { count, .. } = &mut self.phase {
            *count += added;
        }
        Ok(())
    }

    /// Sorts the prefixes of one side.
    pub(super) fn sort(&mut self, side: usize, count: usize) -> Result<(), TableError> {
        let stride = self.key_words as usize + 2;
        let from = self.space.back();
        let to = self.space.scratch(count * stride)?;
        self.phase = Phase::Sort { side, sort: Sort::new(from, to, count, stride), count };
        Ok(())
    }

    /// Takes the next interval into the index.
    pub(super) fn index(&mut self) -> Result<(), TableError> {
        let Phase::Index { side, sweep, index } = &mut self.phase else { return Ok(()) };
        if index.step(&mut self.space, sweep, self.key_words)? {
            let (side, ahead) = (*side, index.finish(&self.space, *side));
            if let Phase::Index { sweep, .. } = core::mem::replace(&mut self.phase, Phase::Done) {
                self.finish_index(side, sweep, ahead)?;
            }
        }
        Ok(())
    }

    /// Makes room for what the sweep found, and for what a search looks at behind it.
    fn finish_index(&mut self, side: usize, sweep: Sweep, ahead: usize) -> Result<(), TableError> {
        self.own += sweep.own;
        self.met += sweep.met;
        let at = header::side(side);
        let window = *image::of(&self.windows, side);
        let align = self.space.front().next_multiple_of(LINE) - self.space.front();
        self.space.grow(align)?;
        let words = self.key_words as usize;
        let keys = self.space.grow((sweep.count + ahead) * words)?;
        self.space.fill(keys + sweep.count * words, ahead * words, u32::MAX);
        let lists = self.space.grow(sweep.count + 1)?;
        self.space.set(at + side::SKIP, window.skip);
        self.space.set_number(at + side::COMMON, 3, window.common >> 32);
        let (chosen, pattern) = self.digest(side);
        self.space.set_number(at + side::CHOSEN, 2, chosen.into());
        self.space.set_number(at + side::PATTERN, 2, pattern.into());
        self.space.set(at + side::COUNT, sweep.count as u32);
        self.space.set(at + side::KEYS, keys as u32);
        self.space.set(at + side::LISTS, lists as u32);
        if self.in_diagram > 0 {
            let cells = self.space.grow(sweep.count + 1)?;
            self.space.set(at + side::CELLS, cells as u32);
        }
        self.phase = Phase::Copy { side, sweep, next: 0 };
        Ok(())
    }

    /// Copies the next interval of a sweep into the image.
    pub(super) fn copy(&mut self) {
        let Phase::Copy { side, sweep, next } = &mut self.phase else { return };
        let at = header::side(*side);
        let words = self.key_words as usize;
        let from = sweep.intervals + *next * Sweep::interval_words(self.key_words);
        let (records, rules) = if *next < sweep.count {
            let start = self.space.number(from, self.key_words);
            let keys = self.space.get(at + side::KEYS) as usize;
            // The search never looks at the first one.
            let before = start.saturating_sub(1);
            self.space.set_number(keys + *next * words, self.key_words, before);
            (self.space.get(from + words), self.space.get(from + words + 1))
        } else {
            sweep.outside()
        };
        let lists = self.space.get(at + side::LISTS) as usize;
        self.space.set(lists + *next, records);
        if self.in_diagram > 0 {
            let cells = self.space.get(at + side::CELLS) as usize;
            self.space.set(cells + *next, rules);
        }
        *next += 1;
        if *next > sweep.count {
            self.finish_side();
        }
    }

    fn finish_side(&mut self) {
        let Phase::Copy { side, sweep, .. } = &self.phase else { return };
        let (side, needed) = (*side, sweep.needed());
        self.space.release(if self.in_diagram == 0 { self.marks.1 } else { needed });
        if side == image::SOURCE {
            self.phase = Phase::Entries { side: image::DESTINATION, next: 0, count: 0 };
            return;
        }
        let short = self.met <= SHORT * self.own;
        match self.trial {
            Trial::Lists if !short => self.begin_trial(Trial::Wide),
            // Without a diagram this is what was too long before.
            Trial::Wide if !short || self.in_diagram == 0 => self.begin_trial(Trial::Flat),
            _ => self.phase = Phase::Tags(TagMap::new(&self.space, image::SOURCE, self.version)),
        }
    }
}
