//! Against a naive model, at the limits, and with hashes that an attacker would wish for.
extern crate std;

mod flooding;

use super::*;
use dash_hal::SoftwareHints;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::println;
use std::vec::Vec;

type Value = [u32; 3];

/// Bucket lines that were read, and entries that were displaced.
#[derive(Debug, Default)]
pub(super) struct Work {
    reads: Cell<u64>,
    moves: Cell<u64>,
}

impl Work {
    pub(super) fn read(&self) {
        self.reads.set(self.reads.get() + 1);
    }

    pub(super) fn moved(&self) {
        self.moves.set(self.moves.get() + 1);
    }

    fn take(&self) -> (u64, u64) {
        (self.reads.take(), self.moves.take())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct TestKey([u64; 2]);

impl Key for TestKey {
    const EMPTY: Self = Self([0; 2]);
    fn hash<H: Hints>(&self, secret: &HashKey, hints: &H) -> u64 {
        hints.keyed_hash(secret, &self.0)
    }
}

fn key(number: u32) -> TestKey {
    TestKey([u64::from(number) << 32, 0])
}

/// A hash of which only the bits of the mask are left: 0 puts all keys in one bucket pair.
struct Weak(u64);

impl Hints for Weak {
    fn keyed_hash(&self, key: &HashKey, data: &[u64]) -> u64 {
        SoftwareHints.keyed_hash(key, data) & self.0
    }
}

/// Few tags and few buckets, all keys alike, few tags, few buckets, and none of it.
const MASKS: [u64; 5] =
    [0x3800_0000_0000_0007, 0, 0xffff_ffff_0000_0003, 0x2000_0000_0000_ffff, !0];

/// Of no entry.
const SOME: Handle = Handle(NonZeroU32::MIN);

struct Storage {
    buckets: Vec<Bucket>,
    slots: Vec<Slot<TestKey, Value>>,
}

impl Storage {
    /// With `extra` buckets more than asked for, and filled with dirt.
    fn new(capacity: usize, extra: usize) -> Self {
        let buckets = Cuckoo::<TestKey, Value>::buckets_for(capacity) + extra;
        let mut dirt = Bucket::EMPTY;
        for place in 0..PLACES {
            dirt.put(place, bucket::Tenant { tag: 1, handle: SOME, guest: true });
        }
        dirt.leave(1);
        let slot = Slot { key: key(1), state: u32::MAX, link: 7, value: [9; 3] };
        Self { buckets: std::vec![dirt; buckets], slots: std::vec![slot; capacity] }
    }

    fn table(&mut self, seed: u64) -> Cuckoo<'_, TestKey, Value> {
        Cuckoo::new(&mut self.buckets, &mut self.slots, [seed, !seed]).unwrap()
    }
}

/// The entries of a burst of keys, as the engine looks for them; a key of `None` has none.
fn find_burst<H: Hints>(
    table: &mut Cuckoo<'_, TestKey, Value>,
    keys: &[Option<TestKey>],
    hints: &H,
) -> Vec<Option<Handle>> {
    let mut places: Vec<_> =
        keys.iter().map(|key| key.map_or(Place::NONE, |key| table.home(&key, hints))).collect();
    table.candidates(&mut places, hints);
    keys.iter()
        .zip(&places)
        .map(|(key, place)| {
            assert!(key.is_some() || place.candidate.is_none());
            Some(table.confirm(place, key.as_ref()?)?.0)
        })
        .collect()
}

/// All that holds between operations.
fn check<H: Hints>(table: &Cuckoo<'_, TestKey, Value>, hints: &H) {
    let mut away = std::vec![Bucket::EMPTY; table.buckets.len()];
    let mut housed = HashSet::new();
    let mut stashed = 0;
    let main = table.buckets.iter().enumerate().map(|(at, bucket)| (Some(at as u32), bucket));
    for (at, bucket) in main.chain(table.stash.iter().map(|bucket| (None, bucket))) {
        for tenant in (0..PLACES).filter_map(|place| bucket.tenant(place)) {
            let handle = tenant.handle;
            let (found, _) = table.get(handle).expect("a bucket names live entries");
            assert!(housed.insert(handle), "{handle:?} lives twice");
            let Place { home, .. } = table.home(found, hints);
            let alternate = table.alternate(home.tag, home.primary);
            assert_eq!(table.alternate(home.tag, alternate), home.primary);
            assert_eq!(tenant.tag, home.tag);
            assert_eq!(tenant.guest, at != Some(home.primary));
            if tenant.guest {
                away[home.primary as usize].leave(tenant.tag);
            }
            if let Some(at) = at {
                assert!([home.primary, alternate].contains(&at));
                continue;
            }
            stashed += 1;
            for bucket in [home.primary, alternate] {
                assert_eq!(table.buckets[bucket as usize].vacancy(), None);
            }
        }
    }
    for (bucket, away) in table.buckets.iter().zip(&away) {
        assert!(bucket.counts_at_least(away));
    }
    assert_eq!(stashed, table.stashed);
    assert_eq!(housed.len(), table.len());
    assert_eq!(table.iter().count(), table.len());
    let mut free = HashSet::new();
    let mut next = table.free;
    for _ in table.len()..table.capacity() {
        let slot = &table.slots[next as usize];
        assert!(slot.handle().is_none() && free.insert(next), "free list at {next}");
        next = slot.state >> VERSION_BITS;
    }
}

#[derive(Clone, Debug)]
enum Operation {
    Insert(u32),
    Find(u32),
    Burst(Vec<Option<u32>>),
    /// Bursts that overlap, and what is inserted (`true`) or removed between their steps.
    Overlapped(Vec<Vec<Option<u32>>>, Vec<(bool, u32)>),
    Remove(u32),
    Change(u32),
    At(usize),
    Fill,
    Empty,
}

fn operation() -> impl Strategy<Value = Operation> {
    let number = || 0..200_u32;
    let numbers = move |length| vec(proptest::option::weighted(0.9, number()), length);
    let burst = move || select(&[0_usize, 1, 2, 3, 8, 31, 32]).prop_flat_map(numbers);
    prop_oneof![
        20 => number().prop_map(Operation::Insert),
        8 => number().prop_map(Operation::Find),
        18 => (0..=32_usize).prop_flat_map(numbers).prop_map(Operation::Burst),
        2 => (33..=100_usize).prop_flat_map(numbers).prop_map(Operation::Burst),
        6 => (vec(burst(), 1..4), vec((any::<bool>(), number()), 0..20))
            .prop_map(|(bursts, changes)| Operation::Overlapped(bursts, changes)),
        12 => number().prop_map(Operation::Remove),
        6 => number().prop_map(Operation::Change),
        4 => (0..150_usize).prop_map(Operation::At),
        1 => Just(Operation::Fill),
        1 => Just(Operation::Empty),
    ]
}

struct Pair<'a, 's> {
    table: Cuckoo<'s, TestKey, Value>,
    model: HashMap<TestKey, (Handle, Value)>,
    /// Handles of entries that were removed, the latest last.
    dead: Vec<Handle>,
    hints: Weak,
    compared: &'a Cell<u32>,
}

impl Pair<'_, '_> {
    fn handle(&self, key: TestKey) -> Option<Handle> {
        self.model.get(&key).map(|(handle, _)| *handle)
    }

    fn insert(&mut self, number: u32) {
        let value = [number, self.compared.get(), !number];
        let result = self.table.insert(&key(number), value, &self.hints);
        match (result, self.handle(key(number))) {
            (Err(InsertError::Exists(there)), Some(handle)) => assert_eq!(there, handle),
            (Err(InsertError::Full), None) => {
                let full = self.model.len() == self.table.capacity();
                let weak = self.hints.0 != !0 && self.table.capacity() > SMALL;
                assert!(full || weak, "full at {}", self.model.len());
            }
            (Ok(handle), None) => {
                assert!(handle.index() < self.table.capacity());
                assert!(self.model.values().all(|(other, _)| other.index() != handle.index()));
                self.model.insert(key(number), (handle, value));
            }
            (result, handle) => panic!("{result:?} where the model has {handle:?}"),
        }
    }

    fn remove(&mut self, number: u32) {
        let Some(handle) = self.handle(key(number)) else { return };
        let (_, value) = self.model.remove(&key(number)).unwrap();
        if number.is_multiple_of(2) {
            assert_eq!(self.table.remove(handle, &self.hints), Some((key(number), value)));
        } else {
            assert_eq!(self.table.remove_key(&key(number), &self.hints), Some(value));
            assert_eq!(self.table.remove_key(&key(number), &self.hints), None);
        }
        assert_eq!(self.table.remove(handle, &self.hints), None);
        self.dead.push(handle);
        // A slot is certainly not reused 32 times within 32 removals.
        let recent = self.dead.len().saturating_sub(31);
        for dead in &self.dead[recent..] {
            assert!(self.table.get(*dead).is_none() && self.table.get_mut(*dead).is_none());
        }
    }

    fn burst(&mut self, numbers: &[Option<u32>]) {
        let keys: Vec<_> = numbers.iter().map(|number| number.map(key)).collect();
        let handles = find_burst(&mut self.table, &keys, &self.hints);
        for (key, handle) in keys.iter().zip(handles) {
            assert_eq!(handle, key.and_then(|key| self.handle(key)));
            assert_eq!(handle, key.and_then(|key| self.table.find(&key, &self.hints)));
        }
        let keys: Vec<_> = keys.into_iter().flatten().collect();
        // With dirt, which a look-up overwrites.
        let mut found = std::vec![Some(SOME); keys.len()];
        self.table.find_burst(&keys, &mut found, &self.hints);
        assert!(found.into_iter().eq(keys.iter().map(|key| self.handle(*key))));
        self.compared.set(self.compared.get() + numbers.len() as u32);
    }

    /// Bursts of which each is begun between the last two steps of the one before it.
    fn overlapped(&mut self, bursts: &[Vec<Option<u32>>], changes: &[(bool, u32)]) {
        let mut changes = changes.chunks(2);
        let mut change = |pair: &mut Self| {
            for &(insert, number) in changes.next().unwrap_or_default() {
                if insert { pair.insert(number) } else { pair.remove(number) }
            }
        };
        let begin = |pair: &Self, burst: &[Option<u32>]| -> Vec<Place> {
            let home = |number| pair.table.home(&key(number), &pair.hints);
            burst.iter().map(|number| number.map_or(Place::NONE, home)).collect()
        };
        let mut next = begin(self, &bursts[0]);
        for (at, burst) in bursts.iter().enumerate() {
            let mut places = next;
            change(self);
            self.table.candidates(&mut places, &self.hints);
            change(self);
            next = begin(self, bursts.get(at + 1).map_or(&[], Vec::as_slice));
            change(self);
            for (number, place) in burst.iter().zip(&places) {
                assert!(number.is_some() || place.candidate.is_none());
                let Some(key) = number.map(key) else { continue };
                let found = self.table.confirm(place, &key).map(|(handle, value)| (handle, *value));
                assert_eq!(found, self.model.get(&key).copied());
                self.compared.set(self.compared.get() + 1);
            }
        }
    }

    fn apply(&mut self, operation: Operation) {
        self.compared.set(self.compared.get() + 1);
        match operation {
            Operation::Insert(number) => self.insert(number),
            Operation::Remove(number) => self.remove(number),
            Operation::Burst(numbers) => self.burst(&numbers),
            Operation::Overlapped(bursts, changes) => self.overlapped(&bursts, &changes),
            Operation::Find(number) => {
                let key = key(number);
                assert_eq!(self.table.find(&key, &self.hints), self.handle(key));
            }
            Operation::Change(number) => {
                if let Some((handle, value)) = self.model.get_mut(&key(number)) {
                    value[1] ^= number + 1;
                    self.table.get_mut(*handle).unwrap()[1] ^= number + 1;
                }
            }
            Operation::At(index) => {
                let expected = self.model.values().find(|(handle, _)| handle.index() == index);
                assert_eq!(self.table.at(index), expected.map(|(handle, _)| *handle));
            }
            Operation::Fill => (0..200).for_each(|number| self.insert(number)),
            Operation::Empty => (0..200).for_each(|number| self.remove(number)),
        }
        assert_eq!(self.table.len(), self.model.len());
    }

    fn compare_all(&self) {
        check(&self.table, &self.hints);
        let mut last = None;
        for (handle, key, value) in self.table.iter() {
            assert_eq!(self.model.get(key), Some(&(handle, *value)));
            assert_eq!(self.table.get(handle), Some((key, value)));
            assert!(last < Some(handle.index()), "iter goes by position");
            last = Some(handle.index());
        }
    }
}

#[test]
fn answers_as_a_naive_model() {
    compare_with_a_naive_model(if cfg!(miri) { 3 } else { 300 }, 1_000_000);
}

#[test]
#[ignore = "long"]
fn answers_as_a_naive_model_ten_million_times() {
    compare_with_a_naive_model(3_000, 10_000_000);
}

fn compare_with_a_naive_model(cases: u32, least: u32) {
    let length = if cfg!(miri) { 40 } else { 500 };
    let compared = Cell::new(0);
    let scene = (0..150_usize, 0..20_usize, any::<u64>(), 0..MASKS.len(), vec(operation(), length));
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&scene, |(capacity, extra, seed, mask, operations)| {
            let mut storage = Storage::new(capacity, extra);
            let mut pair = Pair {
                table: storage.table(seed),
                model: HashMap::new(),
                dead: Vec::new(),
                hints: Weak(MASKS[mask]),
                compared: &compared,
            };
            for (count, operation) in operations.into_iter().enumerate() {
                pair.apply(operation);
                if count % 64 == 0 {
                    pair.compare_all();
                }
            }
            pair.compare_all();
            Ok(())
        })
        .unwrap();
    println!("{} compared operations", compared.get());
    assert!(cfg!(miri) || compared.get() >= least);
}

#[test]
fn fills_to_capacity_under_every_seed() {
    let sizes: &[(usize, u64)] = if cfg!(miri) {
        &[(100, 1)]
    } else {
        &[(65, 200), (1_000, 1_000), (1_024, 50), (65_536, 3)]
    };
    fill(sizes);
}

#[test]
#[ignore = "long"]
fn fills_to_capacity_under_a_thousand_seeds() {
    fill(&[(1 << 10, 1_000), (1 << 16, 1_000), (1 << 20, 1_000)]);
}

fn fill(sizes: &[(usize, u64)]) {
    let hints = SoftwareHints;
    for &(capacity, seeds) in sizes {
        let mut storage = Storage::new(capacity, 0);
        for seed in 0..seeds {
            let mut table = storage.table(seed);
            for number in 0..capacity as u32 {
                let inserted = table.insert(&key(number), [number; 3], &hints);
                assert!(inserted.is_ok(), "{inserted:?} at {number} of {capacity}, seed {seed}");
            }
            assert_eq!(table.insert(&key(u32::MAX), [0; 3], &hints), Err(InsertError::Full));
            let there = *table.iter().next().unwrap().1;
            assert!(matches!(
                table.insert(&there, [0; 3], &hints),
                Err(InsertError::Exists(handle)) if handle.index() == 0
            ));
            if seed < 100 {
                check(&table, &hints);
            }
        }
        println!("{capacity} entries: full at capacity under {seeds} of {seeds} seeds");
    }
}

/// As many come as go, ten times the capacity of them.
#[test]
fn churn_is_never_refused_and_stays_within_the_bound() {
    let (capacity, rounds) = if cfg!(miri) { (100, 1) } else { (8_192, 10) };
    let hints = SoftwareHints;
    let mut storage = Storage::new(capacity, 0);
    for percent in [90, 95, 100] {
        let mut table = storage.table(5);
        let mut fresh = 0..u32::MAX;
        let load = capacity * percent / 100;
        for number in fresh.by_ref().take(load) {
            table.insert(&key(number), [number; 3], &hints).unwrap();
        }
        let (mut all_reads, mut worst) = (0, 0);
        let pairs = rounds * capacity;
        for step in 0..pairs as u32 {
            // The entries stay at the first positions: the last that was freed is taken first.
            let victim = table.at(step.wrapping_mul(2_654_435_761) as usize % load).unwrap();
            let (gone, _) = table.remove(victim, &hints).unwrap();
            assert_eq!(table.find(&gone, &hints), None);
            let number = fresh.next().unwrap();
            table.work.take();
            let handle = table.insert(&key(number), [number; 3], &hints).unwrap();
            let (reads, moves) = table.work.take();
            assert!(reads <= INSERT_READS as u64 && moves <= PATH_MOVES as u64);
            (all_reads, worst) = (all_reads + reads, reads.max(worst));
            assert_eq!(table.find(&key(number), &hints), Some(handle));
        }
        let mean = 100 * all_reads / pairs as u64;
        println!("churn at {percent} %: 100 inserts read {mean} bucket lines, one at most {worst}");
        assert_eq!(table.len(), load);
        check(&table, &hints);
    }
}

#[test]
fn small_tables_take_every_entry_under_any_hash() {
    let sizes = if cfg!(miri) { 20..=20 } else { 0..=SMALL };
    for (capacity, mask) in sizes.flat_map(|capacity| MASKS.map(|mask| (capacity, mask))) {
        let hints = Weak(mask);
        let mut storage = Storage::new(capacity, 0);
        let mut table = storage.table(capacity as u64);
        for number in 0..capacity as u32 {
            assert_eq!(table.find(&key(number), &hints), None);
            table.insert(&key(number), [number; 3], &hints).expect("room for each");
        }
        assert_eq!(table.insert(&key(1_000), [0; 3], &hints), Err(InsertError::Full));
        check(&table, &hints);
        for number in 0..capacity as u32 {
            let handle = table.find(&key(number), &hints).expect("it is there");
            assert_eq!(table.remove(handle, &hints), Some((key(number), [number; 3])));
            check(&table, &hints);
        }
        assert!(table.is_empty());
    }
}

#[test]
fn chosen_keys_are_refused_and_others_lose_nothing() {
    let hints = SoftwareHints;
    let capacity = 1_000;
    let mut storage = Storage::new(capacity, 0);
    let mut table = storage.table(1);
    let (honest, all) = if cfg!(miri) { (50, 80) } else { (500, 1_000) };
    for number in 0..honest {
        table.insert(&key(number), [number; 3], &hints).unwrap();
    }
    let before = table.len();
    let refused = (honest..all)
        .filter(|number| table.insert(&key(*number), [*number; 3], &Weak(0)).is_err())
        .count();
    // Two buckets and the stash: what does not fit there is refused, before and after.
    assert!(table.len() - before <= 3 * PLACES);
    assert_eq!(refused, (all - honest) as usize - (table.len() - before));
    for number in 0..honest {
        let found = table.find(&key(number), &hints).and_then(|handle| table.get(handle));
        assert_eq!(found, Some((&key(number), &[number; 3])));
    }
}

#[test]
fn search_for_a_path_is_as_shallow_as_stated() {
    // The deepest node of the search: count its ancestors.
    let (mut node, mut moves) = (PATH_BUCKETS - 1, 0);
    while node >= 2 {
        (node, moves) = ((node - 2) / PLACES, moves + 1);
    }
    assert_eq!(moves, PATH_MOVES);
}

#[test]
fn storage_is_checked() {
    type Table<'a> = Cuckoo<'a, TestKey, Value>;
    for capacity in 1..if cfg!(miri) { 20 } else { 300 } {
        let Storage { mut buckets, mut slots } = Storage::new(capacity, 0);
        assert!(Table::new(&mut buckets, &mut slots, [0; 2]).is_ok());
        let (_, fewer) = buckets.split_first_mut().unwrap();
        let error = Table::new(fewer, &mut slots, [0; 2]).unwrap_err();
        assert_eq!(error, TableError::StorageTooSmall, "{capacity}");
    }
    assert_eq!(Table::buckets_for(0), 0);
    assert!(Table::buckets_for(1 << 20) * 64 <= 9 << 20, "bytes of a million entries");
    let most = Table::buckets_for(MAX_CAPACITY);
    assert_eq!(Table::divide(most, MAX_CAPACITY), Ok(most - 1));
    assert_eq!(Table::divide(usize::MAX, MAX_CAPACITY), Ok(MAX_CAPACITY));
    let (all, error) = (usize::MAX, Err(TableError::CapacityTooLarge));
    assert_eq!(Table::divide(all, MAX_CAPACITY + 1), error);
    assert_eq!(Table::divide(all, all), error);
    assert!(Table::buckets_for(all) < all);
}

#[test]
fn table_without_slots_is_always_full() {
    for extra in [0, 1, 5] {
        let mut storage = Storage::new(0, extra);
        let mut table = storage.table(0);
        assert_eq!(table.find(&key(1), &SoftwareHints), None);
        assert_eq!(find_burst(&mut table, &[Some(key(1)), None], &SoftwareHints), [None; 2]);
        assert_eq!(table.insert(&key(1), [0; 3], &SoftwareHints), Err(InsertError::Full));
        assert_eq!((table.capacity(), table.len(), table.at(0)), (0, 0, None));
    }
}

#[test]
fn look_up_in_steps_survives_changes_between_them() {
    let hints = SoftwareHints;
    let mut storage = Storage::new(80, 0);
    let mut table = storage.table(0);
    for number in 0..80 {
        table.insert(&key(number), [number; 3], &hints).unwrap();
    }
    let keys: Vec<_> = (0..80).map(key).collect();
    let mut places: Vec<_> = keys.iter().map(|key| table.home(key, &hints)).collect();
    table.candidates(&mut places, &hints);
    let first = keys.iter().zip(&places);
    let right = first.filter(|(key, place)| place.candidate == table.find(key, &hints)).count();
    assert!(right > 70, "the first step finds nearly all: {right}");
    // One in three goes; one in two of those comes back, in a slot that was another's.
    for number in (0..80).step_by(3) {
        let handle = table.find(&key(number), &hints).unwrap();
        table.remove(handle, &hints);
    }
    for number in (0..80).step_by(6) {
        table.insert(&key(number), [number; 3], &hints).unwrap();
    }
    for (key, place) in keys.iter().zip(&places) {
        let found = table.confirm(place, key).map(|(handle, _)| handle);
        assert_eq!(found, table.find(key, &hints));
    }
}

#[test]
fn bursts_of_any_length() {
    let hints = SoftwareHints;
    let mut storage = Storage::new(80, 0);
    let mut table = storage.table(0);
    for number in 0..80 {
        table.insert(&key(number), [number; 3], &hints).unwrap();
    }
    let keys: Vec<_> = (0..100).map(|number| (number % 7 != 0).then_some(key(number))).collect();
    for length in [0, 1, 2, 3, 8, 31, 32, 33, 64, 65, 100] {
        let names: Vec<_> = keys.iter().flatten().take(length).copied().collect();
        let mut found = std::vec![None; names.len()];
        table.find_burst(&names, &mut found, &hints);
        assert!(found.into_iter().eq(names.iter().map(|key| table.find(key, &hints))));
        let handles = find_burst(&mut table, &keys[..length], &hints);
        for (at, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle, keys[at].and_then(|key| table.find(&key, &hints)), "{at}");
        }
    }
}

#[test]
fn slot_of_a_flow_takes_three_lines() {
    type Flow = Slot<[u8; 48], [u64; 17]>;
    assert_eq!((size_of::<Flow>(), align_of::<Flow>()), (192, 64));
}
