//! Blocks while they are written: nothing here is seen by a reader before its edge is stored.
use super::{
    super::TableError,
    address::Bits,
    arena::End,
    atomic::{AtomicU32, Ordering::Relaxed},
    block::{Node, Prefixes, Target, words_of_runs},
    bucket::{Bucket, ENTRIES, Entries, Entry, Found, words_of},
    edge::{NONE, bucket_edge, is_pointer, node_edge},
    memory::Memory,
    slots::{LEVELS, STRIDE, bits, covered, of_number, runs_of, wide_bits},
};
use core::{mem, slice};
use heapless::Vec;

/// The entries of a bucket; with `keep` also the places that are only held.
pub(super) fn entries_of(bucket: Bucket<'_>, keep: bool) -> Entries {
    let mut entries = Entries::new();
    for Found { length, bits, value } in bucket.entries() {
        let value = value.load(Relaxed);
        if keep || value != NONE {
            // A bucket has fewer than fit.
            let _ = entries.push(Entry { bits, length, value });
        }
    }
    entries
}

/// Adds an entry behind those that are longer. Answers whether there was room.
pub(super) fn add_entry(entries: &mut Entries, entry: Entry) -> bool {
    if entries.push(entry).is_err() {
        return false;
    }
    let mut rest = entries.as_mut_slice();
    while let [.., before, last] = rest {
        if before.length >= last.length {
            break;
        }
        mem::swap(before, last);
        rest = rest.split_last_mut().map_or(&mut [], |(_, rest)| rest);
    }
    true
}

/// Writes a bucket of at most [`ENTRIES`] entries, the longest first; its edge.
pub(super) fn write_bucket(
    memory: &mut Memory<'_>,
    inherited: u32,
    entries: &[Entry],
) -> Result<u32, TableError> {
    let (form, words) = words_of(inherited, entries, memory.keys);
    let start = memory.take(words.len(), End::Low)?;
    write(memory.blocks().at(start), words);
    Ok(bucket_edge(start, form))
}

/// Writes the block for any entries, the longest first: a bucket if they fit, else nodes down to
/// where they part.
pub(super) fn write_entries(
    memory: &mut Memory<'_>,
    inherited: u32,
    mut entries: Entries,
) -> Result<u32, TableError> {
    if entries.len() <= ENTRIES {
        return write_bucket(memory, inherited, &entries);
    }
    let mut shared = Vec::<u32, LEVELS>::new();
    while let Some(slot) = shared_slot(&entries) {
        if shared.push(slot).is_err() {
            break;
        }
        for entry in &mut entries {
            *entry = entry.behind_slot();
        }
    }
    let mut edge = write_node(memory, inherited, &entries)?;
    for slot in shared.iter().rev() {
        let mut draft = Draft::new(inherited);
        draft.set_pointer(*slot, edge);
        edge = draft.write(memory)?;
    }
    Ok(edge)
}

/// The slot that all entries lie behind.
fn shared_slot(entries: &[Entry]) -> Option<u32> {
    let slot = entries.first()?.bits.slot();
    let behind = |entry: &Entry| entry.length > STRIDE && entry.bits.slot() == slot;
    entries.iter().all(behind).then_some(slot)
}

/// Writes a node for entries of which no slot has more than fit into a bucket.
pub(super) fn write_node(
    memory: &mut Memory<'_>,
    inherited: u32,
    entries: &[Entry],
) -> Result<u32, TableError> {
    let mut draft = Draft::new(inherited);
    for entry in entries.iter().filter(|entry| entry.length <= STRIDE) {
        draft.add(entry.number(), entry.value);
    }
    for entry in entries.iter().filter(|entry| entry.length > STRIDE) {
        let slot = entry.bits.slot();
        let inherited = draft.edge(slot);
        if is_pointer(inherited) {
            continue;
        }
        let mut behind = Entries::new();
        for other in entries {
            if other.length > STRIDE && other.bits.slot() == slot {
                // There are fewer than `entries`.
                let _ = behind.push(other.behind_slot());
            }
        }
        match write_bucket(memory, inherited, &behind) {
            Ok(edge) => draft.set_pointer(slot, edge),
            Err(error) => {
                draft.give_pointers(memory);
                return Err(error);
            }
        }
    }
    draft.write(memory)
}

fn write(block: &[AtomicU32], words: impl IntoIterator<Item = u32>) {
    for (to, word) in block.iter().zip(words) {
        to.store(word, Relaxed);
    }
}

/// Words that are copied from an old block into a new one, some left out and some put between.
struct Copy<'a> {
    from: slice::Iter<'a, AtomicU32>,
    to: slice::Iter<'a, AtomicU32>,
    /// Words taken from the old block.
    taken: usize,
}

impl<'a> Copy<'a> {
    fn new(from: &'a [AtomicU32], to: &'a [AtomicU32]) -> Self {
        Self { from: from.iter(), to: to.iter(), taken: 0 }
    }

    /// Copies until `count` words are taken or the new block is full; the last one that was copied.
    #[inline(never)]
    fn up_to(&mut self, count: usize) -> Option<u32> {
        let count = count.saturating_sub(mem::replace(&mut self.taken, count));
        let mut last = None;
        for (to, from) in self.to.by_ref().take(count).zip(self.from.by_ref()) {
            let word = from.load(Relaxed);
            to.store(word, Relaxed);
            last = Some(word);
        }
        last
    }

    /// Leaves a word out, and answers it.
    fn skip(&mut self) -> Option<u32> {
        self.taken += 1;
        self.from.next().map(|word| word.load(Relaxed))
    }

    fn put(&mut self, word: u32) {
        if let Some(to) = self.to.next() {
            to.store(word, Relaxed);
        }
    }
}

/// What is added to a node: as much as a bucket that becomes one has.
type Few = Vec<(u32, u32), { ENTRIES + 1 }>;

fn find(few: &Few, number: u32) -> Option<u32> {
    few.iter().find(|(of, _)| *of == number).map(|(_, word)| *word)
}

/// A node that is to be written: what it is made from and what differs.
#[derive(Clone, Debug)]
pub(super) struct Draft<'a> {
    /// The runs of the node that it is made from, and their edges; without one all slots have the
    /// edge `inherited`.
    from: u64,
    edges: &'a [AtomicU32],
    inherited: u32,
    /// The prefixes of that node, and those that the new one has.
    old: Prefixes<'a>,
    numbers: u128,
    added: Few,
    /// Slots whose edge is a pointer, and such edges that are new.
    pointers: u64,
    set: Few,
    /// Slots whose edge differs.
    differ: u64,
}

impl<'a> Draft<'a> {
    /// A node without prefixes, all slots of which have the edge `inherited`.
    pub(super) const fn new(inherited: u32) -> Self {
        Self {
            from: 0,
            edges: &[],
            inherited,
            old: Prefixes::NONE,
            numbers: 0,
            added: Few::new(),
            pointers: 0,
            set: Few::new(),
            differ: 0,
        }
    }

    /// A copy of `node`; with `keep` also of the places that are only held.
    pub(super) fn of(node: Node<'a>, keep: bool) -> Self {
        let (from, old) = (node.runs(), node.prefixes());
        let mut numbers = old.numbers;
        if !keep && old.has_held() {
            for (number, _) in old.iter().filter(|(_, value)| *value == NONE) {
                numbers &= !(1 << number);
            }
        }
        let edges = node.edges();
        Self { from, edges, old, numbers, pointers: node.pointers(from), ..Self::new(NONE) }
    }

    pub(super) fn runs(&self) -> u64 {
        runs_of(self.pointers, self.numbers)
    }

    /// Whether with these runs it has the runs of the node that it was made from.
    pub(super) const fn keeps(&self, runs: u64) -> bool {
        self.from == runs
    }

    /// Whether with these runs it is as that node.
    pub(super) const fn is_unchanged(&self, runs: u64) -> bool {
        self.keeps(runs) && self.differ == 0 && self.old.numbers == self.numbers
    }

    /// Makes the edge of a slot a pointer.
    pub(super) fn set_pointer(&mut self, slot: u32, edge: u32) {
        // There are at most as many as entries of a bucket that becomes a node.
        if self.set.push((slot, edge)).is_ok() {
            self.pointers |= 1 << slot;
            self.differ |= 1 << slot;
        }
    }

    /// Adds a prefix; with a value it is that of the slots that no longer one covers, which is for
    /// a new node.
    pub(super) fn add(&mut self, number: u32, value: u32) {
        if self.added.push((number, value)).is_ok() {
            self.numbers |= 1 << number;
            if value != NONE {
                self.differ |= covered(number);
            }
        }
    }

    /// Takes a prefix out; the edges stay.
    pub(super) fn remove(&mut self, number: u32) {
        self.numbers &= !(1 << (number % u128::BITS));
    }

    /// The edge of a slot if it differs.
    fn other(&self, slot: u32) -> Option<u32> {
        if self.differ >> slot & 1 == 0 {
            return None;
        }
        let covers = |number: u32, value| value != NONE && covered(number) >> slot & 1 != 0;
        let covering = self.added.iter().filter(|(number, value)| covers(*number, *value));
        // The longest has the highest number.
        find(&self.set, slot).or_else(|| covering.max().map(|(_, value)| *value))
    }

    fn edge(&self, slot: u32) -> u32 {
        self.edges(1 << slot).next().unwrap_or(NONE)
    }

    /// The edges of these runs.
    fn edges(&self, runs: u64) -> impl Iterator<Item = u32> {
        let (mut edge, mut edges) = (self.inherited, self.edges.iter());
        bits(self.from | runs).filter_map(move |slot| {
            if self.from >> slot & 1 != 0 {
                edge = edges.next().map_or(NONE, |edge| edge.load(Relaxed));
            }
            (runs >> slot & 1 != 0).then(|| self.other(slot).unwrap_or(edge))
        })
    }

    /// Numbers and values.
    fn prefixes(&self) -> impl Iterator<Item = (u32, u32)> {
        let mut old = self.old.iter();
        wide_bits(self.old.numbers | self.numbers).filter_map(move |number| {
            let bit = 1 << number;
            let value = if self.old.numbers & bit == 0 {
                find(&self.added, number)
            } else {
                old.next().map(|(_, value)| value)
            };
            (self.numbers & bit != 0).then_some((number, value.unwrap_or(NONE)))
        })
    }

    /// All prefixes as those of a bucket in the node's place, if they are few and no node is below.
    pub(super) fn entries(&self, memory: &Memory<'_>, keep: bool) -> Option<Entries> {
        let mut entries = Entries::new();
        if self.numbers.count_ones() as usize > FEW {
            return None;
        }
        for (number, value) in self.prefixes() {
            let (bits, length) = of_number(number);
            let bits = u128::from(bits) << (u128::BITS - length);
            if !add_entry(&mut entries, Entry { bits, length, value }) {
                return None;
            }
        }
        for slot in bits(self.pointers) {
            let Target::Bucket(bucket) = memory.blocks().target(self.edge(slot)) else {
                return None;
            };
            for entry in entries_of(bucket, keep) {
                if !add_entry(&mut entries, entry.before_slot(slot)) {
                    return None;
                }
            }
        }
        (entries.len() <= FEW).then_some(entries)
    }

    /// Writes a new node; its edge. When that is refused, the blocks behind it are given back.
    fn write(&self, memory: &mut Memory<'_>) -> Result<u32, TableError> {
        let written = self.write_alone(memory, self.runs());
        if written.is_err() {
            self.give_pointers(memory);
        }
        written
    }

    /// Writes the node, whose runs are these; its edge.
    pub(super) fn write_alone(
        &self,
        memory: &mut Memory<'_>,
        runs: u64,
    ) -> Result<u32, TableError> {
        let words = Node::HEADER + runs.count_ones() as usize;
        let start = memory.take(words, End::Low)?;
        let prefixes = match self.write_prefixes(memory) {
            Ok(prefixes) => prefixes,
            Err(error) => {
                memory.give(start, words, End::Low);
                return Err(error);
            }
        };
        let block = memory.blocks().at(start).get(..words).unwrap_or_default();
        write(block, [prefixes].into_iter().chain(words_of_runs(runs)));
        let mut copy = Copy::new(self.edges, block.get(Node::HEADER..).unwrap_or_default());
        let mut edge = self.inherited;
        for slot in bits((self.from ^ runs) | self.differ) {
            let before = (self.from & ((1 << slot) - 1)).count_ones() as usize;
            edge = copy.up_to(before).unwrap_or(edge);
            if self.from >> slot & 1 != 0 {
                edge = copy.skip().unwrap_or(edge);
            }
            if runs >> slot & 1 != 0 {
                copy.put(self.other(slot).unwrap_or(edge));
            }
        }
        copy.up_to(usize::MAX);
        Ok(node_edge(start))
    }

    /// Writes what differs into the node that it was made from, whose runs are the same.
    pub(super) fn write_into(
        &self,
        memory: &mut Memory<'_>,
        node: Node<'_>,
    ) -> Result<(), TableError> {
        if self.old.numbers != self.numbers {
            node.set_prefixes(self.write_prefixes(memory)?);
            if self.old.start != NONE {
                memory.retire(self.old.start, self.old.words(), End::High);
            }
        }
        for (slot, edge) in &self.set {
            node.set_edge(*slot, *edge);
        }
        Ok(())
    }

    fn write_prefixes(&self, memory: &mut Memory<'_>) -> Result<u32, TableError> {
        if self.numbers == 0 {
            return Ok(NONE);
        }
        let words = Prefixes::HEADER + self.numbers.count_ones() as usize;
        let start = memory.take(words, End::High)?;
        let block = memory.blocks().at(start).get(..words).unwrap_or_default();
        write(block, [0, 32, 64, 96].map(|shift| (self.numbers >> shift) as u32));
        let old = self.old.values;
        let mut copy = Copy::new(old, block.get(Prefixes::HEADER..).unwrap_or_default());
        for number in wide_bits(self.old.numbers ^ self.numbers) {
            copy.up_to(self.old.before(number));
            if self.numbers >> number & 1 == 0 {
                copy.skip();
            } else {
                copy.put(find(&self.added, number).unwrap_or(NONE));
            }
        }
        copy.up_to(usize::MAX);
        Ok(start)
    }

    fn give_pointers(&self, memory: &mut Memory<'_>) {
        for (_, edge) in &self.set {
            memory.give_tree(*edge);
        }
    }
}

/// At most so many prefixes under a node become a bucket; fewer than [`ENTRIES`], so that one that
/// comes and goes does not make and unmake a node.
const FEW: usize = ENTRIES - 1;
