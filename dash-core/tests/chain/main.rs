//! Service chains end to end: bytes in, bytes out, over hosts joined by Geneve.
#![allow(missing_docs)]

mod cases;
mod configuration;
mod frames;
mod model;
#[path = "../platform/mod.rs"]
mod platform;
mod properties;
mod random;
mod steering;
mod switching;
mod tunnel;
mod world;
