//! Operations on two tables in a region that is too small for all of them, with a reader that
//! passes quiescent points now and then, against sorted maps: every answer is the model's, a
//! refused change changes nothing, and all memory comes back.
#![no_main]

use core::sync::atomic::AtomicU32;
use std::collections::BTreeMap;

use dash_core::table::{
    TableError,
    poptrie::{Direct, Longest, PoptrieWriter, Shape},
    quiescence::Readers,
};
use libfuzzer_sys::fuzz_target;
use smoltcp::wire::{IpAddress, IpCidr};

const TABLES: u32 = 2;
const PREFIXES: usize = 40;
/// Fewer than [`PREFIXES`] prefixes may take, so that some changes are refused.
const WORDS: usize = 1600;

/// Table, family, address left aligned, length.
type Key = (u32, bool, u128, u8);

fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
}

fn cidr((_, v6, bits, length): Key) -> IpCidr {
    IpCidr::new(address(v6, bits), length)
}

fn address(v6: bool, bits: u128) -> IpAddress {
    if v6 { IpAddress::Ipv6(bits.into()) } else { IpAddress::Ipv4(((bits >> 96) as u32).into()) }
}

fn longest(model: &BTreeMap<Key, u32>, table: u32, v6: bool, bits: u128) -> Option<Longest> {
    let found = |length: u8| {
        let value = *model.get(&(table, v6, bits & mask(length), length))?;
        Some(Longest { value, length })
    };
    (0..=if v6 { 128 } else { 32 }).rev().find_map(found)
}

/// A prefix out of six bytes: bits at both ends of the address, so that prefixes share many.
fn key(bytes: [u8; 6]) -> Key {
    let [table, family, high, low, shift, length] = bytes;
    let v6 = family & 1 != 0;
    let most = if v6 { 128 } else { 32 };
    let low = u128::from(low) << (u32::from(shift) % 32) << if v6 { 0 } else { 96 };
    let bits = u128::from(high) << 120 | low;
    let length = length % (most + 1);
    (u32::from(table) % TABLES, v6, bits & mask(length), length)
}

fuzz_target!(|bytes: &[u8]| {
    let words: Vec<AtomicU32> = (0..WORDS).map(|_| AtomicU32::new(0xdead_beef)).collect();
    let counters = [AtomicU32::new(u32::MAX)];
    let (with_reader, bytes) = match bytes.split_first() {
        Some((first, rest)) => (first & 1 != 0, rest),
        None => return,
    };
    let readers = Readers::new(if with_reader { &counters } else { &[] });
    let mut writer = PoptrieWriter::new(&words, PREFIXES, TABLES as usize, readers).unwrap();
    let poptrie = writer.table();
    let empty = writer.usage();
    let mut model = BTreeMap::new();
    let (operations, _) = bytes.as_chunks::<7>();
    for [operation, rest @ ..] in operations {
        let key = key(*rest);
        let (table, v6, bits, _) = key;
        match operation % 16 {
            0..=5 => {
                let value = u32::from(*operation) << 20 | u32::from(rest[5]);
                match writer.insert(table, cidr(key), value) {
                    Ok(old) => assert_eq!(model.insert(key, value), old),
                    Err(TableError::Busy) => assert!(with_reader && !model.contains_key(&key)),
                    Err(error) => {
                        assert_eq!(error, TableError::Full);
                        assert!(!model.contains_key(&key));
                    }
                }
            }
            6..=8 => assert_eq!(writer.remove(table, cidr(key)), model.remove(&key)),
            9 => assert_eq!(poptrie.get(table, cidr(key)), model.get(&key).copied()),
            10 => {
                let shape = Shape {
                    v4: if rest[2] & 1 == 0 { Direct::Bits0 } else { Direct::Bits8 },
                    v6: Direct::Bits0,
                };
                let mut new = BTreeMap::new();
                let some = rest.windows(6).chain(rest.chunks(6)).flat_map(|it| {
                    (0..8_u8).map(move |turn| {
                        let mut bytes = [0; 6];
                        bytes
                            .iter_mut()
                            .zip(it)
                            .for_each(|(to, byte)| *to = byte ^ turn.wrapping_mul(37));
                        bytes
                    })
                });
                for bytes in some {
                    let (_, v6, bits, length) = self::key(bytes);
                    new.insert((table, v6, bits, length), u32::from(bytes[5]));
                }
                let prefixes = new.iter().map(|(key, value)| (cidr(*key), *value));
                if writer.replace(table, shape, prefixes).is_ok() {
                    model.retain(|(of, ..), _| *of != table);
                    model.extend(new);
                }
            }
            11 => {
                let _ = writer.hold(table, cidr(key));
            }
            12 => writer.release(table, cidr(key)),
            13 => readers.quiescent(0),
            _ => {}
        }
        let wanted = longest(&model, table, v6, bits);
        assert_eq!(poptrie.longest(table, address(v6, bits)), wanted);
        let value = wanted.map(|longest| longest.value);
        assert_eq!(poptrie.lookup(table, address(v6, bits)), value);
        assert_eq!(writer.len(), model.len());
    }
    for table in 0..TABLES {
        let found: Vec<_> = poptrie.iter(table).collect();
        let wanted: Vec<_> = model.iter().filter(|(key, _)| key.0 == table).collect();
        assert_eq!(found.len(), wanted.len());
        for ((prefix, value), (key, wanted)) in found.into_iter().zip(wanted) {
            assert_eq!((prefix, value), (cidr(*key), *wanted));
        }
        readers.quiescent(0);
        writer.replace(table, Shape::default(), []).unwrap();
    }
    // With a reader, some blocks wait for the next change that needs them.
    if !with_reader {
        assert_eq!(writer.usage().free, empty.free);
    }
});
