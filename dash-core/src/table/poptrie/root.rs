//! Where the prefixes of one table and family begin.
//!
//! ```text
//! default · root edge                                      direct pointing of 0 bits
//! default · edge of the prefixes of at most w bits · 2^w edges           of w bits
//! ```
//!
//! With direct pointing the first w bits of an address choose an edge. Longer prefixes are under
//! that edge; those of at most w bits are in a trie of their own, which look-ups leave alone: each
//! of the 2^w edges holds, or inherits, its answer.
use super::{
    address::Bits,
    arena::GRANULE,
    atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed},
    },
    block::Blocks,
    edge::NONE,
};

/// How many of an address's first bits choose an edge by one load.
///
/// Each bit more doubles the memory: 4 bytes times two to this power. A table of ten routes wants
/// [`Self::Bits0`], one of a million [`Self::Bits18`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direct {
    /// None: the root is a node.
    #[default]
    Bits0,
    /// 1 kB.
    Bits8,
    /// 16 kB.
    Bits12,
    /// 256 kB.
    Bits16,
    /// 1 MB; for IPv4 a /24 ends where a node does.
    Bits18,
}

const ALL: [Direct; 5] =
    [Direct::Bits0, Direct::Bits8, Direct::Bits12, Direct::Bits16, Direct::Bits18];
const WIDTHS: [u32; 5] = [0, 8, 12, 16, 18];

impl Direct {
    /// The number of bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        WIDTHS[self as usize]
    }
}

/// Set in the word of a root that readers do not see yet.
pub(super) const HIDDEN: u32 = 1 << 31;
const SHIFT: u32 = 28;
const START: u32 = (1 << SHIFT) - 1;

#[derive(Clone, Copy, Debug)]
pub(super) struct Root<'a> {
    word: u32,
    pub(super) direct: Direct,
    pub(super) default: &'a AtomicU32,
    /// The edge of the prefixes of at most `direct.bits()` bits, or the only edge.
    pub(super) short: &'a AtomicU32,
    edges: &'a [AtomicU32],
}

impl<'a> Root<'a> {
    /// Words before the edges of direct pointing.
    const HEADER: usize = 2;

    pub(super) const fn words_for(direct: Direct) -> usize {
        match direct {
            Direct::Bits0 => Self::HEADER,
            _ => Self::HEADER + (1 << direct.bits()),
        }
    }

    pub(super) const fn word_for(start: u32, direct: Direct) -> u32 {
        (direct as u32) << SHIFT | start
    }

    /// The root that `word` leads to; [`NONE`] is of a table without prefixes.
    #[inline]
    pub(super) fn new(blocks: Blocks<'a>, word: u32) -> Option<Self> {
        let direct = *ALL.get((word >> SHIFT) as usize)?;
        let (header, edges) = blocks.at(word & START).split_at_checked(Self::HEADER)?;
        let [default, short] = header else { return None };
        let edges = match direct {
            Direct::Bits0 => core::slice::from_ref(short),
            _ => edges.get(..1 << direct.bits())?,
        };
        Some(Self { word, direct, default, short, edges })
    }

    pub(super) const fn word(&self) -> u32 {
        self.word
    }

    pub(super) const fn start(&self) -> u32 {
        self.word & START
    }

    pub(super) const fn words(&self) -> usize {
        Self::words_for(self.direct)
    }

    /// The edges that the first bits of an address choose from.
    pub(super) const fn edges_by_head(&self) -> &'a [AtomicU32] {
        self.edges
    }

    /// Where the edge that an address begins with stands.
    #[inline]
    pub(super) fn place<B: Bits>(&self, bits: B) -> u32 {
        let header = Self::HEADER - usize::from(self.direct == Direct::Bits0);
        self.start() * GRANULE as u32 + (header + bits.head(self.direct.bits())) as u32
    }

    /// The edge that an address begins with, and the bits behind those that chose it.
    #[inline]
    pub(super) fn enter<B: Bits>(&self, bits: B) -> (u32, B) {
        let width = self.direct.bits();
        // Acquire: pairs with the store that published the block behind the edge.
        let edge = self.edges.get(bits.head(width)).map_or(NONE, |edge| edge.load(Acquire));
        (edge, bits.behind(width))
    }

    /// Whether it holds nothing that a table without a root would not.
    pub(super) fn is_bare(&self) -> bool {
        self.direct == Direct::Bits0
            && self.default.load(Relaxed) == NONE
            && self.short.load(Relaxed) == NONE
    }
}

/// Direct pointing of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Of its IPv4 prefixes.
    pub v4: Direct,
    /// Of its IPv6 prefixes.
    pub v6: Direct,
}

impl Shape {
    /// 32-bit words that a table of this shape takes beyond
    /// [`PoptrieWriter::words_for`](super::PoptrieWriter::words_for).
    #[must_use]
    pub const fn words(self) -> usize {
        let words = Root::words_for(self.v4) + Root::words_for(self.v6);
        // With the bits that tell blocks apart.
        words + words.div_ceil(16)
    }
}
