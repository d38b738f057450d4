//! The map of configuration beside `rte_hash`: CA-PA mappings of both families, `hash.c` with
//! `--mapping`, the same keys in the same order.
//!
//! Key and value have the sizes of the pipeline's. Entries are inserted one by one; and once more
//! with a few keys touched before they are inserted, as transactions of the policy do. The last phase
//! replaces every entry while a reader on another core looks up and passes a quiescent point after
//! each burst.

use std::{
    hint::black_box,
    sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    thread,
};

use dash_benches::{CpuTime, Random};
use dash_core::table::{
    TableError,
    exact::{Exact, ExactWriter},
    quiescence::Readers,
};
use dash_hal::{BURST, HashKey};
use rustix::thread::{CpuSet, sched_getcpu, sched_setaffinity};
use zerocopy::transmute;

use crate::{
    memory::words,
    turns::{Failure, Line, Part},
};

/// Address, VNET, family, and a mark of keys that are never inserted.
type Key = [u32; 5];
/// A number, and as much as a mapping has beside.
type Value = [u32; 7];

/// Numbers from here on are of keys that are never inserted.
const ABSENT: u64 = 1 << 40;
/// Keys that an update of many touches before it inserts them.
const AHEAD: usize = 16;
/// Each update alone, or after the keys of some are touched.
const WAYS: [(&str, bool); 2] = [("dash_exact", false), ("dash_exact_ahead", true)];

fn key(number: u64) -> Key {
    let spread = Random::new(number.wrapping_add(1).wrapping_sub(0x9e37_79b9_7f4a_7c15)).next();
    let [low, high]: [u32; 2] = transmute!(spread.to_le_bytes());
    let v6 = number & 1 == 1;
    let octets = if v6 {
        [0xfd, 0, low, high]
    } else {
        [0, 0, 0, (number as u32).wrapping_mul(2_654_435_761)]
    };
    let [first, second, third, fourth] = octets;
    let absent = u32::from(number >= ABSENT) << 31;
    let vnet = (number >> 1 & 63) as u32 | u32::from(v6) << 16 | absent;
    [first, second, third, fourth, vnet]
}

fn value(number: u32, version: u32) -> Value {
    [number, version, !number, 0, 0, 0, 0]
}

/// The map, filled by the first phase.
struct Mapping {
    size: usize,
    words: &'static [AtomicU32],
    readers: Readers<'static>,
    writer: ExactWriter<'static, Key, Value>,
    version: u32,
    hits: Vec<Key>,
    misses: Vec<Key>,
}

/// Prepares the part: `[--size LOG2]`.
pub(crate) fn start(arguments: &[String]) -> Result<Box<dyn Part>, Failure> {
    let size = match arguments {
        [] => 1 << 23,
        [name, size] if name == "--size" => 1_usize << size.parse::<u32>()?,
        _ => return Err("usage: mapping [--size LOG2]".into()),
    };
    let words = words(ExactWriter::<Key, Value>::words_for(size))?;
    let readers = Readers::new(Box::leak(Box::new([AtomicU32::new(0)])));
    let writer = empty(words, size, readers)?;
    let (hits, misses) = (Vec::new(), Vec::new());
    Ok(Box::new(Mapping { size, words, readers, writer, version: 0, hits, misses }))
}

fn empty(
    words: &'static [AtomicU32],
    size: usize,
    readers: Readers<'static>,
) -> Result<ExactWriter<'static, Key, Value>, Failure> {
    let hash = HashKey::new([5, 7]);
    Ok(ExactWriter::new(words, size, hash, readers).map_err(|error| format!("{error:?}"))?)
}

impl Mapping {
    fn count(&self) -> usize {
        self.size * 9 / 10
    }

    fn line(&self, program: &'static str, what: &str, queries: usize) -> Line<'static> {
        let work = format!("{}M mapping {what}", self.size >> 20);
        let (entries, bytes) = (self.writer.len() as u64, 4 * self.words.len() as u64);
        Line { program, work, entries, bytes, queries: queries as u64 }
    }

    /// Inserts or replaces all entries; answers how often an update had to wait for the reader.
    fn write(&mut self, time: &mut CpuTime, touch: bool) -> Result<u64, Failure> {
        let (mut first, mut busy) = (0, 0);
        let table = self.writer.table();
        while first < self.count() as u32 {
            let next = (first + 65_536).min(self.count() as u32);
            let keys: Vec<Key> = (first..next).map(|number| key(number.into())).collect();
            time.start();
            for (number, key) in (first..).zip(&keys) {
                let at = (number - first) as usize;
                if touch && at.is_multiple_of(AHEAD) {
                    keys.iter().skip(at).take(AHEAD).for_each(|key| table.touch(key));
                }
                let value = value(number, self.version);
                while let Err(error) = self.writer.insert(key, &value) {
                    if error != TableError::Busy {
                        return Err(format!("{error:?} at {number}").into());
                    }
                    busy += 1;
                    thread::yield_now();
                }
            }
            time.stop();
            first = next;
        }
        Ok(busy)
    }

    fn fill(&mut self) -> Result<(), Failure> {
        let count = self.count();
        for (program, touch) in WAYS {
            self.writer = empty(self.words, self.size, self.readers)?;
            let mut time = CpuTime::default();
            self.write(&mut time, touch)?;
            self.line(program, "fill", count).print(time.total(), count as u64, count as u64, "");
        }
        let mut random = Random::new(1);
        (self.hits, self.misses) = (0..self.size.min(1 << 20))
            .map(|_| {
                let hit = key(random.below(count as u64));
                (hit, key(ABSENT + random.below(1 << 30)))
            })
            .unzip();
        Ok(())
    }

    fn look_up(&self) -> Result<(), Failure> {
        let table = self.writer.table();
        for (what, keys) in [("hit", &self.hits), ("miss", &self.misses)] {
            self.line("dash_exact", what, keys.len()).measure(|| sum(table, black_box(keys)))?;
        }
        Ok(())
    }

    /// Replaces all while a reader looks up, twice.
    fn replace(&mut self) -> Result<(), Failure> {
        let hits = std::mem::take(&mut self.hits);
        for (program, touch) in WAYS {
            self.replace_beside_a_reader(program, touch, &hits)?;
        }
        self.hits = hits;
        Ok(())
    }

    fn replace_beside_a_reader(
        &mut self,
        program: &'static str,
        touch: bool,
        hits: &[Key],
    ) -> Result<(), Failure> {
        let (table, readers) = (self.writer.table(), self.readers);
        let (done, read) = (&AtomicBool::new(false), &AtomicU32::new(0));
        let mut time = CpuTime::default();
        self.version += 1;
        let writer = sched_getcpu();
        let busy = thread::scope(|scope| {
            scope.spawn(move || {
                leave(writer);
                for keys in hits.chunks(BURST).cycle() {
                    let found = keys.iter().filter(|key| table.get(key).is_some()).count();
                    assert_eq!(found, keys.len(), "a key that stays is always found");
                    readers.quiescent(0);
                    read.fetch_add(1, Relaxed);
                    if done.load(Relaxed) {
                        break;
                    }
                }
            });
            let busy = self.write(&mut time, touch);
            done.store(true, Relaxed);
            busy
        })?;
        let count = self.count();
        let more = format!(r#","busy":{busy},"reader_bursts":{}"#, read.load(Relaxed));
        self.line(program, "replace", count).print(time.total(), count as u64, count as u64, &more);
        Ok(())
    }
}

/// Moves this thread to any core but `core`, where there is another.
fn leave(core: usize) {
    let mut others = CpuSet::new();
    (0..CpuSet::MAX_CPU).filter(|other| *other != core).for_each(|other| others.set(other));
    // Refused where there is no other: then the two take turns.
    let _ = sched_setaffinity(None, &others);
}

fn sum(table: Exact<'_, Key, Value>, keys: &[Key]) -> u64 {
    keys.iter().filter_map(|key| table.get(key)).map(|[number, ..]| u64::from(number) + 1).sum()
}

impl Part for Mapping {
    fn round(&mut self, phase: &str) -> Result<(), Failure> {
        match phase {
            "fill" => self.fill(),
            "look-up" => self.look_up(),
            "replace" => self.replace(),
            _ => Err("phase: fill, look-up, replace".into()),
        }
    }
}
