//! The flow cache end to end: bytes in, bytes out. Tests are named by the scenarios of the
//! specification.
#![allow(missing_docs)]

mod bench;
mod cache;
mod frames;
mod model;
mod parse;
#[path = "../platform/mod.rs"]
mod platform;
mod reading;
mod traffic;
