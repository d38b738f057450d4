//! What the stages tell a trace.

use dash_hal::PortId;

use super::{DropReason, FlowKey, FlowState, Note, Tunnelled, Way};

/// What one stage did for a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// The outer headers of a frame from the data centre or from the tunnel router.
    Tunnel(Tunnelled),
    /// A frame from the data centre or from the tunnel router, whose outer headers are wrong.
    Malformed(DropReason),
    /// Stage 1: the VLAN and the port of the server that a frame with these outer headers is for, or
    /// why there is none.
    Server(Tunnelled, Result<(u16, PortId), DropReason>),
    /// Stage 2: the name of the frame's flow.
    Key(FlowKey),
    /// Stage 2: the flow before the frame, if it was there, and after it.
    State {
        /// Before.
        before: Option<FlowState>,
        /// After.
        after: FlowState,
    },
    /// Stage 2: where a server's frame goes.
    Way(Way),
    /// The way to the tenant that was learnt of the frame.
    Learnt(Tunnelled),
    /// Something was noted.
    Note(Note),
}
