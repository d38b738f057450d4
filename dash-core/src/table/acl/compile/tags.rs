//! The map from the tags of one side to the records that they lead to.

use super::{
    BY_DESTINATION, DIAGRAM, NOWHERE, REST, rule_at, rules::tags, sort::Sort, space::Space,
};
use crate::table::{
    TableError,
    acl::{
        Rule,
        image::{header, run, tag_map},
        tags::Chunk,
    },
};
use smoltcp::wire::IpVersion;

/// Pairs of tag and record that are counted in one step.
const STEP: usize = 1024;

/// Writes the map of one side.
#[derive(Debug)]
pub(super) struct TagMap {
    side: usize,
    version: IpVersion,
    /// Scratch in use before.
    mark: usize,
    /// Pairs of tag and record.
    count: usize,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The pairs of the next rule.
    Gather {
        rule: usize,
    },
    Sort(Sort),
    /// How many tags there are.
    Count {
        pairs: usize,
        next: usize,
        tags: usize,
    },
    /// The records of the next tag.
    Write {
        pairs: usize,
        next: usize,
        list: usize,
    },
    /// The lowest record behind each tag, the last one first.
    Lowest {
        left: usize,
        lists: usize,
        lowest: u32,
    },
    /// The filter of the next chunk.
    Filters {
        next: usize,
    },
}

impl TagMap {
    pub(super) fn new(space: &Space<'_>, side: usize, version: IpVersion) -> Self {
        Self { side, version, mark: space.back(), count: 0, stage: Stage::Gather { rule: 0 } }
    }

    pub(super) const fn side(&self) -> usize {
        self.side
    }

    /// Does the next piece of work; whether nothing is left.
    pub(super) fn step(
        &mut self,
        space: &mut Space<'_>,
        rules: &[Rule<'_>],
        order: usize,
        places: usize,
    ) -> Result<bool, TableError> {
        match &mut self.stage {
            Stage::Gather { rule } => {
                let index = *rule;
                *rule += 1;
                if index < space.get(header::RULES) as usize {
                    if let Some(rule) = rule_at(space, order, rules, index) {
                        self.gather(space, rule, space.get(places + index))?;
                    }
                } else if self.count == 0 {
                    return Ok(true);
                } else {
                    self.stage = Stage::Sort(Sort::new(space.back(), self.count, 2));
                }
            }
            Stage::Sort(sort) => {
                if sort.step(space) {
                    self.stage = Stage::Count { pairs: space.back(), next: 0, tags: 0 };
                }
            }
            Stage::Count { pairs, next, tags } => {
                let end = (*next + STEP).min(self.count);
                for index in *next..end {
                    let tag = space.get(*pairs + 2 * index);
                    *tags += usize::from(index == 0 || tag != space.get(*pairs + 2 * index - 2));
                }
                *next = end;
                if end == self.count {
                    let (pairs, tags) = (*pairs, *tags);
                    self.make_room(space, pairs, tags)?;
                }
            }
            Stage::Write { pairs, next, list } => {
                if *next == self.count {
                    space.release(self.mark);
                    let map = space.get(header::tags(self.side)) as usize;
                    let lists = lists_of(space, map);
                    let left = (*list - lists) / tag_map::LIST_WORDS;
                    self.stage = Stage::Lowest { left, lists, lowest: u32::MAX };
                    return Ok(false);
                }
                let start = *pairs + 2 * *next;
                let tag = space.get(start);
                let mut end = *next + 1;
                while end < self.count && space.get(*pairs + 2 * end) == tag {
                    end += 1;
                }
                let records = (*next..end).map(|index| *pairs + 2 * index + 1);
                let lowest = records.clone().map(|record| space.get(record)).min().unwrap_or(0);
                let (at, count) = (*list, end - *next);
                *next = end;
                *list += tag_map::LIST_WORDS;
                let mut found = run::LAST | space.get(start + 1);
                if count > 1 {
                    found = run::LINK | space.front() as u32;
                    for record in records {
                        space.push(space.get(record))?;
                    }
                    let last = space.front() - 1;
                    space.set(last, space.get(last) | run::LAST);
                }
                space.set(at, found);
                // Its own lowest one first.
                space.set(at + tag_map::LOWEST_BEHIND, lowest);
                self.add(space, tag, at);
            }
            Stage::Lowest { left, lists, lowest } => {
                if *left == 0 {
                    self.stage = Stage::Filters { next: 0 };
                    return Ok(false);
                }
                for _ in 0..STEP.min(*left) {
                    *left -= 1;
                    let place = *lists + tag_map::LIST_WORDS * *left + tag_map::LOWEST_BEHIND;
                    let own = space.get(place);
                    space.set(place, *lowest);
                    *lowest = own.min(*lowest);
                }
            }
            Stage::Filters { next } => {
                let map = space.get(header::tags(self.side)) as usize;
                let chunk = map + tag_map::CHUNKS + tag_map::WORDS * *next;
                if *next == space.get(map + tag_map::COUNT) as usize {
                    return Ok(true);
                }
                *next += 1;
                if count_tags(space, chunk) >= tag_map::MANY {
                    let filter = space.grow(tag_map::FILTER_WORDS)?;
                    space.fill(filter, tag_map::FILTER_WORDS, 0);
                    space.set(chunk + tag_map::FILTER, filter as u32);
                }
            }
        }
        Ok(false)
    }

    /// The tags of a rule that has this place.
    fn gather(
        &mut self,
        space: &mut Space<'_>,
        rule: &Rule<'_>,
        place: u32,
    ) -> Result<(), TableError> {
        let by = usize::from(place & BY_DESTINATION != 0);
        if place & (DIAGRAM | NOWHERE) != 0 || by != self.side {
            return Ok(());
        }
        for tag in tags(rule, self.side, self.version) {
            let at = space.scratch(2)?;
            space.set(at, *tag);
            space.set(at + 1, place & REST);
            self.count += 1;
        }
        Ok(())
    }

    /// Adds a tag, whose list is at `list`, to its chunk; tags come in their order.
    fn add(&self, space: &mut Space<'_>, tag: u32, list: usize) {
        let Some(Place { chunk, half, bit }) = Place::of(space, self.side, tag) else { return };
        if count_tags(space, chunk) == 0 {
            let map = space.get(header::tags(self.side)) as usize;
            let number = (list - lists_of(space, map)) / tag_map::LIST_WORDS;
            space.set(chunk + tag_map::LISTS, number as u32);
        }
        let tags = chunk + tag_map::TAGS + half;
        space.set(tags, space.get(tags) | bit);
    }

    fn make_room(
        &mut self,
        space: &mut Space<'_>,
        pairs: usize,
        tags: usize,
    ) -> Result<(), TableError> {
        let first = Chunk::of(space.get(pairs)).number;
        let last = Chunk::of(space.get(pairs + 2 * (self.count - 1))).number;
        let count = (last - first + 1) as usize;
        let map = space.grow(tag_map::CHUNKS + tag_map::WORDS * count)?;
        let list = space.grow(tag_map::LIST_WORDS * tags)?;
        space.set(map + tag_map::FIRST, first);
        space.set(map + tag_map::COUNT, count as u32);
        space.fill(map + tag_map::CHUNKS, tag_map::WORDS * count, 0);
        space.set(header::tags(self.side), map as u32);
        self.stage = Stage::Write { pairs, next: 0, list };
        Ok(())
    }
}

/// Where the lists of a map are.
fn lists_of(space: &Space<'_>, map: usize) -> usize {
    map + tag_map::lists_at(space.get(map + tag_map::COUNT) as usize)
}

/// How many tags the chunk at `chunk` has.
fn count_tags(space: &Space<'_>, chunk: usize) -> u32 {
    (0..tag_map::TAGS_WORDS).map(|half| space.get(chunk + tag_map::TAGS + half).count_ones()).sum()
}

/// Where a tag is in the map of a side.
struct Place {
    /// The words of its chunk.
    chunk: usize,
    /// Which of [`tag_map::TAGS_WORDS`], and the bit there.
    half: usize,
    bit: u32,
}

impl Place {
    fn of(space: &Space<'_>, side: usize, tag: u32) -> Option<Self> {
        let map = space.get(header::tags(side)) as usize;
        let number = Chunk::of(tag).number.checked_sub(space.get(map + tag_map::FIRST))?;
        let chunk = map + tag_map::CHUNKS + tag_map::WORDS * number as usize;
        let half = (tag % Chunk::TAGS / u32::BITS) as usize;
        Some(Self { chunk, half, bit: 1 << (tag % u32::BITS) })
    }
}

/// Adds the destination ports of a record to the filters of the tags that lead to it.
pub(super) fn filter(
    space: &Space<'_>,
    side: usize,
    tags: &[u32],
    ports: impl Iterator<Item = (u16, u16)>,
) {
    for (first, last) in ports {
        let ranges = tag_map::port_range(first)..=tag_map::port_range(last);
        for place in tags.iter().filter_map(|tag| Place::of(space, side, *tag)) {
            let filter = space.get(place.chunk + tag_map::FILTER) as usize;
            if filter != 0 {
                for range in ranges.clone() {
                    let word = filter + tag_map::TAGS_WORDS * range + place.half;
                    space.set(word, space.get(word) | place.bit);
                }
            }
        }
    }
}
