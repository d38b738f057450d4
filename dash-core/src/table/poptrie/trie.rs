//! Changes of one trie: of the prefixes under one edge.
//!
//! A change has two parts. [`Trie::hold`] makes a place for a prefix, and [`Trie::release`] gives
//! it back; both copy one block and publish the copy by one store in the block above, whose runs
//! stay, and neither changes any answer. [`Trie::set`] changes answers, by stores of one word: of
//! the words of a prefix, each address meets exactly one.
use super::{
    super::TableError,
    address::{Bits, Prefix},
    atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, Release},
    },
    block::{Blocks, Node, Target},
    bucket::{Bucket, Entry, Found},
    draft::{Draft, add_entry, entries_of, write_bucket, write_entries, write_node},
    edge::{NONE, is_pointer},
    memory::Memory,
    root::{Direct, Root},
    slots::{LEVELS, STRIDE, bits, covered, number, slots},
};
use heapless::Vec;

/// The prefixes under one edge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trie<'a> {
    pub(super) edge: &'a AtomicU32,
    /// Bits of the address that led to the edge.
    pub(super) depth: u32,
    /// What addresses get that no prefix of the trie covers.
    pub(super) inherited: u32,
    /// Whether it stands apart from direct pointing, so that look-ups do not read it.
    pub(super) apart: bool,
    /// Whether a node is first, never a bucket: where direct pointing leads to it, most look-ups take
    /// the same steps then.
    pub(super) node_first: bool,
}

/// Where a prefix is or would be.
enum Place<'a> {
    /// Nothing is there but the edge.
    Leaf,
    Bucket(Bucket<'a>),
    /// Among the prefixes of a node, under this number.
    Node(Node<'a>, u32),
}

/// An edge on the way to a prefix, what is inherited there, and the slot that the way goes on by.
#[derive(Clone, Copy)]
struct Step<'a> {
    edge: &'a AtomicU32,
    inherited: u32,
    slot: u32,
}

/// The way to a prefix: the edges of all nodes above its place, and that place.
struct Way<'a> {
    nodes: Vec<Step<'a>, LEVELS>,
    /// The edge of the place, and what is inherited there.
    edge: &'a AtomicU32,
    inherited: u32,
    place: Place<'a>,
    /// The prefix as an entry of its bucket.
    entry: Entry,
}

impl<'a> Trie<'a> {
    /// The prefixes of at most as many bits as direct pointing, or all.
    pub(super) fn short(root: &Root<'a>) -> Self {
        let apart = root.direct != Direct::Bits0;
        Self { edge: root.short, depth: 0, inherited: NONE, apart, node_first: false }
    }

    /// The longer prefixes that begin with the first bits of `address`, if they stand apart.
    pub(super) fn long(root: &Root<'a>, address: u128, inherited: u32) -> Option<Self> {
        let depth = root.direct.bits();
        let edge = root.edges_by_head().get(address.head(depth)).filter(|_| depth > 0)?;
        Some(Self { edge, depth, inherited, apart: false, node_first: true })
    }

    /// The trie that `prefix` belongs to; the default route belongs to none. Without what a long
    /// one inherits.
    pub(super) fn of(root: &Root<'a>, prefix: Prefix) -> Option<Self> {
        if prefix.length == 0 {
            None
        } else if prefix.length > root.direct.bits() {
            Self::long(root, prefix.address, NONE).or(Some(Self::short(root)))
        } else {
            Some(Self::short(root))
        }
    }

    /// Finds the place of `prefix`, which is longer than the trie is deep.
    fn way(&self, blocks: Blocks<'a>, prefix: Prefix) -> Option<Way<'a>> {
        let mut bits = prefix.address.behind(self.depth);
        let mut length = prefix.length.checked_sub(self.depth)?;
        let Self { mut edge, mut inherited, .. } = *self;
        let mut nodes = Vec::new();
        for _ in 0..=LEVELS {
            let place = match blocks.target(edge.load(Relaxed)) {
                Target::Leaf => Place::Leaf,
                Target::Bucket(bucket) => Place::Bucket(bucket),
                Target::Node(node) if length <= STRIDE => {
                    Place::Node(node, number(bits.slot() >> (STRIDE - length), length))
                }
                Target::Node(node) => {
                    let slot = bits.slot();
                    nodes.push(Step { edge, inherited, slot }).ok()?;
                    if let Some((_, value)) = node.prefixes().cover(slot, STRIDE) {
                        inherited = value;
                    }
                    edge = node.edge(slot)?;
                    bits = bits.behind_slot();
                    length -= STRIDE;
                    continue;
                }
            };
            let entry = Entry { bits, length, value: NONE };
            return Some(Way { nodes, edge, inherited, place, entry });
        }
        None
    }

    /// Makes a place for `prefix`, unless it has one; with `keep`, without giving up others that
    /// are only held.
    pub(super) fn hold(
        &self,
        memory: &mut Memory<'a>,
        prefix: Prefix,
        keep: bool,
    ) -> Result<(), TableError> {
        let blocks = memory.blocks();
        let Way { nodes, edge, place, entry, .. } =
            self.way(blocks, prefix).ok_or(TableError::CapacityTooLarge)?;
        match place {
            Place::Node(node, number) => {
                if node.prefixes().value(number).is_none() {
                    let mut draft = Draft::of(node, keep);
                    draft.add(number, NONE);
                    replace_node(memory, edge, node, &draft)?;
                }
                Ok(())
            }
            Place::Bucket(bucket) => {
                if value_in(bucket, &entry).is_some() {
                    return Ok(());
                }
                memory.reserve(1)?;
                let mut entries = entries_of(bucket, keep);
                add_entry(&mut entries, entry);
                let inherited = bucket.inherited().map_or(NONE, |word| word.load(Relaxed));
                let new = write_entries(memory, inherited, entries)?;
                edge.store(new, Release);
                retire_bucket(memory, bucket);
                Ok(())
            }
            Place::Leaf => {
                let inherited = edge.load(Relaxed);
                let Some(above) = nodes.last() else {
                    let new = if self.node_first {
                        write_node(memory, inherited, &[entry])?
                    } else {
                        write_bucket(memory, inherited, &[entry])?
                    };
                    edge.store(new, Release);
                    return Ok(());
                };
                let Target::Node(node) = blocks.target(above.edge.load(Relaxed)) else {
                    return Ok(());
                };
                let new = write_bucket(memory, inherited, &[entry])?;
                let mut draft = Draft::of(node, keep);
                draft.set_pointer(above.slot, new);
                let replaced = replace_node(memory, above.edge, node, &draft);
                if replaced.is_err() {
                    memory.give_tree(new);
                }
                replaced
            }
        }
    }

    /// Changes the value of `prefix`, which has a place, to `value` or to [`NONE`], and with
    /// `spread` the edges that it covers; the old one.
    pub(super) fn set(&self, blocks: Blocks<'a>, prefix: Prefix, value: u32, spread: bool) -> u32 {
        let Some(way) = self.way(blocks, prefix) else { return NONE };
        match way.place {
            Place::Leaf => NONE,
            Place::Bucket(bucket) => {
                let Some(word) = value_in(bucket, &way.entry) else { return NONE };
                let old = word.load(Relaxed);
                // Release: who reads this value sees what was written before it.
                word.store(value, Release);
                old
            }
            Place::Node(node, number) => {
                let prefixes = node.prefixes();
                let Some(word) = prefixes.value(number) else { return NONE };
                let old = word.load(Relaxed);
                word.store(value, Release);
                if !spread {
                    return old;
                }
                let (first, _) = slots(number);
                let length = way.entry.length;
                let edge = match prefixes.cover(first, length) {
                    Some((_, value)) => value,
                    None => way.inherited,
                };
                // The runs of a prefix follow each other, and so do their edges.
                let runs = node.runs();
                let before = (runs & ((1 << first) - 1)).count_ones() as usize;
                let edges = node.edges().iter().skip(before);
                for (slot, word) in bits(runs & covered(number)).zip(edges) {
                    let longer = prefixes.cover(slot, STRIDE);
                    if longer.is_none_or(|(longer, _)| longer <= length) {
                        inherit(blocks, word, edge);
                    }
                }
                old
            }
        }
    }

    /// The value of exactly `prefix`, or [`NONE`].
    pub(super) fn get(&self, blocks: Blocks<'a>, prefix: Prefix) -> u32 {
        let mut bits = prefix.address.behind(self.depth);
        let mut length = prefix.length.saturating_sub(self.depth);
        let mut edge = self.edge.load(Acquire);
        for _ in 0..LEVELS {
            let word = match blocks.target(edge) {
                Target::Leaf => None,
                Target::Bucket(bucket) => value_in(bucket, &Entry { bits, length, value: NONE }),
                Target::Node(node) if length <= STRIDE => {
                    node.prefixes().value(number(bits.slot() >> (STRIDE - length), length))
                }
                Target::Node(node) => {
                    edge = node.follow(bits.slot());
                    bits = bits.behind_slot();
                    length -= STRIDE;
                    continue;
                }
            };
            return word.map_or(NONE, |word| word.load(Acquire));
        }
        NONE
    }

    /// Length and value of the longest prefix that covers `address`.
    pub(super) fn longest(&self, blocks: Blocks<'a>, address: u128) -> Option<(u32, u32)> {
        let mut bits = address.behind(self.depth);
        let mut depth = self.depth;
        let mut edge = self.edge.load(Acquire);
        let mut longest = None;
        for _ in 0..LEVELS {
            let found = match blocks.target(edge) {
                Target::Leaf => return longest,
                Target::Bucket(bucket) => {
                    edge = NONE;
                    bucket.cover(bits)
                }
                Target::Node(node) => {
                    edge = node.follow(bits.slot());
                    node.prefixes().cover(bits.slot(), STRIDE)
                }
            };
            longest = found.map(|(length, value)| (depth + length, value)).or(longest);
            bits = bits.behind_slot();
            depth += STRIDE;
        }
        longest
    }

    /// Gives back the place of `prefix` if it is only held, and with it what is needed no more on
    /// the way to it. Where there is no memory for the smaller copy, the place stays, and goes with
    /// the next change of its block.
    pub(super) fn release(&self, memory: &mut Memory<'a>, prefix: Prefix, keep: bool) {
        let blocks = memory.blocks();
        let Some(way) = self.way(blocks, prefix) else { return };
        match way.place {
            Place::Leaf => return,
            Place::Bucket(bucket) => {
                if !value_in(bucket, &way.entry).is_some_and(is_held) || memory.reserve(1).is_err()
                {
                    return;
                }
                let mut entries = entries_of(bucket, true);
                entries.retain(|entry| {
                    (entry.length, entry.bits) != (way.entry.length, way.entry.bits)
                        && (keep || entry.value != NONE)
                });
                let inherited = bucket.inherited().map_or(NONE, |word| word.load(Relaxed));
                let new = if entries.is_empty() {
                    inherited
                } else {
                    let Ok(new) = write_bucket(memory, inherited, &entries) else { return };
                    new
                };
                way.edge.store(new, Release);
                retire_bucket(memory, bucket);
            }
            Place::Node(node, number) => {
                if !node.prefixes().value(number).is_some_and(is_held) {
                    return;
                }
                let mut draft = Draft::of(node, keep);
                draft.remove(number);
                let first = self.node_first && way.nodes.is_empty();
                if !shrink(memory, way.edge, way.inherited, node, &draft, [keep, first]) {
                    return;
                }
            }
        }
        for (number, step) in way.nodes.iter().enumerate().rev() {
            let Target::Node(node) = blocks.target(step.edge.load(Relaxed)) else { return };
            let draft = Draft::of(node, keep);
            let first = self.node_first && number == 0;
            if !shrink(memory, step.edge, step.inherited, node, &draft, [keep, first]) {
                return;
            }
        }
    }
}

/// Replaces a node by its draft or, where few prefixes are left, by a bucket, or nothing where none
/// is left; the `first` one by nothing only. Answers whether the node above may have too few now.
fn shrink<'a>(
    memory: &mut Memory<'a>,
    edge: &AtomicU32,
    inherited: u32,
    node: Node<'a>,
    draft: &Draft<'a>,
    [keep, first]: [bool; 2],
) -> bool {
    let entries = draft.entries(memory, keep).filter(|few| !first || few.is_empty());
    let Some(entries) = entries else {
        // Refused, the node stays as it is, which is right too.
        let _ = replace_node(memory, edge, node, draft);
        return false;
    };
    let buckets = node.pointers(node.runs());
    if memory.reserve(2 + buckets.count_ones() as usize).is_err() {
        return false;
    }
    let new = if entries.is_empty() {
        inherited
    } else {
        let Ok(new) = write_bucket(memory, inherited, &entries) else { return false };
        new
    };
    edge.store(new, Release);
    for slot in bits(buckets) {
        if let Target::Bucket(bucket) = memory.blocks().target(node.follow(slot)) {
            retire_bucket(memory, bucket);
        }
    }
    retire_node(memory, node);
    true
}

/// Publishes a draft in the place of a node. Where the runs stay, the node stays too: a change is the
/// one word that leads to its prefixes, or that of one edge.
fn replace_node<'a>(
    memory: &mut Memory<'a>,
    edge: &AtomicU32,
    node: Node<'a>,
    draft: &Draft<'a>,
) -> Result<(), TableError> {
    let runs = draft.runs();
    if draft.is_unchanged(runs) {
        return Ok(());
    }
    memory.reserve(2)?;
    if draft.keeps(runs) {
        return draft.write_into(memory, node);
    }
    let new = draft.write_alone(memory, runs)?;
    // Release: who follows this edge finds the block written.
    edge.store(new, Release);
    retire_node(memory, node);
    Ok(())
}

fn retire_node(memory: &mut Memory<'_>, node: Node<'_>) {
    for (start, words, end) in Target::Node(node).parts() {
        memory.retire(start, words, end);
    }
}

fn retire_bucket(memory: &mut Memory<'_>, bucket: Bucket<'_>) {
    for (start, words, end) in Target::Bucket(bucket).parts() {
        memory.retire(start, words, end);
    }
}

/// Gives `edge` to all addresses behind `word` that no prefix from there on covers.
pub(super) fn inherit(blocks: Blocks<'_>, word: &AtomicU32, edge: u32) {
    let old = word.load(Relaxed);
    if !is_pointer(old) {
        // Release: as in `set`.
        word.store(edge, Release);
        return;
    }
    blocks.visit(
        old,
        |node| {
            let prefixes = node.prefixes();
            let mut pointers = 0;
            for (slot, word) in bits(node.runs()).zip(node.edges()) {
                if prefixes.cover(slot, STRIDE).is_some() {
                    continue;
                }
                if is_pointer(word.load(Relaxed)) {
                    pointers |= 1 << slot;
                } else {
                    word.store(edge, Release);
                }
            }
            pointers
        },
        |target| {
            if let Target::Bucket(bucket) = target
                && let Some(inherited) = bucket.inherited()
            {
                inherited.store(edge, Release);
            }
        },
    );
}

/// The word of the value of an entry.
fn value_in<'a>(bucket: Bucket<'a>, entry: &Entry) -> Option<&'a AtomicU32> {
    let same = |found: &Found<'_>| found.length == entry.length && found.bits == entry.bits;
    bucket.entries().find(same).map(|found| found.value)
}

fn is_held(value: &AtomicU32) -> bool {
    value.load(Relaxed) == NONE
}
