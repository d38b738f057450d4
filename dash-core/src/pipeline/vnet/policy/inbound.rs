//! Inbound routing rules. DASH HLD, `DASH_ROUTE_RULE_TABLE`.
//!
//! The rules of one ENI and VNI are two groups of the classifier, one for each IP version of the
//! underlay: source prefix and customer protocol, first match. A group is replaced whole.

use core::cmp::Ordering;

use smoltcp::wire::{IpAddress, IpCidr, IpVersion};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{EniId, Policy, PolicyError, PolicyWriter, VnetId, error::check_vni};
use crate::table::{
    TableError,
    acl::{Headers, Match, Rule},
};

/// What happens to the frames that a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InboundAction {
    /// They are dropped.
    Drop,
    /// They go to the VM.
    Decap {
        /// The VNET that they come from; absent: the ENI's.
        vnet: Option<VnetId>,
        /// Whether their underlay source must belong to that VNET.
        pa_validation: bool,
    },
}

const DECAP: u32 = 1;
const VALIDATE: u32 = 2;
const HAS_VNET: u32 = 4;

impl InboundAction {
    /// As the value of a classifier's rule: bits 0 to 2 are flags, 8 to 23 the VNET.
    #[must_use]
    pub const fn value(self) -> u32 {
        match self {
            Self::Drop => 0,
            Self::Decap { vnet, pa_validation } => {
                let source = match vnet {
                    Some(vnet) => HAS_VNET | (vnet.0 as u32) << 8,
                    None => 0,
                };
                DECAP | if pa_validation { VALIDATE } else { 0 } | source
            }
        }
    }

    const fn from_value(value: u32) -> Self {
        if value & DECAP == 0 {
            return Self::Drop;
        }
        let vnet = if value & HAS_VNET == 0 { None } else { Some(VnetId((value >> 8) as u16)) };
        Self::Decap { vnet, pa_validation: value & VALIDATE != 0 }
    }
}

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboundRule {
    /// Lower is looked at first.
    pub priority: u32,
    /// Underlay sources.
    pub prefix: IpCidr,
    /// Protocol of the customer frame; 0: any.
    pub protocol: u8,
    /// What happens.
    pub action: InboundAction,
}

impl InboundRule {
    /// The order in which rules are looked at: lower priority number first, of equal ones the
    /// longer prefix.
    #[must_use]
    pub fn order(&self, other: &Self) -> Ordering {
        let length = other.prefix.prefix_len().cmp(&self.prefix.prefix_len());
        self.priority.cmp(&other.priority).then(length)
    }

    /// As a rule of the classifier, for [`PolicyWriter::set_inbound_rules`].
    #[must_use]
    pub const fn rule(&self) -> Rule<'_> {
        Rule {
            priority: self.priority,
            value: self.action.value(),
            protocols: if self.protocol == 0 { &[] } else { core::slice::from_ref(&self.protocol) },
            sources: core::slice::from_ref(&self.prefix),
            destinations: &[],
            source_tags: &[],
            destination_tags: &[],
            source_ports: &[],
            destination_ports: &[],
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct InboundKey {
    eni: u32,
    vni: u32,
}

impl InboundKey {
    fn new(eni: EniId, vni: u32) -> Self {
        Self { eni: eni.0.into(), vni }
    }
}

impl Policy<'_> {
    /// Priority and action of the first rule of `eni` and `vni` that matches underlay source
    /// `source` and customer protocol `protocol`.
    #[must_use]
    pub fn inbound_rule(
        &self,
        eni: EniId,
        vni: u32,
        source: IpAddress,
        protocol: u8,
    ) -> Option<(u32, InboundAction)> {
        let key = InboundKey::new(eni, vni);
        let set = self.inbound_sets.get(&key)?;
        let group = inbound_group(self.acl_groups, set, source.version());
        let headers =
            Headers { source, destination: source, protocol, source_port: 0, destination_port: 0 };
        let Match::Rule { priority, value } = self.acl.classify(group, &headers) else {
            return None;
        };
        // The set's number may have gone to another key meanwhile.
        (self.inbound_sets.get(&key) == Some(set))
            .then(|| (priority, InboundAction::from_value(value)))
    }
}

/// The groups of inbound rules stand behind those of the ACL.
const fn inbound_group(acl_groups: u32, set: u32, version: IpVersion) -> u32 {
    acl_groups + 2 * set + matches!(version, IpVersion::Ipv6) as u32
}

impl PolicyWriter<'_> {
    /// Makes or replaces all rules of `eni` and `vni` whose prefixes are of `version`, whole.
    /// `rules` are those of [`InboundRule::rule`], in the order of [`InboundRule::order`]. Rules
    /// are not compared with the old ones: each call counts as a change of the ENI.
    ///
    /// # Errors
    /// `Disordered`, `VniTooLarge`, `Full`, `Busy`.
    pub fn set_inbound_rules(
        &mut self,
        eni: EniId,
        vni: u32,
        version: IpVersion,
        rules: &[Rule<'_>],
    ) -> Result<(), PolicyError> {
        check_vni(vni)?;
        check_order(version, rules)?;
        let key = InboundKey::new(eni, vni);
        let known = self.view.inbound_sets.get(&key);
        let Some(set) = known.or_else(|| self.free_inbound_set()) else {
            return Err(TableError::Full.into());
        };
        // A set that nobody has holds no rules, so that a key may come before its rules.
        if known.is_none() {
            self.inbound_sets.insert(&key, &set)?;
        }
        let group = inbound_group(self.view.acl_groups, set, version);
        if let Err(error) = self.acl.set_group(group, version, rules) {
            if known.is_none() {
                self.inbound_sets.remove(&key)?;
            }
            return Err(error.into());
        }
        self.inbound_numbers.add(set as usize);
        self.changes.mark_eni(eni);
        Ok(())
    }

    /// Removes all rules of `eni` and `vni`; idempotent.
    ///
    /// # Errors
    /// `Busy`.
    pub fn remove_inbound_rules(&mut self, eni: EniId, vni: u32) -> Result<(), PolicyError> {
        let key = InboundKey::new(eni, vni);
        if let Some(set) = self.view.inbound_sets.get(&key) {
            self.changes.mark_eni(eni);
            for version in [IpVersion::Ipv4, IpVersion::Ipv6] {
                self.acl.remove_group(inbound_group(self.view.acl_groups, set, version))?;
            }
            self.inbound_sets.remove(&key)?;
            self.inbound_numbers.remove(set as usize);
        }
        Ok(())
    }

    fn free_inbound_set(&self) -> Option<u32> {
        self.inbound_numbers.lowest_absent(self.capacity.inbound_sets).map(|set| set as u32)
    }
}

/// The classifier looks at rules of one priority in their given order.
fn check_order(version: IpVersion, rules: &[Rule<'_>]) -> Result<(), PolicyError> {
    let mut before = None;
    for rule in rules {
        let [prefix] = rule.sources else { return Err(PolicyError::Disordered) };
        let place = (rule.priority, core::cmp::Reverse(prefix.prefix_len()));
        if prefix.address().version() != version || before.is_some_and(|before| before > place) {
            return Err(PolicyError::Disordered);
        }
        before = Some(place);
    }
    Ok(())
}
