//! What the data plane holds after each transaction is what the configuration says.

mod command;

use std::{collections::BTreeSet, sync::atomic::AtomicU32};

use command::examples;
use dash_core::{
    pipeline::vnet::policy::{Capacity, Policy, PolicyError, PolicyWriter},
    table::{TableError, quiescence::Readers},
};
use dash_host::config::{
    Reader,
    apply::apply,
    image::{Image, cidr, larger},
    numbers::Names,
    state::State,
};

/// The configurations that are applied one after the other, each replacing the one before it.
fn states() -> Vec<State> {
    let read = |text: &str| Reader::default().text(&State::default(), "f.json", text).unwrap();
    let example = |file: &str| {
        let path = examples().join("vnet-to-vnet").join(file);
        read(&std::fs::read_to_string(path).unwrap())
    };
    let text = include_str!("every_object.json");
    let every = read(text);
    // Two bound groups change names, and so each name its IP version.
    let swapped = text.replace("acl1", "ACL?").replace("acl6", "acl1").replace("ACL?", "acl6");
    let swapped = read(&swapped);
    vec![
        every.clone(),
        example("published.json"),
        example("as-printed.json"),
        State::default(),
        example("internet.json"),
        every,
        swapped,
        example("host6.json"),
        example("published.json"),
    ]
}

/// Compares what the policy answers with `image`, for everything that any of `images` names.
fn check(policy: &Policy<'_>, image: &Image, images: &[Image]) {
    for each in images {
        for id in each.enis.keys() {
            assert_eq!(policy.eni(*id), image.enis.get(id).copied(), "{id:?}");
        }
        let macs: BTreeSet<_> = image.enis.values().map(|eni| eni.mac).collect();
        for eni in each.enis.values() {
            assert_eq!(policy.eni_by_mac(eni.mac).is_some(), macs.contains(&eni.mac));
        }
        for id in each.appliances.keys() {
            assert_eq!(policy.appliance(*id), image.appliances.get(id).copied(), "{id:?}");
        }
        for vni in each.directions.keys() {
            assert_eq!(policy.direction(*vni), image.directions.get(vni).copied(), "{vni}");
        }
        for id in each.vnets.keys() {
            assert_eq!(policy.vnet_vni(*id), image.vnets.get(id).copied(), "{id:?}");
        }
        for (vnet, address) in each.mappings.keys() {
            let expected = image.mappings.get(&(*vnet, *address)).copied();
            assert_eq!(policy.mapping(*vnet, (*address).into()), expected, "{vnet:?} {address}");
        }
        for group in &each.route_groups {
            let expected = image.route_groups.contains(group);
            assert_eq!(policy.route_group(*group).is_some(), expected, "{group:?}");
        }
        for (group, prefix) in each.routes.keys() {
            let address = prefix.addr().into();
            let found = policy.route_length(*group, address).zip(policy.route(*group, address));
            if let Some(expected) = image.routes.get(&(*group, *prefix)) {
                let (length, route) = found.unwrap();
                // A longer prefix may cover the first address.
                assert!(length > prefix.prefix_len() || route == *expected, "{prefix}");
            } else {
                let exact = found.is_some_and(|(length, _)| length == prefix.prefix_len());
                assert!(!exact, "{group:?} {prefix}");
            }
        }
        for (vni, prefix) in &each.pa_prefixes {
            let found = policy.is_pa(*vni, prefix.addr().into());
            assert_eq!(found, image.pa_prefixes.contains(&(*vni, *prefix)), "{vni} {prefix}");
        }
        for (eni, vni, _) in each.inbound.keys() {
            for is_v6 in [false, true] {
                if let Some(rules) = each.inbound.get(&(*eni, *vni, is_v6)) {
                    let source = rules[0].prefix.address();
                    let found = policy.inbound_rule(*eni, *vni, source, rules[0].protocol);
                    let expected = image.inbound.contains_key(&(*eni, *vni, is_v6));
                    assert_eq!(found.is_some(), expected, "{eni:?} {vni} {source}");
                }
            }
        }
        for prefix in each.underlay_routes.keys() {
            let found = policy.underlay_route(cidr(prefix).address());
            assert_eq!(found, image.underlay_routes.get(prefix).copied(), "{prefix}");
        }
    }
}

/// Images of [`states`], and a capacity for each step from one to the next.
fn images() -> (Vec<Image>, Capacity) {
    let mut names = Names::default();
    let images: Vec<Image> =
        states().iter().map(|state| Image::of(state, &mut names).unwrap()).collect();
    let empty = Image::default();
    let befores = std::iter::once(&empty).chain(&images);
    let capacity = befores
        .zip(&images)
        .map(|(before, after)| before.capacity_to(after, &names))
        .reduce(|one, other| larger(&one, &other));
    (images, capacity.unwrap())
}

fn words(capacity: &Capacity) -> Vec<AtomicU32> {
    (0..capacity.words()).map(|_| AtomicU32::new(0)).collect()
}

#[test]
fn the_policy_follows_each_transaction() {
    let (images, capacity) = images();
    let counters = [AtomicU32::new(0)];
    for readers in [Readers::new(&[]), Readers::new(&counters)] {
        let words = words(&capacity);
        let mut writer = PolicyWriter::new(&words, &capacity, [1, 2], readers).unwrap();
        let mut before = &Image::default();
        for after in &images {
            apply(&mut writer, before, after).unwrap();
            check(&writer.policy(), after, &images);
            readers.quiescent(0);
            before = after;
        }
    }
}

type Field = fn(&mut Capacity) -> &mut usize;

#[test]
fn a_refusal_names_the_object_and_leaves_the_policy_as_it_was() {
    let mut names = Names::default();
    let images = [Image::default(), Image::of(&states()[0], &mut names).unwrap()];
    let [before, after] = &images;
    let sufficient = before.capacity_to(after, &names);
    let lacks: [(&str, Field); 9] = [
        ("appliance", |capacity| &mut capacity.appliances),
        ("direction of VNI", |capacity| &mut capacity.directions),
        ("VNET", |capacity| &mut capacity.vnets),
        ("routing type", |capacity| &mut capacity.routing_types),
        ("mapping", |capacity| &mut capacity.mappings),
        ("mapping", |capacity| &mut capacity.mapping_underlays),
        ("PA prefix", |capacity| &mut capacity.pa_vnis),
        ("trusted VNIs", |capacity| &mut capacity.trusted_ranges),
        ("tag prefix", |capacity| &mut capacity.acl.tag_prefixes),
    ];
    for (object, field) in lacks {
        let mut capacity = sufficient;
        *field(&mut capacity) -= 1;
        let words = words(&capacity);
        let mut writer = PolicyWriter::new(&words, &capacity, [1, 2], Readers::new(&[])).unwrap();
        let refused = apply(&mut writer, before, after).expect_err(object);
        assert_eq!(refused.error, PolicyError::Table(TableError::Full), "{refused}");
        assert!(refused.object.starts_with(object), "{refused}");
        check(&writer.policy(), before, &images);
    }
}

#[test]
fn a_transaction_that_changes_nothing_keeps_the_epochs() {
    let mut names = Names::default();
    let states = states();
    let image = Image::of(&states[1], &mut names).unwrap();
    let again = Image::of(&states[1], &mut names).unwrap();
    let capacity = image.capacity_to(&again, &names);
    let words = words(&capacity);
    let mut writer = PolicyWriter::new(&words, &capacity, [1, 2], Readers::new(&[])).unwrap();
    apply(&mut writer, &Image::default(), &image).unwrap();
    let epochs = |writer: &PolicyWriter<'_>| -> Vec<u32> {
        image.enis.keys().map(|id| writer.policy().epoch(*id)).collect()
    };
    let before = epochs(&writer);
    apply(&mut writer, &image, &again).unwrap();
    assert_eq!(epochs(&writer), before);
}
