//! The flow table's hash table, beside `rte_hash`: `hash.c`, with the same keys in the same order.
//!
//! Our key is the pipeline's, for the same flows; the hash is the shipped one under a seed. A hit
//! reads the entry's first line, compares the whole key and adds the value.
//!
//! | way | what a call is asked |
//! |---|---|
//! | `single` | one key |
//! | `bulk32` | a burst of 32 keys, answered before the next burst is known |
//! | `bulk256` | 256 keys in one call |
//! | `bulk32_overlapped` | the steps of a look-up: a burst of 32 keys is begun, then the one before it is answered |

use std::{
    hint::black_box,
    mem,
    time::{Duration, Instant},
};

use dash_benches::{CpuTime, Prefetch, Random};
use dash_core::{
    pipeline::vnet::FlowKey,
    table::cuckoo::{Bucket, Cuckoo, Handle, Place, Slot, Value},
};
use dash_hal::{BURST, Hints, SoftwareHints};
use zerocopy::transmute;

use crate::{
    latency::Latency,
    memory::filled,
    turns::{Failure, Line, Part},
};

/// The secret of the table: the peer's table has none.
const SEED: [u64; 2] = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210];
/// Numbers from here on are of keys that are never inserted.
const ABSENT: u64 = 1 << 40;
/// Operations that are prepared at a time, outside the clock.
const CHUNK: usize = 1024;
/// Keys that are loaded ahead of the one that is hashed.
const KEYS_AHEAD: usize = 16;
/// Keys of a call that is asked for many at a time.
const MANY: usize = 256;
/// Flows that go and come together: half a burst.
const TOGETHER: usize = BURST / 2;

/// The key of a flow that goes, that of one that comes, and its number.
type Exchange = (FlowKey, FlowKey, u32);

/// The key of the flow that `hash.c` gives this number.
fn key(number: u64) -> FlowKey {
    let name = Random::new(number.wrapping_add(1).wrapping_sub(0x9e37_79b9_7f4a_7c15)).next();
    let source = 0x0a00_0000 | (name & 0xff_ffff) as u32;
    let destination = 0x0a00_0000 | (name >> 24 & 0xff_ffff) as u32;
    let addresses: [u8; 8] = transmute!([source.to_be_bytes(), destination.to_be_bytes()]);
    let [eni, ..] = (number & 63).to_le_bytes();
    let [port_high, port_low] = ((name >> 48) as u16).to_be_bytes();
    let [dns_high, dns_low] = 443_u16.to_be_bytes();
    let owner = [2, 0, 0, 0, 0, eni, 1, 0];
    let facts = [port_high, port_low, dns_high, dns_low, 6, 0, 0, 0];
    transmute!([owner, facts, addresses, [0; 8], [0; 8], [0; 8]])
}

/// What an entry holds: its number, and maybe more that a look-up does not touch.
pub(crate) trait Numbered: Value {
    fn new(number: u64) -> Self;
    fn number(&self) -> u64;
}

/// On its key's cache line.
#[derive(Clone, Copy)]
pub(crate) struct Number(u64);

impl Value for Number {}

impl Numbered for Number {
    fn new(number: u64) -> Self {
        Self(number)
    }
    fn number(&self) -> u64 {
        self.0
    }
}

/// As long as a flow: with key and state 192 bytes.
#[derive(Clone, Copy)]
pub(crate) struct Flow {
    number: u64,
    _rest: [u64; 16],
}

impl Value for Flow {}

impl Numbered for Flow {
    fn new(number: u64) -> Self {
        Self { number, _rest: [0; 16] }
    }
    fn number(&self) -> u64 {
        self.number
    }
}

/// Which table.
struct Shape {
    size: usize,
    /// Tenths of the capacity that one round of churn removes and inserts.
    tenths: usize,
    /// The hints in use and the length of an entry, in the program's name.
    name: String,
}

/// Prepares the part: `[--size LOG2] [--churn TENTHS] [--entry 64|192] [--no-prefetch]`.
pub(crate) fn start(arguments: &[String]) -> Result<Box<dyn Part>, Failure> {
    let mut shape = Shape { size: 1 << 20, tenths: 12, name: "dash_cuckoo".into() };
    let (mut entry, mut prefetch) = (64, true);
    let mut arguments = arguments.iter();
    while let Some(name) = arguments.next() {
        let mut number = || arguments.next().ok_or("a number is missing");
        match name.as_str() {
            "--size" => shape.size = 1 << number()?.parse::<u32>()?,
            "--churn" => shape.tenths = number()?.parse()?,
            "--entry" => entry = number()?.parse()?,
            "--no-prefetch" => prefetch = false,
            _ => return Err(format!("what is {name}?").into()),
        }
    }
    if entry != 64 {
        shape.name += "_192";
    }
    if !prefetch {
        shape.name += "_no_prefetch";
    }
    Ok(match (entry, prefetch) {
        (64, true) => Box::new(Hash::<Number, _>::new(shape, Prefetch)?),
        (192, true) => Box::new(Hash::<Flow, _>::new(shape, Prefetch)?),
        (64, false) => Box::new(Hash::<Number, _>::new(shape, SoftwareHints)?),
        (192, false) => Box::new(Hash::<Flow, _>::new(shape, SoftwareHints)?),
        _ => return Err("an entry has 64 or 192 bytes".into()),
    })
}

/// The table and who lives in it.
struct Hash<V: 'static, H> {
    shape: Shape,
    hints: H,
    bytes: usize,
    table: Cuckoo<'static, FlowKey, V>,
    /// Numbers of the keys in the table.
    live: Vec<u32>,
    /// Numbers from here on were not used yet.
    next: u32,
    random: Random,
    hits: Vec<FlowKey>,
    misses: Vec<FlowKey>,
}

impl<V: Numbered, H: Hints> Hash<V, H> {
    fn new(shape: Shape, hints: H) -> Result<Self, Failure> {
        let buckets = Cuckoo::<FlowKey, V>::buckets_for(shape.size);
        let buckets = filled(buckets, Bucket::EMPTY)?;
        let slots = filled(shape.size, Slot::empty(V::new(0)))?;
        let bytes = size_of_val(buckets) + size_of_val(slots);
        let table = Cuckoo::new(buckets, slots, SEED).map_err(|error| format!("{error:?}"))?;
        let (live, random) = (Vec::with_capacity(shape.size), Random::new(1));
        Ok(Self {
            shape,
            hints,
            bytes,
            table,
            live,
            next: 0,
            random,
            hits: Vec::new(),
            misses: Vec::new(),
        })
    }

    /// Inserts fresh keys until there are `count`; answers the time without making the keys.
    fn fill(&mut self, count: usize) -> Result<Duration, Failure> {
        let mut time = CpuTime::default();
        while self.live.len() < count {
            let first = self.next;
            self.next += (count - self.live.len()).min(65_536) as u32;
            let keys: Vec<FlowKey> = (first..self.next).map(|number| key(number.into())).collect();
            time.start();
            for (number, key) in (first..).zip(&keys) {
                if self.table.insert(key, V::new(number.into()), &self.hints).is_err() {
                    return Err("the table refuses a key while filling".into());
                }
            }
            time.stop();
            self.live.extend(first..self.next);
        }
        Ok(time.total())
    }

    /// Each key that lives is found with its own value, and no key that was never inserted.
    fn verify(&self) -> Result<(), Failure> {
        let value = |number| {
            let handle = self.table.find(&key(number), &self.hints)?;
            Some(self.table.get(handle)?.1.number())
        };
        let lost = self.live.iter().filter(|number| {
            let number = u64::from(**number);
            value(number) != Some(number)
        });
        let lost = lost.count();
        if lost > 0 || self.table.len() != self.live.len() {
            return Err(format!("{lost} keys lost, {} counted", self.table.len()).into());
        }
        if (ABSENT..ABSENT + 65_536).any(|number| value(number).is_some()) {
            return Err("found an absent key".into());
        }
        Ok(())
    }

    fn line<'a>(&self, program: &'a str, what: &str, queries: usize) -> Line<'a> {
        let (entries, bytes) = (self.live.len() as u64, self.bytes as u64);
        let work = self.work(what);
        Line { program, work, entries, bytes, queries: queries as u64 }
    }

    fn work(&self, what: &str) -> String {
        let size = self.shape.size;
        if size < 1 << 20 {
            format!("{}k {what}", size >> 10)
        } else {
            format!("{}M {what}", size >> 20)
        }
    }

    fn fill_up(&mut self) -> Result<(), Failure> {
        let size = self.shape.size;
        self.table.clear();
        self.live.clear();
        self.next = 0;
        let count = size * 9 / 10;
        let time = self.fill(count)?;
        let line = self.line(&self.shape.name, "fill", count);
        line.print(time, count as u64, count as u64, "");
        self.random = Random::new(1);
        let queries = size.min(1 << 20);
        (self.hits, self.misses) = (0..queries)
            .map(|_| {
                let hit = key(self.random.below(count as u64));
                (hit, key(ABSENT + self.random.below(1 << 30)))
            })
            .unzip();
        self.verify()
    }

    /// The sum of the answers, one key at a time.
    fn single(&self, keys: &[FlowKey]) -> u64 {
        let answers = keys.iter().filter_map(|key| self.table.find(key, &self.hints));
        answers.fold(0, |sum, handle| sum + self.answer(Some(handle)))
    }

    /// The sum of the answers, `N` keys a call.
    fn bursts<const N: usize>(&self, keys: &[FlowKey]) -> u64 {
        let mut sum = 0_u64;
        for burst in keys.chunks(N) {
            let mut handles = [None; N];
            self.table.find_burst(burst, &mut handles, &self.hints);
            for handle in handles {
                sum += self.answer(handle);
            }
        }
        sum
    }

    /// The sum of the answers, in bursts that overlap: each is begun, its keys hashed and its buckets
    /// being loaded, before the entries of the one before it are compared. So the answers to a burst
    /// come when the next one is there.
    fn overlapped(&mut self, keys: &[FlowKey]) -> u64 {
        let mut sum = 0_u64;
        let mut next = [Place::NONE; BURST];
        let mut bursts = keys.chunks(BURST);
        let mut burst = bursts.next().unwrap_or_default();
        self.begin(burst, &mut next);
        while !burst.is_empty() {
            let mut places = next;
            self.table.candidates(&mut places[..burst.len()], &self.hints);
            let behind = bursts.next().unwrap_or_default();
            self.begin(behind, &mut next);
            for (place, key) in places.iter().zip(burst) {
                let entry = self.table.confirm(place, key);
                sum += entry.map_or(0, |(_, value)| value.number() + 1);
            }
            burst = behind;
        }
        sum
    }

    /// The first step of the look-ups of a burst. Keys are loaded ahead, as `find_burst` does.
    #[inline]
    fn begin(&self, keys: &[FlowKey], places: &mut [Place; BURST]) {
        let mut ahead = keys.iter().skip(KEYS_AHEAD);
        for (place, key) in places.iter_mut().zip(keys) {
            ahead.next().inspect(|key| self.hints.prefetch(*key));
            *place = self.table.home(key, &self.hints);
        }
    }

    #[inline]
    fn answer(&self, handle: Option<Handle>) -> u64 {
        let entry = handle.and_then(|handle| self.table.get(handle));
        entry.map_or(0, |(_, value)| value.number() + 1)
    }

    fn look_up(&mut self) -> Result<(), Failure> {
        let keys = [mem::take(&mut self.hits), mem::take(&mut self.misses)];
        for (what, keys) in ["hit", "miss"].into_iter().zip(&keys) {
            let programs = ["single", "bulk32", "bulk256", "bulk32_overlapped"]
                .map(|way| format!("{}_{way}", self.shape.name));
            let [single, burst, many, overlapped] =
                programs.each_ref().map(|program| self.line(program, what, keys.len()));
            single.measure(|| self.single(black_box(keys)))?;
            burst.measure(|| self.bursts::<BURST>(black_box(keys)))?;
            many.measure(|| self.bursts::<MANY>(black_box(keys)))?;
            overlapped.measure(|| self.overlapped(black_box(keys)))?;
        }
        [self.hits, self.misses] = keys;
        Ok(())
    }

    /// One key goes, one comes. While the old one's entry is loaded, so is what the new one needs.
    #[inline]
    fn replace(&mut self, (old, new, number): &Exchange) -> u64 {
        let place = self.table.home(old, &self.hints);
        let place_of_new = self.table.prepare(new, &self.hints);
        let gone = self.table.confirm(&place, old).map(|(handle, _)| handle);
        if let Some(handle) = gone {
            self.table.remove_at(&place, handle, &self.hints);
        }
        let inserted =
            self.table.insert_at(&place_of_new, new, V::new((*number).into()), &self.hints);
        u64::from(gone.is_some()) + u64::from(inserted.is_ok())
    }

    /// The same for up to [`TOGETHER`] keys, as a burst of misses and a tick of the wheel do it:
    /// all that they need is loaded first.
    #[inline]
    fn replace_burst(&mut self, exchanges: &[Exchange]) -> u64 {
        let (mut old, mut new) = ([Place::NONE; TOGETHER], [Place::NONE; TOGETHER]);
        for ((old, new), exchange) in old.iter_mut().zip(&mut new).zip(exchanges) {
            *old = self.table.home(&exchange.0, &self.hints);
            *new = self.table.prepare(&exchange.1, &self.hints);
        }
        self.table.candidates(&mut old, &self.hints);
        let mut done = 0;
        for ((old, new), (gone, key, number)) in old.iter().zip(&new).zip(exchanges) {
            if let Some((handle, _)) = self.table.confirm(old, gone) {
                self.table.remove_at(old, handle, &self.hints);
                done += 1;
            }
            let inserted = self.table.insert_at(new, key, V::new((*number).into()), &self.hints);
            done += u64::from(inserted.is_ok());
        }
        done
    }

    /// Steady state: a random key goes, a fresh one comes. Of four chunks the first gives the mean
    /// of bursts, the third that of single exchanges, and the others the latency of each exchange.
    fn churn(&mut self, what: &str) -> Result<(), Failure> {
        let chunks = (self.shape.tenths * self.shape.size / 10 / CHUNK) & !1;
        let (mut bursts, mut single) = (CpuTime::default(), CpuTime::default());
        let mut latency = Latency::new();
        let mut good = 0;
        for chunk in 0..chunks {
            let exchanges: Vec<Exchange> = (0..CHUNK)
                .map(|_| {
                    let place = self.random.below(self.live.len() as u64) as usize;
                    let (old, new) = (self.live[place], self.next);
                    self.live[place] = new;
                    self.next += 1;
                    (key(old.into()), key(new.into()), new)
                })
                .collect();
            match chunk % 4 {
                0 => {
                    bursts.start();
                    for burst in exchanges.chunks(TOGETHER) {
                        good += self.replace_burst(burst);
                    }
                    bursts.stop();
                }
                2 => {
                    single.start();
                    for exchange in &exchanges {
                        good += self.replace(exchange);
                    }
                    single.stop();
                }
                _ => {
                    latency.begin();
                    for exchange in &exchanges {
                        let before = Instant::now();
                        good += self.replace(exchange);
                        latency.add(before.elapsed());
                    }
                }
            }
        }
        let all = chunks * CHUNK;
        let timed = |first: usize| ((chunks + 3 - first) / 4 * CHUNK) as u64;
        let [one, many] = ["single", "bulk16"].map(|way| format!("{}_{way}", self.shape.name));
        self.line(&one, what, all).print(single.total(), timed(2), good, &latency.members());
        self.line(&many, what, all).print(bursts.total(), timed(0), good, "");
        self.verify()
    }

    /// A random pair of keys goes, a fresh pair comes, and 6 frames of random flows hit, in bursts
    /// after each 16 connections.
    fn connection(&mut self) -> Result<(), Failure> {
        let connections = (self.shape.size / 4).min(131_072) / TOGETHER * TOGETHER;
        let (mut time, mut sum) = (CpuTime::default(), 0);
        for _ in 0..connections / TOGETHER {
            let mut exchanges: Vec<Exchange> = Vec::with_capacity(2 * TOGETHER);
            for _ in 0..TOGETHER {
                let first = 2 * self.random.below(self.live.len() as u64 / 2) as usize;
                for place in [first, first + 1] {
                    exchanges.push((
                        key(self.live[place].into()),
                        key(self.next.into()),
                        self.next,
                    ));
                    self.live[place] = self.next;
                    self.next += 1;
                }
            }
            let mut expected = 0;
            let mut frame = || {
                let number = self.live[self.random.below(self.live.len() as u64) as usize];
                expected += u64::from(number) + 1;
                key(number.into())
            };
            let frames: Vec<FlowKey> = (0..6 * TOGETHER).map(|_| frame()).collect();
            time.start();
            let changed: u64 =
                exchanges.chunks(TOGETHER).map(|burst| self.replace_burst(burst)).sum();
            let answers = self.bursts::<BURST>(&frames);
            time.stop();
            if answers != expected || changed != 4 * TOGETHER as u64 {
                return Err("connection: wrong answer or no room".into());
            }
            sum += answers;
        }
        let name = format!("{}_bulk32", self.shape.name);
        let line = self.line(&name, "connection", 6 * connections);
        line.print(time.total(), connections as u64, sum, "");
        self.verify()
    }
}

impl<V: Numbered, H: Hints> Part for Hash<V, H> {
    fn round(&mut self, phase: &str) -> Result<(), Failure> {
        match phase {
            "fill" => self.fill_up(),
            "look-up" => self.look_up(),
            "connection" => self.connection(),
            "churn-90" => self.churn("churn at 90 %"),
            "churn-95" => {
                self.fill(self.shape.size * 95 / 100)?;
                self.churn("churn at 95 %")
            }
            _ => Err("phase: fill, look-up, connection, churn-90, churn-95".into()),
        }
    }
}
