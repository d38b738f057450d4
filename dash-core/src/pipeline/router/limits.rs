//! How often gateways tell errors, and how often a controller is asked for an address that nobody
//! has. One core's own, over the caller's storage.

use smoltcp::wire::IpAddress;

use super::answer::Problem;

/// Length of a window, ns.
const WINDOW: u64 = 1_000_000_000;
/// Errors of one kind that a gateway tells in one window.
const REPLIES: u8 = 3;

/// The errors of one kind of one gateway.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    opened: u64,
    replies: u8,
}

/// The errors of one gateway, by kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct GatewayErrors([Window; 2]);

/// Errors of gateways: a window opens with its first message and lasts a second; three messages go
/// in one.
#[derive(Debug)]
pub(super) struct Errors<'a>(pub(super) &'a mut [GatewayErrors]);

impl Errors<'_> {
    /// Whether the gateway of this number may tell of a problem now; then it does.
    pub(super) fn admit(&mut self, interface: u32, problem: Problem, now: u64) -> bool {
        let Some(GatewayErrors(windows)) = self.0.get_mut(interface as usize) else { return false };
        let [time, port] = windows;
        let window = match problem {
            Problem::TimeExceeded => time,
            Problem::PortUnreachable => port,
        };
        if window.replies == 0 || now.saturating_sub(window.opened) >= WINDOW {
            *window = Window { opened: now, replies: 1 };
            return true;
        }
        let room = window.replies < REPLIES;
        window.replies += u8::from(room);
        room
    }
}

/// An address that a controller knows nobody of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absent {
    /// Number of the network's id.
    network: u32,
    address: IpAddress,
    /// When the controller was asked.
    asked: u64,
}

/// Addresses that a controller was asked for in vain, the newest of them.
#[derive(Debug)]
pub(super) struct Absents<'a> {
    pub(super) places: &'a mut [Option<Absent>],
    /// The place that is used next.
    pub(super) next: usize,
}

impl Absents<'_> {
    /// Whether a controller need not be asked yet.
    pub(super) fn knows(&self, network: u32, address: IpAddress, now: u64) -> bool {
        let mut known = self.places.iter().flatten();
        known.any(|absent| {
            (absent.network, absent.address) == (network, address)
                && now.saturating_sub(absent.asked) < WINDOW
        })
    }

    /// A controller that was `asked` then knows nobody of this address.
    pub(super) fn add(&mut self, network: u32, address: IpAddress, asked: u64) {
        let same = |place: &Option<Absent>| {
            place.is_some_and(|absent| (absent.network, absent.address) == (network, address))
        };
        let place = self.places.iter().position(same).unwrap_or(self.next);
        if place == self.next {
            self.next = (self.next + 1).checked_rem(self.places.len()).unwrap_or(0);
        }
        if let Some(place) = self.places.get_mut(place) {
            *place = Some(Absent { network, address, asked });
        }
    }
}
