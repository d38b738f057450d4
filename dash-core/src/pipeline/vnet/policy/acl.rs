//! ACL groups and tags. DASH HLD, `DASH_ACL_GROUP_TABLE`, `DASH_ACL_RULE_TABLE`,
//! `DASH_PREFIX_TAG_TABLE`.

use smoltcp::wire::{IpCidr, IpVersion};

use super::{AclGroupId, Policy, PolicyError, PolicyWriter, TagId};
use crate::table::{
    TableError,
    acl::{Headers, Match, Rule},
};

/// What a rule says of the frames that it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AclAction {
    /// `permit`, or `deny`.
    pub permit: bool,
    /// Whether no later stage is asked.
    pub terminating: bool,
}

/// A rule's counter: the number of a place in what each core
/// [counts rules](crate::pipeline::vnet::Vnet::count_rules) with. Who makes the rules gives the
/// numbers out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleCounterId(pub u32);

/// Where the counter's number, plus 1, stands in a value.
const COUNTER: u32 = 2;

impl RuleCounterId {
    /// From the `value` of a classifier's rule.
    pub(in super::super) const fn from_value(value: u32) -> Option<Self> {
        match (value >> COUNTER).checked_sub(1) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }
}

impl AclAction {
    /// As the `value` of a classifier's rule that is not counted.
    #[must_use]
    pub const fn value(self) -> u32 {
        self.permit as u32 | (self.terminating as u32) << 1
    }

    /// As the `value` of a classifier's rule that is counted, if the number is below 2³⁰ - 1.
    #[must_use]
    pub const fn counted(self, counter: RuleCounterId) -> u32 {
        const NONE: u32 = (1 << (u32::BITS - COUNTER)) - 1;
        if counter.0 < NONE { self.value() | (counter.0 + 1) << COUNTER } else { self.value() }
    }

    /// From the `value` of a classifier's rule.
    #[must_use]
    pub const fn from_value(value: u32) -> Self {
        Self { permit: value & 1 != 0, terminating: value & 2 != 0 }
    }
}

impl Policy<'_> {
    /// What an ACL group says of a frame; the value of a rule is an [`AclAction`].
    #[must_use]
    pub fn classify(&self, group: AclGroupId, headers: &Headers) -> Match {
        // Numbers past the groups belong to inbound rules.
        if group.0 >= self.acl_groups {
            return Match::NoGroup;
        }
        self.acl.classify(group.0, headers)
    }
}

impl PolicyWriter<'_> {
    /// Makes or replaces an ACL group whole: cores see the old rules or the new ones. The `value`
    /// of a rule is that of its [`AclAction`]. Rules are not compared with the old ones: each call
    /// counts as a change of the ENIs that bind the group. A group that nothing binds may change
    /// its IP version.
    ///
    /// # Errors
    /// `CapacityTooLarge` (number of the group or of a tag), `AclGroupVersion` (it is bound under
    /// the other IP version), `Full`, `Busy`.
    pub fn set_acl_group(
        &mut self,
        group: AclGroupId,
        version: IpVersion,
        rules: &[Rule<'_>],
    ) -> Result<(), PolicyError> {
        self.admit_acl_group(group, version, rules)?;
        if let Err(error) = self.acl.set_group(group.0, version, rules) {
            self.bindings.forget();
            return Err(error.into());
        }
        self.changes.mark_acl_group(group);
        Ok(())
    }

    /// What [`Self::set_acl_group`] asks for.
    pub(super) fn admit_acl_group(
        &mut self,
        group: AclGroupId,
        version: IpVersion,
        rules: &[Rule<'_>],
    ) -> Result<(), PolicyError> {
        self.check_acl_group(group)?;
        self.acl.admit_group(group.0, rules)?;
        self.bindings().set_group(group, version)
    }

    /// Removes an ACL group and its rules; idempotent.
    ///
    /// # Errors
    /// `CapacityTooLarge`, `AclGroupBound` (a stage of an ENI has it), `Busy`.
    pub fn remove_acl_group(&mut self, group: AclGroupId) -> Result<(), PolicyError> {
        self.admit_acl_removal(group)?;
        self.acl.remove_group(group.0)?;
        self.changes.mark_acl_group(group);
        Ok(())
    }

    /// What [`Self::remove_acl_group`] asks for.
    pub(super) fn admit_acl_removal(&mut self, group: AclGroupId) -> Result<(), PolicyError> {
        self.check_acl_group(group)?;
        self.bindings().remove_group(group)
    }

    /// Adds a prefix to a tag; idempotent. Groups that use the tag see it at once.
    ///
    /// # Errors
    /// `CapacityTooLarge`, `Full`, `Busy`.
    pub fn add_tag_prefix(&mut self, tag: TagId, prefix: IpCidr) -> Result<(), PolicyError> {
        if self.acl.add_to_tag(tag.0, prefix)? {
            self.changes.mark_all();
        }
        Ok(())
    }

    /// Takes a prefix from a tag; idempotent.
    ///
    /// # Errors
    /// `CapacityTooLarge`, `Busy`.
    pub fn remove_tag_prefix(&mut self, tag: TagId, prefix: IpCidr) -> Result<(), PolicyError> {
        if self.acl.remove_from_tag(tag.0, prefix)? {
            self.changes.mark_all();
        }
        Ok(())
    }

    fn check_acl_group(&self, group: AclGroupId) -> Result<(), PolicyError> {
        if group.0 < self.view.acl_groups {
            Ok(())
        } else {
            Err(TableError::CapacityTooLarge.into())
        }
    }
}
