//! What is known of one frame of a burst.

use dash_hal::PortId;

use crate::{
    pipeline::{Lookup, Name, Pipeline},
    table::cuckoo::Place,
};

/// What is known of one frame. Its places last, so that nothing that was just written is moved.
pub(super) struct Lane<P: Pipeline> {
    pub(super) name: Name<P>,
    pub(super) place: Place,
    /// Bytes of the frame as received.
    pub(super) received: usize,
    pub(super) ingress: PortId,
    pub(super) entry: u8,
}

impl<P: Pipeline> AsMut<Place> for Lane<P> {
    #[inline]
    fn as_mut(&mut self) -> &mut Place {
        &mut self.place
    }
}

impl<P: Pipeline> Lane<P> {
    pub(super) const EMPTY: Self =
        Self { name: Name::NONE, place: Place::NONE, received: 0, ingress: PortId(0), entry: 0 };

    /// Whether the frame is a fragment.
    #[inline(always)]
    pub(super) fn is_fragment(&self) -> bool {
        match &self.name.lookup {
            Some(Lookup::Flow { context, .. }) => P::is_fragment(context),
            _ => false,
        }
    }

    /// What is known of the frame, for its counters.
    pub(super) const fn context(&self) -> Option<&P::Context> {
        match &self.name.lookup {
            Some(Lookup::Flow { context, .. } | Lookup::NoFlow { context }) => Some(context),
            Some(Lookup::Drop { context, .. }) => context.as_ref(),
            None => None,
        }
    }
}
