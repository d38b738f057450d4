//! What is remembered of a conversation.
#![allow(
    clippy::inline_always,
    reason = "on the packet path what is known of a frame stays in registers"
)]

mod entry;
pub mod fragment;
pub mod full;
mod offload;
mod outside;
mod removed;
mod table;
pub mod tcp;
pub mod wheel;

pub use entry::{Egress, Flow, FlowFlags, NewFlow, State, Timeouts};
pub use full::WhenFull;
pub use outside::Outside;
pub use removed::{FlowRemoved, Removal};
use table::NANOSECONDS;
pub use table::{Arrival, FlowCounters, FlowSettings, FlowStep, FlowTable, RECLAIM, TableFull};
