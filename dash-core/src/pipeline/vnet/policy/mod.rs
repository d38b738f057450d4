//! What the control core configures and every core reads.
//!
//! [`Policy`] is the readers' view, a few slices that are copied to each core; its look-ups never
//! wait. [`PolicyWriter`] is the only writer. Both stand on one region of 32-bit words that the
//! caller hands in ([`Capacity::words`]). Objects are named by small numbers; names are the
//! caller's. An object that names one which does not exist is accepted: frames that need it meet
//! an ordinary miss. ACL groups alone are kept from being removed while they are bound, and from
//! being bound under another IP version than their own.
//!
//! [`PolicyWriter::apply`] makes a transaction of [`Change`]s: all of them or, when one is wrong or
//! there is no room, none. Beside it each object has methods of its own; what they changed is a
//! transaction that [`PolicyWriter::commit`] ends. Readers see each single change whole or not at
//! all, and flows of the ENIs that a transaction touched are evaluated again after its end.
//! Nothing is cascaded: removing any other object leaves those that depend on it. No removal is refused
//! today for want of memory; its `Busy` is kept for tables whose removals take some.

mod acl;
mod address;
mod admission;
mod appliance;
mod bindings;
mod bitmap;
mod capacity;
mod change;
mod demands;
mod direction;
mod eni;
mod error;
mod id;
mod inbound;
mod mapping;
mod pa;
mod route;
mod transaction;
mod trusted;
mod underlay;
mod vnet;

use core::sync::atomic::{AtomicU32, Ordering};

use dash_hal::HashKey;

pub use acl::{AclAction, RuleCounterId};
pub(super) use address::is_v6;
pub use appliance::Appliance;
pub use capacity::Capacity;
pub use change::{Change, Rejected};
pub use direction::{Direction, DirectionEntry, MacOverride};
pub use eni::{ACL_STAGES, AclBindings, Eni, EniEntry};
pub(super) use eni::{EniRecord, Stages};
pub use error::PolicyError;
pub use id::{AclGroupId, ApplianceId, EniId, RouteGroupId, RoutingTypeId, TagId, VnetId};
pub use inbound::{InboundAction, InboundRule};
pub use mapping::{Mapping, Underlay};
pub use route::{Route, RouteGroup};
pub use trusted::TrustedOwner;
pub use underlay::UnderlayAction;

use self::{
    address::{AddressKey, VnetAddressKey},
    appliance::ApplianceRecord,
    bindings::Bindings,
    direction::DirectionRecord,
    eni::{EniEntryRecord, MacKey},
    inbound::InboundKey,
    mapping::MappingRecord,
    route::OverlayRecord,
    transaction::Changes,
    trusted::{GLOBAL_LISTS, TrustedKey},
};
use crate::table::{
    TableError,
    acl::{Acl, AclWriter},
    exact::{Exact, ExactWriter, Words},
    poptrie::{Poptrie, PoptrieWriter},
    quiescence::Readers,
};

/// Where each kind of prefix has its tables in the one pool.
#[derive(Clone, Copy, Debug)]
struct PrefixTables {
    pa: u32,
    trusted: u32,
    underlay: u32,
}

/// The readers' view.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    vips: Exact<'a, AddressKey, u32>,
    directions: Exact<'a, u32, DirectionRecord>,
    eni_macs: Exact<'a, MacKey, EniEntryRecord>,
    epochs: &'a [AtomicU32],
    generation: &'a AtomicU32,
    version: &'a AtomicU32,
    enis: Exact<'a, u32, EniRecord>,
    appliances: Exact<'a, ApplianceId, ApplianceRecord>,
    vnets: Exact<'a, u32, u32>,
    routing_types: Exact<'a, u32, u32>,
    route_groups: Exact<'a, u32, u32>,
    overlays: Exact<'a, u32, OverlayRecord>,
    mappings: Exact<'a, VnetAddressKey, MappingRecord>,
    mapping_underlays: Exact<'a, VnetAddressKey, u32>,
    inbound_sets: Exact<'a, InboundKey, u32>,
    pa_sets: Exact<'a, u32, u32>,
    prefixes: Poptrie<'a>,
    prefix_tables: PrefixTables,
    acl: Acl<'a>,
    acl_groups: u32,
}

impl Policy<'_> {
    /// The epoch of an ENI's policy. Unequal to that of any earlier ENI of this number.
    #[must_use]
    pub fn epoch(&self, eni: EniId) -> u32 {
        self.epochs.get(usize::from(eni.0)).map_or(0, |epoch| epoch.load(Ordering::Acquire))
    }

    /// Changes with each change of policy and with each end of a transaction; never 0.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version.load(Ordering::Acquire)
    }

    /// The version of the underlay routes, 31 bits; never 0.
    #[must_use]
    pub fn underlay_generation(&self) -> u32 {
        self.generation.load(Ordering::Acquire)
    }
}

/// The only writer.
#[derive(Debug)]
pub struct PolicyWriter<'a> {
    view: Policy<'a>,
    capacity: Capacity,
    vips: ExactWriter<'a, AddressKey, u32>,
    appliances: ExactWriter<'a, ApplianceId, ApplianceRecord>,
    directions: ExactWriter<'a, u32, DirectionRecord>,
    eni_macs: ExactWriter<'a, MacKey, EniEntryRecord>,
    enis: ExactWriter<'a, u32, EniRecord>,
    vnets: ExactWriter<'a, u32, u32>,
    routing_types: ExactWriter<'a, u32, u32>,
    route_groups: ExactWriter<'a, u32, u32>,
    overlays: ExactWriter<'a, u32, OverlayRecord>,
    /// Number of the overlay record that was made last.
    last_record: u32,
    mappings: ExactWriter<'a, VnetAddressKey, MappingRecord>,
    mapping_underlays: ExactWriter<'a, VnetAddressKey, u32>,
    inbound_sets: ExactWriter<'a, InboundKey, u32>,
    inbound_numbers: bitmap::Bitmap<'a>,
    pa_sets: ExactWriter<'a, u32, u32>,
    pa_counts: &'a [AtomicU32],
    trusted: ExactWriter<'a, TrustedKey, u32>,
    prefixes: PoptrieWriter<'a>,
    acl: AclWriter<'a>,
    bindings: Bindings<'a>,
    changes: Changes<'a>,
    epoch: u32,
}

impl<'a> PolicyWriter<'a> {
    /// An empty policy over `words`, whose content is overwritten. `seed` comes from the port's
    /// [`Entropy`](dash_hal::Entropy); `readers` has one counter for each core that reads.
    ///
    /// # Errors
    /// `StorageTooSmall` when `words` are fewer than [`Capacity::words`]; `CapacityTooLarge`.
    pub fn new(
        words: &'a [AtomicU32],
        capacity: &Capacity,
        seed: [u64; 2],
        readers: Readers<'a>,
    ) -> Result<Self, PolicyError> {
        let mut region = Region { words, hash: HashKey::new(seed), readers };
        let c = *capacity;
        let vips = region.exact(c.vips())?;
        let appliances = region.exact(c.appliances)?;
        let directions = region.exact(c.directions)?;
        let eni_macs = region.exact(c.eni_macs())?;
        let enis = region.exact(c.enis)?;
        let vnets = region.exact(c.vnets)?;
        let routing_types = region.exact(c.routing_types)?;
        let route_groups = region.exact(c.route_groups)?;
        let overlays = region.exact(c.overlay_routes)?;
        let mappings = region.exact(c.mappings)?;
        let mapping_underlays = region.exact(c.mapping_underlays)?;
        let inbound_sets = region.exact(c.inbound_groups())?;
        let pa_sets = region.exact(c.pa_vnis)?;
        let trusted = region.exact(c.trusted_ranges)?;
        let prefix_words = PoptrieWriter::words_for(c.prefixes(), c.prefix_tables());
        let prefixes = PoptrieWriter::new(
            region.take(prefix_words)?,
            c.prefixes(),
            c.prefix_tables(),
            readers,
        )?;
        let classifier = c.classifier();
        let acl =
            AclWriter::new(region.take(AclWriter::words_for(&classifier))?, &classifier, readers)?;
        let epochs = region.zeroed(c.enis)?;
        let generation = region.take(1)?.first().ok_or(TableError::StorageTooSmall)?;
        generation.store(1, Ordering::Release);
        let version = region.take(1)?.first().ok_or(TableError::StorageTooSmall)?;
        version.store(1, Ordering::Release);
        let changes = Changes::new(
            version,
            region.bitmap(c.enis)?,
            region.bitmap(c.route_groups)?,
            region.bitmap(c.acl.groups)?,
        );
        let binding_words = Bindings::words_for(c.enis, c.acl.groups);
        let bindings = Bindings::new(region.take(binding_words)?, c.acl.groups);
        let inbound_numbers = region.bitmap(c.inbound_groups())?;
        let pa_counts = region.zeroed(c.pa_vnis)?;
        let number = |count: usize| u32::try_from(count).map_err(|_| TableError::CapacityTooLarge);
        let pa = number(c.route_groups)?;
        let trusted_tables = number(c.route_groups + c.pa_vnis)?;
        let underlay = number(c.route_groups + c.pa_vnis + GLOBAL_LISTS + c.enis)?;
        let view = Policy {
            vips: vips.table(),
            directions: directions.table(),
            eni_macs: eni_macs.table(),
            epochs,
            generation,
            version,
            enis: enis.table(),
            appliances: appliances.table(),
            vnets: vnets.table(),
            routing_types: routing_types.table(),
            route_groups: route_groups.table(),
            overlays: overlays.table(),
            mappings: mappings.table(),
            mapping_underlays: mapping_underlays.table(),
            inbound_sets: inbound_sets.table(),
            pa_sets: pa_sets.table(),
            prefixes: prefixes.table(),
            prefix_tables: PrefixTables { pa, trusted: trusted_tables, underlay },
            acl: acl.table(),
            acl_groups: number(c.acl.groups)?,
        };
        Ok(Self {
            view,
            capacity: c,
            vips,
            appliances,
            directions,
            eni_macs,
            enis,
            vnets,
            routing_types,
            route_groups,
            overlays,
            last_record: 0,
            mappings,
            mapping_underlays,
            inbound_sets,
            inbound_numbers,
            pa_sets,
            pa_counts,
            trusted,
            prefixes,
            acl,
            bindings,
            changes,
            epoch: 0,
        })
    }

    /// The readers' view.
    #[must_use]
    pub const fn policy(&self) -> Policy<'a> {
        self.view
    }
}

/// The region, while it is handed out.
struct Region<'a> {
    words: &'a [AtomicU32],
    hash: HashKey,
    readers: Readers<'a>,
}

impl<'a> Region<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [AtomicU32], TableError> {
        let (taken, rest) =
            self.words.split_at_checked(count).ok_or(TableError::StorageTooSmall)?;
        self.words = rest;
        Ok(taken)
    }

    fn zeroed(&mut self, count: usize) -> Result<&'a [AtomicU32], TableError> {
        let words = self.take(count)?;
        for word in words {
            word.store(0, Ordering::Relaxed);
        }
        Ok(words)
    }

    fn exact<K: Words + Eq, V: Words>(
        &mut self,
        capacity: usize,
    ) -> Result<ExactWriter<'a, K, V>, TableError> {
        let words = self.take(ExactWriter::<K, V>::words_for(capacity))?;
        ExactWriter::new(words, capacity, self.hash, self.readers)
    }

    fn bitmap(&mut self, numbers: usize) -> Result<bitmap::Bitmap<'a>, TableError> {
        Ok(bitmap::Bitmap::new(self.take(bitmap::Bitmap::words_for(numbers))?))
    }
}
