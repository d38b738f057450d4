//! The packet path alone, to be linked and looked at, never run: what of the library a firmware's
//! bursts, ageing and control updates reach, with tables and inputs that the optimiser cannot see.
//!
//! A panic that could be reached would call a function that does not exist, so it does not link.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod planted;
#[cfg(target_os = "none")]
mod roots;

#[cfg(not(target_os = "none"))]
fn main() {}

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn a_panic_is_reachable() -> !;
    }
    // SAFETY: never runs; an image that links does not contain it.
    unsafe { a_panic_is_reachable() }
}
