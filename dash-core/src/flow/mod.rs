//! What is remembered of a conversation.
#![allow(
    clippy::inline_always,
    reason = "on the packet path what is known of a frame stays in registers"
)]

mod counters;
mod entry;
pub mod fragment;
pub mod full;
mod install;
mod offload;
mod outside;
mod removed;
mod table;
pub mod tcp;
pub mod wheel;

pub use counters::FlowCounters;
pub use entry::{Egress, Flow, FlowFlags, FlowMut, State, Timeouts};
pub use full::{RECLAIM, WhenFull};
pub use install::{Arrival, Install, NewFlow, TableFull};
pub use offload::Offered;
pub use outside::Outside;
pub use removed::{FlowRemoved, Removal};
use table::NANOSECONDS;
pub use table::{FlowSettings, FlowStep, FlowTable};
