//! A stream of operations on the map that cores share, one with values of three words and one of
//! single words: the same answers as a map of the standard library. Beside them stand readers that
//! pass quiescent points now and then: what one of them found stays what it was until its next one.
#![no_main]

use core::sync::atomic::AtomicU32;
use std::collections::{BTreeMap, BTreeSet};

use dash_core::table::{
    Demand, TableError,
    exact::{Exact, ExactWriter, Words},
    quiescence::Readers,
};
use dash_hal::{HashKey, Hints, SoftwareHints};
use libfuzzer_sys::fuzz_target;

const READERS: usize = 2;
/// Capacities up to the last that a bucket and the stash always take, all keys in that bucket.
const CAPACITIES: usize = 73;
/// Keys that operations name: more than any capacity.
const KEYS: usize = 96;

/// Keys whose two buckets are both in the first of `share` parts of a table.
fn keys(hash: &HashKey, share: u32) -> Vec<u32> {
    let most = u64::from(u32::MAX / share);
    let in_share = |key: &u32| {
        let hash = SoftwareHints.keyed_hash(hash, &[u64::from(*key)]);
        hash >> 32 <= most && hash & 0xffff_ffff <= most
    };
    (0..).filter(in_share).take(KEYS).collect()
}

/// Values that say which change made them.
trait Value: Words + PartialEq + core::fmt::Debug {
    fn new(change: u32) -> Self;
    fn change(&self) -> u32;
}
impl Value for u32 {
    fn new(change: u32) -> Self {
        change
    }
    fn change(&self) -> u32 {
        *self
    }
}
impl Value for [u32; 3] {
    fn new(change: u32) -> Self {
        [change, !change, change.rotate_left(7)]
    }
    fn change(&self) -> u32 {
        self[0]
    }
}

/// An iterator that a reader has begun, with the keys that have stayed since, and those it gave.
type Walk<'a, V> = (Box<dyn Iterator<Item = (u32, V)> + 'a>, BTreeSet<u32>, Vec<u32>);

/// A map and what it must hold.
struct Pair<'a, V> {
    capacity: usize,
    readers: Readers<'a>,
    writer: ExactWriter<'a, u32, V>,
    table: Exact<'a, u32, V>,
    model: BTreeMap<u32, V>,
    /// For each reader.
    walks: [Option<Walk<'a, V>>; READERS],
}

impl<'a, V: Value + 'a> Pair<'a, V> {
    fn new(words: &'a [AtomicU32], capacity: usize, hash: HashKey, readers: Readers<'a>) -> Self {
        let writer = ExactWriter::new(words, capacity, hash, readers).unwrap();
        let (table, walks) = (writer.table(), [const { None }; READERS]);
        Self { capacity, readers, writer, table, model: BTreeMap::new(), walks }
    }

    fn insert(&mut self, key: u32, change: u32) {
        let value = V::new(change);
        let old = self.model.get(&key).copied();
        match self.writer.insert(&key, &value) {
            Ok(was) => {
                assert_eq!(was, old);
                self.model.insert(key, value);
            }
            Err(TableError::Full) => {
                assert!(old.is_none() && self.model.len() == self.capacity);
            }
            Err(error) => {
                assert_eq!(error, TableError::Busy);
                assert!(!self.readers.is_empty() && self.writer.room() == 0);
                assert!(old.is_none() || size_of::<V>() != 4);
            }
        }
    }

    fn remove(&mut self, key: u32) {
        assert_eq!(self.writer.remove(&key), self.model.remove(&key));
        for (_, stay, _) in self.walks.iter_mut().flatten() {
            stay.remove(&key);
        }
    }

    /// Inserts all of `keys` or refuses them all.
    fn insert_all(&mut self, keys: &[u32], change: u32) {
        let mut demand = Demand::new();
        match keys.iter().try_for_each(|key| self.writer.admit(key, &mut demand)) {
            Ok(()) => {
                for key in keys {
                    let was = self.writer.insert(key, &V::new(change)).expect("it was admitted");
                    assert_eq!(was, self.model.insert(*key, V::new(change)));
                }
            }
            Err(TableError::Busy) => assert!(!self.readers.is_empty()),
            Err(error) => assert_eq!(error, TableError::Full),
        }
    }

    fn walk(&mut self, reader: usize, steps: u8) {
        let table = self.table;
        let (entries, stay, given) = self.walks[reader].get_or_insert_with(|| {
            (Box::new(table.iter()), self.model.keys().copied().collect(), Vec::new())
        });
        let mut ended = true;
        for (key, value) in entries.take(steps.into()) {
            assert_eq!(value, V::new(value.change()), "a value of two changes");
            given.push(key);
            ended = false;
        }
        if ended && steps > 0 {
            for key in &*stay {
                assert_eq!(given.iter().filter(|given| *given == key).count(), 1);
            }
            self.walks[reader] = None;
        }
    }

    /// One of the keys that are there.
    fn present(&self, number: u8) -> Option<u32> {
        let number = usize::from(number).checked_rem(self.model.len())?;
        self.model.keys().nth(number).copied()
    }

    fn check(&self, keys: &[u32]) {
        for key in keys {
            assert_eq!(self.table.get(key), self.model.get(key).copied());
        }
        assert_eq!(self.writer.len(), self.model.len());
        assert!(self.writer.room() <= self.capacity - self.model.len());
    }

    /// All that is there; and all memory comes back.
    fn end(mut self) {
        let all: Vec<_> = self.table.iter().collect();
        assert_eq!(all.len(), self.model.len());
        assert_eq!(all.into_iter().collect::<BTreeMap<_, _>>(), self.model);
        self.model.clone().into_keys().for_each(|key| self.remove(key));
        (0..READERS).for_each(|reader| self.readers.quiescent(reader));
        assert_eq!(self.writer.room(), self.capacity);
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&[capacity, seed, flags], operations)) = bytes.split_first_chunk() else { return };
    let capacity = usize::from(capacity) % CAPACITIES;
    let [crowded, with_readers] = [1, 2].map(|flag| flags & flag != 0);
    let counters = [const { AtomicU32::new(u32::MAX - 1) }; READERS];
    let readers = Readers::new(if with_readers { &counters } else { &[] });
    let hash = HashKey::new([seed.into(), 1]);
    // One bucket for each five entries: all keys share one, or none has a reason to.
    let keys = keys(&hash, if crowded { capacity.div_ceil(5).max(1) as u32 } else { 1 });
    let words = |count| (0..count).map(|_| AtomicU32::new(0xdead_beef)).collect::<Vec<_>>();
    let of_records = words(ExactWriter::<u32, [u32; 3]>::words_for(capacity));
    let of_words = words(ExactWriter::<u32, u32>::words_for(capacity));
    let mut records = Pair::<[u32; 3]>::new(&of_records, capacity, hash, readers);
    let mut singles = Pair::<u32>::new(&of_words, capacity, hash, readers);
    // What each reader found of the single words since its last quiescent point.
    let mut held: [Vec<(u32, u32)>; READERS] = Default::default();
    for (change, &[operation, name]) in (0_u32..).zip(operations.as_chunks().0) {
        let (operation, more) = (operation % 8, operation >> 3);
        let first = usize::from(name) % KEYS;
        let named: Vec<_> = keys.iter().cycle().skip(first).take(9).copied().collect();
        let reader = usize::from(more) % READERS;
        match operation {
            0 | 1 => {
                records.insert(named[0], change);
                singles.insert(named[0], change);
            }
            2 => {
                records.insert_all(&named[..usize::from(more) % 10], change);
                singles.insert_all(&named[..usize::from(more) % 10], change);
            }
            3 => {
                records.remove(named[0]);
                singles.remove(named[0]);
            }
            4 => {
                records.present(name).into_iter().for_each(|key| records.remove(key));
                singles.present(name).into_iter().for_each(|key| singles.remove(key));
            }
            // Without counters, nobody may stand on an entry.
            5 if with_readers => {
                records.walk(reader, more);
                singles.walk(reader, more);
            }
            6 if with_readers => {
                let key = singles.present(name);
                held[reader].extend(key.map(|key| (singles.table.index_of(&key).unwrap(), key)));
            }
            7 => {
                records.walks[reader] = None;
                singles.walks[reader] = None;
                held[reader].clear();
                readers.quiescent(reader);
            }
            _ => {}
        }
        for (index, key) in held.iter().flatten() {
            assert_eq!(singles.table.key_at(*index), Some(*key));
        }
        records.check(&named);
        singles.check(&named);
    }
    records.end();
    singles.end();
});
