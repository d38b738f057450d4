//! The firmware with service chains in place of VNET-to-VNET; see `dash-firmware`'s `chains`.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod machine;

#[cfg(target_os = "none")]
mod firmware {
    use aarch64_rt::entry;
    use dash_firmware::{log, run_chains};

    use crate::machine::Virt;

    entry!(main);

    fn main(_: u64, _: u64, _: u64, _: u64) -> ! {
        // SAFETY: It is the only call, of the only core.
        let exit = unsafe { run_chains::<Virt>(log) };
        semihosting::process::exit(exit as i32)
    }
}

#[cfg(not(target_os = "none"))]
fn main() {}
