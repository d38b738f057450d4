//! Reading many flows at once: those that pass up to five filters, in bounded steps while traffic
//! flows. DASH flow API, bulk get session.
//!
//! Memory: the session, 160 bytes; no copy of a flow. Time: one entry of the table for each of a
//! step's budget. A session walks the table by positions, which flows do not change: one that is
//! there all the while is read once, one that comes or goes meanwhile once or not at all.
//!
//! Choices: filters are combined with AND, none lets each flow pass; addresses are compared as
//! numbers, and one of the other IP version passes no filter; flows that have timed out are none.

use heapless::Vec;
use smoltcp::wire::{EthernetAddress, IpAddress};

use super::{
    FlowKey, FlowState,
    policy::{Direction, VnetId},
};
use crate::flow::{Flow, FlowTable};

/// Most filters of a session.
pub const FILTERS: usize = 5;

/// How an attribute of a flow is compared with a filter's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Eq,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
}

/// An attribute of a flow's name, and the value that it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// MAC address of the ENI.
    Eni(EthernetAddress),
    /// VNET of the ENI.
    Vnet(VnetId),
    /// Direction; outbound is less.
    Direction(Direction),
    /// IP protocol.
    Protocol(u8),
    /// Customer source.
    Source(IpAddress),
    /// Customer destination.
    Destination(IpAddress),
    /// Source port.
    SourcePort(u16),
    /// Destination port.
    DestinationPort(u16),
}

/// What a flow must be to be read: its attribute compares so with the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    /// What is compared.
    pub attribute: Attribute,
    /// How.
    pub comparison: Comparison,
}

impl Filter {
    /// Whether a flow of this name passes.
    #[must_use]
    pub fn passes(&self, key: &FlowKey) -> bool {
        let (own, value) = match self.attribute {
            Attribute::Eni(mac) => (mac_number(key.eni()), mac_number(mac)),
            Attribute::Vnet(vnet) => (key.vnet().0.into(), vnet.0.into()),
            Attribute::Direction(direction) => (number(key.direction()), number(direction)),
            Attribute::Protocol(protocol) => (key.protocol().into(), protocol.into()),
            Attribute::Source(address) => match address_numbers(key.source(), address) {
                Some(both) => both,
                None => return false,
            },
            Attribute::Destination(address) => match address_numbers(key.destination(), address) {
                Some(both) => both,
                None => return false,
            },
            Attribute::SourcePort(port) => (key.source_port().into(), port.into()),
            Attribute::DestinationPort(port) => (key.destination_port().into(), port.into()),
        };
        match self.comparison {
            Comparison::Eq => own == value,
            Comparison::Gt => own > value,
            Comparison::Ge => own >= value,
            Comparison::Lt => own < value,
            Comparison::Le => own <= value,
        }
    }
}

fn mac_number(mac: EthernetAddress) -> u128 {
    mac.0.iter().fold(0, |number, octet| number << 8 | u128::from(*octet))
}

const fn number(direction: Direction) -> u128 {
    match direction {
        Direction::Outbound => 0,
        Direction::Inbound => 1,
    }
}

fn address_numbers(one: IpAddress, other: IpAddress) -> Option<(u128, u128)> {
    match (one, other) {
        (IpAddress::Ipv4(one), IpAddress::Ipv4(other)) => {
            Some((one.to_bits().into(), other.to_bits().into()))
        }
        (IpAddress::Ipv6(one), IpAddress::Ipv6(other)) => Some((one.to_bits(), other.to_bits())),
        _ => None,
    }
}

/// More than [`FILTERS`] filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyFilters;

/// A session of one reader over one table.
///
/// ```
/// use dash_core::{
///     flow::{Flow, FlowTable},
///     pipeline::vnet::{Attribute, BulkRead, Comparison, Filter, FlowKey, FlowState},
/// };
/// # let (mut buckets, mut slots, mut next_hops) = ([], [], []);
/// # let flows = FlowTable::<FlowKey, FlowState>::new(
/// #     &mut buckets, &mut slots, &mut next_hops, [0; 2],
/// # )?;
/// let web = Filter { attribute: Attribute::DestinationPort(443), comparison: Comparison::Eq };
/// let mut session = BulkRead::new(&[web], 1_000).unwrap();
/// while !session.is_finished(&flows) {
///     session.step(&flows, 0, 256, |key, flow| println!("{key:?}: {} frames", flow.packets));
///     // … and a burst in between.
/// }
/// # Ok::<(), dash_core::table::TableError>(())
/// ```
#[derive(Clone, Debug)]
pub struct BulkRead {
    filters: Vec<Filter, FILTERS>,
    /// Flows that it may still read.
    left: usize,
    /// Position of the entry that is looked at next.
    position: usize,
}

impl BulkRead {
    /// A session that reads at most `limit` flows that pass all `filters`.
    ///
    /// # Errors
    /// [`TooManyFilters`].
    pub fn new(filters: &[Filter], limit: usize) -> Result<Self, TooManyFilters> {
        let filters = Vec::from_slice(filters).map_err(|_| TooManyFilters)?;
        Ok(Self { filters, left: limit, position: 0 })
    }

    /// Looks at the next `budget` entries of `flows`, and hands each flow that passes and lives at
    /// `now` to `read`.
    pub fn step(
        &mut self,
        flows: &FlowTable<'_, FlowKey, FlowState>,
        now: u64,
        budget: usize,
        mut read: impl FnMut(&FlowKey, &Flow<FlowState>),
    ) {
        let end = flows.capacity().min(self.position.saturating_add(budget));
        while self.position < end && self.left > 0 {
            let flow = flows.live_at(self.position, now);
            self.position += 1;
            let Some((key, flow)) = flow else { continue };
            if self.filters.iter().all(|filter| filter.passes(key)) {
                self.left -= 1;
                read(key, flow);
            }
        }
    }

    /// Whether there is nothing more to read: the limit is reached, or the end of the table.
    #[must_use]
    pub fn is_finished(&self, flows: &FlowTable<'_, FlowKey, FlowState>) -> bool {
        self.left == 0 || self.position >= flows.capacity()
    }
}
