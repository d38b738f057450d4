//! What a core counted.

use core::{
    ffi::c_char,
    fmt::{self, Write as _},
};

use dash_core::pipeline::vnet::{DropReason, Drops, Traffic, policy::EniId};

use crate::{
    foreign,
    handle::Place,
    packet_core::{Core, dash_core_t},
    status::{Status, answer, dash_status_t},
};

/// Reasons to drop a frame, numbered from 0: the length of an array with a counter for each.
pub const DASH_DROP_REASONS: usize = 74;

const _: () = assert!(DASH_DROP_REASONS == DropReason::COUNT);

/// Enough for the name of each, its end included.
pub const DASH_NAME_BYTES: usize = 48;

/// Frames and their bytes, without FCS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct dash_traffic_t {
    /// Frames.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Counters of one ENI on one core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct dash_eni_counters_t {
    /// Received for it, dropped ones included; bytes as received.
    pub rx: dash_traffic_t,
    /// Sent for it; bytes as sent.
    pub tx: dash_traffic_t,
    /// Of `rx`, from the VM.
    pub outbound_rx: dash_traffic_t,
    /// Of `tx`, from the VM.
    pub outbound_tx: dash_traffic_t,
    /// Of `rx`, to the VM.
    pub inbound_rx: dash_traffic_t,
    /// Of `tx`, to the VM.
    pub inbound_tx: dash_traffic_t,
    /// Flows that it has in this core, those of fragments included; not a sum.
    pub flows: u64,
    /// Frames permitted whose flows found no place in the table, or were more than it may have.
    pub flow_create_failed: u64,
    /// Of these, the frames of flows that were more than it may have.
    pub flow_limit_reached: u64,
}

/// What happened in a core's flow table; each half of a pair counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct dash_flow_counters_t {
    /// Flows that are there, also those that have timed out and wait for `dash_core_tick`.
    pub present: u64,
    /// Installed.
    pub created: u64,
    /// Header change replaced after a change of policy.
    pub replaced: u64,
    /// Removed for `DASH_REMOVED_IDLE`.
    pub idle: u64,
    /// Removed for `DASH_REMOVED_HARD`.
    pub hard: u64,
    /// Removed for `DASH_REMOVED_CLOSED`.
    pub closed: u64,
    /// Removed for `DASH_REMOVED_DENIED`.
    pub denied: u64,
    /// Removed for `DASH_REMOVED_ORPHANED`.
    pub orphaned: u64,
    /// Removed for `DASH_REMOVED_SUPERSEDED`.
    pub superseded: u64,
    /// Removed for `DASH_REMOVED_DELETED`.
    pub deleted: u64,
    /// Removed for `DASH_REMOVED_EVICTED`.
    pub evicted: u64,
    /// Found no place.
    pub full: u64,
    /// Taken by hardware.
    pub offloaded: u64,
    /// Refused by hardware; a flow counts at each tick that looks at it.
    pub refused: u64,
    /// Taken back from hardware.
    pub withdrawn: u64,
    /// Removed while `flow_removed` had no place for them.
    pub untold: u64,
}

impl From<Traffic> for dash_traffic_t {
    fn from(traffic: Traffic) -> Self {
        Self { packets: traffic.packets, bytes: traffic.bytes }
    }
}

/// Copies the counters of frames dropped by this core into `drops[0]` to
/// `drops[DASH_DROP_REASONS - 1]`, those of frames without an ENI included. Frames that the library
/// took = frames sent + these + those that wait.
///
/// Threads: that of the core.
/// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_TOO_SMALL` (`count` is less than
/// `DASH_DROP_REASONS`), `DASH_BAD_HANDLE`, `DASH_REENTERED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dash_core_drops(
    core: *mut dash_core_t,
    drops: *mut u64,
    count: usize,
) -> dash_status_t {
    let result = || {
        // SAFETY: the caller's promise of the header: a handle.
        let core = unsafe { Place::<Core>::enter(core.cast()) }?;
        let dropped = core.engine.pipeline().drops();
        // SAFETY: the caller's promise of the header: a pointer to as many of the stated type.
        unsafe { copy_drops(dropped, drops, count) }
    };
    answer(result())
}

/// Copies the counters of an ENI into `*counters`, and, if `drops` is not NULL, those of its
/// dropped frames as `dash_core_drops` does.
///
/// Threads: that of the core.
/// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_TOO_SMALL`, `DASH_BAD_HANDLE`, `DASH_REENTERED`;
/// `DASH_OUT_OF_RANGE` when `eni` is not below its capacity.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dash_core_eni_counters(
    core: *mut dash_core_t,
    eni: u16,
    counters: *mut dash_eni_counters_t,
    drops: *mut u64,
    count: usize,
) -> dash_status_t {
    let result = || {
        // SAFETY: the caller's promise of the header: a handle.
        let core = unsafe { Place::<Core>::enter(core.cast()) }?;
        let counted = core.engine.pipeline().eni_counters(EniId(eni));
        let counted = counted.ok_or(Status::DASH_OUT_OF_RANGE)?;
        let copy = dash_eni_counters_t {
            rx: counted.rx().into(),
            tx: counted.tx().into(),
            outbound_rx: counted.outbound.rx.into(),
            outbound_tx: counted.outbound.tx.into(),
            inbound_rx: counted.inbound.rx.into(),
            inbound_tx: counted.inbound.tx.into(),
            flows: counted.flows,
            flow_create_failed: counted.flow_create_failed,
            flow_limit_reached: counted.flow_limit_reached,
        };
        // SAFETY: the caller's promise of the header: pointers to as many of the stated types, of
        // which the second may be NULL.
        unsafe {
            if !drops.is_null() {
                copy_drops(&counted.drops, drops, count)?;
            }
            foreign::write(counters, copy)
        }
    };
    answer(result())
}

/// Counts an ENI from 0 again, for a number that a new ENI takes over.
///
/// Threads: that of the core.
/// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_BAD_HANDLE`, `DASH_REENTERED`;
/// `DASH_OUT_OF_RANGE` when `eni` is not below its capacity.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dash_core_reset_eni_counters(
    core: *mut dash_core_t,
    eni: u16,
) -> dash_status_t {
    let result = || {
        // SAFETY: the caller's promise of the header: a handle.
        let mut core = unsafe { Place::<Core>::enter(core.cast()) }?;
        let pipeline = core.engine.pipeline_mut();
        pipeline.eni_counters(EniId(eni)).ok_or(Status::DASH_OUT_OF_RANGE)?;
        pipeline.reset_eni_counters(EniId(eni));
        Ok(())
    };
    answer(result())
}

/// Copies the counters of a core's flow table into `*counters`.
///
/// Threads: that of the core.
/// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_BAD_HANDLE`, `DASH_REENTERED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dash_core_flow_counters(
    core: *mut dash_core_t,
    counters: *mut dash_flow_counters_t,
) -> dash_status_t {
    let result = || {
        // SAFETY: the caller's promise of the header: a handle.
        let core = unsafe { Place::<Core>::enter(core.cast()) }?;
        let flows = core.engine.flows();
        let counted = flows.counters();
        let copy = dash_flow_counters_t {
            present: flows.len() as u64,
            created: counted.created,
            replaced: counted.replaced,
            idle: counted.idle,
            hard: counted.hard,
            closed: counted.closed,
            denied: counted.denied,
            orphaned: counted.orphaned,
            superseded: counted.superseded,
            deleted: counted.deleted,
            evicted: counted.evicted,
            full: counted.full,
            offloaded: counted.offloaded,
            refused: counted.refused,
            withdrawn: counted.withdrawn,
            untold: counted.untold,
        };
        // SAFETY: the caller's promise of the header: a pointer to the stated type.
        unsafe { foreign::write(counters, copy) }
    };
    answer(result())
}

/// Writes the name of a reason to drop a frame to `name`, at most `bytes` bytes of it, its end
/// included: such as `acl_out_drop.1`. `DASH_NAME_BYTES` are enough.
///
/// Threads: any, at any time.
/// Errors: `DASH_NULL`, `DASH_TOO_SMALL`; `DASH_OUT_OF_RANGE` when `reason` is not below
/// `DASH_DROP_REASONS`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dash_drop_name(
    reason: u32,
    name: *mut c_char,
    bytes: usize,
) -> dash_status_t {
    let result = || {
        let reason = DropReason::all().nth(reason as usize).ok_or(Status::DASH_OUT_OF_RANGE)?;
        let mut text = Text { bytes: [0; DASH_NAME_BYTES], length: 0 };
        write!(text, "{reason}").map_err(|_| Status::DASH_TOO_SMALL)?;
        // SAFETY: the caller's promise of the header: memory of as many bytes.
        let places = unsafe { foreign::places(name.cast(), bytes) }?;
        let end = text.length + 1;
        let places = places.get_mut(..end).ok_or(Status::DASH_TOO_SMALL)?;
        for (place, byte) in places.iter_mut().zip(text.bytes) {
            place.write(byte);
        }
        Ok(())
    };
    answer(result())
}

/// A name and zeros behind it, one at least.
struct Text {
    bytes: [u8; DASH_NAME_BYTES],
    length: usize,
}

impl fmt::Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let end = self.length + part.len();
        if end >= self.bytes.len() {
            return Err(fmt::Error);
        }
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(part.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// # Safety
/// As for [`foreign::places`].
unsafe fn copy_drops(drops: &Drops, to: *mut u64, count: usize) -> Result<(), Status> {
    if count < DASH_DROP_REASONS {
        return Err(Status::DASH_TOO_SMALL);
    }
    // SAFETY: the caller's promise.
    let places = unsafe { foreign::places(to, DASH_DROP_REASONS) }?;
    for (place, reason) in places.iter_mut().zip(DropReason::all()) {
        place.write(drops.count(reason));
    }
    Ok(())
}
