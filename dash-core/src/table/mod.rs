//! Tables: exact match, longest prefix, classification. They know nothing of DASH.
pub mod acl;
pub mod cuckoo;
mod demand;
mod error;
pub mod exact;
pub mod lpm;
mod pool;
pub mod quiescence;
#[cfg(test)]
mod tests;
pub use demand::Demand;
pub use error::TableError;
