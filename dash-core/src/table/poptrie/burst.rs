//! Look-ups of a burst: all of them one step at a time, so that their loads overlap, and without
//! branches on what an edge is, which cannot be foreseen.
use super::{
    Address, Poptrie, Table,
    address::Bits,
    atomic::Ordering::Acquire,
    block::{Blocks, LEVELS, NONE, STRIDE, is_bucket, is_node, is_pointer, start_of},
};

/// Addresses that go together. A power of two: an index is cut to it instead of being checked.
const TOGETHER: usize = 32;

/// Addresses on their way.
struct Burst<B> {
    /// Where each of them is.
    edges: [u32; TOGETHER],
    /// Its bits behind those that chose its first edge.
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

    /// Follows all edges to their ends.
    #[inline(never)]
    fn follow(&mut self, blocks: Blocks<'_>) {
        if !some(&self.edges, is_pointer) {
            return;
        }
        // Only where there is no direct pointing.
        if some(&self.edges, is_bucket) {
            for (edge, bits) in self.edges.iter_mut().zip(&self.bits) {
                if is_bucket(*edge) {
                    *edge = blocks.answer(*edge, *bits);
                }
            }
        }
        // Most of a large table begins with a node, and ends behind it: one step for all, in loops
        // that the compiler can make of vector instructions but for the loads.
        let mut starts = [0; TOGETHER];
        for (start, edge) in starts.iter_mut().zip(&self.edges) {
            *start = if is_node(*edge) { start_of(*edge) } else { 0 };
        }
        let mut next = [NONE; TOGETHER];
        for ((next, start), bits) in next.iter_mut().zip(&starts).zip(&self.bits) {
            *next = blocks.edge_at(*start, bits.slot());
        }
        for (edge, next) in self.edges.iter_mut().zip(&next) {
            *edge = if is_node(*edge) { *next } else { *edge };
        }
        if some(&self.edges, is_pointer) {
            self.follow_on(blocks);
        }
    }

    /// Follows the edges that still lead on behind the first node.
    #[inline(never)]
    fn follow_on(&mut self, blocks: Blocks<'_>) {
        let (mut rest, mut nodes, mut buckets) = (List::new(), List::new(), List::new());
        let mut depths = [STRIDE as u8; TOGETHER];
        for (number, edge) in self.edges.iter().enumerate() {
            rest.add(number, is_pointer(*edge));
            nodes.add(number, is_node(*edge));
        }
        for level in 1..LEVELS as u32 {
            if nodes.len == 0 {
                break;
            }
            let depth = level * STRIDE;
            let steps = core::mem::replace(&mut nodes.len, 0);
            for at in 0..steps {
                let number = nodes.get(at);
                let edge = blocks.step(self.edges[number], self.bits[number].slot_at(depth));
                self.edges[number] = edge;
                depths[number] = (depth + STRIDE) as u8;
                nodes.add(number, is_node(edge));
            }
        }
        for at in 0..rest.len {
            let number = rest.get(at);
            buckets.add(number, is_bucket(self.edges[number]));
        }
        for at in 0..buckets.len {
            let number = buckets.get(at);
            let bits = self.bits[number].behind(depths[number].into());
            self.edges[number] = blocks.answer(self.edges[number], bits);
        }
    }
}

/// Whether one of the edges is such a one; asks of all, as one vector.
#[inline]
fn some(edges: &[u32; TOGETHER], is: impl Fn(u32) -> bool) -> bool {
    edges.iter().fold(0, |some, edge| some | u32::from(is(*edge))) != 0
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
            burst.follow(self.blocks);
            let questions = tables.iter().zip(addresses);
            for ((answer, edge), (table, address)) in
                answers.iter_mut().zip(&burst.edges).zip(questions)
            {
                let value = match *edge {
                    NONE => self.value(*table, A::VERSION, address.bits()),
                    value => value,
                };
                *answer = (value != NONE).then_some(value);
            }
        }
    }

    #[inline(never)]
    fn lookup_chunk<A: Address>(&self, table: u32, addresses: &[A], answers: &mut [Option<u32>]) {
        let table_words = Table::new(self.tables, table);
        let Some(words) = table_words else { return answers.fill(None) };
        let changes = words.changes.load(Acquire);
        let Some(root) = self.root(&words, A::VERSION) else { return answers.fill(None) };
        let mut burst = Burst::new();
        for ((edge, bits), address) in burst.edges.iter_mut().zip(&mut burst.bits).zip(addresses) {
            (*edge, *bits) = root.enter(address.bits());
        }
        burst.follow(self.blocks);
        let default = root.default.load(Acquire);
        for (answer, edge) in answers.iter_mut().zip(&burst.edges).take(addresses.len()) {
            let value = if *edge == NONE { default } else { *edge };
            *answer = (value != NONE).then_some(value);
        }
        // As in `lookup`: the route that was looked for may come and the default go.
        if words.changes.load(Acquire) != changes {
            for ((answer, edge), address) in answers.iter_mut().zip(&burst.edges).zip(addresses) {
                if *edge == NONE {
                    let value = self.value(table, A::VERSION, address.bits());
                    *answer = (value != NONE).then_some(value);
                }
            }
        }
    }
}
