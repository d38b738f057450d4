"""Builds the bare-metal images of targets/proofs, and finds LLVM's tools."""

import functools
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGETS = {
    "aarch64": "aarch64-unknown-none",
    "riscv32": "riscv32imac-unknown-none-elf",
    "riscv64": "riscv64gc-unknown-none-elf",
}
# Images of a packet path: VNET-to-VNET, service chains, flow cache and state machines, the reactive
# router.
PATHS = ["packet-path", "chain-path", "cache-path", "router-path"]
# What they are entered by.
ROOTS = ["process_burst", "submit", "tick", "apply"]


class BuildFailed(SystemExit):
    """What cargo said; ends the program where no one expects it."""


def build(binary, arch, profile="release", linker=(), compiler=(), from_source=False,
          control=True):
    """Builds `binary` and answers its path; a packet path with the control update or without.

    `linker` and `compiler` are further arguments for the image alone. `from_source`: nightly
    builds `core` too, where no `alloc` exists, notes the frame size of each function, and makes
    no jump tables.
    """
    command = ["cargo"]
    environment = dict(os.environ)
    if from_source:
        command += ["+nightly"]
        environment["RUSTFLAGS"] = "-Zemit-stack-sizes -Cjump-tables=no"
        if arch == "aarch64":
            # As .cargo/config.toml, whose flags the variable replaces.
            environment["RUSTFLAGS"] += " -Ctarget-feature=-strict-align"
    command += ["rustc", "--quiet", "--profile", profile, "--package", "dash-proofs",
                "--bin", binary, "--target", TARGETS[arch], "--color", "never",
                "--message-format", "json-render-diagnostics"]
    if from_source:
        command += ["-Zbuild-std=core", "--target-dir", target_directory() + "/build-std"]
    if binary in PATHS and control:
        linker = ["--undefined=apply", *linker]
    command += ["--", *compiler, *(f"-Clink-arg={argument}" for argument in linker)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildFailed(done.stderr)
    messages = map(json.loads, done.stdout.splitlines())
    return next(message["executable"] for message in messages if message.get("executable"))


def target_directory():
    """Where cargo builds."""
    return os.environ.get("CARGO_TARGET_DIR") or str(ROOT / "target")


@functools.cache
def llvm():
    """The folder of nightly's LLVM tools (rustup component llvm-tools)."""
    sysroot = output("rustc", "+nightly", "--print", "sysroot").strip()
    for folder in pathlib.Path(sysroot, "lib/rustlib").glob("*/bin"):
        if (folder / "llvm-objdump").exists():
            return folder
    sys.exit("LLVM's tools are missing: rustup component add --toolchain nightly llvm-tools")


def output(*command):
    """What a command prints."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
