//! What QEMU's machine `virt` is: memory map, clock, prefetch, critical section.

use core::arch::asm;

use aarch64_rt::{ExceptionHandlers, InitialPagetable, exception_handlers, initial_pagetable};
use dash_firmware::{Machine, Windows, nanoseconds};
use dash_hal::Hints;
use defmt_semihosting as _;

/// The machine.
pub(crate) struct Virt;

// SAFETY: QEMU's `virt` has 32 virtio-mmio windows at this address, which the page table below
// maps as device memory. Memory is mapped to itself, and QEMU's devices see it through the cache.
unsafe impl Machine for Virt {
    const WINDOWS: Windows = Windows { base: 0x0a00_0000, size: 0x200, count: 32 };

    type Hints = Prefetch;

    fn now() -> u64 {
        let (ticks, frequency): (u64, u64);
        // SAFETY: EL1 may read the virtual counter and its frequency. The barrier keeps the read
        // behind what was done before it.
        unsafe {
            asm!("isb", "mrs {}, cntvct_el0", "mrs {}, cntfrq_el0", out(reg) ticks,
                out(reg) frequency, options(nomem, nostack, preserves_flags));
        }
        nanoseconds(ticks, frequency)
    }
}

/// The software hash and checksum, and the core's prefetch.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Prefetch;

/// Bytes of a cache line of a Cortex-A72.
const LINE: usize = 64;

impl Hints for Prefetch {
    #[inline]
    fn prefetch<T: ?Sized>(&self, at: &T) {
        let first = core::ptr::from_ref(at).cast::<u8>();
        let offset = first.addr() % LINE;
        for line in 0..(offset + size_of_val(at)).div_ceil(LINE) {
            let address = first.wrapping_sub(offset).wrapping_add(line * LINE);
            // SAFETY: A prefetch is a hint: it changes no register and no memory, and faults at no
            // address.
            unsafe {
                asm!("prfm pldl1keep, [{}]", in(reg) address,
                    options(readonly, nostack, preserves_flags));
            }
        }
    }
}

/// Page table attributes: a valid block that was accessed, of device memory without execution, or
/// of inner-shareable normal memory.
const DEVICE: usize = 1 | 1 << 10 | 1 << 54;
const NORMAL: usize = 1 | 1 << 2 | 3 << 8 | 1 << 10;

initial_pagetable!({
    let mut gibibytes = [0; 512];
    gibibytes[0] = DEVICE;
    gibibytes[1] = NORMAL | 0x4000_0000;
    InitialPagetable(gibibytes)
});

/// Exceptions are not expected: each panics.
struct Unexpected;

impl ExceptionHandlers for Unexpected {}

exception_handlers!(Unexpected);

/// Exceptions masked. There is one core.
struct Masked;

critical_section::set_impl!(Masked);

// SAFETY: With exceptions masked on the only core nothing else runs. `release` restores the mask
// that its `acquire` found, so that sections nest. Neither block is declared to leave memory alone:
// no access moves out of the section.
unsafe impl critical_section::Impl for Masked {
    unsafe fn acquire() -> u64 {
        let mask: u64;
        // SAFETY: EL1 may read and set its exception mask.
        unsafe { asm!("mrs {}, daif", "msr daifset, #15", out(reg) mask, options(nostack)) };
        mask
    }

    unsafe fn release(mask: u64) {
        // SAFETY: EL1 may set its exception mask; it is one that it had.
        unsafe { asm!("msr daif, {}", in(reg) mask, options(nostack)) };
    }
}
