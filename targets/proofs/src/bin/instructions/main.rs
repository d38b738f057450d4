//! What a frame costs, in instructions: exact where the machine counts them, as QEMU does with
//! `-icount shift=0`. `.ci/instructions` runs it.
//!
//! Each case is one burst of 32 frames. Inside the count: [`Engine::process`] and
//! [`Engine::flush`], that is parse, key, look-up, policy on a miss, installation, header change,
//! counters of flow and ENI, the transmit queue, and the port's side of sending or recycling,
//! which moves one pointer a frame. Outside: writing the frames and filling the burst, the clock
//! of the port, and reading the counter (its cost is measured and taken off).
//!
//! [`Engine::process`]: dash_core::engine::Engine::process
//! [`Engine::flush`]: dash_core::engine::Engine::flush
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg_attr(all(target_os = "none", target_arch = "aarch64"), path = "aarch64.rs")]
#[cfg_attr(
    all(target_os = "none", any(target_arch = "riscv32", target_arch = "riscv64")),
    path = "riscv.rs"
)]
#[cfg(target_os = "none")]
mod arch;
#[cfg(target_os = "none")]
mod cases;

#[cfg(not(target_os = "none"))]
fn main() {}

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    semihosting::eprintln!("{info}");
    semihosting::process::exit(101)
}
