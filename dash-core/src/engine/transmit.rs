//! Frames that wait for their port.
//!
//! The oldest, as long as they are of one port, lie in the burst that it will be given; those
//! behind them in a ring of `N` places, a port number and a buffer each. So a frame is moved once,
//! unless the ports of a burst alternate.

use dash_hal::{BURST, Burst, PortId, Ports};
use heapless::Vec;

/// At most `N` frames in the order in which they left the pipeline.
pub(super) struct TransmitQueue<B, const N: usize> {
    /// The oldest, all of `port`.
    burst: Burst<B>,
    port: PortId,
    /// Those behind them.
    frames: [Option<(PortId, B)>; N],
    first: usize,
    length: usize,
}

impl<B, const N: usize> TransmitQueue<B, N> {
    pub(super) const fn new() -> Self {
        Self {
            burst: Burst::new(),
            port: PortId(0),
            frames: [const { None }; N],
            first: 0,
            length: 0,
        }
    }

    /// Frames in it.
    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.burst.len() + self.length
    }

    /// Places left.
    #[inline]
    pub(super) const fn room(&self) -> usize {
        N.saturating_sub(self.len())
    }

    /// Appends a frame.
    ///
    /// # Errors
    /// A full queue gives the buffer back.
    #[inline]
    pub(super) fn push(&mut self, port: PortId, buffer: B) -> Result<(), B> {
        // A full burst refuses by itself.
        if self.length > 0 || N < BURST && self.room() == 0 {
            return self.push_behind(port, buffer);
        }
        if self.port != port {
            if !self.burst.is_empty() {
                return self.push_behind(port, buffer);
            }
            self.port = port;
        }
        self.burst.push(buffer).or_else(|buffer| self.push_behind(port, buffer))
    }

    /// Appends a frame to the ring.
    #[cold]
    fn push_behind(&mut self, port: PortId, buffer: B) -> Result<(), B> {
        let room = self.room();
        match self.frames.get_mut((self.first + self.length) % N) {
            Some(place) if room > 0 => {
                *place = Some((port, buffer));
                self.length += 1;
                Ok(())
            }
            _ => Err(buffer),
        }
    }

    /// The oldest frame of the ring, if `takes` says so of its port.
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
        if !self.burst.is_empty() {
            ports.transmit(self.port, &mut self.burst);
        }
        if self.length > 0 {
            self.flush_behind(ports);
        }
    }

    #[cold]
    fn flush_behind<D: Ports<Buffer = B>>(&mut self, ports: &mut D) {
        let mut blocked: Vec<PortId, N> = Vec::new();
        if !self.burst.is_empty() {
            let _ = blocked.push(self.port);
        }
        let mut left = self.length;
        while left > 0 {
            let Some((port, buffer)) = self.pop_if(|_| true) else { break };
            left -= 1;
            if blocked.contains(&port) {
                // Each frame was just taken from the ring, so there is a place.
                let _ = self.push_behind(port, buffer);
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
                let _ = self.push_behind(port, buffer);
            }
        }
    }
}
