//! The command `dash-runner`: boots a firmware image in QEMU and runs captures through it.
//!
//! It takes what `dash run` takes and writes what `dash run` writes, byte for byte: the captures
//! of what left and the report. In between works the firmware instead of the host.
//!
//! ```sh
//! cargo run -p dash-runner -- --arch aarch64 \
//!     --config examples/vnet-to-vnet/published.json \
//!     --in 0=examples/vnet-to-vnet/vm.pcap --out out/aarch64
//! ```
//!
//! boots the firmware on a Cortex-A72 and forwards the shipped capture; `--arch riscv64` and
//! `--arch riscv32` are the other machines, `--log` shows what the firmware logs. It needs the
//! machine's Rust target and QEMU:
//!
//! ```sh
//! rustup target add aarch64-unknown-none riscv64gc-unknown-none-elf riscv32imac-unknown-none-elf
//! apt-get install qemu-system-arm qemu-system-misc
//! ```
//!
//! # A run
//!
//! [`image`] builds the firmware with the configuration compiled in, [`machine`] boots it with one
//! Unix socket for each network device ([`wire`]), and [`run`] feeds it over [`firmware`], which
//! speaks `dash-protocol`. Frames go in the merged order of time, each with its timestamp, which is
//! the firmware's clock. Frames of one port follow each other without waiting; a frame of another
//! port, or a change of the configuration, waits until all frames before it are done. Sockets and
//! rings hold back whoever is too fast, and what leaves is read at all times, so that nothing is
//! lost and nothing waits for itself. A firmware that neither answers nor takes frames for
//! `--timeout` seconds ends the run with an error and its [`log`]; output files are only written
//! when a run is complete.
//!
//! Memory: a frame that left waits here at most until the next one was given.

pub mod cli;
pub mod error;
pub mod firmware;
pub mod image;
pub mod log;
pub mod machine;
pub mod run;
pub mod wire;

use std::{
    io::{BufWriter, Write},
    path::Path,
    process::ExitCode,
};

use clap::Parser;

/// The command. Exit codes: 0, 2 when the input is wrong, 1 when it could not be carried out.
#[must_use]
pub fn main() -> ExitCode {
    let args = cli::Args::parse();
    let mut out = BufWriter::new(std::io::stdout().lock());
    let done = run::run(&args, &mut out, &mut std::io::stderr()).and_then(|()| {
        let flushed = out.flush();
        flushed.map_err(|error| error::Error::io(Path::new("standard output"), error))
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            dash_host::complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
