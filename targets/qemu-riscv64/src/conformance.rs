//! The conformance suite of `dash-hal` on this machine's ports, in place of the firmware.
//!
//! Started as the firmware is, with data ports 0 and 1 wired together; see `dash-firmware`'s
//! `conformance`. The log says what was found, the exit code whether all cases passed.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod machine;

#[cfg(target_os = "none")]
mod firmware {
    use dash_firmware::{conform, log_report};

    use crate::machine::{Virt, finish};

    #[riscv_rt::entry]
    fn main() -> ! {
        // SAFETY: It is the only call, of the only hart.
        let exit = unsafe { conform::<Virt>(log_report) };
        finish(exit as u16)
    }
}

#[cfg(not(target_os = "none"))]
fn main() {}
