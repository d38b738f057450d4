//! How much a policy holds, and the region that it takes.

use super::{
    ApplianceId,
    address::{AddressKey, VnetAddressKey},
    appliance::{ApplianceRecord, VIPS},
    bindings::Bindings,
    bitmap::Bitmap,
    direction::DirectionRecord,
    eni::{EniEntryRecord, EniRecord, MacKey},
    inbound::{InboundKey, VERSIONS},
    mapping::MappingRecord,
    route::OverlayRecord,
    trusted::{GLOBAL_LISTS, PREFIXES_PER_RANGE, TrustedKey},
};
use crate::table::{
    acl::{self, AclWriter},
    exact::ExactWriter,
    poptrie::PoptrieWriter,
};

/// Most objects of each kind. Nothing grows: a further object is refused with `Full`.
///
/// Routes, PA prefixes, trusted ranges and underlay routes share one pool of prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Appliances; each brings at most two VIPs.
    pub appliances: usize,
    /// Direction entries.
    pub directions: usize,
    /// ENIs are numbered 0 to `enis - 1`.
    pub enis: usize,
    /// VNETs.
    pub vnets: usize,
    /// Routing types.
    pub routing_types: usize,
    /// Route groups are numbered 0 to `route_groups - 1`.
    pub route_groups: usize,
    /// Routes of all groups.
    pub routes: usize,
    /// Those of them that are `vnet_direct` with an overlay IP.
    pub overlay_routes: usize,
    /// CA-PA mappings of all VNETs.
    pub mappings: usize,
    /// Distinct underlay addresses of mappings, counted for each VNET.
    pub mapping_underlays: usize,
    /// Pairs of ENI and VNI that have inbound rules of both IP versions; twice as many of one. The
    /// images of their rules count in `acl.words`.
    pub inbound_sets: usize,
    /// VNIs that have PA prefixes.
    pub pa_vnis: usize,
    /// PA prefixes of all VNIs.
    pub pa_prefixes: usize,
    /// Trusted VNI ranges of all appliances and ENIs.
    pub trusted_ranges: usize,
    /// Underlay routes.
    pub underlay_routes: usize,
    /// ACL groups, numbered 0 to `acl.groups - 1`, their rules, and tags.
    pub acl: acl::Capacity,
}

impl Capacity {
    /// Nothing, to name only what is there: `Capacity { enis: 4, ..Capacity::NONE }`.
    pub const NONE: Self = Self {
        appliances: 0,
        directions: 0,
        enis: 0,
        vnets: 0,
        routing_types: 0,
        route_groups: 0,
        routes: 0,
        overlay_routes: 0,
        mappings: 0,
        mapping_underlays: 0,
        inbound_sets: 0,
        pa_vnis: 0,
        pa_prefixes: 0,
        trusted_ranges: 0,
        underlay_routes: 0,
        acl: acl::Capacity { groups: 0, words: 0, tags: 0, tag_prefixes: 0 },
    };

    /// 32-bit words of the region.
    #[must_use]
    pub const fn words(&self) -> usize {
        ExactWriter::<AddressKey, u32>::words_for(self.vips())
            + ExactWriter::<ApplianceId, ApplianceRecord>::words_for(self.appliances)
            + ExactWriter::<u32, DirectionRecord>::words_for(self.directions)
            + ExactWriter::<MacKey, EniEntryRecord>::words_for(self.eni_macs())
            + ExactWriter::<u32, EniRecord>::words_for(self.enis)
            + ExactWriter::<u32, u32>::words_for(self.vnets)
            + ExactWriter::<u32, u32>::words_for(self.routing_types)
            + ExactWriter::<u32, u32>::words_for(self.route_groups)
            + ExactWriter::<u32, OverlayRecord>::words_for(self.overlay_routes)
            + ExactWriter::<VnetAddressKey, MappingRecord>::words_for(self.mappings)
            + ExactWriter::<VnetAddressKey, u32>::words_for(self.mapping_underlays)
            + ExactWriter::<InboundKey, u32>::words_for(self.inbound_groups())
            + ExactWriter::<u32, u32>::words_for(self.pa_vnis)
            + ExactWriter::<TrustedKey, u32>::words_for(self.trusted_ranges)
            + PoptrieWriter::words_for(self.prefixes(), self.prefix_tables())
            + AclWriter::words_for(&self.classifier())
            + self.enis
            + 2
            + Bitmap::words_for(self.enis)
            + Bitmap::words_for(self.route_groups)
            + Bitmap::words_for(self.acl.groups)
            + Bitmap::words_for(self.inbound_groups())
            + Bindings::words_for(self.enis, self.acl.groups)
            + self.pa_vnis
    }

    /// While appliances are replaced, their old and their new addresses are there.
    pub(super) const fn vips(&self) -> usize {
        2 * VIPS * self.appliances
    }

    /// As of [`Self::vips`].
    pub(super) const fn eni_macs(&self) -> usize {
        2 * self.enis
    }

    pub(super) const fn prefixes(&self) -> usize {
        self.routes
            + self.pa_prefixes
            + self.trusted_ranges * PREFIXES_PER_RANGE
            + self.underlay_routes
    }

    pub(super) const fn prefix_tables(&self) -> usize {
        self.route_groups + self.pa_vnis + GLOBAL_LISTS + self.enis + 1
    }

    /// Of the classifier, behind those of the ACL.
    pub(super) const fn inbound_groups(&self) -> usize {
        VERSIONS * self.inbound_sets
    }

    pub(super) const fn classifier(&self) -> acl::Capacity {
        acl::Capacity { groups: self.acl.groups + self.inbound_groups(), ..self.acl }
    }
}
