//! The data plane for C: a static library, and the header `include/dash.h`.
//!
//! The header is the documentation for who calls this: memory, threads, errors, each function. It
//! is made from this crate (`tests/header.rs` keeps it so), and what stands in it stands here.
//!
//! | file | what |
//! |---|---|
//! | `status` | what calls answer |
//! | `foreign`, `region`, `handle` | pointers, regions and objects in the caller's memory, checked |
//! | `capacity`, `sizes` | how much is held, and the memory that it takes |
//! | `address`, `change`, `convert`, `rules` | the configuration, from C to `Change` |
//! | `policy` | the control core's handle |
//! | `rewrite`, `flow`, `removed`, `offload` | a flow, its end, hardware that forwards it |
//! | `frame`, `device`, `hints`, `packet_core` | a packet core's handle, its frames and callbacks |
//! | `counters`, `flows` | what it counted, what it remembers |
//! | `stage`, `event`, `explain` | what it would do, and why |
//!
//! `unsafe` is what C makes it: each block leans on a promise of the header, or on a check in front
//! of it. Enumerations of C are numbers here, compared and refused, never transmuted. Nothing
//! unwinds into C: the bare-metal profile aborts, and elsewhere a panic ends at the `extern "C"`
//! boundary in an abort.
#![cfg_attr(target_os = "none", no_std)]
#![allow(non_camel_case_types, reason = "names are those of the header")]
#![allow(clippy::missing_safety_doc, reason = "the header's rules are for all functions")]

// In the order of the header.
mod status;

mod region;

mod capacity;

mod sizes;

mod address;

mod change;

mod policy;

mod frame;

mod rewrite;

mod flow;

mod removed;

mod offload;

mod device;

mod packet_core;

mod counters;

mod flows;

mod bulk_read;

mod stage;

mod explain;

mod convert;
mod event;
mod foreign;
mod handle;
mod hints;
mod rules;

pub use address::{DASH_IPV4, DASH_IPV6, dash_address_t, dash_mac_t, dash_prefix_t};
pub use bulk_read::*;
pub use capacity::{DASH_ABI_VERSION, DASH_MAX_CORES, dash_capacity_t};
pub use change::*;
pub use counters::*;
pub use device::dash_callbacks_t;
pub use explain::{DASH_DROPPED, DASH_SENT, DASH_STAGES, dash_core_explain, dash_explanation_t};
pub use flow::{dash_flow_key_t, dash_flow_t, dash_new_flow_t};
pub use flows::{dash_core_create_flow, dash_core_flows, dash_core_remove_flow};
pub use frame::*;
pub use offload::{DASH_OFFER_AFTER, dash_flow_offload_t, dash_hits_t};
pub use packet_core::{
    DASH_BURST, DASH_FULL_DROP, DASH_FULL_EVICT, DASH_FULL_FORWARD, DASH_QUEUE, dash_core_config_t,
    dash_core_create, dash_core_destroy, dash_core_process, dash_core_t, dash_core_tick,
};
pub use policy::{
    dash_policy_apply, dash_policy_config_t, dash_policy_create, dash_policy_destroy,
    dash_policy_t, dash_scratch_size,
};
pub use region::{dash_layout_t, dash_region_t};
pub use removed::{
    DASH_REMOVED_CLOSED, DASH_REMOVED_DELETED, DASH_REMOVED_DENIED, DASH_REMOVED_EVICTED,
    DASH_REMOVED_HARD, DASH_REMOVED_IDLE, DASH_REMOVED_ORPHANED, DASH_REMOVED_SUPERSEDED,
    dash_removed_flow_t,
};
pub use rewrite::*;
pub use sizes::{dash_sizes, dash_sizes_t};
pub use stage::*;
pub use status::{dash_status_t, dash_status_text};

/// Where a panic would end. None is reachable in a release build, so a program that links one need
/// not define `dash_panic`; that it links is the proof. One that links a debug build must.
#[cfg(target_os = "none")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn dash_panic() -> !;
    }
    // SAFETY: the header says what it is: a function without arguments that does not return.
    unsafe { dash_panic() }
}
