//! The core's prefetch. Hash and checksum stay in software; an engine for either is called here
//! and must answer the same bits.

use dash_hal::Hints;

/// Bytes of a cache line.
const LINE: usize = 64;

/// Prefetch where the instruction set has one.
#[derive(Clone, Copy, Debug, Default)]
pub struct CoreHints;

impl Hints for CoreHints {
    #[inline]
    fn prefetch<T: ?Sized>(&self, at: &T) {
        let first = core::ptr::from_ref(at).cast::<u8>();
        for offset in (0..size_of_val(at)).step_by(LINE) {
            prefetch_line(first.wrapping_add(offset));
        }
    }
}

#[inline]
fn prefetch_line(address: *const u8) {
    #[cfg(target_arch = "aarch64")]
    // SAFETY: `prfm` changes no register and no memory and does not fault, whatever the address.
    unsafe {
        core::arch::asm!("prfm pldl1keep, [{}]", in(reg) address,
            options(nostack, readonly, preserves_flags));
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is part of every x86-64; a prefetch does not fault, whatever the address.
    unsafe {
        use core::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // To the second level: the first has a dozen loads under way at most, a burst has more.
        _mm_prefetch::<_MM_HINT_T1>(address.cast());
    }
    #[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
    let _ = address;
}
