//! All prefixes that cover an address, for a burst of addresses: each step for all of them, without
//! a branch that depends on one, so that their loads overlap and little is predicted wrongly; what
//! the next step reads is prefetched.
use super::{
    ATTEMPTS, Poptrie, Table,
    address::{Bits, aligned},
    atomic::Ordering::Acquire,
    edge::{NONE, is_bucket, is_node},
    slots::STRIDE,
};
use dash_hal::Hints;
use smoltcp::wire::{IpAddress, IpVersion};

/// Most values that one block has for an address.
const MOST: usize = STRIDE as usize;
/// Values of each address that there is room for: a power of two.
const ROOM: usize = 8;
/// Bits of a window that a bucket's keys are compared with.
const LAST_BITS: u32 = 16;

/// The values of the prefixes that cover each of at most `N` addresses of one family, with the number
/// of the address, in any order. When the table changes meanwhile, some may come again; a prefix
/// that is there all the time comes.
#[derive(Debug)]
pub struct Covering<'a, H, const N: usize> {
    hints: &'a H,
    poptrie: Poptrie<'a>,
    table: Option<Table<'a>>,
    version: IpVersion,
    addresses: [u128; N],
    /// 64 bits of each of them, behind the first `skipped`.
    windows: [u64; N],
    skipped: u32,
    /// Addresses.
    count: usize,
    /// Whether the prefixes no longer than direct pointing are looked at now.
    short: bool,
    /// Changes of the table when the walk began, and walks that may still be made.
    changes: u32,
    attempts: usize,
    /// Ways that go on by a node, ways that end with a bucket, and the bits that led to all of them.
    nodes: Ways<N>,
    buckets: Ways<N>,
    depth: u32,
    found: Found<N>,
    /// How many of them have been taken.
    taken: usize,
}

/// An address on its way.
#[derive(Clone, Copy, Debug)]
struct Way {
    edge: u32,
    number: u32,
}

#[derive(Debug)]
struct Ways<const N: usize> {
    ways: [Way; N],
    len: usize,
}

impl<const N: usize> Ways<N> {
    const NONE: Self = Self { ways: [Way { edge: NONE, number: 0 }; N], len: 0 };

    /// Adds a way if it `is_one`, without a branch; there is room.
    #[inline]
    fn add(&mut self, way: Way, is_one: bool) {
        self.ways[self.len % N] = way;
        self.len += usize::from(is_one);
    }
}

#[derive(Debug)]
struct Found<const N: usize> {
    /// Numbers of addresses, and values.
    all: [[(u32, u32); ROOM]; N],
    len: usize,
}

impl<const N: usize> Found<N> {
    /// Adds a value, if it `covers` the address and there is one, without a branch; there is room.
    #[inline]
    fn add(&mut self, number: u32, value: u32, covers: bool) {
        if let Some(place) = self.all.as_flattened_mut().get_mut(self.len) {
            *place = (number, value);
            self.len += usize::from(covers) & usize::from(value != NONE);
        }
    }
}

impl<'a, H: Hints, const N: usize> Covering<'a, H, N> {
    /// No address yet, of this family of `table`.
    #[must_use]
    #[inline]
    pub fn new(hints: &'a H, poptrie: Poptrie<'a>, table: u32, version: IpVersion) -> Self {
        Self {
            hints,
            poptrie,
            table: Table::new(poptrie.tables, table),
            version,
            addresses: [0; N],
            windows: [0; N],
            skipped: 0,
            count: 0,
            short: true,
            changes: 0,
            attempts: ATTEMPTS,
            nodes: Ways::NONE,
            buckets: Ways::NONE,
            depth: 0,
            found: Found { all: [[(0, 0); ROOM]; N], len: 0 },
            taken: 0,
        }
    }

    /// Adds an address, the next number, before the first value is taken; not more than `N`.
    #[inline]
    pub fn push(&mut self, address: IpAddress) {
        if let Some(place) = self.addresses.get_mut(self.count) {
            *place = aligned(&address);
            self.count += 1;
        }
    }

    /// Some more values with the numbers of their addresses; none at the end.
    #[inline(never)]
    pub fn more(&mut self) -> &[(u32, u32)] {
        (self.found.len, self.taken) = (0, 0);
        // Bounded: a walk has as many levels as an address has slots, and is made again few times.
        loop {
            let ways = match (self.buckets.len, self.nodes.len) {
                (0, 0) => self.count,
                (0, nodes) => nodes,
                (buckets, _) => buckets,
            };
            if self.found.len + MOST * ways > ROOM * N {
                break;
            }
            if self.buckets.len > 0 {
                self.finish();
            } else if self.nodes.len > 0 {
                self.step();
            } else if !self.turn() {
                break;
            }
        }
        self.found.all.as_flattened().get(..self.found.len).unwrap_or_default()
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
        let Some(root) = self.poptrie.root(&table, self.version) else { return true };
        self.refill(0);
        let width = root.direct.bits();
        if self.short {
            self.depth = 0;
            let (edge, default) = (root.short.load(Acquire), root.default.load(Acquire));
            // Most often there is nothing.
            if edge & default != NONE {
                for number in 0..self.count as u32 {
                    self.found.add(number, default, true);
                    self.go(Way { edge, number });
                }
            }
        } else if width > 0 {
            self.depth = width;
            let edges = root.edges_by_head();
            for number in 0..self.count {
                let head = self.windows[number % N] >> ((u64::BITS - width) % u64::BITS);
                let edge = edges.get(head as usize).map_or(NONE, |edge| edge.load(Acquire));
                self.go(Way { edge, number: number as u32 });
            }
        }
        true
    }

    /// Lets the windows begin behind the first `skipped` bits.
    fn refill(&mut self, skipped: u32) {
        self.skipped = skipped;
        for (window, address) in self.windows.iter_mut().zip(&self.addresses).take(self.count) {
            *window = address.window(skipped);
        }
    }

    /// Goes on, if the edge is no leaf.
    #[inline]
    fn go(&mut self, way: Way) {
        self.poptrie.blocks.prefetch_start(self.hints, way.edge);
        self.nodes.add(way, is_node(way.edge));
        self.buckets.add(way, is_bucket(way.edge));
    }

    /// The bits of an address that come next.
    #[inline]
    fn window(&self, number: u32) -> u64 {
        self.windows[number as usize % N] << ((self.depth - self.skipped) % u64::BITS)
    }

    /// Follows the edge of each way by one node.
    fn step(&mut self) {
        let blocks = self.poptrie.blocks;
        let count = core::mem::take(&mut self.nodes.len);
        let Some(none) = blocks.slots(NONE).filter(|_| self.depth < u128::BITS) else { return };
        // Nodes with prefixes: the block of these, the slot, and the number of the address.
        let mut prefixes = [(NONE, 0, 0); N];
        let mut prefix_count = 0;
        for at in 0..count {
            let Way { edge, number } = self.nodes.ways[at % N];
            let node = blocks.slots(edge).unwrap_or(none);
            let slot = (self.window(number) >> (u64::BITS - STRIDE)) as u32;
            let block = node.prefix_block();
            prefixes[prefix_count % N] = (block, slot, number);
            prefix_count += usize::from(block != NONE);
            self.go(Way { edge: node.edge(node.runs_to(slot).count_ones().into()), number });
        }
        for (block, ..) in prefixes.iter().take(prefix_count) {
            blocks.prefetch_prefixes(self.hints, *block);
        }
        for (block, slot, number) in prefixes.iter().take(prefix_count) {
            let found = &mut self.found;
            let tell = |value, covers| found.add(*number, value, covers);
            blocks.prefixes(*block).covering(*slot, tell);
        }
        self.depth += STRIDE;
        if self.depth - self.skipped > u64::BITS - LAST_BITS {
            self.refill(self.depth);
        }
    }

    /// Looks at the buckets.
    fn finish(&mut self) {
        let blocks = self.poptrie.blocks;
        for at in 0..core::mem::take(&mut self.buckets.len) {
            let Way { edge, number } = self.buckets.ways[at % N];
            let (window, address) = (self.window(number), self.addresses[number as usize % N]);
            let found = &mut self.found;
            let tell = |value, covers| found.add(number, value, covers);
            blocks.bucket(edge).covering(window, || address.behind(self.depth), tell);
        }
    }
}

impl<H: Hints, const N: usize> Iterator for Covering<'_, H, N> {
    type Item = (usize, u32);

    fn next(&mut self) -> Option<Self::Item> {
        if self.taken == self.found.len {
            self.more();
        }
        let all = self.found.all.as_flattened().get(..self.found.len)?;
        let (number, value) = all.get(self.taken)?;
        self.taken += 1;
        Some((*number as usize, *value))
    }
}
