//! The two kinds of blocks that edges lead to.
//!
//! A *node* looks at 6 bits. Its 64 slots fall into runs that have one edge each, and these edges
//! follow each other; a bit for each slot says whether a run starts with it:
//!
//! ```text
//! prefixes (a block of its own, or NONE) · starts of runs (2 words, slot 0 without) · edges
//! ```
//!
//! The run of a slot is counted. A processor that has no instruction for that takes about fifteen,
//! or half as many for each of a burst, two at a time; ranks that need no counting would take 24
//! bytes a node more, and with them another cache line of most nodes.
//!
//! The prefixes that end in a node, of 1 to 6 bits, have the numbers of a heap, 1 before their
//! bits: one bit for each number, then the values of those that are there, [`NONE`] for a place
//! that is only held:
//!
//! ```text
//! numbers (4 words) · values
//! ```
//!
//! A run is a slot with a pointer, or slots that have the same longest prefix of this node, held
//! places counted. So no change of a value changes the runs.
//!
//! A bucket has a few prefixes in a row, see [`Bucket`].
use super::{
    address::Bits,
    arena::{End, GRANULE, PADDING},
    atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, Release},
    },
    bucket::{Bucket, WIDE, WIDE_WORDS},
    edge::{self, NONE, is_bucket, is_node, is_pointer},
    slots::{LEVELS, SLOTS, STRIDE, bits, covering, number, of_number, wide_bits},
};
use core::hint::select_unpredictable;
use dash_hal::Hints;

/// Words of the starts of a node's runs.
const STARTS: usize = 2;

// A node is read without more.
const _: () = assert!(PADDING >= Node::HEADER + SLOTS);

/// Where an edge leads.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target<'a> {
    /// To no block: it is the answer.
    Leaf,
    Node(Node<'a>),
    Bucket(Bucket<'a>),
}

/// The words of all blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blocks<'a> {
    words: &'a [AtomicU32],
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'a> {
    pub(super) start: u32,
    words: &'a [AtomicU32],
    blocks: Blocks<'a>,
}

/// A node as look-ups read it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slots<'a> {
    words: &'a [AtomicU32; PADDING],
}

/// The prefixes that end in a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prefixes<'a> {
    pub(super) start: u32,
    /// One bit for each number.
    pub(super) numbers: u128,
    pub(super) values: &'a [AtomicU32],
}

impl<'a> Blocks<'a> {
    pub(super) const fn new(words: &'a [AtomicU32]) -> Self {
        Self { words }
    }

    /// The words from the start of a block.
    #[inline]
    pub(super) fn at(self, start: u32) -> &'a [AtomicU32] {
        self.words.get(start as usize * GRANULE..).unwrap_or_default()
    }

    #[inline]
    pub(super) fn target(self, edge: u32) -> Target<'a> {
        if !is_pointer(edge) {
            return Target::Leaf;
        }
        let start = edge::start(edge);
        let words = self.at(start);
        if is_node(edge) {
            Target::Node(Node { start, words, blocks: self })
        } else {
            Target::Bucket(Bucket::new(start, edge::form(edge), words))
        }
    }

    /// The node behind `edge`, to look slots up; anything for what is no node.
    #[inline]
    pub(super) fn slots(self, edge: u32) -> Option<Slots<'a>> {
        // The last place that a node can be read from; no node starts behind it.
        let last = self.words.len().checked_sub(PADDING)?;
        // As `edge::start` of a node: the bit of a pointer falls out.
        let start = edge.wrapping_mul(GRANULE as u32).wrapping_add(GRANULE as u32) as usize;
        let start = start.min(last);
        self.words.get(start..start + PADDING)?.first_chunk().map(|words| Slots { words })
    }

    /// The bucket behind `edge`.
    #[inline]
    pub(super) fn bucket(self, edge: u32) -> Bucket<'a> {
        let start = edge::start(edge);
        Bucket::new(start, edge::form(edge), self.at(start))
    }

    /// The words of the bucket behind `edge`, and perhaps some more, if it has the form [`WIDE`].
    #[inline]
    pub(super) fn wide_bucket(self, edge: u32) -> Option<&'a [AtomicU32; WIDE_WORDS]> {
        let start = edge::start(edge) as usize * GRANULE;
        let words = self.words.get(start..start + WIDE_WORDS)?.first_chunk();
        words.filter(|_| edge::form(edge) == WIDE)
    }

    /// The edge of a slot of the node behind `edge`; of anything for what is no node.
    #[inline]
    pub(super) fn step(self, edge: u32, slot: u32) -> u32 {
        self.slots(edge).map_or(NONE, |node| node.edge(node.runs_to(slot).count_ones().into()))
    }

    /// The edge that stands there.
    #[inline]
    pub(super) fn edge(self, place: u32) -> u32 {
        // Acquire: pairs with the store that published the block behind the edge.
        self.words.get(place as usize).map_or(NONE, |edge| edge.load(Acquire))
    }

    #[inline]
    pub(super) fn prefetch_word(self, hints: &impl Hints, place: u32) {
        if let Some(word) = self.words.get(place as usize) {
            hints.prefetch(word);
        }
    }

    /// Starts to load the first word of the block behind `edge`.
    #[inline]
    pub(super) fn prefetch_start(self, hints: &impl Hints, edge: u32) {
        let start = edge::start(edge).wrapping_mul(GRANULE as u32);
        self.prefetch_word(hints, select_unpredictable(is_pointer(edge), start, 0));
    }

    /// Starts to load what is read first of the block behind `edge`, which may lie on two lines.
    #[inline]
    pub(super) fn prefetch(self, hints: &impl Hints, edge: u32) {
        let start = if is_pointer(edge) { edge::start(edge) * GRANULE as u32 } else { 0 };
        self.prefetch_word(hints, start);
        self.prefetch_word(hints, start + 6);
    }

    /// Starts to load the numbers of the prefixes at `start` and the first values.
    #[inline]
    pub(super) fn prefetch_prefixes(self, hints: &impl Hints, start: u32) {
        let start = start.wrapping_mul(GRANULE as u32);
        self.prefetch_word(hints, start);
        self.prefetch_word(hints, start.wrapping_add(Prefixes::HEADER as u32 + 4));
    }

    /// The prefixes at `start`, or none at [`NONE`].
    pub(super) fn prefixes(self, start: u32) -> Prefixes<'a> {
        if start == NONE {
            return Prefixes::NONE;
        }
        let Some((numbers, values)) = self.at(start).split_at_checked(Prefixes::HEADER) else {
            return Prefixes::NONE;
        };
        let add = |sum, word: &AtomicU32| sum << 32 | u128::from(word.load(Relaxed));
        Prefixes { start, numbers: numbers.iter().rev().fold(0, add), values }
    }

    /// The answer of the bucket behind `edge`.
    #[inline]
    pub(super) fn answer<B: Bits>(self, edge: u32, bits: B) -> u32 {
        self.bucket(edge).answer(bits)
    }

    /// Follows `edge` to the value, or [`NONE`], of the address whose next bits are `bits`.
    #[inline]
    pub(super) fn follow<B: Bits>(self, mut edge: u32, mut bits: B) -> u32 {
        // No way is longer than `LEVELS` nodes.
        while is_node(edge) {
            edge = self.step(edge, bits.slot());
            bits = bits.behind_slot();
        }
        if is_bucket(edge) { self.answer(edge, bits) } else { edge }
    }

    /// Visits all blocks under an edge without recursion: `enter` says which slots of a node to
    /// follow, `leave` sees each block when all below it have been seen.
    pub(super) fn visit(
        self,
        edge: u32,
        mut enter: impl FnMut(Node<'a>) -> u64,
        mut leave: impl FnMut(Target<'a>),
    ) {
        let mut stack = [(0, 0); LEVELS];
        let mut depth = 0;
        let mut next = Some(edge);
        // Each turn follows an edge or leaves a node.
        for _ in 0..2 * self.words.len() + 2 {
            if let Some(edge) = next.take() {
                let target = self.target(edge);
                if let (Target::Node(node), Some(place)) = (target, stack.get_mut(depth)) {
                    *place = (edge, enter(node));
                    depth += 1;
                } else {
                    leave(target);
                }
            }
            let Some((edge, slots)) = depth.checked_sub(1).and_then(|top| stack.get_mut(top))
            else {
                break;
            };
            let Target::Node(node) = self.target(*edge) else { break };
            if *slots == 0 {
                depth -= 1;
                leave(Target::Node(node));
            } else {
                next = Some(node.follow(slots.trailing_zeros()));
                *slots &= *slots - 1;
            }
        }
    }
}

impl Slots<'_> {
    /// Starts to load what is read first.
    #[inline]
    pub(super) fn prefetch(self, hints: &impl Hints) {
        hints.prefetch(&self.words[Node::HEADER]);
    }

    /// Starts to load the edge of the slot up to which so many runs start behind the first one.
    #[inline]
    pub(super) fn prefetch_edge(self, hints: &impl Hints, runs: u64) {
        hints.prefetch(&self.words[Node::HEADER + runs as usize % SLOTS]);
    }

    /// The start of the block of its prefixes, or [`NONE`].
    #[inline]
    pub(super) fn prefix_block(self) -> u32 {
        // Acquire: pairs with the store in `set_prefixes`.
        self.words[0].load(Acquire)
    }

    /// One bit for each run up to that of a slot, without the first one.
    #[inline]
    pub(super) fn runs_to(self, slot: u32) -> u64 {
        let [_, low, high, ..] = self.words;
        up_to(starts(low, high), slot)
    }

    /// The edge of the slot up to which so many runs start behind the first one.
    #[inline]
    pub(super) fn edge(self, runs: u64) -> u32 {
        // Acquire: pairs with the store that published the block behind the edge.
        self.words[Node::HEADER + runs as usize % SLOTS].load(Acquire)
    }
}

impl<'a> Node<'a> {
    /// Words before the edges.
    pub(super) const HEADER: usize = 1 + STARTS;

    /// One bit for each slot with which a run starts.
    pub(super) fn runs(self) -> u64 {
        match self.words {
            [_, low, high, ..] => starts(low, high) | 1,
            _ => 0,
        }
    }

    /// The word of the edge of a slot, which is that of its whole run.
    pub(super) fn edge(self, slot: u32) -> Option<&'a AtomicU32> {
        self.edges().get(up_to(self.runs(), slot).count_ones().checked_sub(1)? as usize)
    }

    pub(super) fn follow(self, slot: u32) -> u32 {
        // Acquire: pairs with the store that published the block behind the edge.
        self.edge(slot).map_or(NONE, |edge| edge.load(Acquire))
    }

    /// The edges of the runs.
    pub(super) fn edges(self) -> &'a [AtomicU32] {
        self.words.get(Self::HEADER..).unwrap_or_default()
    }

    /// Slots that have a pointer, by the runs that the node has.
    pub(super) fn pointers(self, runs: u64) -> u64 {
        let mut edges = self.edges().iter().map(|edge| is_pointer(edge.load(Relaxed)));
        if !edges.clone().take(runs.count_ones() as usize).any(|pointer| pointer) {
            return 0;
        }
        bits(runs).fold(0, |slots, slot| slots | u64::from(edges.next() == Some(true)) << slot)
    }

    /// Publishes another block of prefixes.
    pub(super) fn set_prefixes(self, start: u32) {
        if let Some(word) = self.words.first() {
            word.store(start, Release);
        }
    }

    /// Publishes another edge of a slot that is a run.
    pub(super) fn set_edge(self, slot: u32, edge: u32) {
        if let Some(word) = self.edge(slot)
            && word.load(Relaxed) != edge
        {
            // Release: who follows this edge finds the block written.
            word.store(edge, Release);
        }
    }

    pub(super) fn words(self) -> usize {
        Self::HEADER + self.runs().count_ones() as usize
    }

    /// The start of the block of its prefixes, or [`NONE`].
    #[inline]
    pub(super) fn prefix_block(self) -> u32 {
        // Acquire: pairs with the store in `set_prefixes`.
        self.words.first().map_or(NONE, |word| word.load(Acquire))
    }

    pub(super) fn prefixes(self) -> Prefixes<'a> {
        self.blocks.prefixes(self.prefix_block())
    }
}

impl<'a> Prefixes<'a> {
    /// Words before the values.
    pub(super) const HEADER: usize = 4;
    pub(super) const NONE: Self = Self { start: NONE, numbers: 0, values: &[] };

    pub(super) fn words(self) -> usize {
        if self.start == NONE { 0 } else { Self::HEADER + self.numbers.count_ones() as usize }
    }

    /// The word of the value of a prefix.
    pub(super) fn value(self, number: u32) -> Option<&'a AtomicU32> {
        if self.numbers >> (number % u128::BITS) & 1 == 0 {
            return None;
        }
        self.values.get(self.before(number))
    }

    /// How many values are before that of a number.
    pub(super) fn before(self, number: u32) -> usize {
        let (low, high) = (self.numbers as u64, (self.numbers >> 64) as u64);
        let (half, before) = if number < 64 { (low, 0) } else { (high, low.count_ones()) };
        (before + (half & ((1 << (number % 64)) - 1)).count_ones()) as usize
    }

    /// Tells the values of the prefixes that cover a slot, and others that do not: how many there are
    /// could not be predicted.
    #[inline]
    pub(super) fn covering(self, slot: u32, mut tell: impl FnMut(u32, bool)) {
        let (low, high) = (self.numbers as u64, (self.numbers >> 64) as u64);
        let mut tell = |before: u64, behind: u64, covers| {
            let number = (before.count_ones() + behind.count_ones()) as usize;
            tell(self.values.get(number).map_or(NONE, |value| value.load(Acquire)), covers);
        };
        let slot = slot % u64::BITS;
        tell(low, high & ((1 << slot) - 1), high >> slot & 1 != 0);
        let leaf = number(slot, STRIDE);
        let mut shorter = low & (1..STRIDE).fold(0, |numbers, up| numbers | 1 << (leaf >> up));
        loop {
            tell(low & !shorter & shorter.wrapping_sub(1), 0, shorter != 0);
            shorter &= shorter.wrapping_sub(1);
            // Few prefixes of a node cover others of it.
            if shorter == 0 {
                return;
            }
        }
    }

    /// Numbers and values, in the order of the numbers.
    pub(super) fn iter(self) -> impl Iterator<Item = (u32, u32)> {
        wide_bits(self.numbers).zip(self.values.iter().map(|value| value.load(Relaxed)))
    }

    /// Whether a place is only held.
    pub(super) fn has_held(self) -> bool {
        let count = self.numbers.count_ones() as usize;
        self.values.iter().take(count).any(|value| value.load(Relaxed) == NONE)
    }

    /// Length and value of the longest prefix of at most `longest` bits that covers `slot`.
    pub(super) fn cover(self, slot: u32, longest: u32) -> Option<(u32, u32)> {
        let mut numbers = self.numbers & covering(slot, longest);
        while numbers != 0 {
            let number = numbers.ilog2();
            let value = self.value(number)?.load(Acquire);
            if value != NONE {
                return Some((of_number(number).1, value));
            }
            numbers ^= 1 << number;
        }
        None
    }
}

impl Target<'_> {
    /// Start, words and end of the region of each block that is only this one's.
    pub(super) fn parts(self) -> impl Iterator<Item = (u32, usize, End)> {
        let (block, prefixes) = match self {
            Self::Leaf => (None, None),
            Self::Bucket(bucket) => (Some((bucket.start, bucket.words(), End::Low)), None),
            Self::Node(node) => {
                let prefixes = node.prefixes();
                let of = (prefixes.start, prefixes.words(), End::High);
                let prefixes = (prefixes.start != NONE).then_some(of);
                (Some((node.start, node.words(), End::Low)), prefixes)
            }
        };
        block.into_iter().chain(prefixes)
    }
}

/// The starts of runs as they stand in a node.
#[inline]
fn starts(low: &AtomicU32, high: &AtomicU32) -> u64 {
    u64::from(low.load(Relaxed)) | u64::from(high.load(Relaxed)) << 32
}

/// The words of these runs.
pub(super) const fn words_of_runs(runs: u64) -> [u32; STARTS] {
    [runs as u32 & !1, (runs >> 32) as u32]
}

/// The bits of the slots up to `slot`.
#[inline]
const fn up_to(bits: u64, slot: u32) -> u64 {
    bits << (u64::BITS - 1 - slot % u64::BITS)
}
