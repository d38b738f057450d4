//! Memory of the page size that the run is about.

use std::sync::atomic::AtomicU32;

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

use crate::turns::Failure;

const HUGE: usize = 2 << 20;

/// `count` times `value`, for the rest of the program, on pages of 4 KiB, or of 2 MiB from
/// hugetlbfs when `PEERS_PAGES` is `2m`. All pages are touched.
pub(crate) fn filled<T: Copy>(count: usize, value: T) -> Result<&'static mut [T], Failure> {
    assert!(align_of::<T>() <= 4096, "a mapping is aligned to a page");
    let bytes = size_of::<T>().checked_mul(count).ok_or("too many bytes")?;
    let bytes = bytes.max(1).next_multiple_of(HUGE);
    let huge = std::env::var("PEERS_PAGES").is_ok_and(|pages| pages == "2m");
    let flags = MapFlags::PRIVATE | if huge { MapFlags::HUGETLB } else { MapFlags::empty() };
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping, which nothing else knows.
    let memory = unsafe { mmap_anonymous(core::ptr::null_mut(), bytes, access, flags) }?;
    if !huge {
        // SAFETY: the mapping above, and the advice does not change what is in it.
        unsafe { madvise(memory, bytes, Advice::LinuxNoHugepage) }?;
    }
    let first = memory.cast::<T>();
    for index in 0..count {
        // SAFETY: within the mapping, which has room for `count` values and is aligned for them.
        unsafe { first.add(index).write(value) };
    }
    // SAFETY: `count` values were written above; the mapping is never given back, and this is the
    // only reference to it.
    Ok(unsafe { core::slice::from_raw_parts_mut(first, count) })
}

/// `count` words of 0 that are shared between threads, as [`filled`].
pub(crate) fn words(count: usize) -> Result<&'static [AtomicU32], Failure> {
    let words: &'static mut [u32] = filled(count, 0)?;
    // SAFETY: an `AtomicU32` has the layout of a `u32`, and this is the only reference to the words.
    Ok(unsafe { core::slice::from_raw_parts(words.as_mut_ptr().cast::<AtomicU32>(), count) })
}
