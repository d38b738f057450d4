//! Changes of policy as bytes.
//!
//! First come all lists of rules, in the order of the changes that take them, then the changes,
//! each part behind its count.
//! So the lists are decoded once, into memory of the caller, and a walk over the changes decodes
//! one after the other: a rule costs its lists' elements and about 120 bytes of memory, any other
//! change nothing.

use core::mem::MaybeUninit;

use dash_core::{pipeline::vnet::policy::Change, table::acl::Rule};

use crate::{
    DecodeError,
    arena::{Arena, Lists, Size},
    codec::{Get, Put, Reader, choices, put_count, put_list},
};

/// Writes `changes`; [`Changes::decode`] reads them.
pub fn encode<'r>(changes: impl Iterator<Item = Change<'r>> + Clone, out: &mut impl Extend<u8>) {
    let lists = changes.clone().filter_map(|change| rules_of(&change));
    put_count(lists.clone().count(), out);
    for rules in lists {
        put_count(rules.len(), out);
        for rule in rules {
            put_rule(rule, out);
        }
    }
    put_count(changes.clone().count(), out);
    for change in changes {
        change.put(out);
    }
}

/// Changes in their order, each decoded when it is asked for.
#[derive(Clone, Debug)]
pub struct Changes<'r>(Reader<'r>);

impl<'r> Changes<'r> {
    /// Checks all of `bytes` and takes memory for the lists of rules in them.
    ///
    /// # Errors
    /// The bytes are not what [`encode`] wrote; `Memory`: see [`memory`](Self::memory).
    pub fn decode(bytes: &'r [u8], memory: &'r mut [MaybeUninit<u8>]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let rules = rule_lists(&mut reader, &mut Arena::new(memory))?;
        let count = reader.count()?;
        let changes = Reader { bytes: reader.bytes, rules: rules.iter() };
        let mut check = changes.clone();
        for _ in 0..count {
            Change::get(&mut check)?;
        }
        if check.bytes.is_empty() && check.rules.len() == 0 {
            Ok(Self(changes))
        } else {
            Err(DecodeError::Trailing)
        }
    }

    /// The bytes of memory that suffice to decode `bytes` here, and wherever pointers are not
    /// wider.
    ///
    /// # Errors
    /// The lists of rules are damaged; the changes behind them are not looked at.
    pub fn memory(bytes: &[u8]) -> Result<usize, DecodeError> {
        let mut size = Size::default();
        rule_lists(&mut Reader::new(bytes), &mut size)?;
        Ok(size.bytes())
    }
}

impl<'r> Iterator for Changes<'r> {
    type Item = Change<'r>;

    fn next(&mut self) -> Option<Change<'r>> {
        if self.0.bytes.is_empty() {
            return None;
        }
        // All of them were read once already.
        Change::get(&mut self.0).ok()
    }
}

const fn rules_of<'r>(change: &Change<'r>) -> Option<&'r [Rule<'r>]> {
    match change {
        Change::SetAclGroup(_, _, rules) | Change::SetInboundRules(_, _, _, rules) => Some(rules),
        _ => None,
    }
}

fn put_rule(rule: &Rule<'_>, out: &mut impl Extend<u8>) {
    rule.priority.put(out);
    rule.value.put(out);
    rule.protocols.put(out);
    put_list(rule.sources, out);
    put_list(rule.destinations, out);
    put_list(rule.source_tags, out);
    put_list(rule.destination_tags, out);
    put_list(rule.source_ports, out);
    put_list(rule.destination_ports, out);
}

fn rule_lists<'r>(
    reader: &mut Reader<'r>,
    lists: &mut impl Lists<'r>,
) -> Result<&'r [&'r [Rule<'r>]], DecodeError> {
    let count = reader.count()?;
    lists.list(count, |lists| {
        let count = reader.count()?;
        lists.list(count, |lists| get_rule(reader, lists))
    })
}

fn get_rule<'r>(
    reader: &mut Reader<'r>,
    lists: &mut impl Lists<'r>,
) -> Result<Rule<'r>, DecodeError> {
    Ok(Rule {
        priority: Get::get(reader)?,
        value: Get::get(reader)?,
        protocols: Get::get(reader)?,
        sources: get_list(reader, lists)?,
        destinations: get_list(reader, lists)?,
        source_tags: get_list(reader, lists)?,
        destination_tags: get_list(reader, lists)?,
        source_ports: get_list(reader, lists)?,
        destination_ports: get_list(reader, lists)?,
    })
}

fn get_list<'r, T: Get<'r> + 'r>(
    reader: &mut Reader<'r>,
    lists: &mut impl Lists<'r>,
) -> Result<&'r [T], DecodeError> {
    let count = reader.count()?;
    lists.list(count, |_| T::get(reader))
}

impl Put for &[Rule<'_>] {
    /// Stands in front of all changes.
    fn put(&self, _: &mut impl Extend<u8>) {}
}

impl<'a> Get<'a> for &'a [Rule<'a>] {
    fn get(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.rules.next().copied().ok_or(DecodeError::Truncated)
    }
}

choices! {
    Change<'a> {
        0 => SetAppliance(id, appliance),
        1 => RemoveAppliance(id),
        2 => SetDirection(vni, entry),
        3 => RemoveDirection(vni),
        4 => SetVnet(id, vni),
        5 => RemoveVnet(id),
        6 => SetRoutingType(id, vni),
        7 => RemoveRoutingType(id),
        8 => SetRouteGroup(id, group),
        9 => RemoveRouteGroup(id),
        10 => SetRoute(group, prefix, route),
        11 => RemoveRoute(group, prefix),
        12 => SetMapping(vnet, customer, mapping),
        13 => RemoveMapping(vnet, customer),
        14 => AddPaPrefix(vni, prefix),
        15 => RemovePaPrefix(vni, prefix),
        16 => AddTagPrefix(tag, prefix),
        17 => RemoveTagPrefix(tag, prefix),
        18 => SetAclGroup(id, version, rules),
        19 => RemoveAclGroup(id),
        20 => SetInboundRules(eni, vni, version, rules),
        21 => RemoveInboundRules(eni, vni),
        22 => AddTrustedVnis(owner, first, last),
        23 => RemoveTrustedVnis(owner, first, last),
        24 => SetUnderlayRoute(prefix, action),
        25 => RemoveUnderlayRoute(prefix),
        26 => SetEni(id, eni),
        27 => RemoveEni(id),
    }
}
