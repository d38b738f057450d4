//! A caller of the library, as a C program would be: memory, callbacks, the configuration of the
//! VNET-to-VNET example, its captures.

// Each test binary uses its own part.
#![allow(dead_code, unreachable_pub, clippy::borrow_as_ptr)]

use std::collections::BTreeMap;

use core::{
    ffi::{c_int, c_void},
    mem::{self, MaybeUninit},
    ptr,
};

use dash::*;

pub mod configuration;

pub const OK: dash_status_t = dash_status_t::DASH_OK;

/// Memory of a region, zeroed.
pub struct Memory {
    lines: *mut [Line],
}

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line {
    _bytes: [u8; 64],
}

impl Memory {
    pub fn new(layout: dash_layout_t) -> Self {
        assert!(layout.alignment <= 64 && layout.alignment.is_power_of_two());
        let lines = vec![Line { _bytes: [0; 64] }; layout.bytes.div_ceil(64)];
        Self { lines: Box::into_raw(lines.into_boxed_slice()) }
    }

    /// Other bytes than zeros.
    pub fn fill(&mut self, byte: u8) {
        // SAFETY: the memory's own bytes.
        unsafe { self.lines.cast::<u8>().write_bytes(byte, self.lines.len() * 64) };
    }

    pub fn region(&self) -> dash_region_t {
        dash_region_t { memory: self.lines.cast(), bytes: self.lines.len() * 64 }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: from `Box::into_raw`, once; no handle lives in it any more.
        drop(unsafe { Box::from_raw(self.lines) });
    }
}

pub const CAPACITY: dash_capacity_t = dash_capacity_t {
    abi_version: DASH_ABI_VERSION,
    struct_size: size_of::<dash_capacity_t>() as u32,
    cores: 0,
    appliances: 1,
    directions: 1,
    enis: 2,
    vnets: 1,
    routing_types: 0,
    route_groups: 1,
    routes: 2,
    overlay_routes: 1,
    mappings: 2,
    mapping_underlays: 4,
    inbound_sets: 1,
    pa_vnis: 1,
    pa_prefixes: 1,
    trusted_ranges: 1,
    underlay_routes: 1,
    acl_groups: 3,
    acl_words: 16384,
    tags: 1,
    tag_prefixes: 1,
};

pub fn sizes(capacity: &dash_capacity_t, flows: u32) -> dash_sizes_t {
    let mut sizes = dash_sizes_t::default();
    // SAFETY: pointers to the stated types.
    assert_eq!(unsafe { dash_sizes(capacity, flows, &mut sizes) }, OK);
    sizes
}

/// All zeros, as C's initialisers leave what they do not name.
pub fn zeroed<T>() -> T {
    // SAFETY: used for structs of integers and pointers alone.
    unsafe { mem::zeroed() }
}

/// A policy and its memory.
pub struct Policy {
    pub handle: *mut dash_policy_t,
    pub config: dash_policy_config_t,
    capacity: *mut dash_capacity_t,
    memory: [Memory; 2],
}

// SAFETY: a handle may be used by any thread, one at a time.
unsafe impl Send for Policy {}

impl Policy {
    pub fn new(capacity: dash_capacity_t) -> Self {
        let sizes = sizes(&capacity, 0);
        let capacity = Box::into_raw(Box::new(capacity));
        let memory = [Memory::new(sizes.policy), Memory::new(sizes.policy_words)];
        let config = dash_policy_config_t {
            abi_version: DASH_ABI_VERSION,
            struct_size: size_of::<dash_policy_config_t>() as u32,
            capacity,
            seed: [1, 2],
            policy: memory[0].region(),
            policy_words: memory[1].region(),
        };
        let mut handle = ptr::null_mut();
        // SAFETY: pointers to the stated types, regions of their sizes.
        assert_eq!(unsafe { dash_policy_create(&config, &mut handle) }, OK);
        Self { handle, config, capacity, memory }
    }

    /// Applies `changes`; answers the status and the index of the change that is refused.
    pub fn apply(&self, changes: &[dash_change_t]) -> (dash_status_t, usize) {
        let mut layout = dash_layout_t::default();
        // SAFETY: pointers to as many of the stated types.
        let status = unsafe { dash_scratch_size(changes.as_ptr(), changes.len(), &mut layout) };
        assert_eq!(status, OK);
        let scratch = Memory::new(layout);
        let mut failed = usize::MAX;
        let (pointer, count) = (changes.as_ptr(), changes.len());
        // SAFETY: as above.
        let status = unsafe {
            dash_policy_apply(self.handle, pointer, count, scratch.region(), &mut failed)
        };
        (status, failed)
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        // SAFETY: a handle, or NULL once a test has destroyed it; the capacity came from a box.
        unsafe {
            let status = dash_policy_destroy(self.handle);
            assert!(self.handle.is_null() || status == OK || std::thread::panicking());
            drop(Box::from_raw(self.capacity));
        }
    }
}

/// What the callbacks keep.
#[derive(Default)]
pub struct Caller {
    pub time: u64,
    /// Frames that the ring takes.
    pub room: usize,
    /// Port and bytes of each frame that was sent.
    pub sent: Vec<(u16, Vec<u8>)>,
    pub released: usize,
    /// Flows that were removed, and how many of them it still takes down.
    pub removed: Vec<dash_removed_flow_t>,
    pub removed_room: usize,
    /// Flows that the hardware has, and what it forwarded of each since it was asked.
    pub hardware: BTreeMap<u32, (dash_flow_t, dash_hits_t)>,
    /// Most of them.
    pub hardware_room: usize,
    /// Called by the callbacks, if set.
    pub calls_back: Option<*mut dash_core_t>,
    pub answers: Vec<dash_status_t>,
}

unsafe extern "C" fn now(user: *mut c_void) -> u64 {
    // SAFETY: `user` is the caller of `Core::new`.
    unsafe { (*user.cast::<Caller>()).time }
}

unsafe extern "C" fn send(user: *mut c_void, port: u16, frame: *mut dash_frame_t) -> c_int {
    // SAFETY: `user` is the caller of `Core::new`, the frame one of `Frame`.
    unsafe {
        let caller = &mut *user.cast::<Caller>();
        if let Some(core) = caller.calls_back {
            caller.answers.push(dash_core_tick(core, 1));
        }
        if caller.room == 0 {
            return 1;
        }
        caller.room -= 1;
        assert_eq!((*frame).held, 0);
        caller.sent.push((port, bytes(frame).to_vec()));
    }
    0
}

unsafe extern "C" fn release(user: *mut c_void, frame: *mut dash_frame_t) {
    // SAFETY: as above.
    unsafe {
        assert_eq!((*frame).held, 0);
        (*user.cast::<Caller>()).released += 1;
    }
}

unsafe extern "C" fn flow_removed(user: *mut c_void, flow: *const dash_removed_flow_t) -> c_int {
    // SAFETY: `user` is the caller of `Core::new`, the flow is there for the call.
    unsafe {
        let caller = &mut *user.cast::<Caller>();
        if let Some(core) = caller.calls_back {
            caller.answers.push(dash_core_tick(core, 1));
        }
        if caller.removed.len() == caller.removed_room {
            return 1;
        }
        caller.removed.push(*flow);
    }
    0
}

unsafe extern "C" fn offer(user: *mut c_void, id: u32, flow: *const dash_flow_t) -> c_int {
    // SAFETY: as above.
    unsafe {
        let caller = &mut *user.cast::<Caller>();
        if caller.hardware.len() == caller.hardware_room {
            return 1;
        }
        let before = caller.hardware.insert(id, (*flow, dash_hits_t::default()));
        assert!(before.is_none(), "offered twice");
    }
    0
}

unsafe extern "C" fn hits(user: *mut c_void, id: u32, hits: *mut dash_hits_t) {
    // SAFETY: as above; `hits` is a place for the answer.
    unsafe {
        assert_eq!(*hits, dash_hits_t::default());
        let caller = &mut *user.cast::<Caller>();
        *hits = std::mem::take(&mut caller.hardware.get_mut(&id).expect("its flow").1);
    }
}

unsafe extern "C" fn withdraw(user: *mut c_void, id: u32, hits: *mut dash_hits_t) {
    // SAFETY: as above.
    unsafe {
        assert_eq!(*hits, dash_hits_t::default());
        *hits = (*user.cast::<Caller>()).hardware.remove(&id).expect("its flow").1;
    }
}

/// All three.
pub const OFFLOAD: dash_flow_offload_t =
    dash_flow_offload_t { offer: Some(offer), hits: Some(hits), withdraw: Some(withdraw) };

/// # Safety
/// A frame that the caller has.
pub unsafe fn bytes<'a>(frame: *const dash_frame_t) -> &'a [u8] {
    // SAFETY: within its memory.
    unsafe { std::slice::from_raw_parts((*frame).memory.add((*frame).offset), (*frame).length) }
}

/// A core, its memory and its caller.
pub struct Core {
    pub handle: *mut dash_core_t,
    pub config: dash_core_config_t,
    pub caller: *mut Caller,
    memory: [Memory; 5],
}

// SAFETY: a handle may be used by any thread, one at a time.
unsafe impl Send for Core {}

/// Of all ports.
pub static MTU: [u16; 4] = [9100; 4];

impl Core {
    /// Without hardware, and nobody hears which flows ended.
    pub fn new(policy: &Policy, number: u32, flows: u32) -> Self {
        Self::calling(policy, number, flows, |_| {})
    }

    /// Whose callbacks hear which flows ended, and are hardware that forwards flows.
    pub fn with_all(policy: &Policy, number: u32, flows: u32) -> Self {
        Self::calling(policy, number, flows, |callbacks| {
            callbacks.flow_removed = Some(flow_removed);
            callbacks.offload = OFFLOAD;
        })
    }

    fn calling(
        policy: &Policy,
        number: u32,
        flows: u32,
        change: impl FnOnce(&mut dash_callbacks_t),
    ) -> Self {
        // SAFETY: from a box that the policy has.
        let sizes = sizes(unsafe { &*policy.capacity }, flows);
        let layouts =
            [sizes.core, sizes.flow_buckets, sizes.flow_slots, sizes.next_hops, sizes.eni_counters];
        let memory = layouts.map(Memory::new);
        let rooms = Caller {
            room: usize::MAX,
            removed_room: usize::MAX,
            hardware_room: usize::MAX,
            ..Caller::default()
        };
        let caller = Box::into_raw(Box::new(rooms));
        let mut config = dash_core_config_t {
            abi_version: DASH_ABI_VERSION,
            struct_size: size_of::<dash_core_config_t>() as u32,
            policy: policy.handle,
            number,
            flows,
            seed: [3, 4],
            idle_timeout: 30_000,
            fragment_timeout: 500,
            flows_per_eni: 0,
            tcp_strict: 0,
            when_full: DASH_FULL_FORWARD,
            mtu: MTU.as_ptr(),
            mtu_count: MTU.len(),
            callbacks: dash_callbacks_t {
                user: caller.cast(),
                now: Some(now),
                send: Some(send),
                release: Some(release),
                ..Default::default()
            },
            core: memory[0].region(),
            flow_buckets: memory[1].region(),
            flow_slots: memory[2].region(),
            next_hops: memory[3].region(),
            eni_counters: memory[4].region(),
        };
        change(&mut config.callbacks);
        let mut handle = ptr::null_mut();
        // SAFETY: pointers to the stated types, regions of their sizes.
        assert_eq!(unsafe { dash_core_create(&config, &mut handle) }, OK);
        Self { handle, config, caller, memory }
    }

    /// Looks at all flows.
    pub fn tick(&self) {
        // SAFETY: a handle.
        assert_eq!(unsafe { dash_core_tick(self.handle, 1 << 20) }, OK);
    }

    pub fn remove_flow(&self, key: &dash_flow_key_t) -> dash_status_t {
        // SAFETY: a handle, and a pointer to the stated type.
        unsafe { dash_core_remove_flow(self.handle, key) }
    }

    /// Processes `frames`; answers the status and how many were taken.
    pub fn process(&self, frames: &[*mut dash_frame_t]) -> (dash_status_t, usize) {
        let mut taken = usize::MAX;
        // SAFETY: pointers to as many of the stated types, frames of `Frame`.
        let status =
            unsafe { dash_core_process(self.handle, frames.as_ptr(), frames.len(), &mut taken) };
        (status, taken)
    }

    pub fn with<T>(&self, look: impl FnOnce(&mut Caller) -> T) -> T {
        // SAFETY: outside of a call of the library nobody else uses it.
        look(unsafe { &mut *self.caller })
    }

    pub fn drops(&self) -> Vec<(String, u64)> {
        let mut counts = [0; DASH_DROP_REASONS];
        // SAFETY: pointers to as many of the stated types.
        let status = unsafe { dash_core_drops(self.handle, counts.as_mut_ptr(), counts.len()) };
        assert_eq!(status, OK);
        let named = counts.into_iter().enumerate().filter(|(_, count)| *count != 0);
        named.map(|(reason, count)| (drop_name(reason as u32), count)).collect()
    }

    pub fn flow_counters(&self) -> dash_flow_counters_t {
        let mut counters = dash_flow_counters_t::default();
        // SAFETY: a pointer to the stated type.
        assert_eq!(unsafe { dash_core_flow_counters(self.handle, &mut counters) }, OK);
        counters
    }

    pub fn eni_counters(&self, eni: u16) -> dash_eni_counters_t {
        let mut counters = dash_eni_counters_t::default();
        // SAFETY: a pointer to the stated type.
        let status =
            unsafe { dash_core_eni_counters(self.handle, eni, &mut counters, ptr::null_mut(), 0) };
        assert_eq!(status, OK);
        counters
    }

    /// The flows, by `step` a call.
    pub fn flows(&self, step: usize) -> Vec<dash_flow_t> {
        let (mut cursor, mut flows) = (0, Vec::new());
        loop {
            let mut some = vec![MaybeUninit::<dash_flow_t>::uninit(); step];
            let mut found = 0;
            // SAFETY: pointers to as many of the stated types; as many as `found` are written.
            unsafe {
                let status = dash_core_flows(
                    self.handle,
                    &mut cursor,
                    some.as_mut_ptr().cast(),
                    step,
                    &mut found,
                );
                assert_eq!(status, OK);
                flows.extend(some[..found].iter().map(|flow| flow.assume_init()));
            }
            if found < step {
                return flows;
            }
        }
    }

    /// The flows that `filters` let pass, at most `limit`, by `budget` places and two flows a call.
    pub fn read_flows(
        &self,
        filters: &[dash_flow_filter_t],
        limit: u64,
        budget: usize,
    ) -> Result<Vec<dash_flow_t>, dash_status_t> {
        let filter_count = filters.len() as u32;
        let mut reading = dash_flow_reading_t { filter_count, limit, ..Default::default() };
        for (place, filter) in reading.filters.iter_mut().zip(filters) {
            *place = *filter;
        }
        let mut flows = Vec::new();
        while reading.finished == 0 {
            let (mut some, mut found) = ([dash_flow_t::default(); 2], 0);
            let places = some.as_mut_ptr();
            // SAFETY: pointers to as many of the stated types.
            let status = unsafe {
                dash_core_read_flows(self.handle, &mut reading, budget, places, 2, &mut found)
            };
            if status != OK {
                return Err(status);
            }
            flows.extend_from_slice(&some[..found]);
        }
        Ok(flows)
    }

    /// The stages of `frame`, and its end.
    pub fn explain(&self, frame: *mut dash_frame_t) -> (Vec<dash_stage_t>, dash_explanation_t) {
        let mut stages = [const { MaybeUninit::<dash_stage_t>::uninit() }; DASH_STAGES];
        let mut explanation = dash_explanation_t::default();
        // SAFETY: pointers to as many of the stated types; as many as `stages` are written.
        unsafe {
            let (places, count) = (stages.as_mut_ptr().cast(), stages.len());
            let status = dash_core_explain(self.handle, frame, places, count, &mut explanation);
            assert_eq!(status, OK);
            let written = stages[..explanation.stages].iter();
            (written.map(|stage| stage.assume_init()).collect(), explanation)
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // SAFETY: a handle, or NULL once a test has destroyed it; the caller came from a box.
        unsafe {
            let status = dash_core_destroy(self.handle);
            assert!(self.handle.is_null() || status == OK || std::thread::panicking());
            drop(Box::from_raw(self.caller));
        }
    }
}

pub fn drop_name(reason: u32) -> String {
    let mut name = [0_u8; DASH_NAME_BYTES];
    // SAFETY: memory of as many bytes; what is written ends with 0.
    unsafe {
        assert_eq!(dash_drop_name(reason, name.as_mut_ptr().cast(), name.len()), OK);
        core::ffi::CStr::from_ptr(name.as_ptr().cast()).to_str().unwrap().to_owned()
    }
}

pub const HEADROOM: usize = 128;

/// A frame in memory of just its size.
pub struct Frame {
    pub frame: *mut dash_frame_t,
    memory: *mut [u8],
}

impl Frame {
    pub fn new(bytes: &[u8]) -> Self {
        let mut memory = vec![0; HEADROOM];
        memory.extend_from_slice(bytes);
        let memory = Box::into_raw(memory.into_boxed_slice());
        let frame = dash_frame_t {
            memory: memory.cast(),
            capacity: memory.len(),
            offset: HEADROOM,
            length: bytes.len(),
            cookie: ptr::null_mut(),
            held: 0,
            port: 0,
            flags: 0,
            vlan: 0,
        };
        Self { frame: Box::into_raw(Box::new(frame)), memory }
    }

    pub fn set(&self, change: impl FnOnce(&mut dash_frame_t)) -> *mut dash_frame_t {
        // SAFETY: the frame is the caller's.
        change(unsafe { &mut *self.frame });
        self.frame
    }

    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the frame is the caller's.
        unsafe { bytes(self.frame) }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        // SAFETY: both came from a box; the library has given the frame back.
        unsafe {
            drop(Box::from_raw(self.frame));
            drop(Box::from_raw(self.memory));
        }
    }
}

/// The frames of a little-endian capture.
pub fn frames(capture: &[u8]) -> Vec<Vec<u8>> {
    let (mut rest, mut frames) = (&capture[24..], Vec::new());
    while let Some((header, bytes)) = rest.split_first_chunk::<16>() {
        let length = u32::from_le_bytes(header[8..12].try_into().unwrap()) as usize;
        frames.push(bytes[..length].to_vec());
        rest = &bytes[length..];
    }
    frames
}

/// Frames from the VM: to 10.0.0.10, .11, .2, .3.
pub fn received() -> Vec<Vec<u8>> {
    frames(include_bytes!("../../../../examples/vnet-to-vnet/vm.pcap"))
}

/// What leaves of them: the last two.
pub fn expected() -> Vec<Vec<u8>> {
    frames(include_bytes!("../../../../examples/vnet-to-vnet/expected/published-vm/0.pcap"))
}
