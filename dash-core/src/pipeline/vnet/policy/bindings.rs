//! Which ACL groups are there and where they are bound, as of the change that was looked at last.
//!
//! A group that is bound is not removed, and is of the IP version that it is bound under; one that
//! is not there yet may be bound, and then comes as of that version only. A transaction is checked
//! before its first change is made, each change against what the earlier ones make of the tables:
//! that state is here, and read from the tables again when it is not known to be theirs.
//!
//! Memory: 20 words an ENI and a word a group. Time: a change of a group looks at all ENIs.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use smoltcp::wire::IpVersion;

use super::{
    AclGroupId, EniId, PolicyError, PolicyWriter,
    eni::{ABSENT, ACL_STAGES, AclBindings},
};

/// Stages of an ENI: for each direction those of IPv4, then those of IPv6.
const STAGES: usize = 4 * ACL_STAGES;
/// The IP versions of an ENI's tables.
const VERSIONS: [IpVersion; 4] =
    [IpVersion::Ipv4, IpVersion::Ipv6, IpVersion::Ipv4, IpVersion::Ipv6];

/// Belongs to the writer.
#[derive(Debug)]
pub(super) struct Bindings<'a> {
    /// The group of each stage of each ENI.
    stages: &'a [AtomicU32],
    /// The IP version of each group.
    versions: &'a [AtomicU32],
    known: bool,
}

/// A group's version as a word.
const fn code(version: Option<IpVersion>) -> u32 {
    match version {
        None => 0,
        Some(IpVersion::Ipv4) => 4,
        Some(IpVersion::Ipv6) => 6,
    }
}

impl<'a> Bindings<'a> {
    pub(super) const fn words_for(enis: usize, groups: usize) -> usize {
        enis.saturating_mul(STAGES).saturating_add(groups)
    }

    /// Over `words`, as many as [`Self::words_for`].
    pub(super) fn new(words: &'a [AtomicU32], groups: usize) -> Self {
        let (versions, stages) = words.split_at(groups.min(words.len()));
        Self { stages, versions, known: false }
    }

    /// The tables are to be read before the next change is looked at.
    pub(super) const fn forget(&mut self) {
        self.known = false;
    }

    /// An ENI with its groups, those that are there of the version that they are bound under.
    pub(super) fn set_eni(&self, id: EniId, acl: &AclBindings) -> Result<(), PolicyError> {
        for (stages, version) in acl.all().iter().zip(VERSIONS) {
            for group in stages.iter().flatten() {
                let there = self.versions.get(group.0 as usize);
                let there = there.map_or(code(None), |version| version.load(Relaxed));
                if there != code(None) && there != code(Some(version)) {
                    return Err(PolicyError::AclGroupVersion);
                }
            }
        }
        let groups = acl.all().into_iter().flatten();
        for (stage, group) in self.of_eni(id).iter().zip(groups) {
            stage.store(group.map_or(ABSENT, |group| group.0), Relaxed);
        }
        Ok(())
    }

    pub(super) fn remove_eni(&self, id: EniId) {
        for stage in self.of_eni(id) {
            stage.store(ABSENT, Relaxed);
        }
    }

    /// A group, which nothing binds under the other version.
    pub(super) fn set_group(
        &self,
        group: AclGroupId,
        version: IpVersion,
    ) -> Result<(), PolicyError> {
        if self.bound(group).any(|under| under != version) {
            return Err(PolicyError::AclGroupVersion);
        }
        self.set_version(group, Some(version));
        Ok(())
    }

    /// No group, which nothing binds.
    pub(super) fn remove_group(&self, group: AclGroupId) -> Result<(), PolicyError> {
        if self.bound(group).next().is_some() {
            return Err(PolicyError::AclGroupBound);
        }
        self.set_version(group, None);
        Ok(())
    }

    /// The versions that a group is bound under, one for each stage.
    fn bound(&self, group: AclGroupId) -> impl Iterator<Item = IpVersion> {
        let tables = self.stages.chunks(ACL_STAGES).zip(VERSIONS.into_iter().cycle());
        tables.flat_map(move |(stages, version)| {
            let bound = stages.iter().filter(move |stage| stage.load(Relaxed) == group.0);
            bound.map(move |_| version)
        })
    }

    fn set_version(&self, group: AclGroupId, version: Option<IpVersion>) {
        if let Some(word) = self.versions.get(group.0 as usize) {
            word.store(code(version), Relaxed);
        }
    }

    fn of_eni(&self, id: EniId) -> &'a [AtomicU32] {
        let from = usize::from(id.0).saturating_mul(STAGES);
        self.stages.get(from..from.saturating_add(STAGES)).unwrap_or_default()
    }
}

impl<'a> PolicyWriter<'a> {
    /// As of the change that was looked at last, or of the tables.
    pub(super) fn bindings(&mut self) -> &Bindings<'a> {
        if !self.bindings.known {
            self.bindings.known = true;
            for stage in self.bindings.stages {
                stage.store(ABSENT, Relaxed);
            }
            for group in 0..self.view.acl_groups {
                self.bindings.set_version(AclGroupId(group), self.view.acl.ip_version(group));
            }
            for (id, eni) in self.all_enis() {
                // Was admitted when it came.
                let _ = self.bindings.set_eni(id, &eni.acl);
            }
        }
        &self.bindings
    }
}
