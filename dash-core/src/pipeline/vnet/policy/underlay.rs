//! Underlay routes, an extension of ours: `DASH_UNDERLAY_ROUTE_TABLE`.

use dash_hal::PortId;
use smoltcp::wire::{IpAddress, IpCidr};

use super::{Policy, PolicyError, PolicyWriter};

/// What happens to frames to an underlay prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnderlayAction {
    /// They are dropped.
    Drop,
    /// They leave by this port.
    Forward(PortId),
}

const fn decode(value: u32) -> UnderlayAction {
    match value.checked_sub(1) {
        None => UnderlayAction::Drop,
        Some(port) => UnderlayAction::Forward(PortId(port as u16)),
    }
}

impl Policy<'_> {
    /// The route of the longest prefix that covers `destination`. IPv4 and IPv6 are apart.
    #[must_use]
    pub fn underlay_route(&self, destination: IpAddress) -> Option<UnderlayAction> {
        self.prefixes.lookup(self.prefix_tables.underlay, destination).map(decode)
    }

    /// The length in bits of the prefix whose route [`Self::underlay_route`] answers.
    #[must_use]
    pub fn underlay_route_length(&self, destination: IpAddress) -> Option<u8> {
        let longest = self.prefixes.longest(self.prefix_tables.underlay, destination)?;
        Some(longest.length)
    }
}

impl PolicyWriter<'_> {
    /// Makes or replaces an underlay route; host bits of `prefix` are ignored.
    ///
    /// # Errors
    /// `Full`, `Busy`.
    pub fn set_underlay_route(
        &mut self,
        prefix: IpCidr,
        action: UnderlayAction,
    ) -> Result<(), PolicyError> {
        let value = match action {
            UnderlayAction::Drop => 0,
            UnderlayAction::Forward(port) => 1 + u32::from(port.0),
        };
        if self.prefixes.insert(self.view.prefix_tables.underlay, prefix, value)? != Some(value) {
            self.changes.mark_underlay();
        }
        Ok(())
    }

    /// Removes an underlay route; idempotent.
    ///
    /// # Errors
    /// `Busy`.
    pub fn remove_underlay_route(&mut self, prefix: IpCidr) -> Result<(), PolicyError> {
        if self.prefixes.remove(self.view.prefix_tables.underlay, prefix).is_some() {
            self.changes.mark_underlay();
        }
        Ok(())
    }
}
