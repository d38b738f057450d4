use super::super::{
    Demand, TableError,
    exact::{ExactWriter, Words},
    quiescence::Readers,
};
use super::std::{
    self,
    collections::BTreeMap,
    time::{Duration, Instant},
    vec,
    vec::Vec,
};
use super::{CHANGES, HASH, await_growth, compare, contend, persist, storage};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use proptest::prelude::*;

type Key = [u8; 12];
type Value = [u32; 3];
type Writer<'a> = ExactWriter<'a, Key, Value>;
type WordWriter<'a> = ExactWriter<'a, Key, u32>;

fn key(number: u32) -> Key {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&number.to_be_bytes());
    key[8..].copy_from_slice(&number.to_le_bytes());
    key
}

/// A value whose words belong together.
fn value(number: u32, version: u32) -> Value {
    [version, !version, number ^ version]
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Insert(u32, u32),
    Remove(u32),
    Get(u32),
    Iterate,
    Quiescent(usize),
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => (0..24_u32, 0..1000_u32).prop_map(|(key, version)| Operation::Insert(key, version)),
        3 => (0..24_u32).prop_map(Operation::Remove),
        3 => (0..24_u32).prop_map(Operation::Get),
        1 => Just(Operation::Iterate),
        3 => (0..3_usize).prop_map(Operation::Quiescent),
    ]
}

#[test]
fn equals_a_naive_map() {
    let run = (0..24_usize, 0..=3_usize, prop::collection::vec(operation(), 300..600));
    compare("exact", 2_400, run, |(capacity, reader_count, operations)| {
        let counters: Vec<_> = (0..reader_count).map(|_| AtomicU32::new(u32::MAX - 20)).collect();
        let readers = Readers::new(&counters);
        let words = storage(Writer::words_for(capacity));
        let mut writer = Writer::new(&words, capacity, HASH, readers).unwrap();
        let table = writer.table();
        let mut model = BTreeMap::new();
        // For each node given up, which readers have not passed a quiescent point since.
        let mut given_up: Vec<Vec<bool>> = Vec::new();
        let count = operations.len();
        for operation in operations {
            let room = writer.room();
            let spare = capacity + 1;
            let held = given_up.len();
            let still_read = given_up.iter().filter(|readers| readers.contains(&true)).count();
            prop_assert!(room <= (capacity + spare - model.len()).saturating_sub(still_read));
            match operation {
                Operation::Insert(number, version) => {
                    let value = value(number, version);
                    let result = writer.insert(&key(number), &value);
                    let old = model.get(&key(number)).copied();
                    match result {
                        Ok(found) => {
                            prop_assert_eq!(found, old);
                            prop_assert!(old.is_some() || room > 0);
                            prop_assert!(model.len() + still_read < capacity + spare);
                            model.insert(key(number), value);
                            if old.is_some() {
                                given_up.push(vec![true; reader_count]);
                            }
                        }
                        Err(TableError::Full) => {
                            prop_assert!(old.is_none() && model.len() == capacity);
                        }
                        Err(error) => {
                            prop_assert_eq!(error, TableError::Busy);
                            prop_assert!(old.is_some() || room == 0);
                            // Nodes that no reader can see are not all free, but without a node
                            // that one can see, all are.
                            prop_assert!(still_read > 0);
                            prop_assert!(model.len() + held >= capacity + spare);
                        }
                    }
                }
                Operation::Remove(number) => {
                    let old = model.remove(&key(number));
                    prop_assert_eq!(writer.remove(&key(number)), old);
                    if old.is_some() {
                        given_up.push(vec![true; reader_count]);
                    }
                }
                Operation::Get(number) => {
                    prop_assert_eq!(table.get(&key(number)), model.get(&key(number)).copied());
                }
                Operation::Iterate => {
                    let mut all: Vec<_> = table.iter().collect();
                    all.sort_unstable();
                    prop_assert!(all.into_iter().eq(model.clone()));
                }
                Operation::Quiescent(reader) => {
                    readers.quiescent(reader);
                    for readers in &mut given_up {
                        if let Some(reads) = readers.get_mut(reader) {
                            *reads = false;
                        }
                    }
                    if given_up.iter().all(|readers| !readers.contains(&true)) {
                        prop_assert_eq!(writer.room(), capacity - model.len());
                    }
                }
            }
            if !given_up.iter().any(|readers| readers.contains(&true)) {
                given_up.clear();
            }
            prop_assert_eq!((writer.len(), writer.is_empty()), (model.len(), model.is_empty()));
        }
        Ok(count)
    });
}

/// Changes of the past, then a transaction: keys that are inserted or removed.
type Story = (Vec<(u32, bool)>, Vec<(u32, bool)>, [bool; 2]);

/// Whether a transaction is refused as the count says, and never later. Some readers have passed
/// since the changes before it.
fn admitted_or_refused_before_the_first_change<V: Words>(
    capacity: usize,
    reader_count: usize,
    (past, transaction, passed): &Story,
    value: V,
) -> Result<usize, TestCaseError> {
    let counters: Vec<_> = (0..reader_count).map(|_| AtomicU32::new(0)).collect();
    let readers = Readers::new(&counters);
    let words = storage(ExactWriter::<Key, V>::words_for(capacity));
    let mut writer = ExactWriter::<Key, V>::new(&words, capacity, HASH, readers).unwrap();
    for (number, insert) in past {
        if *insert {
            let _ = writer.insert(&key(*number), &value);
        } else {
            writer.remove(&key(*number));
        }
    }
    for (reader, passed) in passed.iter().enumerate() {
        if *passed {
            readers.quiescent(reader);
        }
    }
    let there: Vec<_> = writer.table().iter().map(|(key, _)| key).collect();
    let new =
        transaction.iter().filter(|(number, insert)| *insert && !there.contains(&key(*number)));
    let fits = there.len() + new.count() <= capacity;
    for attempt in 0.. {
        let mut demand = Demand::new();
        let mut admit = || {
            transaction.iter().try_for_each(|(number, insert)| match insert {
                true => writer.admit(&key(*number), &mut demand),
                false => {
                    demand.remove(1);
                    Ok(())
                }
            })
        };
        match admit() {
            Ok(()) => break,
            Err(TableError::Busy) => {
                prop_assert_eq!(attempt, 0, "all readers have passed");
                (0..reader_count).for_each(|reader| readers.quiescent(reader));
            }
            Err(error) => {
                prop_assert_eq!(error, TableError::Full);
                prop_assert!(!fits || reader_count > 0);
                return Ok(1);
            }
        }
    }
    prop_assert!(fits);
    for (number, insert) in transaction {
        if *insert {
            prop_assert!(writer.insert(&key(*number), &value).is_ok());
        } else {
            writer.remove(&key(*number));
        }
    }
    Ok(transaction.len())
}

#[test]
fn what_is_admitted_is_not_refused() {
    let changes = |count| prop::collection::vec((0..20_u32, prop::bool::weighted(0.7)), 0..count);
    let story = (changes(60), changes(40), any::<[bool; 2]>());
    let run = (0..24_usize, 0..=2_usize, story);
    compare("exact, admitted", 14_000, run, |(capacity, reader_count, story)| {
        let of_words =
            admitted_or_refused_before_the_first_change(capacity, reader_count, &story, [0; 3]);
        let of_word =
            admitted_or_refused_before_the_first_change(capacity, reader_count, &story, 0);
        Ok(of_words? + of_word?)
    });
}

/// A shared key is inserted once, however many changes name it: then only `Full` is left.
#[test]
fn a_shared_key_is_admitted_often_and_inserted_once() {
    let counters = [AtomicU32::new(0)];
    let readers = Readers::new(&counters);
    let words = storage(WordWriter::words_for(2));
    let mut writer = WordWriter::new(&words, 2, HASH, readers).unwrap();
    let mut demand = Demand::new();
    for _ in 0..9 {
        assert_eq!(writer.admit_shared(&key(0), &mut demand), Ok(()));
    }
    // Of the three nodes one is in use and one is still read.
    writer.insert(&key(0), &0).unwrap();
    writer.insert(&key(1), &0).unwrap();
    writer.remove(&key(1));
    let mut demand = Demand::new();
    assert_eq!(writer.admit_shared(&key(0), &mut demand), Ok(()));
    assert_eq!(writer.admit_shared(&key(1), &mut demand), Ok(()));
    assert_eq!(writer.admit_shared(&key(1), &mut demand), Err(TableError::Busy));
    readers.quiescent(0);
    for number in [1, 1, 2, 3] {
        assert_eq!(writer.admit_shared(&key(number), &mut demand), Ok(()));
    }
    assert_eq!(writer.insert(&key(1), &0), Ok(None));
    assert_eq!(writer.insert(&key(2), &0), Err(TableError::Full));
}

#[test]
fn takes_its_capacity_and_not_one_more() {
    for capacity in [0, 1, 2, 7, 8, if cfg!(miri) { 9 } else { 5_000 }] {
        let words = storage(Writer::words_for(capacity));
        let too_small = Writer::new(&words[1..], capacity, HASH, Readers::new(&[]));
        assert_eq!(too_small.err(), Some(TableError::StorageTooSmall));
        let mut writer = Writer::new(&words, capacity, HASH, Readers::new(&[])).unwrap();
        for number in 0..capacity as u32 {
            assert_eq!(writer.insert(&key(number), &value(number, 0)), Ok(None));
        }
        assert_eq!((writer.len(), writer.room()), (capacity, 0));
        assert_eq!(writer.insert(&key(u32::MAX), &value(0, 0)), Err(TableError::Full));
        for number in 0..capacity as u32 {
            let replaced = writer.insert(&key(number), &value(number, 1));
            assert_eq!(replaced, Ok(Some(value(number, 0))));
            assert_eq!(writer.table().get(&key(number)), Some(value(number, 1)));
        }
        assert_eq!(writer.table().iter().count(), capacity);
    }
    assert_eq!(Writer::words_for(usize::MAX), usize::MAX);
}

/// Keys 0 to 7 stay, 8 to 15 are replaced, 16 to 23 come and go; all share few chains.
#[test]
fn readers_see_old_or_new_and_always_what_stays() {
    let counters = [AtomicU32::new(u32::MAX - 5), AtomicU32::new(7)];
    let readers = Readers::new(&counters);
    let words = storage(Writer::words_for(24));
    let mut writer = Writer::new(&words, 24, HASH, readers).unwrap();
    for number in 0..16 {
        writer.insert(&key(number), &value(number, 0)).unwrap();
    }
    let table = writer.table();
    let seen: [[AtomicU32; 24]; 2] = core::array::from_fn(|_| [const { AtomicU32::new(0) }; 24]);
    let came = AtomicU32::new(0);
    let check = |reader: usize, number: u32, found: Value| {
        let last = &seen[reader][number as usize];
        assert_eq!(found, value(number, found[0]));
        assert!(found[0] >= last.load(Relaxed), "an older value after a newer one");
        last.store(found[0], Relaxed);
    };
    contend(
        readers,
        |reader| {
            for number in 0..24 {
                match table.get(&key(number)) {
                    Some(found) => check(reader, number, found),
                    None => assert!(number >= 16, "key {number} has gone"),
                }
            }
            let mut found = [0; 24];
            for (key, value) in table.iter() {
                let number = u32::from_be_bytes([key[0], key[1], key[2], key[3]]);
                found[number as usize] += 1;
                check(reader, number, value);
                came.fetch_add(u32::from(number >= 16), Relaxed);
            }
            assert_eq!(found[..16], [1; 16]);
        },
        |pause| {
            for change in 1..=CHANGES {
                let number = 8 + change * 7 % 16;
                let remove = number >= 16 && change / 16 % 2 == 1;
                if remove {
                    writer.remove(&key(number)).unwrap();
                    continue;
                }
                persist(pause, || writer.insert(&key(number), &value(number, change)));
                if change % 32 == 15 {
                    // All that come and go are there.
                    await_growth(&[&came], pause);
                }
            }
        },
    );
}

/// 100,000 changes a second while readers look up bursts: of 1,000 keys, the first half stays.
#[test]
#[cfg_attr(miri, ignore = "takes too long")]
fn readers_beside_a_writer_of_100_000_changes_a_second() {
    const CHANGES: u32 = 100_000;
    const STAY: u32 = 500;
    let counters = [const { AtomicU32::new(0) }; 2];
    let readers = Readers::new(&counters);
    let words = storage(Writer::words_for(2 * STAY as usize));
    let mut writer = Writer::new(&words, 2 * STAY as usize, HASH, readers).unwrap();
    for number in 0..STAY {
        writer.insert(&key(number), &value(number, 0)).unwrap();
    }
    let table = writer.table();
    let looked_up = [const { AtomicU32::new(0) }; 2];
    contend(
        readers,
        |reader| {
            let bursts = looked_up[reader].fetch_add(1, Relaxed);
            for step in 0..32 {
                let number = (32 * bursts + step) % (2 * STAY);
                match table.get(&key(number)) {
                    Some(found) => assert_eq!(found, value(number, found[0])),
                    None => assert!(number >= STAY, "key {number} has gone"),
                }
            }
        },
        |pause| {
            let start = Instant::now();
            for change in 1..=CHANGES {
                let number = change.wrapping_mul(2_654_435_761) % (2 * STAY);
                if number >= STAY && change % 3 == 0 {
                    writer.remove(&key(number));
                } else {
                    persist(pause, || writer.insert(&key(number), &value(number, change)));
                }
                while start.elapsed() < 10 * change * Duration::from_micros(1) {
                    pause();
                }
            }
            let bursts = looked_up.iter().map(|bursts| bursts.load(Relaxed)).sum::<u32>();
            let rate = f64::from(CHANGES) / start.elapsed().as_secs_f64();
            std::println!("{rate:.0} changes a second, beside {bursts} bursts of 32");
            assert!(looked_up.iter().all(|bursts| bursts.load(Relaxed) > 0));
        },
    );
}

/// An entry of one table names an entry of another by its index, as a mapping its second address.
#[test]
fn an_entry_of_one_word_stays_where_it_is() {
    let counters = [AtomicU32::new(0)];
    let readers = Readers::new(&counters);
    let words = storage(WordWriter::words_for(8));
    let mut writer = WordWriter::new(&words, 8, HASH, readers).unwrap();
    let table = writer.table();
    (0..8).for_each(|number| assert_eq!(writer.insert(&key(number), &0), Ok(None)));
    let places: Vec<_> = (0..8).map(|number| table.index_of(&key(number)).unwrap()).collect();
    (0..8).for_each(|number| assert_eq!(writer.insert(&key(number), &1), Ok(Some(0))));
    for (number, place) in (0..8).zip(&places) {
        assert_eq!(table.index_of(&key(number)), Some(*place));
        assert_eq!(table.key_at(*place), Some(key(number)));
    }
    assert_eq!((table.index_of(&key(9)), table.key_at(u32::MAX)), (None, None));
    // Also when it is gone, up to the reader's quiescent point.
    writer.remove(&key(3));
    while writer.insert(&key(9), &0).is_ok() {
        assert_eq!(table.key_at(places[3]), Some(key(3)));
        writer.remove(&key(9));
    }
    readers.quiescent(0);
    assert_eq!(writer.insert(&key(10), &0), Ok(None));
    assert_eq!(table.key_at(table.index_of(&key(10)).unwrap()), Some(key(10)));
}

/// As a route and its record: whoever reads the word finds the record that belongs to it.
#[test]
fn a_word_that_is_replaced_publishes_what_was_written_before() {
    let counters = [AtomicU32::new(0), AtomicU32::new(0)];
    let readers = Readers::new(&counters);
    let (words, of_words) = (storage(WordWriter::words_for(1)), storage(Writer::words_for(1)));
    let mut word = WordWriter::new(&words, 1, HASH, readers).unwrap();
    let mut record = Writer::new(&of_words, 1, HASH, readers).unwrap();
    record.insert(&key(0), &value(0, 0)).unwrap();
    word.insert(&key(0), &0).unwrap();
    let (word_view, record_view) = (word.table(), record.table());
    contend(
        readers,
        |_| {
            let version = word_view.get(&key(0)).unwrap();
            let found = record_view.get(&key(0)).unwrap();
            assert!(found[0] >= version, "an older record behind a newer word");
            assert_eq!(found, value(0, found[0]));
        },
        |pause| {
            for change in 1..=CHANGES {
                persist(pause, || record.insert(&key(0), &value(0, change)));
                // Never refused: no reader is in its way.
                assert_eq!(word.insert(&key(0), &change), Ok(Some(change - 1)));
            }
        },
    );
}

/// A reader stands on each entry in turn while that one is removed or replaced.
#[test]
fn a_reader_goes_on_from_a_node_that_was_unlinked() {
    let counters = [AtomicU32::new(0)];
    let readers = Readers::new(&counters);
    let words = storage(Writer::words_for(32));
    let mut writer = Writer::new(&words, 32, HASH, readers).unwrap();
    for position in 0..32 {
        for replace in [false, true] {
            for number in 0..32 {
                readers.quiescent(0);
                writer.insert(&key(number), &value(number, 0)).unwrap();
            }
            readers.quiescent(0);
            let mut entries = writer.table().iter();
            let (stood_on, _) = entries.nth(position).unwrap();
            if replace {
                writer.insert(&stood_on, &value(0, 1)).unwrap();
            } else {
                writer.remove(&stood_on).unwrap();
            }
            assert_eq!(entries.count(), 31 - position);
        }
    }
}
