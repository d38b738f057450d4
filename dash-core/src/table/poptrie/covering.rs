//! All prefixes that cover an address, for a burst of addresses: each step for all of them, without
//! a branch that depends on one, so that their loads overlap and little is predicted wrongly; what
//! the next step reads is prefetched.
use super::{
    ATTEMPTS, Poptrie, Table,
    address::{Bits, aligned},
    atomic::Ordering::Acquire,
    bucket::wide_covering,
    edge::{NONE, is_bucket, is_node},
    slots::STRIDE,
};
use core::iter;
use dash_hal::Hints;
use smoltcp::wire::{IpAddress, IpVersion};

/// Most values that one block has for an address.
const MOST: usize = STRIDE as usize;
/// Values of each address that there is room for.
const ROOM: usize = 6;
const _: () = assert!(MOST <= ROOM, "else a walk would end where it begins");
/// Bits of a window that the prefixes of a bucket are compared with.
const LAST_BITS: u32 = 32;

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
}

#[derive(Debug)]
struct Found<const N: usize> {
    /// Numbers of addresses, and values.
    all: [[(u32, u32); ROOM]; N],
    len: usize,
}

/// Where a step puts what it finds. The length is a value of its own, so that it stays in a
/// register: a field of the walk would be stored and loaded again for each.
struct Fill<'f, T> {
    all: &'f mut [T],
    len: usize,
}

impl<T> Fill<'_, T> {
    /// Adds what `is_one`, without a branch; there is room.
    #[inline]
    fn add(&mut self, one: T, is_one: bool) {
        if let Some(place) = self.all.get_mut(self.len) {
            *place = one;
            self.len += usize::from(is_one);
        }
    }
}

impl Fill<'_, (u32, u32)> {
    /// Adds a value, if it `covers` the address and there is one.
    #[inline]
    fn tell(&mut self, number: u32, value: u32, covers: bool) {
        let is_one = u32::from(covers) & u32::from(value != NONE) != 0;
        self.add((number, value), is_one);
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
        }
    }

    /// Walks for these addresses, the first `N`, numbered in their order; to be called once, before
    /// the first value is taken.
    #[inline]
    pub fn start(&mut self, addresses: impl IntoIterator<Item = IpAddress>) {
        let mut count = 0;
        for (place, address) in self.addresses.iter_mut().zip(addresses) {
            *place = aligned(&address);
            count += 1;
        }
        self.count = count;
    }

    /// Some more values with the numbers of their addresses; none at the end.
    #[inline(never)]
    pub fn more(&mut self) -> &[(u32, u32)] {
        self.found.len = 0;
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

    /// All values with the numbers of their addresses.
    pub fn values(mut self) -> impl Iterator<Item = (u32, u32)> {
        let mut taken = 0;
        iter::from_fn(move || {
            if taken == self.found.len {
                self.more();
                taken = 0;
            }
            let value = self.found.all.as_flattened().get(..self.found.len)?.get(taken)?;
            taken += 1;
            Some(*value)
        })
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
        let width = root.direct.bits();
        let (edge, default) = (root.short.load(Acquire), root.default.load(Acquire));
        // Most often there are no short prefixes.
        let nothing = if self.short { edge & default == NONE } else { width == 0 };
        if nothing {
            return true;
        }
        self.refill(0);
        let mut nodes = Fill { all: &mut self.nodes.ways, len: 0 };
        let mut buckets = Fill { all: &mut self.buckets.ways, len: 0 };
        let mut go = |edge: u32, number: usize| {
            let way = Way { edge, number: number as u32 };
            way.go(&self.poptrie, self.hints, &mut nodes, &mut buckets);
        };
        if self.short {
            self.depth = 0;
            let mut found = Fill { all: self.found.all.as_flattened_mut(), len: self.found.len };
            for number in 0..self.count {
                found.tell(number as u32, default, true);
                go(edge, number);
            }
            self.found.len = found.len;
        } else {
            self.depth = width;
            let edges = root.edges_by_head();
            for number in 0..self.count {
                let head = self.windows[number % N] >> ((u64::BITS - width) % u64::BITS);
                go(edges.get(head as usize).map_or(NONE, |edge| edge.load(Acquire)), number);
            }
        }
        (self.nodes.len, self.buckets.len) = (nodes.len, buckets.len);
        true
    }

    /// Lets the windows begin behind the first `skipped` bits.
    #[inline]
    fn refill(&mut self, skipped: u32) {
        self.skipped = skipped;
        for (window, address) in self.windows.iter_mut().zip(&self.addresses).take(self.count) {
            *window = address.window(skipped);
        }
    }

    /// Follows the edge of each way by one node.
    fn step(&mut self) {
        let blocks = self.poptrie.blocks;
        let count = core::mem::take(&mut self.nodes.len);
        let Some(none) = blocks.slots(NONE).filter(|_| self.depth < u128::BITS) else { return };
        // Nodes with prefixes: the block of these, the slot, and the number of the address.
        let mut prefixes = [(NONE, 0, 0); N];
        let mut with_prefixes = Fill { all: &mut prefixes, len: 0 };
        let mut nodes = Fill { all: &mut self.nodes.ways, len: 0 };
        let mut buckets = Fill { all: &mut self.buckets.ways, len: self.buckets.len };
        let shift = (self.depth - self.skipped) % u64::BITS;
        for at in 0..count {
            let Some(&Way { edge, number }) = nodes.all.get(at) else { break };
            let node = blocks.slots(edge).unwrap_or(none);
            let slot = (self.windows[number as usize % N] << shift >> (u64::BITS - STRIDE)) as u32;
            let block = node.prefix_block();
            with_prefixes.add((block, slot, number), block != NONE);
            let edge = node.edge(node.runs_to(slot).count_ones().into());
            Way { edge, number }.go(&self.poptrie, self.hints, &mut nodes, &mut buckets);
        }
        (self.nodes.len, self.buckets.len) = (nodes.len, buckets.len);
        let count = with_prefixes.len;
        for (block, ..) in prefixes.iter().take(count) {
            blocks.prefetch_prefixes(self.hints, *block);
        }
        let mut found = Fill { all: self.found.all.as_flattened_mut(), len: self.found.len };
        for (block, slot, number) in prefixes.iter().take(count) {
            let tell = |value, covers| found.tell(*number, value, covers);
            blocks.prefixes(*block).covering(*slot, tell);
        }
        self.found.len = found.len;
        self.depth += STRIDE;
        if self.depth - self.skipped > u64::BITS - LAST_BITS {
            self.refill(self.depth);
        }
    }

    /// Looks at the buckets.
    fn finish(&mut self) {
        let blocks = self.poptrie.blocks;
        let mut found = Fill { all: self.found.all.as_flattened_mut(), len: self.found.len };
        let shift = (self.depth - self.skipped) % u64::BITS;
        for Way { edge, number } in self.buckets.ways.iter().take(self.buckets.len) {
            let address = *number as usize % N;
            let tell = |value, covers| found.tell(*number, value, covers);
            if let Some(words) = blocks.wide_bucket(*edge) {
                wide_covering(words, (self.windows[address] << shift >> LAST_BITS) as u32, tell);
            } else {
                blocks.bucket(*edge).covering(self.addresses[address].behind(self.depth), tell);
            }
        }
        self.found.len = found.len;
        self.buckets.len = 0;
    }
}

impl Way {
    /// Goes on, if the edge is no leaf.
    #[inline]
    fn go(
        self,
        poptrie: &Poptrie<'_>,
        hints: &impl Hints,
        nodes: &mut Fill<'_, Self>,
        buckets: &mut Fill<'_, Self>,
    ) {
        poptrie.blocks.prefetch_start(hints, self.edge);
        nodes.add(self, is_node(self.edge));
        buckets.add(self, is_bucket(self.edge));
    }
}
