//! Where events leave the core.

/// The sink had no place; the event is gone and the caller counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventsLost;

/// Takes events (flow removed, punted, …) from the packet path.
pub trait EventSink<E> {
    /// Hands over one event, in order. It never blocks; a sink that is full keeps what it has, and
    /// takes events again once its reader made a place.
    ///
    /// # Errors
    /// [`EventsLost`] when there is no place.
    fn emit(&mut self, event: E) -> Result<(), EventsLost>;
}

/// Drops every event, as a port does that has no use for them.
impl<E> EventSink<E> for () {
    fn emit(&mut self, _event: E) -> Result<(), EventsLost> {
        Ok(())
    }
}
