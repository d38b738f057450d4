//! Classification by groups of list rules, shared.
//!
//! A group is one word: its IP version and its first rule. The rules hang together in the order of
//! their priorities, and from each rule hang the lists of its fields; no list is expanded. A group
//! is built aside and published by the store of its word, so a look-up sees the old rules or the
//! new ones. A rule names a tag by number; the prefixes of the tags are the tables of one
//! [`Poptrie`], shared by all groups, so a prefix comes and goes without a group being touched.
//!
//! Memory, in 32-bit words: 9 a node (one node for each rule and each list element), 1 a group, and
//! [`PoptrieWriter::words_for`] for the tags. Replacing a group takes the nodes of the old and of the
//! new rules at the same time.
//!
//! Time: a classification looks at the rules in order up to the first match, and at each list up
//! to the first match: at most the nodes of the group, and one longest-prefix look-up for each tag
//! among them. Building a group costs its nodes, and for each rule that does not come in the order
//! of priorities a walk over the rules before it.
use super::{
    Demand, TableError,
    pool::{NIL, Nodes, Pool},
    poptrie::{Poptrie, PoptrieWriter, aligned, mask},
    quiescence::Readers,
};
use core::{
    iter,
    ops::RangeInclusive,
    sync::atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, Release},
    },
};
use smoltcp::wire::{IpAddress, IpCidr, IpVersion};

/// The fields that rules look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers {
    /// Source address.
    pub source: IpAddress,
    /// Destination address, of the same family.
    pub destination: IpAddress,
    /// Upper-layer protocol.
    pub protocol: u8,
    /// Source port, 0 for protocols without ports.
    pub source_port: u16,
    /// Destination port, 0 for protocols without ports.
    pub destination_port: u16,
}

/// One rule. An empty list matches everything; else any element does. A side that has both
/// prefixes and tags is their union.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'r> {
    /// Lower is looked at first.
    pub priority: u32,
    /// What a match answers; the table does not look at it.
    pub value: u32,
    /// Upper-layer protocols.
    pub protocols: &'r [u8],
    /// Source prefixes.
    pub sources: &'r [IpCidr],
    /// Destination prefixes.
    pub destinations: &'r [IpCidr],
    /// Source tags.
    pub source_tags: &'r [u32],
    /// Destination tags.
    pub destination_tags: &'r [u32],
    /// Source ports.
    pub source_ports: &'r [RangeInclusive<u16>],
    /// Destination ports.
    pub destination_ports: &'r [RangeInclusive<u16>],
}

/// What a group says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// There is no such group.
    NoGroup,
    /// The group is of the other IP version.
    OtherVersion,
    /// No rule of the group matches.
    NoRule,
    /// The first rule that matches.
    Rule {
        /// Its priority, which names it within its group.
        priority: u32,
        /// Its value.
        value: u32,
    },
}

/// How much a classifier can hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// Groups are numbered 0 to `groups - 1`.
    pub groups: usize,
    /// Rules and list elements of all groups, old and new versions of a replaced group counted both.
    pub nodes: usize,
    /// Tags are numbered 0 to `tags - 1`.
    pub tags: usize,
    /// Prefixes of all tags; a prefix in two tags counts twice.
    pub tag_prefixes: usize,
}

/// The readers' view.
#[derive(Clone, Copy, Debug)]
pub struct Acl<'a> {
    groups: &'a [AtomicU32],
    nodes: Nodes<'a>,
    tags: Poptrie<'a>,
}

/// The only writer.
#[derive(Debug)]
pub struct AclWriter<'a> {
    table: Acl<'a>,
    pool: Pool<'a>,
    tags: PoptrieWriter<'a>,
    tag_count: usize,
}

/// Words of a node. A rule: next rule, priority, value, then the first elements of its protocols,
/// sources, destinations, source ports, destination ports. An element: next element, kind, operand.
const NODE_WORDS: usize = 8;
type Node = [u32; NODE_WORDS];

/// A group's word when there is no group.
const NO_GROUP: u32 = NIL;
/// Set in the word of a group of IPv6.
const GROUP_V6: u32 = 1 << 31;
/// The rest of a group's word: its first rule, or this, which is no node, when it has none.
const NO_RULE: u32 = super::pool::MAX_NODES as u32;

/// Kinds of elements of a side; a prefix has its length and [`V6_PREFIX`] or not.
const TAG: u32 = 1 << 31;
const V6_PREFIX: u32 = 1 << 8;

impl<'a> AclWriter<'a> {
    /// 32-bit words of storage.
    #[must_use]
    pub const fn words_for(capacity: &Capacity) -> usize {
        Pool::words_for(capacity.nodes, NODE_WORDS)
            .saturating_add(capacity.groups)
            .saturating_add(PoptrieWriter::words_for(capacity.tag_prefixes, capacity.tags))
    }

    /// No groups, no tags, over `words`.
    /// # Errors
    /// `StorageTooSmall`, `CapacityTooLarge`.
    pub fn new(
        words: &'a [AtomicU32],
        capacity: &Capacity,
        readers: Readers<'a>,
    ) -> Result<Self, TableError> {
        let (groups, words) =
            words.split_at_checked(capacity.groups).ok_or(TableError::StorageTooSmall)?;
        let (pool, nodes) = Pool::new(words, capacity.nodes, NODE_WORDS, readers)?;
        let words = words
            .get(Pool::words_for(capacity.nodes, NODE_WORDS)..)
            .and_then(|words| {
                words.get(..PoptrieWriter::words_for(capacity.tag_prefixes, capacity.tags))
            })
            .ok_or(TableError::StorageTooSmall)?;
        let tags = PoptrieWriter::new(words, capacity.tag_prefixes, capacity.tags, readers)?;
        for group in groups {
            group.store(NO_GROUP, Relaxed);
        }
        let table = Acl { groups, nodes, tags: tags.table() };
        Ok(Self { table, pool, tags, tag_count: capacity.tags })
    }

    /// The view for readers.
    #[must_use]
    pub fn table(&self) -> Acl<'a> {
        self.table
    }

    /// Nodes of `Capacity` that a group of these rules takes: one for each rule and one for each
    /// element of its lists.
    #[must_use]
    pub fn nodes_for(rules: &[Rule<'_>]) -> usize {
        rules
            .iter()
            .map(|rule| {
                1 + rule.protocols.len()
                    + rule.sources.len()
                    + rule.destinations.len()
                    + rule.source_tags.len()
                    + rule.destination_tags.len()
                    + rule.source_ports.len()
                    + rule.destination_ports.len()
            })
            .sum()
    }

    /// Nodes free now.
    #[must_use]
    pub fn room(&self) -> usize {
        self.pool.room()
    }

    /// Makes or replaces a group whole: readers see the old rules or the new ones. `rules` in any
    /// order; of two with one priority the earlier in the slice is looked at first.
    /// # Errors
    /// `Full`, `Busy`, `CapacityTooLarge` (group or tag number); the group is as it was.
    pub fn set_group(
        &mut self,
        group: u32,
        version: IpVersion,
        rules: &[Rule<'_>],
    ) -> Result<(), TableError> {
        let word = self.check_group(group, rules)?;
        self.pool.reserve(Self::nodes_for(rules))?;
        let first = AtomicU32::new(NO_RULE);
        // Where rules of priority `at` and above go; rules that come in order cost no walk.
        let (mut link, mut at) = (&first, 0);
        for rule in rules {
            if rule.priority < at {
                link = &first;
            }
            at = rule.priority;
            for _ in 0..self.table.nodes.count() {
                match self.table.nodes.get(link.load(Relaxed)) {
                    Some([next, priority, ..]) if priority.load(Relaxed) <= at => link = next,
                    _ => break,
                }
            }
            let node = [
                link.load(Relaxed),
                rule.priority,
                rule.value,
                self.list(rule.protocols.iter().copied().map(protocol))?,
                self.list(side(rule.sources, rule.source_tags))?,
                self.list(side(rule.destinations, rule.destination_tags))?,
                self.list(rule.source_ports.iter().map(ports))?,
                self.list(rule.destination_ports.iter().map(ports))?,
            ];
            link.store(self.put(&node)?, Relaxed);
        }
        let version = if version == IpVersion::Ipv6 { GROUP_V6 } else { 0 };
        self.publish(word, first.load(Relaxed) | version);
        Ok(())
    }

    /// Removes a group; idempotent. Never refused here: nothing is allocated.
    /// # Errors
    /// `Busy`.
    pub fn remove_group(&mut self, group: u32) -> Result<(), TableError> {
        if let Some(word) = self.table.groups.get(group as usize) {
            self.publish(word, NO_GROUP);
        }
        Ok(())
    }

    /// Adds a prefix to a tag; answers whether it was not there. Groups that use the tag see it at once.
    /// # Errors
    /// `Full`, `Busy`, `CapacityTooLarge`.
    pub fn add_to_tag(&mut self, tag: u32, prefix: IpCidr) -> Result<bool, TableError> {
        let new = self.table.tags.get(tag, prefix).is_none();
        if new {
            self.tags.insert(tag, prefix, 0)?;
        }
        Ok(new)
    }

    /// Takes a prefix from a tag; answers whether it was there. Never refused here: what is given
    /// back needs no memory.
    /// # Errors
    /// `Busy`.
    pub fn remove_from_tag(&mut self, tag: u32, prefix: IpCidr) -> Result<bool, TableError> {
        Ok(self.tags.remove(tag, prefix).is_some())
    }

    /// Counts the nodes of a group that is made or replaced in `nodes`. When this is not refused,
    /// none of the groups counted so far is, made together with removals in any order.
    /// # Errors
    /// `Full`: not in one transaction; `Busy`, `CapacityTooLarge` (group or tag number).
    pub fn admit_group(
        &mut self,
        group: u32,
        rules: &[Rule<'_>],
        nodes: &mut usize,
    ) -> Result<(), TableError> {
        self.check_group(group, rules)?;
        *nodes = nodes.saturating_add(Self::nodes_for(rules));
        self.pool.reserve(*nodes)
    }

    /// Counts a prefix that is added to a tag in `demand`, as [`PoptrieWriter::admit`] does.
    /// # Errors
    /// `Full`, `Busy`, `CapacityTooLarge`.
    pub fn admit_to_tag(
        &mut self,
        tag: u32,
        prefix: IpCidr,
        demand: &mut Demand,
    ) -> Result<(), TableError> {
        self.tags.admit(tag, prefix, demand)
    }

    /// Makes a place for a prefix of a tag, as [`PoptrieWriter::hold`] does.
    /// # Errors
    /// `Full`, `Busy`, `CapacityTooLarge`.
    pub fn hold_in_tag(&mut self, tag: u32, prefix: IpCidr) -> Result<(), TableError> {
        self.tags.hold(tag, prefix)
    }

    /// Gives back the place of a prefix that a tag does not have; idempotent.
    pub fn release_in_tag(&mut self, tag: u32, prefix: IpCidr) {
        self.tags.release(tag, prefix);
    }

    /// The word of a group, if there is one and the tags of `rules` are.
    fn check_group(&self, group: u32, rules: &[Rule<'_>]) -> Result<&'a AtomicU32, TableError> {
        let mut tags =
            rules.iter().flat_map(|rule| rule.source_tags.iter().chain(rule.destination_tags));
        if tags.any(|tag| *tag as usize >= self.tag_count) {
            return Err(TableError::CapacityTooLarge);
        }
        self.table.groups.get(group as usize).ok_or(TableError::CapacityTooLarge)
    }

    /// Changes a group's word and gives up the nodes it led to.
    fn publish(&mut self, word: &AtomicU32, value: u32) {
        let old = word.load(Relaxed);
        // Release: who reads this word finds the nodes written.
        word.store(value, Release);
        if old != NO_GROUP {
            self.pool.retire(self.table.members(old & !GROUP_V6));
        }
    }

    /// A list of `elements`, whose order does not matter; its first node.
    fn list(&mut self, elements: impl Iterator<Item = Node>) -> Result<u32, TableError> {
        let mut first = NIL;
        for mut element in elements {
            element[0] = first;
            first = self.put(&element)?;
        }
        Ok(first)
    }

    /// Writes a node that has been reserved.
    fn put(&mut self, node: &Node) -> Result<u32, TableError> {
        let index = self.pool.take()?;
        let words = self.table.nodes.get(index).ok_or(TableError::Full)?;
        for (to, from) in words.iter().zip(node) {
            to.store(*from, Relaxed);
        }
        Ok(index)
    }
}

fn protocol(protocol: u8) -> Node {
    [NIL, u32::from(protocol), 0, 0, 0, 0, 0, 0]
}

/// First and last port; an empty range becomes one that contains nothing.
fn ports(range: &RangeInclusive<u16>) -> Node {
    let (first, last) = if range.is_empty() { (1, 0) } else { (*range.start(), *range.end()) };
    [NIL, u32::from(first), u32::from(last), 0, 0, 0, 0, 0]
}

/// The prefixes and tags of one side, which are united.
fn side<'r>(prefixes: &'r [IpCidr], tags: &'r [u32]) -> impl Iterator<Item = Node> + 'r {
    let prefixes = prefixes.iter().map(|prefix| {
        let bits = aligned(&prefix.address()) & mask(prefix.prefix_len());
        let family = if prefix.address().version() == IpVersion::Ipv6 { V6_PREFIX } else { 0 };
        let [a, b, c, d] = [96, 64, 32, 0].map(|shift| (bits >> shift) as u32);
        [NIL, family | u32::from(prefix.prefix_len()), a, b, c, d, 0, 0]
    });
    prefixes.chain(tags.iter().map(|tag| [NIL, TAG, *tag, 0, 0, 0, 0, 0]))
}

impl Acl<'_> {
    /// The first rule of `group` that matches. Headers whose two addresses are not both of the
    /// group's version are `OtherVersion`.
    #[must_use]
    pub fn classify(&self, group: u32, headers: &Headers) -> Match {
        let Some(word) = self.groups.get(group as usize) else { return Match::NoGroup };
        // Acquire: pairs with the store that published the group.
        let word = word.load(Acquire);
        if word == NO_GROUP {
            return Match::NoGroup;
        }
        let version = if word & GROUP_V6 == 0 { IpVersion::Ipv4 } else { IpVersion::Ipv6 };
        if headers.source.version() != version || headers.destination.version() != version {
            return Match::OtherVersion;
        }
        self.walk(word & !GROUP_V6)
            .find(|(_, rule)| self.matches(rule, headers))
            .map_or(Match::NoRule, |(_, [_, priority, value, ..])| Match::Rule { priority, value })
    }

    fn matches(&self, rule: &Node, headers: &Headers) -> bool {
        let [_, _, _, protocols, sources, destinations, source_ports, destination_ports] = *rule;
        let port = |[_, first, last, ..]: &Node, port: u16| (*first..=*last).contains(&port.into());
        self.any(protocols, |[_, protocol, ..]| *protocol == headers.protocol.into())
            && self.any(source_ports, |ports| port(ports, headers.source_port))
            && self.any(destination_ports, |ports| port(ports, headers.destination_port))
            && self.any(sources, |element| self.covers(element, headers.source))
            && self.any(destinations, |element| self.covers(element, headers.destination))
    }

    /// Whether the list is empty or has an element that `matches`.
    fn any(&self, first: u32, matches: impl Fn(&Node) -> bool) -> bool {
        first == NIL || self.walk(first).any(|(_, element)| matches(&element))
    }

    /// Whether an element of a side covers `address`.
    fn covers(&self, element: &Node, address: IpAddress) -> bool {
        let [_, kind, a, b, c, d, ..] = *element;
        if kind == TAG {
            return self.tags.lookup(a, address).is_some();
        }
        let family = if address.version() == IpVersion::Ipv6 { V6_PREFIX } else { 0 };
        let prefix = [a, b, c, d].iter().fold(0, |bits, word| bits << 32 | u128::from(*word));
        kind & V6_PREFIX == family && aligned(&address) & mask(kind as u8) == prefix
    }

    /// The nodes of a list. Bounded: nodes in use are in one list, once.
    fn walk(&self, first: u32) -> impl Iterator<Item = (u32, Node)> {
        let mut index = first;
        iter::from_fn(move || {
            let mut node = [NIL; NODE_WORDS];
            for (to, from) in node.iter_mut().zip(self.nodes.get(index)?) {
                *to = from.load(Relaxed);
            }
            let [next, ..] = node;
            Some((core::mem::replace(&mut index, next), node))
        })
        .take(self.nodes.count())
    }

    /// All nodes of a group: its rules and their elements.
    fn members(&self, first: u32) -> impl Iterator<Item = u32> {
        self.walk(first).flat_map(|(index, [_, _, _, lists @ ..])| {
            let elements = lists.into_iter().flat_map(|list| self.walk(list));
            iter::once(index).chain(elements.map(|(element, _)| element))
        })
    }
}
