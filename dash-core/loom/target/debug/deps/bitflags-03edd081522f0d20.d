/work/wt/next/dash-core/loom/target/debug/deps/bitflags-03edd081522f0d20.d: /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/bitflags-1.3.2/src/lib.rs

/work/wt/next/dash-core/loom/target/debug/deps/libbitflags-03edd081522f0d20.rmeta: /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/bitflags-1.3.2/src/lib.rs

/root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/bitflags-1.3.2/src/lib.rs:
