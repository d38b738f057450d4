//! What the image holds of one side: its intervals, their index, and the lists that they lead to.

use super::{
    Compiler, Phase, SCRATCH, SHORT, Trial, entries::Entries, index::Index, sweep::Sweep,
    tags::TagMap,
};
use crate::table::{
    TableError,
    acl::{
        Rule,
        image::{self, LINE, header, record_words, side},
        key::Digest,
    },
};

impl Compiler<'_> {
    /// Begins with the prefixes of a side.
    pub(super) fn begin_side(&mut self, side: usize) -> Result<(), TableError> {
        let placed = *image::of(&self.placed, side);
        let window = *image::of(&self.windows, side);
        let mut sweep = Sweep::new(&self.space, self.key_words, window.skip);
        let taken = self.space.in_scratch() + Sweep::words(self.key_words, self.count);
        let room = self.room(side, 0, taken);
        let entries = Entries::new(&mut self.space, side, self.version, window, placed, room)?;
        sweep.begin_intervals(&mut self.space, self.count)?;
        self.phase = Phase::Sweep { side, entries, sweep };
        Ok(())
    }

    /// Words for entries of a side and for runs, beside those taken, once there are so many intervals.
    fn room(&self, side: usize, intervals: usize, taken: usize) -> usize {
        if self.list_words == 0 {
            let (words, sides_left) = (self.key_words as usize, 2 - side);
            let image = self.image_at_least()
                + sides_left * Index::least_words(self.key_words)
                + intervals * (words + 1);
            (SCRATCH * image).saturating_sub(taken)
        } else {
            // As much is left for the intervals, later for them and what the image holds of them.
            ((1 + SCRATCH) * self.list_words).saturating_sub(self.space.front() + taken) / 2
        }
    }

    /// Words that the image of this trial has at least, beside what is still to come of the sides.
    fn image_at_least(&self) -> usize {
        self.space.front() + self.records * record_words(self.key_words as usize)
    }

    /// Takes the next prefix into the sweep.
    pub(super) fn sweep(&mut self, rules: &[Rule<'_>]) -> Result<(), TableError> {
        let Phase::Sweep { side, entries, sweep } = &mut self.phase else { return Ok(()) };
        let covers = (self.trial == Trial::Lists).then_some(self.covers);
        if !entries.step(&self.space, rules, self.order, self.places, self.count)?
            || !sweep.step(&mut self.space, entries, self.places, covers)?
        {
            return Ok(());
        }
        let (side, last) = (*side, entries.is_last());
        if !last {
            // The last interval may still become one with that before.
            let (intervals, taken) = (sweep.count - 1, self.space.in_scratch() - entries.room());
            let room = self.room(side, intervals, taken);
            if let Phase::Sweep { entries, sweep, .. } = &mut self.phase {
                sweep.move_down(entries.next_pass(&mut self.space, sweep.needed(), room)?);
            }
            return Ok(());
        }
        if let Phase::Sweep { mut sweep, .. } = core::mem::replace(&mut self.phase, Phase::Done) {
            let intervals = sweep.settle(&mut self.space);
            self.phase = Phase::Settle { side, sweep, intervals };
        }
        Ok(())
    }

    /// Moves the next intervals over what the sweep no longer needs.
    pub(super) fn settle(&mut self) -> Result<(), TableError> {
        let Phase::Settle { side, intervals, .. } = &mut self.phase else { return Ok(()) };
        let side = *side;
        if !intervals.step(&self.space) {
            return Ok(());
        }
        let (chosen, pattern) = self.digest(side);
        let digest = (chosen != 0).then(|| Digest::new(chosen, pattern));
        let index = Index::new(&mut self.space, digest)?;
        if let Phase::Settle { sweep, .. } = core::mem::replace(&mut self.phase, Phase::Done) {
            self.phase = Phase::Index { side, sweep, index };
        }
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
    pub(super) fn copy(&mut self) -> Result<(), TableError> {
        let Phase::Copy { side, sweep, next } = &mut self.phase else { return Ok(()) };
        let at = header::side(*side);
        let words = self.key_words as usize;
        let (records, rules) = sweep.lists(&self.space, *next);
        if *next < sweep.count {
            let keys = self.space.get(at + side::KEYS) as usize;
            // The search never looks at the first one.
            let before = sweep.first(&self.space, *next).saturating_sub(1);
            self.space.set_number(keys + *next * words, self.key_words, before);
        }
        let lists = self.space.get(at + side::LISTS) as usize;
        self.space.set(lists + *next, records);
        if self.in_diagram > 0 {
            let cells = self.space.get(at + side::CELLS) as usize;
            self.space.set(cells + *next, rules);
        }
        *next += 1;
        if *next > sweep.count { self.finish_side() } else { Ok(()) }
    }

    fn finish_side(&mut self) -> Result<(), TableError> {
        let Phase::Copy { side, sweep, .. } = &self.phase else { return Ok(()) };
        let (side, needed) = (*side, sweep.needed());
        self.space.release(needed);
        if side == image::SOURCE {
            return self.begin_side(image::DESTINATION);
        }
        if self.trial == Trial::Lists {
            self.list_words = self.image_at_least();
        }
        let short = self.met <= SHORT * self.own;
        match self.trial {
            Trial::Lists if !short => self.begin_trial(Trial::Wide),
            // Without a diagram this is what was too long before.
            Trial::Wide if !short || self.in_diagram == 0 => self.begin_trial(Trial::Flat),
            _ => self.phase = Phase::Tags(TagMap::new(&self.space, image::SOURCE, self.version)),
        }
        Ok(())
    }
}
