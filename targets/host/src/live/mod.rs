//! What `dash up` meets the world by: [interfaces](packet_socket) and the [control
//! socket](clients).

pub(crate) mod clients;
pub(crate) mod packet_socket;

/// Frames of a port before the next port has its turn.
pub(crate) const TURN: usize = 32;
/// Milliseconds after which time-outs are looked at, without frames.
pub(crate) const PAUSE: u16 = 100;
