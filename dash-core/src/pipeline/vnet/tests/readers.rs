//! Changes while a core reads: `Busy`, repeated, ends where a change without readers does.

use proptest::prelude::*;

use super::*;
use crate::table::TableError;

/// A writer that one core reads, and that core.
fn shared() -> (PolicyWriter<'static>, Readers<'static>) {
    let readers = Readers::new(Box::leak(Box::new([AtomicU32::new(0)])));
    (PolicyWriter::new(region(&CAPACITY), &CAPACITY, [3, 4], readers).unwrap(), readers)
}

const BUSY: Result<(), PolicyError> = Err(PolicyError::Table(TableError::Busy));

/// Repeats `change` until the core has let go of what it needs; answers whether it had to wait.
fn repeat(readers: Readers<'static>, mut change: impl FnMut() -> Result<(), PolicyError>) -> bool {
    for waited in [false, true, true] {
        let done = change();
        if done != BUSY {
            assert_eq!(done, Ok(()));
            return waited;
        }
        readers.quiescent(0);
    }
    panic!("busy for ever");
}

const ADDRESSES: [&str; 2] = ["172.16.1.20", "172.16.1.21"];
const ADDRESSES_V6: [&str; 2] = ["2001:db8::20", "2001:db8::21"];

fn underlay(choice: u8) -> Underlay {
    let (first, second) = (usize::from(choice & 1), usize::from(choice >> 1 & 1));
    match choice / 4 {
        0 => Underlay::V4(v4(ADDRESSES[first])),
        1 => Underlay::V6(v6(ADDRESSES_V6[second])),
        _ => Underlay::Both(v4(ADDRESSES[first]), v6(ADDRESSES_V6[second])),
    }
}

/// Whether `underlay` has the address.
fn has(underlay: Underlay, address: IpAddress) -> bool {
    underlay.choose(is_v6(address)) == address
}

proptest! {
    #[test]
    fn valid_underlays_are_those_of_the_mappings(
        changes in proptest::collection::vec((0..2_u16, 0..5_u8, proptest::option::of(0..12_u8)), 1..80),
    ) {
        let (mut writer, readers) = shared();
        let policy = writer.policy();
        let mut model = std::collections::BTreeMap::new();
        for (vnet, host, choice) in changes {
            let (vnet, customer) = (VnetId(vnet), IpAddress::v4(10, 0, 0, host));
            if let Some(choice) = choice {
                let mapping = Mapping { underlay: underlay(choice), ..peer() };
                repeat(readers, || writer.set_mapping(vnet, customer, &mapping));
                model.insert((vnet, host), mapping.underlay);
            } else {
                repeat(readers, || writer.remove_mapping(vnet, customer));
                model.remove(&(vnet, host));
            }
            writer.commit();
            for ((vnet, host), underlay) in &model {
                let mapping = policy.mapping(VnetId(vnet.0), IpAddress::v4(10, 0, 0, *host));
                prop_assert_eq!(mapping, Some(Mapping { underlay: *underlay, ..peer() }));
            }
            for vnet in [VnetId(0), VnetId(1)] {
                for address in ADDRESSES.into_iter().chain(ADDRESSES_V6).map(ip) {
                    let expected =
                        model.iter().any(|(key, underlay)| key.0 == vnet && has(*underlay, address));
                    prop_assert_eq!(policy.is_mapping_underlay(vnet, address), expected);
                }
            }
        }
    }

    #[test]
    fn trusted_vnis_are_those_of_the_ranges(
        changes in proptest::collection::vec((any::<bool>(), 0..2_u32, 0..40_u32, 0..20_u32), 1..40),
    ) {
        let (mut writer, readers) = shared();
        let policy = writer.policy();
        let mut model = std::collections::BTreeSet::new();
        for (add, appliance, first, more) in changes {
            let owner = TrustedOwner::Appliance(ApplianceId(appliance));
            let range = (appliance, first, first + more);
            if add && (model.len() < CAPACITY.trusted_ranges || model.contains(&range)) {
                repeat(readers, || writer.add_trusted_vnis(owner, first..=first + more));
                model.insert(range);
            } else {
                repeat(readers, || writer.remove_trusted_vnis(owner, first..=first + more));
                model.remove(&range);
            }
            for vni in 0..64 {
                let expected = model.iter().any(|(_, first, last)| (first..=last).contains(&&vni));
                prop_assert_eq!(policy.is_trusted(vni), expected, "{}", vni);
            }
        }
    }
}

#[test]
fn routes_and_appliances_change_while_a_core_reads() {
    let (mut writer, readers) = shared();
    let policy = writer.policy();
    let prefix = cidr("10.0.0.0/8");
    let overlay = |host| Route::VnetDirect {
        vnet: VnetId(host),
        overlay_ip: Some(IpAddress::v4(1, 1, 1, host as u8)),
    };
    let mut waited = 0;
    for round in 0..40 {
        let route = if round % 3 == 0 { Route::Vnet(VnetId(round)) } else { overlay(round) };
        waited += u32::from(repeat(readers, || writer.set_route(GROUP, prefix, &route)));
        assert_eq!(policy.route(GROUP, ip("10.1.1.1")), Some(route));
        let moved = Appliance { sip: core::net::Ipv4Addr::from_bits(round.into()), ..appliance() };
        waited += u32::from(repeat(readers, || writer.set_appliance(ApplianceId(0), &moved)));
        assert!(policy.is_vip(IpAddress::Ipv4(moved.sip)));
        assert_eq!(
            round > 0,
            !policy.is_vip(IpAddress::v4(0, 0, 0, round as u8 - u8::from(round > 0)))
        );
        let mac = EthernetAddress([2, 0, 0, 0, 0, round as u8]);
        waited += u32::from(repeat(readers, || writer.set_eni(ENI, &Eni { mac, ..eni() })));
        assert_eq!(policy.eni_by_mac(mac).map(|entry| entry.id), Some(ENI));
        let rule = inbound_rule();
        waited += u32::from(repeat(readers, || {
            writer.set_inbound_rules(ENI, 5, IpVersion::Ipv4, &[rule.rule()])
        }));
        waited += u32::from(repeat(readers, || writer.remove_inbound_rules(ENI, 5)));
        assert_eq!(policy.inbound_rule(ENI, 5, ip("172.16.1.1"), 17), None);
        waited += u32::from(repeat(readers, || writer.add_pa_prefix(5, rule.prefix)));
        assert!(policy.is_pa(5, ip("172.16.1.1")));
        waited += u32::from(repeat(readers, || writer.remove_pa_prefix(5, rule.prefix)));
        assert!(!policy.is_pa(5, ip("172.16.1.1")));
    }
    assert!(waited > 0, "the core was never in the way");
}

/// Changes policy between two look-ups of one frame, as another core may.
struct Meanwhile<F>(Option<F>);

impl<F: FnOnce()> Trace<Vnet<'_>> for Meanwhile<F> {
    fn stage(&mut self, event: impl FnOnce() -> Event) {
        if matches!(event(), Event::Eni { .. })
            && let Some(change) = self.0.take()
        {
            change();
        }
    }
}

/// The number of an ENI goes to another one, under whose policy the frame must not pass.
#[test]
fn a_frame_on_its_way_meets_no_later_eni_of_the_same_number() {
    let mut world = World::new();
    let World { writer, vnet, .. } = &mut world;
    let mut trace = Meanwhile(Some(|| {
        writer.remove_eni(ENI).unwrap();
        writer.set_eni(ENI, &Eni { mac: OTHER_MAC, ..eni() }).unwrap();
        writer.commit();
    }));
    let mut buffer = Buffer::new(&request(), ReceiveMetadata::default()).unwrap();
    vnet.burst();
    let name = key(vnet, &buffer, &mut trace);
    let Some(Lookup::Flow { context, epoch }) = name.lookup else { panic!("no flow") };
    assert_eq!((name.key.eni(), context.eni), (ENI_MAC, ENI));
    assert_ne!(epoch, vnet.policy.epoch(ENI), "that of the old one");
    let mut packet = packet(&mut buffer);
    let decision =
        vnet.slow(&mut packet, &context, Cause::Miss(&name.key), 0, &SoftwareHints, &mut trace);
    assert!(matches!(decision.install, Install::None));
    assert_eq!(finish(&decision, &mut packet, &name.edges), Err(DropReason::EniMiss));
    // With the next burst the core knows.
    vnet.burst();
    let buffer = Buffer::new(&request(), ReceiveMetadata::default()).unwrap();
    let reason = DropReason::EniMiss;
    let name = key(vnet, &buffer, &mut ());
    assert!(
        matches!(name.lookup, Some(Lookup::Drop { context: None, reason: why }) if why == reason)
    );
}
