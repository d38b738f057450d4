//! The publication of ACL groups.
use super::{
    explore, one_reader,
    table::{
        acl::{WORDS, Writer},
        quiescence::Readers,
    },
    words,
};
use loom::thread;

/// Runs `test` on a group of version 1.
fn explore_group(test: fn(Writer, Readers<'static>)) {
    explore(2, move || {
        let (group, words) = words(1 + WORDS).split_first().unwrap();
        let readers = one_reader();
        let mut writer = Writer::new(group, words, readers);
        assert!(writer.set(1));
        test(writer, readers);
    });
}

#[test]
fn a_replaced_group_is_old_or_new_and_never_goes_back() {
    explore_group(|mut writer, _| {
        let group = writer.reader();
        let reader = thread::spawn(move || {
            let (first, second) = (group.version().unwrap(), group.version().unwrap());
            assert!(1 <= first && first <= second && second <= 2);
        });
        assert!(writer.set(2));
        reader.join().unwrap();
        assert_eq!(writer.reader().version(), Some(2));
    });
}

/// There is room for the old and the new image: the third one needs the memory of the first.
#[test]
fn memory_is_reused_only_after_a_quiescent_point() {
    explore_group(|mut writer, readers| {
        let group = writer.reader();
        let reader = thread::spawn(move || {
            for _ in 0..2 {
                assert!(group.version().is_none_or(|version| (1..=3).contains(&version)));
                readers.quiescent(0);
            }
        });
        assert!(writer.set(2));
        // Refused as long as the reader may still look at the first.
        let _ = writer.set(3);
        writer.remove();
        reader.join().unwrap();
        readers.quiescent(0);
        assert!(writer.set(3));
        assert_eq!(writer.reader().version(), Some(3));
    });
}
