//! The control core's handle: what all packet cores read.

use core::{
    mem::ManuallyDrop,
    sync::atomic::{AtomicU32, Ordering},
};

use dash_core::{
    pipeline::vnet::policy::{Policy, PolicyWriter, Rejected},
    table::quiescence::Readers,
};

use crate::{
    capacity::{DASH_MAX_CORES, PolicyLayout, check_version, dash_capacity_t},
    change::dash_change_t,
    foreign,
    handle::{Object, Place},
    region::{Region, check_apart, dash_layout_t, dash_region_t},
    rules::{self, Changes},
    status::{Status, answer, dash_status_t},
};

/// A policy: what is configured. One thread changes it, all its cores read it.
pub struct dash_policy_t {
    _opaque: [u8; 0],
}

/// What a policy is made of.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_policy_config_t {
    /// `DASH_ABI_VERSION`.
    pub abi_version: u32,
    /// `sizeof(dash_policy_config_t)`.
    pub struct_size: u32,
    /// How much it holds.
    pub capacity: *const dash_capacity_t,
    /// A secret that traffic cannot predict, new at each start: tables are hashed with it, and
    /// whoever knows it can choose addresses that collide.
    pub seed: [u64; 2],
    /// As `dash_sizes_t.policy`, zeroed before its first use.
    pub policy: dash_region_t,
    /// As `dash_sizes_t.policy_words`.
    pub policy_words: dash_region_t,
}

/// Regions of one core.
pub(crate) type CoreRegions = [Region; 5];

/// What a policy's handle names.
pub(crate) struct Control {
    writer: PolicyWriter<'static>,
    readers: Readers<'static>,
    /// For each core number 1 while a core of that number lives. A core clears its own.
    alive: &'static [AtomicU32],
    appliances: u32,
    enis: u32,
    regions: [Region; 2],
    /// Of the cores that live.
    core_regions: [CoreRegions; DASH_MAX_CORES],
}

impl Object for Control {
    const ALIVE: u32 = 0x6468_7001;
}

/// What a new core takes from its policy.
pub(crate) struct Membership {
    pub(crate) policy: Policy<'static>,
    pub(crate) readers: Readers<'static>,
    pub(crate) alive: &'static AtomicU32,
}

impl Control {
    /// Appliances that the policy may have.
    pub(crate) const fn appliances(&self) -> u32 {
        self.appliances
    }

    /// ENIs that the policy may have.
    pub(crate) const fn enis(&self) -> u32 {
        self.enis
    }

    /// Refuses a core whose number or whose regions are in use.
    pub(crate) fn check(&self, number: u32, regions: &CoreRegions) -> Result<(), Status> {
        let alive = self.alive.get(number as usize).ok_or(Status::DASH_OUT_OF_RANGE)?;
        if alive.load(Ordering::Acquire) != 0 {
            return Err(Status::DASH_IN_USE);
        }
        check_apart(regions)?;
        let living = self.alive.iter().zip(&self.core_regions);
        let others = living.filter(|(alive, _)| alive.load(Ordering::Acquire) != 0);
        let mut used = others.flat_map(|(_, regions)| regions).chain(&self.regions);
        if used.any(|used| regions.iter().any(|region| region.overlaps(used))) {
            return Err(Status::DASH_OVERLAP);
        }
        Ok(())
    }

    /// Lets core `number`, which was [checked](Self::check), use `regions`, and read the policy
    /// once it says that it is alive.
    pub(crate) fn join(&mut self, number: u32, regions: CoreRegions) -> Result<Membership, Status> {
        let index = number as usize;
        let alive = self.alive.get(index).ok_or(Status::DASH_OUT_OF_RANGE)?;
        if let Some(place) = self.core_regions.get_mut(index) {
            *place = regions;
        }
        Ok(Membership { policy: self.writer.policy(), readers: self.readers, alive })
    }

    fn has_cores(&self) -> bool {
        self.alive.iter().any(|alive| alive.load(Ordering::Acquire) != 0)
    }
}

/// Speaks for the cores that do not live: they read nothing.
fn pass_for_absent_cores(readers: Readers<'_>, alive: &[AtomicU32]) {
    for (number, alive) in alive.iter().enumerate() {
        if alive.load(Ordering::Acquire) == 0 {
            readers.quiescent(number);
        }
    }
}

/// Makes an empty policy in the regions of `config`, and puts its handle into `*policy`. The
/// regions belong to the policy until `dash_policy_destroy`; `config` is not used after the call.
///
/// Threads: any. Memory: the regions alone.
/// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_TOO_SMALL`, `DASH_OVERLAP`, `DASH_BAD_VERSION`,
/// `DASH_OUT_OF_RANGE`; `DASH_IN_USE` when a policy lives in the region of the handle,
/// `DASH_BAD_HANDLE` when that region does not begin with zeros.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dash_policy_create(
    config: *const dash_policy_config_t,
    policy: *mut *mut dash_policy_t,
) -> dash_status_t {
    // SAFETY: the promise of the header is that of `create`.
    answer(unsafe { create(config, policy) })
}

/// # Safety
/// The promises of the header: pointers to the stated types, regions that nobody else uses.
unsafe fn create(
    config: *const dash_policy_config_t,
    policy: *mut *mut dash_policy_t,
) -> Result<(), Status> {
    // SAFETY: the caller's promise.
    let (config, capacity) = unsafe {
        let config = foreign::read(config)?;
        check_version::<dash_policy_config_t>(config.abi_version, config.struct_size)?;
        // Nothing is made that could not be handed out.
        foreign::write(policy, core::ptr::null_mut())?;
        (config, foreign::read(config.capacity)?)
    };
    let layout = PolicyLayout::new(&capacity)?;
    let place = Region::new(&config.policy, Place::<Control>::LAYOUT)?;
    let region = Region::new(&config.policy_words, layout.words()?)?;
    check_apart(&[place, region])?;
    // SAFETY: checked against its layout; the caller's promise is that it begins with zeros, or
    // with what a handle left there.
    let claim = unsafe { Place::<Control>::claim(&place) }?;
    // SAFETY: checked against this layout, and nobody else's.
    let words: &[AtomicU32] = unsafe { region.fill(layout.count(), || AtomicU32::new(0)) };
    let too_small = Status::DASH_TOO_SMALL;
    let (counters, words) = words.split_at_checked(layout.readers).ok_or(too_small)?;
    let (alive, words) = words.split_at_checked(layout.cores).ok_or(too_small)?;
    let readers = Readers::new(counters);
    // Moved by hand, and once: it is large.
    let writer = PolicyWriter::new(words, &layout.capacity, config.seed, readers);
    let writer = ManuallyDrop::new(writer);
    let writer = (*writer).as_ref().map_err(|error| *error)?;
    let object = claim.object();
    // SAFETY: the object's place, which the claim owns; each member is written.
    let handle = unsafe {
        (&raw mut (*object).writer).copy_from_nonoverlapping(writer, 1);
        (&raw mut (*object).readers).write(readers);
        (&raw mut (*object).alive).write(alive);
        (&raw mut (*object).appliances).write(capacity.appliances);
        (&raw mut (*object).enis).write(capacity.enis);
        (&raw mut (*object).regions).write([place, region]);
        (&raw mut (*object).core_regions).write([[Region::EMPTY; 5]; DASH_MAX_CORES]);
        claim.finish()
    };
    // SAFETY: as above.
    unsafe { foreign::write(policy, handle.cast()) }
}

/// Ends a policy whose cores are all destroyed. Its regions are the caller's again.
///
/// Threads: that of the policy.
/// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_BAD_HANDLE`, `DASH_REENTERED`; `DASH_IN_USE` while
/// a core lives.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dash_policy_destroy(policy: *mut dash_policy_t) -> dash_status_t {
    let result = || {
        // SAFETY: the caller's promise of the header: a handle.
        let control = unsafe { Place::<Control>::enter(policy.cast()) }?;
        if control.has_cores() {
            return Err(Status::DASH_IN_USE);
        }
        control.destroy();
        Ok(())
    };
    answer(result())
}

/// Says how much scratch memory `dash_policy_apply` takes for these changes: what their ACL groups
/// and inbound rules need, 0 bytes without any.
///
/// Threads: any, at any time.
/// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_OUT_OF_RANGE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dash_scratch_size(
    changes: *const dash_change_t,
    count: usize,
    scratch: *mut dash_layout_t,
) -> dash_status_t {
    let result = || {
        // SAFETY: the caller's promise of the header: pointers to as many of the stated types,
        // and what they point at.
        unsafe { foreign::write(scratch, rules::layout(foreign::elements(changes, count)?)?) }
    };
    answer(result())
}

/// Carries out `changes`, in their order, as one transaction: all of them, or none. Flows of the
/// ENIs that they touch are evaluated again at their next frame. A refused transaction leaves
/// the policy as it was; `*failed`, which may be NULL, is then the index of the change that was
/// refused.
///
/// A transaction needs room for what it makes beside what it removes, and, unless `cores` is 0,
/// for what it replaces, which the cores may still read: of appliances, ENIs, mappings and routes
/// with an overlay IP 64 at a time, or an eighth of the capacity if that is more. What is too large
/// for one transaction may fit into several.
///
/// `scratch` is as `dash_scratch_size` says. It, the changes and what they point at are not used
/// after the call.
///
/// Threads: that of the policy; cores may run meanwhile. Frames meet the objects before or after
/// a change, never between.
/// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_TOO_SMALL` (scratch memory), `DASH_BAD_HANDLE`,
/// `DASH_REENTERED`; of a change `DASH_BAD_VALUE`, `DASH_OUT_OF_RANGE`, `DASH_VNI_TOO_LARGE`,
/// `DASH_EMPTY_RANGE`, `DASH_DISORDERED`, `DASH_ACL_GROUP_BOUND`, `DASH_ACL_GROUP_VERSION`,
/// `DASH_FULL`; `DASH_AGAIN` when memory that was just given up may still be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dash_policy_apply(
    policy: *mut dash_policy_t,
    changes: *const dash_change_t,
    count: usize,
    scratch: dash_region_t,
    failed: *mut usize,
) -> dash_status_t {
    let result = || {
        // SAFETY: the caller's promises of the header: a handle, and pointers to as many of the
        // stated types, and what they point at.
        let (mut control, changes) = unsafe {
            let control = Place::<Control>::enter(policy.cast()).map_err(|status| (0, status))?;
            (control, foreign::elements(changes, count).map_err(|status| (0, status))?)
        };
        // SAFETY: as above; the scratch memory was checked against its layout.
        let changes = unsafe {
            let scratch = rules::layout(changes)
                .and_then(|layout| Region::new(&scratch, layout))
                .and_then(|scratch| foreign::places(scratch.start().as_ptr(), scratch.bytes()))
                .map_err(|status| (0, status))?;
            Changes::new(changes, scratch)?
        };
        let (readers, alive) = (control.readers, control.alive);
        let changes = changes.inspect(move |_| pass_for_absent_cores(readers, alive));
        let done = control.writer.apply(changes);
        done.map_err(|Rejected { index, error }| (index, Status::from(error)))
    };
    let Err((index, status)) = result() else { return Status::DASH_OK };
    if !failed.is_null() {
        // SAFETY: the caller's promise of the header: NULL, or a pointer to a `size_t`. It is
        // only told where, so a misaligned one is left alone.
        let _ = unsafe { foreign::write(failed, index) };
    }
    status
}
