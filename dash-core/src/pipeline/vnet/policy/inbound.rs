//! Inbound routing rules. DASH HLD, `DASH_ROUTE_RULE_TABLE`.
//!
//! The rules of one ENI, VNI and IP version of the underlay are a group of the classifier: source
//! prefix and customer protocol, first match. A group is replaced whole.

use core::cmp::Ordering;

use smoltcp::wire::{IpAddress, IpCidr, IpVersion};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{EniId, Policy, PolicyError, PolicyWriter, VnetId, demands::Demands, error::check_vni};
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
    eni: u16,
    v6: u16,
    vni: u32,
}

impl InboundKey {
    fn new(eni: EniId, vni: u32, version: IpVersion) -> Self {
        Self { eni: eni.0, v6: u16::from(version == IpVersion::Ipv6), vni }
    }
}

/// Groups of one ENI and VNI.
pub(super) const VERSIONS: usize = 2;

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
        let key = InboundKey::new(eni, vni, source.version());
        let number = self.inbound_sets.get(&key)?;
        let headers =
            Headers { source, destination: source, protocol, source_port: 0, destination_port: 0 };
        let group = self.acl.classify(self.inbound_group(number), &headers);
        let Match::Rule { priority, value } = group else {
            return None;
        };
        // The number may have gone to another key meanwhile.
        (self.inbound_sets.get(&key) == Some(number))
            .then(|| (priority, InboundAction::from_value(value)))
    }

    /// The groups of inbound rules stand behind those of the ACL.
    const fn inbound_group(&self, number: u32) -> u32 {
        self.acl_groups + number
    }
}

impl PolicyWriter<'_> {
    /// Makes or replaces all rules of `eni` and `vni` whose prefixes are of `version`, whole.
    /// `rules` are those of [`InboundRule::rule`], in the order of [`InboundRule::order`]. Rules
    /// are not compared with the old ones: each call counts as a change of the ENI.
    ///
    /// # Errors
    /// `Disordered`, `VniTooLarge`, `CapacityTooLarge` (a tag's number), `Full`, `Busy`.
    pub fn set_inbound_rules(
        &mut self,
        eni: EniId,
        vni: u32,
        version: IpVersion,
        rules: &[Rule<'_>],
    ) -> Result<(), PolicyError> {
        check_vni(vni)?;
        check_order(version, rules)?;
        let key = InboundKey::new(eni, vni, version);
        let known = self.view.inbound_sets.get(&key);
        let number = known.or_else(|| self.free_inbound_number()).ok_or(TableError::Full)?;
        // A number that nobody has holds no rules, so that a key may come before its rules.
        if known.is_none() {
            self.inbound_sets.insert(&key, &number)?;
        }
        let group = self.view.inbound_group(number);
        if let Err(error) = self.acl.set_group(group, version, rules) {
            if known.is_none() {
                self.inbound_sets.remove(&key);
            }
            return Err(error.into());
        }
        self.inbound_numbers.add(number as usize);
        self.changes.mark_eni(eni);
        Ok(())
    }

    /// What [`Self::set_inbound_rules`] asks for.
    pub(super) fn admit_inbound_rules(
        &mut self,
        eni: EniId,
        vni: u32,
        version: IpVersion,
        rules: &[Rule<'_>],
        demands: &mut Demands,
    ) -> Result<(), PolicyError> {
        check_vni(vni)?;
        check_order(version, rules)?;
        let key = InboundKey::new(eni, vni, version);
        self.inbound_sets.admit(&key, &mut demands.inbound_sets)?;
        let known = self.view.inbound_sets.get(&key);
        let number = known.or_else(|| self.free_inbound_number()).ok_or(TableError::Full)?;
        let group = self.view.inbound_group(number);
        Ok(self.acl.admit_group(group, rules)?)
    }

    /// Removes all rules of `eni` and `vni`; idempotent.
    ///
    /// # Errors
    /// `Busy`.
    pub fn remove_inbound_rules(&mut self, eni: EniId, vni: u32) -> Result<(), PolicyError> {
        for version in [IpVersion::Ipv4, IpVersion::Ipv6] {
            let key = InboundKey::new(eni, vni, version);
            if let Some(number) = self.view.inbound_sets.get(&key) {
                self.changes.mark_eni(eni);
                self.acl.remove_group(self.view.inbound_group(number))?;
                self.inbound_sets.remove(&key);
                self.inbound_numbers.remove(number as usize);
            }
        }
        Ok(())
    }

    fn free_inbound_number(&self) -> Option<u32> {
        let groups = self.capacity.inbound_groups();
        self.inbound_numbers.lowest_absent(groups).map(|number| number as u32)
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
