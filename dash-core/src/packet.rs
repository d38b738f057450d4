//! One frame on its way through the engine.

use dash_hal::{PortId, ReceiveMetadata};

/// One frame in the port's own memory. It stays where it is, in the burst that the port filled.
#[derive(Debug)]
pub struct Packet<'a, B> {
    /// The frame's bytes.
    pub buffer: &'a mut B,
    /// The port that it came in at, or that a re-entry names.
    pub ingress: PortId,
    /// Where it enters the pipeline: 0 for a frame from a port; a re-entry names its stage.
    pub entry: u8,
}

/// A frame that enters, to be looked at.
#[derive(Clone, Copy, Debug)]
pub struct Entering<'a> {
    /// The frame.
    pub bytes: &'a [u8],
    /// What the port knows of it.
    pub metadata: &'a ReceiveMetadata,
    /// The port that it came in at, or that a re-entry names.
    pub ingress: PortId,
    /// Where it enters the pipeline: 0 for a frame from a port; a re-entry names its stage.
    pub entry: u8,
}
