//! Checks a configuration, and writes it into an image.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use smoltcp::wire::{EthernetAddress, IpVersion};

use super::{
    Capacity, Configuration, Fault, Kind, Mode, Path, Place, PolicyError, Port,
    image::Draft,
    object::{
        AddressKey, ClassifierRecord, EVERYWHERE, GroupRecord, Hop, MacKey, NO_CLASSIFIER,
        PairRecord, PortFlags, PortRecord, SwitchRecord, joined,
    },
};
use crate::{
    pipeline::{
        chain::FLOOD,
        image::{octets, wrong},
    },
    table::{
        exact::{ExactWriter, Words},
        quiescence::Readers,
    },
};

/// VNIs have 24 bits.
const MAX_TUNNEL_KEY: u32 = (1 << 24) - 1;

impl Draft<'_> {
    /// Fills the image. After an error it is worth nothing.
    pub(super) fn compile(
        &mut self,
        configuration: &Configuration<'_>,
        capacity: &Capacity,
    ) -> Result<(), PolicyError> {
        let c = configuration;
        self.clear(capacity)?;
        for (kind, length, most) in [
            (Kind::Host, c.hosts.len(), capacity.hosts.min(EVERYWHERE.into())),
            (Kind::Switch, c.switches.len(), capacity.switches.min(u16::MAX.into())),
            (Kind::Port, c.ports.len(), capacity.ports),
            (Kind::Pair, c.pairs.len(), capacity.pairs),
            (Kind::Group, c.groups.len(), capacity.groups),
            (Kind::Chain, c.chains.len(), capacity.chains.min(u16::MAX.into())),
            (Kind::Classifier, c.classifiers.len(), capacity.classifiers),
        ] {
            if length > most {
                return Err(PolicyError::new(kind, most, Fault::TooMany));
            }
        }
        let faults = [Fault::Missing, Fault::Duplicate, Fault::TooMany];
        self.image.hosts.write((c.host, c.hosts), Kind::Host, faults)?;
        for (index, switch) in c.switches.iter().enumerate() {
            self.switch(index, switch.tunnel_key).map_err(wrong(Kind::Switch, index))?;
        }
        for index in 0..c.ports.len() {
            self.port(c, index).map_err(wrong(Kind::Port, index))?;
        }
        for index in 0..c.pairs.len() {
            self.pair(c, index).map_err(wrong(Kind::Pair, index))?;
        }
        self.sites(c)?;
        let mut first = 0;
        for index in 0..c.groups.len() {
            first = self.group(c, index, first).map_err(wrong(Kind::Group, index))?;
        }
        for index in 0..c.chains.len() {
            self.chain(c, index, capacity.chain_length).map_err(wrong(Kind::Chain, index))?;
        }
        let mut group = 0;
        for index in 0..c.classifiers.len() {
            group = self.classifier(c, index, group).map_err(wrong(Kind::Classifier, index))?;
        }
        self.tables(c, capacity)?;
        self.rules(c)
    }

    /// Writes the tables, after their objects were checked.
    #[inline(never)]
    fn tables(&self, c: &Configuration<'_>, capacity: &Capacity) -> Result<(), PolicyError> {
        let switches = c.switches.iter().enumerate();
        let vnis = switches.map(|(index, switch)| (index, switch.tunnel_key, index as u32));
        self.table((self.vnis, capacity.switches), vnis, Kind::Switch, Fault::Duplicate)?;
        let ports = || c.ports.iter().enumerate();
        let keys =
            ports().map(|(index, port)| (index, joined(port.switch, port.key), index as u32));
        self.table((self.keys, capacity.ports), keys, Kind::Port, Fault::Duplicate)?;
        let local = |port: &Port<'_>| [Place::Localnet, Place::Host(c.host)].contains(&port.place);
        let ids = ports().filter(|(_, port)| local(port));
        let ids = ids.map(|(index, port)| (index, u32::from(port.id.0), index as u32));
        self.table((self.ids, capacity.ports), ids, Kind::Port, Fault::Duplicate)?;
        let macs = ports().flat_map(|(index, port)| {
            let key = |mac: &EthernetAddress| MacKey { mac: mac.0, switch: port.switch };
            port.macs.iter().map(move |mac| (index, key(mac), index as u32))
        });
        self.table((self.macs, capacity.macs), macs, Kind::Port, Fault::Duplicate)?;
        let addresses = ports().flat_map(|(index, port)| {
            port.ips.iter().map(move |address| {
                let (version, octets) = octets(*address);
                let key = AddressKey { port: index as u16, version: version.into(), octets };
                (index, key, index as u32)
            })
        });
        self.table((self.addresses, capacity.addresses), addresses, Kind::Port, Fault::Duplicate)?;
        self.table((self.hops, capacity.hops), hops(c), Kind::Chain, Fault::PortTwice)
    }

    /// Writes one table: of each entry the object that it belongs to, its key and its value.
    #[inline(never)]
    fn table<K: Words + Eq, V: Words>(
        &self,
        (words, capacity): (&[AtomicU32], usize),
        entries: impl Iterator<Item = (usize, K, V)>,
        kind: Kind,
        twice: Fault,
    ) -> Result<(), PolicyError> {
        let mut table = ExactWriter::new(words, capacity, self.hash, Readers::new(&[]))?;
        for (index, key, value) in entries {
            let fault = match table.insert(&key, &value) {
                Ok(None) => continue,
                Ok(Some(_)) => twice,
                Err(_) => Fault::TooMany,
            };
            return Err(PolicyError::new(kind, index, fault));
        }
        Ok(())
    }

    /// Writes the rules of classifiers, in the order of their groups.
    fn rules(&mut self, c: &Configuration<'_>) -> Result<(), PolicyError> {
        let classifiers = c.classifiers.iter().enumerate();
        let mut groups = 0..;
        for (index, classifier) in classifiers.filter(|(_, one)| !one.matches.is_empty()) {
            for (version, group) in [IpVersion::Ipv4, IpVersion::Ipv6].into_iter().zip(&mut groups)
            {
                self.rules
                    .set_group(group, version, classifier.matches)
                    .map_err(|_| PolicyError::new(Kind::Classifier, index, Fault::TooMany))?;
            }
        }
        Ok(())
    }

    /// Its ports, which follow each other, are counted as they come.
    fn switch(&self, index: usize, key: u32) -> Result<(), Fault> {
        if key == 0 || key > MAX_TUNNEL_KEY {
            return Err(Fault::Key);
        }
        let record = SwitchRecord { tunnel_key: key, first_port: 0, ports: 0, unknown: 0 };
        self.image.switches.set(index as u32, &record).ok_or(Fault::TooMany)
    }

    fn port(&self, c: &Configuration<'_>, index: usize) -> Result<(), Fault> {
        let port = c.ports.get(index).ok_or(Fault::Missing)?;
        if port.key == 0 || port.key >= FLOOD {
            return Err(Fault::Key);
        }
        if usize::from(port.switch) >= c.switches.len() {
            return Err(Fault::Missing);
        }
        let mut switch = self.image.switches.get(port.switch.into()).ok_or(Fault::Missing)?;
        if switch.ports == 0 {
            switch.first_port = index as u32;
        }
        switch.ports += 1;
        switch.unknown += u32::from(port.unknown);
        self.image.switches.set(port.switch.into(), &switch).ok_or(Fault::Missing)?;
        let name = (port.switch, port.key);
        let before = index.checked_sub(1).and_then(|before| c.ports.get(before));
        if let Some(before) = before {
            let before = (before.switch, before.key);
            if before >= name {
                return Err(if before == name { Fault::Duplicate } else { Fault::Disordered });
            }
        }
        let host = match port.place {
            Place::Localnet => EVERYWHERE,
            Place::Host(host) if usize::from(host) < c.hosts.len() => host,
            Place::Host(_) => return Err(Fault::Missing),
        };
        let mut record = PortRecord {
            switch: port.switch,
            key: port.key,
            id: port.id.0,
            host,
            flags: 0,
            zero: 0,
            classifier: NO_CLASSIFIER,
        };
        if port.unknown {
            record.mark(PortFlags::UNKNOWN);
        }
        if port.port_security {
            record.mark(PortFlags::SECURED);
        }
        if !port.ips.is_empty() {
            record.mark(PortFlags::ADDRESSED);
        }
        self.image.ports.set(index as u32, &record).ok_or(Fault::TooMany)
    }

    fn pair(&self, c: &Configuration<'_>, index: usize) -> Result<(), Fault> {
        let pair = c.pairs.get(index).ok_or(Fault::Missing)?;
        let ends = [pair.input, pair.output];
        for end in ends {
            let port = c.ports.get(usize::from(end)).ok_or(Fault::Missing)?;
            if port.place == Place::Localnet {
                return Err(Fault::PairOnLocalnet);
            }
            if port.port_security {
                return Err(Fault::PairSecured);
            }
            self.mark(end, PortFlags::PAIR)?;
        }
        let [input, output] = ends.map(|end| c.ports.get(usize::from(end)).map(|port| port.switch));
        if input != output {
            return Err(Fault::OtherSwitch);
        }
        let record = PairRecord { input: pair.input, output: pair.output };
        self.image.pairs.set(index as u32, &record).ok_or(Fault::TooMany)?;
        self.image.health.get(index).ok_or(Fault::TooMany)?.store(pair.up.into(), Relaxed);
        Ok(())
    }

    /// Answers what is known of the port then.
    fn mark(&self, port: u16, flags: PortFlags) -> Result<PortRecord, Fault> {
        let mut record = self.image.ports.get(port.into()).ok_or(Fault::Missing)?;
        record.mark(flags);
        self.image.ports.set(port.into(), &record).ok_or(Fault::Missing)?;
        Ok(record)
    }

    /// Notes which hosts a flood of each switch concerns.
    fn sites(&self, c: &Configuration<'_>) -> Result<(), PolicyError> {
        for (index, port) in c.ports.iter().enumerate() {
            let record = self.image.ports.get(index as u32);
            if let Place::Host(host) = port.place
                && record.is_some_and(|record| !record.has(PortFlags::PAIR))
            {
                let set = self.image.set_site(port.switch, host);
                set.ok_or(PolicyError::new(Kind::Port, index, Fault::TooMany))?;
            }
        }
        Ok(())
    }

    /// Answers where the members of the next group begin.
    fn group(&self, c: &Configuration<'_>, index: usize, first: u32) -> Result<u32, Fault> {
        let group = c.groups.get(index).ok_or(Fault::Missing)?;
        let tap = group.mode == Mode::Tap;
        let (own, other) = if tap {
            (PortFlags::TAP, PortFlags::INLINE)
        } else {
            (PortFlags::INLINE, PortFlags::TAP)
        };
        for (place, pair) in (first..).zip(group.pairs) {
            let ports = c.pairs.get(usize::from(*pair)).ok_or(Fault::Missing)?;
            for port in [ports.input, ports.output] {
                if self.mark(port, own)?.has(other) {
                    return Err(Fault::PairOfTwoModes);
                }
            }
            self.image.members.set(place, &(*pair).into()).ok_or(Fault::TooMany)?;
        }
        let hash = if group.select == super::Select::Hash { GroupRecord::HASH } else { 0 };
        let open = if group.fallback == super::Fallback::Open { GroupRecord::OPEN } else { 0 };
        let flags = hash | open | if tap { GroupRecord::TAP } else { 0 };
        let pairs = u16::try_from(group.pairs.len()).map_err(|_| Fault::TooMany)?;
        let record = GroupRecord { first, pairs, flags };
        self.image.groups.set(index as u32, &record).ok_or(Fault::TooMany)?;
        Ok(first.saturating_add(pairs.into()))
    }

    fn chain(&self, c: &Configuration<'_>, index: usize, longest: usize) -> Result<(), Fault> {
        let chain = c.chains.get(index).ok_or(Fault::Missing)?;
        if chain.groups.len() > longest.min(u16::MAX.into()) {
            return Err(Fault::TooMany);
        }
        self.image.lengths.set(index as u32, &(chain.groups.len() as u32)).ok_or(Fault::TooMany)?;
        let mut switch = None;
        for (position, group) in (0..).zip(chain.groups) {
            let place = index as u32 * self.image.longest + position;
            let pairs = c.groups.get(usize::from(*group)).ok_or(Fault::Missing)?.pairs;
            self.image.chains.set(place, &(*group).into()).ok_or(Fault::TooMany)?;
            for pair in pairs {
                let pair = c.pairs.get(usize::from(*pair)).ok_or(Fault::Missing)?;
                let port = c.ports.get(usize::from(pair.input)).ok_or(Fault::Missing)?;
                if *switch.get_or_insert(port.switch) != port.switch {
                    return Err(Fault::OtherSwitch);
                }
            }
        }
        Ok(())
    }

    /// Answers the group of the next classifier's rules.
    fn classifier(&self, c: &Configuration<'_>, index: usize, group: u32) -> Result<u32, Fault> {
        let classifier = c.classifiers.get(index).ok_or(Fault::Missing)?;
        let chain = c.chains.get(usize::from(classifier.chain)).ok_or(Fault::Missing)?;
        let port = u32::from(classifier.port);
        let mut record = self.image.ports.get(port).ok_or(Fault::Missing)?;
        if usize::from(classifier.port) >= c.ports.len() {
            return Err(Fault::Missing);
        }
        if record.classifier != NO_CLASSIFIER {
            return Err(Fault::SecondClassifier);
        }
        let first = chain.groups.iter().filter_map(|group| c.groups.get(usize::from(*group)));
        let pairs = first.flat_map(|group| group.pairs);
        let pairs = pairs.filter_map(|pair| c.pairs.get(usize::from(*pair)));
        for pair in pairs {
            if c.ports.get(usize::from(pair.input)).is_none_or(|port| port.switch != record.switch)
            {
                return Err(Fault::OtherSwitch);
            }
        }
        let mut rules = classifier.matches.iter();
        if rules.any(|rule| !rule.source_tags.is_empty() || !rule.destination_tags.is_empty()) {
            return Err(Fault::Tag);
        }
        let (own, next) = if classifier.matches.is_empty() {
            (ClassifierRecord::ALL, group)
        } else {
            (group, group.saturating_add(2))
        };
        record.classifier = index as u32;
        // A chain without groups has no rules at all.
        let loops = classifier.bidirectional || classifier.path == Path::Exit;
        if loops && !chain.groups.is_empty() {
            record.mark(PortFlags::OUT_CHAIN);
        }
        self.image.ports.set(port, &record).ok_or(Fault::TooMany)?;
        let compiled = ClassifierRecord::new(classifier, own);
        self.image.classifiers.set(index as u32, &compiled).ok_or(Fault::TooMany)?;
        Ok(next)
    }
}

/// Where ports stand in chains.
fn hops(c: &Configuration<'_>) -> impl Iterator<Item = (usize, u32, u32)> {
    c.chains.iter().enumerate().flat_map(move |(index, chain)| {
        let groups = (0..).zip(chain.groups);
        groups.flat_map(move |(position, group)| {
            let pairs = c.groups.get(usize::from(*group)).map_or(&[][..], |group| group.pairs);
            let pairs = pairs.iter().filter_map(|pair| c.pairs.get(usize::from(*pair)));
            pairs.flat_map(move |pair| {
                let both = pair.input == pair.output;
                let hop = |input, output| Hop { position, input, output }.word();
                let key = |port| joined(index as u16, port);
                let output = (!both).then(|| (index, key(pair.output), hop(false, true)));
                [(index, key(pair.input), hop(true, both))].into_iter().chain(output)
            })
        })
    })
}
