//! Events leave the packet core through a queue that another core, or the same one, empties.

use dash_hal::{EventSink, EventsLost};
use heapless::spsc::Producer;

/// The end that the engine writes to. A queue of `N` places holds `N - 1` events.
pub struct EventQueue<'q, E>(pub Producer<'q, E>);

impl<E> EventSink<E> for EventQueue<'_, E> {
    fn emit(&mut self, event: E) -> Result<(), EventsLost> {
        self.0.enqueue(event).map_err(|_| EventsLost)
    }
}
