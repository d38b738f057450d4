//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use dash_host::cli::InputArgs;

/// Boots a firmware image in QEMU and runs captures through it, as `dash run` does on the host.
#[derive(Clone, Debug, Parser)]
#[command(name = "dash-runner", version)]
pub struct Args {
    /// The machine.
    #[arg(long, value_enum)]
    pub arch: Arch,
    /// What is processed, and how.
    #[command(flatten)]
    pub input: InputArgs,
    /// Folder for the captures of what leaves (PORT.pcap) and for report.json.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Print what the firmware logs.
    #[arg(long)]
    pub log: bool,
    /// Seconds without an answer, or without a frame that gets on, after which the firmware is
    /// given up.
    #[arg(long, default_value_t = 60, value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,
}

/// A machine that QEMU emulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Arch {
    /// Stands for an Arm core of a DPU: Cortex-A72.
    Aarch64,
    /// Stands for a soft CPU of 64 bits.
    Riscv64,
    /// Stands for a soft CPU of 32 bits.
    Riscv32,
}

impl Arch {
    /// The package of its firmware.
    #[must_use]
    pub const fn package(self) -> &'static str {
        match self {
            Self::Aarch64 => "dash-qemu-aarch64",
            Self::Riscv64 => "dash-qemu-riscv64",
            Self::Riscv32 => "dash-qemu-riscv32",
        }
    }

    /// The Rust target.
    #[must_use]
    pub const fn target(self) -> &'static str {
        match self {
            Self::Aarch64 => "aarch64-unknown-none",
            Self::Riscv64 => "riscv64gc-unknown-none-elf",
            Self::Riscv32 => "riscv32imac-unknown-none-elf",
        }
    }

    /// The command of QEMU, and the arguments that choose the machine.
    #[must_use]
    pub const fn qemu(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Aarch64 => ("qemu-system-aarch64", &["-M", "virt", "-cpu", "cortex-a72"]),
            Self::Riscv64 => ("qemu-system-riscv64", &["-M", "virt", "-bios", "none"]),
            Self::Riscv32 => ("qemu-system-riscv32", &["-M", "virt", "-bios", "none"]),
        }
    }
}
