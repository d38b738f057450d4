//! What compiling a group takes.

use super::super::super::acl::Size;
use super::*;

/// Words of scratch for each word of the image, at most.
const SCRATCH: usize = 4;

/// Many rules whose prefixes cover each other: what a diagram is for.
fn crowd() -> impl Strategy<Value = Vec<Owned>> {
    let rule = (any::<[u8; 2]>(), any::<[u8; 2]>(), any::<u8>(), any::<u8>());
    let lengths = prop_oneof![Just(1), Just(3), Just(8)];
    let rules = prop::collection::vec(rule, 0..300);
    (lengths, 1..40_u16, any::<bool>(), rules).prop_map(|(lengths, ports, sources, rules)| {
        let owned = |(number, (at, length, port, protocol)): (u32, ([u8; 2], [u8; 2], u8, u8))| {
            let sides = [false, true].map(|v6| {
                let side = |side: usize| prefix(v6, at[side], length[side] % (lengths + 1));
                [side(0), side(1)]
            });
            let port = u16::from(port) % ports * 257;
            Owned {
                priority: number,
                value: number,
                protocols: if protocol < 128 { vec![] } else { vec![protocol % 4] },
                prefixes: [0, 1].map(|side| sides.iter().map(|sides| sides[side]).collect()),
                tags: [vec![], vec![]],
                ports: [if sources { vec![port..=port + 99] } else { vec![] }, vec![port..=port]],
            }
        };
        (0..).zip(rules).map(owned).collect()
    })
}

/// Few rules with long lists, whose elements are apart, side by side, repeated, or in each other.
fn lists() -> impl Strategy<Value = Vec<Owned>> {
    let shape = (0..4_u8, 0..1000_u32, any::<u32>());
    let rule = (shape.clone(), shape.clone(), shape.clone(), shape);
    prop::collection::vec(rule, 1..5).prop_map(|rules| {
        let numbers = |(shape, count, start): (u8, u32, u32)| {
            (0..count).map(move |index| match shape {
                // Even ones first: what lies between them comes late.
                0 => start.wrapping_add(2 * index % count.max(1) + u32::from(2 * index >= count)),
                1 => start,
                2 => start.wrapping_add(index).wrapping_mul(0x9e37_79b1),
                _ => 1 << (index % 32),
            })
        };
        let cidr = |v6: bool, number: u32, length: u8| {
            if v6 {
                let bits = 0xfd << 120 | u128::from(number) << (if length == 24 { 72 } else { 8 });
                IpCidr::new(IpAddress::Ipv6(bits.into()), 96 + length)
            } else {
                IpCidr::new(IpAddress::Ipv4((number << 8).into()), length)
            }
        };
        let owned = |(number, (from, to, ports, rest)): (u32, _)| {
            let rest: (u8, u32, u32) = rest;
            let side = |shape: (u8, u32, u32)| -> Vec<IpCidr> {
                let length = if shape.2 & 1 == 0 { 24 } else { 32 };
                let both = [false, true];
                let both =
                    both.iter().flat_map(|v6| numbers(shape).map(|one| cidr(*v6, one, length)));
                both.collect()
            };
            Owned {
                priority: number,
                value: number,
                protocols: numbers(rest).map(|one| one as u8).collect(),
                prefixes: [side(from), side(to)],
                tags: [numbers(rest).map(|one| one % 64).collect(), vec![]],
                ports: [vec![], numbers(ports).map(|one| one as u16..=one as u16).collect()],
            }
        };
        (0..).zip(rules).map(owned).collect()
    })
}

/// Rules whose prefixes are those of a few common lists, nested and apart, with ranges of ports.
fn shared() -> impl Strategy<Value = Vec<Owned>> {
    let list = prop::collection::vec((any::<[u8; 2]>(), any::<u8>()), 0..80);
    let rule = (any::<[usize; 2]>(), any::<u16>(), 0..20_000_u16);
    (prop::collection::vec(list, 1..4), prop::collection::vec(rule, 1..80)).prop_map(
        |(lists, rules)| {
            let side = |which: usize| -> Vec<IpCidr> {
                let list = lists[which % lists.len()].iter();
                let cidr = |v6: bool, (at, length): &([u8; 2], u8)| {
                    let bits = u128::from(u16::from_be_bytes(*at));
                    if v6 {
                        IpCidr::new(IpAddress::Ipv6((bits << 80).into()), 32 + length % 17)
                    } else {
                        IpCidr::new(IpAddress::Ipv4(((bits as u32) << 16).into()), length % 17)
                    }
                };
                list.flat_map(|one| [cidr(false, one), cidr(true, one)]).collect()
            };
            let owned = |(number, (lists, first, more)): (u32, ([usize; 2], u16, u16))| Owned {
                priority: number,
                value: number,
                protocols: vec![],
                // Mostly any destination.
                prefixes: [
                    side(lists[0]),
                    if lists[1] % 4 == 0 { side(lists[1] / 4) } else { vec![] },
                ],
                tags: [vec![], vec![]],
                ports: [vec![], vec![first..=first.saturating_add(more)]],
            };
            (0..).zip(rules).map(owned).collect()
        },
    )
}

/// What a group takes in so many words.
fn size(storage: &[AtomicU32], words: usize, v6: bool, rules: &[Rule<'_>]) -> Size {
    let capacity = Capacity { groups: 1, words, tags: 101, tag_prefixes: 0 };
    let mut writer = AclWriter::new(storage, &capacity, Readers::new(&[])).unwrap();
    let version = if v6 { IpVersion::Ipv6 } else { IpVersion::Ipv4 };
    writer.compile(version, rules).unwrap()
}

#[test]
fn scratch_is_at_most_four_times_the_image() {
    let small = prop::collection::vec(rule(), 0..24);
    let rules = prop_oneof![1 => small, 2 => crowd(), 2 => lists(), 2 => shared()];
    // Times the words that always suffice.
    let room = prop_oneof![Just(1), Just(2), Just(20)];
    let run = (rules, any::<bool>(), room);
    compare("acl, words of images", 120, run, |(owned, v6, room)| {
        let rules: Vec<_> = owned.iter().map(Owned::rule).collect();
        let words = room * AclWriter::words_bound(&rules);
        let capacity = Capacity { groups: 1, words, tags: 101, tag_prefixes: 0 };
        let storage = storage(AclWriter::words_for(&capacity));
        let found = size(&storage, words, v6, &rules);
        prop_assert!(found.scratch <= SCRATCH * found.compiled, "{:?}", found);
        // So many words are enough, and lead to the same, but where the few that the store keeps
        // for itself beside `words` have served too.
        let least = found.compiled + found.scratch;
        prop_assert!(least <= storage.len());
        if least <= words {
            prop_assert_eq!(size(&storage, least, v6, &rules), found);
        }
        Ok(found.compiled)
    });
}

/// A list whose elements become one interval: sorted at once they would take more than that.
#[test]
fn scratch_is_at_most_four_times_the_image_of_a_list_that_merges() {
    for count in [100, 1_000, 10_000_u32] {
        let host = |number: u32| IpCidr::new(IpAddress::Ipv4((0x0a00_0000 + number).into()), 32);
        let hosts: Vec<_> = (0..count).map(host).collect();
        let rule = Owned {
            priority: 0,
            value: 0,
            protocols: vec![],
            prefixes: [hosts, vec![]],
            tags: [vec![], vec![]],
            ports: [vec![], vec![]],
        };
        let rules = [rule.rule()];
        let words = 20 * AclWriter::words_bound(&rules);
        let capacity = Capacity { groups: 1, words, tags: 0, tag_prefixes: 0 };
        let storage = storage(AclWriter::words_for(&capacity));
        let found = size(&storage, words, false, &rules);
        assert!(found.scratch <= SCRATCH * found.compiled, "{count}: {found:?}");
    }
}

/// Rules of the same prefixes: in lists each would take a word of each prefix, and more to sort.
#[test]
fn rules_that_share_their_prefixes_become_a_diagram() {
    let network = |number: u32| IpCidr::new(IpAddress::Ipv4((number << 12).into()), 24);
    let networks: Vec<_> = (0..1_000).map(network).collect();
    let owned = |number: u32| Owned {
        priority: number,
        value: number,
        protocols: vec![],
        prefixes: [networks.clone(), vec![]],
        tags: [vec![], vec![]],
        ports: [vec![], vec![17 * number as u16..=1_000 * number as u16]],
    };
    let owned: Vec<_> = (1..60).map(owned).collect();
    let rules: Vec<_> = owned.iter().map(Owned::rule).collect();
    let words = AclWriter::words_bound(&rules);
    let capacity = Capacity { groups: 1, words, tags: 101, tag_prefixes: 0 };
    let found = size(&storage(AclWriter::words_for(&capacity)), words, false, &rules);
    assert!(found.scratch <= SCRATCH * found.compiled, "{found:?}");
    assert!(found.compiled < rules.len() * networks.len() / 2, "{found:?}");

    let storage = storage(AclWriter::words_for(&capacity));
    let mut writer = AclWriter::new(&storage, &capacity, Readers::new(&[])).unwrap();
    writer.set_group(0, IpVersion::Ipv4, &rules).unwrap();
    let group = (IpVersion::Ipv4, owned.clone());
    for number in 0..200_u32 {
        let headers = Headers {
            source: IpAddress::Ipv4((number << 13 | (number % 3) << 8).into()),
            destination: IpAddress::Ipv4(number.into()),
            protocol: 6,
            source_port: 1,
            destination_port: (number * 331) as u16,
        };
        let wanted = classify(Some(&group), &[], &headers);
        assert_eq!(writer.table().classify(0, &headers), wanted);
    }
}

/// Of many prefixes only so many are sorted at once: hosts side by side, even numbers first.
#[test]
fn lists_sorted_in_parts_equal_a_linear_search() {
    let run = (
        prop_oneof![lists(), shared()],
        any::<bool>(),
        prop::collection::vec(any::<[usize; 5]>(), 100),
    );
    compare("acl, long lists", 50, run, |(mut owned, v6, places)| {
        for rule in &mut owned {
            rule.tags = [vec![], vec![]];
        }
        let rules: Vec<_> = owned.iter().map(Owned::rule).collect();
        let words = AclWriter::words_bound(&rules);
        let capacity = Capacity { groups: 1, words, tags: 0, tag_prefixes: 0 };
        let storage = storage(AclWriter::words_for(&capacity));
        let mut writer = AclWriter::new(&storage, &capacity, Readers::new(&[])).unwrap();
        let version = if v6 { IpVersion::Ipv6 } else { IpVersion::Ipv4 };
        writer.set_group(0, version, &rules).unwrap();
        let group = (version, owned.clone());
        for [which, from, to, port, protocol] in &places {
            let rule = &owned[which % owned.len()];
            // The first address of a prefix of the rule, or the one behind some others.
            let address = |side: usize, place: usize| {
                let of_version =
                    rule.prefixes[side].iter().filter(|one| one.address().version() == version);
                let of_version: Vec<_> = of_version.collect();
                let first = of_version.get(place / 2 % of_version.len().max(1));
                let bits = match first.map(|one| one.address()) {
                    Some(IpAddress::Ipv4(address)) => u128::from(address.to_bits()),
                    Some(IpAddress::Ipv6(address)) => address.to_bits(),
                    None => place as u128,
                };
                let bits = bits.wrapping_add(((place % 2) << 8) as u128);
                if v6 {
                    IpAddress::Ipv6(bits.into())
                } else {
                    IpAddress::Ipv4((bits as u32).into())
                }
            };
            let ports = &rule.ports[1];
            let headers = Headers {
                source: address(0, *from),
                destination: address(1, *to),
                protocol: rule.protocols.get(protocol % 8).copied().unwrap_or(9),
                source_port: 1,
                destination_port: ports.get(port % 512).map_or(80, |range| *range.start()),
            };
            let wanted = classify(Some(&group), &[], &headers);
            prop_assert_eq!(writer.table().classify(0, &headers), wanted);
        }
        Ok(places.len() * owned.iter().map(|rule| rule.prefixes[0].len()).sum::<usize>().max(1))
    });
}
