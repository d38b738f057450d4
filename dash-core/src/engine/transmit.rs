//! Frames that wait for their port.
//!
//! One ring for all ports: `N` places of a port number and a buffer each. A flush touches each
//! frame once.

use dash_hal::{Burst, PortId, Ports};
use heapless::Vec;

/// Frames in the order in which they left the pipeline.
pub(super) struct TransmitQueue<B, const N: usize> {
    frames: [Option<(PortId, B)>; N],
    first: usize,
    length: usize,
}

impl<B, const N: usize> TransmitQueue<B, N> {
    pub(super) const fn new() -> Self {
        Self { frames: [const { None }; N], first: 0, length: 0 }
    }

    /// Frames in it.
    pub(super) const fn len(&self) -> usize {
        self.length
    }

    /// Places left.
    #[inline]
    pub(super) const fn room(&self) -> usize {
        N - self.length
    }

    /// Appends a frame.
    ///
    /// # Errors
    /// A full queue gives the buffer back.
    #[inline]
    pub(super) fn push(&mut self, port: PortId, buffer: B) -> Result<(), B> {
        match self.frames.get_mut((self.first + self.length) % N) {
            Some(place) if self.length < N => {
                *place = Some((port, buffer));
                self.length += 1;
                Ok(())
            }
            _ => Err(buffer),
        }
    }

    /// The oldest frame, if `port` takes it.
    #[inline]
    fn pop_if(&mut self, takes: impl FnOnce(PortId) -> bool) -> Option<(PortId, B)> {
        let place = self.frames.get_mut(self.first)?;
        let frame = place.take_if(|(port, _)| takes(*port))?;
        self.first = (self.first + 1) % N;
        self.length -= 1;
        Some(frame)
    }

    /// Sends what waits, in order for each port; what a port does not take goes on waiting.
    pub(super) fn flush<D: Ports<Buffer = B>>(&mut self, ports: &mut D) {
        let mut blocked: Vec<PortId, N> = Vec::new();
        let mut left = self.length;
        while left > 0 {
            let Some((port, buffer)) = self.pop_if(|_| true) else { break };
            left -= 1;
            if blocked.contains(&port) {
                // Each frame was just taken from the queue, so there is a place.
                let _ = self.push(port, buffer);
                continue;
            }
            let mut burst = Burst::new();
            let _ = burst.push(buffer);
            while left > 0 && burst.room() > 0 {
                let Some((_, buffer)) = self.pop_if(|next| next == port) else { break };
                left -= 1;
                let _ = burst.push(buffer);
            }
            ports.transmit(port, &mut burst);
            if !burst.is_empty() {
                let _ = blocked.push(port);
            }
            while let Some(buffer) = burst.pop() {
                let _ = self.push(port, buffer);
            }
        }
    }
}
