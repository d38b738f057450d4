//! Where the image lies in the memory of QEMU's machine `virt`.

use std::{env, error::Error, fs, path::PathBuf};

/// RAM begins at 1 GiB, with the device tree that QEMU puts there. `-m 64M` or more.
const MEMORY: &str = "MEMORY { image : ORIGIN = 0x40080000, LENGTH = 63M }\n";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_OS")? == "none" {
        let out = PathBuf::from(env::var("OUT_DIR")?);
        fs::write(out.join("memory.ld"), MEMORY)?;
        println!("cargo::rustc-link-search={}", out.display());
        for script in ["image.ld", "memory.ld", "defmt.x"] {
            println!("cargo::rustc-link-arg-bins=-T{script}");
        }
    }
    Ok(())
}
