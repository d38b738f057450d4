//! One compiled configuration: what the packet cores read.
//!
//! Network 0 is that of ports without one; those of the configuration follow. The prefixes of a
//! network and those of a router are tables of one poptrie: first the networks' own subnets,
//! then what each router reaches.

use core::sync::atomic::{AtomicU32, Ordering};

use dash_hal::{HashKey, PortId};
use smoltcp::wire::{EthernetAddress, IpAddress};

use super::{
    Capacity,
    object::{AddressKey, InterfaceRecord, NetworkRecord, PortRecord, Role, RouteRecord},
};
use crate::{
    pipeline::image::{Hosts, Records, Region},
    table::{
        TableError,
        exact::{Exact, ExactWriter},
        poptrie::{Poptrie, PoptrieWriter},
        quiescence::Readers,
    },
};

/// In a value of a table: several objects may have its key. Of MAC addresses those are gateways.
pub(super) const SHARED: u32 = 1 << 31;
/// In a value of a router's prefixes: the number of a static route, not of an interface.
pub(super) const STATIC: u32 = 1 << 30;

/// Whose a MAC address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum MacOwner {
    /// A port's.
    Port(u32),
    /// A gateway's.
    Gateway,
}

/// The readers' view.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Image<'a> {
    pub(super) vnis: Exact<'a, u32, u32>,
    pub(super) ids: Exact<'a, u32, u32>,
    pub(super) macs: Exact<'a, AddressKey, u32>,
    pub(super) addresses: Exact<'a, AddressKey, u32>,
    pub(super) pairs: Exact<'a, AddressKey, u32>,
    pub(super) prefixes: Poptrie<'a>,
    pub(in super::super) hosts: Hosts<'a>,
    pub(super) networks: Records<'a, NetworkRecord>,
    pub(super) ports: Records<'a, PortRecord>,
    pub(super) interfaces: Records<'a, InterfaceRecord>,
    pub(super) routes: Records<'a, RouteRecord>,
    pub(super) port_count: &'a AtomicU32,
    /// The first table of prefixes that is a router's.
    pub(super) first_router: u32,
}

/// An image, and what it is written with. A table's writer is large: each is on the stack, and only
/// while its table is written.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) vnis: &'a [AtomicU32],
    pub(super) ids: &'a [AtomicU32],
    pub(super) macs: &'a [AtomicU32],
    pub(super) addresses: &'a [AtomicU32],
    pub(super) pairs: &'a [AtomicU32],
    pub(super) prefixes: &'a [AtomicU32],
    /// All that is no table.
    records: &'a [AtomicU32],
    pub(super) hash: HashKey,
    pub(super) image: Image<'a>,
}

impl Capacity {
    /// MAC addresses: one for each port and interface.
    pub(super) const fn macs(&self) -> usize {
        self.ports + self.interfaces
    }

    /// IP addresses: of an interface two roles.
    pub(super) const fn roles(&self) -> usize {
        self.addresses + 2 * self.interfaces
    }

    /// Addresses that ports may use, with their own MAC address or another, which counts alone too.
    pub(super) const fn all_pairs(&self) -> usize {
        self.addresses + 2 * self.pairs
    }

    /// Prefixes, and the tables that they are in.
    pub(super) const fn prefixes(&self) -> (usize, usize) {
        (self.subnets + self.interfaces + self.routes, self.networks + 1 + self.routers)
    }

    /// Words of one image.
    pub(super) const fn image_words(&self) -> usize {
        let (prefixes, tables) = self.prefixes();
        ExactWriter::<u32, u32>::words_for(self.networks)
            + ExactWriter::<u32, u32>::words_for(self.ports)
            + ExactWriter::<AddressKey, u32>::words_for(self.macs())
            + ExactWriter::<AddressKey, u32>::words_for(self.roles())
            + ExactWriter::<AddressKey, u32>::words_for(self.all_pairs())
            + PoptrieWriter::words_for(prefixes, tables)
            + Hosts::words_for(self.hosts)
            + Records::<NetworkRecord>::words_for(self.networks + 1)
            + Records::<PortRecord>::words_for(self.ports)
            + Records::<InterfaceRecord>::words_for(self.interfaces)
            + Records::<RouteRecord>::words_for(self.routes)
            + 1
    }
}

impl<'a> Draft<'a> {
    /// An image over `words`, whose content is overwritten.
    pub(super) fn new(
        words: &'a [AtomicU32],
        capacity: &Capacity,
        hash: HashKey,
    ) -> Result<Self, TableError> {
        let c = capacity;
        let mut region = Region(words);
        let (vnis_words, vnis) = region.exact(c.networks, hash)?;
        let (ids_words, ids) = region.exact(c.ports, hash)?;
        let (macs_words, macs) = region.exact(c.macs(), hash)?;
        let (addresses_words, addresses) = region.exact(c.roles(), hash)?;
        let (pairs_words, pairs) = region.exact(c.all_pairs(), hash)?;
        let (prefixes, tables) = c.prefixes();
        let prefixes_words = region.take(PoptrieWriter::words_for(prefixes, tables))?;
        // Nobody reads a draft.
        let writer = PoptrieWriter::new(prefixes_words, prefixes, tables, Readers::new(&[]))?;
        let records = region.0;
        let image = Image {
            vnis,
            ids,
            macs,
            addresses,
            pairs,
            prefixes: writer.table(),
            hosts: Hosts::new(&mut region, c.hosts)?,
            networks: region.records(c.networks + 1)?,
            ports: region.records(c.ports)?,
            interfaces: region.records(c.interfaces)?,
            routes: region.records(c.routes)?,
            port_count: region.word()?,
            first_router: u32::try_from(c.networks + 1)
                .map_err(|_| TableError::CapacityTooLarge)?,
        };
        let draft = Self {
            vnis: vnis_words,
            ids: ids_words,
            macs: macs_words,
            addresses: addresses_words,
            pairs: pairs_words,
            prefixes: prefixes_words,
            records,
            hash,
            image,
        };
        draft.clear();
        Ok(draft)
    }

    /// Empties all that is no table.
    pub(super) fn clear(&self) {
        for word in self.records {
            word.store(0, Ordering::Relaxed);
        }
    }
}

impl Image<'_> {
    pub(in super::super) fn network_of_vni(&self, vni: u32) -> Option<u16> {
        self.vnis.get(&vni).map(|network| network as u16)
    }

    pub(in super::super) fn port_of_id(&self, id: PortId) -> Option<u32> {
        self.ids.get(&id.0.into())
    }

    pub(in super::super) fn owner_of_mac(
        &self,
        network: u16,
        mac: EthernetAddress,
    ) -> Option<MacOwner> {
        let owner = self.macs.get(&AddressKey::mac(network, mac))?;
        Some(if owner & SHARED == 0 { MacOwner::Port(owner) } else { MacOwner::Gateway })
    }

    /// Called from many places.
    #[inline(never)]
    fn in_role(&self, role: Role, address: IpAddress) -> Option<u32> {
        self.addresses.get(&AddressKey::ip(role, address))
    }

    /// The interface whose address this is, if it is the network's gateway.
    pub(in super::super) fn gateway(&self, network: u16, address: IpAddress) -> Option<u32> {
        self.in_role(Role::Gateway(network), address)
    }

    /// Whether an address is a router's own.
    pub(in super::super) fn is_own(&self, router: u16, address: IpAddress) -> bool {
        self.in_role(Role::Own(router), address).is_some()
    }

    /// The port of a network behind which an address is.
    pub(in super::super) fn neighbour(&self, network: u16, address: IpAddress) -> Option<u32> {
        self.in_role(Role::Neighbour(network), address)
    }

    /// Whether `port` may use both addresses together. Called from many places.
    #[inline(never)]
    pub(in super::super) fn allows(
        &self,
        port: u32,
        mac: EthernetAddress,
        address: IpAddress,
    ) -> bool {
        self.pairs.get(&AddressKey::pair(port, mac, address)).is_some()
    }

    /// Whether `port` may use `mac` together with some address.
    pub(in super::super) fn has_pair_of(&self, port: u32, mac: EthernetAddress) -> bool {
        self.pairs.get(&AddressKey::mac(port as u16, mac)).is_some()
    }

    /// Whether an address is of one of the network's own subnets.
    pub(in super::super) fn is_near(&self, network: u16, address: IpAddress) -> bool {
        self.prefixes.lookup(network.into(), address).is_some()
    }

    /// Where a router sends frames to `address`: number of the interface, and the next hop.
    pub(in super::super) fn route(
        &self,
        router: u16,
        address: IpAddress,
    ) -> Option<(u32, IpAddress)> {
        let found = self.prefixes.lookup(self.first_router + u32::from(router), address)?;
        if found & STATIC == 0 {
            return Some((found, address));
        }
        self.routes.get(found & !STATIC).map(|route| route.hop())
    }

    pub(in super::super) fn interface(&self, index: u32) -> Option<InterfaceRecord> {
        self.interfaces.get(index)
    }

    /// The interface of a network that frames from `source` leave it by: that of its subnet, else
    /// the first of its IP version.
    pub(in super::super) fn interface_for(
        &self,
        network: u16,
        source: IpAddress,
    ) -> Option<(u32, InterfaceRecord)> {
        let record = self.network(network)?;
        let own =
            record.first_interface..record.first_interface.saturating_add(record.interfaces.into());
        let mut first = None;
        for index in own {
            let Some(interface) = self.interface(index) else { break };
            if interface.covers(source) {
                return Some((index, interface));
            }
            if first.is_none() && interface.ip().version() == source.version() {
                first = Some((index, interface));
            }
        }
        first
    }

    /// The port at a place of the configuration.
    pub(in super::super) fn configured_port(&self, place: u16) -> Option<PortRecord> {
        let ports = self.port_count.load(Ordering::Relaxed);
        self.port(place.into()).filter(|_| u32::from(place) < ports)
    }

    pub(in super::super) fn port(&self, index: u32) -> Option<PortRecord> {
        self.ports.get(index)
    }

    /// The port of a network that has this key. Its ports are in the order of their keys.
    pub(in super::super) fn port_of_key(&self, network: u16, key: u16) -> Option<u32> {
        let network = self.network(network)?;
        let (mut first, mut count) = (network.first_port, network.ports);
        while count > 0 {
            let middle = first + count / 2;
            match self.port(middle)?.key.cmp(&key) {
                core::cmp::Ordering::Equal => return Some(middle),
                core::cmp::Ordering::Less => {
                    count -= middle + 1 - first;
                    first = middle + 1;
                }
                core::cmp::Ordering::Greater => count = middle - first,
            }
        }
        None
    }

    pub(in super::super) fn network(&self, index: u16) -> Option<NetworkRecord> {
        self.networks.get(index.into())
    }

    /// Whether a port is on this host.
    pub(in super::super) fn is_local(&self, port: &PortRecord) -> bool {
        port.host == self.hosts.here()
    }
}
