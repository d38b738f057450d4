//! The core's side of a ring: frames go to the device and come back in order.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::{
    device::{Descriptors, OWNED},
    frame::Frame,
};

/// `N` places. A frame that the device has is parked here and not looked into.
pub(crate) struct Ring<const N: usize> {
    descriptors: &'static Descriptors<N>,
    parked: [Option<Frame>; N],
    /// Place of the next frame that goes.
    next: usize,
    /// Place of the oldest frame that went.
    oldest: usize,
}

impl<const N: usize> Ring<N> {
    pub(crate) const fn new(descriptors: &'static Descriptors<N>) -> Self {
        Self { descriptors, parked: [const { None }; N], next: 0, oldest: 0 }
    }

    pub(crate) fn address(&self) -> usize {
        core::ptr::from_ref(self.descriptors).expose_provenance()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.parked.get(self.next).is_none_or(Option::is_some)
    }

    /// Gives `frame` to the device, `length` bytes of it.
    ///
    /// # Errors
    /// A full ring gives the frame back.
    pub(crate) fn give(&mut self, frame: Frame, length: usize) -> Result<(), Frame> {
        let (Some(place), Some(descriptor)) =
            (self.parked.get_mut(self.next), self.descriptors.0.get(self.next))
        else {
            return Err(frame);
        };
        if place.is_some() {
            return Err(frame);
        }
        descriptor.address.store(frame.address(), Relaxed);
        *place = Some(frame);
        // Where DMA does not see the caches: clean (transmit) or invalidate (receive) the block's
        // lines before this store. The store is last: with it the device sees address and bytes.
        descriptor.word.store(OWNED | length as u32, Release);
        self.next = after::<N>(self.next);
        Ok(())
    }

    /// Takes the oldest frame back, with the descriptor's word, if the device is done with it.
    pub(crate) fn take(&mut self) -> Option<(Frame, u32)> {
        let place = self.parked.get_mut(self.oldest)?;
        place.as_ref()?;
        let word = self.descriptors.0.get(self.oldest)?.word.load(Acquire);
        if word & OWNED != 0 {
            return None;
        }
        // Where DMA does not see the caches: invalidate the lines of a received block here; the
        // core may have loaded them ahead while the device wrote.
        self.oldest = after::<N>(self.oldest);
        place.take().map(|frame| (frame, word))
    }
}

/// The place after `place` in a ring of `N`.
const fn after<const N: usize>(place: usize) -> usize {
    if place + 1 < N { place + 1 } else { 0 }
}
