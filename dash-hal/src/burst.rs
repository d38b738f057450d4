//! Up to 32 buffers that move together.

/// Frames in one burst. 32 lookups in flight hide the latency of DRAM on the cores at hand, and
/// their headers (32 × 2 lines) still fit in a 16 KiB L1 cache.
pub const BURST: usize = 32;

/// A first-in, first-out list of at most [`BURST`] buffers, owned by value.
///
/// ```
/// use dash_hal::Burst;
/// let mut burst = Burst::new();
/// assert_eq!(burst.push(1), Ok(()));
/// assert_eq!(burst.push(2), Ok(()));
/// assert_eq!(burst.pop(), Some(1));
/// assert_eq!(burst.len(), 1);
/// ```
#[derive(Debug)]
pub struct Burst<B> {
    /// The buffers are at `first` and the places behind it, those before and after are empty.
    places: [Option<B>; BURST],
    first: usize,
    length: usize,
}

impl<B> Burst<B> {
    /// An empty burst.
    #[must_use]
    pub const fn new() -> Self {
        Self { places: [const { None }; BURST], first: 0, length: 0 }
    }

    /// Buffers in it.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether it holds no buffer.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Places left.
    #[must_use]
    pub const fn room(&self) -> usize {
        BURST - self.length
    }

    /// Appends `buffer`.
    ///
    /// # Errors
    /// A full burst gives the buffer back.
    #[inline]
    pub fn push(&mut self, buffer: B) -> Result<(), B> {
        if self.first + self.length >= BURST {
            self.close_up();
        }
        match self.places.get_mut(self.first + self.length) {
            Some(place) => {
                *place = Some(buffer);
                self.length += 1;
                Ok(())
            }
            None => Err(buffer),
        }
    }

    /// Moves the buffers to the first places.
    #[cold]
    fn close_up(&mut self) {
        for to in 0..self.length {
            let buffer = self.places.get_mut(self.first + to).and_then(Option::take);
            if let Some(place) = self.places.get_mut(to) {
                *place = buffer;
            }
        }
        self.first = 0;
    }

    /// Takes the oldest buffer.
    #[inline]
    pub fn pop(&mut self) -> Option<B> {
        self.drain(1).next()
    }

    /// The buffers, oldest first, left in place.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = &B> {
        self.places.get(self.first..).unwrap_or_default().iter().flatten()
    }

    /// Takes up to `count` of the oldest buffers, one after the other; when it ends they are gone
    /// from the burst.
    #[inline]
    pub fn drain(&mut self, count: usize) -> Drain<'_, B> {
        let count = if count < self.length { count } else { self.length };
        let places = self.places.get_mut(self.first..).unwrap_or_default();
        let places = places.get_mut(..count).unwrap_or_default();
        self.length -= count;
        self.first = if self.length == 0 { 0 } else { self.first + count };
        Drain { places: places.iter_mut() }
    }

    /// The oldest buffer, left in place.
    #[must_use]
    pub fn front(&self) -> Option<&B> {
        self.places.get(self.first)?.as_ref()
    }
}

/// The buffers that [`Burst::drain`] takes.
#[derive(Debug)]
pub struct Drain<'b, B> {
    places: core::slice::IterMut<'b, Option<B>>,
}

impl<B> Iterator for Drain<'_, B> {
    type Item = B;

    #[inline]
    fn next(&mut self) -> Option<B> {
        self.places.next()?.take()
    }
}

impl<B> Drop for Drain<'_, B> {
    fn drop(&mut self) {
        for place in &mut self.places {
            *place = None;
        }
    }
}

impl<B> Default for Burst<B> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_first_in_first_out() {
        let mut burst = Burst::new();
        for round in 0..5_usize {
            for item in 0..BURST {
                assert_eq!(burst.push(round * 100 + item), Ok(()));
            }
            assert_eq!(burst.push(7), Err(7));
            for item in 0..BURST {
                assert_eq!(burst.pop(), Some(round * 100 + item));
            }
            assert_eq!(burst.pop(), None);
            assert_eq!(burst.push(0), Ok(()));
            assert_eq!(burst.pop(), Some(0));
        }
    }

    /// A burst of `count` numbers from 0 whose oldest is at place `first`.
    fn turned(first: usize, count: usize) -> Burst<usize> {
        let mut burst = Burst::new();
        let behind = count.min(BURST - first);
        for number in (0..first).chain(0..behind) {
            assert_eq!(burst.push(number), Ok(()));
        }
        assert!(burst.drain(first).eq(0..first));
        for number in behind..count {
            assert_eq!(burst.push(number), Ok(()));
        }
        burst
    }

    #[test]
    fn drains_the_oldest_in_order_from_every_place() {
        let step = if cfg!(miri) { 8 } else { 1 };
        let counts = || (0..=BURST).step_by(step);
        for (first, count) in counts().flat_map(|first| counts().map(move |n| (first, n))) {
            for asked in [0, 1, count / 2, count, count + 1, usize::MAX] {
                let taken = asked.min(count);
                let mut burst = turned(first, count);
                assert!(burst.iter().copied().eq(0..count));
                assert!(burst.drain(asked).eq(0..taken));
                assert_eq!(burst.len(), count - taken);
                for number in 0..taken {
                    assert_eq!(burst.push(100 + number), Ok(()));
                }
                let rest = (taken..count).chain((0..taken).map(|number| 100 + number));
                assert!(rest.eq(core::iter::from_fn(|| burst.pop())));
                assert!(burst.is_empty() && burst.front().is_none());
            }
        }
    }

    #[test]
    fn what_a_drain_is_dropped_with_is_gone() {
        use core::cell::Cell;

        struct Counted<'c>(&'c Cell<usize>);
        impl Drop for Counted<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
            }
        }

        let dropped = Cell::new(0);
        let mut burst = Burst::new();
        for _ in 0..10 {
            assert!(burst.push(Counted(&dropped)).is_ok());
        }
        let mut drain = burst.drain(6);
        let first = drain.next();
        assert!(first.is_some());
        drop(drain);
        assert_eq!((dropped.get(), burst.len()), (5, 4));
        drop(first);
        assert_eq!(dropped.get(), 6);
        drop(burst);
        assert_eq!(dropped.get(), 10);
    }
}
