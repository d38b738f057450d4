//! Memory that decoded lists live in.

use core::mem::MaybeUninit;

use crate::DecodeError;

/// Where lists go.
pub(crate) trait Lists<'r>: Sized {
    /// A list of `count` elements, which `next` gives one by one.
    fn list<T: 'r>(
        &mut self,
        count: usize,
        next: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<&'r [T], DecodeError>;
}

/// The caller's bytes, handed out from the front. What lies in them is forgotten, not dropped,
/// once the borrow ends.
#[derive(Debug)]
pub(crate) struct Arena<'r> {
    free: &'r mut [MaybeUninit<u8>],
}

impl<'r> Arena<'r> {
    pub(crate) const fn new(region: &'r mut [MaybeUninit<u8>]) -> Self {
        Self { free: region }
    }
}

impl<'r> Lists<'r> for Arena<'r> {
    fn list<T: 'r>(
        &mut self,
        count: usize,
        mut next: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<&'r [T], DecodeError> {
        const { assert!(!core::mem::needs_drop::<T>()) };
        if count == 0 {
            return Ok(&[]);
        }
        let free = core::mem::take(&mut self.free);
        let skipped = free.as_ptr().align_offset(align_of::<T>());
        let size = count.checked_mul(size_of::<T>()).ok_or(DecodeError::Memory)?;
        let aligned = free.get_mut(skipped..).ok_or(DecodeError::Memory)?;
        let (taken, rest) = aligned.split_at_mut_checked(size).ok_or(DecodeError::Memory)?;
        self.free = rest;
        // SAFETY: `taken` has the alignment of `T` and the size of `count` of them, is borrowed by
        // nobody else for 'r, and bytes without a value make up a `MaybeUninit<T>`.
        let list = unsafe {
            core::slice::from_raw_parts_mut(taken.as_mut_ptr().cast::<MaybeUninit<T>>(), count)
        };
        for place in &mut *list {
            place.write(next(self)?);
        }
        // SAFETY: the loop has written each element, or returned.
        Ok(unsafe { list.assume_init_ref() })
    }
}

/// Counts the bytes that an [`Arena`] must have, whatever its alignment.
#[derive(Debug, Default)]
pub(crate) struct Size(usize);

impl Size {
    pub(crate) const fn bytes(&self) -> usize {
        self.0
    }
}

impl<'r> Lists<'r> for Size {
    fn list<T: 'r>(
        &mut self,
        count: usize,
        mut next: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<&'r [T], DecodeError> {
        if count == 0 {
            return Ok(&[]);
        }
        let size = count.checked_mul(size_of::<T>()).ok_or(DecodeError::Memory)?;
        let size = size.checked_add(align_of::<T>() - 1).ok_or(DecodeError::Memory)?;
        self.0 = self.0.checked_add(size).ok_or(DecodeError::Memory)?;
        for _ in 0..count {
            next(self)?;
        }
        Ok(&[])
    }
}
