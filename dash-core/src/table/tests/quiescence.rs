use super::super::quiescence::{MAX_READERS, Readers};
use super::super::{TableError, exact::ExactWriter};
use super::{HASH, storage};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

type Writer<'a> = ExactWriter<'a, u32, u32>;

/// Takes a node and gives one up, as the replacement of a longer value does.
fn make_again(writer: &mut Writer<'_>, key: u32, value: u32) -> Result<Option<u32>, TableError> {
    let old = writer.remove(&key);
    writer.insert(&key, &value).map(|_| old)
}

#[test]
fn a_reader_that_stands_still_makes_updates_busy() {
    let counters = [AtomicU32::new(0), AtomicU32::new(0)];
    let readers = Readers::new(&counters);
    let words = storage(Writer::words_for(1));
    let mut writer = Writer::new(&words, 1, HASH, readers).unwrap();
    assert_eq!(writer.insert(&1, &10), Ok(None));
    assert_eq!(make_again(&mut writer, 1, 11), Ok(Some(10)));
    // A value of one word is replaced in its node.
    assert_eq!(writer.insert(&1, &12), Ok(Some(11)));
    // Removing needs no memory, and the entry it leaves is no memory yet.
    assert_eq!(writer.remove(&1), Some(12));
    for reader in [0, 0, 2] {
        assert_eq!((writer.room(), writer.insert(&2, &20)), (0, Err(TableError::Busy)));
        assert_eq!(writer.table().get(&2), None);
        readers.quiescent(reader);
    }
    assert_eq!(writer.insert(&2, &20), Err(TableError::Busy));
    readers.quiescent(1);
    assert_eq!((writer.room(), writer.insert(&2, &20)), (1, Ok(None)));
    assert_eq!(writer.insert(&3, &30), Err(TableError::Full));
}

#[test]
fn one_quiescent_point_after_the_last_change_frees_all() {
    let counters = [AtomicU32::new(0)];
    let readers = Readers::new(&counters);
    let words = storage(Writer::words_for(8));
    let mut writer = Writer::new(&words, 8, HASH, readers).unwrap();
    for key in 0..8 {
        assert_eq!(writer.insert(&key, &0), Ok(None));
    }
    for key in 0..8 {
        assert_eq!(writer.remove(&key), Some(0));
    }
    assert_eq!(writer.room(), 2);
    readers.quiescent(0);
    assert_eq!(writer.room(), 8);
}

#[test]
fn steady_changes_do_not_put_off_reuse() {
    let counters = [AtomicU32::new(0)];
    let readers = Readers::new(&counters);
    let words = storage(Writer::words_for(8));
    let mut writer = Writer::new(&words, 8, HASH, readers).unwrap();
    assert_eq!(writer.insert(&0, &0), Ok(None));
    // The reader passes a point after every second change, never between two that fall together.
    for value in 0..1_000 {
        assert_eq!(make_again(&mut writer, 0, value + 1), Ok(Some(value)));
        if value % 2 == 0 {
            readers.quiescent(0);
        }
    }
}

#[test]
fn counters_wrap() {
    let counters = [AtomicU32::new(u32::MAX)];
    let readers = Readers::new(&counters);
    let words = storage(Writer::words_for(1));
    let mut writer = Writer::new(&words, 1, HASH, readers).unwrap();
    assert_eq!(writer.insert(&1, &0), Ok(None));
    for value in 0..4 {
        assert_eq!(make_again(&mut writer, 1, value + 1), Ok(Some(value)));
        assert_eq!(writer.insert(&1, &value), Ok(Some(value + 1)));
        assert_eq!(writer.remove(&1), Some(value));
        assert_eq!(writer.insert(&1, &99), Err(TableError::Busy));
        readers.quiescent(0);
        assert_eq!(writer.insert(&1, &(value + 1)), Ok(None));
    }
    assert_eq!(counters[0].load(Relaxed), 3);
}

#[test]
fn without_readers_memory_is_reused_at_once() {
    let words = storage(Writer::words_for(1));
    let mut writer = Writer::new(&words, 1, HASH, Readers::new(&[])).unwrap();
    for value in 0..100 {
        assert_eq!(writer.insert(&1, &value), Ok(value.checked_sub(1)));
    }
    for value in 0..100 {
        assert_eq!(writer.remove(&(1 + value)), Some(99));
        assert_eq!(writer.insert(&(2 + value), &99), Ok(None));
    }
}

#[test]
fn more_readers_than_a_snapshot_holds_are_refused() {
    let counters = storage(MAX_READERS + 1);
    let words = storage(Writer::words_for(1));
    assert!(Writer::new(&words, 1, HASH, Readers::new(&counters[1..])).is_ok());
    assert_eq!(
        Writer::new(&words, 1, HASH, Readers::new(&counters)).err(),
        Some(TableError::CapacityTooLarge)
    );
}
