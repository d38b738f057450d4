//! The exact map.
use super::{
    explore, one_reader,
    table::{
        TableError,
        exact::{Exact, ExactWriter, WAYS, Words},
        quiescence::Readers,
    },
    words,
};
use dash_hal::{HashKey, Hints, SoftwareHints};
use loom::thread;

type Key = u32;
/// Its words belong together.
type Value = [u32; 2];
type Writer<V> = ExactWriter<'static, Key, V>;
type Reader = Exact<'static, Key, Value>;

/// Times that a thread is stopped where it could go on: more than any of these runs has.
const ALL: usize = 255;

const CAPACITY: usize = 2;
/// Stays.
const STAYS: Key = 7;
/// Is inserted, replaced, removed.
const CHANGES: Key = 8;
/// Takes the memory that was given up.
const LATER: Key = 9;

const fn value(version: u32) -> Value {
    [version, !version]
}

/// A map with [`STAYS`] in it.
fn map_of<V: Words>(value: V) -> (Writer<V>, Readers<'static>) {
    let readers = one_reader();
    let mut writer = empty(CAPACITY, readers);
    writer.insert(&STAYS, &value).unwrap();
    (writer, readers)
}

const SECRET: HashKey = HashKey::new([1, 2]);

fn empty<V: Words>(capacity: usize, readers: Readers<'static>) -> Writer<V> {
    let words = words(Writer::<V>::words_for(capacity));
    Writer::new(words, capacity, SECRET, readers).unwrap()
}

fn map() -> (Writer<Value>, Readers<'static>) {
    map_of(value(0))
}

/// What a reader may see of an entry that changes: nothing, or one whole value of those written.
fn look(table: &Reader, key: Key) -> Option<u32> {
    let [version, rest] = table.get(&key)?;
    assert_eq!(rest, !version, "a value of two writes");
    Some(version)
}

#[test]
fn a_key_that_stays_is_found_while_others_come_and_go() {
    explore(ALL, || {
        let (mut writer, _) = map();
        let table = writer.table();
        let reader = thread::spawn(move || {
            assert_eq!(look(&table, STAYS), Some(0));
            assert!(look(&table, CHANGES).is_none_or(|version| version == 1));
        });
        writer.insert(&CHANGES, &value(1)).unwrap();
        writer.remove(&CHANGES).unwrap();
        reader.join().unwrap();
    });
}

#[test]
fn a_replaced_entry_is_old_or_new_and_never_goes_back() {
    explore(ALL, || {
        let (mut writer, _) = map();
        let table = writer.table();
        let reader = thread::spawn(move || {
            let first = look(&table, STAYS).expect("it is always there");
            let second = look(&table, STAYS).expect("it is always there");
            assert!(first <= second && second <= 1);
        });
        writer.insert(&STAYS, &value(1)).unwrap();
        reader.join().unwrap();
    });
}

/// The reader passes a quiescent point between two look-ups; the writer reuses what it gave up as
/// soon as it may. A value of one word, so that there is one spare node.
#[test]
fn memory_is_reused_only_after_a_quiescent_point() {
    explore(4, || {
        let (mut writer, readers) = map_of::<u32>(0);
        writer.insert(&CHANGES, &1).unwrap();
        let table = writer.table();
        let reader = thread::spawn(move || {
            for _ in 0..2 {
                assert!(table.get(&CHANGES).is_none_or(|version| version == 1));
                readers.quiescent(0);
            }
        });
        // The first node that is needed is the spare one, the second that of the first removal.
        for key in [CHANGES, LATER] {
            writer.remove(&key).unwrap();
            // Refused as long as the reader may still look at that node.
            assert!(matches!(writer.insert(&LATER, &3), Ok(_) | Err(TableError::Busy)));
        }
        reader.join().unwrap();
        readers.quiescent(0);
        assert!(writer.insert(&LATER, &3).is_ok());
    });
}

#[test]
fn an_iterator_gives_each_entry_that_stays_once() {
    explore(ALL, || {
        let (mut writer, _) = map();
        let table = writer.table();
        let reader = thread::spawn(move || {
            let stays = table.iter().filter(|(key, _)| *key == STAYS).count();
            assert_eq!(stays, 1);
        });
        writer.insert(&CHANGES, &value(1)).unwrap();
        writer.insert(&STAYS, &value(1)).unwrap();
        reader.join().unwrap();
    });
}

/// Keys whose buckets, of two, are both the first: the highest bit of both halves of the hash is 0.
fn of_the_first_bucket() -> impl Iterator<Item = Key> {
    let halves = 1 << 63 | 1 << 31;
    (0..).filter(move |key| SoftwareHints.keyed_hash(&SECRET, &[u64::from(*key)]) & halves == 0)
}

/// The bucket of all keys is full; the stash holds one that stays and one that comes and goes.
#[test]
fn a_key_in_the_stash_is_found_while_the_stash_changes() {
    explore(ALL, || {
        let mut keys = of_the_first_bucket();
        let mut writer = empty(10, one_reader());
        keys.by_ref().take(WAYS).for_each(|key| assert!(writer.insert(&key, &value(0)).is_ok()));
        let (stays, changes) = (keys.next().unwrap(), keys.next().unwrap());
        writer.insert(&stays, &value(0)).unwrap();
        let table = writer.table();
        let reader = thread::spawn(move || {
            assert!(look(&table, changes).is_none_or(|version| version == 1));
            assert_eq!(look(&table, stays), Some(0));
        });
        writer.insert(&changes, &value(1)).unwrap();
        writer.remove(&changes).unwrap();
        reader.join().unwrap();
    });
}

/// As a mapping names its second address: what an entry names is there for a reader that found the
/// entry, though the writer replaces the entry, removes what it named, and reuses that memory.
#[test]
fn an_entry_that_another_table_names_stays_for_its_reader() {
    explore(ALL, || {
        let readers = one_reader();
        let mut named: Writer<u32> = empty(CAPACITY, readers);
        let mut naming: Writer<Value> = empty(1, readers);
        named.insert(&STAYS, &0).unwrap();
        named.insert(&CHANGES, &0).unwrap();
        let entries = named.table();
        let name = move |key: Key| [entries.index_of(&key).unwrap(), key];
        naming.insert(&1, &name(CHANGES)).unwrap();
        let table = naming.table();
        let reader = thread::spawn(move || {
            for _ in 0..2 {
                let [index, key] = table.get(&1).unwrap();
                assert_eq!(entries.key_at(index), Some(key));
                readers.quiescent(0);
            }
        });
        naming.insert(&1, &name(STAYS)).unwrap();
        named.remove(&CHANGES).unwrap();
        for key in [LATER, LATER + 1] {
            // The first takes the spare node, the second that of the removed entry.
            if named.insert(&key, &0).is_ok() {
                named.remove(&key).unwrap();
            }
        }
        reader.join().unwrap();
    });
}
