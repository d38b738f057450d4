//! Where the image lies in the memory of QEMU's machine `virt`.

use std::{env, error::Error, fs, path::PathBuf};

/// RAM begins at 2 GiB; at its end is the device tree that QEMU puts there. `-m 64M` or more.
const MEMORY: &str = "MEMORY { RAM : ORIGIN = 0x80000000, LENGTH = 60M }\n";
const REGIONS: [&str; 6] = ["TEXT", "RODATA", "DATA", "BSS", "HEAP", "STACK"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=defmt.x");
    if env::var("CARGO_CFG_TARGET_OS")? == "none" {
        let out = PathBuf::from(env::var("OUT_DIR")?);
        let regions = REGIONS.map(|region| format!("REGION_ALIAS(\"REGION_{region}\", RAM);\n"));
        fs::write(out.join("memory.x"), MEMORY.to_owned() + &regions.concat())?;
        println!("cargo::rustc-link-search={}", out.display());
        let defmt = if env::var("CARGO_CFG_TARGET_ARCH")? == "riscv64" {
            env::var("CARGO_MANIFEST_DIR")? + "/defmt.x"
        } else {
            "defmt.x".to_owned()
        };
        for script in ["memory.x", "link.x", &defmt] {
            println!("cargo::rustc-link-arg-bins=-T{script}");
        }
    }
    Ok(())
}
