//! Keys and ranges compared eight words at once, where a port loads as many by one instruction.
//!
//! In a search each load waits for the one before; here none does. The halves of a load may be of
//! different times: of an image that readers look at nothing changes.

use super::super::atomic::AtomicU32;
use dash_hal::{Hints, VECTOR_WORDS};
use wide::{u32x8, u64x4};

/// The last of eight sorted keys that is below `number`, or the first.
#[inline]
pub(super) fn last_below(keys: &[AtomicU32], number: u32, hints: &impl Hints) -> usize {
    let Some(keys) = keys.first_chunk() else { return 0 };
    let below = u32x8::splat(number).simd_gt(u32x8::new(hints.load(keys))).to_bitmask();
    // Of a first one nothing follows.
    (below >> 1).count_ones() as usize
}

/// As [`last_below`], of two words each.
#[inline]
pub(super) fn last_below_wide(keys: &[AtomicU32], number: u64, hints: &impl Hints) -> usize {
    let Some((first, keys)) = keys.split_first_chunk() else { return 0 };
    let Some(second) = keys.first_chunk() else { return 0 };
    let number = u64x4::splat(number);
    let below = number.simd_gt(pairs(first, hints)).to_bitmask()
        | number.simd_gt(pairs(second, hints)).to_bitmask() << 4;
    (below >> 1).count_ones() as usize
}

/// Whether a number is in one of eight ranges: first their starts, then their ends.
#[inline]
pub(super) fn within(ranges: &[AtomicU32], number: u32, hints: &impl Hints) -> bool {
    let Some((starts, ends)) = ranges.split_first_chunk() else { return false };
    let Some(ends) = ends.first_chunk() else { return false };
    let number = u32x8::splat(number);
    let starts = number.max(u32x8::new(hints.load(starts))).simd_eq(number);
    let ends = number.min(u32x8::new(hints.load(ends))).simd_eq(number);
    (starts & ends).to_bitmask() != 0
}

/// As [`within`], of two words each.
#[inline]
pub(super) fn within_wide(ranges: &[AtomicU32], number: u64, hints: &impl Hints) -> bool {
    let Some((ranges, _)) = ranges.split_first_chunk::<{ 4 * VECTOR_WORDS }>() else {
        return false;
    };
    let ([a, b, c, d], _) = ranges.as_chunks() else { return false };
    let number = u64x4::splat(number);
    let outside =
        |starts, ends| pairs(starts, hints).simd_gt(number) | number.simd_gt(pairs(ends, hints));
    (outside(a, c) & outside(b, d)).to_bitmask() != 0xf
}

/// Whether a port is in one of eight [ranges](super::classify::port_in).
#[inline]
pub(super) fn port_within(
    ranges: &[AtomicU32; VECTOR_WORDS],
    port: u16,
    hints: &impl Hints,
) -> bool {
    let ranges = u32x8::new(hints.load(ranges));
    let behind = (u32x8::splat(port.into()) - ranges) & u32x8::splat(0xffff);
    let follow = ranges >> 16_u32;
    behind.min(follow).simd_eq(behind).to_bitmask() != 0
}

/// Numbers of two words, the upper one first.
#[inline]
fn pairs(words: &[AtomicU32; VECTOR_WORDS], hints: &impl Hints) -> u64x4 {
    let pairs = u64x4::new(zerocopy::transmute!(hints.load(words)));
    if cfg!(target_endian = "little") { pairs << 32_u32 | pairs >> 32_u32 } else { pairs }
}
