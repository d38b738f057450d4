//! Frames that wait for their port.
//!
//! One queue for all ports: `N` places of a port number and a buffer each. A flush touches each
//! frame once.

use dash_hal::{Burst, PortId, Ports};
use heapless::{Deque, Vec};

/// Frames in the order in which they left the pipeline.
pub(super) struct TransmitQueue<B, const N: usize> {
    frames: Deque<(PortId, B), N>,
}

impl<B, const N: usize> TransmitQueue<B, N> {
    pub(super) const fn new() -> Self {
        Self { frames: Deque::new() }
    }

    /// Frames in it.
    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Places left.
    pub(super) fn room(&self) -> usize {
        N - self.frames.len()
    }

    /// Appends a frame.
    ///
    /// # Errors
    /// A full queue gives the buffer back.
    pub(super) fn push(&mut self, port: PortId, buffer: B) -> Result<(), B> {
        self.frames.push_back((port, buffer)).map_err(|(_, buffer)| buffer)
    }

    /// Sends what waits, in order for each port; what a port does not take goes on waiting.
    pub(super) fn flush<D: Ports<Buffer = B>>(&mut self, ports: &mut D) {
        let mut blocked: Vec<PortId, N> = Vec::new();
        let mut left = self.frames.len();
        while left > 0 {
            let Some((port, buffer)) = self.frames.pop_front() else { break };
            left -= 1;
            if blocked.contains(&port) {
                // Each frame was just taken from the queue, so there is a place.
                let _ = self.frames.push_back((port, buffer));
                continue;
            }
            let mut burst = Burst::new();
            let _ = burst.push(buffer);
            while left > 0
                && burst.room() > 0
                && self.frames.front().is_some_and(|next| next.0 == port)
            {
                let Some((_, buffer)) = self.frames.pop_front() else { break };
                left -= 1;
                let _ = burst.push(buffer);
            }
            ports.transmit(port, &mut burst);
            if !burst.is_empty() {
                let _ = blocked.push(port);
            }
            while let Some(buffer) = burst.pop() {
                let _ = self.frames.push_back((port, buffer));
            }
        }
    }
}
