//! The prefixes of a table in the order of their addresses, shorter ones first.
use super::{
    IpCidr, IpVersion, Poptrie, Root, Table,
    address::{Prefix, mask},
    atomic::Ordering::Acquire,
    block::{Blocks, Node, Target},
    bucket::{Bucket, Entry},
    draft::entries_of,
    edge::{NONE, is_pointer},
    slots::{LEVELS, STRIDE, number},
};
use core::iter;
use heapless::Vec;

/// Positions of a slot: its prefixes of each length, then what is behind it.
const POSITIONS: u32 = STRIDE + 1;

impl<'a> Poptrie<'a> {
    /// All prefixes of `table`, IPv4 before IPv6, each family in the order of the addresses, and
    /// of one address the shorter first. A table that changes meanwhile gives each prefix that
    /// stays exactly once.
    ///
    /// The reader passes no quiescent point before it has dropped the iterator; with an empty
    /// [`Readers`](super::super::quiescence::Readers), nothing is inserted before.
    pub fn iter(&self, table: u32) -> impl Iterator<Item = (IpCidr, u32)> + use<'a> {
        let (blocks, table) = (self.blocks, Table::new(self.tables, table));
        [IpVersion::Ipv4, IpVersion::Ipv6].into_iter().flat_map(move |version| {
            table
                .and_then(|table| Root::new(blocks, table.root(version).load(Acquire)))
                .into_iter()
                .flat_map(move |root| prefixes(blocks, root))
                .map(move |(prefix, value)| (prefix.cidr(version), value))
        })
    }
}

/// The prefixes of a family in order.
fn prefixes<'a>(
    blocks: Blocks<'a>,
    root: Root<'a>,
) -> impl Iterator<Item = (Prefix, u32)> + use<'a> {
    let default = Some(root.default.load(Acquire)).filter(|value| *value != NONE);
    let default = default.map(|value| (Prefix { address: 0, length: 0 }, value));
    let mut short = Walk::new(blocks, root.short.load(Acquire), 0, 0).peekable();
    let width = root.direct.bits();
    let heads = if width == 0 { &[] } else { root.edges_by_head() };
    let mut long = heads
        .iter()
        .enumerate()
        .flat_map(move |(head, edge)| {
            let address = (head as u128).checked_shl(u128::BITS - width).unwrap_or(0);
            Walk::new(blocks, edge.load(Acquire), width, address)
        })
        .peekable();
    let both = iter::from_fn(move || match (short.peek(), long.peek()) {
        (Some((first, _)), Some((other, _))) if first > other => long.next(),
        (Some(_), _) => short.next(),
        _ => long.next(),
    });
    default.into_iter().chain(both)
}

/// A walk over the prefixes under one edge, in order.
struct Walk<'a> {
    blocks: Blocks<'a>,
    /// Bits of the address that lead to the edge.
    depth: u32,
    /// Of the way to the last block.
    address: u128,
    /// The edges of the way, and the position in each of their blocks.
    way: Vec<(u32, u32), { LEVELS + 1 }>,
}

impl<'a> Walk<'a> {
    fn new(blocks: Blocks<'a>, edge: u32, depth: u32, address: u128) -> Self {
        let mut way = Vec::new();
        if is_pointer(edge) {
            // The way has room for one.
            let _ = way.push((edge, 0));
        }
        Self { blocks, depth, address, way }
    }

    /// What is at a position of a node `depth` bits below the start.
    fn in_node(&mut self, node: Node<'a>, depth: u32, position: u32) -> Option<(Prefix, u32)> {
        let (slot, length) = (position / POSITIONS, position % POSITIONS + 1);
        let slot_bits = u128::from(slot) << (u128::BITS - STRIDE) >> depth;
        let address = self.address & mask(depth as u8) | slot_bits;
        if length > STRIDE {
            let edge = node.follow(slot);
            if is_pointer(edge) && node.runs() >> slot & 1 != 0 {
                self.address = address;
                // Deeper than the way is no block.
                let _ = self.way.push((edge, 0));
            }
            return None;
        }
        let behind = STRIDE - length;
        if slot.trailing_zeros() < behind {
            return None;
        }
        let value = node.prefixes().value(number(slot >> behind, length))?.load(Acquire);
        Some((Prefix { address, length: depth + length }, value))
    }
}

impl Iterator for Walk<'_> {
    type Item = (Prefix, u32);

    fn next(&mut self) -> Option<(Prefix, u32)> {
        loop {
            let depth = self.depth + STRIDE * self.way.len().checked_sub(1)? as u32;
            let (edge, at) = self.way.last_mut()?;
            let position = *at;
            *at += 1;
            let found = match self.blocks.target(*edge) {
                Target::Node(node) if position < POSITIONS << STRIDE => {
                    self.in_node(node, depth, position)
                }
                Target::Bucket(bucket) if (position as usize) < bucket.len() => {
                    nth(bucket, position as usize).map(|Entry { bits, length, value }| {
                        let address = self.address & mask(depth as u8) | bits >> depth;
                        (Prefix { address, length: depth + length }, value)
                    })
                }
                _ => {
                    self.way.pop();
                    None
                }
            };
            if let Some((_, value)) = found
                && value != NONE
            {
                return found;
            }
        }
    }
}

/// The entry of a bucket that has `before` others before it in the order of prefixes.
fn nth(bucket: Bucket<'_>, before: usize) -> Option<Entry> {
    let entries = entries_of(bucket, true);
    let place = |entry: &Entry| (entry.bits, entry.length);
    entries
        .iter()
        .find(|entry| entries.iter().filter(|other| place(other) < place(entry)).count() == before)
        .copied()
}
