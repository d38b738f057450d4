//! CA-PA mappings, and which underlay addresses they make valid. DASH HLD,
//! `DASH_VNET_MAPPING_TABLE`.
//!
//! 20 bytes of key and 28 of value for each mapping, and 24 for each distinct underlay address of
//! a VNET, which counts the mappings that have it. The second underlay address, which few mappings
//! have, is named by the index of that count's entry. A transaction holds the addresses that it will
//! need before its first change: one that is held stays without a mapping, and is not valid then.

use smoltcp::wire::{EthernetAddress, IpAddress, Ipv4Address, Ipv6Address};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{
    Policy, PolicyError, PolicyWriter, RoutingTypeId, VnetId,
    address::{VnetAddressKey, address, octets},
    demands::Demands,
    error::check_vni,
};
use crate::table::TableError;

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

    /// Each address once, within `vnet`.
    fn keys(self, vnet: VnetId) -> [Option<VnetAddressKey>; 2] {
        let (v4, v6) = match self {
            Self::V4(v4) => (Some(v4), None),
            Self::V6(v6) => (None, Some(v6)),
            Self::Both(v4, v6) => (Some(v4), Some(v6)),
        };
        let addresses = [v4.map(IpAddress::Ipv4), v6.map(IpAddress::Ipv6)];
        addresses.map(|address| address.map(|address| VnetAddressKey::new(vnet, address)))
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

/// A VNI; above it is the routing type.
const VNI: u32 = (1 << 24) - 1;

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct MappingRecord {
    /// The underlay address as [`octets`] has it, of both families the IPv4 one; then the first 4
    /// bytes are the index of the other one's entry among the underlay addresses.
    underlay: [u8; 16],
    mac: [u8; 6],
    flags: u16,
    vni_and_routing_type: u32,
}

/// Eight million of them are to fit.
const _: () = assert!(size_of::<VnetAddressKey>() + size_of::<MappingRecord>() <= 48);

impl MappingRecord {
    /// `second`: the index of the second underlay address, which counts if there are two.
    fn new(mapping: &Mapping, second: u32) -> Self {
        let (underlay, family) = match mapping.underlay {
            Underlay::V4(v4) => (octets(IpAddress::Ipv4(v4)), HAS_V4),
            Underlay::V6(v6) => (octets(IpAddress::Ipv6(v6)), HAS_V6),
            Underlay::Both(v4, _) => {
                let mut words: [u32; 4] = zerocopy::transmute!(octets(IpAddress::Ipv4(v4)));
                words[0] = second;
                (zerocopy::transmute!(words), HAS_V4 | HAS_V6)
            }
        };
        let own = if mapping.vni.is_some() { HAS_VNI } else { 0 };
        let destination = if mapping.use_dst_vni { USE_DST_VNI } else { 0 };
        let vni = mapping.vni.unwrap_or(0) & VNI;
        Self {
            underlay,
            mac: mapping.mac.0,
            flags: family | own | destination,
            vni_and_routing_type: vni | u32::from(mapping.routing_type.0) << 24,
        }
    }

    /// The index of the second underlay address.
    fn second(&self) -> u32 {
        let [second, ..]: [u32; 4] = zerocopy::transmute!(self.underlay);
        second
    }
}

/// Set in the count of an underlay address that a transaction holds. The other bits suffice: no
/// table has 2³¹ mappings.
const HELD: u32 = 1 << 31;

impl Policy<'_> {
    /// The mapping of `customer` in `vnet`.
    #[must_use]
    pub fn mapping(&self, vnet: VnetId, customer: IpAddress) -> Option<Mapping> {
        let record = self.mappings.get(&VnetAddressKey::new(vnet, customer))?;
        Some(self.mapping_of(&record))
    }

    /// What a record says, which this reader found since its last quiescent point.
    fn mapping_of(&self, record: &MappingRecord) -> Mapping {
        let both = HAS_V4 | HAS_V6;
        let second = (record.flags & both == both)
            .then(|| self.mapping_underlays.key_at(record.second()))
            .flatten();
        let first = address(record.underlay, record.flags & HAS_V4 == 0);
        let underlay = match (first, second.map(|key| key.address())) {
            (IpAddress::Ipv4(v4), Some(IpAddress::Ipv6(v6))) => Underlay::Both(v4, v6),
            (IpAddress::Ipv4(v4), _) => Underlay::V4(v4),
            (IpAddress::Ipv6(v6), _) => Underlay::V6(v6),
        };
        Mapping {
            underlay,
            mac: EthernetAddress(record.mac),
            vni: (record.flags & HAS_VNI != 0).then_some(record.vni_and_routing_type & VNI),
            routing_type: RoutingTypeId((record.vni_and_routing_type >> 24) as u8),
            use_dst_vni: record.flags & USE_DST_VNI != 0,
        }
    }

    /// Whether a mapping in `vnet` has this underlay address.
    #[must_use]
    pub fn is_mapping_underlay(&self, vnet: VnetId, underlay: IpAddress) -> bool {
        let count = self.mapping_underlays.get(&VnetAddressKey::new(vnet, underlay));
        count.is_some_and(|count| count & !HELD != 0)
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
        // New addresses become valid before the mapping is there, old ones stay valid until it is
        // gone: a core never sees a mapping whose address is not valid.
        self.count_underlays(vnet, mapping.underlay)?;
        let key = VnetAddressKey::new(vnet, customer);
        let [_, second] = mapping.underlay.keys(vnet);
        let second = second.and_then(|second| self.view.mapping_underlays.index_of(&second));
        let record = MappingRecord::new(mapping, second.unwrap_or(0));
        if let Err(error) = self.mappings.insert(&key, &record) {
            self.discount_underlays(vnet, mapping.underlay);
            return Err(error.into());
        }
        self.changes.mark_all();
        if let Some(old) = old {
            self.discount_underlays(vnet, old.underlay);
        }
        Ok(())
    }

    /// Loads what [`Self::admit_mapping`] reads first.
    pub(super) fn touch_mapping(&self, vnet: VnetId, customer: IpAddress) {
        self.view.mappings.touch(&VnetAddressKey::new(vnet, customer));
    }

    /// What [`Self::set_mapping`] asks for, but room for its underlay addresses.
    pub(super) fn admit_mapping(
        &mut self,
        vnet: VnetId,
        customer: IpAddress,
        mapping: &Mapping,
        demands: &mut Demands,
    ) -> Result<(), PolicyError> {
        mapping.vni.map_or(Ok(()), check_vni)?;
        for key in mapping.underlay.keys(vnet).iter().flatten() {
            self.mapping_underlays.admit_shared(key, &mut demands.mapping_underlays)?;
        }
        Ok(self.mappings.admit(&VnetAddressKey::new(vnet, customer), &mut demands.mappings)?)
    }

    /// Removes the mapping of `customer` in `vnet`; idempotent.
    ///
    /// # Errors
    /// `Busy`.
    pub fn remove_mapping(&mut self, vnet: VnetId, customer: IpAddress) -> Result<(), PolicyError> {
        if let Some(old) = self.mappings.remove(&VnetAddressKey::new(vnet, customer)) {
            self.changes.mark_all();
            let old = self.view.mapping_of(&old);
            self.discount_underlays(vnet, old.underlay);
        }
        Ok(())
    }

    /// Counts one more mapping on each address, or on none.
    fn count_underlays(&mut self, vnet: VnetId, underlay: Underlay) -> Result<(), PolicyError> {
        let keys = underlay.keys(vnet);
        for (index, key) in keys.iter().flatten().enumerate() {
            let count = self.view.mapping_underlays.get(key).unwrap_or(0);
            if let Err(error) = self.put_underlay(key, count.saturating_add(1)) {
                keys.iter().flatten().take(index).for_each(|key| self.discount_underlay(key));
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Counts one mapping less on each address.
    fn discount_underlays(&mut self, vnet: VnetId, underlay: Underlay) {
        underlay.keys(vnet).iter().flatten().for_each(|key| self.discount_underlay(key));
    }

    fn discount_underlay(&mut self, key: &VnetAddressKey) {
        let count = self.view.mapping_underlays.get(key).unwrap_or(0);
        // Not refused: the address is there.
        let _ = self.put_underlay(key, count & HELD | (count & !HELD).saturating_sub(1));
    }

    /// Makes places for the addresses, which they keep until [`Self::release_underlays`].
    pub(super) fn hold_underlays(
        &mut self,
        vnet: VnetId,
        underlay: Underlay,
    ) -> Result<(), PolicyError> {
        for key in underlay.keys(vnet).iter().flatten() {
            let count = self.view.mapping_underlays.get(key).unwrap_or(0);
            self.put_underlay(key, count | HELD)?;
        }
        Ok(())
    }

    /// Gives back the places of addresses that have no mapping; idempotent.
    pub(super) fn release_underlays(&mut self, vnet: VnetId, underlay: Underlay) {
        for key in underlay.keys(vnet).iter().flatten() {
            if let Some(count) = self.view.mapping_underlays.get(key) {
                // Not refused: the address is there.
                let _ = self.put_underlay(key, count & !HELD);
            }
        }
    }

    /// Sets the count of an address; one without mappings that nobody holds has no place.
    fn put_underlay(&mut self, key: &VnetAddressKey, count: u32) -> Result<(), TableError> {
        if count == 0 {
            self.mapping_underlays.remove(key);
            Ok(())
        } else {
            self.mapping_underlays.insert(key, &count).map(|_| ())
        }
    }
}
