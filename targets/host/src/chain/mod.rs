//! Service chains: several hosts in one run, joined by Geneve.
//!
//! A frame out of a host's underlay comes in at the host that it is for at the same time; one out
//! of a wired port comes in at the wire's other end a microsecond later.

pub mod control;
pub mod document;
pub mod explain;
pub mod network;
pub mod run;
pub mod trace;
pub mod world;
