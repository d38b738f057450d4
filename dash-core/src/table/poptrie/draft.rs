//! Blocks while they are written: nothing here is seen by a reader before its edge is stored.
use super::{
    super::TableError,
    address::Bits,
    arena::End,
    atomic::Ordering::Relaxed,
    block::{
        LEVELS, NONE, Node, Prefixes, STRIDE, Target, bits, is_pointer, node_edge, number,
        of_number, ranks_of, wide_bits,
    },
    bucket::{Bucket, ENTRIES, Found, write_bucket},
    memory::Memory,
};
use heapless::Vec;

const SLOTS: usize = 1 << STRIDE;
/// Entries of a bucket that has one too many.
pub(super) type Entries = Vec<Entry, { ENTRIES + 1 }>;

/// A prefix as a bucket has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Left aligned; the bits behind the prefix are 0.
    pub(super) bits: u128,
    pub(super) length: u32,
    pub(super) value: u32,
}

impl Entry {
    /// The number of a prefix of at most [`STRIDE`] bits in its node.
    fn number(&self) -> u32 {
        let behind = STRIDE.saturating_sub(self.length);
        number(self.bits.slot() >> behind, STRIDE - behind)
    }

    fn behind_slot(self) -> Self {
        Self { bits: self.bits.behind_slot(), length: self.length - STRIDE, ..self }
    }

    fn before_slot(self, slot: u32) -> Self {
        let bits = self.bits >> STRIDE | u128::from(slot) << (u128::BITS - STRIDE);
        Self { bits, length: self.length + STRIDE, ..self }
    }
}

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
        core::mem::swap(before, last);
        rest = rest.split_last_mut().map_or(&mut [], |(_, rest)| rest);
    }
    true
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
        draft.set_edge(*slot, edge);
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
    for entry in entries.iter().rev().filter(|entry| entry.length <= STRIDE) {
        draft.add(entry.number(), entry.value);
        if entry.value != NONE {
            draft.fill(entry.number(), entry.value);
        }
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
            Ok(edge) => draft.set_edge(slot, edge),
            Err(error) => {
                draft.give_pointers(memory);
                return Err(error);
            }
        }
    }
    draft.write(memory)
}

/// A node with its prefixes by number.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// The runs that have an edge each in `edges`: at first those of the node that it was made from.
    from: u64,
    edges: [u32; SLOTS],
    /// Slots whose edge is a pointer.
    pointers: u64,
    numbers: u128,
    values: [u32; 2 * SLOTS],
}

impl Draft {
    /// A node without prefixes, all slots of which have `edge`.
    pub(super) fn new(edge: u32) -> Self {
        Self { from: 1, edges: [edge; SLOTS], pointers: 0, numbers: 0, values: [NONE; 2 * SLOTS] }
    }

    /// A copy of `node`; with `keep` also of the places that are only held.
    pub(super) fn of(node: Node<'_>, keep: bool) -> Self {
        let mut draft = Self { from: node.runs(), ..Self::new(NONE) };
        for ((to, edge), slot) in draft.edges.iter_mut().zip(node.edges()).zip(bits(draft.from)) {
            *to = edge.load(Relaxed);
            draft.pointers |= u64::from(is_pointer(*to)) << slot;
        }
        let prefixes = node.prefixes();
        for (number, value) in prefixes.iter() {
            if keep || value != NONE {
                draft.add(number, value);
            }
        }
        draft
    }

    pub(super) const fn numbers(&self) -> u128 {
        self.numbers
    }

    /// The place of the edge of a slot.
    const fn place(&self, slot: u32) -> usize {
        (self.from << (63 - slot % u64::BITS)).count_ones().saturating_sub(1) as usize
    }

    pub(super) fn edge(&self, slot: u32) -> u32 {
        self.edges.get(self.place(slot)).copied().unwrap_or(NONE)
    }

    /// The edges, one for each slot.
    fn spread(&mut self) -> &mut [u32; SLOTS] {
        // From the last one: no edge stands behind its slot.
        for slot in (0..SLOTS).rev() {
            self.edges[slot] = self.edge(slot as u32);
        }
        self.from = u64::MAX;
        &mut self.edges
    }

    pub(super) fn set_edge(&mut self, slot: u32, edge: u32) {
        if let Some(to) = self.spread().get_mut(slot as usize) {
            *to = edge;
            self.pointers &= !(1 << slot);
            self.pointers |= u64::from(is_pointer(edge)) << slot;
        }
    }

    /// Adds a prefix; the edges stay.
    pub(super) fn add(&mut self, number: u32, value: u32) {
        if let Some(to) = self.values.get_mut(number as usize) {
            *to = value;
            self.numbers |= 1 << number;
        }
    }

    /// Takes a prefix out; the edges stay.
    pub(super) fn remove(&mut self, number: u32) {
        self.numbers &= !(1 << (number % u128::BITS));
    }

    /// Sets the edges of all slots of a prefix.
    fn fill(&mut self, number: u32, edge: u32) {
        let (first, count) = slots(number);
        for to in self.spread().iter_mut().skip(first as usize).take(count as usize) {
            *to = edge;
        }
    }

    fn prefixes(&self) -> impl Iterator<Item = (u32, u32)> {
        wide_bits(self.numbers)
            .map(|number| (number, self.values.get(number as usize).copied().unwrap_or(NONE)))
    }

    /// The slots with which a run starts: where a prefix starts and behind its end, and likewise
    /// of a pointer.
    pub(super) fn runs(&self) -> u64 {
        // The numbers of the prefixes of one slot are 64 and more.
        let alone = self.pointers | (self.numbers >> SLOTS) as u64;
        let mut runs = 1 | alone | alone << 1;
        for number in bits(self.numbers as u64) {
            let (first, count) = slots(number);
            runs |= 1 << first | 1_u64.checked_shl(first + count).unwrap_or(0);
        }
        runs
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

    /// Writes the node; its edge. When that is refused, the blocks behind it are given back.
    fn write(&self, memory: &mut Memory<'_>) -> Result<u32, TableError> {
        let written = self.write_alone(memory);
        if written.is_err() {
            self.give_pointers(memory);
        }
        written
    }

    /// Writes the node; its edge.
    pub(super) fn write_alone(&self, memory: &mut Memory<'_>) -> Result<u32, TableError> {
        let runs = self.runs();
        let words = Node::HEADER + runs.count_ones() as usize;
        let start = memory.take(words, End::Low)?;
        let prefixes = match self.write_prefixes(memory) {
            Ok(prefixes) => prefixes,
            Err(error) => {
                memory.give(start, words, End::Low);
                return Err(error);
            }
        };
        let edges = bits(runs).map(|slot| self.edge(slot));
        let block = [prefixes].into_iter().chain(ranks_of(runs)).chain(edges);
        for (to, word) in memory.blocks().at(start).iter().zip(block) {
            to.store(word, Relaxed);
        }
        Ok(node_edge(start))
    }

    /// Writes what differs into the node that it was made from, whose runs are the same.
    pub(super) fn write_into(
        &self,
        memory: &mut Memory<'_>,
        node: Node<'_>,
    ) -> Result<(), TableError> {
        let old = node.prefixes();
        if old.numbers != self.numbers {
            node.set_prefixes(self.write_prefixes(memory)?);
            if old.start != NONE {
                memory.retire(old.start, old.words(), End::High);
            }
        }
        for slot in bits(self.pointers) {
            node.set_edge(slot, self.edge(slot));
        }
        Ok(())
    }

    fn write_prefixes(&self, memory: &mut Memory<'_>) -> Result<u32, TableError> {
        if self.numbers == 0 {
            return Ok(NONE);
        }
        let words = Prefixes::HEADER + self.numbers.count_ones() as usize;
        let start = memory.take(words, End::High)?;
        let header = [0, 32, 64, 96].map(|shift| (self.numbers >> shift) as u32);
        let words = header.into_iter().chain(self.prefixes().map(|(_, value)| value));
        for (to, word) in memory.blocks().at(start).iter().zip(words) {
            to.store(word, Relaxed);
        }
        Ok(start)
    }

    fn give_pointers(&self, memory: &mut Memory<'_>) {
        for slot in bits(self.pointers) {
            memory.give_tree(self.edge(slot));
        }
    }
}

/// At most so many prefixes under a node become a bucket; fewer than [`ENTRIES`], so that one that
/// comes and goes does not make and unmake a node.
const FEW: usize = ENTRIES - 1;

/// First slot and number of slots of a prefix of a node.
pub(super) const fn slots(number: u32) -> (u32, u32) {
    let (bits, length) = of_number(number);
    let behind = STRIDE.saturating_sub(length);
    (bits << behind, 1 << behind)
}
