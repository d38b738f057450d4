//! Longest-prefix match, shared: many tables of both families in one region.
//!
//! The prefixes of all tables are one [exact map](super::exact); beside it, for each table and
//! family, one bit for each length tells whether a prefix of that length is present. A look-up
//! probes the lengths that are, the longest first.
//!
//! Memory, in 32-bit words: that of the map with an 8-word node and two further words a prefix
//! (about 45 bytes a prefix), and 170 words a table, 162 of them the writer's counts by length.
//!
//! Time: a look-up probes at most 33 (IPv4) or 129 (IPv6) lengths, and begins again, at most
//! [`ATTEMPTS`] times in all, when the table changed meanwhile. A look-up that overlaps one change
//! gives the answer before or after it. One that overlaps several gives an answer of the time in
//! between, unless the table changed during each of the attempts: then the longer lengths may be
//! answered as of an earlier change than the shorter ones. Updates cost one of the map.
use super::{
    Demand, TableError,
    exact::{Exact, ExactWriter},
    quiescence::Readers,
};
use core::sync::atomic::{
    AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};
use dash_hal::HashKey;
use smoltcp::wire::{IpAddress, IpCidr};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Times that a look-up is made while its table keeps changing.
pub const ATTEMPTS: usize = 8;
/// Values are below this.
const VALUES: u32 = 1 << 31;
/// Words of a table that readers look at: lengths of IPv4, lengths of IPv6, number of changes.
const TABLE_WORDS: usize = V4_WORDS + V6_WORDS + 1;
const V4_WORDS: usize = 33_usize.div_ceil(32);
const V6_WORDS: usize = 129_usize.div_ceil(32);
/// Words of a table that count the prefixes of each length.
const COUNT_WORDS: usize = 33 + 129;

/// The readers' view.
#[derive(Clone, Copy, Debug)]
pub struct Lpm<'a> {
    tables: &'a [AtomicU32],
    prefixes: Exact<'a, Prefix, u32>,
}

/// The only writer.
#[derive(Debug)]
pub struct LpmWriter<'a> {
    tables: &'a [AtomicU32],
    counts: &'a [AtomicU32],
    prefixes: ExactWriter<'a, Prefix, u32>,
}

/// The answer of a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Longest {
    /// Value of the prefix, at most 31 bits.
    pub value: u32,
    /// Its length in bits.
    pub length: u8,
}

/// Key of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Prefix {
    table: u32,
    family: u16,
    length: u16,
    address: [u8; 16],
}

impl Prefix {
    fn new(table: u32, address: IpAddress, length: u8) -> Self {
        Self {
            table,
            family: family(&address),
            length: u16::from(length),
            address: (aligned(&address) & mask(length)).to_be_bytes(),
        }
    }

    fn of(table: u32, prefix: IpCidr) -> Self {
        Self::new(table, prefix.address(), prefix.prefix_len())
    }

    fn cidr(&self) -> IpCidr {
        let bits = u128::from_be_bytes(self.address);
        let address = if self.family == V4 {
            IpAddress::Ipv4(((bits >> 96) as u32).into())
        } else {
            IpAddress::Ipv6(bits.into())
        };
        IpCidr::new(address, self.length as u8)
    }
}

const V4: u16 = 4;
const V6: u16 = 6;

const fn family(address: &IpAddress) -> u16 {
    match address {
        IpAddress::Ipv4(_) => V4,
        IpAddress::Ipv6(_) => V6,
    }
}

/// The address in the high bits.
pub(super) fn aligned(address: &IpAddress) -> u128 {
    match address {
        IpAddress::Ipv4(address) => u128::from(address.to_bits()) << 96,
        IpAddress::Ipv6(address) => address.to_bits(),
    }
}

/// The `length` high bits.
pub(super) const fn mask(length: u8) -> u128 {
    match 128_u32.checked_sub(length as u32) {
        Some(low) => match u128::MAX.checked_shl(low) {
            Some(mask) => mask,
            None => 0,
        },
        None => u128::MAX,
    }
}

/// The words of table `number` that readers look at.
struct Table<'a> {
    v4: &'a [AtomicU32],
    v6: &'a [AtomicU32],
    changes: &'a AtomicU32,
}

impl<'a> Table<'a> {
    fn new(tables: &'a [AtomicU32], number: u32) -> Option<Self> {
        let start = (number as usize).checked_mul(TABLE_WORDS)?;
        let words = tables.get(start..)?.get(..TABLE_WORDS)?;
        let (changes, lengths) = words.split_last()?;
        let (v4, v6) = lengths.split_at_checked(V4_WORDS)?;
        Some(Self { v4, v6, changes })
    }

    fn lengths(&self, family: u16) -> &'a [AtomicU32] {
        if family == V4 { self.v4 } else { self.v6 }
    }

    /// Says that a length is present, or that it is not.
    fn set(&self, prefix: &Prefix, present: bool) {
        let (word, bit) = (usize::from(prefix.length / 32), 1 << (prefix.length % 32));
        if let Some(word) = self.lengths(prefix.family).get(word) {
            let lengths = word.load(Relaxed);
            word.store(if present { lengths | bit } else { lengths & !bit }, Release);
        }
    }

    fn changed(&self) {
        self.changes.store(self.changes.load(Relaxed).wrapping_add(1), Release);
    }
}

impl<'a> LpmWriter<'a> {
    /// 32-bit words of storage that `prefixes` prefixes in at most `tables` tables take.
    #[must_use]
    pub const fn words_for(prefixes: usize, tables: usize) -> usize {
        ExactWriter::<Prefix, u32>::words_for(prefixes)
            .saturating_add(tables.saturating_mul(TABLE_WORDS + COUNT_WORDS))
    }

    /// Empty tables over `words`. Tables are numbered 0 to `tables - 1`; each holds both families
    /// apart.
    /// # Errors
    /// `StorageTooSmall`, `CapacityTooLarge`.
    pub fn new(
        words: &'a [AtomicU32],
        prefixes: usize,
        tables: usize,
        hash: HashKey,
        readers: Readers<'a>,
    ) -> Result<Self, TableError> {
        let (tables, words) = words
            .split_at_checked(tables.saturating_mul(TABLE_WORDS))
            .ok_or(TableError::StorageTooSmall)?;
        let (counts, words) = words
            .split_at_checked(tables.len() / TABLE_WORDS * COUNT_WORDS)
            .ok_or(TableError::StorageTooSmall)?;
        let prefixes = ExactWriter::new(words, prefixes, hash, readers)?;
        for word in tables.iter().chain(counts) {
            word.store(0, Relaxed);
        }
        Ok(Self { tables, counts, prefixes })
    }

    /// The view for readers.
    #[must_use]
    pub fn table(&self) -> Lpm<'a> {
        Lpm { tables: self.tables, prefixes: self.prefixes.table() }
    }

    /// Inserts or replaces; host bits of `prefix` are ignored. Returns the value that was there.
    /// # Errors
    /// `Full`, `Busy`; a table number or value out of range is `CapacityTooLarge`.
    pub fn insert(
        &mut self,
        table: u32,
        prefix: IpCidr,
        value: u32,
    ) -> Result<Option<u32>, TableError> {
        let prefix = Prefix::of(table, prefix);
        let (table, count) = self.of(&prefix).ok_or(TableError::CapacityTooLarge)?;
        if value >= VALUES {
            return Err(TableError::CapacityTooLarge);
        }
        let length_count = count.load(Relaxed);
        // The length is announced first, so that the one store in the map is the change.
        table.set(&prefix, true);
        let result = self.prefixes.insert(&prefix, &value);
        match result {
            Ok(None) => count.store(length_count + 1, Relaxed),
            Err(_) if length_count == 0 => table.set(&prefix, false),
            _ => {}
        }
        // A refused change is none: a writer that tries again keeps no reader busy.
        if result.is_ok() {
            table.changed();
        }
        result
    }

    /// Removes; returns the value that was there. Never refused here: nothing is allocated.
    /// # Errors
    /// `Busy`.
    pub fn remove(&mut self, table: u32, prefix: IpCidr) -> Result<Option<u32>, TableError> {
        let prefix = Prefix::of(table, prefix);
        let Some((table, count)) = self.of(&prefix) else { return Ok(None) };
        let result = self.prefixes.remove(&prefix);
        if result.is_some() {
            let length_count = count.load(Relaxed).saturating_sub(1);
            count.store(length_count, Relaxed);
            if length_count == 0 {
                table.set(&prefix, false);
            }
            table.changed();
        }
        Ok(result)
    }

    /// Counts an insert of `prefix` in `demand`, as [`ExactWriter::admit`] does. The tables share
    /// their room, and so `demand` too.
    /// # Errors
    /// `Full`, `Busy`; a table number out of range is `CapacityTooLarge`.
    pub fn admit(
        &mut self,
        table: u32,
        prefix: IpCidr,
        demand: &mut Demand,
    ) -> Result<(), TableError> {
        let prefix = Prefix::of(table, prefix);
        self.of(&prefix).ok_or(TableError::CapacityTooLarge)?;
        self.prefixes.admit(&prefix, demand)
    }

    /// Prefixes in all tables.
    #[must_use]
    pub fn len(&self) -> usize {
        self.prefixes.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Prefixes that can still be inserted now.
    #[must_use]
    pub fn room(&self) -> usize {
        self.prefixes.room()
    }

    /// The table of `prefix`, and the count of the table's prefixes of its family and length.
    fn of(&self, prefix: &Prefix) -> Option<(Table<'a>, &'a AtomicU32)> {
        let table = Table::new(self.tables, prefix.table)?;
        let counts = self.counts.get((prefix.table as usize).checked_mul(COUNT_WORDS)?..)?;
        let family = if prefix.family == V4 { 0 } else { 33 };
        Some((table, counts.get(family + usize::from(prefix.length))?))
    }
}

impl<'a> Lpm<'a> {
    /// The longest prefix of `table` that covers `address`.
    #[must_use]
    pub fn lookup(&self, table: u32, address: IpAddress) -> Option<Longest> {
        let words = Table::new(self.tables, table)?;
        let lengths = words.lengths(family(&address));
        let mut changes = words.changes.load(Acquire);
        let mut answer = None;
        for _ in 0..ATTEMPTS {
            answer = self.probe(table, address, lengths);
            // Whoever saw a second change sees at least the count after the first one.
            let now = words.changes.load(Acquire);
            if now == changes {
                break;
            }
            changes = now;
        }
        answer
    }

    /// [`Self::lookup`] for each address of a burst; `answers` is as long as `addresses`.
    pub fn lookup_burst(
        &self,
        table: u32,
        addresses: &[IpAddress],
        answers: &mut [Option<Longest>],
    ) {
        for (answer, address) in answers.iter_mut().zip(addresses) {
            *answer = self.lookup(table, *address);
        }
    }

    /// The value of exactly `prefix`.
    #[must_use]
    pub fn get(&self, table: u32, prefix: IpCidr) -> Option<u32> {
        self.prefixes.get(&Prefix::of(table, prefix))
    }

    /// All prefixes of `table`, in no order. Walks over the prefixes of all tables; the rules of
    /// [`Exact::iter`] hold.
    pub fn iter(&self, table: u32) -> impl Iterator<Item = (IpCidr, u32)> + 'a {
        self.prefixes
            .iter()
            .filter(move |(prefix, _)| prefix.table == table)
            .map(|(prefix, value)| (prefix.cidr(), value))
    }

    /// Probes the lengths that are present, the longest first.
    fn probe(&self, table: u32, address: IpAddress, lengths: &[AtomicU32]) -> Option<Longest> {
        for (number, word) in lengths.iter().enumerate().rev() {
            let mut present = word.load(Acquire);
            while let Some(bit) = present.checked_ilog2() {
                present ^= 1 << bit;
                let length = number as u8 * 32 + bit as u8;
                if let Some(value) = self.prefixes.get(&Prefix::new(table, address, length)) {
                    return Some(Longest { value, length });
                }
            }
        }
        None
    }
}
