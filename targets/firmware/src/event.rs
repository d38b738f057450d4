//! What the program tells of itself.

use dash_core::pipeline::{
    chain,
    vnet::{DropReason, policy::PolicyError},
};
use dash_hal::{EventSink, EventsLost};
use dash_protocol::Refusal;
use heapless::Deque;

/// Something that happens once in a while. Frames are counted, not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(target_os = "none", derive(defmt::Format))]
pub enum Event {
    /// A data port was found.
    Port(u8),
    /// A device of the machine could not be set up; the program goes on without it.
    DeviceLost,
    /// The control port is up and waits for a start.
    Ready,
    /// The configuration of the image is applied; frames are taken from now on.
    Started,
    /// A request was not carried out.
    Refused(Refusal),
    /// A change of policy was refused, and with it its transaction.
    Rejected {
        /// The change, counted from 0.
        index: u32,
        /// Why.
        error: PolicyError,
    },
    /// What passed at a data port, at the end.
    Passed {
        /// The port.
        port: u8,
        /// Frames received.
        received: u64,
        /// Frames sent.
        sent: u64,
        /// Frames that the port itself dropped.
        dropped: u64,
    },
    /// Frames that policy or the engine dropped, at the end.
    Dropped {
        /// Why.
        reason: DropReason,
        /// How many.
        frames: u64,
    },
    /// Frames that service chains or the engine dropped, at the end.
    ChainDropped {
        /// Why.
        reason: chain::DropReason,
        /// How many.
        frames: u64,
    },
    /// So many events found no place in the queue.
    Lost(u32),
    /// The program ends.
    Stopped(Exit),
}

/// How the program ended; its number is the exit code of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(target_os = "none", derive(defmt::Format))]
pub enum Exit {
    /// As it was asked to.
    Stopped = 0,
    /// The machine has no control port, so nothing can ever be asked.
    NoControlPort = 2,
    /// Devices did not send what they were given, [`DRAIN`](crate::DRAIN) long.
    NotDrained = 3,
    /// The port does not keep to the contract of `dash-hal`.
    NotConforming = 4,
}

/// Events between the core that works and the log, which may take its time.
#[derive(Debug)]
pub struct EventQueue<E, const N: usize> {
    events: Deque<E, N>,
    lost: u32,
}

impl<E, const N: usize> EventQueue<E, N> {
    /// A queue of at most `N` events.
    #[must_use]
    pub const fn new() -> Self {
        Self { events: Deque::new(), lost: 0 }
    }

    /// Takes the oldest event.
    pub fn take(&mut self) -> Option<E> {
        self.events.pop_front()
    }

    /// Events that found no place since the last call.
    pub const fn take_lost(&mut self) -> u32 {
        core::mem::replace(&mut self.lost, 0)
    }
}

impl<E, const N: usize> Default for EventQueue<E, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E, const N: usize> EventSink<E> for EventQueue<E, N> {
    fn emit(&mut self, event: E) -> Result<(), EventsLost> {
        self.events.push_back(event).map_err(|_| {
            self.lost = self.lost.saturating_add(1);
            EventsLost
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_keeps_what_it_has_and_counts_what_it_loses() {
        let mut queue = EventQueue::<u8, 2>::new();
        assert_eq!([1, 2, 3, 4].map(|event| queue.emit(event).is_ok()), [true, true, false, false]);
        assert_eq!((queue.take(), queue.take_lost(), queue.take_lost()), (Some(1), 2, 0));
        assert_eq!(queue.emit(5), Ok(()));
        assert_eq!((queue.take(), queue.take(), queue.take()), (Some(2), Some(5), None));
    }
}
