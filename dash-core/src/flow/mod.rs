//! What is remembered of a conversation.
#![allow(
    clippy::inline_always,
    reason = "on the packet path what is known of a frame stays in registers"
)]

mod entry;
mod offload;
mod outside;
mod removed;
mod table;

pub use entry::{Egress, Flow, FlowFlags, NewFlow, State, Timeouts};
pub use outside::Outside;
pub use removed::{FlowRemoved, Removal};
pub use table::{Arrival, FlowCounters, FlowStep, FlowTable, RECLAIM, TableFull};
