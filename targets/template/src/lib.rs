//! A port to copy. It is complete and passes the conformance suite, over a NIC that does not
//! exist but is as simple as a real one can be:
//!
//! - each port has a receive and a transmit ring of [`Descriptor`](device::Descriptor)s in memory;
//!   a bit in each says whether the core or the device owns it;
//! - a few registers for each port: where the rings are, a doorbell, a counter of frames that found
//!   no descriptor;
//! - a timer of 32 bits;
//! - DMA is coherent with the core's caches.
//!
//! | file | trait | what a porter changes |
//! |---|---|---|
//! | `device.rs` | | registers and descriptors: those of the NIC's manual |
//! | `frame.rs` | `PacketBuffer` | size of a block; little else |
//! | `ring.rs` | | who owns a descriptor; cache maintenance where DMA is not coherent |
//! | `port.rs` | `Ports`, `Pool`, `Platform` | flags of a received frame, doorbell |
//! | `clock.rs` | `Clock` | the counter and its rate |
//! | `entropy.rs` | `Entropy` | a hardware source, where there is one |
//! | `hints.rs` | `Hints` | the core's prefetch; engines for hash and checksum |
//! | `events.rs` | `EventSink` | the mailbox that leaves the core |
//!
//! `tests/port/model.rs` is the NIC. The guide is `targets/PORTING.md`; its examples are compiled here.
#![no_std]

pub mod clock;
pub mod device;
pub mod entropy;
pub mod events;
pub mod frame;
pub mod hints;
pub mod port;
mod ring;

#[cfg(doctest)]
#[doc = include_str!("../../PORTING.md")]
mod guide {}
