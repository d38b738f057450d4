//! The poptrie equals a binary trie on the addresses of each work of the peers, alone, with the
//! length, and in bursts: on tables made here, and in a release build on all 4 Mi addresses of each
//! work of the full tables of `../shared/data`, where that folder is.
//!
//! `cargo test --release -p dash-benches --test routes -- --nocapture`

use std::{net::Ipv4Addr, net::Ipv6Addr, path::Path, sync::atomic::AtomicU32};

use dash_benches::{
    Prefetch, Random,
    routes::{BinaryTrie, Route, WORKS, load},
};
use dash_core::table::{
    poptrie::{Address, Direct, Poptrie, PoptrieWriter, Shape, Value},
    quiescence::Readers,
};
use smoltcp::wire::IpAddress;

/// Prefixes of a table made here: in nests, of all lengths.
const SAMPLE: usize = 20_000;
/// Addresses of each work in such a table.
const PART: usize = 1 << 16;

/// A table by code: each prefix lies near or under one of the few before it.
fn sample(v6: bool) -> Vec<Route> {
    let most = if v6 { 128 } else { 32 };
    let mut random = Random::new(41 + u64::from(v6));
    let mut routes: Vec<Route> = Vec::with_capacity(SAMPLE);
    while routes.len() < SAMPLE {
        let any = u128::from(random.next()) << 64 | u128::from(random.next());
        let length = 1 + random.below(most) as u8;
        let near = routes.len().checked_sub(1 + random.below(64) as usize);
        let kept = u128::MAX.checked_shr(random.below(most) as u32).unwrap_or(0);
        let address = near.map_or(any, |at| routes[at].address & !kept | any & kept);
        let address = address & !u128::MAX.checked_shr(length.into()).unwrap_or(0);
        routes.push(Route { address, length, value: 1 + random.below(255) as u32 });
    }
    routes.sort_by_key(|route| (route.address, route.length));
    routes.dedup_by_key(|route| (route.address, route.length));
    routes
}

/// Compares the answers to all addresses of one work.
fn compare<A: Address + Into<IpAddress>>(
    table: Poptrie<'_>,
    trie: &BinaryTrie,
    work: &[u128],
    address: fn(u128) -> A,
) {
    let mut answers = [None; 32];
    for (number, chunk) in work.chunks(32).enumerate() {
        let burst: Vec<A> = chunk.iter().map(|bits| address(*bits)).collect();
        table.lookup_burst(&Prefetch, 0, &burst, &mut answers[..burst.len()]);
        for ((bits, one), answer) in chunk.iter().zip(burst).zip(answers) {
            let wanted = trie.lookup(*bits);
            let longest = table.longest(0, one.into()).map_or(0, |longest| longest.value);
            let single = table.lookup(0, one.into()).unwrap_or(0);
            let found = [answer.map_or(0, Value::get), single, longest];
            assert_eq!(found, [wanted; 3], "burst {number}, {bits:#x}");
        }
    }
}

fn check(name: &str, routes: &[Route], v6: bool, direct: Direct, part: usize) {
    let words: Vec<AtomicU32> = (0..24_000_000 / 4).map(|_| AtomicU32::new(0)).collect();
    let mut writer = PoptrieWriter::new(&words, 1 << 20, 1, Readers::new(&[])).expect("it fits");
    let shape = Shape { v4: direct, v6: direct };
    let prefixes = routes.iter().map(|route| (route.cidr(v6), route.value));
    writer.replace(0, shape, prefixes.clone()).expect("they fit");
    let (table, trie) = (writer.table(), BinaryTrie::new(routes));
    for work in WORKS {
        let mut addresses = work.addresses(routes, v6);
        addresses.truncate(part);
        if v6 {
            compare(table, &trie, &addresses, Ipv6Addr::from);
        } else {
            compare(table, &trie, &addresses, |bits| Ipv4Addr::from((bits >> 96) as u32));
        }
        println!("{name}, {direct:?}: {} addresses {} equal", addresses.len(), work.name());
    }
    assert!(table.iter(0).eq(prefixes), "{name}: the prefixes in order");
}

#[test]
fn answers_equal_a_binary_trie_on_a_table_made_here() {
    for v6 in [false, true] {
        let routes = sample(v6);
        for direct in [Direct::Bits0, Direct::Bits12, Direct::Bits18] {
            check(if v6 { "IPv6 sample" } else { "IPv4 sample" }, &routes, v6, direct, PART);
        }
    }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes in a debug build")]
fn answers_equal_a_binary_trie_on_the_full_tables() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    for (v6, name) in [(false, "bgp4"), (true, "bgp6")] {
        if folder.join(format!("{name}.txt.gz")).exists() {
            let routes = load(&folder, v6).expect("a table of this form");
            check(name, &routes, v6, Direct::Bits18, usize::MAX);
        } else {
            println!("{name}: skipped, {} has no such table", folder.display());
        }
    }
}
