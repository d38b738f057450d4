//! The slots of a node and the prefixes that end in it, as sets of bits.
//!
//! A node has 64 slots, one for each value of the 6 bits that it looks at. The prefixes of 1 to 6
//! bits have the numbers of a heap: 1 before their bits.

/// Bits that a node looks at.
pub(super) const STRIDE: u32 = 6;
/// Slots of a node.
pub(super) const SLOTS: usize = 1 << STRIDE;
/// Most blocks on the way to an answer: 128 bits in steps of 6.
pub(super) const LEVELS: usize = 22;

/// The number of the prefix of the `length` bits `bits` in its node.
pub(super) const fn number(bits: u32, length: u32) -> u32 {
    1 << length | bits
}

/// Bits and length of a prefix of a node.
pub(super) const fn of_number(number: u32) -> (u32, u32) {
    let length = (number | 1).ilog2();
    (number ^ 1 << length, length)
}

/// First slot and number of slots of a prefix of a node.
pub(super) const fn slots(number: u32) -> (u32, u32) {
    let (bits, length) = of_number(number);
    let behind = STRIDE.saturating_sub(length);
    (bits << behind, 1 << behind)
}

/// The slots of a prefix of a node.
pub(super) const fn covered(number: u32) -> u64 {
    let (first, count) = slots(number);
    u64::MAX >> (u64::BITS - count) << first
}

/// The numbers of the prefixes of at most `longest` bits that cover a slot.
pub(super) fn covering(slot: u32, longest: u32) -> u128 {
    let leaf = number(slot, STRIDE);
    (STRIDE - longest..STRIDE).fold(0, |numbers, up| numbers | 1 << (leaf >> up))
}

/// The slots with which a run starts: where a prefix starts and behind its end, and likewise of a
/// pointer.
pub(super) fn runs_of(pointers: u64, numbers: u128) -> u64 {
    // The numbers of the prefixes of one slot are 64 and more.
    let alone = pointers | (numbers >> SLOTS) as u64;
    let mut runs = 1 | alone | alone << 1;
    for number in bits(numbers as u64) {
        let slots = covered(number);
        // What differs from the slot before.
        runs |= slots ^ slots << 1;
    }
    runs
}

/// The numbers of the bits of a heap that are set.
pub(super) fn wide_bits(set: u128) -> impl Iterator<Item = u32> {
    bits(set as u64).chain(bits((set >> 64) as u64).map(|bit| bit + 64))
}

/// The numbers of the bits that are set.
pub(super) fn bits(mut set: u64) -> impl Iterator<Item = u32> {
    core::iter::from_fn(move || {
        let bit = (set != 0).then(|| set.trailing_zeros())?;
        set &= set - 1;
        Some(bit)
    })
}
