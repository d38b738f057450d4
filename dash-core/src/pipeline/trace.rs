//! Shows what happens to a frame, for `explain` and `--trace`; costs nothing when off.

use crate::{
    flow::FlowStep,
    pipeline::{End, Pipeline},
};

/// Receives what the packet path does, in order. The methods default to nothing, and the events
/// are built only by an implementation that asks for them: with `()` no code is left.
pub trait Trace<P: Pipeline + ?Sized> {
    /// A stage of the pipeline decided.
    #[inline]
    fn stage(&mut self, event: impl FnOnce() -> P::Event) {
        let _ = event;
    }

    /// The flow table answered or changed.
    #[inline]
    fn flow(&mut self, step: FlowStep) {
        let _ = step;
    }

    /// The frame left the engine.
    #[inline]
    fn end(&mut self, end: &End<P::Reason>) {
        let _ = end;
    }
}

/// Off.
impl<P: Pipeline + ?Sized> Trace<P> for () {}
