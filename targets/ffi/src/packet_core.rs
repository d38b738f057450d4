//! A packet core's handle: its flows, its counters, and the frames on their way through it.

use core::sync::atomic::{AtomicU32, Ordering};

use dash_core::{
    engine::Engine,
    flow::{Flow, FlowSettings, FlowTable, WhenFull},
    pipeline::vnet::{EniCounters, Settings, Vnet, policy::Policy},
    rewrite::NextHop,
    table::cuckoo::{Bucket, Slot},
};
use dash_hal::{BURST, Burst, Clock, Entropy, FlowOffload, Platform};

use crate::{
    address::flag,
    capacity::{
        bucket_layout, buckets, check_version, eni_layout, next_hop_layout, next_hops, slot_layout,
    },
    device::{Device, dash_callbacks_t},
    foreign,
    frame::{FrameBuffer, dash_frame_t},
    handle::{Object, Place},
    hints::CoreHints,
    offload::Offload,
    policy::{Control, dash_policy_t},
    region::{Region, dash_region_t},
    removed::Listener,
    status::{Status, answer, dash_status_t},
};

/// Frames that may wait in a core for a port whose ring is full.
pub const DASH_QUEUE: usize = 64;

/// Frames in one burst: more are worked on by as many.
pub const DASH_BURST: usize = 32;

const _: () = assert!(DASH_BURST == BURST);

/// `when_full`: it is forwarded; its answers find no flow.
pub const DASH_FULL_FORWARD: u8 = 0;
/// `when_full`: it is dropped.
pub const DASH_FULL_DROP: u8 = 1;
/// `when_full`: its flow takes the place of another one, but of no open TCP conversation; if none can
/// be had, as `DASH_FULL_FORWARD`.
pub const DASH_FULL_EVICT: u8 = 2;

/// A packet core: what processes frames. One thread uses it.
pub struct dash_core_t {
    _opaque: [u8; 0],
}

/// What a core is made of.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct dash_core_config_t {
    /// `DASH_ABI_VERSION`.
    pub abi_version: u32,
    /// `sizeof(dash_core_config_t)`.
    pub struct_size: u32,
    /// The policy that it reads. It must outlive the core.
    pub policy: *mut dash_policy_t,
    /// Its number among the policy's cores, from 0. No two cores that live have the same.
    pub number: u32,
    /// Most flows that it remembers, two for each conversation; 0: none.
    pub flows: u32,
    /// A secret that traffic cannot predict, new at each start.
    pub seed: [u64; 2],
    /// A flow without frames ends after so many milliseconds; 0: never.
    pub idle_timeout: u32,
    /// Later fragments of a datagram pass for so many milliseconds after the first; 0: fragments
    /// are dropped.
    pub fragment_timeout: u32,
    /// Most flows of one ENI, two for each conversation; 0: as many as there are places.
    pub flows_per_eni: u32,
    /// 1: TCP without a flow is dropped unless it opens a connection.
    pub tcp_strict: u8,
    /// What becomes of a permitted frame whose flow finds no place, or is more than its ENI may have: `DASH_FULL_FORWARD` to
    /// `DASH_FULL_EVICT`.
    pub when_full: u8,
    /// For each port, from 0, the most bytes after the Ethernet header that it sends. Read while
    /// the core lives. Ports behind the last one have no such limit.
    pub mtu: *const u16,
    /// How many; 0: `mtu` may be NULL.
    pub mtu_count: usize,
    /// What it asks of the caller.
    pub callbacks: dash_callbacks_t,
    /// As `dash_sizes_t.core`, zeroed before its first use.
    pub core: dash_region_t,
    /// As `dash_sizes_t.flow_buckets`.
    pub flow_buckets: dash_region_t,
    /// As `dash_sizes_t.flow_slots`.
    pub flow_slots: dash_region_t,
    /// As `dash_sizes_t.next_hops`.
    pub next_hops: dash_region_t,
    /// As `dash_sizes_t.eni_counters`.
    pub eni_counters: dash_region_t,
}

/// What a core's handle names.
pub(crate) struct Core {
    pub(crate) engine:
        Engine<'static, Vnet<'static>, FrameBuffer, DASH_QUEUE, 1, Offload, Listener>,
    pub(crate) device: Device,
    pub(crate) policy: Policy<'static>,
    pub(crate) settings: Settings,
    alive: &'static AtomicU32,
}

impl Object for Core {
    const ALIVE: u32 = 0x6468_6302;
}

/// Makes a core in the regions of `config`, without flows and with counters of 0, and puts its
/// handle into `*core`. The regions belong to the core until `dash_core_destroy`; `config` is not
/// used after the call, but `policy`, `mtu`, the callbacks and `user` are.
///
/// Threads: that of the policy; the core may then be used by another one.
/// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_TOO_SMALL`, `DASH_BAD_VERSION`, `DASH_BAD_VALUE`,
/// `DASH_OUT_OF_RANGE`; `DASH_OVERLAP`, also with the regions of the policy and of its other cores;
/// `DASH_IN_USE` when one of those has this number, or some core lives in the region of the handle;
/// `DASH_BAD_HANDLE` when that region does not begin with zeros, or `policy` is none;
/// `DASH_REENTERED` when `policy` is in another call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dash_core_create(
    config: *const dash_core_config_t,
    core: *mut *mut dash_core_t,
) -> dash_status_t {
    // SAFETY: the promise of the header is that of `create`.
    answer(unsafe { create(config, core) })
}

/// # Safety
/// The promises of the header: pointers to the stated types, a handle of a policy, callbacks, and
/// regions that nobody else uses.
unsafe fn create(
    config: *const dash_core_config_t,
    core: *mut *mut dash_core_t,
) -> Result<(), Status> {
    // SAFETY: the caller's promise.
    let (config, mut control, mut device, offload, events) = unsafe {
        let config = foreign::read(config)?;
        check_version::<dash_core_config_t>(config.abi_version, config.struct_size)?;
        // Nothing is made that could not be handed out.
        foreign::write(core, core::ptr::null_mut())?;
        let mtu = foreign::elements(config.mtu, config.mtu_count)?.as_ptr();
        let callbacks = &config.callbacks;
        let device = Device::new(callbacks, config.seed, mtu, config.mtu_count)?;
        let offload = Offload::new(callbacks.user, &callbacks.offload)?;
        let events = Listener::new(callbacks.user, callbacks.flow_removed);
        (config, Place::<Control>::enter(config.policy.cast())?, device, offload, events)
    };
    let tcp_strict = flag(config.tcp_strict)?;
    let when_full = match config.when_full {
        DASH_FULL_FORWARD => WhenFull::Forward,
        DASH_FULL_DROP => WhenFull::Drop,
        DASH_FULL_EVICT => WhenFull::Evict,
        _ => return Err(Status::DASH_BAD_VALUE),
    };
    let settings = Settings {
        tcp_strict,
        idle_timeout: config.idle_timeout,
        fragment_timeout: config.fragment_timeout,
        flows_per_eni: config.flows_per_eni,
    };
    let (appliances, enis) = (control.appliances(), control.enis());
    let place = Region::new(&config.core, Place::<Core>::LAYOUT)?;
    let bucket_region = Region::new(&config.flow_buckets, bucket_layout(config.flows)?)?;
    let slot_region = Region::new(&config.flow_slots, slot_layout(config.flows)?)?;
    let next_hop_region =
        Region::new(&config.next_hops, next_hop_layout(config.flows, appliances)?)?;
    let eni_region = Region::new(&config.eni_counters, eni_layout(enis)?)?;
    let regions = [place, bucket_region, slot_region, next_hop_region, eni_region];
    control.check(config.number, &regions)?;
    // SAFETY: checked against its layout, and apart from all others; the caller's promise is that
    // it begins with zeros, or with what a handle left there.
    let claim = unsafe { Place::<Core>::claim(&place) }?;
    let member = control.join(config.number, regions)?;
    // SAFETY: checked against these layouts, and apart from all others.
    let (buckets, slots, places, enis) = unsafe {
        (
            bucket_region.fill(buckets(config.flows), || Bucket::EMPTY),
            slot_region.fill(config.flows as usize, || Slot::empty(Flow::EMPTY)),
            next_hop_region.fill(next_hops(config.flows, appliances), || NextHop::FREE),
            eni_region.fill(enis as usize, || EniCounters::ZERO),
        )
    };
    let mut flows = FlowTable::new(buckets, slots, places, device.entropy().seed())?;
    flows.set(FlowSettings { when_full, ..*flows.settings() });
    let vnet = Vnet::new(member.policy, enis, settings);
    let (readers, number) = (member.readers, config.number as usize);
    member.alive.store(1, Ordering::Release);
    let object = claim.object();
    // SAFETY: the object's place, which the claim owns; all of it is written.
    let handle = unsafe {
        object.write(Core {
            engine: Engine::with(vnet, flows, readers, number, offload, events),
            device,
            policy: member.policy,
            settings,
            alive: member.alive,
        });
        claim.finish()
    };
    // SAFETY: as above.
    unsafe { foreign::write(core, handle.cast()) }
}

/// Ends a core. Frames that wait for their port are released first, and if there is anybody to
/// tell, its flows are removed: hardware gives them back, `flow_removed` is called for each. Its
/// regions are the caller's again.
///
/// Threads: that of the core.
/// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_BAD_HANDLE`, `DASH_REENTERED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dash_core_destroy(core: *mut dash_core_t) -> dash_status_t {
    let result = || {
        // SAFETY: the caller's promise of the header: a handle.
        let mut core = unsafe { Place::<Core>::enter(core.cast()) }?;
        let Core { engine, device, alive, .. } = &mut *core;
        device.close();
        engine.flush(device);
        if engine.offload_mut().is_there() || engine.events_mut().hears() {
            let now = device.clock().now();
            for index in 0..engine.flows().capacity() {
                if let Some(handle) = engine.flows().at(index) {
                    engine.remove(handle, now, &CoreHints);
                }
            }
        }
        let alive = *alive;
        core.destroy();
        // Last: from here on the policy may be destroyed.
        alive.store(0, Ordering::Release);
        Ok(())
    };
    answer(result())
}

/// Processes `count` frames, oldest first, and sends what the ports take. `*taken` says how many
/// of them the library took: those from `frames[*taken]` on are still the caller's.
///
/// Each frame that was taken ends in exactly one callback, in this call or in a later one: `send`
/// that answers 0, or `release`. Frames of one port leave in the order in which they came. An empty
/// burst sends what waits, and says that this core has read nothing of older policy; a core that
/// has no frames makes one now and then.
///
/// Threads: that of the core.
/// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_BAD_HANDLE`, `DASH_REENTERED`; of the frame
/// `frames[*taken]` also `DASH_BAD_FRAME` and `DASH_IN_USE` (it is the library's already), after the
/// frames in front of it were processed; `DASH_AGAIN` when `DASH_QUEUE` frames wait for ports whose
/// rings are full.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dash_core_process(
    core: *mut dash_core_t,
    frames: *const *mut dash_frame_t,
    count: usize,
    taken: *mut usize,
) -> dash_status_t {
    // SAFETY: the promise of the header is that of `process`.
    answer(unsafe { process(core, frames, count, taken) })
}

/// # Safety
/// The promises of the header: a handle, pointers to as many of the stated types, and frames that
/// are the library's until they end.
unsafe fn process(
    core: *mut dash_core_t,
    frames: *const *mut dash_frame_t,
    count: usize,
    taken: *mut usize,
) -> Result<(), Status> {
    // SAFETY: the caller's promise.
    let mut core = unsafe {
        foreign::write(taken, 0)?;
        foreign::elements(frames, count)?;
        Place::<Core>::enter(core.cast())?
    };
    let Core { engine, device, .. } = &mut *core;
    engine.flush(device);
    let mut done = 0;
    loop {
        let mut burst = Burst::new();
        let room = BURST.min(DASH_QUEUE - engine.waiting());
        let mut refused = None;
        while done < count && burst.len() < room {
            // SAFETY: the caller's promise. Read one by one: a callback may write to the array.
            match unsafe { FrameBuffer::take(frames.add(done).read()) } {
                Ok(buffer) => {
                    // There is room: at most a burst is taken.
                    let _ = burst.push(buffer);
                    done += 1;
                }
                Err(status) => {
                    refused = Some(status);
                    break;
                }
            }
        }
        // SAFETY: the caller's promise. Before the frames go on: they may take long.
        unsafe { foreign::write(taken, done) }?;
        let now = device.clock().now();
        engine.process(&mut burst, now, device, &mut ());
        engine.flush(device);
        match refused {
            Some(status) => return Err(status),
            None if done == count => return Ok(()),
            None if room == 0 => return Err(Status::DASH_AGAIN),
            None => {}
        }
    }
}

/// Looks at the next `budget` flows and removes those that have timed out or whose ENI is gone;
/// offers the others to hardware, takes them back from it, and asks for its hits. To be called now
/// and then, so that each flow is looked at once in, say, an idle time-out: flows
/// that have timed out are never used, but take a place until then.
///
/// Threads: that of the core.
/// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_BAD_HANDLE`, `DASH_REENTERED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dash_core_tick(core: *mut dash_core_t, budget: usize) -> dash_status_t {
    let result = || {
        // SAFETY: the caller's promise of the header: a handle.
        let mut core = unsafe { Place::<Core>::enter(core.cast()) }?;
        let now = core.device.clock().now();
        core.engine.tick(now, budget, &CoreHints);
        Ok(())
    };
    answer(result())
}
