//! The intervals of one side: a sweep over its prefixes, sorted by first address, the shorter of
//! two first. Prefixes are nested or apart, so those that cover an address stand on a stack.
//!
//! Prefixes with the same rules inside of the same prefix share a list, and side by side they are
//! one interval. The lists made last are known by their hashes, one for each rule.

use super::{
    DIAGRAM, REST,
    diagram::mix,
    entries::Entries,
    space::{Move, Space},
};
use crate::table::{TableError, acl::image::run, atomic::Ordering::Relaxed};
use core::ops::Range;

/// Most lists that are known by their hashes.
const MOST_SLOTS: usize = 1 << 12;
/// Lists of at most so many records are copied to those that contain them instead of linked.
const COPIED: u32 = 3;

/// A list of records in the image, and a set of rules of the diagram in the scratch.
#[derive(Clone, Copy, Debug, Default)]
struct Lists {
    /// As [`run`] says.
    records: u32,
    /// Its length, linked runs included.
    count: u32,
    /// The run in the scratch, one more than the number of each rule, which goes down from here,
    /// below a word for its class or row, now 0; 0: empty.
    rules: u32,
}

/// A prefix on the stack.
#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    last: u128,
    lists: Lists,
    /// Its entries, if they are still there.
    first: usize,
    end: usize,
}

/// The sweep and what it has made so far.
#[derive(Debug)]
pub(super) struct Sweep {
    key_words: u32,
    /// Bits before the window.
    skipped: u32,
    /// The entry that comes next.
    next: usize,
    stack: usize,
    depth: usize,
    /// The intervals, each below the one before it: first number, records, rules of the diagram.
    intervals: usize,
    pub(super) count: usize,
    /// The runs of rules of the diagram begin and end here.
    runs_first: usize,
    runs_end: usize,
    /// Lists and runs by their hashes: where they are, or 0.
    known: usize,
    known_slots: usize,
    /// What holds for addresses outside the window.
    outside: Lists,
    /// Records and their number in the lists of their own prefixes.
    pub(super) own: u64,
    pub(super) met: u64,
}

impl Sweep {
    /// Over the prefixes of a side. The entries are to be put below; then [`Self::begin_intervals`].
    pub(super) fn new(space: &Space<'_>, key_words: u32, skip: u32) -> Self {
        Self {
            key_words,
            skipped: 32 * skip,
            next: 0,
            stack: 0,
            depth: 0,
            intervals: 0,
            count: 0,
            runs_first: space.back(),
            runs_end: space.back(),
            known: 0,
            known_slots: 0,
            outside: Lists::default(),
            own: 0,
            met: 0,
        }
    }

    /// Begins with the interval of no prefix, of `rules` rules.
    pub(super) fn begin_intervals(
        &mut self,
        space: &mut Space<'_>,
        rules: usize,
    ) -> Result<(), TableError> {
        self.known_slots = Self::slots(rules);
        self.known = space.scratch(self.known_slots)?;
        space.fill(self.known, self.known_slots, 0);
        self.stack = space.scratch(Self::stack_words(self.key_words))?;
        self.intervals = space.back();
        self.begin(space, 0, Lists::default())
    }

    /// Moves the intervals up to the runs: nothing else is needed from here on.
    pub(super) fn settle(&mut self, space: &mut Space<'_>) -> Move {
        let count = self.count * Self::interval_words(self.key_words);
        let from = self.intervals - count;
        self.intervals = self.runs_end;
        space.release(self.intervals - count);
        Move::new(from, self.intervals - count, count)
    }

    /// All but the runs is moved by so many words.
    pub(super) const fn move_down(&mut self, words: usize) {
        self.known -= words;
        self.stack -= words;
        self.intervals -= words;
    }

    /// Words beside those of the entries and intervals, of `rules` rules.
    pub(super) const fn words(key_words: u32, rules: usize) -> usize {
        Self::slots(rules) + Self::stack_words(key_words)
    }

    /// Slots for the lists made last.
    const fn slots(rules: usize) -> usize {
        if rules > MOST_SLOTS { MOST_SLOTS } else { rules.next_power_of_two() }
    }

    /// Nested prefixes: one of each length, and one of all addresses.
    const fn stack_words(key_words: u32) -> usize {
        (key_words as usize * 32 + 2) * Self::frame_words(key_words)
    }

    /// Words of an interval.
    pub(super) const fn interval_words(key_words: u32) -> usize {
        key_words as usize + 2
    }

    const fn frame_words(key_words: u32) -> usize {
        key_words as usize + 5
    }

    /// Start of the scratch that is needed when the intervals have been copied: the runs.
    pub(super) const fn needed(&self) -> usize {
        self.runs_end
    }

    /// Where interval `index` is.
    const fn interval(&self, index: usize) -> usize {
        self.intervals - (index + 1) * Self::interval_words(self.key_words)
    }

    /// The first number of an interval.
    pub(super) fn first(&self, space: &Space<'_>, index: usize) -> u128 {
        space.number(self.interval(index), self.key_words)
    }

    /// Records, and rules of the diagram, of an interval; those outside the window behind the last.
    pub(super) fn lists(&self, space: &Space<'_>, index: usize) -> (u32, u32) {
        if index == self.count {
            return (self.outside.records, self.outside.rules);
        }
        let at = self.interval(index) + self.key_words as usize;
        (space.get(at), space.get(at + 1))
    }

    /// Takes the next prefix; whether all that are there have been taken. `covers`, where the
    /// entries that a rule covers are counted, is for a side without rules of the diagram, whose
    /// runs take the place of entries.
    pub(super) fn step(
        &mut self,
        space: &mut Space<'_>,
        entries: &Entries,
        places: usize,
        covers: Option<usize>,
    ) -> Result<bool, TableError> {
        let done = self.next == entries.count();
        if done && !entries.is_last() {
            self.forget_entries(space, entries, covers);
            return Ok(true);
        }
        let (first, length) = if done { (u128::MAX, 0) } else { entries.prefix(space, self.next) };
        while self.depth > 0 {
            let frame = self.frame(space, self.depth - 1);
            if !done && frame.last >= first {
                break;
            }
            self.leave(space, &frame, entries, covers)?;
        }
        if done {
            return Ok(true);
        }
        let parent =
            self.depth.checked_sub(1).map_or(Lists::default(), |top| self.frame(space, top).lists);
        let start = self.next;
        let end = (start + 1..entries.count())
            .find(|entry| entries.prefix(space, *entry) != (first, length))
            .unwrap_or(entries.count());
        self.next = end;
        let lists = self.enter(space, parent, entries, start..end, places)?;
        let all = u128::MAX >> (128 - 32 * self.key_words);
        let behind = u32::from(length).saturating_sub(self.skipped);
        let last = first | all.checked_shr(behind).unwrap_or(0);
        self.put_frame(space, self.depth, &Frame { last, lists, first: start, end });
        self.depth += 1;
        if length == 0 {
            self.outside = lists;
        }
        self.begin(space, first, lists)?;
        Ok(false)
    }

    /// Others take the place of the entries: what the prefixes on the stack cover of those is not
    /// counted.
    fn forget_entries(&mut self, space: &Space<'_>, entries: &Entries, covers: Option<usize>) {
        for place in 0..self.depth {
            let frame = self.frame(space, place);
            self.count_covered(space, &frame, entries, covers);
            self.put_frame(space, place, &Frame { first: 0, end: 0, ..frame });
        }
        self.next = 0;
    }

    /// The lists of a prefix with these entries inside of one with the lists of `parent`.
    fn enter(
        &mut self,
        space: &mut Space<'_>,
        parent: Lists,
        entries: &Entries,
        own: Range<usize>,
        places: usize,
    ) -> Result<Lists, TableError> {
        let mut lists = parent;
        let (mut records, mut rules) = (0, 0);
        let mut only = 0;
        let (start, runs_end) = (space.front(), self.runs_end);
        for entry in own {
            let rule = entries.rule(space, entry);
            let place = space.get(places + rule);
            if place & DIAGRAM == 0 {
                only = place & REST;
                space.push(only)?;
                records += 1;
            } else {
                if rules == 0 {
                    self.add_to_runs(space, 0);
                }
                self.add_to_runs(space, rule as u32 + 1);
                rules += 1;
            }
        }
        if records > 0 {
            lists.count = parent.count + records;
            self.own += u64::from(records);
            self.met += u64::from(records) * u64::from(lists.count);
            lists.records = self.end_list(space, parent, only, start, lists.count)?;
        }
        if rules > 0 {
            lists.rules = self.end_run(space, parent.rules, runs_end);
        }
        Ok(lists)
    }

    /// Ends the list that starts at `start`, inside of `parent`, with `count` records in all, the last
    /// of its own `only`.
    fn end_list(
        &self,
        space: &mut Space<'_>,
        parent: Lists,
        only: u32,
        start: usize,
        count: u32,
    ) -> Result<u32, TableError> {
        if count == 1 {
            space.truncate(start);
            return Ok(run::LAST | only);
        }
        if parent.count > COPIED {
            space.push(run::LINK | parent.records)?;
        } else {
            for index in 0..parent.count {
                let record = if parent.records & run::LAST != 0 {
                    parent.records
                } else {
                    space.get(((parent.records & run::REST) + index) as usize)
                };
                space.push(record & run::RECORD)?;
            }
            let last = space.front() - 1;
            space.set(last, space.get(last) | run::LAST);
            if count as usize <= run::SHORT {
                space.set(start, run::short(space.get(start), count));
            }
        }
        let known = self.share(space, parent.records, start..space.front(), 0..start);
        if known.is_some() {
            space.truncate(start);
        }
        Ok(run::LINK | known.unwrap_or(start) as u32)
    }

    /// Ends the run that was begun at `top` inside of one at `parent`.
    fn end_run(&mut self, space: &Space<'_>, parent: u32, top: usize) -> u32 {
        // The same wherever the scratch is.
        let mut around = 0;
        if parent == 0 {
            space.set(self.runs_end, space.get(self.runs_end) | run::LAST);
        } else {
            self.add_to_runs(space, run::LINK | parent);
            around = self.runs_first as u32 - parent;
        }
        let words = self.runs_end..top;
        let known = self.share(space, around, words.clone(), top..self.runs_first);
        if known.is_some() {
            self.runs_end = top;
        }
        (known.unwrap_or(words.start) + words.len()) as u32 - 2
    }

    /// Where the words at `new`, inside of a list at `around`, are `among` those before, if that is
    /// known; if not, it is from here on.
    fn share(
        &self,
        space: &Space<'_>,
        around: u32,
        new: Range<usize>,
        among: Range<usize>,
    ) -> Option<usize> {
        let words =
            |at: usize| space.words(at).iter().take(new.len()).map(|word| word.load(Relaxed));
        let own = words(new.start).filter(|word| word & run::LINK == 0);
        let place = self.known + (own.fold(around, mix) as usize & (self.known_slots - 1));
        let known = space.get(place) as usize;
        if among.contains(&known)
            && known + new.len() <= among.end
            && words(known).eq(words(new.start))
        {
            return Some(known);
        }
        space.set(place, new.start as u32);
        None
    }

    fn add_to_runs(&mut self, space: &Space<'_>, word: u32) {
        self.runs_end -= 1;
        space.set(self.runs_end, word);
    }

    /// Goes back from a prefix to the one around it.
    fn leave(
        &mut self,
        space: &mut Space<'_>,
        frame: &Frame,
        entries: &Entries,
        covers: Option<usize>,
    ) -> Result<(), TableError> {
        self.count_covered(space, frame, entries, covers);
        self.depth -= 1;
        let around =
            self.depth.checked_sub(1).map_or(Lists::default(), |top| self.frame(space, top).lists);
        if frame.last < u128::MAX >> (128 - 32 * self.key_words) {
            self.begin(space, frame.last + 1, around)?;
        }
        Ok(())
    }

    /// Counts the entries that a prefix covers for each of its rules.
    fn count_covered(
        &self,
        space: &Space<'_>,
        frame: &Frame,
        entries: &Entries,
        covers: Option<usize>,
    ) {
        let Some(covers) = covers else { return };
        for rule in (frame.first..frame.end).map(|entry| entries.rule(space, entry)) {
            let before = space.get(covers + rule);
            space.set(covers + rule, before.saturating_add((self.next - frame.first) as u32));
        }
    }

    /// From `first` on these lists hold. Intervals that do not differ are one.
    fn begin(
        &mut self,
        space: &mut Space<'_>,
        first: u128,
        lists: Lists,
    ) -> Result<(), TableError> {
        let new = (lists.records, lists.rules);
        if let Some(last) = self.count.checked_sub(1) {
            if self.first(space, last) == first {
                self.count = last;
                space.release(self.intervals - last * Self::interval_words(self.key_words));
                if last > 0 && self.lists(space, last - 1) == new {
                    return Ok(());
                }
            } else if self.lists(space, last) == new {
                return Ok(());
            }
        }
        let at = space.scratch(Self::interval_words(self.key_words))?;
        space.set_number(at, self.key_words, first);
        space.set(at + self.key_words as usize, lists.records);
        space.set(at + self.key_words as usize + 1, lists.rules);
        self.count += 1;
        Ok(())
    }

    fn frame(&self, space: &Space<'_>, index: usize) -> Frame {
        let at = self.stack + index * Self::frame_words(self.key_words);
        let rest = at + self.key_words as usize;
        Frame {
            last: space.number(at, self.key_words),
            lists: Lists {
                records: space.get(rest),
                count: space.get(rest + 1),
                rules: space.get(rest + 2),
            },
            first: space.get(rest + 3) as usize,
            end: space.get(rest + 4) as usize,
        }
    }

    fn put_frame(&self, space: &Space<'_>, place: usize, frame: &Frame) {
        let at = self.stack + place * Self::frame_words(self.key_words);
        let rest = at + self.key_words as usize;
        space.set_number(at, self.key_words, frame.last);
        space.set(rest, frame.lists.records);
        space.set(rest + 1, frame.lists.count);
        space.set(rest + 2, frame.lists.rules);
        space.set(rest + 3, frame.first as u32);
        space.set(rest + 4, frame.end as u32);
    }
}
