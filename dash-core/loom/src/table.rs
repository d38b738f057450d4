//! The library's `table`, as far as the poptrie needs it.

pub(crate) use loom::sync::atomic;

#[path = "../../src/table/demand.rs"]
mod demand;
#[path = "../../src/table/error.rs"]
mod error;
#[path = "../../src/table/poptrie/mod.rs"]
pub(crate) mod poptrie;
#[path = "../../src/table/quiescence.rs"]
pub(crate) mod quiescence;

pub(crate) use demand::Demand;
pub(crate) use error::TableError;
