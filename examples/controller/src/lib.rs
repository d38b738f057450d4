//! A controller of the reactive router: for each punted frame it finds the router's port and the
//! machine that the frame is for, and answers with the flow of the answers, then the frame's own,
//! which lets the frame go. Where nobody has the address it says so.
//!
//! It knows what the configuration says, and nothing else; it keeps a number for the cookies.

use std::collections::HashMap;

use dash_core::wire::{
    Header, ethernet::EthernetHeader, ipv4::Ipv4Header, ipv6::Ipv6Header, protocol::ethertype,
    vlan::VlanTag,
};
use serde::Deserialize;
use serde_json::{Value, json};
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

/// Why it cannot go on.
pub type Error = Box<dyn std::error::Error>;

#[derive(Debug, Deserialize)]
struct File {
    router: Document,
}

#[derive(Debug, Deserialize)]
struct Document {
    networks: Vec<Network>,
    ports: Vec<Port>,
    #[serde(default)]
    routers: Vec<Router>,
    idle_ms: Option<u32>,
    hard_ms: Option<u32>,
    cookie_base: Option<String>,
    #[serde(default)]
    send_removed: bool,
}

#[derive(Debug, Deserialize)]
struct Network {
    name: String,
    #[serde(default)]
    subnets: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Port {
    name: String,
    host: String,
    network: Option<String>,
    mac: Option<String>,
    #[serde(default)]
    ips: Vec<String>,
    #[serde(default, rename = "port_security")]
    secured: bool,
    #[serde(default)]
    allowed: Vec<Pair>,
}

#[derive(Debug, Deserialize)]
struct Pair {
    mac: String,
    ip: String,
}

#[derive(Debug, Deserialize)]
struct Router {
    #[serde(default)]
    ports: Vec<Interface>,
    #[serde(default)]
    routes: Vec<Route>,
}

#[derive(Debug, Deserialize)]
struct Interface {
    network: String,
    ip: String,
    mac: String,
}

#[derive(Debug, Deserialize)]
struct Route {
    prefix: String,
    via: String,
}

/// A machine: its port, the port's host, its network, its MAC address, and what it may send from
/// if that is not everything.
#[derive(Clone, Debug)]
struct Machine {
    port: String,
    host: String,
    network: String,
    mac: String,
    allowed: Option<Vec<IpAddress>>,
}

/// A prefix, the next hop if it is no machine's own, and the router's port: network and MAC address.
#[derive(Clone, Debug)]
struct Way {
    prefix: IpCidr,
    via: Option<IpAddress>,
    network: String,
    gateway: String,
}

/// The controller.
#[derive(Debug)]
pub struct Controller {
    /// By network and address.
    machines: HashMap<(String, IpAddress), Machine>,
    /// Network and host of each port.
    ports: HashMap<String, (String, String)>,
    /// Of each network, its own subnets.
    subnets: HashMap<String, Vec<IpCidr>>,
    /// Of each network, what its router reaches.
    ways: HashMap<String, Vec<Way>>,
    times: [u32; 2],
    cookie: u64,
    send_removed: bool,
}

fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, Error> {
    text.parse().map_err(|_| format!("\"{text}\" is not understood").into())
}

fn covers(prefix: &IpCidr, address: IpAddress) -> bool {
    prefix.address().version() == address.version() && prefix.contains_addr(&address)
}

/// Whether an address names one machine, and not of its own link alone.
fn is_routable(address: IpAddress) -> bool {
    address.is_unicast()
        && match address {
            IpAddress::Ipv4(address) => !address.is_loopback(),
            IpAddress::Ipv6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
        }
}

impl Controller {
    /// Of the configuration that the router runs with.
    ///
    /// # Errors
    /// It is not understood.
    pub fn new(config: &str) -> Result<Self, Error> {
        let File { router: document } = serde_json::from_str(config)?;
        let mut machines = HashMap::new();
        let mut ports = HashMap::new();
        for port in &document.ports {
            let network = port.network.clone().unwrap_or_default();
            ports.insert(port.name.clone(), (network.clone(), port.host.clone()));
            let Some(mac) = &port.mac else { continue };
            let ips = port.ips.iter().map(|ip| parsed(ip)).collect::<Result<Vec<_>, _>>()?;
            let mut allowed = ips.clone();
            for pair in &port.allowed {
                if pair.mac.eq_ignore_ascii_case(mac) {
                    allowed.push(parsed(&pair.ip)?);
                }
            }
            let machine = Machine {
                port: port.name.clone(),
                host: port.host.clone(),
                network: network.clone(),
                mac: mac.clone(),
                allowed: port.secured.then_some(allowed),
            };
            for ip in ips {
                machines.insert((network.clone(), ip), machine.clone());
            }
        }
        let mut subnets = HashMap::new();
        for network in &document.networks {
            let own = network.subnets.iter().map(|subnet| parsed(subnet));
            subnets.insert(network.name.clone(), own.collect::<Result<_, _>>()?);
        }
        let mut ways = HashMap::new();
        for router in &document.routers {
            let reached = reached(router, &document.networks)?;
            for interface in &router.ports {
                ways.insert(interface.network.clone(), reached.clone());
            }
        }
        let base = document.cookie_base.unwrap_or_default();
        let cookie = match base.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16)?,
            None => base.parse().unwrap_or(0),
        };
        Ok(Self {
            machines,
            ports,
            subnets,
            ways,
            times: [document.idle_ms.unwrap_or(300_000), document.hard_ms.unwrap_or(0)],
            cookie,
            send_removed: document.send_removed,
        })
    }

    /// Answers an event, a line of JSON, by control objects in the order in which they are to be
    /// carried out.
    ///
    /// # Errors
    /// The event is not understood.
    pub fn hear(&mut self, event: &str) -> Result<Vec<Value>, Error> {
        let event: Value = serde_json::from_str(event)?;
        let punt = &event["punt"];
        let (Some(id), Some(port), Some(frame)) =
            (punt["id"].as_u64(), punt["in_port"].as_str(), punt["frame"].as_str())
        else {
            return Ok(Vec::new());
        };
        let bytes = hex(frame).ok_or("the frame is not hexadecimal")?;
        let (macs, [source, destination]) = addresses(&bytes).ok_or("the frame is not IP")?;
        let (network, host) = self.ports.get(port).cloned().ok_or("an unknown port")?;
        let Some((machine, gateway)) = self.find(&network, destination) else {
            return Ok(vec![json!({ "drop_punt": { "id": id, "reason": "no_host" } })]);
        };
        let mut objects = Vec::new();
        // Each host asks for its own flows, and what the machine may not send has none.
        let fair = machine.allowed.as_ref().is_none_or(|allowed| allowed.contains(&destination));
        let back = self.find(&machine.network, source).filter(|_| machine.host == host && fair);
        if let Some((origin, back_gateway)) = back {
            let ends = [machine.mac.clone(), gateway.clone()];
            let flow =
                self.flow(&machine.port, ends, [destination, source], (&origin, &back_gateway));
            objects.push(json!({ "flow_add": flow }));
        }
        let ends = macs.map(|mac: EthernetAddress| mac.to_string());
        let mut flow = self.flow(port, ends, [source, destination], (&machine, &gateway));
        flow["release"] = json!(id);
        objects.push(json!({ "flow_add": flow }));
        Ok(objects)
    }

    /// The machine that a frame from a network goes to next, and the MAC address that it leaves
    /// the router with: by the longest prefix, and not within the network.
    fn find(&self, network: &str, address: IpAddress) -> Option<(Machine, String)> {
        let near = self.subnets.get(network)?.iter().any(|subnet| covers(subnet, address));
        if near || !is_routable(address) {
            return None;
        }
        let ways = self.ways.get(network)?.iter();
        let way = ways
            .filter(|way| covers(&way.prefix, address))
            .max_by_key(|way| way.prefix.prefix_len())?;
        let key = (way.network.clone(), way.via.unwrap_or(address));
        Some((self.machines.get(&key)?.clone(), way.gateway.clone()))
    }

    fn flow(
        &mut self,
        in_port: &str,
        [eth_src, eth_dst]: [String; 2],
        [ip_src, ip_dst]: [IpAddress; 2],
        (to, gateway): (&Machine, &str),
    ) -> Value {
        self.cookie += 1;
        let [idle_ms, hard_ms] = self.times;
        json!({
            "match": {
                "in_port": in_port, "eth_src": eth_src, "eth_dst": eth_dst,
                "ip_src": ip_src.to_string(), "ip_dst": ip_dst.to_string(),
            },
            "actions": ["dec_ttl", { "eth_src": gateway }, { "eth_dst": to.mac }, { "output": to.port }],
            "idle_ms": idle_ms,
            "hard_ms": hard_ms,
            "cookie": format!("{:#x}", self.cookie),
            "send_removed": self.send_removed,
        })
    }
}

/// What a router reaches: its ports' subnets, and its routes.
fn reached(router: &Router, networks: &[Network]) -> Result<Vec<Way>, Error> {
    let mut ways = Vec::new();
    for interface in &router.ports {
        let ip = parsed(&interface.ip)?;
        let network = networks.iter().find(|network| network.name == interface.network);
        for subnet in &network.ok_or("an unknown network")?.subnets {
            let prefix = parsed(subnet)?;
            if covers(&prefix, ip) {
                let (network, gateway) = (interface.network.clone(), interface.mac.clone());
                ways.push(Way { prefix, via: None, network, gateway });
            }
        }
    }
    for route in &router.routes {
        let via = parsed(&route.via)?;
        let way = ways.iter().find(|way| way.via.is_none() && covers(&way.prefix, via)).cloned();
        let way = way.ok_or("a route to nowhere")?;
        ways.push(Way { prefix: parsed(&route.prefix)?, via: Some(via), ..way });
    }
    Ok(ways)
}

/// Source and destination, of Ethernet and of IP; what lies above that is nobody's business here.
fn addresses(frame: &[u8]) -> Option<([EthernetAddress; 2], [IpAddress; 2])> {
    let ethernet = EthernetHeader::at(frame, 0_usize)?;
    let (mut ethertype, mut network) = (ethernet.ethertype(), EthernetHeader::LEN);
    if VlanTag::is_tpid(ethertype) {
        ethertype = VlanTag::at(frame, network)?.ethertype();
        network += VlanTag::LEN;
    }
    let ends = match ethertype {
        ethertype::IPV4 => {
            let header = Ipv4Header::at(frame, network)?;
            [header.source().into(), header.destination().into()]
        }
        ethertype::IPV6 => {
            let header = Ipv6Header::at(frame, network)?;
            [header.source().into(), header.destination().into()]
        }
        _ => return None,
    };
    Some(([ethernet.source(), ethernet.destination()], ends))
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<_>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
}
