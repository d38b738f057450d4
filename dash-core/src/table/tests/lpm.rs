use super::super::{
    TableError,
    lpm::{Longest, LpmWriter},
    quiescence::Readers,
};
use super::std::{vec, vec::Vec};
use super::{
    CHANGES, HASH, address, await_growth, compare, contend, covers, persist, prefix, storage,
};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use proptest::prelude::*;
use smoltcp::wire::{IpAddress, IpCidr};

#[derive(Clone, Copy, Debug)]
enum Operation {
    Insert(u32, IpCidr, u32),
    Remove(u32, IpCidr),
    Get(u32, IpCidr),
    Lookup(u32, IpAddress),
    Iterate(u32),
}

fn operation() -> impl Strategy<Value = Operation> {
    let table = || 0..4_u32;
    let prefix = || {
        (any::<bool>(), any::<u8>(), 0..8_u8).prop_map(|(v6, at, length)| prefix(v6, at, length))
    };
    let address = (any::<bool>(), any::<u8>()).prop_map(|(v6, at)| address(v6, at));
    prop_oneof![
        6 => (table(), prefix(), 0..0x8000_0000_u32).prop_map(|(table, prefix, value)| Operation::Insert(table, prefix, value)),
        4 => (table(), prefix()).prop_map(|(table, prefix)| Operation::Remove(table, prefix)),
        2 => (table(), prefix()).prop_map(|(table, prefix)| Operation::Get(table, prefix)),
        8 => (table(), address).prop_map(|(table, address)| Operation::Lookup(table, address)),
        1 => table().prop_map(Operation::Iterate),
    ]
}

/// All prefixes in a row.
#[derive(Default)]
struct Model(Vec<(u32, IpCidr, u32)>);

impl Model {
    fn find(&self, table: u32, prefix: IpCidr) -> Option<usize> {
        self.0.iter().position(|(of, one, _)| {
            *of == table
                && one.prefix_len() == prefix.prefix_len()
                && covers(*one, prefix.address())
        })
    }

    fn lookup(&self, table: u32, address: IpAddress) -> Option<Longest> {
        self.0
            .iter()
            .filter(|(of, prefix, _)| *of == table && covers(*prefix, address))
            .map(|(_, prefix, value)| Longest { value: *value, length: prefix.prefix_len() })
            .max_by_key(|longest| longest.length)
    }
}

/// Three tables exist; table 3 does not.
#[test]
fn equals_a_naive_list() {
    let run = (0..60_usize, prop::collection::vec(operation(), 300..600));
    compare("lpm", 250, run, |(capacity, operations)| {
        let words = storage(LpmWriter::words_for(capacity, 3));
        let mut writer = LpmWriter::new(&words, capacity, 3, HASH, Readers::new(&[])).unwrap();
        let lpm = writer.table();
        let mut model = Model::default();
        let mut count = operations.len();
        for operation in operations {
            match operation {
                Operation::Insert(table, prefix, value) => {
                    let result = writer.insert(table, prefix, value);
                    let found = model.find(table, prefix);
                    if table == 3 {
                        prop_assert_eq!(result, Err(TableError::CapacityTooLarge));
                    } else if let Some(found) = found {
                        let old = core::mem::replace(&mut model.0[found].2, value);
                        prop_assert_eq!(result, Ok(Some(old)));
                    } else if model.0.len() == capacity {
                        prop_assert_eq!(result, Err(TableError::Full));
                    } else {
                        prop_assert_eq!(result, Ok(None));
                        model.0.push((table, prefix, value));
                    }
                }
                Operation::Remove(table, prefix) => {
                    let old = model.find(table, prefix).map(|found| model.0.swap_remove(found).2);
                    prop_assert_eq!(writer.remove(table, prefix), Ok(old));
                }
                Operation::Get(table, prefix) => {
                    let found = model.find(table, prefix).map(|found| model.0[found].2);
                    prop_assert_eq!(lpm.get(table, prefix), found);
                }
                Operation::Lookup(table, address) => {
                    prop_assert_eq!(lpm.lookup(table, address), model.lookup(table, address));
                }
                Operation::Iterate(table) => {
                    let all: Vec<_> = lpm.iter(table).collect();
                    let wanted = model.0.iter().filter(|(of, ..)| *of == table);
                    prop_assert_eq!(all.len(), wanted.count());
                    for (prefix, value) in all {
                        let found = model.find(table, prefix).map(|found| model.0[found].2);
                        prop_assert_eq!(found, Some(value));
                    }
                }
            }
            prop_assert_eq!(writer.len(), model.0.len());
            prop_assert_eq!(writer.room(), capacity - model.0.len());
        }
        let addresses: Vec<_> =
            (0..=255).step_by(5).flat_map(|at| [address(false, at), address(true, at)]).collect();
        for table in 0..4 {
            let mut answers = vec![None; addresses.len()];
            lpm.lookup_burst(table, &addresses, &mut answers);
            count += addresses.len();
            for (address, answer) in addresses.iter().zip(answers) {
                prop_assert_eq!(answer, model.lookup(table, *address));
            }
        }
        Ok(count)
    });
}

#[test]
fn lengths_at_the_ends_are_right() {
    let words = storage(LpmWriter::words_for(200, 1));
    let mut writer = LpmWriter::new(&words, 200, 1, HASH, Readers::new(&[])).unwrap();
    let lpm = writer.table();
    let v4 = |bits: u32| IpAddress::Ipv4(bits.into());
    let v6 = |bits: u128| IpAddress::Ipv6(bits.into());
    // Every length, all ones: an address with n leading ones and then a zero meets length n.
    for length in 0..=32 {
        writer.insert(0, IpCidr::new(v4(u32::MAX), length), u32::from(length)).unwrap();
    }
    for length in 0..=128 {
        writer.insert(0, IpCidr::new(v6(u128::MAX), length), 1000 + u32::from(length)).unwrap();
    }
    for length in 0..=32_u8 {
        let address = v4(u32::MAX ^ 0x8000_0000_u32.checked_shr(length.into()).unwrap_or(0));
        let wanted = Longest { value: length.into(), length };
        assert_eq!(lpm.lookup(0, address), Some(wanted));
    }
    for length in 0..=128_u8 {
        let address = v6(u128::MAX ^ (1_u128 << 127).checked_shr(length.into()).unwrap_or(0));
        let wanted = Longest { value: 1000 + u32::from(length), length };
        assert_eq!(lpm.lookup(0, address), Some(wanted));
    }
    let default = IpCidr::new(v4(0), 0);
    assert_eq!(writer.remove(0, default), Ok(Some(0)));
    assert_eq!(lpm.lookup(0, v4(0)), None);
    assert_eq!(lpm.lookup(0, v6(0)), Some(Longest { value: 1000, length: 0 }));
}

#[test]
fn values_and_storage_are_checked() {
    let words = storage(LpmWriter::words_for(2, 1));
    let small = LpmWriter::new(&words[1..], 2, 1, HASH, Readers::new(&[]));
    assert_eq!(small.err(), Some(TableError::StorageTooSmall));
    let mut writer = LpmWriter::new(&words, 2, 1, HASH, Readers::new(&[])).unwrap();
    let prefix = prefix(false, 0, 4);
    assert_eq!(writer.insert(0, prefix, 1 << 31), Err(TableError::CapacityTooLarge));
    assert_eq!(writer.insert(0, prefix, (1 << 31) - 1), Ok(None));
    assert_eq!(writer.insert(1, prefix, 0), Err(TableError::CapacityTooLarge));
    assert_eq!((writer.remove(1, prefix), writer.len()), (Ok(None), 1));
}

/// The /24 comes before the /16 goes and the other way round, so the default route is never the
/// answer. So few nodes are spare that the writer cannot change the table in each of a look-up's
/// attempts.
#[test]
fn a_route_moved_between_lengths_is_never_missed() {
    let counters = [AtomicU32::new(u32::MAX), AtomicU32::new(0)];
    let readers = Readers::new(&counters);
    let words = storage(LpmWriter::words_for(10, 1));
    let mut writer = LpmWriter::new(&words, 10, 1, HASH, readers).unwrap();
    let lpm = writer.table();
    let at = |length| IpCidr::new(address(false, 0), length);
    writer.insert(0, at(0), 0).unwrap();
    writer.insert(0, at(16), 16).unwrap();
    // Prefixes elsewhere, so that a look-up is long on its way from /24 to /16.
    for length in 17..24 {
        writer.insert(0, IpCidr::new(IpAddress::v4(11, 0, 0, 0), length), 0).unwrap();
    }
    let seen = [const { AtomicU32::new(0) }; 2];
    contend(
        readers,
        |_| {
            let answer = lpm.lookup(0, address(false, 0)).unwrap();
            assert_eq!(answer.value & 31, answer.length.into());
            let index = match answer.length {
                16 => 0,
                24 => 1,
                length => panic!("met /{length}"),
            };
            seen[index].fetch_add(1, Relaxed);
        },
        |pause| {
            for change in 1..=CHANGES {
                for (stage, (to, from)) in [(1, (24, 16)), (0, (16, 24))] {
                    for version in [0, change & 0xffff] {
                        let value = version << 8 | u32::from(to);
                        persist(pause, || writer.insert(0, at(to), value));
                    }
                    assert!(writer.remove(0, at(from)).unwrap().is_some());
                    if change % 20 == 0 {
                        await_growth(&[&seen[stage]], pause);
                    }
                }
            }
        },
    );
    assert!(seen.iter().all(|count| count.load(Relaxed) > 0));
    assert_eq!(lpm.lookup(0, address(false, 0)).unwrap().length, 16);
}
