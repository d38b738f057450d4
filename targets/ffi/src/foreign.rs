//! Pointers that come from C: looked at before they are used.
//!
//! What no check can see is the caller's promise, which the header states: that the memory behind
//! a pointer is there for as long as the call (a region: as its handle), and nobody else writes
//! to it meanwhile.

use core::{mem::MaybeUninit, slice};

use crate::status::Status;

/// The value behind `pointer`.
///
/// # Safety
/// A pointer that is neither NULL nor misaligned points at an initialised `T`.
pub(crate) unsafe fn read<T: Copy>(pointer: *const T) -> Result<T, Status> {
    check(pointer)?;
    // SAFETY: not NULL and aligned, as just checked; initialised by the caller's promise.
    Ok(unsafe { pointer.read() })
}

/// Writes `value` to `pointer`.
///
/// # Safety
/// A pointer that is neither NULL nor misaligned points at memory for a `T`.
pub(crate) unsafe fn write<T>(pointer: *mut T, value: T) -> Result<(), Status> {
    check(pointer)?;
    // SAFETY: not NULL and aligned, as just checked; writable by the caller's promise.
    unsafe { pointer.write(value) };
    Ok(())
}

/// The `count` elements at `pointer`, which may be NULL if there are none.
///
/// # Safety
/// A pointer that is neither NULL nor misaligned points at `count` initialised elements, which
/// nobody changes for as long as `'a`.
pub(crate) unsafe fn elements<'a, T>(pointer: *const T, count: usize) -> Result<&'a [T], Status> {
    if count == 0 {
        return Ok(&[]);
    }
    check_many(pointer, count)?;
    // SAFETY: not NULL, aligned and no longer than memory can be, as just checked; initialised
    // and left alone by the caller's promise.
    Ok(unsafe { slice::from_raw_parts(pointer, count) })
}

/// The `count` places at `pointer`, which may be NULL if there are none.
///
/// # Safety
/// A pointer that is neither NULL nor misaligned points at memory for `count` elements, which
/// nobody else uses for as long as `'a`.
pub(crate) unsafe fn places<'a, T>(
    pointer: *mut T,
    count: usize,
) -> Result<&'a mut [MaybeUninit<T>], Status> {
    if count == 0 {
        return Ok(&mut []);
    }
    check_many(pointer, count)?;
    // SAFETY: not NULL, aligned and no longer than memory can be, as just checked; writable and
    // used by nobody else by the caller's promise. It need not be initialised.
    Ok(unsafe { slice::from_raw_parts_mut(pointer.cast(), count) })
}

fn check<T>(pointer: *const T) -> Result<(), Status> {
    if pointer.is_null() {
        return Err(Status::DASH_NULL);
    }
    if !pointer.is_aligned() {
        return Err(Status::DASH_MISALIGNED);
    }
    Ok(())
}

fn check_many<T>(pointer: *const T, count: usize) -> Result<(), Status> {
    check(pointer)?;
    match count.checked_mul(size_of::<T>()) {
        Some(bytes) if bytes <= isize::MAX.unsigned_abs() => Ok(()),
        _ => Err(Status::DASH_BAD_VALUE),
    }
}
