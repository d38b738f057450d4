//! Tables: exact match, longest prefix, classification. They know nothing of DASH.
pub mod acl;
/// What the shared tables are made of; the proof of their protocol puts another in its place.
mod atomic {
    pub(super) use core::sync::atomic::{AtomicU32, Ordering, fence};
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
