//! Look-ups of a burst: all of them one step at a time, so that their loads overlap, and without
//! branches on what an edge is, which cannot be foreseen.
use super::{
    Address, Poptrie, Table,
    address::Bits,
    atomic::Ordering::Acquire,
    block::{Blocks, LEVELS, NONE, is_bucket, is_node, is_pointer},
};
use core::hint::select_unpredictable;

/// Addresses that go together. A power of two: an index is cut to it instead of being checked.
const TOGETHER: usize = 32;

/// Some addresses of the same number.
struct Burst<B> {
    /// Where each of them is.
    edges: [u32; TOGETHER],
    /// Its bits behind that edge.
    bits: [B; TOGETHER],
}

/// Numbers of addresses of a burst.
struct List {
    numbers: [u8; TOGETHER],
    len: usize,
}

impl List {
    const fn new() -> Self {
        Self { numbers: [0; TOGETHER], len: 0 }
    }

    /// Adds `number` if `there`, without a branch.
    #[inline]
    fn add(&mut self, number: usize, there: bool) {
        self.numbers[self.len % TOGETHER] = number as u8;
        self.len += usize::from(there);
    }

    #[inline]
    fn get(&self, at: usize) -> usize {
        usize::from(self.numbers[at % TOGETHER]) % TOGETHER
    }
}

impl<B: Bits + Default> Burst<B> {
    fn new() -> Self {
        Self { edges: [NONE; TOGETHER], bits: [B::default(); TOGETHER] }
    }

    /// Follows the first `count` edges to their ends.
    #[inline]
    fn follow(&mut self, blocks: Blocks<'_>, count: usize) {
        let (mut rest, mut nodes, mut buckets) = (List::new(), List::new(), List::new());
        // Most of a large table begins with a node: one step for all, needed or not.
        let places = self.edges.iter_mut().zip(&mut self.bits).enumerate();
        for (number, (edge, bits)) in places.take(count) {
            let there = is_node(*edge);
            let next = blocks.step(select_unpredictable(there, *edge, 0), bits.slot());
            let next = select_unpredictable(there, next, *edge);
            *bits = select_unpredictable(there, bits.behind_slot(), *bits);
            *edge = next;
            rest.add(number, is_pointer(next));
        }
        for at in 0..rest.len {
            let number = rest.get(at);
            let edge = self.edges[number];
            nodes.add(number, is_node(edge));
            buckets.add(number, is_bucket(edge));
        }
        for _ in 0..LEVELS {
            if nodes.len == 0 {
                break;
            }
            let steps = core::mem::replace(&mut nodes.len, 0);
            for at in 0..steps {
                let number = nodes.get(at);
                let bits = self.bits[number];
                let edge = blocks.step(self.edges[number], bits.slot());
                self.edges[number] = edge;
                self.bits[number] = bits.behind_slot();
                nodes.add(number, is_node(edge));
                buckets.add(number, is_bucket(edge));
            }
        }
        for at in 0..buckets.len {
            let number = buckets.get(at);
            self.edges[number] = blocks.answer(self.edges[number], self.bits[number]);
        }
    }
}

impl Poptrie<'_> {
    /// [`Self::lookup`] for each address of a burst; `answers` is as long as `addresses`.
    pub fn lookup_burst<A: Address>(
        &self,
        table: u32,
        addresses: &[A],
        answers: &mut [Option<u32>],
    ) {
        for (addresses, answers) in addresses.chunks(TOGETHER).zip(answers.chunks_mut(TOGETHER)) {
            self.lookup_chunk(table, addresses, answers);
        }
    }

    /// [`Self::lookup_burst`] with a table for each address; all three slices are of one length.
    pub fn lookup_burst_in<A: Address>(
        &self,
        tables: &[u32],
        addresses: &[A],
        answers: &mut [Option<u32>],
    ) {
        let chunks = tables.chunks(TOGETHER).zip(addresses.chunks(TOGETHER));
        for ((tables, addresses), answers) in chunks.zip(answers.chunks_mut(TOGETHER)) {
            let mut burst = Burst::new();
            let places = burst.edges.iter_mut().zip(&mut burst.bits);
            for ((edge, bits), (table, address)) in places.zip(tables.iter().zip(addresses)) {
                let table = Table::new(self.tables, *table);
                if let Some(root) = table.and_then(|table| self.root(&table, A::VERSION)) {
                    (*edge, *bits) = root.enter(address.bits());
                }
            }
            burst.follow(self.blocks, addresses.len());
            let questions = tables.iter().zip(addresses);
            for ((answer, edge), (table, address)) in
                answers.iter_mut().zip(burst.edges).zip(questions)
            {
                let value = match edge {
                    NONE => self.value(*table, A::VERSION, address.bits()),
                    value => value,
                };
                *answer = (value != NONE).then_some(value);
            }
        }
    }

    #[inline]
    fn lookup_chunk<A: Address>(&self, table: u32, addresses: &[A], answers: &mut [Option<u32>]) {
        let table_words = Table::new(self.tables, table);
        let Some(words) = table_words else { return answers.fill(None) };
        let changes = words.changes.load(Acquire);
        let Some(root) = self.root(&words, A::VERSION) else { return answers.fill(None) };
        let mut burst = Burst::new();
        for ((edge, bits), address) in burst.edges.iter_mut().zip(&mut burst.bits).zip(addresses) {
            (*edge, *bits) = root.enter(address.bits());
        }
        burst.follow(self.blocks, addresses.len());
        let default = root.default.load(Acquire);
        // As in `lookup`: the route that was looked for may come and the default go.
        let changed = words.changes.load(Acquire) != changes;
        for ((answer, edge), address) in answers.iter_mut().zip(burst.edges).zip(addresses) {
            let mut value = select_unpredictable(edge == NONE, default, edge);
            if changed && edge == NONE {
                value = self.value(table, A::VERSION, address.bits());
            }
            *answer = (value != NONE).then_some(value);
        }
    }
}
