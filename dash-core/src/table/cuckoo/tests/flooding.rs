//! Keys that an attacker chooses cost what random ones cost, in bucket lines read and entries moved.

use super::{
    Cuckoo, HashKey, Hints, INSERT_READS, InsertError, PATH_MOVES, SoftwareHints, Storage, TestKey,
    Value, Vec, println,
};

const KEYS: u64 = if cfg!(miri) { 100 } else { 1_000_000 };
/// The table is 95 % full in the end.
const CAPACITY: usize = KEYS as usize * 20 / 19;

/// splitmix64's finaliser.
fn mixed(number: u64) -> u64 {
    let value = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

fn random() -> Vec<TestKey> {
    let number = |number| mixed(number + 0x1234_5678_9abc);
    (0..KEYS).map(|at| TestKey([number(2 * at), number(2 * at + 1)])).collect()
}

/// Addresses and ports that count up.
fn sequential() -> Vec<TestKey> {
    let ports = 443 << 16;
    (0..KEYS).map(|at| TestKey([0x0a00_0001 << 32 | (0x0a01_0000 + at / 64), ports + at])).collect()
}

/// CRC-32C of all words but the last half.
fn crc32c(bytes: &[u8]) -> u32 {
    bytes.iter().fold(!0, |state, byte| {
        (0..8).fold(state ^ u32::from(*byte), |state, _| {
            (state >> 1) ^ if state & 1 == 0 { 0 } else { 0x82f6_3b78 }
        })
    })
}

/// The last four bytes bring the state of the CRC to one value: it is linear in them.
fn of_one_crc() -> Vec<TestKey> {
    let keys = (0..KEYS).map(|at| {
        let [first, second] = [mixed(at), u64::from(mixed(!at) as u32)];
        let bytes: Vec<u8> = first.to_le_bytes().into_iter().chain(second.to_le_bytes()).collect();
        TestKey([first, second | u64::from(crc32c(&bytes[..12]) ^ 0xdead_beef) << 32])
    });
    let keys: Vec<_> = keys.collect();
    let crc = |TestKey(words): &TestKey| {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        crc32c(&bytes)
    };
    let sample = keys.iter().step_by(1_000);
    assert!(sample.clone().all(|key| crc(key) == crc(&keys[0])), "the keys have one CRC");
    keys
}

/// All of one hash under the secret of `seed`: a factor of the first product is 0.
fn of_one_hash(seed: u64) -> Vec<TestKey> {
    let secret = HashKey::new([seed, !seed]);
    let low = u64::from(secret.words()[0].wrapping_neg());
    let keys: Vec<_> = (0..KEYS).map(|at| TestKey([at << 32 | low, 5])).collect();
    let hash = |key: &TestKey| SoftwareHints.keyed_hash(&secret, &key.0);
    assert!(keys.iter().step_by(1_000).all(|key| hash(key) == hash(&keys[0])));
    keys
}

/// Bucket lines read and entries moved, by inserting all keys, finding all, and missing as many.
fn work(keys: &[TestKey], seed: u64) -> [(u64, u64); 3] {
    let hints = SoftwareHints;
    let mut storage = Storage::new(CAPACITY, 0);
    let mut table = storage.table(seed);
    for key in keys {
        table.insert(key, [1; 3], &hints).expect("room for each");
    }
    let inserted = table.work.take();
    assert!(keys.iter().all(|key| table.find(key, &hints).is_some()));
    let found = table.work.take();
    let absent = |TestKey([first, second]): &TestKey| TestKey([*first, second ^ 1 << 63]);
    assert!(keys.iter().all(|key| table.find(&absent(key), &hints).is_none()));
    [inserted, found, table.work.take()]
}

#[test]
fn chosen_keys_cost_what_random_ones_cost() {
    let seed = 12;
    let random = work(&random(), seed);
    println!("random: {random:?}");
    let chosen =
        [("sequential", sequential()), ("one CRC", of_one_crc()), ("one hash", of_one_hash(13))];
    for (name, keys) in chosen {
        let work = work(&keys, seed);
        println!("{name}: {work:?}");
        for ((reads, moves), (random_reads, random_moves)) in work.into_iter().zip(random) {
            assert!(5 * reads <= 6 * random_reads, "{name}: {reads} for {random_reads}");
            assert!(5 * moves <= 6 * random_moves, "{name}: {moves} for {random_moves}");
        }
    }
}

#[test]
fn a_known_secret_gets_full_within_the_bound_and_others_lose_nothing() {
    let hints = SoftwareHints;
    let seed = 13;
    let mut storage = Storage::new(CAPACITY, 0);
    let mut table: Cuckoo<'_, TestKey, Value> = storage.table(seed);
    let honest = random();
    let honest = &honest[..honest.len() / 2];
    for key in honest {
        table.insert(key, [1; 3], &hints).unwrap();
    }
    let mut refused = 0;
    for key in of_one_hash(seed).iter().take(10_000) {
        table.work.take();
        refused += u32::from(table.insert(key, [2; 3], &hints) == Err(InsertError::Full));
        let (reads, moves) = table.work.take();
        assert!(reads <= INSERT_READS as u64, "{reads} lines read");
        assert!(moves <= PATH_MOVES as u64);
    }
    assert!(refused > 9_900 || cfg!(miri));
    assert!(honest.iter().all(|key| table.find(key, &hints).is_some()));
}
