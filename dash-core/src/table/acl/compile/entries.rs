//! The prefixes of one side in order, as many at a time as there is room for.
//!
//! An entry is a number, and a word of the prefix's length and of its rule. Prefixes side by side
//! become one interval, and a list may name one twice: the image of many prefixes may be small.
//! So only so many entries are there at once as the scratch of the group may hold; the others
//! follow in further passes over the rules, each of which takes those behind the last one.
//!
//! The sweep takes them from the top of the scratch down, and puts the runs of the diagram's rules
//! in their place. A run of one rule takes more words than the entry, which are kept free above.

use super::{
    BY_DESTINATION, DIAGRAM, EVERYWHERE, NOWHERE, Placed, rule_at,
    rules::{prefix, prefixes},
    sort::Sort,
    space::{Move, Space},
};
use crate::table::{
    TableError,
    acl::{Rule, image::of, key::Window},
};
use core::ops::Range;
use smoltcp::wire::IpVersion;

/// Entries that are compared with the one before them in one step.
const STEP: usize = 1024;
/// Fewest entries at once: with two each pass comes forward.
const FEWEST: usize = 2;
/// One in so many words at least is for entries: where runs take the others, passes would be too
/// many. Growing by less is not worth a move.
const LEAST_PART: usize = 4;
/// Words of the run of one rule: what becomes of it, the rule, a link.
const SHORTEST_RUN: usize = 3;
/// Bits of the rule in the last word of an entry.
const RULE_BITS: u32 = 24;

/// Number and last word of an entry.
type Entry = (u128, u32);

/// Length and rule of the last word of an entry.
const fn split(last: u32) -> (u8, usize) {
    ((last >> RULE_BITS) as u8, (last & ((1 << RULE_BITS) - 1)) as usize)
}

#[derive(Debug)]
enum Stage {
    /// Moves what is below down to here.
    Move {
        to: usize,
        below: Move,
    },
    /// Takes the entries of the next rule.
    Gather,
    Sort(Sort),
    /// Drops those that are there twice.
    Compact {
        next: usize,
        kept: usize,
    },
    Ready,
}

/// Some entries of a side.
#[derive(Debug)]
pub(super) struct Entries {
    side: usize,
    version: IpVersion,
    window: Window,
    /// Words of all entries and of the runs that take their place.
    all: Range<usize>,
    /// Words that they could all be in at once.
    wanted: usize,
    /// Where the runs so far begin.
    end: usize,
    /// Words kept free for each entry.
    spare: usize,
    /// End of the first entry; the others are below.
    top: usize,
    count: usize,
    most: usize,
    /// The rule and its element that come next.
    rule: usize,
    element: usize,
    /// The last one that was there before.
    after: Option<Entry>,
    /// The last one that there is room for in this pass.
    until: Option<Entry>,
    stage: Stage,
}

impl Entries {
    /// Those of `side`, so many in all with those of rules of the diagram, in about `room` words.
    pub(super) fn new(
        space: &mut Space<'_>,
        side: usize,
        version: IpVersion,
        window: Window,
        placed: Placed,
        room: usize,
    ) -> Result<Self, TableError> {
        let words = Self::words(window.words);
        let spare = if placed.in_diagram > 0 { SHORTEST_RUN.saturating_sub(words) } else { 0 };
        let each = words + spare;
        let end = space.back();
        let wanted = (placed.entries * each).max(FEWEST * each);
        let at = space.scratch(room.clamp(FEWEST * each, wanted))?;
        let mut entries = Self {
            side,
            version,
            window,
            all: at..end,
            wanted,
            end,
            spare,
            top: end,
            count: 0,
            most: 0,
            rule: 0,
            element: 0,
            after: None,
            until: None,
            stage: Stage::Gather,
        };
        entries.make_room()?;
        Ok(entries)
    }

    /// Divides the words below the runs for a pass.
    fn make_room(&mut self) -> Result<(), TableError> {
        let room = self.end.saturating_sub(self.all.start);
        self.most = room / Self::words(self.window.words).saturating_add(self.spare);
        if self.most < FEWEST || LEAST_PART * room < self.all.len() {
            return Err(TableError::Full);
        }
        self.top = self.end - self.most * self.spare;
        Ok(())
    }

    /// Words of an entry.
    pub(super) const fn words(key_words: u32) -> usize {
        (key_words as usize).saturating_add(1)
    }

    /// How many a rule of place `place` has.
    pub(super) fn of_rule(rule: &Rule<'_>, side: usize, version: IpVersion, place: u32) -> usize {
        if !is_found_by(side, place) {
            0
        } else if place & *of(&EVERYWHERE, side) != 0 {
            1
        } else {
            prefixes(rule, side).iter().filter_map(|one| prefix(one, version)).count()
        }
    }

    /// How many are there.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Whether others follow.
    pub(super) const fn is_last(&self) -> bool {
        self.until.is_none()
    }

    /// The rule of an entry.
    pub(super) fn rule(&self, space: &Space<'_>, index: usize) -> usize {
        split(self.entry(space, index).1).1
    }

    /// Number and length of the prefix of an entry.
    pub(super) fn prefix(&self, space: &Space<'_>, index: usize) -> (u128, u8) {
        let (number, last) = self.entry(space, index);
        (number, split(last).0)
    }

    fn entry(&self, space: &Space<'_>, index: usize) -> Entry {
        let at = self.place(index);
        (space.number(at, self.window.words), space.get(at + self.window.words as usize))
    }

    fn set(&self, space: &Space<'_>, index: usize, (number, last): Entry) {
        let at = self.place(index);
        space.set_number(at, self.window.words, number);
        space.set(at + self.window.words as usize, last);
    }

    const fn place(&self, index: usize) -> usize {
        self.top - (index + 1) * Self::words(self.window.words)
    }

    /// Words taken for entries and runs.
    pub(super) fn room(&self) -> usize {
        self.all.len()
    }

    /// Makes room for those that follow, below `end`, in about `room` words of all. By how much the
    /// scratch below moves down for that.
    /// # Errors
    /// `Full`: there is none.
    pub(super) fn next_pass(
        &mut self,
        space: &mut Space<'_>,
        end: usize,
        room: usize,
    ) -> Result<usize, TableError> {
        (self.count, self.rule, self.element) = (0, 0, 0);
        self.until = None;
        self.stage = Stage::Gather;
        self.end = end;
        self.make_room()?;
        let more = room.min(self.wanted).saturating_sub(self.room());
        if more < self.room() / LEAST_PART {
            return Ok(0);
        }
        let (from, start) = (space.back(), self.all.start);
        let below = Move::new(from, space.scratch(more)?, start - from);
        self.stage = Stage::Move { to: start - more, below };
        Ok(more)
    }

    /// Does the next piece of work; whether all are there that there is room for.
    /// # Errors
    /// `Full`: more rules share a prefix than there is room for.
    pub(super) fn step(
        &mut self,
        space: &Space<'_>,
        rules: &[Rule<'_>],
        order: usize,
        places: usize,
        count: usize,
    ) -> Result<bool, TableError> {
        match &mut self.stage {
            Stage::Move { to, below } => {
                if below.step(space) {
                    self.all.start = *to;
                    self.stage = Stage::Gather;
                    self.make_room()?;
                }
            }
            Stage::Gather => {
                if self.rule < count {
                    let all = rule_at(space, order, rules, self.rule)
                        .is_none_or(|rule| self.gather(space, rule, space.get(places + self.rule)));
                    if all {
                        (self.rule, self.element) = (self.rule + 1, 0);
                        return Ok(false);
                    }
                }
                let words = Self::words(self.window.words);
                self.stage = Stage::Sort(Sort::down(self.top, self.count, words));
            }
            Stage::Sort(sort) => {
                if sort.step(space) {
                    self.stage = Stage::Compact { next: 0, kept: 0 };
                }
            }
            Stage::Compact { next, kept } => {
                let (start, mut end) = (*next, *kept);
                let next = (start + STEP).min(self.count);
                for index in start..next {
                    let entry = self.entry(space, index);
                    if end == 0 || entry != self.entry(space, end - 1) {
                        self.set(space, end, entry);
                        end += 1;
                    }
                }
                self.stage = Stage::Compact { next, kept: end };
                if next == self.count {
                    self.count = end;
                    self.finish(space, count)?;
                }
            }
            Stage::Ready => return Ok(true),
        }
        Ok(false)
    }

    /// Adds the prefixes by which a rule is found; whether there was room for all.
    fn gather(&mut self, space: &Space<'_>, rule: &Rule<'_>, place: u32) -> bool {
        if !is_found_by(self.side, place) {
            return true;
        }
        let everywhere = place & *of(&EVERYWHERE, self.side) != 0;
        let all = everywhere.then_some((0, 0));
        let (window, version) = (self.window, self.version);
        let listed = prefixes(rule, self.side)
            .iter()
            .filter(|_| !everywhere)
            .filter_map(|one| prefix(one, version))
            .map(|(bits, length)| (window.range(bits, length).0, length));
        for (number, length) in all.into_iter().chain(listed).skip(self.element) {
            let entry = (number, u32::from(length) << RULE_BITS | self.rule as u32);
            let is_behind = self.after.is_none_or(|after| entry > after);
            if is_behind && self.until.is_none_or(|until| entry <= until) {
                if self.count == self.most {
                    return false;
                }
                self.set(space, self.count, entry);
                self.count += 1;
            }
            self.element += 1;
        }
        true
    }

    /// Keeps the first half, if there are more; if not, those whose prefixes are there whole.
    fn finish(&mut self, space: &Space<'_>, rules: usize) -> Result<(), TableError> {
        self.stage = Stage::Ready;
        if self.rule < rules {
            if self.count > self.most / 2 {
                self.count = self.most / 2;
                self.until = self.count.checked_sub(1).map(|last| self.entry(space, last));
            }
            self.stage = Stage::Gather;
        } else if self.until.is_some() {
            let last = self.count.saturating_sub(1);
            let prefix = self.prefix(space, last);
            let whole = (0..=last).rev().find(|index| self.prefix(space, *index) != prefix);
            let whole = whole.ok_or(TableError::Full)?;
            self.count = whole + 1;
            self.after = Some(self.entry(space, whole));
        }
        Ok(())
    }
}

/// Whether a rule of place `place` has entries on a side.
const fn is_found_by(side: usize, place: u32) -> bool {
    place & NOWHERE == 0 && (place & DIAGRAM != 0 || (place & BY_DESTINATION != 0) as usize == side)
}
