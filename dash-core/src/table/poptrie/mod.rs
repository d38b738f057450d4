//! Longest-prefix match, shared: many tables of both families in one region.
//!
//! A poptrie (Asai and Ohara, "Poptrie: A Compressed Trie with Population Count for Fast and
//! Scalable Software IP Routing Table Lookup", SIGCOMM 2015): nodes of 6 bits, whose edges have no
//! gaps, and direct pointing by the first bits of the address. Three things differ from the paper.
//! One row of runs tells equal edges, leaves and nodes alike, so that a node is one block, changed
//! by storing the edge above it. Up to four prefixes that no other one is near stand in a bucket
//! instead of nodes. And the prefixes themselves are part of the tree, in blocks beside the nodes
//! that look-ups do not read, in the form of the Tree Bitmap (Eatherton, Varghese and Dittia, CCR
//! 2004). The files `edge.rs` and
//! `block.rs` have the words.
//!
//! Memory: 7 to 20 bytes a prefix in tables of some thousands, all counted, more where IPv6
//! prefixes share many bits (a node of about 24 bytes for each 6), and [`Direct`]. Cost: a look-up
//! is one load for direct pointing, then two for each 6 bits or a bucket at the end. A change
//! copies one block of at most 67 words and one of at most 130; a prefix that is shorter than
//! direct pointing also stores each edge that it covers. The default route is one word.
//!
//! A change is seen whole or not at all by each look-up. A look-up that overlaps several changes
//! gives an answer of the time in between, unless nothing but the default route covers the address,
//! or [`Poptrie::longest`] is asked, and the table changed during each of [`ATTEMPTS`] attempts.
mod address;
mod arena;
mod block;
mod bucket;
mod burst;
mod covering;
mod draft;
mod edge;
mod iter;
mod memory;
mod root;
mod slots;
mod trie;
mod writer;

use super::{Demand, TableError, atomic, quiescence};
pub use address::Address;
use address::aligned;
use address::{Bits, Prefix};
use atomic::{AtomicU32, Ordering::Acquire};
use block::Blocks;
pub use burst::Value;
pub use covering::Covering;
use edge::NONE;
use root::Root;
pub use root::{Direct, Shape};
use smoltcp::wire::{IpAddress, IpCidr, IpVersion};
use trie::Trie;
pub use writer::{PoptrieWriter, Usage};

/// Times that a look-up is made while its table keeps changing.
pub const ATTEMPTS: usize = 8;
/// Values are below this.
const VALUES: u32 = 1 << 31;

/// The readers' view.
#[derive(Clone, Copy, Debug)]
pub struct Poptrie<'a> {
    tables: &'a [AtomicU32],
    blocks: Blocks<'a>,
}

/// The answer of a look-up with the prefix that it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Longest {
    /// Value of the prefix, at most 31 bits.
    pub value: u32,
    /// Its length in bits.
    pub length: u8,
}

/// The words of one table.
#[derive(Clone, Copy, Debug)]
struct Table<'a> {
    /// Counts the changes.
    changes: &'a AtomicU32,
    /// Root of IPv4 and of IPv6, see [`Root`].
    roots: &'a [AtomicU32; 2],
    /// Prefixes of IPv4 and of IPv6.
    counts: &'a [AtomicU32; 2],
}

impl<'a> Table<'a> {
    const WORDS: usize = 5;

    #[inline]
    fn new(tables: &'a [AtomicU32], number: u32) -> Option<Self> {
        let start = (number as usize).checked_mul(Self::WORDS)?;
        let (roots, words) = tables.get(start..)?.split_first_chunk()?;
        let (counts, words) = words.split_first_chunk()?;
        Some(Self { changes: words.first()?, roots, counts })
    }

    #[inline]
    fn root(&self, version: IpVersion) -> &'a AtomicU32 {
        let [v4, v6] = self.roots;
        if version == IpVersion::Ipv4 { v4 } else { v6 }
    }

    fn count(&self, version: IpVersion) -> &'a AtomicU32 {
        let [v4, v6] = self.counts;
        if version == IpVersion::Ipv4 { v4 } else { v6 }
    }

    /// Asks until the table does not change meanwhile; `None` from `ask`: no such care is needed.
    #[inline]
    fn settled<T>(&self, ask: impl Fn() -> (T, bool)) -> T {
        let mut changes = self.changes.load(Acquire);
        let mut attempts = ATTEMPTS;
        loop {
            let (answer, is_final) = ask();
            attempts -= 1;
            if is_final || attempts == 0 {
                return answer;
            }
            // Whoever saw a second change sees at least the count after the first one.
            let now = self.changes.load(Acquire);
            if now == changes {
                return answer;
            }
            changes = now;
        }
    }
}

impl<'a> Poptrie<'a> {
    /// The value of the longest prefix of `table` that covers `address`.
    #[must_use]
    pub fn lookup(&self, table: u32, address: IpAddress) -> Option<u32> {
        let value = match address {
            IpAddress::Ipv4(address) => self.value(table, IpVersion::Ipv4, address.to_bits()),
            IpAddress::Ipv6(address) => self.value(table, IpVersion::Ipv6, address.to_bits()),
        };
        (value != NONE).then_some(value)
    }

    /// One copy for all single look-ups, and for what a burst asks again.
    #[inline(never)]
    fn value<B: Bits>(&self, table: u32, version: IpVersion, bits: B) -> u32 {
        self.value_inline(table, version, bits)
    }

    /// The same in the place of its call: a burst of few addresses is not slower than they are one
    /// by one.
    #[allow(clippy::inline_always, reason = "a call is a tenth of the look-up of a hot address")]
    #[inline(always)]
    fn value_inline<B: Bits>(&self, table: u32, version: IpVersion, bits: B) -> u32 {
        let Some(table) = Table::new(self.tables, table) else { return NONE };
        table.settled(|| match self.root(&table, version) {
            None => (NONE, true),
            Some(root) => {
                let (edge, behind) = root.enter(bits);
                match self.blocks.follow(edge, behind) {
                    // Two words: the route that was looked for may come and the default go.
                    NONE => (root.default.load(Acquire), false),
                    value => (value, true),
                }
            }
        })
    }

    /// As [`Self::lookup`], with the length of the prefix. It costs about twice as much.
    #[must_use]
    pub fn longest(&self, table: u32, address: IpAddress) -> Option<Longest> {
        let table = Table::new(self.tables, table)?;
        let bits = aligned(&address);
        table.settled(|| (self.longest_once(&table, address.version(), bits), false))
    }

    fn longest_once(&self, table: &Table<'a>, version: IpVersion, bits: u128) -> Option<Longest> {
        let root = self.root(table, version)?;
        let short = Trie::short(&root).longest(self.blocks, bits);
        let long = Trie::long(&root, bits, NONE);
        let (length, value) = long
            .and_then(|trie| trie.longest(self.blocks, bits))
            .or(short)
            .unwrap_or_else(|| (0, root.default.load(Acquire)));
        (value != NONE).then_some(Longest { value, length: length as u8 })
    }

    /// The value of exactly `prefix`.
    #[must_use]
    pub fn get(&self, table: u32, prefix: IpCidr) -> Option<u32> {
        let table = Table::new(self.tables, table)?;
        let root = self.root(&table, prefix.address().version())?;
        let prefix = Prefix::of(prefix);
        let value = match Trie::of(&root, prefix) {
            None => root.default.load(Acquire),
            Some(trie) => trie.get(self.blocks, prefix),
        };
        (value != NONE).then_some(value)
    }

    #[inline]
    fn root(&self, table: &Table<'a>, version: IpVersion) -> Option<Root<'a>> {
        // Acquire: pairs with the store that published the table.
        Root::new(self.blocks, table.root(version).load(Acquire))
    }
}
