//! Tables: exact match, longest prefix, classification. They know nothing of DASH.
pub mod acl;
/// What the shared tables are made of; the proof of their protocol puts another in its place.
pub(crate) mod atomic {
    pub(crate) use core::sync::atomic::{AtomicU32, Ordering, fence};
}
pub mod cuckoo;
mod demand;
mod error;
pub mod exact;
mod pool;
pub mod poptrie;
pub mod quiescence;
#[cfg(test)]
mod tests;

pub use demand::Demand;
pub use error::TableError;
