//! State machines end to end: the examples, and random programs against an interpreter that is
//! written from the specification's table.
#![allow(missing_docs)]

mod bench;
mod examples;
mod frames;
mod interpreter;
#[path = "../platform/mod.rs"]
mod platform;
mod programs;
