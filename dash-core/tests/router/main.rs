//! The reactive router end to end: bytes in, bytes out, with a controller near and far.
#![allow(missing_docs)]

#[allow(dead_code, reason = "the tests of service chains need more of it")]
#[path = "../platform/mod.rs"]
mod platform;

mod configuration;
mod frames;
mod model;
mod remote;
mod rules;
mod scenarios;
mod world;
