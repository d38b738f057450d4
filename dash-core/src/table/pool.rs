//! Nodes of a shared table: fixed-size runs of words named by an index, and which of them are in
//! use, free, or given up but perhaps still read.
//!
//! The lists of free and given-up nodes run through words of their own, so that a node keeps the
//! links that readers follow until it is reused. Nodes given up gather in one list while those of
//! an earlier time wait in another, each with the readers' counters at the time of its last node;
//! so a stream of changes cannot put off the reuse of what was given up before, and all is free
//! once every reader has passed one quiescent point after the last change.
//!
//! Memory: one word a node beside the node, and about 600 bytes in the writer. Cost: all calls
//! are O(1) a node plus one load a reader.
use super::{
    TableError,
    atomic::{AtomicU32, Ordering::Relaxed},
    quiescence::{MAX_READERS, Readers, Snapshot},
};

/// The index of no node.
pub(super) const NIL: u32 = u32::MAX;
/// Most nodes of a pool; leaves an index one bit for its user and two values that name no node.
pub(super) const MAX_NODES: usize = 0x7fff_fffe;

/// The nodes as readers see them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nodes<'a> {
    words: &'a [AtomicU32],
    stride: usize,
    /// Kept, because a look-up should not divide.
    count: usize,
}

impl<'a> Nodes<'a> {
    /// The node `index`; `None` for [`NIL`] and whatever else is no node.
    #[inline]
    pub(super) fn get(&self, index: u32) -> Option<&'a [AtomicU32]> {
        let start = (index as usize).checked_mul(self.stride)?;
        self.words.get(start..)?.get(..self.stride)
    }

    /// The same, where the words of a node are known.
    #[inline]
    pub(super) fn get_chunk<const STRIDE: usize>(
        &self,
        index: u32,
    ) -> Option<&'a [AtomicU32; STRIDE]> {
        self.words.as_chunks().0.get(index as usize)
    }

    /// Number of nodes: no list is longer.
    pub(super) fn count(&self) -> usize {
        self.count
    }
}

/// A list through the pool's own links.
#[derive(Clone, Copy, Debug)]
struct List {
    head: u32,
    tail: u32,
    len: usize,
}

impl List {
    const EMPTY: Self = Self { head: NIL, tail: NIL, len: 0 };
}

/// Which nodes are free; belongs to the writer.
#[derive(Debug)]
pub(super) struct Pool<'a> {
    links: &'a [AtomicU32],
    readers: Readers<'a>,
    free: List,
    /// Given up before `waiting_since`.
    waiting: List,
    waiting_since: Snapshot,
    /// Given up before `retired_since`, which moves with each further node.
    retired: List,
    retired_since: Snapshot,
}

impl<'a> Pool<'a> {
    /// Words that `nodes` nodes of `stride` words take.
    pub(super) const fn words_for(nodes: usize, stride: usize) -> usize {
        nodes.saturating_mul(stride.saturating_add(1))
    }

    /// A pool of free nodes over the first words of `words`.
    pub(super) fn new(
        words: &'a [AtomicU32],
        nodes: usize,
        stride: usize,
        readers: Readers<'a>,
    ) -> Result<(Self, Nodes<'a>), TableError> {
        if nodes > MAX_NODES || readers.len() > MAX_READERS {
            return Err(TableError::CapacityTooLarge);
        }
        let words =
            words.get(..Self::words_for(nodes, stride)).ok_or(TableError::StorageTooSmall)?;
        let (links, words) = words.split_at_checked(nodes).ok_or(TableError::StorageTooSmall)?;
        let now = readers.snapshot();
        let mut pool = Self {
            links,
            readers,
            free: List::EMPTY,
            waiting: List::EMPTY,
            waiting_since: now.clone(),
            retired: List::EMPTY,
            retired_since: now,
        };
        for index in 0..nodes as u32 {
            push(links, &mut pool.free, index);
        }
        Ok((pool, Nodes { words, stride, count: nodes }))
    }

    /// Sees to it that `count` nodes can be taken.
    pub(super) fn reserve(&mut self, count: usize) -> Result<(), TableError> {
        if count > self.free.len {
            self.poll();
        }
        if count <= self.free.len {
            Ok(())
        } else if count <= self.free.len + self.waiting.len + self.retired.len {
            Err(TableError::Busy)
        } else {
            Err(TableError::Full)
        }
    }

    /// Whether a node that is given up is free at once.
    pub(super) fn recycles_at_once(&self) -> bool {
        self.readers.is_empty()
    }

    /// Whether no node was waiting for readers when nodes were last reserved or given up.
    pub(super) fn is_settled(&self) -> bool {
        self.waiting.len + self.retired.len == 0
    }

    /// A free node, which the caller has reserved.
    pub(super) fn take(&mut self) -> Result<u32, TableError> {
        let index = self.free.head;
        let link = self.links.get(index as usize).ok_or(TableError::Full)?;
        self.free.head = link.load(Relaxed);
        self.free.len -= 1;
        if self.free.len == 0 {
            self.free = List::EMPTY;
        }
        Ok(index)
    }

    /// Gives up a node that no link leads to any more.
    pub(super) fn retire(&mut self, index: u32) {
        if self.readers.is_empty() {
            return push(self.links, &mut self.free, index);
        }
        // What is free already must not wait with the node that comes now.
        self.poll();
        push(self.links, &mut self.retired, index);
        self.readers.renew(&mut self.retired_since);
    }

    /// Nodes that can be taken now.
    pub(super) fn room(&self) -> usize {
        let waiting = self.waiting.len == 0 || self.readers.passed(&self.waiting_since);
        let retired = waiting && self.readers.passed(&self.retired_since);
        self.free.len
            + if waiting { self.waiting.len } else { 0 }
            + if retired { self.retired.len } else { 0 }
    }

    /// Frees what all readers have left behind.
    fn poll(&mut self) {
        if self.waiting.len > 0 {
            if !self.readers.passed(&self.waiting_since) {
                return;
            }
            append(self.links, &mut self.free, self.waiting);
        }
        self.waiting = List::EMPTY;
        if self.retired.len > 0 {
            if self.readers.passed(&self.retired_since) {
                append(self.links, &mut self.free, self.retired);
            } else {
                self.waiting = self.retired;
                self.waiting_since = self.retired_since.clone();
            }
            self.retired = List::EMPTY;
        }
    }
}

fn push(links: &[AtomicU32], list: &mut List, index: u32) {
    append(links, list, List { head: index, tail: index, len: 1 });
}

/// Puts `more`, which is not empty, behind `list`.
fn append(links: &[AtomicU32], list: &mut List, more: List) {
    match links.get(list.tail as usize) {
        Some(link) => link.store(more.head, Relaxed),
        None => list.head = more.head,
    }
    list.tail = more.tail;
    list.len += more.len;
}
