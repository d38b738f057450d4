//! The memory that a policy and each of its cores take, asked for before.

use crate::{
    capacity::{
        PolicyLayout, bucket_layout, dash_capacity_t, eni_layout, next_hop_layout, slot_layout,
    },
    foreign,
    handle::Place,
    packet_core::Core,
    policy::Control,
    region::dash_layout_t,
    status::{answer, dash_status_t},
};

/// The memory that a policy and each of its cores take.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct dash_sizes_t {
    /// The policy's handle. This region must be zeroed before its first use.
    pub policy: dash_layout_t,
    /// What the policy holds, read by all cores.
    pub policy_words: dash_layout_t,
    /// A core's handle: the engine, its queue and the frames of a burst. This region must be
    /// zeroed before its first use.
    pub core: dash_layout_t,
    /// A core's index of flows: read for each frame, so worth fast memory.
    pub flow_buckets: dash_layout_t,
    /// A core's flows.
    pub flow_slots: dash_layout_t,
    /// The next hops of a core's flows, which have an appliance's address and its neighbor's MAC: one
    /// is read for each frame, so worth fast memory.
    pub next_hops: dash_layout_t,
    /// A core's counters of ENIs.
    pub eni_counters: dash_layout_t,
}

/// Says how much memory a policy of `capacity` takes, and a core of it with `flows` flows (two for
/// each conversation; 0: the core remembers none). The answer depends on nothing else.
///
/// Threads: any, at any time.
/// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_BAD_VERSION`, `DASH_OUT_OF_RANGE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dash_sizes(
    capacity: *const dash_capacity_t,
    flows: u32,
    sizes: *mut dash_sizes_t,
) -> dash_status_t {
    let result = || {
        // SAFETY: the caller's promise of the header: pointers to the stated types.
        let capacity = unsafe { foreign::read(capacity) }?;
        let answer = dash_sizes_t {
            policy: Place::<Control>::LAYOUT,
            policy_words: PolicyLayout::new(&capacity)?.words()?,
            core: Place::<Core>::LAYOUT,
            flow_buckets: bucket_layout(flows)?,
            flow_slots: slot_layout(flows)?,
            next_hops: next_hop_layout(flows, capacity.appliances)?,
            eni_counters: eni_layout(capacity.enis)?,
        };
        // SAFETY: as above.
        unsafe { foreign::write(sizes, answer) }
    };
    answer(result())
}
