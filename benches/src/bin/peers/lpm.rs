//! The route tables, beside `rte_fib`, `rte_lpm` and `rte_fib6`: `lpm.c`, with the same addresses in
//! the same order; and 32 tables together, which stand beside the machine's own random reads.

use std::{
    hint::black_box,
    path::Path,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use dash_benches::{
    CpuTime, Prefetch, Random,
    routes::{BinaryTrie, Route, WORKS, in_prefix, load},
};
use dash_core::table::{
    TableError,
    poptrie::{Address, Direct, Poptrie, PoptrieWriter, Shape, Value},
    quiescence::Readers,
};
use smoltcp::wire::{IpCidr, Ipv4Address, Ipv6Address};

use crate::{
    latency::Latency,
    memory,
    turns::{Failure, Line, Part},
};

/// Addresses of a burst.
const BULK: usize = 32;
/// Pairs of a round of updates.
const UPDATES: u64 = 20_000;
/// Pairs of the updates after which the memory is looked at.
const AGE: u64 = 1_000_000;
/// Tables of the works of many.
const TABLES: u64 = 32;
/// Routes of each of them.
const ROUTES: usize = 100_000;

/// Prepares the part: `FOLDER bgp4|bgp6|subsets|disjoint`.
pub(crate) fn start(arguments: &[String]) -> Result<Box<dyn Part>, Failure> {
    let [folder, what] = arguments else {
        return Err("usage: peers lpm FOLDER bgp4|bgp6|subsets|disjoint".into());
    };
    let folder = Path::new(folder);
    Ok(match what.as_str() {
        "bgp4" => Box::new(Full::new(load(folder, false)?, false)?),
        "bgp6" => Box::new(Full::new(load(folder, true)?, true)?),
        "subsets" => Box::new(Many::new(what, |seed| subset(folder, seed))?),
        "disjoint" => Box::new(Many::new(what, |seed| Ok(disjoint(seed)))?),
        _ => return Err(format!("what is {what}?").into()),
    })
}

/// The addresses of a work, as the packet path has them.
enum Addresses {
    V4(Vec<Ipv4Address>),
    V6(Vec<Ipv6Address>),
}

/// A full table.
struct Full {
    routes: Vec<Route>,
    prefixes: Vec<(IpCidr, u32)>,
    v6: bool,
    shape: Shape,
    works: Vec<(&'static str, Addresses)>,
    /// What each address of each work must answer.
    wanted: Vec<Vec<u32>>,
    writer: PoptrieWriter<'static>,
    readers: Readers<'static>,
    random: Random,
}

impl Full {
    fn new(routes: Vec<Route>, v6: bool) -> Result<Self, Failure> {
        let bytes = if v6 { 10_000_000 } else { 24_000_000 };
        let readers = Readers::new(memory::words(1)?);
        let writer = PoptrieWriter::new(memory::words(bytes / 4)?, 1 << 20, 1, readers);
        let trie = BinaryTrie::new(&routes);
        let (mut works, mut wanted) = (Vec::new(), Vec::new());
        for work in WORKS {
            let addresses = work.addresses(&routes, v6);
            wanted.push(addresses.iter().map(|address| trie.lookup(*address)).collect());
            let addresses = if v6 {
                Addresses::V6(addresses.into_iter().map(Into::into).collect())
            } else {
                Addresses::V4(addresses.into_iter().map(v4).collect())
            };
            works.push((work.name(), addresses));
        }
        let shape = if v6 {
            Shape { v6: Direct::Bits18, ..Shape::default() }
        } else {
            Shape { v4: Direct::Bits18, ..Shape::default() }
        };
        let mut part = Self {
            prefixes: routes.iter().map(|route| (route.cidr(v6), route.value)).collect(),
            routes,
            v6,
            shape,
            works,
            wanted,
            writer: writer.map_err(|error| format!("{error:?}"))?,
            readers,
            random: Random::new(77),
        };
        part.build()?;
        part.verify(0)?;
        Ok(part)
    }

    fn line<'a>(&self, program: &'a str, what: &str, queries: u64) -> Line<'a> {
        let family = if self.v6 { "bgp6" } else { "bgp4" };
        let usage = self.writer.usage();
        let bytes = (usage.total - usage.free) as u64;
        let work = format!("{family} {what}");
        Line { program, work, entries: self.routes.len() as u64, bytes, queries }
    }

    /// Builds the table anew in the place of the old one.
    fn build(&mut self) -> Result<Duration, Failure> {
        // An empty table first, so that the old one need not stand beside the new one.
        self.writer.replace(0, Shape::default(), []).map_err(error)?;
        self.readers.quiescent(0);
        let mut time = CpuTime::default();
        time.start();
        let prefixes = self.prefixes.iter().copied();
        self.writer.replace(0, self.shape, prefixes).map_err(error)?;
        time.stop();
        Ok(time.total())
    }

    /// Compares all addresses of all works, alone and in bursts, and all prefixes in order;
    /// `default` is what an address without a route must answer.
    fn verify(&self, default: u32) -> Result<(), Failure> {
        let table = self.writer.table();
        for ((name, addresses), wanted) in self.works.iter().zip(&self.wanted) {
            let mut answers = vec![None; wanted.len()];
            match addresses {
                Addresses::V4(all) => table.lookup_burst(&Prefetch, 0, all, &mut answers),
                Addresses::V6(all) => table.lookup_burst(&Prefetch, 0, all, &mut answers),
            }
            for (index, (wanted, answer)) in wanted.iter().zip(answers).enumerate() {
                let address = match addresses {
                    Addresses::V4(all) => all[index].into(),
                    Addresses::V6(all) => all[index].into(),
                };
                let wanted = if *wanted == 0 { default } else { *wanted };
                let single = table.lookup(0, address).unwrap_or(0);
                let longest = table.longest(0, address).map_or(0, |longest| longest.value);
                if [single, longest, answer.map_or(0, Value::get)] != [wanted; 3] {
                    return Err(format!("{name} #{index}: {answer:?}, not {wanted}").into());
                }
            }
        }
        if default == 0 && !table.iter(0).eq(self.prefixes.iter().copied()) {
            return Err("the prefixes are not those inserted, in order".into());
        }
        Ok(())
    }

    fn look_up(&self) -> Result<(), Failure> {
        let table = self.writer.table();
        for (name, addresses) in &self.works {
            let single = |sum: u64, answer: Option<u32>| sum + u64::from(answer.unwrap_or(0));
            let queries = self.wanted[0].len() as u64;
            self.line("dash_poptrie_single", name, queries).measure(|| match addresses {
                Addresses::V4(all) => black_box(all)
                    .iter()
                    .fold(0, |sum, address| single(sum, table.lookup(0, (*address).into()))),
                Addresses::V6(all) => black_box(all)
                    .iter()
                    .fold(0, |sum, address| single(sum, table.lookup(0, (*address).into()))),
            })?;
            for (program, bursts) in BURSTS {
                self.line(program, name, queries).measure(|| bursts(&table, addresses))?;
            }
        }
        Ok(())
    }

    /// Random routes go and come back while another core looks up and passes quiescent points.
    fn update(&mut self) -> Result<(), Failure> {
        let done = AtomicBool::new(false);
        let (table, readers) = (self.writer.table(), self.readers);
        let (mut latency, mut time) = (Latency::new(), CpuTime::default());
        let pairs: Vec<Route> = (0..UPDATES)
            .map(|_| self.routes[self.random.below(self.routes.len() as u64) as usize])
            .collect();
        let (works, v6) = (&self.works, self.v6);
        let (mut good, mut busy) = (0, 0);
        let writer = &mut self.writer;
        thread::scope(|scope| {
            scope.spawn(|| read(&table, readers, &works[1].1, &done));
            latency.begin();
            time.start();
            for route in &pairs {
                let prefix = route.cidr(v6);
                let begin = Instant::now();
                let removed = writer.remove(0, prefix);
                loop {
                    match writer.insert(0, prefix, route.value) {
                        Err(TableError::Busy) => busy += 1,
                        result => {
                            good += u64::from(removed.is_some() && result == Ok(None));
                            break;
                        }
                    }
                }
                latency.add(begin.elapsed());
            }
            time.stop();
            done.store(true, Relaxed);
        });
        let more = format!("{},\"busy\":{busy}", latency.members());
        self.line("dash_poptrie", "update", UPDATES).print(time.total(), UPDATES, good, &more);
        self.verify(0)
    }

    /// What the memory has come to after a million random changes of places, and whether all is right.
    fn age(&mut self) -> Result<(), Failure> {
        let mut time = CpuTime::default();
        let mut good = 0;
        time.start();
        for _ in 0..AGE {
            let route = self.routes[self.random.below(self.routes.len() as u64) as usize];
            let prefix = route.cidr(self.v6);
            let removed = self.writer.remove(0, prefix);
            self.readers.quiescent(0);
            let inserted = self.writer.insert(0, prefix, route.value).map_err(error)?;
            self.readers.quiescent(0);
            good += u64::from(removed.is_some() && inserted.is_none());
        }
        time.stop();
        let line = self.line("dash_poptrie", "all after 10^6 updates", AGE);
        line.print(time.total(), AGE, good, "");
        let bytes = self.writer.usage().lookups as u64;
        let line = self.line("dash_poptrie", "read by look-ups after 10^6 updates", AGE);
        Line { bytes, ..line }.print(time.total(), AGE, good, "");
        self.verify(0)
    }

    fn change_default(&mut self) -> Result<(), Failure> {
        let prefix = Route { address: 0, length: 0, value: 0 }.cidr(self.v6);
        self.writer.insert(0, prefix, 1).map_err(error)?;
        let mut time = CpuTime::default();
        time.start();
        self.writer.insert(0, prefix, 200).map_err(error)?;
        time.stop();
        self.verify(200)?;
        self.writer.remove(0, prefix);
        self.line("dash_poptrie", "default route change", 1).print(time.total(), 1, 1, "");
        Ok(())
    }
}

/// The sum of the answers to all addresses in bursts of one size.
type Bursts = fn(&Poptrie<'_>, &Addresses) -> u64;

/// The programs of all sizes.
const BURSTS: [(&str, Bursts); 6] = [
    ("dash_poptrie_bulk1", bursts::<1>),
    ("dash_poptrie_bulk2", bursts::<2>),
    ("dash_poptrie_bulk3", bursts::<3>),
    ("dash_poptrie_bulk8", bursts::<8>),
    ("dash_poptrie_bulk31", bursts::<31>),
    ("dash_poptrie_bulk32", bursts::<BULK>),
];

fn bursts<const SIZE: usize>(table: &Poptrie<'_>, addresses: &Addresses) -> u64 {
    match addresses {
        Addresses::V4(all) => bursts_of::<_, SIZE>(table, all),
        Addresses::V6(all) => bursts_of::<_, SIZE>(table, all),
    }
}

fn bursts_of<A: Address, const SIZE: usize>(table: &Poptrie<'_>, all: &[A]) -> u64 {
    let mut answers = [None; SIZE];
    let (bursts, rest) = black_box(all).as_chunks::<SIZE>();
    let mut sum = 0;
    for burst in bursts {
        table.lookup_burst(&Prefetch, 0, burst, &mut answers);
        sum += total(&answers);
    }
    table.lookup_burst(&Prefetch, 0, rest, &mut answers[..rest.len()]);
    sum + total(&answers[..rest.len()])
}

fn total(answers: &[Option<Value>]) -> u64 {
    answers.iter().map(|answer| u64::from(answer.map_or(0, Value::get))).sum()
}

/// Looks addresses up in bursts until it is `done`, on another core than the writer's if there is
/// one.
fn read(table: &Poptrie<'_>, readers: Readers<'_>, addresses: &Addresses, done: &AtomicBool) {
    let mut others = rustix::thread::CpuSet::new();
    for core in 0..thread::available_parallelism().map_or(1, usize::from).max(2) - 1 {
        others.set(core);
    }
    // Refused, it runs where it may.
    let _ = rustix::thread::sched_setaffinity(None, &others);
    let mut answers = [None; BULK];
    let bursts = |first: usize| first * BULK..(first + 1) * BULK;
    for burst in (0..).take_while(|_| !done.load(Relaxed)) {
        match addresses {
            Addresses::V4(all) => {
                table.lookup_burst(
                    &Prefetch,
                    0,
                    &all[bursts(burst % (all.len() / BULK))],
                    &mut answers,
                );
            }
            Addresses::V6(all) => {
                table.lookup_burst(
                    &Prefetch,
                    0,
                    &all[bursts(burst % (all.len() / BULK))],
                    &mut answers,
                );
            }
        }
        black_box(&answers);
        readers.quiescent(0);
    }
}

impl Part for Full {
    fn round(&mut self, phase: &str) -> Result<(), Failure> {
        match phase {
            "build" => {
                let (time, count) = (self.build()?, self.routes.len() as u64);
                self.line("dash_poptrie", "build", count).print(time, count, count, "");
                Ok(())
            }
            "look-up" => self.look_up(),
            "update" => self.update(),
            "default" => self.change_default(),
            "age" => self.age(),
            _ => Err("phase: build, look-up, update, default, age".into()),
        }
    }
}

/// 32 tables in one region.
struct Many {
    what: String,
    tables: Vec<u32>,
    addresses: Vec<Ipv4Address>,
    bytes: u64,
    poptrie: Poptrie<'static>,
}

impl Many {
    fn new(
        what: &str,
        routes: impl Fn(u64) -> Result<Vec<Route>, Failure>,
    ) -> Result<Self, Failure> {
        let bytes = TABLES as usize * if what == "disjoint" { 1_500_000 } else { 3_000_000 };
        let words = memory::words(bytes / 4)?;
        let writer = PoptrieWriter::new(words, 4_000_000, TABLES as usize, Readers::new(&[]));
        let mut writer = writer.map_err(error)?;
        let shape = Shape { v4: Direct::Bits12, ..Shape::default() };
        let mut random = Random::new(7);
        let mut all = Vec::new();
        for number in 0..TABLES {
            let routes = routes(number)?;
            let prefixes = routes.iter().map(|route| (route.cidr(false), route.value));
            writer.replace(number as u32, shape, prefixes).map_err(error)?;
            let trie = BinaryTrie::new(&routes);
            for _ in 0..100_000 {
                let route = routes[random.below(routes.len() as u64) as usize];
                let any = u128::from(random.next()) << 64;
                let address = in_prefix(&route, any);
                let answer = writer.table().lookup(number as u32, v4(address).into());
                if answer.unwrap_or(0) != trie.lookup(address) {
                    return Err("a wrong answer".into());
                }
            }
            all.push(routes);
        }
        let (mut tables, mut addresses) = (Vec::new(), Vec::new());
        for _ in 0..1 << 20 {
            let table = random.below(TABLES);
            let routes = &all[table as usize];
            let route = routes[random.below(routes.len() as u64) as usize];
            tables.push(table as u32);
            addresses.push(v4(in_prefix(&route, u128::from(random.next()) << 64)));
        }
        let usage = writer.usage();
        let bytes = (usage.total - usage.free) as u64;
        Ok(Self { what: what.into(), tables, addresses, bytes, poptrie: writer.table() })
    }
}

impl Part for Many {
    fn round(&mut self, _: &str) -> Result<(), Failure> {
        let line = Line {
            program: "dash_poptrie_bulk32",
            work: format!("32 tables, {}", self.what),
            entries: TABLES * ROUTES as u64,
            bytes: self.bytes,
            queries: self.tables.len() as u64,
        };
        line.measure(|| {
            let mut answers = [None; BULK];
            let mut sum = 0;
            let bursts = self.tables.chunks(BULK).zip(black_box(&self.addresses).chunks(BULK));
            for (tables, addresses) in bursts {
                self.poptrie.lookup_burst_in(&Prefetch, tables, addresses, &mut answers);
                sum += total(&answers);
            }
            sum
        })
    }
}

/// 100,000 random routes of the IPv4 table.
fn subset(folder: &Path, seed: u64) -> Result<Vec<Route>, Failure> {
    let mut routes = load(folder, false)?;
    let mut random = Random::new(seed);
    for at in 0..ROUTES {
        let other = at + random.below((routes.len() - at) as u64) as usize;
        routes.swap(at, other);
    }
    routes.truncate(ROUTES);
    Ok(routes)
}

/// 100,000 disjoint prefixes of 24 to 32 bits in 10.0.0.0/8, their lengths uniform.
fn disjoint(seed: u64) -> Vec<Route> {
    let mut random = Random::new(1 << 32 | seed);
    let mut taken = vec![0_u64; 1 << 18];
    let mut routes = Vec::with_capacity(ROUTES);
    while routes.len() < ROUTES {
        let length = 24 + random.below(9) as u8;
        let count = 1 << (32 - length);
        let first = random.below(1 << 24) as usize / count * count;
        let mut addresses = first..first + count;
        if addresses.clone().any(|address| taken[address / 64] >> (address % 64) & 1 != 0) {
            continue;
        }
        addresses.all(|address| {
            taken[address / 64] |= 1 << (address % 64);
            true
        });
        let value = 1 + random.below(255) as u32;
        routes.push(Route { address: (0x0a00_0000 | first as u128) << 96, length, value });
    }
    routes
}

fn v4(address: u128) -> Ipv4Address {
    Ipv4Address::from_bits((address >> 96) as u32)
}

fn error(error: TableError) -> Failure {
    format!("{error:?}").into()
}
