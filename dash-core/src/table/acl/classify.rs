//! Classification by one image.
//!
//! First every address becomes the number of its interval, by an index and a binary search. From
//! there three ways lead to rules, and the lowest rule of all counts.
//!
//! *Lists.* An interval has a list of records of the rules whose prefixes cover it; a record
//! verifies the other fields of its rule.
//!
//! *Tags.* What rules name by tags hangs on the tags of the address, which all groups share; the map
//! of a side leads from them to lists. A rule with tags of both sides checks the other address, whose
//! prefixes are found once for all records of the packet, if they are at most [`LINKS`].
//!
//! *Diagram.* A multi-terminal decision diagram (a decision tree with equal parts shared; Bahar
//! and others, "Algebraic decision diagrams and their applications", ICCAD 1993) from the classes
//! of source, destination and of protocol and ports to the rule. Each level costs one load.
//!
//! There are two programs for it: [`burst`] does each step for many packets and has no branch that
//! depends on one, [`single`] is small and stops where a field differs.
//!
//! Cost: log₂ of the keys of the fullest bucket for each address, one load for each level of the
//! diagram, and a record for each rule whose prefix covers the address. Bounded by the number of
//! rules.

mod burst;
mod single;

use super::{
    super::atomic::{AtomicU32, Ordering::Relaxed},
    Headers,
    image::{PAGE_BITS, PAGES, check, header, of, side, tag_map, word},
    key::{Digest, Key},
    tags::{Chunk, END, Tags},
};
pub(super) use burst::BURST;
use core::hint::select_unpredictable;
use dash_hal::Hints;
use heapless::Vec;
use smoltcp::wire::IpAddress;

/// The index of no rule.
pub(super) const NO_RULE: u32 = u32::MAX;

/// An image and the tags that its rules name.
#[derive(Clone, Copy)]
pub(super) struct Classifier<'a, H> {
    pub(super) words: &'a [AtomicU32],
    pub(super) tags: Tags<'a>,
    pub(super) hints: &'a H,
}

/// The classes of a port; no pages where there is one class.
struct Ports<'a> {
    count: u32,
    pages: Option<&'a [AtomicU32; PAGES]>,
}

/// The map from the tags of a side to records, as [`tag_map`] says.
struct TagMap<'a> {
    /// Number of the first chunk.
    first: u32,
    chunks: &'a [[AtomicU32; tag_map::WORDS]],
    lists: &'a [[AtomicU32; tag_map::LIST_WORDS]],
}

/// Those tags of a chunk that may lead to a rule, and what is behind them.
#[derive(Clone, Copy, Default)]
struct Tagged {
    /// Those that are still to be looked at.
    left: u64,
    /// All tags of the chunk that the rules name, in the order of their lists.
    tags: u64,
    /// Which list is that of the first of them.
    first: u32,
    /// The link to the next chunk.
    next: u32,
}

/// Links of the prefixes of the tags of an address that are kept.
const LINKS: usize = 8;

/// The links of the last address that a check asked for, since the records of a packet ask for the
/// same one; of no address if there are more.
#[derive(Default)]
struct Links {
    address: Option<IpAddress>,
    all: Vec<u32, LINKS>,
}

impl Tagged {
    /// None, and none behind.
    const NONE: Self = Self { left: 0, tags: 0, first: 0, next: END };

    /// Takes out the next tag; its list, and the lowest record behind it.
    #[inline]
    fn next_list(&mut self, map: &TagMap<'_>) -> Option<[u32; tag_map::LIST_WORDS]> {
        let Self { left, tags, first, .. } = self;
        let others = left.checked_sub(1)? & *left;
        let before = *tags & (others ^ *left).wrapping_sub(1);
        *left = others;
        let list = map.lists.get((*first + before.count_ones()) as usize)?;
        Some(list.each_ref().map(|word| word.load(Relaxed)))
    }
}

impl<H: Hints> Classifier<'_, H> {
    /// The classes of one of the two ports.
    #[inline(never)]
    fn ports(&self, side: usize) -> Ports<'_> {
        let at = header::ports(side);
        let pages = self.words.get(self.word(at + 1) as usize..).and_then(<[_]>::first_chunk);
        let count = self.word(at);
        Ports { count, pages: pages.filter(|_| count > 1) }
    }

    #[inline]
    fn port(&self, ports: &Ports<'_>, port: u16) -> u32 {
        let Some(pages) = ports.pages else { return 0 };
        let page = word(pages, usize::from(port >> PAGE_BITS));
        self.word(page as usize + usize::from(port & ((1 << PAGE_BITS) - 1)))
    }

    /// The map of a side, if a rule names tags.
    #[inline]
    fn tag_map(&self, side: usize) -> Option<TagMap<'_>> {
        let map = self.word(header::tags(side)) as usize;
        if map == 0 {
            return None;
        }
        let (first, count) = (self.word(map + tag_map::FIRST), self.word(map + tag_map::COUNT));
        let (chunks, _) = self.from(map + tag_map::CHUNKS).as_chunks();
        let (chunks, _) = chunks.split_at_checked(count as usize)?;
        let (lists, _) = self.from(map + tag_map::lists_at(count as usize)).as_chunks();
        Some(TagMap { first, chunks, lists })
    }

    /// What a map has for the chunk that a link leads to.
    #[inline]
    fn tagged(&self, map: &TagMap<'_>, link: u32, port: u16) -> Tagged {
        let (chunk, next) = self.tags.chunk(link);
        let place = chunk.number.wrapping_sub(map.first) as usize;
        let Some(found) = map.chunks.get(place) else {
            // The numbers of the chunks behind it are higher.
            let next = if chunk.number > map.first { END } else { next };
            return Tagged { next, ..Tagged::NONE };
        };
        let [low, high, first, filter] = found;
        let tags = Chunk::tags(low, high);
        let filter = filter.load(Relaxed) as usize;
        let passed = filter + tag_map::TAGS_WORDS * tag_map::port_range(port);
        let passed = match self.words.get(passed..passed + tag_map::TAGS_WORDS) {
            Some([low, high]) => Chunk::tags(low, high),
            _ => 0,
        };
        let passed = select_unpredictable(filter == 0, u64::MAX, passed);
        let first = first.load(Relaxed);
        Tagged { left: chunk.tags & tags & passed, tags, first, next }
    }

    /// Whether all checks that start at `at` pass.
    #[inline(never)]
    fn checks<K: Key>(
        &self,
        mut at: usize,
        headers: &Headers,
        numbers: &[K; 2],
        insides: u8,
        links: &mut Links,
    ) -> bool {
        loop {
            let kind = self.word(at);
            let ranges = self.word(at + 1) as usize;
            let tags = self.word(at + 2) as usize;
            at += check::WORDS;
            let value = match kind & !check::MORE {
                check::SOURCE_PORT => Some(u32::from(headers.source_port)),
                check::DESTINATION_PORT => Some(u32::from(headers.destination_port)),
                check::PROTOCOL => Some(u32::from(headers.protocol)),
                _ => None,
            };
            let passes = if let Some(value) = value {
                let passes = self.within(at, ranges, value);
                at += 2 * ranges;
                passes
            } else {
                let side = usize::from(kind & !check::MORE != check::SOURCE);
                let inside = insides >> side & 1 != 0;
                let within = inside && self.within(at, ranges, *of(numbers, side));
                at += 2 * ranges * self.width::<K>();
                let address = headers.address(side);
                let passes = within || tags > 0 && self.is_tagged(at, tags, address, links);
                at += 2 * tags;
                passes
            };
            if !passes || kind & check::MORE == 0 {
                return passes;
            }
        }
    }

    /// Whether an address is in one of the tags of the `count` ranges at `at`.
    fn is_tagged(&self, at: usize, count: usize, address: IpAddress, links: &mut Links) -> bool {
        let is_named = |link| self.tags.chunks(link).any(|chunk| self.names(at, count, chunk));
        if links.address == Some(address) {
            return links.all.iter().any(|link| is_named(*link));
        }
        let mut walk = self.tags.of_addresses::<_, 1>(self.hints, address.version());
        walk.start([address]);
        links.all.clear();
        let (mut all, mut found) = (true, false);
        for (_, link) in walk.values() {
            all &= links.all.push(link).is_ok();
            found = found || is_named(link);
        }
        links.address = all.then_some(address);
        found
    }

    /// Whether one of the `count` ranges of tags at `at`, first their starts, then their ends, has
    /// a tag of a chunk.
    fn names(&self, at: usize, count: usize, chunk: Chunk) -> bool {
        let first = chunk.number * Chunk::TAGS;
        let last = first + (Chunk::TAGS - 1);
        let [starts, ends] =
            [at, at + count].map(|at| self.words.get(at..at + count).unwrap_or_default());
        let before = ends.partition_point(|end| end.load(Relaxed) < first);
        let ranges = starts.iter().zip(ends).skip(before);
        ranges
            .map(|(start, end)| (start.load(Relaxed), end.load(Relaxed)))
            .take_while(|(start, _)| *start <= last)
            .any(|(start, end)| {
                let (start, end) = (start.max(first) - first, end.min(last) - first);
                chunk.tags & u64::MAX << start & u64::MAX >> (Chunk::TAGS - 1 - end) != 0
            })
    }

    /// Whether one of the `count` ranges at `at`, first their starts, then their ends, has `number`.
    fn within<K: Key>(&self, at: usize, count: usize, number: K) -> bool {
        let width = self.width::<K>();
        let mut base = 0;
        let mut length = count;
        while length > 1 {
            let step = length / 2;
            let starts = K::load(self.words, width, at, base + step) <= number;
            base = select_unpredictable(starts, base + step, base);
            length -= step;
        }
        (count > 0)
            & (K::load(self.words, width, at, base) <= number)
            & (number <= K::load(self.words, width, at, count + base))
    }

    /// What the buckets of a side are told by, if not by the numbers themselves.
    fn digest(&self, side: usize) -> Option<Digest> {
        let at = header::side(side);
        let double = |at: usize| u64::from(self.word(at)) << 32 | u64::from(self.word(at + 1));
        let chosen = double(at + side::CHOSEN);
        (chosen != 0).then(|| Digest::new(chosen, double(at + side::PATTERN)))
    }

    /// The words from `at` on.
    fn from(&self, at: usize) -> &[AtomicU32] {
        self.words.get(at..).unwrap_or_default()
    }

    fn word(&self, at: usize) -> u32 {
        word(self.words, at)
    }

    /// Words of a key.
    #[inline]
    fn width<K: Key>(&self) -> usize {
        K::words(self.word(header::KEY_WORDS))
    }

    fn side(&self, side: usize, field: usize) -> usize {
        self.word(header::side(side) + field) as usize
    }
}

/// Whether a port is in a range: first port in the lower half word, in the upper one how many follow.
#[inline]
pub(super) fn port_in(range: u32, port: u16) -> bool {
    port.wrapping_sub(range as u16) <= (range >> 16) as u16
}
