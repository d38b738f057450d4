/work/wt/next/dash-core/loom/target/debug/deps/dash_hal-9448101621665d41.d: /work/wt/next/dash-hal/src/lib.rs /work/wt/next/dash-hal/src/buffer.rs /work/wt/next/dash-hal/src/burst.rs /work/wt/next/dash-hal/src/clock.rs /work/wt/next/dash-hal/src/conformance/mod.rs /work/wt/next/dash-hal/src/conformance/buffers.rs /work/wt/next/dash-hal/src/conformance/events.rs /work/wt/next/dash-hal/src/conformance/frame.rs /work/wt/next/dash-hal/src/conformance/hints.rs /work/wt/next/dash-hal/src/conformance/metadata.rs /work/wt/next/dash-hal/src/conformance/pool.rs /work/wt/next/dash-hal/src/conformance/report.rs /work/wt/next/dash-hal/src/conformance/rings.rs /work/wt/next/dash-hal/src/conformance/sizes.rs /work/wt/next/dash-hal/src/conformance/time.rs /work/wt/next/dash-hal/src/conformance/wire.rs /work/wt/next/dash-hal/src/entropy.rs /work/wt/next/dash-hal/src/event.rs /work/wt/next/dash-hal/src/hints.rs /work/wt/next/dash-hal/src/offload.rs /work/wt/next/dash-hal/src/port.rs /work/wt/next/dash-hal/src/software.rs /work/wt/next/dash-hal/src/software/offload.rs

/work/wt/next/dash-core/loom/target/debug/deps/libdash_hal-9448101621665d41.rmeta: /work/wt/next/dash-hal/src/lib.rs /work/wt/next/dash-hal/src/buffer.rs /work/wt/next/dash-hal/src/burst.rs /work/wt/next/dash-hal/src/clock.rs /work/wt/next/dash-hal/src/conformance/mod.rs /work/wt/next/dash-hal/src/conformance/buffers.rs /work/wt/next/dash-hal/src/conformance/events.rs /work/wt/next/dash-hal/src/conformance/frame.rs /work/wt/next/dash-hal/src/conformance/hints.rs /work/wt/next/dash-hal/src/conformance/metadata.rs /work/wt/next/dash-hal/src/conformance/pool.rs /work/wt/next/dash-hal/src/conformance/report.rs /work/wt/next/dash-hal/src/conformance/rings.rs /work/wt/next/dash-hal/src/conformance/sizes.rs /work/wt/next/dash-hal/src/conformance/time.rs /work/wt/next/dash-hal/src/conformance/wire.rs /work/wt/next/dash-hal/src/entropy.rs /work/wt/next/dash-hal/src/event.rs /work/wt/next/dash-hal/src/hints.rs /work/wt/next/dash-hal/src/offload.rs /work/wt/next/dash-hal/src/port.rs /work/wt/next/dash-hal/src/software.rs /work/wt/next/dash-hal/src/software/offload.rs

/work/wt/next/dash-hal/src/lib.rs:
/work/wt/next/dash-hal/src/buffer.rs:
/work/wt/next/dash-hal/src/burst.rs:
/work/wt/next/dash-hal/src/clock.rs:
/work/wt/next/dash-hal/src/conformance/mod.rs:
/work/wt/next/dash-hal/src/conformance/buffers.rs:
/work/wt/next/dash-hal/src/conformance/events.rs:
/work/wt/next/dash-hal/src/conformance/frame.rs:
/work/wt/next/dash-hal/src/conformance/hints.rs:
/work/wt/next/dash-hal/src/conformance/metadata.rs:
/work/wt/next/dash-hal/src/conformance/pool.rs:
/work/wt/next/dash-hal/src/conformance/report.rs:
/work/wt/next/dash-hal/src/conformance/rings.rs:
/work/wt/next/dash-hal/src/conformance/sizes.rs:
/work/wt/next/dash-hal/src/conformance/time.rs:
/work/wt/next/dash-hal/src/conformance/wire.rs:
/work/wt/next/dash-hal/src/entropy.rs:
/work/wt/next/dash-hal/src/event.rs:
/work/wt/next/dash-hal/src/hints.rs:
/work/wt/next/dash-hal/src/offload.rs:
/work/wt/next/dash-hal/src/port.rs:
/work/wt/next/dash-hal/src/software.rs:
/work/wt/next/dash-hal/src/software/offload.rs:
