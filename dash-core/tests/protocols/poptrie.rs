//! The poptrie.
use super::{explore, one_reader, table::poptrie::PoptrieWriter, words};
use loom::thread;
use smoltcp::wire::{IpAddress, IpCidr};

/// As few as a table with a handful of prefixes needs: loom keeps a history of each word.
const WORDS: usize = 640;

fn at(last: u8, length: u8) -> IpCidr {
    IpCidr::new(IpAddress::v4(10, 0, 0, last), length)
}

/// Runs `change` beside a reader that looks up 10.0.0.1 so many times, with a quiescent point behind
/// each, on a table that `prepare` fills; `check` sees the answers.
fn beside_a_reader<const TIMES: usize>(
    prepare: fn(&mut PoptrieWriter<'_>),
    change: fn(&mut PoptrieWriter<'_>),
    check: fn([Option<u32>; TIMES]),
) {
    explore(2, move || {
        let readers = one_reader();
        let mut writer = PoptrieWriter::new(words(WORDS), 16, 1, readers).unwrap();
        prepare(&mut writer);
        let poptrie = writer.table();
        let reader = thread::spawn(move || {
            let answers = [(); TIMES].map(|()| {
                let answer = poptrie.lookup(0, IpAddress::v4(10, 0, 0, 1));
                readers.quiescent(0);
                answer
            });
            check(answers);
        });
        change(&mut writer);
        reader.join().unwrap();
    });
}

/// Six prefixes below one node, so that a change copies the node.
fn crowd(writer: &mut PoptrieWriter<'_>) {
    for last in 0..6 {
        writer.insert(0, at(last << 5, 27), 20 + u32::from(last)).unwrap();
    }
}

#[test]
fn a_bucket_is_replaced() {
    beside_a_reader(
        |writer| {
            writer.insert(0, at(0, 8), 8).unwrap();
        },
        |writer| {
            writer.insert(0, at(1, 32), 32).unwrap();
        },
        |answers| assert!(matches!(answers, [Some(8), Some(8 | 32)] | [Some(32), Some(32)])),
    );
}

#[test]
fn a_node_is_replaced() {
    beside_a_reader(
        crowd,
        |writer| {
            writer.insert(0, at(0, 28), 28).unwrap();
        },
        |answers| assert!(matches!(answers, [Some(20), Some(20 | 28)] | [Some(28), Some(28)])),
    );
}

/// The memory of the first change is wanted by those behind it: it is reused only when the reader
/// has passed.
#[test]
fn memory_is_reused_behind_the_reader() {
    beside_a_reader(
        |writer| {
            writer.insert(0, at(0, 8), 8).unwrap();
            writer.insert(0, at(1, 32), 32).unwrap();
        },
        |writer| {
            for turn in 0..2 {
                writer.remove(0, at(1, 32));
                let _ = writer.insert(0, at(128 + turn, 32), 99);
            }
        },
        |answers| assert!(matches!(answers, [Some(8 | 32)])),
    );
}

/// The default route goes once a longer one has come.
#[test]
fn a_route_takes_over_from_the_default() {
    beside_a_reader(
        |writer| {
            writer.insert(0, at(0, 0), 1).unwrap();
            writer.insert(0, at(128, 25), 25).unwrap();
        },
        |writer| {
            writer.insert(0, at(0, 16), 16).unwrap();
            writer.remove(0, at(0, 0)).unwrap();
        },
        |answers| assert!(matches!(answers, [Some(1), Some(1 | 16)] | [Some(16), Some(16)])),
    );
}
