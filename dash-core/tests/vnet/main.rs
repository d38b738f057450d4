//! VNET-to-VNET end to end: the library's engine against a second implementation that was written
//! from the specification alone, the two invariants of the architecture, and named examples.
//!
//! `PROPTEST_CASES` sets how many scripts each property runs; `--nocapture` shows what they came to.
#![allow(missing_docs)]
// No unsafe code here or in the library: an interpreter would be slow and find nothing.
#![cfg(not(miri))]

mod bench;
mod bulk_read;
mod choices;
mod conversation;
mod drops;
mod engines;
mod fragment;
mod frame;
mod full;
mod hardware;
mod model;
mod offload;
mod parse;
mod policy;
mod properties;
mod removed;
mod scene;
mod specification;
mod tcp;
mod traffic;
mod usual;
