//! What a port implements to run `dash-core` on a SmartNIC or DPU core.
//!
//! One small trait for each capability. [`Platform`] bundles them, but for the last two, which know
//! types of the engine:
//!
//! | trait | what the port gives | needed |
//! |---|---|---|
//! | [`PacketBuffer`] | one frame in the port's own memory, moved by value | yes |
//! | [`Ports`] | bursts in and out of numbered ports, their MTU | yes |
//! | [`Pool`] | takes buffers back, copies, empties | `recycle`; the rest may refuse |
//! | [`Clock`] | monotonic nanoseconds | yes |
//! | [`Entropy`] | seeds for hashes | yes |
//! | [`Hints`] | prefetch, keyed hash, checksum | software defaults |
//! | [`FlowOffload`] | a hardware table that takes established flows | `()`: none |
//! | [`EventSink`] | where events leave the core | may refuse each |
//!
//! No trait is `unsafe` and none is used through `dyn`: what touches DMA or MMIO stays inside the
//! port. [`software`] implements all of them over plain arrays, for tests and as a model to read;
//! [`conformance`] checks that a port keeps to the contract.
//! Order of a port: buffer, ports, pool, clock, entropy; the hints when profiling asks for them;
//! flow offload where the device has such a table.
#![no_std]
#![forbid(unsafe_code)]

mod buffer;
mod burst;
mod clock;
pub mod conformance;
mod entropy;
mod event;
mod hints;
mod offload;
mod port;
pub mod software;

pub use buffer::{HEADROOM, NoRoom, PacketBuffer, ReceiveFlags, ReceiveMetadata, TAILROOM};
pub use burst::{BURST, Burst, Drain};
pub use clock::Clock;
pub use entropy::Entropy;
pub use event::{EventSink, EventsLost};
pub use hints::{HASH_KEY_WORDS, HashKey, Hints, SoftwareHints, VECTOR_WORDS};
pub use offload::{FlowId, FlowOffload, Hits, Refused};
pub use port::{Platform, Pool, PortId, Ports};
