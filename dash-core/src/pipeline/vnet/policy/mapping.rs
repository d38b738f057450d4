//! CA-PA mappings, and which underlay addresses they make valid. DASH HLD,
//! `DASH_VNET_MAPPING_TABLE`.
//!
//! 20 bytes of key and 36 of value for each mapping, and 24 for each distinct underlay address of
//! a VNET, which counts the mappings that have it.

use smoltcp::wire::{EthernetAddress, IpAddress, Ipv4Address, Ipv6Address};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{
    Policy, PolicyError, PolicyWriter, RoutingTypeId, VnetId, address::VnetAddressKey,
    error::check_vni,
};

/// Underlay addresses of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Underlay {
    /// `underlay_ip` of IPv4.
    V4(Ipv4Address),
    /// `underlay_ip` of IPv6, or `underlay_ip_v6`.
    V6(Ipv6Address),
    /// `underlay_ip` of IPv4 and `underlay_ip_v6`: the family of the received outer frame decides.
    Both(Ipv4Address, Ipv6Address),
}

impl Underlay {
    /// The address for a frame whose received outer header was IPv6, or was not.
    #[must_use]
    pub const fn choose(&self, v6: bool) -> IpAddress {
        match *self {
            Self::Both(_, address) if v6 => IpAddress::Ipv6(address),
            Self::V6(address) => IpAddress::Ipv6(address),
            Self::V4(address) | Self::Both(address, _) => IpAddress::Ipv4(address),
        }
    }

    /// Each address once.
    fn addresses(self) -> impl Iterator<Item = IpAddress> {
        let (v4, v6) = match self {
            Self::V4(v4) => (Some(v4), None),
            Self::V6(v6) => (None, Some(v6)),
            Self::Both(v4, v6) => (Some(v4), Some(v6)),
        };
        v4.map(IpAddress::Ipv4).into_iter().chain(v6.map(IpAddress::Ipv6))
    }
}

/// Where a customer address of a VNET lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Underlay addresses.
    pub underlay: Underlay,
    /// Written as destination MAC of the customer frame; absent in the configuration: zeros.
    pub mac: EthernetAddress,
    /// A VNI of its own, 24 bits.
    pub vni: Option<u32>,
    /// Its routing type, whose VNI counts next; one that does not exist has none.
    pub routing_type: RoutingTypeId,
    /// Whether the VNI is then that of the mapping's VNET, or that of the ENI's.
    pub use_dst_vni: bool,
}

const HAS_V4: u16 = 1;
const HAS_V6: u16 = 2;
const HAS_VNI: u16 = 4;
const USE_DST_VNI: u16 = 8;

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct MappingRecord {
    v4: [u8; 4],
    v6: [u8; 16],
    mac: [u8; 6],
    flags: u16,
    vni: u32,
    routing_type: u32,
}

impl From<&Mapping> for MappingRecord {
    fn from(mapping: &Mapping) -> Self {
        let (v4, v6, family) = match mapping.underlay {
            Underlay::V4(v4) => (v4.octets(), [0; 16], HAS_V4),
            Underlay::V6(v6) => ([0; 4], v6.octets(), HAS_V6),
            Underlay::Both(v4, v6) => (v4.octets(), v6.octets(), HAS_V4 | HAS_V6),
        };
        let own = if mapping.vni.is_some() { HAS_VNI } else { 0 };
        let destination = if mapping.use_dst_vni { USE_DST_VNI } else { 0 };
        Self {
            v4,
            v6,
            mac: mapping.mac.0,
            flags: family | own | destination,
            vni: mapping.vni.unwrap_or(0),
            routing_type: mapping.routing_type.0.into(),
        }
    }
}

impl From<MappingRecord> for Mapping {
    fn from(record: MappingRecord) -> Self {
        let v4 = Ipv4Address::from_octets(record.v4);
        let v6 = Ipv6Address::from_octets(record.v6);
        Self {
            underlay: match (record.flags & HAS_V4 != 0, record.flags & HAS_V6 != 0) {
                (true, true) => Underlay::Both(v4, v6),
                (false, true) => Underlay::V6(v6),
                (_, false) => Underlay::V4(v4),
            },
            mac: EthernetAddress(record.mac),
            vni: (record.flags & HAS_VNI != 0).then_some(record.vni),
            routing_type: RoutingTypeId(record.routing_type as u8),
            use_dst_vni: record.flags & USE_DST_VNI != 0,
        }
    }
}

impl Policy<'_> {
    /// The mapping of `customer` in `vnet`.
    #[must_use]
    pub fn mapping(&self, vnet: VnetId, customer: IpAddress) -> Option<Mapping> {
        self.mappings.get(&VnetAddressKey::new(vnet, customer)).map(Mapping::from)
    }

    /// Whether a mapping in `vnet` has this underlay address.
    #[must_use]
    pub fn is_mapping_underlay(&self, vnet: VnetId, underlay: IpAddress) -> bool {
        self.mapping_underlays.get(&VnetAddressKey::new(vnet, underlay)).is_some()
    }
}

impl PolicyWriter<'_> {
    /// Makes or replaces the mapping of `customer` in `vnet`.
    ///
    /// # Errors
    /// `VniTooLarge`, `Full`, `Busy`.
    pub fn set_mapping(
        &mut self,
        vnet: VnetId,
        customer: IpAddress,
        mapping: &Mapping,
    ) -> Result<(), PolicyError> {
        mapping.vni.map_or(Ok(()), check_vni)?;
        let old = self.view.mapping(vnet, customer);
        if old == Some(*mapping) {
            return Ok(());
        }
        self.settle_underlays()?;
        // New addresses become valid before the mapping is there, old ones stay valid until it is
        // gone: a core never sees a mapping whose address is not valid.
        self.hold_underlays(vnet, mapping.underlay)?;
        let key = VnetAddressKey::new(vnet, customer);
        if let Err(error) = self.mappings.insert(&key, &mapping.into()) {
            self.owe_underlays(vnet, mapping.underlay);
            return Err(error.into());
        }
        self.changes.mark_all();
        if let Some(old) = old {
            self.owe_underlays(vnet, old.underlay);
        }
        Ok(())
    }

    /// Removes the mapping of `customer` in `vnet`; idempotent.
    ///
    /// # Errors
    /// `Busy`.
    pub fn remove_mapping(&mut self, vnet: VnetId, customer: IpAddress) -> Result<(), PolicyError> {
        self.settle_underlays()?;
        let old = self.mappings.remove(&VnetAddressKey::new(vnet, customer))?;
        if let Some(old) = old {
            self.changes.mark_all();
            self.owe_underlays(vnet, Mapping::from(old).underlay);
        }
        Ok(())
    }

    /// Counts one more mapping on each address, or on none.
    fn hold_underlays(&mut self, vnet: VnetId, underlay: Underlay) -> Result<(), PolicyError> {
        for (index, address) in underlay.addresses().enumerate() {
            let key = VnetAddressKey::new(vnet, address);
            let count = self.view.mapping_underlays.get(&key).unwrap_or(0);
            if let Err(error) = self.mapping_underlays.insert(&key, &count.saturating_add(1)) {
                for address in underlay.addresses().take(index) {
                    self.owe(VnetAddressKey::new(vnet, address));
                }
                let _ = self.settle_underlays();
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Counts one mapping less on each address, now or, if readers are in the way, later.
    fn owe_underlays(&mut self, vnet: VnetId, underlay: Underlay) {
        for address in underlay.addresses() {
            self.owe(VnetAddressKey::new(vnet, address));
        }
        // `Busy` is tried again by the next call that needs the place.
        let _ = self.settle_underlays();
    }

    fn owe(&mut self, key: VnetAddressKey) {
        // Each call settles the debts of the one before first, and makes two at most.
        let _ = self.owed_underlays.push(key);
    }

    /// Pays what earlier calls owe.
    pub(super) fn settle_underlays(&mut self) -> Result<(), PolicyError> {
        while let Some(key) = self.owed_underlays.last() {
            match self.view.mapping_underlays.get(key) {
                Some(count) if count > 1 => {
                    self.mapping_underlays.insert(key, &(count - 1))?;
                }
                _ => {
                    self.mapping_underlays.remove(key)?;
                }
            }
            self.owed_underlays.pop();
        }
        Ok(())
    }
}
