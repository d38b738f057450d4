//! All prefixes that cover an address, for a burst of addresses: all of them one block at a time,
//! so that their loads overlap, and without branches on what has just been loaded.
use super::{
    ATTEMPTS, Poptrie, Root, Table,
    address::{Bits, aligned},
    atomic::Ordering::Acquire,
    block::Target,
    edge::{NONE, is_pointer},
    slots::{LEVELS, STRIDE, bits, covering},
    trie::Trie,
};
use smoltcp::wire::{IpAddress, IpVersion};

/// Most prefixes that a block has for one address.
const MOST: usize = STRIDE as usize;

/// The values of the prefixes that cover each of at most `N` addresses, with the number of the
/// address, in any order. When the table changes meanwhile, some may come again; a prefix that is
/// there all the time comes.
#[derive(Debug)]
pub struct Covering<'a, const N: usize> {
    poptrie: Poptrie<'a>,
    table: Option<Table<'a>>,
    lanes: [Lane; N],
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
struct Lane {
    address: u128,
    version: IpVersion,
    edge: u32,
    depth: u32,
    /// The slot and the prefixes of a node.
    slot: u32,
    prefixes: u32,
    /// Those of its numbers that cover the address.
    numbers: [u64; 2],
    values: [u32; MOST],
    len: usize,
}

impl Lane {
    const NONE: Self = Self {
        address: 0,
        version: IpVersion::Ipv4,
        edge: NONE,
        depth: 0,
        slot: 0,
        prefixes: NONE,
        numbers: [0; 2],
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

    fn enter(&mut self, root: &Root<'_>, short: bool) {
        let long = || Trie::long(root, self.address, NONE);
        let trie = if short { Some(Trie::short(root)) } else { long() };
        self.edge = trie.map_or(NONE, |trie| trie.edge.load(Acquire));
        self.depth = trie.map_or(0, |trie| trie.depth);
        self.add(root.default.load(Acquire), short);
    }
}

impl<'a, const N: usize> Covering<'a, N> {
    /// No address yet, of `table`.
    #[must_use]
    #[inline(never)]
    pub fn new(poptrie: Poptrie<'a>, table: u32) -> Self {
        let table = Table::new(poptrie.tables, table);
        let (lanes, attempts) = ([Lane::NONE; N], ATTEMPTS);
        Self {
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
            }
        }
        true
    }

    /// Follows each edge by one block; whether there was one.
    fn step(&mut self) -> bool {
        if self.levels == 0 || !self.lanes.iter().any(|lane| is_pointer(lane.edge)) {
            return false;
        }
        self.levels -= 1;
        let blocks = self.poptrie.blocks;
        let lanes = self.lanes.get_mut(..self.count).unwrap_or_default();
        for lane in &mut *lanes {
            lane.prefixes = NONE;
            match blocks.target(lane.edge) {
                Target::Leaf => {}
                Target::Bucket(bucket) => {
                    lane.edge = NONE;
                    let bits = lane.address.behind(lane.depth);
                    bucket.covering(bits, |value, covers| lane.add(value, covers));
                }
                Target::Node(node) => {
                    lane.slot = lane.address.slot_at(lane.depth);
                    lane.depth += STRIDE;
                    lane.prefixes = node.prefix_block();
                    lane.edge = node.follow(lane.slot);
                }
            }
        }
        for lane in &mut *lanes {
            let numbers = blocks.prefixes(lane.prefixes).numbers & covering(lane.slot, STRIDE);
            lane.numbers = [numbers as u64, (numbers >> 64) as u64];
        }
        for lane in lanes {
            let [low, high] = lane.numbers;
            for number in bits(low).chain(bits(high).map(|number| number + 64)) {
                let value = blocks.prefixes(lane.prefixes).value(number);
                lane.add(value.map_or(NONE, |value| value.load(Acquire)), true);
            }
        }
        true
    }
}

impl<const N: usize> Iterator for Covering<'_, N> {
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
