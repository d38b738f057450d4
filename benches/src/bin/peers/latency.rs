//! Latency of single operations, by wall clock, as the peers' `struct lat`: a sample over 10 µs
//! during which the kernel switched this thread out is dropped and counted.

use std::{fmt::Write, time::Duration};

const LONG: u64 = 10_000;

/// Samples in ns, in steps of 1/32 of their size.
pub(crate) struct Latency {
    histogram: Vec<u64>,
    samples: u64,
    worst: u64,
    dropped: u64,
    switches: u64,
}

impl Latency {
    pub(crate) fn new() -> Self {
        Self { histogram: vec![0; 2048], samples: 0, worst: 0, dropped: 0, switches: 0 }
    }

    /// From here on switches of the thread count.
    pub(crate) fn begin(&mut self) {
        self.switches = switches();
    }

    pub(crate) fn add(&mut self, time: Duration) {
        let time = time.as_nanos() as u64;
        if time > LONG {
            let switches = switches();
            if switches != self.switches {
                self.switches = switches;
                self.dropped += 1;
                return;
            }
        }
        self.histogram[slot(time)] += 1;
        self.samples += 1;
        self.worst = self.worst.max(time);
    }

    /// Upper edge of the step in which so many of 1,000 samples end.
    fn quantile(&self, of_thousand: u64) -> u64 {
        let wanted = self.samples * of_thousand / 1000;
        let mut count = 0;
        for (slot, samples) in self.histogram.iter().enumerate() {
            count += samples;
            if count > wanted {
                return upper(slot).min(self.worst);
            }
        }
        self.worst
    }

    /// The JSON members.
    pub(crate) fn members(&self) -> String {
        let mut members = String::new();
        let (p99, p999) = (self.quantile(990), self.quantile(999));
        let Self { worst, samples, dropped, .. } = self;
        let _ = write!(
            members,
            r#","p99_ns":{p99},"p999_ns":{p999},"worst_ns":{worst},"samples":{samples},"dropped":{dropped}"#
        );
        members
    }
}

/// Below 64 each value has its own; above, each power of two has 32.
fn slot(time: u64) -> usize {
    let shift = time.max(32).ilog2() - 5;
    (shift as usize) * 32 + (time >> shift) as usize
}

fn upper(slot: usize) -> u64 {
    let shift = if slot < 64 { 0 } else { slot / 32 - 1 };
    ((slot as u64 - shift as u64 * 32 + 1) << shift) - 1
}

/// How often the kernel has switched this thread out.
fn switches() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let lines = status.lines().filter(|line| line.contains("ctxt_switches"));
    lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum()
}
