//! All prefixes that cover an address, for a burst of addresses: all of them one block at a time,
//! so that their loads overlap; the first words of a block are prefetched for all addresses before
//! they are read.
use super::{
    ATTEMPTS, Poptrie, Root, Table,
    address::{Bits, aligned},
    atomic::{AtomicU32, Ordering::Acquire},
    block::Target,
    edge::{NONE, is_pointer},
    slots::{LEVELS, STRIDE},
    trie::Trie,
};
use dash_hal::Hints;
use smoltcp::wire::{IpAddress, IpVersion};

/// Words of a block of prefixes that are prefetched, so that the first values are.
const AHEAD: usize = 24;
/// Most prefixes that a block has for one address.
const MOST: usize = STRIDE as usize;

/// The values of the prefixes that cover each of at most `N` addresses, with the number of the
/// address, in any order. When the table changes meanwhile, some may come again; a prefix that is
/// there all the time comes.
#[derive(Debug)]
pub struct Covering<'a, H, const N: usize> {
    hints: &'a H,
    poptrie: Poptrie<'a>,
    table: Option<Table<'a>>,
    lanes: [Lane<'a>; N],
    /// Addresses.
    count: usize,
    /// The first of them that may have a value.
    next: usize,
    /// Whether the prefixes no longer than direct pointing are looked at now.
    short: bool,
    /// Blocks that may still follow on the way.
    levels: usize,
    /// Changes of the table when the walk began, and walks that may still be made.
    changes: u32,
    attempts: usize,
}

/// One address on its way.
#[derive(Clone, Copy, Debug)]
struct Lane<'a> {
    address: u128,
    version: IpVersion,
    /// The word of the next edge.
    edge: Option<&'a AtomicU32>,
    depth: u32,
    /// The slot and the prefixes of a node.
    slot: u32,
    prefixes: u32,
    values: [u32; MOST],
    len: usize,
}

impl<'a> Lane<'a> {
    const NONE: Self = Self {
        address: 0,
        version: IpVersion::Ipv4,
        edge: None,
        depth: 0,
        slot: 0,
        prefixes: NONE,
        values: [NONE; MOST],
        len: 0,
    };

    /// Adds a value, if `covers` and there is one.
    fn add(&mut self, value: u32, covers: bool) {
        if let Some(place) = self.values.get_mut(self.len) {
            *place = value;
            self.len += usize::from(covers) & usize::from(value != NONE);
        }
    }

    fn enter(&mut self, root: &Root<'a>, short: bool) {
        let long = || Trie::long(root, self.address, NONE);
        let trie = if short { Some(Trie::short(root)) } else { long() };
        self.edge = trie.map(|trie| trie.edge);
        self.depth = trie.map_or(0, |trie| trie.depth);
        self.add(root.default.load(Acquire), short);
    }
}

impl<'a, H: Hints, const N: usize> Covering<'a, H, N> {
    /// No address yet, of `table`.
    #[must_use]
    #[inline(never)]
    pub fn new(hints: &'a H, poptrie: Poptrie<'a>, table: u32) -> Self {
        let table = Table::new(poptrie.tables, table);
        let (lanes, attempts) = ([Lane::NONE; N], ATTEMPTS);
        Self {
            hints,
            poptrie,
            table,
            lanes,
            count: 0,
            next: N,
            short: true,
            levels: 0,
            changes: 0,
            attempts,
        }
    }

    /// Adds an address, the next number, before the first value is taken; not more than `N`.
    pub fn push(&mut self, address: IpAddress) {
        if let Some(lane) = self.lanes.get_mut(self.count) {
            lane.address = aligned(&address);
            lane.version = address.version();
            self.count += 1;
        }
    }

    /// Goes on to the next trie, or walks again after a change; whether there is anything to do.
    fn turn(&mut self) -> bool {
        let Some(table) = self.table else { return false };
        if self.short {
            // Whoever saw a second change sees at least the count after the first one.
            let changes = table.changes.load(Acquire);
            let again = self.attempts < ATTEMPTS;
            if self.attempts == 0 || again && changes == self.changes {
                return false;
            }
            self.changes = changes;
            self.attempts -= 1;
        }
        self.short = !self.short;
        self.levels = LEVELS;
        for lane in self.lanes.iter_mut().take(self.count) {
            if let Some(root) = self.poptrie.root(&table, lane.version) {
                lane.enter(&root, self.short);
                if let Some(edge) = lane.edge {
                    self.hints.prefetch(edge);
                }
            }
        }
        true
    }

    /// Follows each edge by one block; whether there was one.
    fn step(&mut self) -> bool {
        let Some(levels) = self.levels.checked_sub(1) else { return false };
        self.levels = levels;
        let (blocks, hints) = (self.poptrie.blocks, self.hints);
        let lanes = self.lanes.get_mut(..self.count).unwrap_or_default();
        let mut edges = [NONE; N];
        let mut more = false;
        for (lane, edge) in lanes.iter().zip(&mut edges) {
            *edge = lane.edge.map_or(NONE, |edge| edge.load(Acquire));
            if is_pointer(*edge) {
                blocks.prefetch(hints, *edge);
                more = true;
            }
        }
        if !more {
            return false;
        }
        for (lane, edge) in lanes.iter_mut().zip(edges) {
            (lane.edge, lane.prefixes) = (None, NONE);
            match blocks.target(edge) {
                Target::Leaf => {}
                Target::Bucket(bucket) => {
                    let bits = lane.address.behind(lane.depth);
                    bucket.covering(bits, |value, covers| lane.add(value, covers));
                }
                Target::Node(node) => {
                    lane.slot = lane.address.slot_at(lane.depth);
                    lane.depth += STRIDE;
                    lane.prefixes = node.prefix_block();
                    lane.edge = node.edge(lane.slot);
                    if let Some(edge) = lane.edge {
                        hints.prefetch(edge);
                    }
                    if lane.prefixes != NONE
                        && let Some(prefixes) = blocks.at(lane.prefixes).get(..AHEAD)
                    {
                        hints.prefetch(prefixes);
                    }
                }
            }
        }
        for lane in lanes {
            if lane.prefixes != NONE {
                let slot = lane.slot;
                blocks.prefixes(lane.prefixes).covering(slot, |value| lane.add(value, true));
            }
        }
        true
    }
}

impl<H: Hints, const N: usize> Iterator for Covering<'_, H, N> {
    type Item = (usize, u32);

    fn next(&mut self) -> Option<Self::Item> {
        // Bounded: a walk has as many levels as an address has slots, and is made again few times.
        loop {
            while let Some(lane) = self.lanes.get_mut(self.next) {
                if let Some(len) = lane.len.checked_sub(1) {
                    lane.len = len;
                    return Some((self.next, lane.values.get(len).copied()?));
                }
                self.next += 1;
            }
            if !self.step() && !self.turn() {
                return None;
            }
            self.next = 0;
        }
    }
}
