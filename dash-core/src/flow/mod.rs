//! What is remembered of a conversation.

mod entry;
mod table;

pub use entry::{Egress, Flow, FlowFlags, NewFlow, State, Timeouts};
pub use table::{Arrival, FlowCounters, FlowStep, FlowTable, RECLAIM, Removal, TableFull};
