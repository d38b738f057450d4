/work/wt/next/dash-core/loom/target/debug/deps/pin_project_lite-f45f89f85e031625.d: /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/pin-project-lite-0.2.17/src/lib.rs

/work/wt/next/dash-core/loom/target/debug/deps/libpin_project_lite-f45f89f85e031625.rmeta: /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/pin-project-lite-0.2.17/src/lib.rs

/root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/pin-project-lite-0.2.17/src/lib.rs:
