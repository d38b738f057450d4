//! One frame on its way through the engine.

use dash_hal::PortId;

use crate::wire::Layout;

/// One frame in the port's own memory, with what is known of it. Moved, never copied.
#[derive(Debug)]
pub struct Packet<B> {
    /// The frame's bytes.
    pub buffer: B,
    /// The port that it came in at, or that a re-entry names.
    pub ingress: PortId,
    /// Where it enters the pipeline: 0 for a frame from a port; a re-entry names its stage.
    pub entry: u8,
    /// Where its headers are; filled in by [`Pipeline::key`](crate::pipeline::Pipeline::key).
    pub layout: Layout,
}

impl<B> Packet<B> {
    /// A frame that enters at stage `entry`; its headers are not yet known.
    #[must_use]
    pub fn new(buffer: B, ingress: PortId, entry: u8) -> Self {
        Self { buffer, ingress, entry, layout: Layout::default() }
    }
}
