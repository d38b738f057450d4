//! The shared tables against naive models, and under readers in threads.
extern crate std;
mod acl;
mod exact;
mod poptrie;
mod quiescence;

use super::{TableError, quiescence::Readers};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use dash_hal::HashKey;
use proptest::{
    strategy::Strategy,
    test_runner::{Config, TestCaseError, TestRunner},
};
use smoltcp::wire::{IpAddress, IpCidr};
use std::{thread, vec::Vec};

const HASH: HashKey = HashKey::new([5, 7]);

/// Words that hold anything but what a table expects.
fn storage(words: usize) -> Vec<AtomicU32> {
    (0..words).map(|_| AtomicU32::new(0xdead_beef)).collect()
}

/// Runs `test` on `cases` values; each answers how many operations it has compared.
fn compare<S: Strategy>(
    name: &str,
    cases: u32,
    strategy: S,
    test: impl Fn(S::Value) -> Result<usize, TestCaseError>,
) -> usize {
    let cases = if cfg!(miri) { 2 } else { cases };
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let total = core::cell::Cell::new(0);
    TestRunner::new(config)
        .run(&strategy, |value| {
            total.set(total.get() + test(value)?);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    std::println!("{name}: {} operations compared", total.get());
    assert!(cfg!(miri) || total.get() > 100_000);
    total.get()
}

/// Runs `read` again and again in a thread for each reader while `write` runs. `write` calls its
/// argument when it was answered `Busy`.
fn contend(readers: Readers<'_>, read: impl Fn(usize) + Sync, write: impl FnOnce(&dyn Fn())) {
    struct Done<'a>(&'a AtomicBool);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(true, Relaxed);
        }
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let (stop, read) = (Done(&done), &read);
        let threads: Vec<_> = (0..readers.len())
            .map(|index| {
                let done = &done;
                scope.spawn(move || {
                    while !done.load(Relaxed) {
                        read(index);
                        readers.quiescent(index);
                        // On few cores the writer would wait whole time slices.
                        thread::yield_now();
                    }
                })
            })
            .collect();
        write(&|| {
            assert!(!threads.iter().any(thread::ScopedJoinHandle::is_finished), "a reader failed");
            thread::yield_now();
        });
        drop(stop);
    });
}

/// Changes made while readers run.
const CHANGES: u32 = if cfg!(miri) { 20 } else { 4_000 };

/// An address of a small world, so that prefixes nest and meet.
fn address(v6: bool, choice: u8) -> IpAddress {
    let (high, low) = (u128::from(choice >> 4), u128::from(choice & 15));
    if v6 {
        IpAddress::Ipv6((0xfd << 120 | high << 64 | low).into())
    } else {
        IpAddress::Ipv4(((10 << 24 | high << 16 | low) as u32).into())
    }
}

fn prefix(v6: bool, choice: u8, length: u8) -> IpCidr {
    const V4: [u8; 8] = [0, 8, 12, 14, 16, 30, 31, 32];
    const V6: [u8; 8] = [0, 1, 60, 62, 64, 126, 127, 128];
    IpCidr::new(address(v6, choice), if v6 { V6 } else { V4 }[usize::from(length % 8)])
}

/// Whether `prefix` covers `address`, bit by bit.
fn covers(prefix: IpCidr, address: IpAddress) -> bool {
    fn bit(address: IpAddress, index: usize) -> bool {
        let byte = match address {
            IpAddress::Ipv4(address) => address.octets()[index / 8],
            IpAddress::Ipv6(address) => address.octets()[index / 8],
        };
        byte & (0x80 >> (index % 8)) != 0
    }
    prefix.address().version() == address.version()
        && (0..usize::from(prefix.prefix_len()))
            .all(|index| bit(prefix.address(), index) == bit(address, index))
}

/// Lets the readers run until each of `counts` has grown.
fn await_growth(counts: &[&AtomicU32], pause: &dyn Fn()) {
    for count in counts {
        let before = count.load(Relaxed);
        while count.load(Relaxed) == before {
            pause();
        }
    }
}

/// Makes a change again until it is no longer answered `Busy`.
fn persist<T>(pause: &dyn Fn(), mut change: impl FnMut() -> Result<T, TableError>) -> T {
    loop {
        match change() {
            Err(TableError::Busy) => pause(),
            result => return result.expect("the change is possible"),
        }
    }
}
