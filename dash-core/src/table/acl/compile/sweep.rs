//! The intervals of one side: a sweep over its prefixes, sorted by first address, the shorter of
//! two first. Prefixes are nested or apart, so those that cover an address stand on a stack.

use super::{DIAGRAM, REST, space::Space};
use crate::table::{TableError, acl::image::run};

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
    /// Start of the run in the scratch, after a word for its class or row; 0: empty.
    rules: u32,
}

/// A prefix on the stack.
#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    last: u128,
    lists: Lists,
    /// Its entries.
    first: usize,
    end: usize,
}

/// The sweep and what it has made so far.
#[derive(Debug)]
pub(super) struct Sweep {
    /// Entries: number, length, rule.
    entries: usize,
    entry_count: usize,
    key_words: u32,
    /// Bits before the window.
    skipped: u32,
    next: usize,
    stack: usize,
    depth: usize,
    /// Intervals: first number, records, rules of the diagram.
    pub(super) intervals: usize,
    pub(super) count: usize,
    /// The runs of rules of the diagram, and their end.
    runs: usize,
    runs_end: usize,
    /// What holds for addresses outside the window.
    outside: Lists,
    /// Records and their number in the lists of their own prefixes.
    pub(super) own: u64,
    pub(super) met: u64,
}

impl Sweep {
    /// Over `entry_count` sorted entries.
    pub(super) fn new(
        space: &mut Space<'_>,
        entries: usize,
        entry_count: usize,
        key_words: u32,
        skip: u32,
    ) -> Result<Self, TableError> {
        let stack = space.scratch(DEPTH * Self::frame_words(key_words))?;
        let runs = space.scratch(3 * entry_count)?;
        let stride = Self::interval_words(key_words);
        let intervals = space.scratch((2 * entry_count + 1) * stride)?;
        let mut sweep = Self {
            entries,
            entry_count,
            key_words,
            skipped: 32 * skip,
            next: 0,
            stack,
            depth: 0,
            intervals,
            count: 0,
            runs,
            runs_end: runs,
            outside: Lists::default(),
            own: 0,
            met: 0,
        };
        sweep.begin(space, 0, Lists::default());
        Ok(sweep)
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
        self.runs
    }

    /// Records and rules of the diagram outside the window.
    pub(super) const fn outside(&self) -> (u32, u32) {
        (self.outside.records, self.outside.rules)
    }

    /// Takes the next prefix; whether all have been taken.
    pub(super) fn step(
        &mut self,
        space: &mut Space<'_>,
        places: usize,
        covers: usize,
    ) -> Result<bool, TableError> {
        let stride = self.key_words as usize + 2;
        let at = self.entries + self.next * stride;
        let done = self.next == self.entry_count;
        let first = space.number(at, self.key_words);
        let length = space.get(at + self.key_words as usize);
        while self.depth > 0 {
            let frame = self.frame(space, self.depth - 1);
            if !done && frame.last >= first {
                break;
            }
            self.leave(space, &frame, covers);
        }
        if done {
            return Ok(true);
        }
        let parent =
            self.depth.checked_sub(1).map_or(Lists::default(), |top| self.frame(space, top).lists);
        let start = self.next;
        let mut end = start;
        while end < self.entry_count {
            let other = self.entries + end * stride;
            let same = (0..=self.key_words as usize)
                .all(|word| space.get(other + word) == space.get(at + word));
            if !same {
                break;
            }
            end += 1;
        }
        self.next = end;
        let lists = self.enter(space, parent, start..end, places)?;
        let all = u128::MAX >> (128 - 32 * self.key_words);
        let last = first | all.checked_shr(length.saturating_sub(self.skipped)).unwrap_or(0);
        self.set_frame(space, &Frame { last, lists, first: start, end });
        if length == 0 {
            self.outside = lists;
        }
        self.begin(space, first, lists);
        Ok(false)
    }

    /// The lists of a prefix with these entries inside of one with the lists of `parent`.
    fn enter(
        &mut self,
        space: &mut Space<'_>,
        parent: Lists,
        entries: core::ops::Range<usize>,
        places: usize,
    ) -> Result<Lists, TableError> {
        let mut lists = parent;
        let (mut records, mut rules) = (0, 0);
        let mut only = 0;
        let start = space.front();
        for entry in entries {
            let rule = space.get(self.entries + (entry + 1) * (self.key_words as usize + 2) - 1);
            let place = space.get(places + rule as usize);
            if place & DIAGRAM == 0 {
                only = place & REST;
                space.push(only)?;
                records += 1;
            } else {
                if rules == 0 {
                    space.set(self.runs_end, 0);
                    lists.rules = self.runs_end as u32 + 1;
                    self.runs_end += 1;
                }
                space.set(self.runs_end, rule);
                self.runs_end += 1;
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
                space.set(self.runs_end - 1, space.get(self.runs_end - 1) | run::LAST);
            } else {
                space.set(self.runs_end, run::LINK | parent.rules);
                self.runs_end += 1;
            }
        }
        Ok(lists)
    }

    /// Goes back from a prefix to the one around it.
    fn leave(&mut self, space: &mut Space<'_>, frame: &Frame, covers: usize) {
        for entry in frame.first..frame.end {
            let rule = space.get(self.entries + (entry + 1) * (self.key_words as usize + 2) - 1);
            let at = covers + rule as usize;
            space.set(at, space.get(at).saturating_add((self.next - frame.first) as u32));
        }
        self.depth -= 1;
        let around =
            self.depth.checked_sub(1).map_or(Lists::default(), |top| self.frame(space, top).lists);
        if frame.last < u128::MAX >> (128 - 32 * self.key_words) {
            self.begin(space, frame.last + 1, around);
        }
    }

    /// From `first` on these lists hold. Intervals that do not differ are one.
    fn begin(&mut self, space: &Space<'_>, first: u128, lists: Lists) {
        let stride = Self::interval_words(self.key_words);
        let words = self.key_words as usize;
        let same = |at: usize| {
            space.get(at + words) == lists.records && space.get(at + words + 1) == lists.rules
        };
        if let Some(last) = self.count.checked_sub(1) {
            let at = self.intervals + last * stride;
            if space.number(at, self.key_words) == first {
                self.count = last;
                if last > 0 && same(at - stride) {
                    return;
                }
            } else if same(at) {
                return;
            }
        }
        let at = self.intervals + self.count * stride;
        space.set_number(at, self.key_words, first);
        space.set(at + words, lists.records);
        space.set(at + words + 1, lists.rules);
        self.count += 1;
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

    fn set_frame(&mut self, space: &Space<'_>, frame: &Frame) {
        let at = self.stack + self.depth * Self::frame_words(self.key_words);
        let rest = at + self.key_words as usize;
        space.set_number(at, self.key_words, frame.last);
        space.set(rest, frame.lists.records);
        space.set(rest + 1, frame.lists.count);
        space.set(rest + 2, frame.lists.rules);
        space.set(rest + 3, frame.first as u32);
        space.set(rest + 4, frame.end as u32);
        self.depth += 1;
    }
}
