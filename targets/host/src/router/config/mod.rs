//! The configuration of the reactive router: names become numbers.

mod document;

use std::collections::BTreeMap;

use dash_core::{
    flow::WhenFull,
    pipeline::router::{
        Controller, Settings,
        policy::{
            self, Capacity, Configuration, Fault, Host, Interface, Kind, Network as Broadcast,
            PolicyError, Route,
        },
    },
    table::cuckoo::MAX_CAPACITY,
};
use dash_hal::PortId;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

use self::document::{ControllerName, FullName, NetworkEntry, PortEntry, PortKind, RouterEntry};
pub use self::document::{Document, File};
use crate::{
    cli::Overrides,
    error::Error,
    port::check_name_of_run,
    service_file::ServiceFile,
    text::{find, mac, mtu, parse, unique},
};

/// The port of a device that leads to other hosts; other ports are numbered from 0.
pub const UNDERLAY: PortId = PortId(u16::MAX - 1);
/// Frames that wait for a controller; a configuration may ask for fewer.
pub const PUNTS: usize = 4096;

/// A port.
#[derive(Clone, Debug)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// That of the device.
    pub id: PortId,
    /// Its network, by number.
    pub network: Option<u16>,
    /// Its key.
    pub key: u16,
    /// Its host, by number.
    pub host: u16,
    mac: EthernetAddress,
    ips: Vec<IpAddress>,
    provider: bool,
    secured: bool,
    allowed: Vec<(EthernetAddress, IpAddress)>,
}

/// A router.
#[derive(Clone, Debug)]
struct RouterParts {
    name: String,
    interfaces: Vec<Interface>,
    routes: Vec<Route>,
}

/// A configuration with numbers for names.
#[derive(Clone, Debug)]
pub struct Network {
    /// Names of hosts.
    pub hosts: Vec<String>,
    addresses: Vec<Host>,
    /// Names, ids, subnets and VLANs of networks.
    networks: Vec<(String, u32, Vec<IpCidr>, Option<u16>)>,
    /// Ports by number.
    pub ports: Vec<Port>,
    /// The number of each port of the device, if it is in use.
    devices: Vec<Option<u16>>,
    routers: Vec<RouterParts>,
    /// What holds for all frames.
    pub settings: Settings,
    /// Most flows of a host.
    pub flows: u32,
    /// What becomes of a flow without a place.
    pub when_full: WhenFull,
    /// Most frames that wait for a controller.
    pub punts: usize,
    /// Most events that wait.
    pub events: usize,
}

/// Where the configuration says nothing.
const MAX_FLOWS: u32 = 65_536;
const PUNT_QUEUE: u16 = 256;
const EVENT_QUEUE: u32 = 256;

/// The network of a file.
///
/// # Errors
/// What is wrong with it.
pub fn network(file: &ServiceFile, overrides: Overrides) -> Result<Network, Error> {
    let File { router } = file.parse()?;
    Network::new(&router, overrides).map_err(|message| file.wrong(message))
}

/// A number that is written as text, with or without `0x`.
pub(super) fn number(text: &str) -> Result<u64, String> {
    let value = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    value.map_err(|_| format!("\"{text}\" is no number"))
}

impl Network {
    /// Gives numbers to names; what the command line says counts before the document.
    ///
    /// # Errors
    /// A name is not there or twice there, or a value is none of its kind.
    pub fn new(document: &Document, overrides: Overrides) -> Result<Self, String> {
        let mut hosts = Vec::new();
        let mut addresses = Vec::new();
        for host in &document.hosts {
            check_name_of_run(&host.name)?;
            addresses.push(host.host()?);
            hosts.push(host.name.clone());
        }
        let mut networks = Vec::new();
        for NetworkEntry { name, id, subnets, vlan } in &document.networks {
            let subnets = subnets.iter().map(|subnet| parse(subnet, "prefix"));
            let subnets: Result<Vec<_>, _> = subnets.collect();
            let subnets = subnets.map_err(|message| format!("network \"{name}\": {message}"))?;
            networks.push((name.clone(), *id, subnets, *vlan));
        }
        let settings = Settings {
            idle_timeout: overrides.idle_timeout.or(document.idle_ms).unwrap_or(300_000),
            hard_timeout: document.hard_ms.unwrap_or(0),
            mtu: mtu(overrides.mtu.or(document.mtu).unwrap_or(1500))?,
            cookie_base: document.cookie_base.as_deref().map_or(Ok(0), number)?,
            send_removed: document.send_removed,
            controller: match document.controller {
                ControllerName::Local => Controller::Local,
                ControllerName::Remote => Controller::Remote,
            },
            ..Settings::new(UNDERLAY)
        };
        let when_full = match document.full {
            FullName::Reject => WhenFull::Forward,
            FullName::EvictShortest => WhenFull::EvictShortest,
        };
        let punts = usize::from(document.punt_queue.unwrap_or(PUNT_QUEUE));
        if punts > PUNTS {
            return Err(format!("punt_queue: at most {PUNTS}"));
        }
        let flows = overrides.flows.or(document.max_flows).unwrap_or(MAX_FLOWS);
        if flows as usize > MAX_CAPACITY {
            return Err(format!("max_flows: at most {MAX_CAPACITY}"));
        }
        let mut network = Self {
            hosts,
            addresses,
            networks,
            ports: Vec::new(),
            devices: Vec::new(),
            routers: Vec::new(),
            settings,
            flows,
            when_full,
            punts,
            events: document.event_queue.unwrap_or(EVENT_QUEUE) as usize,
        };
        for entry in &document.ports {
            let port = network.new_port(entry);
            let port = port.map_err(|message| format!("port \"{}\": {message}", entry.name))?;
            network.ports.push(port);
        }
        network.ports.sort_by_key(|port| (port.network, port.key));
        network.connect(|_| None)?;
        for entry in &document.routers {
            let router = network.new_router(entry);
            let router =
                router.map_err(|message| format!("router \"{}\": {message}", entry.name))?;
            network.routers.push(router);
        }
        let ports = network.ports.iter().map(|port| &port.name);
        unique(ports.chain(&network.hosts), "port or host")?;
        unique(network.networks.iter().map(|(name, ..)| name), "network")?;
        unique(network.routers.iter().map(|router| &router.name), "router")?;
        network.check_keys()?;
        Ok(network)
    }

    /// The same, in the place of `old`: ports that were there keep their ports of the device, and
    /// nobody gets those of ports that are gone, for flows may still name them.
    ///
    /// # Errors
    /// The device has no more ports.
    pub fn succeed(mut self, old: &Self) -> Result<Self, String> {
        self.devices = vec![None; old.devices.len()];
        self.connect(|name| old.ports.iter().find(|port| port.name == name).map(|port| port.id))?;
        Ok(self)
    }

    /// Gives each port the one of the device that is `known` for its name, or a new one.
    fn connect(&mut self, known: impl Fn(&str) -> Option<PortId>) -> Result<(), String> {
        for (number, port) in (0..).zip(&mut self.ports) {
            port.id = known(&port.name).unwrap_or(PortId(self.devices.len() as u16));
            if port.id >= UNDERLAY {
                return Err(format!("port \"{}\": there are too many", port.name));
            }
            let place = usize::from(port.id.0);
            self.devices.resize(self.devices.len().max(place + 1), None);
            self.devices[place] = Some(number);
        }
        Ok(())
    }

    /// A key is the port of a host's switch, whichever network it is in.
    fn check_keys(&self) -> Result<(), String> {
        let mut known = BTreeMap::new();
        for Port { name, key, host, .. } in &self.ports {
            if let Some(other) = known.insert((host, key), name) {
                let host = &self.hosts[usize::from(*host)];
                return Err(format!(
                    "key {key} of port \"{name}\" is that of \"{other}\" on \"{host}\" too"
                ));
            }
        }
        Ok(())
    }

    fn network(&self, name: &str) -> Result<u16, String> {
        find(self.networks.iter().map(|(name, ..)| name), name, "network")
    }

    fn new_port(&self, entry: &PortEntry) -> Result<Port, String> {
        check_name_of_run(&entry.name)?;
        let mac_of_port = match (&entry.mac, entry.kind) {
            (Some(text), _) => mac(text)?,
            (None, PortKind::Vm) => return Err("it has no mac".to_owned()),
            (None, PortKind::Provider) if !entry.ips.is_empty() => {
                return Err("it has ips, and no mac".to_owned());
            }
            // The physical network has many; that of its port is a key's, and nobody's.
            (None, PortKind::Provider) => {
                let [high, low] = entry.key.to_be_bytes();
                EthernetAddress([0x02, 0xff, 0xff, 0xff, high, low])
            }
        };
        let ips = entry.ips.iter().map(|ip| parse(ip, "IP address"));
        let allowed = entry
            .allowed
            .iter()
            .map(|pair| Ok::<_, String>((mac(&pair.mac)?, parse(&pair.ip, "IP address")?)));
        Ok(Port {
            name: entry.name.clone(),
            id: PortId(0),
            network: entry.network.as_deref().map(|name| self.network(name)).transpose()?,
            key: entry.key,
            host: find(self.hosts.iter(), &entry.host, "host")?,
            mac: mac_of_port,
            ips: ips.collect::<Result<_, _>>()?,
            provider: entry.kind == PortKind::Provider,
            secured: entry.port_security,
            allowed: allowed.collect::<Result<_, _>>()?,
        })
    }

    fn new_router(&self, entry: &RouterEntry) -> Result<RouterParts, String> {
        let interfaces = entry.ports.iter().map(|port| {
            Ok::<_, String>(Interface {
                network: self.network(&port.network)?,
                ip: parse(&port.ip, "IP address")?,
                mac: mac(&port.mac)?,
            })
        });
        let routes = entry.routes.iter().map(|route| {
            Ok::<_, String>(Route {
                prefix: parse(&route.prefix, "prefix")?,
                via: parse(&route.via, "IP address")?,
            })
        });
        Ok(RouterParts {
            name: entry.name.clone(),
            interfaces: interfaces.collect::<Result<_, _>>()?,
            routes: routes.collect::<Result<_, _>>()?,
        })
    }

    /// The host of an outer address.
    #[must_use]
    pub fn host_of(&self, address: [u8; 4]) -> Option<u16> {
        let place = self.addresses.iter().position(|host| host.ip.octets() == address);
        place.map(|place| place as u16)
    }

    /// The number of a host.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn host(&self, name: &str) -> Result<u16, String> {
        find(self.hosts.iter(), name, "host")
    }

    /// The number of a port.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn port(&self, name: &str) -> Result<u16, String> {
        find(self.ports.iter().map(|port| &port.name), name, "port")
    }

    fn of_device(&self, port: PortId) -> Option<&Port> {
        let number = (*self.devices.get(usize::from(port.0))?)?;
        self.ports.get(usize::from(number))
    }

    /// The name of a port.
    #[must_use]
    pub fn name(&self, port: PortId) -> Option<&str> {
        self.of_device(port).map(|port| port.name.as_str())
    }

    /// The id of the network that a port is in; 0: none.
    #[must_use]
    pub fn id_of(&self, port: PortId) -> u32 {
        let network = self.of_device(port).and_then(|port| port.network);
        let network = network.and_then(|network| self.networks.get(usize::from(network)));
        network.map_or(0, |(_, id, ..)| *id)
    }

    /// Host and port of a name; a host's name is that of its underlay.
    #[must_use]
    pub fn place(&self, name: &str) -> Option<(u16, PortId)> {
        if let Ok(host) = self.host(name) {
            return Some((host, UNDERLAY));
        }
        let port = &self.ports[usize::from(self.port(name).ok()?)];
        Some((port.host, port.id))
    }

    /// Puts a port on another host.
    ///
    /// # Errors
    /// There is no such port or host, or the host has another port of this key.
    pub fn move_port(&mut self, port: &str, host: &str) -> Result<(), String> {
        let (port, host) = (self.port(port)?, self.host(host)?);
        self.ports[usize::from(port)].host = host;
        self.check_keys()
    }

    /// Takes a router out of a network; answers the network's number.
    ///
    /// # Errors
    /// There is no such router, network or port of it.
    pub fn leave(&mut self, router: &str, network: &str) -> Result<u16, String> {
        let number = self.network(network)?;
        let place = find(self.routers.iter().map(|router| &router.name), router, "router")?;
        let parts = &mut self.routers[usize::from(place)];
        let before = parts.interfaces.len();
        parts.interfaces.retain(|interface| interface.network != number);
        if parts.interfaces.len() == before {
            return Err(format!("router \"{router}\" has no port in network \"{network}\""));
        }
        // Routes by the way of that network are gone with it.
        let subnets = &self.networks[usize::from(number)].2;
        parts.routes.retain(|route| !subnets.iter().any(|subnet| covers(subnet, route.via)));
        Ok(number)
    }

    /// What a policy must hold.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        Capacity {
            hosts: self.hosts.len(),
            networks: self.networks.len(),
            subnets: self.networks.iter().map(|(_, _, subnets, _)| subnets.len()).sum(),
            ports: self.ports.len(),
            addresses: self.ports.iter().map(|port| port.ips.len()).sum(),
            pairs: self.ports.iter().map(|port| port.allowed.len()).sum(),
            routers: self.routers.len(),
            interfaces: self.routers.iter().map(|router| router.interfaces.len()).sum(),
            routes: self.routers.iter().map(|router| router.routes.len()).sum(),
        }
    }

    /// The configuration as the library takes it, for one host.
    pub fn with<R>(&self, host: u16, then: impl FnOnce(&Configuration<'_>) -> R) -> R {
        let networks: Vec<_> = self
            .networks
            .iter()
            .map(|(_, id, subnets, vlan)| Broadcast { id: *id, subnets, vlan: *vlan })
            .collect();
        let ports: Vec<_> = self
            .ports
            .iter()
            .map(|port| policy::Port {
                network: port.network,
                key: port.key,
                id: port.id,
                host: port.host,
                mac: port.mac,
                ips: &port.ips,
                provider: port.provider,
                port_security: port.secured,
                allowed: &port.allowed,
            })
            .collect();
        let routers = self
            .routers
            .iter()
            .map(|RouterParts { interfaces, routes, .. }| policy::Router { interfaces, routes });
        let routers: Vec<_> = routers.collect();
        then(&Configuration {
            host,
            hosts: &self.addresses,
            networks: &networks,
            ports: &ports,
            routers: &routers,
        })
    }

    /// Which object the library refuses, and why.
    #[must_use]
    pub fn tell(&self, error: PolicyError) -> String {
        let PolicyError::Object { kind, index, fault } = error else {
            return format!("the configuration is refused: {error:?}");
        };
        let (kind, name) = match kind {
            Kind::Host => ("host", self.hosts.get(index)),
            Kind::Network => ("network", self.networks.get(index).map(|(name, ..)| name)),
            Kind::Port => ("port", self.ports.get(index).map(|port| &port.name)),
            Kind::Router => ("router", self.routers.get(index).map(|router| &router.name)),
        };
        let name =
            name.map_or_else(|| format!("number {}", index + 1), |name| format!("\"{name}\""));
        let fault = match fault {
            Fault::TooMany => "there are too many",
            Fault::Missing => "it names something that is not there",
            Fault::Key => "its id, key or vlan is out of range",
            Fault::Duplicate => "its id, key or address is another one's too",
            Fault::Disordered => "its key is another one's of its network too",
            Fault::Overlap => "subnets overlap",
            Fault::Unreachable => "an address is in no subnet that it could be in",
            Fault::Joined => "its network is another router's, or its subnet has a port already",
            Fault::SecondProvider => "its network has a provider port already",
        };
        format!("{kind} {name}: {fault}")
    }
}

fn covers(subnet: &IpCidr, address: IpAddress) -> bool {
    subnet.address().version() == address.version() && subnet.contains_addr(&address)
}

/// What holds either.
#[must_use]
pub fn larger(one: &Capacity, other: &Capacity) -> Capacity {
    Capacity {
        hosts: one.hosts.max(other.hosts),
        networks: one.networks.max(other.networks),
        subnets: one.subnets.max(other.subnets),
        ports: one.ports.max(other.ports),
        addresses: one.addresses.max(other.addresses),
        pairs: one.pairs.max(other.pairs),
        routers: one.routers.max(other.routers),
        interfaces: one.interfaces.max(other.interfaces),
        routes: one.routes.max(other.routes),
    }
}
