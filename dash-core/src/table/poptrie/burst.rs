//! Look-ups of a burst: all of them one step at a time, so that their loads overlap.
//!
//! In one table the first steps are two straight loops without branches on what was loaded, the
//! word of direct pointing and the node behind it; in many tables, which are larger than the caches,
//! each word is prefetched for all addresses before it is read.
use super::{
    Address, Direct, Poptrie, Table,
    address::Bits,
    atomic::{AtomicU32, Ordering::Acquire},
    block::Blocks,
    edge::{NONE, POINTER, is_bucket, is_node, is_pointer},
    slots::{LEVELS, STRIDE},
};
use core::{hint::select_unpredictable, num::NonZeroU32};
use dash_hal::{Hints, SoftwareHints};

/// A value as the answers of a burst have it: an `Option` of it takes four bytes, as fast to write as
/// a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value(NonZeroU32);

impl Value {
    /// [`NONE`], the last number of all, becomes 0, which is `None`.
    #[inline]
    const fn new(edge: u32) -> Option<Self> {
        match NonZeroU32::new(edge.wrapping_add(1)) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The value.
    #[inline]
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get() - 1
    }
}

/// Addresses that go together. A power of two: an index is cut to it instead of being checked.
const TOGETHER: usize = 32;

/// Addresses whose steps are written out one after the other. [`TOGETHER`] is a multiple.
const ROW: usize = 8;

/// So few ways that go on are followed one after the other.
const FEW: usize = 3;

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

/// Replaces the first `len` words by the numbers of their bits. In groups, which processors that do not
/// count the bits of one word can take together.
#[inline]
fn count(words: &mut [u64; TOGETHER], len: usize) {
    const GROUP: usize = 8;
    for group in words.as_chunks_mut::<GROUP>().0.iter_mut().take(len.div_ceil(GROUP)) {
        for word in group {
            *word = word.count_ones().into();
        }
    }
}

/// Levels that a window of 64 bits lasts for, and then has a bucket's 16 bits left.
const WINDOW: usize = 8;

/// Addresses of a burst that are still on their ways.
struct Rest<'a, A> {
    blocks: Blocks<'a>,
    addresses: &'a [A],
    /// Where each address is.
    edges: [u32; TOGETHER],
    /// Bits of each address that led there.
    depths: [u8; TOGETHER],
}

impl<A: Address> Rest<'_, A> {
    /// Follows all edges to their ends; with `AHEAD` each word is prefetched before any is read,
    /// which pays where the tables do not fit into the caches.
    #[inline(never)]
    fn follow<const AHEAD: bool>(&mut self, hints: &impl Hints) {
        let Self { blocks, addresses, edges, depths } = self;
        let (blocks, addresses) = (*blocks, *addresses);
        let bits = |number: usize| addresses.get(number).map(|address| address.bits());
        let mut nodes = List::new();
        for (number, edge) in edges.iter().enumerate().take(addresses.len()) {
            if AHEAD {
                blocks.prefetch(hints, *edge);
            }
            nodes.add(number, is_node(*edge));
        }
        let mut windows = [0_u64; TOGETHER];
        let Some(none) = blocks.slots(NONE) else { return };
        let (mut ways, mut runs) = ([none; TOGETHER], [0; TOGETHER]);
        for level in 0..LEVELS {
            let steps = core::mem::replace(&mut nodes.len, 0);
            if steps == 0 {
                break;
            }
            if level % WINDOW == 0 {
                for at in 0..steps {
                    let number = nodes.get(at);
                    let depth = depths[number].into();
                    windows[number] = bits(number).map_or(0, |bits| bits.window(depth));
                }
            }
            for (at, (way, runs)) in ways.iter_mut().zip(&mut runs).enumerate().take(steps) {
                let number = nodes.get(at);
                *way = blocks.slots(edges[number]).unwrap_or(none);
                *runs = way.runs_to((windows[number] >> (u64::BITS - STRIDE)) as u32);
                windows[number] <<= STRIDE;
            }
            count(&mut runs, steps);
            if AHEAD {
                for (way, runs) in ways.iter().zip(&runs).take(steps) {
                    way.prefetch_edge(hints, *runs);
                }
            }
            for (at, (way, runs)) in ways.iter().zip(&runs).enumerate().take(steps) {
                let number = nodes.get(at);
                let edge = way.edge(*runs);
                if AHEAD {
                    blocks.prefetch(hints, edge);
                }
                edges[number] = edge;
                depths[number] = depths[number].wrapping_add(STRIDE as u8);
                nodes.add(number, is_node(edge));
            }
        }
        let mut buckets = List::new();
        for (number, edge) in edges.iter().enumerate().take(addresses.len()) {
            buckets.add(number, is_bucket(*edge));
        }
        for at in 0..buckets.len {
            let number = buckets.get(at);
            let depth = depths[number].into();
            let answer = |bits: A::Bits| blocks.answer(edges[number], bits.behind(depth));
            edges[number] = bits(number).map_or(NONE, answer);
        }
    }
}

impl Poptrie<'_> {
    /// [`Self::lookup`] for each address of a burst; `answers` is as long as `addresses`. `hints`
    /// prefetches.
    #[inline]
    pub fn lookup_burst<A: Address>(
        &self,
        hints: &impl Hints,
        table: u32,
        addresses: &[A],
        answers: &mut [Option<Value>],
    ) {
        if addresses.len() < A::FEW {
            for (answer, address) in answers.iter_mut().zip(addresses) {
                *answer = Value::new(self.value_inline(table, A::VERSION, address.bits()));
            }
            return;
        }
        for (addresses, answers) in addresses.chunks(TOGETHER).zip(answers.chunks_mut(TOGETHER)) {
            self.lookup_chunk(hints, table, addresses, answers);
        }
    }

    /// [`Self::lookup_burst`] with a table for each address; all three slices are of one length.
    pub fn lookup_burst_in<A: Address>(
        &self,
        hints: &impl Hints,
        tables: &[u32],
        addresses: &[A],
        answers: &mut [Option<Value>],
    ) {
        let chunks = tables.chunks(TOGETHER).zip(addresses.chunks(TOGETHER));
        for ((tables, addresses), answers) in chunks.zip(answers.chunks_mut(TOGETHER)) {
            let (mut places, mut depths) = ([NONE; TOGETHER], [0; TOGETHER]);
            let mut changes = [0; TOGETHER];
            // First all places of direct pointing, then what stands there.
            let questions = tables.iter().zip(addresses);
            let ways = places.iter_mut().zip(depths.iter_mut().zip(&mut changes));
            for ((place, (depth, changes)), (table, address)) in ways.zip(questions.clone()) {
                let Some(table) = Table::new(self.tables, *table) else { continue };
                *changes = table.changes.load(Acquire);
                if let Some(root) = self.root(&table, A::VERSION) {
                    *place = root.place(address.bits());
                    *depth = root.direct.bits() as u8;
                    self.blocks.prefetch_word(hints, *place);
                }
            }
            let edges = places.map(|place| self.blocks.edge(place));
            let mut rest = Rest { blocks: self.blocks, addresses, edges, depths };
            rest.follow::<true>(hints);
            let ends = answers.iter_mut().zip(rest.edges.iter().zip(changes));
            for ((answer, (edge, changes)), (table, address)) in ends.zip(questions) {
                *answer = Value::new(match *edge {
                    NONE => self.default(*table, address, changes),
                    value => value,
                });
            }
        }
    }

    /// What an address gets that found no prefix: the default route, as in [`Self::lookup`] unless
    /// the table has had other `changes` meanwhile.
    fn default<A: Address>(&self, table: u32, address: &A, changes: u32) -> u32 {
        let Some(words) = Table::new(self.tables, table) else { return NONE };
        let root = self.root(&words, A::VERSION);
        let default = root.map_or(NONE, |root| root.default.load(Acquire));
        if words.changes.load(Acquire) == changes {
            default
        } else {
            self.value(table, A::VERSION, address.bits())
        }
    }

    #[inline(never)]
    fn lookup_chunk<A: Address>(
        &self,
        hints: &impl Hints,
        table: u32,
        addresses: &[A],
        answers: &mut [Option<Value>],
    ) {
        let Some(words) = Table::new(self.tables, table) else { return answers.fill(None) };
        let changes = words.changes.load(Acquire);
        let Some(root) = self.root(&words, A::VERSION) else { return answers.fill(None) };
        let default = Value::new(root.default.load(Acquire));
        let chunk = Chunk { blocks: self.blocks, default, addresses };
        // With the width the shifts are constants, and no index is checked.
        let edges = root.edges_by_head();
        match root.direct {
            Direct::Bits0 => {
                chunk.finish(0, &mut [root.short.load(Acquire); TOGETHER], answers);
            }
            Direct::Bits8 => chunk.lookup::<{ 1 << 8 }>(hints, edges, answers),
            Direct::Bits12 => chunk.lookup::<{ 1 << 12 }>(hints, edges, answers),
            Direct::Bits16 => chunk.lookup::<{ 1 << 16 }>(hints, edges, answers),
            Direct::Bits18 => chunk.lookup::<{ 1 << 18 }>(hints, edges, answers),
        }
        // As in `lookup`: the route that was looked for may come and the default go.
        if words.changes.load(Acquire) != changes {
            for (answer, address) in answers.iter_mut().zip(addresses) {
                if *answer == default {
                    *answer = Value::new(self.value(table, A::VERSION, address.bits()));
                }
            }
        }
    }
}

/// Addresses that are looked up in one table.
struct Chunk<'a, A> {
    blocks: Blocks<'a>,
    default: Option<Value>,
    addresses: &'a [A],
}

impl<A: Address> Chunk<'_, A> {
    /// Behind direct pointing comes a node, never a bucket, and most ways end with it. A burst that is
    /// not of whole rows goes address by address: rows and what is left over, one after the other,
    /// take longer.
    #[inline(never)]
    fn lookup<const EDGES: usize>(
        &self,
        hints: &impl Hints,
        heads: &[AtomicU32],
        answers: &mut [Option<Value>],
    ) {
        let Some(heads) = heads.as_array::<EDGES>() else { return answers.fill(None) };
        let mut edges = [NONE; TOGETHER];
        let (rows, rest) = self.addresses.as_chunks::<ROW>();
        if rest.is_empty() {
            self.begin(hints, heads, rows, edges.as_chunks_mut().0);
        } else {
            let rows = self.addresses.as_chunks::<1>().0;
            self.begin(hints, heads, rows, edges.as_chunks_mut().0);
        }
        self.finish(EDGES.ilog2() + STRIDE, &mut edges, answers);
    }

    /// The edges behind direct pointing and the node that follows it, in rows of `N` addresses.
    #[inline(never)]
    fn begin<const EDGES: usize, const N: usize>(
        &self,
        hints: &impl Hints,
        heads: &[AtomicU32; EDGES],
        addresses: &[[A; N]],
        edges: &mut [[u32; N]],
    ) {
        let width = EDGES.ilog2();
        let blocks = self.blocks;
        let Some(none) = blocks.slots(NONE) else { return };
        let (mut nodes, mut runs) = ([none; TOGETHER], [0; TOGETHER]);
        let (nodes, _) = nodes.as_chunks_mut::<N>();
        for ((edges, nodes), addresses) in edges.iter_mut().zip(&mut *nodes).zip(addresses) {
            for at in 0..N {
                edges[at] = heads[addresses[at].bits().head(width) % EDGES].load(Acquire);
                nodes[at] = blocks.slots(edges[at]).unwrap_or(none);
                nodes[at].prefetch(hints);
            }
        }
        let (rows, _) = runs.as_chunks_mut::<N>();
        for ((runs, nodes), addresses) in rows.iter_mut().zip(&*nodes).zip(addresses) {
            for at in 0..N {
                runs[at] = nodes[at].runs_to(addresses[at].bits().slot_at(width));
            }
        }
        count(&mut runs, addresses.as_flattened().len());
        let (runs, _) = runs.as_chunks::<N>();
        for ((edges, nodes), runs) in edges.iter_mut().zip(nodes).zip(runs).take(addresses.len()) {
            for at in 0..N {
                // Without a branch: who has a route as short as direct pointing cannot be foreseen.
                let next = nodes[at].edge(runs[at]);
                edges[at] = select_unpredictable(is_pointer(edges[at]), next, edges[at]);
            }
        }
    }

    /// Follows the edges to their ends and writes the answers.
    #[inline]
    fn finish(&self, depth: u32, edges: &mut [u32; TOGETHER], answers: &mut [Option<Value>]) {
        if self.answer(edges, answers) {
            self.follow(depth, edges, answers);
        }
    }

    /// Writes the answers; whether there may be pointers among them.
    #[inline]
    fn answer(&self, edges: &[u32; TOGETHER], answers: &mut [Option<Value>]) -> bool {
        let mut all = 0;
        for (answer, edge) in answers.iter_mut().zip(edges) {
            *answer = Value::new(*edge).or(self.default);
            all |= edge.wrapping_add(1);
        }
        // Pointers are above all values.
        all > POINTER
    }

    #[inline(never)]
    fn follow(&self, depth: u32, edges: &mut [u32; TOGETHER], answers: &mut [Option<Value>]) {
        let mut pointers = List::new();
        for (number, edge) in edges.iter().enumerate().take(self.addresses.len()) {
            pointers.add(number, is_pointer(*edge));
        }
        if pointers.len > FEW {
            let depths = [depth as u8; TOGETHER];
            let mut rest =
                Rest { blocks: self.blocks, addresses: self.addresses, edges: *edges, depths };
            rest.follow::<false>(&SoftwareHints);
            *edges = rest.edges;
        } else {
            for at in 0..pointers.len {
                let number = pointers.get(at);
                let bits = self.addresses.get(number).map(|address| address.bits().behind(depth));
                edges[number] = bits.map_or(NONE, |bits| self.blocks.follow(edges[number], bits));
            }
        }
        self.answer(edges, answers);
    }
}
