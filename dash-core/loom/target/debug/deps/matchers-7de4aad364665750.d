/work/wt/next/dash-core/loom/target/debug/deps/matchers-7de4aad364665750.d: /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/matchers-0.2.0/src/lib.rs

/work/wt/next/dash-core/loom/target/debug/deps/libmatchers-7de4aad364665750.rmeta: /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/matchers-0.2.0/src/lib.rs

/root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/matchers-0.2.0/src/lib.rs:
