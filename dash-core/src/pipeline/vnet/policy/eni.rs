//! ENIs. DASH HLD, `DASH_ENI_TABLE`, `DASH_ENI_ROUTE_TABLE`, `DASH_ACL_IN_TABLE`,
//! `DASH_ACL_OUT_TABLE`.
//!
//! Two tables: what each frame needs, by MAC (8 bytes), and what only a slow path needs.

use smoltcp::wire::{EthernetAddress, IpAddress, IpVersion};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{
    AclGroupId, ApplianceId, Direction, EniId, Policy, PolicyError, PolicyWriter, RouteGroupId,
    VnetId,
    address::{address, is_v6, octets},
    demands::Demands,
    error::check_vni,
};
use crate::table::TableError;

/// ACL stages of each direction.
pub const ACL_STAGES: usize = 5;

/// The groups of one direction and IP version, by stage; a stage without one is skipped.
pub(in crate::pipeline::vnet) type Stages = [Option<AclGroupId>; ACL_STAGES];

/// The ACL groups of an ENI, bound together with it. The IP version is that of the customer frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AclBindings {
    /// `DASH_ACL_IN_TABLE`, `v4_acl_group_id`, stages 1 to 5.
    pub inbound_v4: [Option<AclGroupId>; ACL_STAGES],
    /// `DASH_ACL_IN_TABLE`, `v6_acl_group_id`, stages 1 to 5.
    pub inbound_v6: [Option<AclGroupId>; ACL_STAGES],
    /// `DASH_ACL_OUT_TABLE`, `v4_acl_group_id`, stages 1 to 5.
    pub outbound_v4: [Option<AclGroupId>; ACL_STAGES],
    /// `DASH_ACL_OUT_TABLE`, `v6_acl_group_id`, stages 1 to 5.
    pub outbound_v6: [Option<AclGroupId>; ACL_STAGES],
}

impl AclBindings {
    /// All groups that are bound, in no order.
    pub(super) fn groups(&self) -> impl Iterator<Item = AclGroupId> {
        self.all().into_iter().flatten().flatten().copied()
    }

    pub(super) const fn all(&self) -> [&Stages; 4] {
        [&self.inbound_v4, &self.inbound_v6, &self.outbound_v4, &self.outbound_v6]
    }
}

/// The network interface of a VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eni {
    /// Its MAC address, by which frames find it.
    pub mac: EthernetAddress,
    /// `admin_state`: whether it passes frames.
    pub enabled: bool,
    /// Underlay address of the VM's host.
    pub underlay_ip: IpAddress,
    /// Its VNET.
    pub vnet: VnetId,
    /// The appliance whose VIP, MACs and `vm_vni` it uses.
    pub appliance: ApplianceId,
    /// VNI of the tunnel to the VM, 24 bits; absent: the appliance's.
    pub vm_vni: Option<u32>,
    /// Its outbound routes.
    pub route_group: Option<RouteGroupId>,
    /// Its ACL groups.
    pub acl: AclBindings,
}

/// What every frame of an ENI needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EniEntry {
    /// Which.
    pub id: EniId,
    /// Its VNET.
    pub vnet: VnetId,
    /// `admin_state`.
    pub enabled: bool,
}

impl EniEntry {
    /// Of no ENI, to fill memory with.
    pub(in crate::pipeline::vnet) const NONE: Self =
        Self { id: EniId(0), vnet: VnetId(0), enabled: false };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct MacKey {
    mac: [u8; 6],
    zero: [u8; 2],
}

impl From<EthernetAddress> for MacKey {
    fn from(mac: EthernetAddress) -> Self {
        Self { mac: mac.0, zero: [0; 2] }
    }
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct EniEntryRecord {
    id: u16,
    vnet: u16,
    enabled: u32,
}

impl From<EniEntry> for EniEntryRecord {
    fn from(entry: EniEntry) -> Self {
        Self { id: entry.id.0, vnet: entry.vnet.0, enabled: u32::from(entry.enabled) }
    }
}

impl From<EniEntryRecord> for EniEntry {
    fn from(record: EniEntryRecord) -> Self {
        Self { id: EniId(record.id), vnet: VnetId(record.vnet), enabled: record.enabled != 0 }
    }
}

/// Stands for an absent number in a record.
pub(super) const ABSENT: u32 = u32::MAX;

const ENABLED: u16 = 1;
const UNDERLAY_V6: u16 = 2;

/// An ENI as its table has it; each attribute is decoded when it is asked for.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(in crate::pipeline::vnet) struct EniRecord {
    mac: [u8; 6],
    flags: u16,
    underlay: [u8; 16],
    vnet: u32,
    appliance: u32,
    vm_vni: u32,
    route_group: u32,
    acl: [[u32; ACL_STAGES]; 4],
}

/// A number that may be absent.
fn present(number: u32) -> Option<u32> {
    (number != ABSENT).then_some(number)
}

fn decode_stages(groups: [u32; ACL_STAGES]) -> Stages {
    groups.map(|group| present(group).map(AclGroupId))
}

impl EniRecord {
    pub(in crate::pipeline::vnet) const fn mac(&self) -> EthernetAddress {
        EthernetAddress(self.mac)
    }

    pub(in crate::pipeline::vnet) const fn underlay_ip(&self) -> IpAddress {
        address(self.underlay, self.flags & UNDERLAY_V6 != 0)
    }

    pub(in crate::pipeline::vnet) const fn vnet(&self) -> VnetId {
        VnetId(self.vnet as u16)
    }

    pub(in crate::pipeline::vnet) const fn appliance(&self) -> ApplianceId {
        ApplianceId(self.appliance)
    }

    pub(in crate::pipeline::vnet) fn vm_vni(&self) -> Option<u32> {
        present(self.vm_vni)
    }

    pub(in crate::pipeline::vnet) fn route_group(&self) -> Option<RouteGroupId> {
        present(self.route_group).map(|group| RouteGroupId(group as u16))
    }

    /// The groups that a frame passes, stage 1 first.
    pub(in crate::pipeline::vnet) fn acl_stages(
        &self,
        direction: Direction,
        version: IpVersion,
    ) -> Stages {
        let [inbound_v4, inbound_v6, outbound_v4, outbound_v6] = &self.acl;
        decode_stages(*match (direction, version) {
            (Direction::Inbound, IpVersion::Ipv4) => inbound_v4,
            (Direction::Inbound, IpVersion::Ipv6) => inbound_v6,
            (Direction::Outbound, IpVersion::Ipv4) => outbound_v4,
            (Direction::Outbound, IpVersion::Ipv6) => outbound_v6,
        })
    }
}

impl From<&Eni> for EniRecord {
    fn from(eni: &Eni) -> Self {
        let enabled = if eni.enabled { ENABLED } else { 0 };
        let family = if is_v6(eni.underlay_ip) { UNDERLAY_V6 } else { 0 };
        Self {
            mac: eni.mac.0,
            flags: enabled | family,
            underlay: octets(eni.underlay_ip),
            vnet: eni.vnet.0.into(),
            appliance: eni.appliance.0,
            vm_vni: eni.vm_vni.unwrap_or(ABSENT),
            route_group: eni.route_group.map_or(ABSENT, |group| group.0.into()),
            acl: eni.acl.all().map(|stages| stages.map(|group| group.map_or(ABSENT, |id| id.0))),
        }
    }
}

impl From<EniRecord> for Eni {
    fn from(record: EniRecord) -> Self {
        let [inbound_v4, inbound_v6, outbound_v4, outbound_v6] = record.acl.map(decode_stages);
        Self {
            mac: record.mac(),
            enabled: record.flags & ENABLED != 0,
            underlay_ip: record.underlay_ip(),
            vnet: record.vnet(),
            appliance: record.appliance(),
            vm_vni: record.vm_vni(),
            route_group: record.route_group(),
            acl: AclBindings { inbound_v4, inbound_v6, outbound_v4, outbound_v6 },
        }
    }
}

impl Policy<'_> {
    /// The ENI of a MAC address.
    #[must_use]
    pub fn eni_by_mac(&self, mac: EthernetAddress) -> Option<EniEntry> {
        self.eni_macs.get(&mac.into()).map(EniEntry::from)
    }

    /// An ENI.
    #[must_use]
    pub fn eni(&self, id: EniId) -> Option<Eni> {
        self.eni_record(id).map(Eni::from)
    }

    /// An ENI, for whoever needs little of it.
    pub(in crate::pipeline::vnet) fn eni_record(&self, id: EniId) -> Option<EniRecord> {
        self.enis.get(&id.0.into())
    }
}

impl PolicyWriter<'_> {
    /// Makes or replaces an ENI whole: its attributes, its route group and its ACL groups. A group
    /// that is not there may be bound; its frames are denied until it comes.
    ///
    /// # Errors
    /// `VniTooLarge`, `CapacityTooLarge` (its number), `AclGroupVersion` (an ACL group is bound
    /// under the other IP version), `Full`, `Busy`.
    pub fn set_eni(&mut self, id: EniId, eni: &Eni) -> Result<(), PolicyError> {
        self.check_eni(id, eni)?;
        self.bindings().set_eni(id, &eni.acl)?;
        let made = self.put_eni(id, eni);
        if made.is_err() {
            self.bindings.forget();
        }
        made
    }

    fn put_eni(&mut self, id: EniId, eni: &Eni) -> Result<(), PolicyError> {
        let old = self.view.eni(id);
        if old != Some(*eni) {
            self.changes.mark_eni(id);
        }
        // Before the record changes, so that a repeated call still knows the old address.
        if let Some(old) = old.filter(|old| old.mac != eni.mac) {
            self.drop_mac(id, old.mac);
        }
        self.enis.insert(&id.0.into(), &eni.into())?;
        let entry = EniEntry { id, vnet: eni.vnet, enabled: eni.enabled };
        self.eni_macs.insert(&eni.mac.into(), &entry.into())?;
        Ok(())
    }

    /// What [`Self::set_eni`] asks for.
    pub(super) fn admit_eni(
        &mut self,
        id: EniId,
        eni: &Eni,
        demands: &mut Demands,
    ) -> Result<(), PolicyError> {
        self.check_eni(id, eni)?;
        self.enis.admit(&id.0.into(), &mut demands.enis)?;
        self.eni_macs.admit(&eni.mac.into(), &mut demands.eni_macs)?;
        self.bindings().set_eni(id, &eni.acl)
    }

    fn check_eni(&self, id: EniId, eni: &Eni) -> Result<(), PolicyError> {
        eni.vm_vni.map_or(Ok(()), check_vni)?;
        if usize::from(id.0) < self.capacity.enis {
            Ok(())
        } else {
            Err(TableError::CapacityTooLarge.into())
        }
    }

    /// Removes an ENI; idempotent. Its inbound rules and trusted VNIs are objects of their own.
    ///
    /// # Errors
    /// `Busy`.
    pub fn remove_eni(&mut self, id: EniId) -> Result<(), PolicyError> {
        if let Some(old) = self.view.eni(id) {
            self.bindings().remove_eni(id);
            self.changes.mark_eni(id);
            self.drop_mac(id, old.mac);
            self.enis.remove(&id.0.into());
        }
        Ok(())
    }

    /// Another ENI may have taken the address over.
    fn drop_mac(&mut self, id: EniId, mac: EthernetAddress) {
        if self.view.eni_by_mac(mac).is_some_and(|entry| entry.id == id) {
            self.eni_macs.remove(&mac.into());
        }
    }

    /// All ENIs.
    pub(super) fn all_enis(&self) -> impl Iterator<Item = (EniId, Eni)> {
        self.view.enis.iter().map(|(id, record)| (EniId(id as u16), Eni::from(record)))
    }
}
