//! Blocks that are taken, given back at once, or given up but perhaps still read.
//!
//! Blocks given up wait in a ring, those of an earlier time before those of a later one, each time
//! with the readers' counters (see `super::super::quiescence`), so that a stream of changes cannot
//! put off the reuse of what was given up before. Nothing is written into a block that waits.
//!
//! Memory: two words for each place of the ring, and about 600 bytes in the writer.
use super::{
    super::{
        TableError,
        quiescence::{MAX_READERS, Readers, Snapshot},
    },
    arena::{Arena, End, GRANULE},
    atomic::{AtomicU32, Ordering::Relaxed},
    block::Blocks,
    root::{Direct, Root},
};

/// Words of a place of the ring.
const PLACE: usize = 2;
/// When more blocks wait than these, the readers are asked with each change: so the same few blocks,
/// which are in the caches, are used again and again.
const WAITING: usize = 64;
/// A place that holds the root of a whole table, instead of the size of one block.
const ROOT: u32 = u32::MAX;

#[derive(Debug)]
pub(super) struct Memory<'a> {
    arena: Arena<'a>,
    ring: &'a [AtomicU32],
    /// Places of the ring that are in use: from `first`, `len` of them. The first `waiting` of
    /// these were given up before `waiting_since`, those up to `sealed` before `since`, the others
    /// by the change that is being made.
    first: usize,
    len: usize,
    waiting: usize,
    sealed: usize,
    readers: Readers<'a>,
    waiting_since: Snapshot,
    since: Snapshot,
    /// Words of the blocks that look-ups read, and of the others.
    used: [usize; 2],
    /// Whether what is taken is not published yet, so that what is given up is free at once.
    pub(super) aside: bool,
    /// Whether the nodes and buckets are of the prefixes that stand apart from direct pointing, so
    /// that look-ups do not read them.
    pub(super) short: bool,
    /// Whether buckets may have keys: they are short and serve look-ups.
    pub(super) keys: bool,
}

impl<'a> Memory<'a> {
    /// Words that `words` words of blocks take, with what is beside them.
    pub(super) const fn words_for(words: usize) -> usize {
        words + Arena::overhead(words) + PLACE * Self::places(words)
    }

    /// Places of the ring for so many words: enough for a change in each sixth block or so.
    const fn places(words: usize) -> usize {
        let share = words / 64;
        if share < 64 { 64 } else { share }
    }

    pub(super) fn new(words: &'a [AtomicU32], readers: Readers<'a>) -> Result<Self, TableError> {
        if readers.len() > MAX_READERS {
            return Err(TableError::CapacityTooLarge);
        }
        let places = if readers.is_empty() { 0 } else { Self::places(words.len()) };
        let (ring, words) = words
            .split_at_checked((PLACE * places).min(words.len() / 2))
            .ok_or(TableError::StorageTooSmall)?;
        let now = readers.snapshot();
        Ok(Self {
            arena: Arena::new(words),
            ring,
            first: 0,
            len: 0,
            waiting: 0,
            sealed: 0,
            readers,
            waiting_since: now.clone(),
            since: now,
            used: [0; 2],
            aside: false,
            short: false,
            keys: true,
        })
    }

    pub(super) fn blocks(&self) -> Blocks<'a> {
        Blocks::new(self.arena.words())
    }

    /// Words of the blocks that look-ups read, words of the others, free words. Blocks that wait
    /// for readers are in use.
    pub(super) fn usage(&self) -> ([usize; 2], usize) {
        (self.used, self.arena.free() * GRANULE)
    }

    /// Words of the blocks, the ring and what else there is.
    pub(super) fn total(&self) -> usize {
        self.ring.len() + self.arena.total()
    }

    /// Whether nothing waits for readers.
    pub(super) fn is_settled(&mut self) -> bool {
        self.poll();
        self.len == 0
    }

    /// A block of `words` words.
    pub(super) fn take(&mut self, words: usize, end: End) -> Result<u32, TableError> {
        let (size, end) = (words.div_ceil(GRANULE), self.end(end));
        let mut start = self.arena.take(size, end);
        if start.is_none() && self.len > 0 {
            self.poll();
            start = self.arena.take(size, end);
        }
        let start = start.ok_or(self.refusal())?;
        if let Some(used) = self.used.get_mut(end as usize) {
            *used += size * GRANULE;
        }
        Ok(start)
    }

    /// Sees to it that `count` blocks can be given up.
    pub(super) fn reserve(&mut self, count: usize) -> Result<(), TableError> {
        if self.aside || self.readers.is_empty() {
            return Ok(());
        }
        if self.len + count > self.ring.len() / PLACE {
            self.poll();
        }
        if self.len + count > self.ring.len() / PLACE { Err(self.refusal()) } else { Ok(()) }
    }

    /// Takes a block back that no reader has seen.
    pub(super) fn give(&mut self, start: u32, words: usize, end: End) {
        self.give_at(start, words, self.end(end));
    }

    const fn end(&self, end: End) -> End {
        if self.short { End::High } else { end }
    }

    fn give_at(&mut self, start: u32, words: usize, end: End) {
        let size = words.div_ceil(GRANULE);
        if let Some(used) = self.used.get_mut(end as usize) {
            *used -= size * GRANULE;
        }
        self.arena.give(start, size);
    }

    /// Gives up a block that no link leads to any more; [`Self::seal`] follows.
    pub(super) fn retire(&mut self, start: u32, words: usize, end: End) {
        if self.aside || self.readers.is_empty() {
            self.give(start, words, end);
        } else {
            self.push(start, (words as u32) << 1 | self.end(end) as u32);
        }
    }

    /// Gives up a whole table that no link leads to any more; [`Self::seal`] follows.
    pub(super) fn retire_root(&mut self, root: Root<'a>) {
        if self.aside || self.readers.is_empty() {
            self.give_root(root);
        } else {
            self.push(root.word(), ROOT);
        }
    }

    /// Takes back a whole table.
    pub(super) fn give_root(&mut self, root: Root<'a>) {
        let apart = root.direct != Direct::Bits0;
        let short = core::mem::replace(&mut self.short, apart);
        self.give_tree(root.short.load(Relaxed));
        self.short = false;
        for edge in root.edges_by_head().iter().filter(|_| apart) {
            self.give_tree(edge.load(Relaxed));
        }
        self.give(root.start(), root.words(), End::Low);
        self.short = short;
    }

    /// All blocks under an edge.
    pub(super) fn give_tree(&mut self, edge: u32) {
        let blocks = self.blocks();
        blocks.visit(
            edge,
            |node| node.pointers(node.runs()),
            |block| {
                for (start, words, end) in block.parts() {
                    self.give(start, words, end);
                }
            },
        );
    }

    /// Ends a change: what was given up waits from now on.
    pub(super) fn seal(&mut self) {
        if self.len > WAITING {
            self.poll();
        }
        if self.len > self.sealed {
            self.readers.renew(&mut self.since);
            self.sealed = self.len;
            // What is alone need not wait for what follows it.
            if self.waiting == 0 {
                self.wait();
            }
        }
    }

    /// What is sealed waits; nothing needs `since` until it is renewed.
    fn wait(&mut self) {
        self.waiting = self.sealed;
        core::mem::swap(&mut self.waiting_since, &mut self.since);
    }

    /// Frees what all readers have left behind.
    pub(super) fn poll(&mut self) {
        // Twice: what was given up last may be free too.
        for _ in 0..2 {
            if self.waiting > 0 && self.readers.passed(&self.waiting_since) {
                for _ in 0..self.waiting {
                    self.pop();
                }
                self.wait();
            }
        }
    }

    fn push(&mut self, start: u32, what: u32) {
        let places = self.ring.len() / PLACE;
        let mut at = self.first + self.len;
        if at >= places {
            at -= places;
        }
        if let Some([to_start, to_what]) = self.ring.get(at * PLACE..).and_then(<[_]>::first_chunk)
        {
            to_start.store(start, Relaxed);
            to_what.store(what, Relaxed);
            self.len += 1;
        }
    }

    /// Frees the block that waited longest.
    fn pop(&mut self) {
        let at = self.first;
        self.first = if at + 1 < self.ring.len() / PLACE { at + 1 } else { 0 };
        self.len -= 1;
        self.waiting = self.waiting.saturating_sub(1);
        self.sealed = self.sealed.saturating_sub(1);
        let Some([start, what]) = self.ring.get(at * PLACE..).and_then(<[_]>::first_chunk) else {
            return;
        };
        let (start, what) = (start.load(Relaxed), what.load(Relaxed));
        if let (ROOT, Some(root)) = (what, Root::new(self.blocks(), start)) {
            self.give_root(root);
        } else {
            let end = if what & 1 == 0 { End::Low } else { End::High };
            self.give_at(start, (what >> 1) as usize, end);
        }
    }

    /// Why something cannot be had: readers stand in the way, or there is no more.
    fn refusal(&self) -> TableError {
        if self.len > 0 { TableError::Busy } else { TableError::Full }
    }
}
