//! What holds for all frames.

use dash_hal::PortId;

/// Who says what becomes of the first frame of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Controller {
    /// The slow path of this core.
    #[default]
    Local,
    /// Somebody who takes [requests](crate::engine::Engine::next_request).
    Remote,
}

/// What becomes of a frame that no route is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NorthSouth {
    /// It ends.
    #[default]
    Drop,
    /// Somebody takes it as a [request](crate::engine::Engine::next_request).
    Punt,
}

/// What holds for all frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The port of the device that leads to other hosts; it is no network's.
    pub underlay: PortId,
    /// When a flow without frames ends, ms; 0: never.
    pub idle_timeout: u32,
    /// When a flow ends in any case, ms; 0: never.
    pub hard_timeout: u32,
    /// Most bytes of an IP datagram that is routed.
    pub mtu: u16,
    /// Flows of the slow path have this cookie plus their number in the order of installation,
    /// from 1; of a flow that was there already the number is left out.
    pub cookie_base: u64,
    /// Whether it is told when flows of the slow path end.
    pub send_removed: bool,
    /// Who decides.
    pub controller: Controller,
    /// What lies beyond.
    pub north_south: NorthSouth,
}

impl Settings {
    /// As in 2015, with a slow path of its own.
    #[must_use]
    pub const fn new(underlay: PortId) -> Self {
        Self {
            underlay,
            idle_timeout: 300_000,
            hard_timeout: 0,
            mtu: 1500,
            cookie_base: 0,
            send_removed: false,
            controller: Controller::Local,
            north_south: NorthSouth::Drop,
        }
    }
}
