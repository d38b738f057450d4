//! The data plane for C: a static library, and the header `include/dash.h`.
//!
//! The header is the documentation for who calls this: memory, threads, errors, each function. It
//! is made from this crate (`tests/header.rs` keeps it so), and what stands in it stands here.
//!
//! | file | what |
//! |---|---|
//! | `status` | what calls answer |
//! | `foreign`, `region`, `handle` | pointers, regions and objects in the caller's memory, checked |
//! | `capacity` | sizes, asked for before |
//! | `address`, `change`, `convert`, `rules` | the configuration, from C to `Change` |
//! | `policy` | the control core's handle |
//! | `frame`, `device`, `hints`, `packet_core` | a packet core's handle, its frames and callbacks |
//! | `counters`, `flows`, `rewrite` | what it counted, what it remembers |
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

mod address;

mod change;

mod policy;

mod frame;

mod device;

mod packet_core;

mod counters;

mod rewrite;

mod flows;

mod stage;

mod explain;

mod convert;
mod event;
mod foreign;
mod handle;
mod hints;
mod rules;

pub use address::{DASH_IPV4, DASH_IPV6, dash_address_t, dash_mac_t, dash_prefix_t};
pub use capacity::{DASH_ABI_VERSION, DASH_MAX_CORES, dash_capacity_t, dash_sizes, dash_sizes_t};
pub use change::*;
pub use counters::*;
pub use device::dash_callbacks_t;
pub use explain::{DASH_DROPPED, DASH_SENT, DASH_STAGES, dash_core_explain, dash_explanation_t};
pub use flows::{dash_core_flows, dash_flow_key_t, dash_flow_t};
pub use frame::*;
pub use packet_core::{
    DASH_BURST, DASH_QUEUE, dash_core_config_t, dash_core_create, dash_core_destroy,
    dash_core_process, dash_core_t, dash_core_tick,
};
pub use policy::{
    dash_policy_apply, dash_policy_config_t, dash_policy_create, dash_policy_destroy,
    dash_policy_t, dash_scratch_size,
};
pub use region::{dash_layout_t, dash_region_t};
pub use rewrite::*;
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
