//! Checks a configuration, and writes it into an image.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use smoltcp::wire::{IpAddress, IpCidr};

use super::{
    Capacity, Configuration, Fault, Interface, Kind, PolicyError, Port,
    image::{Draft, SHARED, STATIC},
    object::{
        AddressKey, InterfaceRecord, NO_ROUTER, NetworkRecord, PortFlags, PortRecord, Role,
        RouteRecord,
    },
};
use crate::{
    pipeline::image::{share_prefix, wrong},
    table::{
        exact::{ExactWriter, Words},
        poptrie::PoptrieWriter,
        quiescence::Readers,
    },
};

/// VNIs have 24 bits.
const MAX_ID: u32 = (1 << 24) - 1;
/// Values 0 and 4,095 are reserved.
const MAX_VLAN: u16 = 4094;

/// The network's number in an image.
const fn number(network: Option<u16>) -> u16 {
    match network {
        None => 0,
        Some(network) => network.saturating_add(1),
    }
}

/// Whether an address is of a prefix.
fn covers(prefix: &IpCidr, address: IpAddress) -> bool {
    share_prefix(prefix.address(), address, prefix.prefix_len())
}

/// Whether two prefixes have an address in common.
fn overlap(one: &IpCidr, other: &IpCidr) -> bool {
    covers(one, other.address()) || covers(other, one.address())
}

/// The subnet of an interface.
fn subnet<'c>(c: &Configuration<'c>, interface: &Interface) -> Result<&'c IpCidr, Fault> {
    let network = c.networks.get(usize::from(interface.network)).ok_or(Fault::Missing)?;
    let mut subnets = network.subnets.iter();
    let found = subnets.find(|subnet| covers(subnet, interface.ip));
    found.ok_or(Fault::Unreachable)
}

/// Interfaces in the order of their networks, each with its router.
fn interfaces<'c>(c: &Configuration<'c>) -> impl Iterator<Item = (usize, &'c Interface)> {
    let (networks, routers) = (0..c.networks.len(), c.routers);
    networks.flat_map(move |network| {
        routers.iter().enumerate().flat_map(move |(router, entry)| {
            let own = entry.interfaces.iter();
            let own = own.filter(move |interface| usize::from(interface.network) == network);
            own.map(move |interface| (router, interface))
        })
    })
}

impl Draft<'_> {
    /// Fills the image. After an error it is worth nothing.
    pub(super) fn compile(
        &mut self,
        configuration: &Configuration<'_>,
        capacity: &Capacity,
    ) -> Result<(), PolicyError> {
        let c = configuration;
        self.clear();
        for (kind, length, most) in [
            (Kind::Host, c.hosts.len(), capacity.hosts.min(u16::MAX.into())),
            (Kind::Network, c.networks.len(), capacity.networks.min(usize::from(u16::MAX) - 1)),
            (Kind::Port, c.ports.len(), capacity.ports),
            (Kind::Router, c.routers.len(), capacity.routers.min(NO_ROUTER.into())),
        ] {
            if length > most {
                return Err(PolicyError::new(kind, most, Fault::TooMany));
            }
        }
        let faults = [Fault::Missing, Fault::Duplicate, Fault::TooMany];
        self.image.hosts.write((c.host, c.hosts), Kind::Host, faults)?;
        self.image.port_count.store(c.ports.len() as u32, Relaxed);
        for index in 0..=c.networks.len() {
            self.network(c, index).map_err(wrong(Kind::Network, index.saturating_sub(1)))?;
        }
        for index in 0..c.ports.len() {
            self.port(c, index).map_err(wrong(Kind::Port, index))?;
        }
        for index in 0..c.routers.len() {
            router(c, index).map_err(wrong(Kind::Router, index))?;
        }
        for (index, (router, interface)) in (0..).zip(interfaces(c)) {
            let length = subnet(c, interface).map_err(wrong(Kind::Router, router))?.prefix_len();
            let record = InterfaceRecord::new(interface, number(Some(interface.network)), length);
            let set = self.image.interfaces.set(index, &record);
            set.ok_or(PolicyError::new(Kind::Router, router, Fault::TooMany))?;
        }
        self.tables(c, capacity)?;
        self.prefixes(c, capacity)
    }

    /// Writes the tables, after their objects were checked.
    #[inline(never)]
    fn tables(&self, c: &Configuration<'_>, capacity: &Capacity) -> Result<(), PolicyError> {
        let networks = (0_usize..).zip(c.networks);
        let vnis = networks.map(|(index, network)| {
            ((Kind::Network, index), network.id, u32::from(number(Some(index as u16))))
        });
        self.table((self.vnis, capacity.networks), vnis)?;
        let ports = || (0_usize..).zip(c.ports).map(|(index, port)| ((Kind::Port, index), port));
        let ids = ports()
            .filter(|(_, port)| port.host == c.host)
            .map(|(object, port)| (object, u32::from(port.id.0), object.1 as u32));
        self.table((self.ids, capacity.ports), ids)?;
        let gateways = || {
            (0_u32..)
                .zip(interfaces(c))
                .map(|(index, (router, interface))| ((Kind::Router, router), index, interface))
        };
        let macs = gateways()
            .map(|(object, index, interface)| {
                let network = number(Some(interface.network));
                (object, AddressKey::mac(network, interface.mac), SHARED | index)
            })
            .chain(ports().map(|(object, port)| {
                let key = AddressKey::mac(number(port.network), port.mac);
                (object, key, object.1 as u32)
            }));
        self.table((self.macs, capacity.macs()), macs)?;
        let addresses = gateways()
            .flat_map(|(object, index, interface)| {
                let network = Role::Gateway(number(Some(interface.network)));
                let router = Role::Own(object.1 as u16);
                [network, router].map(|role| (object, AddressKey::ip(role, interface.ip), index))
            })
            .chain(ports().flat_map(|(object, port)| {
                let role = Role::Neighbour(number(port.network));
                let key = move |ip: &IpAddress| AddressKey::ip(role, *ip);
                port.ips.iter().map(move |ip| (object, key(ip), object.1 as u32))
            }));
        self.table((self.addresses, capacity.roles()), addresses)?;
        let pairs = ports().flat_map(|(object, port)| {
            let own = port.ips.iter().map(|ip| (port.mac, *ip));
            let pairs = own.chain(port.allowed.iter().copied());
            let number = object.1 as u32;
            let pairs = pairs.map(move |(mac, ip)| (object, AddressKey::pair(number, mac, ip), 0));
            let alone = port.allowed.iter();
            pairs.chain(
                alone.map(move |(mac, _)| (object, AddressKey::mac(number as u16, *mac), SHARED)),
            )
        });
        self.table((self.pairs, capacity.all_pairs()), pairs)
    }

    /// Writes one table: of each entry the object that it belongs to, its key and its value.
    #[inline(never)]
    fn table<K: Words + Eq>(
        &self,
        (words, capacity): (&[AtomicU32], usize),
        entries: impl Iterator<Item = ((Kind, usize), K, u32)>,
    ) -> Result<(), PolicyError> {
        let mut table = ExactWriter::new(words, capacity, self.hash, Readers::new(&[]))?;
        for ((kind, index), key, value) in entries {
            let fault = match table.insert(&key, &value) {
                Ok(None) => continue,
                Ok(Some(old)) if old & value & SHARED != 0 => continue,
                Ok(Some(_)) => Fault::Duplicate,
                Err(_) => Fault::TooMany,
            };
            return Err(PolicyError::new(kind, index, fault));
        }
        Ok(())
    }

    /// Writes the subnets of networks, and what routers reach.
    #[inline(never)]
    fn prefixes(&self, c: &Configuration<'_>, capacity: &Capacity) -> Result<(), PolicyError> {
        let (prefixes, tables) = capacity.prefixes();
        let mut writer = PoptrieWriter::new(self.prefixes, prefixes, tables, Readers::new(&[]))?;
        let mut put = |(kind, index), table: u32, prefix: IpCidr, value| {
            let fault = match writer.insert(table, prefix, value) {
                Ok(None) => return Ok(()),
                Ok(Some(_)) => Fault::Duplicate,
                Err(_) => Fault::TooMany,
            };
            Err(PolicyError::new(kind, index, fault))
        };
        for (index, network) in c.networks.iter().enumerate() {
            for subnet in network.subnets {
                put((Kind::Network, index), u32::from(number(Some(index as u16))), *subnet, 0)?;
            }
        }
        for (value, (router, interface)) in (0..).zip(interfaces(c)) {
            let object = (Kind::Router, router);
            let prefix = *subnet(c, interface).map_err(wrong(Kind::Router, router))?;
            put(object, self.image.first_router + router as u32, prefix, value)?;
        }
        let mut number = 0;
        for (index, router) in c.routers.iter().enumerate() {
            for route in router.routes {
                let object = (Kind::Router, index);
                let unreachable = PolicyError::new(Kind::Router, index, Fault::Unreachable);
                let way = (0..).zip(interfaces(c)).find(|(_, (owner, interface))| {
                    *owner == index
                        && subnet(c, interface).is_ok_and(|subnet| covers(subnet, route.via))
                });
                let (interface, _) = way.ok_or(unreachable)?;
                if route.prefix.address().version() != route.via.version() {
                    return Err(unreachable);
                }
                let record = RouteRecord::new(route.via, interface);
                let set = self.image.routes.set(number, &record);
                set.ok_or(PolicyError::new(Kind::Router, index, Fault::TooMany))?;
                put(object, self.image.first_router + index as u32, route.prefix, STATIC | number)?;
                number += 1;
            }
        }
        Ok(())
    }

    /// Network 0, or the network before `index` in the configuration.
    fn network(&self, c: &Configuration<'_>, index: usize) -> Result<(), Fault> {
        let configured = index.checked_sub(1).and_then(|index| c.networks.get(index));
        if let Some(network) = configured {
            let bad_vlan = network.vlan.is_some_and(|vlan| vlan == 0 || vlan > MAX_VLAN);
            if network.id == 0 || network.id > MAX_ID || bad_vlan {
                return Err(Fault::Key);
            }
            for (place, subnet) in network.subnets.iter().enumerate() {
                let mut earlier = network.subnets.iter().take(place);
                if earlier.any(|other| overlap(other, subnet)) {
                    return Err(Fault::Overlap);
                }
            }
        }
        let of = |port: &Port<'_>| usize::from(number(port.network));
        let of_interface = |interface: &Interface| usize::from(number(Some(interface.network)));
        let own = || interfaces(c).filter(|(_, interface)| of_interface(interface) == index);
        let before = interfaces(c).filter(|(_, interface)| of_interface(interface) < index);
        let record = NetworkRecord {
            id: configured.map_or(0, |network| network.id),
            first_port: c.ports.iter().filter(|port| of(port) < index).count() as u32,
            ports: c.ports.iter().filter(|port| of(port) == index).count() as u32,
            first_interface: before.count() as u32,
            interfaces: u16::try_from(own().count()).map_err(|_| Fault::TooMany)?,
            router: own().next().map_or(NO_ROUTER, |(router, _)| router as u16),
            vlan: configured.and_then(|network| network.vlan).unwrap_or(0),
            zero: 0,
        };
        self.image.networks.set(index as u32, &record).ok_or(Fault::TooMany)
    }

    fn port(&self, c: &Configuration<'_>, index: usize) -> Result<(), Fault> {
        let port = c.ports.get(index).ok_or(Fault::Missing)?;
        if port.key == 0 {
            return Err(Fault::Key);
        }
        let is_there = port.network.is_none_or(|network| usize::from(network) < c.networks.len());
        if !is_there || usize::from(port.host) >= c.hosts.len() {
            return Err(Fault::Missing);
        }
        let name = (number(port.network), port.key);
        let earlier = c.ports.get(..index).unwrap_or_default();
        if let Some(before) = earlier.last() {
            let before = (number(before.network), before.key);
            if before >= name {
                return Err(if before == name { Fault::Duplicate } else { Fault::Disordered });
            }
        }
        let provides = |other: &Port<'_>| other.provider && other.network == port.network;
        if port.provider && earlier.iter().rev().any(provides) {
            return Err(Fault::SecondProvider);
        }
        let mut flags = PortFlags::empty();
        flags.set(PortFlags::PROVIDER, port.provider);
        flags.set(PortFlags::SECURED, port.port_security);
        flags.set(PortFlags::ADDRESSED, !port.ips.is_empty() || !port.allowed.is_empty());
        let record = PortRecord {
            network: name.0,
            key: port.key,
            id: port.id.0,
            host: port.host,
            flags: flags.bits(),
            mac: port.mac.0,
        };
        self.image.ports.set(index as u32, &record).ok_or(Fault::TooMany)
    }
}

/// Whether the interfaces of a router can be.
fn router(c: &Configuration<'_>, index: usize) -> Result<(), Fault> {
    let router = c.routers.get(index).ok_or(Fault::Missing)?;
    let others = || c.routers.iter().take(index).flat_map(|router| router.interfaces);
    for (place, interface) in router.interfaces.iter().enumerate() {
        let own = subnet(c, interface)?;
        if others().any(|other| other.network == interface.network) {
            return Err(Fault::Joined);
        }
        for other in router.interfaces.iter().take(place) {
            let other_subnet = subnet(c, other)?;
            if overlap(own, other_subnet) {
                let same = other.network == interface.network;
                return Err(if same { Fault::Joined } else { Fault::Overlap });
            }
        }
    }
    Ok(())
}
