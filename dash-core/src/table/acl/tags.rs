//! The prefixes of all tags, shared by all groups.
//!
//! One [`Poptrie`] holds the prefixes of all tags of both families. The value of a prefix leads to
//! the tags that it is in: one tag, or a list of chunks of 64 tags in the order of their numbers. An
//! address is in the tags of all prefixes that cover it, which one walk down the poptrie finds. (A
//! table that names all tags of an address at its longest prefix would be read faster; but then a
//! change of a prefix is one of all longer prefixes under it, without a bound.) Nearly every change
//! is one store.
//!
//! Memory: the poptrie, its direct pointing of at most two words for each prefix, and 5 words for each
//! prefix of a tag, [`TagsWriter::words_for`]. Cost: a walk looks at one node and its prefixes for
//! each 6 bits of the address behind direct pointing, and at the few prefixes that are shorter; then
//! at one entry for each chunk, up to that behind which the group has no lower rule. A change walks
//! the chunks of its prefix.

use super::super::{
    Demand, TableError,
    atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, Release},
    },
    pool::{Nodes, Pool},
    poptrie::{Covering, Direct, Poptrie, PoptrieWriter, Shape},
    quiescence::Readers,
};
use dash_hal::Hints;
use smoltcp::wire::{IpCidr, IpVersion};

/// The only table of the poptrie.
const TABLE: u32 = 0;
/// In a link: the rest is an entry; else the rest is a tag, the last one.
const LISTED: u32 = 1 << 30;
const REST: u32 = LISTED - 1;
/// The link that leads nowhere.
pub(super) const END: u32 = LISTED | REST;
/// Words of an entry: number of the chunk, one bit for each of its tags, the next link. As many as fit
/// a cache line without a rest.
const ENTRY: usize = 4;

/// Some of the tags of a prefix or of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Tag 0 is in chunk 0, tag 64 in chunk 1.
    pub(super) number: u32,
    /// One bit a tag.
    pub(super) tags: u64,
}

impl Chunk {
    pub(super) const TAGS: u32 = u64::BITS;

    pub(super) const fn of(tag: u32) -> Self {
        Self { number: tag / Self::TAGS, tags: 1 << (tag % Self::TAGS) }
    }

    /// The tags whose bits stand in two words.
    #[inline]
    pub(super) fn tags(low: &AtomicU32, high: &AtomicU32) -> u64 {
        u64::from(low.load(Relaxed)) | u64::from(high.load(Relaxed)) << u32::BITS
    }
}

/// The readers' view.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tags<'a> {
    prefixes: Poptrie<'a>,
    entries: Nodes<'a>,
}

/// The only writer.
#[derive(Debug)]
pub(super) struct TagsWriter<'a> {
    tags: Tags<'a>,
    prefixes: PoptrieWriter<'a>,
    pool: Pool<'a>,
    /// Tags are numbered below this.
    count: usize,
    /// Prefixes of all tags, at most and now.
    capacity: usize,
    len: usize,
    /// Entries that a transaction holds.
    held: usize,
}

impl<'a> Tags<'a> {
    /// The links of the prefixes that cover each of `N` addresses of one family. A tag that an
    /// address is in all the time comes, whatever changes; some perhaps twice.
    #[inline]
    pub(super) fn of_addresses<'h, H: Hints, const N: usize>(
        &self,
        hints: &'h H,
        version: IpVersion,
    ) -> Covering<'h, H, N>
    where
        'a: 'h,
    {
        Covering::new(hints, self.prefixes, TABLE, version)
    }

    /// The chunk that a link leads to, and the next link: that of a higher number, or [`END`].
    #[inline]
    pub(super) fn chunk(&self, link: u32) -> (Chunk, u32) {
        match entry(self.entries, link) {
            None => (Chunk::of(link & REST), END),
            Some([number, low, high, next]) => {
                let chunk = Chunk { number: number.load(Relaxed), tags: Chunk::tags(low, high) };
                // Acquire: pairs with the store that published the entry behind the link.
                (chunk, next.load(Acquire))
            }
        }
    }

    /// No list has more chunks: none is longer than the pool.
    #[inline]
    pub(super) fn most_chunks(&self) -> usize {
        self.entries.count() + 1
    }

    /// All chunks from a link on.
    pub(super) fn chunks(self, link: u32) -> impl Iterator<Item = Chunk> + 'a {
        let mut link = link;
        (0..self.most_chunks()).map_while(move |_| {
            let (chunk, next) = (link != END).then(|| self.chunk(link))?;
            link = next;
            Some(chunk)
        })
    }
}

/// Direct pointing for so many prefixes, of at most a word for each in each family.
const fn shape(prefixes: usize) -> Shape {
    let direct = match prefixes {
        0..0x100 => Direct::Bits0,
        0x100..0x1000 => Direct::Bits8,
        0x1000..0x10_0000 => Direct::Bits12,
        _ => Direct::Bits16,
    };
    Shape { v4: direct, v6: direct }
}

#[inline]
fn entry(entries: Nodes<'_>, link: u32) -> Option<&[AtomicU32; ENTRY]> {
    if link & LISTED == 0 { None } else { entries.get_chunk(link & REST) }
}

/// Puts a chunk into an entry. Readers may see one half of its tags before the other: a change is one
/// of one tag.
fn store(entry: &[AtomicU32; ENTRY], Chunk { number, tags }: Chunk) {
    let [to_number, low, high, _] = entry;
    to_number.store(number, Relaxed);
    low.store(tags as u32, Relaxed);
    high.store((tags >> u32::BITS) as u32, Relaxed);
}

/// Where a chunk is in a list: the links before it and to it.
#[derive(Clone, Copy)]
struct Place {
    before: u32,
    link: u32,
}

impl<'a> TagsWriter<'a> {
    /// 32-bit words of storage. A word a prefix more than a route table has: behind direct pointing
    /// nodes hold fewer prefixes.
    pub(super) const fn words_for(prefixes: usize) -> usize {
        PoptrieWriter::words_for(prefixes, 1)
            .saturating_add(prefixes)
            .saturating_add(shape(prefixes).words())
            .saturating_add(Pool::words_for(prefixes, ENTRY))
    }

    /// `count` tags without prefixes, over `words`.
    pub(super) fn new(
        words: &'a [AtomicU32],
        count: usize,
        capacity: usize,
        readers: Readers<'a>,
    ) -> Result<Self, TableError> {
        if count > REST as usize || capacity > REST as usize {
            return Err(TableError::CapacityTooLarge);
        }
        let (entries, words) = words
            .split_at_checked(Pool::words_for(capacity, ENTRY))
            .ok_or(TableError::StorageTooSmall)?;
        let (pool, entries) = Pool::new(entries, capacity, ENTRY, readers)?;
        let mut prefixes = PoptrieWriter::new(words, capacity, 1, readers)?.without_lookup();
        prefixes.replace(TABLE, shape(capacity), [])?;
        let tags = Tags { prefixes: prefixes.table(), entries };
        Ok(Self { tags, prefixes, pool, count, capacity, len: 0, held: 0 })
    }

    pub(super) const fn table(&self) -> Tags<'a> {
        self.tags
    }

    /// Whether there is such a tag.
    pub(super) fn check(&self, tag: u32) -> Result<(), TableError> {
        if (tag as usize) < self.count { Ok(()) } else { Err(TableError::CapacityTooLarge) }
    }

    /// Adds a prefix to a tag; whether it was not there.
    pub(super) fn add(&mut self, tag: u32, prefix: IpCidr) -> Result<bool, TableError> {
        self.check(tag)?;
        let chunk = Chunk::of(tag);
        let head = self.head(prefix);
        let Place { before, link } = self.find(head, chunk.number);
        let there = self.tags_of(link, chunk.number);
        if there & chunk.tags != 0 {
            return Ok(false);
        }
        if self.len >= self.capacity {
            return Err(TableError::Full);
        }
        if head == END {
            self.prefixes.insert(TABLE, prefix, tag)?;
        } else if there != 0
            && let Some(entry) = self.entry(link)
        {
            store(entry, Chunk { tags: there | chunk.tags, ..chunk });
            // A replacement is not refused; it tells who walks now that something has changed.
            self.prefixes.insert(TABLE, prefix, head)?;
        } else {
            self.pool.reserve(1)?;
            let new = LISTED | self.pool.take()?;
            // The last tag may go from its link into the entry.
            let last = self.chunk(link);
            let (chunk, behind) = if there != 0 {
                (Chunk { tags: there | chunk.tags, ..chunk }, END)
            } else if link & LISTED == 0 && last.number < chunk.number {
                (last, tag)
            } else {
                (chunk, link)
            };
            if let Some(entry) = self.entry(new) {
                let [.., next] = entry;
                next.store(behind, Relaxed);
                store(entry, chunk);
            }
            self.link(prefix, head, before, new)?;
        }
        self.len += 1;
        Ok(true)
    }

    /// Takes a prefix from a tag; whether it was there. Never refused.
    pub(super) fn remove(&mut self, tag: u32, prefix: IpCidr) -> Result<bool, TableError> {
        let chunk = Chunk::of(tag);
        let head = self.head(prefix);
        let Place { before, link } = self.find(head, chunk.number);
        let there = self.tags_of(link, chunk.number);
        if there & chunk.tags == 0 {
            return Ok(false);
        }
        self.len -= 1;
        let rest = there & !chunk.tags;
        let mut next = END;
        if let Some(entry) = self.entry(link) {
            let [.., behind] = entry;
            if rest != 0 {
                store(entry, Chunk { tags: rest, ..chunk });
                self.prefixes.insert(TABLE, prefix, head)?;
                return Ok(true);
            }
            next = behind.load(Relaxed);
        }
        self.link(prefix, head, before, next)?;
        if link & LISTED != 0 {
            self.pool.retire(link & REST);
        }
        Ok(true)
    }

    /// Lets the entry `before`, or the prefix where that is [`END`], lead to `next`.
    fn link(
        &mut self,
        prefix: IpCidr,
        head: u32,
        before: u32,
        next: u32,
    ) -> Result<(), TableError> {
        let mut head = head;
        match self.entry(before) {
            // Release: who follows the link finds the entry written.
            Some([.., link]) => link.store(next, Release),
            None => head = next,
        }
        if head == END {
            self.prefixes.remove(TABLE, prefix);
        } else {
            self.prefixes.insert(TABLE, prefix, head)?;
        }
        Ok(())
    }

    /// Counts a prefix that is added to a tag in `demand`. What a removal before it gives up waits for
    /// readers, so who comes back takes an entry more; but for one who was alone, while nobody is
    /// new, since the prefix itself leads to who is alone.
    pub(super) fn admit(
        &mut self,
        tag: u32,
        prefix: IpCidr,
        demand: &mut Demand,
    ) -> Result<(), TableError> {
        self.check(tag)?;
        let there = self.is_there(tag, prefix);
        if there && demand.new == 0 && self.head(prefix) & LISTED == 0 {
            return Ok(());
        }
        demand.insert(there);
        if demand.new > self.capacity - self.len {
            return Err(TableError::Full);
        }
        if self.pool.recycles_at_once() {
            return Ok(());
        }
        self.pool.reserve(demand.new.saturating_add(demand.brought_back()))
    }

    /// Makes a place for a prefix of a tag: for the prefix, and for an entry more.
    pub(super) fn hold(&mut self, tag: u32, prefix: IpCidr) -> Result<(), TableError> {
        self.check(tag)?;
        self.prefixes.hold(TABLE, prefix)?;
        if !self.is_there(tag, prefix) {
            self.pool.reserve(self.held + 1)?;
            self.held += 1;
        }
        Ok(())
    }

    /// Gives back all entries that are held, and the place of a prefix that no tag has.
    pub(super) fn release(&mut self, prefix: IpCidr) {
        self.held = 0;
        self.prefixes.release(TABLE, prefix);
    }

    fn is_there(&self, tag: u32, prefix: IpCidr) -> bool {
        let chunk = Chunk::of(tag);
        let place = self.find(self.head(prefix), chunk.number);
        self.tags_of(place.link, chunk.number) & chunk.tags != 0
    }

    /// The link of a prefix, or [`END`].
    fn head(&self, prefix: IpCidr) -> u32 {
        self.tags.prefixes.get(TABLE, prefix).unwrap_or(END)
    }

    fn entry(&self, link: u32) -> Option<&'a [AtomicU32; ENTRY]> {
        entry(self.tags.entries, link)
    }

    /// The chunk that a link leads to; no tags behind the end.
    fn chunk(&self, link: u32) -> Chunk {
        match self.entry(link) {
            None if link == END => Chunk { number: u32::MAX, tags: 0 },
            None => Chunk::of(link & REST),
            Some([number, low, high, _]) => {
                Chunk { number: number.load(Relaxed), tags: Chunk::tags(low, high) }
            }
        }
    }

    /// Those tags of chunk `number` that the link to its place leads to.
    fn tags_of(&self, link: u32, number: u32) -> u64 {
        let chunk = self.chunk(link);
        if chunk.number == number { chunk.tags } else { 0 }
    }

    /// Where chunk `number` is, or would be: lower numbers come first.
    fn find(&self, head: u32, number: u32) -> Place {
        let mut place = Place { before: END, link: head };
        // Bounded: no list is longer than the pool.
        for _ in 0..self.tags.entries.count() {
            let Some([found, .., next]) = self.entry(place.link) else { break };
            if found.load(Relaxed) >= number {
                break;
            }
            place = Place { before: place.link, link: next.load(Relaxed) };
        }
        place
    }
}
