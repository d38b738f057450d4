//! How much a policy and a core hold, and the memory that their tables take.

use dash_core::{
    flow::{Flow, FlowTable},
    pipeline::vnet::{EniCounters, FlowKey, FlowState, policy::Capacity},
    rewrite::NextHop,
    table::{
        acl,
        cuckoo::{Bucket, MAX_CAPACITY, Slot},
        quiescence::MAX_READERS,
    },
};

use crate::{region::dash_layout_t, status::Status};

/// The version of this interface. It moves when a program that was compiled with an older header
/// would no longer work.
pub const DASH_ABI_VERSION: u32 = 3;

/// Most packet cores of one policy.
pub const DASH_MAX_CORES: usize = 64;

const _: () = assert!(DASH_MAX_CORES == MAX_READERS);

/// Most objects of each kind. Nothing grows: a further object is refused with `DASH_FULL`.
/// Routes, PA prefixes, trusted ranges and underlay routes share one pool of prefixes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_capacity_t {
    /// `DASH_ABI_VERSION`.
    pub abi_version: u32,
    /// `sizeof(dash_capacity_t)`.
    pub struct_size: u32,
    /// Packet cores that may read the policy while it is changed, at most `DASH_MAX_CORES`.
    /// 0: there is one core, and it is never in a call during a change, as on a single thread;
    /// memory that a change gives up is then used again at once.
    pub cores: u32,
    /// Appliances.
    pub appliances: u32,
    /// Directions.
    pub directions: u32,
    /// ENIs, numbered from 0; at most 65,536.
    pub enis: u32,
    /// VNETs.
    pub vnets: u32,
    /// Routing types.
    pub routing_types: u32,
    /// Route groups, numbered from 0; at most 65,536.
    pub route_groups: u32,
    /// Routes of all groups.
    pub routes: u32,
    /// Those of them that have an overlay IP.
    pub overlay_routes: u32,
    /// CA-PA mappings of all VNETs.
    pub mappings: u32,
    /// Distinct underlay addresses of mappings, counted for each VNET.
    pub mapping_underlays: u32,
    /// Pairs of ENI and VNI that have inbound rules. The rules count in `acl_words`.
    pub inbound_sets: u32,
    /// VNIs that have PA prefixes.
    pub pa_vnis: u32,
    /// PA prefixes of all VNIs.
    pub pa_prefixes: u32,
    /// Trusted VNI ranges of all appliances and ENIs.
    pub trusted_ranges: u32,
    /// Underlay routes.
    pub underlay_routes: u32,
    /// ACL groups, numbered from 0.
    pub acl_groups: u32,
    /// 32-bit words for the compiled rules of all ACL groups and inbound rules, and for compiling.
    /// 4,096, 84 a rule, 50 an element of its lists and 66 an IPv6 prefix suffice for a group; a
    /// group that is replaced takes the words of its old and of its new rules.
    pub acl_words: u32,
    /// Tags, numbered from 0.
    pub tags: u32,
    /// Prefixes of all tags; a prefix in two tags counts twice.
    pub tag_prefixes: u32,
}

/// Refuses a struct of another version of the header.
pub(crate) fn check_version<T>(abi_version: u32, struct_size: u32) -> Result<(), Status> {
    if abi_version == DASH_ABI_VERSION && struct_size as usize == size_of::<T>() {
        Ok(())
    } else {
        Err(Status::DASH_BAD_VERSION)
    }
}

/// A flow's place.
pub(crate) type FlowSlot = Slot<FlowKey, Flow<FlowState>>;

pub(crate) fn buckets(flows: u32) -> usize {
    FlowTable::<FlowKey, FlowState>::buckets_for(flows as usize)
}

pub(crate) fn bucket_layout(flows: u32) -> Result<dash_layout_t, Status> {
    if flows as usize > MAX_CAPACITY {
        return Err(Status::DASH_OUT_OF_RANGE);
    }
    dash_layout_t::array::<Bucket>(buckets(flows))
}

pub(crate) fn slot_layout(flows: u32) -> Result<dash_layout_t, Status> {
    dash_layout_t::array::<FlowSlot>(flows as usize)
}

/// Places for next hops; without flows none. An appliance has an address of each family and one
/// neighbor; twice that while those change, and twice that since a table refuses some before it is
/// full.
pub(crate) fn next_hops(flows: u32, appliances: u32) -> usize {
    if flows == 0 { 0 } else { (appliances as usize).saturating_mul(8).clamp(64, 1 << 16) }
}

pub(crate) fn next_hop_layout(flows: u32, appliances: u32) -> Result<dash_layout_t, Status> {
    dash_layout_t::array::<NextHop>(next_hops(flows, appliances))
}

pub(crate) fn eni_layout(enis: u32) -> Result<dash_layout_t, Status> {
    dash_layout_t::array::<EniCounters>(enis as usize)
}

/// The words of a policy: for each core its count of quiescent points and whether it lives, then
/// what the library asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PolicyLayout {
    pub(crate) cores: usize,
    /// Those of them that the policy must wait for.
    pub(crate) readers: usize,
    pub(crate) capacity: Capacity,
}

/// No object of the many takes more words, those of its tables that grow with it included.
const WORDS_OF_MANY: u64 = 128;
/// No policy takes more words beside those of its objects.
const WORDS_AT_LEAST: u64 = 4096;
/// No object of the few (those that have a table of their own) takes more words.
const WORDS_OF_FEW: u64 = 1024;

impl PolicyLayout {
    /// Refuses what the library cannot number, and what would not fit an address space.
    pub(crate) fn new(c: &dash_capacity_t) -> Result<Self, Status> {
        check_version::<dash_capacity_t>(c.abi_version, c.struct_size)?;
        let numbered = |count: u32| count <= 1 << 16;
        let readers = c.cores as usize;
        if readers > DASH_MAX_CORES
            || !numbered(c.enis)
            || !numbered(c.route_groups)
            || Self::bound(c) > (usize::MAX / 8) as u64
        {
            return Err(Status::DASH_OUT_OF_RANGE);
        }
        let count = |count: u32| count as usize;
        let capacity = Capacity {
            appliances: count(c.appliances),
            directions: count(c.directions),
            enis: count(c.enis),
            vnets: count(c.vnets),
            routing_types: count(c.routing_types),
            route_groups: count(c.route_groups),
            routes: count(c.routes),
            overlay_routes: count(c.overlay_routes),
            mappings: count(c.mappings),
            mapping_underlays: count(c.mapping_underlays),
            inbound_sets: count(c.inbound_sets),
            pa_vnis: count(c.pa_vnis),
            pa_prefixes: count(c.pa_prefixes),
            trusted_ranges: count(c.trusted_ranges),
            underlay_routes: count(c.underlay_routes),
            acl: acl::Capacity {
                groups: count(c.acl_groups),
                words: count(c.acl_words),
                tags: count(c.tags),
                tag_prefixes: count(c.tag_prefixes),
            },
        };
        Ok(Self { cores: readers.max(1), readers, capacity })
    }

    /// More words than `Capacity::words` answers, in numbers that cannot overflow: below this
    /// bound, the sums and products of the library cannot either.
    fn bound(c: &dash_capacity_t) -> u64 {
        let sum = |counts: &[u32]| counts.iter().map(|count| u64::from(*count)).sum::<u64>();
        let many = sum(&[
            c.directions,
            c.vnets,
            c.routing_types,
            c.routes,
            c.overlay_routes,
            c.mappings,
            c.mapping_underlays,
            c.inbound_sets,
            c.pa_prefixes,
            c.underlay_routes,
            c.acl_groups,
            c.acl_words,
            c.tag_prefixes,
        ]);
        let few = sum(&[c.appliances, c.enis, c.route_groups, c.pa_vnis, c.trusted_ranges, c.tags]);
        (many * WORDS_OF_MANY)
            .saturating_add((few + 1) * WORDS_OF_FEW)
            .saturating_add(WORDS_AT_LEAST)
    }

    /// All words.
    pub(crate) fn words(&self) -> Result<dash_layout_t, Status> {
        dash_layout_t::array::<u32>(self.count())
    }

    /// Their number.
    pub(crate) fn count(&self) -> usize {
        self.cores + self.readers + self.capacity.words()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: dash_capacity_t = dash_capacity_t {
        abi_version: DASH_ABI_VERSION,
        struct_size: size_of::<dash_capacity_t>() as u32,
        cores: 1,
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
        acl_groups: 0,
        acl_words: 0,
        tags: 0,
        tag_prefixes: 0,
    };

    #[test]
    fn the_bound_is_above_the_words_of_each_kind() {
        let kinds: [fn(&mut dash_capacity_t) -> &mut u32; 19] = [
            |c| &mut c.appliances,
            |c| &mut c.directions,
            |c| &mut c.enis,
            |c| &mut c.vnets,
            |c| &mut c.routing_types,
            |c| &mut c.route_groups,
            |c| &mut c.routes,
            |c| &mut c.overlay_routes,
            |c| &mut c.mappings,
            |c| &mut c.mapping_underlays,
            |c| &mut c.inbound_sets,
            |c| &mut c.pa_vnis,
            |c| &mut c.pa_prefixes,
            |c| &mut c.trusted_ranges,
            |c| &mut c.underlay_routes,
            |c| &mut c.acl_groups,
            |c| &mut c.acl_words,
            |c| &mut c.tags,
            |c| &mut c.tag_prefixes,
        ];
        for (index, kind) in kinds.iter().enumerate() {
            for count in [0, 1, 3, 60_000] {
                let mut capacity = NONE;
                *kind(&mut capacity) = count;
                let words = PolicyLayout::new(&capacity).unwrap().capacity.words() as u64;
                assert!(words < PolicyLayout::bound(&capacity), "kind {index}, {count}");
            }
        }
    }

    #[test]
    fn what_cannot_be_numbered_is_refused() {
        for capacity in [
            dash_capacity_t { cores: 65, ..NONE },
            dash_capacity_t { enis: 65_537, ..NONE },
            dash_capacity_t { route_groups: 65_537, ..NONE },
        ] {
            assert_eq!(PolicyLayout::new(&capacity).err(), Some(Status::DASH_OUT_OF_RANGE));
        }
        let old = dash_capacity_t { abi_version: 0, ..NONE };
        assert_eq!(PolicyLayout::new(&old).err(), Some(Status::DASH_BAD_VERSION));
        let short = dash_capacity_t { struct_size: 4, ..NONE };
        assert_eq!(PolicyLayout::new(&short).err(), Some(Status::DASH_BAD_VERSION));
        assert_eq!(bucket_layout(u32::MAX).err(), Some(Status::DASH_OUT_OF_RANGE));
    }
}
