use super::super::{
    TableError,
    poptrie::{Covering, Direct, Longest, Poptrie, PoptrieWriter, Shape, Value},
    quiescence::Readers,
};
use super::std::{
    self,
    time::{Duration, Instant},
    vec,
    vec::Vec,
};
use super::{CHANGES, address, await_growth, compare, contend, covers, persist, prefix, storage};
use core::sync::atomic::{
    AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};
use dash_hal::SoftwareHints;
use proptest::prelude::*;
use smoltcp::wire::{IpAddress, IpCidr, Ipv4Address, Ipv6Address};

const DIRECTS: [Direct; 5] =
    [Direct::Bits0, Direct::Bits8, Direct::Bits12, Direct::Bits16, Direct::Bits18];

#[derive(Clone, Debug)]
enum Operation {
    Insert(u32, IpCidr, u32),
    Remove(u32, IpCidr),
    Get(u32, IpCidr),
    Lookup(u32, IpAddress),
    Iterate(u32),
    Replace(u32, [usize; 2], Vec<(IpCidr, u32)>),
    Hold(u32, IpCidr),
    Release(u32, IpCidr),
}

/// A prefix of a world in which prefixes of all lengths nest, meet and crowd: its bits come from
/// few choices, and the rest of some are all the same.
fn any_prefix() -> impl Strategy<Value = IpCidr> {
    let bits = prop_oneof![
        (any::<bool>(), any::<u8>()).prop_map(|(v6, at)| address(v6, at)),
        (any::<u8>(), 0..8_u8).prop_map(|(high, low)| {
            IpAddress::Ipv4((0x0a00_0000 | u32::from(high) << 6 | u32::from(low)).into())
        }),
        (any::<u8>(), 0..120_u32).prop_map(|(bits, shift)| {
            IpAddress::Ipv6((0xfd_u128 << 120 | u128::from(bits) << shift).into())
        }),
    ];
    (bits, any::<u8>()).prop_map(|(address, length)| {
        let most = if matches!(address, IpAddress::Ipv4(_)) { 32 } else { 128 };
        // Each fifth is a prefix of the small world.
        if length % 5 == 0 {
            prefix(most == 128, length, length / 5)
        } else {
            IpCidr::new(address, length % (most + 1))
        }
    })
}

fn operation() -> impl Strategy<Value = Operation> {
    let table = || 0..4_u32;
    let value = || 0..0x8000_0000_u32;
    let address = prop_oneof![
        (any::<bool>(), any::<u8>()).prop_map(|(v6, at)| address(v6, at)),
        any_prefix().prop_map(|prefix| prefix.address()),
    ];
    let shape = prop::array::uniform2(0..9_usize);
    let some = prop::collection::vec((any_prefix(), value()), 0..20);
    prop_oneof![
        120 => (table(), any_prefix(), value())
            .prop_map(|(table, prefix, value)| Operation::Insert(table, prefix, value)),
        80 => (table(), any_prefix()).prop_map(|(table, prefix)| Operation::Remove(table, prefix)),
        40 => (table(), any_prefix()).prop_map(|(table, prefix)| Operation::Get(table, prefix)),
        160 => (table(), address).prop_map(|(table, address)| Operation::Lookup(table, address)),
        10 => table().prop_map(Operation::Iterate),
        1 => (table(), shape, some)
            .prop_map(|(table, shape, some)| Operation::Replace(table, shape, some)),
        20 => (table(), any_prefix()).prop_map(|(table, prefix)| Operation::Hold(table, prefix)),
        20 => (table(), any_prefix()).prop_map(|(table, prefix)| Operation::Release(table, prefix)),
    ]
}

/// All prefixes in a row.
#[derive(Clone, Default)]
struct Model(Vec<(u32, IpCidr, u32)>);

impl Model {
    fn find(&self, table: u32, prefix: IpCidr) -> Option<usize> {
        self.0.iter().position(|(of, one, _)| {
            *of == table
                && one.prefix_len() == prefix.prefix_len()
                && covers(*one, prefix.address())
        })
    }

    fn insert(&mut self, table: u32, prefix: IpCidr, value: u32) -> Option<u32> {
        if let Some(found) = self.find(table, prefix) {
            return Some(core::mem::replace(&mut self.0[found].2, value));
        }
        self.0.push((table, prefix, value));
        None
    }

    fn lookup(&self, table: u32, address: IpAddress) -> Option<Longest> {
        self.0
            .iter()
            .filter(|(of, prefix, _)| *of == table && covers(*prefix, address))
            .map(|(_, prefix, value)| Longest { value: *value, length: prefix.prefix_len() })
            .max_by_key(|longest| longest.length)
    }
}

/// Family, first address, length.
fn order(prefix: IpCidr) -> (bool, u128, u8) {
    let bits = match prefix.address() {
        IpAddress::Ipv4(address) => u128::from(address.to_bits()) << 96,
        IpAddress::Ipv6(address) => address.to_bits(),
    };
    let mask = u128::MAX.checked_shl(128 - u32::from(prefix.prefix_len())).unwrap_or(0);
    (matches!(prefix.address(), IpAddress::Ipv6(_)), bits & mask, prefix.prefix_len())
}

/// Compares all prefixes of a table, their order and the answers to single and burst look-ups.
fn check_all(poptrie: &Poptrie<'_>, model: &Model, table: u32) -> Result<usize, TestCaseError> {
    let all: Vec<_> = poptrie.iter(table).collect();
    let mut wanted: Vec<_> = model
        .0
        .iter()
        .filter(|(of, ..)| *of == table)
        .map(|(_, prefix, value)| (order(*prefix), *value))
        .collect();
    wanted.sort_unstable();
    let found: Vec<_> = all.iter().map(|(prefix, value)| (order(*prefix), *value)).collect();
    prop_assert_eq!(found, wanted);
    let mut v4: Vec<Ipv4Address> = vec![];
    let mut v6: Vec<Ipv6Address> = vec![];
    let some = (0..=255).step_by(9).flat_map(|at| [address(false, at), address(true, at)]);
    for address in some.chain(all.iter().map(|(prefix, _)| prefix.address())) {
        match address {
            IpAddress::Ipv4(address) => v4.push(address),
            IpAddress::Ipv6(address) => v6.push(address),
        }
    }
    // A long burst is cut: what is left over is few addresses that go together all the same, in turn
    // of any number.
    let cut = 32 + 1 + (all.len() + v4.len()) % 31;
    let burst4: Vec<Ipv4Address> = v4.iter().copied().cycle().take(100).collect();
    let burst6: Vec<Ipv6Address> = v6.iter().copied().cycle().take(100).collect();
    for size in [0, 1, 2, 3, 8, 16, 31, 32, 33, 100, cut] {
        let mut answers = vec![None; size];
        let addresses = &burst4[..size];
        poptrie.lookup_burst(&SoftwareHints, table, addresses, &mut answers);
        for (address, answer) in addresses.iter().zip(&answers) {
            prop_assert_eq!(answer.map(Value::get), poptrie.lookup(table, (*address).into()));
        }
        // Each second address in this table, the others in the next one or in none.
        let tables: Vec<u32> = (0..size as u32).map(|at| table + at % 2 * (1 + at % 3)).collect();
        poptrie.lookup_burst_in(&SoftwareHints, &tables, addresses, &mut answers);
        for ((address, answer), table) in addresses.iter().zip(&answers).zip(&tables) {
            prop_assert_eq!(answer.map(Value::get), poptrie.lookup(*table, (*address).into()));
        }
        let addresses = &burst6[..size];
        poptrie.lookup_burst_in(&SoftwareHints, &tables, addresses, &mut answers);
        for ((address, answer), table) in addresses.iter().zip(&answers).zip(&tables) {
            prop_assert_eq!(answer.map(Value::get), poptrie.lookup(*table, (*address).into()));
        }
        poptrie.lookup_burst(&SoftwareHints, table, addresses, &mut answers);
        for (address, answer) in addresses.iter().zip(&answers) {
            prop_assert_eq!(answer.map(Value::get), poptrie.lookup(table, (*address).into()));
        }
    }
    let v4 = v4.into_iter().map(IpAddress::Ipv4);
    let both: Vec<_> = v4.chain(v6.into_iter().map(IpAddress::Ipv6)).collect();
    for addresses in both.chunk_by(|a, b| a.version() == b.version()).flat_map(|all| all.chunks(3))
    {
        let version = addresses[0].version();
        let mut walk = Covering::<_, 3>::new(&SoftwareHints, *poptrie, table, version);
        walk.start(addresses.iter().copied());
        let mut wanted = vec![];
        for (number, address) in addresses.iter().enumerate() {
            let of_table = model.0.iter().filter(|(of, ..)| *of == table);
            let covering = of_table.filter(|(_, prefix, _)| covers(*prefix, *address));
            wanted.extend(covering.map(|(.., value)| (number, *value)));
        }
        let mut found: Vec<_> =
            walk.values().map(|(number, value)| (number as usize, value)).collect();
        found.sort_unstable();
        wanted.sort_unstable();
        prop_assert_eq!(found, wanted);
    }
    let mut count = all.len();
    for address in both {
        let wanted = model.lookup(table, address);
        prop_assert_eq!(poptrie.lookup(table, address), wanted.map(|longest| longest.value));
        prop_assert_eq!(poptrie.longest(table, address), wanted);
        count += 2;
    }
    Ok(count)
}

/// Three tables exist; table 3 does not.
#[test]
fn equals_a_naive_list() {
    let run = (1..90_usize, prop::collection::vec(operation(), 500..1200));
    compare("poptrie", 150, run, |(capacity, operations)| {
        let directs = 6 << 18;
        let words = storage(PoptrieWriter::words_for(capacity, 3) + 40 * capacity + directs);
        let mut writer = PoptrieWriter::new(&words, capacity, 3, Readers::new(&[])).unwrap();
        let empty = writer.usage();
        let poptrie = writer.table();
        let mut model = Model::default();
        let mut count = operations.len();
        for operation in operations {
            match operation {
                Operation::Insert(table, prefix, value) => {
                    let result = writer.insert(table, prefix, value);
                    if table == 3 {
                        prop_assert_eq!(result, Err(TableError::CapacityTooLarge));
                    } else if model.find(table, prefix).is_none() && model.0.len() == capacity {
                        prop_assert_eq!(result, Err(TableError::Full));
                    } else {
                        prop_assert_eq!(result, Ok(model.insert(table, prefix, value)));
                    }
                }
                Operation::Remove(table, prefix) => {
                    let old = model.find(table, prefix).map(|found| model.0.swap_remove(found).2);
                    prop_assert_eq!(writer.remove(table, prefix), old);
                }
                Operation::Get(table, prefix) => {
                    let found = model.find(table, prefix).map(|found| model.0[found].2);
                    prop_assert_eq!(poptrie.get(table, prefix), found);
                }
                Operation::Lookup(table, address) => {
                    let wanted = model.lookup(table, address);
                    prop_assert_eq!(poptrie.longest(table, address), wanted);
                    let value = wanted.map(|longest| longest.value);
                    prop_assert_eq!(poptrie.lookup(table, address), value);
                }
                Operation::Iterate(table) => count += check_all(&poptrie, &model, table)?,
                Operation::Replace(table, [v4, v6], prefixes) => {
                    // Mostly without direct pointing, which takes long to make.
                    let direct = |choice: usize| DIRECTS[choice.saturating_sub(4)];
                    let shape = Shape { v4: direct(v4), v6: direct(v6) };
                    let mut after = model.clone();
                    after.0.retain(|(of, ..)| *of != table);
                    for (prefix, value) in &prefixes {
                        after.insert(table, *prefix, *value);
                    }
                    let result = writer.replace(table, shape, prefixes);
                    if table == 3 {
                        prop_assert_eq!(result, Err(TableError::CapacityTooLarge));
                    } else if after.0.len() > capacity {
                        prop_assert_eq!(result, Err(TableError::Full));
                    } else {
                        prop_assert_eq!(result, Ok(()));
                        model = after;
                    }
                }
                Operation::Hold(table, prefix) => {
                    let wanted =
                        if table == 3 { Err(TableError::CapacityTooLarge) } else { Ok(()) };
                    prop_assert_eq!(writer.hold(table, prefix), wanted);
                }
                Operation::Release(table, prefix) => writer.release(table, prefix),
            }
            prop_assert_eq!(writer.len(), model.0.len());
            prop_assert_eq!(writer.room(), capacity - model.0.len());
        }
        for table in 0..4 {
            count += check_all(&poptrie, &model, table)?;
        }
        // What is taken comes back to the word.
        for table in 0..3 {
            writer.replace(table, Shape::default(), []).unwrap();
        }
        prop_assert_eq!(writer.usage(), empty);
        Ok(count)
    });
}

/// All 64 prefixes of a node come in an order of no pattern and go in another, others above and
/// below them.
#[test]
fn a_node_becomes_dense_and_sparse_again() {
    for v4 in DIRECTS {
        let words = storage(PoptrieWriter::words_for(200, 1) + (5 << 17));
        let mut writer = PoptrieWriter::new(&words, 200, 1, Readers::new(&[])).unwrap();
        writer.replace(0, Shape { v4, ..Shape::default() }, []).unwrap();
        let (poptrie, mut model) = (writer.table(), Model::default());
        let at = |third: u8, length| IpCidr::new(IpAddress::v4(10, 0, third, 0), length);
        for turn in 0..64_u8 {
            let mut prefixes = vec![at((u32::from(turn) * 37 % 64) as u8, 24)];
            if turn % 8 == 0 {
                prefixes.extend([at(turn, 21), at(turn, 30), at(turn + 1, 26)]);
            }
            for prefix in prefixes {
                let value = u32::from(turn) << 8 | u32::from(prefix.prefix_len());
                assert_eq!(writer.insert(0, prefix, value), Ok(model.insert(0, prefix, value)));
            }
            check_all(&poptrie, &model, 0).unwrap();
        }
        for turn in 0..64_u8 {
            let prefix = at((u32::from(turn) * 11 % 64) as u8, 24);
            let value = model.find(0, prefix).map(|found| model.0.swap_remove(found).2);
            assert_eq!(writer.remove(0, prefix), value);
            check_all(&poptrie, &model, 0).unwrap();
        }
    }
}

/// A reader that passed before it began to read keeps what the next change gives up, however many
/// blocks wait.
#[test]
fn blocks_that_are_read_are_not_used_again() {
    let counter = [AtomicU32::new(0)];
    let readers = Readers::new(&counter);
    let words = storage(PoptrieWriter::words_for(3000, 1));
    let mut writer = PoptrieWriter::new(&words, 1 << 16, 1, readers).unwrap();
    let at = |third: u8| IpCidr::new(IpAddress::v4(10, 0, third, 0), 24);
    let there: Vec<_> = (0..64).step_by(4).map(|third| (at(third), u32::from(third))).collect();
    for (prefix, value) in &there {
        writer.insert(0, *prefix, *value).unwrap();
    }
    for _ in 0..40 {
        writer.insert(0, at(62), 62).unwrap();
        writer.remove(0, at(62)).unwrap();
    }
    readers.quiescent(0);
    let mut walk = writer.table().iter(0);
    assert_eq!(walk.next(), Some(there[0]));
    // This gives up the node that the walk is in, and those use all memory.
    writer.insert(0, at(62), 1000).unwrap();
    let more = (0..=u16::MAX).map(u16::to_be_bytes);
    let more = more.map(|[high, low]| IpCidr::new(IpAddress::v4(20, high, low, 0), 24));
    let refused = more.map(|prefix| writer.insert(0, prefix, 1000)).find(Result::is_err);
    assert_eq!(refused, Some(Err(TableError::Busy)));
    assert!(walk.filter(|(_, value)| *value < 64).eq(there[1..].iter().copied()));
}

#[test]
fn lengths_at_the_ends_are_right() {
    for (v4, v6) in DIRECTS.into_iter().zip(DIRECTS) {
        let words = storage(PoptrieWriter::words_for(200, 1) + (5 << 17));
        let mut writer = PoptrieWriter::new(&words, 200, 1, Readers::new(&[])).unwrap();
        writer.replace(0, Shape { v4, v6 }, []).unwrap();
        let poptrie = writer.table();
        let v4 = |bits: u32| IpAddress::Ipv4(bits.into());
        let v6 = |bits: u128| IpAddress::Ipv6(bits.into());
        // Every length, all ones: an address with n leading ones and then a zero meets length n.
        for length in 0..=32 {
            writer.insert(0, IpCidr::new(v4(u32::MAX), length), u32::from(length)).unwrap();
        }
        for length in 0..=128 {
            writer.insert(0, IpCidr::new(v6(u128::MAX), length), 1000 + u32::from(length)).unwrap();
        }
        let meets = |address, value: u32, length| {
            assert_eq!(poptrie.longest(0, address), Some(Longest { value, length }));
            assert_eq!(poptrie.lookup(0, address), Some(value));
        };
        for length in 0..=32_u8 {
            let address = v4(u32::MAX ^ 0x8000_0000_u32.checked_shr(length.into()).unwrap_or(0));
            meets(address, length.into(), length);
        }
        for length in 0..=128_u8 {
            let address = v6(u128::MAX ^ (1_u128 << 127).checked_shr(length.into()).unwrap_or(0));
            meets(address, 1000 + u32::from(length), length);
        }
        let default = IpCidr::new(v4(0), 0);
        assert_eq!(writer.remove(0, default), Some(0));
        assert_eq!(poptrie.lookup(0, v4(0)), None);
        meets(v6(0), 1000, 0);
    }
}

#[test]
fn values_and_storage_are_checked() {
    let words = storage(PoptrieWriter::words_for(2, 1));
    let small = PoptrieWriter::new(&words[..4], 2, 1, Readers::new(&[]));
    assert_eq!(small.err(), Some(TableError::StorageTooSmall));
    let mut writer = PoptrieWriter::new(&words, 2, 1, Readers::new(&[])).unwrap();
    let prefix = prefix(false, 0, 4);
    assert_eq!(writer.insert(0, prefix, 1 << 31), Err(TableError::CapacityTooLarge));
    assert_eq!(writer.insert(0, prefix, (1 << 31) - 1), Ok(None));
    assert_eq!(writer.insert(1, prefix, 0), Err(TableError::CapacityTooLarge));
    assert_eq!((writer.remove(1, prefix), writer.len()), (None, 1));
}

/// The /24 comes before the /16 goes and the other way round, so the default route is never the
/// answer. So little memory is spare that the writer cannot change the table in each of a look-up's
/// attempts.
#[test]
fn a_route_moved_between_lengths_is_never_missed() {
    let counters = [AtomicU32::new(u32::MAX), AtomicU32::new(0)];
    let readers = Readers::new(&counters);
    let words = storage(PoptrieWriter::words_for(10, 1) - 100);
    let mut writer = PoptrieWriter::new(&words, 10, 1, readers).unwrap();
    let poptrie = writer.table();
    let at = |length| IpCidr::new(address(false, 0), length);
    writer.insert(0, at(0), 0).unwrap();
    writer.insert(0, at(16), 16).unwrap();
    // Prefixes elsewhere, so that the two are in nodes.
    for length in 17..24 {
        writer.insert(0, IpCidr::new(IpAddress::v4(11, 0, 0, 0), length), 0).unwrap();
    }
    let seen = [const { AtomicU32::new(0) }; 2];
    contend(
        readers,
        |_| {
            let answer = poptrie.longest(0, address(false, 0)).unwrap();
            assert_eq!(answer.value & 31, answer.length.into());
            let index = match answer.length {
                16 => 0,
                24 => 1,
                length => panic!("met /{length}"),
            };
            seen[index].fetch_add(1, Relaxed);
            let value = poptrie.lookup(0, address(false, 0)).unwrap();
            assert!([16, 24].contains(&(value & 31)));
        },
        |pause| {
            for change in 1..=CHANGES {
                for (stage, (to, from)) in [(1, (24, 16)), (0, (16, 24))] {
                    for version in [0, change & 0xffff] {
                        let value = version << 8 | u32::from(to);
                        persist(pause, || writer.insert(0, at(to), value));
                    }
                    assert!(writer.remove(0, at(from)).is_some());
                    if change % 20 == 0 {
                        await_growth(&[&seen[stage]], pause);
                    }
                }
            }
        },
    );
    assert!(seen.iter().all(|count| count.load(Relaxed) > 0));
    assert_eq!(poptrie.longest(0, address(false, 0)).unwrap().length, 16);
}

/// How long the writer flaps routes in `flapping_routes`.
fn flapping_time() -> Duration {
    let seconds = std::env::var("DASH_FLAP_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_millis(seconds.map_or(300, |seconds: u64| 1000 * seconds))
}

/// 1,000 routes of all places of a table change between two answers each while readers look them
/// up by bursts and alone; see `.ci/routes` for the ten seconds.
#[test]
#[cfg_attr(miri, ignore = "takes too long")]
fn flapping_routes() {
    const ROUTES: u32 = 1000;
    let address = |route: u32| Ipv4Address::from_bits(0x0a00_0000 + route * 0x5_2301);
    let prefix = |route: u32| IpCidr::new(address(route).into(), 17 + (route % 16) as u8);
    for v4 in [Direct::Bits0, Direct::Bits18] {
        let counters = [const { AtomicU32::new(u32::MAX) }; 2];
        let readers = Readers::new(&counters);
        let words = storage(PoptrieWriter::words_for(20_000, 1) + (5 << 17));
        let mut writer = PoptrieWriter::new(&words, 20_000, 1, readers).unwrap();
        // Each route lies in a shorter one whose value is the number, too; 20 others are near.
        let covers = (0..ROUTES).map(|route| (IpCidr::new(address(route).into(), 16), route << 8));
        let near = (0..ROUTES * 10).map(|near| {
            let bits = address(near % ROUTES).to_bits() ^ 0x400 << (near / ROUTES % 6);
            (IpCidr::new(Ipv4Address::from_bits(bits).into(), 25), 1 << 29)
        });
        let shape = Shape { v4, ..Shape::default() };
        writer.replace(0, shape, covers.chain(near)).unwrap();
        let poptrie = writer.table();
        let lookup = |route: u32| poptrie.lookup(0, address(route).into()).unwrap();
        let before: Vec<u32> = (0..ROUTES).map(lookup).collect();
        let last: Vec<AtomicU32> = (0..ROUTES).map(|_| AtomicU32::new(0)).collect();
        let seen: Vec<[AtomicU32; 2]> = (0..2).map(|_| [const { AtomicU32::new(0) }; 2]).collect();
        contend(
            readers,
            |reader| {
                for first in (0..ROUTES).step_by(25) {
                    let routes: Vec<u32> = (first..first + 25).collect();
                    // Values that were there before the look-up: those after it are not older.
                    let least: Vec<u32> =
                        routes.iter().map(|at| last[*at as usize].load(Acquire)).collect();
                    let addresses: Vec<_> = routes.iter().map(|route| address(*route)).collect();
                    let mut answers = vec![None; 25];
                    poptrie.lookup_burst(&SoftwareHints, 0, &addresses, &mut answers);
                    for ((route, least), answer) in routes.iter().zip(least).zip(answers) {
                        for answer in [answer.unwrap().get(), lookup(*route)] {
                            let there = answer >> 31 == 0 && answer & 1 << 30 != 0;
                            assert!(there || answer == before[*route as usize], "{answer:#x}");
                            if there {
                                let most = last[*route as usize].load(Acquire) + 1;
                                assert_eq!(answer >> 20 & 0x3ff, route % 1024);
                                let version = answer & 0xf_ffff;
                                assert!((least..=most).contains(&version), "{version} {least}");
                            }
                            seen[reader][usize::from(there)].fetch_add(1, Relaxed);
                        }
                    }
                }
            },
            |pause| {
                let begin = Instant::now();
                let mut version = 0_u32;
                // Longer where a busy machine lets the readers wait.
                let enough = || seen.iter().flatten().all(|count| count.load(Relaxed) >= 1000);
                while begin.elapsed() < flapping_time()
                    || !enough() && begin.elapsed() < 20 * flapping_time()
                {
                    version += 1;
                    for route in 0..ROUTES {
                        let value = 1 << 30 | (route % 1024) << 20 | version & 0xf_ffff;
                        persist(pause, || writer.insert(0, prefix(route), value));
                        last[route as usize].store(version, Release);
                        if !version.is_multiple_of(3) {
                            writer.remove(0, prefix(route)).unwrap();
                        }
                    }
                }
                for route in (0..ROUTES).filter(|_| version.is_multiple_of(3)) {
                    writer.remove(0, prefix(route)).unwrap();
                }
                for each in &seen {
                    await_growth(&[&each[0]], pause);
                }
                std::println!("{v4:?}: {version} times {ROUTES} routes, readers saw {seen:?}");
            },
        );
        assert!(seen.iter().flatten().all(|count| count.load(Relaxed) >= 1000));
        // Only the last answer after the last change.
        assert!((0..ROUTES).map(lookup).eq(before));
    }
}
