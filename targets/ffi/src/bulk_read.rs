//! Many flows read at once, filtered, in bounded steps.

use dash_core::pipeline::vnet::{
    Attribute, Comparison, FILTERS, Filter,
    policy::{Direction, VnetId},
};
use dash_hal::{Clock, Platform};

use crate::{
    address::{dash_address_t, dash_mac_t},
    change::{DASH_INBOUND, DASH_OUTBOUND},
    flow::dash_flow_t,
    foreign,
    handle::Place,
    packet_core::{Core, dash_core_t},
    status::{Status, answer, dash_status_t},
};

/// Most filters of one reading.
pub const DASH_FILTERS: usize = 5;

const _: () = assert!(DASH_FILTERS == FILTERS);

/// `attribute`: MAC address of the ENI; compares with `mac`.
pub const DASH_FLOW_ENI: u8 = 0;
/// `attribute`: VNET of the ENI; compares with `number`.
pub const DASH_FLOW_VNET: u8 = 1;
/// `attribute`: `DASH_OUTBOUND` or `DASH_INBOUND`, which is greater; compares with `number`.
pub const DASH_FLOW_DIRECTION: u8 = 2;
/// `attribute`: IP protocol; compares with `number`.
pub const DASH_FLOW_PROTOCOL: u8 = 3;
/// `attribute`: customer source; compares with `address`. Flows of the other IP version do not pass.
pub const DASH_FLOW_SOURCE: u8 = 4;
/// `attribute`: customer destination; as `DASH_FLOW_SOURCE`.
pub const DASH_FLOW_DESTINATION: u8 = 5;
/// `attribute`: source port; compares with `number`.
pub const DASH_FLOW_SOURCE_PORT: u8 = 6;
/// `attribute`: destination port; compares with `number`.
pub const DASH_FLOW_DESTINATION_PORT: u8 = 7;

/// `comparison`: equal.
pub const DASH_EQ: u8 = 1;
/// `comparison`: greater.
pub const DASH_GT: u8 = 2;
/// `comparison`: greater or equal.
pub const DASH_GE: u8 = 3;
/// `comparison`: less.
pub const DASH_LT: u8 = 4;
/// `comparison`: less or equal.
pub const DASH_LE: u8 = 5;

/// What a flow must be to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct dash_flow_filter_t {
    /// What is compared: `DASH_FLOW_ENI` to `DASH_FLOW_DESTINATION_PORT`.
    pub attribute: u8,
    /// How: `DASH_EQ` to `DASH_LE`.
    pub comparison: u8,
    /// With what, of attributes that are numbers.
    pub number: u16,
    /// With what, of the ENI.
    pub mac: dash_mac_t,
    /// With what, of addresses.
    pub address: dash_address_t,
}

/// One reading, the caller's: all of it is 0 at first, but for the filters and the limit. It may be
/// given up at any time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct dash_flow_reading_t {
    /// All of them must let a flow pass; at most `DASH_FILTERS`.
    pub filters: [dash_flow_filter_t; DASH_FILTERS],
    /// How many filters there are.
    pub filter_count: u32,
    /// 1: there is nothing more to read. The library writes it.
    pub finished: u32,
    /// Flows that may still be read. The library counts it down.
    pub limit: u64,
    /// Where it goes on. The library's.
    pub position: u64,
}

impl TryFrom<&dash_flow_filter_t> for Filter {
    type Error = Status;

    fn try_from(filter: &dash_flow_filter_t) -> Result<Self, Status> {
        let number = filter.number;
        let byte = || u8::try_from(number).map_err(|_| Status::DASH_BAD_VALUE);
        let attribute = match filter.attribute {
            DASH_FLOW_ENI => Attribute::Eni(filter.mac.into()),
            DASH_FLOW_VNET => Attribute::Vnet(VnetId(number)),
            DASH_FLOW_DIRECTION => Attribute::Direction(match byte()? {
                DASH_OUTBOUND => Direction::Outbound,
                DASH_INBOUND => Direction::Inbound,
                _ => return Err(Status::DASH_BAD_VALUE),
            }),
            DASH_FLOW_PROTOCOL => Attribute::Protocol(byte()?),
            DASH_FLOW_SOURCE => Attribute::Source(filter.address.try_into()?),
            DASH_FLOW_DESTINATION => Attribute::Destination(filter.address.try_into()?),
            DASH_FLOW_SOURCE_PORT => Attribute::SourcePort(number),
            DASH_FLOW_DESTINATION_PORT => Attribute::DestinationPort(number),
            _ => return Err(Status::DASH_BAD_VALUE),
        };
        let comparison = match filter.comparison {
            DASH_EQ => Comparison::Eq,
            DASH_GT => Comparison::Gt,
            DASH_GE => Comparison::Ge,
            DASH_LT => Comparison::Lt,
            DASH_LE => Comparison::Le,
            _ => return Err(Status::DASH_BAD_VALUE),
        };
        Ok(Self { attribute, comparison })
    }
}

/// Goes on with a reading: looks at the next `budget` places of the flow table, and copies flows that
/// live and pass the filters into `flows`, at most `count`. `*found` says how many.
///
/// Bursts may come in between: a flow that is there all the while is read once, others once or not
/// at all.
///
/// Threads: that of the core.
/// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_BAD_VALUE` (more filters than `DASH_FILTERS`, or what
/// they say), `DASH_BAD_HANDLE`, `DASH_REENTERED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dash_core_read_flows(
    core: *mut dash_core_t,
    reading: *mut dash_flow_reading_t,
    budget: usize,
    flows: *mut dash_flow_t,
    count: usize,
    found: *mut usize,
) -> dash_status_t {
    let result = || {
        // SAFETY: the caller's promises of the header: a handle, and pointers to as many of the
        // stated types.
        let (core, mut session, places) = unsafe {
            foreign::write(found, 0)?;
            let core = Place::<Core>::enter(core.cast())?;
            (core, foreign::read(reading)?, foreign::places(flows, count)?)
        };
        let given = session.filters.get(..session.filter_count as usize);
        let mut filters: [Option<Filter>; DASH_FILTERS] = [None; DASH_FILTERS];
        for (place, filter) in filters.iter_mut().zip(given.ok_or(Status::DASH_BAD_VALUE)?) {
            *place = Some(filter.try_into()?);
        }
        let table = core.engine.flows();
        let now = core.device.clock().now();
        let capacity = table.capacity() as u64;
        let end = capacity.min(session.position.saturating_add(budget as u64));
        let mut places = places.iter_mut();
        let mut copied = 0;
        while session.position < end && session.limit > 0 && copied < count {
            let flow = table.live_at(session.position as usize, now);
            session.position += 1;
            let passes =
                flow.filter(|(key, _)| filters.iter().flatten().all(|filter| filter.passes(key)));
            if let Some((key, flow)) = passes
                && let Some(place) = places.next()
            {
                place.write(dash_flow_t::new(key, flow, &table.rewrite(flow)));
                copied += 1;
                session.limit -= 1;
            }
        }
        session.finished = u32::from(session.limit == 0 || session.position >= capacity);
        // SAFETY: as above.
        unsafe {
            foreign::write(reading, session)?;
            foreign::write(found, copied)
        }
    };
    answer(result())
}
