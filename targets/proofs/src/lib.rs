//! One packet core as firmware has it: an engine over VNET-to-VNET, over service chains, or over the
//! flow cache and state machines, its policy and flow table in static memory, and the thinnest port
//! there can be.
//!
//! The binaries of this crate look at it: `instructions` counts what a frame costs. Each runs, or
//! is only linked, without an operating system; on a host they are empty.
#![no_std]
#![deny(missing_docs)]

mod buffer;
mod cache_core;
mod chain_core;
mod frame;
mod packet_core;
mod policy;
mod port;

pub use buffer::{Buffer, Memory};
pub use cache_core::{CacheEngine, CacheStorage, EfsmEngine};
pub use chain_core::{
    CHAIN_CAPACITY, ChainCore, ChainEngine, ChainStorage, Hop, UNDERLAY, write_chains,
};
pub use frame::{CUSTOMER_BYTES, Kind, RECEIVED_BYTES};
pub use packet_core::{Engine, FLOWS, PacketCore, Storage};
pub use policy::{CAPACITY, ENIS};
pub use port::{BUFFERS, Lines, Port};
