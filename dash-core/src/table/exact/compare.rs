//! The words of a bucket compared all at once: by vector instructions where the processor always
//! has them, else one by one. No branch: it would wait for memory to know its way.
#![allow(
    clippy::inline_always,
    reason = "the words go from the loads to the comparison in registers"
)]

use super::WAYS;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
use wide::u32x8;

/// Bit `p`: word `p`, of its bits in `mask`, is `wanted`.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
#[inline(always)]
pub(super) fn equal(words: [u32; WAYS], mask: u32, wanted: u32) -> u32 {
    let words = u32x8::new(words) & u32x8::splat(mask);
    words.simd_eq(u32x8::splat(wanted)).to_bitmask()
}

/// Bit `p`: word `p`, of its bits in `mask`, is `wanted`.
#[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
#[inline(always)]
pub(super) fn equal(words: [u32; WAYS], mask: u32, wanted: u32) -> u32 {
    let bits = words.iter().zip(0..);
    bits.fold(0, |bits, (word, at)| bits | u32::from(word & mask == wanted) << at)
}
