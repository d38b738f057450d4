//! The firmware on QEMU's machine `virt` with a Cortex-A72.
//!
//! ```text
//! qemu-system-aarch64 -M virt -cpu cortex-a72 -m 64M … -semihosting-config enable=on,target=native
//! ```
//!
//! The core runs in EL1 with the MMU and the caches on; interrupts are never enabled. Logs and the
//! exit code leave by semihosting. Off bare metal this is an empty program.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod machine;

#[cfg(target_os = "none")]
mod firmware {
    use aarch64_rt::entry;
    use dash_firmware::{log, run};

    use crate::machine::Virt;

    entry!(main);

    fn main(_: u64, _: u64, _: u64, _: u64) -> ! {
        // SAFETY: It is the only call, of the only core.
        let exit = unsafe { run::<Virt>(log) };
        semihosting::process::exit(exit as i32)
    }
}

#[cfg(not(target_os = "none"))]
fn main() {}
