//! What QEMU's machine `virt` is: memory map, clock, finisher.

use dash_firmware::{Machine, Windows};
use dash_hal::SoftwareHints;
use defmt_semihosting as _;
use riscv::register::{mcause, mepc, mtval, time};
use riscv_rt::TrapFrame;
// The panic handler: prints, and ends the machine with exit code 101.
use semihosting as _;

/// The machine.
pub(crate) struct Virt;

/// Nanoseconds of a tick of the machine's timer, which runs at 10 MHz.
const TICK: u64 = 100;

// SAFETY: QEMU's `virt` has 8 virtio-mmio windows at this address, and the hart runs without
// translation. QEMU's devices see memory as the hart does.
unsafe impl Machine for Virt {
    const WINDOWS: Windows = Windows { base: 0x1000_1000, size: 0x1000, count: 8 };

    /// The cores of the machine have no prefetch.
    type Hints = SoftwareHints;

    fn now() -> u64 {
        time::read64().wrapping_mul(TICK)
    }
}

/// Ends the machine (the test finisher of `SiFive`), with exit code `code`.
pub(crate) fn finish(code: u16) -> ! {
    const FINISHER: usize = 0x10_0000;
    const PASS: u32 = 0x5555;
    const FAIL: u32 = 0x3333;
    let word = if code == 0 { PASS } else { u32::from(code) << 16 | FAIL };
    let register = core::ptr::with_exposed_provenance_mut::<u32>(FINISHER);
    loop {
        // SAFETY: It is the finisher's only register, and nothing else of the program uses it.
        unsafe { register.write_volatile(word) };
    }
}

/// Exceptions are not expected: each panics.
#[unsafe(export_name = "ExceptionHandler")]
fn unexpected(_: &TrapFrame) -> ! {
    let (cause, address) = (mcause::read().bits(), mepc::read());
    panic!("exception {cause} at {address:#x}, value {:#x}", mtval::read())
}
