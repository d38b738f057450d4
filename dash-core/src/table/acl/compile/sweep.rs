//! The intervals of one side: a sweep over its prefixes, sorted by first address, the shorter of
//! two first. Prefixes are nested or apart, so those that cover an address stand on a stack.

use super::{DIAGRAM, REST, entries::Entries, space::Space};
use crate::table::{TableError, acl::image::run};
use core::ops::Range;

/// Nested prefixes: one of each length.
const DEPTH: usize = 129;
/// Lists of at most so many records are copied to those that contain them instead of linked.
const COPIED: u32 = 3;

/// A list of records in the image, and a set of rules of the diagram in the scratch.
#[derive(Clone, Copy, Debug, Default)]
struct Lists {
    /// As [`run`] says.
    records: u32,
    /// Its length, linked runs included.
    count: u32,
    /// The run in the scratch, which goes down from here, below a word for its class or row; 0: empty.
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
    /// The runs of rules of the diagram end here.
    runs_end: usize,
    /// What holds for addresses outside the window.
    outside: Lists,
    /// Records and their number in the lists of their own prefixes.
    pub(super) own: u64,
    pub(super) met: u64,
}

impl Sweep {
    /// Over the prefixes of a side, `in_diagram` of which are of rules of the diagram. The entries
    /// are to be put below; then [`Self::begin_intervals`].
    pub(super) fn new(
        space: &mut Space<'_>,
        in_diagram: usize,
        key_words: u32,
        skip: u32,
    ) -> Result<Self, TableError> {
        let runs_end = space.back();
        space.scratch(3 * in_diagram)?;
        let stack = space.scratch(DEPTH * Self::frame_words(key_words))?;
        Ok(Self {
            key_words,
            skipped: 32 * skip,
            next: 0,
            stack,
            depth: 0,
            intervals: stack,
            count: 0,
            runs_end,
            outside: Lists::default(),
            own: 0,
            met: 0,
        })
    }

    /// Begins with the interval of no prefix.
    pub(super) fn begin_intervals(&mut self, space: &mut Space<'_>) -> Result<(), TableError> {
        self.intervals = space.back();
        self.begin(space, 0, Lists::default())
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

    /// Takes the next prefix; whether all that are there have been taken.
    pub(super) fn step(
        &mut self,
        space: &mut Space<'_>,
        entries: &Entries,
        places: usize,
        covers: usize,
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
    fn forget_entries(&mut self, space: &Space<'_>, entries: &Entries, covers: usize) {
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
        let start = space.front();
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
                    lists.rules = self.runs_end as u32 - 1;
                }
                self.add_to_runs(space, rule as u32);
                rules += 1;
            }
        }
        if records > 0 {
            lists.records = run::LINK | start as u32;
            lists.count = parent.count + records;
            self.own += u64::from(records);
            self.met += u64::from(records) * u64::from(lists.count);
            if parent.count > COPIED {
                space.push(run::LINK | parent.records)?;
            } else if lists.count == 1 {
                space.truncate(start);
                lists.records = run::LAST | only;
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
                if lists.count as usize <= run::SHORT {
                    space.set(start, run::short(space.get(start), lists.count));
                }
            }
        }
        if rules > 0 {
            if parent.rules == 0 {
                space.set(self.runs_end, space.get(self.runs_end) | run::LAST);
            } else {
                self.add_to_runs(space, run::LINK | parent.rules);
            }
        }
        Ok(lists)
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
        covers: usize,
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
    fn count_covered(&self, space: &Space<'_>, frame: &Frame, entries: &Entries, covers: usize) {
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
