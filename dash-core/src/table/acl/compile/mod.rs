//! From rules to the image of a group, in steps of bounded work and without allocation.
//!
//! A trial decides which rules are found by lists and which by the diagram. Each rule has a place
//! in the lists of one side, the one whose prefixes cover less. When the lists of the prefixes are
//! short (on average at most [`SHORT`] records meet), that is the form. If not, the rules whose
//! prefixes cover many others go to the diagram; if the rest still meets too many, all rules go,
//! first with large nodes.
//! When the diagram would be too large, rules stay in lists, however long: an image of lists alone
//! grows with the rules and the elements of their lists, no faster.
//!
//! Work of a step: a rule with its lists, a hundred records of a sort, one prefix of a sweep, a
//! thousand words moved, the records of one tag, the words of a filter for each tag of a chunk, one
//! source interval of the diagram.
//!
//! Memory: the image and the scratch share the words given, and scratch takes at most [`SCRATCH`]
//! times the words of the image, of every group and in whatever room; [`Size`] reports both, exactly.
//! So prefixes with the same rules share a list, lists are sorted in place, and where their image is
//! small in parts; and a diagram is given up when it would take more than that of what the lists
//! would be, until it is known what it will be itself.

mod diagram;
mod entries;
mod examine;
mod index;
mod records;
mod rules;
mod sides;
mod sort;
mod space;
mod sweep;
mod tags;

use super::{
    Rule,
    image::{self, PROTOCOL_WORDS, header, protocols_at},
    key::Window,
};
use crate::table::{TableError, atomic::AtomicU32};
use diagram::Diagram;
use entries::Entries;
use examine::Common;
use index::Index;
use records::Records;
use rules::{Extent, addresses, coverage, matches_nothing};
use smoltcp::wire::IpVersion;
use sort::Sort;
use space::{Move, Space};
use sweep::Sweep;
use tags::TagMap;

/// Place of a rule: in the diagram.
const DIAGRAM: u32 = 1 << 31;
/// Place of a rule: nowhere, it matches nothing.
const NOWHERE: u32 = 1 << 30;
/// Place of a rule: in the lists of the destination, not the source.
const BY_DESTINATION: u32 = 1 << 29;
/// Place of a rule: one of all sources, one of all destinations.
const EVERYWHERE: [u32; 2] = [1 << 28, 1 << 27];
/// The rest of a place: number of the record.
const REST: u32 = (1 << 27) - 1;

/// Words of scratch for each word of the image, at most.
const SCRATCH: usize = 4;
/// Records that may meet on average at a prefix before the diagram is tried.
const SHORT: u64 = 3;
/// A rule whose prefixes cover more than so many others is wide.
const WIDE: u32 = 32;
/// Most rules of a group.
pub(super) const MAX_RULES: usize = 1 << 24;

/// Words that a compilation took. It takes the same in as many words as both together, and the
/// scratch is at most four times the compiled group.
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
    Sweep { side: usize, entries: Entries, sweep: Sweep },
    Settle { side: usize, sweep: Sweep, intervals: Move },
    Index { side: usize, sweep: Sweep, index: Index },
    Copy { side: usize, sweep: Sweep, next: usize },
    Tags(TagMap),
    Records(Records),
    Diagram(Diagram),
    Done,
}

/// Prefixes by which rules are found on a side, and those of them of rules of the diagram.
#[derive(Clone, Copy, Debug, Default)]
struct Placed {
    entries: usize,
    in_diagram: usize,
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
    /// Words that the image has at least if all rules are found by lists; 0: not yet known.
    list_words: usize,
    records: usize,
    in_diagram: usize,
    placed: [Placed; 2],
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
        Ok(Self {
            space,
            version,
            count,
            order,
            places,
            covers,
            common: [Common::NONE; 2],
            windows: [Window::default(); 2],
            key_words: 1,
            protocols: 0,
            marks: (0, 0),
            trial: Trial::Lists,
            list_words: 0,
            records: 0,
            in_diagram: 0,
            placed: [Placed::default(); 2],
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
                    if sort.step(&self.space) {
                        self.finish_order();
                    }
                } else {
                    self.begin_order(rules);
                }
                Ok(())
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
                    Ok(())
                } else {
                    self.begin_side(image::SOURCE)
                }
            }
            Phase::Sweep { .. } => self.sweep(rules),
            Phase::Settle { .. } => self.settle(),
            Phase::Index { .. } => self.index(),
            Phase::Copy { .. } => self.copy(),
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
                    // An earlier trial may have taken too much for it.
                    if self.space.peak() > (1 + SCRATCH) * self.space.front() {
                        return Err(TableError::Full);
                    }
                    self.phase = Phase::Done;
                }
                Ok(())
            }
            Phase::Done => Ok(()),
        }
    }

    /// The rule that is looked at as number `index`.
    fn rule<'r, 's>(&self, rules: &'r [Rule<'s>], index: usize) -> Option<&'r Rule<'s>> {
        rule_at(&self.space, self.order, rules, index)
    }

    fn begin_trial(&mut self, trial: Trial) {
        self.trial = trial;
        let (front, back) = self.marks;
        self.space.truncate(front);
        self.space.release(back);
        // Lists keep to it by themselves.
        let free = matches!(trial, Trial::Lists | Trial::ListsAnyway) || self.list_words == 0;
        self.space.limit(if free { usize::MAX } else { (1 + SCRATCH) * self.list_words });
        self.space.fill(0, header::WORDS, 0);
        self.space.set(header::KEY_WORDS, self.key_words);
        self.space.set(header::RULES, self.count as u32);
        self.space.set(header::VERSION, u32::from(self.version == IpVersion::Ipv6));
        (self.records, self.in_diagram, self.own, self.met) = (0, 0, 0, 0);
        self.placed = [Placed::default(); 2];
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
        let everywhere = |side| addresses(rule, side, self.version) == Extent::Any;
        let place = (0..2)
            .zip(EVERYWHERE)
            .fold(place, |place, (side, flag)| place | if everywhere(side) { flag } else { 0 });
        self.space.set(self.places + index, place);
        for (side, placed) in self.placed.iter_mut().enumerate() {
            let entries = Entries::of_rule(rule, side, self.version, place);
            placed.entries += entries;
            placed.in_diagram += if place & DIAGRAM == 0 { 0 } else { entries };
        }
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
