//! ACL groups and where they are bound, change by change.

use std::sync::atomic::AtomicU32;

use dash_core::{
    pipeline::vnet::policy::{
        AclBindings, AclGroupId, ApplianceId, Capacity, Change, Eni, EniId, PolicyError,
        PolicyWriter, Rejected, VnetId,
    },
    table::{acl, quiescence::Readers},
};
use smoltcp::wire::{
    EthernetAddress, IpAddress,
    IpVersion::{self, Ipv4, Ipv6},
};

use crate::{lookups::answers, versions};

const CAPACITY: Capacity = Capacity {
    enis: 2,
    acl: acl::Capacity { groups: 3, words: 1 << 15, tags: 0, tag_prefixes: 0 },
    ..Capacity::NONE
};
const BOUND: PolicyError = PolicyError::AclGroupBound;
const VERSION: PolicyError = PolicyError::AclGroupVersion;

/// An ENI with one bound group, if any.
fn eni(id: u16, bound: Option<(u32, IpVersion)>) -> Change<'static> {
    let mut acl = AclBindings::default();
    match bound {
        Some((group, Ipv4)) => acl.outbound_v4[4] = Some(AclGroupId(group)),
        Some((group, Ipv6)) => acl.inbound_v6[0] = Some(AclGroupId(group)),
        None => {}
    }
    let eni = Eni {
        mac: EthernetAddress([2, 0, 0, 0, 0, id as u8]),
        enabled: true,
        underlay_ip: IpAddress::v4(10, 0, 0, 1),
        vnet: VnetId(0),
        appliance: ApplianceId(0),
        vm_vni: None,
        route_group: None,
        acl,
    };
    Change::SetEni(EniId(id), eni)
}

const fn no_eni(id: u16) -> Change<'static> {
    Change::RemoveEni(EniId(id))
}

const fn group(group: u32, version: IpVersion) -> Change<'static> {
    Change::SetAclGroup(AclGroupId(group), version, &[])
}

const fn no_group(group: u32) -> Change<'static> {
    Change::RemoveAclGroup(AclGroupId(group))
}

/// One transaction after the other, each with the change that is refused; of those nothing is seen.
fn story(transactions: &[(&[Change<'static>], Result<(), Rejected>)]) {
    let words: Vec<_> = (0..CAPACITY.words()).map(|_| AtomicU32::new(0)).collect();
    let mut writer = PolicyWriter::new(&words, &CAPACITY, [1, 2], Readers::new(&[])).unwrap();
    for (number, (changes, expected)) in transactions.iter().enumerate() {
        let before = (answers(&writer.policy()), versions(&writer, &CAPACITY));
        let result = writer.apply(changes.iter().copied());
        assert_eq!(result, *expected, "transaction {number}");
        if result.is_err() {
            let after = (answers(&writer.policy()), versions(&writer, &CAPACITY));
            assert_eq!(after, before, "transaction {number}");
        }
    }
}

const fn refused(index: usize, error: PolicyError) -> Result<(), Rejected> {
    Err(Rejected { index, error })
}

#[test]
fn a_bound_group_is_not_removed() {
    let bound = eni(0, Some((0, Ipv4)));
    story(&[
        (&[group(0, Ipv4), group(1, Ipv4), bound], Ok(())),
        (&[no_group(1), no_group(0)], refused(1, BOUND)),
        (&[group(0, Ipv4), no_group(0)], refused(1, BOUND)),
        // Another ENI still has it.
        (&[eni(1, Some((0, Ipv4))), eni(0, None), no_group(0)], refused(2, BOUND)),
        (&[eni(1, Some((0, Ipv4)))], Ok(())),
        (&[no_eni(0), no_group(0)], refused(1, BOUND)),
        // The order of the changes counts.
        (&[no_group(0), eni(0, None), no_eni(1)], refused(0, BOUND)),
        (&[eni(0, None), no_eni(1), no_group(0), no_group(0)], Ok(())),
        (&[no_group(0), bound], Ok(())),
        // Not there, and bound all the same.
        (&[no_group(0)], refused(0, BOUND)),
        (&[no_eni(0), no_group(0), no_group(1)], Ok(())),
    ]);
}

#[test]
fn a_group_is_of_the_version_that_it_is_bound_under() {
    let (v4, v6) = (eni(0, Some((0, Ipv4))), eni(0, Some((0, Ipv6))));
    story(&[
        (&[group(0, Ipv4), v6], refused(1, VERSION)),
        (&[v6, group(0, Ipv4)], refused(1, VERSION)),
        (&[group(0, Ipv4), v4], Ok(())),
        (&[v6], refused(0, VERSION)),
        // A bound group is replaced by one of its version only.
        (&[group(0, Ipv4), group(0, Ipv6)], refused(1, VERSION)),
        (&[group(0, Ipv6), v6], refused(0, VERSION)),
        // Nothing binds it between the two.
        (&[eni(0, None), group(0, Ipv6), v6], Ok(())),
        (&[no_eni(0), group(0, Ipv4), v4, eni(1, Some((0, Ipv6)))], refused(3, VERSION)),
        (&[no_eni(0), group(0, Ipv4), v4], Ok(())),
        // The first group that comes decides where several stages wait for it.
        (&[eni(0, Some((2, Ipv4))), eni(1, Some((2, Ipv6)))], Ok(())),
        (&[group(2, Ipv4)], refused(0, VERSION)),
        (&[group(2, Ipv6)], refused(0, VERSION)),
        (&[no_eni(0), group(2, Ipv6)], Ok(())),
    ]);
}

/// Each method by itself.
#[test]
fn single_changes_are_refused_too() {
    let words: Vec<_> = (0..CAPACITY.words()).map(|_| AtomicU32::new(0)).collect();
    let mut writer = PolicyWriter::new(&words, &CAPACITY, [1, 2], Readers::new(&[])).unwrap();
    let Change::SetEni(id, v4) = eni(0, Some((0, Ipv4))) else { unreachable!() };
    let Change::SetEni(_, v6) = eni(0, Some((0, Ipv6))) else { unreachable!() };
    writer.set_acl_group(AclGroupId(0), Ipv4, &[]).unwrap();
    assert_eq!(writer.set_eni(id, &v6), Err(VERSION));
    assert_eq!(writer.policy().eni(id), None);
    writer.set_eni(id, &v4).unwrap();
    assert_eq!(writer.remove_acl_group(AclGroupId(0)), Err(BOUND));
    assert_eq!(writer.set_acl_group(AclGroupId(0), Ipv6, &[]), Err(VERSION));
    writer.set_acl_group(AclGroupId(0), Ipv4, &[]).unwrap();
    writer.remove_eni(id).unwrap();
    writer.set_acl_group(AclGroupId(0), Ipv6, &[]).unwrap();
    writer.remove_acl_group(AclGroupId(0)).unwrap();
}
