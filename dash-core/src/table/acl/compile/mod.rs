//! From rules to the image of a group, in steps of bounded work and without allocation.
//!
//! A trial decides which rules are found by lists and which by the diagram. Each rule has a place
//! in the lists of one side, the one whose prefixes cover less. When the lists of the prefixes are
//! short (on average at most [`SHORT`] records meet), that is the form. If not, the rules whose
//! prefixes cover many others go to the diagram; if the rest still meets too many, all rules go,
//! first with large nodes.
//! When the diagram would be too large, rules stay in lists, however long: an image of lists alone
//! is never larger than about ten words for each rule and each element of its lists.
//!
//! Work of a step: a rule with its lists, a thousand records of a sort, one prefix of a sweep, one
//! source interval of the diagram. Memory: the image and the scratch share the words given;
//! [`Size`] reports both.

mod diagram;
mod index;
mod records;
mod rules;
mod sort;
mod space;
mod sweep;
mod tags;

use super::{
    Rule,
    image::{self, LINE, PROTOCOL_WORDS, RULE_WORDS, RULES_AT, header, protocols_at, side},
    key::Window,
};
use crate::table::{TableError, atomic::AtomicU32};
use diagram::Diagram;
use index::Index;
use records::Records;
use rules::{Extent, addresses, coverage, matches_nothing, prefix, prefixes};
use smoltcp::wire::IpVersion;
use sort::Sort;
use space::Space;
use sweep::Sweep;
use tags::TagMap;

/// Place of a rule: in the diagram.
const DIAGRAM: u32 = 1 << 31;
/// Place of a rule: nowhere, it matches nothing.
const NOWHERE: u32 = 1 << 30;
/// Place of a rule: in the lists of the destination, not the source.
const BY_DESTINATION: u32 = 1 << 29;
/// The rest of a place: number of the record.
const REST: u32 = BY_DESTINATION - 1;

/// Records that may meet on average at a prefix before the diagram is tried.
const SHORT: u64 = 3;
/// A rule whose prefixes cover more than so many others is wide.
const WIDE: u32 = 32;
/// Most rules of a group.
pub(super) const MAX_RULES: usize = 1 << 24;

/// Words that a compilation took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Of the compiled group.
    pub compiled: usize,
    /// Of the compilation at its peak, beside the compiled group.
    pub scratch: usize,
}

/// Which rules are tried in the diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trial {
    /// None, if the lists are short.
    Lists,
    /// The wide ones, if the lists of the others are short.
    Wide,
    /// All that name no tag, if few and large nodes suffice.
    Flat,
    /// All that name no tag.
    All,
    /// The wide ones.
    WideAnyway,
    /// None.
    ListsAnyway,
}

impl Trial {
    const fn next(self) -> Option<Self> {
        match self {
            Self::Lists => Some(Self::Wide),
            Self::Wide => Some(Self::Flat),
            Self::Flat => Some(Self::All),
            Self::All => Some(Self::WideAnyway),
            Self::WideAnyway => Some(Self::ListsAnyway),
            Self::ListsAnyway => None,
        }
    }
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one, and nothing to put it in a box")]
enum Phase {
    Order { sort: Option<Sort> },
    Examine { next: usize },
    Place { next: usize },
    Entries { side: usize, next: usize, count: usize },
    Sort { side: usize, sort: Sort, count: usize },
    Sweep { side: usize, sweep: Sweep },
    Index { side: usize, sweep: Sweep, index: Index },
    Copy { side: usize, sweep: Sweep, next: usize },
    Tags(TagMap),
    Records(Records),
    Diagram(Diagram),
    Done,
}

/// What the prefixes of a side have in common.
#[derive(Clone, Copy, Debug)]
struct Common {
    first: Option<u128>,
    differ: u128,
    shortest: u8,
    longest: u8,
}

/// A group on its way to an image.
#[derive(Debug)]
pub(super) struct Compiler<'w> {
    space: Space<'w>,
    version: IpVersion,
    count: usize,
    /// Pairs of priority and index, sorted.
    order: usize,
    /// One word a rule: where it goes.
    places: usize,
    /// One word a rule: prefixes that its own cover.
    covers: usize,
    common: [Common; 2],
    windows: [Window; 2],
    key_words: u32,
    protocols: u32,
    /// Ends of image and scratch when a trial begins.
    marks: (usize, usize),
    trial: Trial,
    records: usize,
    in_diagram: usize,
    own: u64,
    met: u64,
    phase: Phase,
}

impl<'w> Compiler<'w> {
    /// Compiles `count` rules, which each step is given, in `words`.
    /// # Errors
    /// `Full`, `CapacityTooLarge`: more than 2²⁴ rules.
    pub(super) fn new(
        words: &'w [AtomicU32],
        version: IpVersion,
        count: usize,
    ) -> Result<Self, TableError> {
        if count > MAX_RULES {
            return Err(TableError::CapacityTooLarge);
        }
        let mut space = Space::new(words);
        space.grow(protocols_at(count) + PROTOCOL_WORDS)?;
        let order = space.scratch(2 * count)?;
        let places = space.scratch(count)?;
        let covers = space.scratch(count)?;
        let common = Common { first: None, differ: 0, shortest: u8::MAX, longest: 0 };
        Ok(Self {
            space,
            version,
            count,
            order,
            places,
            covers,
            common: [common; 2],
            windows: [Window::default(); 2],
            key_words: 1,
            protocols: 0,
            marks: (0, 0),
            trial: Trial::Lists,
            records: 0,
            in_diagram: 0,
            own: 0,
            met: 0,
            phase: Phase::Order { sort: None },
        })
    }

    /// Does the next piece of work; the sizes when nothing is left.
    /// # Errors
    /// `Full`: not in these words.
    pub(super) fn step(&mut self, rules: &[Rule<'_>]) -> Result<Option<Size>, TableError> {
        match self.advance(rules) {
            Ok(()) => {}
            // The next trial needs less.
            Err(TableError::Full) => self.try_next()?,
            Err(error) => return Err(error),
        }
        Ok(matches!(self.phase, Phase::Done).then(|| Size {
            compiled: self.space.front(),
            scratch: self.space.peak() - self.space.front(),
        }))
    }

    fn advance(&mut self, rules: &[Rule<'_>]) -> Result<(), TableError> {
        match &mut self.phase {
            Phase::Order { sort } => {
                if let Some(sort) = sort {
                    if let Some(sorted) = sort.step(&self.space) {
                        self.finish_order(sorted);
                    }
                    return Ok(());
                }
                self.begin_order(rules)
            }
            Phase::Examine { next } => {
                let index = *next;
                if index < self.count {
                    *next += 1;
                    if let Some(rule) = self.rule(rules, index) {
                        self.examine(index, rule);
                    }
                } else {
                    self.finish_examination();
                }
                Ok(())
            }
            Phase::Place { next } => {
                let index = *next;
                if index < self.count {
                    *next += 1;
                    if let Some(rule) = self.rule(rules, index) {
                        self.place(index, rule);
                    }
                } else {
                    self.phase = Phase::Entries { side: image::SOURCE, next: 0, count: 0 };
                }
                Ok(())
            }
            Phase::Entries { side, next, count } => {
                let (side, index, count) = (*side, *next, *count);
                *next += 1;
                if index < self.count {
                    self.enter(side, index, rules)
                } else {
                    self.sort(side, count)
                }
            }
            Phase::Sort { side, sort, count } => {
                if let Some(entries) = sort.step(&self.space) {
                    let (side, count) = (*side, *count);
                    let skip = image::of(&self.windows, side).skip;
                    let sweep = Sweep::new(&mut self.space, entries, count, self.key_words, skip)?;
                    self.phase = Phase::Sweep { side, sweep };
                }
                Ok(())
            }
            Phase::Sweep { side, sweep } => {
                if sweep.step(&mut self.space, self.places, self.covers)? {
                    let side = *side;
                    if let Phase::Sweep { sweep, .. } =
                        core::mem::replace(&mut self.phase, Phase::Done)
                    {
                        let index = Index::new(&mut self.space)?;
                        self.phase = Phase::Index { side, sweep, index };
                    }
                }
                Ok(())
            }
            Phase::Index { .. } => self.index(),
            Phase::Copy { .. } => {
                self.copy();
                Ok(())
            }
            Phase::Tags(map) => {
                if map.step(&mut self.space, rules, self.order, self.places)? {
                    if map.side() == image::SOURCE {
                        *map = TagMap::new(&self.space, image::DESTINATION, self.version);
                    } else {
                        self.begin_records();
                    }
                }
                Ok(())
            }
            Phase::Records(records) => {
                if records.step(&mut self.space, rules, self.order, self.places)? {
                    self.begin_diagram()?;
                }
                Ok(())
            }
            Phase::Diagram(diagram) => {
                if diagram.step(&mut self.space, rules, self.order, self.places)? {
                    self.phase = Phase::Done;
                }
                Ok(())
            }
            Phase::Done => Ok(()),
        }
    }

    /// Takes the next interval into the index.
    fn index(&mut self) -> Result<(), TableError> {
        let Phase::Index { side, sweep, index } = &mut self.phase else { return Ok(()) };
        if index.step(&mut self.space, sweep, self.key_words)? {
            let (side, ahead) = (*side, index.finish(&self.space, *side));
            if let Phase::Index { sweep, .. } = core::mem::replace(&mut self.phase, Phase::Done) {
                self.finish_index(side, sweep, ahead)?;
            }
        }
        Ok(())
    }

    /// Sorts the prefixes of one side.
    fn sort(&mut self, side: usize, count: usize) -> Result<(), TableError> {
        let stride = self.key_words as usize + 2;
        let from = self.space.back();
        let to = self.space.scratch(count * stride)?;
        self.phase = Phase::Sort { side, sort: Sort::new(from, to, count, stride), count };
        Ok(())
    }

    /// Copies the next interval of a sweep into the image.
    fn copy(&mut self) {
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

    /// The rule that is looked at as number `index`.
    fn rule<'r, 's>(&self, rules: &'r [Rule<'s>], index: usize) -> Option<&'r Rule<'s>> {
        rule_at(&self.space, self.order, rules, index)
    }

    fn begin_order(&mut self, rules: &[Rule<'_>]) -> Result<(), TableError> {
        let mut sorted = true;
        for (index, pair) in rules.iter().enumerate().take(self.count) {
            self.space.set(self.order + 2 * index, pair.priority);
            self.space.set(self.order + 2 * index + 1, index as u32);
            sorted &= index == 0 || self.space.get(self.order + 2 * index - 2) <= pair.priority;
        }
        if sorted {
            self.finish_order(self.order);
        } else {
            let help = self.space.scratch(2 * self.count)?;
            self.phase = Phase::Order { sort: Some(Sort::new(self.order, help, self.count, 2)) };
        }
        Ok(())
    }

    fn finish_order(&mut self, sorted: usize) {
        for word in 0..2 * self.count {
            self.space.set(self.order + word, self.space.get(sorted + word));
        }
        self.space.release(self.covers);
        self.space.fill(self.covers, self.count, 0);
        self.space.fill(0, header::WORDS, 0);
        self.space.fill(protocols_at(self.count), PROTOCOL_WORDS, 0);
        self.phase = Phase::Examine { next: 0 };
    }

    /// Notes the protocols of a rule, and what its prefixes have in common with those before.
    fn examine(&mut self, index: usize, rule: &Rule<'_>) {
        self.space.set(RULES_AT + RULE_WORDS * index, rule.priority);
        self.space.set(RULES_AT + RULE_WORDS * index + 1, rule.value);
        for protocol in rule.protocols {
            let at = protocols_at(self.count) + usize::from(protocol / 4);
            let shift = protocol % 4 * 8;
            let word = self.space.get(at);
            // Class 0 is that of protocols that no rule names; the last class is shared by two.
            if (word >> shift) as u8 == 0 {
                self.protocols = (self.protocols + 1).min(0xff);
                self.space.set(at, word | self.protocols << shift);
            }
        }
        for (side, common) in self.common.iter_mut().enumerate() {
            for (bits, length) in
                prefixes(rule, side).iter().filter_map(|one| prefix(one, self.version))
            {
                if length > 0 {
                    common.differ |= *common.first.get_or_insert(bits) ^ bits;
                    common.shortest = common.shortest.min(length);
                    common.longest = common.longest.max(length);
                }
            }
        }
    }

    fn finish_examination(&mut self) {
        let spans = self.common.map(|common| {
            let shared = common.differ.leading_zeros().min(common.shortest.into());
            let end = u32::from(common.longest).div_ceil(32).max(1);
            ((shared / 32).min(end - 1), end)
        });
        let widest = spans.iter().map(|(skip, end)| end - skip).max().unwrap_or(1);
        self.key_words = widest.next_power_of_two();
        if self.version == IpVersion::Ipv4 {
            self.key_words = 1;
        }
        for ((window, (skip, _)), common) in self.windows.iter_mut().zip(spans).zip(&self.common) {
            let skip =
                if self.version == IpVersion::Ipv4 { 0 } else { skip.min(4 - self.key_words) };
            let first = common.first.unwrap_or(0);
            *window = Window {
                skip,
                words: self.key_words,
                v6: self.version == IpVersion::Ipv6,
                common: first.checked_shr(128 - 32 * skip).unwrap_or(0),
            };
        }
        self.marks = (self.space.front(), self.space.back());
        self.begin_trial(Trial::Lists);
    }

    fn begin_trial(&mut self, trial: Trial) {
        self.trial = trial;
        let (front, back) = self.marks;
        self.space.truncate(front);
        self.space.release(back);
        self.space.fill(0, header::WORDS, 0);
        self.space.set(header::KEY_WORDS, self.key_words);
        self.space.set(header::RULES, self.count as u32);
        self.space.set(header::VERSION, u32::from(self.version == IpVersion::Ipv6));
        (self.records, self.in_diagram, self.own, self.met) = (0, 0, 0, 0);
        self.phase = Phase::Place { next: 0 };
    }

    fn try_next(&mut self) -> Result<(), TableError> {
        let next = self.trial.next().ok_or(TableError::Full)?;
        if self.marks == (0, 0) {
            return Err(TableError::Full);
        }
        self.begin_trial(next);
        Ok(())
    }

    /// Decides where a rule goes in this trial.
    fn place(&mut self, index: usize, rule: &Rule<'_>) {
        let place = if matches_nothing(rule, self.version) {
            NOWHERE
        } else if self.is_in_diagram(index, rule) {
            self.in_diagram += 1;
            DIAGRAM
        } else {
            let number = self.records as u32;
            self.records += 1;
            let [source, destination] =
                [image::SOURCE, image::DESTINATION].map(|side| coverage(rule, side, self.version));
            let side = usize::from(destination < source);
            number | if side == image::SOURCE { 0 } else { BY_DESTINATION }
        };
        self.space.set(self.places + index, place);
    }

    fn is_in_diagram(&self, index: usize, rule: &Rule<'_>) -> bool {
        let tagged = |side| !rules::tags(rule, side, self.version).is_empty();
        if tagged(image::SOURCE) || tagged(image::DESTINATION) {
            return false;
        }
        match self.trial {
            Trial::Lists | Trial::ListsAnyway => false,
            Trial::Wide | Trial::WideAnyway => self.space.get(self.covers + index) > WIDE,
            Trial::Flat | Trial::All => true,
        }
    }

    /// Adds the prefixes by which a rule is found on one side.
    fn enter(&mut self, side: usize, index: usize, rules: &[Rule<'_>]) -> Result<(), TableError> {
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
        for word in 0..3 {
            self.space.set(at + side::COMMON + word, (window.common >> (32 * (2 - word))) as u32);
        }
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

    fn begin_records(&mut self) {
        self.phase = Phase::Records(Records::new(self.records, self.version, self.windows));
    }

    fn begin_diagram(&mut self) -> Result<(), TableError> {
        self.phase = if self.in_diagram == 0 {
            Phase::Done
        } else {
            let flat = self.trial == Trial::Flat;
            Phase::Diagram(Diagram::new(&mut self.space, self.count, self.protocols + 1, flat)?)
        };
        Ok(())
    }
}

/// The rule that is looked at as number `index`.
fn rule_at<'r, 's>(
    space: &Space<'_>,
    order: usize,
    rules: &'r [Rule<'s>],
    index: usize,
) -> Option<&'r Rule<'s>> {
    rules.get(space.get(order + 2 * index + 1) as usize)
}
