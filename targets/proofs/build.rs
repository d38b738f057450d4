//! Tells the linker where the images lie in QEMU's `virt` machines.

use std::{env, fs, path::PathBuf};

/// The first megabytes of RAM, behind what QEMU puts at the start of the Arm machine's.
const AARCH64: &str = "MEMORY { image : ORIGIN = 0x40080000, LENGTH = 16M }\n";

const RISCV: &str = "MEMORY { RAM : ORIGIN = 0x80000000, LENGTH = 16M }
REGION_ALIAS(\"REGION_TEXT\", RAM);
REGION_ALIAS(\"REGION_RODATA\", RAM);
REGION_ALIAS(\"REGION_DATA\", RAM);
REGION_ALIAS(\"REGION_BSS\", RAM);
REGION_ALIAS(\"REGION_HEAP\", RAM);
REGION_ALIAS(\"REGION_STACK\", RAM);
";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(planted_alloc)");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let aarch64 = env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("aarch64");
    let (memory, script) = if aarch64 { (AARCH64, "image.ld") } else { (RISCV, "link.x") };
    fs::write(out.join("memory.x"), memory).expect("OUT_DIR can be written to");
    println!("cargo::rustc-link-search={}", out.display());
    let roots = format!("{}/src/bin/packet-path/image.ld", env!("CARGO_MANIFEST_DIR"));
    println!("cargo::rerun-if-changed=src/bin/packet-path/image.ld");
    for path in ["packet-path", "chain-path", "cache-path", "router-path"] {
        println!("cargo::rustc-link-arg-bin={path}=-T{roots}");
    }
    for script in ["memory.x", script] {
        println!("cargo::rustc-link-arg-bin=instructions=-T{script}");
    }
}
