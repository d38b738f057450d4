//! Packet processing for the cores of a SmartNIC or DPU: no allocation, no `unsafe`, no panic.
//!
//! A frame comes in; `engine::Engine` finds its flow or, on a miss, lets a
//! `pipeline::Pipeline` evaluate policy once; the outcome is compiled into one
//! `rewrite::Rewrite` for each direction and kept in a flow table. From then on only the
//! rewrite is applied.
//!
//! The modules in the order of a frame's life: `wire` parses, `table` looks up, `flow`
//! remembers, `rewrite` changes headers, `engine` ties them, `pipeline` decides.
//!
#![no_std]
#![forbid(unsafe_code)]

pub mod engine;
pub mod flow;
pub mod packet;
pub mod pipeline;
pub mod rewrite;
pub mod table;
pub mod wire;
