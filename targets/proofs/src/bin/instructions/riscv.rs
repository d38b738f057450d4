//! RISC-V: start in machine mode, and its counter of retired instructions.

use core::sync::atomic::{Ordering, compiler_fence};

use riscv::register::minstret;

#[riscv_rt::entry]
fn main() -> ! {
    semihosting::process::exit(super::cases::run())
}

/// Instructions so far.
#[inline]
pub(crate) fn instructions() -> u64 {
    // What is counted stays between two reads.
    compiler_fence(Ordering::SeqCst);
    let count = minstret::read64();
    compiler_fence(Ordering::SeqCst);
    count
}
