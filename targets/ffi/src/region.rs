//! Memory that the caller hands over for as long as a handle lives.

use core::{alloc::Layout, ffi::c_void, mem::MaybeUninit, ptr::NonNull, slice};

use crate::status::Status;

/// How much memory something takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct dash_layout_t {
    /// Bytes; 0: none, and then the region may be NULL.
    pub bytes: usize,
    /// Alignment of its first byte, a power of two.
    pub alignment: usize,
}

/// A region of memory, handed over until the handle that it is for is destroyed. Only the handle's
/// own region needs a content (zeros); the others are overwritten.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_region_t {
    /// Its first byte.
    pub memory: *mut c_void,
    /// Its bytes. More than are needed are left unused.
    pub bytes: usize,
}

impl dash_layout_t {
    /// `count` times `T`.
    pub(crate) fn array<T>(count: usize) -> Result<Self, Status> {
        let layout = Layout::array::<T>(count).map_err(|_| Status::DASH_OUT_OF_RANGE)?;
        Ok(Self { bytes: layout.size(), alignment: layout.align() })
    }
}

/// A region that fits what it is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Region {
    start: NonNull<u8>,
    bytes: usize,
}

impl Region {
    /// No memory.
    pub(crate) const EMPTY: Self = Self { start: NonNull::dangling(), bytes: 0 };

    /// The first bytes of `region`, as many as `layout` asks for.
    pub(crate) fn new(region: &dash_region_t, layout: dash_layout_t) -> Result<Self, Status> {
        if layout.bytes == 0 {
            return Ok(Self::EMPTY);
        }
        let start = NonNull::new(region.memory.cast()).ok_or(Status::DASH_NULL)?;
        if !start.addr().get().is_multiple_of(layout.alignment) {
            return Err(Status::DASH_MISALIGNED);
        }
        if region.bytes < layout.bytes {
            return Err(Status::DASH_TOO_SMALL);
        }
        if start.addr().checked_add(layout.bytes).is_none() {
            return Err(Status::DASH_OVERLAP);
        }
        Ok(Self { start, bytes: layout.bytes })
    }

    /// Whether both have a byte in common.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let (one, another) = (self.start.addr().get(), other.start.addr().get());
        self.bytes != 0
            && other.bytes != 0
            && one < another + other.bytes
            && another < one + self.bytes
    }

    /// Its first byte.
    pub(crate) const fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Its bytes.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Fills the region with `count` values.
    ///
    /// # Safety
    /// The region is memory that nobody else uses for as long as `'a`, and was checked against
    /// [`dash_layout_t::array`] of `T` and a count that is not less than `count`.
    pub(crate) unsafe fn fill<'a, T>(self, count: usize, value: impl Fn() -> T) -> &'a mut [T] {
        if count == 0 {
            return &mut [];
        }
        debug_assert!(count * size_of::<T>() <= self.bytes);
        let places: *mut MaybeUninit<T> = self.start.as_ptr().cast();
        // SAFETY: aligned, large enough and unused by the caller's promise; of `MaybeUninit`, so
        // it need not be initialised.
        let places = unsafe { slice::from_raw_parts_mut(places, count) };
        for place in &mut *places {
            place.write(value());
        }
        // SAFETY: each of them was just written.
        unsafe { places.assume_init_mut() }
    }
}

/// Refuses regions of which two overlap.
pub(crate) fn check_apart(regions: &[Region]) -> Result<(), Status> {
    for (index, one) in regions.iter().enumerate() {
        if regions.iter().skip(index + 1).any(|other| one.overlaps(other)) {
            return Err(Status::DASH_OVERLAP);
        }
    }
    Ok(())
}
