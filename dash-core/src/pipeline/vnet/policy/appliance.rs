//! Appliances and their VIPs. DASH HLD, `DASH_APPLIANCE_TABLE`.

use smoltcp::wire::{EthernetAddress, IpAddress, Ipv4Address, Ipv6Address};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{
    ApplianceId, Policy, PolicyError, PolicyWriter, address::AddressKey, demands::Demands,
    error::check_vni,
};

/// The DPU as the underlay sees it. Several may stand side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appliance {
    /// VIP of the IPv4 underlay: frames to it are ours, and the encapsulations that we write come
    /// from it.
    pub sip: Ipv4Address,
    /// VIP of the IPv6 underlay.
    pub sip_v6: Option<Ipv6Address>,
    /// VNI of tunnels to VMs whose ENI has none of its own, 24 bits.
    pub vm_vni: u32,
    /// Outer source MAC of what we send.
    pub own_mac: EthernetAddress,
    /// Outer destination MAC of what we send.
    pub neighbor_mac: EthernetAddress,
}

/// VIPs of one appliance at most.
pub(super) const VIPS: usize = 2;

impl Appliance {
    fn vips(&self) -> impl Iterator<Item = IpAddress> + use<> {
        core::iter::once(IpAddress::Ipv4(self.sip)).chain(self.sip_v6.map(IpAddress::Ipv6))
    }
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct ApplianceRecord {
    sip: [u8; 4],
    sip_v6: [u8; 16],
    vm_vni: u32,
    own_mac: [u8; 6],
    neighbor_mac: [u8; 6],
    has_v6: u32,
}

impl From<&Appliance> for ApplianceRecord {
    fn from(appliance: &Appliance) -> Self {
        Self {
            sip: appliance.sip.octets(),
            sip_v6: appliance.sip_v6.map_or([0; 16], |sip| sip.octets()),
            vm_vni: appliance.vm_vni,
            own_mac: appliance.own_mac.0,
            neighbor_mac: appliance.neighbor_mac.0,
            has_v6: u32::from(appliance.sip_v6.is_some()),
        }
    }
}

impl From<ApplianceRecord> for Appliance {
    fn from(record: ApplianceRecord) -> Self {
        Self {
            sip: Ipv4Address::from_octets(record.sip),
            sip_v6: (record.has_v6 != 0).then(|| Ipv6Address::from_octets(record.sip_v6)),
            vm_vni: record.vm_vni,
            own_mac: EthernetAddress(record.own_mac),
            neighbor_mac: EthernetAddress(record.neighbor_mac),
        }
    }
}

impl Policy<'_> {
    /// Whether `address` is the VIP of an appliance.
    #[must_use]
    pub fn is_vip(&self, address: IpAddress) -> bool {
        self.vips.get(&AddressKey::new(address)).is_some()
    }

    /// An appliance.
    #[must_use]
    pub fn appliance(&self, id: ApplianceId) -> Option<Appliance> {
        self.appliances.get(&id).map(Appliance::from)
    }
}

impl PolicyWriter<'_> {
    /// Makes or replaces an appliance and its VIPs.
    ///
    /// # Errors
    /// `VniTooLarge`, `Full`, `Busy`.
    pub fn set_appliance(
        &mut self,
        id: ApplianceId,
        appliance: &Appliance,
    ) -> Result<(), PolicyError> {
        check_vni(appliance.vm_vni)?;
        let old = self.view.appliance(id);
        // First, so that cores forget VIPs that a refused call took back.
        if old != Some(*appliance) {
            self.changes.mark_all();
        }
        for vip in appliance.vips() {
            if let Err(error) = self.vips.insert(&AddressKey::new(vip), &0) {
                self.drop_vips(appliance, id, old);
                return Err(error.into());
            }
        }
        if let Err(error) = self.appliances.insert(&id, &ApplianceRecord::from(appliance)) {
            self.drop_vips(appliance, id, old);
            return Err(error.into());
        }
        if let Some(old) = old {
            self.drop_vips(&old, id, Some(*appliance));
        }
        Ok(())
    }

    /// What [`Self::set_appliance`] asks for.
    pub(super) fn admit_appliance(
        &mut self,
        id: ApplianceId,
        appliance: &Appliance,
        demands: &mut Demands,
    ) -> Result<(), PolicyError> {
        check_vni(appliance.vm_vni)?;
        for vip in appliance.vips() {
            self.vips.admit(&AddressKey::new(vip), &mut demands.vips)?;
        }
        demands.vips.remove(VIPS);
        Ok(self.appliances.admit(&id, &mut demands.appliances)?)
    }

    /// Removes an appliance and its VIPs; idempotent.
    ///
    /// # Errors
    /// `Busy`.
    pub fn remove_appliance(&mut self, id: ApplianceId) -> Result<(), PolicyError> {
        if let Some(old) = self.view.appliance(id) {
            self.changes.mark_all();
            self.drop_vips(&old, id, None);
            self.appliances.remove(&id);
        }
        Ok(())
    }

    /// Removes those VIPs of `appliance` that neither `kept` nor an appliance other than `id` has.
    fn drop_vips(&mut self, appliance: &Appliance, id: ApplianceId, kept: Option<Appliance>) {
        for vip in appliance.vips() {
            let mut others = self.view.appliances.iter().filter(|(other, _)| *other != id);
            let used = kept.is_some_and(|kept| kept.vips().any(|other| other == vip))
                || others.any(|(_, other)| Appliance::from(other).vips().any(|it| it == vip));
            if !used {
                self.vips.remove(&AddressKey::new(vip));
            }
        }
    }
}
