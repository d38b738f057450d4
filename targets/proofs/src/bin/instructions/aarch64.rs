//! Arm: start in EL1, and its cycle counter, which counts instructions under `-icount shift=0`.

use core::arch::asm;

use aarch64_rt::{
    ExceptionHandlers, InitialPagetable, entry, exception_handlers, initial_pagetable,
};

/// Block descriptors (Arm ARM, D8.3): valid, accessed; device memory is never executed.
const DEVICE: usize = 1 | 1 << 10 | 1 << 54;
const MEMORY: usize = 1 | 1 << 2 | 3 << 8 | 1 << 10 | 1 << 11;

initial_pagetable!({
    let mut table = [0; 512];
    table[0] = DEVICE;
    table[1] = MEMORY | 0x4000_0000;
    InitialPagetable(table)
});

/// An exception ends the program.
struct Handlers;
impl ExceptionHandlers for Handlers {}
exception_handlers!(Handlers);

/// Pages of 4 KiB: `run` builds two cores on the stack, and a build for size moves them about.
const STACK: usize = 256;

entry!(main, STACK);

fn main(_: u64, _: u64, _: u64, _: u64) -> ! {
    const ENABLE: u64 = 1;
    const LONG: u64 = 1 << 6;
    const CYCLES: u64 = 1 << 31;
    // SAFETY: the registers are those of the performance monitors, accessible in EL1; nothing
    // else uses them.
    unsafe {
        asm!("msr pmcr_el0, {}", "msr pmcntenset_el0, {}", "isb",
            in(reg) ENABLE | LONG, in(reg) CYCLES, options(nomem, nostack));
    }
    semihosting::process::exit(super::cases::run())
}

/// Instructions so far.
#[inline]
pub(crate) fn instructions() -> u64 {
    let count;
    // SAFETY: reads a counter. Not `nomem`: what is counted stays between two reads.
    unsafe { asm!("mrs {}, pmccntr_el0", out(reg) count, options(nostack, preserves_flags)) };
    count
}
