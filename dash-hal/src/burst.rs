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
    pub fn push(&mut self, buffer: B) -> Result<(), B> {
        let last = (self.first + self.length) % BURST;
        match self.places.get_mut(last) {
            Some(place) if self.length < BURST => {
                *place = Some(buffer);
                self.length += 1;
                Ok(())
            }
            _ => Err(buffer),
        }
    }

    /// Takes the oldest buffer.
    pub fn pop(&mut self) -> Option<B> {
        let buffer = self.places.get_mut(self.first)?.take()?;
        self.first = (self.first + 1) % BURST;
        self.length -= 1;
        Some(buffer)
    }

    /// The oldest buffer, left in place.
    #[must_use]
    pub fn front(&self) -> Option<&B> {
        self.places.get(self.first)?.as_ref()
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
    fn is_first_in_first_out_across_the_wrap() {
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
}
