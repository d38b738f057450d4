//! What a transaction asks of the tables, counted before its first change is made.

use crate::table::Demand;

/// What the changes looked at so far ask of each table.
#[derive(Debug, Default)]
pub(super) struct Demands {
    pub(super) vips: Demand,
    pub(super) appliances: Demand,
    pub(super) directions: Demand,
    pub(super) eni_macs: Demand,
    pub(super) enis: Demand,
    pub(super) vnets: Demand,
    pub(super) routing_types: Demand,
    pub(super) route_groups: Demand,
    pub(super) overlays: Demand,
    pub(super) mappings: Demand,
    pub(super) mapping_underlays: Demand,
    pub(super) inbound_sets: Demand,
    pub(super) pa_sets: Demand,
    pub(super) trusted: Demand,
    pub(super) prefixes: Demand,
    pub(super) tag_prefixes: Demand,
}
