//! One firmware program for bare-metal machines whose ports are virtio-net devices.
//!
//! A machine gives what differs ([`Machine`]: where its devices are, its clock, its prefetch) and
//! calls [`run`]; everything else is here. In the order of a frame: a [`FrameBuffer`] lies in DMA
//! memory from its arrival to its departure; `ring` and `nic` hand it to a device and back;
//! [`FirmwarePlatform`] is the port that `dash-hal` describes; `session` ties it to the engine and
//! to the policy of VNET-to-VNET, `chains` to that of service chains; [`run`] answers the host, which
//! speaks `dash-protocol` on a device of its own.
//!
//! The configuration that the image starts with is compiled in, see `build.rs`. All memory is
//! static, sized by it; see [`storage`].
#![cfg_attr(not(test), no_std)]

mod buffer;
mod chains;
mod clock;
mod conformance;
mod control;
mod devices;
mod event;
mod intake;
#[cfg(target_os = "none")]
mod log;
mod machine;
mod memory;
mod nic;
mod platform;
mod pool;
mod program;
mod ring;
mod seeds;
mod service;
mod session;
pub mod storage;

pub use buffer::{FrameBuffer, LARGEST_FRAME, RESERVED, SLOT_BYTES};
pub use clock::FirmwareClock;
pub use conformance::conform;
pub use event::{Event, EventQueue, Exit};
#[cfg(target_os = "none")]
pub use log::{log, log_report};
pub use machine::{Machine, Windows, nanoseconds};
pub use platform::{FirmwarePlatform, PortCounters, QUEUE, SLOTS};
pub use program::{DRAIN, run, run_chains};
pub use ring::RING;
pub use seeds::Seeds;
