//! What a port implements to run `dash-core` on a SmartNIC or DPU core.
//!
//! One small trait for each capability, bundled by [`Platform`]:
//!
//! | trait | what the port gives | needed |
//! |---|---|---|
//! | [`PacketBuffer`] | one frame in the port's own memory, moved by value | yes |
//! | [`Ports`] | bursts in and out of numbered ports, their MTU | yes |
//! | [`Pool`] | takes buffers back, copies, empties | `recycle`; the rest may refuse |
//! | [`Clock`] | monotonic nanoseconds | yes |
//! | [`Entropy`] | seeds for hashes | yes |
//! | [`Hints`] | prefetch, keyed hash, checksum | software defaults |
//! | [`EventSink`] | where events leave the core | may refuse each |
//!
//! No trait is `unsafe` and none is used through `dyn`: what touches DMA or MMIO stays inside the
//! port. [`software`] implements all of them over plain arrays, for tests and as a model to read.
//! Order of a port: buffer, ports, pool, clock, entropy; the hints when profiling asks for them.
#![no_std]
#![forbid(unsafe_code)]

mod buffer;
mod burst;
mod clock;
mod entropy;
mod event;
mod hints;
mod port;
pub mod software;

pub use buffer::{ChecksumStatus, NoRoom, PacketBuffer, ReceiveMetadata};
pub use burst::{BURST, Burst};
pub use clock::Clock;
pub use entropy::Entropy;
pub use event::{EventSink, EventsLost};
pub use hints::{HASH_KEY_BYTES, HashKey, Hints, SoftwareHints};
pub use port::{Platform, Pool, PortId, Ports};
