//! The configuration of service chains with numbers for names, as the library takes it.

use std::ops::RangeInclusive;

use dash_core::{
    pipeline::chain::policy::{
        self, Capacity, Classifier, Configuration, Fallback, Host, Mode, Pair, PolicyError, Select,
        Switch,
    },
    table::acl::{AclWriter, Rule},
    wire::{
        Header, ethernet::EthernetHeader, geneve::GeneveHeader, ipv4::Ipv4Header, udp::UdpHeader,
    },
};
use dash_hal::PortId;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

use super::document::{
    ChainEntry, ClassifierEntry, DirectionName, Document, FallbackName, GroupEntry, MatchEntry,
    ModeName, PairEntry, PathName, PortEntry, PortKind, SelectName, SwitchEntry,
};
use crate::{
    port::check_name_of_run,
    text::{find, mac, mtu, parse, ports, prefix, unique},
};

/// A logical port.
#[derive(Clone, Debug)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its switch.
    switch: u16,
    /// Its key.
    pub key: u16,
    /// Its host; `None`: a localnet port.
    pub host: Option<u16>,
    macs: Vec<EthernetAddress>,
    ips: Vec<IpAddress>,
    unknown: bool,
    secured: bool,
}

/// A configuration with numbers for names.
#[derive(Clone, Debug)]
pub struct Network {
    /// Names of hosts.
    pub hosts: Vec<String>,
    addresses: Vec<Host>,
    switches: Vec<Switch>,
    /// Ports by number, which is that of the device's port too.
    pub ports: Vec<Port>,
    /// Names of pairs.
    pub pairs: Vec<String>,
    ends: Vec<Pair>,
    groups: Vec<(String, Vec<u16>, Select, Fallback, Mode)>,
    /// Names of chains, and their groups.
    pub chains: Vec<(String, Vec<u16>)>,
    /// Without their rules, and the conditions that make one.
    classifiers: Vec<(Classifier<'static>, Option<Condition>)>,
    /// Of the tunnels of each switch.
    mtus: Vec<u16>,
}

/// The condition of a classifier: one rule.
#[derive(Clone, Debug)]
struct Condition {
    protocol: Option<u8>,
    source: Option<IpCidr>,
    destination: Option<IpCidr>,
    source_ports: Option<RangeInclusive<u16>>,
    destination_ports: Option<RangeInclusive<u16>>,
}

impl Condition {
    /// `None`: all frames.
    fn new(entry: &MatchEntry) -> Result<Option<Self>, String> {
        let MatchEntry { protocol, src_addr, dst_addr, src_port, dst_port } = entry;
        let condition = Self {
            protocol: *protocol,
            source: src_addr.as_deref().map(prefix).transpose()?,
            destination: dst_addr.as_deref().map(prefix).transpose()?,
            source_ports: src_port.as_deref().map(ports).transpose()?,
            destination_ports: dst_port.as_deref().map(ports).transpose()?,
        };
        let Self { protocol, source, destination, source_ports, destination_ports } = &condition;
        if let (Some(source), Some(destination)) = (source, destination)
            && source.address().version() != destination.address().version()
        {
            return Err("match: addresses of two IP versions".to_owned());
        }
        let any = protocol.is_none()
            && (source, destination) == (&None, &None)
            && (source_ports, destination_ports) == (&None, &None);
        Ok((!any).then_some(condition))
    }

    fn rule(&self) -> Rule<'_> {
        Rule {
            priority: 0,
            value: 1,
            protocols: self.protocol.as_slice(),
            sources: self.source.as_slice(),
            destinations: self.destination.as_slice(),
            source_tags: &[],
            destination_tags: &[],
            source_ports: self.source_ports.as_slice(),
            destination_ports: self.destination_ports.as_slice(),
        }
    }
}

/// Bytes after the Ethernet header of a tunnel, where the configuration says nothing.
const MTU: u16 = 1500;

/// The VNI of a frame in Geneve over IPv4.
fn vni(frame: &[u8]) -> Option<u32> {
    let ip = Ipv4Header::at(frame, EthernetHeader::LEN)?;
    let udp = EthernetHeader::LEN + usize::from(ip.header_len());
    GeneveHeader::at(frame, udp + UdpHeader::LEN).map(GeneveHeader::vni)
}

/// A name that is that of a capture, and of no other one.
fn check_chain_name(name: &str) -> Result<(), String> {
    if name.contains('@') {
        return Err(format!("\"{name}\": an @ stands before the host of a localnet port"));
    }
    check_name_of_run(name)
}

impl Network {
    /// Gives numbers to names.
    ///
    /// # Errors
    /// A name is not there or twice there, or a value is none of its kind.
    pub fn new(document: &Document) -> Result<Self, String> {
        let mut network = Self {
            hosts: Vec::new(),
            addresses: Vec::new(),
            switches: Vec::new(),
            ports: Vec::new(),
            pairs: Vec::new(),
            ends: Vec::new(),
            groups: Vec::new(),
            chains: Vec::new(),
            classifiers: Vec::new(),
            mtus: Vec::new(),
        };
        for host in &document.hosts {
            check_chain_name(&host.name)?;
            network.addresses.push(host.host()?);
            network.hosts.push(host.name.clone());
        }
        for (number, switch) in (0..).zip(&document.switches) {
            network.switches.push(Switch { tunnel_key: switch.tunnel_key });
            network
                .switch(number, switch)
                .map_err(|message| format!("switch \"{}\": {message}", switch.name))?;
        }
        let ports = network.ports.iter().map(|port| &port.name);
        unique(ports.chain(&network.hosts), "port or host")?;
        unique(network.pairs.iter(), "pair")?;
        Ok(network)
    }

    fn switch(&mut self, number: u16, switch: &SwitchEntry) -> Result<(), String> {
        self.mtus.push(mtu(switch.mtu.unwrap_or(MTU))?);
        let mut entries: Vec<_> = switch.ports.iter().collect();
        entries.sort_by_key(|port| port.key);
        for entry in entries {
            let port = self.port(number, entry);
            self.ports.push(port.map_err(|message| format!("port \"{}\": {message}", entry.name))?);
        }
        let own = |ports: &[Port], name: &str| {
            let place = find(ports.iter().map(|port| &port.name), name, "port")?;
            let is_own = ports[usize::from(place)].switch == number;
            if is_own { Ok(place) } else { Err(format!("port \"{name}\" is another switch's")) }
        };
        for PairEntry { name, input, output, up } in &switch.pairs {
            let (input, output) = (own(&self.ports, input)?, own(&self.ports, output)?);
            self.ends.push(Pair { input, output, up: *up });
            self.pairs.push(name.clone());
        }
        // Groups and chains are named within their switch; pairs within all, for `pair_up`.
        let (first_group, first_chain) = (self.groups.len(), self.chains.len());
        unique(switch.groups.iter().map(|group| &group.name), "group")?;
        unique(switch.chains.iter().map(|chain| &chain.name), "chain")?;
        for GroupEntry { name, pairs, select, fallback, mode } in &switch.groups {
            let pairs = pairs.iter().map(|pair| find(self.pairs.iter(), pair, "pair"));
            let pairs = pairs
                .collect::<Result<_, _>>()
                .map_err(|message| format!("group \"{name}\": {message}"))?;
            let select = match select {
                SelectName::First => Select::First,
                SelectName::Hash => Select::Hash,
            };
            let fallback = match fallback {
                FallbackName::Close => Fallback::Close,
                FallbackName::Open => Fallback::Open,
            };
            let mode = match mode {
                ModeName::Inline => Mode::Inline,
                ModeName::Tap => Mode::Tap,
            };
            self.groups.push((name.clone(), pairs, select, fallback, mode));
        }
        for ChainEntry { name, groups } in &switch.chains {
            let known = || self.groups[first_group..].iter().map(|(name, ..)| name);
            let groups = groups
                .iter()
                .map(|group| find(known(), group, "group").map(|place| first_group as u16 + place));
            let groups = groups
                .collect::<Result<_, _>>()
                .map_err(|message| format!("chain \"{name}\": {message}"))?;
            self.chains.push((name.clone(), groups));
        }
        for entry in &switch.classifiers {
            let port = own(&self.ports, &entry.port);
            let classifier = port.and_then(|port| self.classifier(entry, port, first_chain));
            self.classifiers.push(
                classifier
                    .map_err(|message| format!("classifier \"{}\": {message}", entry.name))?,
            );
        }
        Ok(())
    }

    fn port(&self, switch: u16, entry: &PortEntry) -> Result<Port, String> {
        check_chain_name(&entry.name)?;
        let host = match (&entry.host, entry.kind) {
            (Some(host), PortKind::Vm) => Some(find(self.hosts.iter(), host, "host")?),
            (None, PortKind::Localnet) => None,
            (None, PortKind::Vm) => return Err("it has no host".to_owned()),
            (Some(_), PortKind::Localnet) => {
                return Err("a localnet port is on every host".to_owned());
            }
        };
        let macs = entry.macs.iter().map(|text| mac(text));
        let ips = entry.ips.iter().map(|ip| parse(ip, "IP address"));
        Ok(Port {
            name: entry.name.clone(),
            switch,
            key: entry.key,
            host,
            macs: macs.collect::<Result<_, _>>()?,
            ips: ips.collect::<Result<_, _>>()?,
            unknown: entry.unknown,
            secured: entry.port_security,
        })
    }

    fn classifier(
        &self,
        entry: &ClassifierEntry,
        port: u16,
        first_chain: usize,
    ) -> Result<(Classifier<'static>, Option<Condition>), String> {
        let known = self.chains[first_chain..].iter().map(|(name, _)| name);
        let classifier = Classifier {
            chain: first_chain as u16 + find(known, &entry.chain, "chain")?,
            port,
            path: match entry.path {
                PathName::EntryLport => policy::Path::Entry,
                PathName::ExitLport => policy::Path::Exit,
            },
            bidirectional: matches!(entry.direction, DirectionName::BiDirectional),
            matches: &[],
        };
        Ok((classifier, Condition::new(&entry.matches)?))
    }

    /// Outer address of a host.
    #[must_use]
    pub fn host_of(&self, address: [u8; 4]) -> Option<u16> {
        let place = self.addresses.iter().position(|host| host.ip.octets() == address);
        place.map(|place| place as u16)
    }

    /// Functions of all chains, there and back.
    #[must_use]
    pub fn crossings(&self) -> usize {
        2 * self.chains.iter().map(|(_, groups)| groups.len()).sum::<usize>()
    }

    /// The MTU of tunnels for a frame that comes in at the logical port `port`, or by the underlay,
    /// where its VNI names the switch. A frame of no switch leaves by no tunnel.
    #[must_use]
    pub fn mtu(&self, port: Option<PortId>, frame: &[u8]) -> u16 {
        let switch = match port {
            Some(port) => self.ports.get(usize::from(port.0)).map(|port| usize::from(port.switch)),
            None => vni(frame)
                .and_then(|vni| self.switches.iter().position(|switch| switch.tunnel_key == vni)),
        };
        switch.and_then(|switch| self.mtus.get(switch)).copied().unwrap_or(MTU)
    }

    /// The name of a port on a host: that of a localnet port has the host's behind it.
    #[must_use]
    pub fn name(&self, port: PortId, host: u16) -> Option<String> {
        let port = self.ports.get(usize::from(port.0))?;
        let host = self.hosts.get(usize::from(host))?;
        Some(if port.host.is_none() { format!("{}@{host}", port.name) } else { port.name.clone() })
    }

    /// Host and port of a name; `None` for the port: the host's underlay.
    #[must_use]
    pub fn place(&self, name: &str) -> Option<(u16, Option<PortId>)> {
        if let Ok(host) = find(self.hosts.iter(), name, "host") {
            return Some((host, None));
        }
        let (port, host) = name.split_once('@').map_or((name, None), |(port, at)| (port, Some(at)));
        let place = self.ports.iter().position(|known| known.name == port)?;
        let host = match (self.ports[place].host, host) {
            (Some(host), None) => host,
            (None, Some(host)) => find(self.hosts.iter(), host, "host").ok()?,
            _ => return None,
        };
        Some((host, Some(PortId(place as u16))))
    }

    /// What a policy must hold.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        let members = self.groups.iter().map(|(_, pairs, ..)| pairs.len());
        let hops = self.chains.iter().flat_map(|(_, groups)| groups);
        let hops = hops.filter_map(|group| self.groups.get(usize::from(*group)));
        let conditions = self.classifiers.iter().filter_map(|(_, condition)| condition.as_ref());
        Capacity {
            hosts: self.hosts.len(),
            switches: self.switches.len(),
            ports: self.ports.len(),
            macs: self.ports.iter().map(|port| port.macs.len()).sum(),
            addresses: self.ports.iter().map(|port| port.ips.len()).sum(),
            pairs: self.ends.len(),
            groups: self.groups.len(),
            members: members.sum(),
            chains: self.chains.len(),
            chain_length: self.chains.iter().map(|(_, groups)| groups.len()).max().unwrap_or(0),
            hops: hops.map(|(_, pairs, ..)| 2 * pairs.len()).sum(),
            classifiers: self.classifiers.len(),
            matches: conditions.clone().count(),
            // One for each IP version.
            match_words: conditions
                .map(|condition| 2 * AclWriter::words_bound(&[condition.rule()]))
                .sum(),
        }
    }

    /// The configuration as the library takes it, for one host.
    pub fn with<R>(&self, host: u16, then: impl FnOnce(&Configuration<'_>) -> R) -> R {
        let ports: Vec<_> = (0..)
            .zip(&self.ports)
            .map(|(number, port)| policy::Port {
                switch: port.switch,
                key: port.key,
                id: PortId(number),
                place: port.host.map_or(policy::Place::Localnet, policy::Place::Host),
                macs: &port.macs,
                ips: &port.ips,
                unknown: port.unknown,
                port_security: port.secured,
            })
            .collect();
        let groups = self.groups.iter().map(|(_, pairs, select, fallback, mode)| policy::Group {
            pairs,
            select: *select,
            fallback: *fallback,
            mode: *mode,
        });
        let groups: Vec<_> = groups.collect();
        let chains: Vec<_> =
            self.chains.iter().map(|(_, groups)| policy::Chain { groups }).collect();
        let rules = self
            .classifiers
            .iter()
            .map(|(_, condition)| condition.iter().map(Condition::rule).collect::<Vec<_>>());
        let rules: Vec<_> = rules.collect();
        let classifiers: Vec<_> = self
            .classifiers
            .iter()
            .zip(&rules)
            .map(|((classifier, _), matches)| Classifier { matches, ..*classifier })
            .collect();
        then(&Configuration {
            host,
            hosts: &self.addresses,
            switches: &self.switches,
            ports: &ports,
            pairs: &self.ends,
            groups: &groups,
            chains: &chains,
            classifiers: &classifiers,
        })
    }

    /// Which object the library refuses, and why.
    #[must_use]
    pub fn tell(&self, error: PolicyError) -> String {
        let PolicyError::Object { kind, index, fault } = error else {
            return format!("the configuration is refused: {error:?}");
        };
        let name = match kind {
            policy::Kind::Host => self.hosts.get(index),
            policy::Kind::Port => self.ports.get(index).map(|port| &port.name),
            policy::Kind::Pair => self.pairs.get(index),
            policy::Kind::Group => self.groups.get(index).map(|(name, ..)| name),
            policy::Kind::Chain => self.chains.get(index).map(|(name, _)| name),
            policy::Kind::Switch | policy::Kind::Classifier => None,
        };
        let name =
            name.map_or_else(|| format!("number {}", index + 1), |name| format!("\"{name}\""));
        format!("{kind:?} {name}: {fault:?}")
    }
}
