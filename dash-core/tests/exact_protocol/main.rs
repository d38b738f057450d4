//! The shared exact map under all interleavings of a writer and a reader, by loom.
//!
//! The map's own files are compiled here once more, over loom's atomics in place of the
//! processor's: what is shown is shown of the shipped code. loom also tries the old values that a
//! weak memory model lets a relaxed load see.
//!
//! `cargo test -p dash-core --test exact_protocol`
#![allow(dead_code, missing_docs, unreachable_pub, reason = "the files are those of the library")]

#[path = "../../src/table"]
mod table {
    mod atomic {
        pub(super) use loom::sync::atomic::{AtomicU32, Ordering, fence};
    }
    mod demand;
    mod error;
    pub mod exact;
    mod pool;
    pub mod quiescence;
    pub use demand::Demand;
    pub use error::TableError;
}

use dash_hal::HashKey;
use loom::{model::Builder, sync::atomic::AtomicU32, thread};
use table::{
    TableError,
    exact::{Exact, ExactWriter, Words},
    quiescence::Readers,
};

type Key = u32;
/// Its words belong together.
type Value = [u32; 2];
type Writer<V> = ExactWriter<'static, Key, V>;
type Reader = Exact<'static, Key, Value>;

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

/// A map with [`STAYS`] in it, in memory that is never given back: loom checks each run anew.
fn map_of<V: Words>(value: V) -> (Writer<V>, Readers<'static>) {
    let words = Writer::<V>::words_for(CAPACITY);
    let words: Vec<AtomicU32> = (0..words).map(|_| AtomicU32::new(0)).collect();
    let readers = Readers::new(vec![AtomicU32::new(0)].leak());
    let hash = HashKey::new([1, 2]);
    let mut writer = Writer::new(words.leak(), CAPACITY, hash, readers).unwrap();
    writer.insert(&STAYS, &value).unwrap();
    (writer, readers)
}

fn map() -> (Writer<Value>, Readers<'static>) {
    map_of(value(0))
}

/// All interleavings with at most so many times that a thread is stopped where it could go on.
fn explore(preemptions: usize, run: impl Fn() + Sync + Send + 'static) {
    let mut model = Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(run);
}

/// What a reader may see of an entry that changes: nothing, or one whole value of those written.
fn look(table: &Reader, key: Key) -> Option<u32> {
    let [version, rest] = table.get(&key)?;
    assert_eq!(rest, !version, "a value of two writes");
    Some(version)
}

#[test]
fn a_key_that_stays_is_found_while_others_come_and_go() {
    explore(3, || {
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
    explore(3, || {
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
    explore(3, || {
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
    explore(2, || {
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
