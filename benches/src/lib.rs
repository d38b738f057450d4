//! The world in which the benchmarks run: a port in memory, a policy, flows and their frames.
//!
//! Everything is made by code from fixed seeds. What is inside the clock stands in the crate's
//! README.

mod cache_world;
mod chain_world;
mod clock;
mod connection;
mod device;
mod efsm_world;
mod frame;
mod policy;
mod random;
mod router_world;
pub mod routes;
mod world;

pub use cache_world::{CacheWorld, Source};
pub use chain_world::ChainWorld;
pub use clock::{CpuTime, cpu_time};
pub use device::{Device, Prefetch, RING};
pub use efsm_world::EfsmWorld;
pub use frame::{Buffer, CUSTOMER_BYTES, FlowFields, RECEIVED_BYTES};
pub use policy::{DESTINATIONS, ENIS, Shape};
pub use random::Random;
pub use router_world::{MACHINES, RouterWorld};
pub use world::{OTHER_HALF, World, entries_at_90_percent};
