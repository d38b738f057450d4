//! A naive model of logical switches and chains.
//!
//! For each frame the model writes out the whole table of rules as the specification has it (1.2),
//! looks at each rule in turn, and follows the frame by names. It knows nothing of flows.

use std::collections::HashMap;

use dash_core::pipeline::chain::{
    DropReason,
    policy::{Fallback, Mode, Path, Select},
};

use crate::{
    frames::ip_checksum,
    steering::crc32c,
    world::{Left, Net, OwnedGroup, Port, UNDERLAY, left},
};

/// An address, and a port.
pub(crate) type End = (Vec<u8>, u16);

/// A frame, and what the model knows of it.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    /// Protocol, source and destination; `None`: not IP.
    pub(crate) ip: Option<(u8, [End; 2])>,
}

impl Frame {
    fn destination(&self) -> &[u8] {
        &self.bytes[..6]
    }

    fn source(&self) -> &[u8] {
        &self.bytes[6..12]
    }

    fn is_multicast(&self) -> bool {
        self.bytes[0] & 1 == 1
    }

    /// Scrambles all that names the conversation.
    fn source_port(&self) -> u16 {
        let named = match &self.ip {
            None => self.bytes[..14].to_vec(),
            Some((protocol, [(source, from), (destination, to)])) => {
                let ports = [from.to_be_bytes(), to.to_be_bytes()].concat();
                [&source[..], destination, &[*protocol], &ports].concat()
            }
        };
        0xc000 | crc32c(&named) as u16 & 0x3fff
    }

    /// The same in both directions.
    fn symmetric(&self) -> u32 {
        let named = match &self.ip {
            None => {
                let mut macs = [self.source(), self.destination()];
                macs.sort_unstable();
                macs.concat()
            }
            Some((protocol, ends)) => {
                let mut ends = ends.clone();
                ends.sort();
                let ends = ends.map(|(address, port)| [&address[..], &port.to_be_bytes()].concat());
                [&ends.concat()[..], &[*protocol]].concat()
            }
        };
        crc32c(&named)
    }

    /// In Geneve between two hosts.
    fn carried(&self, hosts: [u16; 2], inport: u16, outport: u16) -> Vec<u8> {
        let [own, other] = hosts.map(|host| host as u8 + 1);
        let total = (self.bytes.len() + 44) as u16;
        let mut frame = vec![0x0a, 0, 0, 0, 0, other * 0x11, 0x0a, 0, 0, 0, 0, own * 0x11, 8, 0];
        frame.extend([0x45, 0]);
        frame.extend(total.to_be_bytes());
        frame.extend([0, 0, 0x40, 0, 64, 17, 0, 0, 198, 51, 100, own, 198, 51, 100, other]);
        for word in [self.source_port(), 6081, total - 20, 0] {
            frame.extend(word.to_be_bytes());
        }
        frame.extend([2, 0x40, 0x65, 0x58, 0, 0, 1, 0, 1, 2, 0x80, 1]);
        frame.extend([inport.to_be_bytes(), outport.to_be_bytes()].concat());
        frame.extend(&self.bytes);
        ip_checksum(&mut frame, 14);
        frame
    }
}

/// What a rule says.
#[derive(Clone, Copy, Debug)]
enum Say {
    Next,
    Output(u16),
    Home(u16),
    Drop(DropReason),
}

/// A rule of `ls_in_chain`, for one frame's hash and the health of the moment.
struct Rule<'n> {
    priority: u8,
    by_destination: bool,
    forward: bool,
    classifier: usize,
    app: &'n Port,
    /// Keys of ports that the frame may come from; `None`: from any.
    from: Option<Vec<u16>>,
    say: Say,
    taps: Vec<u16>,
}

/// What becomes of a frame at one host.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) left: Vec<Left>,
    pub(crate) drops: Vec<DropReason>,
    pub(crate) conflicts: u64,
    /// How often the frame entered again.
    entries: u32,
}

/// All hosts.
pub(crate) struct Model {
    pub(crate) net: Net,
    pub(crate) now: u64,
    /// Of each host: where an address was seen, and when.
    learned: HashMap<(u16, Vec<u8>), (u16, u64)>,
}

impl Model {
    pub(crate) fn new(net: Net) -> Self {
        Self { net, now: 0, learned: HashMap::new() }
    }

    fn port(&self, key: u16) -> &Port {
        self.net.ports.iter().find(|port| port.key == key).unwrap()
    }

    fn is_pair(&self, key: u16) -> bool {
        self.net.pairs.iter().any(|(input, output, _)| [*input, *output].contains(&key))
    }

    fn is_tap(&self, key: u16) -> bool {
        let taps = self.net.groups.iter().filter(|group| group.mode == Mode::Tap);
        taps.flat_map(|group| &group.pairs).any(|pair| {
            let (input, output, _) = self.net.pairs[usize::from(*pair)];
            [input, output].contains(&key)
        })
    }

    fn loops(&self, key: u16) -> bool {
        self.net.classifiers.iter().any(|one| {
            let rules = !self.net.chains[usize::from(one.chain)].is_empty();
            one.port == key && rules && (one.bidirectional || one.path == Path::Exit)
        })
    }

    fn choose(&self, group: &OwnedGroup, hash: u32) -> Option<(u16, u16)> {
        let pairs = group.pairs.iter().map(|pair| self.net.pairs[usize::from(*pair)]);
        let up: Vec<_> = pairs.filter(|(.., up)| *up).collect();
        let at = if group.select == Select::Hash { hash as usize % up.len().max(1) } else { 0 };
        up.get(at).map(|(input, output, _)| (*input, *output))
    }

    /// What a frame meets in these groups, one after the other; behind them `end`.
    fn meets(&self, groups: &[u16], forward: bool, hash: u32, end: Say) -> (Say, Vec<u16>) {
        let mut taps = vec![];
        for group in groups {
            let group = &self.net.groups[usize::from(*group)];
            let entrance = self
                .choose(group, hash)
                .map(|(input, output)| if forward { input } else { output });
            match entrance {
                _ if group.mode == Mode::Tap => taps.extend(entrance),
                Some(entrance) => return (Say::Output(entrance), taps),
                None if group.fallback == Fallback::Open => {}
                None => return (Say::Drop(DropReason::VnfDown), taps),
            }
        }
        (end, taps)
    }

    /// The whole table.
    fn rules(&self, hash: u32) -> Vec<Rule<'_>> {
        let mut rules = vec![];
        for (classifier, one) in self.net.classifiers.iter().enumerate() {
            let app = self.port(one.port);
            for forward in [true, false] {
                let mut groups = self.net.chains[usize::from(one.chain)].clone();
                if groups.is_empty() || !forward && !one.bidirectional {
                    continue;
                }
                if !forward {
                    groups.reverse();
                }
                let by_destination = forward == (one.path == Path::Entry);
                let mut rule = |priority, from, (say, taps)| {
                    rules.push(Rule {
                        priority,
                        by_destination,
                        forward,
                        classifier,
                        app,
                        from,
                        say,
                        taps,
                    });
                };
                rule(100, None, self.meets(&groups, forward, hash, Say::Next));
                let end = if by_destination { Say::Next } else { Say::Home(app.key) };
                for (place, group) in groups.iter().enumerate() {
                    for pair in &self.net.groups[usize::from(*group)].pairs {
                        let (input, output, _) = self.net.pairs[usize::from(*pair)];
                        let (enter, leave) =
                            if forward { (input, output) } else { (output, input) };
                        let next = self.meets(&groups[place + 1..], forward, hash, end);
                        rule(150, Some(vec![leave]), next);
                        if enter != leave {
                            let wrong = (Say::Drop(DropReason::VnfWrongPort), vec![]);
                            rule(140, Some(vec![enter]), wrong);
                        }
                    }
                }
            }
        }
        rules
    }

    /// Whether a rule's condition holds; nothing but `WEB` is asked for.
    fn holds(&self, rule: &Rule<'_>, frame: &Frame) -> bool {
        let classifier = &self.net.classifiers[rule.classifier];
        if classifier.matches.is_empty() || rule.priority != 100 {
            return true;
        }
        let Some((protocol, [(_, from), (_, to)])) = &frame.ip else { return false };
        *protocol == 6 && *(if rule.forward { to } else { from }) == 80
    }

    /// A frame comes in at a port of a host.
    pub(crate) fn enters_by_port(&mut self, host: u16, key: u16, frame: &Frame, out: &mut Outcome) {
        if self.is_tap(key) {
            return out.drops.push(DropReason::TapReceived);
        }
        if self.port(key).unknown && !self.is_pair(key) {
            self.learned.insert((host, frame.source().to_vec()), (key, self.now));
        }
        if frame.is_multicast() {
            return self.flood((host, key), frame, out);
        }
        if frame.source() == frame.destination() {
            return out.drops.push(DropReason::SameMac);
        }
        let rules = self.rules(frame.symmetric());
        let best = |by_destination| {
            let address = if by_destination { frame.destination() } else { frame.source() };
            rules
                .iter()
                .filter(|rule| rule.by_destination == by_destination)
                .filter(|rule| rule.app.macs.iter().any(|mac| mac.0 == address))
                .filter(|rule| rule.from.as_ref().is_none_or(|from| from.contains(&key)))
                .filter(|rule| self.holds(rule, frame))
                .max_by_key(|rule| rule.priority)
        };
        let (one, other) = (best(true), best(false));
        if let (Some(one), Some(other)) = (one, other) {
            let tie = one.priority == other.priority && one.forward != other.forward;
            out.conflicts += u64::from(tie && one.classifier != other.classifier);
        }
        let best = match (one, other) {
            (Some(one), Some(other)) if other.priority > one.priority => Some(other),
            (one, other) => one.or(other),
        };
        let (say, taps) = best.map_or((Say::Next, vec![]), |rule| (rule.say, rule.taps.clone()));
        let mut copies = Outcome::default();
        for tap in taps {
            self.output(host, key, tap, frame, &mut copies);
        }
        match say {
            Say::Drop(reason) => out.drops.push(reason),
            Say::Next => self.switch(host, key, frame, out),
            Say::Output(to) => self.output(host, key, to, frame, out),
            Say::Home(to) if self.is_local(host, to) => {
                // Copies leave before the frame enters again.
                out.left.append(&mut copies.left);
                self.output(host, to, to, frame, out);
            }
            Say::Home(to) => self.output(host, to, to, frame, out),
        }
        out.left.append(&mut copies.left);
    }

    fn is_local(&self, host: u16, key: u16) -> bool {
        self.port(key).host.is_none_or(|at| at == host)
    }

    /// From stage 11 on.
    fn switch(&self, host: u16, key: u16, frame: &Frame, out: &mut Outcome) {
        let owner = self
            .net
            .ports
            .iter()
            .find(|port| port.macs.iter().any(|mac| mac.0 == frame.destination()))
            .map(|port| port.key);
        let seen = self.learned.get(&(host, frame.destination().to_vec()));
        let seen = seen.filter(|(_, at)| self.now - at <= 300_000_000_000).map(|(key, _)| *key);
        let seen =
            seen.filter(|key| self.net.ports.iter().any(|port| port.key == *key && port.unknown));
        if let Some(to) = owner.or(seen) {
            return self.output(host, key, to, frame, out);
        }
        let unknown = self.net.ports.iter().filter(|port| port.unknown);
        let to: Vec<_> =
            unknown.filter(|port| port.key != key && !self.is_pair(port.key)).collect();
        if to.is_empty() {
            return out.drops.push(DropReason::L2Unknown);
        }
        for port in to {
            match port.host.filter(|at| *at != host) {
                Some(at) => Self::carry([host, at], key, port.key, frame, out),
                None => out.left.push(left(host, port.key, &frame.bytes)),
            }
        }
    }

    /// To all ports of the switch.
    fn flood(&self, (host, key): (u16, u16), frame: &Frame, out: &mut Outcome) {
        let members: Vec<_> =
            self.net.ports.iter().filter(|port| !self.is_pair(port.key)).collect();
        let before = out.left.len();
        for port in &members {
            if port.key != key && port.host.is_none_or(|at| at == host) {
                out.left.push(left(host, port.key, &frame.bytes));
            }
        }
        for other in (0..self.net.hosts).filter(|other| *other != host) {
            if members.iter().any(|port| port.host == Some(other)) {
                Self::carry([host, other], key, 0x8000, frame, out);
            }
        }
        if out.left.len() == before {
            out.drops.push(DropReason::L2Unknown);
        }
    }

    fn carry(hosts: [u16; 2], key: u16, to: u16, frame: &Frame, out: &mut Outcome) {
        out.left.push(left(hosts[0], UNDERLAY.0, &frame.carried(hosts, key, to)));
    }

    /// A frame that came in at `key` leaves by `to`.
    fn output(&self, host: u16, key: u16, to: u16, frame: &Frame, out: &mut Outcome) {
        match self.port(to).host.filter(|at| *at != host) {
            Some(at) => Self::carry([host, at], key, to, frame, out),
            None => self.egress(host, key, to, frame, out),
        }
    }

    fn egress(&self, host: u16, key: u16, to: u16, frame: &Frame, out: &mut Outcome) {
        if key != to {
            out.left.push(left(host, to, &frame.bytes));
        } else if !self.loops(to) {
            out.drops.push(DropReason::Loopback);
        } else if out.entries == 4 {
            out.drops.push(DropReason::LoopBudget);
        } else {
            out.entries += 1;
            self.switch(host, to, frame, out);
        }
    }

    /// A frame comes in at a host by a tunnel.
    pub(crate) fn enters_by_tunnel(
        &self,
        host: u16,
        [key, to]: [u16; 2],
        frame: &Frame,
        out: &mut Outcome,
    ) {
        if to != 0x8000 {
            if !self.net.ports.iter().any(|port| port.key == to) {
                return out.drops.push(DropReason::BadGeneve);
            }
            if !self.is_local(host, to) {
                return out.drops.push(DropReason::NotLocal);
            }
            return self.egress(host, key, to, frame, out);
        }
        for port in &self.net.ports {
            if port.key != key && port.host == Some(host) && !self.is_pair(port.key) {
                out.left.push(left(host, port.key, &frame.bytes));
            }
        }
        if out.left.is_empty() {
            out.drops.push(DropReason::L2Unknown);
        }
    }
}
