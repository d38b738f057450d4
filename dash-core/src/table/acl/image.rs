//! The compiled form of a group: one run of 32-bit words, written once, read by all cores.
//!
//! ```text
//! header · rules · protocol classes · keys and lists of both sides · runs
//!        · lists and filters of tags · records · checks · port classes · diagram
//! ```
//! Offsets are in words from the start of the run. Half words are packed two a word, the lower one
//! first.

use super::super::atomic::{AtomicU32, Ordering::Relaxed};

/// Sides of a packet.
pub(super) const SOURCE: usize = 0;
pub(super) const DESTINATION: usize = 1;

/// That of one side.
#[inline]
pub(super) const fn of<T>(pair: &[T; 2], side: usize) -> &T {
    let [source, destination] = pair;
    if side == SOURCE { source } else { destination }
}

#[inline]
pub(super) const fn of_mut<T>(pair: &mut [T; 2], side: usize) -> &mut T {
    let [source, destination] = pair;
    if side == SOURCE { source } else { destination }
}

/// Words of the header; a word that a group does not need is 0.
pub(super) mod header {
    /// Words of a key: 1, 2 or 4.
    pub(crate) const KEY_WORDS: usize = 0;
    /// Number of rules.
    pub(crate) const RULES: usize = 1;
    /// Records of rules that lists lead to.
    pub(crate) const RECORDS: usize = 2;
    /// Intervals of the source or destination ports that the diagram tells apart: number of
    /// classes, then the page table.
    pub(crate) const fn ports(side: usize) -> usize {
        4 + 2 * side
    }
    /// Levels of the diagram.
    pub(crate) const LEVELS: usize = 8;
    /// 1 in a group of IPv6.
    pub(crate) const VERSION: usize = 11;
    /// The map from the tags of a side to records, [`super::tag_map`].
    pub(crate) const fn tags(side: usize) -> usize {
        12 + side
    }
    /// The side whose intervals are the rows of the diagram; the other one has classes.
    pub(crate) const ROW_SIDE: usize = 9;
    /// The services: the class of each combination of protocol, source port and destination port.
    pub(crate) const SERVICES: usize = 10;
    /// What a side holds, [`super::side`].
    pub(crate) const fn side(side: usize) -> usize {
        16 + 16 * side
    }
    /// First level: [`super::LEVEL_WORDS`] each.
    pub(crate) const LEVEL: usize = 48;
    /// All words.
    pub(crate) const WORDS: usize = LEVEL + super::LEVEL_WORDS * super::MAX_LEVELS;
}

/// Words of a side in the header.
pub(super) mod side {
    /// Leading words of an address that all prefixes share.
    pub(crate) const SKIP: usize = 0;
    /// Those words, and zeros behind them: three.
    pub(crate) const COMMON: usize = 1;
    /// Number of intervals.
    pub(crate) const COUNT: usize = 4;
    /// Last value before each interval, sorted; as many more follow as a search looks at, which are
    /// above all numbers.
    pub(crate) const KEYS: usize = 5;
    /// The records of each interval and of values outside: [`super::run`].
    pub(crate) const LISTS: usize = 6;
    /// The diagram's row or class of each interval, and of values outside.
    pub(crate) const CELLS: usize = 7;
    /// A word for each first byte of a number or its digest: how far its first word is shifted to tell its bucket,
    /// and above it what is added, [`super::bucket`].
    pub(crate) const FIRST_BYTES: usize = 8;
    /// For each bucket the interval that its first number is in, or one before it.
    pub(crate) const BUCKETS: usize = 9;
    /// Logarithm of the keys that a search looks at.
    pub(crate) const WINDOW_BITS: usize = 10;
    /// The bits of a [digest](super::super::key::Digest), two words; none: numbers lead to buckets.
    pub(crate) const CHOSEN: usize = 11;
    /// A number that has the others like all prefixes.
    pub(crate) const PATTERN: usize = 13;
}

/// Words of a cache line.
pub(super) const LINE: usize = 16;

/// First bytes of a number.
pub(super) const FIRST_BYTES: usize = 256;
/// Buckets have about so many keys, if these are spread evenly.
pub(super) const BUCKET_KEYS: usize = 3;
/// On a side of at most so many intervals a first byte has more buckets, if those bring the keys of
/// each below what the shortest search looks at.
pub(super) const FEW_INTERVALS: usize = 4096;
/// Logarithm of how many times as many.
pub(super) const MORE_BUCKET_BITS: u32 = 2;
/// On a side of at most so many intervals buckets have about one key: memory is no matter, and the
/// intervals of small groups are often close together.
pub(super) const FEWEST_INTERVALS: usize = 1024;
/// Logarithm of the most buckets of a first byte: what a step of the compilation may cost.
pub(super) const BUCKET_BITS: u32 = 12;
/// Bits of the shift in the word of a first byte.
const SHIFT_BITS: u32 = 5;
/// Buckets fit the rest.
pub(super) const MAX_BUCKETS: usize = 1 << (32 - SHIFT_BITS);

/// The word of first byte `byte`, whose `1 << bits` buckets start at `start`. What it adds to the
/// first bits of a number makes up for those of the byte itself.
pub(super) const fn first_byte(start: usize, byte: usize, bits: u32) -> u32 {
    (start as u32).wrapping_sub((byte as u32) << bits) << SHIFT_BITS | (24 - bits)
}

/// The bucket of a number that starts with word `first`.
#[inline]
pub(super) fn bucket(first_bytes: &[AtomicU32; FIRST_BYTES], first: u32) -> usize {
    let entry = word(first_bytes, (first >> 24) as usize);
    let shifted = first >> (entry & ((1 << SHIFT_BITS) - 1));
    (shifted.wrapping_add(entry >> SHIFT_BITS)) as usize & (MAX_BUCKETS - 1)
}

/// Fewest keys that a search looks at; else a greater power of two.
pub(super) const NARROW_WINDOW: usize = 8;

/// The map from the tags of a side to lists of records: two words, then a few words for each chunk
/// of tags, then two words for each tag that is there; then filters.
pub(super) mod tag_map {
    /// Number of the first chunk.
    pub(crate) const FIRST: usize = 0;
    /// Number of chunks.
    pub(crate) const COUNT: usize = 1;
    /// The chunks.
    pub(crate) const CHUNKS: usize = 2;
    /// Words of a chunk.
    pub(crate) const WORDS: usize = 4;
    /// Words of one bit for each tag of a chunk.
    pub(crate) const TAGS_WORDS: usize = 2;
    /// Of a chunk: its tags, [`TAGS_WORDS`].
    pub(crate) const TAGS: usize = 0;
    /// Of a chunk: which list is that of the first of them.
    pub(crate) const LISTS: usize = 2;
    /// Of a chunk of [`MANY`] tags or more: where its filter is, [`TAGS_WORDS`] for each
    /// [`port_range`], which has those tags one of whose records may let such a destination port
    /// through. Else 0.
    pub(crate) const FILTER: usize = 3;
    /// Words of a tag: first its list, in the form of [`super::side::LISTS`].
    pub(crate) const LIST_WORDS: usize = 2;
    /// Of a tag: the lowest number of the records of all higher tags.
    pub(crate) const LOWEST_BEHIND: usize = 1;
    /// Where the lists of a map of so many chunks are.
    pub(crate) const fn lists_at(chunks: usize) -> usize {
        CHUNKS + WORDS * chunks
    }
    /// So many tags are worth a filter.
    pub(crate) const MANY: u32 = 8;
    /// Ranges of ports.
    const PORT_RANGES: usize = port_range(u16::MAX) + 1;
    /// Words of a filter.
    pub(crate) const FILTER_WORDS: usize = TAGS_WORDS * PORT_RANGES;

    /// Which range a port is in: of 32 well-known ones, of which most rules are, or of 256.
    #[inline]
    pub(crate) const fn port_range(port: u16) -> usize {
        if port < 1024 { port as usize >> 5 } else { 28 + (port as usize >> 8) }
    }
}

/// Most levels of a diagram: four for a side of 2¹⁶ classes, five for the ports.
pub(super) const MAX_LEVELS: usize = 10;
/// Words of a level: shift and mask of its digit, first word of its nodes, half words of one.
pub(super) const LEVEL_WORDS: usize = 4;
/// In the shift of a level whose digit is one of the service.
pub(super) const SERVICE_LEVEL: u32 = 1 << 8;

/// Words of a rule: priority, value.
pub(super) const RULE_WORDS: usize = 2;
/// Words of the classes of the 256 protocols, a byte each.
pub(super) const PROTOCOL_WORDS: usize = 64;
/// Where the rules are.
pub(super) const RULES_AT: usize = header::WORDS;

/// Where the protocol classes are in the image of `rules` rules.
pub(super) const fn protocols_at(rules: usize) -> usize {
    RULES_AT + RULE_WORDS * rules
}

/// Words of a record before its ranges.
pub(super) mod record {
    /// Index of the rule, and flags.
    pub(crate) const RULE: usize = 0;
    /// One bit for each class of protocols.
    pub(crate) const PROTOCOLS: usize = 1;
    /// First source port, and how many follow, a half word each.
    pub(crate) const SOURCE_PORT: usize = 2;
    /// Where the checks are.
    pub(crate) const CHECKS: usize = 3;
    /// [`super::PORT_RANGES`] of destination ports like that; then first addresses, then last ones,
    /// of the side that did not lead to the record. The last range is repeated; ranges that do not
    /// fit have one around them all here, and a check.
    pub(crate) const PORTS: usize = 4;
    /// First addresses.
    pub(crate) const ADDRESSES: usize = PORTS + super::PORT_RANGES;
    /// In [`RULE`]: every address of that side.
    pub(crate) const ANY: u32 = 1 << 31;
    /// In [`RULE`]: there are checks.
    pub(crate) const CHECKED: u32 = 1 << 30;
    /// In [`RULE`]: the index.
    pub(crate) const INDEX: u32 = CHECKED - 1;
}

/// Ranges of ports that a record has room for; few rules list more.
pub(super) const PORT_RANGES: usize = 8;

/// Ranges of addresses.
#[inline]
pub(super) const fn address_ranges(key_words: usize) -> usize {
    if key_words < 4 { 8 } else { 4 }
}

/// Words of a record.
#[inline]
pub(super) const fn record_words(key_words: usize) -> usize {
    (record::ADDRESSES + 2 * address_ranges(key_words) * key_words).next_multiple_of(LINE)
}

/// Protocol classes from here on share the last bit of a record.
pub(super) const PROTOCOL_BITS: u32 = 32;

/// What a check of a record looks at; the number of further checks is in the upper half.
pub(super) mod check {
    /// Source port in one of the ranges.
    pub(crate) const SOURCE_PORT: u32 = 0;
    /// Destination port.
    pub(crate) const DESTINATION_PORT: u32 = 1;
    /// Protocol.
    pub(crate) const PROTOCOL: u32 = 2;
    /// Source address in one of the ranges or tags.
    pub(crate) const SOURCE: u32 = 3;
    /// Destination address.
    pub(crate) const DESTINATION: u32 = 4;
    /// Kind, number of ranges, number of ranges of tags; then the first and last values of both.
    pub(crate) const WORDS: usize = 3;
    /// Set in the kind of all checks but the last.
    pub(crate) const MORE: u32 = 1 << 8;
}

/// A list of records is a word: the only record, which is the last; a link to a run; or 0. A run is of
/// such words, whose link leads to the run of a shorter prefix.
pub(super) mod run {
    /// The last of its run.
    pub(crate) const LAST: u32 = 1 << 31;
    /// The rest is the start of another run.
    pub(crate) const LINK: u32 = 1 << 30;
    /// Number or start.
    pub(crate) const REST: u32 = LINK - 1;
    /// Number of a record.
    pub(crate) const RECORD: u32 = (1 << RECORD_BITS) - 1;
    const RECORD_BITS: u32 = 24;
    /// A run of so many records or fewer, and no link, has their count in its first word.
    pub(crate) const SHORT: usize = 4;

    /// The first word of a short run.
    pub(crate) const fn short(first: u32, count: u32) -> u32 {
        first | count << RECORD_BITS
    }

    /// How many records a short run has that begins with a number; 0 for others.
    #[inline]
    pub(crate) const fn count(first: u32) -> usize {
        ((first & REST) >> RECORD_BITS) as usize
    }
}

/// Ports of one page of a page table.
pub(super) const PAGE_BITS: u32 = 6;
/// Pages of a page table.
pub(super) const PAGES: usize = 1 << (16 - PAGE_BITS);

/// Word `at`; 0 outside, which no correct image asks for.
#[inline]
pub(super) fn word(words: &[AtomicU32], at: usize) -> u32 {
    words.get(at).map_or(0, |word| word.load(Relaxed))
}

/// Half word `at`, counted in half words.
#[inline]
pub(super) fn half(words: &[AtomicU32], at: usize) -> u32 {
    word(words, at / 2) >> (at % 2 * 16) & 0xffff
}
