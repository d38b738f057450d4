//! Rounds by turns, and the lines they print: the protocol of `benches/peers/common.h`.
//!
//! A program prepares its work, prints an empty line, and waits. For each line that it reads (a
//! phase) it does one round: a JSON line for each work of that phase, then an empty line.
#![allow(clippy::cast_precision_loss, reason = "numbers of operations are below 2⁵²")]

use std::{error::Error, hint::black_box, io::stdin, time::Duration};

use dash_benches::CpuTime;

/// What ends a program.
pub(crate) type Failure = Box<dyn Error>;

/// One part of the benchmarks, prepared.
pub(crate) trait Part {
    /// One round of `phase`: prints a [`Line`] for each of its works.
    fn round(&mut self, phase: &str) -> Result<(), Failure>;
}

/// Does the rounds that are asked for on standard input.
pub(crate) fn take(mut part: Box<dyn Part>) -> Result<(), Failure> {
    println!();
    for phase in stdin().lines() {
        part.round(phase?.trim())?;
        println!();
    }
    Ok(())
}

/// Passes of `queries` operations that make a round long enough for the clock.
const fn passes(queries: u64) -> u64 {
    const ROUND: u64 = 1 << 20;
    if queries < ROUND { ROUND / queries } else { 1 }
}

/// What is said of one work in one round.
pub(crate) struct Line<'a> {
    /// Table and way, e.g. `dash_cuckoo_bulk32`.
    pub(crate) program: &'a str,
    /// The work, named as the peer names it.
    pub(crate) work: String,
    /// Entries of the table.
    pub(crate) entries: u64,
    /// All bytes of the table.
    pub(crate) bytes: u64,
    /// Questions in one pass.
    pub(crate) queries: u64,
}

impl Line<'_> {
    /// Prints it: `sum` is that of the answers of one pass, `more` empty or `,"name":value`.
    pub(crate) fn print(&self, time: Duration, operations: u64, sum: u64, more: &str) {
        let Self { program, work, entries, bytes, queries } = self;
        let nanoseconds = 1e9 * time.as_secs_f64() / operations as f64;
        let setting = |name, default: &str| std::env::var(name).unwrap_or_else(|_| default.into());
        let pages = setting("PEERS_PAGES", "4k");
        let flags = setting("PEERS_FLAGS", "default");
        println!(
            r#"{{"program":"{program}","work":"{work}","entries":{entries},"bytes":{bytes},"ns_per_op":{nanoseconds:.3},"ops":{operations},"queries":{queries},"sum":{sum},"pages":"{pages}","flags":"{flags}"{more}}}"#
        );
    }

    /// Times `pass`, which asks all questions and answers the sum of the answers: once to warm up,
    /// then as often as makes a round; prints it.
    pub(crate) fn measure(&self, mut pass: impl FnMut() -> u64) -> Result<(), Failure> {
        let sum = pass();
        let passes = passes(self.queries);
        let mut time = CpuTime::default();
        for _ in 0..passes {
            time.start();
            let again = black_box(pass());
            time.stop();
            if again != sum {
                return Err("answers changed from pass to pass".into());
            }
        }
        self.print(time.total(), passes * self.queries, sum, "");
        Ok(())
    }
}
