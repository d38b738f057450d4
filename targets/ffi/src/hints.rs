//! The core's prefetch, where its instruction set has one. Hash and checksum stay in software.

use core::ptr;

use dash_hal::Hints;

/// Bytes of a cache line.
const LINE: usize = 64;

/// What this core has.
#[derive(Clone, Copy)]
pub(crate) struct CoreHints;

impl Hints for CoreHints {
    #[inline]
    fn prefetch<T: ?Sized>(&self, at: &T) {
        let first = ptr::from_ref(at).cast::<u8>();
        for offset in (0..size_of_val(at)).step_by(LINE) {
            prefetch_line(first.wrapping_add(offset));
        }
    }
}

#[inline]
fn prefetch_line(address: *const u8) {
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: `prfm` changes no register and no memory and does not fault, whatever the address.
    unsafe {
        core::arch::asm!("prfm pldl1keep, [{}]", in(reg) address,
            options(nostack, readonly, preserves_flags));
    }
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: SSE is part of every x86-64; a prefetch does not fault, whatever the address.
    unsafe {
        use core::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // To the second level: the first has a dozen loads under way at most, a burst has more.
        _mm_prefetch::<_MM_HINT_T1>(address.cast());
    }
    #[cfg(not(all(any(target_arch = "aarch64", target_arch = "x86_64"), not(miri))))]
    let _ = address;
}
