//! The reactive router: several hosts in one run, joined by VXLAN, with a controller near or far.

pub mod config;
pub mod control;
pub mod explain;
pub mod run;
pub mod trace;
pub mod up;
pub mod world;
