//! The conformance suite of `dash-hal` on this machine's ports, in place of the firmware.
//!
//! Started as the firmware is, with data ports 0 and 1 wired together; see `dash-firmware`'s
//! `conformance`. The log says what was found, the exit code whether all cases passed.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod machine;

#[cfg(target_os = "none")]
mod firmware {
    use aarch64_rt::entry;
    use dash_firmware::{conform, log_report};

    use crate::machine::Virt;

    entry!(main);

    fn main(_: u64, _: u64, _: u64, _: u64) -> ! {
        // SAFETY: It is the only call, of the only core.
        let exit = unsafe { conform::<Virt>(log_report) };
        semihosting::process::exit(exit as i32)
    }
}

#[cfg(not(target_os = "none"))]
fn main() {}
