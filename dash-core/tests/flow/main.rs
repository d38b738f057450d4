//! The flow table alone, without an engine.
#![allow(missing_docs)]

mod full;
// A million operations: an interpreter takes too long.
#[cfg(not(miri))]
mod model;
mod name;
mod table;
mod wheel;
