//! The firmware on QEMU's machine `virt` with one RISC-V hart; the crate `dash-qemu-riscv32` is
//! this source, too.
//!
//! ```text
//! qemu-system-riscv64 -M virt -bios none -m 64M … -semihosting-config enable=on,target=native
//! ```
//!
//! The hart stays in machine mode; interrupts are never enabled. Logs leave by semihosting, the
//! exit code by the machine's finisher. Off bare metal this is an empty program.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod machine;

#[cfg(target_os = "none")]
mod firmware {
    use dash_firmware::{log, run};

    use crate::machine::{Virt, finish};

    #[riscv_rt::entry]
    fn main() -> ! {
        // SAFETY: It is the only call, of the only hart.
        let exit = unsafe { run::<Virt>(log) };
        finish(exit as u16)
    }
}

#[cfg(not(target_os = "none"))]
fn main() {}
