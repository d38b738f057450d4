//! Objects that live in the caller's memory and are named by their address.
//!
//! A word in front of the object says whether it is alive and whether a call is using it. So a call
//! with a handle that was destroyed, a second creation in the same place, a callback that calls
//! back and two threads on one handle are seen, not merely forbidden. Cost: two atomic writes to
//! one word a call.

use core::{
    marker::PhantomData,
    mem::{ManuallyDrop, MaybeUninit},
    ops::{Deref, DerefMut},
    ptr::NonNull,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{
    region::{Region, dash_layout_t},
    status::Status,
};

/// The word of a place without an object.
const NONE: u32 = 0;

/// An object that may live behind a handle.
pub(crate) trait Object {
    /// The word of an object between two calls; each kind has its own.
    const ALIVE: u32;
    /// The word of an object while a call uses it.
    const IN_CALL: u32 = Self::ALIVE ^ u32::MAX;
}

/// What lies at a handle's address.
#[repr(C)]
pub(crate) struct Place<T> {
    state: AtomicU32,
    object: MaybeUninit<T>,
}

impl<T: Object> Place<T> {
    /// The memory of a handle.
    pub(crate) const LAYOUT: dash_layout_t =
        dash_layout_t { bytes: size_of::<Self>(), alignment: align_of::<Self>() };

    /// Takes the region for an object that is about to be made.
    ///
    /// # Safety
    /// `region` was checked against [`LAYOUT`](Self::LAYOUT); its first 4 bytes are initialised;
    /// nobody uses it but through the handle that is being made, or the one that lives there.
    pub(crate) unsafe fn claim<'a>(region: &Region) -> Result<Claim<'a, T>, Status> {
        let place: NonNull<Self> = region.start().cast();
        // SAFETY: the word lies at the region's start, aligned and initialised by the caller's
        // promise, and is only ever used as an atomic.
        let state = unsafe { &(*place.as_ptr()).state };
        match state.compare_exchange(NONE, T::IN_CALL, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Ok(Claim { place, state, lifetime: PhantomData }),
            Err(found) if found == T::ALIVE || found == T::IN_CALL => Err(Status::DASH_IN_USE),
            Err(_) => Err(Status::DASH_BAD_HANDLE),
        }
    }

    /// Begins a call on the object of `handle`.
    ///
    /// # Safety
    /// A handle that is neither NULL nor misaligned points at a region of a handle of this kind,
    /// whose first 4 bytes are initialised.
    pub(crate) unsafe fn enter<'a>(handle: *mut Self) -> Result<Call<'a, T>, Status> {
        let place = NonNull::new(handle).ok_or(Status::DASH_NULL)?;
        if !place.is_aligned() {
            return Err(Status::DASH_MISALIGNED);
        }
        // SAFETY: not NULL and aligned, as just checked; initialised by the caller's promise, and
        // only ever used as an atomic.
        let state = unsafe { &(*place.as_ptr()).state };
        match state.compare_exchange(T::ALIVE, T::IN_CALL, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Ok(Call { place, state, lifetime: PhantomData }),
            Err(found) if found == T::IN_CALL => Err(Status::DASH_REENTERED),
            Err(_) => Err(Status::DASH_BAD_HANDLE),
        }
    }
}

/// A place whose object is being made; dropped, it is free again.
pub(crate) struct Claim<'a, T: Object> {
    place: NonNull<Place<T>>,
    state: &'a AtomicU32,
    lifetime: PhantomData<&'a mut T>,
}

impl<T: Object> Claim<'_, T> {
    /// Where the object is to be put: a large one part by part, for the stack has less room.
    pub(crate) fn object(&self) -> *mut T {
        // SAFETY: in the place, whose memory is valid; nothing is read.
        unsafe { (&raw mut (*self.place.as_ptr()).object).cast() }
    }

    /// Lets the object live; answers its handle.
    ///
    /// # Safety
    /// All of the object was put there.
    pub(crate) unsafe fn finish(self) -> *mut Place<T> {
        let Self { place, state, .. } = *ManuallyDrop::new(self);
        state.store(T::ALIVE, Ordering::Release);
        place.as_ptr()
    }
}

impl<T: Object> Drop for Claim<'_, T> {
    fn drop(&mut self) {
        self.state.store(NONE, Ordering::Release);
    }
}

/// The object while one call uses it.
pub(crate) struct Call<'a, T: Object> {
    place: NonNull<Place<T>>,
    state: &'a AtomicU32,
    lifetime: PhantomData<&'a mut T>,
}

impl<T: Object> Call<'_, T> {
    fn object(&self) -> *mut T {
        // SAFETY: in the place, whose memory is valid; nothing is read.
        unsafe { (&raw mut (*self.place.as_ptr()).object).cast() }
    }

    /// Ends the object; its place may be used again.
    pub(crate) fn destroy(self) {
        let this = ManuallyDrop::new(self);
        let object = this.object();
        // SAFETY: the call owned the object, and nobody can enter it any more.
        unsafe { object.drop_in_place() };
        this.state.store(NONE, Ordering::Release);
    }
}

impl<T: Object> Deref for Call<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the word said that the object is alive and in no other call, and now says that
        // it is in this one; so it is initialised, and this is the only access.
        unsafe { &*self.object() }
    }
}

impl<T: Object> DerefMut for Call<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { &mut *self.object() }
    }
}

impl<T: Object> Drop for Call<'_, T> {
    fn drop(&mut self) {
        self.state.store(T::ALIVE, Ordering::Release);
    }
}
