//! The only writer of the tables.
use super::{
    Demand, Poptrie, Prefix, Table, TableError, VALUES,
    arena::{End, GRANULE},
    atomic::{
        AtomicU32,
        Ordering::{Relaxed, Release},
    },
    block::Blocks,
    edge::{MAX_GRANULES, NONE, is_pointer},
    memory::Memory,
    quiescence::Readers,
    root::{Direct, HIDDEN, Root, Shape},
    trie::{Trie, inherit},
};
use smoltcp::wire::{IpCidr, IpVersion};

/// Words a prefix that [`PoptrieWriter::words_for`] counts, and words for any number of them: room
/// for what tables of IPv4 and of IPv6 take that were not made to take more, and for the copies
/// that their changes make.
const WORDS_PER_PREFIX: usize = 10;
const WORDS_AT_LEAST: usize = 512;

/// The only writer.
#[derive(Debug)]
pub struct PoptrieWriter<'a> {
    table: Poptrie<'a>,
    memory: Memory<'a>,
    prefixes: usize,
    len: usize,
    /// Whether a transaction holds places, so that none that is only held is given up.
    holding: bool,
    /// Whether nothing waited for readers when it began.
    settled: bool,
    /// Whether look-ups are made, to which each edge tells its answer.
    spread: bool,
}

/// What the memory is used for, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Tables, nodes, buckets and direct pointing: what look-ups read.
    pub lookups: usize,
    /// The prefixes of the nodes.
    pub prefixes: usize,
    /// What blocks can still be made of, in pieces perhaps.
    pub free: usize,
    /// All that was handed in.
    pub total: usize,
}

impl<'a> PoptrieWriter<'a> {
    /// 32-bit words of storage for `prefixes` prefixes in at most `tables` tables without direct
    /// pointing.
    ///
    /// What prefixes take depends on what they share; this is enough for all sets but those made
    /// of many IPv6 prefixes that share more than 60 bits with a few others only.
    #[must_use]
    pub const fn words_for(prefixes: usize, tables: usize) -> usize {
        let words = match prefixes {
            0 => 0,
            _ => prefixes.saturating_mul(WORDS_PER_PREFIX).saturating_add(WORDS_AT_LEAST),
        };
        // A table with a default route takes a granule more.
        let words = words.saturating_add(tables.saturating_mul(2 * GRANULE));
        Memory::words_for(words).saturating_add(tables.saturating_mul(Table::WORDS))
    }

    /// Empty tables over `words`, all of which are used. Tables are numbered 0 to `tables - 1`;
    /// each holds both families apart. `prefixes` is the most prefixes of all tables; fewer words
    /// than [`Self::words_for`] may end before them.
    /// # Errors
    /// `StorageTooSmall` for words that do not hold the tables, `CapacityTooLarge`.
    pub fn new(
        words: &'a [AtomicU32],
        prefixes: usize,
        tables: usize,
        readers: Readers<'a>,
    ) -> Result<Self, TableError> {
        let (tables, words) = words
            .split_at_checked(tables.saturating_mul(Table::WORDS))
            .ok_or(TableError::StorageTooSmall)?;
        if words.len() / GRANULE > MAX_GRANULES {
            return Err(TableError::CapacityTooLarge);
        }
        let memory = Memory::new(words, readers)?;
        for words in tables.chunks_exact(Table::WORDS) {
            for (word, value) in words.iter().zip([NONE, NONE, 0, 0, 0]) {
                word.store(value, Relaxed);
            }
        }
        let table = Poptrie { tables, blocks: memory.blocks() };
        Ok(Self { table, memory, prefixes, len: 0, holding: false, settled: false, spread: true })
    }

    /// For [`Covering`](super::Covering), [`Poptrie::longest`] and [`Poptrie::get`] only: a change of a
    /// short prefix costs as little as that of a long one, but [`Poptrie::lookup`] means nothing.
    #[must_use]
    pub const fn without_lookup(mut self) -> Self {
        self.spread = false;
        self.memory.keys = false;
        self
    }

    /// The view for readers.
    #[must_use]
    pub const fn table(&self) -> Poptrie<'a> {
        self.table
    }

    /// Inserts or replaces; host bits of `prefix` are ignored. Returns the value that was there. A
    /// replacement is never refused.
    /// # Errors
    /// `Full`, `Busy`; a table number or value out of range is `CapacityTooLarge`.
    pub fn insert(
        &mut self,
        table: u32,
        prefix: IpCidr,
        value: u32,
    ) -> Result<Option<u32>, TableError> {
        let words = self.words(table)?;
        if value >= VALUES {
            return Err(TableError::CapacityTooLarge);
        }
        let version = prefix.address().version();
        let old = self.table.get(table, prefix);
        if old.is_none() {
            if self.room() == 0 {
                return Err(TableError::Full);
            }
            self.make_place(&words, version, Prefix::of(prefix))?;
        }
        self.store(&words, version, Prefix::of(prefix), value);
        if old.is_none() {
            add(words.count(version), 1);
            self.len += 1;
        }
        Ok(old)
    }

    /// Removes; returns the value that was there. Never refused.
    pub fn remove(&mut self, table: u32, prefix: IpCidr) -> Option<u32> {
        let words = self.words(table).ok()?;
        let old = self.table.get(table, prefix)?;
        let version = prefix.address().version();
        self.store(&words, version, Prefix::of(prefix), NONE);
        add(words.count(version), u32::MAX);
        self.len -= 1;
        if !self.holding {
            self.release(table, prefix);
        }
        Some(old)
    }

    /// Replaces all prefixes of both families of `table`, readers seeing the old ones of a family
    /// or the new ones. Of a prefix that comes twice the last one counts.
    ///
    /// The new table is built beside the old one, whose memory is free once the readers have
    /// passed; the order of the prefixes does not matter. Without prefixes it sets the shape of an
    /// empty table.
    /// # Errors
    /// `Full`, `Busy`, `CapacityTooLarge` as of [`Self::insert`]; the table is as it was.
    pub fn replace(
        &mut self,
        table: u32,
        shape: Shape,
        prefixes: impl IntoIterator<Item = (IpCidr, u32)>,
    ) -> Result<(), TableError> {
        let words = self.words(table)?;
        // A table replaced before is freed here, not by some change of one prefix that comes later.
        self.memory.poll();
        self.memory.reserve(2)?;
        let mut roots = [NONE; 2];
        let mut counts = [0; 2];
        self.memory.aside = true;
        let built = self.build(&words, shape, prefixes, &mut roots, &mut counts);
        if built.is_err() {
            for root in roots.iter().filter_map(|root| Root::new(self.table.blocks, *root)) {
                self.memory.give_root(root);
            }
        }
        self.memory.aside = false;
        built?;
        let versions = [IpVersion::Ipv4, IpVersion::Ipv6].into_iter();
        for (version, (new, new_count)) in versions.zip(roots.into_iter().zip(counts)) {
            let (word, count) = (words.root(version), words.count(version));
            let old = self.root(&words, version);
            // Release: who follows this word finds the table written.
            word.store(new, Release);
            if let Some(old) = old {
                self.memory.retire_root(old);
            }
            self.len = self.len - count.load(Relaxed) as usize + new_count as usize;
            count.store(new_count, Relaxed);
        }
        words.changes.store(words.changes.load(Relaxed).wrapping_add(1), Release);
        self.memory.seal();
        Ok(())
    }

    /// Makes a place for `prefix`, so that the next insert of it is not refused, whatever is
    /// removed before it; [`Self::release`] gives back what is not used. For transactions: first
    /// all places are held, then the changes are made, then all places are released.
    /// # Errors
    /// As of [`Self::insert`]; `Full` instead of `Busy` when nothing but what was held before stands
    /// in the way, so that waiting would not help.
    pub fn hold(&mut self, table: u32, prefix: IpCidr) -> Result<(), TableError> {
        let words = self.words(table)?;
        if !self.holding {
            self.holding = true;
            self.settled = self.memory.is_settled();
        }
        match self.make_place(&words, prefix.address().version(), Prefix::of(prefix)) {
            Err(TableError::Busy) if self.settled => Err(TableError::Full),
            result => result,
        }
    }

    /// Gives back the place of a prefix that is not there; idempotent.
    pub fn release(&mut self, table: u32, prefix: IpCidr) {
        self.holding = false;
        let Ok(words) = self.words(table) else { return };
        let version = prefix.address().version();
        let prefix = Prefix::of(prefix);
        self.memory.aside = words.root(version).load(Relaxed) & HIDDEN != 0;
        if let Some(trie) = self.trie(&words, version, prefix) {
            self.memory.short = trie.apart;
            trie.release(&mut self.memory, prefix, false);
            self.memory.short = false;
        }
        self.memory.aside = false;
        self.release_root(&words, version);
        self.memory.seal();
    }

    /// Counts an insert of `prefix` in `demand`. When this is not refused, neither is any of the
    /// inserts counted so far for being too many; each still needs a [place](Self::hold). The
    /// tables share their room, and so `demand` too.
    /// # Errors
    /// `Full`; a table number out of range is `CapacityTooLarge`.
    pub fn admit(&self, table: u32, prefix: IpCidr, demand: &mut Demand) -> Result<(), TableError> {
        self.words(table)?;
        demand.insert(self.table.get(table, prefix).is_some());
        if demand.new > self.room() { Err(TableError::Full) } else { Ok(()) }
    }

    /// Prefixes in all tables.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Prefixes that can still be inserted, if the memory suffices.
    #[must_use]
    pub const fn room(&self) -> usize {
        self.prefixes.saturating_sub(self.len)
    }

    /// What the memory is used for.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let ([lookups, prefixes], free) = self.memory.usage();
        let tables = self.table.tables.len();
        let total = tables + self.memory.total();
        let bytes = |words: usize| words * size_of::<AtomicU32>();
        Usage {
            lookups: bytes(lookups + tables),
            prefixes: bytes(prefixes),
            free: bytes(free),
            total: bytes(total),
        }
    }

    fn words(&self, table: u32) -> Result<Table<'a>, TableError> {
        Table::new(self.table.tables, table).ok_or(TableError::CapacityTooLarge)
    }

    fn blocks(&self) -> Blocks<'a> {
        self.table.blocks
    }

    /// The root of a table, also of one that readers do not see yet.
    fn root(&self, words: &Table<'a>, version: IpVersion) -> Option<Root<'a>> {
        match words.root(version).load(Relaxed) {
            NONE => None,
            word => Root::new(self.blocks(), word & !HIDDEN),
        }
    }

    /// Makes a place for `prefix`. A table that has no root gets one, which readers see with its
    /// first value; until then what is copied is free at once.
    fn make_place(
        &mut self,
        words: &Table<'a>,
        version: IpVersion,
        prefix: Prefix,
    ) -> Result<(), TableError> {
        if self.root(words, version).is_none() {
            let root = self.new_root(Direct::Bits0)?;
            words.root(version).store(root.word() | HIDDEN, Relaxed);
        }
        self.memory.aside = words.root(version).load(Relaxed) & HIDDEN != 0;
        let root = self.root(words, version);
        let held = match root.and_then(|root| trie_of(&root, prefix, self.spread)) {
            Some(trie) => {
                self.memory.short = trie.apart;
                trie.hold(&mut self.memory, prefix, self.holding)
            }
            None => Ok(()),
        };
        (self.memory.aside, self.memory.short) = (false, false);
        if held.is_err() {
            self.release_root(words, version);
        }
        self.memory.seal();
        held
    }

    /// Changes the value of a prefix that has a place.
    fn store(&mut self, words: &Table<'a>, version: IpVersion, prefix: Prefix, value: u32) {
        if let Some(root) = self.root(words, version) {
            store(self.blocks(), root, prefix, value, self.spread);
            // Release: who follows this word finds the table written.
            words.root(version).store(root.word(), Release);
        }
        words.changes.store(words.changes.load(Relaxed).wrapping_add(1), Release);
    }

    /// The trie of a prefix, with what it inherits.
    fn trie(&self, words: &Table<'a>, version: IpVersion, prefix: Prefix) -> Option<Trie<'a>> {
        trie_in(self.blocks(), self.root(words, version)?, prefix, self.spread)
    }

    fn new_root(&mut self, direct: Direct) -> Result<Root<'a>, TableError> {
        let start = self.memory.take(Root::words_for(direct), End::Low)?;
        let root = Root::new(self.blocks(), Root::word_for(start, direct));
        let root = root.ok_or(TableError::CapacityTooLarge)?;
        root.default.store(NONE, Relaxed);
        root.short.store(NONE, Relaxed);
        for edge in root.edges_by_head() {
            edge.store(NONE, Relaxed);
        }
        Ok(root)
    }

    /// Gives back a root that holds nothing.
    fn release_root(&mut self, words: &Table<'a>, version: IpVersion) {
        let word = words.root(version);
        self.memory.aside = word.load(Relaxed) & HIDDEN != 0;
        if let Some(root) = self.root(words, version).filter(Root::is_bare)
            && self.memory.reserve(1).is_ok()
        {
            word.store(NONE, Release);
            self.memory.retire_root(root);
        }
        self.memory.aside = false;
    }

    /// Fills roots that no reader sees.
    fn build(
        &mut self,
        words: &Table<'a>,
        shape: Shape,
        prefixes: impl IntoIterator<Item = (IpCidr, u32)>,
        roots: &mut [u32; 2],
        counts: &mut [u32; 2],
    ) -> Result<(), TableError> {
        let directs = [shape.v4, shape.v6];
        for (root, direct) in roots.iter_mut().zip(directs) {
            if direct != Direct::Bits0 {
                *root = self.new_root(direct)?.word();
            }
        }
        let there: u32 = words.counts.iter().map(|count| count.load(Relaxed)).sum();
        let mut room = self.room() + there as usize;
        let ([root4, root6], [count4, count6]) = (roots, counts);
        for (prefix, value) in prefixes {
            if value >= VALUES {
                return Err(TableError::CapacityTooLarge);
            }
            let v4 = prefix.address().version() == IpVersion::Ipv4;
            let (word, count) =
                if v4 { (&mut *root4, &mut *count4) } else { (&mut *root6, &mut *count6) };
            let prefix = Prefix::of(prefix);
            let root = match Root::new(self.blocks(), *word) {
                Some(root) => root,
                None => self.new_root(Direct::Bits0)?,
            };
            *word = root.word();
            if let Some(trie) = trie_of(&root, prefix, self.spread) {
                self.memory.short = trie.apart;
                let held = trie.hold(&mut self.memory, prefix, true);
                self.memory.short = false;
                held?;
            }
            if store(self.blocks(), root, prefix, value, self.spread) == NONE {
                room = room.checked_sub(1).ok_or(TableError::Full)?;
                *count += 1;
            }
        }
        Ok(())
    }
}

/// The trie of a prefix; the default route has none. Without look-ups the node that is first for them
/// would be memory for nothing.
fn trie_of<'a>(root: &Root<'a>, prefix: Prefix, spread: bool) -> Option<Trie<'a>> {
    let trie = Trie::of(root, prefix)?;
    Some(Trie { node_first: trie.node_first && spread, ..trie })
}

/// The same, with what it inherits.
fn trie_in<'a>(
    blocks: Blocks<'a>,
    root: Root<'a>,
    prefix: Prefix,
    spread: bool,
) -> Option<Trie<'a>> {
    let trie = trie_of(&root, prefix, spread)?;
    let inherited = if trie.depth == 0 {
        NONE
    } else {
        blocks.follow(root.short.load(Relaxed), prefix.address)
    };
    Some(Trie { inherited, ..trie })
}

/// Changes the value of a prefix that has a place; the old one.
fn store<'a>(blocks: Blocks<'a>, root: Root<'a>, prefix: Prefix, value: u32, spread: bool) -> u32 {
    let Some(trie) = trie_in(blocks, root, prefix, spread) else {
        let old = root.default.load(Relaxed);
        root.default.store(value, Release);
        return old;
    };
    let old = trie.set(blocks, prefix, value, spread);
    let width = root.direct.bits();
    if spread && prefix.length <= width {
        let count = 1 << (width - prefix.length);
        let first = super::address::Bits::head(prefix.address, width);
        let edges = root.edges_by_head().iter().enumerate().skip(first).take(count);
        for (head, edge) in edges {
            let address = (head as u128) << (u128::BITS - width);
            let new = blocks.follow(root.short.load(Relaxed), address);
            if is_pointer(edge.load(Relaxed)) || edge.load(Relaxed) != new {
                inherit(blocks, edge, new);
            }
        }
    }
    old
}

fn add(word: &AtomicU32, number: u32) {
    word.store(word.load(Relaxed).wrapping_add(number), Relaxed);
}
