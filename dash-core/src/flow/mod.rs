//! What is remembered of a conversation.
#![allow(
    clippy::inline_always,
    reason = "on the packet path what is known of a frame stays in registers"
)]

mod entry;
mod offload;
mod table;

pub use entry::{Egress, Flow, FlowFlags, NewFlow, State, Timeouts};
pub use offload::Hardware;
pub use table::{Arrival, FlowCounters, FlowStep, FlowTable, RECLAIM, Removal, TableFull};
